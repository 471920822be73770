/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GENEVE (RFC 8926) as a gateway load balancer speaks it with its appliances.
 *
 * An IP packet, without Ethernet, travels behind outer IP, UDP to port 6081 and a GENEVE header
 * with three options of class 0x0108: endpoint, attachment and flow cookie, always these, in this
 * order.  An appliance sends it back with the same GENEVE header and the outer addresses swapped;
 * the ports stay as they were.  Appliances answer with an outer TTL, identification and UDP
 * checksum of their own making: nothing depends on those.
 *
 * Option values are opaque: held as the bytes on the wire.
 */
#ifndef GENEVE_H
#define GENEVE_H

#include <stdbool.h>
#include <stdint.h>

#include "drop_reason.h"
#include "ip_addr.h"
#include "packet.h"

#define GENEVE_PORT 6081

#define GENEVE_OPTIONS_LEN 32 /* 12 + 12 + 8 */
#define GENEVE_HEADER_LEN  (8 + GENEVE_OPTIONS_LEN)
#define GENEVE_OVERHEAD_V4 68 /* outer IPv4, UDP, GENEVE */
#define GENEVE_OVERHEAD_V6 88

#define GENEVE_INNER_MAX 8500 /* longest packet an appliance is sent */

/** What the three options say. */
struct geneve_options {
	uint64_t endpoint_be;
	uint64_t attachment_be;
	uint32_t cookie_be;
};

/** The way to an appliance. */
struct geneve_tunnel {
	const struct ip_addr *src, *dst; /* outer, of one family */
	uint16_t sport_be;               /* entropy for the network in between */
	const struct geneve_options *options;
};

static inline uint16_t
geneve_overhead(const struct geneve_tunnel *tunnel)
{
	return ip_addr_is_v4(tunnel->dst) ? GENEVE_OVERHEAD_V4 : GENEVE_OVERHEAD_V6;
}

/**
 * Put outer headers in front of a packet; `p` describes the outer packet then.
 *
 * Outer IPv4 has DF set, no UDP checksum (RFC 8926 section 3.3) and copies the inner DSCP and ECN
 * (RFC 6040); outer IPv6 has a whole UDP checksum.
 * @pre     p->headroom is at least geneve_overhead() more than the link header needs
 * @return  false, with nothing changed, when it is not, when the outer packet would be longer than
 *          an IP packet can be, or when the packet lies in several pieces and a checksum of it is
 *          needed.
 */
bool geneve_encapsulate(struct packet *p, const struct geneve_tunnel *tunnel);

/** An encapsulated packet as it came back. */
struct geneve_header {
	struct geneve_options options;
	uint16_t inner_off; /* from p->l3 */
	uint8_t inner_af;   /* 4, 6 */
};

/**
 * Read the GENEVE header of a UDP packet to port 6081.  Options of other classes are skipped unless
 * they are critical (RFC 8926 section 3.5).
 * @return  DROP_NONE, or one of DROP_GENEVE_*.
 */
enum drop_reason geneve_parse(const struct packet *p, struct geneve_header *header);

/**
 * Describe the inner packet as `inner`, in the same buffer: its first byte is p->l3 + inner_off.
 * @return  DROP_NONE, or what is wrong with it.
 */
enum drop_reason geneve_parse_inner(const struct packet *p, const struct geneve_header *header,
				    struct packet *inner);

/** The cookie alone, for steering: false when it isn't where it must be. */
bool geneve_peek_cookie(const struct packet *p, uint32_t *cookie_be);

#endif
