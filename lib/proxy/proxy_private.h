/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the proxy: its objects, and what its files ask of each other.
 *
 *   proxy.c     objects, a turn: time and events
 *   session.c   a client's connection: requests, answers of weir's own, timeouts
 *   session_http2.c   one that speaks HTTP/2 and carries other sessions, one a stream
 *   conduit.c   a client's connection without HTTP, and its target's
 *   upstream.c  a target's connection: events, responses, its end
 *   upstream_pool.c  those that requests may be sent on
 *   surge.c     who waits because a target has as many as it may have
 *   upstream_open.c  those that are being made, and the requests that wait for them
 *   upstream_send.c  which one a request is sent on, and again
 *   upstream_http2.c  one that speaks HTTP/2 and carries others, one a stream
 *   carrier.c   what both of these have in common
 *   relay.c     bodies and tunnels, from one to the other
 *   stream.c    bytes to and from either, with TLS in between or without
 *   stream_close.c   those that are over with bytes still to be encrypted
 *   stream_handshake.c   TLS handshakes, here or on crypto lcores
 *   head.c      message heads, read and written by lib/http
 *
 * Objects given back within a turn keep their contents until the next: whoever called what ended
 * them can still see that they ended.
 */
#ifndef PROXY_PRIVATE_H
#define PROXY_PRIVATE_H

#include "carrier.h"
#include "head.h"
#include "http2.h"
#include "http_body.h"
#include "proxy.h"
#include "proxy_side.h"
#include "proxy_surge.h"
#include "ref.h"
#include "stream.h"
#include "timer_wheel.h"

#define PROXY_CONNECT_TIMEOUT_MS 10000 /* A:load-balancer-troubleshooting */
#define PROXY_HANDSHAKE_MS       10000 /* TLS, of either side */
#define PROXY_HANDSHAKE_WAIT_MS  1000  /* for a step; no new ones when the first waits longer */
#define PROXY_CLOSE_MS           10000 /* for buffers to encrypt the last bytes in */
#define PROXY_POOL_IDLE_MS       60000
#define PROXY_LINGER_MS          2000  /* of a client, behind the last response */
#define PROXY_DISCARD_MS         30000 /* for the rest of a request, behind its answer */
#define PROXY_DISCARD_IDLE_MS    5000  /* of it, without a byte */
#define PROXY_PACE_MS            30000 /* over which the pace of a request's body is measured */
#define PROXY_DISCARD_BYTES      65536 /* of that rest at most, when the session is to go on */
#define PROXY_RETRIES            1
#define PROXY_KEPT_MAX           32768 /* of buffers, of what is kept of a request */
#define PROXY_WAITING_MAX        128   /* requests for one connection that is being made */
#define PROXY_HTTP2_TARGET_MAX   128   /* connections to a target that speaks HTTP/2 */

/** A body, or one direction of a tunnel, on its way. */
struct relay {
	struct http_body body;
	bool chunk_out;     /* it leaves in the chunked coding */
	bool trailers;      /* those that come may leave too */
	struct chain *kept; /* all of its message that was sent, to be sent again; NULL: not kept */
};

enum relay_result { RELAY_OK, RELAY_BAD, RELAY_MEMORY, RELAY_END /* before the body's */ };

#define PROXY_REST_ALL UINT32_MAX

/** A request or a conduit, as those that wait for a connection of a target see it. */
struct waiting {
	struct waiting *next, **link; /* in its target's list; link NULL: it isn't */
	struct proxy_surge *surge;    /* of its load balancer; NULL: none */
	uint32_t target;              /* reference, in the list */
	uint32_t group;               /* index: who chose it */
	uint32_t connections_max;     /* of each target; 0: no limit */
	bool is_conduit;
	bool counted; /* in the surge queue */
};

/** What the proxy has of one target. */
struct target_pool {
	struct upstream *first; /* idle, being made for HTTP/2, or with room for a stream */
	struct upstream *full;  /* of HTTP/2, without */
	uint32_t connections_n; /* all there are, conduits' too */
	uint32_t streams_max;   /* HTTP/2: what the last one that settled takes; 0: unknown */
	struct waiting *waiting, **last_waiting;
	bool freed; /* in the list */
	struct target_pool *next_freed;
};

