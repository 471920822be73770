/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stable indexes: which dense index an object of the model has, across reloads.
 *
 * Records and counters name objects by a reference (ref.h): index and generation.  An object is
 * known by its 64-bit id; as long as the id is retained, it keeps its index.  A released index is
 * reused only under a new generation.  Management core only.
 */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "ref.h"

struct registry_entry {
	uint64_t id;
	uint16_t generation; /* last one given out */
	bool in_use;
};

struct registry {
	struct registry_entry *entries; /* [0] is never used */
	uint32_t entries_n;             /* one more than the highest index ever used */
	uint32_t capacity;
	uint32_t free_hint;
	uint32_t *buckets; /* open addressing by id; 0 empty, UINT32_MAX deleted */
	uint32_t buckets_n;
	uint32_t in_use_n;
};

/** @param capacity  indexes 1 .. capacity - 1. @return false without memory. */
bool registry_init(struct registry *registry, uint32_t capacity);
void registry_fini(struct registry *registry);

/** The reference of `id`, given one if it has none. @return 0 when all indexes are taken. */
uint32_t registry_acquire(struct registry *registry, uint64_t id);

/** The reference of `id`, 0: unknown. */
uint32_t registry_find(const struct registry *registry, uint64_t id);

/** The id behind a reference, 0: stale. */
uint64_t registry_id(const struct registry *registry, uint32_t reference);

/** Give the index back; the reference is stale from now on. */
void registry_release(struct registry *registry, uint32_t reference);

#endif
