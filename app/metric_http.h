/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside app/: metrics of namespace AWS/ApplicationELB, by their CloudWatch names.
 */
#ifndef METRIC_HTTP_H
#define METRIC_HTTP_H

#include <jansson.h>

#include "http_counters.h"
#include "management.h"

#define METRIC_NOTHING SIZE_MAX

/** A metric: the counter at `plus`, less that at `minus`; a gauge when there is one. */
struct http_metric {
	const char *name;       /* CloudWatch's */
	const char *prometheus; /* without elb_ and _total */
	size_t plus, minus;
};

extern const struct http_metric http_frontend_metrics[], http_target_metrics[];
extern const size_t http_frontend_metrics_n, http_target_metrics_n;

uint64_t http_metric_value(const struct http_metric *metric, const void *counters);

/** Add a listener's counters, of all its addresses and workers. */
void metric_add_http_listener(struct management *m, const struct model_listener *listener,
			      struct http_frontend_counters *sum);

struct http_target_counters metric_of_http_target(struct management *m, uint64_t target_id);

/** TargetResponseTime of a group. */
void metric_of_http_group(struct management *m, uint64_t group_id, struct histogram *sum);

/** Put the metrics of a load balancer's listeners, of one of them, of a group, of a target. */
void metric_put_http_load_balancer(struct management *m, uint64_t load_balancer_id, json_t *row);
void metric_put_http_listener(struct management *m, const struct model_listener *listener,
			      json_t *row);
void metric_put_http_group(struct management *m, const struct model_target_group *tg, json_t *row);
void metric_put_http_target(struct management *m, uint64_t target_id, json_t *row);

/** NAME_p50_us and so on. */
void metric_put_times(json_t *row, const char *name, const struct histogram *times);

/** Pools of terminated connections, for `pools`. */
struct http_pools {
	uint64_t handshakes; /* that wait for a step */
	uint64_t connections, half_open, time_wait, sessions, exchanges, idle_upstreams;
	uint64_t tcp_bytes, proxy_bytes; /* of objects in use */
	uint64_t connections_refused;    /* no connection was free */
	uint64_t queued_bytes;           /* of buffers that hold payload */
	uint64_t queue_refusals; /* segments dropped and connections reset for want of buffers */
	uint64_t spans, spans_in_use, spans_high_water, span_failures;
	uint64_t log_records, log_lost;
	uint64_t http2_connections, http2_streams, http2_bytes, http2_failures;
};

void metric_http_pools(struct management *m, struct http_pools *pools);

/** Connections by HTTP/2 that ended, by reason. */
json_t *metric_http2_ends(const struct management *m);

/** Segments and connections of weir's own TCP, all workers together. */
json_t *metric_tcp(const struct management *m);

#endif
