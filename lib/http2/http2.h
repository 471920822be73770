/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/2 (RFC 9113) at the edge: one connection, whose streams are pairs of HTTP/1.1 messages.
 *
 * What comes on a stream is handed over as bytes of a strict HTTP/1.1 message (RFC 9112); what is
 * sent on it is given as one.  Who reads and writes those needs to know nothing of frames:
 *
 *   server   requests are received, responses (and interim ones before them) are sent
 *   client   requests are sent, responses (and interim ones before them) are received
 *
 * A request without END_STREAM on its field section has content-length as it came, else is chunked;
 * so is a response with a body, so that trailers survive.  Payload goes by reference, both ways.
 * A message that HTTP/2 calls malformed never shows: its stream is reset, or was not begun.
 *
 * Bytes of the connection come in and go out as chains.  There are no sockets, clocks or callbacks:
 *
 *   http2_receive(h, in, now_ms);
 *   while ((stream = http2_next(h, &events)) != NULL)
 *           ...                              any call below, also http2_free()
 *   http2_write(h, out, room);               again when the queue behind `out` has room
 *
 * A call on a stream may make something to write: http2_wants_write().  http2_is_over() tells when
 * the connection is to be closed.
 *
 * Framing, HPACK and flow control are nghttp2's; in front of it stands a guard with budgets
 * (http2_guard.h), so that no peer makes more work than its requests are worth.  What is held for a
 * peer is bounded: header blocks by the guard, bodies by windows that open as bytes are taken,
 * everything else by `memory_max`.
 *
 * A pool and its connections belong to one lcore.
 */
#ifndef HTTP2_H
#define HTTP2_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"

struct http2;
struct http2_pool;
struct http2_stream;

enum http2_role { HTTP2_SERVER, HTTP2_CLIENT };

/** RFC 9113 section 7. */
enum http2_code {
	HTTP2_NO_ERROR,
	HTTP2_PROTOCOL_ERROR,
	HTTP2_INTERNAL_ERROR,
	HTTP2_FLOW_CONTROL_ERROR,
	HTTP2_SETTINGS_TIMEOUT,
	HTTP2_STREAM_CLOSED,
	HTTP2_FRAME_SIZE_ERROR,
	HTTP2_REFUSED_STREAM,
	HTTP2_CANCEL,
	HTTP2_COMPRESSION_ERROR,
	HTTP2_CONNECT_ERROR,
	HTTP2_ENHANCE_YOUR_CALM,
	HTTP2_INADEQUATE_SECURITY,
	HTTP2_HTTP_1_1_REQUIRED,
};

/** Why a connection ends, one word each for counters and logs: http2_end_name(). */
enum http2_end {
	HTTP2_END_NONE,
	HTTP2_END_PEER,          /* the peer sent GOAWAY without an error */
	HTTP2_END_DRAINED,       /* http2_drain() */
	HTTP2_END_REQUESTS,      /* requests_max */
	HTTP2_END_CLOSED,        /* http2_close() */
	HTTP2_END_PEER_ERROR,    /* the peer sent GOAWAY with one */
	HTTP2_END_PREFACE,       /* what came first is no HTTP/2 */
	HTTP2_END_PROTOCOL,      /* PROTOCOL_ERROR */
	HTTP2_END_STREAM_CLOSED, /* frames on streams that the peer has ended */
	HTTP2_END_FLOW_CONTROL,  /* FLOW_CONTROL_ERROR */
	HTTP2_END_FRAME_SIZE,    /* FRAME_SIZE_ERROR */
	HTTP2_END_COMPRESSION,   /* COMPRESSION_ERROR */
	HTTP2_END_RESETS,        /* from here on: a budget of the guard, ENHANCE_YOUR_CALM */
	HTTP2_END_PINGS,         /* and acknowledgements nobody asked for */
	HTTP2_END_SETTINGS,      /* frames or entries */
	HTTP2_END_PRIORITIES,    /* PRIORITY, PRIORITY_UPDATE */
	HTTP2_END_WINDOW_UPDATES,
	HTTP2_END_EMPTY_FRAMES,   /* DATA, HEADERS or CONTINUATION that carry nothing */
	HTTP2_END_CONTINUATIONS,  /* of one header block */
	HTTP2_END_HEADER_BLOCK,   /* its bytes, compressed */
	HTTP2_END_UNKNOWN_FRAMES, /* types that nobody knows, GOAWAY again and again */
	HTTP2_END_UNREAD,         /* answers to control frames that the peer does not read */
	HTTP2_END_MEMORY,         /* memory_max, or none */
};
#define HTTP2_ENDS (HTTP2_END_MEMORY + 1)

