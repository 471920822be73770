/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table of one worker: records, and an index that finds each from both directions.
 *
 * Records are the only truth.  A record holds no pointer and nothing that means something only in
 * this process: it can be copied to another address and the index rebuilt from it.  128 bytes; an
 * established flow touches the first 64.
 *
 * The index has buckets of one cache line: eight 16-bit tags, eight record numbers.  An entry lies
 * in the bucket its hash says or in the alternative one that bucket and tag say, so entries can be
 * moved without their keys and three quarters of the slots can be used.  A tag is only a hint: the
 * caller compares the full key in the record.  A flow has two entries, one a side.
 *
 * Only the owning worker calls this.  Memory comes from the caller; a zeroed region is an empty
 * table; nothing is allocated afterwards.
 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "hash.h"
#include "ip_addr.h"

#define FLOW_NONE UINT32_MAX

enum flow_role { FLOW_ROLE_FREE, FLOW_ROLE_LOCAL, FLOW_ROLE_REPLICA, FLOW_ROLE_REDIRECT };

enum flow_kind {
	FLOW_KIND_NLB = 1,  /* both sides indexed */
	FLOW_KIND_ENDPOINT, /* a source port of weir's own connection: target side only */
	FLOW_KIND_GATEWAY,  /* struct flow_gateway: one entry, on the client side */
};

enum flow_state {
	FLOW_STATE_NEW, /* the target has not answered */
	FLOW_STATE_ESTABLISHED,
	FLOW_STATE_CLOSING,     /* both sides sent FIN */
	FLOW_STATE_RESET,       /* one side sent RST; traffic of the other revives */
	FLOW_STATE_TERMINATING, /* weir ends it: both sides are to be sent RST */
};

enum flow_flags {
	FLOW_FLAG_FULL_NAT = 1 << 0,
	FLOW_FLAG_FIN_CLIENT = 1 << 1,      /* of FLOW_STATE_TERMINATING: it is through */
	FLOW_FLAG_FIN_TARGET = 1 << 2,      /* ditto */
	FLOW_FLAG_RESET_BY_TARGET = 1 << 3, /* of FLOW_STATE_RESET: who sent the RST */
	FLOW_FLAG_OFFLOADED = 1 << 4,       /* somebody else sees packets; reserved */
	FLOW_FLAG_PROXY = 1 << 5,           /* the target gets PROXY headers */
	FLOW_FLAG_PROXY_PENDING = 1 << 6,   /* it has not acknowledged the flow's: not portable */
	FLOW_FLAG_RESET_BOTH = 1 << 7,      /* of FLOW_STATE_RESET: the other side sent RST too */
};

enum flow_side { FLOW_SIDE_CLIENT, FLOW_SIDE_TARGET };

struct flow_record {
	/* Hot line. */
	struct ip_addr client;
	uint16_t client_port_be;
	uint16_t local_port_be; /* source port towards the target; the client's under nat */
	uint32_t frontend;      /* reference */
	uint32_t target;        /* reference */
	uint32_t local;         /* reference of the source address; 0 under nat */
	uint32_t last_seen_ms;
	uint8_t state;    /* enum flow_state */
	uint8_t role;     /* enum flow_role */
	uint8_t kind;     /* enum flow_kind */
	uint8_t proto;    /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t version; /* +2 on each change of state or target; odd: not yet committed */
	uint8_t slot;
	uint8_t flags;            /* FLOW_FLAG_* */
	uint32_t next_hop_target; /* cached references; 0: resolve again */
	uint32_t next_hop_client;
	int32_t seq_shift; /* length of the PROXY header, once it was sent */
	uint32_t packets;
	uint32_t spare;
	/* Cold line. */
	uint32_t created_ms;
	uint32_t next_free;  /* of a free record: number + 1 of the next, 0: none */
	uint32_t client_seq; /* of the SYN, then what follows the client's FIN */
	uint32_t client_ack; /* reserved */
	uint32_t target_seq; /* of the target's SYN */
	uint32_t target_ack; /* reserved */
	/* Of a flow with a PROXY header, from the target's SYN on. */
	uint32_t proxy_seq;   /* where the header goes: of the client's first byte */
	uint32_t proxy_ack;   /* of the target's first byte */
	uint32_t proxy_tsval; /* the client's last timestamps, while the header is pending */
	uint32_t proxy_tsecr;
	uint32_t proxy_timer;  /* of this process: number + 1, 0: none */
	uint16_t proxy_mss;    /* the target's; 0: its SYN has not come */
	uint16_t proxy_window; /* the client's, as it says */
	uint8_t proxy_has_timestamps;
	uint8_t proxy_tries; /* how often the header was sent again */
	uint8_t proxy_spare[2];
	uint32_t cold_spare[3];
};

