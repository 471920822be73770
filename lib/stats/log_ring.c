/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_ring.h"

#include <string.h>

#include "check.h"

/* In front of each record: its length, or that the rest of the ring is skipped. */
#define HEADER    8u
#define SKIP_REST UINT32_MAX

static uint32_t
footprint(uint32_t len)
{
	return HEADER + ((len + 7) & ~7u);
}

static void
put_length(struct log_ring *ring, uint32_t at, uint32_t len)
{
	memcpy(ring->bytes + (at & (ring->size - 1)), &len, sizeof(len));
}

static uint32_t
get_length(const struct log_ring *ring, uint32_t at)
{
	uint32_t len;

	memcpy(&len, ring->bytes + (at & (ring->size - 1)), sizeof(len));
	return len;
}

void
log_ring_init(struct log_ring *ring, void *bytes, uint32_t size)
{
	CHECK(size >= 4096 && (size & (size - 1)) == 0);
	memset(ring, 0, sizeof(*ring));
	ring->bytes = bytes;
	ring->size = size;
}

void *
log_ring_reserve(struct log_ring *ring, uint32_t len)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t need = footprint(len), to_end = ring->size - (head & (ring->size - 1));
	uint32_t total = need > to_end ? to_end + need : need;

	if (len > ring->size / 2 || ring->size - (head - ring->tail_seen) < total) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (len > ring->size / 2 || ring->size - (head - ring->tail_seen) < total) {
			ring->lost++;
			return NULL;
		}
	}
	if (need > to_end) {
		put_length(ring, head, SKIP_REST);
		head += to_end;
	}
	put_length(ring, head, len);
	ring->reserved = head + need;
	return ring->bytes + (head & (ring->size - 1)) + HEADER;
}

void
log_ring_commit(struct log_ring *ring)
{
	ring->written++;
	/* Release: the record is complete before the reader sees it. */
	atomic_store_explicit(&ring->head, ring->reserved, memory_order_release);
}

const void *
log_ring_peek(struct log_ring *ring, uint32_t *len)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail == head)
		return NULL;
	*len = get_length(ring, tail);
	if (*len == SKIP_REST) {
		tail += ring->size - (tail & (ring->size - 1));
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
		*len = get_length(ring, tail);
	}
	return ring->bytes + (tail & (ring->size - 1)) + HEADER;
}

void
log_ring_release(struct log_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	/* Release: the record was read before its bytes may be written again. */
	atomic_store_explicit(&ring->tail, tail + footprint(get_length(ring, tail)),
			      memory_order_release);
}
