/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: how they begin, what they read and write, how they end. */
#include "http2.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "http2_private.h"

/* Frames that wait to be written, beyond which nothing is read; nghttp2 gives up at 1,000. */
#define UNREAD_MAX 512u

struct http2_config
http2_config_of(enum http2_role role)
{
	bool server = role == HTTP2_SERVER;

	return (struct http2_config){
		.role = role,
		.streams_max = 128,
		.requests_max = server ? 10000 : 0,
		.stream_window = server ? 16384 : 65535,
		.shared_window = 1048576,
		.memory_max = 2097152,
		.drain_ms = 1000,
	};
}

/* Pools. */

static void
make_chunk_lines(struct http2_pool *pool)
{
	for (uint32_t i = 0; i <= HTTP2_FRAME_MAX; i++)
		snprintf(pool->chunk_lines[i], sizeof(pool->chunk_lines[i]), "%x\r\n", i);
}

struct http2_pool *
http2_pool_create(struct chain_pool *chains)
{
	struct http2_pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->chains = chains;
	make_chunk_lines(pool);
	if (http2_session_prepare(pool))
		return pool;
	http2_pool_free(pool);
	return NULL;
}

void
http2_pool_free(struct http2_pool *pool)
{
	if (pool == NULL)
		return;
	CHECK(pool->gauge.connections == 0);
	http2_session_forget(pool);
	free(pool);
}

const struct http2_gauge *
http2_pool_gauge(const struct http2_pool *pool)
{
	return &pool->gauge;
}

/* Beginning. */

static int
submit_settings(struct http2 *h)
{
	const struct http2_config *c = &h->config;
	const nghttp2_settings_entry of_server[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->streams_max},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, c->stream_window},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_REQUEST_FIELDS_LEN_MAX},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}, /* the last: may be left out */
	};
	const nghttp2_settings_entry of_client[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, c->stream_window},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_RESPONSE_FIELDS_LEN_MAX},
	};

	if (c->role == HTTP2_SERVER)
		return nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, of_server,
					       ARRAY_N(of_server) - !c->extended_connect);
	return nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, of_client,
				       ARRAY_N(of_client));
}

/*
 * No stream is kept from its window by others: the connection's holds them all, twice, because
 * nghttp2 gives back what was taken in halves.  What is held is bounded by the streams' windows.
 */
static int
open_window(struct http2 *h)
{
	uint64_t all =
		(uint64_t)h->config.streams_max * h->config.stream_window + h->config.shared_window;
	uint64_t window = 2 * all;

	if (window > INT32_MAX)
		window = INT32_MAX;
	return nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
						     (int32_t)window);
}

static bool
begin_session(struct http2 *h)
{
	struct http2_pool *pool = h->pool;
	nghttp2_mem mem = http2_memory_of(h);
	int result = h->config.role == HTTP2_SERVER
			     ? nghttp2_session_server_new3(&h->session, pool->callbacks, h,
							   pool->options, &mem)
			     : nghttp2_session_client_new3(&h->session, pool->callbacks, h,
							   pool->options, &mem);

	return result == 0 && submit_settings(h) == 0 && open_window(h) == 0;
}

struct http2 *
http2_create(struct http2_pool *pool, const struct http2_config *config, void *user,
	     uint32_t now_ms)
{
	struct http2 *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->pool = pool;
	h->config = *config;
	h->user = user;
	h->now_ms = now_ms;
	h->shared_left = config->shared_window;
	http2_guard_init(&h->guard, config->role == HTTP2_SERVER, now_ms);
	pool->gauge.connections++;
	if (begin_session(h))
		return h;
	http2_free(h);
	return NULL;
}

void
http2_free(struct http2 *h)
{
	struct chain_pool *chains = h->pool->chains;

	h->dead = true;
	while (h->streams != NULL)
		http2_stream_destroy(h->streams);
	chain_free(chains, &h->in);
	nghttp2_session_del(h->session);
	h->pool->gauge.ends[h->end]++;
	h->pool->gauge.connections--;
	free(h);
}

void *
http2_user(const struct http2 *h)
{
	return h->user;
}

/* Ending. */

void
http2_end_for(struct http2 *h, enum http2_end end)
{
	if (h->end == HTTP2_END_NONE)
		h->end = (uint8_t)end;
}

