/* SPDX-License-Identifier: BSD-3-Clause */
#include "next_hop.h"

#include "check.h"
#include "siphash.h"

#define BUCKET_EMPTY   0
#define BUCKET_DELETED UINT32_MAX

/*
 * A fixed key: the entries are bounded and only the management core adds them, after rate limits,
 * so a flooded chain costs at most the table's size.
 */
static const struct siphash_key bucket_key = {{UINT64_C(0x6e6578745f686f70), 1}};

static uint32_t
buckets_for(uint32_t entries_n)
{
	uint32_t n = 64;

	while (n < 2 * entries_n)
		n *= 2;
	return n;
}

static uint32_t
bucket_hash(uint16_t interface, const struct ip_addr *addr)
{
	uint8_t key[18];

	memcpy(key, addr, 16);
	memcpy(key + 16, &interface, 2);
	return (uint32_t)siphash(&bucket_key, key, sizeof(key));
}

size_t
next_hop_table_bytes(uint32_t entries_n)
{
	return entries_n * sizeof(struct next_hop) + buckets_for(entries_n) * sizeof(uint32_t);
}

void
next_hop_table_init(struct next_hop_table *table, void *mem, uint32_t entries_n)
{
	CHECK(entries_n > 1 && entries_n <= REF_INDEX_MAX);
	table->entries = mem;
	table->entries_n = entries_n;
	table->buckets = (_Atomic uint32_t *)(void *)&table->entries[entries_n];
	table->buckets_n = buckets_for(entries_n);
	table->free_hint = 0;
}

/* @return  The bucket of the entry, or UINT32_MAX. */
static uint32_t
find_bucket(const struct next_hop_table *table, uint16_t interface, const struct ip_addr *addr)
{
	uint32_t mask = table->buckets_n - 1;
	uint32_t at = bucket_hash(interface, addr);

	/* Bounded: while the writer moves entries a reader must not search for ever. */
	for (uint32_t i = 0; i < table->buckets_n; i++, at++) {
		uint32_t index =
			atomic_load_explicit(&table->buckets[at & mask], memory_order_acquire);
		const struct next_hop *nh;

		if (index == BUCKET_EMPTY)
			return UINT32_MAX;
		if (index == BUCKET_DELETED)
			continue;
		nh = &table->entries[index];
		if (nh->interface == interface && ip_addr_equal(&nh->addr, addr))
			return at & mask;
	}
	return UINT32_MAX;
}

uint32_t
next_hop_find(const struct next_hop_table *table, uint16_t interface, const struct ip_addr *addr)
{
	uint32_t bucket = find_bucket(table, interface, addr);
	uint32_t index;

	if (bucket == UINT32_MAX)
		return 0;
	index = atomic_load_explicit(&table->buckets[bucket], memory_order_acquire);
	if (index == BUCKET_EMPTY || index == BUCKET_DELETED)
		return 0;
	/*
	 * The entry may be handed to another address meanwhile: its generation changes with it,
	 * and next_hop_read() refuses the reference made here.
	 */
	return ref_make(index, table->entries[index].generation);
}

static void
write_begin(struct next_hop *nh)
{
	uint32_t v = atomic_load_explicit(&nh->version, memory_order_relaxed);

	atomic_store_explicit(&nh->version, v + 1, memory_order_relaxed);
	/* The odd version must be visible before any of the new contents. */
	atomic_thread_fence(memory_order_release);
}

static void
write_end(struct next_hop *nh)
{
	uint32_t v = atomic_load_explicit(&nh->version, memory_order_relaxed);

	atomic_store_explicit(&nh->version, v + 1, memory_order_release);
}

static uint32_t
free_entry(struct next_hop_table *table)
{
	for (uint32_t i = 0; i < table->entries_n; i++) {
		uint32_t at = table->free_hint + 1;

		table->free_hint = at < table->entries_n ? at : 0;
		if (at < table->entries_n && table->entries[at].l2_len == 0)
			return at;
	}
	return 0;
}

uint32_t
next_hop_add(struct next_hop_table *table, uint16_t interface, const struct ip_addr *addr)
{
	uint32_t mask = table->buckets_n - 1;
	uint32_t reference = next_hop_find(table, interface, addr);
	struct next_hop *nh;
	uint32_t index, at;

	if (reference != 0)
		return reference;
	index = free_entry(table);
	if (index == 0)
		return 0;
	nh = &table->entries[index];
	write_begin(nh);
	nh->generation = (uint16_t)ref_next_generation(nh->generation);
	nh->usable = 0;
	nh->l2_len = 14; /* in use */
	nh->interface = interface;
	nh->addr = *addr;
	write_end(nh);

	at = bucket_hash(interface, addr);
	for (;; at++) {
		uint32_t old =
			atomic_load_explicit(&table->buckets[at & mask], memory_order_relaxed);

		if (old == BUCKET_EMPTY || old == BUCKET_DELETED)
			break;
	}
	/* Release: the entry must be complete before its index is visible. */
	atomic_store_explicit(&table->buckets[at & mask], index, memory_order_release);
	return ref_make(index, nh->generation);
}

static struct next_hop *
entry_of(struct next_hop_table *table, uint32_t reference)
{
	uint32_t index = ref_index(reference);

	CHECK(index > 0 && index < table->entries_n);
	CHECK(table->entries[index].generation == ref_generation(reference));
	return &table->entries[index];
}

void
next_hop_resolve(struct next_hop_table *table, uint32_t reference, const struct next_hop_copy *copy)
{
	struct next_hop *nh = entry_of(table, reference);

	CHECK(copy->interface == nh->interface);
	write_begin(nh);
	nh->port = copy->port;
	nh->mtu = copy->mtu;
	nh->l2_len = copy->l2_len;
	memcpy(nh->l2, copy->l2, NEXT_HOP_L2_MAX);
	nh->usable = 1;
	write_end(nh);
}

void
next_hop_unresolve(struct next_hop_table *table, uint32_t reference)
{
	struct next_hop *nh = entry_of(table, reference);

	write_begin(nh);
	nh->usable = 0;
	write_end(nh);
}

/*
 * Deleted buckets that end a run of used ones become empty too, or strangers who make neighbors
 * come and go would make searches long.  No entry lies behind them: readers miss nothing.
 */
static void
empty_bucket(struct next_hop_table *table, uint32_t bucket)
{
	uint32_t mask = table->buckets_n - 1;

	atomic_store_explicit(&table->buckets[bucket], BUCKET_DELETED, memory_order_release);
	if (atomic_load_explicit(&table->buckets[(bucket + 1) & mask], memory_order_relaxed) !=
	    BUCKET_EMPTY)
		return;
	for (;
	     atomic_load_explicit(&table->buckets[bucket], memory_order_relaxed) == BUCKET_DELETED;
	     bucket = (bucket - 1) & mask)
		atomic_store_explicit(&table->buckets[bucket], BUCKET_EMPTY, memory_order_release);
}

void
next_hop_remove(struct next_hop_table *table, uint32_t reference)
{
	struct next_hop *nh = entry_of(table, reference);
	uint32_t bucket = find_bucket(table, nh->interface, &nh->addr);

	CHECK(bucket != UINT32_MAX);
	empty_bucket(table, bucket);
	write_begin(nh);
	nh->usable = 0;
	nh->l2_len = 0;
	nh->generation = (uint16_t)ref_next_generation(nh->generation);
	write_end(nh);
}
