/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside app/: counters of all workers, summed by what people ask about. */
#ifndef METRIC_H
#define METRIC_H

#include "management.h"

/** Add a listener's counters, of all its addresses, to `sum`. */
void metric_add_listener(struct management *m, const struct model_listener *listener,
			 struct frontend_counters *sum);

/** Add those of all listeners of a load balancer. */
void metric_add_load_balancer(struct management *m, uint64_t load_balancer_id,
			      struct frontend_counters *sum);

/** Sum of a target's counters; its slot may be gone: then zero. */
struct target_counters metric_of_target(struct management *m, uint64_t target_id);

void metric_count_hosts(struct management *m, const struct model_target_group *tg,
			uint64_t *healthy, uint64_t *unhealthy);

#endif
