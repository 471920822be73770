/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Payload as it travels through tcp, tls and http: a queue of spans.
 *
 * A span is a run of bytes in a buffer somebody else owns (an mbuf in the appliance, malloc in
 * tests), with one reference to that buffer.  Bytes are read-only once they are in a chain, so a
 * buffer may be part of any number of chains: what is forwarded is referenced, not copied.
 *
 * Memory is charged by what is held, not by payload: each reference charges the whole buffer
 * (`charge`), so that a thousand one-byte segments show as the thousand buffers they pin.
 *
 * Spans come from a fixed pool.  One pool per worker, called by that worker alone; a chain belongs
 * to its pool.
 */
#ifndef CHAIN_H
#define CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Buffers, supplied by whoever owns them. */
struct chain_ops {
	void (*ref)(void *owner);
	void (*unref)(void *owner);
	/**
	 * A new buffer with one reference.
	 * @return  its owner handle, NULL when there is none; `*data` has room for `*room` bytes.
	 */
	void *(*alloc)(void *arg, uint8_t **data, uint32_t *room);
	void *arg; /* of alloc */
};

struct span {
	struct span *next; /* NULL: the last */
	uint8_t *data;
	uint32_t len;    /* never 0 in a chain */
	uint32_t charge; /* bytes of memory that the reference pins */
	void *owner;     /* NULL: constant bytes that nobody frees */
};

struct chain {
	struct span *first, *last;
	uint32_t len;    /* payload bytes */
	uint32_t charge; /* sum of the spans' */
};

struct chain_pool {
	struct chain_ops ops;
	struct span *free;
	uint32_t free_n, spans_n;
	uint32_t free_min;      /* low-water mark of free_n */
	uint32_t buffer_charge; /* of a buffer that `alloc` makes */
	uint64_t failures;      /* appends refused for want of a span or buffer */
	uint64_t charged;       /* bytes charged by all chains of the pool */
};

/** `spans` is the caller's memory, `n` of them, and stays in use until the pool is. */
void chain_pool_init(struct chain_pool *pool, const struct chain_ops *ops, struct span *spans,
		     uint32_t n, uint32_t buffer_charge);

/**
 * Append `len` bytes (0: nothing is done, the reference is given back) of a buffer, taking over one
 * reference of the caller's.  Bytes that follow the last span's in the same buffer extend it.
 * @return  false without a free span: nothing changed, the reference stays the caller's.
 */
bool chain_append(struct chain_pool *pool, struct chain *chain, void *owner, const uint8_t *data,
		  uint32_t len, uint32_t charge);

/** The same, with a new reference taken. */
bool chain_append_ref(struct chain_pool *pool, struct chain *chain, void *owner,
		      const uint8_t *data, uint32_t len, uint32_t charge);

/**
 * Append a copy of `len` bytes, in new buffers of the pool's.
 * @return  false without buffers or spans: nothing changed.
 */
bool chain_append_copy(struct chain_pool *pool, struct chain *chain, const void *bytes,
		       uint32_t len);

/**
 * Append a copy of `len` bytes to the last buffer, of which `*room` bytes behind the last span are
 * free and the caller's alone, or else to a new one, which sets `*room` anew.  For queues of
 * crumbs: the caller keeps `room` with the chain, and zeroes it when its last span leaves.  Of
 * greater buffers 64 KiB are used.
 * @return  false without a buffer or span, or when it doesn't fit one: nothing changed.
 */
bool chain_append_tail(struct chain_pool *pool, struct chain *chain, uint16_t *room,
		       const void *bytes, uint32_t len);

/**
 * Move the first `len` bytes of `from` behind `to`; a span in two halves is referenced twice.
 * @return  false without a span for that: nothing changed.
 */
bool chain_move(struct chain_pool *pool, struct chain *to, struct chain *from, uint32_t len);

/** Move everything: never fails. */
void chain_move_all(struct chain *to, struct chain *from);

/**
 * Reference the bytes [offset, offset + len) of `from` behind `to`.
 * @return  false without spans: nothing changed.
 */
bool chain_share(struct chain_pool *pool, struct chain *to, const struct chain *from,
		 uint32_t offset, uint32_t len);

/** Give back the first `len` bytes, at most all. */
void chain_consume(struct chain_pool *pool, struct chain *chain, uint32_t len);

/** Give back everything. */
void chain_free(struct chain_pool *pool, struct chain *chain);

/** Copy [offset, offset + len) out; the range is inside the chain. */
void chain_copy_out(const struct chain *chain, uint32_t offset, void *to, uint32_t len);

static inline bool
chain_is_empty(const struct chain *chain)
{
	return chain->first == NULL;
}

#endif
