/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which target sets a model needs: one for each target group, and where a network or classic load
 * balancer doesn't balance across zones, one more for each other zone that it has an address in.
 *
 * Made by model_check(); the sets of the groups themselves come first, in their order.
 */
#ifndef MODEL_SETS_H
#define MODEL_SETS_H

#include "model.h"

/** Make model->sets anew. @return false without memory. */
bool model_make_sets(struct model *model);

/** Identity of the set of a group that flows to an address in `zone` use; "": the box's. */
uint64_t model_set_id(const struct model *model, const struct model_target_group *tg,
		      const char *zone);

/** Whether the group has a set for more than one zone. */
bool model_group_is_zonal(const struct model *model, const struct model_target_group *tg);

/** Whether a target in `zone` is for flows to an address in `of`; "": the box's zone. */
bool model_zones_equal(const struct model *model, const char *zone, const char *of);

#endif
