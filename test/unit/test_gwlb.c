/* SPDX-License-Identifier: BSD-3-Clause */
#include "gwlb_world.h"

#define FRONT 0
#define BACK  1
#define FAR   2
#define EAST  3
#define WEST  4

#define INTERFACES                                                                              \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[interface far]\ndevice = c\naddress = 203.0.113.1/24\naddress = 2001:db8:3::1/64\n"   \
	"[interface east]\ndevice = d\n[interface west]\ndevice = e\n"                          \
	"[load_balancer lb]\ntype = gateway\n%s"                                                \
	"[load_balancer other]\ntype = gateway\n"                                               \
	"[listener lb]\ndefault_action = forward fleet\n%s"                                     \
	"[listener other]\ndefault_action = forward guards\n"                                   \
	"[endpoint edge]\nload_balancer = lb\ninterface = front\ninterface = far\n"             \
	"id = 0x0102030405060708\nattachment_id = 0x1112131415161718\n"                         \
	"[endpoint cable]\nload_balancer = other\ninterface = east\ninterface = west\n"         \
	"mode = in_line\n"                                                                      \
	"[target_group fleet]\nprotocol = GENEVE\n%s%s"                                         \
	"[target_group guards]\nprotocol = GENEVE\ntarget = 198.51.100.21:6081\n"
#define FLEET                                                        \
	"target = 198.51.100.11:6081\ntarget = 198.51.100.12:6081\n" \
	"target = 198.51.100.13:6081\n"
#define FLEET6 "target = [2001:db8:2::11]:6081\ntarget = [2001:db8:2::12]:6081\n"

static char config_text[8192];

static const char *
config_of(const char *balancer, const char *listener, const char *group, const char *fleet)
{
	snprintf(config_text, sizeof(config_text), INTERFACES, balancer, listener, group, fleet);
	return config_text;
}

static void
begin(struct gworld *g, const char *group)
{
	gworld_begin(g, config_of("", "", group, FLEET), 1024, 5000);
}

static bool
is_to(const struct packet *p, const char *addr)
{
	struct ip_addr a = world_addr(addr);

	return ip_addr_equal(&p->dst, &a);
}

static bool
is_dropped(const struct packet *p, enum drop_reason reason)
{
	if (p->verdict == PACKET_DROP && p->drop != reason)
		printf("dropped as %s\n", drop_reason_name((enum drop_reason)p->drop));
	return p->verdict == PACKET_DROP && p->drop == reason;
}

/* Both ways of a packet of each kind: what comes out is what went in, one hop further. */
static void
there_and_back(struct gworld *g, struct world_packet *wp, uint16_t interface)
{
	static struct world_packet back;
	uint8_t want[9216];
	uint16_t len = (uint16_t)(wp->len - 14);
	bool v4;

	memcpy(want, wp->frame + 14, len);
	v4 = want[0] >> 4 == 4;
	EXPECT(gworld_send(g, wp, interface) == PACKET_FORWARD);
	EXPECT(wp->p.dport_be == htons(GENEVE_PORT) && wp->p.af == 4);
	EXPECT(wp->p.len == len + GENEVE_OVERHEAD_V4);
	EXPECT(checksum(wp->p.l3, 20) == 0);
	EXPECT(ntohs(wp->p.sport_be) >= 1024);
	gworld_turn_round(&wp->p, &back);
	EXPECT(gworld_receive(g, &back, BACK) == PACKET_FORWARD);
	want[v4 ? IPV4_TTL : IPV6_HOP_LIMIT]--;
	if (v4) {
		bytes_store16(want + IPV4_CHECKSUM, 0);
		bytes_store16(want + IPV4_CHECKSUM, checksum(want, 20));
	}
	EXPECT(back.p.len == len && memcmp(back.p.l3, want, len) == 0);
}

static void
test_every_packet_goes_there_and_back(void)
{
	static struct world_packet wp;
	static const uint8_t gre[12] = {0, 0, 8, 0};
	static const uint8_t echo[12] = {8, 0, 0, 0, 0, 9};
	struct gworld g;
	struct ip_addr target;

	begin(&g, "");
	world_tcp(&wp, "192.0.2.99", 4000, "203.0.113.7", 80, TCP_FLAG_SYN, 0);
	wp.frame[14 + 20 + TCP_OFF] = 0x50; /* no MSS to clamp */
	there_and_back(&g, &wp, FRONT);
	target = wp.p.dst;
	world_tcp(&wp, "203.0.113.7", 80, "192.0.2.99", 4000, TCP_FLAG_SYN | TCP_FLAG_ACK, 0);
	wp.frame[14 + 20 + TCP_OFF] = 0x50;
	there_and_back(&g, &wp, FAR);
	EXPECT(ip_addr_equal(&wp.p.dst, &target));
	EXPECT(gworld_flow(&g, &wp.p)->state == FLOW_STATE_ESTABLISHED);
	EXPECT(gworld_flow(&g, &wp.p)->packets == 2 && g.gwlb->in_use == 1);
	world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 53);
	there_and_back(&g, &wp, FRONT);
	world_udp(&wp, "2001:db8:1::99", 53, "2001:db8:3::7", 53);
	there_and_back(&g, &wp, FRONT);
	world_make(&wp, IPPROTO_ICMP, "192.0.2.99", "203.0.113.7", echo, sizeof(echo));
	there_and_back(&g, &wp, FRONT);
	world_make(&wp, IPPROTO_GRE, "192.0.2.99", "203.0.113.7", gre, sizeof(gre));
	there_and_back(&g, &wp, FRONT);
	EXPECT(g.gwlb->in_use == 5);
	gworld_end(&g);
}

