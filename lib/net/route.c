/* SPDX-License-Identifier: BSD-3-Clause */
#include "route.h"

#include <stdlib.h>

/*
 * The address space cut at every prefix's first address and behind its last: `start` of one
 * interval is the end of the one before.  Built by walking the sorted prefixes with a stack of
 * those that are open.
 */
struct interval {
	uint64_t start[2]; /* host order, most significant first */
	uint32_t route;    /* index into routes[], UINT32_MAX: none */
};

struct route_table {
	uint32_t intervals_n;
	struct interval *intervals;
	struct route *routes;
};

struct edge {
	uint64_t first[2], last[2];
	uint8_t len;
	uint32_t route;
};

static void
addr_words(const struct ip_addr *addr, uint64_t w[2])
{
	uint64_t be[2];

	memcpy(be, addr->b, sizeof(be));
	w[0] = __builtin_bswap64(be[0]);
	w[1] = __builtin_bswap64(be[1]);
}

static inline int
compare_words(const uint64_t a[2], const uint64_t b[2])
{
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return a[1] == b[1] ? 0 : a[1] < b[1] ? -1 : 1;
}

/* Outer prefixes first; of equal ones the first given. */
static int
compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	int order = compare_words(x->first, y->first);

	if (order != 0)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->route < y->route ? -1 : 1;
}

static struct edge
edge_of(const struct route *route, uint32_t index)
{
	struct ip_prefix net = ip_prefix_network(&route->prefix);
	struct edge edge = {.len = net.len, .route = index};
	uint64_t hi = net.len >= 64 ? 0 : UINT64_MAX >> net.len;
	uint64_t lo = net.len >= 128  ? 0
		      : net.len <= 64 ? UINT64_MAX
				      : UINT64_MAX >> (net.len - 64);

	addr_words(&net.addr, edge.first);
	edge.last[0] = edge.first[0] | hi;
	edge.last[1] = edge.first[1] | lo;
	return edge;
}

static void
cut(struct route_table *table, const uint64_t at[2], uint32_t route)
{
	struct interval *last;

	if (table->intervals_n > 0) {
		last = &table->intervals[table->intervals_n - 1];
		if (compare_words(last->start, at) == 0) {
			last->route = route;
			return;
		}
	}
	last = &table->intervals[table->intervals_n++];
	last->start[0] = at[0];
	last->start[1] = at[1];
	last->route = route;
}

/* Close the innermost open prefix: what it lies in goes on behind it. */
static void
close_top(struct route_table *table, const struct edge **open, size_t *open_n)
{
	const struct edge *top = open[--*open_n];
	uint64_t after[2] = {top->last[0], top->last[1] + 1};

	if (after[1] == 0 && ++after[0] == 0)
		return; /* it reaches to the end of all addresses */
	cut(table, after, *open_n > 0 ? open[*open_n - 1]->route : UINT32_MAX);
}

static void
build(struct route_table *table, const struct edge *edges, size_t edges_n)
{
	const struct edge *open[130]; /* nested prefixes have distinct lengths */
	const uint64_t zero[2] = {0, 0};
	size_t open_n = 0;

	cut(table, zero, UINT32_MAX);
	for (size_t i = 0; i < edges_n; i++) {
		const struct edge *e = &edges[i];

		if (i > 0 && edges[i - 1].len == e->len &&
		    compare_words(edges[i - 1].first, e->first) == 0)
			continue;
		while (open_n > 0 && compare_words(open[open_n - 1]->last, e->first) < 0)
			close_top(table, open, &open_n);
		cut(table, e->first, e->route);
		open[open_n++] = e;
	}
	while (open_n > 0)
		close_top(table, open, &open_n);
}

struct route_table *
route_table_create(const struct route *routes, size_t routes_n)
{
	struct route_table *table = calloc(1, sizeof(*table));
	struct edge *edges = calloc(routes_n + 1, sizeof(*edges));

	if (table == NULL || edges == NULL)
		goto fail;
	table->routes = calloc(routes_n + 1, sizeof(*table->routes));
	table->intervals = calloc(2 * routes_n + 1, sizeof(*table->intervals));
	if (table->routes == NULL || table->intervals == NULL)
		goto fail;
	for (size_t i = 0; i < routes_n; i++) {
		table->routes[i] = routes[i];
		edges[i] = edge_of(&routes[i], (uint32_t)i);
	}
	qsort(edges, routes_n, sizeof(*edges), compare_edges);
	build(table, edges, routes_n);
	free(edges);
	return table;

fail:
	free(edges);
	route_table_free(table);
	return NULL;
}

void
route_table_free(struct route_table *table)
{
	if (table == NULL)
		return;
	free(table->intervals);
	free(table->routes);
	free(table);
}

const struct route *
route_lookup(const struct route_table *table, const struct ip_addr *addr)
{
	uint32_t low = 0, high = table->intervals_n;
	uint64_t w[2];

	addr_words(addr, w);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_words(table->intervals[middle].start, w) <= 0)
			low = middle;
		else
			high = middle;
	}
	if (table->intervals[low].route == UINT32_MAX)
		return NULL;
	return &table->routes[table->intervals[low].route];
}
