/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_world.h"

#include "check.h"

#define BASE                                                                                    \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"                            \
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n"
#define LISTENERS                                                            \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"   \
	"[listener lb:53]\nprotocol = UDP\ndefault_action = forward dns\n"   \
	"[listener lb6:80]\nprotocol = TCP\ndefault_action = forward web6\n" \
	"[listener lb:81]\nprotocol = TCP\ndefault_action = forward keep\n"
#define GROUPS                                                                     \
	"[target_group web]\nprotocol = TCP\ntarget = 198.51.100.11:8080\n"        \
	"target = 198.51.100.12:8080\ntarget = 198.51.100.13:8080\n"               \
	"[target_group dns]\nprotocol = UDP\npreserve_client_ip.enabled = false\n" \
	"target = 198.51.100.11:53\n"                                              \
	"[target_group web6]\nprotocol = TCP\ntarget = [2001:db8:2::11]:8080\n"    \
	"target = [2001:db8:2::12]:8080\n"                                         \
	"[target_group keep]\nprotocol = TCP\npreserve_client_ip.enabled = true\n" \
	"target = 198.51.100.21:80\ntarget = 198.51.100.22:80\n"
#define CONFIG BASE LISTENERS GROUPS

#define FRONT 0
#define BACK  1

/* A connection from SYN to the last ACK in each mode and family, checksums right all the way. */
static void
test_connections(void)
{
	static const struct {
		const char *why, *client, *vip;
		uint16_t port;
		bool full_nat;
	} rows[] = {
		{"full_nat IPv4", "192.0.2.99", "192.0.2.10", 80, true},
		{"full_nat IPv6", "2001:db8:1::99", "2001:db8:1::10", 80, true},
		{"nat IPv4", "192.0.2.99", "192.0.2.10", 81, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr client = world_addr(rows[i].client), vip = world_addr(rows[i].vip);
		struct world_packet out, back;
		struct world w;

		world_begin(&w, CONFIG, 1024, 1000);
		world_tcp(&out, rows[i].client, 4000, rows[i].vip, rows[i].port, TCP_FLAG_SYN, 0);
		EXPECT_ROW(rows[i].why, world_send(&w, &out, FRONT) == PACKET_FORWARD);
		EXPECT_ROW(rows[i].why, world_checksums(&out.p));
		EXPECT_ROW(rows[i].why, ip_addr_equal(&out.p.src, &client) != rows[i].full_nat);
		EXPECT_ROW(rows[i].why, out.p.l3[out.p.af == 4 ? IPV4_TTL : IPV6_HOP_LIMIT] == 63);

		world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
		EXPECT_ROW(rows[i].why, world_send(&w, &back, BACK) == PACKET_FORWARD);
		EXPECT_ROW(rows[i].why, world_checksums(&back.p));
		EXPECT_ROW(rows[i].why, ip_addr_equal(&back.p.src, &vip));
		EXPECT_ROW(rows[i].why, ip_addr_equal(&back.p.dst, &client));
		EXPECT_ROW(rows[i].why, back.p.dport_be == htons(4000));
		EXPECT_ROW(rows[i].why, back.p.sport_be == htons(rows[i].port));

		EXPECT(w.nlb->flows.in_use == 1);
		EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_ESTABLISHED);
		world_tcp(&out, rows[i].client, 4000, rows[i].vip, rows[i].port,
			  TCP_FLAG_FIN | TCP_FLAG_ACK, 10);
		EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
		EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_ESTABLISHED);
		world_reply(&back, &out.p, TCP_FLAG_FIN | TCP_FLAG_ACK);
		EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);
		EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_CLOSING);
		EXPECT(w.counters.frontends[1].packets + w.counters.frontends[2].packets +
			       w.counters.frontends[3].packets + w.counters.frontends[4].packets ==
		       4);
		world_end(&w);
	}
}

static void
test_udp(void)
{
	struct world_packet out, back;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	world_udp(&out, "192.0.2.99", 4000, "192.0.2.10", 53);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD && world_checksums(&out.p));
	EXPECT(out.p.dport_be == htons(53) && ntohs(out.p.sport_be) >= 1024);
	world_reply(&back, &out.p, 0);
	EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD && world_checksums(&back.p));

	/* No checksum stays no checksum. */
	world_udp(&out, "192.0.2.99", 4000, "192.0.2.10", 53);
	bytes_store16(out.frame + 14 + 20 + UDP_CHECKSUM, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	EXPECT(bytes_load16(packet_l4(&out.p) + UDP_CHECKSUM) == 0);
	EXPECT(w.nlb->flows.in_use == 1);
	world_end(&w);
}

