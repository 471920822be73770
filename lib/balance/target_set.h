/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Target sets of either kind: a Maglev table for flows, a balance_set for requests.
 */
#ifndef TARGET_SET_H
#define TARGET_SET_H

#include "balance.h"
#include "snapshot.h"

/**
 * The set of a group whose listeners terminate connections: each request is balanced.
 * @param serial  above all earlier ones
 * @return  NULL without memory.
 */
struct target_set *target_set_of_requests(const struct balance_settings *settings,
					  const struct balance_member *members, uint32_t n,
					  uint64_t serial);

/** Of either kind; NULL is none. */
void target_set_free(void *set);

#endif