static void
test_the_header_an_appliance_sees(void)
{
	static const uint8_t options[24] = {0x01, 0x08, 1,    2,    1,    2,    3,    4,
					    5,    6,    7,    8,    0x01, 0x08, 2,    2,
					    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
	static struct world_packet wp, back;
	struct flow_gateway *r;
	struct gworld g;
	const uint8_t *geneve;

	begin(&g, "");
	world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 54);
	EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
	r = gworld_flow(&g, &wp.p);
	geneve = wp.p.l3 + 28;
	EXPECT(memcmp(geneve, "\x08\x00\x08\x00\0\0\0\0", 8) == 0);
	EXPECT(memcmp(geneve + 8, options, sizeof(options)) == 0);
	EXPECT(memcmp(geneve + 32, "\x01\x08\x03\x01", 4) == 0);
	EXPECT(memcmp(geneve + 36, &r->cookie_be, 4) == 0);
	EXPECT(gwlb_cookie_slot(ntohl(r->cookie_be)) == r->slot);
	gworld_turn_round(&wp.p, &back);
	EXPECT(gworld_receive(&g, &back, BACK) == PACKET_FORWARD);
	EXPECT((ntohs(wp.p.sport_be) & 0xff) == r->slot);
	gworld_end(&g);
}

static void
test_outer_ipv6(void)
{
	static struct world_packet wp, back;
	struct gworld g;

	gworld_begin(&g, config_of("", "", "", FLEET6), 1024, 5000);
	for (int v6 = 0; v6 < 2; v6++) {
		if (v6)
			world_udp(&wp, "2001:db8:1::99", 53, "2001:db8:3::7", 53);
		else
			world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 53);
		EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
		EXPECT(wp.p.af == 6 && world_checksums(&wp.p));
		gworld_turn_round(&wp.p, &back);
		EXPECT(gworld_receive(&g, &back, BACK) == PACKET_FORWARD);
		EXPECT(back.p.af == (v6 ? 6 : 4) && world_checksums(&back.p));
	}
	gworld_end(&g);
}

/* Ways to spoil what an appliance sends back. */
enum spoil {
	SPOIL_NOTHING,
	SPOIL_VERSION,
	SPOIL_LENGTH,
	SPOIL_LENGTH_PAST_END,
	SPOIL_PROTOCOL,
	SPOIL_CONTROL,
	SPOIL_CRITICAL,
	SPOIL_OPTION_LENGTH,
	SPOIL_ORDER,
	SPOIL_DUPLICATE,
	SPOIL_MISSING,
	SPOIL_COOKIE,
	SPOIL_COOKIE_SLOT,
	SPOIL_SOURCE,
	SPOIL_SOURCE_OTHER_TARGET,
	SPOIL_ENDPOINT,
	SPOIL_ATTACHMENT,
	SPOIL_INNER_GARBAGE,
	SPOIL_INNER_CHECKSUM,
	SPOIL_INNER_SHORT,
	SPOIL_INNER_PORT,
	SPOIL_INNER_ADDRESS,
	SPOIL_INNER_PROTO,
	SPOIL_INNER_TO_US,
	SPOIL_INNER_FROM_US,
	SPOIL_RECURSION,
};

static void
spoil(struct world_packet *back, enum spoil how)
{
	uint8_t *ip = back->frame + 14, *g = ip + 28, *inner = ip + 68, swap[12];
	const uint8_t ours[4] = {203, 0, 113, 1};

	switch (how) {
	case SPOIL_NOTHING:
		break;
	case SPOIL_VERSION:
		g[0] |= 0x40;
		break;
	case SPOIL_LENGTH:
		g[0] = 7;
		break;
	case SPOIL_LENGTH_PAST_END:
		g[0] = 63;
		break;
	case SPOIL_PROTOCOL:
		g[2] = 0x65, g[3] = 0x58;
		break;
	case SPOIL_CONTROL:
		g[1] = 0x80;
		break;
	case SPOIL_CRITICAL:
		g[8] = 0x77, g[10] = 0x81;
		break;
	case SPOIL_OPTION_LENGTH:
		g[11] = 1;
		break;
	case SPOIL_ORDER:
		memcpy(swap, g + 8, 12);
		memcpy(g + 8, g + 20, 12);
		memcpy(g + 20, swap, 12);
		break;
	case SPOIL_DUPLICATE:
		g[22] = 1;
		break;
	case SPOIL_MISSING:
		g[32] = 0x77; /* another class, not critical */
		break;
	case SPOIL_COOKIE:
		g[36] ^= 0x55;
		break;
	case SPOIL_COOKIE_SLOT:
		g[39] ^= 1;
		break;
	case SPOIL_SOURCE:
		ip[IPV4_SRC + 3] = 99;
		break;
	case SPOIL_SOURCE_OTHER_TARGET:
		ip[IPV4_SRC + 3] = ip[IPV4_SRC + 3] == 11 ? 12 : 11;
		break;
	case SPOIL_ENDPOINT:
		g[19] ^= 1;
		break;
	case SPOIL_ATTACHMENT:
		g[31] ^= 1;
		break;
	case SPOIL_INNER_GARBAGE:
		memset(inner, 0xa5, 20);
		break;
	case SPOIL_INNER_CHECKSUM:
		inner[IPV4_CHECKSUM] ^= 1;
		break;
	case SPOIL_INNER_SHORT:
		inner[IPV4_LEN + 1]++;
		bytes_store16(inner + IPV4_CHECKSUM, 0);
		bytes_store16(inner + IPV4_CHECKSUM, checksum(inner, 20));
		break;
	case SPOIL_INNER_PORT:
		inner[20 + 1] ^= 1;
		break;
	case SPOIL_INNER_ADDRESS:
	case SPOIL_INNER_TO_US:
	case SPOIL_INNER_FROM_US:
	case SPOIL_RECURSION:
	case SPOIL_INNER_PROTO:
		if (how == SPOIL_INNER_ADDRESS)
			inner[IPV4_DST + 3] ^= 1;
		else if (how == SPOIL_INNER_PROTO)
			inner[IPV4_PROTO] = IPPROTO_GRE;
		else
			memcpy(inner + (how == SPOIL_INNER_FROM_US ? IPV4_SRC : IPV4_DST), ours, 4);
		if (how == SPOIL_RECURSION)
			bytes_store_be16(inner + 22, GENEVE_PORT);
		bytes_store16(inner + IPV4_CHECKSUM, 0);
		bytes_store16(inner + IPV4_CHECKSUM, checksum(inner, 20));
		break;
	}
	bytes_store16(ip + IPV4_CHECKSUM, 0);
	bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20));
}

