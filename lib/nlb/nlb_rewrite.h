/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Header rewriting, described as data and executed here in software.
 *
 * A rewrite says what addresses and ports a packet shall have; checksums follow incrementally
 * (RFC 1624), so a packet that was broken stays broken and its receiver finds out.  The same
 * description can be given to a NIC.
 */
#ifndef NLB_REWRITE_H
#define NLB_REWRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "ip_ttl.h"
#include "packet.h"
#include "wire.h"

struct rewrite {
	const struct ip_addr *src, *dst; /* of the packet's family */
	uint16_t sport_be, dport_be;
};

/* Write the addresses. @return the difference they make to a checksum. */
static inline uint64_t
rewrite_addresses(uint8_t *ip, uint8_t af, const struct ip_addr *src, const struct ip_addr *dst)
{
	uint64_t diff;

	if (likely(af == 4)) {
		uint32_t from = bytes_load32(&src->b[12]), to = bytes_load32(&dst->b[12]);

		diff = checksum_diff32(0, bytes_load32(ip + IPV4_SRC), from);
		diff = checksum_diff32(diff, bytes_load32(ip + IPV4_DST), to);
		bytes_store32(ip + IPV4_SRC, from);
		bytes_store32(ip + IPV4_DST, to);
		return diff;
	}
	diff = checksum_diff_addr(0, ip + IPV6_SRC, src->b, 16);
	diff = checksum_diff_addr(diff, ip + IPV6_DST, dst->b, 16);
	memcpy(ip + IPV6_SRC, src->b, 16);
	memcpy(ip + IPV6_DST, dst->b, 16);
	return diff;
}

/* Both ports lie in one word. */
static inline uint64_t
rewrite_ports(uint8_t *l4, uint16_t sport_be, uint16_t dport_be)
{
	uint16_t ports[2] = {sport_be, dport_be};
	uint32_t word;
	uint64_t diff;

	memcpy(&word, ports, 4);
	diff = checksum_diff32(0, bytes_load32(l4), word);
	bytes_store32(l4, word);
	return diff;
}

static inline void
rewrite_sum(uint8_t *field, uint64_t diff)
{
	bytes_store16(field, checksum_apply(bytes_load16(field), diff));
}

/* RFC 768: 0 is "no checksum", and a sum of 0 is sent as all ones. */
static inline void
rewrite_udp_sum(uint8_t *field, uint64_t diff)
{
	uint16_t sum = bytes_load16(field);

	if (sum == 0)
		return;
	sum = checksum_apply(sum, diff);
	bytes_store16(field, sum == 0 ? 0xffff : sum);
}

/** Rewrite a TCP or UDP packet and decrement its TTL, which must be above 0. */
static inline void
rewrite_packet(struct packet *p, const struct rewrite *rewrite)
{
	uint8_t *ip = p->l3, *l4 = packet_l4(p);
	uint64_t diff = rewrite_addresses(ip, p->af, rewrite->src, rewrite->dst);
	uint64_t l4_diff = diff + rewrite_ports(l4, rewrite->sport_be, rewrite->dport_be);

	if (likely(p->af == 4))
		rewrite_sum(ip + IPV4_CHECKSUM, diff + ip_ttl_decrement_v4(ip));
	else
		ip[IPV6_HOP_LIMIT]--;
	if (p->proto == IPPROTO_TCP)
		rewrite_sum(l4 + TCP_CHECKSUM, l4_diff);
	else
		rewrite_udp_sum(l4 + UDP_CHECKSUM, l4_diff);

	p->src = *rewrite->src;
	p->dst = *rewrite->dst;
	p->sport_be = rewrite->sport_be;
	p->dport_be = rewrite->dport_be;
}

/** Whether the checksum of a contiguous ICMP message is right. */
bool rewrite_icmp_is_whole(const struct packet *p);

/**
 * Rewrite an ICMP error: the packet it quotes by `inner`, its own addresses to `src` and `dst`, its
 * TTL decremented.  The message must be contiguous, and right: its checksum is computed anew.
 */
void rewrite_icmp(struct packet *p, const struct packet_quote *quote, const struct rewrite *inner,
		  const struct ip_addr *src, const struct ip_addr *dst);

#endif
