/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_flow.h"

#include <netinet/in.h>

#include "check.h"
#include "maglev.h"

#define TARGET_ATTEMPTS 8 /* targets tried when a reply's tuple is taken */

/* Records and their two hashes. */

uint64_t
nlb_flow_hash(const struct nlb *nlb, const struct snapshot *s, const struct flow_record *r,
	      enum flow_side side)
{
	const struct snapshot_target *target;
	const struct ip_addr *local;

	if (r->kind == FLOW_KIND_ENDPOINT) {
		if (side == FLOW_SIDE_CLIENT)
			return 0;
		return flow_hash_target(&nlb->flows, &r->client, r->client_port_be,
					&s->locals[ref_index(r->local)].addr, r->local_port_be,
					r->proto);
	}
	if (side == FLOW_SIDE_CLIENT)
		return flow_hash_client(&nlb->flows, &r->client, r->client_port_be, r->frontend,
					r->proto);
	target = &s->targets[ref_index(r->target)];
	local = (r->flags & FLOW_FLAG_FULL_NAT) != 0 ? &s->locals[ref_index(r->local)].addr
						     : &r->client;
	return flow_hash_target(&nlb->flows, &target->addr, target->port_be, local,
				r->local_port_be, r->proto);
}

/* The one way a flow ends. */
void
nlb_flow_close(struct nlb *nlb, const struct snapshot *s, uint32_t record)
{
	struct flow_record *r = &nlb->flows.records[record];

	nlb->changes++;
	flow_journal_note(&nlb->journal, FLOW_CLOSED, record, r->version);
	flow_index_remove(&nlb->flows, nlb_flow_hash(nlb, s, r, FLOW_SIDE_CLIENT), record,
			  FLOW_SIDE_CLIENT);
	flow_index_remove(&nlb->flows, nlb_flow_hash(nlb, s, r, FLOW_SIDE_TARGET), record,
			  FLOW_SIDE_TARGET);
	nlb_frontend_counters(nlb, r)->closed_flows++;
	nlb_target_counters(nlb, r)->closed_flows++;
	if ((r->flags & FLOW_FLAG_FULL_NAT) != 0)
		nlb->ports--;
	flow_record_give(&nlb->flows, record);
}

void
nlb_flow_set_state(struct nlb *nlb, uint32_t record, enum flow_state state)
{
	struct flow_record *r = &nlb->flows.records[record];

	if (r->state == state)
		return;
	r->state = (uint8_t)state;
	r->version = (uint16_t)(r->version + 2);
	if (state == FLOW_STATE_CLOSING || state == FLOW_STATE_RESET)
		flow_journal_note(&nlb->journal, FLOW_CLOSING, record, r->version);
}

/* Finding. */

uint32_t
nlb_flow_find_target_side(const struct nlb *nlb, const struct snapshot *s, uint64_t hash,
			  const struct ip_addr *src, uint16_t sport_be, const struct ip_addr *dst,
			  uint16_t dport_be, uint8_t proto)
{
	struct flow_search search = flow_search_begin(&nlb->flows, hash);
	uint32_t record;

	while ((record = flow_search_next(&nlb->flows, &search, FLOW_SIDE_TARGET)) != FLOW_NONE) {
		if (nlb_flow_is_target_side(s, &nlb->flows.records[record], src, sport_be, dst,
					    dport_be, proto))
			break;
	}
	return record;
}

uint32_t
nlb_flow_find_client_side(const struct nlb *nlb, uint64_t hash, const struct ip_addr *client,
			  uint16_t client_port_be, uint32_t frontend, uint8_t proto)
{
	struct flow_search search = flow_search_begin(&nlb->flows, hash);
	uint32_t record;

	while ((record = flow_search_next(&nlb->flows, &search, FLOW_SIDE_CLIENT)) != FLOW_NONE) {
		if (nlb_flow_is_client_side(&nlb->flows.records[record], client, client_port_be,
					    frontend, proto))
			break;
	}
	return record;
}

/* Source ports. */

/*
 * A port of `slot` whose reply tuple from the target is free.
 * @return  0: none.
 */
static uint16_t
find_port(struct nlb *nlb, const struct snapshot *s, const struct ip_addr *local,
	  const struct ip_addr *target, uint16_t target_port_be, uint8_t proto, uint8_t slot,
	  uint32_t now_ms, uint64_t *hash)
{
	uint64_t pool =
		flow_hash_target(&nlb->flows, target, target_port_be, local, htons(slot), proto);
	struct source_port_hint *hint = &nlb->hints[pool % SOURCE_PORT_HINTS];

	if (source_port_is_full(hint, now_ms))
		return 0;
	for (uint32_t i = 0; i < SOURCE_PORT_PER_SLOT; i++) {
		uint16_t port_be = source_port_candidate(hint, slot, i);

		*hash = flow_hash_target(&nlb->flows, target, target_port_be, local, port_be,
					 proto);
		if (nlb_flow_find_target_side(nlb, s, *hash, target, target_port_be, local, port_be,
					      proto) == FLOW_NONE) {
			source_port_taken(hint, i);
			return port_be;
		}
	}
	source_port_exhausted(hint, now_ms);
	return 0;
}

