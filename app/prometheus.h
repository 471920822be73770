/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics as Prometheus text, over HTTP on `[management] address`.
 *
 * The server has no thread of its own: the management core runs it when its descriptors are ready,
 * so a scrape sees model, snapshot and counters as every operation does.  A page is made piece by
 * piece as the client takes it; one that a reload overtakes is cut off, and the client asks again.
 *
 * Names: CloudWatch's in snake_case behind `elb_` (NewFlowCount is elb_new_flow_count_total), and
 * `weir_` for weir's own.
 */
#ifndef PROMETHEUS_H
#define PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>

struct management;
struct prometheus;

/**
 * Listen, and have `m`'s epoll report `who` when prometheus_run() is needed.
 * @return  false with a sentence in `why`; true with `*prometheus` NULL when there is nothing to
 *          listen on: switched off, or the default address is taken.
 */
bool prometheus_open(struct management *m, struct prometheus **prometheus, char *why,
		     size_t why_len);

/** What epoll reports. */
void *prometheus_who(struct prometheus *prometheus);

/** Serve what is ready, a piece of a page for each client.  Also now and then, for timeouts. */
void prometheus_run(struct prometheus *prometheus);

/** Whether clients take more: prometheus_run() should be called without sleeping before. */
bool prometheus_has_work(const struct prometheus *prometheus);

void prometheus_close(struct prometheus *prometheus);

#endif
