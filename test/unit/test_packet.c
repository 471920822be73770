/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "bytes.h"
#include "checksum.h"
#include "icmp.h"
#include "packet_parse.h"
#include "wire.h"

#include <netinet/in.h>

#define ROOM 128

/* A frame with headroom in front of it. */
struct frame {
	uint8_t room[ROOM];
	uint8_t bytes[2048];
	uint16_t len;
};

static void
make_ether(struct frame *f, uint16_t ethertype)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->bytes, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	bytes_store_be16(f->bytes + 12, ethertype);
	f->len = 14;
}

static void
put(struct frame *f, const void *src, size_t len)
{
	memcpy(f->bytes + f->len, src, len);
	f->len = (uint16_t)(f->len + len);
}

static void
fix_ipv4(struct frame *f)
{
	uint8_t *ip = f->bytes + 14;

	bytes_store_be16(ip + IPV4_LEN, (uint16_t)(f->len - 14));
	bytes_store16(ip + IPV4_CHECKSUM, 0);
	bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, (size_t)(ip[0] & 15) * 4));
}

static const uint8_t ipv4_tcp[20] = {0x45, 0, 0,   0, 0, 1, 0x40, 0, 64, IPPROTO_TCP,
				     0,    0, 192, 0, 2, 1, 192,  0, 2,  2};
static const uint8_t tcp_syn[20] = {0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff};

static void
make_tcp4(struct frame *f)
{
	make_ether(f, 0x0800);
	put(f, ipv4_tcp, sizeof(ipv4_tcp));
	put(f, tcp_syn, sizeof(tcp_syn));
	fix_ipv4(f);
}

