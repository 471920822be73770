/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classic load balancers: instances instead of target groups.
 *
 * The rest of weir knows target groups alone, so the model makes some while it is checked: one for
 * each instance_protocol and instance_port of a load balancer's listeners.  Its targets are the
 * instances at that port, its health check is the load balancer's, its name LB:PROTOCOL:PORT, which
 * no section can have.  Such a group is *implicit*: it has an identity, sets, counters and health
 * like any, and is left out when the model is written.
 */
#ifndef MODEL_CLASSIC_H
#define MODEL_CLASSIC_H

#include "model.h"

/** The group of a classic load balancer's listener that was checked. */
const struct model_target_group *model_classic_group_of(const struct model *model,
							const struct model_listener *listener);

/** What an operator calls a group's targets: `target` or `instance`, and whose they are. */
struct model_target_words {
	const char *kind;  /* `target_group` or `load_balancer` */
	const char *owner; /* its name */
	const char *key;   /* `target` or `instance` */
};

struct model_target_words model_target_words(const struct model *model,
					     const struct model_target_group *group);

#endif
