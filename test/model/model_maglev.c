/* SPDX-License-Identifier: BSD-3-Clause */
/* The Maglev table against the paper's algorithm written down plainly, and its promises. */
#include "unit.h"

#include "maglev.h"

#define TARGETS_MAX 300

static const struct siphash_key cluster = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

static uint64_t
id_of(uint32_t i)
{
	return siphash(&cluster, &i, sizeof(i));
}

static void
make_targets(struct maglev_target *targets, size_t n)
{
	for (uint32_t i = 0; i < n; i++)
		targets[i] = (struct maglev_target){
			.id = id_of(i), .reference = 1000 + i, .weight = 1, .eligible = true};
}

static void
shuffle(struct maglev_target *targets, size_t n, unsigned long long *state)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = unit_random(state) % i;
		struct maglev_target t = targets[i - 1];

		targets[i - 1] = targets[k];
		targets[k] = t;
	}
}

/* The twin: whole permutations, remainders, and selection of the next id by scanning. */

struct twin {
	uint64_t id;
	uint32_t reference, weight, at, skip, tried;
	uint64_t credit;
	bool may;
};

static void
twin_fill(uint32_t *table, uint32_t size, struct twin *twins, size_t n)
{
	uint32_t empty = 0, max_weight = 0;

	for (uint32_t i = 0; i < size; i++)
		empty += table[i] == 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t h = siphash(&cluster, &twins[i].id, 8);

		twins[i].at = (uint32_t)((h % (UINT64_C(1) << 32)) * size / (UINT64_C(1) << 32));
		twins[i].skip = 1 + (uint32_t)((h / (UINT64_C(1) << 32)) * (size - 1) /
					       (UINT64_C(1) << 32));
		twins[i].tried = 0;
		twins[i].credit = 0;
		if (twins[i].may && twins[i].weight > max_weight)
			max_weight = twins[i].weight;
	}
	while (empty > 0) {
		uint64_t last_id = 0;

		for (size_t turn = 0; turn < n && empty > 0; turn++) {
			struct twin *t = NULL;
			uint32_t entry;

			for (size_t i = 0; i < n; i++) { /* next higher id */
				if ((turn == 0 || twins[i].id > last_id) &&
				    (t == NULL || twins[i].id < t->id))
					t = &twins[i];
			}
			last_id = t->id;
			if (!t->may || (t->credit += t->weight) < max_weight)
				continue;
			t->credit -= max_weight;
			do {
				entry = (uint32_t)((t->at + (uint64_t)t->tried++ * t->skip) % size);
			} while (table[entry] != 0);
			table[entry] = t->reference;
			empty--;
		}
	}
}

static void
twin_build(uint32_t *table, uint32_t size, const struct maglev_target *targets, size_t n)
{
	struct twin twins[TARGETS_MAX];
	size_t eligible = 0, weighted = 0;

	memset(table, 0, size * sizeof(*table));
	for (size_t i = 0; i < n; i++) {
		twins[i] = (struct twin){.id = targets[i].id,
					 .reference = targets[i].reference,
					 .weight = targets[i].weight,
					 .may = targets[i].weight > 0};
		eligible += targets[i].weight > 0 && targets[i].eligible;
		weighted += targets[i].weight > 0;
	}
	twin_fill(table, size, twins, n);
	if (eligible == 0 || eligible == weighted)
		return;
	for (size_t i = 0; i < n; i++) {
		if (targets[i].eligible)
			continue;
		twins[i].may = false;
		for (uint32_t k = 0; k < size; k++) {
			if (table[k] == targets[i].reference)
				table[k] = 0;
		}
	}
	twin_fill(table, size, twins, n);
}