static void
abandon_streams(struct http2 *h, enum http2_code code)
{
	struct http2_stream *next;

	for (struct http2_stream *s = h->streams; s != NULL; s = next) {
		next = s->next;
		if (s->orphan)
			http2_stream_destroy(s);
		else
			http2_stream_abandon(s, code);
	}
}

/* nghttp2 can't go on. */
static void
die(struct http2 *h, int error)
{
	http2_end_for(h, error == NGHTTP2_ERR_FLOODED ? HTTP2_END_UNREAD : HTTP2_END_MEMORY);
	h->dead = true;
	h->unwritten_len = 0;
	abandon_streams(h, HTTP2_INTERNAL_ERROR);
}

static void
terminate(struct http2 *h, enum http2_code code)
{
	if (h->closing || h->dead)
		return;
	h->closing = true;
	if (nghttp2_session_terminate_session(h->session, code) != 0)
		die(h, NGHTTP2_ERR_NOMEM);
	else
		abandon_streams(h, code);
}

void
http2_close(struct http2 *h, enum http2_code code)
{
	http2_end_for(h, HTTP2_END_CLOSED);
	terminate(h, code);
}

/* nghttp2 has found an error by itself. */
void
http2_on_goaway_sent(struct http2 *h, uint32_t code)
{
	if (code == HTTP2_NO_ERROR || h->closing)
		return;
	http2_end_for(h, code == HTTP2_FLOW_CONTROL_ERROR  ? HTTP2_END_FLOW_CONTROL
			 : code == HTTP2_FRAME_SIZE_ERROR  ? HTTP2_END_FRAME_SIZE
			 : code == HTTP2_COMPRESSION_ERROR ? HTTP2_END_COMPRESSION
			 : code == HTTP2_STREAM_CLOSED     ? HTTP2_END_STREAM_CLOSED
			 : code == HTTP2_INTERNAL_ERROR    ? HTTP2_END_MEMORY
			 : code == HTTP2_ENHANCE_YOUR_CALM ? HTTP2_END_SETTINGS
							   : HTTP2_END_PROTOCOL);
	h->closing = true;
	abandon_streams(h, code <= HTTP2_HTTP_1_1_REQUIRED ? (enum http2_code)code
							   : HTTP2_INTERNAL_ERROR);
}

/* The last GOAWAY: streams that have begun are served, no others. */
static void
say_last(struct http2 *h)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);

	if (h->drained || h->closing || h->dead)
		return;
	h->drained = true;
	if (nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) !=
	    0)
		die(h, NGHTTP2_ERR_NOMEM);
}

void
http2_drain(struct http2 *h)
{
	if (h->draining || h->closing || h->dead)
		return;
	http2_end_for(h, HTTP2_END_DRAINED);
	h->draining = true;
	h->drain_since_ms = h->now_ms;
	if (h->config.role == HTTP2_CLIENT)
		http2_on_stream_gone(h);
	else if (nghttp2_submit_shutdown_notice(h->session) != 0 ||
		 nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL) != 0)
		die(h, NGHTTP2_ERR_NOMEM);
}

/* A client warns nobody; it says that it goes when it has nothing more to ask. */
void
http2_on_stream_gone(struct http2 *h)
{
	if (h->draining && h->config.role == HTTP2_CLIENT && h->streams_n == 0)
		say_last(h);
}

/* The peer has read the notice that was in front of it. */
void
http2_on_ping_ack(struct http2 *h)
{
	if (h->draining && h->config.role == HTTP2_SERVER)
		say_last(h);
}

void
http2_tick(struct http2 *h, uint32_t now_ms)
{
	h->now_ms = now_ms;
	if (h->draining && h->config.role == HTTP2_SERVER &&
	    now_ms - h->drain_since_ms >= h->config.drain_ms)
		say_last(h);
}

void
http2_count_request(struct http2 *h)
{
	h->requests_n++;
	h->pool->gauge.requests++;
	if (h->config.requests_max == 0 || h->requests_n != h->config.requests_max)
		return;
	http2_end_for(h, HTTP2_END_REQUESTS);
	if (h->config.role == HTTP2_SERVER)
		say_last(h);
	else
		h->draining = true;
}

/* Reading. */

static void
fail(struct http2 *h, enum http2_end end)
{
	http2_end_for(h, end);
	terminate(h, http2_guard_code(end));
}

