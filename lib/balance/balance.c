/* SPDX-License-Identifier: BSD-3-Clause */
#include "balance.h"

#include <stdlib.h>

#include "check.h"
#include "ref.h"

#define RAMP_TRIES 8 /* steps of the schedule past targets that are in slow start */

/* Building a set. */

static bool
is_fail_open(const struct balance_settings *s, const struct balance_member *members, uint32_t n)
{
	uint32_t healthy = 0, registered = 0;

	if (s->fail_close)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		registered++;
		healthy += members[i].healthy && members[i].weight > 0;
	}
	return healthy == 0 || healthy < s->minimum_healthy ||
	       100 * (uint64_t)healthy < (uint64_t)s->minimum_healthy_percent * registered;
}

static int
compare_choices(const void *a, const void *b)
{
	const struct balance_choice *x = a, *y = b;

	return x->target < y->target ? -1 : x->target > y->target;
}

static void
add_choices(struct balance_set *set, const struct balance_member *members, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct balance_member *m = &members[i];

		if (m->weight == 0 || (!m->healthy && !set->fail_open))
			continue;
		set->choices[set->choices_n++] = (struct balance_choice){
			.target = m->target,
			.weight = m->weight * m->factor,
			.ramp_end_ms = set->fail_open ? 0 : m->ramp_end_ms,
		};
	}
	if (set->choices_n > 1)
		qsort(set->choices, set->choices_n, sizeof(*set->choices), compare_choices);
}

static uint64_t
weight_sum(const struct balance_set *set)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < set->choices_n; i++)
		sum += set->choices[i].weight;
	return sum;
}

static uint32_t
greatest_divisor(const struct balance_set *set)
{
	uint32_t d = 0;

	for (uint32_t i = 0; i < set->choices_n; i++) {
		for (uint32_t w = set->choices[i].weight; w != 0;) {
			uint32_t rest = d % w;

			d = w;
			w = rest;
		}
	}
	return d;
}

/* A target's k-th of c turns belongs at (k + 1/2) / c of the schedule. */
struct turn {
	uint64_t at;
	uint32_t choice;
};

static int
compare_turns(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->choice < y->choice ? -1 : x->choice > y->choice;
}

static uint32_t
turns_of(const struct balance_choice *c, uint64_t sum, uint32_t divisor)
{
	uint64_t turns = c->weight / divisor;

	if (sum / divisor > BALANCE_SCHEDULE_MAX)
		turns = ((uint64_t)c->weight * BALANCE_SCHEDULE_MAX + sum / 2) / sum;
	return turns == 0 ? 1 : (uint32_t)turns;
}

static bool
build_schedule(struct balance_set *set)
{
	uint64_t sum = weight_sum(set), n = 0;
	uint32_t divisor = greatest_divisor(set);
	struct turn *turns;

	for (uint32_t i = 0; i < set->choices_n; i++)
		n += turns_of(&set->choices[i], sum, divisor);
	turns = calloc(n + 1, sizeof(*turns));
	set->schedule = calloc(n + 1, sizeof(*set->schedule));
	if (turns == NULL || set->schedule == NULL) {
		free(turns);
		return false;
	}
	for (uint32_t i = 0; i < set->choices_n; i++) {
		uint32_t own = turns_of(&set->choices[i], sum, divisor);

		for (uint32_t k = 0; k < own; k++)
			turns[set->schedule_n++] = (struct turn){
				((2 * (uint64_t)k + 1) << 32) / (2 * (uint64_t)own), i};
	}
	qsort(turns, set->schedule_n, sizeof(*turns), compare_turns);
	for (uint32_t i = 0; i < set->schedule_n; i++)
		set->schedule[i] = turns[i].choice;
	free(turns);
	return true;
}

/* Vose: each column holds its own share up to the cut, and another's above it. */
static bool
build_alias(struct balance_set *set)
{
	uint32_t n = set->choices_n, small = 0, large = 0;
	uint64_t sum = weight_sum(set);
	double *share = calloc(n + 1, sizeof(*share));
	uint32_t *stack = calloc(2 * (size_t)n + 1, sizeof(*stack)), *above = stack + n;

	if (share == NULL || stack == NULL) {
		free(share);
		free(stack);
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		share[i] = (double)set->choices[i].weight * n / (double)sum;
		if (share[i] < 1)
			stack[small++] = i;
		else
			above[large++] = i;
	}
	while (small > 0 && large > 0) {
		uint32_t less = stack[--small], more = above[--large];

		set->choices[less].alias_cut = (uint32_t)(share[less] * 4294967295.0);
		set->choices[less].alias = more;
		share[more] -= 1 - share[less];
		if (share[more] < 1)
			stack[small++] = more;
		else
			above[large++] = more;
	}
	for (; large > 0; large--)
		set->choices[above[large - 1]].alias = above[large - 1];
	for (; small > 0; small--)
		set->choices[stack[small - 1]].alias = stack[small - 1];
	free(share);
	free(stack);
	return true;
}

static const struct balance_algorithm *
algorithm_of(enum algorithm_type type)
{
	switch (type) {
	case ALGORITHM_LEAST_OUTSTANDING_REQUESTS:
		return &balance_least_outstanding;
	case ALGORITHM_WEIGHTED_RANDOM:
		return &balance_weighted_random;
	default:
		return &balance_round_robin;
	}
}

