/* SPDX-License-Identifier: BSD-3-Clause */
#include "gwlb_flow.h"

#include <arpa/inet.h>

#include "bytes.h"
#include "check.h"
#include "ip_ttl.h"
#include "snapshot_hop.h"
#include "tcp_mss.h"
#include "wire.h"

#define ETHER_LEN 14
#define WAY_MS    100 /* after which a way to an appliance is looked up again */

struct lookup {
	uint64_t hash;
	uint32_t record; /* first candidate */
	enum drop_reason reason;
	const struct snapshot_endpoint *endpoint; /* NULL: from an appliance */
	struct flow_search search;
	union {
		struct flow_gateway_key key;
		struct geneve_header header;
	};
};

/* The way to the appliance. */

/* Look the way up again: its next hop may have been resolved, or lost, since. */
static void
renew_way(struct gwlb_way *way, const struct snapshot *s, const struct next_hop_table *hops,
	  uint32_t reference, uint32_t now_ms)
{
	const struct snapshot_target *t = &s->targets[ref_index(reference)];
	uint32_t mtu = s->interfaces[t->interface].mtu, cached = 0;

	way->target = reference;
	way->generation = s->generation;
	way->renewed_ms = now_ms;
	way->usable = t->local_n > 0;
	if (!way->usable)
		return;
	/* One source for each appliance; they are spread over what there is. */
	geneve_template_set(
		&way->outer,
		&s
			 ->locals[ref_index(
				 s->local_refs[t->local_first + ref_index(reference) % t->local_n])]
			 .addr,
		&t->addr);
	way->next_hop = snapshot_next_hop(s, hops, &cached, &t->addr);
	if (way->next_hop != 0)
		mtu = hops->entries[ref_index(way->next_hop)].mtu;
	mtu = mtu > way->outer.len ? mtu - way->outer.len : 0;
	way->room = (uint16_t)(mtu < GENEVE_INNER_MAX ? mtu : GENEVE_INNER_MAX);
}

static inline const struct gwlb_way *
way_to(struct gwlb *g, const struct snapshot *s, const struct next_hop_table *hops,
       uint32_t reference, uint32_t now_ms)
{
	struct gwlb_way *way = &g->ways[ref_index(reference) % GWLB_WAYS];

	if (unlikely(way->target != reference || way->generation != s->generation ||
		     now_ms - way->renewed_ms >= WAY_MS))
		renew_way(way, s, hops, reference, now_ms);
	return way;
}

/*
 * ELB drops what is too long and says nothing.  Told of it, the sender sends less; without DF
 * nothing forbids the hint either.
 */
static void
refuse_length(struct gwlb *g, const struct snapshot *s, const struct snapshot_endpoint *e,
	      struct packet *p, uint16_t room, uint32_t now_ms)
{
	if (!e->icmp_mtu_exceeded)
		packet_drop(p, DROP_PACKET_TOO_BIG);
	else if (p->af == 4)
		gwlb_answer_error(g, s, p, ICMP_DEST_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, room,
				  DROP_PACKET_TOO_BIG, now_ms);
	else
		gwlb_answer_error(g, s, p, ICMPV6_PACKET_TOO_BIG, 0,
				  room < IPV6_MIN_MTU ? IPV6_MIN_MTU : room, DROP_PACKET_TOO_BIG,
				  now_ms);
}

static void
clamp_mss(struct packet *p, uint16_t room)
{
	uint16_t headers = (p->af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN) + TCP_MIN_LEN;

	if (room > headers)
		tcp_mss_clamp(p, (uint16_t)(room - headers));
}

/* Entropy for the network between: of the flow, and never a well-known port. */
static uint16_t
outer_port_be(const struct flow_gateway *r)
{
	uint32_t bits = ntohl(r->cookie_be) >> 24;

	return htons((uint16_t)((4 + (bits * 252 >> 8)) << 8 | r->slot));
}

/* Untouched by an appliance. */
static void
pass_by(struct gwlb *g, struct packet *p, const struct snapshot_endpoint *e)
{
	struct frontend_counters *c = gwlb_frontend_counters(g, e->frontend);

	c->bypassed++;
	if (e->in_line) {
		p->verdict = PACKET_LINK;
		p->next_hop = 0;
	} else {
		ip_ttl_decrement(p);
		packet_forward(p, 0);
	}
}

