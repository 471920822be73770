/* SPDX-License-Identifier: BSD-3-Clause */
/* Which target group and target a new flow gets: stickiness by the client's address. */
#include "nlb_world.h"

#define FRONT 0

#define BASE                                                                                    \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"                            \
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n"

#define TARGETS                                                                             \
	"stickiness.enabled = true\ntarget = 198.51.100.11:80\ntarget = 198.51.100.12:80\n" \
	"target = 198.51.100.13:80\ntarget = 198.51.100.14:80\n"

static const char sticky[] =
	BASE "[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"
	     "[listener lb:81]\nprotocol = TCP\ndefault_action = forward web\n"
	     "[listener lb:53]\nprotocol = UDP\ndefault_action = forward dns\n"
	     "[listener lb6:80]\nprotocol = TCP\ndefault_action = forward web6\n"
	     "[target_group web]\nprotocol = TCP\n" TARGETS
	     "[target_group dns]\nprotocol = UDP\npreserve_client_ip.enabled = false\n" TARGETS
	     "[target_group web6]\nprotocol = TCP\nstickiness.enabled = true\n"
	     "target = [2001:db8:2::11]:80\ntarget = [2001:db8:2::12]:80\n";

/* The last byte of the target's address that a flow gets. */
static uint8_t
target_of(struct world *w, const char *client, uint16_t sport, const char *vip, uint16_t port)
{
	struct world_packet wp;

	if (port == 53)
		world_udp(&wp, client, sport, vip, port);
	else
		world_tcp(&wp, client, sport, vip, port, TCP_FLAG_SYN, 0);
	EXPECT(world_send(w, &wp, FRONT) == PACKET_FORWARD);
	return wp.p.dst.b[15];
}

