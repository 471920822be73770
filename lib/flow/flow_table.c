/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_table.h"

#include <stdatomic.h>
#include <string.h>

#include "check.h"

/* Entries per slot: three quarters, where two choices and moving always found room in trials. */
#define LOAD_NUMERATOR   3
#define LOAD_DENOMINATOR 4

/* Moves tried to make room for one entry: 8 + 8 * 8 + ... buckets at the most. */
#define MOVE_DEPTH 3

static uint32_t
buckets_for(uint32_t records_n)
{
	uint64_t slots = 2 * (uint64_t)records_n * LOAD_DENOMINATOR / LOAD_NUMERATOR;

	return (uint32_t)(slots / FLOW_BUCKET_SLOTS) + 4;
}

size_t
flow_index_bytes(uint32_t records_n)
{
	return buckets_for(records_n) * sizeof(struct flow_bucket);
}

size_t
flow_table_bytes(uint32_t records_n)
{
	return flow_index_bytes(records_n) + records_n * sizeof(struct flow_record);
}

void
flow_table_init(struct flow_table *table, void *mem, uint32_t records_n,
		const struct hash_seed *seed)
{
	CHECK(records_n > 0 && records_n <= FLOW_ENTRY_RECORD);
	*table = (struct flow_table){
		.records_n = records_n, .buckets_n = buckets_for(records_n), .seed = *seed};
	table->buckets = mem;
	table->records = (struct flow_record *)(void *)&table->buckets[table->buckets_n];
}

uint32_t
flow_record_take(struct flow_table *table)
{
	struct flow_record *r;
	uint16_t version;
	uint32_t record;

	if (table->free_head != 0) {
		record = table->free_head - 1;
		table->free_head = table->records[record].next_free;
	} else if (table->used_n < table->records_n) {
		record = table->used_n++;
	} else {
		table->insert_failures++;
		return FLOW_NONE;
	}
	r = &table->records[record];
	version = r->version;
	memset(r, 0, sizeof(*r));
	r->version = (uint16_t)(version | 1);
	/* The odd version must be in memory before any of what follows it. */
	atomic_thread_fence(memory_order_release);
	table->in_use++;
	if (table->in_use > table->high_water)
		table->high_water = table->in_use;
	return record;
}

void
flow_record_commit(struct flow_table *table, uint32_t record, enum flow_role role)
{
	struct flow_record *r = &table->records[record];

	CHECK((r->version & 1) != 0);
	r->role = (uint8_t)role;
	/* Release: who reads an even version reads a whole record, also after a crash. */
	__atomic_store_n(&r->version, (uint16_t)(r->version + 1), __ATOMIC_RELEASE);
}

void
flow_record_give(struct flow_table *table, uint32_t record)
{
	struct flow_record *r = &table->records[record];

	r->role = FLOW_ROLE_FREE;
	r->version = (uint16_t)((r->version + 2) & ~1);
	r->next_free = table->free_head;
	table->free_head = record + 1;
	table->in_use--;
}

static int
free_slot(const struct flow_bucket *bucket)
{
	uint8_t empty = flow_bucket_match(bucket, 0);

	return empty == 0 ? -1 : __builtin_ctz(empty);
}

/* Move the entry in `slot` to the other of its two buckets, which has room in `to_slot`. */
static void
move_entry(struct flow_table *table, uint32_t from, int slot, uint32_t to, int to_slot)
{
	struct flow_bucket *a = &table->buckets[from], *b = &table->buckets[to];

	if ((a->entries[slot] & FLOW_ENTRY_ALTERNATIVE) != 0)
		b->displaced--; /* it comes home */
	else
		a->displaced++;
	b->tags[to_slot] = a->tags[slot];
	b->entries[to_slot] = a->entries[slot] ^ FLOW_ENTRY_ALTERNATIVE;
	a->tags[slot] = 0;
}

/* @return  a free slot of the bucket, emptied by moving an entry if need be, or -1. */
static int
make_room(struct flow_table *table, uint32_t bucket, int depth)
{
	struct flow_bucket *b = &table->buckets[bucket];
	int slot = free_slot(b);

	if (slot >= 0 || depth == 0)
		return slot;
	for (slot = 0; slot < FLOW_BUCKET_SLOTS; slot++) {
		uint32_t other = flow_alternative(table, bucket, b->tags[slot]);
		uint16_t tag = b->tags[slot];
		int to_slot;

		if (other == bucket)
			continue;
		to_slot = make_room(table, other, depth - 1);
		/* Deeper moves may have passed through here. */
		if (to_slot < 0 || b->tags[slot] != tag || table->buckets[other].tags[to_slot] != 0)
			continue;
		if (free_slot(b) >= 0)
			return free_slot(b);
		move_entry(table, bucket, slot, other, to_slot);
		return slot;
	}
	return free_slot(b);
}

