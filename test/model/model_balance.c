/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Algorithms: shares are those of the weights, the least loaded target of a stupid search is
 * chosen, slow start grows, fail-open opens, and anomalies are found and forgiven.
 */
#include "unit.h"

#include <stdlib.h>

#include "anomaly.h"
#include "balance.h"
#include "ref.h"

#define TARGETS 64

static struct balance_target targets[TARGETS + 1];
static uint32_t heap[TARGETS];

static struct balance_member
member(uint32_t index, uint32_t weight)
{
	return (struct balance_member){.target = ref_make(index, 1),
				       .weight = weight,
				       .factor = BALANCE_FACTOR_ONE,
				       .healthy = true};
}

static struct balance_group
fresh_group(uint32_t heap_max)
{
	memset(targets, 0, sizeof(targets));
	return (struct balance_group){.cursor = 12345, .heap = heap, .heap_max = heap_max};
}

/* Requests by target index after `n` choices at `now_ms`, each ended at once. */
static void
count_choices(const struct balance_set *set, struct balance_group *g, uint64_t now_ms, uint32_t n,
	      unsigned long long *state, uint32_t counts[TARGETS + 1])
{
	memset(counts, 0, (TARGETS + 1) * sizeof(counts[0]));
	for (uint32_t i = 0; i < n; i++) {
		struct balance_worker w = {
			.targets = targets, .now_ms = now_ms, .random = unit_random(state)};
		uint32_t target = balance_choose(set, g, &w);

		EXPECT(balance_has(set, target));
		if (!balance_has(set, target))
			return;
		counts[ref_index(target)]++;
		balance_on_request(set, g, targets, target);
		balance_on_end(set, g, targets, target);
	}
}

/* Shares by weight within `tolerance` of a part. */
static void
test_shares(enum algorithm_type algorithm, double tolerance, unsigned long long *state)
{
	static const uint32_t weights[][5] = {
		{1, 1, 1, 1, 1},      {1, 2, 3, 4, 0}, {999, 1, 1, 1, 1},
		{10, 20, 30, 40, 50}, {7, 0, 0, 0, 0}, {997, 991, 983, 977, 2},
	};

	for (size_t row = 0; row < sizeof(weights) / sizeof(weights[0]); row++) {
		struct balance_settings settings = {.algorithm = algorithm};
		struct balance_member m[5];
		struct balance_group g = fresh_group(TARGETS);
		uint32_t counts[TARGETS + 1], sum = 0, n = 200000;
		struct balance_set *set;

		for (uint32_t i = 0; i < 5; i++) {
			m[i] = member(i + 1, weights[row][i]);
			sum += weights[row][i];
		}
		set = balance_set_build(&settings, m, 5, row + 1);
		EXPECT(set != NULL && !set->fail_open);
		count_choices(set, &g, 0, n, state, counts);
		for (uint32_t i = 0; i < 5; i++) {
			double want = (double)n * weights[row][i] / sum;
			double off = (double)counts[i + 1] - want;

			EXPECT(off < tolerance * n && -off < tolerance * n);
		}
		balance_set_free(set);
	}
}

/* Five turns of equal targets are each of them once. */
static void
test_round_robin_order(unsigned long long *state)
{
	struct balance_settings settings = {.algorithm = ALGORITHM_ROUND_ROBIN};
	struct balance_member m[5];
	struct balance_group g = fresh_group(0);
	uint32_t counts[TARGETS + 1];
	struct balance_set *set;

	for (uint32_t i = 0; i < 5; i++)
		m[i] = member(i + 1, 3);
	set = balance_set_build(&settings, m, 5, 1);
	EXPECT(set->schedule_n == 5);
	for (int round = 0; round < 3; round++) {
		count_choices(set, &g, 0, 5, state, counts);
		for (uint32_t i = 1; i <= 5; i++)
			EXPECT(counts[i] == 1);
	}
	balance_set_free(set);
}

