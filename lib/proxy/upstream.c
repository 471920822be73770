/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include "ref.h"

/* The pool: idle connections of a target, the one used last first, so that others can age. */

static void
pool_add(struct proxy *p, struct upstream *u)
{
	struct upstream **first = &p->idle[ref_index(u->target)];

	u->next = *first;
	u->link = first;
	if (u->next != NULL)
		u->next->link = &u->next;
	*first = u;
	p->idle_n++;
}

static void
pool_remove(struct proxy *p, struct upstream *u)
{
	*u->link = u->next;
	if (u->next != NULL)
		u->next->link = u->link;
	p->idle_n--;
}

/* A connection that has room for another stream; it stays in the pool. */
static struct upstream *
pool_find_http2(struct proxy *p, uint32_t target)
{
	struct upstream *u = p->idle[ref_index(target)];
	const struct tls_client *client = target_tls_client(p, target);

	while (u != NULL && (u->target != target || u->client != client || u->carrier == NULL ||
			     !http2_can_open(u->carrier->http2)))
		u = u->next;
	return u;
}

static struct upstream *
pool_take(struct proxy *p, uint32_t target)
{
	struct upstream *u = p->idle[ref_index(target)];
	const struct tls_client *client = target_tls_client(p, target);

	/*
	 * Of an older target of this index: closed when their time is over.  Those whose end, or
	 * bytes that nobody asked for, have come: closed by their event, later in this turn.
	 */
	while (u != NULL && (u->target != target || u->client != client || u->carrier != NULL ||
			     !stream_is_quiet(&u->stream)))
		u = u->next;
	if (u == NULL)
		return NULL;
	pool_remove(p, u);
	timer_wheel_cancel(&p->wheel, &u->timer);
	u->state = UPSTREAM_BUSY;
	u->reused = true;
	return u;
}

/* Of a stream: what isn't complete is cancelled. */
static void
stream_end(struct proxy *p, struct upstream *u)
{
	if (!http2_stream_has_ended(u->stream.http2))
		http2_stream_reset(u->stream.http2, HTTP2_CANCEL);
	stream_close(p, &u->stream, 0);
}

static void
connection_end(struct proxy *p, struct upstream *u, bool reset)
{
	target_tls_keep(p, &u->stream, u->target);
	tcp_set_user(u->stream.tcp, NULL);
	if (reset)
		stream_abort(p, &u->stream);
	else
		stream_close(p, &u->stream, 0);
	p->config.ops.disconnected(p->config.ops_arg, u->target);
}

void
upstream_end(struct proxy *p, struct upstream *u, bool reset)
{
	if (u->state == UPSTREAM_IDLE || u->state == UPSTREAM_HTTP2)
		pool_remove(p, u);
	if (u->carrier != NULL)
		carrier_end(p, u->carrier);
	u->carrier = NULL;
	u->state = UPSTREAM_CLOSED;
	if (u->stream.http2 != NULL)
		stream_end(p, u);
	else
		connection_end(p, u, reset);
	head_free(&u->head);
	proxy_give_upstream(p, u);
}

static void
on_idle_timer(struct timer *timer, void *arg)
{
	struct upstream *u =
		(struct upstream *)((uint8_t *)timer - offsetof(struct upstream, timer));
	struct proxy *p = arg;

	if (u->carrier != NULL && http2_streams_n(u->carrier->http2) > 0)
		u->used_ms = p->now_ms;
	/* Connections that carry streams stay in the pool while they are used. */
	if (u->carrier != NULL && p->now_ms - u->used_ms < PROXY_POOL_IDLE_MS)
		timer_wheel_add(&p->wheel, timer, u->used_ms + PROXY_POOL_IDLE_MS, on_idle_timer);
	else
		upstream_end(p, u, false);
}

void
upstream_release(struct proxy *p, struct upstream *u, bool reuse)
{
	u->exchange->upstream = NULL;
	u->exchange = NULL;
	if (!reuse || u->stream.http2 != NULL || u->state != UPSTREAM_BUSY ||
	    !stream_is_quiet(&u->stream) ||
	    !p->config.ops.may_reuse(p->config.ops_arg, u->target)) {
		upstream_end(p, u, true);
		return;
	}
	target_tls_keep(p, &u->stream, u->target);
	head_free(&u->head);
	u->state = UPSTREAM_IDLE;
	u->got_bytes = false;
	pool_add(p, u);
	timer_wheel_add(&p->wheel, &u->timer, p->now_ms + PROXY_POOL_IDLE_MS, on_idle_timer);
}

