/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Internet checksums (RFC 1071) and their incremental update (RFC 1624).
 *
 * Sums are of 16-bit words in wire order, held unfolded in 64 bits.  An update takes the old and
 * the new bytes; the result is in wire order like the field itself.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"

static inline uint16_t
checksum_fold(uint64_t sum)
{
	uint32_t x;

	sum = (sum & 0xffffffff) + (sum >> 32);
	x = (uint32_t)sum + (uint32_t)(sum >> 32);
	/* Both halves added to both: the carry out of the lower goes round into the upper. */
	x += x << 16 | x >> 16;
	return (uint16_t)(x >> 16);
}

/** Add `len` bytes to an unfolded sum; an odd last byte counts as the high byte of a word. */
uint64_t checksum_add(uint64_t sum, const void *buf, size_t len);

/** The checksum field of `len` bytes whose field is zeroed, or 0 if the field is right. */
static inline uint16_t
checksum(const void *buf, size_t len)
{
	return (uint16_t)~checksum_fold(checksum_add(0, buf, len));
}

/** Sum of an IPv4 header without options. */
static inline uint64_t
checksum_add20(const uint8_t *p)
{
	return (uint64_t)bytes_load32(p) + bytes_load32(p + 4) + bytes_load32(p + 8) +
	       bytes_load32(p + 12) + bytes_load32(p + 16);
}

/** Unfolded sum of the TCP, UDP or ICMPv6 pseudo header; addresses are 4 or 16 wire bytes. */
uint64_t checksum_pseudo(const uint8_t *src, const uint8_t *dst, size_t addr_len, uint8_t proto,
			 uint32_t l4_len);

/*
 * A difference of header bytes: add what is new, add the complement of what is old, apply once.
 * The parts must start at even offsets of the checksummed data.
 */
static inline uint64_t
checksum_diff16(uint64_t diff, uint16_t from_be, uint16_t to_be)
{
	return diff + (uint16_t)~from_be + to_be;
}

static inline uint64_t
checksum_diff32(uint64_t diff, uint32_t from_be, uint32_t to_be)
{
	return diff + (uint32_t)~from_be + to_be;
}

static inline uint64_t
checksum_diff_addr(uint64_t diff, const uint8_t *from, const uint8_t *to, size_t addr_len)
{
	for (size_t i = 0; i < addr_len; i += 4)
		diff = checksum_diff32(diff, bytes_load32(from + i), bytes_load32(to + i));
	return diff;
}

/** RFC 1624 equation 3: the field after the difference. */
static inline uint16_t
checksum_apply(uint16_t field_be, uint64_t diff)
{
	return (uint16_t)~checksum_fold((uint16_t)~field_be + diff);
}

#endif