enum session_state {
	SESSION_HANDSHAKE, /* TLS */
	SESSION_IDLE,      /* between requests */
	SESSION_HEAD,      /* a request has begun */
	SESSION_EXCHANGE,  /* one is under way */
	SESSION_TUNNEL,    /* upgraded */
	SESSION_DISCARD,   /* answered; what is left of the request is thrown away */
	SESSION_HTTP2,     /* it carries others */
	SESSION_CLOSED,    /* given back */
};

struct session {
	struct proxy_side side; /* first */
	struct proxy *proxy;
	uint8_t state;       /* enum session_state */
	bool running;        /* in session_run() */
	bool client_ended;   /* FIN of the client */
	bool stream_ended;   /* END_STREAM, of one on a stream */
	bool close_after;    /* the response under way is the last */
	bool again;          /* session_run() has something more to do */
	bool postponed;      /* to the next turn */
	uint32_t active_ms;  /* last byte in or out */
	uint32_t head_ms;    /* first byte of the request; SESSION_DISCARD: its begin */
	uint32_t rest;       /* bytes to throw away; PROXY_REST_ALL: the session ends then */
	uint64_t created_us; /* first byte of the request */
	struct stream stream;
	struct exchange *exchange;
	struct head head;
	struct carrier *carrier; /* SESSION_HTTP2 */
	struct proxy_listener_settings settings;
	struct proxy_session_info info;
	struct timer timer;
	struct session *next; /* free, dead or postponed */
};

struct exchange {
	struct proxy_exchange x; /* first: the service's pointer is ours */
	struct session *session;
	struct upstream *upstream; /* NULL: none yet, or the answer is weir's own */
	struct waiting wait;
	uint32_t wait_ms;  /* since when it has had no connection */
	struct chain kept; /* of the request, until the answer begins; see struct relay */
	struct relay request, response;
	bool idempotent;   /* and without a body: may be sent again though it was processed */
	bool is_head;      /* HEAD: the response has no body */
	bool answer_begun; /* towards the client */
	bool may_reuse;    /* the target's connection, as far as framing says */
	bool upgrade;      /* the request asks for one */
	bool continues;    /* the client waits for 100 (Continue) */
	bool held;         /* bytes of the client's wait for the target */
	bool http2;        /* its target speaks HTTP/2 */
	uint8_t version;   /* of the request: 9, 10, 11 */
	/* The pace of the request's body is measured from here on. */
	uint32_t pace_ms;
	uint64_t pace_bytes;   /* of record.received_bytes */
	struct exchange *next; /* that waits for the same connection; free, dead */
};

enum upstream_state {
	UPSTREAM_CONNECTING, /* these three: being made, for requests that wait */
	UPSTREAM_HANDSHAKE,  /* TLS */
	UPSTREAM_SETTINGS,   /* HTTP/2: the target's have not come, nothing was asked */
	UPSTREAM_BUSY,
	UPSTREAM_IDLE,
	UPSTREAM_HTTP2, /* it carries others, and is in the pool as long as it lives */
	UPSTREAM_CLOSED,
};

struct upstream {
	struct proxy_side side; /* first */
	struct proxy *proxy;
	uint8_t state;                   /* enum upstream_state */
	bool got_bytes;                  /* of the answer under way */
	bool reused;                     /* it has served before */
	bool ended;                      /* FIN of the target */
	bool http2;                      /* it carries others, or is going to */
	bool full;                       /* UPSTREAM_HTTP2: had no room when last looked at */
	const struct tls_client *client; /* as the group wanted it then; NULL: in the clear */
	uint32_t target;                 /* reference */
	uint32_t used_ms; /* UPSTREAM_HTTP2: when a stream was begun, or still there */
	struct stream stream;
	/* Its own; while it is being made the first and the last of those that wait for it. */
	struct exchange *exchange, *last_waiting;
	uint32_t waiting_n;
	struct head head;
	struct carrier *carrier;       /* UPSTREAM_SETTINGS, UPSTREAM_HTTP2 */
	struct timer timer;            /* until it is made, or idle in the pool */
	struct upstream *next, **link; /* in its target's pool, link NULL: it isn't; free, dead */
};

enum conduit_state {
	CONDUIT_HANDSHAKE,  /* TLS of the client, or nothing has been done yet */
	CONDUIT_WAITING,    /* until the target may have another connection */
	CONDUIT_CONNECTING, /* to the target */
	CONDUIT_TARGET_TLS,
	CONDUIT_OPEN,
	CONDUIT_CLOSED, /* given back */
};

