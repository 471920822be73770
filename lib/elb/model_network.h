/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules of network load balancers: an action for clients of each IP version, so that a load
 * balancer with addresses of both has targets of both.
 */
#ifndef MODEL_NETWORK_H
#define MODEL_NETWORK_H

#include "model.h"

/** A condition's value that stands for an IP version: 0.0.0.0/0 or ::/0. @return 4, 6; 0: none. */
int model_version_of(const struct model_condition_value *value);

/**
 * What a listener does with clients of IP version 4 or 6: the action of the first rule, by
 * priority, that has it, else its default action.
 * @param about, key  where it is configured; may be NULL
 */
const struct model_action *model_action_for(const struct model *model,
					    const struct model_listener *listener, int version,
					    const struct model_object **about, const char **key);

#endif
