/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which target of a group gets a request: round robin, least outstanding requests, weighted random.
 *
 * The management core makes a balance_set whenever registrations, health, weights or mitigation
 * change: immutable, swapped like a target set.  It holds who may be chosen (healthy targets with a
 * weight, or under fail-open all of them) and what makes a choice cheap: a schedule for round
 * robin, an alias table for random choice (Vose 1991).  A worker keeps a cursor and, for least
 * outstanding requests, a heap for each group, and counts the requests of each target; workers know
 * nothing of each other's.
 *
 * Any algorithm honours weights.  A choice costs O(1), or O(log n) for least outstanding requests.
 * Memory of workers is the caller's; nothing here allocates but balance_set_build().
 */
#ifndef BALANCE_H
#define BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

#define BALANCE_FACTOR_ONE   256 /* weight of a target as configured */
#define BALANCE_SCHEDULE_MAX 16384

/** A registered target, as the management core sees it. */
struct balance_member {
	uint32_t target;      /* reference (ref.h) */
	uint32_t weight;      /* 0: gets nothing */
	uint32_t factor;      /* 1 to BALANCE_FACTOR_ONE: less while it is mitigated */
	bool healthy;         /* or its state counts as such */
	uint64_t ramp_end_ms; /* slow start lasts until then; 0: none */
};

struct balance_settings {
	enum algorithm_type algorithm;
	uint32_t slow_start_ms; /* length of the ramp */
	/* Fewer healthy targets than this count or share of the registered: fail-open. */
	uint32_t minimum_healthy, minimum_healthy_percent;
	bool fail_close; /* never: without healthy targets none is chosen */
};

/** Who may be chosen. */
struct balance_choice {
	uint32_t target;
	uint32_t weight; /* times factor */
	uint64_t ramp_end_ms;
	uint32_t alias_cut; /* below: itself, else alias */
	uint32_t alias;
};

struct balance_set {
	uint64_t serial; /* no other set of the process has it */
	const struct balance_algorithm *algorithm;
	uint32_t choices_n;
	uint32_t schedule_n;
	uint32_t slow_start_ms;      /* 0: none of the targets is in it */
	uint64_t slow_start_inverse; /* 2^32 / slow_start_ms */
	bool fail_open;
	struct balance_choice *choices; /* by reference */
	uint32_t *schedule;             /* positions in choices[], each as often as its weight */
};

/**
 * @param serial  above all earlier ones
 * @return  NULL without memory; free with balance_set_free().
 */
struct balance_set *balance_set_build(const struct balance_settings *settings,
				      const struct balance_member *members, uint32_t n,
				      uint64_t serial);
void balance_set_free(struct balance_set *set);

/** Whether the target may be chosen.  Looks at all of them. */
bool balance_set_has(const struct balance_set *set, uint32_t target);

/** Of one worker and target, by the target's index; zeros to begin with. */
struct balance_target {
	uint32_t outstanding; /* requests without the end of a response */
	uint32_t stamp;       /* when it was last chosen: the longest ago first */
	uint32_t heap_at;     /* position + 1 in its group's heap; 0: none */
};

/** Of one worker and group; zeros to begin with, but for `heap` and `cursor`. */
struct balance_group {
	uint64_t serial; /* of the set that heap[] is of */
	uint32_t cursor; /* begin anywhere, so that workers differ */
	uint32_t stamp;
	uint32_t *heap; /* positions in choices[], the least loaded first */
	uint32_t heap_n, heap_max;
};

/** What a choice depends on; `random` is 64 random bits. */
struct balance_worker {
	struct balance_target *targets;
	uint64_t now_ms;
	uint64_t random;
};

struct balance_algorithm {
	const char *name; /* ELB's */
	/** A position in choices[], of which there is one at least. */
	uint32_t (*choose)(const struct balance_set *set, struct balance_group *group,
			   const struct balance_worker *worker);
	/** The load of a target in the heap changed; NULL: there is no heap. */
	void (*changed)(const struct balance_set *set, struct balance_group *group,
			struct balance_target *targets, uint32_t target_index);
};

extern const struct balance_algorithm balance_round_robin, balance_least_outstanding,
	balance_weighted_random;

/** The reference of a target for a request, 0: there is none (503). */
uint32_t balance_choose(const struct balance_set *set, struct balance_group *group,
			const struct balance_worker *worker);

/** Whether a target may be chosen, for stickiness: it is in the set.  O(log n). */
bool balance_has(const struct balance_set *set, uint32_t target);

/** A request was given to a target, chosen or sticky. */
void balance_on_request(const struct balance_set *set, struct balance_group *group,
			struct balance_target *targets, uint32_t target);

/** It ended, in whatever way.  The set may be another one by now. */
void balance_on_end(const struct balance_set *set, struct balance_group *group,
		    struct balance_target *targets, uint32_t target);

#endif
