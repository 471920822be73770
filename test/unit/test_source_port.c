/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "source_port.h"

#define SLOT 201

static void
test_candidates_are_the_slots_ports_once(void)
{
	for (uint8_t next = 0; next < SOURCE_PORT_PER_SLOT; next++) {
		struct source_port_hint hint = {.next = next};
		uint8_t seen[256] = {0};

		for (uint32_t i = 0; i < SOURCE_PORT_PER_SLOT; i++) {
			uint16_t port = ntohs(source_port_candidate(&hint, SLOT, i));

			EXPECT((port & 0xff) == SLOT && port >= 1024);
			EXPECT(seen[port >> 8]++ == 0);
		}
	}
}

/* Ports given out and back in any order: one that was given back is the last to be given again. */
static void
test_ports_are_used_in_turn(void)
{
	struct source_port_hint hint = {0};
	uint16_t first = source_port_candidate(&hint, SLOT, 0), port = 0;

	source_port_taken(&hint, 0);
	for (int i = 1; i < SOURCE_PORT_PER_SLOT; i++) {
		port = source_port_candidate(&hint, SLOT, 0);
		EXPECT(port != first);
		source_port_taken(&hint, 0);
	}
	EXPECT(source_port_candidate(&hint, SLOT, 0) == first);
	source_port_taken(&hint, 5);
	EXPECT(source_port_candidate(&hint, SLOT, 0) == htons((4 + 6) << 8 | SLOT));
}

/* Also when the low 16 bits of the clock wrap meanwhile. */
static void
test_full_pools(uint32_t now_ms)
{
	uint64_t pool = UINT64_C(0x4200000000012345), other = UINT64_C(0x4300000000012345);
	static struct source_port_hint hints[SOURCE_PORT_HINTS];
	struct source_port_hint *hint = source_port_hint_of(hints, pool);

	memset(hints, 0, sizeof(hints));
	EXPECT(hint == source_port_hint_of(hints, other));
	EXPECT(!source_port_is_full(hint, pool, now_ms));
	source_port_exhausted(hint, pool, now_ms);
	EXPECT(source_port_is_full(hint, pool, now_ms));
	EXPECT(source_port_is_full(hint, pool, now_ms + SOURCE_PORT_RETRY_MS - 1));
	EXPECT(!source_port_is_full(hint, other, now_ms)); /* it only shares the hint */
	EXPECT(!source_port_is_full(hint, pool, now_ms + SOURCE_PORT_RETRY_MS));
	source_port_exhausted(hint, pool, now_ms);
	source_port_taken(hint, 3);
	EXPECT(!source_port_is_full(hint, pool, now_ms));
}

/* A pool whose check bits are zero is noted too, and an untouched hint is nobody's. */
static void
test_check_bits_of_zero(void)
{
	struct source_port_hint hint = {0};

	EXPECT(!source_port_is_full(&hint, 7, 0));
	source_port_exhausted(&hint, 7, 0);
	EXPECT(source_port_is_full(&hint, 7, 0));
}

int
main(void)
{
	test_candidates_are_the_slots_ports_once();
	test_ports_are_used_in_turn();
	test_full_pools(1000);
	test_full_pools(UINT32_MAX - 10);
	test_full_pools(0x1fff0);
	test_check_bits_of_zero();
	return unit_done();
}