/* ELB: only while another target is outside of slow start. */
static void
note_slow_start(struct balance_set *set, uint32_t slow_start_ms)
{
	uint32_t ramping = 0;

	for (uint32_t i = 0; i < set->choices_n; i++)
		ramping += set->choices[i].ramp_end_ms != 0;
	if (slow_start_ms == 0 || ramping == 0 || ramping == set->choices_n)
		return;
	set->slow_start_ms = slow_start_ms;
	set->slow_start_inverse = (UINT64_C(1) << 32) / slow_start_ms;
}

struct balance_set *
balance_set_build(const struct balance_settings *settings, const struct balance_member *members,
		  uint32_t n, uint64_t serial)
{
	struct balance_set *set = calloc(1, sizeof(*set));
	bool ok;

	if (set == NULL)
		return NULL;
	set->serial = serial;
	set->algorithm = algorithm_of(settings->algorithm);
	set->fail_open = is_fail_open(settings, members, n);
	set->choices = calloc(n + 1, sizeof(*set->choices));
	ok = set->choices != NULL;
	if (ok)
		add_choices(set, members, n);
	if (ok && set->choices_n > 0 && set->algorithm == &balance_round_robin)
		ok = build_schedule(set);
	if (ok && set->choices_n > 0 && set->algorithm == &balance_weighted_random)
		ok = build_alias(set);
	if (!ok) {
		balance_set_free(set);
		return NULL;
	}
	note_slow_start(set, settings->slow_start_ms);
	return set;
}

bool
balance_set_has(const struct balance_set *set, uint32_t target)
{
	for (uint32_t i = 0; i < set->choices_n; i++) {
		if (set->choices[i].target == target)
			return set->choices[i].weight > 0;
	}
	return false;
}

void
balance_set_free(struct balance_set *set)
{
	if (set == NULL)
		return;
	free(set->choices);
	free(set->schedule);
	free(set);
}

/* round_robin */

/* Whether a target in slow start sits this turn out: its share grows with the time. */
static bool
sits_out(const struct balance_set *set, const struct balance_choice *c, uint64_t now_ms,
	 uint32_t random)
{
	uint64_t left_ms = c->ramp_end_ms > now_ms ? c->ramp_end_ms - now_ms : 0;

	if (left_ms > set->slow_start_ms)
		left_ms = set->slow_start_ms;
	return random < left_ms * set->slow_start_inverse;
}

static uint32_t
next_turn(const struct balance_set *set, struct balance_group *group)
{
	uint32_t at = group->cursor;

	if (at >= set->schedule_n) {
		/* The first turn, or another set: go on at the same part of the circle. */
		at = (uint32_t)((uint64_t)(at * 0x9e3779b9u) * set->schedule_n >> 32);
	}
	group->cursor = at + 1 == set->schedule_n ? 0 : at + 1;
	return set->schedule[at];
}

static uint32_t
choose_round_robin(const struct balance_set *set, struct balance_group *group,
		   const struct balance_worker *worker)
{
	uint64_t random = worker->random;
	uint32_t choice = next_turn(set, group);

	if (set->slow_start_ms == 0)
		return choice;
	for (int i = 0; i < RAMP_TRIES; i++) {
		const struct balance_choice *c = &set->choices[choice];

		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		if (c->ramp_end_ms <= worker->now_ms ||
		    !sits_out(set, c, worker->now_ms, (uint32_t)(random >> 32)))
			break;
		choice = next_turn(set, group);
	}
	return choice;
}

const struct balance_algorithm balance_round_robin = {"round_robin", choose_round_robin, NULL};

/* weighted_random */

static uint32_t
choose_weighted_random(const struct balance_set *set, struct balance_group *group,
		       const struct balance_worker *worker)
{
	uint32_t column = (uint32_t)((uint64_t)(uint32_t)worker->random * set->choices_n >> 32);
	const struct balance_choice *c = &set->choices[column];

	(void)group;
	return (uint32_t)(worker->random >> 32) < c->alias_cut ? column : c->alias;
}

const struct balance_algorithm balance_weighted_random = {"weighted_random", choose_weighted_random,
							  NULL};

/* All. */

uint32_t
balance_choose(const struct balance_set *set, struct balance_group *group,
	       const struct balance_worker *worker)
{
	if (set->choices_n == 0)
		return 0;
	return set->choices[set->algorithm->choose(set, group, worker)].target;
}

bool
balance_has(const struct balance_set *set, uint32_t target)
{
	uint32_t first = 0, n = set->choices_n;

	while (n > 0) {
		uint32_t half = n / 2;

		if (set->choices[first + half].target == target)
			return true;
		if (set->choices[first + half].target < target) {
			first += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return false;
}

void
balance_on_request(const struct balance_set *set, struct balance_group *group,
		   struct balance_target *targets, uint32_t target)
{
	struct balance_target *t = &targets[ref_index(target)];

	t->outstanding++;
	t->stamp = ++group->stamp;
	if (set->algorithm->changed != NULL)
		set->algorithm->changed(set, group, targets, ref_index(target));
}

void
balance_on_end(const struct balance_set *set, struct balance_group *group,
	       struct balance_target *targets, uint32_t target)
{
	struct balance_target *t = &targets[ref_index(target)];

	CHECK(t->outstanding > 0);
	t->outstanding--;
	if (set->algorithm->changed != NULL)
		set->algorithm->changed(set, group, targets, ref_index(target));
}