_Static_assert(sizeof(struct flow_record) == 128, "two cache lines");
_Static_assert(offsetof(struct flow_record, created_ms) == 64, "the hot line is the first");

#define FLOW_BUCKET_SLOTS 8

struct flow_bucket {
	uint16_t tags[FLOW_BUCKET_SLOTS];    /* 0: empty */
	uint32_t entries[FLOW_BUCKET_SLOTS]; /* FLOW_ENTRY_* */
	uint16_t displaced; /* entries that belong here and lie in their alternative bucket */
	uint16_t spare[7];
};

_Static_assert(sizeof(struct flow_bucket) == 64, "one cache line");

#define FLOW_ENTRY_TARGET_SIDE (1u << 31)
#define FLOW_ENTRY_ALTERNATIVE (1u << 30)
#define FLOW_ENTRY_RECORD      (FLOW_ENTRY_ALTERNATIVE - 1)

struct flow_table {
	struct flow_record *records;
	struct flow_bucket *buckets;
	uint32_t records_n, buckets_n;
	uint32_t free_head; /* number + 1, 0: none */
	uint32_t used_n;    /* records from here on were never used */
	uint32_t in_use, high_water;
	uint64_t insert_failures; /* no record was free, or no place in the index */
	struct hash_seed seed;
};

/** Bytes of memory for `records_n` flows. */
size_t flow_table_bytes(uint32_t records_n);

/** Bytes of the index alone, of those. */
size_t flow_index_bytes(uint32_t records_n);

/** Lay a table out in zeroed memory of flow_table_bytes(), aligned to 64. */
void flow_table_init(struct flow_table *table, void *mem, uint32_t records_n,
		     const struct hash_seed *seed);

/**
 * Drop the index and the free list and build them again from the records, after these were copied
 * to `table->records` from elsewhere.  Records that were not committed are given up.
 * @param hash  the hash of a record's side, or 0 when the side is not indexed
 * @return  false when an entry found no place: such records are given up.
 */
bool flow_table_rebuild(struct flow_table *table,
			uint64_t (*hash)(void *arg, const struct flow_record *record,
					 enum flow_side side),
			void *arg);

/**
 * A cleared record to fill in and commit.  Until then its version is odd: a copy of the records
 * made meanwhile, or what a crash leaves, is known not to be whole.
 * @return  FLOW_NONE: the table is full.
 */
uint32_t flow_record_take(struct flow_table *table);

/** The record is complete: it gets its role, and an even version last. */
void flow_record_commit(struct flow_table *table, uint32_t record, enum flow_role role);

/** Give a record back; it has no index entries any more. */
void flow_record_give(struct flow_table *table, uint32_t record);

/** @return  false when no place is found; nothing has changed. */
bool flow_index_add(struct flow_table *table, uint64_t hash, uint32_t record, enum flow_side side);

/** The entry must be there. */
void flow_index_remove(struct flow_table *table, uint64_t hash, uint32_t record,
		       enum flow_side side);

static inline uint32_t
flow_scale(uint32_t value, uint32_t n)
{
	return (uint32_t)((uint64_t)value * n >> 32);
}

static inline uint32_t
flow_bucket_of(const struct flow_table *table, uint64_t hash)
{
	return flow_scale((uint32_t)(hash >> 32), table->buckets_n);
}

static inline uint16_t
flow_tag_of(uint64_t hash)
{
	uint16_t tag = (uint16_t)hash;

	return tag == 0 ? 1 : tag;
}

