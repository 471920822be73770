/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of compiled rules: what alb_rules_build() makes and alb_rules_match() reads.
 */
#ifndef ALB_COMPILED_H
#define ALB_COMPILED_H

#include "alb_pattern.h"
#include "alb_rules.h"

#define BLOCK_RULES 256

/* 256 rules of a set. */
struct block {
	uint64_t w[BLOCK_RULES / 64];
} __attribute__((aligned(32)));

/* A set of rules: a bit for each block that isn't empty, and these blocks. */
struct rule_set {
	uint64_t summary;
	uint32_t first; /* in blocks[] */
};

enum dimension {
	DIMENSION_HOST,
	DIMENSION_PATH,
	DIMENSION_METHOD,
	DIMENSION_SOURCE,
	DIMENSION_MULTI, /* and four more: a rule's header and query conditions in their order */
};

#define DIMENSIONS (DIMENSION_MULTI + MODEL_CONDITION_VALUES_MAX)

/* A pattern in one dimension, or a source prefix with those it lies in. */
struct value {
	struct rule_set set;
	uint32_t dimension;
};

/* Patterns over one string; those of pattern i have the values [first[i], first[i + 1]). */
struct field_index {
	struct alb_patterns *patterns; /* NULL: none */
	uint32_t *first;
};

struct header_index {
	char name[MODEL_FIELD_MAX]; /* lower case */
	uint32_t len;
	struct field_index index;
};

/* Where an interval of addresses begins; it ends at the next one. */
struct source {
	uint64_t high, low; /* of the address, as numbers */
	uint32_t value;     /* UINT32_MAX: no prefix here */
};

struct regex_condition {
	uint32_t kind; /* enum model_condition_kind */
	uint32_t regexps_n;
	uint32_t name_len;
	char name[MODEL_FIELD_MAX]; /* of CONDITION_HTTP_HEADER */
	struct regexp *regexps[MODEL_CONDITION_VALUES_MAX];
};

struct rule {
	uint64_t id;
	uint32_t priority;
	uint32_t regex_first, regex_n; /* in regex_conditions[] */
	struct alb_action action;
};

struct alb_rules {
	uint32_t rules_n;
	struct rule *rules; /* by priority; the last is the default action */

	struct rule_set any[DIMENSIONS]; /* rules without a condition there */
	uint32_t dimensions[DIMENSIONS]; /* those that any rule has conditions in */
	uint32_t dimensions_n;
	struct value *values;
	uint32_t values_n;
	struct block *blocks;
	uint32_t blocks_n;

	struct field_index host, path, method;
	struct header_index *headers;
	uint32_t headers_n;
	uint32_t *header_slots; /* positions + 1 by hash of the name; 0: empty */
	uint32_t header_mask;
	uint64_t header_lengths;          /* bits: of their names */
	struct alb_patterns *query_keys;  /* NULL: none */
	struct field_index *query_values; /* by key */
	uint32_t query_keys_n;
	struct field_index query_any; /* values of any key */
	struct source *sources;
	uint32_t sources_n;

	struct regex_condition *regex_conditions;
	uint32_t regex_conditions_n;
	bool regex_of_path; /* some rule has one */
};

struct alb_scratch {
	struct regexp_scratch *regexp;
	uint32_t budget, budget_begin;
	uint32_t hits_n;
	uint32_t hits[ALB_VALUES_MAX];
	uint64_t seen[ALB_VALUES_MAX / 64];
	char lower[ALB_TEXT_MAX]; /* what is being looked up */
	char path[ALB_TEXT_MAX];  /* normalized */
};

/* Where a block of a set is, which has it. */
static inline uint32_t
block_index(const struct rule_set *set, uint32_t block)
{
	uint64_t before = set->summary & ((UINT64_C(1) << block) - 1);

	return set->first + (uint32_t)__builtin_popcountll(before);
}

/* Names of header fields differ in case only: letters get their bit, others at most collide. */
static inline uint64_t
field_name_hash(const char *name, uint32_t len)
{
	return alb_hash_masked(0, name, len, UINT64_C(0x2020202020202020));
}

static inline bool
field_name_is(const char *lower, const char *name, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		char c = (char)(name[i] + ((uint8_t)(name[i] - 'A') < 26 ? 32 : 0));

		if (c != lower[i])
			return false;
	}
	return true;
}

#endif
