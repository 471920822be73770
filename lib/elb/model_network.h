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

/** Whether the group's target is a listener of an application load balancer: target_type alb. */
bool model_group_is_alb(const struct model_target_group *tg);

/** The application load balancer's listener at an address and port. @return NULL: none. */
const struct model_listener *model_alb_at(const struct model *model, const struct ip_addr *addr,
					  uint16_t port);

/**
 * The application load balancer's listener that serves the connections of a network load
 * balancer's.
 * @return  NULL: its targets are others.
 */
const struct model_listener *model_alb_of(const struct model *model,
					  const struct model_listener *listener);

#endif
