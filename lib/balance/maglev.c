/* SPDX-License-Identifier: BSD-3-Clause */
#include "maglev.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

/* A target's preference: offset, offset + skip, offset + 2 skip, ... modulo the prime size. */
struct preference {
	uint32_t at;
	uint32_t skip;
	uint64_t credit; /* weight not yet turned into entries */
};

static bool
is_prime(uint32_t n)
{
	if (n % 2 == 0)
		return n == 2;
	for (uint32_t d = 3; d * d <= n; d += 2) {
		if (n % d == 0)
			return false;
	}
	return true;
}

uint32_t
maglev_size(size_t targets_n)
{
	uint32_t size = MAGLEV_ENTRIES_PER_TARGET;

	while (size < targets_n * MAGLEV_ENTRIES_PER_TARGET && size < MAGLEV_SIZE_MAX)
		size *= 2;
	if (size <= MAGLEV_SIZE_MIN)
		return MAGLEV_SIZE_MIN;
	if (size >= MAGLEV_SIZE_MAX)
		return MAGLEV_SIZE_MAX;
	while (!is_prime(size))
		size++;
	return size;
}

static int
compare_ids(const void *a, const void *b)
{
	const struct maglev_target *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void
init_preferences(struct preference *p, const struct siphash_key *seed,
		 const struct maglev_target *targets, size_t n, uint32_t size)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t h = siphash(seed, &targets[i].id, sizeof(targets[i].id));

		p[i].at = (uint32_t)((h & 0xffffffff) * size >> 32);
		p[i].skip = (uint32_t)((h >> 32) * (size - 1) >> 32) + 1;
		p[i].credit = 0;
	}
}

/* The target's next preferred entry that is empty. */
static uint32_t
take_entry(struct preference *p, const uint32_t *owner, uint32_t size)
{
	uint32_t at;

	do {
		at = p->at;
		p->at += p->skip;
		if (p->at >= size)
			p->at -= size;
	} while (owner[at] != NOBODY);
	return at;
}

/*
 * Fill `empty` entries in rounds.  In each a target earns its weight and takes an entry for every
 * `max_weight` it has, so shares are as the weights are, in an order that only ids decide.
 */
static void
fill(uint32_t *owner, uint32_t size, uint32_t empty, struct preference *p,
     const struct maglev_target *targets, size_t n, bool (*may)(const struct maglev_target *))
{
	uint32_t max_weight = 0;

	for (size_t i = 0; i < n; i++) {
		if (may(&targets[i]) && targets[i].weight > max_weight)
			max_weight = targets[i].weight;
	}
	while (empty > 0 && max_weight > 0) {
		for (size_t i = 0; i < n && empty > 0; i++) {
			if (!may(&targets[i]))
				continue;
			p[i].credit += targets[i].weight;
			if (p[i].credit < max_weight)
				continue;
			p[i].credit -= max_weight;
			owner[take_entry(&p[i], owner, size)] = (uint32_t)i;
			empty--;
		}
	}
}

static bool
has_weight(const struct maglev_target *t)
{
	return t->weight > 0;
}

static bool
is_eligible(const struct maglev_target *t)
{
	return t->weight > 0 && t->eligible;
}

static void
publish(struct target_set *set, const struct siphash_key *seed, const uint32_t *owner,
	const struct maglev_target *targets)
{
	uint64_t digest = set->entries_n;

	for (uint32_t i = 0; i < set->entries_n; i++) {
		const struct maglev_target *t = &targets[owner[i]];

		set->entries[i] = t->reference;
		digest = (digest ^ t->id) * UINT64_C(0x100000001b3);
		digest ^= digest >> 29;
	}
	set->digest = siphash(seed, &digest, sizeof(digest));
}

struct target_set *
maglev_build(const struct siphash_key *seed, struct maglev_target *targets, size_t targets_n)
{
	uint32_t size = maglev_size(targets_n), weighted = 0, eligible = 0, empty = 0;
	struct target_set *set = calloc(1, sizeof(*set) + size * sizeof(set->entries[0]));
	struct preference *p = calloc(targets_n + 1, sizeof(*p));
	uint32_t *owner = malloc(size * sizeof(*owner));

	if (set == NULL || p == NULL || owner == NULL) {
		free(set);
		set = NULL;
		goto out;
	}
	for (size_t i = 0; i < targets_n; i++) {
		weighted += has_weight(&targets[i]);
		eligible += is_eligible(&targets[i]);
	}
	if (weighted == 0)
		goto out; /* an empty set */
	qsort(targets, targets_n, sizeof(*targets), compare_ids);
	set->entries_n = size;
	set->fail_open = eligible == 0;
	set->targets_n = set->fail_open ? weighted : eligible;

	memset(owner, 0xff, size * sizeof(*owner));
	init_preferences(p, seed, targets, targets_n, size);
	fill(owner, size, size, p, targets, targets_n, has_weight);
	if (!set->fail_open && eligible < weighted) {
		for (uint32_t i = 0; i < size; i++) {
			if (!is_eligible(&targets[owner[i]])) {
				owner[i] = NOBODY;
				empty++;
			}
		}
		init_preferences(p, seed, targets, targets_n, size);
		fill(owner, size, empty, p, targets, targets_n, is_eligible);
	}
	publish(set, seed, owner, targets);
out:
	free(p);
	free(owner);
	return set;
}

uint64_t
maglev_flow_hash(const struct siphash_key *seed, const struct ip_addr *client,
		 uint16_t client_port_be, const struct ip_addr *vip, uint16_t port_be,
		 uint8_t proto)
{
	uint8_t key[37];

	memcpy(key, client, 16);
	memcpy(key + 16, vip, 16);
	memcpy(key + 32, &client_port_be, 2);
	memcpy(key + 34, &port_be, 2);
	key[36] = proto;
	return siphash(seed, key, sizeof(key));
}