static void
test_refusals(void)
{
	static const struct {
		const char *why, *src, *dst;
		uint16_t dport;
		uint8_t flags;
		enum packet_verdict verdict;
		enum drop_reason reason; /* counted if the verdict is not DROP */
	} rows[] = {
		{"no such listener", "192.0.2.99", "192.0.2.10", 82, TCP_FLAG_SYN, PACKET_DROP,
		 DROP_NO_LISTENER},
		{"segment of no flow: RST", "192.0.2.99", "192.0.2.10", 80, TCP_FLAG_ACK,
		 PACKET_FORWARD, DROP_NOT_A_FLOW},
		{"SYN-ACK of no flow: RST", "192.0.2.99", "192.0.2.10", 80,
		 TCP_FLAG_SYN | TCP_FLAG_ACK, PACKET_FORWARD, DROP_NOT_A_FLOW},
		{"RST of no flow: no answer", "192.0.2.99", "192.0.2.10", 80, TCP_FLAG_RST,
		 PACKET_DROP, DROP_NOT_A_FLOW},
		{"SYN to an own address", "192.0.2.99", "198.51.100.1", 80, TCP_FLAG_SYN,
		 PACKET_DROP, DROP_HOST_UNWANTED},
		{"transit", "192.0.2.99", "203.0.113.1", 80, TCP_FLAG_SYN, PACKET_DROP,
		 DROP_NOT_A_FLOW},
		{"a listener's address as source", "192.0.2.10", "192.0.2.1", 80, TCP_FLAG_SYN,
		 PACKET_DROP, DROP_IP_SOURCE_SPOOFED},
		{"an own address as source", "198.51.100.1", "192.0.2.10", 80, TCP_FLAG_SYN,
		 PACKET_DROP, DROP_IP_SOURCE_SPOOFED},
		{"multicast", "192.0.2.99", "224.0.0.1", 80, TCP_FLAG_SYN, PACKET_DROP,
		 DROP_IP_MULTICAST},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world_packet wp;
		struct world w;

		world_begin(&w, CONFIG, 1024, 1000);
		world_tcp(&wp, rows[i].src, 4000, rows[i].dst, rows[i].dport, rows[i].flags, 5);
		EXPECT_ROW(rows[i].why, world_send(&w, &wp, FRONT) == rows[i].verdict);
		if (rows[i].verdict == PACKET_DROP) {
			EXPECT_ROW(rows[i].why, wp.p.drop == rows[i].reason);
		} else {
			EXPECT_ROW(rows[i].why, w.counters.drops[rows[i].reason] == 1);
			EXPECT_ROW(rows[i].why, w.counters.answered == 1);
			EXPECT_ROW(rows[i].why, world_checksums(&wp.p));
			EXPECT_ROW(rows[i].why, (packet_l4(&wp.p)[TCP_FLAGS] & TCP_FLAG_RST) != 0);
			EXPECT_ROW(rows[i].why,
				   bytes_load_be32(packet_l4(&wp.p) + TCP_SEQ) == 2000);
		}
		EXPECT_ROW(rows[i].why, w.nlb->flows.in_use == 0);
		world_end(&w);
	}
}

static void
test_mss_is_clamped(void)
{
	struct world_packet wp;
	struct world w;
	const uint8_t *option;

	world_begin(&w, CONFIG, 1024, 1000);
	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD && world_checksums(&wp.p));
	option = packet_l4(&wp.p) + 20;
	EXPECT(option[0] == 1 && option[1] == 2 && bytes_load_be16(option + 3) == 1460);
	world_tcp(&wp, "2001:db8:1::99", 4000, "2001:db8:1::10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD && world_checksums(&wp.p));
	EXPECT(bytes_load_be16(packet_l4(&wp.p) + 23) == 1440);
	world_end(&w);
}

static void
resolve(struct world *w, uint16_t interface, const char *addr, uint16_t mtu)
{
	struct ip_addr a = world_addr(addr);
	struct next_hop_copy copy = {
		.interface = interface, .port = interface, .mtu = mtu, .l2_len = 14};

	next_hop_resolve(&w->hops, next_hop_add(&w->hops, interface, &a), &copy);
}

static void
test_ttl_and_mtu(void)
{
	struct world_packet wp;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	resolve(&w, BACK, "198.51.100.11", 1400);
	resolve(&w, BACK, "198.51.100.12", 1400);
	resolve(&w, BACK, "198.51.100.13", 1400);
	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD && wp.p.next_hop != 0);
	EXPECT(bytes_load_be16(packet_l4(&wp.p) + 23) == 1360);

	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 1381);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
	EXPECT(wp.p.proto == IPPROTO_ICMP && world_checksums(&wp.p));
	EXPECT(packet_l4(&wp.p)[0] == ICMP_DEST_UNREACHABLE &&
	       packet_l4(&wp.p)[1] == ICMP_FRAGMENTATION_NEEDED);
	EXPECT(bytes_load_be16(packet_l4(&wp.p) + ICMP_MTU) == 1400);
	EXPECT(w.counters.drops[DROP_PACKET_TOO_BIG] == 1);

	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 1360);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD && wp.p.proto == IPPROTO_TCP);

	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 0);
	wp.frame[14 + IPV4_TTL] = 1;
	bytes_store16(wp.frame + 14 + IPV4_CHECKSUM, 0);
	bytes_store16(wp.frame + 14 + IPV4_CHECKSUM, checksum(wp.frame + 14, 20));
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
	EXPECT(wp.p.proto == IPPROTO_ICMP && packet_l4(&wp.p)[0] == ICMP_TIME_EXCEEDED);
	EXPECT(w.counters.drops[DROP_TTL_EXCEEDED] == 1);
	world_end(&w);
}

/* An ICMP error about a packet that weir sent, as a router near its receiver would send it. */
static void
make_icmp_error(struct world_packet *wp, const struct packet *about, const char *router)
{
	uint8_t icmp[8 + 68] = {0};
	char dst[IP_ADDR_TEXT_MAX];
	uint16_t quote = about->len < 68 ? about->len : 68;

	icmp[0] = about->af == 4 ? ICMP_DEST_UNREACHABLE : ICMPV6_PACKET_TOO_BIG;
	icmp[1] = about->af == 4 ? ICMP_FRAGMENTATION_NEEDED : 0;
	bytes_store_be16(icmp + 6, 1300);
	memcpy(icmp + 8, about->l3, quote);
	world_make(wp, about->af == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, router,
		   ip_addr_format(&about->src, dst), icmp, (uint16_t)(8 + quote));
}

