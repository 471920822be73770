/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside model_check(): a check walks the model and reports each fault at its line.
 */
#ifndef MODEL_CHECKER_H
#define MODEL_CHECKER_H

#include "model_check.h"

struct checker {
	struct model *m;
	model_report report;
	void *arg;
	bool clean;
};

/**
 * Report a fault of an object.
 * @param about   a model object
 * @param key     that is wrong, "" for the section
 * @param origin  its line; NULL: that of the key's first value, or of the section
 */
void model_fault(struct checker *c, const void *about, const char *key,
		 const struct model_origin *origin, const char *allowed, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/** The line of the `nth` value of a repeated key. */
const struct model_origin *model_origin_of_nth(const struct model_object *object, const char *key,
					       uint32_t nth);

/** What belongs to gateway load balancers: their target groups, listeners and endpoints. */
void model_check_gateway_group(struct checker *c, struct model_target_group *tg);
void model_check_gateway_listener(struct checker *c, struct model_listener *l);
void model_check_endpoints(struct checker *c);

#endif
