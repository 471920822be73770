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
#include <string.h>

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "drop_reason.h"
#include "ip_addr.h"
#include "packet.h"
#include "wire.h"

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

/** Outer headers towards an appliance, complete but for what differs from packet to packet. */
struct geneve_template {
	uint8_t headers[GENEVE_OVERHEAD_V6];
	struct ip_addr src, dst;
	uint32_t sum; /* of the outer IPv4 header without length and class */
	uint16_t len;
	bool v4;
};

/** `src` and `dst` are of one family. */
void geneve_template_set(struct geneve_template *t, const struct ip_addr *src,
			 const struct ip_addr *dst);

/** For geneve_encapsulate_by(): the checksum over what follows the outer IPv6 header. */
void geneve_finish_v6(struct packet *p);

/** DSCP and ECN of a packet. */
static inline uint8_t
geneve_traffic_class(const struct packet *p)
{
	if (p->af == 4)
		return p->l3[IPV4_TOS];
	return (uint8_t)(p->l3[0] << 4 | p->l3[1] >> 4);
}

/**
 * Put outer headers in front of a packet; `p` describes the outer packet then.
 *
 * Outer IPv4 has DF set, no UDP checksum (RFC 8926 section 3.3) and copies the inner DSCP and ECN
 * (RFC 6040); outer IPv6 has a whole UDP checksum.
 * @return  false, with nothing changed, when there is no room for headers of `t` and of the link,
 *          when the outer packet would be longer than an IP packet can be, or when the packet lies
 *          in several pieces and a checksum of it is needed.
 */
static inline bool
geneve_encapsulate_by(struct packet *p, const struct geneve_template *t, uint16_t sport_be,
		      const struct geneve_options *options)
{
	uint8_t tos = geneve_traffic_class(p);
	uint8_t *geneve = p->l3 - GENEVE_HEADER_LEN, *udp = geneve - UDP_MIN_LEN;
	uint16_t inner_len = p->len;

	if (p->headroom < t->len + PACKET_LINK_MAX || inner_len > UINT16_MAX - t->len ||
	    (!t->v4 && p->contiguous < inner_len))
		return false;
	if (t->v4) {
		uint16_t len_be = __builtin_bswap16((uint16_t)(inner_len + GENEVE_OVERHEAD_V4));
		uint8_t *ip = p->l3 - GENEVE_OVERHEAD_V4;

		/* By values: nothing is read back that was just written in another width. */
		memcpy(ip, t->headers, GENEVE_OVERHEAD_V4);
		ip[IPV4_TOS] = tos;
		bytes_store16(ip + IPV4_LEN, len_be);
		bytes_store16(ip + IPV4_CHECKSUM,
			      (uint16_t)~checksum_fold((uint64_t)t->sum + len_be +
						       __builtin_bswap16(tos)));
		p->l3 = ip;
		p->l4_off = IPV4_MIN_LEN;
	} else {
		uint8_t *ip = p->l3 - GENEVE_OVERHEAD_V6;

		memcpy(ip, t->headers, GENEVE_OVERHEAD_V6);
		bytes_store_be32(ip, 6u << 28 | (uint32_t)tos << 20);
		bytes_store_be16(ip + IPV6_PAYLOAD_LEN,
				 (uint16_t)(inner_len + UDP_MIN_LEN + GENEVE_HEADER_LEN));
		p->l3 = ip;
		p->l4_off = IPV6_MIN_LEN;
	}
	bytes_store16(udp + UDP_SPORT, sport_be);
	bytes_store_be16(udp + UDP_LEN, (uint16_t)(inner_len + UDP_MIN_LEN + GENEVE_HEADER_LEN));
	if (p->af == 6)
		bytes_store_be16(geneve + 2, 0x86dd);
	memcpy(geneve + 12, &options->endpoint_be, 8);
	memcpy(geneve + 24, &options->attachment_be, 8);
	memcpy(geneve + 36, &options->cookie_be, 4);
	p->len = (uint16_t)(inner_len + t->len);
	p->headroom = (uint16_t)(p->headroom - t->len);
	p->contiguous = (uint16_t)(p->contiguous + t->len);
	p->af = t->v4 ? 4 : 6;
	p->proto = IPPROTO_UDP;
	p->flags = 0;
	p->sport_be = sport_be;
	p->dport_be = __builtin_bswap16(GENEVE_PORT);
	p->src = t->src;
	p->dst = t->dst;
	if (!t->v4)
		geneve_finish_v6(p);
	return true;
}

/** The same for one packet, without a template made before. */
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
