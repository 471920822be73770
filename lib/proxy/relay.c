/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

uint64_t
relay_left(const struct relay *r)
{
	if (r->body.ended)
		return 0;
	return r->body.kind == HTTP_BODY_LENGTH ? r->body.left : UINT64_MAX;
}

/* Chunks of a body that leaves in the chunked coding: one for what is there, whatever came. */
static bool
frame_chunk(struct proxy *p, struct chain *out, struct chain *payload)
{
	uint8_t line[HTTP_CHUNK_HEAD_MAX];

	if (!chain_append_copy(p->config.pool, out, line, http_chunk_head(line, payload->len)))
		return false;
	chain_move_all(out, payload);
	return chain_append(p->config.pool, out, NULL, (const uint8_t *)HTTP_CHUNK_END,
			    sizeof(HTTP_CHUNK_END) - 1, 0);
}

/* The last chunk, with the trailers that came. */
static enum relay_result
append_last_chunk(struct proxy *p, const struct head *trailers, struct chain *out)
{
	static const char last[] = HTTP_LAST_CHUNK;
	bool done;

	if (trailers->len == 0)
		done = chain_append(p->config.pool, out, NULL, (const uint8_t *)last,
				    sizeof(last) - 1, 0);
	else if (!head_read_trailers(p, trailers))
		return RELAY_BAD;
	else
		done = head_write_trailers(p, out);
	return done ? RELAY_OK : RELAY_MEMORY;
}

/* Payload on its way: short pieces lie side by side in buffers of weir's own. */
struct gathered {
	struct chain bytes;
	uint16_t room; /* writable behind its last span */
};

/* Worth copying: a reference would pin many times what it carries, and it isn't all there is. */
static bool
is_crumb(const struct gathered *g, const struct span *span, uint32_t begin, uint32_t len)
{
	return len < span->charge / 4 && (begin + len < span->len || !chain_is_empty(&g->bytes));
}

/*
 * Take what the first span of `from` brings, up to the end of its first long piece.  `g` NULL:
 * nobody wants it.
 */
static enum relay_result
take_span(struct proxy *p, struct stream *from, struct relay *r, struct gathered *g,
	  struct head *trailers)
{
	const struct span *span = stream_received(from)->first;
	uint32_t done = 0, len = span->len;

	while (!r->body.ended && done < len) {
		const uint8_t *at = span->data + done;
		struct http_body_step step = http_body_next(&r->body, at, len - done);

		if (step.bad)
			return RELAY_BAD;
		if (step.trailer > 0 && trailers != NULL &&
		    !head_collect_trailers(trailers, at + step.skip + step.payload, step.trailer))
			return RELAY_MEMORY;
		done += step.skip;
		if (step.payload > 0 && g != NULL) {
			if (!is_crumb(g, span, done, step.payload) ||
			    !chain_append_tail(p->config.pool, &g->bytes, &g->room,
					       span->data + done, step.payload)) {
				g->room = 0;
				stream_take(p, from, NULL, done);
				return stream_take(p, from, &g->bytes, step.payload) &&
						       stream_take(p, from, NULL, step.trailer)
					       ? RELAY_OK
					       : RELAY_MEMORY;
			}
		}
		done += step.payload + step.trailer;
	}
	stream_take(p, from, NULL, done);
	return RELAY_OK;
}

/* Take payload of a body from `from`, at most `room` bytes and a span's of it. */
static enum relay_result
take_payload(struct proxy *p, struct stream *from, struct relay *r, struct gathered *g,
	     struct head *trailers, uint32_t room)
{
	const struct chain *in = stream_received(from);
	enum relay_result result = RELAY_OK;

	while (result == RELAY_OK && !r->body.ended && in->len > 0 &&
	       (g == NULL || g->bytes.len < room))
		result = take_span(p, from, r, g, trailers);
	return result;
}

/* Payload as it leaves; in the chunked coding with the end of a body that has ended. */
static enum relay_result
frame(struct proxy *p, const struct relay *r, const struct head *trailers, struct chain *payload,
      struct chain *out)
{
	if (!r->chunk_out) {
		chain_move_all(out, payload);
		return RELAY_OK;
	}
	if (!chain_is_empty(payload) && !frame_chunk(p, out, payload))
		return RELAY_MEMORY;
	return r->body.ended ? append_last_chunk(p, trailers, out) : RELAY_OK;
}

/* An eighth of the buffers: what is kept is of no connection that TCP could end for want of them.
 */
static bool
may_keep(const struct chain_pool *pool)
{
	return pool->charged < (uint64_t)pool->spans_n * pool->buffer_charge / 16;
}

/* Of a message that may be sent again what is on its way now, as long as it isn't too much. */
static void
keep(struct proxy *p, struct relay *r, const struct chain *out)
{
	struct chain *kept = r->kept;

	if (kept == NULL ||
	    (may_keep(p->config.pool) && kept->charge + out->charge <= PROXY_KEPT_MAX &&
	     chain_share(p->config.pool, kept, out, 0, out->len)))
		return;
	chain_free(p->config.pool, kept);
	r->kept = NULL;
}

/*
 * Move what is there, as long as not too much waits to be sent. `to` NULL: nobody wants it.  `head`
 * is the sender's.
 */
static enum relay_result
move_body(struct proxy *p, struct stream *from, struct head *head, struct stream *to,
	  struct relay *r, uint64_t *sent)
{
	struct gathered payload = {0};
	struct chain out = {0};
	uint32_t queued = to == NULL ? 0 : stream_queued(to);
	enum relay_result result, framed;

