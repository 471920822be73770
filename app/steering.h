/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steering: which ports bring packets straight to the worker that owns them.
 *
 * At start each port that can gets an RSS key and a redirection table for what it receives (rss.h).
 * Correctness never depends on it: workers compute the owner of every packet and pass on what
 * arrived elsewhere.  A port is believed only after hashes that came with packets were compared
 * with software's; from then on source ports towards its targets are chosen so that replies arrive
 * at the owner.  Management core, except steering_sample().
 */
#ifndef STEERING_H
#define STEERING_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "dataplane.h"

struct management;

/** What to tell people. */
enum steering_state {
	STEERING_SINGLE,   /* one worker: nothing to steer */
	STEERING_RING,     /* packets are passed on by ring */
	STEERING_CHECKING, /* RSS is set up; its hashes were not compared often enough */
	STEERING_RSS,
};

/** Ask the ports of an opened data plane what they can; sets dp->steer_modulus. */
void steering_probe(struct dataplane *dp);

/** Set the ports up for the first snapshot, before workers run. */
void steering_start(struct management *m);

/** Believe or disbelieve ports by what workers have sampled. */
void steering_tick(struct management *m);

enum steering_state steering_of_port(const struct management *m, uint16_t port);

/** "single", "ring", "rss", or "rss, unverified"; of all ports: the least of them. */
const char *steering_state_name(enum steering_state state);
enum steering_state steering_of_all(const struct management *m);

/** By a worker: compare the hash that came with a packet, if one did. */
void steering_sample(const struct dataplane *dp, const struct port *port, struct rte_mbuf *buf,
		     uint64_t *right, uint64_t *wrong);

#endif
