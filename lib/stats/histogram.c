/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

void
histogram_sum(struct histogram *to, const struct histogram *from)
{
	to->sum_us += __atomic_load_n(&from->sum_us, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += __atomic_load_n(&from->buckets[i], __ATOMIC_RELAXED);
}

uint64_t
histogram_count(const struct histogram *h)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		n += h->buckets[i];
	return n;
}

uint64_t
histogram_percentile(const struct histogram *h, uint32_t per_mille)
{
	uint64_t n = histogram_count(h), below = 0;
	uint64_t want = (n * per_mille + 999) / 1000;

	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && n > 0; i++) {
		below += h->buckets[i];
		if (below >= want && below > 0)
			return histogram_value_of(i);
	}
	return 0;
}