void
upstream_sweep(struct proxy *p, struct upstream *u)
{
	if (u->carrier != NULL)
		http2_tick(u->carrier->http2, p->now_ms);
	if (u->state == UPSTREAM_CLOSED || u->target == 0 ||
	    p->config.ops.may_reuse(p->config.ops_arg, u->target))
		return;
	if (u->carrier != NULL && http2_streams_n(u->carrier->http2) > 0)
		return; /* until its streams are given up, each for itself */
	/* A:edit-target-group-attributes: a request that outlives the delay gets 502. */
	if (u->state == UPSTREAM_IDLE || u->carrier != NULL)
		upstream_end(p, u, false);
	else
		session_fail(p, u->exchange->session, PROXY_ERROR_TARGET_LEFT);
}

/* Sending a request. */

static void upstream_event(struct proxy_side *side, struct tcp_connection *connection,
			   uint32_t events);
static void upstream_carrier(struct proxy_side *side);
static void upstream_handshake(struct proxy_side *side, bool done);
static void upstream_bytes(struct proxy *p, struct upstream *u, uint32_t events);

static void
send_request(struct proxy *p, struct upstream *u)
{
	struct exchange *x = u->exchange;
	struct chain bytes = {0};

	if (!x->idempotent)
		chain_move_all(&bytes, &x->head);
	else if (!chain_share(p->config.pool, &bytes, &x->head, 0, x->head.len)) {
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
		return;
	}
	if (x->x.record.sent_us == 0)
		x->x.record.sent_us = p->now_us;
	stream_send(p, &u->stream, &bytes);
}

static void connect_target(struct proxy *p, struct exchange *x, uint32_t target);

/*
 * The target could not be reached, or its connection died without a byte of an answer.  What may
 * safely be sent again is, once: to another target; without one to the same, if the connection came
 * from the pool, where targets end them when they like.  A new connection each time: another of the
 * pool might be as dead.
 */
static void
target_failed(struct proxy *p, struct upstream *u, enum proxy_error error)
{
	struct exchange *x = u->exchange;
	struct session *s = x->session;
	uint32_t target = u->target, again;
	bool may_stay = u->reused && u->client == target_tls_client(p, target) &&
			p->config.ops.may_reuse(p->config.ops_arg, target);

	if (error == PROXY_ERROR_TARGET_TLS || error == PROXY_ERROR_TARGET_TLS_TIMEOUT) {
		target_tls_forget(p, &u->stream, target);
		p->config.service->no_tls(p->config.service_arg, target);
	}
	u->exchange = NULL;
	x->upstream = NULL;
	upstream_end(p, u, true);
	if (x->answer_begun || !x->idempotent || x->x.record.retries >= PROXY_RETRIES) {
		session_fail(p, s, error);
		return;
	}
	again = p->config.service->again(p->config.service_arg, &x->x, target);
	if (again == 0 && may_stay)
		again = target;
	if (again == 0) {
		session_fail(p, s, error);
		return;
	}
	x->x.record.retries++;
	connect_target(p, x, again);
}

static void
on_connect_timer(struct timer *timer, void *arg)
{
	struct upstream *u =
		(struct upstream *)((uint8_t *)timer - offsetof(struct upstream, timer));
	struct proxy *p = arg;

	if (u->state == UPSTREAM_HANDSHAKE) {
		target_failed(p, u, PROXY_ERROR_TARGET_TLS_TIMEOUT);
		return;
	}
	p->config.service->unreachable(p->config.service_arg, u->target, TCP_CLOSE_TIMEOUT);
	target_failed(p, u, PROXY_ERROR_TARGET_CONNECT_TIMEOUT);
}

static void
connect_target(struct proxy *p, struct exchange *x, uint32_t target)
{
	struct upstream *u = proxy_take_upstream(p);
	struct tcp_settings settings;
	struct tcp_tuple tuple;

	x->x.record.target = target;
	if (u == NULL || !p->config.ops.reserve(p->config.ops_arg, target, &tuple, &settings)) {
		if (u != NULL)
			proxy_give_upstream(p, u);
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
		return;
	}
	u->side = (struct proxy_side){.on_event = upstream_event,
				      .on_carrier = upstream_carrier,
				      .on_handshake = upstream_handshake};
	u->stream.tcp = tcp_connect(p->config.tcp, &tuple, &settings, u);
	if (u->stream.tcp == NULL) {
		p->config.ops.release(p->config.ops_arg, &tuple);
		proxy_give_upstream(p, u);
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
		return;
	}
	p->config.ops.connected(p->config.ops_arg, target);
	u->target = target;
	u->state = UPSTREAM_CONNECTING;
	if (!target_tls_begin(p, &u->stream, &u->side, target)) {
		upstream_end(p, u, true);
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
		return;
	}
	u->client = target_tls_client(p, target);
	u->exchange = x;
	x->upstream = u;
	timer_wheel_add(&p->wheel, &u->timer, p->now_ms + PROXY_CONNECT_TIMEOUT_MS,
			on_connect_timer);
}

