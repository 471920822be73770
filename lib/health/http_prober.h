/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP health checks made by a worker with its own TCP engine: a new connection for each, one GET,
 * and the status of the answer.
 *
 * The management core decides when and whom to check; the worker owns the probe until it ends in
 * exactly one result.  One prober per worker, called by that worker alone.
 *
 * Over TLS if the request says so; one handshake goes on each turn.  Without a path the handshake
 * is all that is asked for.
 *
 * The request is ELB's: User-Agent ELB-HealthChecker/2.0, Host the target's address and port.  To
 * targets of HTTP/2 it goes on the one stream of such a connection; to gRPC's as a call of one
 * empty message, whose grpc-status counts.
 */
#ifndef HTTP_PROBER_H
#define HTTP_PROBER_H

#include "proxy_side.h"
#include "prober.h"
#include "tcp.h"
#include "tls.h"

#define HTTP_PROBER_PROBES     1024
#define HTTP_PROBER_PATH_MAX   1024
#define HTTP_PROBER_ANSWER_MAX 16384 /* bytes of an answer that are waited for */

/** Statuses from `first` on that mean healthy: HTTP's from 200 to 499, gRPC's from 0 to 99. */
struct http_matcher {
	uint16_t first;
	uint64_t bits[5];
};

static inline bool
http_matcher_has(const struct http_matcher *matcher, uint32_t status)
{
	uint32_t bit = status - matcher->first;

	return bit < 64 * 5 && (matcher->bits[bit / 64] >> (bit % 64) & 1) != 0;
}

struct http_probe_request {
	uint64_t cookie;        /* handed back with the result */
	struct tcp_tuple tuple; /* its local port was reserved; the engine's `released` frees it */
	struct tcp_settings settings;
	const char *path; /* the caller's until the probe is done; with tls it may be NULL */
	struct http_matcher matcher;
	uint32_t timeout_ms;
	bool http2, grpc;       /* grpc: over HTTP/2 */
	bool proxy_v2;          /* a PROXY header of command LOCAL goes first, before TLS */
	struct tls_client *tls; /* of HTTPS; NULL: HTTP.  The caller's until the probe is done */
};

struct http_prober;

/** @return  NULL without memory. */
struct http_prober *http_prober_create(struct tcp *tcp, struct chain_pool *pool,
				       void (*done)(void *arg, uint64_t cookie,
						    enum probe_result result, uint16_t status),
				       void *arg, uint32_t now_ms);

/** Ends every probe as PROBE_NOT_SENT. */
void http_prober_free(struct http_prober *prober);

/**
 * Begin a probe.
 * @return  false: no probe or connection is free; nothing was done, the port is the caller's still.
 */
bool http_prober_start(struct http_prober *prober, const struct http_probe_request *request,
		       uint32_t now_ms);

/** Time out, and let a handshake go on.  Every turn. */
void http_prober_advance(struct http_prober *prober, uint32_t now_ms);

#endif