/* The twin of the heap: search all. */
static bool
is_least(const struct balance_set *set, uint32_t target)
{
	uint32_t weight = 0;
	uint64_t load;

	for (uint32_t i = 0; i < set->choices_n; i++) {
		if (set->choices[i].target == target)
			weight = set->choices[i].weight;
	}
	load = (uint64_t)targets[ref_index(target)].outstanding + 1;
	for (uint32_t i = 0; i < set->choices_n; i++) {
		const struct balance_choice *c = &set->choices[i];

		if (((uint64_t)targets[ref_index(c->target)].outstanding + 1) * weight <
		    load * c->weight)
			return false;
	}
	return true;
}

static struct balance_set *
random_set(uint64_t serial, unsigned long long *state)
{
	struct balance_settings settings = {.algorithm = ALGORITHM_LEAST_OUTSTANDING_REQUESTS};
	struct balance_member m[TARGETS];
	uint32_t n = 0;

	for (uint32_t i = 1; i <= TARGETS; i++) {
		if (unit_random(state) % 3 != 0)
			m[n++] = member(i, 1 + (uint32_t)(unit_random(state) % 4));
	}
	return balance_set_build(&settings, m, n, serial);
}

/* Requests begin and end at random, sticky ones go anywhere, sets change under way. */
static void
test_least_outstanding(unsigned long long *state)
{
	struct balance_group g = fresh_group(TARGETS);
	struct balance_set *set = random_set(1, state);
	uint32_t open[4096], open_n = 0;

	for (uint64_t i = 0; i < 60000; i++) {
		struct balance_worker w = {.targets = targets, .random = unit_random(state)};
		uint32_t target;

		if (open_n > 0 && (open_n == 4096 || unit_random(state) % 2 == 0)) {
			uint32_t k = (uint32_t)(unit_random(state) % open_n);

			balance_on_end(set, &g, targets, open[k]);
			open[k] = open[--open_n];
			continue;
		}
		if (unit_random(state) % 500 == 0) {
			balance_set_free(set);
			set = random_set(i + 2, state);
		}
		if (unit_random(state) % 10 == 0) {
			target = ref_make(1 + (uint32_t)(unit_random(state) % TARGETS), 1);
		} else {
			target = balance_choose(set, &g, &w);
			EXPECT(is_least(set, target));
		}
		balance_on_request(set, &g, targets, target);
		open[open_n++] = target;
	}
	while (open_n > 0)
		balance_on_end(set, &g, targets, open[--open_n]);
	for (uint32_t i = 0; i <= TARGETS; i++)
		EXPECT(targets[i].outstanding == 0);
	balance_set_free(set);
}

/* A target halfway through its ramp gets half a share. */
static void
test_slow_start(unsigned long long *state)
{
	static const struct {
		uint64_t now_ms;
		double part;
	} rows[] = {{0, 0}, {15000, 0.5}, {27000, 0.9}, {30000, 1}, {99000, 1}};
	struct balance_settings settings = {.slow_start_ms = 30000};
	struct balance_member m[4] = {member(1, 1), member(2, 1), member(3, 1), member(4, 1)};
	struct balance_set *set;

	m[3].ramp_end_ms = 30000;
	set = balance_set_build(&settings, m, 4, 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct balance_group g = fresh_group(0);
		uint32_t counts[TARGETS + 1];
		double part;

		count_choices(set, &g, rows[i].now_ms, 60000, state, counts);
		part = (double)counts[4] / counts[1];
		EXPECT(part > rows[i].part - 0.03 && part < rows[i].part + 0.03);
	}
	balance_set_free(set);
	for (uint32_t i = 0; i < 3; i++)
		m[i].ramp_end_ms = 30000;
	set = balance_set_build(&settings, m, 4, 2);
	EXPECT(set->slow_start_ms == 0); /* all of them: none is */
	balance_set_free(set);
}

