/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the proxy: bytes to and from a peer, over a TCP connection alone or with TLS in it, or on
 * a stream of an HTTP/2 connection, as HTTP/1.1 messages (http2.h).
 *
 * Who reads and writes a stream needn't know which: events, bytes in order, a send queue, an end.
 * What TLS holds beside TCP (ciphertext of records that have not come whole, plaintext that nobody
 * has taken) is bounded, counts as the connection's and closes its window.
 *
 * Handshakes cost thousands of times what a packet does: a worker makes one step of one of them per
 * turn, or crypto lcores make them; see stream_tls.h.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "tcp.h"
#include "tls.h"

struct http2_stream;
struct proxy;
struct proxy_side;
struct stream_tls;

#define STREAM_PLAIN_MAX 131072u /* decrypted and not taken; more than a head and a record */

/* Queued at most towards a peer; on each of many streams of one. */
#define STREAM_QUEUE_MAX       262144u
#define STREAM_QUEUE_MAX_HTTP2 65536u

/* Beside TCP's events. */
#define STREAM_EVENT_FAILED (1u << 16) /* TLS has failed; an alert may be on its way */

struct stream {
	struct tcp_connection *tcp; /* NULL: of HTTP/2 */
	struct stream_tls *tls;     /* NULL: none */
	struct http2_stream *http2; /* NULL: none; its writes wait for carrier_flush() */
	uint64_t taken;             /* bytes, by stream_take() */
};

/**
 * Speak TLS from now on, with a client, as `server`.
 * @return  NULL without memory or a free object, or when it would have to wait for too long.
 */
const struct tls *stream_accept_tls(struct proxy *proxy, struct stream *stream,
				    struct proxy_side *side, struct tls_server *server);

/** The same with a server, as `client`, see tls_connect(). @return false without memory or object.
 */
bool stream_connect_tls(struct proxy *proxy, struct stream *stream, struct proxy_side *side,
			struct tls_client *client, const char *protocol,
			const struct tls_session *resume);

/** A session with a server, to be resumed as that client; see tls_session_take(). */
struct tls_session *stream_take_session(const struct stream *stream, struct tls_client **client);

/** Whether it began with a session to be resumed. */
bool stream_offered_session(const struct stream *stream);

/** Whether TLS has agreed on `h2` (RFC 9113 section 3.2). */
bool stream_agreed_on_http2(const struct stream *stream);

/* Handshakes: stream_handshake.c. */

/**
 * There is something to do for the handshake of this stream.
 * @param fin  nothing follows what has come: it fails when that isn't enough
 */
void stream_want_handshake(struct proxy *proxy, struct stream *stream, bool fin);

/** New ones would wait for so long that their clients had better be told at once. */
bool stream_handshakes_are_late(const struct proxy *proxy);

/**
 * Its side wants no more of the handshake.
 * @return  false: a crypto lcore is at it, on_handshake() will say that it failed.
 */
bool stream_give_up_handshake(struct stream *stream);

/**
 * Bring handshakes on: one step of the first, or as many as crypto lcores take and have made; calls
 * their sides' on_handshake().
 * @return  whether there was one.
 */
bool stream_handshakes(struct proxy *proxy);

/**
 * Call on_event() with no event of every side whose TLS could not go on for want of buffers, or
 * came to an end while bytes were taken.  At most once a millisecond.
 */
void stream_look_again(struct proxy *proxy);

/** What TCP's events mean for who reads and writes bytes; decrypts what has come. */
uint32_t stream_events(struct proxy *proxy, struct stream *stream, uint32_t events);

/** Bytes in order, not taken yet. */
const struct chain *stream_received(const struct stream *stream);

/** See tcp_take(). */
bool stream_take(struct proxy *proxy, struct stream *stream, struct chain *to, uint32_t len);

/**
 * Every byte that will ever come has been taken: close_notify or TCP's FIN is behind them.
 * @param fin  TCP_EVENT_END has come
 */
bool stream_has_ended(const struct stream *stream, bool fin);

/** TLS has failed; an alert may be on its way. */
bool stream_has_failed(const struct stream *stream);

/** Everything that came was taken, and the peer may send more. */
bool stream_awaits_peer(const struct stream *stream);

/** See tcp_send(). */
void stream_send(struct proxy *proxy, struct stream *stream, struct chain *bytes);
uint32_t stream_queued(const struct stream *stream);
/** Beyond so many bytes in the queue nobody should send more. */
uint32_t stream_queue_max(const struct stream *stream);

/** No more bytes from here: close_notify and FIN. */
void stream_shutdown(struct proxy *proxy, struct stream *stream);

/** Established, ended by neither side, and nothing has come that was not taken. */
bool stream_is_quiet(const struct stream *stream);

/** Why TCP's connection ended; TCP_CLOSE_NONE of HTTP/2's streams. */
enum tcp_close_reason stream_close_reason(const struct stream *stream);

/** See tcp_close() and tcp_abort(); the stream is no more.  What was written goes on its way. */
void stream_close(struct proxy *proxy, struct stream *stream, uint32_t linger_ms);
void stream_abort(struct proxy *proxy, struct stream *stream);

#endif
