/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside stream.h: TLS of a stream, its handshake (stream_handshake.c), its bytes (stream.c) and
 * its end when these are to be waited for (stream_close.c).
 *
 * Handshakes wait in one queue, first come, first served.  Without crypto lcores the worker makes
 * one step of the first each turn; with them it hands steps out as long as their rings take them,
 * and gets them back when they are made.  While a step is away the TLS connection is not ours: the
 * stream may end meanwhile, what is left of it then waits for the step to come back.
 */
#ifndef STREAM_TLS_H
#define STREAM_TLS_H

#include "proxy_side.h"
#include "stream.h"
#include "tls_step.h"

/** A stream that was closed before all that it wrote could be encrypted. */
struct stream_closing {
	struct proxy_side side; /* first */
	struct proxy *proxy;
	struct stream stream;
	uint32_t until_ms, linger_ms;
};

struct stream_tls {
	struct tls *tls;
	struct tls_client *client; /* towards a server: as whom; TLS has the reference */
	struct stream *stream;     /* NULL: over, but still in a list or away */
	struct proxy_side *side;   /* whose stream it is */
	struct chain cipher;       /* taken from TCP, not decrypted */
	struct chain plain;        /* decrypted, not taken */
	struct chain unsent;       /* not encrypted, for want of buffers */
	struct tls_step *step;     /* not taken by a crypto lcore yet, or back and not ended yet */
	bool resumes;              /* a session was offered to the server */
	bool awaits_hello;         /* of a client, which is to begin */
	bool away;                 /* a crypto lcore has its step */
	bool back;                 /* `step` was made */
	bool given_up;             /* by its side, while it was away */
	bool waiting;              /* in the queue of handshakes */
	bool again;                /* in the list of those to be looked at again */
	bool more;                 /* TLS has not decrypted all that it could */
	bool ended;                /* close_notify came */
	bool tcp_ended;            /* FIN came */
	bool shut;                 /* nothing more is to be sent */
	bool shut_sent;            /* nor is there anything left that was */
	bool failed;
	uint32_t waits_since_ms; /* in the queue of handshakes */
	struct stream_tls *next; /* free, or in the queue of handshakes */
	struct stream_tls *next_again;
	struct stream_closing closing;
};

/* stream.c */

/** Nothing that is sure to come will bring it on: its side is called in the next millisecond. */
void stream_tls_look_again(struct proxy *proxy, struct stream_tls *tls);

/** Everything TCP has, as long as TLS can keep it. */
void stream_tls_take_cipher(struct proxy *proxy, struct stream_tls *tls);

/** Send what TLS has made. */
void stream_tls_send(struct proxy *proxy, struct stream_tls *tls, struct chain *out);

/** What TLS keeps beside TCP counts as the connection's. */
void stream_tls_hold(struct proxy *proxy, struct stream_tls *tls);

/** Free, unless a list has it or it is away. */
void stream_tls_give(struct proxy *proxy, struct stream_tls *tls);

/* stream_close.c */

/** stream_close() when all that was written has been sent; RST if that takes PROXY_CLOSE_MS. */
void stream_tls_close_later(struct proxy *proxy, struct stream *stream, uint32_t linger_ms);

#endif
