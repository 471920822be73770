/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of durations for percentiles: log-linear buckets, as HdrHistogram's.
 *
 * Values are microseconds.  Each power of two is cut into 16 equal parts, so a percentile is right
 * to 1/16; values from 2^36 us (19 hours) on are counted in the last bucket.  Written by one
 * worker, summed by the reader with relaxed loads.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 4
#define HISTOGRAM_SUB      (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_OCTAVES  33
#define HISTOGRAM_BUCKETS  (HISTOGRAM_OCTAVES * HISTOGRAM_SUB)

struct histogram {
	uint64_t sum_us;
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

static inline uint32_t
histogram_bucket_of(uint64_t us)
{
	uint32_t shift, bucket;

	if (us < HISTOGRAM_SUB)
		return (uint32_t)us;
	shift = 63 - (uint32_t)__builtin_clzll(us) - HISTOGRAM_SUB_BITS;
	bucket = (shift + 1) * HISTOGRAM_SUB + (uint32_t)(us >> shift) - HISTOGRAM_SUB;
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/** Lowest value of a bucket. */
static inline uint64_t
histogram_value_of(uint32_t bucket)
{
	uint32_t octave = bucket >> HISTOGRAM_SUB_BITS;

	if (octave == 0)
		return bucket;
	return (uint64_t)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB) << (octave - 1);
}

static inline void
histogram_add(struct histogram *h, uint64_t us)
{
	h->buckets[histogram_bucket_of(us)]++;
	h->sum_us += us;
}

/** Add another core's histogram to `to`. */
void histogram_sum(struct histogram *to, const struct histogram *from);

/** Values counted. */
uint64_t histogram_count(const struct histogram *h);

/** The value below which `per_mille` of 1,000 values lie; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *h, uint32_t per_mille);

#endif
