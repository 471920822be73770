/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maglev: a table that maps flow hashes to targets evenly and moves little when targets come and go
 * (Eisenbud et al., NSDI 2016, section 3.4).
 *
 * The table is a pure function of the cluster's seed and of the targets' stable ids, weights and
 * eligibility: not of their order, of indexes, or of the process.  Two boxes with one configuration
 * build the same table; its digest proves it.
 *
 * Beyond the paper: the table's size depends on how many targets are registered, not on how many
 * are healthy, so that a health change keeps it; and a target that is not eligible gives up only
 * its own entries.  The table is built over all registered targets first; the entries of those
 * that are not eligible are then handed to others, each by the rest of its own preference.  So
 * when a target's health or weight takes it out, no entry of a surviving target moves at all.
 *
 * Registering and deregistering builds anew, which moves about half a percent of the others'
 * entries as long as the size stays: so sizes come in classes, one for each power of two of
 * targets, and only crossing one changes everything.
 */
#ifndef MAGLEV_H
#define MAGLEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "siphash.h"
#include "snapshot.h"

#define MAGLEV_ENTRIES_PER_TARGET 512 /* at least, up to the largest size */
#define MAGLEV_SIZE_MIN           1021
#define MAGLEV_SIZE_MAX           131071

struct maglev_job;

struct maglev_target {
	uint64_t id;        /* stable */
	uint32_t reference; /* what the table holds */
	uint32_t weight;    /* 0: no new flows */
	bool eligible;      /* healthy, or taken as such under fail-open */
};

/**
 * Entries of a table for `targets_n` registered targets: the smallest prime from 512 times the next
 * power of two on, within the limits.
 */
uint32_t maglev_size(size_t targets_n);

/**
 * Build a target set.  If no target is eligible, all with a weight are (fail-open).
 * @return  NULL without memory.  Free with free().
 */
struct target_set *maglev_build(const struct siphash_key *seed, const struct maglev_target *targets,
				size_t targets_n);

/**
 * The same in slices, for a core that has other things to do.  maglev_begin() copies what it needs,
 * maglev_step() goes on for about `steps` steps of a few nanoseconds each and says whether the set
 * is finished, maglev_end() hands it over (NULL without memory, or when it was not finished) and
 * frees the rest.
 * @return  NULL without memory.
 */
struct maglev_job *maglev_begin(const struct siphash_key *seed, const struct maglev_target *targets,
				size_t targets_n);
bool maglev_step(struct maglev_job *job, uint64_t steps);
struct target_set *maglev_end(struct maglev_job *job);

/** Hash of a flow: protocol and 4-tuple, under the cluster's seed; the same on every box. */
uint64_t maglev_flow_hash(const struct siphash_key *seed, const struct ip_addr *client,
			  uint16_t client_port_be, const struct ip_addr *vip, uint16_t port_be,
			  uint8_t proto);

/** The target of a flow; `attempt` 0 is its own, 1 .. are the next ones to try. 0: none. */
static inline uint32_t
maglev_lookup(const struct target_set *set, uint64_t flow_hash, uint32_t attempt)
{
	uint32_t at;

	if (set->entries_n == 0)
		return 0;
	at = (uint32_t)((uint64_t)(uint32_t)(flow_hash + attempt * UINT64_C(0x9e3779b97f4a7c15)) *
				set->entries_n >>
			32);
	return set->entries[at];
}

#endif
