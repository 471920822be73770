/* SPDX-License-Identifier: BSD-3-Clause */
/* Security groups: who may begin flows, and towards which targets. */
#include "nlb_world.h"

#define FRONT 0
#define BACK  1

#define BASE(groups)                                                                            \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n" groups                     \
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n" groups                \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"                      \
	"[listener lb:8080]\nprotocol = TCP\ndefault_action = forward web\n"                    \
	"[listener lb:53]\nprotocol = TCP_UDP\ndefault_action = forward dns\n"                  \
	"[listener lb6:80]\nprotocol = TCP\ndefault_action = forward web6\n"                    \
	"[target_group web]\nprotocol = TCP\ntarget = 198.51.100.11:80\n"                       \
	"[target_group dns]\nprotocol = TCP_UDP\ntarget = 198.51.100.12:53\n"                   \
	"[target_group web6]\nprotocol = TCP\ntarget = [2001:db8:2::11]:80\n"

#define TWO "security_group = one\nsecurity_group = two\n"

static enum packet_verdict
begin(struct world *w, struct world_packet *wp, const char *client, uint16_t sport, const char *vip,
      uint16_t port, bool udp)
{
	if (udp)
		world_udp(wp, client, sport, vip, port);
	else
		world_tcp(wp, client, sport, vip, port, TCP_FLAG_SYN, 0);
	return world_send(w, wp, FRONT);
}

static struct frontend_counters
sum_of(const struct world *w)
{
	struct frontend_counters sum = {0};

	for (uint32_t i = 0; i < w->snapshot->frontends_n; i++) {
		const struct frontend_counters *c = &w->counters.frontends[i];

		sum.new_flows += c->new_flows;
		sum.rejected_flows += c->rejected_flows;
		sum.rejected_tcp += c->rejected_tcp;
		sum.blocked_in_tcp += c->blocked_in_tcp;
		sum.blocked_in_udp += c->blocked_in_udp;
		sum.blocked_out_tcp += c->blocked_out_tcp;
		sum.blocked_out_udp += c->blocked_out_udp;
	}
	return sum;
}

static void
test_inbound(void)
{
	static const struct {
		const char *why, *client, *vip, *rules; /* of the groups `one` and `two` */
		uint16_t port;
		bool udp, passes;
	} rows[] = {
		{"no rule", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\n[security_group two]\n", 80, false, false},
		{"its port and prefix", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = tcp 80 192.0.2.0/24\n[security_group two]\n", 80,
		 false, true},
		{"the second group's rule", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\n[security_group two]\ninbound = tcp 80 192.0.2.0/24\n", 80,
		 false, true},
		{"another port", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = tcp 80 192.0.2.0/24\n[security_group two]\n",
		 8080, false, false},
		{"a range of ports", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = tcp 80-8080 192.0.2.0/24\n[security_group two]\n",
		 8080, false, true},
		{"another source", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = tcp 80 10.0.0.0/8\n[security_group two]\n", 80,
		 false, false},
		{"a narrower rule beside a wider one", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = tcp 80 192.0.2.0/24\n"
		 "inbound = tcp 80 192.0.2.98/32\n[security_group two]\n",
		 80, false, true},
		{"TCP's rule for UDP", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = tcp all 0.0.0.0/0\n[security_group two]\n", 53,
		 true, false},
		{"UDP's rule for TCP", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = udp 53 0.0.0.0/0\n[security_group two]\n", 53,
		 false, false},
		{"UDP's rule", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\ninbound = udp 53 0.0.0.0/0\n[security_group two]\n", 53,
		 true, true},
		{"all protocols", "192.0.2.99", "192.0.2.10",
		 "[security_group one]\n[security_group two]\ninbound = all all 0.0.0.0/0\n", 53,
		 true, true},
		{"IPv4's rule for IPv6", "2001:db8:1::99", "2001:db8:1::10",
		 "[security_group one]\ninbound = all all 0.0.0.0/0\n[security_group two]\n", 80,
		 false, false},
		{"IPv6's rule", "2001:db8:1::99", "2001:db8:1::10",
		 "[security_group one]\ninbound = tcp 80 2001:db8::/32\n[security_group two]\n", 80,
		 false, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frontend_counters sum;
		struct world_packet wp;
		char config[4096];
		struct world w;

		snprintf(config, sizeof(config), "%s%s", BASE(TWO), rows[i].rules);
		world_begin(&w, config, 1024, 1000);
		EXPECT_ROW(rows[i].why,
			   begin(&w, &wp, rows[i].client, 4000, rows[i].vip, rows[i].port,
				 rows[i].udp) == (rows[i].passes ? PACKET_FORWARD : PACKET_DROP));
		EXPECT_ROW(rows[i].why, rows[i].passes || wp.p.drop == DROP_SECURITY_GROUP);
		sum = sum_of(&w);
		EXPECT_ROW(rows[i].why, sum.new_flows == rows[i].passes);
		EXPECT_ROW(rows[i].why, sum.blocked_in_tcp == (!rows[i].passes && !rows[i].udp));
		EXPECT_ROW(rows[i].why, sum.blocked_in_udp == (!rows[i].passes && rows[i].udp));
		EXPECT_ROW(rows[i].why, sum.rejected_flows == 0);
		world_end(&w);
	}
}

/* Rules are for new flows: those that are there go on, both ways; strangers get no RST. */
static void
test_stateful(void)
{
	static const char *const open = BASE(
		TWO) "[security_group one]\ninbound = tcp 80 192.0.2.0/24\n[security_group two]\n";
	static const char *const shut = BASE(TWO) "[security_group one]\n[security_group two]\n";
	struct world_packet out, back;
	struct world w;

	world_begin(&w, open, 1024, 1000);
	EXPECT(begin(&w, &out, "192.0.2.99", 4000, "192.0.2.10", 80, false) == PACKET_FORWARD);
	world_publish(&w, shut);
	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	EXPECT(world_send(&w, &back, BACK) == PACKET_FORWARD);
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 10);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	EXPECT(begin(&w, &out, "192.0.2.99", 4001, "192.0.2.10", 80, false) == PACKET_DROP);
	world_tcp(&out, "192.0.2.98", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 10);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_DROP && out.p.drop == DROP_SECURITY_GROUP);
	EXPECT(sum_of(&w).blocked_in_tcp == 1); /* flows, not segments */
	world_publish(&w, open);
	EXPECT(begin(&w, &out, "192.0.2.99", 4001, "192.0.2.10", 80, false) == PACKET_FORWARD);
	world_end(&w);
}

