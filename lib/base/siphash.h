/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash-2-4 (Aumasson, Bernstein 2012): a keyed hash of any bytes.
 *
 * For identities, Maglev and whatever is computed rarely or must be the same on every machine.
 * The flow table's own hash is in hash.h.
 */
#ifndef SIPHASH_H
#define SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

uint64_t siphash(const struct siphash_key *key, const void *buf, size_t len);

#endif