static void
send_on(struct proxy *p, struct upstream *u, struct exchange *x)
{
	x->x.record.target = u->target;
	u->exchange = x;
	x->upstream = u;
	send_request(p, u);
}

/* On a stream of this connection's. */
static void
send_on_stream(struct proxy *p, struct upstream *of, struct exchange *x, bool reused)
{
	struct upstream *u = upstream_on_stream(p, of);

	if (u == NULL) {
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
		return;
	}
	of->used_ms = p->now_ms;
	u->reused = reused;
	send_on(p, u, x);
}

void
upstream_begin(struct proxy *p, struct exchange *x, uint32_t target)
{
	struct upstream *u = x->http2 ? pool_find_http2(p, target) : pool_take(p, target);

	if (u == NULL)
		connect_target(p, x, target);
	else if (x->http2)
		send_on_stream(p, u, x, true);
	else
		send_on(p, u, x);
}

/* Responses. */

static void
begin_response(struct proxy *p, struct upstream *u)
{
	struct exchange *x = u->exchange;
	struct session *s = x->session;
	struct chain head = {0}, bytes = {0}; /* the response's strings lie in `head` */
	enum proxy_error error = PROXY_ERROR_RESOURCES;
	bool sound = stream_take(p, &u->stream, &head, head_response_len(p)) &&
		     head_write_response(p, x, &bytes, &error);

	chain_free(p->config.pool, &head);
	head_free(&u->head);
	if (!sound) {
		session_fail(p, s, error);
		return;
	}
	if (x->x.record.target_status == 0)
		return; /* an interim response that nobody waits for */
	chain_free(p->config.pool, &x->head);
	x->idempotent = false;
	x->answer_begun = true;
	x->x.record.answered_us = p->now_us;
	x->x.record.sent_bytes += bytes.len;
	if (!chain_is_empty(&bytes))
		stream_send(p, &s->stream, &bytes);
}

/* @return  whether the head of the final response has been read. */
bool
upstream_read_head(struct proxy *p, struct upstream *u)
{
	struct exchange *x = u->exchange;
	enum proxy_error error;
	const struct chain *in;

	while (!x->answer_begun) {
		in = stream_received(&u->stream);
		if (in->len == 0)
			return false;
		u->got_bytes = true;
		switch (head_read_response(p, &u->head, in, &error)) {
		case HEAD_DONE:
			begin_response(p, u);
			/* The exchange is over when that has failed. */
			if (u->state == UPSTREAM_CLOSED || u->exchange != x)
				return false;
			break;
		case HEAD_BAD:
			session_fail(p, x->session, error);
			return false;
		case HEAD_MORE:
			return false;
		}
	}
	return true;
}

/* Why a connection that had been made is no more. */
static enum proxy_error
error_of(enum tcp_close_reason reason)
{
	return reason == TCP_CLOSE_TIMEOUT  ? PROXY_ERROR_TARGET_TIMEOUT
	       : reason == TCP_CLOSE_MEMORY ? PROXY_ERROR_RESOURCES
					    : PROXY_ERROR_TARGET_CLOSED;
}

static void
upstream_gone(struct proxy *p, struct upstream *u, bool connected)
{
	struct exchange *x = u->exchange;
	enum tcp_close_reason reason = stream_close_reason(&u->stream);

	if (u->state == UPSTREAM_IDLE || u->state == UPSTREAM_HTTP2) {
		upstream_end(p, u, true);
		return;
	}
	if (u->state == UPSTREAM_CONNECTING && !connected) {
		p->config.service->unreachable(p->config.service_arg, u->target, reason);
		target_failed(p, u,
			      reason == TCP_CLOSE_TIMEOUT ? PROXY_ERROR_TARGET_CONNECT_TIMEOUT
							  : PROXY_ERROR_TARGET_REFUSED);
		return;
	}
	if (u->state == UPSTREAM_HANDSHAKE)
		target_failed(p, u, PROXY_ERROR_TARGET_TLS);
	else if (!u->got_bytes && !x->answer_begun)
		target_failed(p, u, error_of(reason));
	else if (reason == TCP_CLOSE_MEMORY)
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
	else
		session_fail(p, x->session, PROXY_ERROR_TARGET_CLOSED);
}

void
upstream_broken(struct proxy *p, struct upstream *u, bool connected)
{
	struct exchange *x = u->exchange;

	if (u->state == UPSTREAM_BUSY && !x->x.record.cut &&
	    (stream_received(&u->stream)->len > 0 || x->session->state == SESSION_TUNNEL)) {
		session_run(p, x->session);
		if (u->state != UPSTREAM_BUSY || u->exchange != x)
			return;
	}
	upstream_gone(p, u, connected);
}

