/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent on streams: HTTP/1.1 messages as frames. */
#include "http2_private.h"

/* Payload that is copied behind its frame's header rather than referenced. */
#define SMALL_DATA 512u

/* Frames. */

bool
http2_output_copy(struct http2 *h, const uint8_t *bytes, uint32_t len)
{
	struct chain_pool *chains = h->pool->chains;

	if (chain_append_tail(chains, h->out, &h->out_room, bytes, len))
		return true;
	h->out_room = 0;
	return chain_append_copy(chains, h->out, bytes, len);
}

/* A frame of little payload, in one piece. */
static int
write_small(struct http2_stream *s, const uint8_t *header, uint32_t len)
{
	uint8_t frame[HTTP2_FRAME_HEADER + SMALL_DATA];

	memcpy(frame, header, HTTP2_FRAME_HEADER);
	chain_copy_out(&s->queue, 0, frame + HTTP2_FRAME_HEADER, len);
	if (!http2_output_copy(s->h, frame, HTTP2_FRAME_HEADER + len))
		return NGHTTP2_ERR_WOULDBLOCK;
	chain_consume(s->h->pool->chains, &s->queue, len);
	return 0;
}

static int
write_large(struct http2_stream *s, const uint8_t *header, uint32_t len)
{
	struct chain payload = {0};

	if (!chain_move(s->h->pool->chains, &payload, &s->queue, len))
		return NGHTTP2_ERR_WOULDBLOCK;
	if (!http2_output_copy(s->h, header, HTTP2_FRAME_HEADER)) {
		chain_move_all(&payload, &s->queue);
		s->queue = payload;
		return NGHTTP2_ERR_WOULDBLOCK;
	}
	chain_move_all(s->h->out, &payload);
	s->h->out_room = 0;
	return 0;
}

int
http2_output_write(struct http2_stream *s, const uint8_t *header, size_t len)
{
	int result;

	/* It was reset while it waited for buffers. */
	if (len > s->queue.len)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	result = len <= SMALL_DATA ? write_small(s, header, (uint32_t)len)
				   : write_large(s, header, (uint32_t)len);

	if (result != 0)
		return result;
	if (chain_is_empty(&s->queue))
		s->queue_room = 0;
	/* The peer will answer with two. */
	http2_guard_earn(&s->h->guard, HTTP2_BUDGET_WINDOW_UPDATES, 2);
	http2_guard_earn(&s->h->guard, HTTP2_BUDGET_PINGS, 1);
	http2_stream_event(s, HTTP2_EVENT_SENT);
	return s->h->out->len < s->h->out_max ? 0 : NGHTTP2_ERR_PAUSE;
}

/* Behind the last DATA. @return  whether there are trailers that go on their way. */
static bool
submit_trailers(struct http2_stream *s)
{
	struct http2_pool *pool = s->h->pool;
	struct http_head trailers;
	uint32_t len = s->trailers.len;

	if (len == 0)
		return false;
	chain_copy_out(&s->trailers, 0, pool->text, len);
	chain_free(pool->chains, &s->trailers);
	if (!http_trailers_parse(&trailers, pool->parsed, HTTP_FIELDS_MAX, pool->text, len))
		return false;
	http2_fields_of_trailers(&pool->fields, &trailers);
	return pool->fields.n > 0 &&
	       nghttp2_submit_trailer(s->h->session, s->id, pool->fields.nv, pool->fields.n) == 0;
}

static ssize_t
on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t len, uint32_t *flags,
	nghttp2_data_source *source, void *user)
{
	struct http2_stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)to;
	(void)source;
	(void)user;
	if (s == NULL || s->reset)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (len > s->queue.len)
		len = s->queue.len;
	if (len == 0 && !s->out_whole) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (s->out_whole && len == s->queue.len) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (submit_trailers(s))
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	}
	return (ssize_t)len;
}

void
http2_output_ended(struct http2_stream *s)
{
	s->out_written = true;
	/* RFC 9113 section 8.1: the rest of the request is not wanted. */
	if (s->orphan && s->in_phase != HTTP2_PHASE_DONE)
		http2_stream_reset(s, HTTP2_NO_ERROR);
	if (s->h->config.role == HTTP2_SERVER)
		http2_guard_earn(&s->h->guard, HTTP2_BUDGET_RESETS, 1);
}

