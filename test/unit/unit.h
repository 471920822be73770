/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A unit test is a table of rows, each with its reason, and a main() that ends in unit_done().
 *
 * EXPECT() counts and goes on, so that one run shows all failures; the closing line is what the
 * test command adds up.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unit_passed, unit_failed;

#define EXPECT_ROW(why, x)                                                        \
	do {                                                                      \
		if (x) {                                                          \
			unit_passed++;                                            \
		} else {                                                          \
			unit_failed++;                                            \
			printf("%s:%d: %s: %s\n", __FILE__, __LINE__, (why), #x); \
		}                                                                 \
	} while (0)

#define EXPECT(x) EXPECT_ROW(__func__, x)

static inline int
unit_done(void)
{
	printf("%d passed, %d failed\n", unit_passed, unit_failed);
	return unit_failed != 0 || unit_passed == 0;
}

/** The seed of a randomised test: WEIR_TEST_SEED, or `fallback`; printed so that a failure repeats.
 */
static inline unsigned long
unit_seed(unsigned long fallback)
{
	const char *text = getenv("WEIR_TEST_SEED");
	unsigned long seed = text != NULL ? strtoul(text, NULL, 0) : fallback;

	printf("seed %lu\n", seed);
	return seed;
}

/** Rounds of a randomised test: `n`, scaled by WEIR_MODEL_ROUNDS (a factor), at least 1. */
static inline unsigned long
unit_rounds(unsigned long n)
{
	const char *text = getenv("WEIR_MODEL_ROUNDS");
	double rounds = (double)n * (text != NULL ? strtod(text, NULL) : 1);

	return rounds < 1 ? 1 : (unsigned long)rounds;
}

/** xorshift64*: small, seeded, good enough for test inputs. */
static inline unsigned long long
unit_random(unsigned long long *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1DULL;
}

#endif
