/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "check.h"
#include "http2.h"
#include "stream_tls.h"

bool
stream_pool_create(struct proxy *p)
{
	p->stream_tls = calloc(p->config.connections_max, sizeof(*p->stream_tls));
	p->handshakes_last = &p->handshakes;
	return p->stream_tls != NULL;
}

void
stream_pool_free(struct proxy *p)
{
	for (uint32_t i = 0; p->stream_tls != NULL && i < p->stream_tls_used; i++) {
		struct stream_tls *t = &p->stream_tls[i];

		if (t->tls == NULL)
			continue;
		chain_free(p->config.pool, &t->cipher);
		chain_free(p->config.pool, &t->plain);
		chain_free(p->config.pool, &t->unsent);
		if (t->step != NULL && !t->away)
			tls_step_drop(t->step);
		tls_free(t->tls);
	}
	free(p->stream_tls);
}

/* @return  false: no object is free. */
static bool
begin_tls(struct proxy *p, struct stream *s, struct proxy_side *side, struct tls *tls)
{
	struct stream_tls *t = p->free_stream_tls;

	if (t != NULL)
		p->free_stream_tls = t->next;
	else if (p->stream_tls_used < p->config.connections_max)
		t = &p->stream_tls[p->stream_tls_used++];
	else
		return false;
	*t = (struct stream_tls){.tls = tls, .stream = s, .side = side};
	s->tls = t;
	return true;
}

const struct tls *
stream_accept_tls(struct proxy *p, struct stream *s, struct proxy_side *side,
		  struct tls_server *server)
{
	struct tls *tls = stream_handshakes_are_late(p) ? NULL : tls_accept(server, p->config.pool);

	if (tls == NULL)
		return NULL;
	if (!begin_tls(p, s, side, tls)) {
		tls_free(tls);
		return NULL;
	}
	s->tls->awaits_hello = true;
	return tls;
}

bool
stream_connect_tls(struct proxy *p, struct stream *s, struct proxy_side *side,
		   struct tls_client *client, const char *protocol,
		   const struct tls_session *resume)
{
	struct tls *tls = tls_connect(client, p->config.pool, protocol, resume);

	if (tls == NULL)
		return false;
	if (!begin_tls(p, s, side, tls)) {
		tls_free(tls);
		return false;
	}
	s->tls->client = client;
	s->tls->resumes = resume != NULL;
	return true;
}

bool
stream_agreed_on_http2(const struct stream *s)
{
	const char *protocol = s->tls == NULL ? NULL : tls_alpn(s->tls->tls);

	return protocol != NULL && strcmp(protocol, "h2") == 0;
}

void
stream_tls_give(struct proxy *p, struct stream_tls *t)
{
	if (t->waiting || t->again || t->away)
		return;
	t->next = p->free_stream_tls;
	p->free_stream_tls = t;
}

/* Of a stream that is over. */
static void
end_tls(struct proxy *p, struct stream *s)
{
	struct stream_tls *t = s->tls;

	if (t == NULL)
		return;
	s->tls = NULL;
	chain_free(p->config.pool, &t->cipher);
	chain_free(p->config.pool, &t->plain);
	chain_free(p->config.pool, &t->unsent);
	t->stream = NULL;
	if (t->away)
		return;
	if (t->step != NULL)
		tls_step_drop(t->step);
	t->step = NULL;
	tls_free(t->tls);
	t->tls = NULL;
	stream_tls_give(p, t);
}

void
stream_tls_look_again(struct proxy *p, struct stream_tls *t)
{
	if (t->again)
		return;
	t->again = true;
	t->next_again = p->tls_again;
	p->tls_again = t;
}

void
stream_look_again(struct proxy *p)
{
	struct stream_tls *t = p->tls_again;

	p->tls_again = NULL;
	while (t != NULL) {
		struct stream_tls *next = t->next_again;

		t->again = false;
		if (t->stream == NULL)
			stream_tls_give(p, t);
		else
			t->side->on_event(t->side, t->stream->tcp, 0);
		t = next;
	}
}

/* Bytes. */

void
stream_tls_send(struct proxy *p, struct stream_tls *t, struct chain *out)
{
	if (!chain_is_empty(out))
		tcp_send(p->config.tcp, t->stream->tcp, out);
}

void
stream_tls_take_cipher(struct proxy *p, struct stream_tls *t)
{
	struct tcp_connection *c = t->stream->tcp;

	tcp_take(p->config.tcp, c, &t->cipher, tcp_received(c)->len);
}

