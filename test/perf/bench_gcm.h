/* SPDX-License-Identifier: BSD-3-Clause */
/* The yardstick of TLS: libcrypto's AES-128-GCM alone, in records' sizes. */
#ifndef BENCH_GCM_H
#define BENCH_GCM_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "bench_numbers.h"
#include "check.h"

#define RECORD 16384u

/* @return  bytes a second of that clock. */
static inline double
gcm(bool seal, uint64_t bytes, clockid_t clock)
{
	static uint8_t from[RECORD], to[RECORD + 16];
	static const uint8_t key[16] = {1}, iv[12] = {2};
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	double began;
	int len;

	CHECK(EVP_CipherInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, iv, seal) == 1);
	began = clock_s(clock);
	for (uint64_t i = 0; i < bytes; i += RECORD)
		CHECK(EVP_CipherUpdate(ctx, to, &len, from, RECORD) == 1);
	began = clock_s(clock) - began;
	EVP_CIPHER_CTX_free(ctx);
	return (double)bytes / began;
}

#endif