static void
test_icmp_errors(void)
{
	static const struct {
		const char *why, *client, *vip, *router;
		uint16_t port;
	} rows[] = {
		{"full_nat IPv4", "192.0.2.99", "192.0.2.10", "203.0.113.7", 80},
		{"full_nat IPv6", "2001:db8:1::99", "2001:db8:1::10", "2001:db8:9::7", 80},
		{"nat IPv4", "192.0.2.99", "192.0.2.10", "203.0.113.7", 81},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr client = world_addr(rows[i].client), vip = world_addr(rows[i].vip);
		struct world_packet out, back, error;
		struct packet_quote q;
		struct world w;

		world_begin(&w, CONFIG, 1024, 1000);
		world_tcp(&out, rows[i].client, 4000, rows[i].vip, rows[i].port, TCP_FLAG_SYN, 0);
		EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
		world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
		EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);

		/* About the packet to the target: it goes to the client, about the client's. */
		make_icmp_error(&error, &out.p, rows[i].router);
		EXPECT_ROW(rows[i].why, world_send(&w, &error, BACK) == PACKET_FORWARD);
		EXPECT_ROW(rows[i].why, world_checksums(&error.p));
		EXPECT_ROW(rows[i].why, ip_addr_equal(&error.p.dst, &client));
		EXPECT_ROW(rows[i].why, packet_parse_quote(&error.p, &q));
		EXPECT_ROW(rows[i].why,
			   ip_addr_equal(&q.src, &client) && ip_addr_equal(&q.dst, &vip));
		EXPECT_ROW(rows[i].why,
			   q.sport_be == htons(4000) && q.dport_be == htons(rows[i].port));
		EXPECT_ROW(rows[i].why, error.p.af == 6 || checksum(q.l3, 20) == 0);

		/* About the packet to the client: it goes to the target, about the target's. */
		make_icmp_error(&error, &back.p, rows[i].router);
		EXPECT_ROW(rows[i].why, world_send(&w, &error, FRONT) == PACKET_FORWARD);
		EXPECT_ROW(rows[i].why, world_checksums(&error.p));
		EXPECT_ROW(rows[i].why, ip_addr_equal(&error.p.dst, &out.p.dst));
		EXPECT_ROW(rows[i].why, packet_parse_quote(&error.p, &q));
		EXPECT_ROW(rows[i].why,
			   ip_addr_equal(&q.src, &out.p.dst) && ip_addr_equal(&q.dst, &out.p.src));
		EXPECT_ROW(rows[i].why, q.dport_be == out.p.sport_be);

		/* Damaged on the way: it must not come out repaired. */
		make_icmp_error(&error, &out.p, rows[i].router);
		error.frame[error.len - 1] ^= 1;
		EXPECT_ROW(rows[i].why, world_send(&w, &error, BACK) == PACKET_DROP);
		EXPECT_ROW(rows[i].why, error.p.drop == DROP_L4_HEADER_INVALID);

		/* About a flow that doesn't exist. */
		world_tcp(&out, rows[i].vip, rows[i].port, rows[i].client, 4001, TCP_FLAG_ACK, 0);
		out.p.l3 = out.frame + 14;
		out.p.len = (uint16_t)(out.len - 14);
		out.p.af = out.frame[14] >> 4;
		out.p.src = vip;
		make_icmp_error(&error, &out.p, rows[i].router);
		EXPECT_ROW(rows[i].why, world_send(&w, &error, FRONT) == PACKET_DROP);
		EXPECT_ROW(rows[i].why, error.p.drop == DROP_NOT_A_FLOW);
		world_end(&w);
	}
}

static void
pass(struct world *w, uint32_t ms)
{
	for (uint32_t t = 0; t < ms; t += 50) {
		w->now_ms += 50;
		nlb_sweep(w->nlb, w->snapshot, w->now_ms);
	}
}

/* Also over the wrap of the clock. */
static void
test_timeouts(uint32_t start_ms)
{
	struct world_packet out, back;
	struct world w;

	world_begin(&w, CONFIG, 1024, start_ms);
	nlb_sweep(w.nlb, w.snapshot, w.now_ms);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	pass(&w, NLB_NEW_MS - 1000);
	EXPECT(w.nlb->flows.in_use == 1);
	pass(&w, 3000);
	EXPECT(w.nlb->flows.in_use == 0); /* the target never answered */

	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	world_send(&w, &back, BACK);
	pass(&w, 340000);
	EXPECT(w.nlb->flows.in_use == 1);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	pass(&w, 340000); /* a keep-alive counts */
	EXPECT(w.nlb->flows.in_use == 1);
	pass(&w, 11000 + NLB_TERMINATE_MS + 1000);
	EXPECT(w.nlb->flows.in_use == 0);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 0);
	world_send(&w, &out, FRONT);
	EXPECT((packet_l4(&out.p)[TCP_FLAGS] & TCP_FLAG_RST) != 0); /* data after expiry: RST */

	world_udp(&out, "192.0.2.99", 4000, "192.0.2.10", 53);
	world_send(&w, &out, FRONT);
	pass(&w, 118000);
	EXPECT(w.nlb->flows.in_use == 1);
	pass(&w, 4000);
	EXPECT(w.nlb->flows.in_use == 0);
	world_end(&w);
}

static void
test_resets(void)
{
	struct world_packet out, back;
	struct flow_record *r;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	world_send(&w, &back, BACK);
	r = &w.nlb->flows.records[0];

	/* A RST that the other side contradicts was forged; one it doesn't ends the flow soon. */
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_RST, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	EXPECT(r->state == FLOW_STATE_RESET);
	world_reply(&back, &out.p, TCP_FLAG_ACK);
	EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);
	EXPECT(r->state == FLOW_STATE_ESTABLISHED);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_RST, 0);
	world_send(&w, &out, FRONT);
	EXPECT(w.counters.frontends[ref_index(r->frontend)].client_resets == 2);

	/* A SYN on a flow that is over begins a new one at once. */
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	EXPECT(w.nlb->flows.in_use == 1);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_NEW);
	pass(&w, 1000);
	world_reply(&back, &out.p, TCP_FLAG_RST | TCP_FLAG_ACK);
	EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_RESET);
	pass(&w, NLB_RESET_MS + 2000);
	EXPECT(w.nlb->flows.in_use == 0);
	world_end(&w);
}

