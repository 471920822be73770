/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path's hash: 32 bytes of key material to 64 bits, keyed with a random seed.
 *
 * Strangers choose the bytes, so the result must not be predictable without the seed (a CRC's
 * collisions don't depend on its seed at all).  With AES instructions it is an AES-based
 * compression of about 6 ns; elsewhere it is SipHash.  The value never leaves the process.
 */
#ifndef HASH_H
#define HASH_H

#include <stdint.h>

#include "siphash.h"

#ifdef __AES__
#include <wmmintrin.h>
#endif

struct hash_seed {
	uint64_t k[8];
};

/** What is hashed: fill all 32 bytes, zero what is unused. */
struct hash_input {
	uint64_t w[4];
};

static inline uint64_t
hash_input(const struct hash_seed *seed, const struct hash_input *in)
{
#ifdef __AES__
	const __m128i *k = (const __m128i *)(const void *)seed->k;
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)&in->w[0]);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)&in->w[2]);

	a = _mm_xor_si128(a, _mm_loadu_si128(&k[0]));
	b = _mm_xor_si128(b, _mm_loadu_si128(&k[1]));
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[2]));
	b = _mm_aesenc_si128(b, _mm_loadu_si128(&k[3]));
	a = _mm_aesenc_si128(a, b);
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[1]));
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[0]));
	return (uint64_t)_mm_cvtsi128_si64(a);
#else
	return siphash((const struct siphash_key *)(const void *)seed->k, in->w, sizeof(in->w));
#endif
}

#endif