/* One of a conduit's connections. */
struct conduit_side {
	struct proxy_side side; /* first */
	struct conduit *conduit;
	struct stream stream; /* tcp NULL: not connected */
	bool fin;             /* TCP's end has come */
	bool shut;            /* the other side has ended, and this one was told */
};

struct conduit {
	struct proxy *proxy;
	uint8_t state;      /* enum conduit_state */
	bool kept_alive;    /* weir sends keep-alives to both sides */
	uint32_t active_ms; /* the state was entered, or the last byte went through */
	struct conduit_side client, target;
	struct chain prefix; /* goes to the target in front of all */
	struct waiting wait;
	struct proxy_listener_settings settings;
	struct proxy_conduit_record record;
	struct timer timer;
	struct conduit *next; /* free or dead */
};

/** A TLS session with a target. */
struct target_session {
	struct tls_session *session; /* NULL: none */
	struct tls_client *client;   /* whose it is: a reference, others don't resume it */
	uint32_t target;             /* reference */
};

struct proxy {
	struct proxy_config config;
	struct timer_wheel wheel;
	uint64_t now_us;
	uint32_t now_ms;
	uint64_t sessions_begun;
	struct session *sessions, *free_session, *dead_session, *postponed;
	struct carrier *touched; /* with something to write */
	struct http2_pool *http2;
	struct upstream *upstreams, *free_upstream, *dead_upstream;
	struct exchange *exchanges, *free_exchange, *dead_exchange;
	struct conduit *conduits, *free_conduit, *dead_conduit;
	/* From here on never used. */
	uint32_t sessions_used, upstreams_used, exchanges_used, conduits_used;
	uint32_t sessions_n, upstreams_n, idle_n, exchanges_n, conduits_n;
	uint32_t sweep_at, sweep_session_at, sweep_conduit_at, swept_ms;
	struct target_pool *pools;          /* [SNAPSHOT_TARGETS] */
	struct target_pool *freed;          /* those that waiting ones may go on with */
	struct target_session *sessions_of; /* [SNAPSHOT_TARGETS] */
	struct heads *heads;
	struct stream_tls *stream_tls, *free_stream_tls;
	struct stream_tls *handshakes, **handshakes_last; /* those that wait for a step */
	uint32_t handshakes_n;
	struct stream_tls *tls_again; /* see stream_look_again() */
	uint32_t stream_tls_used;
};

static inline struct target_pool *
target_pool(const struct proxy *p, uint32_t target)
{
	return &p->pools[ref_index(target)];
}

/* proxy.c */
struct session *proxy_take_session(struct proxy *proxy);
void proxy_give_session(struct proxy *proxy, struct session *session);
struct upstream *proxy_take_upstream(struct proxy *proxy);
void proxy_give_upstream(struct proxy *proxy, struct upstream *upstream);
struct exchange *proxy_take_exchange(struct proxy *proxy);
void proxy_give_exchange(struct proxy *proxy, struct exchange *exchange);
struct conduit *proxy_take_conduit(struct proxy *proxy);
void proxy_give_conduit(struct proxy *proxy, struct conduit *conduit);
/**
 * No more clients for now: a conduit needs two connections, a session its own and a share of those
 * to targets, a third.
 */
bool proxy_clients_are_many(const struct proxy *proxy);
/** session_run() in the next turn. */
void proxy_postpone(struct proxy *proxy, struct session *session);

/* session_http2.c */
/** Whether what has come begins with a client's preface (RFC 9113 section 3.4). */
enum preface { PREFACE_OTHER, PREFACE_MORE, PREFACE_HTTP2 };
enum preface session_http2_preface(const struct session *session);
/** The client has chosen HTTP/2. @return false without memory. */
bool session_http2_begin(struct proxy *proxy, struct session *session);
/** Do all that can be done with what has come; it may be over then. */
void session_http2_run(struct proxy *proxy, struct session *session);
/** Nothing has come for idle_timeout_ms. */
void session_http2_timeout(struct proxy *proxy, struct session *session);
/** Its connection is to be left: no more streams, an end when there are none. */
void session_http2_drain(struct proxy *proxy, struct session *session);

/* stream.c */
bool stream_pool_create(struct proxy *proxy);
void stream_pool_free(struct proxy *proxy);

/* target_tls.c: the newest TLS session of a target is what its next connection begins with. */
/** NULL: connections to the target are in the clear. */
struct tls_client *target_tls_client(const struct proxy *proxy, uint32_t target);
/**
 * Towards a target that wants it, TLS in the stream of a connection.
 * @param protocol  what ALPN offers; NULL: what the target group's settings say
 * @return  false without memory.
 */