/*
 * The target still has an older connection in TIME-WAIT on the port: it answers the SYN with an
 * ACK, the client that with a RST, which ends the old connection; the next SYN takes the same port.
 */
static void
test_time_wait_on_the_target(void)
{
	struct world_packet out, back;
	struct world w;
	uint16_t port_be;

	world_begin(&w, CONFIG, 1024, 1000);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	port_be = out.p.sport_be;
	world_reply(&back, &out.p, TCP_FLAG_ACK);
	EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_RST, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD && out.p.sport_be == port_be);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_NEW);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD && out.p.sport_be == port_be);
	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_ESTABLISHED);
	world_end(&w);
}

/* More flows than the table holds: new ones are refused and counted, old ones go on. */
static void
test_full_table(void)
{
	struct world_packet wp;
	struct world w;
	unsigned refused = 0;

	world_begin(&w, CONFIG, 1024, 1000);
	for (uint16_t i = 0; i < 1100; i++) {
		world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_SYN,
			  0);
		if (world_send(&w, &wp, FRONT) == PACKET_DROP) {
			EXPECT(wp.p.drop == DROP_FLOW_TABLE_FULL);
			refused++;
		}
	}
	EXPECT(refused == 1100 - 1024);
	EXPECT(w.counters.frontends[1].rejected_flows == refused);
	world_tcp(&wp, "192.0.2.99", 2000, "192.0.2.10", 80, TCP_FLAG_ACK, 0);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD && wp.p.dport_be == htons(8080));
	world_end(&w);
}

/*
 * Every port of every slot is given out once; then the group has no more, and says so.  252 ports a
 * slot, 256 slots, one local address, one target.
 */
static void
test_ports_run_out(void)
{
	uint32_t made = 0, refused = 0;
	static uint8_t seen[65536];
	struct world_packet wp;
	struct world w;

	world_begin(&w, CONFIG, 70000, 1000);
	for (uint32_t i = 0; i < 120000 && made < 252 * 256; i++) {
		char client[32];

		snprintf(client, sizeof(client), "192.0.2.%u", 20 + i / 60000);
		world_udp(&wp, client, (uint16_t)(1024 + i % 60000), "192.0.2.10", 53);
		if (world_send(&w, &wp, FRONT) == PACKET_FORWARD) {
			uint16_t port = ntohs(wp.p.sport_be);

			EXPECT(port >= 1024 && seen[port] == 0);
			EXPECT(steer_slot_of_port(wp.p.sport_be) ==
			       w.nlb->flows.records[w.nlb->flows.used_n - 1].slot);
			seen[port] = 1;
			made++;
		} else {
			EXPECT(wp.p.drop == DROP_PORT_ALLOCATION);
			refused++;
		}
		w.now_ms++;
	}
	EXPECT(made == w.nlb->flows.in_use && made == w.nlb->ports);
	EXPECT(refused > 0 && made > 252 * 250);
	EXPECT(w.counters.frontends[2].port_alloc_errors == refused);
	world_end(&w);
}

/*
 * Where a port's RSS is known, source ports are chosen so that replies arrive at this worker; when
 * those of a slot are used up, any other serves, and the ring passes its replies on.
 */
static void
test_ports_are_steered(void)
{
	_Atomic(const struct rss_replies *) replies[SNAPSHOT_INTERFACES] = {NULL};
	uint8_t key[STEER_KEY_LEN], worker_of[128];
	static struct rss_replies table;
	uint32_t made = 0, straight = 0;
	struct world_packet wp;
	struct world w;

	world_begin(&w, CONFIG, 70000, 1000);
	for (size_t i = 0; i < sizeof(worker_of); i++)
		worker_of[i] = (uint8_t)(i % 2);
	rss_key(&w.nlb->steer, &w.secret, RSS_PLAN_FULL_NAT, key);
	rss_replies_init(&table, key, worker_of, sizeof(worker_of));
	atomic_store(&replies[BACK], &table);
	w.nlb->replies = replies;
	w.nlb->worker = 1;
	for (uint32_t i = 0; i < 120000 && made < 252 * 256; i++) {
		struct world_packet back;
		char client[32];

		snprintf(client, sizeof(client), "192.0.2.%u", 20 + i / 60000);
		world_udp(&wp, client, (uint16_t)(1024 + i % 60000), "192.0.2.10", 53);
		if (world_send(&w, &wp, FRONT) != PACKET_FORWARD)
			continue;
		EXPECT(steer_slot_of_port(wp.p.sport_be) ==
		       w.nlb->flows.records[w.nlb->flows.used_n - 1].slot);
		back.p = wp.p;
		back.p.src = wp.p.dst;
		back.p.dst = wp.p.src;
		back.p.sport_be = wp.p.dport_be;
		back.p.dport_be = wp.p.sport_be;
		straight += worker_of[rss_hash(key, &back.p) % sizeof(worker_of)] == 1;
		made++;
		if (made == 10000)
			EXPECT(straight == made);
		w.now_ms++;
	}
	EXPECT(made > 252 * 250);
	EXPECT(straight * 10 > made * 4 && straight * 10 < made * 6);
	world_end(&w);
}

