/* SPDX-License-Identifier: BSD-3-Clause */
#include "idle.h"

#include <time.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#define EMPTY_TURNS 8 /* before it sleeps */

bool
idle_open(struct idle *idle, bool adaptive)
{
	*idle = (struct idle){.adaptive = adaptive,
			      .wait_us = IDLE_WAIT_US,
			      .nap_ticks = rte_get_tsc_hz() * IDLE_NAP_US / 1000000,
			      .sources_n = 1};
	idle->sources[0].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	idle->sources[0].events = POLLIN;
	return idle->sources[0].fd >= 0;
}

void
idle_close(struct idle *idle)
{
	if (idle->sources_n > 0 && idle->sources[0].fd >= 0)
		close(idle->sources[0].fd);
	*idle = (struct idle){0};
}

void
idle_add(struct idle *idle, int fd)
{
	if (fd < 0 || idle->sources_n == IDLE_SOURCES_MAX)
		idle->only_naps = true;
	else
		idle->sources[idle->sources_n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void
nap(void)
{
	static const struct timespec time = {.tv_nsec = IDLE_NAP_US * 1000};

	nanosleep(&time, NULL);
}

/* An interface that went down leaves an error in its socket, which would end every wait. */
static void
look_at_sources(struct idle *idle)
{
	for (unsigned i = 1; i < idle->sources_n; i++) {
		struct pollfd *s = &idle->sources[i];
		int error;
		socklen_t len = sizeof(error);

		if ((s->revents & ~POLLIN) == 0)
			continue;
		if ((s->revents & (POLLHUP | POLLNVAL)) != 0 ||
		    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
			idle->only_naps = true;
	}
}

static void
wait(struct idle *idle)
{
	struct timespec time = {idle->wait_us / 1000000, idle->wait_us % 1000000 * 1000};
	uint64_t begun = rte_rdtsc();
	eventfd_t rung;

	idle->waits++;
	if (ppoll(idle->sources, idle->sources_n, &time, NULL) <= 0) {
		idle->expired++;
		return;
	}
	idle->is_dense = rte_rdtsc() - begun < idle->nap_ticks;
	if (idle->sources[0].revents != 0)
		eventfd_read(idle->sources[0].fd, &rung);
	look_at_sources(idle);
}

void
idle_turn(struct idle *idle, bool (*pending)(const void *arg), const void *arg)
{
	if (!idle->adaptive || idle->empty_turns < EMPTY_TURNS) {
		idle->empty_turns++;
		rte_pause();
		return;
	}
	if (idle->only_naps || (idle->is_dense && !idle->napped)) {
		idle->napped = true;
		idle->naps++;
		nap();
		return;
	}
	idle->is_dense = false;
	idle->napped = false;
	atomic_store_explicit(&idle->asleep, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (!pending(arg))
		wait(idle);
	atomic_store_explicit(&idle->asleep, false, memory_order_relaxed);
}

void
idle_wake(struct idle *idle)
{
	eventfd_write(idle->sources[0].fd, 1);
}