static void
test_fail_open(void)
{
	static const struct {
		const char *why;
		uint32_t healthy, minimum, percent, want;
		bool close, open;
	} rows[] = {
		{"all healthy", 4, 1, 0, 4, false, false},
		{"one is enough", 1, 1, 0, 1, false, false},
		{"none: all get requests", 0, 1, 0, 4, false, true},
		{"below the count", 2, 3, 0, 4, false, true},
		{"at the count", 3, 3, 0, 3, false, false},
		{"below the share", 2, 1, 51, 4, false, true},
		{"at the share", 2, 1, 50, 2, false, false},
		{"none, and closed", 0, 1, 0, 0, true, false},
		{"below the count, and closed", 2, 3, 0, 2, true, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct balance_settings settings = {.minimum_healthy = rows[i].minimum,
						    .minimum_healthy_percent = rows[i].percent,
						    .fail_close = rows[i].close};
		struct balance_member m[4];
		struct balance_set *set;

		for (uint32_t k = 0; k < 4; k++) {
			m[k] = member(k + 1, 1);
			m[k].healthy = k < rows[i].healthy;
		}
		set = balance_set_build(&settings, m, 4, 1);
		EXPECT_ROW(rows[i].why, set->choices_n == rows[i].want);
		EXPECT_ROW(rows[i].why, set->fail_open == rows[i].open);
		balance_set_free(set);
	}
}

static void
test_nobody(void)
{
	struct balance_settings settings = {0};
	struct balance_member m = member(1, 0);
	struct balance_group g = fresh_group(0);
	struct balance_worker w = {.targets = targets};
	struct balance_set *set = balance_set_build(&settings, &m, 0, 1);

	EXPECT(balance_choose(set, &g, &w) == 0 && !balance_has(set, 1));
	balance_set_free(set);
	set = balance_set_build(&settings, &m, 1, 1);
	EXPECT(balance_choose(set, &g, &w) == 0); /* no weight, not even under fail-open */
	balance_set_free(set);
}

static void
feed(struct anomaly_target *t, uint64_t requests, uint64_t failures)
{
	t->requests += requests;
	t->failures += failures;
}

static void
test_anomaly(void)
{
	struct anomaly_target t[4] = {0};

	for (int i = 0; i < 4; i++) {
		t[i].healthy = true;
		feed(&t[i], 100, 1);
	}
	EXPECT(!anomaly_step(t, 4, true) && !t[0].anomalous);
	for (int i = 0; i < 4; i++)
		feed(&t[i], 100, i == 2 ? 60 : 2);
	EXPECT(anomaly_step(t, 4, true) && t[2].anomalous && !t[1].anomalous);
	EXPECT(t[2].factor == ANOMALY_FACTOR_MIN && t[1].factor == BALANCE_FACTOR_ONE);
	for (int i = 0; i < 4; i++)
		feed(&t[i], i == 2 ? 6 : 100, i == 2 ? 4 : 2);
	anomaly_step(t, 4, true);
	EXPECT(t[2].anomalous); /* few requests, most of them failed */
	for (uint32_t factor = 2 * ANOMALY_FACTOR_MIN; factor <= BALANCE_FACTOR_ONE; factor *= 2) {
		for (int i = 0; i < 4; i++)
			feed(&t[i], i == 2 ? 6 : 100, 0);
		EXPECT(anomaly_step(t, 4, true) && t[2].factor == factor);
	}
	for (int i = 0; i < 4; i++)
		feed(&t[i], 100, 60);
	anomaly_step(t, 4, true);
	EXPECT(!t[0].anomalous && !t[2].anomalous); /* all alike: not the target's fault */
	t[0].healthy = t[1].healthy = false;
	feed(&t[2], 100, 90);
	feed(&t[3], 100, 0);
	anomaly_step(t, 4, true);
	EXPECT(!t[2].anomalous); /* two healthy targets are too few to compare */
	t[0].healthy = t[1].healthy = true;
	for (int i = 0; i < 4; i++)
		feed(&t[i], 100, i == 1 ? 60 : 2);
	EXPECT(!anomaly_step(t, 4, false) && t[1].anomalous); /* detected, not mitigated */
}

int
main(void)
{
	unsigned long long state = unit_seed(3);

	test_shares(ALGORITHM_ROUND_ROBIN, 0.001, &state);
	test_shares(ALGORITHM_WEIGHTED_RANDOM, 0.01, &state);
	test_round_robin_order(&state);
	test_least_outstanding(&state);
	test_slow_start(&state);
	test_fail_open();
	test_nobody();
	test_anomaly();
	return unit_done();
}