static void
test_nothing_else_comes_back(void)
{
	static const struct {
		const char *why;
		enum spoil how;
		enum drop_reason reason;
	} rows[] = {
		{"as it was sent", SPOIL_NOTHING, DROP_NONE},
		{"another version", SPOIL_VERSION, DROP_GENEVE_VERSION},
		{"options cut short", SPOIL_LENGTH, DROP_GENEVE_OPTION_LENGTH},
		{"options longer than the packet", SPOIL_LENGTH_PAST_END, DROP_GENEVE_LENGTH},
		{"Ethernet inside", SPOIL_PROTOCOL, DROP_GENEVE_PROTOCOL},
		{"a control message", SPOIL_CONTROL, DROP_GENEVE_PROTOCOL},
		{"an unknown critical option", SPOIL_CRITICAL, DROP_GENEVE_OPTION_CRITICAL},
		{"an option of another length", SPOIL_OPTION_LENGTH, DROP_GENEVE_OPTION_LENGTH},
		{"options in another order", SPOIL_ORDER, DROP_GENEVE_OPTION_ORDER},
		{"an option twice", SPOIL_DUPLICATE, DROP_GENEVE_OPTION_DUPLICATE},
		{"no cookie", SPOIL_MISSING, DROP_GENEVE_OPTION_MISSING},
		{"a foreign cookie", SPOIL_COOKIE, DROP_GENEVE_COOKIE_FOREIGN},
		{"a cookie of another slot", SPOIL_COOKIE_SLOT, DROP_GENEVE_COOKIE_FOREIGN},
		{"from a stranger", SPOIL_SOURCE, DROP_GENEVE_TARGET_OTHER},
		{"from another appliance", SPOIL_SOURCE_OTHER_TARGET, DROP_GENEVE_TARGET_OTHER},
		{"another endpoint id", SPOIL_ENDPOINT, DROP_GENEVE_ENDPOINT_OTHER},
		{"another attachment id", SPOIL_ATTACHMENT, DROP_GENEVE_ENDPOINT_OTHER},
		{"garbage inside", SPOIL_INNER_GARBAGE, DROP_GENEVE_INNER_INVALID},
		{"an inner checksum wrong", SPOIL_INNER_CHECKSUM, DROP_GENEVE_INNER_INVALID},
		{"an inner packet cut short", SPOIL_INNER_SHORT, DROP_GENEVE_INNER_INVALID},
		{"another inner port", SPOIL_INNER_PORT, DROP_GENEVE_INNER_OTHER},
		{"another inner address", SPOIL_INNER_ADDRESS, DROP_GENEVE_INNER_OTHER},
		{"another inner protocol", SPOIL_INNER_PROTO, DROP_GENEVE_INNER_OTHER},
		{"for weir itself inside", SPOIL_INNER_TO_US, DROP_GENEVE_INNER_OWN},
		{"from weir itself inside", SPOIL_INNER_FROM_US, DROP_GENEVE_INNER_OWN},
		{"GENEVE for weir inside", SPOIL_RECURSION, DROP_GENEVE_RECURSION},
	};
	static struct world_packet wp, back;
	struct gworld g;

	begin(&g, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 54);
		EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
		gworld_turn_round(&wp.p, &back);
		spoil(&back, rows[i].how);
		gworld_receive(&g, &back, BACK);
		EXPECT_ROW(rows[i].why, rows[i].reason == DROP_NONE
						? back.p.verdict == PACKET_FORWARD
						: is_dropped(&back.p, rows[i].reason));
	}
	EXPECT(g.gwlb->in_use == 1);
	/* What lies under a cookie after its flow. */
	g.w.now_ms += GWLB_IDLE_MS;
	for (int i = 0; i < 20; i++, g.w.now_ms += 100)
		gwlb_sweep(g.gwlb, g.w.snapshot, g.w.now_ms);
	EXPECT(g.gwlb->in_use == 0);
	gworld_turn_round(&wp.p, &back);
	gworld_receive(&g, &back, BACK);
	EXPECT(is_dropped(&back.p, DROP_GENEVE_COOKIE_EXPIRED));
	/* The record serves another flow: its cookie may be the same, its packets are not. */
	world_udp(&wp, "192.0.2.98", 53, "203.0.113.7", 54);
	EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
	gworld_receive(&g, &back, BACK);
	EXPECT(back.p.verdict == PACKET_DROP);
	gworld_end(&g);
}

