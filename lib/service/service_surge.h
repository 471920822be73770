/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which surge queue (proxy_surge.h) a listener's requests and connections wait in.
 *
 * A load balancer has one in each worker, in an array by the index of its first frontend, which
 * both services of the worker have; what a worker may let wait, and how many connections it may
 * make to a target, are its shares of what the load balancer may.
 */
#ifndef SERVICE_SURGE_H
#define SERVICE_SURGE_H

#include "model.h"
#include "proxy_surge.h"
#include "snapshot_build.h"

/** Of a listener; zeros: it has no surge queue and no limit. */
struct service_surge {
	uint32_t index; /* in the worker's array of SNAPSHOT_FRONTENDS; 0: none */
	uint32_t waiting_max;
	uint32_t connections_max; /* to each target; 0: no limit */
};

/** The index of a load balancer's surge queue; 0: it has no listener.  Management core. */
static inline uint32_t
service_surge_index(const struct model *m, const struct snapshot_registries *registries,
		    const struct model_load_balancer *lb)
{
	for (uint32_t i = 0; i < m->listeners_n && lb->addresses_n > 0; i++) {
		if (m->listeners[i].load_balancer_id == lb->id)
			return ref_index(registry_find(
				&registries->frontends,
				snapshot_frontend_id(m->listeners[i].id, &lb->addresses[0].addr)));
	}
	return 0;
}

/** @param surges  the worker's; NULL: none. @return  NULL: there is no queue. */
static inline struct proxy_surge *
service_surge_of(struct proxy_surge *surges, const struct service_surge *s)
{
	if (surges == NULL || s->index == 0)
		return NULL;
	surges[s->index].waiting_max = s->waiting_max;
	return &surges[s->index];
}

#endif
