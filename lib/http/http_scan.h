/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of plain bytes, eight at a time.  Within lib/http.
 */
#ifndef HTTP_SCAN_H
#define HTTP_SCAN_H

#include <stdint.h>

#include "bytes.h"

/* Classes of bytes. */
#define HTTP_TOKEN      1 /* RFC 9110 section 5.6.2 */
#define HTTP_PLAIN      2 /* ELB's names: letters, digits, hyphen */
#define HTTP_TARGET     4 /* may stand in a target as it is, RFC 3986 and what browsers leave raw */
#define HTTP_UNRESERVED 8 /* of a host's name: unreserved and sub-delims */

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

/**
 * The first control character or DEL of [p, end), `end` if there is none.  Bytes above 0x7f in
 * front of it set the high bit of `*seen`.
 */
static inline const uint8_t *
http_scan_value(const uint8_t *p, const uint8_t *end, uint64_t *seen)
{
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

#endif