static void
test_a_client_keeps_its_target(void)
{
	static const struct {
		const char *why, *client, *vip;
		uint16_t port, other_port;
		uint32_t targets;
	} rows[] = {
		{"TCP, two listeners", "192.0.2.%u", "192.0.2.10", 80, 81, 4},
		{"UDP", "192.0.2.%u", "192.0.2.10", 53, 53, 4},
		{"IPv6", "2001:db8:1::%x", "2001:db8:1::10", 80, 80, 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t seen = 0;
		struct world w;

		world_begin(&w, sticky, 4096, 1000);
		for (unsigned c = 20; c < 100; c++) {
			char client[IP_ADDR_TEXT_MAX];
			uint8_t first;

			snprintf(client, sizeof(client), rows[i].client, c);
			first = target_of(&w, client, 2000, rows[i].vip, rows[i].port);
			for (uint16_t k = 1; k < 8; k++)
				EXPECT_ROW(rows[i].why,
					   target_of(&w, client, (uint16_t)(2000 + k), rows[i].vip,
						     k % 2 != 0 ? rows[i].other_port
								: rows[i].port) == first);
			seen |= 1u << first % 16;
		}
		/* Clients are spread over all targets. */
		EXPECT_ROW(rows[i].why, (uint32_t)__builtin_popcount(seen) == rows[i].targets);
		world_end(&w);
	}
}

/* A sick target's clients move, the others don't. */
static void
test_health_moves_only_its_own(void)
{
	uint8_t before[200];
	uint32_t moved = 0;
	struct world w;

	world_begin(&w, sticky, 4096, 1000);
	for (unsigned c = 20; c < 200; c++) {
		char client[IP_ADDR_TEXT_MAX];

		snprintf(client, sizeof(client), "192.0.2.%u", c);
		before[c] = target_of(&w, client, 2000, "192.0.2.10", 80);
	}
	w.unhealthy[1] = true;
	world_build_sets(&w);
	for (unsigned c = 20; c < 200; c++) {
		char client[IP_ADDR_TEXT_MAX];
		uint8_t now;

		snprintf(client, sizeof(client), "192.0.2.%u", c);
		now = target_of(&w, client, 2001, "192.0.2.10", 80);
		EXPECT(now == before[c] || before[c] == 12);
		EXPECT(now != 12);
		moved += now != before[c];
	}
	EXPECT(moved > 20);
	world_end(&w);
}

/* Weighted groups: with stickiness of the action a client keeps its group, without not. */
static void
test_sticky_groups(void)
{
	static const char *const actions[] = {"forward a weight 3, b weight 1",
					      "forward a weight 3, b weight 1 stickiness 60"};

	for (int is_sticky = 0; is_sticky < 2; is_sticky++) {
		uint32_t flows[2] = {0}, both = 0;
		char config[2048];
		struct world w;

		snprintf(config, sizeof(config),
			 BASE "[listener lb:80]\nprotocol = TCP\ndefault_action = %s\n"
			      "[target_group a]\nprotocol = TCP\ntarget = 198.51.100.11:80\n"
			      "[target_group b]\nprotocol = TCP\ntarget = 198.51.100.12:80\n",
			 actions[is_sticky]);
		world_begin(&w, config, 8192, 1000);
		for (unsigned c = 20; c < 220; c++) {
			uint32_t own[2] = {0};

			for (uint16_t k = 0; k < 16; k++) {
				char client[IP_ADDR_TEXT_MAX];

				snprintf(client, sizeof(client), "192.0.2.%u", c);
				own[target_of(&w, client, (uint16_t)(2000 + k), "192.0.2.10", 80) -
				    11]++;
			}
			flows[0] += own[0];
			flows[1] += own[1];
			both += own[0] > 0 && own[1] > 0;
		}
		/* 200 draws at 3/4: 150, and four standard deviations of 6. */
		EXPECT(flows[0] > 16 * 125 && flows[0] < 16 * 175);
		EXPECT(flows[0] + flows[1] == 16 * 200);
		EXPECT(is_sticky ? both == 0 : both > 150);
		world_end(&w);
	}
}

/* Without balancing across zones an address has its zone's targets, with it all. */
static void
test_zones(void)
{
	for (int cross = 0; cross < 2; cross++) {
		uint32_t seen[3] = {0};
		char config[2048];
		struct world w;

		snprintf(config, sizeof(config),
			 "[system]\nzone = zone-a\n"
			 "[interface front]\ndevice = a\naddress = 192.0.2.1/24\n"
			 "[interface back]\ndevice = b\naddress = 198.51.100.1/24\n"
			 "[load_balancer lb]\ntype = network\naddress = 192.0.2.10 zone=zone-a\n"
			 "address = 192.0.2.11 zone=zone-b\naddress = 192.0.2.12\n"
			 "load_balancing.cross_zone.enabled = %s\n"
			 "[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"
			 "[target_group web]\nprotocol = TCP\ntarget = 198.51.100.11:80\n"
			 "target = 198.51.100.12:80 zone=zone-a\n"
			 "target = 198.51.100.13:80 zone=zone-b\n",
			 cross ? "true" : "false");
		world_begin(&w, config, 4096, 1000);
		for (unsigned v = 0; v < 3; v++) {
			char vip[IP_ADDR_TEXT_MAX];

			snprintf(vip, sizeof(vip), "192.0.2.%u", 10 + v);
			for (uint16_t k = 0; k < 100; k++)
				seen[v] |= 1u << (target_of(&w, "192.0.2.99", (uint16_t)(2000 + k),
							    vip, 80) -
						  11);
		}
		EXPECT(seen[0] == (cross ? 7 : 3)); /* no zone: the box's */
		EXPECT(seen[1] == (cross ? 7 : 4));
		EXPECT(seen[2] == seen[0]);
		world_end(&w);
	}
}

/* A load balancer of both families: a rule for one version, the default action for the other. */
static void
test_versions(void)
{
	static const char *const rules[] = {
		"[rule both:80 5]\ncondition.source_ip = ::/0\naction = forward six\n",
		"[rule both:80 7]\ncondition.source_ip = ::/0\naction = forward other\n"
		"[rule both:80 5]\ncondition.source_ip = ::/0\naction = forward six\n",
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		char config[2048];
		struct world w;

		snprintf(config, sizeof(config),
			 BASE
			 "[load_balancer both]\ntype = network\naddress = 192.0.2.20\n"
			 "address = 2001:db8:1::20\n"
			 "[listener both:80]\nprotocol = TCP\ndefault_action = forward four\n"
			 "[target_group four]\nprotocol = TCP\ntarget = 198.51.100.11:80\n"
			 "[target_group six]\nprotocol = TCP\ntarget = [2001:db8:2::12]:80\n"
			 "[target_group other]\nprotocol = TCP\ntarget = [2001:db8:2::13]:80\n%s",
			 rules[i]);
		world_begin(&w, config, 1024, 1000);
		EXPECT(target_of(&w, "192.0.2.99", 2000, "192.0.2.20", 80) == 11);
		EXPECT(target_of(&w, "2001:db8:1::99", 2000, "2001:db8:1::20", 80) == 0x12);
		world_end(&w);
	}
}

/* A target that is its own client: weir's address stands between, or another target serves it. */
static void
test_hairpin(void)
{
	static const struct {
		const char *why, *client;
		uint16_t port;
		uint8_t want; /* last byte of the target's address; 0: refused */
	} rows[] = {
		{"full_nat", "198.51.100.11", 80, 11},
		{"nat, the other target", "198.51.100.12", 81, 13},
		{"nat, the other way round", "198.51.100.13", 81, 12},
		{"nat, no other", "198.51.100.14", 82, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		world_begin(&w,
			    BASE "[listener lb:80]\nprotocol = TCP\ndefault_action = forward a\n"
				 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward b\n"
				 "[listener lb:82]\nprotocol = TCP\ndefault_action = forward c\n"
				 "[target_group a]\nprotocol = TCP\ntarget = 198.51.100.11:80\n"
				 "[target_group b]\nprotocol = TCP\ntarget_type = instance\n"
				 "target = 198.51.100.12:80\ntarget = 198.51.100.13:80\n"
				 "[target_group c]\nprotocol = TCP\ntarget_type = instance\n"
				 "target = 198.51.100.14:80\n",
			    1024, 1000);
		for (uint16_t k = 0; k < 20; k++) {
			struct world_packet wp, back;
			enum packet_verdict verdict;

			world_tcp(&wp, rows[i].client, (uint16_t)(2000 + k), "192.0.2.10",
				  rows[i].port, TCP_FLAG_SYN, 0);
			verdict = world_send(&w, &wp, 1);
			if (rows[i].want == 0) {
				EXPECT_ROW(rows[i].why, verdict == PACKET_DROP);
				continue;
			}
			EXPECT_ROW(rows[i].why, verdict == PACKET_FORWARD);
			EXPECT_ROW(rows[i].why, wp.p.dst.b[15] == rows[i].want);
			EXPECT_ROW(rows[i].why, !ip_addr_equal(&wp.p.src, &wp.p.dst));
			world_reply(&back, &wp.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
			EXPECT_ROW(rows[i].why, world_send(&w, &back, 1) == PACKET_FORWARD);
		}
		world_end(&w);
	}
}

int
main(void)
{
	test_hairpin();
	test_versions();
	test_zones();
	test_a_client_keeps_its_target();
	test_health_moves_only_its_own();
	test_sticky_groups();
	return unit_done();
}
