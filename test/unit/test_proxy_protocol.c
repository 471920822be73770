/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_protocol.h"

#include <arpa/inet.h>
#include <string.h>

#include "check.h"
#include "unit.h"

static struct proxy_protocol
between(const char *src, const char *dst, uint8_t proto)
{
	struct proxy_protocol what = {.command = PROXY_PROTOCOL_PROXY,
				      .proto = proto,
				      .sport_be = htons(40000),
				      .dport_be = htons(443)};

	EXPECT(ip_addr_parse(src, &what.src) && ip_addr_parse(dst, &what.dst));
	what.af = ip_addr_family(&what.src);
	return what;
}

/* Byte for byte; the CRC was computed by another program. */
static void
test_bytes(void)
{
	static const uint8_t want[PROXY_PROTOCOL_V4_LEN] =
		"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x18"
		"\xc6\x12\x01\x02\xc6\x12\x01\x0a\x9c\x40\x01\xbb"
		"\x03\0\x04\xf7\x43\x60\x7b\x04\0\x02\0";
	struct proxy_protocol what = between("198.18.1.2", "198.18.1.10", IPPROTO_TCP);
	uint8_t got[PROXY_PROTOCOL_MAX];

	EXPECT(proxy_protocol_write(got, &what) == PROXY_PROTOCOL_V4_LEN);
	EXPECT(memcmp(got, want, sizeof(want)) == 0);
	if (memcmp(got, want, sizeof(want)) != 0) {
		for (size_t i = 0; i < sizeof(want); i++)
			printf("%02x ", got[i]);
		printf("\n");
	}
}

static void
test_there_and_back(void)
{
	static const struct {
		const char *why, *src, *dst;
		uint8_t proto;
		uint16_t len;
	} rows[] = {
		{"TCP, IPv4", "192.0.2.1", "192.0.2.10", IPPROTO_TCP, PROXY_PROTOCOL_V4_LEN},
		{"UDP, IPv4", "192.0.2.1", "192.0.2.10", IPPROTO_UDP, PROXY_PROTOCOL_V4_LEN},
		{"TCP, IPv6", "2001:db8::1", "2001:db8::10", IPPROTO_TCP, PROXY_PROTOCOL_V6_LEN},
		{"UDP, IPv6", "2001:db8::1", "2001:db8::10", IPPROTO_UDP, PROXY_PROTOCOL_V6_LEN},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct proxy_protocol what = between(rows[i].src, rows[i].dst, rows[i].proto), got;
		uint8_t bytes[PROXY_PROTOCOL_MAX];

		what.len = proxy_protocol_write(bytes, &what);
		EXPECT_ROW(rows[i].why, what.len == rows[i].len && what.len % 8 == 0);
		EXPECT_ROW(rows[i].why, proxy_protocol_read(bytes, what.len, &got));
		EXPECT_ROW(rows[i].why, memcmp(&got, &what, sizeof(got)) == 0);
		for (uint16_t n = 0; n < what.len; n++)
			EXPECT_ROW(rows[i].why, !proxy_protocol_read(bytes, n, &got));
		/* Any bit that is wrong is found, by the form or by the CRC; but where it makes the
		 * CRC something else. */
		for (uint32_t bit = 0; bit < what.len * 8u; bit++) {
			if (bit / 8 == (what.af == 4 ? 16u + 12 : 16u + 36))
				continue;
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			EXPECT_ROW(rows[i].why, !proxy_protocol_read(bytes, what.len, &got) ||
							got.command == PROXY_PROTOCOL_LOCAL);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void
test_local(void)
{
	struct proxy_protocol what = {.command = PROXY_PROTOCOL_LOCAL}, got;
	uint8_t bytes[PROXY_PROTOCOL_MAX];

	EXPECT(proxy_protocol_write(bytes, &what) == PROXY_PROTOCOL_LOCAL_LEN);
	EXPECT(proxy_protocol_read(bytes, PROXY_PROTOCOL_LOCAL_LEN, &got));
	EXPECT(got.command == PROXY_PROTOCOL_LOCAL && got.af == 0 && got.len == 16);
}

/* The longest there is, and one of either family. */
static void
test_lines(void)
{
	static const struct {
		const char *src, *dst, *want;
		uint16_t sport, dport;
	} rows[] = {
		{"192.0.2.7", "198.51.100.1", "PROXY TCP4 192.0.2.7 198.51.100.1 40000 80\r\n",
		 40000, 80},
		{"2001:db8::7", "2001:db8::1", "PROXY TCP6 2001:db8::7 2001:db8::1 1 443\r\n", 1,
		 443},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		 "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n",
		 65535, 65535},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proxy_protocol what = {.command = PROXY_PROTOCOL_PROXY,
					      .proto = IPPROTO_TCP,
					      .sport_be = htons(rows[i].sport),
					      .dport_be = htons(rows[i].dport)};
		char line[PROXY_PROTOCOL_V1_MAX];

		EXPECT(ip_addr_parse(rows[i].src, &what.src) &&
		       ip_addr_parse(rows[i].dst, &what.dst));
		what.af = ip_addr_family(&what.src);
		EXPECT_ROW(rows[i].src,
			   proxy_protocol_write_v1(line, &what) == strlen(rows[i].want));
		EXPECT_ROW(rows[i].src, strcmp(line, rows[i].want) == 0);
	}
}

int
main(void)
{
	test_lines();
	test_bytes();
	test_there_and_back();
	test_local();
	return unit_done();
}
