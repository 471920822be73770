/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_flow.h"
#include "nlb_terminate.h"

#include <netinet/in.h>

#include "check.h"
#include "nlb_proxy2.h"
#include "nlb_rate.h"

#define DEFAULT_TCP_IDLE_MS 350000 /* of a flow whose listener is gone */
#define DEFAULT_UDP_IDLE_MS 120000
#define SWEEP_PERIOD_MS     1000
#define SWEEP_AHEAD         8 /* records, prefetched; may lie behind the last */

/* Setting up and taking down. */

size_t
nlb_bytes(const struct nlb_settings *settings)
{
	return ((sizeof(struct nlb) + 63) & ~(size_t)63) +
	       ((sizeof(struct nlb_proxy) + 63) & ~(size_t)63) +
	       ((sizeof(struct nlb_rate) + 63) & ~(size_t)63) +
	       SOURCE_PORT_HINTS * sizeof(struct source_port_hint) +
	       flow_table_bytes(settings->max_flows);
}

struct nlb *
nlb_create(void *mem, size_t bytes, const struct nlb_settings *settings)
{
	struct nlb *nlb = mem;
	uint8_t *at = (uint8_t *)mem + ((sizeof(*nlb) + 63) & ~(size_t)63);
	struct hash_seed flow_seed;

	CHECK(bytes >= nlb_bytes(settings));
	if (!secret_random(&flow_seed, sizeof(flow_seed)) ||
	    !secret_random(&nlb->seed, sizeof(nlb->seed)))
		return NULL;
	nlb->proxy = (struct nlb_proxy *)(void *)at;
	nlb_proxy_init(nlb->proxy, settings);
	at += (sizeof(struct nlb_proxy) + 63) & ~(size_t)63;
	nlb->rate = (struct nlb_rate *)(void *)at;
	nlb->rate->seed = nlb->seed;
	at += (sizeof(struct nlb_rate) + 63) & ~(size_t)63;
	nlb->hints = (struct source_port_hint *)(void *)at;
	at += SOURCE_PORT_HINTS * sizeof(struct source_port_hint);
	flow_table_init(&nlb->flows, at, settings->max_flows, &flow_seed);
	steer_init(&nlb->steer, settings->secret);
	secret_derive(settings->secret, "maglev seed", &nlb->maglev_seed, sizeof(nlb->maglev_seed));
	nlb->counters = settings->counters;
	nlb->worker = settings->worker;
	nlb->replies = settings->replies;
	/* Unpredictable first ports: RFC 6056. */
	secret_random(nlb->hints, SOURCE_PORT_HINTS * sizeof(struct source_port_hint));
	for (uint32_t i = 0; i < SOURCE_PORT_HINTS; i++) {
		nlb->hints[i].next %= SOURCE_PORT_PER_SLOT;
		nlb->hints[i].full_pool = 0;
	}
	return nlb;
}

void
nlb_free(struct nlb *nlb)
{
	explicit_bzero(&nlb->seed, sizeof(nlb->seed));
	explicit_bzero(&nlb->flows.seed, sizeof(nlb->flows.seed));
	explicit_bzero(&nlb->maglev_seed, sizeof(nlb->maglev_seed));
}

void
nlb_gauges(const struct nlb *nlb, struct nlb_gauges *gauges)
{
	const struct flow_table *t = &nlb->flows;

	gauges->flows = __atomic_load_n(&t->in_use, __ATOMIC_RELAXED);
	gauges->flows_max = t->records_n;
	gauges->flows_high_water = __atomic_load_n(&t->high_water, __ATOMIC_RELAXED);
	gauges->ports = __atomic_load_n(&nlb->ports, __ATOMIC_RELAXED);
	gauges->insert_failures = __atomic_load_n(&t->insert_failures, __ATOMIC_RELAXED);
	gauges->bytes = flow_table_bytes(t->records_n) +
			SOURCE_PORT_HINTS * sizeof(struct source_port_hint);
}

