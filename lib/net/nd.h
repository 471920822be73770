/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbor Discovery for IPv6 (RFC 4861): reading and writing solicitations and advertisements.
 *
 * No state.  Packets are whole IPv6 packets; the Ethernet header is the caller's.
 */
#ifndef ND_H
#define ND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

#define ND_PACKET_LEN 72 /* IPv6 header, 24 bytes of message, one link-layer address option */

struct nd_packet {
	bool advertisement;               /* else a solicitation */
	bool router, solicited, override; /* of an advertisement */
	bool has_mac; /* source (solicitation) or target link-layer address option given */
	uint8_t mac[6];
	struct ip_addr src, dst, target;
};

/**
 * Read an IPv6 packet whose upper layer, at `l4_off`, is ICMPv6 type 135 or 136.
 * @return  false when any check of RFC 4861 section 7.1 fails: hop limit 255, checksum, code 0,
 *          length, unicast target, options well-formed, no advertised solicitation to multicast.
 */
bool nd_parse(const uint8_t *ip, size_t len, uint16_t l4_off, struct nd_packet *nd);

/** Write ND_PACKET_LEN bytes: IPv6 header, message and the option with `mac`. */
void nd_write(const struct nd_packet *nd, uint8_t *buf);

/** ff02::1:ffXX:XXXX of a unicast address (RFC 4291 section 2.7.1). */
struct ip_addr nd_solicited_node(const struct ip_addr *addr);

/** 33:33:XX:XX:XX:XX of an IPv6 multicast address (RFC 2464 section 7). */
void nd_multicast_mac(const struct ip_addr *addr, uint8_t mac[6]);

#endif
