/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an lcore does when it has nothing to do.
 *
 * With `idle = poll` it spins.  With `idle = adaptive` it spins for a few turns and then sleeps: it
 * *waits* until a packet comes to one of its queues, somebody rings its bell, or a millisecond is
 * over, for timers and quiescence.  Where what comes next comes within IDLE_NAP_US it *naps* for
 * that long instead, so that it is served as one burst and not woken up for each packet; a nap in
 * which nothing came is followed by a wait.  Who has a source that can't be waited for (see
 * port_rx_fd()) only naps.
 *
 * A struct idle is its lcore's, but for idle_ring(), which any other may call.
 */
#ifndef IDLE_H
#define IDLE_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define IDLE_NAP_US      50
#define IDLE_WAIT_US     1000
#define IDLE_SOURCES_MAX 64

struct idle {
	/* The bell wakes it.  Whoever may ring reads it: on a line of its own. */
	_Alignas(64) _Atomic bool asleep;
	_Alignas(64) bool adaptive;
	bool only_naps; /* some source can't be waited for */
	bool is_dense;  /* what comes next comes soon */
	bool napped;
	unsigned empty_turns;
	uint32_t wait_us; /* at most */
	uint64_t nap_ticks;
	uint64_t naps, waits,
		expired; /* counters, which the management core reads; see counters.h */
	unsigned sources_n;
	struct pollfd sources[IDLE_SOURCES_MAX]; /* the first is the bell */
};

/** @return  false: no descriptor is left for the bell. */
bool idle_open(struct idle *idle, bool adaptive);
void idle_close(struct idle *idle);

/** Wait for `fd` to be readable, too; -1: of a source that can't be waited for. */
void idle_add(struct idle *idle, int fd);

/** A turn found work. */
static inline void
idle_busy(struct idle *idle)
{
	idle->empty_turns = 0;
	idle->napped = false;
}

/**
 * A turn found none.
 * @param pending  whether there is work by now that nobody will ring for again
 */
void idle_turn(struct idle *idle, bool (*pending)(const void *arg), const void *arg);

void idle_wake(struct idle *idle);

/** By anyone who has given the lcore something to do, behind what it gave. */
static inline void
idle_ring(struct idle *idle)
{
	/* Pairs with idle_turn(): either it sees what was given, or this sees that it sleeps. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&idle->asleep, memory_order_relaxed))
		idle_wake(idle);
}

#endif
