/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_flow.h"

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "icmp.h"
#include "nlb_rewrite.h"
#include "snapshot_hop.h"
#include "tcp_mss.h"
#include "tcp_reset.h"
#include "wire.h"

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
		if (r->state == FLOW_STATE_RESET ||
		    (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_CLIENT))
			return;
		if (from == FLOW_SIDE_TARGET)
			nlb_frontend_counters(nlb, r)->target_resets++;
		else
			nlb_frontend_counters(nlb, r)->client_resets++;
		r->flags = (uint8_t)((r->flags & ~FLOW_FLAG_RESET_BY_TARGET) | reset_by);
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
	if (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_TARGET && (flags & TCP_FLAG_SYN) != 0)
		nlb_flow_set_state(nlb, record, FLOW_STATE_ESTABLISHED);
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

static void
answer_error(struct nlb *nlb, const struct snapshot *s, struct packet *p, const struct ip_addr *src,
	     uint8_t type, uint8_t code, uint32_t mtu, enum drop_reason reason, uint32_t now_ms)
{
	const struct snapshot_interface *i = &s->interfaces[p->interface];
	const struct ip_addr *from = src;

	if (from == NULL)
		from = p->af == 4 ? &i->v4 : &i->v6;
	if (!icmp_limit_take(&nlb->icmp_limit, now_ms)) {
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
	    struct packet *p, uint32_t next_hop, const struct ip_addr *vip, uint32_t now_ms)
{
	uint8_t ttl = p->l3[p->af == 4 ? IPV4_TTL : IPV6_HOP_LIMIT];
	uint16_t mtu;

	if (ttl <= 1) {
		answer_error(nlb, s, p, vip, p->af == 4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED,
			     0, 0, DROP_TTL_EXCEEDED, now_ms);
		return false;
	}
	if (next_hop == 0)
		return true;
	mtu = hops->entries[ref_index(next_hop)].mtu;
	if (p->len <= mtu)
		return true;
	if (p->af == 6)
		answer_error(nlb, s, p, vip, ICMPV6_PACKET_TOO_BIG, 0, mtu, DROP_PACKET_TOO_BIG,
			     now_ms);
	else if ((bytes_load_be16(p->l3 + IPV4_FRAG) & IPV4_DF) != 0)
		answer_error(nlb, s, p, vip, ICMP_DEST_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, mtu,
			     DROP_PACKET_TOO_BIG, now_ms);
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
	struct frontend_counters *fc = nlb_frontend_counters(nlb, r);
	struct target_counters *tc = nlb_target_counters(nlb, r);
	struct rewrite rewrite;

	if (from == FLOW_SIDE_CLIENT) {
		p->next_hop = snapshot_next_hop(s, hops, &r->next_hop_target, &target->addr);
		rewrite = (struct rewrite){.src = full_nat ? &s->locals[ref_index(r->local)].addr
							   : &r->client,
					   .dst = &target->addr,
					   .sport_be = r->local_port_be,
					   .dport_be = target->port_be};
	} else {
		p->next_hop = snapshot_next_hop(s, hops, &r->next_hop_client, &r->client);
		rewrite = (struct rewrite){.src = &f->vip,
					   .dst = &r->client,
					   .sport_be = f->port_be,
					   .dport_be = r->client_port_be};
	}
	if (unlikely(!may_forward(nlb, s, hops, p, p->next_hop,
				  from == FLOW_SIDE_CLIENT ? &f->vip : NULL, now_ms)))
		return;
	if (p->proto == IPPROTO_TCP) {
		uint8_t *tcp = packet_l4(p);

		update_tcp(nlb, record, p, from);
		if (unlikely((tcp[TCP_FLAGS] & TCP_FLAG_SYN) != 0))
			tcp_mss_clamp(p, mss_limit(s, hops, p, p->next_hop));
	} else if (r->state == FLOW_STATE_NEW && from == FLOW_SIDE_TARGET) {
		nlb_flow_set_state(nlb, record, FLOW_STATE_ESTABLISHED);
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

void
nlb_miss(struct nlb *nlb, struct packet *p, enum flow_miss_why why)
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
			nlb_miss(nlb, p, FLOW_MISS_SEGMENT);
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
	record = nlb_flow_create(nlb, s, p, hash, now_ms);
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
static bool
begins_anew(struct nlb *nlb, const struct snapshot *s, const struct packet *p, uint32_t record)
{
	const struct flow_record *r = &nlb->flows.records[record];

	if (p->proto != IPPROTO_TCP || !is_opening(p))
		return false;
	if (r->state == FLOW_STATE_CLOSING || r->state == FLOW_STATE_RESET)
		return true;
	return r->state == FLOW_STATE_NEW && !nlb_flow_target_is_chosen(nlb, s, r);
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
		return nlb_flow_is_client_side(r, &p->src, p->sport_be, p->frontend, p->proto);
	return nlb_flow_is_target_side(s, r, &p->src, p->sport_be, &p->dst, p->dport_be, p->proto);
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
		nlb_flow_close(nlb, s, record);
		record = FLOW_NONE;
	}
	if (record != FLOW_NONE && l->side == FLOW_SIDE_CLIENT && begins_anew(nlb, s, p, record)) {
		nlb_flow_close(nlb, s, record);
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
	for (uint16_t i = 0; i < n; i++) {
		struct packet *p = packets[i];

		if (unlikely((p->flags & PACKET_FRAGMENT) != 0)) {
			packet_drop(p, DROP_FRAGMENT_UNSUPPORTED);
		} else if (likely(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)) {
			begin_lookup(nlb, snapshot, p, &lookups[flows_n]);
			flows[flows_n++] = p;
		} else if ((p->flags & PACKET_ICMP_ERROR) != 0) {
			nlb_translate_icmp(nlb, snapshot, hops, p);
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
