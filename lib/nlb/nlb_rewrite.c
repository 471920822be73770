/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_rewrite.h"

/* The quoted packet may end before its L4 checksum. */
static void
rewrite_quote(const struct packet_quote *q, uint8_t af, const struct rewrite *inner)
{
	uint8_t *l4 = q->l3 + q->l4_off;
	uint64_t diff = rewrite_addresses(q->l3, af, inner->src, inner->dst);

	if (af == 4)
		rewrite_sum(q->l3 + IPV4_CHECKSUM, diff);
	diff += rewrite_ports(l4, inner->sport_be, inner->dport_be);
	if (q->proto == IPPROTO_UDP)
		rewrite_udp_sum(l4 + UDP_CHECKSUM, diff);
	else if (q->l4_off + TCP_CHECKSUM + 2 <= q->len)
		rewrite_sum(l4 + TCP_CHECKSUM, diff);
}

bool
rewrite_icmp_is_whole(const struct packet *p)
{
	uint16_t len = (uint16_t)(p->len - p->l4_off);
	uint64_t sum = 0;

	if (p->af == 6)
		sum = checksum_pseudo(p->src.b, p->dst.b, 16, IPPROTO_ICMPV6, len);
	return checksum_fold(checksum_add(sum, packet_l4(p), len)) == 0xffff;
}

void
rewrite_icmp(struct packet *p, const struct packet_quote *quote, const struct rewrite *inner,
	     const struct ip_addr *src, const struct ip_addr *dst)
{
	struct ip_addr from = *src, to = *dst; /* may lie in the packet */
	uint8_t *icmp = packet_l4(p);
	uint16_t len = (uint16_t)(p->len - p->l4_off);
	uint64_t diff, sum = 0;

	rewrite_quote(quote, p->af, inner);
	diff = rewrite_addresses(p->l3, p->af, &from, &to);
	if (p->af == 4) {
		rewrite_sum(p->l3 + IPV4_CHECKSUM, diff + ip_ttl_decrement_v4(p->l3));
	} else {
		p->l3[IPV6_HOP_LIMIT]--;
		sum = checksum_pseudo(from.b, to.b, 16, IPPROTO_ICMPV6, len);
	}
	/* Computed anew: small, rare, and what was quoted changed in many places. */
	bytes_store16(icmp + ICMP_CHECKSUM, 0);
	bytes_store16(icmp + ICMP_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(sum, icmp, len)));
	p->src = from;
	p->dst = to;
}
