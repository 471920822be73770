/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_flow.h"

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "icmp.h"
#include "nlb_fragment.h"
#include "nlb_proxy2.h"
#include "nlb_rate.h"
#include "nlb_rewrite.h"
#include "nlb_terminate.h"
#include "snapshot_hop.h"
#include "tcp_mss.h"
#include "tcp_reset.h"
#include "wire.h"

/* What the packets of a burst have in common. */
struct burst {
	struct nlb *nlb;
	const struct snapshot *snapshot;
	const struct next_hop_table *hops;
	uint32_t now_ms;
	uint32_t changes; /* of the index, when the burst's flows were looked up */
};

/* Serving packets of flows. */

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
		if (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_CLIENT)
			return;
		if (r->state == FLOW_STATE_RESET) {
			if ((r->flags & FLOW_FLAG_RESET_BY_TARGET) != reset_by)
				r->flags |= FLOW_FLAG_RESET_BOTH; /* nobody is left to be asked */
			return;
		}
		if (from == FLOW_SIDE_TARGET)
			nlb_frontend_counters(nlb, r)->target_resets++;
		if (r->state == FLOW_STATE_NEW)
			nlb_target_counters(nlb, r)->failed_flows++;
		else
			nlb_frontend_counters(nlb, r)->client_resets++;
		r->flags &= (uint8_t) ~(FLOW_FLAG_RESET_BY_TARGET | FLOW_FLAG_RESET_BOTH);
		r->flags |= reset_by;
		nlb_flow_set_state(nlb, record, FLOW_STATE_RESET);
		return;
	}
	if ((flags & TCP_FLAG_FIN) != 0) {
		r->flags |= from == FLOW_SIDE_TARGET ? FLOW_FLAG_FIN_TARGET : FLOW_FLAG_FIN_CLIENT;
		if (from == FLOW_SIDE_CLIENT)
			r->client_seq = seq_behind_fin(p, tcp);
	}
	if ((r->flags & both) == both) {
		if (r->state != FLOW_STATE_RESET)
			nlb_flow_set_state(nlb, record, FLOW_STATE_CLOSING);
		return;
	}
	if (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_CLIENT && (flags & TCP_FLAG_SYN) != 0)
		r->client_seq = bytes_load_be32(tcp + TCP_SEQ);
	if (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_TARGET && (flags & TCP_FLAG_SYN) != 0) {
		r->target_seq = bytes_load_be32(tcp + TCP_SEQ);
		nlb_target_counters(nlb, r)->answered_flows++;
		nlb_flow_set_state(nlb, record, FLOW_STATE_ESTABLISHED);
	}
	/* A RST may have been forged or out of window: the other side going on disproves it. */
	if (r->state == FLOW_STATE_RESET && (r->flags & FLOW_FLAG_RESET_BY_TARGET) != reset_by)
		nlb_flow_set_state(nlb, record, FLOW_STATE_ESTABLISHED);
}

/* The packet is gone for this reason; what leaves in its buffer is a packet of weir's own. */
static void
count_answered(struct nlb *nlb, enum drop_reason reason)
{
	nlb->counters->drops[reason]++;
	nlb->counters->answered++;
}

static __attribute__((noinline, cold)) void
answer_error(const struct burst *b, struct packet *p, const struct ip_addr *src, uint8_t type,
	     uint8_t code, uint32_t mtu, enum drop_reason reason)
{
	const struct snapshot_interface *i = &b->snapshot->interfaces[p->interface];
	const struct ip_addr *from = src;

	if (from == NULL)
		from = p->af == 4 ? &i->v4 : &i->v6;
	if (!icmp_limit_take(&b->nlb->icmp_limit, b->now_ms)) {
		packet_drop(p, DROP_ICMP_RATE_LIMITED);
		return;
	}
	if (!icmp_error(p, from, type, code, mtu)) {
		packet_drop(p, reason);
		return;
	}
	count_answered(b->nlb, reason);
}

static __attribute__((noinline, cold)) void
answer_too_big(const struct burst *b, struct packet *p, const struct ip_addr *vip, uint16_t mtu)
{
	if (p->af == 6)
		answer_error(b, p, vip, ICMPV6_PACKET_TOO_BIG, 0, mtu, DROP_PACKET_TOO_BIG);
	else if ((bytes_load_be16(p->l3 + IPV4_FRAG) & IPV4_DF) != 0)
		answer_error(b, p, vip, ICMP_DEST_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, mtu,
			     DROP_PACKET_TOO_BIG);
	else
		packet_drop(p, DROP_PACKET_TOO_BIG);
}