/* The connection is there for streams, first of all one with the request it was made for. */
static void
begin_http2(struct proxy *p, struct upstream *u)
{
	struct exchange *x = u->exchange;
	struct session *s = x->session;

	if (!upstream_http2_begin(p, u)) {
		target_failed(p, u, PROXY_ERROR_RESOURCES);
		return;
	}
	u->state = UPSTREAM_HTTP2;
	u->exchange = NULL;
	x->upstream = NULL;
	pool_add(p, u);
	timer_wheel_add(&p->wheel, &u->timer, p->now_ms + PROXY_POOL_IDLE_MS, on_idle_timer);
	send_on_stream(p, u, x, false);
	session_run(p, s); /* the rest of the request */
}

/* The target takes the request. */
static void
upstream_ready(struct proxy *p, struct upstream *u)
{
	timer_wheel_cancel(&p->wheel, &u->timer);
	if (u->exchange->http2) {
		begin_http2(p, u);
		return;
	}
	u->state = UPSTREAM_BUSY;
	send_request(p, u);
}

static void
upstream_handshake(struct proxy_side *side, bool done)
{
	struct upstream *u = (struct upstream *)side;
	struct proxy *p = u->proxy;

	if (!done || (u->exchange->http2 && !stream_agreed_on_http2(&u->stream))) {
		target_failed(p, u, PROXY_ERROR_TARGET_TLS);
		return;
	}
	upstream_ready(p, u);
	if (u->state == UPSTREAM_BUSY || u->state == UPSTREAM_HTTP2)
		upstream_bytes(p, u, 0);
}

static void
upstream_carrier(struct proxy_side *side)
{
	struct upstream *u = (struct upstream *)side;

	upstream_http2_run(u->proxy, u);
}

/* Nothing was asked: bytes or an end mean that it can't be used.  The event alone doesn't: the
 * answer's last bytes may have been taken earlier in this turn, when the client's side had an event
 * too.
 */
static void
upstream_idle(struct proxy *p, struct upstream *u, uint32_t events)
{
	bool bytes = !chain_is_empty(stream_received(&u->stream));

	if (bytes || (events & (TCP_EVENT_END | STREAM_EVENT_FAILED)) != 0)
		upstream_end(p, u, bytes);
}

static void
upstream_bytes(struct proxy *p, struct upstream *u, uint32_t events)
{
	events = stream_events(p, &u->stream, events);
	if (u->state == UPSTREAM_IDLE) {
		upstream_idle(p, u, events);
		return;
	}
	if ((events & STREAM_EVENT_FAILED) != 0) {
		upstream_broken(p, u, true);
		return;
	}
	if (u->state == UPSTREAM_HTTP2) {
		u->ended |= (events & TCP_EVENT_END) != 0;
		upstream_http2_run(p, u);
		return;
	}
	if ((events & TCP_EVENT_END) != 0) {
		u->ended = true;
		if (stream_received(&u->stream)->len == 0 && !u->got_bytes &&
		    !u->exchange->answer_begun) {
			target_failed(p, u, PROXY_ERROR_TARGET_CLOSED);
			return;
		}
	}
	session_run(p, u->exchange->session);
}

static void
upstream_event(struct proxy_side *side, struct tcp_connection *connection, uint32_t events)
{
	struct upstream *u = (struct upstream *)side;
	struct proxy *p = u->proxy;
	bool connected = (events & TCP_EVENT_CONNECTED) != 0;

	(void)connection;
	if ((events & TCP_EVENT_CLOSED) != 0) {
		if (u->state == UPSTREAM_BUSY || u->state == UPSTREAM_HTTP2)
			u->ended |= (stream_events(p, &u->stream, events) & TCP_EVENT_END) != 0;
		if (u->state == UPSTREAM_HTTP2)
			upstream_http2_run(p, u); /* what came before still counts */
		if (u->state == UPSTREAM_CLOSED)
			return;
		upstream_broken(p, u, connected);
		return;
	}
	if (connected && u->state == UPSTREAM_CONNECTING) {
		if (u->stream.tls == NULL) {
			upstream_ready(p, u);
		} else {
			u->state = UPSTREAM_HANDSHAKE;
			timer_wheel_add(&p->wheel, &u->timer, p->now_ms + PROXY_HANDSHAKE_MS,
					on_connect_timer);
		}
	}
	if (u->state == UPSTREAM_CLOSED || u->state == UPSTREAM_CONNECTING)
		return;
	if (u->state == UPSTREAM_HANDSHAKE)
		stream_want_handshake(p, &u->stream, (events & TCP_EVENT_END) != 0);
	else
		upstream_bytes(p, u, events);
}