static void
encapsulate(struct gwlb *g, const struct snapshot *s, const struct next_hop_table *hops,
	    struct packet *p, const struct flow_gateway *r, const struct snapshot_endpoint *e,
	    uint32_t now_ms)
{
	const struct gwlb_way *way = way_to(g, s, hops, r->target, now_ms);
	struct geneve_options options = {e->id_be, e->attachment_be, r->cookie_be};
	struct frontend_counters *fc;
	struct target_counters *tc;
	uint16_t len = p->len;

	if (unlikely(!way->usable)) {
		packet_drop(p, DROP_NO_ROUTE);
		return;
	}
	if (unlikely(len > way->room)) {
		refuse_length(g, s, e, p, way->room, now_ms);
		return;
	}
	if (p->proto == IPPROTO_TCP && (p->flags & PACKET_FRAGMENT_LATER) == 0 &&
	    unlikely((packet_l4(p)[TCP_FLAGS] & TCP_FLAG_SYN) != 0))
		clamp_mss(p, way->room);
	if (!e->in_line)
		ip_ttl_decrement(p);
	if (unlikely(!geneve_encapsulate_by(p, &way->outer, outer_port_be(r), &options))) {
		packet_drop(p, DROP_TX_UNSUPPORTED);
		return;
	}
	fc = gwlb_frontend_counters(g, e->frontend);
	tc = gwlb_target_counters(g, r->target);
	fc->packets++;
	fc->bytes += len;
	tc->packets++;
	tc->bytes += len;
	packet_forward(p, way->next_hop);
}

/* Entering. */

/* The header this direction leaves the wire with: as it came, at the other end. */
static void
note_link(struct gwlb *g, const struct snapshot *s, const struct packet *p, struct flow_gateway *r,
	  bool from_low, uint32_t now_ms)
{
	const uint8_t *macs = p->l3 - p->l2_len;
	uint16_t peer = s->interfaces[p->interface].peer;
	struct gwlb_link *link;

	if (unlikely((r->flags & FLOW_GATEWAY_LINKS) == 0)) {
		r->flags |= FLOW_GATEWAY_LINKS;
		r->exit[0] = r->exit[1] = 0;
	}
	link = gwlb_link_of(g->links, r->exit[!from_low]);
	if (likely(link != NULL && gwlb_link_is(link, macs, peer))) {
		link->used_ms = now_ms;
		return;
	}
	r->exit[!from_low] = gwlb_link_intern(g->links, &g->flows->seed, macs, peer, now_ms);
}

/* A SYN for a flow that is over, or that its target never answered and would not get now. */
static bool
begins_anew(struct gwlb *g, const struct snapshot *s, const struct snapshot_endpoint *e,
	    const struct packet *p, const struct flow_gateway *r,
	    const struct flow_gateway_key *key)
{
	enum drop_reason reason;
	uint32_t target;

	if (p->proto != IPPROTO_TCP || (r->flags & FLOW_GATEWAY_NO_PORTS) != 0 ||
	    (p->flags & PACKET_FRAGMENT_LATER) != 0 || !gwlb_is_opening(p))
		return false;
	if (r->state == FLOW_STATE_CLOSING || r->state == FLOW_STATE_RESET)
		return true;
	return r->state == FLOW_STATE_NEW &&
	       gwlb_choose(g, s, e, key, &target, &reason) == GWLB_CHOSEN && target != r->target;
}

/* A packet of no flow: begin one, or say why not. @return its record. */
static uint32_t
begin_flow(struct gwlb *g, const struct snapshot *s, const struct snapshot_endpoint *e,
	   struct packet *p, const struct lookup *l, uint32_t now_ms)
{
	bool stray = p->proto == IPPROTO_TCP && e->flow_key == FLOW_KEY_5_TUPLE &&
		     ((p->flags & PACKET_FRAGMENT_LATER) != 0 || !gwlb_is_opening(p));
	enum drop_reason reason;
	uint32_t target;

