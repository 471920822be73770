/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip_header.h"

#include <string.h>

#include "bytes.h"
#include "checksum.h"
#include "wire.h"

#define OWN_TTL 64

uint16_t
ip_header_write(uint8_t *ip, const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto,
		uint16_t l4_len)
{
	if (ip_addr_is_v4(src)) {
		memset(ip, 0, IPV4_MIN_LEN);
		ip[0] = 0x45;
		bytes_store_be16(ip + IPV4_LEN, (uint16_t)(IPV4_MIN_LEN + l4_len));
		bytes_store_be16(ip + IPV4_FRAG, IPV4_DF);
		ip[IPV4_TTL] = OWN_TTL;
		ip[IPV4_PROTO] = proto;
		memcpy(ip + IPV4_SRC, ip_addr_wire(src), 4);
		memcpy(ip + IPV4_DST, ip_addr_wire(dst), 4);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, IPV4_MIN_LEN));
		return IPV4_MIN_LEN;
	}
	memset(ip, 0, IPV6_MIN_LEN);
	ip[0] = 0x60;
	bytes_store_be16(ip + IPV6_PAYLOAD_LEN, l4_len);
	ip[IPV6_NEXT_HEADER] = proto;
	ip[IPV6_HOP_LIMIT] = OWN_TTL;
	memcpy(ip + IPV6_SRC, src->b, 16);
	memcpy(ip + IPV6_DST, dst->b, 16);
	return IPV6_MIN_LEN;
}
