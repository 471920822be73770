/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * least_outstanding_requests: a heap of a group's targets, the least loaded first.
 *
 * The load is requests per weight; among equals the one chosen longest ago comes first.  A heap
 * belongs to one set: with another set it is built anew at the next choice.
 */
#include "balance.h"
#include "ref.h"

static struct balance_target *
target_of(const struct balance_set *set, struct balance_target *targets, uint32_t choice)
{
	return &targets[ref_index(set->choices[choice].target)];
}

/* Loads compared crosswise: no division. */
static bool
is_before(const struct balance_set *set, struct balance_target *targets, uint32_t a, uint32_t b)
{
	const struct balance_target *x = target_of(set, targets, a),
				    *y = target_of(set, targets, b);
	uint64_t x_load = ((uint64_t)x->outstanding + 1) * set->choices[b].weight;
	uint64_t y_load = ((uint64_t)y->outstanding + 1) * set->choices[a].weight;

	return x_load != y_load ? x_load < y_load : (int32_t)(x->stamp - y->stamp) < 0;
}

static void
place(const struct balance_set *set, struct balance_group *g, struct balance_target *targets,
      uint32_t at, uint32_t choice)
{
	g->heap[at] = choice;
	target_of(set, targets, choice)->heap_at = at + 1;
}

static void
sift_up(const struct balance_set *set, struct balance_group *g, struct balance_target *targets,
	uint32_t at)
{
	uint32_t choice = g->heap[at];

	while (at > 0 && is_before(set, targets, choice, g->heap[(at - 1) / 2])) {
		place(set, g, targets, at, g->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(set, g, targets, at, choice);
}

static void
sift_down(const struct balance_set *set, struct balance_group *g, struct balance_target *targets,
	  uint32_t at)
{
	uint32_t choice = g->heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < g->heap_n &&
		    is_before(set, targets, g->heap[child + 1], g->heap[child]))
			child++;
		if (child >= g->heap_n || !is_before(set, targets, g->heap[child], choice))
			break;
		place(set, g, targets, at, g->heap[child]);
		at = child;
	}
	place(set, g, targets, at, choice);
}

static void
build_heap(const struct balance_set *set, struct balance_group *g, struct balance_target *targets)
{
	g->serial = set->serial;
	g->heap_n = set->choices_n;
	for (uint32_t i = 0; i < g->heap_n; i++)
		place(set, g, targets, i, i);
	for (uint32_t i = g->heap_n / 2; i > 0; i--)
		sift_down(set, g, targets, i - 1);
}

static uint32_t
choose(const struct balance_set *set, struct balance_group *g, const struct balance_worker *worker)
{
	uint32_t a, b;

	if (set->choices_n <= g->heap_max) {
		if (g->serial != set->serial)
			build_heap(set, g, worker->targets);
		return g->heap[0];
	}
	/* No room for a heap: the better one of two. */
	a = (uint32_t)((uint64_t)(uint32_t)worker->random * set->choices_n >> 32);
	b = (uint32_t)((worker->random >> 32) * set->choices_n >> 32);
	return is_before(set, worker->targets, a, b) ? a : b;
}

static void
changed(const struct balance_set *set, struct balance_group *g, struct balance_target *targets,
	uint32_t target_index)
{
	uint32_t at = targets[target_index].heap_at;

	/* Not in this heap: an older set's, or gone from the group. */
	if (g->serial != set->serial || at == 0 || at > g->heap_n ||
	    ref_index(set->choices[g->heap[at - 1]].target) != target_index)
		return;
	sift_up(set, g, targets, at - 1);
	sift_down(set, g, targets, targets[target_index].heap_at - 1);
}

const struct balance_algorithm balance_least_outstanding = {"least_outstanding_requests", choose,
							    changed};
