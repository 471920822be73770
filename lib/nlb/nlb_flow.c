/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_flow.h"

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "flow_gateway.h"
#include "geneve.h"
#include "maglev.h"
#include "nlb_proxy2.h"
#include "wire.h"

#define RESET_BELIEVED_MS 1000
#define TARGET_ATTEMPTS   8  /* targets tried when a reply's tuple is taken */
#define STEERED_TRIES     64 /* ports of a slot looked at for one whose replies come straight here */

/* Records and their two hashes. */

/* What a packet from that side has. @return false when the side is not indexed. */
static bool
tuple_of(const struct snapshot *s, const struct flow_record *r, enum flow_side side,
	 struct nlb_tuple *t)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	const struct ip_addr *local = &s->locals[ref_index(r->local)].addr;

	if (side == FLOW_SIDE_CLIENT) {
		*t = (struct nlb_tuple){&r->client, &f->vip, r->client_port_be, f->port_be,
					r->proto};
		return r->kind != FLOW_KIND_ENDPOINT;
	}
	if (r->kind == FLOW_KIND_ENDPOINT)
		*t = (struct nlb_tuple){&r->client, local, r->client_port_be, r->local_port_be,
					r->proto};
	else
		*t = (struct nlb_tuple){&target->addr,
					(r->flags & FLOW_FLAG_FULL_NAT) != 0 ? local : &r->client,
					target->port_be, r->local_port_be, r->proto};
	return true;
}

uint64_t
nlb_flow_hash(const struct nlb *nlb, const struct snapshot *s, const struct flow_record *r,
	      enum flow_side side)
{
	struct nlb_tuple t;

	if (r->kind == FLOW_KIND_GATEWAY) {
		struct flow_record copy = *r;
		struct flow_gateway_key key = flow_gateway_key_of(flow_gateway_of(&copy));

		return side == FLOW_SIDE_TARGET ? 0 : flow_gateway_hash(&nlb->flows.seed, &key);
	}
	return tuple_of(s, r, side, &t) ? nlb_tuple_hash(nlb, &t) : 0;
}

/* The one way a flow ends. */
void
nlb_flow_close(struct nlb *nlb, const struct snapshot *s, uint32_t record)
{
	struct flow_record *r = &nlb->flows.records[record];

	nlb->changes++;
	flow_journal_note(&nlb->journal, FLOW_CLOSED, record, r->version);
	nlb_proxy_settle(nlb, r);
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
	/* Release: the version comes after what it is the version of. */
	__atomic_store_n(&r->version, (uint16_t)(r->version + 2), __ATOMIC_RELEASE);
	if (state == FLOW_STATE_CLOSING || state == FLOW_STATE_RESET)
		flow_journal_note(&nlb->journal, FLOW_CLOSING, record, r->version);
}

/* Finding. */

uint32_t
nlb_flow_find(const struct nlb *nlb, const struct snapshot *s, uint64_t hash,
	      const struct nlb_tuple *tuple, enum flow_side *side)
{
	struct flow_search search = flow_search_begin(&nlb->flows, hash);
	uint32_t entry;

	while ((entry = flow_search_next(&nlb->flows, &search)) != FLOW_NONE) {
		uint32_t record = flow_entry_record(entry);

		*side = flow_entry_side(entry);
		if (nlb_flow_is(s, &nlb->flows.records[record], tuple, *side))
			return record;
	}
	return FLOW_NONE;
}

/* Source ports. */

/*
 * Whether the flow is over and its port may serve another towards the same target: some time after
 * a RST, which may have been forged, that nobody contradicted; or when the new SYN's number is
 * above the old connection's last, so that a target in TIME-WAIT takes it (RFC 9293 section
 * 3.10.7.4, RFC 6191).
 */
static bool
may_be_replaced(const struct flow_record *r, uint32_t idle_ms, uint32_t syn_seq)
{
	if (r->kind != FLOW_KIND_NLB)
		return false;
	if (r->state == FLOW_STATE_RESET)
		return idle_ms >= RESET_BELIEVED_MS;
	return r->state == FLOW_STATE_CLOSING && (int32_t)(syn_seq - r->client_seq) > 0;
}

/* A way to a target that needs a source port. */
struct port_request {
	const struct ip_addr *local, *target;
	uint16_t target_port_be;
	uint8_t proto;
	uint8_t slot;
	const struct rss_replies *replies; /* of the interface towards the target, or NULL */
	bool may_replace;                  /* a flow that is over, when nothing is free */
	uint32_t syn_seq;                  /* then: of the new connection */
	uint32_t now_ms;
};

/* The reply tuple of a source port. */
static struct nlb_tuple
reply_tuple(const struct port_request *q, uint16_t port_be)
{
	return (struct nlb_tuple){q->target, q->local, q->target_port_be, port_be, q->proto};
}

static const struct rss_replies *
replies_from(const struct nlb *nlb, const struct snapshot_target *target)
{
	if (nlb->replies == NULL)
		return NULL;
	return atomic_load_explicit(&nlb->replies[target->interface], memory_order_acquire);
}

