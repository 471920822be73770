/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's own TCP connections: the engine, its buffers, and the proxy on top of it.
 *
 * Segments for listeners that terminate, and answers to connections that weir opened, come here
 * from the burst; what the engine sends leaves like any other packet.  After the bursts of a turn
 * worker_tcp_turn() lets time pass, hands events to the proxy and flushes.
 */
#ifndef WORKER_TCP_H
#define WORKER_TCP_H

#include "dataplane.h"
#include "http_counters.h"
#include "log_ring.h"
#include "packet.h"

struct worker;
struct worker_command;
struct worker_tcp;

/** @return  NULL without memory. */
struct worker_tcp *worker_tcp_create(struct worker *w, const struct dataplane_settings *settings);

/** Forget every connection; buffers and source ports are given back. */
void worker_tcp_free(struct worker_tcp *t);

/** A packet that is, or whose quoted packet is, of a connection of weir's own, or that opens one.
 */
void worker_tcp_input(struct worker *w, struct packet *p);

/** End HTTP health checks under way; the worker no longer runs. */
void worker_tcp_end_probes(struct worker_tcp *t);

/** What this worker's HTTP has counted; the management core reads it. */
const struct http_counters *worker_tcp_counters(const struct worker_tcp *t);

/** Requests and connections in a load balancer's surge queue, by service_surge_index(). */
uint32_t worker_tcp_waiting(const struct worker_tcp *tcp, uint32_t surge);

/** Records of requests, for the logger. */
struct log_ring *worker_tcp_log(struct worker_tcp *t);

/** Gauges: read while the worker writes. */
struct http2_gauge;
struct proxy_gauges;
struct tcp_counters;
const struct tcp_counters *worker_tcp_engine(const struct worker_tcp *t);
void worker_tcp_gauges(const struct worker_tcp *t, struct proxy_gauges *gauges);
const struct http2_gauge *worker_tcp_http2(const struct worker_tcp *t);
uint64_t worker_tcp_bytes(const struct worker_tcp *t);
/** Bytes of the buffers that hold payload. */
uint64_t worker_tcp_charged(const struct worker_tcp *t);
void worker_tcp_add_spans(const struct worker_tcp *t, uint64_t *all, uint64_t *in_use,
			  uint64_t *high_water, uint64_t *failures);

/** Begin a turn: segments that come from now on came at w->now_us. */
void worker_tcp_begin(struct worker *w);

/** @return  whether there was anything to do. */
bool worker_tcp_turn(struct worker *w);

/** Begin an HTTP health check; it ends in worker_probe_done(). */
void worker_tcp_probe(struct worker *w, struct worker_command *command);

#endif
