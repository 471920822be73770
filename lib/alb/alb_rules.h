/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of a listener, compiled: which of them a request matches first.
 *
 * Every distinct value of a condition has a set of the rules that name it, as bits in the order of
 * priorities.  A request's strings are looked up (alb_pattern.h), the sets of what matched are
 * united for each dimension (host, path, method, source, and a rule's first to fifth header or
 * query condition) together with the rules that don't care, and the dimensions are intersected 256
 * rules at a time, best priorities first.  A rule's regular expressions run only when its other
 * conditions hold and no better rule has matched; the literal bytes in them are
 * indexed like a pattern.
 *
 * Compiled by the management core, immutable afterwards, shared by all workers; each has a scratch
 * of its own.  Matching allocates nothing and reads no clock.
 */
#ifndef ALB_RULES_H
#define ALB_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "alb_action.h"
#include "alb_request.h"
#include "model.h"
#include "regexp.h"

#define ALB_RULES_MAX  16384 /* of a listener */
#define ALB_VALUES_MAX 65536 /* distinct ones, of a listener */

struct alb_rules;
struct alb_scratch;

/** Where the run-time index of a target group comes from; NULL: all are 0. */
struct alb_group_indexes {
	uint32_t (*index)(const void *arg, uint64_t target_group_id);
	const void *arg;
};

/**
 * Compile the rules and the default action of an application load balancer's listener.  Nothing in
 * it points into the model.
 * @return  NULL without memory or with too many rules or values, with a sentence in `why`.
 */
struct alb_rules *alb_rules_build(const struct model *model, const struct model_listener *listener,
				  const struct alb_group_indexes *groups, char why[REGEXP_WHY_MAX]);
void alb_rules_free(struct alb_rules *rules);

/** Without the default action. */
uint32_t alb_rules_n(const struct alb_rules *rules);

/** By position in the order of priorities; alb_rules_n() is the default action. */
const struct alb_action *alb_rules_action(const struct alb_rules *rules, uint32_t rule);

/** 1 to 50000; 0: the default action, as the access log has it. */
uint32_t alb_rules_priority(const struct alb_rules *rules, uint32_t rule);

/** Identity of the rule; of the listener for the default action. */
uint64_t alb_rules_id(const struct alb_rules *rules, uint32_t rule);

/** Of one worker, for any rules. @return NULL without memory. */
struct alb_scratch *alb_scratch_create(void);
void alb_scratch_free(struct alb_scratch *scratch);

/** Steps for the regular expressions of one request; REGEXP_BUDGET unless set. */
void alb_scratch_set_budget(struct alb_scratch *scratch, uint32_t steps);

enum alb_outcome {
	ALB_MATCHED, /* a rule, or the default action */
	ALB_BUDGET,  /* the budget was spent before that was known: 500 */
};

/**
 * Find the rule of a request; its budget begins anew and goes on in alb_transform().
 * @param rule  position of what decides; with ALB_BUDGET of the rule that was being tried
 */
enum alb_outcome alb_rules_match(const struct alb_rules *rules, struct alb_scratch *scratch,
				 const struct alb_request *request, uint32_t *rule);

#endif
