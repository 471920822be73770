/* SPDX-License-Identifier: BSD-3-Clause */
#include "target_list.h"

#include <stdlib.h>

static uint32_t
take(const struct maglev_target *targets, size_t n, bool all, struct target_set *set)
{
	uint32_t taken = 0, count = 0;

	for (size_t i = 0; i < n; i++)
		count += targets[i].weight > 0 && (all || targets[i].eligible);
	for (size_t i = 0; i < n; i++) {
		if (targets[i].weight == 0 || !(all || targets[i].eligible))
			continue;
		set->entries[taken] = targets[i].reference;
		set->entries[count + taken] = targets[i].weight;
		taken++;
	}
	return taken;
}

struct target_set *
target_list_build(const struct maglev_target *targets, size_t n)
{
	struct target_set *set = calloc(1, sizeof(*set) + 2 * n * sizeof(set->entries[0]));

	if (set == NULL)
		return NULL;
	set->entries_n = take(targets, n, false, set);
	if (set->entries_n == 0 && n > 0) {
		set->entries_n = take(targets, n, true, set);
		set->fail_open = set->entries_n > 0;
	}
	set->targets_n = set->entries_n;
	return set;
}
