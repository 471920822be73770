/* SPDX-License-Identifier: BSD-3-Clause */
#include "carrier.h"
#include "proxy_private.h"

#include <string.h>

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
	if (session_is_old(p, s))
		http2_drain(s->carrier->http2);
	return child;
}

static void
stream_happened(struct proxy_side *side, struct http2_stream *stream, uint32_t events)
{
	struct session *s = (struct session *)side, *child = http2_stream_user(stream);
	struct proxy *p = s->proxy;

	if ((events & HTTP2_EVENT_OPENED) != 0)
		child = begin_stream(p, s, stream);
	if (child == NULL)
		return;
	child->active_ms = p->now_ms;
	child->stream_ended |= (events & HTTP2_EVENT_END) != 0;
	if ((events & HTTP2_EVENT_RESET) != 0)
		session_gone(p, child);
	else
		session_run(p, child);
}

enum preface
session_http2_preface(const struct session *s)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	const struct chain *in = stream_received(&s->stream);
	char got[sizeof(preface) - 1];
	uint32_t n = in->len < sizeof(got) ? in->len : (uint32_t)sizeof(got);

	chain_copy_out(in, 0, got, n);
	if (memcmp(got, preface, n) != 0)
		return PREFACE_OTHER;
	return n == sizeof(got) ? PREFACE_HTTP2 : PREFACE_MORE;
}

bool
session_http2_begin(struct proxy *p, struct session *s)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);

	config.extended_connect = s->settings.http2_websocket;
	s->carrier = carrier_create(p, &config, &s->side, &s->stream, stream_happened);
	if (s->carrier == NULL)
		return false;
	s->state = SESSION_HTTP2;
	return true;
}

void
session_http2_run(struct proxy *p, struct session *s)
{
	s->carrier->ended = s->client_ended;
	if (carrier_run(p, s->carrier))
		session_end(p, s, false);
}

void
session_http2_timeout(struct proxy *p, struct session *s)
{
	if (http2_owned(s->carrier->http2) != NULL) {
		s->active_ms = p->now_ms; /* each has its own time */
		return;
	}
	http2_close(s->carrier->http2, HTTP2_NO_ERROR);
	carrier_touch(p, s->carrier);
}

void
session_http2_drain(struct proxy *p, struct session *s)
{
	http2_drain(s->carrier->http2);
	carrier_touch(p, s->carrier);
}
