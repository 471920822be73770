/* SPDX-License-Identifier: BSD-3-Clause */
#include "target_state.h"

#include "check.h"

static const char *const state_names[TARGET_STATES] = {
	"initial", "healthy",  "unhealthy",   "unhealthy.draining",
	"unused",  "draining", "unavailable",
};

static const struct {
	const char *code;
	const char *text;
} reasons[TARGET_REASONS] = {
	{"", ""},
	{"Elb.RegistrationInProgress", "Target registration is in progress"},
	{"Elb.InitialHealthChecking", "Initial health checks in progress"},
	{"Elb.InternalError", "Health checks failed due to an internal error"},
	{"Target.ResponseCodeMismatch", "Health checks failed with an unexpected response code"},
	{"Target.Timeout", "Request timed out"},
	{"Target.FailedHealthChecks", "Health checks failed"},
	{"Target.NotRegistered", "Target is not registered to the target group"},
	{"Target.NotInUse", "Target group is not configured to receive traffic"},
	{"Target.DeregistrationInProgress", "Target deregistration is in progress"},
	{"Target.InvalidState", "Target is in an invalid state"},
	{"Target.IpUnusable", "Target IP address cannot be used"},
	{"Target.HealthCheckDisabled", "Health checks are disabled"},
};

#define I TARGET_INITIAL
#define H TARGET_HEALTHY
#define U TARGET_UNHEALTHY
#define X TARGET_UNHEALTHY_DRAINING
#define N TARGET_UNUSED
#define D TARGET_DRAINING
#define A TARGET_UNAVAILABLE

/* A check that ends after deregistration must not revive the target. */
/* clang-format off */
static const uint8_t next_state[TARGET_STATES][TARGET_EVENTS] = {
	/*        PASSED FAILED FAILED_DRAINS DEREGISTERED DRAINED USED UNUSED CHECKS_OFF CHECKS_ON */
	[I] = {   H,     U,     X,            D,           I,      I,   N,     A,         I },
	[H] = {   H,     U,     X,            D,           H,      H,   N,     A,         H },
	[U] = {   H,     U,     U,            D,           U,      U,   N,     A,         U },
	[X] = {   H,     X,     X,            D,           U,      X,   N,     A,         X },
	[N] = {   N,     N,     N,            N,           N,      I,   N,     N,         N },
	[D] = {   D,     D,     D,            D,           N,      D,   D,     D,         D },
	[A] = {   A,     A,     A,            D,           A,      A,   N,     A,         I },
};
/* clang-format on */

static const uint8_t reason_of_state[TARGET_STATES] = {
	[I] = TARGET_REASON_INITIAL_HEALTH_CHECKING,
	[H] = TARGET_REASON_NONE,
	[U] = TARGET_REASON_FAILED_HEALTH_CHECKS,
	[X] = TARGET_REASON_FAILED_HEALTH_CHECKS,
	[N] = TARGET_REASON_NOT_IN_USE,
	[D] = TARGET_REASON_DEREGISTRATION_IN_PROGRESS,
	[A] = TARGET_REASON_HEALTH_CHECK_DISABLED,
};

const char *
target_state_name(enum target_state state)
{
	CHECK((unsigned)state < TARGET_STATES);
	return state_names[state];
}

const char *
target_reason_code(enum target_reason reason)
{
	CHECK((unsigned)reason < TARGET_REASONS);
	return reasons[reason].code;
}

const char *
target_reason_text(enum target_reason reason)
{
	CHECK((unsigned)reason < TARGET_REASONS);
	return reasons[reason].text;
}

void
target_health_init(struct target_health *health, uint64_t wall_s)
{
	*health = (struct target_health){.state = TARGET_INITIAL,
					 .reason = TARGET_REASON_INITIAL_HEALTH_CHECKING,
					 .changed_wall_s = wall_s};
}

bool
target_health_on_event(struct target_health *health, enum target_event event, uint64_t wall_s)
{
	uint8_t state = next_state[health->state][event];

	if (state == health->state)
		return false;
	/* Why it failed is still so when its time is over. */
	if (health->state != TARGET_UNHEALTHY_DRAINING || state != TARGET_UNHEALTHY)
		health->reason = reason_of_state[state];
	health->state = state;
	health->changed_wall_s = wall_s;
	health->passed = 0;
	health->failed = 0;
	return true;
}

bool
target_health_on_result(struct target_health *health, const struct target_thresholds *limits,
			bool passed, enum target_reason reason, uint64_t wall_s)
{
	bool changed = false;

	if (passed) {
		health->failed = 0;
		if (health->passed < UINT16_MAX)
			health->passed++;
		if (health->state == TARGET_INITIAL || health->passed >= limits->healthy)
			changed = target_health_on_event(health, TARGET_EVENT_PASSED, wall_s);
		return changed;
	}
	health->passed = 0;
	if (health->failed < UINT16_MAX)
		health->failed++;
	if (health->failed >= limits->unhealthy) {
		changed = target_health_on_event(
			health, limits->drains ? TARGET_EVENT_FAILED_DRAINS : TARGET_EVENT_FAILED,
			wall_s);
		if (health->state == TARGET_UNHEALTHY || health->state == TARGET_UNHEALTHY_DRAINING)
			health->reason = (uint8_t)reason;
	}
	return changed;
}