struct http2_config {
	enum http2_role role;
	bool https;             /* client: what :scheme says */
	bool extended_connect;  /* server: offer WebSocket (RFC 8441); see below */
	uint32_t streams_max;   /* at a time; of a client also what the peer allows */
	uint32_t requests_max;  /* then the connection ends gracefully; 0: no limit */
	uint32_t stream_window; /* bytes of body that a stream may always hold; at least 1,024 */
	uint32_t shared_window; /* bytes that all of them share above that */
	uint32_t memory_max;    /* bytes of objects, nghttp2's and streams; payload is not among */
	uint32_t drain_ms;      /* from the first GOAWAY to the last at most */
};

/*
 * An extended CONNECT is received as an HTTP/1.1 upgrade to WebSocket.  Answered with 101 the
 * stream is a tunnel: bytes both ways, ended by HTTP2_EVENT_END and http2_stream_shutdown().
 */

/** ELB's limits: 128 streams, 10,000 requests. */
struct http2_config http2_config_of(enum http2_role role);

/** What connections of one lcore share: scratch, free streams, gauges. */
struct http2_gauge {
	uint64_t bytes;     /* of objects in use */
	uint64_t bytes_max; /* high-water mark */
	uint32_t connections, streams;
	uint64_t requests;         /* begun by peers or by http2_open() */
	uint64_t malformed;        /* streams reset for what they said */
	uint64_t refused;          /* streams beyond limits */
	uint64_t failures;         /* objects refused for want of memory */
	uint64_t ends[HTTP2_ENDS]; /* connections by reason */
};

/** @return  NULL without memory. `chains` is the lcore's. */
struct http2_pool *http2_pool_create(struct chain_pool *chains);
/** No connection may be left. */
void http2_pool_free(struct http2_pool *pool);
const struct http2_gauge *http2_pool_gauge(const struct http2_pool *pool);

/* Connections. */

/** @return  NULL without memory.  `user` is the caller's. The preface waits to be written. */
struct http2 *http2_create(struct http2_pool *pool, const struct http2_config *config, void *user,
			   uint32_t now_ms);

/** Streams that are left are freed with it, see http2_owned(); nothing is written. */
void http2_free(struct http2 *h);

void *http2_user(const struct http2 *h);

/**
 * Take what has come.  Stops, and leaves the rest in `in`, when the peer doesn't read what was
 * answered: call again after http2_write().
 */
void http2_receive(struct http2 *h, struct chain *in, uint32_t now_ms);

/** The peer sends no more bytes: streams whose messages are not complete are reset. */
void http2_receive_end(struct http2 *h);

/** Of a connection that drains; cheap.  Call it now and then, at least every second. */
void http2_tick(struct http2 *h, uint32_t now_ms);

/* What happened to a stream. */
#define HTTP2_EVENT_OPENED 1u /* server: a request begins; user is NULL */
#define HTTP2_EVENT_BYTES  2u /* http2_stream_received() has grown */
#define HTTP2_EVENT_END    4u /* the message is complete, all of it received */
#define HTTP2_EVENT_SENT   8u /* http2_stream_queued() has fallen */
/*
 * Over before both messages were complete, see http2_stream_code(): no more bytes come, and what is
 * sent goes nowhere.  Last event of a stream.
 */
#define HTTP2_EVENT_RESET 16u
/*
 * Both messages are complete and written; or, client, the answer is complete and the target wants
 * no more of the request.  Last event of a stream.
 */
#define HTTP2_EVENT_DONE 32u

/**
 * The next stream that something happened to.  Between one call and the next anything may be
 * called; streams that are closed meanwhile do not come up.
 * @return  NULL: nothing more happened.
 */
struct http2_stream *http2_next(struct http2 *h, uint32_t *events);

/** Whether http2_write() would write, if it had room. */
bool http2_wants_write(const struct http2 *h);

