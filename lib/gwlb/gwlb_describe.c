/* SPDX-License-Identifier: BSD-3-Clause */
#include "gwlb_flow.h"

bool
gwlb_flow_describe(const struct snapshot *s, const struct flow_record *record,
		   const struct flow_filter *filter, struct flow_info *info, uint32_t now_ms)
{
	const struct flow_gateway *r = (const struct flow_gateway *)(const void *)record;
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	bool from_low = (r->flags & FLOW_GATEWAY_FROM_LOW) != 0;

	if (r->role != FLOW_ROLE_LOCAL || r->kind != FLOW_KIND_GATEWAY)
		return false;
	if (filter->has_client && !ip_addr_equal(&filter->client, &r->low) &&
	    !ip_addr_equal(&filter->client, &r->high))
		return false;
	if (filter->has_target &&
	    (r->target == 0 || !ip_addr_equal(&filter->target, &target->addr)))
		return false;
	if (filter->frontend != 0 && filter->frontend != r->frontend)
		return false;
	*info = (struct flow_info){.client = from_low ? r->low : r->high,
				   .vip = from_low ? r->high : r->low,
				   .target = target->addr,
				   .client_port_be = from_low ? r->low_port_be : r->high_port_be,
				   .vip_port_be = from_low ? r->high_port_be : r->low_port_be,
				   .target_port_be = target->port_be,
				   .proto = r->proto,
				   .state = r->state,
				   .kind = r->kind,
				   .bypass = r->target == 0,
				   .idle_ms = now_ms - r->last_seen_ms,
				   .age_ms = now_ms - r->created_ms,
				   .packets = r->packets,
				   .frontend = r->frontend,
				   .endpoint = r->endpoint,
				   .cookie_be = r->cookie_be};
	return true;
}

static const struct snapshot_endpoint *
key_of_tuple(const struct snapshot *s, const struct flow_tuple *t, struct flow_gateway_key *key)
{
	const struct snapshot_endpoint *e = snapshot_endpoint(s, t->endpoint);
	struct packet p = {.src = t->src,
			   .dst = t->dst,
			   .proto = t->proto,
			   .sport_be = t->sport_be,
			   .dport_be = t->dport_be};

	if (e != NULL)
		gwlb_key(&p, t->endpoint, gwlb_parts_of_endpoint(e), key);
	return e;
}

uint8_t
gwlb_tuple_slot(const struct gwlb *g, const struct snapshot *s, const struct flow_tuple *t)
{
	struct flow_gateway_key key;

	return key_of_tuple(s, t, &key) == NULL ? 0 : flow_gateway_slot(g->steer, &key);
}

uint32_t
gwlb_tuple_target(const struct gwlb *g, const struct snapshot *s, const struct flow_tuple *t,
		  enum drop_reason *reason)
{
	struct flow_gateway_key key;
	const struct snapshot_endpoint *e = key_of_tuple(s, t, &key);
	uint32_t target = 0;

	*reason = DROP_NONE;
	if (e == NULL || e->frontend == 0)
		*reason = DROP_NO_LISTENER;
	else
		gwlb_choose(g, s, e, &key, &target, reason);
	return target;
}

bool
gwlb_flow_look(const struct gwlb *g, const struct snapshot *s, const struct flow_tuple *t,
	       struct flow_info *info, uint32_t now_ms)
{
	static const struct flow_filter all;
	struct flow_gateway_key key;
	struct flow_search search;
	uint32_t record;

	if (key_of_tuple(s, t, &key) == NULL)
		return false;
	search = flow_search_begin(g->flows, flow_gateway_hash(&g->flows->seed, &key));
	while ((record = flow_search_next_record(g->flows, &search)) != FLOW_NONE) {
		if (flow_gateway_is(flow_gateway_of(&g->flows->records[record]), &key))
			return gwlb_flow_describe(s, &g->flows->records[record], &all, info,
						  now_ms);
	}
	return false;
}
