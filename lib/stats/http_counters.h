/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What listeners and targets of HTTP count: the metrics of namespace AWS/ApplicationELB.
 *
 * As counters.h: one writer, a worker; the reader sums.  Arrays lie on the stable indexes of
 * frontends, targets and groups, and cost memory only where something was counted.
 */
#ifndef HTTP_COUNTERS_H
#define HTTP_COUNTERS_H

#include <stdint.h>

#include "histogram.h"

/** Per (worker, frontend). */
struct http_frontend_counters {
	uint64_t new_connections;    /* NewConnectionCount, of clients only */
	uint64_t closed_connections; /* new - closed = ActiveConnectionCount */
	uint64_t rejected_connections;
	uint64_t tls_errors; /* ClientTLSNegotiationErrorCount */
	uint64_t requests;   /* RequestCount: a target was chosen */
	uint64_t ipv6_requests;
	uint64_t processed_bytes, ipv6_processed_bytes;
	uint64_t rule_evaluations;
	uint64_t grpc_requests;
	uint64_t fixed_responses, redirects, redirects_too_long;
	uint64_t elb_3xx, elb_4xx, elb_5xx, elb_460, elb_500, elb_502, elb_503, elb_504;
	uint64_t non_sticky_requests;
	uint64_t desync_non_compliant;
	uint64_t dropped_invalid_header, forwarded_invalid_header;
	uint64_t retries;
	uint64_t cut_by_target, cut_by_client; /* responses that began and weren't completed */
	uint64_t unhealthy_routed;             /* UnhealthyRoutingRequestCount */
	uint64_t spillovers;                   /* SpilloverCount */
	uint64_t log_lost;                     /* log records that found no room */
};

/** Per (worker, target). */
struct http_target_counters {
	uint64_t requests;
	uint64_t status[4]; /* HTTPCode_Target_2XX_Count to 5XX */
	uint64_t connection_errors;
	uint64_t tls_errors;
};

struct http_counters {
	struct http_frontend_counters *frontends; /* [SNAPSHOT_FRONTENDS] */
	struct http_target_counters *targets;     /* [SNAPSHOT_TARGETS] */
	struct histogram *groups;                 /* [SNAPSHOT_GROUPS]: TargetResponseTime */
};

#endif
