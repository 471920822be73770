/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains whose buffers are mbufs: what lib/base/chain.h calls an owner is a struct rte_mbuf here.
 *
 * A span references one single-segment mbuf through its reference count.  Nobody writes to data
 * whose count is above one.
 */
#ifndef PORT_CHAIN_H
#define PORT_CHAIN_H

#include <rte_mbuf.h>

#include "chain.h"

/** Buffers come from `pool`; fill a chain_pool with these. */
struct chain_ops port_chain_ops(struct rte_mempool *pool);

/** Bytes of memory that holding an mbuf of `pool` costs. */
static inline uint32_t
port_chain_charge(const struct rte_mempool *pool)
{
	return pool->elt_size;
}

#endif
