/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include "check.h"

bool
session_http2_begin(struct proxy *p, struct session *s)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);

	s->http2 = http2_create(p->http2, &config, s, p->now_ms);
	if (s->http2 == NULL)
		return false;
	s->state = SESSION_HTTP2;
	session_http2_touch(p, s);
	return true;
}

void
session_http2_touch(struct proxy *p, struct session *s)
{
	/* session_run() writes by itself. */
	if (s->postponed || s->running)
		return;
	s->postponed = true;
	s->next = p->touched;
	p->touched = s;
}

/* Streams. */

static struct session *
begin_stream(struct proxy *p, struct session *s, struct http2_stream *stream)
{
	struct session *child = session_on_stream(p, s, stream);

	if (child == NULL) {
		http2_stream_reset(stream, HTTP2_REFUSED_STREAM);
		http2_stream_close(stream);
		return NULL;
	}
	http2_stream_set_user(stream, child);
	if (p->now_us - s->info.begun_us >= s->settings.client_keep_alive_s * UINT64_C(1000000))
		http2_drain(s->http2);
	return child;
}

static void
stream_happened(struct proxy *p, struct session *s, struct http2_stream *stream, uint32_t events)
{
	struct session *child = http2_stream_user(stream);

	if ((events & HTTP2_EVENT_OPENED) != 0)
		child = begin_stream(p, s, stream);
	if (child == NULL)
		return;
	child->active_ms = p->now_ms;
	if ((events & HTTP2_EVENT_RESET) != 0)
		session_gone(p, child);
	else
		session_run(p, child);
}

static void
streams_happened(struct proxy *p, struct session *s)
{
	struct http2_stream *stream;
	uint32_t events;

	while ((stream = http2_next(s->http2, &events)) != NULL)
		stream_happened(p, s, stream, events);
}

/* The connection. */

static void
receive(struct proxy *p, struct session *s)
{
	uint32_t len;

	while (chain_is_empty(&s->unread) && (len = stream_received(&s->stream)->len) > 0) {
		if (!stream_take(p, &s->stream, &s->unread, len))
			return; /* no buffers: later */
		http2_receive(s->http2, &s->unread, p->now_ms);
	}
	if (s->client_ended && chain_is_empty(&s->unread))
		http2_receive_end(s->http2);
}

/* @return  whether anything was written. */
static bool
write_frames(struct proxy *p, struct session *s)
{
	uint32_t queued = stream_queued(&s->stream);
	struct chain out = {0};

	if (queued >= PROXY_RELAY_BYTES || !http2_wants_write(s->http2))
		return false;
	http2_write(s->http2, &out, PROXY_RELAY_BYTES - queued);
	if (chain_is_empty(&out))
		return false;
	stream_send(p, &s->stream, &out);
	return true;
}

/* Reading, answering and writing make room for each other; queues end it. */
void
session_http2_run(struct proxy *p, struct session *s)
{
	do {
		if (!chain_is_empty(&s->unread))
			http2_receive(s->http2, &s->unread, p->now_ms);
		receive(p, s);
		streams_happened(p, s);
	} while (write_frames(p, s));
	if (http2_is_over(s->http2))
		session_end(p, s, false);
}

void
session_http2_flush(struct proxy *p)
{
	struct session *s = p->touched;

	p->touched = NULL;
	while (s != NULL) {
		struct session *next = s->next;

		s->postponed = false;
		if (s->state == SESSION_CLOSED) {
			s->next = p->dead_session;
			p->dead_session = s;
		} else {
			session_run(p, s);
		}
		s = next;
	}
}

void
session_http2_timeout(struct proxy *p, struct session *s)
{
	if (http2_streams_n(s->http2) > 0) {
		s->active_ms = p->now_ms; /* each has its own time */
		return;
	}
	http2_close(s->http2, HTTP2_NO_ERROR);
	session_http2_touch(p, s);
}

void
session_http2_drain(struct proxy *p, struct session *s)
{
	http2_drain(s->http2);
	session_http2_touch(p, s);
}

void
session_http2_end(struct proxy *p, struct session *s)
{
	struct chain out = {0};

	http2_close(s->http2, HTTP2_NO_ERROR);
	streams_happened(p, s);
	http2_write(s->http2, &out, PROXY_RELAY_BYTES);
	if (!chain_is_empty(&out))
		stream_send(p, &s->stream, &out);
	chain_free(p->config.pool, &s->unread);
	http2_free(s->http2);
	s->http2 = NULL;
}