static void
make_udp6(struct frame *f)
{
	uint8_t ip[40] = {0x60, 0, 0, 0, 0, 8, IPPROTO_UDP, 64};
	static const uint8_t udp[8] = {0x30, 0x39, 0, 53, 0, 8, 0, 1};

	memcpy(ip + 8, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	memcpy(ip + 24, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
	make_ether(f, 0x86dd);
	put(f, ip, sizeof(ip));
	put(f, udp, sizeof(udp));
}

static enum drop_reason
parse(struct frame *f, struct packet *p)
{
	struct packet_frame frame = {f->bytes, f->len, f->len, ROOM};
	struct packet_link link;
	enum drop_reason drop = packet_parse_link(&frame, &link);

	if (drop == DROP_NONE) {
		struct packet any;

		drop = packet_parse(&frame, &link, p);
		EXPECT(packet_parse_any(&frame, &link, &any) == drop);
		EXPECT(drop != DROP_NONE ||
		       (any.flags == p->flags && any.contiguous == p->contiguous));
	}
	return drop;
}

/* One changed byte of a good TCP-over-IPv4 frame each; the checksum is made right again or not. */
static void
test_ipv4_rows(void)
{
	static const struct {
		const char *why;
		uint16_t at;
		uint8_t value;
		int fix;
		enum drop_reason want;
	} rows[] = {
		{"a good SYN", 14, 0x45, 1, DROP_NONE},
		{"version 5", 14, 0x55, 1, DROP_IP_HEADER_INVALID},
		{"header of 16 bytes", 14, 0x44, 1, DROP_IP_HEADER_INVALID},
		{"header beyond the packet", 14, 0x4f, 0, DROP_IP_HEADER_INVALID},
		{"wrong header checksum", 22, 63, 0, DROP_IP_CHECKSUM},
		{"total length below the header", 17, 10, 0, DROP_IP_HEADER_INVALID},
		{"total length beyond the frame", 16, 1, 0, DROP_IP_HEADER_INVALID},
		{"source 127.0.2.1", 26, 127, 1, DROP_IP_SOURCE_MARTIAN},
		{"source 224.0.2.1", 26, 224, 1, DROP_IP_SOURCE_MARTIAN},
		{"source 0.0.2.1", 26, 0, 1, DROP_IP_SOURCE_MARTIAN},
		{"source and destination the same", 29, 2, 1, DROP_IP_LAND},
		{"data offset 4", 46, 0x40, 1, DROP_L4_HEADER_INVALID},
		{"data offset beyond the packet", 46, 0xf0, 1, DROP_L4_HEADER_INVALID},
		{"SYN with FIN", 47, 3, 1, DROP_L4_HEADER_INVALID},
		{"SYN with RST", 47, 6, 1, DROP_L4_HEADER_INVALID},
		{"no flags", 47, 0, 1, DROP_L4_HEADER_INVALID},
		{"an unknown protocol is left to the classifier", 23, 99, 1, DROP_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame f;
		struct packet p;

		make_tcp4(&f);
		f.bytes[rows[i].at] = rows[i].value;
		if (rows[i].fix)
			fix_ipv4(&f);
		EXPECT_ROW(rows[i].why, parse(&f, &p) == rows[i].want);
	}
}

static void
test_fields_of_a_good_packet(void)
{
	struct frame f;
	struct packet p;

	make_tcp4(&f);
	put(&f, "padding", 7); /* short frames are padded to 60 bytes */
	EXPECT(parse(&f, &p) == DROP_NONE);
	EXPECT(p.af == 4 && p.proto == IPPROTO_TCP && p.l4_off == 20 && p.len == 40);
	EXPECT(p.contiguous == 40 && p.headroom == ROOM + 14);
	EXPECT(p.sport_be == htons(12345) && p.dport_be == htons(80));
	EXPECT(p.src.b[15] == 1 && p.dst.b[15] == 2 && ip_addr_is_v4(&p.src));
}

/* Every shorter frame is refused, or, where only padding is missing, accepted. */
static void
test_truncation(void)
{
	struct frame f;
	struct packet p;

	make_tcp4(&f);
	for (uint16_t len = 0; len < 54; len++) {
		f.len = len;
		EXPECT(parse(&f, &p) != DROP_NONE);
	}
	make_udp6(&f);
	for (uint16_t len = 0; len < 62; len++) {
		f.len = len;
		EXPECT(parse(&f, &p) != DROP_NONE);
	}
	f.len = 62;
	EXPECT(parse(&f, &p) == DROP_NONE);
}

static void
test_ipv6_extensions(void)
{
	static const struct {
		const char *why;
		uint8_t first;
		uint8_t ext[24];
		uint8_t len;
		enum drop_reason want;
		uint8_t flags;
	} rows[] = {
		{"hop-by-hop",
		 IPPROTO_HOPOPTS,
		 {IPPROTO_UDP, 0, 1, 4},
		 8,
		 DROP_NONE,
		 PACKET_HAS_PORTS},
		{"hop-by-hop not first",
		 IPPROTO_DSTOPTS,
		 {IPPROTO_HOPOPTS, 0, 1, 4, 0, 0, 0, 0, IPPROTO_UDP, 0, 1, 4},
		 16,
		 DROP_IP_EXTENSION,
		 0},
		{"routing type 0",
		 IPPROTO_ROUTING,
		 {IPPROTO_UDP, 0, 0, 0},
		 8,
		 DROP_IP_EXTENSION,
		 0},
		{"longer than the packet",
		 IPPROTO_DSTOPTS,
		 {IPPROTO_UDP, 9},
		 8,
		 DROP_IP_EXTENSION,
		 0},
		{"first fragment",
		 IPPROTO_FRAGMENT,
		 {IPPROTO_UDP, 0, 0, 1},
		 8,
		 DROP_NONE,
		 PACKET_FRAGMENT},
		{"later fragment",
		 IPPROTO_FRAGMENT,
		 {IPPROTO_UDP, 0, 0, 8},
		 8,
		 DROP_NONE,
		 PACKET_FRAGMENT | PACKET_FRAGMENT_LATER},
		{"atomic fragment",
		 IPPROTO_FRAGMENT,
		 {IPPROTO_UDP, 0, 0, 0},
		 8,
		 DROP_NONE,
		 PACKET_HAS_PORTS},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame f, plain;
		struct packet p;

		make_udp6(&plain);
		f = plain;
		f.len = 54;
		put(&f, rows[i].ext, rows[i].len);
		put(&f, plain.bytes + 54, 8);
		f.bytes[20] = rows[i].first;
		f.bytes[19] = (uint8_t)(8 + rows[i].len);
		EXPECT_ROW(rows[i].why, parse(&f, &p) == rows[i].want);
		if (rows[i].want == DROP_NONE)
			EXPECT_ROW(rows[i].why, p.flags == rows[i].flags);
	}
}

static void
test_extension_chain_is_bounded(void)
{
	struct frame f;
	struct packet p;

	make_udp6(&f);
	f.len = 54;
	f.bytes[20] = IPPROTO_DSTOPTS;
	for (int i = 0; i < 20; i++) {
		uint8_t ext[8] = {IPPROTO_DSTOPTS, 0, 1, 4};

		put(&f, ext, sizeof(ext));
	}
	f.bytes[19] = 160;
	EXPECT(parse(&f, &p) == DROP_IP_EXTENSION);
}

static void
test_ipv4_options(void)
{
	static const struct {
		const char *why;
		uint8_t option[4];
		enum drop_reason want;
	} rows[] = {
		{"padding", {1, 1, 1, 0}, DROP_NONE},
		{"router alert", {148, 4, 0, 0}, DROP_NONE},
		{"loose source route", {131, 3, 4, 0}, DROP_IP_OPTIONS},
		{"strict source route", {137, 3, 4, 0}, DROP_IP_OPTIONS},
		{"length 1", {148, 1, 0, 0}, DROP_IP_OPTIONS},
		{"length beyond the header", {148, 5, 0, 0}, DROP_IP_OPTIONS},
		{"type without length", {1, 1, 1, 148}, DROP_IP_OPTIONS},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frame f;
		struct packet p;

		make_ether(&f, 0x0800);
		put(&f, ipv4_tcp, 20);
		put(&f, rows[i].option, 4);
		put(&f, tcp_syn, 20);
		f.bytes[14] = 0x46;
		fix_ipv4(&f);
		EXPECT_ROW(rows[i].why, parse(&f, &p) == rows[i].want);
	}
}

static int
icmp_is_right(const struct packet *p)
{
	uint64_t sum = 0;

	if (p->af == 6)
		sum = checksum_pseudo(p->l3 + IPV6_SRC, p->l3 + IPV6_DST, 16, IPPROTO_ICMPV6,
				      (uint32_t)(p->len - p->l4_off));
	else if (checksum(p->l3, 20) != 0)
		return 0;
	return checksum_fold(checksum_add(sum, packet_l4(p), (size_t)(p->len - p->l4_off))) ==
	       0xffff;
}

static void
test_icmp_error_quotes_the_packet(void)
{
	struct frame f;
	struct packet p, again;
	struct packet_quote quote;
	struct ip_addr us;

	make_tcp4(&f);
	EXPECT(parse(&f, &p) == DROP_NONE);
	EXPECT(ip_addr_parse("198.51.100.1", &us));
	EXPECT(icmp_error(&p, &us, ICMP_DEST_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, 1400));
	EXPECT(icmp_is_right(&p));
	EXPECT(bytes_load_be16(packet_l4(&p) + ICMP_MTU) == 1400);
	EXPECT(packet_parse_quote(&p, &quote));
	EXPECT(quote.sport_be == htons(12345) && quote.proto == IPPROTO_TCP);
	again = p;
	EXPECT(!icmp_error(&again, &us, ICMP_TIME_EXCEEDED, 0, 0)); /* no error about an error */

	make_udp6(&f);
	EXPECT(parse(&f, &p) == DROP_NONE);
	EXPECT(!icmp_error(&p, &us, ICMPV6_PACKET_TOO_BIG, 0, 1280)); /* wrong family */
	EXPECT(ip_addr_parse("2001:db8::99", &us));
	EXPECT(icmp_error(&p, &us, ICMPV6_PACKET_TOO_BIG, 0, 1280));
	EXPECT(icmp_is_right(&p));
	EXPECT(packet_parse_quote(&p, &quote) && quote.dport_be == htons(53));
}

static void
test_echo_reply_checksums(void)
{
	struct frame f;
	struct packet p;
	uint8_t *icmp;

	make_ether(&f, 0x0800);
	put(&f, ipv4_tcp, 20);
	put(&f, "\x08\0\0\0\x12\x34\0\x01payload", 15);
	f.bytes[23] = IPPROTO_ICMP;
	icmp = f.bytes + 34;
	bytes_store16(icmp + ICMP_CHECKSUM, checksum(icmp, 15));
	fix_ipv4(&f);
	EXPECT(parse(&f, &p) == DROP_NONE);
	icmp_echo_reply(&p);
	EXPECT(icmp_is_right(&p) && icmp[0] == ICMP_ECHO_REPLY);
	EXPECT(p.dst.b[15] == 1 && p.l3[IPV4_DST + 3] == 1 && p.verdict == PACKET_FORWARD);
}

static void
test_checksum_update_equals_recalculation(void)
{
	unsigned long long state = unit_seed(1);

	for (int i = 0; i < 1000; i++) {
		uint8_t buf[40];
		uint32_t before, after;
		uint16_t field;

		for (size_t b = 0; b < sizeof(buf); b++)
			buf[b] = (uint8_t)unit_random(&state);
		field = checksum(buf, sizeof(buf));
		before = bytes_load32(buf + 8);
		after = (uint32_t)unit_random(&state);
		bytes_store32(buf + 8, after);
		EXPECT(checksum_apply(field, checksum_diff32(0, before, after)) ==
		       checksum(buf, sizeof(buf)));
	}
}

int
main(void)
{
	test_ipv4_rows();
	test_fields_of_a_good_packet();
	test_truncation();
	test_ipv6_extensions();
	test_extension_chain_is_bounded();
	test_ipv4_options();
	test_icmp_error_quotes_the_packet();
	test_echo_reply_checksums();
	test_checksum_update_equals_recalculation();
	return unit_done();
}
