/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The target set of a group whose listeners terminate connections: its targets, each once.
 *
 * Where each request is balanced there is no table of hashes: entries[] are the targets that may
 * get requests, and behind them, at entries[entries_n ..], their weights.
 */
#ifndef TARGET_LIST_H
#define TARGET_LIST_H

#include "maglev.h"

/**
 * Build a set.  If no target is eligible, all with a weight are (fail-open).
 * @return  NULL without memory.  Free with free().
 */
struct target_set *target_list_build(const struct maglev_target *targets, size_t targets_n);

static inline uint32_t
target_list_weight(const struct target_set *set, uint32_t entry)
{
	return set->entries[set->entries_n + entry];
}

#endif
