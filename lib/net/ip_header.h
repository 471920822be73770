/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP headers of packets that weir makes itself.
 */
#ifndef IP_HEADER_H
#define IP_HEADER_H

#include <stdint.h>

#include "ip_addr.h"

/**
 * Write an IPv4 or IPv6 header, as `src` says, without options: DF, TTL 64, checksum.
 * @param l4_len  bytes behind it
 * @return  its length
 */
uint16_t ip_header_write(uint8_t *ip, const struct ip_addr *src, const struct ip_addr *dst,
			 uint8_t proto, uint16_t l4_len);

#endif
