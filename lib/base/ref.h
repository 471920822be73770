/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * References: how records name an object of a dense table across reloads.
 *
 * 20 bits of index, 12 bits of generation.  An index is reused only under a new generation, after
 * the last record that named the old one is gone.  Generations run from 1 to 4,095, so that 0 is
 * never a reference.
 */
#ifndef REF_H
#define REF_H

#include <stdint.h>

#define REF_INDEX_BITS     20
#define REF_INDEX_MAX      (1u << REF_INDEX_BITS)
#define REF_GENERATION_MAX 4095u

static inline uint32_t
ref_make(uint32_t index, uint32_t generation)
{
	return generation << REF_INDEX_BITS | index;
}

static inline uint32_t
ref_index(uint32_t reference)
{
	return reference & (REF_INDEX_MAX - 1);
}

static inline uint32_t
ref_generation(uint32_t reference)
{
	return reference >> REF_INDEX_BITS;
}

static inline uint32_t
ref_next_generation(uint32_t generation)
{
	return generation >= REF_GENERATION_MAX ? 1 : generation + 1;
}

#endif
