/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "arp.h"
#include "bytes.h"
#include "checksum.h"
#include "nd.h"
#include "wire.h"

#include <netinet/in.h>

static void
fix(uint8_t *ip, size_t len)
{
	uint64_t sum;

	bytes_store16(ip + 40 + ICMP_CHECKSUM, 0);
	sum = checksum_pseudo(ip + IPV6_SRC, ip + IPV6_DST, 16, IPPROTO_ICMPV6,
			      (uint32_t)(len - 40));
	bytes_store16(ip + 40 + ICMP_CHECKSUM,
		      (uint16_t)~checksum_fold(checksum_add(sum, ip + 40, len - 40)));
}

static struct nd_packet
solicitation(void)
{
	struct nd_packet nd = {.mac = {2, 0, 0, 0, 0, 9}};

	EXPECT(ip_addr_parse("2001:db8::1", &nd.src) && ip_addr_parse("2001:db8::2", &nd.target));
	nd.dst = nd_solicited_node(&nd.target);
	return nd;
}

static void
test_round_trip(void)
{
	struct nd_packet nd = solicitation(), got;
	uint8_t ip[ND_PACKET_LEN];

	nd_write(&nd, ip);
	EXPECT(nd_parse(ip, sizeof(ip), 40, &got));
	EXPECT(!got.advertisement && got.has_mac && memcmp(got.mac, nd.mac, 6) == 0);
	EXPECT(ip_addr_equal(&got.target, &nd.target));

	nd.advertisement = nd.solicited = nd.override = true;
	nd.dst = nd.src;
	nd_write(&nd, ip);
	EXPECT(nd_parse(ip, sizeof(ip), 40, &got));
	EXPECT(got.advertisement && got.solicited && got.override && !got.router);
}

static void
test_refused(void)
{
	static const struct {
		const char *why;
		size_t at;
		uint8_t value;
		int fix;
	} rows[] = {
		{"hop limit 254: it was routed", IPV6_HOP_LIMIT, 254, 1},
		{"code 1", 41, 1, 1},
		{"wrong checksum", 42, 0xee, 0},
		{"multicast target", 48, 0xff, 1},
		{"option of length 0", 65, 0, 1},
		{"option beyond the packet", 65, 2, 1},
		{"a router advertisement", 40, ICMPV6_ROUTER_ADVERT, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nd_packet nd = solicitation(), got;
		uint8_t ip[ND_PACKET_LEN];

		nd_write(&nd, ip);
		ip[rows[i].at] = rows[i].value;
		if (rows[i].fix)
			fix(ip, sizeof(ip));
		EXPECT_ROW(rows[i].why, !nd_parse(ip, sizeof(ip), 40, &got));
	}
	for (size_t len = 0; len < ND_PACKET_LEN; len++) {
		struct nd_packet nd = solicitation(), got;
		uint8_t ip[ND_PACKET_LEN];

		nd_write(&nd, ip);
		if (len > 63)
			fix(ip, len);
		/* 64 bytes: without the option, which is allowed. */
		EXPECT(nd_parse(ip, len, 40, &got) == (len == 64));
	}
}

static void
test_duplicate_address_detection(void)
{
	struct nd_packet nd = solicitation(), got;
	uint8_t ip[ND_PACKET_LEN];

	memset(&nd.src, 0, sizeof(nd.src));
	nd_write(&nd, ip);
	EXPECT(!nd_parse(ip, ND_PACKET_LEN, 40, &got)); /* must not name its MAC */
	fix(ip, 64);
	EXPECT(nd_parse(ip, 64, 40, &got));
	nd.dst = nd.target;
	nd_write(&nd, ip);
	fix(ip, 64);
	EXPECT(!nd_parse(ip, 64, 40, &got)); /* must go to the solicited-node group */
}

static void
test_arp(void)
{
	struct arp_packet arp = {.operation = ARP_REQUEST, .sender_mac = {2, 0, 0, 0, 0, 1}}, got;
	uint8_t buf[ARP_PACKET_LEN];

	EXPECT(ip_addr_parse("192.0.2.1", &arp.sender) && ip_addr_parse("192.0.2.2", &arp.target));
	arp_write(&arp, buf);
	EXPECT(arp_parse(buf, sizeof(buf), &got));
	EXPECT(ip_addr_equal(&got.sender, &arp.sender) && ip_addr_equal(&got.target, &arp.target));
	EXPECT(!arp_parse(buf, sizeof(buf) - 1, &got));
	for (size_t at = 0; at < 8; at++) {
		arp_write(&arp, buf);
		buf[at] ^= 0x40;
		EXPECT(!arp_parse(buf, sizeof(buf), &got));
	}
}

int
main(void)
{
	test_round_trip();
	test_refused();
	test_duplicate_address_detection();
	test_arp();
	return unit_done();
}
