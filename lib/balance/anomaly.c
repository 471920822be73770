/* SPDX-License-Identifier: BSD-3-Clause */
#include "anomaly.h"

#include "balance.h"

#define HEALTHY_MIN  3
#define REQUESTS_MIN 10 /* in a step, to say anything about a target */
#define FAILURES_MIN 3
#define MARGIN       0.1

/* Counters of the last step. */
struct sample {
	double requests, failures;
};

static struct sample
sample_of(const struct anomaly_target *t)
{
	return (struct sample){(double)(t->requests - t->requests_before),
			       (double)(t->failures - t->failures_before)};
}

/*
 * A mitigated target gets few requests: there less evidence, half of them failed, keeps it so.
 */
static bool
is_anomalous(const struct anomaly_target *t, struct sample all)
{
	struct sample own = sample_of(t);
	double others = all.requests - own.requests, rate, peers, excess;

	if (own.requests == 0 || others <= 0)
		return t->anomalous && own.requests == 0;
	rate = own.failures / own.requests;
	if (own.requests < REQUESTS_MIN)
		return t->anomalous && rate >= 0.5;
	if (own.failures < FAILURES_MIN)
		return false;
	peers = (all.failures - own.failures) / others;
	excess = rate - peers;
	/* excess > 3 sqrt(peers (1 - peers) / n), without the root */
	return excess > MARGIN && excess * excess * own.requests > 9 * peers * (1 - peers);
}

static uint32_t
next_factor(const struct anomaly_target *t, bool mitigate)
{
	if (!mitigate)
		return BALANCE_FACTOR_ONE;
	if (t->anomalous)
		return ANOMALY_FACTOR_MIN;
	return 2 * t->factor < BALANCE_FACTOR_ONE ? 2 * t->factor : BALANCE_FACTOR_ONE;
}

bool
anomaly_step(struct anomaly_target *targets, uint32_t n, bool mitigate)
{
	struct sample all = {0, 0};
	uint32_t healthy = 0;
	bool changed = false;

	for (uint32_t i = 0; i < n; i++) {
		struct sample own = sample_of(&targets[i]);

		healthy += targets[i].healthy;
		all.requests += own.requests;
		all.failures += own.failures;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct anomaly_target *t = &targets[i];
		uint32_t factor;

		if (t->factor == 0)
			t->factor = BALANCE_FACTOR_ONE;
		t->anomalous = healthy >= HEALTHY_MIN && t->healthy && is_anomalous(t, all);
		factor = next_factor(t, mitigate);
		changed |= factor != t->factor;
		t->factor = factor;
	}
	for (uint32_t i = 0; i < n; i++) {
		targets[i].requests_before = targets[i].requests;
		targets[i].failures_before = targets[i].failures;
	}
	return changed;
}