/* @return  whether the packet may go on: TTL left, and not larger than the next hop takes. */
static inline bool
may_forward(const struct burst *b, struct packet *p, const struct ip_addr *vip)
{
	uint16_t mtu = b->hops->entries[ref_index(p->next_hop)].mtu;

	if (unlikely(p->l3[p->af == 4 ? IPV4_TTL : IPV6_HOP_LIMIT] <= 1)) {
		answer_error(b, p, vip, p->af == 4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED, 0,
			     0, DROP_TTL_EXCEEDED);
		return false;
	}
	/* Of entry 0, which is none, it is 0. */
	if (unlikely(p->len > mtu && mtu != 0)) {
		answer_too_big(b, p, vip, mtu);
		return false;
	}
	return true;
}

/* Largest segment that fits both the way the packet came and the way it goes. */
static uint16_t
mss_limit(const struct burst *b, const struct packet *p, uint32_t next_hop)
{
	uint16_t mtu = b->snapshot->interfaces[p->interface].mtu;

	if (next_hop != 0 && b->hops->entries[ref_index(next_hop)].mtu < mtu)
		mtu = b->hops->entries[ref_index(next_hop)].mtu;
	return (uint16_t)(mtu - (p->af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN) - TCP_MIN_LEN);
}

/* A segment that opens, closes or resets, or that comes after a RST. */
static __attribute__((noinline)) void
serve_segment(const struct burst *b, struct packet *p, uint32_t record, enum flow_side from)
{
	update_tcp(b->nlb, record, p, from);
	if ((packet_l4(p)[TCP_FLAGS] & TCP_FLAG_SYN) != 0)
		tcp_mss_clamp(p, mss_limit(b, p, p->next_hop));
}

static inline void
count_forwarded(struct nlb *nlb, const struct flow_record *r, uint16_t len)
{
	struct frontend_counters *fc = nlb_frontend_counters(nlb, r);
	struct target_counters *tc = nlb_target_counters(nlb, r);

	fc->packets++;
	fc->bytes += len;
	tc->packets++;
	tc->bytes += len;
}

/* Whether the segment changes nothing of the flow's state: data and acknowledgements do not. */
static inline bool
is_plain_segment(const struct flow_record *r, uint8_t flags)
{
	return (flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST)) == 0 &&
	       r->state != FLOW_STATE_RESET;
}

/*
 * Give the target its PROXY header, and shift what is behind it.
 * @return  whether the packet may go on.
 */
static __attribute__((noinline)) bool
serve_proxied(const struct burst *b, struct packet *p, uint32_t record, enum flow_side from)
{
	const struct flow_record *r = &b->nlb->flows.records[record];
	uint16_t mtu = b->hops->entries[ref_index(p->next_hop)].mtu;
	uint16_t growth = nlb_proxy_growth(r, from);
	enum drop_reason reason;

	/* What the client may send is less than the next hop takes. */
	if (unlikely(growth != 0 && mtu != 0 && p->len + growth > mtu)) {
		answer_too_big(b, p, &b->snapshot->frontends[ref_index(r->frontend)].vip,
			       (uint16_t)(mtu - growth));
		return false;
	}
	reason = nlb_proxy_serve(b->nlb, b->snapshot, p, record, from, b->now_ms);
	if (reason == DROP_NONE)
		return true;
	packet_drop(p, reason);
	return false;
}

