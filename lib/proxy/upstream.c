/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include "ref.h"

/* Of a stream: what isn't complete is cancelled. */
static void
stream_end(struct proxy *p, struct upstream *u)
{
	struct upstream *of = upstream_of_stream(u);

	if (!http2_stream_has_ended(u->stream.http2))
		http2_stream_reset(u->stream.http2, HTTP2_CANCEL);
	stream_close(p, &u->stream, 0);
	upstream_pool_look(p, of);
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
	surge_connection_ends(p, u->target);
}

void
upstream_end(struct proxy *p, struct upstream *u, bool reset)
{
	upstream_pool_remove(p, u);
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

void
upstream_release(struct proxy *p, struct exchange *x, bool reuse)
{
	struct upstream *u = x->upstream;

	upstream_let_go(u, x);
	if (u->exchange != NULL || u->state == UPSTREAM_CLOSED)
		return;
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
	upstream_pool_add(p, u);
	upstream_pool_age(p, u);
	surge_freed(p, u->target);
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
	if (u->exchange == NULL)
		upstream_end(p, u, false);
	while (u->exchange != NULL)
		session_fail(p, u->exchange->session, PROXY_ERROR_TARGET_LEFT);
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
	upstream_forget(p, x);
	x->answer_begun = true;
	x->x.record.answered_us = p->now_us;
	x->x.record.sent_bytes += bytes.len;
	x->x.record.sent_head_bytes = bytes.len;
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
		upstream_failed(p, u,
				reason == TCP_CLOSE_TIMEOUT ? PROXY_ERROR_TARGET_CONNECT_TIMEOUT
							    : PROXY_ERROR_TARGET_REFUSED);
		return;
	}
	if (u->state == UPSTREAM_HANDSHAKE)
		upstream_failed(p, u, PROXY_ERROR_TARGET_TLS);
	else if (!u->got_bytes && !x->answer_begun)
		upstream_failed(p, u, error_of(reason));
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

void
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
	if (u->http2) {
		u->ended |= (events & TCP_EVENT_END) != 0;
		upstream_http2_run(p, u);
		return;
	}
	if ((events & TCP_EVENT_END) != 0) {
		u->ended = true;
		if (stream_received(&u->stream)->len == 0 && !u->got_bytes &&
		    !u->exchange->answer_begun) {
			upstream_failed(p, u, PROXY_ERROR_TARGET_CLOSED);
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
		if (u->state == UPSTREAM_BUSY || u->carrier != NULL)
			u->ended |= (stream_events(p, &u->stream, events) & TCP_EVENT_END) != 0;
		if (u->carrier != NULL)
			upstream_http2_run(p, u); /* what came before still counts */
		if (u->state == UPSTREAM_CLOSED)
			return;
		upstream_broken(p, u, connected);
		return;
	}
	if (connected && u->state == UPSTREAM_CONNECTING)
		upstream_connected(p, u);
	if (u->state == UPSTREAM_CLOSED || u->state == UPSTREAM_CONNECTING)
		return;
	if (u->state == UPSTREAM_HANDSHAKE)
		stream_want_handshake(p, &u->stream, (events & TCP_EVENT_END) != 0);
	else
		upstream_bytes(p, u, events);
}

const struct proxy_side upstream_side = {.on_event = upstream_event,
					 .on_carrier = upstream_carrier,
					 .on_handshake = upstream_handshake};
