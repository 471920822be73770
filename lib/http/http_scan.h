/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of plain bytes, sixteen at a time where SSE2 is (all of x86-64), else eight.  Within
 * lib/http.
 */
#ifndef HTTP_SCAN_H
#define HTTP_SCAN_H

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "bytes.h"

/* Classes of bytes. */
#define HTTP_TOKEN      1 /* RFC 9110 section 5.6.2 */
#define HTTP_PLAIN      2 /* ELB's names: letters, digits, hyphen */
#define HTTP_TARGET     4 /* may stand in a target as it is, RFC 3986 and what browsers leave raw */
#define HTTP_UNRESERVED 8 /* of a host's name: unreserved, sub-delims, `%` */

extern const uint8_t http_classes[256];

#define HTTP_EACH(byte) (0x0101010101010101u * (byte))

/* High bits of the bytes below `limit`, at most 128; exact up to and with the first of them. */
static inline uint64_t
http_below(uint64_t word, uint8_t limit)
{
	return (word - HTTP_EACH(limit)) & ~word & HTTP_EACH(0x80u);
}

static inline uint64_t
http_equal(uint64_t word, uint8_t byte)
{
	return http_below(word ^ HTTP_EACH(byte), 1);
}

#ifdef __SSE2__

static inline __m128i
http_load16(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i
http_each16(uint8_t byte)
{
	return _mm_set1_epi8((char)byte);
}

/* Bits of the bytes up to `last`. */
static inline __m128i
http_up_to16(__m128i v, uint8_t last)
{
	return _mm_cmpeq_epi8(_mm_min_epu8(v, http_each16(last)), v);
}

static inline __m128i
http_equal16(__m128i v, uint8_t byte)
{
	return _mm_cmpeq_epi8(v, http_each16(byte));
}

#endif

/**
 * The first control character or DEL of [p, end), `end` if there is none.  Bytes above 0x7f in
 * front of it set the high bit of `*seen`.
 */
static inline const uint8_t *
http_scan_value(const uint8_t *p, const uint8_t *end, uint64_t *seen)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		__m128i v = http_load16(p);
		uint32_t stop = (uint32_t)_mm_movemask_epi8(
			_mm_or_si128(http_up_to16(v, 0x1f), http_equal16(v, 0x7f)));
		uint32_t high = (uint32_t)_mm_movemask_epi8(v);

		if (stop != 0) {
			*seen |= (high & (stop ^ (stop - 1)) & ~stop) != 0 ? 0x80u : 0;
			return p + __builtin_ctz(stop);
		}
		*seen |= high != 0 ? 0x80u : 0;
		p += 16;
	}
#endif
	while (end - p >= 8) {
		uint64_t word = bytes_load64(p);
		uint64_t stop = http_below(word, 0x20) | http_equal(word, 0x7f);

		if (stop != 0) {
			uint32_t n = (uint32_t)__builtin_ctzll(stop) / 8;

			if (n > 0)
				*seen |= word << (64 - 8 * n);
			/* The bytes are at the top now; their high bits count anywhere. */
			return p + n;
		}
		*seen |= word;
		p += 8;
	}
	for (; p < end && *p >= 0x20 && *p != 0x7f; p++)
		*seen |= *p;
	return p;
}

/** The first byte of [p, end) that is none of a plain target: blank, control, `?`, `#`, not ASCII.
 */
static inline const uint8_t *
http_scan_target(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
	while (end - p >= 16) {
		__m128i v = http_load16(p);
		__m128i bad = _mm_or_si128(http_up_to16(v, 0x20), http_equal16(v, 0x7f));
		__m128i mark = _mm_or_si128(http_equal16(v, '?'), http_equal16(v, '#'));
		uint32_t stop =
			(uint32_t)_mm_movemask_epi8(_mm_or_si128(v, _mm_or_si128(bad, mark)));

		if (stop != 0)
			return p + __builtin_ctz(stop);
		p += 16;
	}
#endif
	while (end - p >= 8) {
		uint64_t word = bytes_load64(p);
		uint64_t stop = http_below(word, 0x21) | http_equal(word, 0x7f) |
				http_equal(word, '?') | http_equal(word, '#') |
				(word & HTTP_EACH(0x80u));

		if (stop != 0)
			return p + __builtin_ctzll(stop) / 8;
		p += 8;
	}
	for (; p < end; p++) {
		if (*p <= 0x20 || *p >= 0x7f || *p == '?' || *p == '#')
			break;
	}
	return p;
}

/** The first byte of [p, end) that ends a name, or could: colon, blank, control, not ASCII. */
static inline const uint8_t *
http_scan_name(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 8) {
		uint64_t word = bytes_load64(p);
		uint64_t stop =
			http_below(word, 0x21) | http_equal(word, ':') | (word & HTTP_EACH(0x80u));

		if (stop != 0)
			return p + __builtin_ctzll(stop) / 8;
		p += 8;
	}
	while (p<end && * p> ' ' && *p != ':' && *p < 0x80)
		p++;
	return p;
}

/** The classes that all bytes of [p, end) belong to. */
static inline uint8_t
http_common_classes(const uint8_t *p, const uint8_t *end)
{
	uint8_t all = 0xff;

	for (; end - p >= 4; p += 4)
		all &= http_classes[p[0]] & http_classes[p[1]] & http_classes[p[2]] &
		       http_classes[p[3]];
	for (; p < end; p++)
		all &= http_classes[*p];
	return all;
}

#endif
