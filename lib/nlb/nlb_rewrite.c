/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_rewrite.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "ip_ttl.h"
#include "wire.h"

/* Write the addresses. @return the difference they make to a checksum. */
static inline uint64_t
write_addresses(uint8_t *ip, uint8_t af, const struct ip_addr *src, const struct ip_addr *dst)
{
	uint64_t diff;

	if (af == 4) {
		diff = checksum_diff32(0, bytes_load32(ip + IPV4_SRC), bytes_load32(&src->b[12]));
		diff = checksum_diff32(diff, bytes_load32(ip + IPV4_DST),
				       bytes_load32(&dst->b[12]));
		memcpy(ip + IPV4_SRC, &src->b[12], 4);
		memcpy(ip + IPV4_DST, &dst->b[12], 4);
		return diff;
	}
	diff = checksum_diff_addr(0, ip + IPV6_SRC, src->b, 16);
	diff = checksum_diff_addr(diff, ip + IPV6_DST, dst->b, 16);
	memcpy(ip + IPV6_SRC, src->b, 16);
	memcpy(ip + IPV6_DST, dst->b, 16);
	return diff;
}

static inline uint64_t
write_ports(uint8_t *l4, uint16_t sport_be, uint16_t dport_be)
{
	uint64_t diff = checksum_diff16(0, bytes_load16(l4 + TCP_SPORT), sport_be);

	diff = checksum_diff16(diff, bytes_load16(l4 + TCP_DPORT), dport_be);
	bytes_store16(l4 + TCP_SPORT, sport_be);
	bytes_store16(l4 + TCP_DPORT, dport_be);
	return diff;
}

static inline void
apply(uint8_t *field, uint64_t diff)
{
	bytes_store16(field, checksum_apply(bytes_load16(field), diff));
}

/* RFC 768: 0 is "no checksum", and a sum of 0 is sent as all ones. */
static inline void
apply_udp(uint8_t *field, uint64_t diff)
{
	uint16_t sum = bytes_load16(field);

	if (sum == 0)
		return;
	sum = checksum_apply(sum, diff);
	bytes_store16(field, sum == 0 ? 0xffff : sum);
}

void
rewrite_packet(struct packet *p, const struct rewrite *rewrite)
{
	uint8_t *ip = p->l3, *l4 = packet_l4(p);
	uint64_t diff = write_addresses(ip, p->af, rewrite->src, rewrite->dst);

	if (p->af == 4)
		apply(ip + IPV4_CHECKSUM, diff + ip_ttl_decrement_v4(ip));
	else
		ip[IPV6_HOP_LIMIT]--;
	diff += write_ports(l4, rewrite->sport_be, rewrite->dport_be);
	if (p->proto == IPPROTO_TCP)
		apply(l4 + TCP_CHECKSUM, diff);
	else
		apply_udp(l4 + UDP_CHECKSUM, diff);

	p->src = *rewrite->src;
	p->dst = *rewrite->dst;
	p->sport_be = rewrite->sport_be;
	p->dport_be = rewrite->dport_be;
}

/* The quoted packet may end before its L4 checksum. */
static void
rewrite_quote(const struct packet_quote *q, uint8_t af, const struct rewrite *inner)
{
	uint8_t *l4 = q->l3 + q->l4_off;
	uint64_t diff = write_addresses(q->l3, af, inner->src, inner->dst);

	if (af == 4)
		apply(q->l3 + IPV4_CHECKSUM, diff);
	diff += write_ports(l4, inner->sport_be, inner->dport_be);
	if (q->proto == IPPROTO_UDP)
		apply_udp(l4 + UDP_CHECKSUM, diff);
	else if (q->l4_off + TCP_CHECKSUM + 2 <= q->len)
		apply(l4 + TCP_CHECKSUM, diff);
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
	diff = write_addresses(p->l3, p->af, &from, &to);
	if (p->af == 4) {
		apply(p->l3 + IPV4_CHECKSUM, diff + ip_ttl_decrement_v4(p->l3));
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
