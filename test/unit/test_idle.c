/* SPDX-License-Identifier: BSD-3-Clause */
/* An lcore that has nothing to do: when it spins, naps and waits, and what ends a wait. */
#include "unit.h"

#include <pthread.h>
#include <unistd.h>

#include "idle.h"

#define SPINS  8
#define TOKENS 200

static bool
is_true(const void *arg)
{
	return *(const bool *)arg;
}

static const bool yes = true, no = false;

static void
turns(struct idle *idle, unsigned n, const bool *pending)
{
	while (n-- > 0)
		idle_turn(idle, is_true, pending);
}

struct pipe {
	int read, write;
};

static struct pipe
open_pipe(void)
{
	int fds[2];

	EXPECT(pipe(fds) == 0);
	return (struct pipe){fds[0], fds[1]};
}

static void
test_poll_spins(void)
{
	struct idle idle;

	EXPECT(idle_open(&idle, false));
	turns(&idle, 1000, &no);
	EXPECT(idle.naps + idle.waits == 0);
	idle_close(&idle);
}

static void
test_waits_for_sources(void)
{
	struct pipe pipe = open_pipe();
	struct idle idle;

	EXPECT(idle_open(&idle, true));
	idle_add(&idle, pipe.read);
	turns(&idle, SPINS, &no);
	EXPECT(idle.waits == 0);
	turns(&idle, 2, &no);
	EXPECT(idle.waits == 2);
	EXPECT(idle.expired == 2);
	turns(&idle, 1, &yes);
	EXPECT(idle.waits == 2);

	EXPECT(write(pipe.write, "x", 1) == 1);
	turns(&idle, 1, &no);
	EXPECT(idle.waits == 3);
	EXPECT(idle.expired == 2);
	EXPECT(idle.naps == 0);
	idle_close(&idle);
	close(pipe.read);
	close(pipe.write);
}

/* What came soon is followed by naps, as long as these are of use. */
static void
test_naps_where_work_is_dense(void)
{
	struct pipe pipe = open_pipe();
	struct idle idle;

	EXPECT(idle_open(&idle, true));
	idle.nap_ticks = UINT64_MAX; /* whatever comes, comes soon */
	idle_add(&idle, pipe.read);
	EXPECT(write(pipe.write, "x", 1) == 1);
	turns(&idle, SPINS + 1, &no);
	EXPECT(idle.waits == 1);
	for (unsigned i = 1; i <= 3; i++) {
		idle_busy(&idle);
		turns(&idle, SPINS + 1, &no);
		EXPECT(idle.naps == i);
		EXPECT(idle.waits == 1);
	}
	turns(&idle, 1, &no);
	EXPECT(idle.naps == 3);
	EXPECT(idle.waits == 2);
	idle_close(&idle);
	close(pipe.read);
	close(pipe.write);
}

static void
test_naps_without_descriptors(void)
{
	struct pipe pipe = open_pipe();
	struct idle idle;

	EXPECT(idle_open(&idle, true));
	idle_add(&idle, -1);
	turns(&idle, SPINS + 3, &no);
	EXPECT(idle.naps == 3);
	EXPECT(idle.waits == 0);
	idle_close(&idle);

	EXPECT(idle_open(&idle, true));
	for (unsigned i = 0; i < IDLE_SOURCES_MAX; i++)
		idle_add(&idle, pipe.read);
	turns(&idle, SPINS + 1, &no);
	EXPECT(idle.naps == 1);
	idle_close(&idle);

	/* One that hung up would end every wait. */
	EXPECT(idle_open(&idle, true));
	idle_add(&idle, pipe.read);
	close(pipe.write);
	turns(&idle, SPINS + 5, &no);
	EXPECT(idle.waits == 1);
	EXPECT(idle.naps == 4);
	idle_close(&idle);
	close(pipe.read);
}

/* Two lcores that hand each other a token: the bell is never missed for good. */
struct player {
	struct idle idle;
	_Atomic unsigned given;
	struct player *other;
};

static bool
was_given(const void *arg)
{
	return atomic_load((_Atomic unsigned *)(uintptr_t) & ((const struct player *)arg)->given) >
	       0;
}

static void *
play(void *arg)
{
	struct player *p = arg;

	for (unsigned got = 0; got < TOKENS;) {
		if (!was_given(p)) {
			idle_turn(&p->idle, was_given, p);
			continue;
		}
		idle_busy(&p->idle);
		atomic_fetch_sub(&p->given, 1);
		got++;
		atomic_fetch_add(&p->other->given, 1);
		idle_ring(&p->other->idle);
	}
	return NULL;
}

static void
test_bell(void)
{
	static struct player a, b;
	pthread_t thread;

	a.other = &b;
	b.other = &a;
	EXPECT(idle_open(&a.idle, true) && idle_open(&b.idle, true));
	idle_wake(&a.idle);
	turns(&a.idle, SPINS + 1, &no);
	EXPECT(a.idle.waits == 1);
	EXPECT(a.idle.expired == 0);

	/* A ring that is missed takes long, and is counted. */
	a.idle.wait_us = b.idle.wait_us = 5000000;
	atomic_store(&a.given, 1);
	EXPECT(pthread_create(&thread, NULL, play, &b) == 0);
	play(&a);
	pthread_join(thread, NULL);
	EXPECT(a.idle.expired == 0);
	EXPECT(b.idle.expired == 0);
	EXPECT(atomic_load(&a.given) == 1);
	EXPECT(atomic_load(&b.given) == 0);
	idle_close(&a.idle);
	idle_close(&b.idle);
}

int
main(void)
{
	test_poll_spins();
	test_waits_for_sources();
	test_naps_where_work_is_dense();
	test_naps_without_descriptors();
	test_bell();
	return unit_done();
}
