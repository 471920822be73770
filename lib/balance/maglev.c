/* SPDX-License-Identifier: BSD-3-Clause */
#include "maglev.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

/* A target's preference: offset, offset + skip, offset + 2 skip, ... modulo the prime size. */
struct preference {
	uint32_t at;
	uint32_t skip;
	uint32_t weight; /* 0: gets no entry now */
	uint32_t credit; /* weight not yet turned into entries */
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

/* One pass over the table: `empty` entries go to targets whose preference has a weight. */
struct fill {
	uint32_t empty;
	uint32_t max_weight;
	size_t turn; /* next target of the round */
};

enum phase {
	PHASE_ALL,     /* entries for all that have a weight */
	PHASE_CLEAR,   /* those of targets that are not eligible are taken back */
	PHASE_REFILL,  /* and handed to the others */
	PHASE_PUBLISH, /* as references, with the digest */
	PHASE_DONE,
};

/* Until it is published, the set's entries hold indexes of targets[], or NOBODY. */
struct maglev_job {
	struct siphash_key seed;
	enum phase phase;
	struct fill fill;
	uint32_t at; /* PHASE_CLEAR, PHASE_PUBLISH: next entry */
	uint32_t eligible, weighted;
	uint64_t digest;
	struct target_set *set;
	struct preference *preferences;
	size_t targets_n;
	struct maglev_target targets[];
};

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

/* The target's next preferred entry that is empty.  `steps` are used up by looking. */
static uint32_t
take_entry(struct preference *p, const uint32_t *entries, uint32_t size, int64_t *steps)
{
	uint32_t at = p->at, next = at, skip = p->skip, looked = 0;

	do {
		at = next;
		next += skip;
		if (next >= size)
			next -= size;
		looked++;
	} while (entries[at] != NOBODY);
	p->at = next;
	*steps -= looked;
	return at;
}

static void
begin_fill(struct maglev_job *job, uint32_t empty, bool (*may)(const struct maglev_target *))
{
	uint32_t size = job->set->entries_n;

	job->fill = (struct fill){.empty = empty};
	for (size_t i = 0; i < job->targets_n; i++) {
		const struct maglev_target *t = &job->targets[i];
		uint64_t h = siphash(&job->seed, &t->id, sizeof(t->id));

		job->preferences[i] =
			(struct preference){.at = (uint32_t)((h & 0xffffffff) * size >> 32),
					    .skip = (uint32_t)((h >> 32) * (size - 1) >> 32) + 1,
					    .weight = may(t) ? t->weight : 0};
		if (job->preferences[i].weight > job->fill.max_weight)
			job->fill.max_weight = job->preferences[i].weight;
	}
}

/*
 * Fill in rounds.  In each a target earns its weight and takes an entry for every `max_weight` it
 * has, so shares are as the weights are, in an order that only ids decide.
 */
static bool
fill(struct maglev_job *job, int64_t *steps)
{
	uint32_t *entries = job->set->entries, size = job->set->entries_n;
	uint32_t empty = job->fill.empty, max_weight = job->fill.max_weight;
	size_t i = job->fill.turn, n = job->targets_n;
	int64_t left = *steps;

	for (; empty > 0 && left > 0; left--) {
		struct preference *p = &job->preferences[i];

		p->credit += p->weight;
		if (p->credit >= max_weight) {
			p->credit -= max_weight;
			entries[take_entry(p, entries, size, &left)] = (uint32_t)i;
			empty--;
		}
		i = i + 1 < n ? i + 1 : 0;
	}
	job->fill.empty = empty;
	job->fill.turn = i;
	*steps = left;
	return empty == 0;
}

static bool
clear(struct maglev_job *job, int64_t *steps)
{
	for (; job->at<job->set->entries_n && * steps> 0; job->at++, --*steps) {
		if (is_eligible(&job->targets[job->set->entries[job->at]]))
			continue;
		job->set->entries[job->at] = NOBODY;
		job->fill.empty++;
	}
	return job->at == job->set->entries_n;
}

static bool
publish(struct maglev_job *job, int64_t *steps)
{
	struct target_set *set = job->set;

	for (; job->at<set->entries_n && * steps> 0; job->at++, --*steps) {
		const struct maglev_target *t = &job->targets[set->entries[job->at]];

		set->entries[job->at] = t->reference;
		job->digest = (job->digest ^ t->id) * UINT64_C(0x100000001b3);
		job->digest ^= job->digest >> 29;
	}
	if (job->at < set->entries_n)
		return false;
	set->digest = siphash(&job->seed, &job->digest, sizeof(job->digest));
	return true;
}

static void
free_job(struct maglev_job *job)
{
	free(job->set);
	free(job->preferences);
	free(job);
}

struct maglev_job *
maglev_begin(const struct siphash_key *seed, const struct maglev_target *targets, size_t targets_n)
{
	uint32_t size = maglev_size(targets_n);
	struct maglev_job *job = calloc(1, sizeof(*job) + targets_n * sizeof(job->targets[0]));

	if (job == NULL)
		return NULL;
	job->seed = *seed;
	job->targets_n = targets_n;
	job->set = calloc(1, sizeof(*job->set) + size * sizeof(job->set->entries[0]));
	job->preferences = calloc(targets_n + 1, sizeof(*job->preferences));
	if (job->set == NULL || job->preferences == NULL) {
		free_job(job);
		return NULL;
	}
	for (size_t i = 0; i < targets_n; i++) {
		job->targets[i] = targets[i];
		job->weighted += has_weight(&targets[i]);
		job->eligible += is_eligible(&targets[i]);
	}
	if (job->weighted == 0) {
		job->phase = PHASE_DONE; /* an empty set */
		return job;
	}
	qsort(job->targets, targets_n, sizeof(job->targets[0]), compare_ids);
	job->set->entries_n = size;
	job->set->fail_open = job->eligible == 0;
	job->set->targets_n = job->set->fail_open ? job->weighted : job->eligible;
	job->digest = size;
	memset(job->set->entries, 0xff, size * sizeof(job->set->entries[0]));
	begin_fill(job, size, has_weight);
	return job;
}

/* @return  whether the phase is over. */
static bool
go_on(struct maglev_job *job, int64_t *steps)
{
	switch (job->phase) {
	case PHASE_ALL:
	case PHASE_REFILL:
		return fill(job, steps);
	case PHASE_CLEAR:
		return clear(job, steps);
	case PHASE_PUBLISH:
		return publish(job, steps);
	case PHASE_DONE:
		break;
	}
	return false;
}

static void
next_phase(struct maglev_job *job)
{
	bool all_may = job->set->fail_open || job->eligible == job->weighted;

	job->at = 0;
	job->phase = job->phase == PHASE_ALL && all_may ? PHASE_PUBLISH : job->phase + 1;
	if (job->phase == PHASE_REFILL)
		begin_fill(job, job->fill.empty, is_eligible);
}

bool
maglev_step(struct maglev_job *job, uint64_t steps)
{
	int64_t left = steps > INT64_MAX ? INT64_MAX : (int64_t)steps;

	while (job->phase != PHASE_DONE && left > 0) {
		if (go_on(job, &left))
			next_phase(job);
	}
	return job->phase == PHASE_DONE;
}

struct target_set *
maglev_end(struct maglev_job *job)
{
	struct target_set *set = NULL;

	if (job == NULL)
		return NULL;
	if (job->phase == PHASE_DONE) {
		set = job->set;
		job->set = NULL;
	}
	free_job(job);
	return set;
}

struct target_set *
maglev_build(const struct siphash_key *seed, const struct maglev_target *targets, size_t targets_n)
{
	struct maglev_job *job = maglev_begin(seed, targets, targets_n);

	if (job != NULL)
		maglev_step(job, UINT64_MAX);
	return maglev_end(job);
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
