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

#include "packet.h"

struct rewrite {
	const struct ip_addr *src, *dst; /* of the packet's family */
	uint16_t sport_be, dport_be;
};

/** Rewrite a TCP or UDP packet and decrement its TTL, which must be above 0. */
void rewrite_packet(struct packet *p, const struct rewrite *rewrite);

/** Whether the checksum of a contiguous ICMP message is right. */
bool rewrite_icmp_is_whole(const struct packet *p);

/**
 * Rewrite an ICMP error: the packet it quotes by `inner`, its own addresses to `src` and `dst`, its
 * TTL decremented.  The message must be contiguous, and right: its checksum is computed anew.
 */
void rewrite_icmp(struct packet *p, const struct packet_quote *quote, const struct rewrite *inner,
		  const struct ip_addr *src, const struct ip_addr *dst);

#endif
