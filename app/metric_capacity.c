/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capacity units of network load balancers (NLCU), and peaks.
 *
 * Units are reckoned for each minute, as CloudWatch has them; peaks are the best ten seconds.
 */
#include "capacity_units.h"
#include "metric.h"
#include "operation_json.h"

#include <stdlib.h>

#define STEP_MS   10000
#define MINUTE_MS 60000

static const char *const metrics[CAPACITY_FAMILIES] = {"ConsumedLCUs_TCP", "ConsumedLCUs_UDP",
						       "ConsumedLCUs_TLS"};

struct capacity_sums {
	struct frontend_counters by[CAPACITY_FAMILIES];
};

struct capacity {
	uint64_t load_balancer_id;
	bool seen;
	uint32_t step_ms, minute_ms; /* the last of each */
	struct capacity_sums at_step, at_minute;
	double units[CAPACITY_FAMILIES];
	uint64_t peak_bytes, peak_packets; /* a second */
};

static struct capacity *
find(const struct management *m, uint64_t load_balancer_id)
{
	for (uint32_t i = 0; i < m->capacities_n; i++) {
		if (m->capacities[i].load_balancer_id == load_balancer_id)
			return &m->capacities[i];
	}
	return NULL;
}

static struct capacity *
take(struct management *m, uint64_t load_balancer_id)
{
	struct capacity *c = find(m, load_balancer_id), *more;

	if (c != NULL)
		return c;
	more = realloc(m->capacities, (m->capacities_n + 1) * sizeof(*more));
	if (more == NULL)
		return NULL;
	m->capacities = more;
	more[m->capacities_n] = (struct capacity){.load_balancer_id = load_balancer_id};
	return &more[m->capacities_n++];
}

/* A TCP_UDP listener's flows are taken for UDP, the dearer. */
static enum capacity_family
family_of(enum elb_protocol protocol)
{
	return protocol == ELB_TCP   ? CAPACITY_TCP
	       : protocol == ELB_TLS ? CAPACITY_TLS
				     : CAPACITY_UDP;
}

static struct capacity_sums
sums_of(struct management *m, uint64_t load_balancer_id)
{
	struct capacity_sums sums = {0};

	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		const struct model_listener *l = &m->model->listeners[i];

		if (l->load_balancer_id == load_balancer_id)
			metric_add_listener(m, l, &sums.by[family_of(l->protocol)]);
	}
	return sums;
}

/* A listener that was made anew counts from 0. */
static uint64_t
grown(uint64_t now, uint64_t before)
{
	return now < before ? 0 : now - before;
}

static double
units_of(enum capacity_family family, const struct frontend_counters *now,
	 const struct frontend_counters *before, double seconds)
{
	return capacity_units(family, (double)grown(now->new_flows, before->new_flows),
			      (double)grown(now->bytes, before->bytes), seconds,
			      (double)grown(now->new_flows, now->closed_flows));
}

static void
step(struct capacity *c, const struct capacity_sums *now, uint32_t elapsed_ms)
{
	uint64_t bytes = 0, packets = 0;

	for (int f = 0; f < CAPACITY_FAMILIES; f++) {
		bytes += grown(now->by[f].bytes, c->at_step.by[f].bytes);
		packets += grown(now->by[f].packets, c->at_step.by[f].packets);
	}
	bytes = bytes * 1000 / elapsed_ms;
	packets = packets * 1000 / elapsed_ms;
	if (bytes > c->peak_bytes)
		c->peak_bytes = bytes;
	if (packets > c->peak_packets)
		c->peak_packets = packets;
}

static void
sample(struct capacity *c, const struct capacity_sums *now, uint32_t now_ms)
{
	if (!c->seen) {
		c->seen = true;
		c->step_ms = c->minute_ms = now_ms;
		c->at_step = c->at_minute = *now;
	}
	if (now_ms - c->step_ms >= STEP_MS) {
		step(c, now, now_ms - c->step_ms);
		c->step_ms = now_ms;
		c->at_step = *now;
	}
	if (now_ms - c->minute_ms >= MINUTE_MS) {
		for (int f = 0; f < CAPACITY_FAMILIES; f++)
			c->units[f] =
				units_of((enum capacity_family)f, &now->by[f], &c->at_minute.by[f],
					 (now_ms - c->minute_ms) / 1000.0);
		c->minute_ms = now_ms;
		c->at_minute = *now;
	}
}

void
metric_sample_capacity(struct management *m)
{
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->model->load_balancers[i];
		struct capacity_sums now;
		struct capacity *c;

		if (lb->type != LB_NETWORK)
			continue;
		c = take(m, lb->id);
		if (c == NULL)
			continue;
		now = sums_of(m, lb->id);
		sample(c, &now, m->now_ms);
	}
}

static void
put_units(json_t *row, const char *metric, double units)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", units);
	json_put_text(row, metric, text);
}

void
metric_put_capacity(const struct management *m, uint64_t load_balancer_id, json_t *row)
{
	static const struct capacity none;
	const struct capacity *c = find(m, load_balancer_id);
	double all = 0;

	if (c == NULL)
		c = &none;
	for (int f = 0; f < CAPACITY_FAMILIES; f++)
		all += c->units[f];
	put_units(row, "ConsumedLCUs", all);
	for (int f = 0; f < CAPACITY_FAMILIES; f++)
		put_units(row, metrics[f], c->units[f]);
	json_put(row, "PeakBytesPerSecond", c->peak_bytes);
	json_put(row, "PeakPacketsPerSecond", c->peak_packets);
}
