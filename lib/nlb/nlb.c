/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb.h"

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "clock.h"
#include "flow_miss.h"
#include "icmp.h"
#include "maglev.h"
#include "nlb_rewrite.h"
#include "route.h"
#include "tcp_reset.h"
#include "wire.h"

#define DEFAULT_TCP_IDLE_MS 350000 /* of a flow whose listener is gone */
#define DEFAULT_UDP_IDLE_MS 120000
#define SWEEP_PERIOD_MS     1000
#define SWEEP_AHEAD         8 /* records, prefetched; may lie behind the last */
#define DESCRIBE_MAX        65536
#define TARGET_ATTEMPTS     8 /* targets tried when a reply's tuple is taken */

const char *
flow_state_name(enum flow_state state)
{
	static const char *const names[] = {"new", "established", "closing", "reset"};

	return names[state];
}

/* Setting up and taking down. */

size_t
nlb_bytes(const struct nlb_settings *settings)
{
	return ((sizeof(struct nlb) + 63) & ~(size_t)63) +
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
	nlb->hints = (struct source_port_hint *)(void *)at;
	at += SOURCE_PORT_HINTS * sizeof(struct source_port_hint);
	flow_table_init(&nlb->flows, at, settings->max_flows, &flow_seed);
	steer_init(&nlb->steer, settings->secret);
	secret_derive(settings->secret, "maglev seed", &nlb->maglev_seed, sizeof(nlb->maglev_seed));
	nlb->counters = settings->counters;
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

/* Records and their two hashes. */

static uint64_t
record_hash(const struct nlb *nlb, const struct snapshot *s, const struct flow_record *r,
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

struct rebuild_context {
	const struct nlb *nlb;
	const struct snapshot *snapshot;
};

static uint64_t
rebuild_hash(void *arg, const struct flow_record *record, enum flow_side side)
{
	const struct rebuild_context *context = arg;

	return record_hash(context->nlb, context->snapshot, record, side);
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

		/* The table they refer to may be another. */
		r->next_hop_target = 0;
		r->next_hop_client = 0;
		nlb->ports += r->role != FLOW_ROLE_FREE &&
			      (r->kind == FLOW_KIND_ENDPOINT || (r->flags & FLOW_FLAG_FULL_NAT));
	}
	return whole;
}

/* Counters of a record's frontend and target; both indexes are within the arrays. */
static struct frontend_counters *
frontend_counters(const struct nlb *nlb, const struct flow_record *r)
{
	return &nlb->counters->frontends[ref_index(r->frontend)];
}

static struct target_counters *
target_counters(const struct nlb *nlb, const struct flow_record *r)
{
	return &nlb->counters->targets[ref_index(r->target)];
}

/* The one way a flow ends. */
static void
close_flow(struct nlb *nlb, const struct snapshot *s, uint32_t record)
{
	struct flow_record *r = &nlb->flows.records[record];

	nlb->changes++;
	flow_journal_note(&nlb->journal, FLOW_CLOSED, record, r->version);
	flow_index_remove(&nlb->flows, record_hash(nlb, s, r, FLOW_SIDE_CLIENT), record,
			  FLOW_SIDE_CLIENT);
	flow_index_remove(&nlb->flows, record_hash(nlb, s, r, FLOW_SIDE_TARGET), record,
			  FLOW_SIDE_TARGET);
	frontend_counters(nlb, r)->closed_flows++;
	target_counters(nlb, r)->closed_flows++;
	if ((r->flags & FLOW_FLAG_FULL_NAT) != 0)
		nlb->ports--;
	flow_record_give(&nlb->flows, record);
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
			frontend_counters(nlb, r)->closed_flows++;
			target_counters(nlb, r)->closed_flows++;
		}
		if (r->kind == FLOW_KIND_ENDPOINT || (r->flags & FLOW_FLAG_FULL_NAT) != 0)
			nlb->ports--;
		flow_record_give(t, i);
	}
}

static void
set_state(struct nlb *nlb, uint32_t record, enum flow_state state)
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

static bool
is_target_side(const struct snapshot *s, const struct flow_record *r, const struct ip_addr *src,
	       uint16_t sport_be, const struct ip_addr *dst, uint16_t dport_be, uint8_t proto)
{
	const struct snapshot_target *target;

	if (r->local_port_be != dport_be || r->proto != proto || r->role == FLOW_ROLE_FREE)
		return false;
	if (r->kind == FLOW_KIND_ENDPOINT)
		return r->client_port_be == sport_be && ip_addr_equal(&r->client, src) &&
		       ip_addr_equal(&s->locals[ref_index(r->local)].addr, dst);
	target = &s->targets[ref_index(r->target)];
	if (target->port_be != sport_be || !ip_addr_equal(&target->addr, src))
		return false;
	if ((r->flags & FLOW_FLAG_FULL_NAT) == 0)
		return ip_addr_equal(&r->client, dst);
	return ip_addr_equal(&s->locals[ref_index(r->local)].addr, dst);
}