/* A wire: the header it came with, at the other end; TTL kept. */
static void
test_in_line(void)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	static const uint8_t turned[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	static struct world_packet wp, back;
	const struct gwlb_link *link;
	struct gworld g;

	begin(&g, "");
	world_udp(&wp, "192.0.2.99", 53, "192.0.2.98", 54);
	memcpy(wp.frame, macs, 12);
	EXPECT(gworld_send(&g, &wp, EAST) == PACKET_FORWARD);
	EXPECT(is_to(&wp.p, "198.51.100.21"));
	gworld_turn_round(&wp.p, &back);
	EXPECT(gworld_receive(&g, &back, BACK) == PACKET_LINK);
	link = gwlb_link(g.gwlb, back.p.next_hop);
	EXPECT(link != NULL && link->interface == WEST && memcmp(link->macs, macs, 12) == 0);
	EXPECT(back.p.l3[IPV4_TTL] == 64);

	/* An appliance answers in the server's name before that was heard. */
	gworld_turn_round(&wp.p, &back);
	{
		uint8_t *inner = back.frame + 14 + 68, swap[4];

		memcpy(swap, inner + IPV4_SRC, 4);
		memcpy(inner + IPV4_SRC, inner + IPV4_DST, 4);
		memcpy(inner + IPV4_DST, swap, 4);
		memcpy(swap, inner + 20, 2);
		memcpy(inner + 20, inner + 22, 2);
		memcpy(inner + 22, swap, 2);
	}
	EXPECT(gworld_receive(&g, &back, BACK) == PACKET_LINK);
	link = gwlb_link(g.gwlb, back.p.next_hop);
	EXPECT(link != NULL && link->interface == EAST && memcmp(link->macs, turned, 12) == 0);

	gworld_end(&g);
}

static void
test_nothing_crosses(void)
{
	static struct world_packet a, b, back;
	struct gworld g;

	begin(&g, "");
	/* The same tuple by two endpoints: two flows, each to an appliance of its own. */
	world_udp(&a, "192.0.2.99", 53, "203.0.113.7", 54);
	EXPECT(gworld_send(&g, &a, FRONT) == PACKET_FORWARD);
	world_udp(&b, "192.0.2.99", 53, "203.0.113.7", 54);
	EXPECT(gworld_send(&g, &b, EAST) == PACKET_FORWARD);
	EXPECT(g.gwlb->in_use == 2);
	EXPECT(is_to(&b.p, "198.51.100.21") && !is_to(&a.p, "198.51.100.21"));
	/* The other's appliance, with the right cookie. */
	gworld_turn_round(&a.p, &back);
	memcpy(back.frame + 14 + IPV4_SRC, b.p.l3 + IPV4_DST, 4);
	spoil(&back, SPOIL_NOTHING);
	gworld_receive(&g, &back, BACK);
	EXPECT(is_dropped(&back.p, DROP_GENEVE_TARGET_OTHER));
	/* An appliance of this one, with the other's cookie. */
	gworld_turn_round(&a.p, &back);
	memcpy(back.frame + 14 + 28 + 36, b.p.l3 + 28 + 36, 4);
	gworld_receive(&g, &back, BACK);
	EXPECT(is_dropped(&back.p, DROP_GENEVE_TARGET_OTHER));
	/* The right appliance for the cookie, the other's endpoint id. */
	gworld_turn_round(&b.p, &back);
	memcpy(back.frame + 14 + 28 + 12, a.p.l3 + 28 + 12, 8);
	gworld_receive(&g, &back, BACK);
	EXPECT(is_dropped(&back.p, DROP_GENEVE_ENDPOINT_OTHER));
	gworld_end(&g);
}

static void
test_stickiness(void)
{
	static const struct {
		const char *group;
		uint32_t flows;
	} rows[] = {
		{"", 6},
		{"stickiness.enabled = true\nstickiness.type = source_ip_dest_ip_proto\n", 3},
		{"stickiness.enabled = true\nstickiness.type = source_ip_dest_ip\n", 1},
	};
	static const uint8_t gre[12] = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct world_packet wp, back;
		struct gworld g;

		begin(&g, rows[i].group);
		for (uint16_t port = 0; port < 3; port++) {
			world_udp(&wp, "192.0.2.99", (uint16_t)(port / 2 + 50), "203.0.113.7", 54);
			EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
			gworld_turn_round(&wp.p, &back);
			EXPECT(gworld_receive(&g, &back, BACK) == PACKET_FORWARD);
			world_udp(&wp, "203.0.113.7", 54, "192.0.2.99", (uint16_t)(port + 50));
			EXPECT(gworld_send(&g, &wp, FAR) == PACKET_FORWARD);
			world_tcp(&wp, "192.0.2.99", (uint16_t)(port / 2 + 50), "203.0.113.7", 54,
				  TCP_FLAG_SYN, 0);
			EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
		}
		world_make(&wp, IPPROTO_GRE, "192.0.2.99", "203.0.113.7", gre, sizeof(gre));
		EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
		EXPECT(g.gwlb->in_use == rows[i].flows);
		/* TCP without SYN belongs to a flow of addresses. */
		world_tcp(&wp, "192.0.2.97", 1, "203.0.113.7", 2, TCP_FLAG_ACK, 0);
		gworld_send(&g, &wp, FRONT);
		EXPECT(i == 0 ? is_dropped(&wp.p, DROP_NOT_A_FLOW)
			      : wp.p.verdict == PACKET_FORWARD);
		gworld_end(&g);
	}
}

static void
make_error(struct world_packet *wp, const char *src, const char *dst, const uint8_t *quoted,
	   uint16_t len)
{
	uint8_t icmp[8 + 64] = {quoted[0] >> 4 == 4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED};

	memcpy(icmp + 8, quoted, len);
	world_make(wp, quoted[0] >> 4 == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, src, dst, icmp,
		   (uint16_t)(8 + len));
}

