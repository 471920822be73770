/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From an address to the next hop on its way: routes of the snapshot, neighbors of the next-hop
 * table, and a cached reference that spares both.
 */
#ifndef SNAPSHOT_HOP_H
#define SNAPSHOT_HOP_H

#include "check.h"
#include "next_hop.h"
#include "snapshot.h"

/* The way round the cache. */
static __attribute__((noinline, cold, unused)) uint32_t
snapshot_next_hop_again(const struct snapshot *s, const struct next_hop_table *hops,
			uint32_t *cached, const struct ip_addr *addr)
{
	const struct route *route = route_lookup(s->routes, addr);

	*cached = route == NULL
			  ? 0
			  : next_hop_find(hops, route->interface, route_next_addr(route, addr));
	if (!next_hop_is_usable(hops, *cached))
		*cached = 0;
	return *cached;
}

/** A usable next hop towards `addr`: the cached one, or found again. 0: to be resolved. */
static inline uint32_t
snapshot_next_hop(const struct snapshot *s, const struct next_hop_table *hops, uint32_t *cached,
		  const struct ip_addr *addr)
{
	if (likely(next_hop_is_usable(hops, *cached)))
		return *cached;
	return snapshot_next_hop_again(s, hops, cached, addr);
}

#endif
