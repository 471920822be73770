/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Source ports towards targets: which of the 252 ports of a slot to try, and in which order.
 *
 * A port is taken when the flow table holds a record with the reply's 5-tuple, whoever made it; so
 * ports are per (local address, target address, target port), need no bitmap of their own, are
 * right after a rebuild, and never collide with adopted records.  What is kept here is a small
 * array of hints: where the last search in a pool's slot ended, so that ports of a pool are used in
 * turn and a freed port rests longest, and when a search found nothing, so that a full pool costs a
 * flood of SYNs no scan each.  Hints are shared by pools that collide and may be lost at any time;
 * that a pool is full is noted with a check of its identity, so that others go on.
 *
 * The low byte of a port is its slot (steer.h); the high byte runs from 4 to 255.
 */
#ifndef SOURCE_PORT_H
#define SOURCE_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#define SOURCE_PORT_HINTS    65536
#define SOURCE_PORT_FIRST    4 /* no port below 1,024 */
#define SOURCE_PORT_PER_SLOT 252
#define SOURCE_PORT_RETRY_MS 50 /* a full pool's slot is searched again after this */

struct source_port_hint {
	uint8_t next;      /* 0 .. 251: high byte less SOURCE_PORT_FIRST */
	uint8_t full_pool; /* check byte of a pool where nothing was free at `full_ms`; 0: none */
	uint16_t full_ms;  /* low bits of the clock */
};

static inline struct source_port_hint *
source_port_hint_of(struct source_port_hint *hints, uint64_t pool)
{
	return &hints[pool % SOURCE_PORT_HINTS];
}

/* Bits of the pool's hash that don't choose its hint. */
static inline uint8_t
source_port_check(uint64_t pool)
{
	uint8_t check = (uint8_t)(pool >> 56);

	return check == 0 ? 1 : check;
}

/** The candidate `i` (0 .. SOURCE_PORT_PER_SLOT - 1) of a search. Wire order. */
static inline uint16_t
source_port_candidate(const struct source_port_hint *hint, uint8_t slot, uint32_t i)
{
	uint32_t high = hint->next + i;

	if (high >= SOURCE_PORT_PER_SLOT)
		high -= SOURCE_PORT_PER_SLOT;
	return htons((uint16_t)((high + SOURCE_PORT_FIRST) << 8 | slot));
}

/** Whether a search of `pool` (a hash of it with its slot) would most likely be in vain. */
static inline bool
source_port_is_full(const struct source_port_hint *hint, uint64_t pool, uint32_t now_ms)
{
	return hint->full_pool == source_port_check(pool) &&
	       (uint16_t)((uint16_t)now_ms - hint->full_ms) < SOURCE_PORT_RETRY_MS;
}

/** The search took candidate `i`. */
static inline void
source_port_taken(struct source_port_hint *hint, uint32_t i)
{
	hint->next = (uint8_t)((hint->next + i + 1) % SOURCE_PORT_PER_SLOT);
	hint->full_pool = 0;
}

/** The search found nothing. */
static inline void
source_port_exhausted(struct source_port_hint *hint, uint64_t pool, uint32_t now_ms)
{
	hint->full_pool = source_port_check(pool);
	hint->full_ms = (uint16_t)now_ms;
}

#endif
