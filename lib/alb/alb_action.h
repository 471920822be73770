/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a rule does, at run time: choose a target group, write a redirect's URL, give a fixed
 * response; before that, rewrite host and URL.
 *
 * Actions are parts of compiled rules (alb_rules.h) and live as long as these.  All output goes to
 * the caller's buffers.
 */
#ifndef ALB_ACTION_H
#define ALB_ACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "alb_request.h"
#include "model.h"
#include "regexp.h"

#define ALB_REDIRECT_MAX 8192 /* bytes of a Location; beyond: 507 */

struct alb_scratch;

struct alb_forward {
	uint64_t target_group_id;
	uint32_t group;      /* index at run time */
	uint32_t weight_end; /* sum of the weights up to this one */
};

/** Replacement text in parts: literal bytes, then a group's (or none). */
struct alb_transform {
	struct regexp *regexp;
	char replacement[MODEL_TRANSFORM_MAX];
};

struct alb_action {
	enum model_action_kind action_kind;
	uint32_t forwards_n;
	struct alb_forward forwards[MODEL_FORWARDS_MAX];
	uint32_t weight_sum;                              /* 0: no target group gets requests */
	uint32_t stickiness_seconds;                      /* among target groups; 0: off */
	struct model_redirect *redirect;                  /* NULL unless ACTION_REDIRECT */
	struct model_fixed_response *fixed_response;      /* NULL unless ACTION_FIXED_RESPONSE */
	struct alb_transform *host_rewrite, *url_rewrite; /* NULL: none */
};

/**
 * The target group of a new client, by weight.
 * @param random  32 random bits
 * @return  position in forwards[], forwards_n: none has a weight (503).
 */
uint32_t alb_forward_choose(const struct alb_action *action, uint32_t random);

/** Position of a target group among those with a weight, forwards_n: it is none. */
uint32_t alb_forward_find(const struct alb_action *action, uint64_t target_group_id);

/**
 * Write the Location of a redirect.
 * @param https  whether the request came by TLS
 * @param port   of the listener
 * @param size   of `out`; ALB_REDIRECT_MAX unless a test wants less
 * @return  its length, 0: it doesn't fit (507).
 */
uint32_t alb_redirect_url(const struct model_redirect *redirect, const struct alb_request *request,
			  bool https, uint16_t port, char *out, uint32_t size);

/* Names in alb_transform_status_name(). */
enum alb_transform_status {
	ALB_TRANSFORM_NONE, /* the rule has none, or nothing matched: the request is unchanged */
	ALB_TRANSFORM_SUCCESS,
	ALB_TRANSFORM_BUFFER_TOO_SMALL,
	ALB_TRANSFORM_INVALID_HOST,
	ALB_TRANSFORM_INVALID_PATH,
	ALB_TRANSFORM_REPLACE_ERROR, /* the budget is spent */
};

#define ALB_TRANSFORM_STATUSES (ALB_TRANSFORM_REPLACE_ERROR + 1)

/** As the access log has it; "-" for none. */
const char *alb_transform_status_name(enum alb_transform_status status);

/** What was rewritten; a text with `at` == NULL is as it was. */
struct alb_rewritten {
	struct alb_text host;
	struct alb_text url; /* path, and a question mark and the query if there is one */
};

/**
 * Rewrite host and URL after the rule was chosen, with what is left of the request's budget.  The
 * first match of the expression is replaced.
 * @param out   holds what is rewritten
 * @param size  of `out`
 * @return  anything above ALB_TRANSFORM_SUCCESS: the request gets 500.
 */
enum alb_transform_status alb_transform(const struct alb_action *action,
					struct alb_scratch *scratch,
					const struct alb_request *request, char *out, uint32_t size,
					struct alb_rewritten *rewritten);

/** For alb_rules_build(). @return NULL without memory, or when it doesn't compile. */
struct alb_transform *alb_transform_build(const struct model_transform *transform, bool host);
void alb_transform_free(struct alb_transform *transform);

#endif