/* Slots have one worker modulo the smallest redirection table, however many workers there are. */
static void
test_workers_of_slots(void)
{
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	for (uint16_t workers = 1; workers <= 16; workers++) {
		uint64_t ids[2] = {w.model->interfaces[0].id, w.model->interfaces[1].id};
		struct snapshot_interface interfaces[2] = {{.mtu = 1500}, {.mtu = 1500}};
		struct snapshot_input input = {.model = w.model,
					       .interface_ids = ids,
					       .interfaces = interfaces,
					       .interfaces_n = 2,
					       .workers_n = workers,
					       .steer_modulus = 64};
		unsigned seen[16] = {0};
		char why[512];
		struct snapshot *s = snapshot_build(&w.registries, &input, why, sizeof(why));

		for (unsigned slot = 0; slot < 256; slot++) {
			EXPECT(steer_owner(s, (uint8_t)slot) ==
			       steer_owner(s, (uint8_t)(slot % 64)));
			seen[steer_owner(s, (uint8_t)slot)]++;
		}
		for (unsigned i = 0; i < workers; i++)
			EXPECT(seen[i] >= 256 / workers / 2);
		snapshot_free(s);
	}
	world_end(&w);
}

/* A connection of client port `sport`, closed by FIN from both sides; its last number is `seq`. */
static void
connect_and_close(struct world *w, uint16_t sport, uint32_t seq)
{
	struct world_packet out, back;

	world_tcp(&out, "192.0.2.99", sport, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(w, &out, FRONT) == PACKET_FORWARD);
	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	EXPECT(world_send(w, &back, BACK) == PACKET_FORWARD);
	world_tcp(&out, "192.0.2.99", sport, "192.0.2.10", 80, TCP_FLAG_FIN | TCP_FLAG_ACK, 0);
	bytes_store_be32(out.frame + 14 + 20 + TCP_SEQ, seq - 1);
	EXPECT(world_send(w, &out, FRONT) == PACKET_FORWARD);
	world_reply(&back, &out.p, TCP_FLAG_FIN | TCP_FLAG_ACK);
	EXPECT(world_send(w, &back, BACK) == PACKET_FORWARD);
}

/*
 * One local address, one target, all 252 ports of a slot held by flows that are over but rest: a
 * SYN above a flow's last number, or a second after a RST, takes the port that rests longest.
 */