static void
test_against_twin(unsigned long long *state)
{
	static uint32_t table[MAGLEV_SIZE_MAX];
	unsigned long rounds = unit_rounds(60);

	for (unsigned long round = 0; round < rounds; round++) {
		struct maglev_target targets[TARGETS_MAX], twins[TARGETS_MAX];
		size_t n = 1 + unit_random(state) % (round % 10 == 0 ? 40 : 8);
		bool weights = unit_random(state) % 2 == 0;
		bool any = false, weighted = false;
		struct target_set *set, *again;

		make_targets(targets, n);
		for (size_t i = 0; i < n; i++) {
			if (weights)
				targets[i].weight = (uint32_t)(unit_random(state) % 6);
			targets[i].eligible = unit_random(state) % 4 != 0;
			weighted |= targets[i].weight > 0;
			any |= targets[i].weight > 0 && targets[i].eligible;
		}
		memcpy(twins, targets, sizeof(targets));
		set = maglev_build(&cluster, targets, n);
		shuffle(targets, n, state);
		again = maglev_build(&cluster, targets, n);
		EXPECT(set->entries_n == (weighted ? maglev_size(n) : 0));
		EXPECT(set->fail_open == (weighted && !any));
		EXPECT(again->digest == set->digest && again->entries_n == set->entries_n);
		EXPECT(memcmp(again->entries, set->entries, set->entries_n * 4) == 0);
		if (weighted) {
			twin_build(table, set->entries_n, twins, n);
			EXPECT(memcmp(table, set->entries, set->entries_n * 4) == 0);
		}
		free(set);
		free(again);
	}
}

static bool
is_prime(uint32_t n)
{
	for (uint32_t d = 2; d * d <= n; d++) {
		if (n % d == 0)
			return false;
	}
	return true;
}

