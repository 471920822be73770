/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One hop further: TTL and hop limit.
 */
#ifndef IP_TTL_H
#define IP_TTL_H

#include <stdint.h>

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "packet.h"
#include "wire.h"

static inline uint8_t
ip_ttl(const struct packet *p)
{
	return p->l3[p->af == 4 ? IPV4_TTL : IPV6_HOP_LIMIT];
}

/**
 * Decrement the TTL of an IPv4 header, which is above 0.
 * @return  the difference this makes to the header's checksum, which is not updated.
 */
static inline uint64_t
ip_ttl_decrement_v4(uint8_t *ip)
{
	/* TTL and protocol as one word: nothing is read back that was just written narrower. */
	uint16_t before = bytes_load16(ip + IPV4_TTL);
	uint16_t after = (uint16_t)(before - htons(0x0100));

	bytes_store16(ip + IPV4_TTL, after);
	return checksum_diff16(0, before, after);
}

/** Decrement the packet's TTL or hop limit, which is above 0, and update the checksum. */
static inline void
ip_ttl_decrement(struct packet *p)
{
	uint8_t *sum = p->l3 + IPV4_CHECKSUM;

	if (p->af == 4)
		bytes_store16(sum, checksum_apply(bytes_load16(sum), ip_ttl_decrement_v4(p->l3)));
	else
		p->l3[IPV6_HOP_LIMIT]--;
}

#endif
