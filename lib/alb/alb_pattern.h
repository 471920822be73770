/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many patterns with `*` and `?`, and which of them a text matches, without trying them all.
 *
 * Each pattern is entered into one hash table under one key: a pattern without wildcards under all
 * of its bytes; others under the literal bytes before their first wildcard, behind their last one,
 * or three bytes from between, whichever fewest other patterns share.  A text is looked up under
 * each length that occurs.  What is found is compared in full.
 *
 * Built by the management core, immutable afterwards.
 */
#ifndef ALB_PATTERN_H
#define ALB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ALB_PATTERN_MAX 128 /* bytes of a pattern, escapes not counted */

/* Wildcards in an encoded pattern; no printable character. */
#define ALB_PATTERN_ANY 1
#define ALB_PATTERN_ONE 2

struct alb_pattern {
	char bytes[ALB_PATTERN_MAX]; /* encoded */
	uint8_t len;
	uint8_t len_min; /* of a text that matches */
	bool literal;    /* no wildcards */
};

/**
 * From ELB's notation: `*`, `?`, and a backslash before what is literal.
 * @param lower  fold ASCII letters; the texts are folded too then
 */
void alb_pattern_encode(const char *text, bool lower, struct alb_pattern *pattern);

bool alb_pattern_match(const struct alb_pattern *pattern, const char *text, size_t len);

struct alb_patterns;

/** An index over `n` encoded patterns, which it copies. @return NULL without memory. */
struct alb_patterns *alb_patterns_build(const struct alb_pattern *patterns, uint32_t n);
void alb_patterns_free(struct alb_patterns *patterns);

/** A pattern that matches, by its position; may be called several times for one. */
typedef void (*alb_pattern_found)(void *arg, uint32_t pattern);

void alb_patterns_find(const struct alb_patterns *patterns, const char *text, size_t len,
		       alb_pattern_found found, void *arg);

/* Up to eight bytes as a word. */
static inline uint64_t
alb_load(const char *at, size_t len)
{
	uint32_t a, b;
	uint64_t w;

	if (len == 8) {
		memcpy(&w, at, 8);
		return w;
	}
	if (len >= 4) {
		memcpy(&a, at, 4);
		memcpy(&b, at + len - 4, 4);
		return (uint64_t)a << 32 | b;
	}
	if (len == 0)
		return 0;
	return (uint64_t)(uint8_t)at[0] | (uint64_t)(uint8_t)at[len / 2] << 8 |
	       (uint64_t)(uint8_t)at[len - 1] << 16;
}

/**
 * A hash of bytes, for tables of the configuration's contents.
 * @param mask  bits set in every word, so that bytes that differ in them hash alike
 */
static inline uint64_t
alb_hash_masked(uint64_t salt, const char *at, size_t len, uint64_t mask)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = (salt + 1) * k ^ len;

	for (; len > 8; len -= 8, at += 8) {
		h = (h ^ (alb_load(at, 8) | mask)) * k;
		h ^= h >> 32;
	}
	h = (h ^ (alb_load(at, len) | mask)) * k;
	h ^= h >> 32;
	return h * k;
}

static inline uint64_t
alb_hash(uint64_t salt, const char *at, size_t len)
{
	return alb_hash_masked(salt, at, len, 0);
}

/** Copy with ASCII letters folded, eight at a time. */
static inline void
alb_lower(char *to, const char *from, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);

	for (; len >= 8; len -= 8, to += 8, from += 8) {
		uint64_t w, low, capitals;

		memcpy(&w, from, 8);
		low = w & (0x7f * ones);
		capitals = (low + (0x80 - 'A') * ones) & ~(low + (0x7f - 'Z') * ones) & ~w &
			   (0x80 * ones);
		w |= capitals >> 2;
		memcpy(to, &w, 8);
	}
	for (size_t i = 0; i < len; i++)
		to[i] = (char)(from[i] + ((uint8_t)(from[i] - 'A') < 26 ? 32 : 0));
}

#endif
