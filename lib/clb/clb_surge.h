/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The surge queue of a classic load balancer (C23:elb-cloudwatch-metrics): 1,024 requests and
 * connections may wait for instances, a share of them in each worker.
 */
#ifndef CLB_SURGE_H
#define CLB_SURGE_H

#include "service_surge.h"

#define CLB_SURGE_MAX 1024

/** Management core. */
static inline struct service_surge
clb_surge(const struct snapshot_input *input, const struct snapshot_registries *registries,
	  const struct model_load_balancer *lb)
{
	return (struct service_surge){
		.index = service_surge_index(input->model, registries, lb),
		.waiting_max = proxy_surge_share(CLB_SURGE_MAX, input->workers_n),
		.connections_max =
			proxy_surge_share(lb->instance_max_connections, input->workers_n)};
}

#endif
