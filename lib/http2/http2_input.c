/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes on streams, as HTTP/1.1 messages. */
#include "check.h"
#include "http2_private.h"

#define INTERIM_MAX 16 /* responses in front of the final one */

void
http2_input_drop(struct http2 *h, uint32_t len)
{
	if (!h->dead && len > 0)
		nghttp2_session_consume_connection(h->session, len);
}

/* Without memory for what has come, the stream can't go on. */
static void
fail_stream(struct http2_stream *s)
{
	s->h->pool->gauge.failures++;
	http2_stream_fail(s, HTTP2_INTERNAL_ERROR);
}

/* Text, into the buffer that is open for crumbs where it fits. */
static bool
append_text(struct http2_stream *s, const void *bytes, uint32_t len)
{
	struct chain_pool *chains = s->h->pool->chains;

	if (chain_append_tail(chains, &s->received, &s->received_room, bytes, len))
		return true;
	s->received_room = 0;
	return chain_append_copy(chains, &s->received, bytes, len);
}

/* Constant text. */
static bool
append_constant(struct http2_stream *s, const void *bytes, uint32_t len)
{
	if (len <= s->received_room)
		return append_text(s, bytes, len);
	s->received_room = 0;
	return chain_append(s->h->pool->chains, &s->received, NULL, bytes, len, 0);
}

/* Field sections. */

static void
begin_section(struct http2 *h, struct http2_stream *s)
{
	enum http2_section section = HTTP2_SECTION_TRAILERS;

	if (s->in_phase == HTTP2_PHASE_HEAD)
		section = h->config.role == HTTP2_SERVER ? HTTP2_SECTION_REQUEST
							 : HTTP2_SECTION_RESPONSE;
	h->section = s;
	http2_head_begin(&h->pool->head, section, (enum http_method)s->method_id);
	h->pool->head.may_extend = h->config.extended_connect;
}

/* One stream after the other, whatever the client would like: they are as important as another. */
static void
share_evenly(struct http2 *h, int32_t id)
{
	nghttp2_extpri fair = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

	nghttp2_session_change_extpri_stream_priority(h->session, id, &fair, 1);
}

static int
begin_request(struct http2 *h, int32_t id)
{
	bool room = !h->drained && h->streams_n < 2 * h->config.streams_max;
	struct http2_stream *s = room ? http2_stream_create(h) : NULL;

	if (s == NULL) {
		h->pool->gauge.refused++;
		http2_guard_spend(&h->guard, HTTP2_BUDGET_RESETS);
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id,
					  NGHTTP2_REFUSED_STREAM);
		return 0;
	}
	s->id = id;
	nghttp2_session_set_stream_user_data(h->session, id, s);
	share_evenly(h, id);
	begin_section(h, s);
	http2_count_request(h);
	return 0;
}

