/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows of targets that turn unhealthy, of network load balancers.
 *
 * Workers know no health.  A target's byte `closing` says for a while that its flows are to end,
 * those that began until `closing_ms`: under fail-open the target gets new ones, and they stay.
 */
#include "management.h"

#include "clock.h"

/* So long workers look for flows to end: time for all of a full table. */
#define ENDING_MS 120000

static struct snapshot *
in_force(const struct management *m)
{
	return atomic_load_explicit(&m->dp->snapshot, memory_order_relaxed);
}

static void
mark(struct snapshot_target *t, const struct managed_target *mt, bool unhealthy, uint32_t now_ms)
{
	bool ending = unhealthy && mt->ending && now_ms - mt->ending_ms < ENDING_MS;

	if (ending)
		__atomic_store_n(&t->closing_ms, mt->ending_ms, __ATOMIC_RELAXED);
	/* Release: the time comes before what it is the time of. */
	__atomic_store_n(&t->closing, ending, __ATOMIC_RELEASE);
}

void
publication_on_unhealthy(struct management *m, const struct model_target_group *tg,
			 struct managed_target *mt, enum target_state before,
			 enum target_state state)
{
	if (state == TARGET_UNHEALTHY_DRAINING)
		mt->unhealthy_end_ms = m->now_ms + tg->unhealthy_drain_s * 1000;
	if (state == TARGET_UNHEALTHY &&
	    (before == TARGET_UNHEALTHY_DRAINING || tg->unhealthy_termination)) {
		mt->ending = true;
		mt->ending_ms = m->now_ms;
	}
}

static void
mark_target(struct management *m, struct snapshot *s, uint64_t id)
{
	uint32_t index = ref_index(registry_find(&m->registries.targets, id));
	struct managed_target *mt = &m->targets[index];
	const struct target_health *h = health_of(m->health, id);

	if (h == NULL)
		return;
	if (h->state == TARGET_UNHEALTHY_DRAINING &&
	    clock_ms_reached(m->now_ms, mt->unhealthy_end_ms))
		health_end_drain(m->health, id, management_wall_s());
	mark(&s->targets[index], mt, h->state == TARGET_UNHEALTHY, m->now_ms);
}

void
publication_mark_unhealthy(struct management *m)
{
	struct snapshot *s = in_force(m);

	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		if (!tg->unhealthy_termination && tg->unhealthy_drain_s == 0)
			continue;
		for (uint32_t k = 0; k < tg->targets_n; k++)
			mark_target(m, s, tg->targets[k].id);
	}
}
