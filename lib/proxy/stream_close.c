/* SPDX-License-Identifier: BSD-3-Clause */
#include "clock.h"
#include "proxy_private.h"
#include "stream_tls.h"

/*
 * It is over for whoever had it, but not all that it wrote is encrypted: it goes on by itself
 * until that has been sent.  What comes meanwhile is thrown away, as behind tcp_close().
 */
static void
closing_event(struct proxy_side *side, struct tcp_connection *connection, uint32_t events)
{
	struct stream_closing *c = (struct stream_closing *)side;
	struct stream *s = &c->stream;
	struct proxy *p = c->proxy;

	(void)connection;
	stream_events(p, s, events);
	if ((events & TCP_EVENT_CLOSED) != 0 || stream_has_failed(s) ||
	    clock_ms_reached(p->now_ms, c->until_ms))
		stream_abort(p, s);
	else if (s->tls->shut_sent)
		stream_close(p, s, c->linger_ms);
	else
		stream_take(p, s, NULL, stream_received(s)->len);
}

void
stream_tls_close_later(struct proxy *p, struct stream *s, uint32_t linger_ms)
{
	struct stream_tls *t = s->tls;

	t->closing = (struct stream_closing){.side = {.on_event = closing_event},
					     .proxy = p,
					     .stream = *s,
					     .until_ms = p->now_ms + PROXY_CLOSE_MS,
					     .linger_ms = linger_ms};
	t->stream = &t->closing.stream;
	t->side = &t->closing.side;
	s->tls = NULL;
	tcp_set_user(s->tcp, &t->closing);
	stream_tls_look_again(p, t);
}
