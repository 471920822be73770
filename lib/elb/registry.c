/* SPDX-License-Identifier: BSD-3-Clause */
#include "registry.h"

#include <stdlib.h>

#include "check.h"

#define BUCKET_EMPTY   0
#define BUCKET_DELETED UINT32_MAX

bool
registry_init(struct registry *registry, uint32_t capacity)
{
	CHECK(capacity > 1 && capacity <= REF_INDEX_MAX);
	*registry = (struct registry){.capacity = capacity, .entries_n = 1, .free_hint = 1};
	registry->buckets_n = 64;
	while (registry->buckets_n < 2 * capacity)
		registry->buckets_n *= 2;
	registry->entries = calloc(capacity, sizeof(*registry->entries));
	registry->buckets = calloc(registry->buckets_n, sizeof(*registry->buckets));
	if (registry->entries == NULL || registry->buckets == NULL) {
		registry_fini(registry);
		return false;
	}
	return true;
}

void
registry_fini(struct registry *registry)
{
	free(registry->entries);
	free(registry->buckets);
	*registry = (struct registry){0};
}

/* Ids are SipHash values: their low bits are as good as any. */
static uint32_t
find_bucket(const struct registry *registry, uint64_t id)
{
	uint32_t mask = registry->buckets_n - 1;

	for (uint32_t at = (uint32_t)id, i = 0; i <= mask; at++, i++) {
		uint32_t index = registry->buckets[at & mask];

		if (index == BUCKET_EMPTY)
			break;
		if (index != BUCKET_DELETED && registry->entries[index].id == id)
			return at & mask;
	}
	return UINT32_MAX;
}

uint32_t
registry_find(const struct registry *registry, uint64_t id)
{
	uint32_t bucket = find_bucket(registry, id);
	uint32_t index;

	if (bucket == UINT32_MAX)
		return 0;
	index = registry->buckets[bucket];
	return ref_make(index, registry->entries[index].generation);
}

uint64_t
registry_id(const struct registry *registry, uint32_t reference)
{
	uint32_t index = ref_index(reference);

	if (index == 0 || index >= registry->entries_n || !registry->entries[index].in_use ||
	    registry->entries[index].generation != ref_generation(reference))
		return 0;
	return registry->entries[index].id;
}

/* Never-used indexes first, so that a stale reference stays stale as long as possible. */
static uint32_t
free_index(struct registry *registry)
{
	if (registry->entries_n < registry->capacity)
		return registry->entries_n++;
	for (uint32_t i = 1; i < registry->capacity; i++) {
		uint32_t index = registry->free_hint;

		registry->free_hint = index + 1 < registry->capacity ? index + 1 : 1;
		if (!registry->entries[index].in_use)
			return index;
	}
	return 0;
}

uint32_t
registry_acquire(struct registry *registry, uint64_t id)
{
	uint32_t reference = registry_find(registry, id);
	uint32_t mask = registry->buckets_n - 1, at = (uint32_t)id, index;
	struct registry_entry *entry;

	if (reference != 0)
		return reference;
	index = free_index(registry);
	if (index == 0)
		return 0;
	entry = &registry->entries[index];
	entry->id = id;
	entry->in_use = true;
	entry->generation = (uint16_t)ref_next_generation(entry->generation);
	while (registry->buckets[at & mask] != BUCKET_EMPTY &&
	       registry->buckets[at & mask] != BUCKET_DELETED)
		at++;
	registry->buckets[at & mask] = index;
	registry->in_use_n++;
	return ref_make(index, entry->generation);
}

/* Deleted buckets that end a run of used ones are empty ones: searches in vain stay short. */
static void
clear_end_of_run(struct registry *registry, uint32_t bucket)
{
	uint32_t mask = registry->buckets_n - 1;

	if (registry->buckets[(bucket + 1) & mask] != BUCKET_EMPTY)
		return;
	for (; registry->buckets[bucket] == BUCKET_DELETED; bucket = (bucket - 1) & mask)
		registry->buckets[bucket] = BUCKET_EMPTY;
}

void
registry_release(struct registry *registry, uint32_t reference)
{
	uint32_t bucket = find_bucket(registry, registry_id(registry, reference));

	CHECK(bucket != UINT32_MAX);
	registry->buckets[bucket] = BUCKET_DELETED;
	clear_end_of_run(registry, bucket);
	registry->entries[ref_index(reference)].in_use = false;
	registry->entries[ref_index(reference)].id = 0;
	registry->in_use_n--;
}