	/* On a wire weir's own addresses are hosts like others, somewhere behind its end. */
	if (!e->in_line && snapshot_find_address(s, &p->src) != NULL) {
		packet_drop(p, DROP_IP_SOURCE_SPOOFED);
		return FLOW_NONE;
	}
	if (stray && flow_miss(FLOW_MISS_STRAY, false) == FLOW_MISS_DROP) {
		if (gwlb_choose(g, s, e, &l->key, &target, &reason) == GWLB_BYPASS)
			pass_by(g, p, e);
		else if (e->reset_on_idle && (p->flags & PACKET_FRAGMENT_LATER) == 0)
			gwlb_reset_sender(g, s, p, e->frontend, DROP_NOT_A_FLOW, now_ms);
		else
			packet_drop(p, DROP_NOT_A_FLOW);
		return FLOW_NONE;
	}
	/* An ICMP error that quotes: its flow would have to be there already. */
	if ((p->flags & PACKET_ICMP_ERROR) != 0 && l->key.proto != p->proto &&
	    e->flow_key != FLOW_KEY_2_TUPLE) {
		if (gwlb_choose(g, s, e, &l->key, &target, &reason) == GWLB_BYPASS)
			pass_by(g, p, e);
		else
			packet_drop(p, DROP_NOT_A_FLOW);
		return FLOW_NONE;
	}
	if (flow_miss(FLOW_MISS_ENTERING, false) != FLOW_MISS_CREATE) {
		packet_drop(p, DROP_NOT_A_FLOW);
		return FLOW_NONE;
	}
	if (s->frontends[ref_index(e->frontend)].draining) {
		packet_drop(p, DROP_NO_LISTENER);
		return FLOW_NONE;
	}
	return gwlb_flow_create(g, s, e, p, &l->key, l->hash, now_ms);
}

/*
 * The flow's target is not what it was: the flow moves, stays, passes by or is reset.
 * @return  whether the packet goes to the flow's target.
 */
static bool
think_over(struct gwlb *g, const struct snapshot *s, const struct snapshot_endpoint *e,
	   struct packet *p, uint32_t record, const struct flow_gateway_key *key, uint32_t now_ms)
{
	struct flow_gateway *r = flow_gateway_of(&g->flows->records[record]);
	const struct snapshot_target *t = &s->targets[ref_index(r->target)];
	const struct target_set *set =
		atomic_load_explicit(&s->groups[e->group].set, memory_order_acquire);
	bool healthy = set != NULL && set->entries_n != 0 && !set->fail_open;
	uint8_t moving = __atomic_load_n(&t->moving, __ATOMIC_RELAXED);
	enum drop_reason reason;
	uint32_t target;

	if (__atomic_load_n(&t->resetting, __ATOMIC_RELAXED) && p->proto == IPPROTO_TCP &&
	    (p->flags & PACKET_FRAGMENT_LATER) == 0) {
		gwlb_flow_set_state(g, record, FLOW_STATE_RESET);
		gwlb_reset_sender(g, s, p, e->frontend, DROP_TARGET_UNHEALTHY, now_ms);
		return false;
	}
	if (!healthy && e->fail_mode == SNAPSHOT_FAIL_BYPASS && moving != 0) {
		pass_by(g, p, e);
		return false;
	}
	if ((moving & SNAPSHOT_MOVING_REBALANCE) == 0)
		return true;
	if (!healthy && e->fail_mode == SNAPSHOT_FAIL_OPEN && set != NULL && set->entries_n != 0 &&
	    !t->closing)
		return true; /* no other is any better */
	switch (gwlb_choose(g, s, e, key, &target, &reason)) {
	case GWLB_REFUSED:
		packet_drop(p, reason);
		return false;
	case GWLB_BYPASS:
		pass_by(g, p, e);
		return false;
	case GWLB_CHOSEN:
		break;
	}
	if (target != r->target)
		gwlb_flow_move(g, record, target);
	return true;
}

static void
enter(struct gwlb *g, const struct snapshot *s, const struct next_hop_table *hops, struct packet *p,
      struct lookup *l, uint32_t record, uint32_t now_ms)
{
	struct flow_gateway *r = flow_gateway_of(&g->flows->records[record]);
	const struct snapshot_endpoint *e = l->endpoint;
	const struct snapshot_target *t = &s->targets[ref_index(r->target)];

	r->last_seen_ms = now_ms;
	r->packets++;
	if (p->proto == IPPROTO_TCP &&
	    ((r->flags & FLOW_GATEWAY_NO_PORTS) | (p->flags & PACKET_FRAGMENT_LATER)) == 0)
		gwlb_flow_on_segment(g, record, p, l->key.from_low);
	else if (unlikely(r->state == FLOW_STATE_NEW) &&
		 l->key.from_low != ((r->flags & FLOW_GATEWAY_FROM_LOW) != 0))
		gwlb_flow_set_state(g, record, FLOW_STATE_ESTABLISHED);
	if (e->in_line)
		note_link(g, s, p, r, l->key.from_low, now_ms);
	if (unlikely((t->moving | t->resetting) != 0) &&
	    !think_over(g, s, e, p, record, &l->key, now_ms))
		return;
	if (unlikely(r->target == 0))
		pass_by(g, p, e); /* begun while no target was healthy */
	else
		encapsulate(g, s, hops, p, r, e, now_ms);
}

