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

/**
 * Hash four words.  By value: what was just computed need not be written to memory and read back
 * in another width, which would stall.
 */
static inline uint64_t
hash_words(const struct hash_seed *seed, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
#ifdef __AES__
	const __m128i *k = (const __m128i *)(const void *)seed->k;
	__m128i a = _mm_set_epi64x((long long)w1, (long long)w0);
	__m128i b = _mm_set_epi64x((long long)w3, (long long)w2);

	a = _mm_xor_si128(a, _mm_loadu_si128(&k[0]));
	b = _mm_xor_si128(b, _mm_loadu_si128(&k[1]));
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[2]));
	b = _mm_aesenc_si128(b, _mm_loadu_si128(&k[3]));
	a = _mm_aesenc_si128(a, b);
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[1]));
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[0]));
	return (uint64_t)_mm_cvtsi128_si64(a);
#else
	uint64_t w[4] = {w0, w1, w2, w3};

	return siphash((const struct siphash_key *)(const void *)seed->k, w, sizeof(w));
#endif
}

/**
 * Hash two 16-byte addresses and a word, as a packet's tuple is.  Strangers choose all of it: what
 * is mixed has gone through at least one keyed round, and no two parts through the same number.
 */
static inline uint64_t
hash_tuple(const struct hash_seed *seed, const uint64_t src[2], const uint64_t dst[2],
	   uint64_t word)
{
#ifdef __AES__
	const __m128i *k = (const __m128i *)(const void *)seed->k;
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)src);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)dst);
	__m128i c = _mm_cvtsi64_si128((long long)word);

	a = _mm_xor_si128(a, _mm_loadu_si128(&k[0]));
	b = _mm_xor_si128(b, _mm_loadu_si128(&k[1]));
	c = _mm_xor_si128(c, _mm_loadu_si128(&k[2]));
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[3]));
	b = _mm_aesenc_si128(b, _mm_loadu_si128(&k[2]));
	a = _mm_aesenc_si128(a, b);
	a = _mm_aesenc_si128(a, c);
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[1]));
	a = _mm_aesenc_si128(a, _mm_loadu_si128(&k[0]));
	return (uint64_t)_mm_cvtsi128_si64(a);
#else
	uint64_t w[5] = {src[0], src[1], dst[0], dst[1], word};

	return siphash((const struct siphash_key *)(const void *)seed->k, w, sizeof(w));
#endif
}

/**
 * A cheap hash for tables whose contents strangers can't choose (the configuration's): a search for
 * a stranger's key is as long as the operator's keys make it, whatever the key.
 */
static inline uint64_t
hash_cheap(uint64_t w0, uint64_t w1, uint64_t w2)
{
	uint64_t h = (w0 ^ w1 * UINT64_C(0x9e3779b97f4a7c15)) + w2 * UINT64_C(0xd6e8feb86659fd93);

	h ^= h >> 32;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h >> 32;
}

#endif