int
http2_input_begin(struct http2 *h, const nghttp2_frame *frame)
{
	struct http2_stream *s;

	h->section = NULL;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	if (h->config.role == HTTP2_SERVER && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		return begin_request(h, frame->hd.stream_id);
	s = nghttp2_session_get_stream_user_data(h->session, frame->hd.stream_id);
	if (s != NULL && !s->reset && !s->orphan)
		begin_section(h, s);
	return 0;
}

void
http2_input_field(struct http2 *h, struct http_text name, struct http_text value)
{
	if (h->section != NULL)
		http2_head_field(&h->pool->head, name, value);
}

/* Behind the last payload. */
static void
end_message(struct http2_stream *s, struct http_text trailers)
{
	static const char last[] = "0\r\n", empty[] = "\r\n";
	bool done = true;

	if (s->in_has_length && s->in_left > 0 && !s->in_none) {
		http2_stream_malformed(s);
		return;
	}
	if (s->in_chunked) {
		done = append_constant(s, last, sizeof(last) - 1) &&
		       (trailers.len > 0 ? append_text(s, trailers.at, trailers.len)
					 : append_constant(s, empty, sizeof(empty) - 1));
	}
	if (!done) {
		fail_stream(s);
		return;
	}
	s->in_phase = HTTP2_PHASE_DONE;
	/* Targets may reset behind an early answer (RFC 9113 section 8.1). */
	if (s->h->config.role == HTTP2_CLIENT)
		http2_guard_earn(&s->h->guard, HTTP2_BUDGET_RESETS, 1);
	http2_stream_event(s, HTTP2_EVENT_BYTES | HTTP2_EVENT_END);
}

/* A head has come. */
static void
begin_message(struct http2_stream *s, struct http_text text, const struct http2_framing *framing,
	      bool ended)
{
	struct http2_head *head = &s->h->pool->head;

	if (!append_text(s, text.at, text.len)) {
		fail_stream(s);
		return;
	}
	if (framing->interim) {
		if (++s->interims > INTERIM_MAX)
			http2_stream_malformed(s);
		else
			http2_stream_event(s, HTTP2_EVENT_BYTES);
		return;
	}
	s->method_id = head->method_id;
	s->in_phase = HTTP2_PHASE_BODY;
	s->in_none = framing->none;
	s->tunnel = framing->tunnel;
	s->in_chunked = framing->chunked;
	s->in_has_length = framing->has_length;
	s->in_left = framing->has_length ? framing->length : 0;
	http2_stream_event(s, s->h->config.role == HTTP2_SERVER
				      ? HTTP2_EVENT_OPENED | HTTP2_EVENT_BYTES
				      : HTTP2_EVENT_BYTES);
	if (ended)
		end_message(s, (struct http_text){0});
}

void
http2_input_section(struct http2 *h, const nghttp2_frame *frame)
{
	bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	struct http2_stream *s = h->section;
	struct http2_framing framing;
	struct http_text text;

	h->section = NULL;
	if (s == NULL || s->reset)
		return;
	if (!http2_head_finish(&h->pool->head, ended, &text, &framing) ||
	    (s->in_phase == HTTP2_PHASE_BODY && !ended))
		http2_stream_malformed(s);
	else if (s->in_phase == HTTP2_PHASE_HEAD)
		begin_message(s, text, &framing, ended);
	else
		end_message(s, text);
}

/* Payload. */

/* Whether so many bytes may come now. */
static bool
data_is_allowed(const struct http2_stream *s, uint32_t len)
{
	if (s->in_phase != HTTP2_PHASE_BODY || (s->in_none && s->h->config.role == HTTP2_CLIENT))
		return false;
	return !s->in_has_length || len <= s->in_left;
}

/* A chunk for all of the DATA frame where its length is known, else for this piece. */
static bool
begin_chunk(struct http2_stream *s, uint32_t len)
{
	struct http2 *h = s->h;
	uint32_t size = h->data_begins && h->guard.data_len > 0 ? h->guard.data_len : len;
	const char *line = h->pool->chunk_lines[size];

	CHECK(size <= HTTP2_FRAME_MAX && len <= size);
	s->in_left = size;
	s->in_chunk_open = true;
	return append_constant(s, line, (uint32_t)strlen(line));
}

static bool
append_payload(struct http2_stream *s, const uint8_t *bytes, uint32_t len)
{
	bool early = s->tunnel && !s->tunnel_open;
	struct chain *to = early ? &s->early : &s->received;
	uint16_t *room = early ? &s->early_room : &s->received_room;
	struct chain_pool *chains = s->h->pool->chains;
	const struct span *span = s->h->in_span;

	if (http2_is_crumb(len, span->charge) && chain_append_tail(chains, to, room, bytes, len))
		return true;
	*room = 0;
	return chain_append_ref(chains, to, span->owner, bytes, len, span->charge);
}

static bool
append_data(struct http2_stream *s, const uint8_t *bytes, uint32_t len)
{
	if (s->in_chunked && !s->in_chunk_open && !begin_chunk(s, len))
		return false;
	s->h->data_begins = false;
	if (!append_payload(s, bytes, len))
		return false;
	if (s->in_chunked || s->in_has_length)
		s->in_left -= len;
	if (!s->in_chunked || s->in_left > 0)
		return true;
	s->in_chunk_open = false;
	return append_constant(s, "\r\n", 2);
}

void
http2_input_data(struct http2 *h, struct http2_stream *s, const uint8_t *bytes, uint32_t len)
{
	bool wanted = !s->reset && !s->orphan;

	if (wanted && !data_is_allowed(s, len)) {
		http2_stream_malformed(s);
		wanted = false;
	}
	/* Behind a CONNECT that is going to be refused. */
	if (!wanted || s->in_none) {
		http2_input_drop(h, len);
		return;
	}
	if (!append_data(s, bytes, len)) {
		http2_input_drop(h, len);
		fail_stream(s);
		return;
	}
	s->held += len;
	http2_guard_earn(&h->guard, HTTP2_BUDGET_PINGS, 1);
	http2_stream_event(s, HTTP2_EVENT_BYTES);
}

void
http2_input_open_tunnel(struct http2_stream *s)
{
	s->tunnel_open = true;
	if (chain_is_empty(&s->early))
		return;
	chain_move_all(&s->received, &s->early);
	s->received_room = s->early_room;
	http2_stream_event(s, HTTP2_EVENT_BYTES);
}

void
http2_input_refuse_tunnel(struct http2_stream *s)
{
	uint32_t len = s->early.len;

	chain_free(s->h->pool->chains, &s->early);
	s->held -= len;
	http2_input_drop(s->h, len);
	s->in_none = true;
}

void
http2_input_end(struct http2 *h, struct http2_stream *s)
{
	(void)h;
	if (s->reset || s->orphan)
		return;
	if (s->in_phase == HTTP2_PHASE_BODY)
		end_message(s, (struct http_text){0});
	else
		http2_stream_malformed(s);
}