/* A gateway's record uses its flags otherwise. */
static bool
holds_port(const struct flow_record *r)
{
	return r->kind == FLOW_KIND_ENDPOINT ||
	       (r->kind == FLOW_KIND_NLB && (r->flags & FLOW_FLAG_FULL_NAT) != 0);
}

void
nlb_flush(struct nlb *nlb)
{
	struct flow_table *t = &nlb->flows;

	memset(t->buckets, 0, t->buckets_n * sizeof(*t->buckets));
	for (uint32_t i = 0; i < t->used_n; i++) {
		struct flow_record *r = &t->records[i];

		if (r->role == FLOW_ROLE_FREE)
			continue;
		if (r->kind == FLOW_KIND_NLB) {
			flow_journal_note(&nlb->journal, FLOW_CLOSED, i, r->version);
			nlb_frontend_counters(nlb, r)->closed_flows++;
			nlb_target_counters(nlb, r)->closed_flows++;
		}
		nlb->ports -= holds_port(r);
		if (r->kind == FLOW_KIND_NLB)
			nlb_proxy_settle(nlb, r);
		flow_record_give(t, i);
	}
}

struct rebuild_context {
	const struct nlb *nlb;
	const struct snapshot *snapshot;
};

static uint64_t
rebuild_hash(void *arg, const struct flow_record *record, enum flow_side side)
{
	const struct rebuild_context *context = arg;

	return nlb_flow_hash(context->nlb, context->snapshot, record, side);
}

bool
nlb_rebuild(struct nlb *nlb, const struct snapshot *snapshot)
{
	struct rebuild_context context = {nlb, snapshot};
	bool whole = flow_table_rebuild(&nlb->flows, rebuild_hash, &context);

	nlb->ports = 0;
	nlb->changes++;
	for (uint32_t i = 0; i < nlb->flows.used_n; i++) {
		struct flow_record *r = &nlb->flows.records[i];

		if (r->role == FLOW_ROLE_FREE || r->kind == FLOW_KIND_GATEWAY)
			continue;
		/* The table they refer to may be another. */
		r->next_hop_target = 0;
		r->next_hop_client = 0;
		nlb->ports += holds_port(r);
	}
	nlb_proxy_rebuild(nlb);
	return whole;
}

/* The sweep. */

static uint32_t
idle_limit_ms(const struct snapshot *s, const struct flow_record *r)
{
	const struct snapshot_frontend *f = snapshot_frontend(s, r->frontend);

	if (r->proto == IPPROTO_UDP)
		return f == NULL ? DEFAULT_UDP_IDLE_MS : f->udp_idle_ms;
	switch ((enum flow_state)r->state) {
	case FLOW_STATE_NEW:
		return NLB_NEW_MS;
	case FLOW_STATE_CLOSING:
		return NLB_CLOSING_MS;
	case FLOW_STATE_RESET:
		return NLB_RESET_MS;
	case FLOW_STATE_TERMINATING:
	case FLOW_STATE_ESTABLISHED:
		break;
	}
	return f == NULL ? DEFAULT_TCP_IDLE_MS : f->tcp_idle_ms;
}

/* An idle flow ends; both ends of an established connection are told. */
static void
sweep_record(struct nlb *nlb, const struct snapshot *s, uint32_t record, uint32_t now_ms)
{
	const struct flow_record *r = &nlb->flows.records[record];

	if (r->role != FLOW_ROLE_LOCAL || r->kind != FLOW_KIND_NLB)
		return;
	if (unlikely(r->state == FLOW_STATE_TERMINATING))
		nlb_terminate_again(nlb, s, record, now_ms);
	else if (now_ms - r->last_seen_ms >= idle_limit_ms(s, r) && r->state == FLOW_STATE_NEW)
		nlb_flow_close(nlb, s, record);
	else if (now_ms - r->last_seen_ms >= idle_limit_ms(s, r) ||
		 nlb_flow_has_to_end(&s->targets[ref_index(r->target)], r, now_ms))
		nlb_terminate(nlb, s, record, now_ms);
	else if (r->state == FLOW_STATE_RESET &&
		 now_ms - r->last_seen_ms >= NLB_RESET_MS - NLB_RESET_ASK_MS)
		nlb_ask_after_reset(nlb, s, record);
}

