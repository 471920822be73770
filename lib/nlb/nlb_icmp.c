/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_flow.h"

#include <netinet/in.h>

#include "bytes.h"
#include "nlb_proxy2.h"
#include "nlb_rewrite.h"
#include "snapshot_hop.h"
#include "wire.h"

/*
 * The client sent what is quoted without the PROXY header: its numbers are lower, and a datagram
 * that fits is shorter.
 */
static void
forget_proxy_header(const struct flow_record *r, struct packet *p, const struct packet_quote *q)
{
	uint16_t growth = nlb_proxy_growth(r, FLOW_SIDE_CLIENT);
	uint8_t *l4 = q->l3 + q->l4_off, *icmp = packet_l4(p);

	if (r->proto == IPPROTO_TCP) {
		bytes_store_be32(l4 + TCP_SEQ,
				 bytes_load_be32(l4 + TCP_SEQ) - (uint32_t)r->seq_shift);
	} else if (p->af == 6 && icmp[ICMP_TYPE] == ICMPV6_PACKET_TOO_BIG) {
		if (bytes_load_be32(icmp + ICMPV6_MTU) > growth)
			bytes_store_be32(icmp + ICMPV6_MTU,
					 bytes_load_be32(icmp + ICMPV6_MTU) - growth);
	} else if (p->af == 4 && icmp[ICMP_CODE] == ICMP_FRAGMENTATION_NEEDED) {
		if (bytes_load_be16(icmp + ICMP_MTU) > growth)
			bytes_store_be16(icmp + ICMP_MTU,
					 (uint16_t)(bytes_load_be16(icmp + ICMP_MTU) - growth));
	}
}

/* As ELB: destination unreachable, fragmentation needed and packet too big; nothing else. */
static bool
is_wanted_icmp(const struct packet *p)
{
	uint8_t type = packet_l4(p)[ICMP_TYPE];

	if (p->af == 4)
		return type == ICMP_DEST_UNREACHABLE;
	return type == ICMPV6_DEST_UNREACHABLE || type == ICMPV6_PACKET_TOO_BIG;
}

void
nlb_translate_icmp(struct nlb *nlb, const struct snapshot *s, const struct next_hop_table *hops,
		   struct packet *p)
{
	struct packet_quote q;
	struct nlb_tuple tuple;
	enum flow_side side;
	uint32_t record;
	const struct snapshot_target *target;
	struct flow_record *r;
	const struct ip_addr *local;
	const struct snapshot_frontend *f;

	if (!is_wanted_icmp(p) || !packet_parse_quote(p, &q) ||
	    (q.proto != IPPROTO_TCP && q.proto != IPPROTO_UDP)) {
		packet_drop(p, DROP_ICMP_UNWANTED);
		return;
	}
	/* What is quoted was sent by weir: its answer would come from the side that complains. */
	tuple = (struct nlb_tuple){&q.dst, &q.src, q.dport_be, q.sport_be, q.proto};
	record = nlb_flow_find(nlb, s, nlb_tuple_hash(nlb, &tuple), &tuple, &side);
	if (record == FLOW_NONE) {
		nlb_miss(nlb, p, FLOW_MISS_ICMP_ERROR);
		return;
	}
	if (nlb->flows.records[record].kind == FLOW_KIND_ENDPOINT) {
		p->verdict = PACKET_ENDPOINT;
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
	if (side == FLOW_SIDE_CLIENT) {
		struct rewrite inner = {.src = &target->addr,
					.dst = local,
					.sport_be = target->port_be,
					.dport_be = r->local_port_be};

		/* Under full_nat the target's network need not know the router that complains. */
		rewrite_icmp(p, &q, &inner, (r->flags & FLOW_FLAG_FULL_NAT) != 0 ? local : &p->src,
			     &target->addr);
		p->next_hop = snapshot_next_hop(s, hops, &r->next_hop_target, &target->addr);
	} else {
		struct rewrite inner = {.src = &r->client,
					.dst = &f->vip,
					.sport_be = r->client_port_be,
					.dport_be = f->port_be};

		if ((r->flags & FLOW_FLAG_PROXY) != 0)
			forget_proxy_header(r, p, &q);
		rewrite_icmp(p, &q, &inner, &f->vip, &r->client);
		p->next_hop = snapshot_next_hop(s, hops, &r->next_hop_client, &r->client);
	}
	p->verdict = PACKET_FORWARD;
}
