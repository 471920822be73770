/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "geneve.h"
#include "packet_parse.h"
#include "wire.h"

#define ROOM 160

struct buffer {
	uint8_t bytes[ROOM + 9000];
};

static struct ip_addr
addr(const char *text)
{
	struct ip_addr a = {0};

	ip_addr_parse(text, &a);
	return a;
}

/* A UDP packet of `payload` bytes at bytes + ROOM. */
static struct packet
make_inner(struct buffer *b, uint8_t af, uint16_t payload)
{
	uint16_t ip_len = af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN;
	uint8_t *ip = b->bytes + ROOM, *udp = ip + ip_len;
	struct packet_frame frame = {.data = ip, .headroom = ROOM};
	struct packet_link link = {.ethertype = af == 4 ? 0x0800 : 0x86dd};
	struct packet p = {0};

	memset(b, 0xee, sizeof(*b));
	memset(ip, 0, (size_t)ip_len + UDP_MIN_LEN);
	if (af == 4) {
		ip[0] = 0x45;
		ip[IPV4_TOS] = 0xb9;
		bytes_store_be16(ip + IPV4_LEN, (uint16_t)(ip_len + UDP_MIN_LEN + payload));
		ip[IPV4_TTL] = 9;
		ip[IPV4_PROTO] = IPPROTO_UDP;
		memcpy(ip + IPV4_SRC, "\x0a\0\0\x01\x0a\x01\0\x02", 8);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, ip_len));
	} else {
		ip[0] = 0x6b;
		ip[1] = 0x90;
		bytes_store_be16(ip + IPV6_PAYLOAD_LEN, (uint16_t)(UDP_MIN_LEN + payload));
		ip[IPV6_NEXT_HEADER] = IPPROTO_UDP;
		ip[IPV6_HOP_LIMIT] = 9;
		ip[IPV6_SRC] = 0x20;
		ip[IPV6_DST] = 0x20;
		ip[IPV6_DST + 15] = 2;
	}
	bytes_store_be16(udp + UDP_SPORT, 1111);
	bytes_store_be16(udp + UDP_DPORT, 53);
	bytes_store_be16(udp + UDP_LEN, (uint16_t)(UDP_MIN_LEN + payload));
	frame.len = (uint16_t)(ip_len + UDP_MIN_LEN + payload);
	frame.total_len = frame.len;
	EXPECT(packet_parse(&frame, &link, &p) == DROP_NONE);
	return p;
}

/* What left, as the appliance receives it. */
static enum drop_reason
reparse(const struct packet *p, struct packet *again)
{
	struct packet_frame frame = {
		.data = p->l3, .len = p->contiguous, .total_len = p->len, .headroom = p->headroom};
	struct packet_link link = {.ethertype = p->af == 4 ? 0x0800 : 0x86dd};

	return packet_parse(&frame, &link, again);
}

static const struct geneve_options options = {.endpoint_be = 0x0807060504030201,
					      .attachment_be = 0x1817161514131211,
					      .cookie_be = 0x44332211};

