/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams: how they begin and end, and what their owner asks. */
#include "http2_private.h"

struct http2_stream *
http2_stream_create(struct http2 *h)
{
	struct http2_stream *s = http2_alloc(h, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->h = h;
	s->window = h->config.stream_window;
	s->next = h->streams;
	if (s->next != NULL)
		s->next->prev = s;
	h->streams = s;
	h->streams_n++;
	h->pool->gauge.streams++;
	return s;
}

/* Events. */

void
http2_stream_event(struct http2_stream *s, uint32_t events)
{
	struct http2 *h = s->h;

	if (s->orphan || s->told)
		return;
	s->events |= events;
	if (s->pending)
		return;
	s->pending = true;
	s->next_event = NULL;
	if (h->last_event == NULL)
		h->first_event = s;
	else
		h->last_event->next_event = s;
	h->last_event = s;
}

struct http2_stream *
http2_next(struct http2 *h, uint32_t *events)
{
	struct http2_stream *s = h->first_event;

	if (s == NULL)
		return NULL;
	h->first_event = s->next_event;
	if (h->first_event == NULL)
		h->last_event = NULL;
	s->pending = false;
	*events = s->events;
	s->events = 0;
	s->told = (*events & (HTTP2_EVENT_RESET | HTTP2_EVENT_DONE)) != 0;
	return s;
}

static void
forget_events(struct http2_stream *s)
{
	struct http2 *h = s->h;
	struct http2_stream *before = NULL;

	if (!s->pending)
		return;
	for (struct http2_stream *at = h->first_event; at != s; at = at->next_event)
		before = at;
	if (before == NULL)
		h->first_event = s->next_event;
	else
		before->next_event = s->next_event;
	if (h->last_event == s)
		h->last_event = before;
	s->pending = false;
}

/* Endings. */

static void
drop_queues(struct http2_stream *s)
{
	struct chain_pool *chains = s->h->pool->chains;

	chain_free(chains, &s->unread);
	chain_free(chains, &s->queue);
	chain_free(chains, &s->trailers);
	s->queue_room = 0;
}

static void
drop_received(struct http2_stream *s)
{
	chain_free(s->h->pool->chains, &s->received);
	chain_free(s->h->pool->chains, &s->early);
	s->received_room = 0;
	http2_input_drop(s->h, s->held);
	s->held = 0;
}

static void
return_window(struct http2_stream *s)
{
	s->h->shared_left += s->window - s->h->config.stream_window;
	s->window = s->h->config.stream_window;
}

void
http2_stream_destroy(struct http2_stream *s)
{
	struct http2 *h = s->h;

	forget_events(s);
	drop_queues(s);
	drop_received(s);
	return_window(s);
	if (s->id > 0 && !h->dead)
		nghttp2_session_set_stream_user_data(h->session, s->id, NULL);
	if (s->prev == NULL)
		h->streams = s->next;
	else
		s->prev->next = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	h->streams_n--;
	h->pool->gauge.streams--;
	if (h->section == s)
		h->section = NULL;
	http2_dealloc(h, s);
	http2_on_stream_gone(h);
}

/*
 * Both messages are complete, and one of them is written.  A target that has answered need not
 * listen to the rest of what it was asked (RFC 9113 section 8.1): its answer counts.
 */
static bool
is_done(const struct http2_stream *s)
{
	return s->in_phase == HTTP2_PHASE_DONE && !s->reset &&
	       (s->out_written || s->h->config.role == HTTP2_CLIENT);
}

static void
lose(struct http2_stream *s, enum http2_code code)
{
	s->reset = true;
	s->code = (uint8_t)code;
	drop_queues(s);
	http2_stream_event(s, HTTP2_EVENT_RESET);
}

void
http2_stream_over(struct http2_stream *s, enum http2_code code)
{
	s->closed = true;
	return_window(s);
	if (s->orphan) {
		http2_stream_destroy(s);
		return;
	}
	if (is_done(s)) {
		drop_queues(s);
		http2_stream_event(s, HTTP2_EVENT_DONE);
	} else if (!s->reset) {
		s->unprocessed = code == HTTP2_REFUSED_STREAM || !s->out_begun;
		lose(s, code);
	}
}

void
http2_stream_unsent(struct http2_stream *s, bool begins, int error)
{
	if (!s->reset) {
		s->unprocessed = begins && error != NGHTTP2_ERR_FRAME_SIZE_ERROR;
		lose(s, s->unprocessed ? HTTP2_REFUSED_STREAM : HTTP2_INTERNAL_ERROR);
		nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, s->code);
	}
	/* Nothing has begun that could close. */
	if (begins)
		http2_stream_over(s, (enum http2_code)s->code);
}

