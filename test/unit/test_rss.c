/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys and tables for ports; DPDK's own Toeplitz plays the port. */
#include "unit.h"

#include <rte_thash.h>

#include "bytes.h"
#include "rss.h"

#define WORKERS 3

static const struct secret secret = {{9, 8, 7, 6, 5, 4, 3, 2, 1}};

static uint32_t
port_hash(const uint8_t key[STEER_KEY_LEN], const struct packet *p)
{
	size_t len = p->af == 4 ? 4 : 16;
	uint8_t input[36];
	uint32_t words[9];

	memcpy(input, p->src.b + 16 - len, len);
	memcpy(input + len, p->dst.b + 16 - len, len);
	memcpy(input + 2 * len, &p->sport_be, 2);
	memcpy(input + 2 * len + 2, &p->dport_be, 2);
	for (size_t i = 0; i < (2 * len + 4) / 4; i++)
		words[i] = bytes_load_be32(input + 4 * i);
	return rte_softrss(words, (uint32_t)(2 * len + 4) / 4, key);
}

static struct packet
random_packet(unsigned long long *state, uint8_t af)
{
	struct packet p = {.af = af, .proto = IPPROTO_TCP};
	uint8_t wire[32];

	for (size_t i = 0; i < sizeof(wire); i++)
		wire[i] = (uint8_t)unit_random(state);
	p.src = af == 4 ? ip_addr_from_v4(wire) : ip_addr_from_v6(wire);
	p.dst = af == 4 ? ip_addr_from_v4(wire + 16) : ip_addr_from_v6(wire + 16);
	p.sport_be = (uint16_t)unit_random(state);
	p.dport_be = (uint16_t)unit_random(state);
	return p;
}

/* The hash is the port's, and its low byte is the slot of whoever is the client. */
static void
test_keys(unsigned long long *state)
{
	static const struct {
		enum rss_plan plan;
		uint8_t af;
		bool client_is_dst;
	} rows[] = {{RSS_PLAN_CLIENT, 4, false},
		    {RSS_PLAN_CLIENT, 6, false},
		    {RSS_PLAN_MIXED, 4, false},
		    {RSS_PLAN_NAT4, 4, true},
		    {RSS_PLAN_NAT6, 6, true}};
	struct steer steer;

	steer_init(&steer, &secret);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_Alignas(4) uint8_t key[STEER_KEY_LEN];

		rss_key(&steer, &secret, rows[i].plan, key);
		for (int k = 0; k < 2000; k++) {
			struct packet p = random_packet(state, rows[i].af);
			uint8_t slot = rows[i].client_is_dst
					       ? steer_slot(&steer, &p.dst, p.dport_be)
					       : steer_slot(&steer, &p.src, p.sport_be);

			EXPECT_ROW(rss_plan_name(rows[i].plan),
				   (uint8_t)port_hash(key, &p) == slot);
			EXPECT(port_hash(key, &p) == rss_hash(key, &p));
		}
	}
}

/* Fragments and ICMP are hashed without ports. */
static void
test_without_ports(unsigned long long *state)
{
	_Alignas(4) uint8_t key[STEER_KEY_LEN];
	struct steer steer;

	steer_init(&steer, &secret);
	rss_key(&steer, &secret, RSS_PLAN_FULL_NAT, key);
	for (int i = 0; i < 100; i++) {
		struct packet p = random_packet(state, 4), q;
		uint32_t words[2];

		memcpy(words, p.src.b + 12, 4);
		memcpy(words + 1, p.dst.b + 12, 4);
		words[0] = ntohl(words[0]);
		words[1] = ntohl(words[1]);
		q = p;
		q.proto = IPPROTO_ICMP;
		EXPECT(rss_hash(key, &q) == rte_softrss(words, 2, key));
		p.flags = PACKET_FRAGMENT;
		EXPECT(rss_hash(key, &p) == rte_softrss(words, 2, key));
	}
}

