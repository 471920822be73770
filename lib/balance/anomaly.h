/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Automatic Target Weights: which targets of a group fail more often than their peers, and how much
 * less they get for it.
 *
 * The management core sums the workers' counters and calls anomaly_step() every ANOMALY_STEP_MS for
 * each group.  Detection is always on and needs three healthy targets; mitigation is the group's
 * attribute.  A target is anomalous when its share of failures (5xx responses and connection
 * errors) is above that of all others by more than three standard deviations and by a tenth.  A
 * mitigated target's weight is cut to 1/16 at once and doubled at each step without an anomaly.
 */
#ifndef ANOMALY_H
#define ANOMALY_H

#include <stdbool.h>
#include <stdint.h>

#define ANOMALY_STEP_MS    5000
#define ANOMALY_FACTOR_MIN 16 /* of BALANCE_FACTOR_ONE */

/** Of one target; zeros to begin with. */
struct anomaly_target {
	/* Set by the caller before each step: counters that only grow, and the state. */
	uint64_t requests, failures;
	bool healthy;
	/* Results: */
	bool anomalous;
	uint32_t factor; /* of BALANCE_FACTOR_ONE; 0 before the first step: BALANCE_FACTOR_ONE */
	/* Private: counters at the last step. */
	uint64_t requests_before, failures_before;
};

/**
 * @param mitigate  load_balancing.algorithm.anomaly_mitigation
 * @return  whether any target's factor changed: the set has to be built anew.
 */
bool anomaly_step(struct anomaly_target *targets, uint32_t n, bool mitigate);

#endif