/*
 * Where the first bytes of `in` lie in one piece, as many as may be read at once.  Header blocks,
 * which nobody references, are copied when they don't: a block is decoded at one go.
 */
static const uint8_t *
next_piece(struct http2 *h, uint32_t *len)
{
	const struct span *first = h->in.first;

	h->in_span = first;
	if (first->len >= *len)
		return first->data;
	if (h->guard.is_block) {
		CHECK(*len <= sizeof(h->pool->block));
		chain_copy_out(&h->in, 0, h->pool->block, *len);
		return h->pool->block;
	}
	*len = first->len;
	return first->data;
}

/* What the guard let pass, or the first piece of it. */
static void
read_piece(struct http2 *h, uint32_t len)
{
	struct http2_guard *g = &h->guard;
	const uint8_t *piece = next_piece(h, &len);
	ssize_t n;

	if (g->data_len > 0 && g->left == g->data_len + HTTP2_FRAME_HEADER)
		h->data_begins = true;
	n = nghttp2_session_mem_recv(h->session, piece, len);
	h->in_span = NULL;
	http2_guard_passed(g, len);
	chain_consume(h->pool->chains, &h->in, len);
	if (chain_is_empty(&h->in))
		h->in_room = 0;
	if (n < 0)
		die(h, (int)n);
}

static void
read_all(struct http2 *h)
{
	uint32_t skip, len = http2_guard_next(&h->guard, &h->in, &skip);

	while (len + skip > 0 && !h->dead && !h->closing) {
		chain_consume(h->pool->chains, &h->in, skip);
		if (len > 0)
			read_piece(h, len);
		len = http2_guard_next(&h->guard, &h->in, &skip);
	}
	if (h->guard.end != HTTP2_END_NONE)
		fail(h, (enum http2_end)h->guard.end);
}

/*
 * Put `in` behind what waits to be read: then it may have to wait as well, and what comes in crumbs
 * must not pin a buffer for each.
 */
static void
take_input(struct http2 *h, struct chain *in)
{
	struct chain_pool *chains = h->pool->chains;

	while (!chain_is_empty(&h->in) && !chain_is_empty(in)) {
		const struct span *span = in->first;
		uint32_t len = span->len;

		if (http2_is_crumb(len, span->charge) &&
		    chain_append_tail(chains, &h->in, &h->in_room, span->data, len)) {
			chain_consume(chains, in, len);
			continue;
		}
		CHECK(chain_move(chains, &h->in, in, len)); /* a whole span needs no other */
		h->in_room = 0;
	}
	chain_move_all(&h->in, in);
}

void
http2_receive(struct http2 *h, struct chain *in, uint32_t now_ms)
{
	http2_tick(h, now_ms);
	http2_guard_tick(&h->guard, now_ms);
	if (h->dead || h->closing) {
		chain_free(h->pool->chains, in);
		chain_free(h->pool->chains, &h->in);
		return;
	}
	if (nghttp2_session_get_outbound_queue_size(h->session) > UNREAD_MAX)
		return;
	take_input(h, in);
	read_all(h);
}

void
http2_receive_end(struct http2 *h)
{
	if (h->input_ended)
		return;
	h->input_ended = true;
	http2_end_for(h, HTTP2_END_PEER);
	for (struct http2_stream *s = h->streams; s != NULL; s = s->next) {
		if (s->in_phase == HTTP2_PHASE_DONE || s->reset || s->closed)
			continue;
		s->unprocessed = !s->out_begun;
		http2_stream_reset(s, HTTP2_CANCEL);
		http2_stream_event(s, HTTP2_EVENT_RESET);
	}
}

/* Writing. */

bool
http2_wants_write(const struct http2 *h)
{
	return !h->dead && (h->unwritten_len > 0 || nghttp2_session_want_write(h->session) != 0);
}

/* @return  whether there is something in `unwritten`. */
static bool
next_frames(struct http2 *h)
{
	ssize_t n;

	if (h->unwritten_len > 0)
		return true;
	n = nghttp2_session_mem_send(h->session, &h->unwritten);
	if (n < 0)
		die(h, (int)n);
	else
		h->unwritten_len = (uint32_t)n;
	return n > 0;
}

