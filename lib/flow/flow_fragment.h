/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments of packets with ports: the later ones follow the first.
 *
 * Only the first fragment of a packet has ports, and with them a flow.  The table remembers, for a
 * while, the ports that the first fragment of a packet had; fragments that come before it are held
 * until it does.  Fragments are never put together: each goes on as it came.
 *
 * Bounded in memory and time: so many packets at once, so many held fragments in all and of each,
 * and none held longer than FLOW_FRAGMENT_WAIT_MS.  What makes way or waits too long is given back
 * to the caller to be dropped.  Whoever sends later fragments only can fill what waits, and nothing
 * else: a first fragment always finds room, and so do those behind it.  Given back is also, where
 * the caller wants it, a later fragment that overlaps the first one (RFC 1858, 5722), which could
 * write over the ports that its flow was found by.
 *
 * One per worker, called by it alone.  All fragments of a packet must come to the same worker:
 * steer_fragment_slot() says to which.  Buffers are opaque handles.
 */
#ifndef FLOW_FRAGMENT_H
#define FLOW_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"
#include "packet.h"

#define FLOW_FRAGMENT_PACKETS  1024  /* power of two: fragmented packets known at once */
#define FLOW_FRAGMENT_PLACES   8     /* where a packet's entry may be */
#define FLOW_FRAGMENT_WAITING  4     /* of them, for a first fragment: fewer than all */
#define FLOW_FRAGMENTS_HELD    512   /* in all */
#define FLOW_FRAGMENTS_OF_ONE  64    /* held of one packet */
#define FLOW_FRAGMENT_WAIT_MS  1000  /* for the first one */
#define FLOW_FRAGMENT_KNOWN_MS 15000 /* ports are remembered for the rest, RFC 791's default */

struct flow_fragment_entry {
	struct ip_addr src, dst;
	uint32_t id;
	uint32_t context; /* whose packet: the caller's number */
	uint8_t proto;
	uint8_t known; /* ports are */
	uint8_t in_use;
	uint8_t held_n;
	uint16_t sport_be, dport_be;
	uint32_t first_end; /* bytes of the packet that the first fragment has */
	uint32_t since_ms;
	uint16_t first, last; /* held fragments, as places + 1 in held[] */
};

struct flow_fragment_held {
	void *buf;
	uint32_t begin; /* of its bytes in the packet */
	uint16_t next;  /* place + 1 */
};

struct flow_fragments {
	struct hash_seed seed;
	struct flow_fragment_entry entries[FLOW_FRAGMENT_PACKETS];
	struct flow_fragment_held held[FLOW_FRAGMENTS_HELD];
	uint16_t free_head; /* place + 1 */
	uint16_t held_n, high_water;
	uint32_t sweep_at, swept_ms;
};

enum flow_fragment_result {
	FLOW_FRAGMENT_GO,      /* its ports are set, with PACKET_PORTS_GIVEN: it goes on */
	FLOW_FRAGMENT_HELD,    /* the buffer is kept */
	FLOW_FRAGMENT_FULL,    /* no room to hold it */
	FLOW_FRAGMENT_OVERLAP, /* it overlaps the first one */
};

/** What becomes of buffers that were held. */
struct flow_fragment_ops {
	/** The first fragment has come: go on with these ports. */
	void (*release)(void *arg, void *buf, uint16_t sport_be, uint16_t dport_be);
	/** It waited too long. */
	void (*expire)(void *arg, void *buf);
	/** The first fragment has come and is overlapped by it.  NULL: it may be. */
	void (*overlap)(void *arg, void *buf);
};

void flow_fragments_init(struct flow_fragments *f, const struct hash_seed *seed);

/**
 * Handle a fragment, first or later, of a context.  When a first one comes, those held for it
 * are released from within, to follow it.
 */
enum flow_fragment_result flow_fragment_input(struct flow_fragments *f, struct packet *p,
					      uint32_t context, const struct flow_fragment_ops *ops,
					      void *arg, uint32_t now_ms);

/** Look at some entries, all of them about twice a second, and expire what waited too long. */
void flow_fragments_sweep(struct flow_fragments *f, const struct flow_fragment_ops *ops, void *arg,
			  uint32_t now_ms);

/** Expire everything. */
void flow_fragments_flush(struct flow_fragments *f, const struct flow_fragment_ops *ops, void *arg);

#endif
