/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring of bytes from one worker to the logger: records of any length, never waited for.
 *
 * One producer, one consumer, no lock.  A record lies in one piece; one that finds no room is lost
 * and counted.  What is in a record is between its writer and its reader.
 */
#ifndef LOG_RING_H
#define LOG_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct log_ring {
	uint8_t *bytes;
	uint32_t size; /* a power of two */
	/* The producer's line. */
	_Alignas(64) _Atomic uint32_t head; /* counts bytes, wraps */
	uint32_t tail_seen;
	uint32_t reserved; /* head when the reserved record is committed */
	uint64_t written, lost;
	/* The consumer's. */
	_Alignas(64) _Atomic uint32_t tail;
};

/** `bytes` is the caller's memory, of `size` bytes: a power of two, at least 4,096. */
void log_ring_init(struct log_ring *ring, void *bytes, uint32_t size);

/**
 * Room for a record of `len` bytes, aligned to 8.  Producer.
 * @return  NULL, and the record is counted as lost, when there is none.
 */
void *log_ring_reserve(struct log_ring *ring, uint32_t len);

/** Let the reader see the record that was reserved. */
void log_ring_commit(struct log_ring *ring);

/** The oldest record and its length, or NULL.  Consumer; valid until log_ring_release(). */
const void *log_ring_peek(struct log_ring *ring, uint32_t *len);
void log_ring_release(struct log_ring *ring);

#endif
