/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to targets: by which connection, and again. */
#include "proxy_private.h"

void
upstream_forget(struct proxy *p, struct exchange *x)
{
	chain_free(p->config.pool, &x->kept);
	x->request.kept = NULL;
}

/* What an HTTP/1.1 target was asked may be asked again if it is idempotent; HTTP/2 can tell. */
void
upstream_send(struct proxy *p, struct upstream *u, struct exchange *x)
{
	struct chain bytes = {0};

	surge_leave(&x->wait);
	x->x.record.target = u->target;
	u->exchange = x;
	x->upstream = u;
	if (!x->idempotent && !x->http2) {
		chain_move_all(&bytes, &x->kept);
		x->request.kept = NULL;
	} else if (!chain_share(p->config.pool, &bytes, &x->kept, 0, x->kept.len)) {
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
		return;
	}
	if (x->x.record.sent_us == 0)
		x->x.record.sent_us = p->now_us;
	stream_send(p, &u->stream, &bytes);
}

/* Nothing of it has gone to a target. */
static void
spill(struct proxy *p, struct exchange *x)
{
	session_fail(p, x->session, PROXY_ERROR_SPILLOVER);
}

/* Idle connections that can't be used make room for those that can. */
static bool
may_open(struct proxy *p, uint32_t target, uint32_t connections_max)
{
	return surge_has_room(p, target, connections_max) || upstream_pool_evict(p, target);
}

/* By a connection that nothing was sent on. */
static void
send_anew(struct proxy *p, struct exchange *x, uint32_t target)
{
	struct upstream *u = x->http2 ? upstream_pool_find_opening(p, target) : NULL;

	if (!surge_enter(&x->wait))
		spill(p, x);
	else if (u != NULL)
		upstream_wait(u, x);
	else if (may_open(p, target, x->wait.connections_max))
		upstream_open(p, x, target);
	else
		surge_wait(p, &x->wait, target);
}

static void
send_on_stream(struct proxy *p, struct exchange *x, uint32_t target, const struct http2 *but)
{
	struct upstream *of = upstream_pool_find_http2(p, target, but), *u;

	if (of == NULL) {
		send_anew(p, x, target);
		return;
	}
	u = upstream_on_stream(p, of);
	if (u != NULL)
		upstream_send(p, u, x);
	else
		session_fail(p, x->session, PROXY_ERROR_RESOURCES);
}

void
upstream_begin_first(struct proxy *p, struct exchange *x, uint32_t target)
{
	struct upstream *u = x->http2 ? NULL : upstream_pool_take(p, target);

	if (x->http2)
		send_on_stream(p, x, target, NULL);
	else if (u != NULL)
		upstream_send(p, u, x);
	else
		send_anew(p, x, target);
}

void
upstream_begin(struct proxy *p, struct exchange *x, uint32_t target)
{
	if (target_pool(p, target)->waiting == NULL)
		upstream_begin_first(p, x, target);
	else if (surge_enter(&x->wait))
		surge_wait(p, &x->wait, target);
	else
		spill(p, x);
}

static struct exchange *
exchange_of(const struct waiting *w)
{
	return (struct exchange *)((uintptr_t)w - offsetof(struct exchange, wait));
}

/* Again. */

/* What is known of a connection that has failed. */
struct failure {
	enum proxy_error error;
	uint32_t target;
	bool sent;              /* the request, on it */
	bool unprocessed;       /* the target has surely done nothing for the request */
	bool may_stay;          /* where there is no other target */
	const struct http2 *of; /* NULL: not a stream of an HTTP/2 connection's */
};

static struct failure
failure_of(const struct proxy *p, const struct upstream *u, enum proxy_error error)
{
	const struct http2_stream *stream = u->stream.http2;
	struct failure f = {.error = error, .target = u->target, .of = upstream_http2_of(u)};

	f.sent = !upstream_is_opening(u);
	f.unprocessed = !f.sent || (stream != NULL && http2_stream_is_unprocessed(stream));
	if (stream != NULL && http2_end(f.of) == HTTP2_END_NONE)
		f.may_stay = f.unprocessed; /* the connection lives: the target has answered so */
	else
		f.may_stay = u->reused || (f.unprocessed && f.of != NULL);
	f.may_stay = f.may_stay && u->client == target_tls_client(p, u->target) &&
		     p->config.ops.may_reuse(p->config.ops_arg, u->target);
	return f;
}

/*
 * What the target has surely done nothing for may be sent again whatever it asks for (RFC 9110
 * section 9.2.2), the rest if it is idempotent and has no body; once, to another target.  Without
 * one to the same, if the connection came from the pool, where targets end them when they like, or
 * if it is HTTP/2 and nothing was asked on it.
 */
static uint32_t
whom_to_ask_again(struct proxy *p, struct exchange *x, const struct failure *f)
{
	uint32_t again;

	if (x->answer_begun || x->request.kept == NULL || !(x->idempotent || f->unprocessed) ||
	    x->x.record.retries >= PROXY_RETRIES)
		return 0;
	again = p->config.service->again(p->config.service_arg, &x->x, f->target);
	return again == 0 && f->may_stay ? f->target : again;
}

/*
 * Another target by a connection that it has, unless that may be dead and the request could not go
 * again then; the same by a new one, unless the old one lives: it has refused the stream, or says
 * that it goes.
 */
static void
request_failed(struct proxy *p, struct exchange *x, const struct failure *f)
{
	struct session *s = x->session;
	uint32_t again = whom_to_ask_again(p, x, f);

	if (again == 0) {
		session_fail(p, s, f->error);
		return;
	}
	x->x.record.retries++;
	if (f->sent)
		x->wait_ms = p->now_ms;
	if (again != f->target && (x->http2 || x->idempotent))
		upstream_begin(p, x, again);
	else if (f->unprocessed && f->of != NULL)
		send_on_stream(p, x, again, f->of);
	else
		send_anew(p, x, again);
	if (s->exchange == x)
		proxy_postpone(p, s); /* the rest of its body */
}

void
upstream_failed(struct proxy *p, struct upstream *u, enum proxy_error error)
{
	bool no_tls = error == PROXY_ERROR_TARGET_TLS || error == PROXY_ERROR_TARGET_TLS_TIMEOUT;
	bool forget = no_tls && stream_offered_session(&u->stream);
	struct failure f = failure_of(p, u, error);

	if (no_tls)
		p->config.service->no_tls(p->config.service_arg, u->target);
	upstream_end(p, u, true);
	if (forget)
		target_tls_forget(p, f.target);
	while (u->exchange != NULL) {
		struct exchange *x = u->exchange;

		upstream_let_go(u, x);
		request_failed(p, x, &f);
	}
}

bool
upstream_may_begin(struct proxy *p, const struct waiting *w)
{
	const struct exchange *x = exchange_of(w);
	const struct upstream *u = x->http2 ? upstream_pool_find_http2(p, w->target, NULL)
					    : upstream_pool_find_idle(p, w->target);

	return u != NULL || (x->http2 && upstream_pool_find_opening(p, w->target) != NULL) ||
	       may_open(p, w->target, w->connections_max);
}

void
upstream_go_on(struct proxy *p, struct waiting *w)
{
	struct exchange *x = exchange_of(w);
	struct session *s = x->session;
	struct failure left = {
		.error = PROXY_ERROR_TARGET_LEFT, .target = w->target, .unprocessed = true};

	if (!p->config.ops.takes(p->config.ops_arg, w->group, w->target)) {
		request_failed(p, x, &left);
		return;
	}
	upstream_begin_first(p, x, w->target);
	if (s->exchange == x)
		proxy_postpone(p, s); /* the rest of its body */
}
