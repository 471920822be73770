/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of plain bytes, sixteen at a time where SSE2 is (all of x86-64), else one by one.  Within
 * lib/http.
 *
 * `base` is where readable memory begins: the last bytes of a buffer are loaded together with what
 * is in front of them.  Nothing behind `end` is read.
 */
#ifndef HTTP_SCAN_H
#define HTTP_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

/* Classes of bytes. */
#define HTTP_TOKEN      1  /* RFC 9110 section 5.6.2 */
#define HTTP_PLAIN      2  /* ELB's names: letters, digits, hyphen */
#define HTTP_TARGET     4  /* goes on in a target: what is visible, but `?` and `#` */
#define HTTP_UNRESERVED 8  /* of a host's name: unreserved, sub-delims, `%` */
#define HTTP_CONTROL    16 /* controls, DEL */
#define HTTP_NAME_END   32 /* ends a name or can't be in one: colon, blank, controls, not ASCII */

extern const uint8_t http_classes[256];

#ifdef __SSE2__

#include <emmintrin.h>

static inline __m128i
http_each(uint8_t byte)
{
	return _mm_set1_epi8((char)byte);
}

/* The bytes up to `last`, as unsigned. */
static inline __m128i
http_up_to(__m128i v, uint8_t last)
{
	return _mm_cmpeq_epi8(_mm_min_epu8(v, http_each(last)), v);
}

static inline __m128i
http_equal(__m128i v, uint8_t byte)
{
	return _mm_cmpeq_epi8(v, http_each(byte));
}

static inline uint32_t
http_mask(__m128i v)
{
	return (uint32_t)_mm_movemask_epi8(v);
}

/*
 * Up to 16 bytes from `p` < `end` on.  Masks of them are shifted down by `*shift`.
 * @return  false: there are not 16 bytes in all.
 */
static inline bool
http_load(const uint8_t *base, const uint8_t *p, const uint8_t *end, __m128i *v, uint32_t *shift)
{
	*shift = 0;
	if (end - p < 16) {
		if (end - base < 16)
			return false;
		*shift = (uint32_t)(16 - (end - p));
		p = end - 16;
	}
	*v = _mm_loadu_si128((const __m128i *)(const void *)p);
	return true;
}

static inline __m128i
http_controls(__m128i v)
{
	return _mm_or_si128(http_up_to(v, 0x1f), http_equal(v, 0x7f));
}

static inline __m128i
http_target_ends(__m128i v)
{
	__m128i bad = _mm_or_si128(http_up_to(v, 0x20), http_equal(v, 0x7f));
	__m128i mark = _mm_or_si128(http_equal(v, '?'), http_equal(v, '#'));

	return _mm_or_si128(v, _mm_or_si128(bad, mark));
}

static inline __m128i
http_name_ends(__m128i v)
{
	return _mm_or_si128(v, _mm_or_si128(http_up_to(v, 0x20), http_equal(v, ':')));
}

/* Letters, digits and hyphens. */
static inline __m128i
http_plains(__m128i v)
{
	__m128i letter = _mm_sub_epi8(_mm_or_si128(v, http_each(0x20)), http_each('a'));
	__m128i digit = _mm_sub_epi8(v, http_each('0'));

	return _mm_or_si128(_mm_or_si128(http_up_to(letter, 25), http_up_to(digit, 9)),
			    http_equal(v, '-'));
}

#endif

/**
 * The first control character or DEL of [p, end), `end` if there is none.  Bytes above 0x7f in
 * front of it, and perhaps of `p`, make `*high` something else than 0.
 */
static inline const uint8_t *
http_scan_value(const uint8_t *base, const uint8_t *p, const uint8_t *end, uint32_t *high)
{
#ifdef __SSE2__
	__m128i v;
	uint32_t shift;

	while (p < end && http_load(base, p, end, &v, &shift)) {
		uint32_t stop = http_mask(http_controls(v)) >> shift;
		uint32_t above = http_mask(v) >> shift;

		if (stop != 0) {
			*high |= above & (stop ^ (stop - 1));
			return p + __builtin_ctz(stop);
		}
		*high |= above;
		p += 16 - shift;
	}
#endif
	for (; p < end && (http_classes[*p] & HTTP_CONTROL) == 0; p++)
		*high |= *p & 0x80;
	return p;
}

/** The first byte of [p, end) that is none of a plain target: blank, control, `?`, `#`, not ASCII.
 */
static inline const uint8_t *
http_scan_target(const uint8_t *base, const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
	__m128i v;
	uint32_t shift;

	while (p < end && http_load(base, p, end, &v, &shift)) {
		uint32_t stop = http_mask(http_target_ends(v)) >> shift;

		if (stop != 0)
			return p + __builtin_ctz(stop);
		p += 16 - shift;
	}
#endif
	while (p < end && (http_classes[*p] & HTTP_TARGET) != 0)
		p++;
	return p;
}

/** The end of a name: its colon, or the first byte that can be in none. */
static inline const uint8_t *
http_scan_name(const uint8_t *base, const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
	__m128i v;
	uint32_t shift;

	while (p < end && http_load(base, p, end, &v, &shift)) {
		uint32_t stop = http_mask(http_name_ends(v)) >> shift;

		if (stop != 0)
			return p + __builtin_ctz(stop);
		p += 16 - shift;
	}
#endif
	while (p < end && (http_classes[*p] & HTTP_NAME_END) == 0)
		p++;
	return p;
}

/** The classes that all bytes of [p, end) belong to. */
static inline uint8_t
http_common_classes(const uint8_t *p, const uint8_t *end)
{
	uint8_t all = 0xff;

	while (p < end)
		all &= http_classes[*p++];
	return all;
}

/**
 * Whether [p, end) has nothing but letters, digits and hyphens; false may mean not known.
 * At most 16 bytes are looked at, some of them perhaps behind `end`, but none from `readable` on.
 */
static inline bool
http_is_plain(const uint8_t *p, const uint8_t *end, const uint8_t *readable)
{
#ifdef __SSE2__
	uint32_t n = (uint32_t)(end - p), odd;

	if (n == 0 || n > 16 || readable - p < 16)
		return false;
	odd = http_mask(http_plains(_mm_loadu_si128((const __m128i *)(const void *)p))) ^ 0xffff;
	return odd << (32 - n) == 0;
#else
	(void)p;
	(void)end;
	(void)readable;
	return false;
#endif
}

#endif
