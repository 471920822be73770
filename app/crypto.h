/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Crypto lcores: steps of TLS handshakes, away from the workers and their packets.
 *
 * Between each worker and each crypto lcore are two short rings, so that what waits, waits in the
 * worker's queue, whose age decides about new connections.  A crypto lcore owns nothing but the
 * steps it has; it takes one from each worker in turn.
 */
#ifndef CRYPTO_H
#define CRYPTO_H

#include "dataplane.h"
#include "idle.h"

struct tls_step;

struct crypto {
	struct dataplane *dp;
	uint16_t index;
	unsigned lcore;
	struct tls_stepper *stepper;
	struct idle idle;
	struct rte_ring *to[WORKER_MAX], *from[WORKER_MAX]; /* SP/SC of steps */

	/* Its counters, which the management core reads. */
	uint64_t turns, steps, busy_ticks;
};

/** @return  NULL without memory. */
struct crypto *crypto_create(struct dataplane *dp, uint16_t index, unsigned lcore);

/** Steps that are under way still are dropped; nobody runs any more. */
void crypto_free(struct crypto *crypto);

/** The lcore's function: turn until dp->stop. */
int crypto_main(void *arg);

/** By a worker: have a step made. @return false: all have enough to do. */
bool crypto_make_step(struct dataplane *dp, uint16_t worker, struct tls_step *step);

/** By a worker: a step that was made. @return NULL: none. */
struct tls_step *crypto_made_step(struct dataplane *dp, uint16_t worker);

/** By a worker: whether there are such steps. */
bool crypto_has_steps(const struct dataplane *dp, uint16_t worker);

#endif