/* Among the ports of a slot there are enough whose replies arrive at the owner. */
static void
test_replies(unsigned long long *state)
{
	_Alignas(4) uint8_t key[STEER_KEY_LEN], worker_of[128];
	struct rss_replies replies;
	struct steer steer;

	steer_init(&steer, &secret);
	rss_key(&steer, &secret, RSS_PLAN_FULL_NAT, key);
	for (size_t i = 0; i < sizeof(worker_of); i++)
		worker_of[i] = (uint8_t)(i % WORKERS);
	rss_replies_init(&replies, key, worker_of, sizeof(worker_of));
	for (int i = 0; i < 500; i++) {
		struct packet p = random_packet(state, i % 2 == 0 ? 4 : 6);
		uint8_t slot = (uint8_t)unit_random(state);
		uint8_t base = rss_replies_base(&replies, &p.src, p.sport_be, &p.dst, slot);
		unsigned lands[WORKERS] = {0};

		for (unsigned high = 4; high < 256; high++) {
			unsigned worker =
				rss_replies_worker(&replies, p.af == 4, base, (uint8_t)high);

			p.dport_be = htons((uint16_t)(high << 8 | slot));
			EXPECT(worker == worker_of[port_hash(key, &p) % sizeof(worker_of)]);
			lands[worker]++;
		}
		for (unsigned w = 0; w < WORKERS; w++)
			EXPECT(lands[w] > 60);
	}
}

static void
test_choosing(void)
{
	static const struct {
		const char *why;
		struct rss_capability capability;
		unsigned senders;
		enum rss_plan plan;
	} rows[] = {
		{"a NIC, clients", {128, 40, true, 4}, RSS_CLIENTS, RSS_PLAN_CLIENT},
		{"a NIC, nobody known", {512, 52, true, 4}, 0, RSS_PLAN_CLIENT},
		{"a NIC, targets", {128, 40, true, 2}, RSS_TARGETS_FULL_NAT, RSS_PLAN_FULL_NAT},
		{"a NIC, nat", {128, 40, true, 2}, RSS_TARGETS_NAT4, RSS_PLAN_NAT4},
		{"a NIC, nat of IPv6", {128, 40, true, 2}, RSS_TARGETS_NAT6, RSS_PLAN_NAT6},
		{"nat of both families",
		 {128, 40, true, 2},
		 RSS_TARGETS_NAT4 | RSS_TARGETS_NAT6,
		 RSS_PLAN_MIXED},
		{"one arm", {128, 40, true, 2}, RSS_CLIENTS | RSS_TARGETS_FULL_NAT, RSS_PLAN_MIXED},
		{"one queue", {128, 40, true, 1}, RSS_CLIENTS, RSS_PLAN_NONE},
		{"a tiny table", {8, 40, true, 2}, RSS_CLIENTS, RSS_PLAN_NONE},
		{"no table", {0, 40, true, 2}, RSS_CLIENTS, RSS_PLAN_NONE},
		{"no key", {128, 0, true, 2}, RSS_CLIENTS, RSS_PLAN_NONE},
		{"a short key", {128, 16, true, 2}, RSS_CLIENTS, RSS_PLAN_NONE},
		{"addresses only", {128, 40, false, 2}, RSS_CLIENTS, RSS_PLAN_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_ROW(rows[i].why,
			   rss_choose(&rows[i].capability, rows[i].senders) == rows[i].plan);
}

static void
test_table_sizes(void)
{
	struct rss_capability small = {.table_size = 64}, middle = {.table_size = 128},
			      large = {.table_size = 2048}, odd = {.table_size = 100};

	EXPECT(rss_table_min(0, &large) == 256);
	EXPECT(rss_table_min(0, &middle) == 128);
	EXPECT(rss_table_min(128, &large) == 128);
	EXPECT(rss_table_min(128, &small) == 64);
	EXPECT(rss_table_min(0, &odd) == 64);
}

int
main(void)
{
	unsigned long long state = unit_seed(22);

	test_keys(&state);
	test_without_ports(&state);
	test_replies(&state);
	test_choosing();
	test_table_sizes();
	return unit_done();
}