bool target_tls_begin(struct proxy *proxy, struct stream *stream, struct proxy_side *side,
		      uint32_t target, const char *protocol);
/** Of a connection that goes on idle, or ends. */
void target_tls_keep(struct proxy *proxy, const struct stream *stream, uint32_t target);

/** A handshake failed in which a session was offered: it may be why, and isn't offered again. */
void target_tls_forget(struct proxy *proxy, uint32_t target);

void target_session_free(struct target_session *session);

/* surge.c */
/** It begins to wait, or does already. @return  false: the surge queue is full, and it is counted.
 */
bool surge_enter(struct waiting *waiting);
/** It has a connection. */
void surge_leave(struct waiting *waiting);
/** Whether the target may have one more connection. */
bool surge_has_room(const struct proxy *proxy, uint32_t target, uint32_t connections_max);
/** Behind all that wait for the target: upstream_go_on() or conduit_go_on() when it is its turn. */
void surge_wait(struct proxy *proxy, struct waiting *waiting, uint32_t target);
/** It waits for nothing any more, if it did. */
void surge_give_up(struct proxy *proxy, struct waiting *waiting);
/** A connection of the target's, or a stream on one, may be had: later in this turn. */
void surge_freed(struct proxy *proxy, uint32_t target);
/** There is one more connection to the target, or one less. */
void surge_connection_begins(struct proxy *proxy, uint32_t target);
void surge_connection_ends(struct proxy *proxy, uint32_t target);
/** Those that waited go on, as far as there is room. */
void surge_turn(struct proxy *proxy);

/* conduit.c */
/** @return  false: refused; the connection is the caller's to abort. */
bool conduit_accepted(struct proxy *proxy, struct tcp_connection *connection);
/** End it when its target is to be left. */
void conduit_sweep(struct proxy *proxy, struct conduit *conduit);
/** It has waited for its target, and there is room. */
void conduit_go_on(struct proxy *proxy, struct waiting *waiting);

/* session.c */
/** What is known of a connection that was just accepted. */
struct proxy_session_info session_info(struct proxy *proxy, struct tcp_connection *connection);
/** @return  false: refused; the connection is the caller's to abort. */
bool session_accepted(struct proxy *proxy, struct tcp_connection *connection);
/** Do all that can be done with what has come. */
void session_run(struct proxy *proxy, struct session *session);
/** A session on a stream of another's. @return NULL: there are too many. */
struct session *session_on_stream(struct proxy *proxy, struct session *of,
				  struct http2_stream *stream);
/** Its connection has reached client_keep_alive_s and takes no further requests. */
bool session_is_old(const struct proxy *proxy, const struct session *session);
/** The client's side is no more, before its time. */
void session_gone(struct proxy *proxy, struct session *session);
/** The end of a session without an exchange. */
void session_end(struct proxy *proxy, struct session *session, bool reset);
/** End it when its listener is to be left and it is idle. */
void session_sweep(struct proxy *proxy, struct session *session);
/** Bytes have moved, or a message has ended. */
void session_progress(struct proxy *proxy, struct session *session);
/**
 * The exchange under way can't go on: answer with the status of the error, or cut when an answer
 * has begun.
 */
void session_fail(struct proxy *proxy, struct session *session, enum proxy_error error);

/* upstream.c */
extern const struct proxy_side upstream_side;
/** The exchange lets go of its upstream: back to the pool, or closed unless others wait for it. */
void upstream_release(struct proxy *proxy, struct exchange *exchange, bool reuse);
/** Read what has come, or see that it has ended. */
void upstream_bytes(struct proxy *proxy, struct upstream *upstream, uint32_t events);
/** The connection is of no more use; what came before still counts. */
void upstream_broken(struct proxy *proxy, struct upstream *upstream, bool connected);
/** The end of one without an exchange. */
void upstream_end(struct proxy *proxy, struct upstream *upstream, bool reset);
/** Give it up when its target is to be left. */
void upstream_sweep(struct proxy *proxy, struct upstream *upstream);
/** @return  whether the head of the final response has been read and sent on. */
bool upstream_read_head(struct proxy *proxy, struct upstream *upstream);