static void
test_icmp_errors_follow_what_they_quote(void)
{
	static struct world_packet wp, error, back;
	uint8_t quote[64];
	struct ip_addr target;
	struct gworld g;

	begin(&g, "");
	for (int v6 = 0; v6 < 2; v6++) {
		const char *a = v6 ? "2001:db8:1::99" : "192.0.2.99";
		const char *b = v6 ? "2001:db8:3::7" : "203.0.113.7";
		const char *router = v6 ? "2001:db8:3::77" : "203.0.113.77";
		uint16_t n = v6 ? 52 : 32;

		world_udp(&wp, a, 4000, b, 33434);
		memcpy(quote, wp.frame + 14, n);
		EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
		target = wp.p.dst;
		make_error(&error, router, a, quote, n);
		EXPECT(gworld_send(&g, &error, FAR) == PACKET_FORWARD);
		EXPECT(ip_addr_equal(&error.p.dst, &target));
		EXPECT(gworld_flow(&g, &error.p) == gworld_flow(&g, &wp.p));
		gworld_turn_round(&error.p, &back);
		EXPECT(gworld_receive(&g, &back, BACK) == PACKET_FORWARD);
		EXPECT(is_to(&back.p, a) && world_checksums(&back.p));
		/* About a flow that nobody has seen. */
		quote[n - 12] ^= 1;
		make_error(&error, router, a, quote, n);
		gworld_send(&g, &error, FAR);
		EXPECT(is_dropped(&error.p, DROP_NOT_A_FLOW));
	}
	EXPECT(g.gwlb->in_use == 2);
	gworld_end(&g);
}

/* Sweep for a while. */
static void
pass(struct gworld *g, uint32_t ms)
{
	g->w.now_ms += ms;
	g->gwlb->swept_ms = g->w.now_ms;
	for (int i = 0; i < 20; i++)
		gwlb_sweep(g->gwlb, g->w.snapshot, g->w.now_ms += 100);
}

static void
establish(struct gworld *g, uint16_t port)
{
	static struct world_packet wp;

	world_tcp(&wp, "192.0.2.99", port, "203.0.113.7", 80, TCP_FLAG_SYN, 0);
	EXPECT(gworld_send(g, &wp, FRONT) == PACKET_FORWARD);
	world_tcp(&wp, "203.0.113.7", 80, "192.0.2.99", port, TCP_FLAG_SYN | TCP_FLAG_ACK, 0);
	EXPECT(gworld_send(g, &wp, FAR) == PACKET_FORWARD);
}

static enum packet_verdict
data(struct gworld *g, struct world_packet *wp, uint16_t port)
{
	world_tcp(wp, "192.0.2.99", port, "203.0.113.7", 80, TCP_FLAG_ACK, 10);
	return gworld_send(g, wp, FRONT);
}

static void
test_idle_flows_end(void)
{
	static struct world_packet wp;
	struct gworld g;

	gworld_begin(&g, config_of("", "tcp.idle_timeout.seconds = 60\n", "", FLEET), 1024, 5000);
	establish(&g, 4000);
	world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 54);
	EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
	pass(&g, 56000);
	EXPECT(g.gwlb->in_use == 2 && data(&g, &wp, 4000) == PACKET_FORWARD);
	pass(&g, 60000);
	EXPECT(g.gwlb->in_use == 1); /* 118 s: UDP has 120 */
	data(&g, &wp, 4000);
	EXPECT(is_dropped(&wp.p, DROP_NOT_A_FLOW));
	pass(&g, 10000);
	EXPECT(g.gwlb->in_use == 0);
	gworld_end(&g);
}

static void
test_reset_of_what_was_idle(void)
{
	static struct world_packet wp;
	struct gworld g;

	gworld_begin(&g,
		     config_of("", "send_tcp_reset.on_idle_timeout.enabled = true\n", "", FLEET),
		     1024, 5000);
	establish(&g, 4000);
	pass(&g, 350000);
	EXPECT(g.gwlb->in_use == 0);
	EXPECT(data(&g, &wp, 4000) == PACKET_FORWARD);
	EXPECT(is_to(&wp.p, "192.0.2.99") && world_checksums(&wp.p));
	EXPECT((packet_l4(&wp.p)[TCP_FLAGS] & TCP_FLAG_RST) != 0);
	/* On a wire it goes back where it came from. */
	world_tcp(&wp, "192.0.2.99", 1, "192.0.2.98", 2, TCP_FLAG_ACK, 0);
	gworld_send(&g, &wp, EAST);
	EXPECT(is_dropped(&wp.p, DROP_NOT_A_FLOW)); /* the attribute is the other listener's */
	gworld_end(&g);
}