void
http2_stream_abandon(struct http2_stream *s, enum http2_code code)
{
	s->closed = true;
	if (s->reset || is_done(s))
		return;
	s->unprocessed = !s->out_begun;
	lose(s, code);
}

void
http2_stream_reset(struct http2_stream *s, enum http2_code code)
{
	struct http2 *h = s->h;

	if (s->reset || s->closed)
		return;
	s->reset = true;
	s->code = (uint8_t)code;
	drop_queues(s);
	if (s->id > 0 && !h->dead && !h->closing)
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, code);
	if (s->id == 0)
		s->closed = true;
}

void
http2_stream_fail(struct http2_stream *s, enum http2_code code)
{
	s->unprocessed = s->h->config.role == HTTP2_CLIENT && !s->out_begun;
	http2_stream_reset(s, code);
	if (s->h->config.role == HTTP2_SERVER && s->in_phase == HTTP2_PHASE_HEAD)
		s->orphan = true; /* nobody has heard of it */
	http2_stream_event(s, HTTP2_EVENT_RESET);
}

void
http2_stream_malformed(struct http2_stream *s)
{
	s->h->pool->gauge.malformed++;
	http2_guard_spend(&s->h->guard, HTTP2_BUDGET_RESETS);
	http2_stream_fail(s, HTTP2_PROTOCOL_ERROR);
}

/* What to tell a peer whose stream has lost its owner; `*code` says. @return false: nothing. */
static bool
is_unfinished(const struct http2_stream *s, enum http2_code *code)
{
	bool server = s->h->config.role == HTTP2_SERVER;

	*code = server ? HTTP2_INTERNAL_ERROR : HTTP2_CANCEL;
	if (!s->out_whole)
		return true;
	if (server)
		*code = HTTP2_NO_ERROR; /* RFC 9113 section 8.1 */
	return s->in_phase != HTTP2_PHASE_DONE && (s->out_written || !server);
}

void
http2_stream_close(struct http2_stream *s)
{
	enum http2_code code;

	forget_events(s);
	s->orphan = true;
	drop_received(s);
	if (!s->closed && is_unfinished(s, &code))
		http2_stream_reset(s, code);
	if (s->closed || s->h->dead || s->h->closing)
		http2_stream_destroy(s);
}

/* Taking. */

/*
 * Who takes what a window holds has use for a wider one: twice as wide, of half of what all share.
 */
static void
widen(struct http2_stream *s)
{
	struct http2 *h = s->h;
	uint32_t more = s->window < h->shared_left / 2 ? s->window : h->shared_left / 2;

	s->returned = 0;
	if (more < h->config.stream_window / 4)
		return;
	h->shared_left -= more;
	s->window += more;
	nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, s->id,
					      (int32_t)s->window);
}

/*
 * Only what surely isn't waiting any more: lines of HTTP/1.1 around the payload count against who
 * sends them, else a byte a frame would be held many times.
 */
static void
return_payload(struct http2_stream *s)
{
	struct http2 *h = s->h;
	uint32_t left = s->received.len + s->early.len;
	uint32_t len = s->held > left ? s->held - left : 0;

	s->held -= len;
	if (len == 0 || h->dead)
		return;
	nghttp2_session_consume(h->session, s->id, len);
	s->returned += len;
	if (s->returned >= s->window && s->in_phase == HTTP2_PHASE_BODY && !s->reset && !s->closed)
		widen(s);
}

bool
http2_stream_take(struct http2_stream *s, struct chain *to, uint32_t len)
{
	struct chain_pool *chains = s->h->pool->chains;

	if (to == NULL)
		chain_consume(chains, &s->received, len);
	else if (!chain_move(chains, to, &s->received, len))
		return false;
	if (chain_is_empty(&s->received))
		s->received_room = 0;
	return_payload(s);
	return true;
}

/* Questions. */

struct http2 *
http2_of(const struct http2_stream *s)
{
	return s->h;
}

void
http2_stream_set_user(struct http2_stream *s, void *user)
{
	s->user = user;
}

void *
http2_stream_user(const struct http2_stream *s)
{
	return s->user;
}

uint32_t
http2_stream_id(const struct http2_stream *s)
{
	return (uint32_t)s->id;
}

const struct chain *
http2_stream_received(const struct http2_stream *s)
{
	return &s->received;
}

bool
http2_stream_has_ended(const struct http2_stream *s)
{
	return s->in_phase == HTTP2_PHASE_DONE;
}

bool
http2_stream_is_reset(const struct http2_stream *s)
{
	return s->reset;
}

enum http2_code
http2_stream_code(const struct http2_stream *s)
{
	return (enum http2_code)s->code;
}

bool
http2_stream_is_unprocessed(const struct http2_stream *s)
{
	return s->unprocessed;
}
