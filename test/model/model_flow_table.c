/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table against a plain array of keys: random inserts, lookups and removals up to a full
 * table, rebuilding, and moving to other memory.
 */
#include "unit.h"

#include "flow_table.h"

#define RECORDS 3000
#define KEYS    6000

struct twin {
	uint32_t record_of[KEYS]; /* + 1; 0: not in the table */
	uint32_t in_use;
};

/* Small key spaces, so that the two sides of different keys often share buckets and tags. */
static uint64_t
key_hash(const struct flow_table *t, uint32_t key, enum flow_side side)
{
	uint64_t h = hash_words(&t->seed, key, side, 0, 0);

	return key % 3 == 0 ? h & ~UINT64_C(0xfff0) : h; /* tags collide */
}

static uint64_t
record_hash(void *arg, const struct flow_record *r, enum flow_side side)
{
	return key_hash(arg, r->frontend, side);
}

static uint32_t
find(const struct flow_table *t, uint32_t key, enum flow_side side)
{
	struct flow_search s = flow_search_begin(t, key_hash(t, key, side));
	uint32_t entry;

	while ((entry = flow_search_next(t, &s)) != FLOW_NONE) {
		uint32_t record = flow_entry_record(entry);

		if (flow_entry_side(entry) == side && t->records[record].role != FLOW_ROLE_FREE &&
		    t->records[record].frontend == key)
			return record;
	}
	return FLOW_NONE;
}

static void
insert(struct flow_table *t, struct twin *twin, uint32_t key)
{
	uint32_t record = flow_record_take(t);

	if (record == FLOW_NONE) {
		EXPECT(twin->in_use == RECORDS);
		return;
	}
	EXPECT(twin->in_use < RECORDS);
	t->records[record].frontend = key;
	flow_record_commit(t, record, FLOW_ROLE_LOCAL);
	EXPECT(flow_index_add(t, key_hash(t, key, FLOW_SIDE_CLIENT), record, FLOW_SIDE_CLIENT));
	EXPECT(flow_index_add(t, key_hash(t, key, FLOW_SIDE_TARGET), record, FLOW_SIDE_TARGET));
	twin->record_of[key] = record + 1;
	twin->in_use++;
}

static void
remove_key(struct flow_table *t, struct twin *twin, uint32_t key)
{
	uint32_t record = twin->record_of[key] - 1;

	flow_index_remove(t, key_hash(t, key, FLOW_SIDE_CLIENT), record, FLOW_SIDE_CLIENT);
	flow_index_remove(t, key_hash(t, key, FLOW_SIDE_TARGET), record, FLOW_SIDE_TARGET);
	flow_record_give(t, record);
	twin->record_of[key] = 0;
	twin->in_use--;
}

static void
compare_all(const struct flow_table *t, const struct twin *twin)
{
	uint32_t entries = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		uint32_t want = twin->record_of[key] == 0 ? FLOW_NONE : twin->record_of[key] - 1;

		EXPECT(find(t, key, FLOW_SIDE_CLIENT) == want);
		EXPECT(find(t, key, FLOW_SIDE_TARGET) == want);
	}
	for (uint32_t b = 0; b < t->buckets_n; b++) {
		for (int i = 0; i < FLOW_BUCKET_SLOTS; i++)
			entries += t->buckets[b].tags[i] != 0;
	}
	EXPECT(entries == 2 * twin->in_use);
	EXPECT(t->in_use == twin->in_use);
}

/* Every displaced counter tells exactly how many entries of the bucket lie elsewhere. */
static void
check_displaced(const struct flow_table *t)
{
	uint32_t marked = 0, counted = 0;

	for (uint32_t b = 0; b < t->buckets_n; b++) {
		counted += t->buckets[b].displaced;
		for (int i = 0; i < FLOW_BUCKET_SLOTS; i++)
			marked += t->buckets[b].tags[i] != 0 &&
				  (t->buckets[b].entries[i] & FLOW_ENTRY_ALTERNATIVE) != 0;
	}
	EXPECT(marked == counted);
}

int
main(void)
{
	unsigned long long state = unit_seed(11);
	struct hash_seed seed = {{1, 2, 3, 4, 5, 6, 7, 8}};
	size_t bytes = (flow_table_bytes(RECORDS) + 63) & ~63ul;
	static struct twin twin;
	struct flow_table t, moved;
	void *mem = aligned_alloc(64, bytes), *other = aligned_alloc(64, bytes);

	memset(mem, 0, bytes);
	flow_table_init(&t, mem, RECORDS, &seed);
	for (int round = 0; round < 300000; round++) {
		uint32_t key = (uint32_t)(unit_random(&state) % KEYS);
		/* Phases of filling and of emptying, to reach both ends. */
		unsigned fill = round / 20000 % 2 == 0 ? 80 : 30;

		if (unit_random(&state) % 100 < fill) {
			if (twin.record_of[key] == 0)
				insert(&t, &twin, key);
		} else if (twin.record_of[key] != 0) {
			remove_key(&t, &twin, key);
		}
		if (round % 10000 == 9999) {
			compare_all(&t, &twin);
			check_displaced(&t);
		}
	}
	EXPECT(t.high_water == RECORDS);

	/* Drop every index and build it again from the records alone. */
	EXPECT(flow_table_rebuild(&t, record_hash, &t));
	compare_all(&t, &twin);
	check_displaced(&t);

	/* The records at another address, in a table with another seed. */
	seed.k[0] = 99;
	memset(other, 0, bytes);
	flow_table_init(&moved, other, RECORDS, &seed);
	memcpy(moved.records, t.records, RECORDS * sizeof(*t.records));
	EXPECT(flow_table_rebuild(&moved, record_hash, &moved));
	compare_all(&moved, &twin);
	for (uint32_t key = 0; key < KEYS; key++) {
		if (twin.record_of[key] != 0)
			remove_key(&moved, &twin, key);
	}
	compare_all(&moved, &twin);
	check_displaced(&moved);
	free(mem);
	free(other);
	return unit_done();
}