static void
test_finished_flows_give_up_their_ports(void)
{
	static const char *const config =
		BASE "[listener lb:80]\nprotocol = TCP\ndefault_action = forward one\n"
		     "[target_group one]\nprotocol = TCP\ntarget = 198.51.100.11:8080\n";
	struct ip_addr client = world_addr("192.0.2.99"), other = world_addr("192.0.2.98");
	uint16_t ports[252], others[252], oldest_port_be;
	uint32_t n = 0, others_n = 0;
	struct world_packet out;
	struct world w;

	world_begin(&w, config, 1024, UINT32_MAX - 100);
	for (uint32_t port = 1024; port < 65536; port++) {
		if (steer_slot(&w.nlb->steer, &client, htons((uint16_t)port)) == 77)
			ports[n++] = (uint16_t)port;
		if (steer_slot(&w.nlb->steer, &other, htons((uint16_t)port)) == 77)
			others[others_n++] = (uint16_t)port;
	}
	EXPECT(n == 252 && others_n == 252);
	for (uint32_t i = 0; i < 252; i++) {
		connect_and_close(&w, ports[i], 1000000 + i);
		w.now_ms++;
	}
	EXPECT(w.nlb->flows.in_use == 252 && w.nlb->ports == 252);
	oldest_port_be = w.nlb->flows.records[0].local_port_be;

	/* Not above the last number of any: the target may still wait for that connection's end. */
	world_tcp(&out, "192.0.2.98", others[0], "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	bytes_store_be32(out.frame + 14 + 20 + TCP_SEQ, 1000000);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_DROP && out.p.drop == DROP_PORT_ALLOCATION);
	w.now_ms += SOURCE_PORT_RETRY_MS;

	/* Above that of the second oldest and younger ones' too: the oldest goes. */
	world_tcp(&out, "192.0.2.98", others[1], "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	bytes_store_be32(out.frame + 14 + 20 + TCP_SEQ, 2000000);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	EXPECT(out.p.sport_be == oldest_port_be);
	EXPECT(w.nlb->flows.in_use == 252 && w.nlb->ports == 252);

	/* A RST: soon, whatever the number, unless it was forged. */
	world_tcp(&out, "192.0.2.99", ports[100], "192.0.2.10", 80, TCP_FLAG_RST, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	oldest_port_be = out.p.sport_be;
	world_tcp(&out, "192.0.2.98", others[2], "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	bytes_store_be32(out.frame + 14 + 20 + TCP_SEQ, 5);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_DROP && out.p.drop == DROP_PORT_ALLOCATION);
	w.now_ms += 1000;
	world_tcp(&out, "192.0.2.98", others[2], "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	bytes_store_be32(out.frame + 14 + 20 + TCP_SEQ, 5);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	EXPECT(out.p.sport_be == oldest_port_be);
	EXPECT(w.nlb->flows.in_use == 252 && w.nlb->ports == 252);
	world_end(&w);
}

/* Two listeners, one preserved client socket, one target: the reply tuple can serve one flow. */
static void
test_nat_collision_takes_the_next_target(void)
{
	static const char *const config =
		BASE "[listener lb:80]\nprotocol = TCP\ndefault_action = forward keep\n"
		     "[listener lb:81]\nprotocol = TCP\ndefault_action = forward keep\n"
		     "[target_group keep]\nprotocol = TCP\npreserve_client_ip.enabled = true\n"
		     "target = 198.51.100.21:80\n";
	struct world_packet a, b;
	struct world w;

	world_begin(&w, config, 1024, 1000);
	world_tcp(&a, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &a, FRONT) == PACKET_FORWARD);
	world_tcp(&b, "192.0.2.99", 4000, "192.0.2.10", 81, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &b, FRONT) == PACKET_DROP && b.p.drop == DROP_PORT_ALLOCATION);
	world_end(&w);
}

/* Reordered and shortened configurations: flows keep their targets; what left drains. */
static void
test_reload(void)
{
	static const char *const reordered =
		BASE "[target_group web]\nprotocol = TCP\ntarget = 198.51.100.13:8080\n"
		     "target = 198.51.100.12:8080\ntarget = 198.51.100.11:8080\n"
		     "[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n";
	static const char *const one_left =
		BASE "[target_group web]\nprotocol = TCP\ntarget = 198.51.100.13:8080\n"
		     "[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n";
	struct ip_addr target[100];
	struct world_packet wp;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	for (uint16_t i = 0; i < 100; i++) {
		world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_SYN,
			  0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
		target[i] = wp.p.dst;
	}
	for (int round = 0; round < 2; round++) {
		world_publish(&w, round == 0 ? reordered : one_left);
		for (uint16_t i = 0; i < 100; i++) {
			world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80,
				  TCP_FLAG_ACK, 0);
			EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
			EXPECT(ip_addr_equal(&wp.p.dst, &target[i]));
		}
	}
	for (uint16_t i = 0; i < 50; i++) {
		struct ip_addr left = world_addr("198.51.100.13");

		world_tcp(&wp, "192.0.2.98", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_SYN,
			  0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD &&
		       ip_addr_equal(&wp.p.dst, &left));
	}
	/* The delay is over: flows of the removed targets are closed, the others go on. */
	for (uint32_t i = 1; i < w.snapshot->targets_n; i++) {
		struct ip_addr left = world_addr("198.51.100.13");

		w.snapshot->targets[i].closing =
			!ip_addr_equal(&w.snapshot->targets[i].addr, &left);
		w.snapshot->targets[i].closing_ms = w.now_ms;
	}
	for (uint16_t i = 0; i < 100; i++) {
		struct ip_addr left = world_addr("198.51.100.13");
		bool stays = ip_addr_equal(&target[i], &left);

		world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_ACK,
			  0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
		EXPECT(((packet_l4(&wp.p)[TCP_FLAGS] & TCP_FLAG_RST) == 0) == stays);
	}
	world_end(&w);
}

static void
test_unhealthy_targets_get_no_new_flow(void)
{
	struct ip_addr dead = world_addr("198.51.100.12");
	struct world_packet wp;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	w.unhealthy[1] = true;
	world_build_sets(&w);
	for (uint16_t i = 0; i < 200; i++) {
		world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_SYN,
			  0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD &&
		       !ip_addr_equal(&wp.p.dst, &dead));
	}
	/* All unhealthy: fail open, counted. */
	w.unhealthy[0] = w.unhealthy[2] = true;
	world_build_sets(&w);
	world_tcp(&wp, "192.0.2.98", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
	EXPECT(w.counters.frontends[1].unhealthy_routed == 1);
	world_end(&w);
}

/* Records at another address, every index made anew, in the middle of traffic. */
static void
test_move_and_rebuild(void)
{
	struct world_packet wp, back;
	struct world w;
	void *elsewhere;
	struct nlb *moved;
	struct nlb_settings settings;

	world_begin(&w, CONFIG, 2048, UINT32_MAX - 5000);
	for (uint16_t i = 0; i < 500; i++) {
		world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_SYN,
			  0);
		world_send(&w, &wp, FRONT);
	}
	settings = w.settings;
	elsewhere = world_zeroed(w.nlb_bytes);
	moved = nlb_create(elsewhere, w.nlb_bytes, &settings);
	/* One more was being written when the copy was made: it is half there and no flow. */
	EXPECT(flow_record_take(&w.nlb->flows) == 500);
	w.nlb->flows.records[500].kind = FLOW_KIND_NLB;
	w.nlb->flows.records[500].role = FLOW_ROLE_LOCAL;
	memcpy(moved->flows.records, w.nlb->flows.records, 2048 * sizeof(struct flow_record));
	for (uint32_t i = 0; i < 2048; i++)
		EXPECT((moved->flows.records[i].version & 1) == (i == 500));
	EXPECT(nlb_rebuild(moved, w.snapshot));
	EXPECT(moved->flows.in_use == 500 && moved->ports == 500);
	free(w.nlb_mem);
	w.nlb_mem = elsewhere;
	w.nlb = moved;
	for (uint16_t i = 0; i < 500; i++) {
		world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_ACK,
			  0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD &&
		       wp.p.dport_be == htons(8080));
		world_reply(&back, &wp.p, TCP_FLAG_ACK);
		EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD &&
		       back.p.dport_be == htons((uint16_t)(2000 + i)));
	}
	EXPECT(moved->flows.in_use == 500);
	world_end(&w);
}

/* Both directions, every mode, and ICMP errors about them: one slot. */
static uint8_t
slot_of_arriving(struct world *w, struct world_packet *wp)
{
	struct packet_frame frame = {wp->frame, wp->len, wp->len, WORLD_ROOM};
	struct packet_link link;

	EXPECT(packet_parse_link(&frame, &link) == DROP_NONE);
	EXPECT(packet_parse(&frame, &link, &wp->p) == DROP_NONE);
	return steer_packet_slot(&w->nlb->steer, w->snapshot, &wp->p);
}

