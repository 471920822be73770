/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_fragment.h"

#include <netinet/in.h>

#include "unit.h"

static struct flow_fragments table;
static const struct hash_seed seed = {{1, 2, 3, 4, 5, 6, 7, 8}};

struct seen {
	uint32_t released, expired, overlapped;
	uintptr_t last;
	uint16_t sport_be;
};

static void
on_release(void *arg, void *buf, uint16_t sport_be, uint16_t dport_be)
{
	struct seen *seen = arg;

	(void)dport_be;
	EXPECT((uintptr_t)buf > seen->last); /* in the order they came */
	seen->last = (uintptr_t)buf;
	seen->sport_be = sport_be;
	seen->released++;
}

static void
on_expire(void *arg, void *buf)
{
	(void)buf;
	((struct seen *)arg)->expired++;
}

static void
on_overlap(void *arg, void *buf)
{
	(void)buf;
	((struct seen *)arg)->overlapped++;
}

static const struct flow_fragment_ops ops = {.release = on_release, .expire = on_expire};
static const struct flow_fragment_ops strict = {
	.release = on_release, .expire = on_expire, .overlap = on_overlap};

static uint8_t ip[64];

/* A fragment of packet `id`; its buffer is the number `buf`. */
static struct packet
fragment(uint16_t id, bool first, uintptr_t buf)
{
	struct packet p = {.l3 = ip, .af = 4, .proto = IPPROTO_UDP, .flags = PACKET_FRAGMENT};

	ip[4] = (uint8_t)(id >> 8);
	ip[5] = (uint8_t)id;
	p.src = (struct ip_addr){.b = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 1}};
	p.dst = (struct ip_addr){.b = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 2}};
	if (first)
		p.sport_be = p.dport_be = 7;
	else
		p.flags |= PACKET_FRAGMENT_LATER;
	p.buf = (struct rte_mbuf *)buf;
	return p;
}

static enum flow_fragment_result
input(uint16_t id, bool first, uintptr_t buf, struct seen *seen, uint32_t now_ms)
{
	struct packet p = fragment(id, first, buf);
	enum flow_fragment_result result = flow_fragment_input(&table, &p, 1, &ops, seen, now_ms);

	if (result == FLOW_FRAGMENT_GO)
		EXPECT(p.sport_be == 7 && (p.flags & PACKET_PORTS_GIVEN) != 0);
	return result;
}

static void
test_in_any_order(void)
{
	struct seen seen = {0};

	flow_fragments_init(&table, &seed);
	EXPECT(input(1, false, 1, &seen, 0) == FLOW_FRAGMENT_HELD);
	EXPECT(input(1, false, 2, &seen, 1) == FLOW_FRAGMENT_HELD);
	EXPECT(input(2, false, 3, &seen, 1) == FLOW_FRAGMENT_HELD);
	EXPECT(input(1, true, 4, &seen, 2) == FLOW_FRAGMENT_GO);
	EXPECT(seen.released == 2 && seen.sport_be == 7 && table.held_n == 1);
	EXPECT(input(1, false, 5, &seen, 3) == FLOW_FRAGMENT_GO);
	/* Another endpoint's packet of the same number waits for its own. */
	{
		struct packet p = fragment(1, false, 6);

		EXPECT(flow_fragment_input(&table, &p, 2, &ops, &seen, 3) == FLOW_FRAGMENT_HELD);
	}
	flow_fragments_flush(&table, &ops, &seen);
	EXPECT(seen.expired == 2 && table.held_n == 0);
}

static void
test_time_is_bounded(void)
{
	struct seen seen = {0};
	uint32_t now = UINT32_MAX - 100;

	flow_fragments_init(&table, &seed);
	table.swept_ms = now;
	EXPECT(input(1, false, 1, &seen, now) == FLOW_FRAGMENT_HELD);
	for (int i = 0; i < 9; i++)
		flow_fragments_sweep(&table, &ops, &seen, now += 100);
	EXPECT(seen.expired == 0);
	for (int i = 0; i < 10; i++)
		flow_fragments_sweep(&table, &ops, &seen, now += 100);
	EXPECT(seen.expired == 1);
	/* Ports are forgotten. */
	EXPECT(input(3, true, 2, &seen, now) == FLOW_FRAGMENT_GO);
	EXPECT(input(3, false, 3, &seen, now + FLOW_FRAGMENT_KNOWN_MS - 1) == FLOW_FRAGMENT_GO);
	EXPECT(input(3, false, 4, &seen, now + FLOW_FRAGMENT_KNOWN_MS) == FLOW_FRAGMENT_HELD);
}

