/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <unistd.h>

#include "bytes.h"
#include "clock.h"
#include "ref.h"
#include "secret.h"
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

/* A secret file: what it holds, and how many secrets that makes (0: refused). */
static void
test_secrets(void)
{
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef"
	static const struct {
		const char *why, *text;
		uint32_t want;
	} rows[] = {
		{"one", SECRET "0\n", 1},
		{"one without an end of line", SECRET "0", 1},
		{"two", SECRET "1\n" SECRET "2\n", 2},
		{"three are too many here", SECRET "1\n" SECRET "2\n" SECRET "3\n", 0},
		{"none", "", 0},
		{"an empty line", SECRET "1\n\n" SECRET "2\n", 0},
		{"a short line", SECRET "1\n" SECRET "\n", 0},
		{"a long line", SECRET "11\n", 0},
	};
	char path[] = "/tmp/weir-secret-XXXXXX", why[256];
	int fd = mkstemp(path);

	EXPECT(fd >= 0);
	for (size_t i = 0; fd >= 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct secret secrets[2] = {0};
		uint32_t n = 0;
		bool ok;

		EXPECT(ftruncate(fd, 0) == 0 && pwrite(fd, rows[i].text, strlen(rows[i].text), 0) ==
							(ssize_t)strlen(rows[i].text));
		ok = secret_load_all(secrets, 2, &n, path, false, why, sizeof(why));
		EXPECT_ROW(rows[i].why, ok == (rows[i].want > 0));
		EXPECT_ROW(rows[i].why, !ok || n == rows[i].want);
		EXPECT_ROW(rows[i].why, n < 2 || secrets[1].bytes[31] == 0xf2);
	}
	unlink(path);
	close(fd);
}

int
main(void)
{
	test_secrets();
	test_siphash_vectors();
	test_reader_stops_at_the_end();
	test_clock_wraps();
	test_ref_skips_zero();
	return unit_done();
}