static void
test_tcp_states(void)
{
	static struct world_packet wp;
	struct gworld g;
	uint32_t first;

	begin(&g, "");
	establish(&g, 4000);
	world_tcp(&wp, "192.0.2.99", 4000, "203.0.113.7", 80, TCP_FLAG_ACK | TCP_FLAG_FIN, 0);
	EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
	first = gworld_flow(&g, &wp.p)->cookie_be;
	EXPECT(gworld_flow(&g, &wp.p)->state == FLOW_STATE_ESTABLISHED);
	world_tcp(&wp, "203.0.113.7", 80, "192.0.2.99", 4000, TCP_FLAG_ACK | TCP_FLAG_FIN, 0);
	EXPECT(gworld_send(&g, &wp, FAR) == PACKET_FORWARD);
	EXPECT(gworld_flow(&g, &wp.p)->state == FLOW_STATE_CLOSING);
	EXPECT(gworld_flow(&g, &wp.p)->cookie_be == first);
	/* A SYN for it begins anew. */
	establish(&g, 4000);
	EXPECT(g.gwlb->in_use == 1);
	/* A RST that the other end contradicts. */
	world_tcp(&wp, "203.0.113.7", 80, "192.0.2.99", 4000, TCP_FLAG_RST, 0);
	EXPECT(gworld_send(&g, &wp, FAR) == PACKET_FORWARD);
	EXPECT(gworld_flow(&g, &wp.p)->state == FLOW_STATE_RESET);
	EXPECT(data(&g, &wp, 4000) == PACKET_FORWARD);
	EXPECT(gworld_flow(&g, &wp.p)->state == FLOW_STATE_ESTABLISHED);
	world_tcp(&wp, "203.0.113.7", 80, "192.0.2.99", 4000, TCP_FLAG_RST, 0);
	EXPECT(gworld_send(&g, &wp, FAR) == PACKET_FORWARD);
	pass(&g, GWLB_RESET_MS);
	EXPECT(g.gwlb->in_use == 0);
	gworld_end(&g);
}

/* What the management core would tell the workers. */
static void
mark(struct gworld *g, uint8_t moving, uint8_t resetting)
{
	for (uint32_t i = 1; i < g->w.snapshot->targets_n; i++) {
		struct snapshot_target *t = &g->w.snapshot->targets[i];
		bool unhealthy = g->w.unhealthy[t->addr.b[15] - 11];

		if (t->addr.b[15] > 13)
			continue;
		t->moving = unhealthy ? moving : 0;
		t->resetting = unhealthy ? resetting : 0;
	}
}

static void
test_failover(void)
{
	static const struct {
		const char *why;
		uint8_t moving, resetting;
	} rows[] = {
		{"no_rebalance: they stay", 0, 0},
		{"rebalance: they move", SNAPSHOT_MOVING_REBALANCE, 0},
		{"reset: they are told", 0, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct world_packet wp, back;
		uint8_t was[32];
		uint32_t n = 0;
		struct gworld g;

		begin(&g, "");
		for (uint16_t k = 0; k < 32; k++) {
			establish(&g, (uint16_t)(4000 + k));
			EXPECT(data(&g, &wp, (uint16_t)(4000 + k)) == PACKET_FORWARD);
			was[k] = wp.p.dst.b[15];
		}
		g.w.unhealthy[1] = true; /* 198.51.100.12 */
		world_build_sets(&g.w);
		mark(&g, rows[i].moving, rows[i].resetting);
		for (uint16_t k = 0; k < 32; k++) {
			EXPECT_ROW(rows[i].why,
				   data(&g, &wp, (uint16_t)(4000 + k)) == PACKET_FORWARD);
			if (was[k] != 12) {
				EXPECT_ROW(rows[i].why, wp.p.dst.b[15] == was[k]);
				continue;
			}
			n++;
			if (rows[i].resetting) {
				EXPECT((packet_l4(&wp.p)[TCP_FLAGS] & TCP_FLAG_RST) != 0 &&
				       is_to(&wp.p, "192.0.2.99"));
				/* A new attempt gets a healthy one. */
				establish(&g, (uint16_t)(4000 + k));
				EXPECT(data(&g, &wp, (uint16_t)(4000 + k)) == PACKET_FORWARD);
				EXPECT(wp.p.dst.b[15] != 12 && wp.p.proto == IPPROTO_UDP);
				continue;
			}
			EXPECT_ROW(rows[i].why, (wp.p.dst.b[15] == 12) == (rows[i].moving == 0));
			was[k] = wp.p.dst.b[15];
			gworld_turn_round(&wp.p, &back);
			EXPECT(gworld_receive(&g, &back, BACK) == PACKET_FORWARD);
		}
		EXPECT(n > 0 && n < 32);
		/* Healthy again: who moved stays where it is. */
		g.w.unhealthy[1] = false;
		world_build_sets(&g.w);
		mark(&g, 0, 0);
		for (uint16_t k = 0; k < 32 && !rows[i].resetting; k++) {
			EXPECT(data(&g, &wp, (uint16_t)(4000 + k)) == PACKET_FORWARD);
			EXPECT_ROW(rows[i].why, wp.p.dst.b[15] == was[k]);
		}
		gworld_end(&g);
	}
}

static void
test_no_target_is_healthy(void)
{
	static const struct {
		const char *why, *group;
		enum snapshot_fail_mode mode;
	} rows[] = {
		{"open", "", SNAPSHOT_FAIL_OPEN},
		{"close", "weir.fail_mode = fail_close\n", SNAPSHOT_FAIL_CLOSE},
		{"bypass", "weir.fail_mode = bypass\n", SNAPSHOT_FAIL_BYPASS},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct world_packet wp;
		struct gworld g;

		begin(&g, rows[i].group);
		establish(&g, 4000);
		memset(g.w.unhealthy, 1, sizeof(g.w.unhealthy));
		world_build_sets(&g.w);
		mark(&g, rows[i].mode == SNAPSHOT_FAIL_BYPASS ? SNAPSHOT_MOVING_BYPASS : 0, 0);
		world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 54);
		gworld_send(&g, &wp, FRONT);
		if (rows[i].mode == SNAPSHOT_FAIL_OPEN)
			EXPECT(wp.p.verdict == PACKET_FORWARD && wp.p.dport_be == htons(6081));
		else if (rows[i].mode == SNAPSHOT_FAIL_CLOSE)
			EXPECT(is_dropped(&wp.p, DROP_TARGET_UNHEALTHY));
		else
			EXPECT(wp.p.verdict == PACKET_FORWARD && is_to(&wp.p, "203.0.113.7") &&
			       wp.p.l3[IPV4_TTL] == 63 && world_checksums(&wp.p));
		/* The old flow: only bypass takes it away from its appliance. */
		EXPECT(data(&g, &wp, 4000) == PACKET_FORWARD);
		EXPECT_ROW(rows[i].why,
			   is_to(&wp.p, "203.0.113.7") == (rows[i].mode == SNAPSHOT_FAIL_BYPASS));
		/* And in the middle of a connection that nobody knows. */
		data(&g, &wp, 4999);
		EXPECT_ROW(rows[i].why, rows[i].mode == SNAPSHOT_FAIL_BYPASS
						? wp.p.verdict == PACKET_FORWARD
						: is_dropped(&wp.p, DROP_NOT_A_FLOW));
		/* Healthy again: what was begun by the way goes on so. */
		memset(g.w.unhealthy, 0, sizeof(g.w.unhealthy));
		world_build_sets(&g.w);
		mark(&g, 0, 0);
		EXPECT(data(&g, &wp, 4000) == PACKET_FORWARD && !is_to(&wp.p, "203.0.113.7"));
		world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 54);
		EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
		EXPECT_ROW(rows[i].why,
			   is_to(&wp.p, "203.0.113.7") == (rows[i].mode == SNAPSHOT_FAIL_BYPASS));
		gworld_end(&g);
	}
}