bool
http2_write(struct http2 *h, struct chain *out, uint32_t out_max)
{
	h->out = out;
	h->out_room = 0;
	h->out_max = out_max;
	while (!h->dead && out->len < out_max && next_frames(h) &&
	       http2_output_copy(h, h->unwritten, h->unwritten_len))
		h->unwritten_len = 0;
	h->out = NULL;
	return http2_wants_write(h);
}

/* Questions. */

bool
http2_is_over(const struct http2 *h)
{
	if (h->dead)
		return true;
	if (http2_wants_write(h))
		return false;
	if (http2_owned(h) != NULL && !h->closing)
		return false; /* what has come of it may still be taken */
	return nghttp2_session_want_read(h->session) == 0 || (h->input_ended && h->streams_n == 0);
}

struct http2_stream *
http2_owned(const struct http2 *h)
{
	bool server = h->config.role == HTTP2_SERVER;
	struct http2_stream *s = h->streams;

	/* Nobody has heard of requests whose heads are not all there. */
	while (s != NULL && (s->orphan || (server && s->in_phase == HTTP2_PHASE_HEAD)))
		s = s->next;
	return s;
}

enum http2_end
http2_end(const struct http2 *h)
{
	return (enum http2_end)h->end;
}

const char *
http2_end_name(enum http2_end end)
{
	static const char *const names[HTTP2_ENDS] = {
		[HTTP2_END_NONE] = "none",
		[HTTP2_END_PEER] = "peer",
		[HTTP2_END_DRAINED] = "drained",
		[HTTP2_END_REQUESTS] = "requests",
		[HTTP2_END_CLOSED] = "closed",
		[HTTP2_END_PEER_ERROR] = "peer_error",
		[HTTP2_END_PREFACE] = "preface",
		[HTTP2_END_PROTOCOL] = "protocol",
		[HTTP2_END_STREAM_CLOSED] = "stream_closed",
		[HTTP2_END_FLOW_CONTROL] = "flow_control",
		[HTTP2_END_FRAME_SIZE] = "frame_size",
		[HTTP2_END_COMPRESSION] = "compression",
		[HTTP2_END_RESETS] = "resets",
		[HTTP2_END_PINGS] = "pings",
		[HTTP2_END_SETTINGS] = "settings",
		[HTTP2_END_PRIORITIES] = "priorities",
		[HTTP2_END_WINDOW_UPDATES] = "window_updates",
		[HTTP2_END_EMPTY_FRAMES] = "empty_frames",
		[HTTP2_END_CONTINUATIONS] = "continuations",
		[HTTP2_END_HEADER_BLOCK] = "header_block",
		[HTTP2_END_UNKNOWN_FRAMES] = "unknown_frames",
		[HTTP2_END_UNREAD] = "unread",
		[HTTP2_END_MEMORY] = "memory",
	};

	return names[end];
}

uint32_t
http2_streams_n(const struct http2 *h)
{
	return h->streams_n;
}

uint64_t
http2_requests_n(const struct http2 *h)
{
	return h->requests_n;
}

uint32_t
http2_held(const struct http2 *h)
{
	return h->in.len;
}

uint32_t
http2_memory(const struct http2 *h)
{
	return h->memory + (uint32_t)sizeof(*h);
}

/* Clients. */

bool
http2_is_settled(const struct http2 *h)
{
	return h->settled;
}

uint32_t
http2_streams_max(const struct http2 *h)
{
	uint32_t most = nghttp2_session_get_remote_settings(
		h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	return most < h->config.streams_max ? most : h->config.streams_max;
}

uint32_t
http2_room(const struct http2 *h)
{
	uint32_t most = http2_streams_max(h);

	if (h->config.role != HTTP2_CLIENT || h->end != HTTP2_END_NONE || h->input_ended ||
	    h->dead || nghttp2_session_check_request_allowed(h->session) == 0)
		return 0;
	return most > h->streams_n ? most - h->streams_n : 0;
}

bool
http2_can_open(const struct http2 *h)
{
	return http2_room(h) > 0;
}

struct http2_stream *
http2_open(struct http2 *h, void *user)
{
	struct http2_stream *s = http2_can_open(h) ? http2_stream_create(h) : NULL;

	if (s == NULL)
		return NULL;
	s->user = user;
	http2_count_request(h);
	return s;
}