bool
flow_index_add(struct flow_table *table, uint64_t hash, uint32_t record, enum flow_side side)
{
	uint32_t home = flow_bucket_of(table, hash), bucket = home;
	uint32_t entry = record | (side == FLOW_SIDE_TARGET ? FLOW_ENTRY_TARGET_SIDE : 0);
	uint16_t tag = flow_tag_of(hash);
	int slot = free_slot(&table->buckets[home]);

	if (slot < 0) {
		bucket = flow_alternative(table, home, tag);
		slot = free_slot(&table->buckets[bucket]);
	}
	for (int depth = 1; slot < 0 && depth <= MOVE_DEPTH; depth++) {
		bucket = home;
		slot = make_room(table, home, depth);
	}
	if (slot < 0) {
		table->insert_failures++;
		return false;
	}
	if (bucket != home) {
		entry |= FLOW_ENTRY_ALTERNATIVE;
		table->buckets[home].displaced++;
	}
	table->buckets[bucket].tags[slot] = tag;
	table->buckets[bucket].entries[slot] = entry;
	return true;
}

/* @return  the slot that holds the entry in the bucket, -1: none. */
static int
slot_of(const struct flow_bucket *bucket, uint16_t tag, uint32_t record, enum flow_side side)
{
	uint32_t want = record | (side == FLOW_SIDE_TARGET ? FLOW_ENTRY_TARGET_SIDE : 0);
	uint8_t matches = flow_bucket_match(bucket, tag);

	for (; matches != 0; matches &= (uint8_t)(matches - 1)) {
		int slot = __builtin_ctz(matches);

		if ((bucket->entries[slot] & ~FLOW_ENTRY_ALTERNATIVE) == want)
			return slot;
	}
	return -1;
}

void
flow_index_remove(struct flow_table *table, uint64_t hash, uint32_t record, enum flow_side side)
{
	uint32_t home = flow_bucket_of(table, hash), bucket = home;
	uint16_t tag = flow_tag_of(hash);
	int slot = slot_of(&table->buckets[bucket], tag, record, side);

	if (slot < 0) {
		bucket = flow_alternative(table, home, tag);
		slot = slot_of(&table->buckets[bucket], tag, record, side);
	}
	CHECK(slot >= 0);
	if ((table->buckets[bucket].entries[slot] & FLOW_ENTRY_ALTERNATIVE) != 0)
		table->buckets[home].displaced--;
	table->buckets[bucket].tags[slot] = 0;
}

/* Enter both sides of the record; one that is not indexed has hash 0. */
static bool
enter_record(struct flow_table *table, uint32_t record, const uint64_t hashes[2])
{
	if (hashes[FLOW_SIDE_CLIENT] != 0 &&
	    !flow_index_add(table, hashes[FLOW_SIDE_CLIENT], record, FLOW_SIDE_CLIENT))
		return false;
	if (hashes[FLOW_SIDE_TARGET] == 0 ||
	    flow_index_add(table, hashes[FLOW_SIDE_TARGET], record, FLOW_SIDE_TARGET))
		return true;
	if (hashes[FLOW_SIDE_CLIENT] != 0)
		flow_index_remove(table, hashes[FLOW_SIDE_CLIENT], record, FLOW_SIDE_CLIENT);
	return false;
}

bool
flow_table_rebuild(struct flow_table *table,
		   uint64_t (*hash)(void *arg, const struct flow_record *record,
				    enum flow_side side),
		   void *arg)
{
	bool whole = true;

	memset(table->buckets, 0, table->buckets_n * sizeof(*table->buckets));
	table->free_head = 0;
	table->in_use = 0;
	table->used_n = table->records_n;
	while (table->used_n > 0 && table->records[table->used_n - 1].role == FLOW_ROLE_FREE)
		table->used_n--;

	for (uint32_t i = table->used_n; i-- > 0;) {
		struct flow_record *r = &table->records[i];

		if ((r->version & 1) != 0) {
			/* It was being written when the writer stopped. */
			r->role = FLOW_ROLE_FREE;
			r->version++;
		}
		if (r->role != FLOW_ROLE_FREE) {
			uint64_t hashes[2] = {hash(arg, r, FLOW_SIDE_CLIENT),
					      hash(arg, r, FLOW_SIDE_TARGET)};

			if (enter_record(table, i, hashes)) {
				table->in_use++;
				continue;
			}
			r->role = FLOW_ROLE_FREE;
			whole = false;
		}
		r->next_free = table->free_head;
		table->free_head = i + 1;
	}
	if (table->in_use > table->high_water)
		table->high_water = table->in_use;
	return whole;
}