static bool
is_client_side(const struct flow_record *r, const struct ip_addr *client, uint16_t client_port_be,
	       uint32_t frontend, uint8_t proto)
{
	return r->client_port_be == client_port_be && r->frontend == frontend &&
	       r->proto == proto && r->role == FLOW_ROLE_LOCAL && ip_addr_equal(&r->client, client);
}

static uint32_t
find_target_side(const struct nlb *nlb, const struct snapshot *s, uint64_t hash,
		 const struct ip_addr *src, uint16_t sport_be, const struct ip_addr *dst,
		 uint16_t dport_be, uint8_t proto)
{
	struct flow_search search = flow_search_begin(&nlb->flows, hash);
	uint32_t record;

	while ((record = flow_search_next(&nlb->flows, &search, FLOW_SIDE_TARGET)) != FLOW_NONE) {
		if (is_target_side(s, &nlb->flows.records[record], src, sport_be, dst, dport_be,
				   proto))
			break;
	}
	return record;
}

static uint32_t
find_client_side(const struct nlb *nlb, uint64_t hash, const struct ip_addr *client,
		 uint16_t client_port_be, uint32_t frontend, uint8_t proto)
{
	struct flow_search search = flow_search_begin(&nlb->flows, hash);
	uint32_t record;

	while ((record = flow_search_next(&nlb->flows, &search, FLOW_SIDE_CLIENT)) != FLOW_NONE) {
		if (is_client_side(&nlb->flows.records[record], client, client_port_be, frontend,
				   proto))
			break;
	}
	return record;
}

/* Source ports. */

/*
 * Whether the flow is over and its port may serve another towards the same target at once: after a
 * RST, or when the new SYN's number is above the old connection's last, so that a target in
 * TIME-WAIT takes it (RFC 9293 section 3.10.7.4, RFC 6191).
 */
static bool
may_be_replaced(const struct flow_record *r, uint32_t syn_seq)
{
	if (r->kind != FLOW_KIND_NLB)
		return false;
	if (r->state == FLOW_STATE_RESET)
		return true;
	return r->state == FLOW_STATE_CLOSING && (int32_t)(syn_seq - r->client_seq) > 0;
}

/* A way to a target that needs a source port. */
struct port_request {
	const struct ip_addr *local, *target;
	uint16_t target_port_be;
	uint8_t proto;
	uint8_t slot;
	bool may_replace; /* a flow that is over, when nothing is free */
	uint32_t syn_seq; /* then: of the new connection */
	uint32_t now_ms;
};

static uint64_t
port_hash(const struct nlb *nlb, const struct port_request *q, uint16_t port_be)
{
	return flow_hash_target(&nlb->flows, q->target, q->target_port_be, q->local, port_be,
				q->proto);
}

/*
 * A port of the slot whose reply tuple from the target is free.  With `last` (there is no other way
 * to the target left) it may be made free by ending the flow that is over longest, and a search in
 * vain is noted.
 * @return  0: none.
 */
static uint16_t
find_port(struct nlb *nlb, const struct snapshot *s, const struct port_request *q, bool last,
	  uint64_t *hash)
{
	uint64_t pool = port_hash(nlb, q, htons(q->slot));
	struct source_port_hint *hint = source_port_hint_of(nlb->hints, pool);
	uint32_t replaced = FLOW_NONE, replaced_at = 0, replaced_idle_ms = 0;

	if (source_port_is_full(hint, pool, q->now_ms))
		return 0;
	for (uint32_t i = 0; i < SOURCE_PORT_PER_SLOT; i++) {
		uint16_t port_be = source_port_candidate(hint, q->slot, i);
		uint32_t record, idle_ms;

		*hash = port_hash(nlb, q, port_be);
		record = find_target_side(nlb, s, *hash, q->target, q->target_port_be, q->local,
					  port_be, q->proto);
		if (record == FLOW_NONE) {
			source_port_taken(hint, i);
			return port_be;
		}
		idle_ms = q->now_ms - nlb->flows.records[record].last_seen_ms;
		if (last && q->may_replace &&
		    (replaced == FLOW_NONE || idle_ms > replaced_idle_ms) &&
		    may_be_replaced(&nlb->flows.records[record], q->syn_seq)) {
			replaced = record;
			replaced_at = i;
			replaced_idle_ms = idle_ms;
		}
	}
	if (replaced != FLOW_NONE) {
		uint16_t port_be = nlb->flows.records[replaced].local_port_be;

		close_flow(nlb, s, replaced);
		source_port_taken(hint, replaced_at);
		*hash = port_hash(nlb, q, port_be);
		return port_be;
	}
	if (last)
		source_port_exhausted(hint, pool, q->now_ms);
	return 0;
}