/* A host's next hop, so that its MTU is known. */
static void
resolve(struct gworld *g, const char *addr, uint16_t interface, uint16_t mtu)
{
	struct ip_addr a = world_addr(addr);
	struct next_hop_copy copy = {
		.interface = interface, .port = interface, .mtu = mtu, .l2_len = 14};

	next_hop_resolve(&g->w.hops, next_hop_add(&g->w.hops, interface, &a), &copy);
}

static void
test_lengths(void)
{
	static const struct {
		const char *why;
		bool tell, v6;
		uint16_t mtu, len, limit; /* limit 0: it passes */
	} rows[] = {
		{"8,500 bytes pass", false, false, 9100, 8500, 0},
		{"8,501 do not", false, false, 9100, 8501, 8500},
		{"and the sender is told", true, false, 9100, 8501, 8500},
		{"by IPv6 too", true, true, 9100, 8501, 8500},
		{"68 bytes are the outer header's", false, false, 1500, 1432, 0},
		{"one more is too many", true, false, 1500, 1433, 1432},
		{"never less than IPv6 must carry", true, true, 1300, 1300, 1280},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct world_packet wp;
		static uint8_t udp[9000];
		struct gworld g;

		gworld_begin(&g,
			     config_of(rows[i].tell ? "icmp_mtu_exceeded.enabled = true\n" : "", "",
				       "", FLEET),
			     1024, 5000);
		resolve(&g, "198.51.100.11", BACK, rows[i].mtu);
		resolve(&g, "198.51.100.12", BACK, rows[i].mtu);
		resolve(&g, "198.51.100.13", BACK, rows[i].mtu);
		bytes_store_be16(udp, 53);
		bytes_store_be16(udp + 2, 54);
		bytes_store_be16(udp + 4, (uint16_t)(rows[i].len - (rows[i].v6 ? 40 : 20)));
		world_make(&wp, IPPROTO_UDP, rows[i].v6 ? "2001:db8:1::99" : "192.0.2.99",
			   rows[i].v6 ? "2001:db8:3::7" : "203.0.113.7", udp,
			   (uint16_t)(rows[i].len - (rows[i].v6 ? 40 : 20)));
		gworld_send(&g, &wp, FRONT);
		if (rows[i].limit == 0) {
			EXPECT_ROW(rows[i].why,
				   wp.p.verdict == PACKET_FORWARD &&
					   wp.p.len == rows[i].len + GENEVE_OVERHEAD_V4);
		} else if (!rows[i].tell) {
			EXPECT_ROW(rows[i].why, is_dropped(&wp.p, DROP_PACKET_TOO_BIG));
		} else {
			EXPECT_ROW(rows[i].why, wp.p.verdict == PACKET_FORWARD);
			EXPECT(is_to(&wp.p, rows[i].v6 ? "2001:db8:1::99" : "192.0.2.99"));
			EXPECT(world_checksums(&wp.p));
			EXPECT_ROW(rows[i].why,
				   (rows[i].v6 ? bytes_load_be32(packet_l4(&wp.p) + ICMPV6_MTU)
					       : bytes_load_be16(packet_l4(&wp.p) + ICMP_MTU)) ==
					   rows[i].limit);
			EXPECT(g.w.counters.drops[DROP_PACKET_TOO_BIG] == 1);
		}
		gworld_end(&g);
	}
}

static void
test_mss_is_clamped(void)
{
	static struct world_packet wp;
	struct gworld g;

	begin(&g, "");
	world_tcp(&wp, "192.0.2.99", 4000, "203.0.113.7", 80, TCP_FLAG_SYN, 0);
	EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
	EXPECT(bytes_load_be16(wp.p.l3 + 68 + 20 + 23) == 1500 - 68 - 40);
	EXPECT(checksum_fold(world_l4_sum(wp.p.l3 + 68, (uint16_t)(wp.p.len - 68))) == 0xffff);
	gworld_end(&g);
}

