/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_rate.h"

#include "nlb_world.h"

static struct nlb_rate rate;

static struct ip_addr
source(uint32_t n)
{
	uint32_t be = htonl(0x0a000000 | n);

	return ip_addr_from_v4(&be);
}

/* How many of `n` flows of one source, spread over `ms`, may begin. */
static uint32_t
offer(const struct snapshot_frontend *f, uint32_t frontend, uint32_t who, uint32_t n,
      uint32_t from_ms, uint32_t ms)
{
	struct ip_addr addr = source(who);
	uint32_t good = 0;

	for (uint32_t i = 0; i < n; i++)
		good += nlb_rate_take(&rate, f, frontend, &addr,
				      from_ms + (uint32_t)((uint64_t)i * ms / n)) == NLB_RATE_GOOD;
	return good;
}

/* A second's worth at once, then as many as come; also where the clock wraps. */
static void
test_listener(void)
{
	static const struct {
		const char *why;
		uint32_t per_second, n, ms, least, most;
	} rows[] = {
		{"no limit", 0, 1000, 0, 1000, 1000},
		{"a burst", 100, 1000, 0, 100, 100},
		{"over ten seconds", 100, 20000, 10000, 1095, 1101},
		{"below the limit", 100, 900, 10000, 900, 900},
		{"one", 1, 100, 10000, 10, 11},
		{"the most", 1000000, 2000, 1, 2000, 2000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct snapshot_frontend f = {.new_flows = rows[i].per_second};
		uint32_t good;

		memset(&rate, 0, sizeof(rate));
		good = offer(&f, 1, 1, rows[i].n, UINT32_MAX - 3000, rows[i].ms);
		EXPECT_ROW(rows[i].why, good >= rows[i].least && good <= rows[i].most);
	}
}

/* One source that floods leaves the listener to the others. */
static void
test_sources(void)
{
	struct snapshot_frontend f = {.new_flows = 1000, .new_flows_per_source = 10};
	uint32_t good = 0;

	memset(&rate, 0, sizeof(rate));
	EXPECT(offer(&f, 1, 1, 100000, 5000, 1000) <= 20);
	for (uint32_t who = 2; who < 102; who++)
		good += offer(&f, 1, who, 5, 6000, 1000);
	EXPECT(good >= 490);
	EXPECT(offer(&f, 2, 1, 10, 6000, 0) == 10); /* of another listener */
	/* 4,000 addresses flood: few of a hundred others are taken for them. */
	memset(&rate, 0, sizeof(rate));
	f.new_flows = 0;
	for (uint32_t who = 1000; who < 5000; who++)
		offer(&f, 1, who, 20, 7000, 0);
	good = 0;
	for (uint32_t who = 0; who < 100; who++)
		good += offer(&f, 1, who, 1, 7000, 0);
	EXPECT(good >= 85);
}

#define CONFIG                                                                      \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\n"                   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\n"                 \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"                \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"          \
	"weir.new_flows_per_second = 8\nweir.new_flows_per_second_per_source = 5\n" \
	"[target_group web]\nprotocol = TCP\ntarget = 198.51.100.11:8080\n"

/* Flows that exist take nothing; refused ones are counted and leave no record. */
static void
test_in_the_path(void)
{
	static const char *const clients[] = {"192.0.2.98", "192.0.2.99"};
	uint32_t begun[2] = {0}, over_source = 0, over_listener = 0;
	struct world_packet wp;
	struct world w;

	world_begin(&w, CONFIG, 1024, 5000);
	for (uint16_t i = 0; i < 40; i++) {
		world_tcp(&wp, clients[i / 20], (uint16_t)(4000 + i), "192.0.2.10", 80,
			  TCP_FLAG_SYN, 0);
		if (world_send(&w, &wp, 0) == PACKET_FORWARD)
			begun[i / 20]++;
		else if (wp.p.drop == DROP_SOURCE_RATE)
			over_source++;
		else
			over_listener += wp.p.drop == DROP_FLOW_RATE;
	}
	EXPECT(begun[0] == 5 && begun[1] == 3);
	EXPECT(over_source == 15 + 15 && over_listener == 2);
	EXPECT(w.nlb->flows.in_use == 8);
	EXPECT(w.counters.frontends[1].rejected_flows == 32);
	world_tcp(&wp, clients[0], 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, 0) == PACKET_FORWARD); /* again, of a flow */
	w.now_ms += 1000;
	world_tcp(&wp, clients[1], 5000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, 0) == PACKET_FORWARD);
	/* Each of three workers has a third, and never nothing. */
	w.workers_n = 3;
	world_publish(&w, CONFIG);
	EXPECT(w.snapshot->frontends[1].new_flows == 3);
	EXPECT(w.snapshot->frontends[1].new_flows_per_source == 2);
	world_end(&w);
}

/* A source of IPv6 is its /64. */
static void
test_prefixes(void)
{
	struct snapshot_frontend f = {.new_flows_per_source = 10};
	struct ip_addr other = world_addr("2001:db8:0:1::1");
	uint32_t good = 0;

	memset(&rate, 0, sizeof(rate));
	for (uint32_t i = 0; i < 1000; i++) {
		struct ip_addr addr = world_addr("2001:db8::1");

		bytes_store_be32(addr.b + 8, i * 2654435761u);
		good += nlb_rate_take(&rate, &f, 1, &addr, 5000) == NLB_RATE_GOOD;
	}
	EXPECT(good == 10);
	EXPECT(nlb_rate_take(&rate, &f, 1, &other, 5000) == NLB_RATE_GOOD);
}

/* Connections that end at weir count as well; segments of those that are there do not. */
static void
test_where_connections_end(void)
{
	struct world_packet wp;
	uint32_t begun = 0;
	struct world w;

	world_begin(&w, CONFIG, 1024, 5000);
	w.snapshot->frontends[1].terminates = 1;
	for (uint16_t i = 0; i < 20; i++) {
		world_tcp(&wp, "192.0.2.99", (uint16_t)(4000 + i), "192.0.2.10", 80, TCP_FLAG_SYN,
			  0);
		begun += world_send(&w, &wp, 0) == PACKET_ENDPOINT;
	}
	EXPECT(begun == 5 && wp.p.drop == DROP_SOURCE_RATE);
	EXPECT(w.counters.frontends[1].rejected_tcp == 15);
	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 10);
	EXPECT(world_send(&w, &wp, 0) == PACKET_ENDPOINT);
	world_end(&w);
}

int
main(void)
{
	test_prefixes();
	test_where_connections_end();
	test_listener();
	test_sources();
	test_in_the_path();
	return unit_done();
}
