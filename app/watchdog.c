/* SPDX-License-Identifier: BSD-3-Clause */
#include "watchdog.h"

#include <systemd/sd-daemon.h>

#include "counters.h"
#include "crypto.h"
#include "log.h"
#include "worker.h"

#define LATE_MS 500 /* a tick is not */

void
watchdog_start(struct watchdog *w, uint32_t now_ms)
{
	uint64_t us = 0;

	*w = (struct watchdog){.fed_ms = now_ms, .looked_ms = now_ms};
	if (sd_watchdog_enabled(0, &us) > 0)
		w->limit_ms = us / 1000 < UINT32_MAX ? (uint32_t)(us / 1000) : UINT32_MAX;
	for (unsigned i = 0; i < WORKER_MAX + CRYPTO_MAX; i++)
		w->lcores[i].turned_ms = now_ms;
}

/* @return  for how many milliseconds the lcore hasn't turned. */
static uint32_t
look(struct watchdog *w, unsigned i, unsigned lcore, uint64_t turns, uint32_t now_ms)
{
	uint32_t still_ms = now_ms - w->lcores[i].turned_ms;

	if (turns == w->lcores[i].turns) {
		if (still_ms >= WATCHDOG_STUCK_MS && !w->lcores[i].stuck) {
			w->lcores[i].stuck = true;
			LOG_ERROR("lcore %u has not turned for %u ms", lcore, still_ms);
		}
		return still_ms;
	}
	if (w->lcores[i].stuck)
		LOG_WARNING("lcore %u turns again, after %u ms", lcore, still_ms);
	w->lcores[i].stuck = false;
	w->lcores[i].turns = turns;
	w->lcores[i].turned_ms = now_ms;
	return 0;
}

/*
 * Who slept itself, as a virtual machine does, knows nothing of the others meanwhile; who is late
 * again and again knows.
 */
static void
forgive_own_sleep(struct watchdog *w, uint32_t now_ms)
{
	uint32_t slept_ms = now_ms - w->looked_ms;
	bool is_late = slept_ms >= LATE_MS;

	for (unsigned i = 0; is_late && !w->was_late && i < WORKER_MAX + CRYPTO_MAX; i++)
		w->lcores[i].turned_ms += slept_ms;
	w->looked_ms = now_ms;
	w->was_late = is_late;
}

void
watchdog_tick(struct watchdog *w, const struct dataplane *dp, uint32_t now_ms)
{
	uint32_t longest_ms = 0;

	forgive_own_sleep(w, now_ms);
	for (uint16_t i = 0; i < dp->workers_n; i++) {
		const struct worker *worker = dp->workers[i];
		uint32_t ms =
			look(w, i, worker->lcore, counter_read(&worker->counters.polls), now_ms);

		longest_ms = ms > longest_ms ? ms : longest_ms;
	}
	for (uint16_t i = 0; i < dp->crypto_n; i++) {
		const struct crypto *crypto = dp->crypto[i];
		uint32_t ms = look(w, WORKER_MAX + i, crypto->lcore, counter_read(&crypto->turns),
				   now_ms);

		longest_ms = ms > longest_ms ? ms : longest_ms;
	}
	/* Twice in its time, as systemd advises; what stands still for half of it goes hungry. */
	if (w->limit_ms == 0 || longest_ms >= w->limit_ms / 2 ||
	    now_ms - w->fed_ms < w->limit_ms / 4)
		return;
	w->fed_ms = now_ms;
	sd_notify(0, "WATCHDOG=1");
}
