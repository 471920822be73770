/* SPDX-License-Identifier: BSD-3-Clause */
/* Maglev's promises: shares, order, disruption, fail-open, and a simple twin of the algorithm. */
#include "unit.h"

#include "maglev.h"

static const struct siphash_key seed_key = {{0x0123456789abcdef, 0xfedcba9876543210}};

static void
make_targets(struct maglev_target *targets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		targets[i] = (struct maglev_target){.id = (i + 1) * UINT64_C(0x9e3779b97f4a7c15),
						    .reference = ref_make((uint32_t)i + 1, 1),
						    .weight = 1,
						    .eligible = true};
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

static uint32_t
entries_of(const struct target_set *set, uint32_t reference)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < set->entries_n; i++)
		n += set->entries[i] == reference;
	return n;
}

static void
test_sizes(void)
{
	EXPECT(maglev_size(0) == MAGLEV_SIZE_MIN && maglev_size(1) == MAGLEV_SIZE_MIN);
	EXPECT(maglev_size(100) >= 51200 && maglev_size(100) < 51300);
	EXPECT(maglev_size(1000000) == MAGLEV_SIZE_MAX);
}

static void
test_shares_follow_weights(void)
{
	struct maglev_target targets[10];
	struct target_set *set;

	make_targets(targets, 10);
	for (uint32_t i = 0; i < 10; i++)
		targets[i].weight = i;
	set = maglev_build(&seed_key, targets, 10);
	EXPECT(set->targets_n == 9);
	for (uint32_t i = 0; i < 10; i++) {
		uint32_t reference = ref_make(i + 1, 1);
		double want = set->entries_n * (double)i / 45;
		double got = entries_of(set, reference);

		EXPECT(got >= want * 0.98 - 2 && got <= want * 1.02 + 2);
	}
	free(set);
}

static void
test_order_does_not_matter(unsigned long long *state)
{
	struct maglev_target targets[100];
	struct target_set *first, *second;

	make_targets(targets, 100);
	first = maglev_build(&seed_key, targets, 100);
	for (int i = 0; i < 5; i++) {
		shuffle(targets, 100, state);
		second = maglev_build(&seed_key, targets, 100);
		EXPECT(first->digest == second->digest);
		EXPECT(memcmp(first->entries, second->entries,
			      first->entries_n * sizeof(uint32_t)) == 0);
		free(second);
	}
	free(first);
}

/* A hundred targets, one leaves: no entry of the others moves; it comes back: all is as before. */
static void
test_disruption(void)
{
	for (uint32_t gone = 0; gone < 100; gone += 7) {
		struct maglev_target targets[100];
		struct target_set *before, *without, *after;
		uint32_t reference, moved = 0, surviving = 0;

		make_targets(targets, 100);
		before = maglev_build(&seed_key, targets, 100);
		targets[gone].eligible = false;
		reference = targets[gone].reference;
		without = maglev_build(&seed_key, targets, 100);
		for (uint32_t i = 0; i < before->entries_n; i++) {
			EXPECT(without->entries[i] != reference);
			if (before->entries[i] == reference)
				continue;
			surviving++;
			moved += before->entries[i] != without->entries[i];
		}
		EXPECT(surviving > 0 && moved * 100 <= surviving);
		for (int i = 0; i < 100; i++)
			targets[i].eligible = true;
		after = maglev_build(&seed_key, targets, 100);
		EXPECT(after->digest == before->digest && without->digest != before->digest);
		free(before);
		free(without);
		free(after);
	}
}

static void
test_fail_open_and_empty(void)
{
	struct maglev_target targets[4];
	struct target_set *set;

	make_targets(targets, 4);
	for (int i = 0; i < 4; i++)
		targets[i].eligible = false;
	set = maglev_build(&seed_key, targets, 4);
	EXPECT(set->fail_open && set->targets_n == 4);
	for (uint32_t i = 0; i < 4; i++)
		EXPECT(entries_of(set, ref_make(i + 1, 1)) > 200);
	free(set);
	set = maglev_build(&seed_key, targets, 0);
	EXPECT(set->entries_n == 0 && maglev_lookup(set, 12345, 0) == 0);
	free(set);
	for (int i = 0; i < 4; i++)
		targets[i].weight = 0;
	set = maglev_build(&seed_key, targets, 4);
	EXPECT(set->entries_n == 0);
	free(set);
}

/* The paper's pseudo code for equal weights and all eligible. */
static void
test_against_the_paper(void)
{
	struct maglev_target targets[20];
	struct target_set *set;
	uint32_t size = maglev_size(20), filled = 0, next[20] = {0};
	uint32_t *entry = calloc(size, sizeof(*entry));

	make_targets(targets, 20);
	set = maglev_build(&seed_key, targets, 20); /* sorts by id */
	while (filled < size) {
		for (uint32_t t = 0; t < 20 && filled < size; t++) {
			uint64_t h = siphash(&seed_key, &targets[t].id, 8);
			uint32_t offset = (uint32_t)((h & 0xffffffff) * size >> 32);
			uint32_t skip = (uint32_t)((h >> 32) * (size - 1) >> 32) + 1;
			uint32_t c;

			do
				c = (uint32_t)((offset + (uint64_t)next[t]++ * skip) % size);
			while (entry[c] != 0);
			entry[c] = targets[t].reference;
			filled++;
		}
	}
	EXPECT(set->entries_n == size);
	EXPECT(memcmp(entry, set->entries, size * sizeof(*entry)) == 0);
	free(entry);
	free(set);
}

/* What other boxes of a cluster compute: must not change with compiler, process or release. */
static void
test_golden_digests(void)
{
	static const struct {
		size_t targets;
		uint64_t digest;
	} rows[] = {
		{1, UINT64_C(0x8716458d469dfc8f)},
		{3, UINT64_C(0x432d3395aed00ec8)},
		{100, UINT64_C(0x6feb5b4f99c5858e)},
	};
	struct maglev_target targets[100];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct target_set *set;

		make_targets(targets, rows[i].targets);
		set = maglev_build(&seed_key, targets, rows[i].targets);
		if (set->digest != rows[i].digest)
			printf("%zu targets: digest %016llx\n", rows[i].targets,
			       (unsigned long long)set->digest);
		EXPECT(set->digest == rows[i].digest);
		free(set);
	}
}

int
main(void)
{
	unsigned long long state = unit_seed(5);

	test_sizes();
	test_shares_follow_weights();
	test_order_does_not_matter(&state);
	test_disruption();
	test_fail_open_and_empty();
	test_against_the_paper();
	test_golden_digests();
	return unit_done();
}