bool
nlb_endpoint_open(struct nlb *nlb, const struct snapshot *snapshot, uint32_t local,
		  const struct ip_addr *target, uint16_t dport_be, uint8_t slot, uint32_t now_ms,
		  uint16_t *sport_be)
{
	const struct snapshot_local *l = snapshot_local(snapshot, local);
	uint32_t record = l == NULL ? FLOW_NONE : flow_record_take(&nlb->flows);
	struct port_request q = {.target = target,
				 .target_port_be = dport_be,
				 .proto = IPPROTO_TCP,
				 .slot = slot,
				 .now_ms = now_ms};
	struct flow_record *r;
	uint64_t hash;

	if (record == FLOW_NONE)
		return false;
	r = &nlb->flows.records[record];
	q.local = &l->addr;
	*sport_be = find_port(nlb, snapshot, &q, true, &hash);
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

static bool
find_local(struct nlb *nlb, const struct snapshot *s, const struct snapshot_target *target,
	   struct port_request *q, uint32_t start, bool last, struct flow_record *r, uint64_t *hash)
{
	for (uint32_t i = 0; i < target->local_n; i++) {
		uint32_t at = start + i < target->local_n ? start + i : start + i - target->local_n;
		uint32_t reference = s->local_refs[target->local_first + at];
		const struct snapshot_local *local = snapshot_local(s, reference);

		if (local == NULL)
			continue;
		q->local = &local->addr;
		r->local_port_be = find_port(nlb, s, q, last, hash);
		if (r->local_port_be != 0) {
			r->local = reference;
			return true;
		}
	}
	return false;
}

/*
 * Give the new record a source address and port towards its target: a free one of any address
 * rather than one of a flow that is over.
 * @return  DROP_NONE or why not.
 */
static enum drop_reason
allocate_source(struct nlb *nlb, const struct snapshot *s, const struct snapshot_target *target,
		struct flow_record *r, uint64_t flow_hash, uint64_t *hash)
{
	uint32_t start = target->local_n > 1 ? (uint32_t)(flow_hash % target->local_n) : 0;
	struct port_request q = {.target = &target->addr,
				 .target_port_be = target->port_be,
				 .proto = r->proto,
				 .slot = r->slot,
				 .may_replace = r->proto == IPPROTO_TCP,
				 .syn_seq = r->client_seq,
				 .now_ms = r->created_ms};

	if (target->local_n > 1 && q.may_replace &&
	    find_local(nlb, s, target, &q, start, false, r, hash))
		return DROP_NONE;
	if (find_local(nlb, s, target, &q, start, true, r, hash))
		return DROP_NONE;
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
		if (find_target_side(nlb, s, *target_hash, &target->addr, target->port_be,
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
	frontend_counters(nlb, r)->new_flows++;
	target_counters(nlb, r)->new_flows++;
	if ((r->flags & FLOW_FLAG_FULL_NAT) != 0)
		nlb->ports++;
	flow_journal_note(&nlb->journal, FLOW_ESTABLISHED, record, r->version);
	return true;
}

/* @return  FLOW_NONE, with p dropped or answered, when the flow is refused. */
static uint32_t
create_flow(struct nlb *nlb, const struct snapshot *s, struct packet *p, uint64_t client_hash,
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
	if (p->proto == IPPROTO_TCP)
		r->client_seq = bytes_load_be32(packet_l4(p) + TCP_SEQ);
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

/* Serving packets of flows. */

/* A usable next hop towards `addr`: the cached one, or found again. 0: to be resolved. */
static uint32_t
next_hop_towards(const struct snapshot *s, const struct next_hop_table *hops, uint32_t *cached,
		 const struct ip_addr *addr)
{
	const struct route *route;

	if (next_hop_is_usable(hops, *cached))
		return *cached;
	route = route_lookup(s->routes, addr);
	*cached = route == NULL
			  ? 0
			  : next_hop_find(hops, route->interface, route_next_addr(route, addr));
	if (!next_hop_is_usable(hops, *cached))
		*cached = 0;
	return *cached;
}

/* The sequence number behind the segment's FIN. */
static uint32_t
seq_behind_fin(const struct packet *p, const uint8_t *tcp)
{
	return bytes_load_be32(tcp + TCP_SEQ) +
	       (uint32_t)(p->len - p->l4_off - (tcp[TCP_OFF] >> 4) * 4) + 1;
}

static void
update_tcp(struct nlb *nlb, uint32_t record, const struct packet *p, enum flow_side from)
{
	struct flow_record *r = &nlb->flows.records[record];
	const uint8_t *tcp = packet_l4(p);
	uint8_t flags = tcp[TCP_FLAGS];
	uint8_t both = FLOW_FLAG_FIN_CLIENT | FLOW_FLAG_FIN_TARGET;
	uint8_t reset_by = from == FLOW_SIDE_TARGET ? FLOW_FLAG_RESET_BY_TARGET : 0;

	if ((flags & TCP_FLAG_RST) != 0) {
		/*
		 * Before the target's SYN, the client's RST answers an ACK out of an older
		 * connection's TIME-WAIT on this port (RFC 9293 section 3.10.7.3).  It ends that
		 * one, so that the client's next SYN gets through: on the same port, by the same
		 * record.
		 */
		if (r->state == FLOW_STATE_RESET ||
		    (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_CLIENT))
			return;
		if (from == FLOW_SIDE_TARGET)
			frontend_counters(nlb, r)->target_resets++;
		else
			frontend_counters(nlb, r)->client_resets++;
		r->flags = (uint8_t)((r->flags & ~FLOW_FLAG_RESET_BY_TARGET) | reset_by);
		set_state(nlb, record, FLOW_STATE_RESET);
		return;
	}
	if ((flags & TCP_FLAG_FIN) != 0) {
		r->flags |= from == FLOW_SIDE_TARGET ? FLOW_FLAG_FIN_TARGET : FLOW_FLAG_FIN_CLIENT;
		if (from == FLOW_SIDE_CLIENT)
			r->client_seq = seq_behind_fin(p, tcp);
	}
	if ((r->flags & both) == both) {
		if (r->state != FLOW_STATE_RESET)
			set_state(nlb, record, FLOW_STATE_CLOSING);
		return;
	}
	if (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_TARGET && (flags & TCP_FLAG_SYN) != 0)
		set_state(nlb, record, FLOW_STATE_ESTABLISHED);
	/* A RST may have been forged or out of window: the other side going on disproves it. */
	if (r->state == FLOW_STATE_RESET && (r->flags & FLOW_FLAG_RESET_BY_TARGET) != reset_by)
		set_state(nlb, record, FLOW_STATE_ESTABLISHED);
}

/* The packet is gone for this reason; what leaves in its buffer is a packet of weir's own. */
static void
count_answered(struct nlb *nlb, enum drop_reason reason)
{
	nlb->counters->drops[reason]++;
	nlb->counters->answered++;
}

/* RFC 1812 section 4.3.2.8: errors are limited. */
static bool
icmp_token(struct nlb *nlb)
{
	if (nlb->icmp_tokens == 0)
		return false;
	nlb->icmp_tokens--;
	return true;
}

static void
answer_error(struct nlb *nlb, const struct snapshot *s, struct packet *p, const struct ip_addr *src,
	     uint8_t type, uint8_t code, uint32_t mtu, enum drop_reason reason)
{
	const struct snapshot_interface *i = &s->interfaces[p->interface];
	const struct ip_addr *from = src;

	if (from == NULL)
		from = p->af == 4 ? &i->v4 : &i->v6;
	if (!icmp_token(nlb)) {
		packet_drop(p, DROP_ICMP_RATE_LIMITED);
		return;
	}
	if (!icmp_error(p, from, type, code, mtu)) {
		packet_drop(p, reason);
		return;
	}
	count_answered(nlb, reason);
}

/* @return  whether the packet may go on: TTL left, and not larger than the next hop takes. */
static bool
may_forward(struct nlb *nlb, const struct snapshot *s, const struct next_hop_table *hops,
	    struct packet *p, uint32_t next_hop, const struct ip_addr *vip)
{
	uint8_t ttl = p->l3[p->af == 4 ? IPV4_TTL : IPV6_HOP_LIMIT];
	uint16_t mtu;

	if (ttl <= 1) {
		answer_error(nlb, s, p, vip, p->af == 4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED,
			     0, 0, DROP_TTL_EXCEEDED);
		return false;
	}
	if (next_hop == 0)
		return true;
	mtu = hops->entries[ref_index(next_hop)].mtu;
	if (p->len <= mtu)
		return true;
	if (p->af == 6)
		answer_error(nlb, s, p, vip, ICMPV6_PACKET_TOO_BIG, 0, mtu, DROP_PACKET_TOO_BIG);
	else if ((bytes_load_be16(p->l3 + IPV4_FRAG) & IPV4_DF) != 0)
		answer_error(nlb, s, p, vip, ICMP_DEST_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, mtu,
			     DROP_PACKET_TOO_BIG);
	else
		packet_drop(p, DROP_PACKET_TOO_BIG);
	return false;
}

/* Largest segment that fits both the way the packet came and the way it goes. */
static uint16_t
mss_limit(const struct snapshot *s, const struct next_hop_table *hops, const struct packet *p,
	  uint32_t next_hop)
{
	uint16_t mtu = s->interfaces[p->interface].mtu;

	if (next_hop != 0 && hops->entries[ref_index(next_hop)].mtu < mtu)
		mtu = hops->entries[ref_index(next_hop)].mtu;
	return (uint16_t)(mtu - (p->af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN) - TCP_MIN_LEN);
}

static void
serve(struct nlb *nlb, const struct snapshot *s, const struct next_hop_table *hops,
      struct packet *p, uint32_t record, enum flow_side from, uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	bool full_nat = (r->flags & FLOW_FLAG_FULL_NAT) != 0;
	struct frontend_counters *fc = frontend_counters(nlb, r);
	struct target_counters *tc = target_counters(nlb, r);
	struct rewrite rewrite;

	if (from == FLOW_SIDE_CLIENT) {
		p->next_hop = next_hop_towards(s, hops, &r->next_hop_target, &target->addr);
		rewrite = (struct rewrite){.src = full_nat ? &s->locals[ref_index(r->local)].addr
							   : &r->client,
					   .dst = &target->addr,
					   .sport_be = r->local_port_be,
					   .dport_be = target->port_be};
	} else {
		p->next_hop = next_hop_towards(s, hops, &r->next_hop_client, &r->client);
		rewrite = (struct rewrite){.src = &f->vip,
					   .dst = &r->client,
					   .sport_be = f->port_be,
					   .dport_be = r->client_port_be};
	}
	if (unlikely(!may_forward(nlb, s, hops, p, p->next_hop,
				  from == FLOW_SIDE_CLIENT ? &f->vip : NULL)))
		return;
	if (p->proto == IPPROTO_TCP) {
		uint8_t *tcp = packet_l4(p);

		update_tcp(nlb, record, p, from);
		if (unlikely((tcp[TCP_FLAGS] & TCP_FLAG_SYN) != 0))
			rewrite_clamp_mss(p, mss_limit(s, hops, p, p->next_hop));
	} else if (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_TARGET) {
		set_state(nlb, record, FLOW_STATE_ESTABLISHED);
	}
	r->last_seen_ms = now_ms;
	r->packets++;
	fc->packets++;
	fc->bytes += p->len;
	tc->packets++;
	tc->bytes += p->len;
	rewrite_packet(p, &rewrite);
	p->verdict = PACKET_FORWARD;
}

/* Packets without a flow. */

static void
reset_sender(struct nlb *nlb, struct packet *p)
{
	uint32_t frontend = ref_index(p->frontend);

	if (!tcp_reset_reply(p)) {
		packet_drop(p, DROP_NOT_A_FLOW);
		return;
	}
	count_answered(nlb, DROP_NOT_A_FLOW);
	if (frontend != 0)
		nlb->counters->frontends[frontend].elb_resets++;
}

static void
miss(struct nlb *nlb, struct packet *p, enum flow_miss_why why)
{
	if (flow_miss(why, false) == FLOW_MISS_RESET)
		reset_sender(nlb, p);
	else
		packet_drop(p, DROP_NOT_A_FLOW);
}

/* Multicast, broadcast and link-local destinations. */
static bool
is_for_many(const struct packet *p)
{
	return ip_addr_is_multicast(&p->dst) || ip_addr_is_link_local(&p->dst) ||
	       (p->af == 4 && p->dst.b[12] == 255 && p->dst.b[15] == 255);
}

/* The parser has refused SYN with FIN or RST. */
static bool
is_opening(const struct packet *p)
{
	return (packet_l4(p)[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

static void
client_without_flow(struct nlb *nlb, const struct snapshot *s, const struct next_hop_table *hops,
		    struct packet *p, uint64_t hash, uint32_t now_ms)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(p->frontend)];
	uint32_t record;

	if (p->proto == IPPROTO_TCP) {
		if (!is_opening(p)) {
			miss(nlb, p, FLOW_MISS_SEGMENT);
			return;
		}
	} else if (flow_miss(FLOW_MISS_DATAGRAM, false) != FLOW_MISS_CREATE) {
		packet_drop(p, DROP_NOT_A_FLOW);
		return;
	}
	if (f->draining) {
		packet_drop(p, DROP_NO_LISTENER);
		return;
	}
	record = create_flow(nlb, s, p, hash, now_ms);
	if (record != FLOW_NONE)
		serve(nlb, s, hops, p, record, FLOW_SIDE_CLIENT, now_ms);
}

/* Neither for a listener nor of a flow: say why. */
static void
target_without_flow(struct nlb *nlb, const struct snapshot *s, struct packet *p)
{
	const struct snapshot_address *own = snapshot_find_address(s, &p->dst);

	if (own == NULL && is_for_many(p))
		packet_drop(p, DROP_IP_MULTICAST);
	else if (own == NULL)
		miss(nlb, p, FLOW_MISS_REPLY);
	else if (own->kind == SNAPSHOT_ADDRESS_VIP)
		packet_drop(p, DROP_NO_LISTENER);
	else if (own->is_local && p->proto == IPPROTO_TCP &&
		 (packet_l4(p)[TCP_FLAGS] & TCP_FLAG_ACK) != 0)
		miss(nlb, p, FLOW_MISS_SEGMENT); /* a target that still thinks it has a flow */
	else
		packet_drop(p, DROP_HOST_UNWANTED);
}

/* Whether a flow like this one could get its target today: under nat also as a later choice. */
static bool
target_is_chosen(const struct nlb *nlb, const struct snapshot *s, const struct flow_record *r)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	uint64_t flow_hash = maglev_flow_hash(&nlb->maglev_seed, &r->client, r->client_port_be,
					      &f->vip, f->port_be, r->proto);
	uint32_t attempts = (r->flags & FLOW_FLAG_FULL_NAT) != 0 ? 1 : TARGET_ATTEMPTS;
	uint32_t group = choose_group(f, flow_hash);
	const struct target_set *set;

	if (group == 0 || f->draining)
		return true;
	set = atomic_load_explicit(&s->groups[group].set, memory_order_acquire);
	for (uint32_t attempt = 0; attempt < attempts; attempt++) {
		if (maglev_lookup(set, flow_hash, attempt) == r->target)
			return true;
	}
	return false;
}

/* A SYN for a flow that is over, or that its target never answered and would not get now. */
static bool
begins_anew(struct nlb *nlb, const struct snapshot *s, const struct packet *p, uint32_t record)
{
	const struct flow_record *r = &nlb->flows.records[record];

	if (p->proto != IPPROTO_TCP || !is_opening(p))
		return false;
	if (r->state == FLOW_STATE_CLOSING || r->state == FLOW_STATE_RESET)
		return true;
	return r->state == FLOW_STATE_NEW && !target_is_chosen(nlb, s, r);
}

/* ICMP errors. */

/* As ELB: destination unreachable, fragmentation needed and packet too big; nothing else. */
static bool
is_wanted_icmp(const struct packet *p)
{
	uint8_t type = packet_l4(p)[ICMP_TYPE];

	if (p->af == 4)
		return type == ICMP_DEST_UNREACHABLE;
	return type == ICMPV6_DEST_UNREACHABLE || type == ICMPV6_PACKET_TOO_BIG;
}

static void
translate_icmp(struct nlb *nlb, const struct snapshot *s, const struct next_hop_table *hops,
	       struct packet *p)
{
	struct packet_quote q;
	uint32_t frontend, record = FLOW_NONE;
	const struct snapshot_target *target;
	struct flow_record *r;
	const struct ip_addr *local;
	const struct snapshot_frontend *f;
	uint8_t bit;

	if (!is_wanted_icmp(p) || !packet_parse_quote(p, &q) ||
	    (q.proto != IPPROTO_TCP && q.proto != IPPROTO_UDP)) {
		packet_drop(p, DROP_ICMP_UNWANTED);
		return;
	}
	bit = q.proto == IPPROTO_TCP ? SNAPSHOT_TCP : SNAPSHOT_UDP;
	frontend = snapshot_find_frontend(s, &q.src, q.sport_be, bit);
	if (frontend != 0) {
		/* About a packet that weir sent to a client as the listener. */
		uint32_t reference = ref_make(frontend, s->frontends[frontend].generation);

		record = find_client_side(
			nlb, flow_hash_client(&nlb->flows, &q.dst, q.dport_be, reference, q.proto),
			&q.dst, q.dport_be, reference, q.proto);
	} else {
		/* About a packet that weir sent to a target. */
		record = find_target_side(nlb, s,
					  flow_hash_target(&nlb->flows, &q.dst, q.dport_be, &q.src,
							   q.sport_be, q.proto),
					  &q.dst, q.dport_be, &q.src, q.sport_be, q.proto);
	}
	if (record == FLOW_NONE || nlb->flows.records[record].kind != FLOW_KIND_NLB) {
		miss(nlb, p, FLOW_MISS_ICMP_ERROR);
		return;
	}
	r = &nlb->flows.records[record];
	f = &s->frontends[ref_index(r->frontend)];
	target = &s->targets[ref_index(r->target)];
	local = (r->flags & FLOW_FLAG_FULL_NAT) != 0 ? &s->locals[ref_index(r->local)].addr
						     : &r->client;
	if (p->contiguous < p->len) {
		packet_drop(p, DROP_HEADERS_SPLIT);
		return;
	}
	if (p->l3[p->af == 4 ? IPV4_TTL : IPV6_HOP_LIMIT] <= 1) {
		packet_drop(p, DROP_TTL_EXCEEDED);
		return;
	}
	/* RFC 5508 section 4.2: the sum is computed anew, so a wrong one must end here. */
	if (!rewrite_icmp_is_whole(p)) {
		packet_drop(p, DROP_L4_HEADER_INVALID);
		return;
	}
	if (frontend != 0) {
		struct rewrite inner = {.src = &target->addr,
					.dst = local,
					.sport_be = target->port_be,
					.dport_be = r->local_port_be};

		/* Under full_nat the target's network need not know the router that complains. */
		rewrite_icmp(p, &q, &inner, (r->flags & FLOW_FLAG_FULL_NAT) != 0 ? local : &p->src,
			     &target->addr);
		p->next_hop = next_hop_towards(s, hops, &r->next_hop_target, &target->addr);
	} else {
		struct rewrite inner = {.src = &r->client,
					.dst = &f->vip,
					.sport_be = r->client_port_be,
					.dport_be = f->port_be};

		rewrite_icmp(p, &q, &inner, &f->vip, &r->client);
		p->next_hop = next_hop_towards(s, hops, &r->next_hop_client, &r->client);
	}
	p->verdict = PACKET_FORWARD;
}

/* The burst. */

struct lookup {
	uint64_t hash;
	uint32_t record; /* first candidate */
	enum flow_side side;
	struct flow_search search;
};

/* Which side the packet came from, and the hash to find its flow by. */
static void
begin_lookup(struct nlb *nlb, const struct snapshot *s, struct packet *p, struct lookup *l)
{
	uint8_t bit = p->proto == IPPROTO_TCP ? SNAPSHOT_TCP : SNAPSHOT_UDP;
	uint32_t frontend = snapshot_find_frontend(s, &p->dst, p->dport_be, bit);

	if (frontend != 0) {
		p->frontend = ref_make(frontend, s->frontends[frontend].generation);
		l->side = FLOW_SIDE_CLIENT;
		l->hash =
			flow_hash_client(&nlb->flows, &p->src, p->sport_be, p->frontend, p->proto);
	} else {
		l->side = FLOW_SIDE_TARGET;
		l->hash = flow_hash_target(&nlb->flows, &p->src, p->sport_be, &p->dst, p->dport_be,
					   p->proto);
	}
	flow_prefetch_bucket(&nlb->flows, l->hash);
}

static bool
is_record_of(const struct nlb *nlb, const struct snapshot *s, const struct packet *p,
	     const struct lookup *l, uint32_t record)
{
	const struct flow_record *r = &nlb->flows.records[record];

	if (l->side == FLOW_SIDE_CLIENT)
		return is_client_side(r, &p->src, p->sport_be, p->frontend, p->proto);
	return is_target_side(s, r, &p->src, p->sport_be, &p->dst, p->dport_be, p->proto);
}

static void
finish_lookup(struct nlb *nlb, const struct snapshot *s, const struct next_hop_table *hops,
	      struct packet *p, struct lookup *l, uint32_t changes_before, uint32_t now_ms)
{
	uint32_t record = l->record;

	/* Earlier packets of the burst began or ended flows: what was found may have moved. */
	if (unlikely(nlb->changes != changes_before)) {
		l->search = flow_search_begin(&nlb->flows, l->hash);
		record = flow_search_next(&nlb->flows, &l->search, l->side);
	}
	while (record != FLOW_NONE && !is_record_of(nlb, s, p, l, record))
		record = flow_search_next(&nlb->flows, &l->search, l->side);
	if (record != FLOW_NONE && nlb->flows.records[record].kind == FLOW_KIND_ENDPOINT) {
		packet_drop(p, DROP_HOST_UNWANTED); /* its owner has declined it */
		return;
	}
	if (record != FLOW_NONE &&
	    unlikely(s->targets[ref_index(nlb->flows.records[record].target)].closing)) {
		close_flow(nlb, s, record);
		record = FLOW_NONE;
	}
	if (record != FLOW_NONE && l->side == FLOW_SIDE_CLIENT && begins_anew(nlb, s, p, record)) {
		close_flow(nlb, s, record);
		record = FLOW_NONE;
	}
	if (likely(record != FLOW_NONE))
		serve(nlb, s, hops, p, record, l->side, now_ms);
	else if (snapshot_find_address(s, &p->src) != NULL)
		packet_drop(p, DROP_IP_SOURCE_SPOOFED); /* so no flow has such a client */
	else if (l->side == FLOW_SIDE_CLIENT)
		client_without_flow(nlb, s, hops, p, l->hash, now_ms);
	else
		target_without_flow(nlb, s, p);
}

void
nlb_burst(struct nlb *nlb, const struct snapshot *snapshot, const struct next_hop_table *hops,
	  struct packet **packets, uint16_t n, uint32_t now_ms)
{
	struct lookup lookups[NLB_BURST];
	struct packet *flows[NLB_BURST];
	uint16_t flows_n = 0;
	uint32_t changes;

	CHECK(n <= NLB_BURST);
	if (clock_ms_reached(now_ms, nlb->icmp_refill_ms)) {
		nlb->icmp_refill_ms = now_ms + 1000;
		nlb->icmp_tokens = NLB_ICMP_PER_SECOND;
	}
	for (uint16_t i = 0; i < n; i++) {
		struct packet *p = packets[i];

		if (unlikely((p->flags & PACKET_FRAGMENT) != 0)) {
			packet_drop(p, DROP_FRAGMENT_UNSUPPORTED);
		} else if (likely(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)) {
			begin_lookup(nlb, snapshot, p, &lookups[flows_n]);
			flows[flows_n++] = p;
		} else if ((p->flags & PACKET_ICMP_ERROR) != 0) {
			translate_icmp(nlb, snapshot, hops, p);
		} else {
			packet_drop(p, DROP_NOT_A_FLOW);
		}
	}
	for (uint16_t i = 0; i < flows_n; i++) {
		struct lookup *l = &lookups[i];

		l->search = flow_search_begin(&nlb->flows, l->hash);
		l->record = flow_search_next(&nlb->flows, &l->search, l->side);
		if (l->record != FLOW_NONE)
			__builtin_prefetch(&nlb->flows.records[l->record], 1);
	}
	changes = nlb->changes;
	for (uint16_t i = 0; i < flows_n; i++)
		finish_lookup(nlb, snapshot, hops, flows[i], &lookups[i], changes, now_ms);
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
	case FLOW_STATE_ESTABLISHED:
		break;
	}
	return f == NULL ? DEFAULT_TCP_IDLE_MS : f->tcp_idle_ms;
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
	n = (uint32_t)((uint64_t)nlb->flows.used_n * elapsed_ms / SWEEP_PERIOD_MS) + 1;
	for (; n > 0; n--) {
		const struct flow_record *r;

		if (nlb->sweep_at >= nlb->flows.used_n) {
			nlb->sweep_at = 0;
			break;
		}
		__builtin_prefetch(&nlb->flows.records[nlb->sweep_at + SWEEP_AHEAD]);
		r = &nlb->flows.records[nlb->sweep_at];
		if (r->role == FLOW_ROLE_LOCAL && r->kind == FLOW_KIND_NLB &&
		    (now_ms - r->last_seen_ms >= idle_limit_ms(snapshot, r) ||
		     snapshot->targets[ref_index(r->target)].closing))
			close_flow(nlb, snapshot, nlb->sweep_at);
		nlb->sweep_at++;
	}
}

/* Describing. */

static void
describe(const struct snapshot *s, const struct flow_record *r, struct nlb_flow_info *info,
	 uint32_t now_ms)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];

	*info = (struct nlb_flow_info){.client = r->client,
				       .vip = f->vip,
				       .local = r->client,
				       .target = target->addr,
				       .client_port_be = r->client_port_be,
				       .vip_port_be = f->port_be,
				       .local_port_be = r->local_port_be,
				       .target_port_be = target->port_be,
				       .proto = r->proto,
				       .state = r->state,
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
passes(const struct snapshot *s, const struct flow_record *r, const struct nlb_flow_filter *filter)
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

void
nlb_flows_describe(const struct nlb *nlb, const struct snapshot *snapshot,
		   struct nlb_flow_page *page, uint32_t now_ms)
{
	uint32_t looked = 0;

	page->n = 0;
	while (page->cursor < nlb->flows.used_n && page->n < page->max && looked < DESCRIBE_MAX) {
		const struct flow_record *r = &nlb->flows.records[page->cursor++];

		looked++;
		if (passes(snapshot, r, &page->filter))
			describe(snapshot, r, &page->flows[page->n++], now_ms);
	}
	page->end = page->cursor >= nlb->flows.used_n;
}