/* Heads. */

static bool
submit_response(struct http2_stream *s, const nghttp2_data_provider *body)
{
	struct http2_fields *f = &s->h->pool->fields;

	return nghttp2_submit_response(s->h->session, s->id, f->nv, f->n, body) == 0;
}

static bool
submit_request(struct http2_stream *s, const nghttp2_data_provider *body)
{
	struct http2_fields *f = &s->h->pool->fields;

	s->id = nghttp2_submit_request(s->h->session, NULL, f->nv, f->n, body, s);
	if (s->id > 0)
		return true;
	s->id = 0;
	return false;
}

/* The final head, whose fields are in the pool. */
static void
submit_head(struct http2_stream *s)
{
	const nghttp2_data_provider provider = {.read_callback = on_read};
	bool bare = s->out_whole && chain_is_empty(&s->queue) && chain_is_empty(&s->trailers);
	const nghttp2_data_provider *body = bare ? NULL : &provider;
	bool done = s->h->config.role == HTTP2_SERVER ? submit_response(s, body)
						      : submit_request(s, body);

	if (!done)
		http2_stream_fail(s, HTTP2_INTERNAL_ERROR);
}

static bool
submit_interim(struct http2_stream *s)
{
	struct http2_fields *f = &s->h->pool->fields;

	return nghttp2_submit_headers(s->h->session, NGHTTP2_FLAG_NONE, s->id, NULL, f->nv, f->n,
				      NULL) == 0;
}

/* What there is of a head, in one piece. */
static const uint8_t *
in_one_piece(struct http2_stream *s, uint32_t *len)
{
	struct http2_pool *pool = s->h->pool;
	const struct span *first = s->unread.first;
	uint32_t n =
		s->unread.len < sizeof(pool->text) ? s->unread.len : (uint32_t)sizeof(pool->text);

	*len = n;
	if (first->len >= n)
		return first->data;
	chain_copy_out(&s->unread, 0, pool->text, n);
	return pool->text;
}

static enum http_result
read_request(struct http2_stream *s, const uint8_t *bytes, uint32_t len)
{
	struct http_request *r = &s->h->pool->request;
	enum http_result result;

	http_request_init(r, s->h->pool->parsed, HTTP_FIELDS_MAX);
	r->head.is_own = true;
	result = http_request_parse(r, bytes, len);
	if (result != HTTP_COMPLETE)
		return result;
	if (!http2_fields_of_request(&s->h->pool->fields, r, s->h->config.https))
		return HTTP_INVALID;
	s->method_id = r->method_id;
	s->out_body = http_request_body(r);
	s->out_phase = HTTP2_PHASE_BODY;
	return HTTP_COMPLETE;
}

/*
 * To an extended CONNECT: 101 is what HTTP/2 says as 200 (RFC 8441 section 5), and a tunnel begins;
 * no other success can be told from it.
 */
static enum http_result
accept_tunnel(struct http2_stream *s, struct http_response *r)
{
	if (r->status != 101)
		return HTTP_INVALID;
	r->status = 200;
	if (!http2_fields_of_response(&s->h->pool->fields, r))
		return HTTP_INVALID;
	http2_input_open_tunnel(s);
	s->out_body = http_body_of(HTTP_BODY_UNTIL_CLOSE, 0);
	s->out_phase = HTTP2_PHASE_BODY;
	return HTTP_COMPLETE;
}

/* An interim one is submitted at once. */
static enum http_result
read_response(struct http2_stream *s, const uint8_t *bytes, uint32_t len)
{
	struct http_response *r = &s->h->pool->response;
	enum http_result result;

	http_response_init(r, s->h->pool->parsed, HTTP_FIELDS_MAX);
	result = http_response_parse(r, bytes, len);
	if (result != HTTP_COMPLETE)
		return result;
	if (s->tunnel && (r->status == 101 || r->status / 100 == 2))
		return accept_tunnel(s, r);
	if (!http2_fields_of_response(&s->h->pool->fields, r))
		return HTTP_INVALID;
	if (r->status < 200)
		return submit_interim(s) ? HTTP_COMPLETE : HTTP_INVALID;
	if (s->tunnel)
		http2_input_refuse_tunnel(s);
	s->out_body = http_response_body(r, (enum http_method)s->method_id);
	s->out_phase = HTTP2_PHASE_BODY;
	return HTTP_COMPLETE;
}