static void
test_memory_is_bounded(void)
{
	struct seen seen = {0};
	uint32_t held = 0, full = 0;

	flow_fragments_init(&table, &seed);
	for (uintptr_t i = 0; i < 100; i++)
		held += input(1, false, i + 1, &seen, 0) == FLOW_FRAGMENT_HELD;
	EXPECT(held == FLOW_FRAGMENTS_OF_ONE);
	for (uint16_t id = 2; id < 5000; id++)
		full += input(id, false, 1000u + id, &seen, 0) == FLOW_FRAGMENT_FULL;
	EXPECT(table.held_n == FLOW_FRAGMENTS_HELD && full > 0);
	/* A first one goes on even so, and takes its own along. */
	EXPECT(input(1, true, 99999, &seen, 0) == FLOW_FRAGMENT_GO);
	EXPECT(seen.released == FLOW_FRAGMENTS_OF_ONE);
	EXPECT(table.held_n == FLOW_FRAGMENTS_HELD - FLOW_FRAGMENTS_OF_ONE);
	flow_fragments_flush(&table, &ops, &seen);
	EXPECT(table.held_n == 0);
	/* Everything held can be held again. */
	held = 0;
	for (uint16_t id = 0; id < FLOW_FRAGMENTS_HELD / 4; id++)
		held += input(id, false, 1000u + id, &seen, 0) == FLOW_FRAGMENT_HELD;
	EXPECT(held == FLOW_FRAGMENTS_HELD / 4);
}

/* Later fragments that nobody sent a first one for take neither room for first ones nor what is
 * known. */
static void
test_flood_of_later_ones(void)
{
	struct seen seen = {0};
	uint32_t lost = 0;

	flow_fragments_init(&table, &seed);
	for (uint16_t id = 0; id < 128; id++)
		EXPECT(input(id, true, 1, &seen, 0) == FLOW_FRAGMENT_GO);
	for (uint32_t id = 1000; id < 60000; id++)
		input((uint16_t)id, false, id, &seen, 1 + id / 200);
	for (uint16_t id = 0; id < 128; id++)
		lost += input(id, false, 100u + id, &seen, 310) != FLOW_FRAGMENT_GO;
	EXPECT(lost <= 2); /* more than FLOW_FRAGMENT_WAITING in the same places */
	for (uint16_t id = 200; id < 1000; id++) {
		EXPECT(input(id, true, 1, &seen, 320) == FLOW_FRAGMENT_GO);
		EXPECT(input(id, false, 2, &seen, 320) == FLOW_FRAGMENT_GO);
	}
	flow_fragments_flush(&table, &ops, &seen);
	EXPECT(table.held_n == 0);
}

/* With nothing left to hold fragments, later ones leave no trace. */
static void
test_nothing_left_to_hold(void)
{
	struct seen seen = {0};
	uint32_t in_use = 0;

	flow_fragments_init(&table, &seed);
	for (uint32_t i = 0; i < FLOW_FRAGMENTS_HELD; i++)
		EXPECT(input((uint16_t)(i / FLOW_FRAGMENTS_OF_ONE), false, 1 + i, &seen, 0) ==
		       FLOW_FRAGMENT_HELD);
	for (uint16_t id = 1000; id < 5000; id++)
		EXPECT(input(id, false, id, &seen, 0) == FLOW_FRAGMENT_FULL);
	for (uint32_t i = 0; i < FLOW_FRAGMENT_PACKETS; i++)
		in_use += table.entries[i].in_use;
	EXPECT(in_use == FLOW_FRAGMENTS_HELD / FLOW_FRAGMENTS_OF_ONE);
	flow_fragments_flush(&table, &ops, &seen);
}

/* With bytes from `begin` on, in units of 8, of a packet whose first fragment has 24 bytes. */
static enum flow_fragment_result
input_range(const struct flow_fragment_ops *how, bool first, uint16_t begin, uintptr_t buf,
	    struct seen *seen)
{
	struct packet p = fragment(9, first, buf);
	enum flow_fragment_result result;

	ip[0] = 0x45;
	ip[7] = (uint8_t)begin;
	p.len = 20 + 24;
	result = flow_fragment_input(&table, &p, 1, how, seen, 0);
	ip[0] = ip[7] = 0;
	return result;
}

/* A fragment over the first one's bytes goes nowhere, whichever comes first. */
static void
test_overlap(void)
{
	struct seen seen = {0};

	flow_fragments_init(&table, &seed);
	EXPECT(input_range(&strict, false, 1, 1, &seen) == FLOW_FRAGMENT_HELD);
	EXPECT(input_range(&strict, false, 3, 2, &seen) == FLOW_FRAGMENT_HELD);
	EXPECT(input_range(&strict, false, 2, 3, &seen) == FLOW_FRAGMENT_HELD);
	EXPECT(input_range(&strict, true, 0, 4, &seen) == FLOW_FRAGMENT_GO);
	EXPECT(seen.released == 1 && seen.overlapped == 2 && table.held_n == 0);
	EXPECT(input_range(&strict, false, 1, 5, &seen) == FLOW_FRAGMENT_OVERLAP);
	EXPECT(input_range(&strict, false, 2, 6, &seen) == FLOW_FRAGMENT_OVERLAP);
	EXPECT(input_range(&strict, false, 3, 7, &seen) == FLOW_FRAGMENT_GO);
	/* The first one again, and a later one again. */
	EXPECT(input_range(&strict, true, 0, 8, &seen) == FLOW_FRAGMENT_GO);
	EXPECT(input_range(&strict, false, 3, 9, &seen) == FLOW_FRAGMENT_GO);
	/* Who looks inside wants to see it all. */
	EXPECT(input_range(&ops, false, 1, 10, &seen) == FLOW_FRAGMENT_GO);
}

int
main(void)
{
	test_overlap();
	test_in_any_order();
	test_time_is_bounded();
	test_memory_is_bounded();
	test_flood_of_later_ones();
	test_nothing_left_to_hold();
	return unit_done();
}
