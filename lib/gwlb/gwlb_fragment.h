/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments of packets with ports: the later ones follow the first.
 *
 * Only the first fragment of a packet has ports, and with them a flow.  The table remembers, for a
 * while, the ports that the first fragment of a packet had; fragments that come before it are held
 * until it does.  Fragments are never put together: each goes on as it came.
 *
 * Bounded in memory and time: so many packets at once, so many held fragments in all and of each,
 * and none held longer than GWLB_FRAGMENT_WAIT_MS.  What makes way or waits too long is given back
 * to the caller to be dropped.
 *
 * One per worker, called by it alone.  All fragments of a packet must come to the same worker:
 * gwlb_fragment_slot() says to which.  Buffers are opaque handles.
 */
#ifndef GWLB_FRAGMENT_H
#define GWLB_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "packet.h"
#include "steer.h"

#define GWLB_FRAGMENT_PACKETS  1024  /* power of two: fragmented packets known at once */
#define GWLB_FRAGMENT_PLACES   8     /* where a packet's entry may be */
#define GWLB_FRAGMENTS_HELD    512   /* in all */
#define GWLB_FRAGMENTS_OF_ONE  64    /* held of one packet */
#define GWLB_FRAGMENT_WAIT_MS  1000  /* for the first one */
#define GWLB_FRAGMENT_KNOWN_MS 15000 /* ports are remembered for the rest, RFC 791's default */

struct gwlb_fragment_entry {
	struct ip_addr src, dst;
	uint32_t id;
	uint32_t endpoint; /* reference */
	uint8_t proto;
	uint8_t known; /* ports are */
	uint8_t in_use;
	uint8_t held_n;
	uint16_t sport_be, dport_be;
	uint32_t since_ms;
	uint16_t first, last; /* held fragments, as places + 1 in held[] */
};

struct gwlb_fragment_held {
	void *buf;
	uint16_t next; /* place + 1 */
};

struct gwlb_fragments {
	struct hash_seed seed;
	struct gwlb_fragment_entry entries[GWLB_FRAGMENT_PACKETS];
	struct gwlb_fragment_held held[GWLB_FRAGMENTS_HELD];
	uint16_t free_head; /* place + 1 */
	uint16_t held_n, high_water;
	uint32_t sweep_at, swept_ms;
};

enum gwlb_fragment_result {
	GWLB_FRAGMENT_GO,   /* its ports are set: it goes on */
	GWLB_FRAGMENT_HELD, /* the buffer is kept */
	GWLB_FRAGMENT_FULL, /* no room to hold it */
};

/** What becomes of buffers that were held. */
struct gwlb_fragment_ops {
	/** The first fragment has come: go on with these ports. */
	void (*release)(void *arg, void *buf, uint16_t sport_be, uint16_t dport_be);
	/** It waited too long. */
	void (*expire)(void *arg, void *buf);
};

void gwlb_fragments_init(struct gwlb_fragments *f, const struct hash_seed *seed);

/** The slot of all fragments of a packet. */
static inline uint8_t
gwlb_fragment_slot(const struct steer *steer, const struct packet *p)
{
	uint32_t id = packet_fragment_id(p);

	return steer_slot(steer, &p->src, (uint16_t)id) ^
	       steer_slot(steer, &p->dst, (uint16_t)(id >> 16 ^ p->proto));
}

/**
 * Handle a fragment, first or later, of an endpoint.  When a first one comes, those held for it
 * are released from within, to follow it.
 */
enum gwlb_fragment_result gwlb_fragment_input(struct gwlb_fragments *f, struct packet *p,
					      uint32_t endpoint,
					      const struct gwlb_fragment_ops *ops, void *arg,
					      uint32_t now_ms);

/** Look at some entries, all of them about twice a second, and expire what waited too long. */
void gwlb_fragments_sweep(struct gwlb_fragments *f, const struct gwlb_fragment_ops *ops, void *arg,
			  uint32_t now_ms);

/** Expire everything. */
void gwlb_fragments_flush(struct gwlb_fragments *f, const struct gwlb_fragment_ops *ops, void *arg);

#endif
