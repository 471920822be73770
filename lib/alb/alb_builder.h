/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of alb_rules_build(): what its steps share.
 */
#ifndef ALB_BUILDER_H
#define ALB_BUILDER_H

#include "alb_compiled.h"

/* A prefix of a source_ip condition and its rule. */
struct prefix_entry {
	struct ip_prefix prefix;
	uint32_t rule;
};

struct builder {
	struct alb_rules *r;
	const struct model_rule **models; /* by priority */
	struct entry *entries;
	uint32_t entries_n;
	char *texts; /* of entries that no model holds */
	uint32_t texts_n;
	struct prefix_entry *prefixes;
	uint32_t prefixes_n;
	uint32_t values_max, blocks_max; /* capacities */
	bool failed;                     /* no memory */
	char *why;
};

static inline int
compare_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

/** Zeroed room for `n` and one more; without memory NULL, and the builder has failed. */
void *alb_builder_take(struct builder *b, size_t n, size_t size);

/** Room for one more in an array of `n` that grows. */
bool alb_builder_grow(struct builder *b, void *array, uint32_t n, uint32_t *max, size_t size);

/** Add a rule to a set, which is the one that was made last; rules come in ascending order. */
void alb_builder_add_rule(struct builder *b, struct rule_set *set, uint32_t rule);

/** A new value with an empty set. @return  its position. */
uint32_t alb_builder_add_value(struct builder *b, uint32_t dimension);

/** The intervals of all prefixes. */
void alb_builder_sources(struct builder *b);

/** The actions of all rules and the default action. */
void alb_builder_actions(struct builder *b, const struct model_listener *listener,
			 const struct alb_group_indexes *groups);

#endif
