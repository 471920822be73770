/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes by longest prefix, both families in one table.
 *
 * A routing table of an appliance has a handful of prefixes and is asked once per flow (the answer
 * is cached in the flow record), so it is a sorted array of disjoint address intervals: built
 * aside for each snapshot, a few cache lines, found by binary search.  See
 * docs/decisions/0004-routes-as-intervals.md.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

struct route {
	struct ip_prefix prefix;
	struct ip_addr via; /* unspecified (all zero): the destination is on the link */
	uint16_t interface; /* egress interface index */
};

struct route_table;

/**
 * Build a table.  Of two routes with the same prefix the first wins.
 * @return  NULL without memory.  Free with route_table_free().
 */
struct route_table *route_table_create(const struct route *routes, size_t routes_n);
void route_table_free(struct route_table *table);

/**
 * The route of the longest prefix that contains `addr`. @return NULL: none.  Any core; the table
 * is immutable.  O(log n).
 */
const struct route *route_lookup(const struct route_table *table, const struct ip_addr *addr);

/** The address to resolve for `addr` under `route`: its gateway, or `addr` itself on the link. */
static inline const struct ip_addr *
route_next_addr(const struct route *route, const struct ip_addr *addr)
{
	static const struct ip_addr none;

	return ip_addr_equal(&route->via, &none) ? addr : &route->via;
}

#endif