bool
nlb_endpoint_open(struct nlb *nlb, const struct snapshot *snapshot, uint32_t local,
		  const struct ip_addr *target, uint16_t dport_be, uint8_t slot, uint32_t now_ms,
		  uint16_t *sport_be)
{
	const struct snapshot_local *l = snapshot_local(snapshot, local);
	uint32_t record = l == NULL ? FLOW_NONE : flow_record_take(&nlb->flows);
	struct flow_record *r;
	uint64_t hash;

	if (record == FLOW_NONE)
		return false;
	r = &nlb->flows.records[record];
	*sport_be = find_port(nlb, snapshot, &l->addr, target, dport_be, IPPROTO_TCP, slot, now_ms,
			      &hash);
	if (*sport_be == 0 || !flow_index_add(&nlb->flows, hash, record, FLOW_SIDE_TARGET)) {
		flow_record_give(&nlb->flows, record);
		return false;
	}
	r->client = *target;
	r->client_port_be = dport_be;
	r->local_port_be = *sport_be;
	r->local = local;
	r->kind = FLOW_KIND_ENDPOINT;
	r->proto = IPPROTO_TCP;
	r->slot = slot;
	r->created_ms = r->last_seen_ms = now_ms;
	r->role = FLOW_ROLE_LOCAL;
	nlb->ports++;
	return true;
}

void
nlb_endpoint_close(struct nlb *nlb, const struct ip_addr *local, uint16_t sport_be,
		   const struct ip_addr *target, uint16_t dport_be)
{
	uint64_t hash =
		flow_hash_target(&nlb->flows, target, dport_be, local, sport_be, IPPROTO_TCP);
	struct flow_search search = flow_search_begin(&nlb->flows, hash);
	uint32_t record;

	while ((record = flow_search_next(&nlb->flows, &search, FLOW_SIDE_TARGET)) != FLOW_NONE) {
		const struct flow_record *r = &nlb->flows.records[record];

		if (r->kind == FLOW_KIND_ENDPOINT && r->local_port_be == sport_be &&
		    r->client_port_be == dport_be && ip_addr_equal(&r->client, target))
			break;
	}
	if (record == FLOW_NONE)
		return; /* flushed meanwhile */
	flow_index_remove(&nlb->flows, hash, record, FLOW_SIDE_TARGET);
	flow_record_give(&nlb->flows, record);
	nlb->ports--;
}

/* New flows. */

static uint32_t
choose_group(const struct snapshot_frontend *f, uint64_t flow_hash)
{
	uint32_t at;

	if (f->forwards_n == 1)
		return f->forwards[0].weight > 0 ? f->forwards[0].group : 0;
	/* Other bits of the hash than those that choose the target. */
	at = (uint32_t)((flow_hash >> 32) * f->weight_sum >> 32);
	for (uint32_t i = 0; i < f->forwards_n; i++) {
		if (at < f->forwards[i].weight)
			return f->forwards[i].group;
		at -= f->forwards[i].weight;
	}
	return 0;
}

/* Give the new record a source address and port towards its target. @return DROP_NONE or why not.
 */
static enum drop_reason
allocate_source(struct nlb *nlb, const struct snapshot *s, const struct snapshot_target *target,
		struct flow_record *r, uint64_t flow_hash, uint64_t *hash)
{
	uint32_t start = target->local_n > 1 ? (uint32_t)(flow_hash % target->local_n) : 0;

	for (uint32_t i = 0; i < target->local_n; i++) {
		uint32_t at = start + i < target->local_n ? start + i : start + i - target->local_n;
		uint32_t reference = s->local_refs[target->local_first + at];
		const struct snapshot_local *local = snapshot_local(s, reference);

		if (local == NULL)
			continue;
		r->local_port_be = find_port(nlb, s, &local->addr, &target->addr, target->port_be,
					     r->proto, r->slot, r->created_ms, hash);
		if (r->local_port_be != 0) {
			r->local = reference;
			return DROP_NONE;
		}
	}
	return target->local_n == 0 ? DROP_NO_ROUTE : DROP_PORT_ALLOCATION;
}