static void
test_sizes(void)
{
	static const struct {
		const char *why;
		size_t targets_n;
		uint32_t size;
	} rows[] = {
		{"none", 0, 1021},
		{"one", 1, 1021},
		{"two: 1,024 and up", 2, 1031},
		{"three: as four", 3, 2053},
		{"a hundred: as 128", 100, 65537},
		{"the end of a class", 128, 65537},
		{"the next class is the largest size", 129, 131071},
		{"far above", 100000, 131071},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_ROW(rows[i].why, maglev_size(rows[i].targets_n) == rows[i].size);
	for (size_t n = 0; n < 300; n++) {
		uint32_t size = maglev_size(n);

		EXPECT(size <= maglev_size(n + 1));

		EXPECT(is_prime(size) && (size >= 512 * n || size == MAGLEV_SIZE_MAX));
	}
}

/* Entries of each target, by reference. */
static void
count_entries(const struct target_set *set, uint32_t counts[TARGETS_MAX])
{
	memset(counts, 0, TARGETS_MAX * sizeof(counts[0]));
	for (uint32_t i = 0; i < set->entries_n; i++)
		counts[set->entries[i] - 1000]++;
}

/* One of a hundred leaves, by health or by weight: nothing of the others moves. */
static void
test_leaving(void)
{
	struct maglev_target targets[100];
	uint32_t counts[TARGETS_MAX], moved_max = 0;
	struct target_set *whole;

	make_targets(targets, 100);
	whole = maglev_build(&cluster, targets, 100);
	for (uint32_t leaves = 0; leaves < 100; leaves++) {
		struct target_set *set;
		uint32_t moved = 0, left = 0;

		make_targets(targets, 100);
		targets[leaves].eligible = false;
		set = maglev_build(&cluster, targets, 100);
		EXPECT(set->entries_n == whole->entries_n && set->targets_n == 99);
		for (uint32_t i = 0; i < set->entries_n; i++) {
			left += whole->entries[i] == 1000 + leaves;
			moved += whole->entries[i] != 1000 + leaves &&
				 set->entries[i] != whole->entries[i];
			EXPECT(set->entries[i] != 1000 + leaves);
		}
		EXPECT(left >= 655 && left <= 656);
		if (moved > moved_max)
			moved_max = moved;
		/* What it had is spread over the others. */
		count_entries(set, counts);
		for (uint32_t i = 0; i < 100; i++)
			EXPECT(i == leaves || (counts[i] >= 655 && counts[i] <= 664));
		free(set);
	}
	printf("most entries of survivors that moved when one of 100 left: %u\n", moved_max);
	EXPECT(moved_max == 0);
	free(whole);
}

/* Share of flows to targets registered before and after that get another target. */
static double
moved_by_registration(uint32_t before_n, uint32_t after_n)
{
	struct maglev_target targets[TARGETS_MAX];
	struct target_set *before, *after;
	unsigned long long state = 99;
	uint32_t moved = 0, common = 0, keep = before_n < after_n ? before_n : after_n;

	make_targets(targets, before_n);
	before = maglev_build(&cluster, targets, before_n);
	make_targets(targets, after_n);
	after = maglev_build(&cluster, targets, after_n);
	for (int i = 0; i < 200000; i++) {
		uint64_t hash = unit_random(&state);
		uint32_t a = maglev_lookup(before, hash, 0), b = maglev_lookup(after, hash, 0);

		if (a - 1000 >= keep || b - 1000 >= keep)
			continue;
		common++;
		moved += a != b;
	}
	free(before);
	free(after);
	return (double)moved / common;
}

static void
test_registration(void)
{
	static const struct {
		uint32_t before, after;
	} rows[] = {{100, 99}, {99, 100}, {128, 127}, {300, 299}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double moved = moved_by_registration(rows[i].before, rows[i].after);

		printf("flows of others that move from %u to %u targets: %.2f %%\n", rows[i].before,
		       rows[i].after, moved * 100);
		EXPECT(moved <= 0.01);
	}
}

static void
test_weights(void)
{
	struct maglev_target targets[4];
	uint32_t counts[TARGETS_MAX];
	struct target_set *set;

	make_targets(targets, 4);
	for (uint32_t i = 0; i < 4; i++)
		targets[i].weight = i * 100; /* 0, 100, 200, 300 */
	set = maglev_build(&cluster, targets, 4);
	count_entries(set, counts);
	EXPECT(counts[0] == 0);
	for (uint32_t i = 1; i < 4; i++) {
		double share = (double)counts[i] / set->entries_n, want = i / 6.0;

		EXPECT(share > want - 0.005 && share < want + 0.005);
	}
	free(set);
}

/* Boxes of a cluster, of all versions, must agree. */
static void
test_golden_digests(void)
{
	static const struct {
		const char *why;
		size_t targets_n;
		uint32_t unhealthy; /* the first so many */
		uint32_t weight_step;
		uint64_t digest;
	} rows[] = {
		{"one", 1, 0, 0, 0xa64a1a0f4db29ea4},
		{"three", 3, 0, 0, 0x7fa2f1bfe59eb7f8},
		{"three, one unhealthy", 3, 1, 0, 0x27a17ff4cc374f58},
		{"three, all unhealthy: as healthy", 3, 3, 0, 0x7fa2f1bfe59eb7f8},
		{"a hundred", 100, 0, 0, 0x31545f1a4f5e7ca6},
		{"a hundred, weighted, five unhealthy", 100, 5, 7, 0xdb401588c146b87c},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct maglev_target targets[TARGETS_MAX];
		struct target_set *set;

		make_targets(targets, rows[i].targets_n);
		for (uint32_t k = 0; k < rows[i].targets_n; k++) {
			targets[k].eligible = k >= rows[i].unhealthy;
			targets[k].weight = 1 + k * rows[i].weight_step % 100;
		}
		set = maglev_build(&cluster, targets, rows[i].targets_n);
		EXPECT_ROW(rows[i].why, set->digest == rows[i].digest);
		free(set);
	}
}

static void
test_flow_hash(void)
{
	struct ip_addr client, vip;
	uint64_t hash;

	EXPECT(ip_addr_parse("192.0.2.1", &client) && ip_addr_parse("198.51.100.1", &vip));
	hash = maglev_flow_hash(&cluster, &client, 0x3930, &vip, 0x5000, 6);
	EXPECT(hash == 0x457c4b948a209e2a); /* golden */
	EXPECT(hash != maglev_flow_hash(&cluster, &client, 0x3931, &vip, 0x5000, 6));
	EXPECT(hash != maglev_flow_hash(&cluster, &client, 0x3930, &vip, 0x5001, 6));
	EXPECT(hash != maglev_flow_hash(&cluster, &client, 0x3930, &vip, 0x5000, 17));
	EXPECT(hash != maglev_flow_hash(&cluster, &vip, 0x3930, &vip, 0x5000, 6));
	EXPECT(hash != maglev_flow_hash(&cluster, &client, 0x3930, &client, 0x5000, 6));
}

static void
test_lookup(void)
{
	struct maglev_target targets[3];
	struct target_set *set, *empty;
	uint32_t seen[3] = {0};

	make_targets(targets, 3);
	set = maglev_build(&cluster, targets, 3);
	empty = maglev_build(&cluster, targets, 0);
	EXPECT(empty->entries_n == 0 && maglev_lookup(empty, 1, 0) == 0);
	free(empty);
	EXPECT(maglev_lookup(set, 0, 0) == set->entries[0]);
	EXPECT(maglev_lookup(set, UINT32_MAX, 0) == set->entries[set->entries_n - 1]);
	for (uint32_t attempt = 0; attempt < 32; attempt++)
		seen[maglev_lookup(set, 12345, attempt) - 1000]++;
	EXPECT(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
	free(set);
}

/* Built in slices of any size the table is the same, and no slice does much more than it may. */
static void
test_slices(unsigned long long *state)
{
	for (int i = 0; i < 200; i++) {
		size_t n = 1 + unit_random(state) % 60;
		struct maglev_target targets[TARGETS_MAX];
		struct target_set *whole, *sliced;
		struct maglev_job *job;
		bool done = false;

		make_targets(targets, n);
		for (size_t k = 0; k < n; k++) {
			targets[k].weight = (uint32_t)(unit_random(state) % 4);
			targets[k].eligible = unit_random(state) % 4 != 0;
		}
		whole = maglev_build(&cluster, targets, n);
		job = maglev_begin(&cluster, targets, n);
		while (!done)
			done = maglev_step(job, 1 + unit_random(state) % 5000);
		sliced = maglev_end(job);
		EXPECT(sliced->entries_n == whole->entries_n && sliced->digest == whole->digest);
		EXPECT(sliced->fail_open == whole->fail_open &&
		       sliced->targets_n == whole->targets_n);
		EXPECT(memcmp(sliced->entries, whole->entries,
			      whole->entries_n * sizeof(whole->entries[0])) == 0);
		free(whole);
		free(sliced);
	}
}

/* One target with all the weight: each round looks at all for one entry. */
static void
test_extreme_weights_take_many_slices(void)
{
	struct maglev_target targets[TARGETS_MAX];
	struct maglev_job *job;
	unsigned slices = 1;

	make_targets(targets, TARGETS_MAX);
	targets[7].weight = 999;
	job = maglev_begin(&cluster, targets, TARGETS_MAX);
	while (!maglev_step(job, 20000))
		slices++;
	EXPECT(slices > 1000);
	free(maglev_end(job));
	/* Given up in the middle. */
	job = maglev_begin(&cluster, targets, TARGETS_MAX);
	EXPECT(!maglev_step(job, 20000));
	EXPECT(maglev_end(job) == NULL);
}

int
main(void)
{
	unsigned long long state = unit_seed(3);

	test_sizes();
	test_against_twin(&state);
	test_leaving();
	test_registration();
	test_weights();
	test_golden_digests();
	test_slices(&state);
	test_extreme_weights_take_many_slices();
	test_flow_hash();
	test_lookup();
	return unit_done();
}
