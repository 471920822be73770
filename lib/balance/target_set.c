/* SPDX-License-Identifier: BSD-3-Clause */
#include "target_set.h"

#include <stdlib.h>

struct target_set *
target_set_of_requests(const struct balance_settings *settings,
		       const struct balance_member *members, uint32_t n, uint64_t serial)
{
	struct target_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->balance = balance_set_build(settings, members, n, serial);
	if (set->balance == NULL) {
		free(set);
		return NULL;
	}
	set->targets_n = set->balance->choices_n;
	set->fail_open = set->balance->fail_open;
	return set;
}

void
target_set_free(void *memory)
{
	struct target_set *set = memory;

	if (set == NULL)
		return;
	balance_set_free(set->balance);
	free(set);
}
