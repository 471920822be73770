/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows that network load balancers end: of targets that turn unhealthy, and of target groups that
 * get weight 0.
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

static struct managed_group *
group_of(const struct management *m, uint64_t id)
{
	return &m->groups[ref_index(registry_find(&m->registries.groups, id))];
}

static void
mark(struct snapshot_target *t, const struct managed_target *mt, bool may_end, uint32_t now_ms)
{
	bool ending = may_end && mt->ending && now_ms - mt->ending_ms < ENDING_MS;

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
mark_target(struct management *m, struct snapshot *s, uint64_t id, bool weightless)
{
	uint32_t index = ref_index(registry_find(&m->registries.targets, id));
	struct managed_target *mt = &m->targets[index];
	const struct target_health *h = health_of(m->health, id);

	if (h == NULL)
		return;
	if (h->state == TARGET_UNHEALTHY_DRAINING &&
	    clock_ms_reached(m->now_ms, mt->unhealthy_end_ms))
		health_end_drain(m->health, id, management_wall_s());
	mark(&s->targets[index], mt, weightless || h->state == TARGET_UNHEALTHY, m->now_ms);
}

/* Weights of a group: 0, and others. */
static void
note_weights(struct management *m, const struct model_action *action)
{
	for (uint32_t i = 0; i < action->forwards_n; i++) {
		struct managed_group *g = group_of(m, action->forwards[i].target_group_id);

		g->named = true;
		g->weighs |= action->forwards[i].weight > 0;
	}
}

static void
end_group(struct management *m, const struct model_target_group *tg)
{
	for (uint32_t k = 0; k < tg->targets_n; k++) {
		struct managed_target *mt = &m->targets[ref_index(
			registry_find(&m->registries.targets, tg->targets[k].id))];

		mt->ending = true;
		mt->ending_ms = m->now_ms;
	}
}

void
publication_weigh_groups(struct management *m)
{
	const struct model *model = m->model;

	for (uint32_t i = 0; i < model->target_groups_n; i++) {
		struct managed_group *g = group_of(m, model->target_groups[i].id);

		g->named = false;
		g->weighs = false;
	}
	for (uint32_t i = 0; i < model->listeners_n; i++)
		note_weights(m, &model->listeners[i].default_action);
	for (uint32_t i = 0; i < model->rules_n; i++)
		note_weights(m, &model->rules[i].action);
	for (uint32_t i = 0; i < model->target_groups_n; i++) {
		const struct model_target_group *tg = &model->target_groups[i];
		const struct model_load_balancer *lb =
			model_load_balancer_by_id(model, tg->load_balancer_id);
		struct managed_group *g = group_of(m, tg->id);
		bool had = g->weightless;

		g->weightless = lb != NULL && lb->type == LB_NETWORK && g->named && !g->weighs;
		if (g->weightless && !had)
			end_group(m, tg);
	}
}

void
publication_mark_unhealthy(struct management *m)
{
	struct snapshot *s = in_force(m);

	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		bool weightless = group_of(m, tg->id)->weightless;

		if (!tg->unhealthy_termination && tg->unhealthy_drain_s == 0 && !weightless)
			continue;
		for (uint32_t k = 0; k < tg->targets_n; k++)
			mark_target(m, s, tg->targets[k].id, weightless);
	}
}
