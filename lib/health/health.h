/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health of targets: when each is checked, and the one funnel all verdicts go through.
 *
 * Management core only.  Targets are known by the 64-bit id of their target group, address and
 * port, so that health survives reloads.  Checks are spread over the interval by that id, not by
 * when the process started, and a thousand new targets are not probed at once.  The caller starts
 * the checks that health_tick() names and brings the verdicts back; what follows from a change
 * (a new target set) is the caller's `changed` operation.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "target_state.h"

/** Who says so: a check, or connections of clients.  Peers are a further source. */
enum health_source { HEALTH_OWN_CHECK, HEALTH_PASSIVE };

struct health_settings {
	bool enabled;
	uint32_t interval_ms;
	uint32_t timeout_ms;
	uint16_t port_be; /* to check; the target's own for traffic-port */
	struct target_thresholds thresholds;
};

struct health_ops {
	/** Check a target; the verdict comes back by health_on_verdict(). */
	void (*check)(void *arg, uint64_t target, const struct health_settings *settings);
	/** A target's state changed from `before`. */
	void (*changed)(void *arg, uint64_t target, const struct target_health *health,
			enum target_state before);
};

struct health;

/** @return  NULL without memory. */
struct health *health_create(const struct health_ops *ops, void *arg);
void health_free(struct health *health);

/** Add a target, or give a known one new settings. @return false without memory. */
bool health_register(struct health *health, uint64_t target, const struct health_settings *settings,
		     uint32_t now_ms, uint64_t wall_s);

/** Begin draining: no more checks. Unknown targets are ignored. */
void health_deregister(struct health *health, uint64_t target, uint64_t wall_s);

/** The time that an unhealthy target's flows got is over. Unknown targets are ignored. */
void health_end_drain(struct health *health, uint64_t target, uint64_t wall_s);

/** Forget the target. */
void health_remove(struct health *health, uint64_t target);

/** The group is, or is not, in use by a load balancer. */
void health_set_used(struct health *health, uint64_t target, bool used, uint64_t wall_s);

/** @return  NULL: unknown. */
const struct target_health *health_of(const struct health *health, uint64_t target);

/** A verdict about a target. Unknown targets are ignored. */
void health_on_verdict(struct health *health, uint64_t target, enum health_source source,
		       bool passed, enum target_reason reason, uint64_t wall_s);

/** The check that `check` asked for could not be made: no verdict. */
void health_on_not_checked(struct health *health, uint64_t target);

/** Start the checks that are due, at most `max`.  Call every 50 ms or so. */
void health_tick(struct health *health, uint32_t now_ms, uint32_t max);

#endif
