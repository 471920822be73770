/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Security groups: which packets may begin a flow with a load balancer, and which targets it may
 * reach.
 *
 * A packet is let in when a rule of any of the load balancer's groups lets it; answers need none.
 * A load balancer without groups lets all in, a group without `outbound` rules all out, as one that
 * was just made has it at ELB.
 */
#ifndef MODEL_SECURITY_H
#define MODEL_SECURITY_H

#include "model.h"

/** A group of the load balancer by position. @return NULL: it has fewer. */
const struct model_security_group *model_security_group_of(const struct model *model,
							   const struct model_load_balancer *lb,
							   uint32_t nth);

/** @param protocol  one of enum model_security_protocol. @param port  of TCP and UDP */
bool model_security_rule_has(const struct model_security_rule *rule, uint8_t protocol,
			     uint16_t port);

/** Whether the load balancer may begin a flow towards an address and port. */
bool model_security_lets_out(const struct model *model, const struct model_load_balancer *lb,
			     uint8_t protocol, const struct ip_addr *addr, uint16_t port);

#endif
