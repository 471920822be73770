/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether every lcore goes on turning: what systemd's watchdog is fed by (sd_watchdog_enabled(3)).
 *
 * A worker or crypto lcore turns at least once a millisecond, whatever its load.  One that doesn't
 * for WATCHDOG_STUCK_MS is told of in the log; when the watchdog's time is over, systemd ends the
 * process with SIGABRT, which leaves a core with all stacks, and starts it again.
 *
 * Management core only.
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane.h"

#define WATCHDOG_STUCK_MS 2000

struct watchdog {
	uint32_t limit_ms; /* systemd's; 0: it has none */
	uint32_t fed_ms, looked_ms;
	bool was_late;
	struct {
		uint64_t turns;
		uint32_t turned_ms;
		bool stuck;
	} lcores[WORKER_MAX + CRYPTO_MAX];
};

/** Begin; the lcores run. */
void watchdog_start(struct watchdog *watchdog, uint32_t now_ms);

/** Look at the lcores, every MANAGEMENT_TICK_MS or so. */
void watchdog_tick(struct watchdog *watchdog, const struct dataplane *dp, uint32_t now_ms);

#endif