/* Where connections end at weir, the engine knows them: rules are for segments that open one. */
static void
test_stateful_where_connections_end(void)
{
	static const char *const rules = BASE(TWO) "[security_group one]\n[security_group two]\n";
	static const struct {
		const char *client, *vip;
	} rows[] = {{"192.0.2.99", "192.0.2.10"}, {"2001:db8:1::99", "2001:db8:1::10"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world_packet wp;
		struct world w;

		world_begin(&w, rules, 1024, 1000);
		for (uint32_t f = 1; f < w.snapshot->frontends_n; f++)
			w.snapshot->frontends[f].terminates = 1;
		world_tcp(&wp, rows[i].client, 4000, rows[i].vip, 80, TCP_FLAG_ACK, 10);
		EXPECT_ROW(rows[i].vip, world_send(&w, &wp, FRONT) == PACKET_ENDPOINT);
		world_tcp(&wp, rows[i].client, 4000, rows[i].vip, 80, TCP_FLAG_SYN, 0);
		EXPECT_ROW(rows[i].vip, world_send(&w, &wp, FRONT) == PACKET_DROP);
		EXPECT_ROW(rows[i].vip, wp.p.drop == DROP_SECURITY_GROUP);
		world_end(&w);
	}
}

static void
test_outbound(void)
{
	static const struct {
		const char *why, *outbound;
		bool web, dns_tcp, dns_udp;
	} rows[] = {
		{"no rule: all", "", true, true, true},
		{"one target", "outbound = tcp 80 198.51.100.11/32\n", true, false, false},
		{"one port of all", "outbound = udp 53 0.0.0.0/0\n", false, false, true},
		{"the listener's port is not the target's", "outbound = tcp 8080 0.0.0.0/0\n",
		 false, false, false},
		{"all", "outbound = all all 198.51.100.0/24\n", true, true, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct frontend_counters sum;
		struct world_packet wp;
		char config[4096];
		struct world w;

		snprintf(config, sizeof(config),
			 "%s[security_group one]\ninbound = all all 0.0.0.0/0\n%s",
			 BASE("security_group = one\n"), rows[i].outbound);
		world_begin(&w, config, 1024, 1000);
		EXPECT_ROW(rows[i].why, (begin(&w, &wp, "192.0.2.99", 1, "192.0.2.10", 80, false) ==
					 PACKET_FORWARD) == rows[i].web);
		EXPECT_ROW(rows[i].why, (begin(&w, &wp, "192.0.2.99", 2, "192.0.2.10", 53, false) ==
					 PACKET_FORWARD) == rows[i].dns_tcp);
		EXPECT_ROW(rows[i].why, (begin(&w, &wp, "192.0.2.99", 3, "192.0.2.10", 53, true) ==
					 PACKET_FORWARD) == rows[i].dns_udp);
		sum = sum_of(&w);
		EXPECT_ROW(rows[i].why,
			   sum.blocked_out_tcp == (uint64_t)!rows[i].web + !rows[i].dns_tcp);
		EXPECT_ROW(rows[i].why, sum.blocked_out_udp == !rows[i].dns_udp);
		EXPECT_ROW(rows[i].why, sum.rejected_flows == 0 && sum.rejected_tcp == 0);
		EXPECT_ROW(rows[i].why, w.nlb->flows.in_use == sum.new_flows);
		world_end(&w);
	}
}

int
main(void)
{
	test_inbound();
	test_stateful();
	test_stateful_where_connections_end();
	test_outbound();
	return unit_done();
}