/* upstream_pool.c */
void upstream_pool_add(struct proxy *proxy, struct upstream *upstream);
/** It may not be there. */
void upstream_pool_remove(struct proxy *proxy, struct upstream *upstream);
/** Close it when nobody has used it for PROXY_POOL_IDLE_MS. */
void upstream_pool_age(struct proxy *proxy, struct upstream *upstream);
/** An idle connection, for one request alone; it stays in the pool until it is taken. */
struct upstream *upstream_pool_find_idle(struct proxy *proxy, uint32_t target);
struct upstream *upstream_pool_take(struct proxy *proxy, uint32_t target);
/** End an idle connection that upstream_pool_find_idle() can't find. @return  whether one was. */
bool upstream_pool_evict(struct proxy *proxy, uint32_t target);
/** Of HTTP/2: it may be full now, or have room again. */
void upstream_pool_look(struct proxy *proxy, struct upstream *upstream);
/** A connection, not `but`, that has room for another stream; it stays in the pool. */
struct upstream *upstream_pool_find_http2(struct proxy *proxy, uint32_t target,
					  const struct http2 *but);
/** One that is being made, is going to carry streams, and may be waited for. */
struct upstream *upstream_pool_find_opening(struct proxy *proxy, uint32_t target);

/* upstream_open.c */
static inline bool
upstream_is_opening(const struct upstream *u)
{
	return u->state <= UPSTREAM_SETTINGS;
}
/** Make a connection to `target`, for this exchange and those that will wait for it too. */
void upstream_open(struct proxy *proxy, struct exchange *exchange, uint32_t target);
void upstream_wait(struct upstream *upstream, struct exchange *exchange);
/** The exchange waits no more, or is its no more. */
void upstream_let_go(struct upstream *upstream, struct exchange *exchange);
/** TCP's connection is there, or TLS's in it. */
void upstream_connected(struct proxy *proxy, struct upstream *upstream);
void upstream_handshake(struct proxy_side *side, bool done);
/** HTTP/2: the target has said how many streams it takes. */
void upstream_settled(struct proxy *proxy, struct upstream *upstream);

/* upstream_send.c */
/**
 * Send the exchange's request to `target`: by a connection there is, or else a new one, behind
 * those that wait for either.
 */
void upstream_begin(struct proxy *proxy, struct exchange *exchange, uint32_t target);
/** The same, before those that wait. */
void upstream_begin_first(struct proxy *proxy, struct exchange *exchange, uint32_t target);
/** Of an exchange that waits for its target: whether upstream_begin_first() would find room. */
bool upstream_may_begin(struct proxy *proxy, const struct waiting *waiting);
/** It has waited for its target: there is room, or the target has left. */
void upstream_go_on(struct proxy *proxy, struct waiting *waiting);
/** By this connection, which is the exchange's now. */
void upstream_send(struct proxy *proxy, struct upstream *upstream, struct exchange *exchange);
/** Nothing is kept any more of a request: it can't be sent again. */
void upstream_forget(struct proxy *proxy, struct exchange *exchange);
/**
 * The connection, which ends, could not be made, or has died without a byte of an answer: its
 * exchange, or all that wait for it, are sent again where that is safe, else fail.
 */
void upstream_failed(struct proxy *proxy, struct upstream *upstream, enum proxy_error error);

/* upstream_http2.c */
/** The connection is made: the target speaks HTTP/2. @return false without memory. */
bool upstream_http2_begin(struct proxy *proxy, struct upstream *upstream);
/** One for a request, on a stream of another's. @return NULL without room. */
struct upstream *upstream_on_stream(struct proxy *proxy, struct upstream *of);
/** Of one, or of a stream on one: the connection. @return NULL: it doesn't speak HTTP/2. */
const struct http2 *upstream_http2_of(const struct upstream *upstream);
/** Of one on a stream: whose connection that is on. */
struct upstream *upstream_of_stream(const struct upstream *upstream);
/** Do all that can be done with what has come; it may be over then. */
void upstream_http2_run(struct proxy *proxy, struct upstream *upstream);

/* relay.c */
/** Bytes of a body that are still to come, UINT64_MAX: nobody knows. */
uint64_t relay_left(const struct relay *relay);
/** Throw away what has come of the request's body. */
void relay_discard(struct proxy *proxy, struct exchange *exchange);
/** Move bytes as they are, as long as not too much waits to be sent. @return false without memory.
 */
bool relay_bytes(struct proxy *proxy, struct stream *from, struct stream *to, uint64_t *moved);
/** Move the exchange's bodies, both ways, as far as they go. */
void relay(struct proxy *proxy, struct exchange *exchange);

#endif