/* Both directions, every mode, and ICMP errors about them: one slot. */
static void
test_one_slot_for_a_flow(void)
{
	static const struct {
		const char *client, *vip, *router;
		uint16_t port;
	} rows[] = {{"192.0.2.99", "192.0.2.10", "203.0.113.7", 80},
		    {"192.0.2.99", "192.0.2.10", "203.0.113.7", 81},
		    {"2001:db8:1::99", "2001:db8:1::10", "2001:db8:9::7", 80}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_begin(&w, CONFIG, 1024, 1000);
		for (uint16_t port = 2000; port < 2100; port++) {
			struct world_packet out, other;
			uint8_t slot;

			world_tcp(&out, rows[i].client, port, rows[i].vip, rows[i].port,
				  TCP_FLAG_SYN, 0);
			slot = slot_of_arriving(&w, &out);
			EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
			EXPECT(w.nlb->flows.records[w.nlb->flows.used_n - 1].slot == slot);
			world_reply(&other, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
			EXPECT(slot_of_arriving(&w, &other) == slot);
			make_icmp_error(&other, &out.p, rows[i].router);
			EXPECT(slot_of_arriving(&w, &other) == slot);
			world_reply(&other, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
			EXPECT(world_send(&w, &other, BACK) == PACKET_FORWARD);
			make_icmp_error(&out, &other.p, rows[i].router);
			EXPECT(slot_of_arriving(&w, &out) == slot);
		}
		world_end(&w);
	}
}

/* A listener that left the configuration: its flows go on, new ones find nobody. */
static void
test_removed_listener_drains(void)
{
	static const char *const without =
		BASE "[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n" GROUPS;
	struct world_packet out, back;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 81, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	world_publish(&w, without);
	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 81, TCP_FLAG_ACK, 10);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD && out.p.dport_be == htons(80));
	world_tcp(&out, "192.0.2.99", 4001, "192.0.2.10", 81, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_DROP && out.p.drop == DROP_NO_LISTENER);
	EXPECT(w.nlb->flows.in_use == 1);
	world_end(&w);
}

/* A SYN for a flow that goes on is its target's to answer (RFC 5961); what is forwarded stays. */
static void
test_syn_on_an_established_flow_passes(void)
{
	struct world_packet out, back;
	struct world w;
	uint16_t port_be;

	world_begin(&w, CONFIG, 1024, 1000);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	port_be = out.p.sport_be;
	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	world_send(&w, &back, BACK);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD && out.p.sport_be == port_be);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_ESTABLISHED);
	EXPECT(w.counters.frontends[1].new_flows == 1);
	world_end(&w);
}

/* The target of a flow that it never answered turns unhealthy: the next SYN goes to another. */
static void
test_unanswered_syn_moves_on(void)
{
	struct world_packet out;
	struct ip_addr first;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	first = out.p.dst;
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD && ip_addr_equal(&first, &out.p.dst));
	w.unhealthy[first.b[15] - 11] = true;
	world_build_sets(&w);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD && !ip_addr_equal(&first, &out.p.dst));
	EXPECT(w.nlb->flows.in_use == 1);
	world_end(&w);
}

/* Fragments whose ports nobody has found; ICMP that no flow wants. */
static void
test_unwanted(void)
{
	uint8_t redirect[8 + 28] = {5}, echo_reply[8] = {0};
	static const uint16_t offsets[] = {IPV4_MF, 100};
	struct world_packet wp, flow;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	for (size_t i = 0; i < ARRAY_N(offsets); i++) {
		uint8_t *ip = wp.frame + 14;

		world_udp(&wp, "192.0.2.99", 4000, "192.0.2.10", 53);
		bytes_store_be16(ip + IPV4_FRAG, offsets[i]);
		bytes_store16(ip + IPV4_CHECKSUM, 0);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20));
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_DROP);
		EXPECT(wp.p.drop == DROP_FRAGMENT_UNSUPPORTED);
	}
	world_tcp(&flow, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &flow, FRONT) == PACKET_FORWARD);
	memcpy(redirect + 8, flow.p.l3, 28);
	world_make(&wp, IPPROTO_ICMP, "198.51.100.11", "198.51.100.1", redirect, sizeof(redirect));
	EXPECT(world_send(&w, &wp, BACK) == PACKET_DROP);
	EXPECT(wp.p.drop == DROP_NOT_A_FLOW); /* the parser takes no redirect for an error */
	world_make(&wp, IPPROTO_ICMP, "192.0.2.99", "192.0.2.10", echo_reply, sizeof(echo_reply));
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_DROP && wp.p.drop == DROP_NOT_A_FLOW);
	world_end(&w);
}

/* A flood of packets that must be answered by ICMP: answers are limited, the rest is counted. */
static void
test_icmp_errors_are_limited(void)
{
	uint32_t answered = 0, limited = 0;
	struct world_packet wp;
	struct world w;

	world_begin(&w, CONFIG, 1024, 5000);
	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &wp, FRONT);
	for (uint32_t i = 0; i < ICMP_PER_SECOND + 500; i++) {
		uint8_t *ip = wp.frame + 14;

		world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 0);
		ip[IPV4_TTL] = 1;
		bytes_store16(ip + IPV4_CHECKSUM, 0);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20));
		if (world_send(&w, &wp, FRONT) == PACKET_FORWARD)
			answered++;
		else
			limited += wp.p.drop == DROP_ICMP_RATE_LIMITED;
	}
	EXPECT(answered == ICMP_PER_SECOND && limited == 500);
	world_end(&w);
}

