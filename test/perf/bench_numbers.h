/* SPDX-License-Identifier: BSD-3-Clause */
/* What benches share: clocks, and the order of what they measured. */
#ifndef BENCH_NUMBERS_H
#define BENCH_NUMBERS_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static inline double
clock_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int
compare_numbers(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Smallest first: the median is in the middle. */
static inline void
sort_numbers(double *numbers, uint32_t n)
{
	qsort(numbers, n, sizeof(*numbers), compare_numbers);
}

#endif
