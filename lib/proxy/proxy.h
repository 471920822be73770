/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proxy: HTTP requests of client connections, each to a connection of its target.
 *
 * A *session* is a client's connection; it carries one *exchange* (a request and its response) at a
 * time.  An *upstream* is a connection to a target; when both request and response have ended by
 * their own framing it waits in the pool of its target for the next exchange, of whichever client.
 * The proxy moves bodies by reference between the two TCP connections and holds no more than the
 * slower side's send buffer, and of requests to HTTP/2 targets what may have to be sent again.
 *
 * A request is sent again once at the most, when no byte of an answer came, and the target has
 * surely not processed it, or it is idempotent and has no body: to another target.  Without another
 * one it goes to the same target only if that ended a connection from the pool, as it may at any
 * time, or nothing was asked on its HTTP/2 connection; what else a new connection didn't carry
 * fails.
 *
 * An answer may come before its request has ended, from weir or from a target.  A short rest of
 * known length is then read and thrown away, and the connection goes on.  Otherwise the answer says
 * `Connection: close`, FIN follows it, and what still comes is thrown away until the client ends
 * too, for a while (RFC 9112 section 9.6).  The target's connection isn't used again.
 *
 * A target may have a limit of connections: requests and conduits beyond it wait, see
 * proxy_surge.h.
 *
 * Where no HTTP is spoken a client's connection is a *conduit* instead, see proxy_conduit.h.
 *
 * It knows no rules and no load balancing: the *service* on top (an application or classic load
 * balancer) decides where a request goes, and is told how it ended.
 *
 * One proxy per worker, called by that worker alone.
 */
#ifndef PROXY_H
#define PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "http.h"
#include "http_write.h"
#include "proxy_conduit.h"
#include "proxy_exchange.h"
#include "snapshot.h"
#include "tcp.h"
#include "tls.h"
#include "tls_step.h"

struct http2_gauge;
struct proxy;

/** What a session takes over from its listener when it is accepted. */
struct proxy_listener_settings {
	uint32_t idle_timeout_ms;
	uint32_t client_keep_alive_s;
	uint32_t header_timeout_ms;    /* a request head, from its first byte on */
	uint32_t body_min_bytes_per_s; /* of a request, over PROXY_PACE_MS; 0: no limit */
	struct tls_server *tls;        /* NULL: none; connections take their own reference */
	bool h2c;                      /* HTTP/2 without TLS, by prior knowledge */
	bool http2_websocket;          /* offer extended CONNECT (RFC 8441) */
};

struct proxy_service {
	/** A client's connection was accepted. @return  false: the listener is gone, reset it. */
	bool (*accepted)(void *arg, const struct proxy_session_info *session,
			 struct proxy_listener_settings *settings);
	/** A client's connection found no room, and is reset. */
	void (*rejected)(void *arg, const struct proxy_session_info *session);
	/** Its TLS handshake is over: see session->tls. */
	void (*negotiated)(void *arg, const struct proxy_session_info *session);
	/** The session is over; its tuple is valid still. */
	void (*closed)(void *arg, const struct proxy_session_info *session);
	/**
	 * A request's head is complete and may be forwarded as far as HTTP is concerned.  Fill
	 * `decision`.
	 */
	void (*decide)(void *arg, struct proxy_exchange *exchange,
		       const struct http_request *request, struct proxy_decision *decision);
	/**
	 * `failed` could not be reached or died unanswered, and the request may be sent again.
	 * @return  whom to, another one; 0: there is none: it stays with `failed`, or fails.
	 */
	uint32_t (*again)(void *arg, struct proxy_exchange *exchange, uint32_t failed);
	/** A connection to the target could not be made. */
	void (*unreachable)(void *arg, uint32_t target, enum tcp_close_reason reason);
	/** A connection to the target was made, but no TLS connection in it. */
	void (*no_tls)(void *arg, uint32_t target);
	/** A response's head is complete: add to the edits. */
	void (*response)(void *arg, struct proxy_exchange *exchange,
			 const struct http_response *response, struct http_response_edits *edits);
	/** The policy of a listener, by its reference; valid during the turn.  NULL: it is gone. */
	const struct http_policy *(*policy)(void *arg, uint32_t frontend, bool *draining);
	/** Seconds since 1970. */
	uint64_t (*wall_s)(void *arg);
	/** The exchange is over and has been answered, or not: see exchange->record. */
	void (*done)(void *arg, const struct proxy_exchange *exchange);
};

struct proxy_ops {
	/**
	 * Reserve a source port towards a target for tcp_connect().
	 * @return  false: the target is gone, or no port is free.
	 */
	bool (*reserve)(void *arg, uint32_t target, struct tcp_tuple *tuple,
			struct tcp_settings *settings);
	/** The port was not used after all. */
	void (*release)(void *arg, const struct tcp_tuple *tuple);
	/** A connection to the target begins, or is over. */
	void (*connected)(void *arg, uint32_t target);
	void (*disconnected)(void *arg, uint32_t target);
	/** TLS towards the target. @return NULL: none. */
	struct tls_client *(*tls)(void *arg, uint32_t target);
	/** Whether an idle connection to the target is worth keeping. */
	bool (*may_reuse)(void *arg, uint32_t target);
	/** Whether the target gets what is new: the group, by its index, still chooses it. */
	bool (*takes)(void *arg, uint32_t group, uint32_t target);
	/**
	 * Have a crypto lcore make a step of a handshake.  NULL: there are none, the worker makes
	 * it.
	 * @return  false: not now, they have enough to do.
	 */
	bool (*make_step)(void *arg, struct tls_step *step);
	/** A step that one has made. @return NULL: none. */
	struct tls_step *(*made_step)(void *arg);
};

struct proxy_config {
	struct tcp *tcp;
	struct chain_pool *pool;
	struct proxy_ops ops;
	void *ops_arg;
	const struct proxy_service *service;
	void *service_arg;
	const struct proxy_conduit_service *conduits; /* NULL: all connections carry HTTP */
	void *conduits_arg;
	uint32_t connections_max; /* of both sides together; see proxy_clients_are_many() */
	uint32_t exchanges_max;   /* requests under way */
};

/** @return  NULL without memory. */
struct proxy *proxy_create(const struct proxy_config *config, uint32_t now_ms);

/** Forget everything; connections are the engine's to free. */
void proxy_free(struct proxy *proxy);

/**
 * Deal with the engine's events and with time, once per turn between tcp_advance() and tcp_flush().
 * @return  whether there was anything to do.
 */
bool proxy_turn(struct proxy *proxy, uint64_t now_us);

struct proxy_gauges {
	uint32_t sessions, upstreams, idle_upstreams, exchanges, conduits;
	uint32_t handshakes; /* that wait for a step */
	uint32_t sessions_max, exchanges_max;
	uint64_t bytes; /* of objects in use */
};

void proxy_gauges(const struct proxy *proxy, struct proxy_gauges *gauges);

/** Of connections by HTTP/2, to clients and to targets. */
const struct http2_gauge *proxy_http2_gauge(const struct proxy *proxy);

#endif