void
stream_tls_hold(struct proxy *p, struct stream_tls *t)
{
	tcp_hold(p->config.tcp, t->stream->tcp, t->cipher.len + t->plain.len);
}

/* Whether bytes go both ways. */
static bool
is_open(const struct stream_tls *t)
{
	return !t->away && tls_is_finished(t->tls);
}

static void
decrypt(struct proxy *p, struct stream *s)
{
	struct stream_tls *t = s->tls;
	struct chain out = {0};

	if (t->failed || t->ended || t->plain.len >= STREAM_PLAIN_MAX)
		return;
	stream_tls_take_cipher(p, t);
	switch (tls_read(t->tls, &t->cipher, &t->plain, STREAM_PLAIN_MAX - t->plain.len, &out)) {
	case TLS_MORE:
	case TLS_WANT_BUFFERS:
		t->more = true;
		break;
	case TLS_CLOSED:
		t->more = false;
		t->ended = true;
		break;
	case TLS_FAILED:
		t->failed = true;
		break;
	case TLS_DONE:
	case TLS_WANT_INPUT:
		t->more = !chain_is_empty(tcp_received(s->tcp)); /* TCP couldn't give it */
		break;
	}
	stream_tls_send(p, t, &out);
	stream_tls_hold(p, t);
	/* Nobody takes what isn't there. */
	if (t->more && chain_is_empty(&t->plain))
		stream_tls_look_again(p, t);
}

static void
encrypt(struct proxy *p, struct stream *s)
{
	struct stream_tls *t = s->tls;
	struct chain out = {0};

	if (t->failed || chain_is_empty(&t->unsent))
		return;
	switch (tls_write(t->tls, &t->unsent, &out, UINT32_MAX, p->now_ms)) {
	case TLS_DONE:
		break;
	case TLS_FAILED:
		t->failed = true;
		chain_free(p->config.pool, &t->unsent);
		stream_tls_look_again(p, t);
		break;
	default:
		stream_tls_look_again(p, t);
		break;
	}
	stream_tls_send(p, t, &out);
}

/* close_notify and FIN, behind everything that is to be sent. */
static void
shut(struct proxy *p, struct stream *s)
{
	struct stream_tls *t = s->tls;
	enum tls_result result = TLS_DONE;
	struct chain out = {0};

	if (t->shut_sent || !chain_is_empty(&t->unsent))
		return;
	if (is_open(t) && !t->failed)
		result = tls_shutdown(t->tls, &out);
	stream_tls_send(p, t, &out);
	if (result == TLS_WANT_BUFFERS) {
		stream_tls_look_again(p, t);
		return;
	}
	t->shut_sent = true;
	tcp_shutdown(p->config.tcp, s->tcp);
}

/* FIN without close_notify, which may be an attacker's: what it cuts is not whole. */
static bool
is_cut(const struct stream_tls *t)
{
	return t->tcp_ended && !t->ended && !t->more && chain_is_empty(&t->plain);
}

struct tls_session *
stream_take_session(const struct stream *s, struct tls_client **client)
{
	if (s->tls == NULL || !is_open(s->tls))
		return NULL;
	*client = s->tls->client;
	return tls_session_take(s->tls->tls);
}

bool
stream_offered_session(const struct stream *s)
{
	return s->tls != NULL && s->tls->resumes;
}

uint32_t
stream_events(struct proxy *p, struct stream *s, uint32_t events)
{
	struct stream_tls *t = s->tls;

	if (t == NULL || !is_open(t))
		return events;
	t->tcp_ended |= (events & TCP_EVENT_END) != 0;
	events &= ~(uint32_t)TCP_EVENT_END;
	encrypt(p, s);
	if (t->shut)
		shut(p, s);
	decrypt(p, s);
	if (t->failed || is_cut(t))
		return events | STREAM_EVENT_FAILED;
	return t->ended ? events | TCP_EVENT_END : events;
}

/* The connection of an HTTP/2 stream may have something to write now. */
static void
touch(struct proxy *p, const struct stream *s)
{
	carrier_touch(p, http2_user(http2_of(s->http2)));
}

const struct chain *
stream_received(const struct stream *s)
{
	if (s->http2 != NULL)
		return http2_stream_received(s->http2);
	return s->tls == NULL ? tcp_received(s->tcp) : &s->tls->plain;
}

