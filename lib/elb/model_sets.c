/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_sets.h"

#include <stdlib.h>
#include <string.h>

#include "model_value.h"

static const char *
name_of(const struct model *m, const char *zone)
{
	return zone[0] == '\0' ? m->system.zone : zone;
}

bool
model_zones_equal(const struct model *m, const char *zone, const char *of)
{
	return strcmp(name_of(m, zone), name_of(m, of)) == 0;
}

/* Whose addresses have targets of their own zone. */
static bool
is_zonal(const struct model_load_balancer *lb, const struct model_target_group *tg)
{
	return lb != NULL && (lb->type == LB_NETWORK || lb->type == LB_CLASSIC) && !tg->cross_zone;
}

uint64_t
model_set_id(const struct model *m, const struct model_target_group *tg, const char *zone)
{
	const struct model_load_balancer *lb = model_load_balancer_by_id(m, tg->load_balancer_id);

	if (!is_zonal(lb, tg) || model_zones_equal(m, zone, ""))
		return tg->id;
	return model_identity("zonal target group", tg->name, zone);
}

static bool
append(struct model *m, uint32_t group, const char *zone, uint64_t id)
{
	struct model_set *sets;

	for (uint32_t i = 0; i < m->sets_n; i++) {
		if (m->sets[i].id == id)
			return true;
	}
	sets = realloc(m->sets, (m->sets_n + 1) * sizeof(*sets));
	if (sets == NULL)
		return false;
	m->sets = sets;
	sets[m->sets_n++] = (struct model_set){.id = id, .group = group, .zone = zone};
	return true;
}

bool
model_group_is_zonal(const struct model *m, const struct model_target_group *tg)
{
	for (uint32_t i = m->target_groups_n; i < m->sets_n; i++) {
		if (&m->target_groups[m->sets[i].group] == tg)
			return true;
	}
	return false;
}

bool
model_make_sets(struct model *m)
{
	m->sets_n = 0;
	free(m->sets);
	m->sets = calloc(m->target_groups_n + 1, sizeof(*m->sets));
	if (m->sets == NULL)
		return false;
	for (uint32_t i = 0; i < m->target_groups_n; i++)
		m->sets[m->sets_n++] =
			(struct model_set){.id = m->target_groups[i].id, .group = i, .zone = ""};
	for (uint32_t i = 0; i < m->target_groups_n; i++) {
		const struct model_target_group *tg = &m->target_groups[i];
		const struct model_load_balancer *lb =
			model_load_balancer_by_id(m, tg->load_balancer_id);

		if (!is_zonal(lb, tg))
			continue;
		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			const char *zone = lb->addresses[k].zone;

			if (!model_zones_equal(m, zone, "") &&
			    !append(m, i, zone, model_set_id(m, tg, zone)))
				return false;
		}
	}
	return true;
}