/* Flows are spread over the groups of an action by weight; weight 0 gets none. */
static void
test_weighted_groups(void)
{
	static const char *const config =
		BASE "[listener lb:80]\nprotocol = TCP\n"
		     "default_action = forward a weight 3, b weight 1, c weight 0\n"
		     "[target_group a]\nprotocol = TCP\ntarget = 198.51.100.11:80\n"
		     "[target_group b]\nprotocol = TCP\ntarget = 198.51.100.12:80\n"
		     "[target_group c]\nprotocol = TCP\ntarget = 198.51.100.13:80\n";
	uint32_t flows[3] = {0};
	struct world w;

	world_begin(&w, config, 4096, 1000);
	for (uint16_t i = 0; i < 4000; i++) {
		struct world_packet wp;

		world_tcp(&wp, "192.0.2.99", (uint16_t)(2000 + i), "192.0.2.10", 80, TCP_FLAG_SYN,
			  0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
		flows[wp.p.dst.b[15] - 11]++;
	}
	/* Four standard deviations of 4,000 draws at 3/4: 110. */
	EXPECT(flows[0] > 2890 && flows[0] < 3110 && flows[2] == 0);
	EXPECT(flows[0] + flows[1] == 4000);
	world_end(&w);
}

/* Ports of weir's own connections come from the same place, and their packets are no flow's. */
static void
test_endpoints(void)
{
	struct ip_addr target = world_addr("198.51.100.11"), local;
	static uint8_t seen[65536];
	uint32_t reference;
	uint16_t ports_be[252], port_be;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	for (reference = 1; !ip_addr_is_v4(&w.snapshot->locals[reference].addr) ||
			    w.snapshot->locals[reference].interface != BACK;)
		reference++;
	local = w.snapshot->locals[reference].addr;
	reference = ref_make(reference, w.snapshot->locals[reference].generation);
	for (uint32_t i = 0; i < 252; i++) {
		EXPECT(nlb_endpoint_open(w.nlb, w.snapshot, reference, &target, htons(8080), 9,
					 w.now_ms, &ports_be[i]));
		EXPECT(steer_slot_of_port(ports_be[i]) == 9 && seen[ntohs(ports_be[i])]++ == 0);
	}
	EXPECT(!nlb_endpoint_open(w.nlb, w.snapshot, reference, &target, htons(8080), 9, w.now_ms,
				  &port_be));
	/* Another port of the target, another slot: pools of their own. */
	EXPECT(nlb_endpoint_open(w.nlb, w.snapshot, reference, &target, htons(8081), 9, w.now_ms,
				 &port_be));
	nlb_endpoint_close(w.nlb, &local, port_be, &target, htons(8081));
	EXPECT(w.nlb->flows.in_use == 252 && w.nlb->ports == 252);
	EXPECT(nlb_rebuild(w.nlb, w.snapshot) && w.nlb->ports == 252);

	for (uint32_t i = 0; i < 252; i++) {
		struct world_packet wp;

		world_tcp(&wp, "198.51.100.11", 8080, "198.51.100.1", ntohs(ports_be[i]),
			  TCP_FLAG_ACK, 0);
		EXPECT(world_send(&w, &wp, BACK) == PACKET_ENDPOINT);
		nlb_endpoint_close(w.nlb, &local, ports_be[i], &target, htons(8080));
	}
	nlb_endpoint_close(w.nlb, &local, ports_be[0], &target, htons(8080)); /* nothing there */
	EXPECT(w.nlb->flows.in_use == 0 && w.nlb->ports == 0);
	pass(&w, SOURCE_PORT_RETRY_MS);
	EXPECT(nlb_endpoint_open(w.nlb, w.snapshot, reference, &target, htons(8080), 9, w.now_ms,
				 &port_be));
	pass(&w, 400000); /* no sweep ends it */
	EXPECT(w.nlb->flows.in_use == 1);
	world_end(&w);
}

static void
note_event(void *arg, enum flow_event event, uint32_t record, uint16_t version)
{
	uint32_t *events = arg;

	events[event]++;
	EXPECT(record == 0 && version % 2 == 0);
}

static void
test_journal(void)
{
	uint32_t events[FLOW_CLOSED + 1] = {0};
	struct world_packet out, back;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	w.nlb->journal.on_event = note_event;
	w.nlb->journal.arg = events;
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	EXPECT(events[FLOW_ESTABLISHED] == 1);
	world_reply(&back, &out.p, TCP_FLAG_RST | TCP_FLAG_ACK);
	world_send(&w, &back, BACK);
	EXPECT(events[FLOW_CLOSING] == 1 && events[FLOW_CLOSED] == 0);
	pass(&w, NLB_RESET_MS + 2000);
	EXPECT(events[FLOW_CLOSED] == 1);
	world_end(&w);
}

static void
test_describing(void)
{
	struct flow_info infos[40];
	struct flow_page page = {.flows = infos, .max = 40};
	struct world_packet wp;
	uint32_t seen = 0;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	for (uint16_t i = 0; i < 100; i++) {
		world_tcp(&wp, i < 60 ? "192.0.2.99" : "192.0.2.98", (uint16_t)(2000 + i),
			  "192.0.2.10", 80, TCP_FLAG_SYN, 0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
	}
	page.filter.has_client = true;
	page.filter.client = world_addr("192.0.2.99");
	while (!page.end) {
		nlb_flows_describe(w.nlb, w.snapshot, &page, w.now_ms + 70);
		for (uint32_t i = 0; i < page.n; i++) {
			EXPECT(ip_addr_equal(&infos[i].client, &page.filter.client));
			EXPECT(infos[i].vip_port_be == htons(80) && infos[i].full_nat == 1);
			EXPECT(infos[i].target_port_be == htons(8080));
			EXPECT(infos[i].idle_ms == 70 && infos[i].packets == 1);
			EXPECT(strcmp(flow_state_name(infos[i].state), "new") == 0);
		}
		seen += page.n;
	}
	EXPECT(seen == 60);
	world_end(&w);
}

int
main(void)
{
	test_connections();
	test_udp();
	test_refusals();
	test_mss_is_clamped();
	test_ttl_and_mtu();
	test_icmp_errors();
	test_timeouts(1000);
	test_timeouts(UINT32_MAX - 10000);
	test_resets();
	test_time_wait_on_the_target();
	test_full_table();
	test_ports_run_out();
	test_ports_are_steered();
	test_workers_of_slots();
	test_finished_flows_give_up_their_ports();
	test_nat_collision_takes_the_next_target();
	test_reload();
	test_unhealthy_targets_get_no_new_flow();
	test_move_and_rebuild();
	test_one_slot_for_a_flow();
	test_removed_listener_drains();
	test_syn_on_an_established_flow_passes();
	test_unanswered_syn_moves_on();
	test_unwanted();
	test_icmp_errors_are_limited();
	test_weighted_groups();
	test_endpoints();
	test_journal();
	test_describing();
	return unit_done();
}
