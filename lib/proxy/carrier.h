/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the proxy: a connection that speaks HTTP/2, whose streams carry what connections of
 * HTTP/1.1 carry: sessions on a client's, exchanges' upstreams on a target's.
 *
 * It moves bytes between its stream (TCP's or TLS's) and lib/http2, and tells its owner what
 * happened to the streams on it.  Whoever reads or writes one of these streams makes frames to be
 * written: they leave together, at the end of the turn.
 */
#ifndef CARRIER_H
#define CARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "http2.h"
#include "stream.h"

struct proxy_side;

/** What happened to a stream, see http2_next(). */
typedef void (*carrier_happened)(struct proxy_side *side, struct http2_stream *stream,
				 uint32_t events);

struct carrier {
	struct http2 *http2;
	struct proxy_side *side; /* its owner: a session or an upstream */
	struct stream *stream;   /* the owner's */
	carrier_happened happened;
	struct chain unread; /* taken from the stream, but not by HTTP/2 */
	bool ended;          /* nothing follows that */
	bool running;        /* in carrier_run() */
	bool touched;        /* in the list */
	bool starved;        /* there were no buffers to write what it has */
	struct carrier *next;
};

/** @return NULL without memory. */
struct carrier *carrier_create(struct proxy *proxy, const struct http2_config *config,
			       struct proxy_side *side, struct stream *stream,
			       carrier_happened happened);

/**
 * Do all that can be done with what has come and what is to be sent.
 * @return  whether the connection is over: nothing comes any more and all was written.
 */
bool carrier_run(struct proxy *proxy, struct carrier *carrier);

/** It has something to write, or to do, at the end of the turn: the owner's on_carrier(). */
void carrier_touch(struct proxy *proxy, struct carrier *carrier);

/** Call on_carrier() of all that were touched. */
void carrier_flush(struct proxy *proxy);

/** The owner gives it up: streams are reset, and told so; GOAWAY is sent if it can be. */
void carrier_end(struct proxy *proxy, struct carrier *carrier);

/** Of a proxy that is freed: nobody is told. */
void carrier_free(struct proxy *proxy, struct carrier *carrier);

#endif