/* One function a side: `from` is constant where this is called. */
static inline __attribute__((always_inline)) void
serve(const struct burst *b, struct packet *p, uint32_t record, enum flow_side from)
{
	const struct snapshot *s = b->snapshot;
	struct flow_record *r = &b->nlb->flows.records[record];
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	struct rewrite rewrite;

	if (from == FLOW_SIDE_CLIENT) {
		rewrite = (struct rewrite){(r->flags & FLOW_FLAG_FULL_NAT) != 0
						   ? &s->locals[ref_index(r->local)].addr
						   : &r->client,
					   &target->addr, r->local_port_be, target->port_be};
		p->next_hop = snapshot_next_hop(s, b->hops, &r->next_hop_target, &target->addr);
	} else {
		rewrite = (struct rewrite){&f->vip, &r->client, f->port_be, r->client_port_be};
		p->next_hop = snapshot_next_hop(s, b->hops, &r->next_hop_client, &r->client);
	}
	if (unlikely(!may_forward(b, p, from == FLOW_SIDE_CLIENT ? &f->vip : NULL)))
		return;
	if (unlikely((r->flags & FLOW_FLAG_PROXY) != 0) && !serve_proxied(b, p, record, from))
		return;
	if (p->proto == IPPROTO_TCP) {
		if (unlikely(!is_plain_segment(r, packet_l4(p)[TCP_FLAGS])))
			serve_segment(b, p, record, from);
	} else if (from == FLOW_SIDE_TARGET && unlikely(r->state == FLOW_STATE_NEW)) {
		nlb_flow_set_state(b->nlb, record, FLOW_STATE_ESTABLISHED);
	}
	r->last_seen_ms = b->now_ms;
	r->packets++;
	count_forwarded(b->nlb, r, p->len);
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

void
nlb_miss(struct nlb *nlb, struct packet *p, enum flow_miss_why why)
{
	if (flow_miss(why, false) == FLOW_MISS_RESET && (p->flags & PACKET_FRAGMENT) == 0)
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

/* A packet that no rule of the load balancer's security groups lets in. */
static __attribute__((noinline)) bool
is_kept_out(const struct burst *b, struct packet *p, const struct snapshot_frontend *f)
{
	bool tcp = p->proto == IPPROTO_TCP;
	const struct route_table *sources = tcp ? f->tcp_sources : f->udp_sources;
	struct frontend_counters *c = &b->nlb->counters->frontends[ref_index(p->frontend)];

	if (sources == NULL || route_lookup(sources, &p->src) != NULL)
		return false;
	c->blocked_in_udp += !tcp;
	c->blocked_in_tcp += tcp && is_opening(p);
	packet_drop(p, DROP_SECURITY_GROUP);
	return true;
}

/* Of a packet that would begin a flow or connection. @return false: it is dropped. */
static bool
is_within_rate(const struct burst *b, struct packet *p, const struct snapshot_frontend *f,
	       uint32_t frontend)
{
	enum nlb_rate_verdict verdict =
		f->new_flows == 0 && f->new_flows_per_source == 0
			? NLB_RATE_GOOD
			: nlb_rate_take(b->nlb->rate, f, frontend, &p->src, b->now_ms);

	if (verdict == NLB_RATE_GOOD)
		return true;
	b->nlb->counters->frontends[frontend].rejected_flows++;
	b->nlb->counters->frontends[frontend].rejected_tcp += p->proto == IPPROTO_TCP;
	packet_drop(p, verdict == NLB_RATE_LISTENER ? DROP_FLOW_RATE : DROP_SOURCE_RATE);
	return false;
}

static void
client_without_flow(const struct burst *b, struct packet *p, uint32_t frontend)
{
	const struct snapshot_frontend *f = &b->snapshot->frontends[frontend];
	uint32_t record;

	p->frontend = ref_make(frontend, f->generation);
	/* What opens nothing may be of a connection that ends here: the engine knows. */
	if (f->terminates && !(p->proto == IPPROTO_TCP && is_opening(p))) {
		p->verdict = PACKET_ENDPOINT;
		return;
	}
	if (unlikely(f->tcp_sources != NULL || f->udp_sources != NULL) && is_kept_out(b, p, f))
		return;
	if (f->terminates) {
		if (is_within_rate(b, p, f, frontend))
			p->verdict = PACKET_ENDPOINT;
		return;
	}
	if (p->proto == IPPROTO_TCP) {
		if (!is_opening(p)) {
			nlb_miss(b->nlb, p, FLOW_MISS_SEGMENT);
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
	if (!is_within_rate(b, p, f, frontend))
		return;
	record = nlb_flow_create(b->nlb, b->snapshot, p, b->now_ms);
	if (record != FLOW_NONE)
		serve(b, p, record, FLOW_SIDE_CLIENT);
}

/* Neither for a listener nor of a flow: say why. */
static void
target_without_flow(struct nlb *nlb, const struct snapshot *s, struct packet *p)
{
	const struct snapshot_address *own = snapshot_find_address(s, &p->dst);

	if (own == NULL && is_for_many(p))
		packet_drop(p, DROP_IP_MULTICAST);
	else if (own == NULL)
		nlb_miss(nlb, p, FLOW_MISS_REPLY);
	else if (own->kind == SNAPSHOT_ADDRESS_VIP)
		packet_drop(p, DROP_NO_LISTENER);
	else if (own->is_local && p->proto == IPPROTO_TCP &&
		 (packet_l4(p)[TCP_FLAGS] & TCP_FLAG_ACK) != 0)
		nlb_miss(nlb, p, FLOW_MISS_SEGMENT); /* a target that still thinks it has a flow */
	else
		packet_drop(p, DROP_HOST_UNWANTED);
}

/* A SYN for a flow that is over, or that its target never answered and would not get now. */
static __attribute__((noinline)) bool
syn_begins_anew(const struct burst *b, const struct flow_record *r)
{
	if (r->state >= FLOW_STATE_CLOSING)
		return true;
	return r->state == FLOW_STATE_NEW && !nlb_flow_target_is_chosen(b->nlb, b->snapshot, r);
}

static inline bool
begins_anew(const struct burst *b, const struct packet *p, const struct flow_record *r)
{
	return p->proto == IPPROTO_TCP && unlikely(is_opening(p)) && syn_begins_anew(b, r);
}

/* No record has the packet's tuple. */
static __attribute__((noinline)) void
serve_without_flow(const struct burst *b, struct packet *p)
{
	uint8_t bit = p->proto == IPPROTO_TCP ? SNAPSHOT_TCP : SNAPSHOT_UDP;
	uint32_t frontend;

	if (snapshot_find_address(b->snapshot, &p->src) != NULL) {
		packet_drop(p, DROP_IP_SOURCE_SPOOFED);
		return;
	}
	frontend = snapshot_find_frontend(b->snapshot, &p->dst, p->dport_be, bit);
	if (frontend != 0)
		client_without_flow(b, p, frontend);
	else
		target_without_flow(b->nlb, b->snapshot, p);
}

static bool
is_ending(const struct burst *b, const struct flow_record *r)
{
	return r->state == FLOW_STATE_TERMINATING ||
	       nlb_flow_has_to_end(&b->snapshot->targets[ref_index(r->target)], r, b->now_ms);
}

/* The flow terminates, or its target's flows are to end. @return false: not this one. */
static __attribute__((noinline)) bool
serve_ending(const struct burst *b, struct packet *p, uint32_t record, enum flow_side side)
{
	const struct flow_record *r = &b->nlb->flows.records[record];
	bool anew = side == FLOW_SIDE_CLIENT && p->proto == IPPROTO_TCP && is_opening(p);

	if (!is_ending(b, r))
		return false;
	if (!anew && (r->state == FLOW_STATE_ESTABLISHED || r->state == FLOW_STATE_TERMINATING) &&
	    p->proto == IPPROTO_TCP) {
		nlb_terminate_serve(b->nlb, b->snapshot, p, record, side, b->now_ms);
	} else {
		nlb_flow_close(b->nlb, b->snapshot, record);
		serve_without_flow(b, p);
	}
	return true;
}

static inline __attribute__((always_inline)) void
serve_flow(const struct burst *b, struct packet *p, uint32_t record, enum flow_side side)
{
	const struct flow_record *r = &b->nlb->flows.records[record];

	if (unlikely((b->snapshot->targets[ref_index(r->target)].closing |
		      (r->state == FLOW_STATE_TERMINATING)) != 0) &&
	    serve_ending(b, p, record, side))
		return;
	if (side == FLOW_SIDE_CLIENT && begins_anew(b, p, r)) {
		nlb_flow_close(b->nlb, b->snapshot, record);
		serve_without_flow(b, p);
	} else if (side == FLOW_SIDE_CLIENT) {
		serve(b, p, record, FLOW_SIDE_CLIENT);
	} else if (likely(r->kind == FLOW_KIND_NLB)) {
		serve(b, p, record, FLOW_SIDE_TARGET);
	} else {
		p->verdict = PACKET_ENDPOINT;
	}
}

/* The burst. */

/* The long way, when the first candidate is not the flow's record. */
static __attribute__((noinline)) void
look_up_again(const struct burst *b, struct packet *p)
{
	struct nlb_tuple tuple = {&p->src, &p->dst, p->sport_be, p->dport_be, p->proto};
	enum flow_side side;
	uint32_t record = nlb_flow_find(b->nlb, b->snapshot, p->hash, &tuple, &side);

	if (record != FLOW_NONE)
		serve_flow(b, p, record, side);
	else
		serve_without_flow(b, p);
}

/*
 * The candidate was found before the burst began; when earlier packets of the burst have begun or
 * ended flows, what was found may have moved.
 */
static inline void
serve_candidate(const struct burst *b, struct packet *p, uint32_t entry)
{
	const struct nlb *nlb = b->nlb;
	struct nlb_tuple tuple = {&p->src, &p->dst, p->sport_be, p->dport_be, p->proto};
	uint32_t record = flow_entry_record(entry);
	enum flow_side side = flow_entry_side(entry);

	if (unlikely(nlb->changes != b->changes))
		look_up_again(b, p);
	else if (unlikely(entry == FLOW_NONE))
		serve_without_flow(b, p);
	else if (unlikely(!nlb_flow_is(b->snapshot, &nlb->flows.records[record], &tuple, side)))
		look_up_again(b, p);
	else
		serve_flow(b, p, record, side);
}

/* It has its flow's ports, and no L4 header. */
static void
serve_later_fragment(const struct burst *b, struct packet *p)
{
	const struct snapshot *s = b->snapshot;
	struct nlb_tuple tuple = {&p->src, &p->dst, p->sport_be, p->dport_be, p->proto};
	enum flow_side side;
	uint32_t record = nlb_flow_find(b->nlb, s, p->hash, &tuple, &side);
	struct flow_record *r;
	struct nlb_way way;

	if (record == FLOW_NONE) {
		packet_drop(p, nlb_fragment_refused(s, p));
		return;
	}
	r = &b->nlb->flows.records[record];
	if (is_ending(b, r)) {
		packet_drop(p, DROP_NOT_A_FLOW);
		return;
	}
	if (r->kind != FLOW_KIND_NLB || nlb_proxy_growth(r, side) != 0) {
		packet_drop(p, DROP_FRAGMENT_UNSUPPORTED);
		return;
	}
	way = nlb_way_of(s, r, side);
	p->next_hop = snapshot_next_hop(s, b->hops, way.next_hop, way.rewrite.dst);
	if (!may_forward(b, p, way.own))
		return;
	r->last_seen_ms = b->now_ms;
	r->packets++;
	count_forwarded(b->nlb, r, p->len);
	nlb_fragment_rewrite(p, &way.rewrite);
	p->verdict = PACKET_FORWARD;
}

static __attribute__((noinline)) void
serve_fragment(const struct burst *b, struct packet *p)
{
	if ((p->flags & PACKET_PORTS_GIVEN) == 0) {
		packet_drop(p, DROP_FRAGMENT_UNSUPPORTED);
		return;
	}
	if ((p->flags & PACKET_FRAGMENT_LATER) != 0) {
		serve_later_fragment(b, p);
		return;
	}
	look_up_again(b, p);
	if (p->verdict == PACKET_ENDPOINT)
		packet_drop(p, DROP_FRAGMENT_UNSUPPORTED);
}

static __attribute__((noinline)) void
serve_other(const struct burst *b, struct packet *p)
{
	if ((p->flags & PACKET_FRAGMENT) != 0)
		return; /* in its turn */
	if ((p->flags & PACKET_ICMP_ERROR) != 0)
		nlb_translate_icmp(b->nlb, b->snapshot, b->hops, p);
	else
		packet_drop(p, DROP_NOT_A_FLOW);
}

/*
 * In passes, so that the cache misses of a burst overlap.  The prefetches have loops of their own:
 * one that misses the TLB holds up what comes behind it, and that should be more of them.
 */
__attribute__((noinline)) void
nlb_burst(struct nlb *nlb, const struct snapshot *snapshot, const struct next_hop_table *hops,
	  struct packet **packets, uint16_t n, uint32_t now_ms)
{
	const struct flow_table *t = &nlb->flows;
	struct burst b = {.nlb = nlb,
			  .snapshot = snapshot,
			  .hops = hops,
			  .now_ms = now_ms,
			  .changes = nlb->changes};
	struct flow_search searches[NLB_BURST];
	uint32_t entries[NLB_BURST]; /* first candidates */

	CHECK(n <= NLB_BURST);
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = packets[i];

		p->hash = flow_hash(t, &p->src, p->sport_be, &p->dst, p->dport_be, p->proto);
		searches[i] = flow_search_of(t, p->hash);
		if (unlikely((p->flags & PACKET_HAS_PORTS) == 0))
			serve_other(&b, p); /* before the burst changes any flow */
	}
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&t->buckets[searches[i].bucket]);
	for (uint32_t i = 0; i < n; i++)
		entries[i] = flow_search_first(t, &searches[i]);
	/* Of FLOW_NONE too: the address is never read. */
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&t->records[flow_entry_record(entries[i])], 1);
	for (uint32_t i = 0; i < n; i++) {
		if (likely((packets[i]->flags & PACKET_HAS_PORTS) != 0))
			serve_candidate(&b, packets[i], entries[i]);
		else if ((packets[i]->flags & PACKET_FRAGMENT) != 0)
			serve_fragment(&b, packets[i]);
	}
}
