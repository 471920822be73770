/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>

#include "unit.h"

#include "histogram.h"
#include "log_ring.h"

#define RECORDS 200000

static _Alignas(64) uint8_t bytes[4096];
static struct log_ring ring;

static uint32_t
length_of(uint32_t i)
{
	return 4 + i * 2654435761u % 700;
}

static void *
write_records(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < RECORDS;) {
		uint8_t *to = log_ring_reserve(&ring, length_of(i));

		if (to == NULL)
			continue;
		memset(to, (int)(i & 0xff), length_of(i));
		memcpy(to, &i, 4);
		log_ring_commit(&ring);
		i++;
	}
	return NULL;
}

/* Each record arrives once, whole and in order, with a writer that never waits. */
static void
test_records_cross_threads(void)
{
	pthread_t writer;
	uint32_t wrong = 0;

	log_ring_init(&ring, bytes, sizeof(bytes));
	EXPECT(pthread_create(&writer, NULL, write_records, NULL) == 0);
	for (uint32_t i = 0; i < RECORDS;) {
		uint32_t len, number;
		const uint8_t *record = log_ring_peek(&ring, &len);

		if (record == NULL)
			continue;
		memcpy(&number, record, 4);
		wrong += number != i || len != length_of(i) ||
			 (len > 4 && record[len - 1] != (uint8_t)i);
		log_ring_release(&ring);
		i++;
	}
	pthread_join(writer, NULL);
	EXPECT(wrong == 0);
	EXPECT(ring.written == RECORDS);
}

static void
test_full_ring_loses_and_counts(void)
{
	uint32_t n = 0, len;

	log_ring_init(&ring, bytes, sizeof(bytes));
	while (log_ring_reserve(&ring, 100) != NULL) {
		log_ring_commit(&ring);
		n++;
	}
	EXPECT(n == sizeof(bytes) / 112);
	EXPECT(ring.lost == 1);
	EXPECT(log_ring_reserve(&ring, sizeof(bytes)) == NULL);
	EXPECT(log_ring_peek(&ring, &len) != NULL && len == 100);
	log_ring_release(&ring);
	EXPECT(log_ring_reserve(&ring, 90) != NULL);
}

static void
test_histogram(void)
{
	static struct histogram h, sum;
	uint32_t last = 0, wrong = 0;

	for (uint64_t us = 0; us < 1000000; us++) {
		uint32_t bucket = histogram_bucket_of(us);

		wrong += bucket < last || bucket > last + 1 || histogram_value_of(bucket) > us ||
			 histogram_value_of(bucket + 1) <= us;
		last = bucket;
	}
	EXPECT_ROW("buckets follow each other and hold their values", wrong == 0);
	EXPECT(histogram_bucket_of(UINT64_MAX) == HISTOGRAM_BUCKETS - 1);
	EXPECT(histogram_percentile(&h, 500) == 0);
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_add(&h, us);
	histogram_sum(&sum, &h);
	EXPECT(histogram_count(&sum) == 1000);
	EXPECT(histogram_percentile(&sum, 500) >= 480 && histogram_percentile(&sum, 500) <= 500);
	EXPECT(histogram_percentile(&sum, 990) >= 928 && histogram_percentile(&sum, 990) <= 990);
	EXPECT(sum.sum_us == 500500);
}

int
main(void)
{
	test_records_cross_threads();
	test_full_ring_loses_and_counts();
	test_histogram();
	return unit_done();
}
