/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/elb: security groups as a snapshot has them.
 *
 * A frontend fixes a new flow's protocol, address and port, and a target those towards it.  So of
 * all rules of a load balancer only prefixes of sources are left to look up for a frontend, once
 * for each new flow, and a yes or no for a target.
 */
#ifndef SNAPSHOT_SECURITY_H
#define SNAPSHOT_SECURITY_H

#include "model.h"
#include "snapshot.h"

/** Give a frontend its tables. @return false without memory. */
bool snapshot_secure_frontend(const struct model *model, const struct model_listener *listener,
			      struct snapshot_frontend *frontend);

/** Give addresses of load balancers theirs, for ICMP. @return false without memory. */
bool snapshot_secure_addresses(const struct model *model, struct snapshot *snapshot);

/** What no outbound rule lets through to a target: SNAPSHOT_TCP, SNAPSHOT_UDP. */
uint8_t snapshot_blocked(const struct model *model, const struct model_target_group *tg,
			 const struct model_target *target);

/** The entry of an own address, which exists. */
struct snapshot_address *snapshot_address_of(struct snapshot *snapshot, const struct ip_addr *addr);

void snapshot_free_security(struct snapshot *snapshot);

#endif