static void
test_there_and_back(void)
{
	struct ip_addr src[2] = {addr("192.0.2.1"), addr("2001:db8::1")};
	struct ip_addr dst[2] = {addr("192.0.2.9"), addr("2001:db8::9")};

	for (int outer = 0; outer < 2; outer++) {
		for (int inner = 0; inner < 2; inner++) {
			struct geneve_tunnel tunnel = {&src[outer], &dst[outer], htons(0x1234),
						       &options};
			struct buffer b, before;
			struct packet p = make_inner(&b, inner == 0 ? 4 : 6, 1001), got, unwrapped;
			struct geneve_header header;
			uint16_t len = p.len;

			before = b;
			EXPECT(geneve_encapsulate(&p, &tunnel));
			EXPECT(p.len == len + (outer == 0 ? 68 : 88));
			EXPECT(reparse(&p, &got) == DROP_NONE);
			EXPECT(got.proto == IPPROTO_UDP && got.dport_be == htons(6081));
			EXPECT(got.sport_be == htons(0x1234) && got.len == p.len);
			EXPECT(ip_addr_equal(&got.src, &src[outer]));
			EXPECT(ip_addr_equal(&got.dst, &dst[outer]));
			if (outer == 0) {
				EXPECT(got.l3[IPV4_TOS] == 0xb9);
				EXPECT(bytes_load_be16(got.l3 + IPV4_FRAG) == IPV4_DF);
				EXPECT(bytes_load16(packet_l4(&got) + UDP_CHECKSUM) == 0);
			} else {
				uint64_t sum = checksum_pseudo(got.src.b, got.dst.b, 16,
							       IPPROTO_UDP, got.len - 40u);

				EXPECT(got.l3[0] == 0x6b && got.l3[1] == 0x90);
				EXPECT(checksum_fold(checksum_add(sum, packet_l4(&got),
								  got.len - 40u)) == 0xffff);
			}
			EXPECT(geneve_parse(&got, &header) == DROP_NONE);
			EXPECT(header.options.endpoint_be == options.endpoint_be);
			EXPECT(header.options.attachment_be == options.attachment_be);
			EXPECT(header.options.cookie_be == options.cookie_be);
			EXPECT(header.inner_af == (inner == 0 ? 4 : 6));
			EXPECT(geneve_parse_inner(&got, &header, &unwrapped) == DROP_NONE);
			EXPECT(unwrapped.l3 == b.bytes + ROOM && unwrapped.len == len);
			EXPECT(unwrapped.dport_be == htons(53));
			EXPECT(memcmp(unwrapped.l3, before.bytes + ROOM, len) == 0);
		}
	}
}

static void
test_room_is_needed(void)
{
	struct ip_addr src = addr("192.0.2.1"), dst = addr("192.0.2.9");
	struct geneve_tunnel tunnel = {&src, &dst, 1, &options};
	struct buffer b;
	struct packet p = make_inner(&b, 4, 10);

	p.headroom = GENEVE_OVERHEAD_V4 + PACKET_LINK_MAX - 1;
	EXPECT(!geneve_encapsulate(&p, &tunnel));
	p.headroom++;
	EXPECT(geneve_encapsulate(&p, &tunnel));
}

/* An encapsulated packet whose GENEVE header the row changes. */
struct row {
	const char *why;
	size_t at; /* from the GENEVE header */
	const char *bytes;
	size_t n;
	enum drop_reason reason;
};

static const struct row rows[] = {
	{"unchanged", 0, "", 0, DROP_NONE},
	{"version 1", 0, "\x48", 1, DROP_GENEVE_VERSION},
	{"options reach behind the packet", 0, "\x3f", 1, DROP_GENEVE_LENGTH},
	{"control message", 1, "\x80", 1, DROP_GENEVE_PROTOCOL},
	{"critical flag alone", 1, "\x40", 1, DROP_NONE},
	{"an Ethernet frame inside", 2, "\x65\x58", 2, DROP_GENEVE_PROTOCOL},
	{"no options", 0, "\x00", 1, DROP_GENEVE_OPTION_MISSING},
	{"cookie missing", 0, "\x06", 1, DROP_GENEVE_OPTION_MISSING},
	{"attachment before endpoint", 10, "\x02", 1, DROP_GENEVE_OPTION_ORDER},
	{"endpoint twice", 22, "\x01", 1, DROP_GENEVE_OPTION_DUPLICATE},
	{"endpoint of 4 bytes", 11, "\x01", 1, DROP_GENEVE_OPTION_LENGTH},
	{"option longer than all", 11, "\x1f", 1, DROP_GENEVE_OPTION_LENGTH},
	{"reserved bits of an option's length", 11, "\xe2", 1, DROP_NONE},
	{"another class, not critical: one is missing then", 8, "\x01\x09", 2,
	 DROP_GENEVE_OPTION_ORDER},
	{"another class, critical", 8, "\x01\x09\x81", 3, DROP_GENEVE_OPTION_CRITICAL},
	{"unknown type of ours, critical", 34, "\x84", 1, DROP_GENEVE_OPTION_CRITICAL},
	{"unknown type of ours", 34, "\x04", 1, DROP_GENEVE_OPTION_MISSING},
};

