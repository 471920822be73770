/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failover of gateway load balancers: what workers are told about an appliance's flows.
 *
 * A worker knows neither health nor registration.  It reads two bytes of the target beside each
 * packet for it: whether its flows are to be thought over, and whether their senders are reset.
 * They are written here whenever either may have changed.
 */
#include "management.h"

#include "clock.h"

static struct snapshot *
in_force(const struct management *m)
{
	return atomic_load_explicit(&m->dp->snapshot, memory_order_relaxed);
}

void
publication_keep_failover(struct managed_target *mt, const struct model_target_group *tg)
{
	mt->rebalance = tg->rebalance_on_deregistration;
	mt->reset = tg->reset_on_deregistration;
	mt->bypass = tg->fail_mode == FAIL_BYPASS;
}

static void
mark(struct snapshot_target *t, uint8_t moving, uint8_t resetting)
{
	__atomic_store_n(&t->moving, moving, __ATOMIC_RELAXED);
	__atomic_store_n(&t->resetting, resetting, __ATOMIC_RELAXED);
}

static bool
is_unhealthy(const struct management *m, uint64_t id)
{
	const struct target_health *h = health_of(m->health, id);

	return h != NULL && (h->state == TARGET_UNHEALTHY || h->state == TARGET_UNHEALTHY_DRAINING);
}

/* Registered ones: by health. */
static void
mark_group(struct management *m, struct snapshot *s, const struct model_target_group *tg)
{
	const struct target_set *set = atomic_load(
		&s->groups[ref_index(registry_find(&m->registries.groups, tg->id))].set);
	bool none = set == NULL || set->entries_n == 0 || set->fail_open;
	uint8_t bypass = none && tg->fail_mode == FAIL_BYPASS ? SNAPSHOT_MOVING_BYPASS : 0;

	for (uint32_t k = 0; k < tg->targets_n; k++) {
		uint32_t reference = registry_find(&m->registries.targets, tg->targets[k].id);
		bool unhealthy = is_unhealthy(m, tg->targets[k].id);
		uint8_t moving = bypass;

		if (unhealthy && tg->rebalance_on_unhealthy)
			moving |= SNAPSHOT_MOVING_REBALANCE;
		mark(&s->targets[ref_index(reference)], moving,
		     unhealthy && tg->reset_on_unhealthy);
	}
}

/* Those that left: when their delay is over. */
static void
mark_deregistered(struct management *m, struct snapshot *s)
{
	for (uint32_t i = 1; i < s->targets_n; i++) {
		struct managed_target *mt = &m->targets[i];
		struct snapshot_target *t = &s->targets[i];
		bool over;

		if (mt->reference == 0 || mt->registered || t->generation == 0 ||
		    t->forwarding != FORWARDING_GENEVE)
			continue;
		over = clock_ms_reached(m->now_ms, mt->drain_end_ms);
		mark(t,
		     (uint8_t)((over && mt->rebalance ? SNAPSHOT_MOVING_REBALANCE : 0) |
			       (mt->bypass ? SNAPSHOT_MOVING_BYPASS : 0)),
		     over && mt->reset);
	}
}

void
publication_mark_appliances(struct management *m)
{
	struct snapshot *s = in_force(m);

	if (s == NULL || !s->has_endpoints)
		return;
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		if (m->model->target_groups[i].protocol == ELB_GENEVE)
			mark_group(m, s, &m->model->target_groups[i]);
	}
	mark_deregistered(m, s);
}

void
publication_release_endpoints(struct management *m)
{
	const struct snapshot *s = in_force(m);
	struct registry *r = &m->registries.endpoints;

	for (uint32_t i = 1; i < r->entries_n; i++) {
		uint32_t reference = ref_make(i, r->entries[i].generation);

		if (r->entries[i].in_use && snapshot_endpoint(s, reference) == NULL)
			registry_release(r, reference);
	}
}