static void
test_the_last_hop(void)
{
	static struct world_packet wp;
	struct gworld g;

	begin(&g, "");
	world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 54);
	wp.frame[14 + IPV4_TTL] = 1;
	bytes_store16(wp.frame + 14 + IPV4_CHECKSUM, 0);
	bytes_store16(wp.frame + 14 + IPV4_CHECKSUM, checksum(wp.frame + 14, 20));
	EXPECT(gworld_send(&g, &wp, FRONT) == PACKET_FORWARD);
	EXPECT(packet_l4(&wp.p)[0] == ICMP_TIME_EXCEEDED && is_to(&wp.p, "192.0.2.99"));
	EXPECT(g.gwlb->in_use == 0 && g.w.counters.drops[DROP_TTL_EXCEEDED] == 1);
	gworld_end(&g);
}

static void
test_who_may_not_enter(void)
{
	static struct world_packet wp;
	struct gworld g;

	begin(&g, "");
	world_udp(&wp, "198.51.100.1", 53, "203.0.113.7", 54);
	gworld_send(&g, &wp, FRONT);
	EXPECT(is_dropped(&wp.p, DROP_IP_SOURCE_SPOOFED));
	g.w.snapshot->frontends[ref_index(g.w.snapshot->endpoints[1].frontend)].draining = 1;
	world_udp(&wp, "192.0.2.99", 53, "203.0.113.7", 54);
	gworld_send(&g, &wp, FRONT);
	EXPECT(is_dropped(&wp.p, DROP_NO_LISTENER));
	gworld_end(&g);
}

static void
test_the_table_is_full(void)
{
	static struct world_packet wp;
	struct gworld g;

	gworld_begin(&g, config_of("", "", "", FLEET), 8, 5000);
	for (uint16_t i = 0; i < 9; i++) {
		world_tcp(&wp, "192.0.2.99", (uint16_t)(4000 + i), "203.0.113.7", 80, TCP_FLAG_SYN,
			  0);
		gworld_send(&g, &wp, FRONT);
		EXPECT(i < 8 ? wp.p.verdict == PACKET_FORWARD
			     : is_dropped(&wp.p, DROP_FLOW_TABLE_FULL));
	}
	EXPECT(g.w.counters.frontends[ref_index(g.w.snapshot->endpoints[1].frontend)]
		       .rejected_tcp == 1);
	gworld_end(&g);
}

static void
test_reload(void)
{
	static struct world_packet wp, back;
	struct gworld g;
	struct ip_addr target;

	begin(&g, "");
	establish(&g, 4000);
	EXPECT(data(&g, &wp, 4000) == PACKET_FORWARD);
	target = wp.p.dst;
	/* In another order: nothing moves. */
	world_publish(&g.w, config_of("", "", "",
				      "target = 198.51.100.13:6081\ntarget = 198.51.100.12:6081\n"
				      "target = 198.51.100.11:6081\n"));
	EXPECT(data(&g, &wp, 4000) == PACKET_FORWARD && ip_addr_equal(&wp.p.dst, &target));
	/* Its target leaves: it drains. */
	world_publish(&g.w, config_of("", "", "", "target = 198.51.100.14:6081\n"));
	EXPECT(data(&g, &wp, 4000) == PACKET_FORWARD && ip_addr_equal(&wp.p.dst, &target));
	gworld_turn_round(&wp.p, &back);
	EXPECT(gworld_receive(&g, &back, BACK) == PACKET_FORWARD);
	gworld_end(&g);
}

static void
test_rebuild(void)
{
	static struct world_packet wp, back;
	struct gworld g;

	begin(&g, "");
	for (uint16_t k = 0; k < 100; k++)
		establish(&g, (uint16_t)(4000 + k));
	EXPECT(nlb_rebuild(g.w.nlb, g.w.snapshot));
	gwlb_rebuild(g.gwlb);
	EXPECT(g.gwlb->in_use == 100 && g.w.nlb->flows.in_use == 100 && g.w.nlb->ports == 0);
	for (uint16_t k = 0; k < 100; k++) {
		EXPECT(data(&g, &wp, (uint16_t)(4000 + k)) == PACKET_FORWARD);
		gworld_turn_round(&wp.p, &back);
		EXPECT(gworld_receive(&g, &back, BACK) == PACKET_FORWARD);
	}
	EXPECT(g.gwlb->in_use == 100);
	gworld_end(&g);
}

static void
test_cookies(void)
{
	struct gwlb_cookie_key key = {{1, 2, 3, 4}};
	static uint8_t seen[1 << 21];
	uint32_t doubles = 0, wrong = 0;

	for (uint32_t i = 0; i < GWLB_COOKIE_RECORDS; i++) {
		uint32_t cookie = gwlb_cookie(&key, i, 0x5a), at = cookie >> 8;

		doubles += seen[at / 8] >> (at % 8) & 1;
		seen[at / 8] |= (uint8_t)(1 << at % 8);
		wrong += gwlb_cookie_record(&key, cookie) != i || gwlb_cookie_slot(cookie) != 0x5a;
	}
	EXPECT(doubles == 0 && wrong == 0);
}

int
main(void)
{
	test_every_packet_goes_there_and_back();
	test_the_header_an_appliance_sees();
	test_outer_ipv6();
	test_nothing_else_comes_back();
	test_in_line();
	test_nothing_crosses();
	test_stickiness();
	test_icmp_errors_follow_what_they_quote();
	test_idle_flows_end();
	test_reset_of_what_was_idle();
	test_tcp_states();
	test_failover();
	test_no_target_is_healthy();
	test_lengths();
	test_mss_is_clamped();
	test_the_last_hop();
	test_who_may_not_enter();
	test_the_table_is_full();
	test_reload();
	test_rebuild();
	test_cookies();
	return unit_done();
}