static void
finish_entering(struct gwlb *g, const struct snapshot *s, const struct next_hop_table *hops,
		struct packet *p, struct lookup *l, uint32_t changes_before, uint32_t now_ms)
{
	const struct snapshot_endpoint *e = l->endpoint;
	uint32_t record = l->record;

	/* Earlier packets of the burst began or ended flows: what was found may have moved. */
	if (unlikely(g->changes != changes_before)) {
		l->search = flow_search_begin(g->flows, l->hash);
		record = flow_search_next_record(g->flows, &l->search);
	}
	while (record != FLOW_NONE &&
	       !flow_gateway_is(flow_gateway_of(&g->flows->records[record]), &l->key))
		record = flow_search_next_record(g->flows, &l->search);
	if (!e->in_line && unlikely(ip_ttl(p) <= 1)) {
		gwlb_answer_error(g, s, p, p->af == 4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED,
				  0, 0, DROP_TTL_EXCEEDED, now_ms);
		return;
	}
	if (record != FLOW_NONE &&
	    unlikely(begins_anew(g, s, e, p, flow_gateway_of(&g->flows->records[record]),
				 &l->key))) {
		gwlb_flow_close(g, record);
		record = FLOW_NONE;
	}
	if (unlikely(record == FLOW_NONE))
		record = begin_flow(g, s, e, p, l, now_ms);
	if (likely(record != FLOW_NONE))
		enter(g, s, hops, p, l, record, now_ms);
}

/* The burst. */

static void
begin_entering(struct gwlb *g, const struct snapshot *s, const struct packet *p, struct lookup *l)
{
	uint32_t reference = s->interfaces[p->interface].endpoint;

	l->endpoint = snapshot_endpoint(s, reference);
	l->reason =
		l->endpoint == NULL || l->endpoint->frontend == 0 ? DROP_NO_LISTENER : DROP_NONE;
	if (unlikely(l->reason != DROP_NONE))
		return;
	/* Where the outer headers will be written. */
	__builtin_prefetch(p->l3 - GENEVE_OVERHEAD_V4 - ETHER_LEN, 1);
	__builtin_prefetch(p->l3 - ETHER_LEN - 1, 1);
	gwlb_key(p, reference, gwlb_parts_of_endpoint(l->endpoint), &l->key);
	l->hash = flow_gateway_hash(&g->flows->seed, &l->key);
	flow_prefetch_bucket(g->flows, l->hash);
}

static void
begin_return(struct gwlb *g, const struct packet *p, struct lookup *l)
{
	uint32_t record;

	l->endpoint = NULL;
	l->reason = geneve_parse(p, &l->header);
	if (unlikely(l->reason != DROP_NONE))
		return;
	record = gwlb_cookie_record(&g->cookie_key, ntohl(l->header.options.cookie_be));
	if (unlikely(record >= g->flows->records_n))
		return;
	__builtin_prefetch(&g->flows->records[record]);
	__builtin_prefetch((const uint8_t *)&g->flows->records[record] + 64);
}

static void
look_up(struct gwlb *g, struct lookup *l)
{
	l->search = flow_search_begin(g->flows, l->hash);
	l->record = flow_search_next_record(g->flows, &l->search);
	if (l->record == FLOW_NONE)
		return;
	__builtin_prefetch(&g->flows->records[l->record], 1);
	if (l->endpoint->in_line)
		__builtin_prefetch((const uint8_t *)&g->flows->records[l->record] + 64);
}

void
gwlb_burst(struct gwlb *g, const struct snapshot *snapshot, const struct next_hop_table *hops,
	   struct packet **packets, uint16_t n, uint32_t now_ms)
{
	struct lookup lookups[GWLB_BURST];
	uint32_t changes;

	CHECK(n <= GWLB_BURST);
	for (uint16_t i = 0; i < n; i++) {
		if (gwlb_is_returned(packets[i]))
			begin_return(g, packets[i], &lookups[i]);
		else
			begin_entering(g, snapshot, packets[i], &lookups[i]);
	}
	for (uint16_t i = 0; i < n; i++) {
		if (lookups[i].endpoint != NULL && lookups[i].reason == DROP_NONE)
			look_up(g, &lookups[i]);
	}
	changes = g->changes;
	for (uint16_t i = 0; i < n; i++) {
		struct lookup *l = &lookups[i];

		if (unlikely(l->reason != DROP_NONE))
			packet_drop(packets[i], l->reason);
		else if (l->endpoint == NULL)
			gwlb_return(g, snapshot, hops, packets[i], &l->header, now_ms);
		else
			finish_entering(g, snapshot, hops, packets[i], l, changes, now_ms);
	}
}