/**
 * Append frames to `out` until there are none or it has `out_max` bytes, more or less a frame.
 * Afterwards there may be events: http2_next().
 * @return  whether there are more: call again with room, or when the pool has buffers.
 */
bool http2_write(struct http2 *h, struct chain *out, uint32_t out_max);

/**
 * End gracefully: GOAWAY that announces it, GOAWAY that says which streams are served once the peer
 * knows or drain_ms have gone by; streams begun until then go on.
 */
void http2_drain(struct http2 *h);

/** End now: GOAWAY with this code; all streams are reset. */
void http2_close(struct http2 *h, enum http2_code code);

/** A stream that its owner has not closed; NULL: none. */
struct http2_stream *http2_owned(const struct http2 *h);

/** Nothing comes any more, everything was written and taken: close the connection. */
bool http2_is_over(const struct http2 *h);

/** Why it ends; HTTP2_END_NONE: it doesn't. */
enum http2_end http2_end(const struct http2 *h);
const char *http2_end_name(enum http2_end end);

uint32_t http2_streams_n(const struct http2 *h);  /* open, or not closed by the caller */
uint64_t http2_requests_n(const struct http2 *h); /* since it began */
uint32_t http2_held(const struct http2 *h);       /* bytes of header blocks under way */
uint32_t http2_memory(const struct http2 *h);     /* bytes of objects */

/** The peer's SETTINGS have come.  Client: before them http2_room() is a guess. */
bool http2_is_settled(const struct http2 *h);

/** Client: whether a request may be begun now: neither side ends, streams are left. */
bool http2_can_open(const struct http2 *h);
/** Client: how many streams at once both sides allow, as far as is known. */
uint32_t http2_streams_max(const struct http2 *h);
/** Client: how many more streams the peer lets us open now. */
uint32_t http2_room(const struct http2 *h);

/* Streams. */

/** Client: begin a request. @return NULL: !http2_can_open(), or no memory. */
struct http2_stream *http2_open(struct http2 *h, void *user);

struct http2 *http2_of(const struct http2_stream *stream);
void http2_stream_set_user(struct http2_stream *stream, void *user);
void *http2_stream_user(const struct http2_stream *stream);
uint32_t http2_stream_id(const struct http2_stream *stream); /* 0: a request not written yet */

/** Bytes of messages, in order, not taken yet. */
const struct chain *http2_stream_received(const struct http2_stream *stream);

/** The message that comes is complete: nothing follows what has been received. */
bool http2_stream_has_ended(const struct http2_stream *stream);

/** Over by a reset: why, as the RST_STREAM or GOAWAY said; otherwise HTTP2_NO_ERROR. */
bool http2_stream_is_reset(const struct http2_stream *stream);
enum http2_code http2_stream_code(const struct http2_stream *stream);

/**
 * Client, of one that was reset: the target has surely done nothing for it, because it says so (RFC
 * 9113 section 8.7) or because the request was never written: it may go again.
 */
bool http2_stream_is_unprocessed(const struct http2_stream *stream);

/**
 * Move the first `len` of the received bytes to `to`, NULL: drop them.  The window opens by that.
 * @return  false without a span: nothing changed.
 */
bool http2_stream_take(struct http2_stream *stream, struct chain *to, uint32_t len);

/**
 * Send bytes of the message, in pieces of any size; `bytes` is empty afterwards.  Heads are read
 * when they are whole, payload is queued.  Bytes behind the message's end are dropped; a message
 * that can't be read resets the stream with INTERNAL_ERROR.
 */
void http2_stream_send(struct http2_stream *stream, struct chain *bytes);

/** Bytes of payload, and of heads not read yet, that wait to be written. */
uint32_t http2_stream_queued(const struct http2_stream *stream);

/** No more bytes are sent: ends a body that only that ends; else the stream is reset if need be. */
void http2_stream_shutdown(struct http2_stream *stream);

/** End it now with RST_STREAM, if it is not over; it stays to be closed. */
void http2_stream_reset(struct http2_stream *stream, enum http2_code code);

/**
 * The caller has done with it, and it is no more.  What was queued is still written if all of the
 * message was sent; otherwise it is reset.  A peer whose request isn't complete is told to stop,
 * without an error when the response is.
 */
void http2_stream_close(struct http2_stream *stream);

#endif