/* The record whose reply tuple has the port, and the tuple's hash.  FLOW_NONE: the port is free. */
static uint32_t
find_by_port(const struct nlb *nlb, const struct snapshot *s, const struct port_request *q,
	     uint16_t port_be, uint64_t *hash)
{
	struct nlb_tuple tuple = reply_tuple(q, port_be);
	enum flow_side side;

	*hash = nlb_tuple_hash(nlb, &tuple);
	return nlb_flow_find(nlb, s, *hash, &tuple, &side);
}

/* What comes to GENEVE's port is taken for an appliance's. */
static bool
is_source_port(const struct snapshot *s, const struct port_request *q, uint16_t port_be)
{
	return likely(port_be != htons(GENEVE_PORT)) || !s->has_endpoints ||
	       q->proto != IPPROTO_UDP;
}

/* A free port of the slot to which replies come straight to this worker. @return 0: none. */
static uint16_t
find_steered_port(struct nlb *nlb, const struct snapshot *s, const struct port_request *q,
		  struct source_port_hint *hint, uint64_t *hash)
{
	bool v4 = ip_addr_is_v4(q->target);
	uint8_t base =
		rss_replies_base(q->replies, q->target, q->target_port_be, q->local, q->slot);

	for (uint32_t i = 0; i < STEERED_TRIES; i++) {
		uint16_t port_be = source_port_candidate(hint, q->slot, i);

		if (rss_replies_worker(q->replies, v4, base, (uint8_t)(ntohs(port_be) >> 8)) !=
			    nlb->worker ||
		    !is_source_port(s, q, port_be) ||
		    find_by_port(nlb, s, q, port_be, hash) != FLOW_NONE)
			continue;
		source_port_taken(hint, i);
		return port_be;
	}
	return 0;
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
	struct nlb_tuple tuple = reply_tuple(q, htons(q->slot));
	uint64_t pool = nlb_tuple_hash(nlb, &tuple);
	struct source_port_hint *hint = source_port_hint_of(nlb->hints, pool);
	uint32_t replaced = FLOW_NONE, replaced_at = 0, replaced_idle_ms = 0;

