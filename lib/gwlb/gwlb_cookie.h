/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow cookies: 32 bits that lead from what an appliance sends back to the flow.
 *
 * The low 8 bits are the slot, so that any worker finds the owner.  The upper 24 are the record's
 * number under a keyed permutation: unique among the live flows of the slot, found without a search
 * and nothing that tells a stranger anything.  A cookie alone authorises nothing.
 *
 * The permutation is a Feistel network of 12-bit halves.
 */
#ifndef GWLB_COOKIE_H
#define GWLB_COOKIE_H

#include <stdint.h>

#define GWLB_COOKIE_ROUNDS  4
#define GWLB_COOKIE_RECORDS (1u << 24)

struct gwlb_cookie_key {
	uint32_t k[GWLB_COOKIE_ROUNDS];
};

static inline uint32_t
gwlb_cookie_round(uint32_t half, uint32_t k)
{
	return ((half ^ k) * 0x9e3779b1u ^ k >> 7) >> 18 & 0xfff;
}

/** Cookie of a record number below GWLB_COOKIE_RECORDS, in host order. */
static inline uint32_t
gwlb_cookie(const struct gwlb_cookie_key *key, uint32_t record, uint8_t slot)
{
	uint32_t left = record >> 12 & 0xfff, right = record & 0xfff;

	for (int i = 0; i < GWLB_COOKIE_ROUNDS; i++) {
		uint32_t next = left ^ gwlb_cookie_round(right, key->k[i]);

		left = right;
		right = next;
	}
	return left << 20 | right << 8 | slot;
}

static inline uint32_t
gwlb_cookie_record(const struct gwlb_cookie_key *key, uint32_t cookie)
{
	uint32_t left = cookie >> 20, right = cookie >> 8 & 0xfff;

	for (int i = GWLB_COOKIE_ROUNDS - 1; i >= 0; i--) {
		uint32_t before = right ^ gwlb_cookie_round(left, key->k[i]);

		right = left;
		left = before;
	}
	return left << 12 | right;
}

static inline uint8_t
gwlb_cookie_slot(uint32_t cookie)
{
	return (uint8_t)cookie;
}

#endif
