/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside app/: metrics of namespace AWS/ELB, those of classic load balancers.
 */
#ifndef METRIC_CLASSIC_H
#define METRIC_CLASSIC_H

#include <jansson.h>

#include "management.h"

/** Put the metrics of a load balancer, by their CloudWatch names. */
void metric_put_classic(struct management *m, const struct model_load_balancer *lb, json_t *row);

/** Those that one of its listeners has of its own. */
void metric_put_classic_listener(struct management *m, const struct model_listener *listener,
				 json_t *row);

#endif