/* An involution for each tag: applied twice it is the bucket again. */
static inline uint32_t
flow_alternative(const struct flow_table *table, uint32_t bucket, uint16_t tag)
{
	uint32_t f = flow_scale(tag * 0x9e3779b1u, table->buckets_n);

	return f >= bucket ? f - bucket : f + table->buckets_n - bucket;
}

static inline void
flow_prefetch_bucket(const struct flow_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->buckets[flow_bucket_of(table, hash)]);
}

/** A search under way: entries whose tag fits, one after the other. */
struct flow_search {
	uint32_t bucket;
	uint16_t tag;
	uint8_t matches; /* bit per slot of `bucket` */
	uint8_t second;  /* the alternative bucket has been, or need not be, looked at */
};

/* Bit i: tag i equals `tag`. */
static inline uint8_t
flow_bucket_match(const struct flow_bucket *bucket, uint16_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)bucket->tags);
	__m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

	return (uint8_t)_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
#else
	uint8_t bits = 0;

	for (int i = 0; i < FLOW_BUCKET_SLOTS; i++)
		bits |= (uint8_t)((bucket->tags[i] == tag) << i);
	return bits;
#endif
}

/** Where to look, nothing read yet. */
static inline struct flow_search
flow_search_of(const struct flow_table *table, uint64_t hash)
{
	return (struct flow_search){.bucket = flow_bucket_of(table, hash),
				    .tag = flow_tag_of(hash)};
}

/** @return  the next entry that has the tag (see flow_entry_record()), or FLOW_NONE. */
static inline uint32_t
flow_search_next(const struct flow_table *table, struct flow_search *s)
{
	uint32_t entry;

	while (unlikely(s->matches == 0)) {
		if (s->second)
			return FLOW_NONE;
		s->second = 1;
		s->bucket = flow_alternative(table, s->bucket, s->tag);
		s->matches = flow_bucket_match(&table->buckets[s->bucket], s->tag);
	}
	entry = table->buckets[s->bucket].entries[__builtin_ctz(s->matches)];
	s->matches &= (uint8_t)(s->matches - 1);
	return entry;
}

static inline struct flow_search
flow_search_begin(const struct flow_table *table, uint64_t hash)
{
	struct flow_search s = flow_search_of(table, hash);

	s.matches = flow_bucket_match(&table->buckets[s.bucket], s.tag);
	s.second = table->buckets[s.bucket].displaced == 0;
	return s;
}

/** The first entry of a search that was only located, nearly always in the first bucket. */
static inline uint32_t
flow_search_first(const struct flow_table *table, struct flow_search *s)
{
	const struct flow_bucket *bucket = &table->buckets[s->bucket];
	uint8_t matches = flow_bucket_match(bucket, s->tag);

	if (likely(matches != 0))
		return bucket->entries[__builtin_ctz(matches)];
	s->matches = 0;
	s->second = bucket->displaced == 0;
	return flow_search_next(table, s);
}

static inline uint32_t
flow_entry_record(uint32_t entry)
{
	return entry & FLOW_ENTRY_RECORD;
}

/** As flow_search_next(), for flows with one entry: @return its record, or FLOW_NONE. */
static inline uint32_t
flow_search_next_record(const struct flow_table *table, struct flow_search *s)
{
	uint32_t entry = flow_search_next(table, s);

	return entry == FLOW_NONE ? FLOW_NONE : flow_entry_record(entry);
}

static inline enum flow_side
flow_entry_side(uint32_t entry)
{
	return entry >> 31 != 0 ? FLOW_SIDE_TARGET : FLOW_SIDE_CLIENT;
}

/**
 * Hash of a packet as it arrives, whichever side it comes from: of the client side, from the client
 * to the frontend; of the target side, from the target to the local address (under nat the
 * client's).
 */
static inline uint64_t
flow_hash(const struct flow_table *table, const struct ip_addr *src, uint16_t sport_be,
	  const struct ip_addr *dst, uint16_t dport_be, uint8_t proto)
{
	return hash_tuple(&table->seed, src->w, dst->w,
			  (uint64_t)proto << 32 | (uint32_t)dport_be << 16 | sport_be);
}

#endif
