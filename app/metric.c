/* SPDX-License-Identifier: BSD-3-Clause */
#include "metric.h"

/* Both kinds of counters are nothing but 64-bit numbers. */
static void
add_counters(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += counter_read(&from[i]);
}

static void
add_frontend(struct management *m, uint64_t frontend_id, struct frontend_counters *sum)
{
	uint32_t index = ref_index(registry_find(&m->registries.frontends, frontend_id));

	for (uint16_t w = 0; index != 0 && w < m->dp->workers_n; w++)
		add_counters((uint64_t *)(void *)sum,
			     (const uint64_t *)(const void *)&m->dp->workers[w]
				     ->counters.frontends[index],
			     sizeof(*sum) / sizeof(uint64_t));
}

void
metric_add_listener(struct management *m, const struct model_listener *listener,
		    struct frontend_counters *sum)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(m->model, listener->load_balancer_id);

	for (uint32_t k = 0; lb != NULL && k < lb->addresses_n; k++)
		add_frontend(m, snapshot_frontend_id(listener->id, &lb->addresses[k].addr), sum);
	if (lb != NULL && lb->type == LB_GATEWAY)
		add_frontend(m, snapshot_gateway_frontend_id(listener->id), sum);
}

void
metric_add_load_balancer(struct management *m, uint64_t load_balancer_id,
			 struct frontend_counters *sum)
{
	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		if (m->model->listeners[i].load_balancer_id == load_balancer_id)
			metric_add_listener(m, &m->model->listeners[i], sum);
	}
}

struct target_counters
metric_of_target(struct management *m, uint64_t target_id)
{
	uint32_t index = ref_index(registry_find(&m->registries.targets, target_id));
	struct target_counters sum = {0};

	for (uint16_t w = 0; index != 0 && w < m->dp->workers_n; w++)
		add_counters(
			(uint64_t *)(void *)&sum,
			(const uint64_t *)(const void *)&m->dp->workers[w]->counters.targets[index],
			sizeof(sum) / sizeof(uint64_t));
	return sum;
}

void
metric_count_hosts(struct management *m, const struct model_target_group *tg, uint64_t *healthy,
		   uint64_t *unhealthy)
{
	for (uint32_t k = 0; k < tg->targets_n; k++) {
		const struct target_health *h = health_of(m->health, tg->targets[k].id);

		if (h == NULL)
			continue;
		*healthy += h->state == TARGET_HEALTHY;
		*unhealthy += h->state == TARGET_UNHEALTHY || h->state == TARGET_UNHEALTHY_DRAINING;
	}
}