bool
stream_take(struct proxy *p, struct stream *s, struct chain *to, uint32_t len)
{
	struct stream_tls *t = s->tls;

	s->taken += len;
	if (s->http2 != NULL) {
		touch(p, s);
		return http2_stream_take(s->http2, to, len);
	}
	if (likely(t == NULL))
		return tcp_take(p->config.tcp, s->tcp, to, len);
	if (to == NULL)
		chain_consume(p->config.pool, &t->plain, len);
	else if (!chain_move(p->config.pool, to, &t->plain, len))
		return false;
	if (!chain_is_empty(&t->plain) || (!t->more && chain_is_empty(tcp_received(s->tcp)))) {
		stream_tls_hold(p, t);
	} else {
		decrypt(p, s);
		if (t->failed || t->ended)
			stream_tls_look_again(p, t);
	}
	if (is_cut(t))
		stream_tls_look_again(p, t);
	return true;
}

bool
stream_has_ended(const struct stream *s, bool fin)
{
	const struct stream_tls *t = s->tls;

	if (!chain_is_empty(stream_received(s)))
		return false;
	if (t == NULL)
		return fin;
	return t->ended || (fin && !t->more && chain_is_empty(tcp_received(s->tcp)));
}

bool
stream_has_failed(const struct stream *s)
{
	return s->tls != NULL && s->tls->failed;
}

bool
stream_awaits_peer(const struct stream *s)
{
	struct tcp_info info;

	if (!chain_is_empty(stream_received(s)))
		return false;
	if (s->http2 != NULL)
		return true;
	tcp_info(s->tcp, &info);
	return info.receive_window >= info.mss;
}

void
stream_send(struct proxy *p, struct stream *s, struct chain *bytes)
{
	if (s->http2 != NULL) {
		touch(p, s);
		http2_stream_send(s->http2, bytes);
		return;
	}
	if (likely(s->tls == NULL)) {
		tcp_send(p->config.tcp, s->tcp, bytes);
		return;
	}
	if (s->tls->shut || s->tls->failed) {
		chain_free(p->config.pool, bytes);
		return;
	}
	chain_move_all(&s->tls->unsent, bytes);
	encrypt(p, s);
}

uint32_t
stream_queued(const struct stream *s)
{
	if (s->http2 != NULL)
		return http2_stream_queued(s->http2);
	return tcp_queued(s->tcp) + (s->tls == NULL ? 0 : s->tls->unsent.len);
}

uint32_t
stream_queue_max(const struct stream *s)
{
	return s->http2 != NULL ? STREAM_QUEUE_MAX_HTTP2 : STREAM_QUEUE_MAX;
}

void
stream_shutdown(struct proxy *p, struct stream *s)
{
	if (s->http2 != NULL) {
		touch(p, s);
		http2_stream_shutdown(s->http2);
		return;
	}
	if (s->tls == NULL) {
		tcp_shutdown(p->config.tcp, s->tcp);
		return;
	}
	if (s->tls->shut)
		return;
	s->tls->shut = true;
	shut(p, s);
}

bool
stream_is_quiet(const struct stream *s)
{
	const struct stream_tls *t = s->tls;

	if (!tcp_is_quiet(s->tcp))
		return false;
	return t == NULL || (!t->failed && !t->ended && !t->shut && chain_is_empty(&t->plain) &&
			     chain_is_empty(&t->unsent) && tls_pending(t->tls) == 0);
}

enum tcp_close_reason
stream_close_reason(const struct stream *s)
{
	return s->tcp == NULL ? TCP_CLOSE_NONE : tcp_close_reason(s->tcp);
}

static void
close_http2(struct proxy *p, struct stream *s)
{
	touch(p, s);
	http2_stream_close(s->http2);
	s->http2 = NULL;
}

void
stream_close(struct proxy *p, struct stream *s, uint32_t linger_ms)
{
	if (s->http2 != NULL) {
		close_http2(p, s);
		return;
	}
	if (s->tls != NULL && tcp_close_reason(s->tcp) == TCP_CLOSE_NONE) {
		stream_shutdown(p, s);
		if (!s->tls->shut_sent) {
			stream_tls_close_later(p, s, linger_ms);
			return;
		}
	}
	end_tls(p, s);
	tcp_close(p->config.tcp, s->tcp, linger_ms);
}

void
stream_abort(struct proxy *p, struct stream *s)
{
	if (s->http2 != NULL) {
		http2_stream_reset(s->http2, HTTP2_INTERNAL_ERROR);
		close_http2(p, s);
		return;
	}
	end_tls(p, s);
	tcp_abort(p->config.tcp, s->tcp);
}