/*
 * Read heads up to the final one, which moves to `head`: its fields point into it.
 * @return  whether it was read; else more must come, or the stream is reset.
 */
static bool
read_heads(struct http2_stream *s, struct chain *head)
{
	struct http2_pool *pool = s->h->pool;
	bool server = s->h->config.role == HTTP2_SERVER;

	while (s->out_phase == HTTP2_PHASE_HEAD && !chain_is_empty(&s->unread)) {
		uint32_t len;
		const uint8_t *bytes = in_one_piece(s, &len);
		enum http_result result =
			server ? read_response(s, bytes, len) : read_request(s, bytes, len);

		if (result == HTTP_INCOMPLETE)
			return false;
		len = server ? pool->response.head.len : pool->request.head.len;
		if (result == HTTP_INVALID || !chain_move(pool->chains, head, &s->unread, len)) {
			http2_stream_fail(s, HTTP2_INTERNAL_ERROR);
			return false;
		}
	}
	return s->out_phase == HTTP2_PHASE_BODY;
}

/* Bodies. */

static bool
queue_payload(struct http2_stream *s, uint32_t len)
{
	struct chain_pool *chains = s->h->pool->chains;
	const struct span *span = s->unread.first;

	if (http2_is_crumb(len, span->charge) &&
	    chain_append_tail(chains, &s->queue, &s->queue_room, span->data, len)) {
		chain_consume(chains, &s->unread, len);
		return true;
	}
	s->queue_room = 0;
	return chain_move(chains, &s->queue, &s->unread, len);
}

static bool
keep_trailers(struct http2_stream *s, uint32_t len)
{
	struct chain_pool *chains = s->h->pool->chains;

	/* http_body bounds them all together. */
	if (!chain_append_copy(chains, &s->trailers, s->unread.first->data, len))
		return false;
	chain_consume(chains, &s->unread, len);
	return true;
}

/* Of the first span what comes next. @return false: it can't be read, or there is no memory. */
static bool
queue_step(struct http2_stream *s)
{
	const struct span *span = s->unread.first;
	struct http_body_step step = http_body_next(&s->out_body, span->data, span->len);

	if (step.bad)
		return false;
	chain_consume(s->h->pool->chains, &s->unread, step.skip);
	return (step.payload == 0 || queue_payload(s, step.payload)) &&
	       (step.trailer == 0 || keep_trailers(s, step.trailer));
}

static bool
queue_body(struct http2_stream *s)
{
	while (!s->out_body.ended && !chain_is_empty(&s->unread)) {
		if (!queue_step(s))
			return false;
	}
	if (s->out_body.ended) {
		s->out_whole = true;
		chain_free(s->h->pool->chains, &s->unread);
	}
	return true;
}

/* There is payload again, or its end. */
static void
resume(struct http2_stream *s)
{
	if (!s->deferred || (chain_is_empty(&s->queue) && !s->out_whole))
		return;
	s->deferred = false;
	nghttp2_session_resume_data(s->h->session, s->id);
}

void
http2_stream_send(struct http2_stream *s, struct chain *bytes)
{
	struct chain_pool *chains = s->h->pool->chains;
	bool begins = s->out_phase == HTTP2_PHASE_HEAD;
	struct chain head = {0};

	if (s->reset || s->closed || s->out_whole) {
		chain_free(chains, bytes);
		return;
	}
	chain_move_all(&s->unread, bytes);
	if (!begins || read_heads(s, &head)) {
		if (!queue_body(s))
			http2_stream_fail(s, HTTP2_INTERNAL_ERROR);
		else if (begins)
			submit_head(s);
		else
			resume(s);
	}
	chain_free(chains, &head);
}

void
http2_stream_shutdown(struct http2_stream *s)
{
	if (s->reset || s->closed || s->out_whole)
		return;
	if (s->out_phase != HTTP2_PHASE_BODY || !http_body_close(&s->out_body)) {
		http2_stream_reset(s, HTTP2_INTERNAL_ERROR);
		return;
	}
	s->out_whole = true;
	resume(s);
}

uint32_t
http2_stream_queued(const struct http2_stream *s)
{
	return s->queue.len + s->unread.len;
}