/* Choose a target and a reply tuple nobody uses. @return DROP_NONE or why not. */
static enum drop_reason
choose_target(struct nlb *nlb, const struct snapshot *s, const struct snapshot_frontend *f,
	      struct flow_record *r, uint64_t *target_hash)
{
	uint64_t flow_hash = maglev_flow_hash(&nlb->maglev_seed, &r->client, r->client_port_be,
					      &f->vip, f->port_be, r->proto);
	uint32_t group = choose_group(f, flow_hash);
	const struct target_set *set;

	if (group == 0)
		return DROP_NO_TARGET;
	set = atomic_load_explicit(&s->groups[group].set, memory_order_acquire);
	for (uint32_t attempt = 0; attempt < TARGET_ATTEMPTS; attempt++) {
		const struct snapshot_target *target;

		r->target = maglev_lookup(set, flow_hash, attempt);
		target = snapshot_target(s, r->target);
		if (target == NULL)
			return DROP_NO_TARGET;
		if (set->fail_open && attempt == 0)
			nlb->counters->frontends[ref_index(r->frontend)].unhealthy_routed++;
		if (target->forwarding == FORWARDING_FULL_NAT) {
			r->flags |= FLOW_FLAG_FULL_NAT;
			return allocate_source(nlb, s, target, r, flow_hash, target_hash);
		}
		r->local_port_be = r->client_port_be;
		*target_hash = flow_hash_target(&nlb->flows, &target->addr, target->port_be,
						&r->client, r->client_port_be, r->proto);
		if (nlb_flow_find_target_side(nlb, s, *target_hash, &target->addr, target->port_be,
					      &r->client, r->client_port_be, r->proto) == FLOW_NONE)
			return DROP_NONE;
	}
	return DROP_PORT_ALLOCATION;
}

/* Enter a complete record from both directions. */
static bool
insert_flow(struct nlb *nlb, uint32_t record, uint64_t client_hash, uint64_t target_hash)
{
	struct flow_record *r = &nlb->flows.records[record];

	nlb->changes++;
	if (!flow_index_add(&nlb->flows, client_hash, record, FLOW_SIDE_CLIENT))
		return false;
	if (!flow_index_add(&nlb->flows, target_hash, record, FLOW_SIDE_TARGET)) {
		flow_index_remove(&nlb->flows, client_hash, record, FLOW_SIDE_CLIENT);
		return false;
	}
	r->role = FLOW_ROLE_LOCAL;
	nlb_frontend_counters(nlb, r)->new_flows++;
	nlb_target_counters(nlb, r)->new_flows++;
	if ((r->flags & FLOW_FLAG_FULL_NAT) != 0)
		nlb->ports++;
	flow_journal_note(&nlb->journal, FLOW_ESTABLISHED, record, r->version);
	return true;
}

/* @return  FLOW_NONE, with p dropped or answered, when the flow is refused. */
uint32_t
nlb_flow_create(struct nlb *nlb, const struct snapshot *s, struct packet *p, uint64_t client_hash,
		uint32_t now_ms)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(p->frontend)];
	struct frontend_counters *counters = &nlb->counters->frontends[ref_index(p->frontend)];
	uint32_t record = flow_record_take(&nlb->flows);
	enum drop_reason reason = DROP_FLOW_TABLE_FULL;
	struct flow_record *r;
	uint64_t target_hash;

	if (record == FLOW_NONE)
		goto refused;
	r = &nlb->flows.records[record];
	r->client = p->src;
	r->client_port_be = p->sport_be;
	r->frontend = p->frontend;
	r->proto = p->proto;
	r->kind = FLOW_KIND_NLB;
	r->slot = steer_slot(&nlb->steer, &p->src, p->sport_be);
	r->created_ms = r->last_seen_ms = now_ms;
	reason = choose_target(nlb, s, f, r, &target_hash);
	if (reason == DROP_NONE && insert_flow(nlb, record, client_hash, target_hash))
		return record;
	if (reason == DROP_NONE)
		reason = DROP_FLOW_TABLE_FULL;
	flow_record_give(&nlb->flows, record);
refused:
	counters->rejected_flows++;
	if (reason == DROP_PORT_ALLOCATION)
		counters->port_alloc_errors++;
	packet_drop(p, reason);
	return FLOW_NONE;
}

/* Whether a flow like this one would get its target today. */
bool
nlb_flow_target_is_chosen(const struct nlb *nlb, const struct snapshot *s,
			  const struct flow_record *r)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	uint64_t flow_hash = maglev_flow_hash(&nlb->maglev_seed, &r->client, r->client_port_be,
					      &f->vip, f->port_be, r->proto);
	uint32_t group = choose_group(f, flow_hash);

	if (group == 0 || f->draining)
		return true;
	return maglev_lookup(atomic_load_explicit(&s->groups[group].set, memory_order_acquire),
			     flow_hash, 0) == r->target;
}
