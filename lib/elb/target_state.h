/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The health of a target: ELB's states and reason codes, and how check results move between them.
 *
 * Pure data and one table: results come in, a state comes out.  The management core owns the data;
 * it holds nothing process-specific, so that it can be carried over a restart.
 */
#ifndef TARGET_STATE_H
#define TARGET_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum target_state {
	TARGET_INITIAL, /* registered; no check has ended yet */
	TARGET_HEALTHY,
	TARGET_UNHEALTHY,
	TARGET_UNHEALTHY_DRAINING, /* unhealthy; existing flows get time to end */
	TARGET_UNUSED,             /* its group serves no load balancer, or it isn't registered */
	TARGET_DRAINING,           /* deregistered; existing flows get time to end */
	TARGET_UNAVAILABLE,        /* health checks are disabled */
};

#define TARGET_STATES (TARGET_UNAVAILABLE + 1)

/* Reason codes of the ELB API, verbatim in target_reason_code(). */
enum target_reason {
	TARGET_REASON_NONE,
	TARGET_REASON_REGISTRATION_IN_PROGRESS,
	TARGET_REASON_INITIAL_HEALTH_CHECKING,
	TARGET_REASON_INTERNAL_ERROR,
	TARGET_REASON_RESPONSE_CODE_MISMATCH,
	TARGET_REASON_TIMEOUT,
	TARGET_REASON_FAILED_HEALTH_CHECKS,
	TARGET_REASON_NOT_REGISTERED,
	TARGET_REASON_NOT_IN_USE,
	TARGET_REASON_DEREGISTRATION_IN_PROGRESS,
	TARGET_REASON_INVALID_STATE,
	TARGET_REASON_IP_UNUSABLE,
	TARGET_REASON_HEALTH_CHECK_DISABLED,
};

#define TARGET_REASONS (TARGET_REASON_HEALTH_CHECK_DISABLED + 1)

enum target_event {
	TARGET_EVENT_PASSED,        /* enough checks in a row passed */
	TARGET_EVENT_FAILED,        /* enough checks in a row failed */
	TARGET_EVENT_FAILED_DRAINS, /* ditto, and existing flows get time to end */
	TARGET_EVENT_DEREGISTERED,
	TARGET_EVENT_DRAINED, /* the time that existing flows got is over */
	TARGET_EVENT_USED,    /* its group got a load balancer */
	TARGET_EVENT_UNUSED,  /* its group lost its load balancer */
	TARGET_EVENT_CHECKS_OFF,
	TARGET_EVENT_CHECKS_ON,
};

#define TARGET_EVENTS (TARGET_EVENT_CHECKS_ON + 1)

struct target_health {
	uint8_t state;           /* enum target_state */
	uint8_t reason;          /* enum target_reason */
	uint16_t passed, failed; /* checks in a row */
	uint64_t changed_wall_s; /* wall clock of the last change of state */
};

struct target_thresholds {
	uint16_t healthy, unhealthy; /* health_check.(un)healthy_threshold_count */
	bool drains;                 /* unhealthy.draining comes before unhealthy */
};

const char *target_state_name(enum target_state state);
const char *target_reason_code(enum target_reason reason);
const char *target_reason_text(enum target_reason reason);

/** A target that is just registered. */
void target_health_init(struct target_health *health, uint64_t wall_s);

/**
 * One check ended.  The first success of a new target makes it healthy whatever the threshold.
 * @param reason  of a failure; NLB reports all as FAILED_HEALTH_CHECKS
 * @return  whether the state changed.
 */
bool target_health_on_result(struct target_health *health, const struct target_thresholds *limits,
			     bool passed, enum target_reason reason, uint64_t wall_s);

/** Anything but a check result. @return whether the state changed. */
bool target_health_on_event(struct target_health *health, enum target_event event, uint64_t wall_s);

/** Whether new flows may go to a target in this state while others are healthy too. */
static inline bool
target_state_gets_flows(enum target_state state)
{
	return state == TARGET_HEALTHY || state == TARGET_UNAVAILABLE;
}

/** Whether the target counts as registered, for fail-open. */
static inline bool
target_state_is_registered(enum target_state state)
{
	return state != TARGET_DRAINING && state != TARGET_UNUSED;
}

#endif
