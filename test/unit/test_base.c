/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "bytes.h"
#include "clock.h"
#include "ref.h"
#include "siphash.h"

static void
test_siphash_vectors(void)
{
	/* The first three rows of the authors' table: key 00..0f, input 00, 0001, ... */
	static const uint64_t want[] = {UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd),
					UINT64_C(0x0d6c8009d9a94f5a)};
	struct siphash_key key;
	uint8_t in[8];

	for (unsigned i = 0; i < 16; i++)
		((uint8_t *)&key)[i] = (uint8_t)i;
	for (unsigned i = 0; i < 8; i++)
		in[i] = (uint8_t)i;
	for (size_t len = 0; len < 3; len++)
		EXPECT(siphash(&key, in, len) == want[len]);
}

static void
test_reader_stops_at_the_end(void)
{
	uint8_t buf[3] = {1, 2, 3};
	struct bytes_reader r = bytes_reader(buf, sizeof(buf));

	EXPECT(bytes_get_be16(&r) == 0x0102);
	EXPECT(bytes_get_be16(&r) == 0);
	EXPECT(r.failed);
	EXPECT(bytes_get_u8(&r) == 0);
}

static void
test_clock_wraps(void)
{
	struct clock clock;
	uint32_t before, after;

	clock_init(&clock, 1000000000, 5, (UINT64_C(1) << 32) * 1000 - 10 * 1000000);
	before = clock_us_to_ms(clock_us(&clock, 5));
	after = clock_us_to_ms(clock_us(&clock, 5 + UINT64_C(20) * 1000000000));
	EXPECT(after < before);
	EXPECT(after - before - 19999 <= 1);
	EXPECT(clock_ms_reached(after, before + 15000));
	EXPECT(!clock_ms_reached(before, before + 15000));
}

static void
test_ref_skips_zero(void)
{
	EXPECT(ref_next_generation(0) == 1);
	EXPECT(ref_next_generation(REF_GENERATION_MAX) == 1);
	EXPECT(ref_index(ref_make(77, 4095)) == 77);
	EXPECT(ref_generation(ref_make(77, 4095)) == 4095);
}

int
main(void)
{
	test_siphash_vectors();
	test_reader_stops_at_the_end();
	test_clock_wraps();
	test_ref_skips_zero();
	return unit_done();
}