void
nlb_sweep(struct nlb *nlb, const struct snapshot *snapshot, uint32_t now_ms)
{
	uint32_t elapsed_ms = now_ms - nlb->swept_ms, n;

	if (elapsed_ms == 0)
		return;
	if (elapsed_ms > SWEEP_PERIOD_MS / 8)
		elapsed_ms = SWEEP_PERIOD_MS / 8; /* after a pause: no long turn */
	nlb->swept_ms = now_ms;
	nlb_proxy_turn(nlb, snapshot, now_ms);
	n = (uint32_t)((uint64_t)nlb->flows.used_n * elapsed_ms / SWEEP_PERIOD_MS) + 1;
	for (; n > 0; n--) {
		if (nlb->sweep_at >= nlb->flows.used_n) {
			nlb->sweep_at = 0;
			break;
		}
		__builtin_prefetch(&nlb->flows.records[nlb->sweep_at + SWEEP_AHEAD]);
		sweep_record(nlb, snapshot, nlb->sweep_at, now_ms);
		nlb->sweep_at++;
	}
}

/* Describing. */

static void
describe(const struct snapshot *s, const struct flow_record *r, struct flow_info *info,
	 uint32_t now_ms)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];

	*info = (struct flow_info){.client = r->client,
				   .vip = f->vip,
				   .local = r->client,
				   .target = target->addr,
				   .client_port_be = r->client_port_be,
				   .vip_port_be = f->port_be,
				   .local_port_be = r->local_port_be,
				   .target_port_be = target->port_be,
				   .proto = r->proto,
				   .state = r->state,
				   .kind = r->kind,
				   .idle_ms = now_ms - r->last_seen_ms,
				   .age_ms = now_ms - r->created_ms,
				   .packets = r->packets,
				   .frontend = r->frontend};
	if ((r->flags & FLOW_FLAG_FULL_NAT) != 0) {
		info->full_nat = 1;
		info->local = s->locals[ref_index(r->local)].addr;
	}
}

static bool
passes(const struct snapshot *s, const struct flow_record *r, const struct flow_filter *filter)
{
	if (r->role != FLOW_ROLE_LOCAL || r->kind != FLOW_KIND_NLB)
		return false;
	if (filter->has_client && !ip_addr_equal(&filter->client, &r->client))
		return false;
	if (filter->has_target &&
	    !ip_addr_equal(&filter->target, &s->targets[ref_index(r->target)].addr))
		return false;
	return filter->frontend == 0 || filter->frontend == r->frontend;
}

bool
nlb_flow_describe(const struct snapshot *s, const struct flow_record *r,
		  const struct flow_filter *filter, struct flow_info *info, uint32_t now_ms)
{
	if (!passes(s, r, filter))
		return false;
	describe(s, r, info, now_ms);
	return true;
}

void
nlb_flows_describe(const struct nlb *nlb, const struct snapshot *snapshot, struct flow_page *page,
		   uint32_t now_ms)
{
	flow_page_fill(&nlb->flows, snapshot, page, nlb_flow_describe, now_ms);
}

bool
nlb_flow_look(const struct nlb *nlb, const struct snapshot *s, const struct flow_tuple *t,
	      struct flow_info *info, uint32_t now_ms)
{
	struct nlb_tuple tuple = {&t->src, &t->dst, t->sport_be, t->dport_be, t->proto};
	enum flow_side side;
	uint32_t record = nlb_flow_find(nlb, s, nlb_tuple_hash(nlb, &tuple), &tuple, &side);

	if (record == FLOW_NONE || nlb->flows.records[record].kind != FLOW_KIND_NLB)
		return false;
	describe(s, &nlb->flows.records[record], info, now_ms);
	return true;
}
