/* SPDX-License-Identifier: BSD-3-Clause */
#include "crypto.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <openssl/crypto.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "tls_step.h"
#include "worker.h"

#define STEPS_WAITING 32 /* of one worker at one crypto lcore; a power of two */

struct crypto *
crypto_create(struct dataplane *dp, uint16_t index, unsigned lcore)
{
	struct crypto *c = aligned_alloc(_Alignof(struct crypto), sizeof(*c));
	int socket = (int)rte_lcore_to_socket_id(lcore);
	bool complete;

	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->dp = dp;
	c->index = index;
	c->lcore = lcore;
	c->stepper = tls_stepper_create();
	complete = idle_open(&c->idle, dp->adaptive) && c->stepper != NULL;
	for (uint16_t i = 0; i < dp->workers_n && complete; i++) {
		c->to[i] = dataplane_ring("crypto_to", index, i, STEPS_WAITING, socket);
		c->from[i] = dataplane_ring("crypto_from", index, i, STEPS_WAITING, socket);
		complete = c->to[i] != NULL && c->from[i] != NULL;
	}
	if (complete)
		return c;
	crypto_free(c);
	return NULL;
}

static void
free_ring(struct rte_ring *ring)
{
	void *step;

	while (ring != NULL && rte_ring_sc_dequeue(ring, &step) == 0)
		tls_step_drop(step);
	rte_ring_free(ring);
}

void
crypto_free(struct crypto *c)
{
	if (c == NULL)
		return;
	for (uint16_t i = 0; i < c->dp->workers_n; i++) {
		free_ring(c->to[i]);
		free_ring(c->from[i]);
	}
	tls_stepper_free(c->stepper);
	idle_close(&c->idle);
	free(c);
}

/* One step of each worker. @return whether there was any. */
static bool
turn(struct crypto *c)
{
	bool any = false;

	for (uint16_t i = 0; i < c->dp->workers_n; i++) {
		void *step;

		if (rte_ring_full(c->from[i]) || rte_ring_sc_dequeue(c->to[i], &step) != 0)
			continue;
		tls_step_run(c->stepper, step);
		rte_ring_sp_enqueue(c->from[i], step);
		idle_ring(&c->dp->workers[i]->idle);
		c->steps++;
		any = true;
	}
	return any;
}

static bool
has_steps(const void *arg)
{
	const struct crypto *c = arg;
	bool any = atomic_load_explicit(&c->dp->stop, memory_order_relaxed);

	for (uint16_t i = 0; i < c->dp->workers_n && !any; i++)
		any = rte_ring_count(c->to[i]) > 0;
	return any;
}

int
crypto_main(void *arg)
{
	struct crypto *c = arg;

	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	while (!atomic_load_explicit(&c->dp->stop, memory_order_relaxed)) {
		uint64_t tick = rte_rdtsc();

		c->turns++;
		if (turn(c)) {
			c->busy_ticks += rte_rdtsc() - tick;
			idle_busy(&c->idle);
		} else {
			idle_turn(&c->idle, has_steps, c);
		}
	}
	OPENSSL_thread_stop();
	return 0;
}

bool
crypto_make_step(struct dataplane *dp, uint16_t worker, struct tls_step *step)
{
	struct crypto *least = dp->crypto[0];

	for (uint16_t i = 1; i < dp->crypto_n; i++) {
		if (rte_ring_count(dp->crypto[i]->to[worker]) < rte_ring_count(least->to[worker]))
			least = dp->crypto[i];
	}
	if (rte_ring_sp_enqueue(least->to[worker], step) != 0)
		return false;
	idle_ring(&least->idle);
	return true;
}

bool
crypto_has_steps(const struct dataplane *dp, uint16_t worker)
{
	for (uint16_t i = 0; i < dp->crypto_n; i++) {
		if (rte_ring_count(dp->crypto[i]->from[worker]) > 0)
			return true;
	}
	return false;
}

struct tls_step *
crypto_made_step(struct dataplane *dp, uint16_t worker)
{
	void *step;

	for (uint16_t i = 0; i < dp->crypto_n; i++) {
		if (rte_ring_sc_dequeue(dp->crypto[i]->from[worker], &step) == 0)
			return step;
	}
	return NULL;
}