	if (source_port_is_full(hint, pool, q->now_ms))
		return 0;
	if (q->replies != NULL) {
		uint16_t port_be = find_steered_port(nlb, s, q, hint, hash);

		if (port_be != 0)
			return port_be;
	}
	for (uint32_t i = 0; i < SOURCE_PORT_PER_SLOT; i++) {
		uint16_t port_be = source_port_candidate(hint, q->slot, i);
		uint32_t record, idle_ms;

		if (!is_source_port(s, q, port_be))
			continue;
		record = find_by_port(nlb, s, q, port_be, hash);
		if (record == FLOW_NONE) {
			source_port_taken(hint, i);
			return port_be;
		}
		idle_ms = q->now_ms - nlb->flows.records[record].last_seen_ms;
		if (last && q->may_replace &&
		    (replaced == FLOW_NONE || idle_ms > replaced_idle_ms) &&
		    may_be_replaced(&nlb->flows.records[record], idle_ms, q->syn_seq)) {
			replaced = record;
			replaced_at = i;
			replaced_idle_ms = idle_ms;
		}
	}
	if (replaced != FLOW_NONE) {
		uint16_t port_be = nlb->flows.records[replaced].local_port_be;

		nlb_flow_close(nlb, s, replaced);
		source_port_taken(hint, replaced_at);
		tuple.dport_be = port_be;
		*hash = nlb_tuple_hash(nlb, &tuple);
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
	flow_record_commit(&nlb->flows, record, FLOW_ROLE_LOCAL);
	nlb->ports++;
	return true;
}

void
nlb_endpoint_close(struct nlb *nlb, const struct ip_addr *local, uint16_t sport_be,
		   const struct ip_addr *target, uint16_t dport_be)
{
	struct nlb_tuple tuple = {target, local, dport_be, sport_be, IPPROTO_TCP};
	uint64_t hash = nlb_tuple_hash(nlb, &tuple);
	struct flow_search search = flow_search_begin(&nlb->flows, hash);
	uint32_t entry;

	while ((entry = flow_search_next(&nlb->flows, &search)) != FLOW_NONE) {
		const struct flow_record *r = &nlb->flows.records[flow_entry_record(entry)];

		if (r->kind == FLOW_KIND_ENDPOINT && r->local_port_be == sport_be &&
		    r->client_port_be == dport_be && ip_addr_equal(&r->client, target))
			break;
	}
	if (entry == FLOW_NONE)
		return; /* flushed meanwhile */
	nlb->changes++;
	flow_index_remove(&nlb->flows, hash, flow_entry_record(entry), FLOW_SIDE_TARGET);
	flow_record_give(&nlb->flows, flow_entry_record(entry));
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

/* Of a client, whichever listener it comes by. */
static uint64_t
source_hash(const struct siphash_key *seed, const struct ip_addr *client)
{
	static const struct ip_addr any;

	return maglev_flow_hash(seed, client, 0, &any, 0, 0);
}

struct nlb_choice
nlb_choose(const struct siphash_key *seed, const struct snapshot *s,
	   const struct snapshot_frontend *f, const struct ip_addr *client, uint16_t client_port_be,
	   uint8_t proto)
{
	struct nlb_choice c = {.flow_hash = maglev_flow_hash(seed, client, client_port_be, &f->vip,
							     f->port_be, proto)};

	c.group = choose_group(f, f->sticky ? source_hash(seed, client) : c.flow_hash);
	c.set_hash = s->groups[c.group].sticky ? source_hash(seed, client) : c.flow_hash;
	return c;
}

static struct nlb_choice
choose(const struct nlb *nlb, const struct snapshot *s, const struct snapshot_frontend *f,
       const struct flow_record *r)
{
	return nlb_choose(&nlb->maglev_seed, s, f, &r->client, r->client_port_be, r->proto);
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
				 .replies = replies_from(nlb, target),
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
	struct nlb_choice choice = choose(nlb, s, f, r);
	const struct target_set *set;
	struct nlb_tuple tuple;
	enum flow_side side;

	if (choice.group == 0)
		return DROP_NO_TARGET;
	set = atomic_load_explicit(&s->groups[choice.group].set, memory_order_acquire);
	for (uint32_t attempt = 0; attempt < TARGET_ATTEMPTS; attempt++) {
		const struct snapshot_target *target;

		r->target = maglev_lookup(set, choice.set_hash, attempt);
		target = snapshot_target(s, r->target);
		if (target == NULL)
			return DROP_NO_TARGET;
		if (unlikely((target->blocked &
			      (r->proto == IPPROTO_TCP ? SNAPSHOT_TCP : SNAPSHOT_UDP)) != 0))
			return DROP_SECURITY_GROUP;
		if (set->fail_open && attempt == 0)
			nlb->counters->frontends[ref_index(r->frontend)].unhealthy_routed++;
		if (target->proxy_v2 != 0)
			r->flags |= FLOW_FLAG_PROXY;
		if (target->forwarding == FORWARDING_FULL_NAT) {
			r->flags |= FLOW_FLAG_FULL_NAT;
			return allocate_source(nlb, s, target, r, choice.flow_hash, target_hash);
		}
		/* A host takes no packet from itself: its own client gets another target. */
		if (unlikely(ip_addr_equal(&target->addr, &r->client)))
			continue;
		r->local_port_be = r->client_port_be;
		tuple = (struct nlb_tuple){&target->addr, &r->client, target->port_be,
					   r->client_port_be, r->proto};
		*target_hash = nlb_tuple_hash(nlb, &tuple);
		if (nlb_flow_find(nlb, s, *target_hash, &tuple, &side) == FLOW_NONE)
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
	flow_record_commit(&nlb->flows, record, FLOW_ROLE_LOCAL);
	nlb_frontend_counters(nlb, r)->new_flows++;
	nlb_target_counters(nlb, r)->new_flows++;
	if ((r->flags & FLOW_FLAG_FULL_NAT) != 0)
		nlb->ports++;
	flow_journal_note(&nlb->journal, FLOW_ESTABLISHED, record, r->version);
	return true;
}

/* What security groups block is counted by itself. */
static void
count_refused(struct frontend_counters *counters, uint8_t proto, enum drop_reason reason)
{
	bool tcp = proto == IPPROTO_TCP;

	if (reason == DROP_SECURITY_GROUP) {
		counters->blocked_out_tcp += tcp;
		counters->blocked_out_udp += !tcp;
		return;
	}
	counters->rejected_flows++;
	counters->rejected_tcp += tcp;
	if (reason == DROP_PORT_ALLOCATION)
		counters->port_alloc_errors++;
}

/* @return  FLOW_NONE, with p dropped or answered, when the flow is refused. */
uint32_t
nlb_flow_create(struct nlb *nlb, const struct snapshot *s, struct packet *p, uint32_t now_ms)
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
	if (reason == DROP_NONE && insert_flow(nlb, record, p->hash, target_hash))
		return record;
	if (reason == DROP_NONE)
		reason = DROP_FLOW_TABLE_FULL;
	flow_record_give(&nlb->flows, record);
refused:
	count_refused(counters, p->proto, reason);
	packet_drop(p, reason);
	return FLOW_NONE;
}

/* Under nat a later choice counts too. */
bool
nlb_flow_target_is_chosen(const struct nlb *nlb, const struct snapshot *s,
			  const struct flow_record *r)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	uint32_t attempts = (r->flags & FLOW_FLAG_FULL_NAT) != 0 ? 1 : TARGET_ATTEMPTS;
	struct nlb_choice choice = choose(nlb, s, f, r);
	const struct target_set *set;

	if (choice.group == 0 || f->draining)
		return true;
	set = atomic_load_explicit(&s->groups[choice.group].set, memory_order_acquire);
	for (uint32_t attempt = 0; attempt < attempts; attempt++) {
		if (maglev_lookup(set, choice.set_hash, attempt) == r->target)
			return true;
	}
	return false;
}
