/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/nlb: how many flows may begin in a second, of a listener and of one source address.
 *
 * Token buckets that hold a second's worth.  Each frontend has one.  Sources share two arrays of
 * them, by two hashes of its IPv4 address or IPv6 /64: a source is over its rate when both of its
 * buckets are empty, so one that collides with a busy one in one array has the other.  Memory is
 * fixed, whatever number of addresses a flood has.
 *
 * One per worker: the snapshot has each worker's share of the rates.
 */
#ifndef NLB_RATE_H
#define NLB_RATE_H

#include "hash.h"
#include "snapshot.h"

#define NLB_RATE_SOURCES 16384 /* buckets of each array, a power of two */

struct nlb_bucket {
	uint32_t tokens; /* thousandths of a flow */
	uint32_t at_ms;  /* when that was so */
};

struct nlb_rate {
	struct hash_seed seed;
	struct nlb_bucket frontends[SNAPSHOT_FRONTENDS];
	struct nlb_bucket sources[2][NLB_RATE_SOURCES];
};

enum nlb_rate_verdict { NLB_RATE_GOOD, NLB_RATE_LISTENER, NLB_RATE_SOURCE };

/** May a flow begin?  A zeroed struct with a seed is a fresh one. */
enum nlb_rate_verdict nlb_rate_take(struct nlb_rate *rate, const struct snapshot_frontend *f,
				    uint32_t frontend, const struct ip_addr *source,
				    uint32_t now_ms);

#endif
