/* SPDX-License-Identifier: BSD-3-Clause */
#include "http2.h"

struct http2_config
http2_config_of(enum http2_role role)
{
	(void)role;
	return (struct http2_config){.role = role};
}

struct http2_pool *
http2_pool_create(struct chain_pool *chains)
{
	(void)chains;
	return NULL;
}

void
http2_pool_free(struct http2_pool *pool)
{
	(void)pool;
}

const struct http2_gauge *
http2_pool_gauge(const struct http2_pool *pool)
{
	(void)pool;
	return NULL;
}

struct http2 *
http2_create(struct http2_pool *pool, const struct http2_config *config, void *user,
	     uint32_t now_ms)
{
	(void)pool;
	(void)config;
	(void)user;
	(void)now_ms;
	return NULL;
}

void
http2_free(struct http2 *h)
{
	(void)h;
}

void *
http2_user(const struct http2 *h)
{
	(void)h;
	return NULL;
}

void
http2_receive(struct http2 *h, struct chain *in, uint32_t now_ms)
{
	(void)h;
	(void)in;
	(void)now_ms;
}

void
http2_receive_end(struct http2 *h)
{
	(void)h;
}

void
http2_tick(struct http2 *h, uint32_t now_ms)
{
	(void)h;
	(void)now_ms;
}

struct http2_stream *
http2_next(struct http2 *h, uint32_t *events)
{
	(void)h;
	(void)events;
	return NULL;
}

bool
http2_wants_write(const struct http2 *h)
{
	(void)h;
	return false;
}

bool
http2_write(struct http2 *h, struct chain *out, uint32_t out_max)
{
	(void)h;
	(void)out;
	(void)out_max;
	return false;
}

void
http2_drain(struct http2 *h)
{
	(void)h;
}

void
http2_close(struct http2 *h, enum http2_code code)
{
	(void)h;
	(void)code;
}

bool
http2_is_over(const struct http2 *h)
{
	(void)h;
	return false;
}

enum http2_end
http2_end(const struct http2 *h)
{
	(void)h;
	return 0;
}

const char *
http2_end_name(enum http2_end end)
{
	(void)end;
	return NULL;
}

uint32_t
http2_streams_n(const struct http2 *h)
{
	(void)h;
	return 0;
}

uint64_t
http2_requests_n(const struct http2 *h)
{
	(void)h;
	return 0;
}

uint32_t
http2_held(const struct http2 *h)
{
	(void)h;
	return 0;
}

uint32_t
http2_memory(const struct http2 *h)
{
	(void)h;
	return 0;
}

bool
http2_can_open(const struct http2 *h)
{
	(void)h;
	return false;
}

uint32_t
http2_room(const struct http2 *h)
{
	(void)h;
	return 0;
}

struct http2_stream *
http2_open(struct http2 *h, void *user)
{
	(void)h;
	(void)user;
	return NULL;
}

struct http2 *
http2_of(const struct http2_stream *stream)
{
	(void)stream;
	return NULL;
}

void
http2_stream_set_user(struct http2_stream *stream, void *user)
{
	(void)stream;
	(void)user;
}

void *
http2_stream_user(const struct http2_stream *stream)
{
	(void)stream;
	return NULL;
}

uint32_t
http2_stream_id(const struct http2_stream *stream)
{
	(void)stream;
	return 0;
}

const struct chain *
http2_stream_received(const struct http2_stream *stream)
{
	(void)stream;
	return NULL;
}

bool
http2_stream_has_ended(const struct http2_stream *stream)
{
	(void)stream;
	return false;
}

bool
http2_stream_is_reset(const struct http2_stream *stream)
{
	(void)stream;
	return false;
}

enum http2_code
http2_stream_code(const struct http2_stream *stream)
{
	(void)stream;
	return 0;
}

bool
http2_stream_is_unprocessed(const struct http2_stream *stream)
{
	(void)stream;
	return false;
}

bool
http2_stream_take(struct http2_stream *stream, struct chain *to, uint32_t len)
{
	(void)stream;
	(void)to;
	(void)len;
	return false;
}

void
http2_stream_send(struct http2_stream *stream, struct chain *bytes)
{
	(void)stream;
	(void)bytes;
}

uint32_t
http2_stream_queued(const struct http2_stream *stream)
{
	(void)stream;
	return 0;
}

void
http2_stream_shutdown(struct http2_stream *stream)
{
	(void)stream;
}

void
http2_stream_reset(struct http2_stream *stream, enum http2_code code)
{
	(void)stream;
	(void)code;
}

void
http2_stream_close(struct http2_stream *stream)
{
	(void)stream;
}
