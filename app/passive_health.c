/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passive health of network load balancers' targets: what clients' connections show between checks.
 *
 * Of TCP target groups without stickiness, as ELB.  A target that in a second refused some
 * connections and took none has failed a check; only checks of weir's own make it well again.
 * Silence doesn't count: strangers can have it, with SYNs whose checksum is wrong or whose sender
 * never answers.
 */
#include "management.h"

#include <stdlib.h>

#define FAILURES_MIN 3 /* in a step */

struct counts {
	uint64_t failed, answered;
};

static struct counts
counts_of(const struct management *m, uint32_t index)
{
	return (struct counts){MANAGEMENT_SUM(m, targets[index].failed_flows),
			       MANAGEMENT_SUM(m, targets[index].answered_flows)};
}

static void
look_at(struct management *m, uint64_t id)
{
	uint32_t index = ref_index(registry_find(&m->registries.targets, id));
	struct managed_target *mt = &m->targets[index];
	const struct target_health *h = health_of(m->health, id);
	struct counts now = counts_of(m, index);
	bool fails = now.failed - mt->failed_flows >= FAILURES_MIN &&
		     now.answered == mt->answered_flows && mt->passive;

	mt->failed_flows = now.failed;
	mt->answered_flows = now.answered;
	mt->passive = true; /* what was counted before it was registered is not its own */
	if (fails && h != NULL && (h->state == TARGET_HEALTHY || h->state == TARGET_INITIAL))
		health_on_verdict(m->health, id, HEALTH_PASSIVE, false,
				  TARGET_REASON_FAILED_HEALTH_CHECKS, management_wall_s());
}

void
management_look_at_flows(struct management *m)
{
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		if (tg->protocol != ELB_TCP || tg->stickiness || tg->load_balancer_id == 0)
			continue;
		for (uint32_t k = 0; k < tg->targets_n; k++)
			look_at(m, tg->targets[k].id);
	}
}
