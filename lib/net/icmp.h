/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP and ICMPv6 messages that weir itself sends, built in place of the packet that caused them.
 */
#ifndef ICMP_H
#define ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "packet.h"

/** Largest growth in front of `l3` that icmp_error() needs: an IPv6 and an ICMPv6 header. */
#define ICMP_ERROR_HEADROOM 48

/** Answers and errors are limited, each kind a worker makes (RFC 1812 section 4.3.2.8). */
#define ICMP_PER_SECOND 1000

struct icmp_limit {
	uint32_t tokens, refill_ms;
};

/** @return  whether one more may be sent. */
static inline bool
icmp_limit_take(struct icmp_limit *limit, uint32_t now_ms)
{
	if (clock_ms_reached(now_ms, limit->refill_ms)) {
		limit->refill_ms = now_ms + 1000;
		limit->tokens = ICMP_PER_SECOND;
	}
	if (limit->tokens == 0)
		return false;
	limit->tokens--;
	return true;
}

/**
 * Turn an echo request into its reply (RFC 792, RFC 4443 section 4.2): addresses swapped, a fresh
 * TTL.  `p` becomes PACKET_FORWARD with next hop 0.
 */
void icmp_echo_reply(struct packet *p);

/**
 * Replace `p` by the ICMP error about it, from `src` to the packet's source: as much of the packet
 * as fits in 576 bytes (RFC 1812 section 4.3.2.3) or 1,280 (RFC 4443 section 2.4(c)).
 * `type`, `code` are of the packet's family; `mtu` is for fragmentation-needed and too-big, else 0.
 * No error is made about an ICMP error, a later fragment, a multicast or a martian source
 * (RFC 1122 section 3.2.2).
 *
 * On success `p` describes the ICMP packet, PACKET_FORWARD with next hop 0, and p->len tells the
 * new length: the transmit stage cuts the buffer to it.
 * @return  false when no error may be sent or the headroom is too small; `p` is unchanged.
 */
bool icmp_error(struct packet *p, const struct ip_addr *src, uint8_t type, uint8_t code,
		uint32_t mtu);

#endif
