/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RSS: what a port must be told so that packets arrive at the worker that owns their flow.
 *
 * A port hashes addresses and ports (Toeplitz under its key), takes the low bits of the hash as an
 * index into its redirection table, and finds the queue there.  What a packet's slot is made of
 * depends on who sends it, so the key does too:
 *
 *   clients           send from the fields the slot is made of: the steering key as it is
 *   targets, full_nat send to a local port that names the slot: any key; among the ports of the
 *                     slot those are preferred whose replies the port brings to the owner
 *   targets, nat      send to the fields the slot is made of: the steering key's bits moved
 *
 * The index is the slot modulo the size of the table, and the table says its worker; only replies
 * under full_nat have an index of their own.  Where senders of two kinds share a port, or nat
 * replies of both families, no key serves all: clients' is taken, and the rest is passed on by
 * ring.  So it is when a port's hashes turn out to be others than these.
 *
 * Pure: no EAL, no allocation.
 */
#ifndef RSS_H
#define RSS_H

#include <stdbool.h>
#include <stdint.h>

#include "steer.h"

#define RSS_TABLE_MIN 16 /* with less, workers would be left out */
#define RSS_TABLE_MAX 256

/** Who sends what a port receives: bits. */
enum rss_sender {
	RSS_CLIENTS = 1 << 0,
	RSS_TARGETS_FULL_NAT = 1 << 1,
	RSS_TARGETS_NAT4 = 1 << 2,
	RSS_TARGETS_NAT6 = 1 << 3,
};

enum rss_plan {
	RSS_PLAN_NONE, /* the port can't, or there is nothing to spread */
	RSS_PLAN_CLIENT,
	RSS_PLAN_FULL_NAT,
	RSS_PLAN_NAT4,
	RSS_PLAN_NAT6,
	RSS_PLAN_MIXED, /* clients' key; other senders' packets are passed on by ring */
};

#define RSS_PLANS (RSS_PLAN_MIXED + 1)

/** What a port offers. */
struct rss_capability {
	uint16_t table_size; /* of its redirection table; 0: none that can be set */
	uint16_t key_len;    /* bytes of its key; 0: it can't be set */
	bool l4;             /* hashes TCP and UDP with their ports */
	uint16_t queues;
};

const char *rss_plan_name(enum rss_plan plan);

/** @param senders  bits of enum rss_sender; 0 is taken as clients */
enum rss_plan rss_choose(const struct rss_capability *capability, unsigned senders);

/**
 * Entries of the smallest redirection table, as a power of two of at most RSS_TABLE_MAX: slots that
 * are equal modulo this must have one worker.  `size` 0 begins.
 */
uint16_t rss_table_min(uint16_t size, const struct rss_capability *capability);

/** The key a port needs for a plan. */
void rss_key(const struct steer *steer, const struct secret *secret, enum rss_plan plan,
	     uint8_t key[STEER_KEY_LEN]);

/** The hash that a port with this key makes of a packet; of addresses alone without ports. */
uint32_t rss_hash(const uint8_t key[STEER_KEY_LEN], const struct packet *p);

/**
 * Where a port brings replies from targets to local addresses.  Since the hash is linear, a reply's
 * index is that of its other fields, XORed with what the high byte of its destination port adds.
 */
struct rss_replies {
	uint8_t key[STEER_KEY_LEN];
	uint8_t mask;                     /* of the index, at most 255 */
	uint8_t worker_of[RSS_TABLE_MAX]; /* by index */
	uint8_t high4[256], high6[256];   /* what the port's high byte adds */
};

/** @param worker_of  [size], by index of the redirection table; size a power of two */
void rss_replies_init(struct rss_replies *replies, const uint8_t key[STEER_KEY_LEN],
		      const uint8_t *worker_of, uint16_t size);

/** The index of replies from `target` to `slot`'s port of `local` whose high byte is zero. */
uint8_t rss_replies_base(const struct rss_replies *replies, const struct ip_addr *target,
			 uint16_t target_port_be, const struct ip_addr *local, uint8_t slot);

/** The worker that a reply to a port with this high byte arrives at. */
static inline uint16_t
rss_replies_worker(const struct rss_replies *replies, bool v4, uint8_t base, uint8_t port_high)
{
	uint8_t add = v4 ? replies->high4[port_high] : replies->high6[port_high];

	return replies->worker_of[(base ^ add) & replies->mask];
}

#endif