static void
test_rows(void)
{
	struct ip_addr src = addr("192.0.2.1"), dst = addr("192.0.2.9");
	struct geneve_tunnel tunnel = {&src, &dst, 1, &options};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct geneve_header header;
		struct buffer b;
		struct packet p = make_inner(&b, 4, 10);

		EXPECT(geneve_encapsulate(&p, &tunnel));
		memcpy(packet_l4(&p) + UDP_MIN_LEN + rows[i].at, rows[i].bytes, rows[i].n);
		EXPECT_ROW(rows[i].why, geneve_parse(&p, &header) == rows[i].reason);
	}
}

/* An option nobody knows before ours, between them, behind them: skipped. */
static void
test_more_options(void)
{
	static const uint8_t more[8] = {0x01, 0x09, 0x05, 0x01, 1, 2, 3, 4};
	static const size_t places[] = {8, 20, 32, 40};
	struct ip_addr src = addr("192.0.2.1"), dst = addr("192.0.2.9");
	struct geneve_tunnel tunnel = {&src, &dst, 1, &options};

	for (size_t i = 0; i < 4; i++) {
		struct geneve_header header;
		struct buffer b;
		struct packet p = make_inner(&b, 4, 10), again;
		uint8_t *g;

		EXPECT(geneve_encapsulate(&p, &tunnel));
		g = packet_l4(&p) + UDP_MIN_LEN;
		memmove(g + places[i] + 8, g + places[i], 200);
		memcpy(g + places[i], more, 8);
		g[0] = 10;
		bytes_store_be16(p.l3 + IPV4_LEN, (uint16_t)(p.len + 8));
		bytes_store_be16(packet_l4(&p) + UDP_LEN, (uint16_t)(p.len + 8 - 20));
		bytes_store16(p.l3 + IPV4_CHECKSUM, 0);
		bytes_store16(p.l3 + IPV4_CHECKSUM, checksum(p.l3, 20));
		p.len = p.contiguous = (uint16_t)(p.len + 8);
		EXPECT(reparse(&p, &again) == DROP_NONE);
		EXPECT(geneve_parse(&again, &header) == DROP_NONE);
		EXPECT(header.options.cookie_be == options.cookie_be);
		EXPECT(geneve_parse_inner(&again, &header, &p) == DROP_NONE);
	}
}

/* Cut anywhere, nothing is read behind the end (ASan) and nothing is taken for whole. */
static void
test_cut(void)
{
	struct ip_addr src = addr("192.0.2.1"), dst = addr("192.0.2.9");
	struct geneve_tunnel tunnel = {&src, &dst, 1, &options};
	struct buffer b;
	struct packet p = make_inner(&b, 4, 10);

	EXPECT(geneve_encapsulate(&p, &tunnel));
	for (uint16_t udp_len = UDP_MIN_LEN; udp_len < p.len - 20; udp_len++) {
		struct packet cut = p, inner;
		struct geneve_header header;
		enum drop_reason reason;
		uint8_t *copy = malloc(20u + udp_len);

		memcpy(copy, p.l3, 20u + udp_len);
		cut.l3 = copy;
		cut.len = cut.contiguous = (uint16_t)(20 + udp_len);
		bytes_store_be16(copy + 20 + UDP_LEN, udp_len);
		reason = geneve_parse(&cut, &header);
		if (reason == DROP_NONE)
			reason = geneve_parse_inner(&cut, &header, &inner);
		EXPECT(reason != DROP_NONE);
		free(copy);
	}
}

int
main(void)
{
	test_there_and_back();
	test_room_is_needed();
	test_rows();
	test_more_options();
	test_cut();
	return unit_done();
}
