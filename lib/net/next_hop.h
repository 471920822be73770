/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops: ready-made Ethernet headers, written by the management core, read by the workers.
 *
 * The table has a fixed number of entries.  An entry belongs to (interface, address) and carries
 * the frame header to put in front of a packet for it.  Entries are named by a reference of 20
 * index and 12 generation bits; 0 is no reference.  The writer makes `version` odd while it
 * changes an entry; a reader that sees an odd or changed version, another generation or an
 * unusable entry treats the next hop as unresolved and resolves it anew.
 *
 * The neighbor state machine behind it is lib/port's neighbor.c.
 */
#ifndef NEXT_HOP_H
#define NEXT_HOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"
#include "ref.h"

#define NEXT_HOP_L2_MAX 18

struct next_hop {
	_Atomic uint32_t version;    /* odd: being written */
	uint16_t generation;         /* 12 bits, never 0 when in use */
	uint8_t usable;              /* l2 holds a resolved header */
	uint8_t l2_len;              /* 14, or 18 with a VLAN tag */
	uint16_t interface;          /* egress interface index */
	uint16_t port;               /* egress port index */
	uint16_t mtu;                /* largest IP packet */
	uint8_t l2[NEXT_HOP_L2_MAX]; /* destination, source, [tag,] ethertype of the family */
	_Atomic uint32_t used;       /* set by workers, cleared by the aging management core */
	struct ip_addr addr;         /* key, with `interface` */
	uint8_t reserved[8];
};

_Static_assert(sizeof(struct next_hop) == 64, "one cache line");

struct next_hop_table {
	struct next_hop *entries; /* [0] is never used */
	uint32_t entries_n;
	_Atomic uint32_t *buckets; /* open addressing: entry index, 0 empty, UINT32_MAX deleted */
	uint32_t buckets_n;        /* power of two */
	uint32_t free_hint;        /* where the writer looks for a free entry first */
};

/** What a packet needs to leave by a next hop. */
struct next_hop_copy {
	uint16_t port;
	uint16_t interface;
	uint16_t mtu;
	uint8_t l2_len;
	uint8_t l2[NEXT_HOP_L2_MAX];
};

/**
 * Begin to read a resolved next hop.  Any worker.  What is read may be used once
 * next_hop_is_unchanged() has said that no writer came between.
 * @return  NULL when `reference` is 0, stale, or not resolved.
 */
static inline struct next_hop *
next_hop_begin(const struct next_hop_table *table, uint32_t reference, uint32_t *version)
{
	uint32_t index = ref_index(reference);
	struct next_hop *nh;

	if (index == 0 || index >= table->entries_n)
		return NULL;
	nh = &table->entries[index];
	*version = atomic_load_explicit(&nh->version, memory_order_acquire);
	if (!nh->usable || nh->generation != ref_generation(reference) || (*version & 1) != 0)
		return NULL;
	return nh;
}

/** The end of next_hop_begin(): whether what was read is one next hop.  Marks it as used. */
static inline bool
next_hop_is_unchanged(struct next_hop *nh, uint32_t version)
{
	/* Order the reads before the second look at the version. */
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&nh->version, memory_order_relaxed) != version)
		return false;
	if (atomic_load_explicit(&nh->used, memory_order_relaxed) == 0)
		atomic_store_explicit(&nh->used, 1, memory_order_relaxed);
	return true;
}

/**
 * Copy a resolved next hop.  Any worker.
 * @return  false when `reference` is 0, stale, or not resolved.
 */
static inline bool
next_hop_read(const struct next_hop_table *table, uint32_t reference, struct next_hop_copy *copy)
{
	uint32_t version;
	struct next_hop *nh = next_hop_begin(table, reference, &version);

	if (nh == NULL)
		return false;
	copy->port = nh->port;
	copy->interface = nh->interface;
	copy->mtu = nh->mtu;
	copy->l2_len = nh->l2_len;
	memcpy(copy->l2, nh->l2, NEXT_HOP_L2_MAX);
	return next_hop_is_unchanged(nh, version);
}

/** Whether a reference still names a resolved next hop.  Any worker; only a hint. */
static inline bool
next_hop_is_usable(const struct next_hop_table *table, uint32_t reference)
{
	const struct next_hop *nh = &table->entries[ref_index(reference)];

	return reference != 0 && nh->usable && nh->generation == ref_generation(reference);
}

/**
 * Find the entry of an address on an interface, resolved or not.  Any worker.
 * @return  its reference, 0 when there is none yet.
 */
uint32_t next_hop_find(const struct next_hop_table *table, uint16_t interface,
		       const struct ip_addr *addr);

/* The rest is for the management core alone. */

/** Bytes of memory for `entries_n` entries (index 0 included; at most REF_INDEX_MAX). */
size_t next_hop_table_bytes(uint32_t entries_n);

/** Lay the table out in zeroed memory, aligned to 64 bytes. */
void next_hop_table_init(struct next_hop_table *table, void *mem, uint32_t entries_n);

/** Find or add an unresolved entry. @return its reference, 0 when the table is full. */
uint32_t next_hop_add(struct next_hop_table *table, uint16_t interface, const struct ip_addr *addr);

/** Publish a resolved header; `copy->interface` must be the entry's. */
void next_hop_resolve(struct next_hop_table *table, uint32_t reference,
		      const struct next_hop_copy *copy);

/** Mark unresolved; references stay valid. */
void next_hop_unresolve(struct next_hop_table *table, uint32_t reference);

/** Give the entry back: its references are stale from now on. */
void next_hop_remove(struct next_hop_table *table, uint32_t reference);

#endif
