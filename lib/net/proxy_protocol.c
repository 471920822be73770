/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_protocol.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"

#define FIXED_LEN 16
#define TLV_LEN   3
#define CRC_LEN   4

#define VERSION_2 0x20

#define FAMILY_INET  0x10
#define FAMILY_INET6 0x20
#define STREAM       0x01
#define DATAGRAM     0x02

#define TLV_CRC32C 0x03
#define TLV_NOOP   0x04

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* One byte more (Castagnoli's polynomial, reflected). */
static inline uint32_t
crc32c_byte(uint32_t crc, uint8_t byte)
{
#ifdef __SSE4_2__
	return __builtin_ia32_crc32qi(crc, byte);
#else
	crc ^= byte;
	for (int bit = 0; bit < 8; bit++)
		crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	return crc;
#endif
}

/* Of the header with the field itself, at `field`, taken for zeros. */
static uint32_t
crc32c(const uint8_t *data, size_t len, size_t field)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++)
		crc = crc32c_byte(crc, i - field < CRC_LEN ? 0 : data[i]);
	return ~crc;
}

static uint8_t *
put_tlv(uint8_t *at, uint8_t type, uint16_t len)
{
	at[0] = type;
	bytes_store_be16(at + 1, len);
	memset(at + TLV_LEN, 0, len);
	return at + TLV_LEN;
}

uint16_t
proxy_protocol_write(uint8_t out[PROXY_PROTOCOL_MAX], const struct proxy_protocol *what)
{
	size_t addr_len = what->af == 4 ? 4 : 16;
	uint16_t len = proxy_protocol_len(what->af);
	uint8_t *at = out + FIXED_LEN, *crc;

	memcpy(out, signature, sizeof(signature));
	out[12] = VERSION_2 | what->command;
	if (what->command == PROXY_PROTOCOL_LOCAL) {
		memset(out + 13, 0, 3);
		return PROXY_PROTOCOL_LOCAL_LEN;
	}
	out[13] = (what->af == 4 ? FAMILY_INET : FAMILY_INET6) |
		  (what->proto == IPPROTO_TCP ? STREAM : DATAGRAM);
	bytes_store_be16(out + 14, (uint16_t)(len - FIXED_LEN));
	/* Of IPv6 all 16 bytes, also of an address that stands for one of IPv4. */
	memcpy(at, what->src.b + 16 - addr_len, addr_len);
	memcpy(at + addr_len, what->dst.b + 16 - addr_len, addr_len);
	at += 2 * addr_len;
	bytes_store16(at, what->sport_be);
	bytes_store16(at + 2, what->dport_be);
	crc = put_tlv(at + 4, TLV_CRC32C, CRC_LEN);
	at = crc + CRC_LEN;
	put_tlv(at, TLV_NOOP, (uint16_t)(out + len - at - TLV_LEN));
	bytes_store_be32(crc, crc32c(out, len, (size_t)(crc - out)));
	return len;
}

uint16_t
proxy_protocol_write_v1(char out[PROXY_PROTOCOL_V1_MAX], const struct proxy_protocol *what)
{
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];

	return (uint16_t)snprintf(out, PROXY_PROTOCOL_V1_MAX, "PROXY TCP%u %s %s %u %u\r\n",
				  what->af, ip_addr_format(&what->src, src),
				  ip_addr_format(&what->dst, dst), ntohs(what->sport_be),
				  ntohs(what->dport_be));
}

/* Type-length-values from `at` to `len`. */
static bool
read_tlvs(const uint8_t *data, size_t at, size_t len)
{
	while (at < len) {
		size_t value_len;

		if (len - at < TLV_LEN)
			return false;
		value_len = bytes_load_be16(data + at + 1);
		if (len - at - TLV_LEN < value_len)
			return false;
		if (data[at] == TLV_CRC32C &&
		    (value_len != CRC_LEN ||
		     bytes_load_be32(data + at + TLV_LEN) != crc32c(data, len, at + TLV_LEN)))
			return false;
		at += TLV_LEN + value_len;
	}
	return true;
}

/* @return  bytes of addresses and ports, or -1. */
static int
read_addresses(const uint8_t *at, size_t left, uint8_t family, struct proxy_protocol *what)
{
	size_t addr_len = (family & 0xf0) == FAMILY_INET ? 4 : 16;

	if (family == 0)
		return 0;
	if (((family & 0xf0) != FAMILY_INET && (family & 0xf0) != FAMILY_INET6) ||
	    ((family & 0x0f) != STREAM && (family & 0x0f) != DATAGRAM) || left < 2 * addr_len + 4)
		return -1;
	what->af = addr_len == 4 ? 4 : 6;
	what->proto = (family & 0x0f) == STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	what->src = addr_len == 4 ? ip_addr_from_v4(at) : ip_addr_from_v6(at);
	what->dst = addr_len == 4 ? ip_addr_from_v4(at + 4) : ip_addr_from_v6(at + 16);
	what->sport_be = bytes_load16(at + 2 * addr_len);
	what->dport_be = bytes_load16(at + 2 * addr_len + 2);
	return (int)(2 * addr_len + 4);
}

bool
proxy_protocol_read(const uint8_t *data, size_t len, struct proxy_protocol *what)
{
	int addresses;

	memset(what, 0, sizeof(*what));
	if (len < FIXED_LEN || memcmp(data, signature, sizeof(signature)) != 0 ||
	    (data[12] != (VERSION_2 | PROXY_PROTOCOL_LOCAL) &&
	     data[12] != (VERSION_2 | PROXY_PROTOCOL_PROXY)))
		return false;
	what->command = data[12] & 0x0f;
	what->len = (uint32_t)FIXED_LEN + bytes_load_be16(data + 14);
	if (what->len > len)
		return false;
	if (what->command == PROXY_PROTOCOL_LOCAL)
		return true; /* whatever it says is to be skipped */
	addresses = read_addresses(data + FIXED_LEN, what->len - FIXED_LEN, data[13], what);
	return addresses >= 0 && read_tlvs(data, FIXED_LEN + (size_t)addresses, what->len);
}
