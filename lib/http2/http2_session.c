/* SPDX-License-Identifier: BSD-3-Clause */
/* What nghttp2 calls. */
#include "http2_private.h"

#define HEADER_BLOCK_MAX 163840u /* to be sent: HTTP_OWN_HEAD_MAX, and what nghttp2 adds */

static struct http2_stream *
stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* Coming. */

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	(void)session;
	return http2_input_begin(user, frame);
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	  size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	(void)session;
	(void)frame;
	(void)flags;
	http2_input_field(user, (struct http_text){name, (uint32_t)name_len},
			  (struct http_text){value, (uint32_t)value_len});
	return 0;
}

static int
on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
	      void *user)
{
	struct http2_stream *s = stream_of(session, id);

	(void)flags;
	if (s == NULL)
		http2_input_drop(user, (uint32_t)len);
	else
		http2_input_data(user, s, bytes, (uint32_t)len);
	return 0;
}

static void
on_goaway(struct http2 *h, const nghttp2_goaway *goaway)
{
	http2_end_for(h, goaway->error_code == NGHTTP2_NO_ERROR ? HTTP2_END_PEER
								: HTTP2_END_PEER_ERROR);
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http2 *h = user;
	struct http2_stream *s;

	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		http2_input_section(h, frame);
		break;
	case NGHTTP2_DATA:
		s = stream_of(session, frame->hd.stream_id);
		if (s != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
			http2_input_end(h, s);
		break;
	case NGHTTP2_SETTINGS:
		h->settled |= (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
		break;
	case NGHTTP2_GOAWAY:
		on_goaway(h, &frame->goaway);
		break;
	case NGHTTP2_PING:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
			http2_on_ping_ack(h);
		break;
	default:
		break;
	}
	return 0;
}

/* A stream or a connection that gets an error for it: work that the peer makes. */
static int
on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
	struct http2 *h = user;

	(void)session;
	(void)frame;
	if (error == NGHTTP2_ERR_REFUSED_STREAM)
		h->pool->gauge.refused++;
	http2_guard_spend(&h->guard, HTTP2_BUDGET_RESETS);
	return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct http2_stream *s = stream_of(session, id);

	(void)user;
	if (s != NULL)
		http2_stream_over(s, code <= HTTP2_HTTP_1_1_REQUIRED ? (enum http2_code)code
								     : HTTP2_INTERNAL_ERROR);
	return 0;
}

/* Going. */

static int
on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct http2_stream *s;

	switch (frame->hd.type) {
	case NGHTTP2_GOAWAY:
		http2_on_goaway_sent(user, frame->goaway.error_code);
		break;
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		s = stream_of(session, frame->hd.stream_id);
		if (s == NULL)
			break;
		s->out_begun = true;
		if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
			http2_output_ended(s);
		break;
	default:
		break;
	}
	return 0;
}

/* A head that is too long; a request behind the peer's GOAWAY, or given up before it went. */
static int
on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
	struct http2_stream *s;

	(void)user;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	s = stream_of(session, frame->hd.stream_id);
	if (s != NULL && !s->closed)
		http2_stream_unsent(s, frame->headers.cat == NGHTTP2_HCAT_REQUEST, error);
	return 0;
}

static int
send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t len,
	  nghttp2_data_source *source, void *user)
{
	struct http2_stream *s = stream_of(session, frame->hd.stream_id);

	(void)source;
	(void)user;
	return s == NULL ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
			 : http2_output_write(s, header, len);
}

bool
http2_session_prepare(struct http2_pool *pool)
{
	nghttp2_session_callbacks *c;
	nghttp2_option *o;

	if (nghttp2_session_callbacks_new(&pool->callbacks) != 0 ||
	    nghttp2_option_new(&pool->options) != 0)
		return false;
	c = pool->callbacks;
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_sent);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_frame_not_sent);
	nghttp2_session_callbacks_set_send_data_callback(c, send_data);

	o = pool->options;
	nghttp2_option_set_no_auto_window_update(o, 1);
	/* The guard's, and http2_head's, which don't leave anything out. */
	nghttp2_option_set_no_recv_client_magic(o, 1);
	nghttp2_option_set_no_http_messaging(o, 1);
	nghttp2_option_set_max_reserved_remote_streams(o, 0);
	nghttp2_option_set_no_closed_streams(o, 1);
	/* The guard's too, which knows weir's time. */
	nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);
	nghttp2_option_set_max_send_header_block_length(o, HEADER_BLOCK_MAX);
	return true;
}

void
http2_session_forget(struct http2_pool *pool)
{
	nghttp2_session_callbacks_del(pool->callbacks);
	nghttp2_option_del(pool->options);
}
