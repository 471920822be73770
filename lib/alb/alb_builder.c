/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_builder.h"

#include <stdlib.h>

void *
alb_builder_take(struct builder *b, size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	b->failed |= p == NULL;
	return p;
}

/* Room for one more in an array that grows. */
bool
alb_builder_grow(struct builder *b, void *array, uint32_t n, uint32_t *max, size_t size)
{
	void **items = array, *grown;
	uint32_t larger = *max == 0 ? 64 : 2 * *max;

	if (n < *max)
		return true;
	grown = aligned_alloc(32, ((size_t)larger * size + 31) / 32 * 32);
	if (grown == NULL) {
		b->failed = true;
		return false;
	}
	if (n > 0)
		memcpy(grown, *items, n * size);
	free(*items);
	*items = grown;
	*max = larger;
	return true;
}

/* Sets. Rules are added in ascending order. */

void
alb_builder_add_rule(struct builder *b, struct rule_set *set, uint32_t rule)
{
	uint32_t block = rule / BLOCK_RULES;

	if (set->summary == 0)
		set->first = b->r->blocks_n;
	if ((set->summary >> block & 1) == 0) {
		if (!alb_builder_grow(b, &b->r->blocks, b->r->blocks_n, &b->blocks_max,
				      sizeof(*b->r->blocks)))
			return;
		b->r->blocks[b->r->blocks_n++] = (struct block){0};
		set->summary |= UINT64_C(1) << block;
	}
	b->r->blocks[b->r->blocks_n - 1].w[rule % BLOCK_RULES / 64] |= UINT64_C(1) << (rule % 64);
}

uint32_t
alb_builder_add_value(struct builder *b, uint32_t dimension)
{
	struct alb_rules *r = b->r;

	if (!alb_builder_grow(b, &r->values, r->values_n, &b->values_max, sizeof(*r->values)))
		return 0;
	r->values[r->values_n] = (struct value){.dimension = dimension};
	return r->values_n++;
}