	if (r->body.ended || (to != NULL && queued >= stream_queue_max(to)))
		return RELAY_OK;
	result = take_payload(p, from, r, to == NULL ? NULL : &payload,
			      to != NULL && r->trailers ? head : NULL,
			      to == NULL ? 0 : stream_queue_max(to) - queued);
	if (to != NULL) {
		framed = frame(p, r, head, &payload.bytes, &out);
		result = result == RELAY_OK ? framed : result;
	}
	if (r->body.ended)
		head_free(head);
	chain_free(p->config.pool, &payload.bytes);
	*sent += out.len;
	if (chain_is_empty(&out))
		return result;
	keep(p, r, &out);
	stream_send(p, to, &out);
	return result;
}

bool
relay_bytes(struct proxy *p, struct stream *from, struct stream *to, uint64_t *moved)
{
	struct relay r = {.body = http_body_of(HTTP_BODY_UNTIL_CLOSE, 0)};

	return move_body(p, from, NULL, to, &r, moved) == RELAY_OK;
}

void
relay_discard(struct proxy *p, struct exchange *x)
{
	struct stream *from = &x->session->stream;
	uint64_t before = from->taken;
	struct head none = {0}; /* the session's may hold the request's strings */
	uint64_t ignored = 0;

	move_body(p, from, &none, NULL, &x->request, &ignored);
	x->x.record.received_bytes += from->taken - before;
}

/* @return  whether the exchange goes on. */
static bool
relay_request(struct proxy *p, struct exchange *x)
{
	struct session *s = x->session;
	struct upstream *u = x->upstream;
	uint64_t before = s->stream.taken;
	uint64_t ignored = 0;
	enum relay_result result;

	if (x->request.body.ended || u == NULL || u->state != UPSTREAM_BUSY)
		return true;
	result = move_body(p, &s->stream, &s->head, &u->stream, &x->request, &ignored);
	x->x.record.received_bytes += s->stream.taken - before;
	if (result == RELAY_OK &&
	    (x->request.body.ended || !s->client_ended || stream_received(&s->stream)->len > 0))
		return true;
	/* A body that is malformed, or that the client gave up. */
	s->close_after = true;
	session_fail(p, s,
		     result == RELAY_MEMORY ? PROXY_ERROR_RESOURCES
		     : result == RELAY_BAD  ? PROXY_ERROR_REQUEST_BODY
					    : PROXY_ERROR_REQUEST_INCOMPLETE);
	return false;
}

/* The target has closed behind a body that only this ends. */
static enum relay_result
end_by_close(struct proxy *p, struct exchange *x)
{
	struct chain end = {0};
	enum relay_result result;

	if (!x->response.chunk_out)
		return RELAY_OK;
	result = append_last_chunk(p, &x->upstream->head, &end);
	if (result != RELAY_OK)
		return result;
	x->x.record.sent_bytes += end.len;
	stream_send(p, &x->session->stream, &end);
	return RELAY_OK;
}

static bool
relay_response(struct proxy *p, struct exchange *x)
{
	struct session *s = x->session;
	struct upstream *u = x->upstream;
	enum relay_result result;

	if (u == NULL || u->state != UPSTREAM_BUSY)
		return true;
	if (!x->answer_begun && !upstream_read_head(p, u)) {
		if (s->exchange != x)
			return false;
		if (u->ended)
			session_fail(p, s, PROXY_ERROR_TARGET_CLOSED);
		return !u->ended;
	}
	if (s->state == SESSION_TUNNEL) {
		s->again = true; /* what has come already goes on as bytes */
		return true;
	}
	result = move_body(p, &u->stream, &u->head, &s->stream, &x->response,
			   &x->x.record.sent_bytes);
	if (result == RELAY_OK && !x->response.body.ended && u->ended &&
	    stream_received(&u->stream)->len == 0)
		result = http_body_close(&x->response.body) ? end_by_close(p, x) : RELAY_END;
	if (result == RELAY_OK)
		return true;
	session_fail(p, s,
		     result == RELAY_MEMORY ? PROXY_ERROR_RESOURCES
		     : result == RELAY_BAD  ? PROXY_ERROR_TARGET_RESPONSE
					    : PROXY_ERROR_TARGET_CLOSED);
	return false;
}

/* After an upgrade bytes are bytes, and each side may end before the other. */
static void
relay_tunnel(struct proxy *p, struct exchange *x)
{
	struct session *s = x->session;
	struct upstream *u = x->upstream;
	uint64_t before = s->stream.taken;
	uint64_t to_target = 0;

	move_body(p, &s->stream, &s->head, &u->stream, &x->request, &to_target);
	move_body(p, &u->stream, &u->head, &s->stream, &x->response, &x->x.record.sent_bytes);
	x->x.record.received_bytes += s->stream.taken - before;
	if ((s->client_ended || s->stream_ended) && !x->request.body.ended &&
	    stream_received(&s->stream)->len == 0) {
		x->request.body.ended = true;
		stream_shutdown(p, &u->stream);
	}
	if (u->ended && !x->response.body.ended && stream_received(&u->stream)->len == 0) {
		x->response.body.ended = true;
		stream_shutdown(p, &s->stream);
	}
}

void
relay(struct proxy *p, struct exchange *x)
{
	struct session *s = x->session;

	if (s->state == SESSION_TUNNEL) {
		relay_tunnel(p, x);
		if (!x->request.body.ended || !x->response.body.ended)
			return;
	} else if (!relay_request(p, x) || !relay_response(p, x)) {
		return;
	}
	session_progress(p, s);
}
