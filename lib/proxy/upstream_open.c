/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections to targets that are being made, and the requests that wait for them.
 *
 * One of HTTP/1.1 is made for a request of its own.  One of HTTP/2 is waited for by all that come
 * meanwhile: until TCP, TLS and the target's SETTINGS are there, which say how many streams it
 * takes.  Nothing was asked of a target before that, so all may go elsewhere when it fails.
 */
#include "proxy_private.h"

void
upstream_wait(struct upstream *u, struct exchange *x)
{
	x->x.record.target = u->target;
	x->upstream = u;
	x->next = NULL;
	if (u->exchange == NULL)
		u->exchange = x;
	else
		u->last_waiting->next = x;
	u->last_waiting = x;
	u->waiting_n++;
}

void
upstream_let_go(struct upstream *u, struct exchange *x)
{
	struct exchange *before = NULL;

	for (struct exchange *at = u->exchange; at != x; at = at->next)
		before = at;
	if (before == NULL)
		u->exchange = x->next;
	else
		before->next = x->next;
	if (u->last_waiting == x)
		u->last_waiting = before;
	if (u->waiting_n > 0)
		u->waiting_n--;
	x->next = NULL;
	x->upstream = NULL;
}

static void
on_timer(struct timer *timer, void *arg)
{
	struct upstream *u =
		(struct upstream *)((uint8_t *)timer - offsetof(struct upstream, timer));
	struct proxy *p = arg;

	switch (u->state) {
	case UPSTREAM_HANDSHAKE:
		upstream_failed(p, u, PROXY_ERROR_TARGET_TLS_TIMEOUT);
		break;
	case UPSTREAM_SETTINGS:
		upstream_failed(p, u, PROXY_ERROR_TARGET_TIMEOUT);
		break;
	default:
		p->config.service->unreachable(p->config.service_arg, u->target, TCP_CLOSE_TIMEOUT);
		upstream_failed(p, u, PROXY_ERROR_TARGET_CONNECT_TIMEOUT);
		break;
	}
}

/* The next step of it begins. */
static void
enter(struct proxy *p, struct upstream *u, enum upstream_state state, uint32_t ms)
{
	u->state = (uint8_t)state;
	timer_wheel_add(&p->wheel, &u->timer, p->now_ms + ms, on_timer);
}

/* @return  NULL without an object, a source port or memory. */
static struct upstream *
connect_target(struct proxy *p, uint32_t target)
{
	struct upstream *u = proxy_take_upstream(p);
	struct tcp_settings settings;
	struct tcp_tuple tuple;

	if (u == NULL)
		return NULL;
	if (!p->config.ops.reserve(p->config.ops_arg, target, &tuple, &settings)) {
		proxy_give_upstream(p, u);
		return NULL;
	}
	u->side = upstream_side;
	u->stream.tcp = tcp_connect(p->config.tcp, &tuple, &settings, u);
	if (u->stream.tcp == NULL) {
		p->config.ops.release(p->config.ops_arg, &tuple);
		proxy_give_upstream(p, u);
		return NULL;
	}
	surge_connection_begins(p, target);
	u->target = target;
	if (target_tls_begin(p, &u->stream, &u->side, target, NULL))
		return u;
	upstream_end(p, u, true);
	return NULL;
}

void
upstream_open(struct proxy *p, struct exchange *x, uint32_t target)
{
	struct upstream *u = connect_target(p, target);

	x->x.record.target = target;
	if (u == NULL) {
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
		return;
	}
	u->client = target_tls_client(p, target);
	u->http2 = x->http2;
	if (u->http2)
		upstream_pool_add(p, u);
	upstream_wait(u, x);
	enter(p, u, UPSTREAM_CONNECTING, PROXY_CONNECT_TIMEOUT_MS);
}

/* The target takes bytes of HTTP. */
static void
speak(struct proxy *p, struct upstream *u)
{
	if (!u->http2) {
		timer_wheel_cancel(&p->wheel, &u->timer);
		u->state = UPSTREAM_BUSY;
		upstream_send(p, u, u->exchange);
	} else if (upstream_http2_begin(p, u)) {
		enter(p, u, UPSTREAM_SETTINGS, PROXY_CONNECT_TIMEOUT_MS);
	} else {
		upstream_failed(p, u, PROXY_ERROR_RESOURCES);
	}
}

void
upstream_connected(struct proxy *p, struct upstream *u)
{
	if (u->stream.tls == NULL)
		speak(p, u);
	else
		enter(p, u, UPSTREAM_HANDSHAKE, PROXY_HANDSHAKE_MS);
}

void
upstream_handshake(struct proxy_side *side, bool done)
{
	struct upstream *u = (struct upstream *)side;
	struct proxy *p = u->proxy;

	if (!done || (u->http2 && !stream_agreed_on_http2(&u->stream))) {
		upstream_failed(p, u, PROXY_ERROR_TARGET_TLS);
		return;
	}
	speak(p, u);
	if (u->state == UPSTREAM_BUSY || u->state == UPSTREAM_SETTINGS)
		upstream_bytes(p, u, 0);
}

/* Those for which it has no room go on to another. */
void
upstream_settled(struct proxy *p, struct upstream *u)
{
	struct exchange *x;

	if (!http2_can_open(u->carrier->http2)) {
		upstream_failed(p, u, PROXY_ERROR_TARGET_CLOSED);
		return;
	}
	u->state = UPSTREAM_HTTP2;
	target_pool(p, u->target)->streams_max = http2_streams_max(u->carrier->http2);
	upstream_pool_age(p, u);
	while ((x = u->exchange) != NULL) {
		struct session *s = x->session;

		upstream_let_go(u, x);
		upstream_begin_first(p, x, u->target);
		session_run(p, s); /* the rest of the request */
	}
	u->reused = true;
	surge_freed(p, u->target);
}
