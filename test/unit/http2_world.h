/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection under test, chains, and a tiny writer and reader of frames at its other end. */
#ifndef HTTP2_WORLD_H
#define HTTP2_WORLD_H

#include <nghttp2/nghttp2.h>

#include "bytes.h"
#include "check.h"
#include "http2.h"
#include "http2_guard.h"
#include "unit.h"

#define H2_BUFFER 2048u
#define H2_SPANS  65536u

struct h2_buffer {
	uint32_t refs;
	uint8_t data[H2_BUFFER];
};

struct h2_world {
	struct chain_pool chains;
	struct span spans[H2_SPANS];
	uint32_t buffers_n, buffers_max; /* in use, allowed */
	struct http2_pool *pool;
};

static struct h2_world h2;

static inline void
h2_ref(void *owner)
{
	((struct h2_buffer *)owner)->refs++;
}

static inline void
h2_unref(void *owner)
{
	struct h2_buffer *b = owner;

	CHECK(b->refs > 0);
	if (--b->refs > 0)
		return;
	free(b);
	h2.buffers_n--;
}

static inline void *
h2_alloc(void *arg, uint8_t **data, uint32_t *room)
{
	struct h2_buffer *b;

	(void)arg;
	if (h2.buffers_n >= h2.buffers_max)
		return NULL;
	b = malloc(sizeof(*b));
	CHECK(b != NULL);
	b->refs = 1;
	h2.buffers_n++;
	*data = b->data;
	*room = H2_BUFFER;
	return b;
}

static inline void
h2_begin(void)
{
	static const struct chain_ops ops = {h2_ref, h2_unref, h2_alloc, NULL};

	h2.buffers_n = 0;
	h2.buffers_max = UINT32_MAX;
	chain_pool_init(&h2.chains, &ops, h2.spans, H2_SPANS, H2_BUFFER);
	h2.pool = http2_pool_create(&h2.chains);
	CHECK(h2.pool != NULL);
}

/* Everything was given back. */
static inline void
h2_end(void)
{
	const struct http2_gauge *g = http2_pool_gauge(h2.pool);

	EXPECT(g->connections == 0 && g->streams == 0 && g->bytes == 0);
	http2_pool_free(h2.pool);
	EXPECT(h2.buffers_n == 0 && h2.chains.free_n == H2_SPANS && h2.chains.charged == 0);
}

/* Chains. */

static inline void
h2_put(struct chain *to, const void *bytes, uint32_t len)
{
	CHECK(chain_append_copy(&h2.chains, to, bytes, len));
}

/* Move in pieces of `n` bytes, each in a buffer of its own. */
static inline void
h2_recut(struct chain *chain, uint32_t n)
{
	struct chain cut = {0};
	uint8_t piece[H2_BUFFER];

	while (chain->len > 0) {
		uint32_t len = chain->len < n ? chain->len : n;

		chain_copy_out(chain, 0, piece, len);
		chain_consume(&h2.chains, chain, len);
		h2_put(&cut, piece, len);
	}
	*chain = cut;
}

/* Bytes of a chain as text, up to the next call but one. */
static inline const char *
h2_text(const struct chain *chain)
{
	static char texts[2][1 << 18];
	static unsigned turn;
	char *text = texts[turn++ & 1];
	uint32_t n = chain->len < sizeof(texts[0]) - 1 ? chain->len : sizeof(texts[0]) - 1;

	chain_copy_out(chain, 0, text, n);
	text[n] = '\0';
	return text;
}

/* Frames, written. */

struct h2_bytes {
	uint8_t at[1 << 18];
	uint32_t len;
};

static inline void
h2_add(struct h2_bytes *b, const void *bytes, uint32_t len)
{
	CHECK(b->len + len <= sizeof(b->at));
	if (len > 0)
		memcpy(b->at + b->len, bytes, len);
	b->len += len;
}

static inline void
h2_frame(struct h2_bytes *b, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
	 uint32_t len)
{
	uint8_t header[9] = {(uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type, flags};

	bytes_store_be32(header + 5, stream);
	h2_add(b, header, sizeof(header));
	h2_add(b, payload, len);
}

static inline void
h2_string(struct h2_bytes *b, const char *s, size_t n)
{
	uint8_t byte = (uint8_t)(n < 127 ? n : 127);

	h2_add(b, &byte, 1);
	if (n >= 127) {
		for (n -= 127; n >= 128; n >>= 7) {
			byte = (uint8_t)(0x80 | (n & 0x7f));
			h2_add(b, &byte, 1);
		}
		byte = (uint8_t)n;
		h2_add(b, &byte, 1);
	}
	h2_add(b, s, (uint32_t)strlen(s));
}

/* A literal field that is not indexed (RFC 7541 section 6.2.2). */
static inline void
h2_field(struct h2_bytes *block, const char *name, const char *value)
{
	h2_add(block, "", 1);
	h2_string(block, name, strlen(name));
	h2_string(block, value, strlen(value));
}

/* Fields of lines "name=value\n"; the first `=` behind the first byte separates. */
static inline void
h2_fields(struct h2_bytes *block, const char *lines)
{
	static char name[1 << 17], value[1 << 17];

	while (*lines != '\0') {
		const char *end = strchr(lines, '\n');
		const char *equals = strchr(lines + 1, '=');

		CHECK(end != NULL && equals != NULL && equals < end);
		snprintf(name, sizeof(name), "%.*s", (int)(equals - lines), lines);
		snprintf(value, sizeof(value), "%.*s", (int)(end - equals - 1), equals + 1);
		h2_field(block, name, value);
		lines = end + 1;
	}
}

#define H2_END_STREAM  1
#define H2_ACK         1
#define H2_END_HEADERS 4
#define H2_PADDED      8
#define H2_PRIORITY    32

static inline void
h2_headers(struct h2_bytes *b, uint32_t stream, uint8_t flags, const char *lines)
{
	static struct h2_bytes block;

	block.len = 0;
	h2_fields(&block, lines);
	h2_frame(b, HTTP2_FRAME_HEADERS, (uint8_t)(flags | H2_END_HEADERS), stream, block.at,
		 block.len);
}

#define H2_GET  ":method=GET\n:scheme=https\n:path=/\n:authority=a.example\n"
#define H2_POST ":method=POST\n:scheme=https\n:path=/\n:authority=a.example\n"

static inline void
h2_preface(struct h2_bytes *b)
{
	h2_add(b, HTTP2_PREFACE, HTTP2_PREFACE_LEN);
	h2_frame(b, HTTP2_FRAME_SETTINGS, 0, 0, NULL, 0);
}

/* Frames, read. */

struct h2_seen {
	uint8_t type, flags;
	uint32_t stream, len;
	uint32_t code;   /* of RST_STREAM and GOAWAY */
	uint32_t number; /* last stream of GOAWAY; increment of WINDOW_UPDATE */
	char text[8192]; /* "name: value\n" of HEADERS, payload of DATA, cut */
};

/* The other end, which speaks raw frames. */
struct h2_raw {
	struct http2 *h;
	nghttp2_hd_inflater *inflater;
	struct chain got; /* written by `h`, not read yet */
	uint32_t now_ms;
	uint32_t n;
	struct h2_seen seen[1024];
};

static inline void
h2_inflate(struct h2_raw *raw, struct h2_seen *s, const uint8_t *block, uint32_t len)
{
	size_t used = 0;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t n = nghttp2_hd_inflate_hd2(raw->inflater, &nv, &flags, block, len, 1);

		CHECK(n >= 0);
		block += n;
		len -= (uint32_t)n;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
			used += (size_t)snprintf(s->text + used, sizeof(s->text) - used,
						 "%.*s: %.*s\n", (int)nv.namelen, (char *)nv.name,
						 (int)nv.valuelen, (char *)nv.value);
		CHECK(used < sizeof(s->text));
		if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
			break;
	}
	nghttp2_hd_inflate_end_headers(raw->inflater);
}

static inline void
h2_see(struct h2_raw *raw, const uint8_t *header, const uint8_t *payload, uint32_t len)
{
	struct h2_seen *s = &raw->seen[raw->n++];

	CHECK(raw->n <= ARRAY_N(raw->seen));
	*s = (struct h2_seen){.type = header[3],
			      .flags = header[4],
			      .stream = bytes_load_be32(header + 5),
			      .len = len};
	if (s->type == HTTP2_FRAME_RST_STREAM)
		s->code = bytes_load_be32(payload);
	if (s->type == HTTP2_FRAME_WINDOW_UPDATE)
		s->number = bytes_load_be32(payload);
	if (s->type == HTTP2_FRAME_GOAWAY) {
		s->number = bytes_load_be32(payload);
		s->code = bytes_load_be32(payload + 4);
	}
	if (s->type == HTTP2_FRAME_HEADERS) {
		CHECK((s->flags & H2_END_HEADERS) != 0);
		h2_inflate(raw, s, payload, len);
	}
	if (s->type == HTTP2_FRAME_DATA)
		memcpy(s->text, payload, len < sizeof(s->text) - 1 ? len : sizeof(s->text) - 1);
}

/* Have it write all it has, and read the frames; those of before are forgotten. */
static inline void
h2_read(struct h2_raw *raw)
{
	static uint8_t payload[HTTP2_FRAME_MAX];
	uint8_t header[9];

	raw->n = 0;
	while (http2_write(raw->h, &raw->got, raw->got.len + 65536) &&
	       h2.buffers_n < h2.buffers_max && raw->got.len < (1u << 24))
		;
	while (raw->got.len >= 9) {
		uint32_t len;

		chain_copy_out(&raw->got, 0, header, 9);
		len = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2];
		CHECK(len <= HTTP2_FRAME_MAX);
		if (raw->got.len < 9 + len)
			break;
		chain_copy_out(&raw->got, 9, payload, len);
		chain_consume(&h2.chains, &raw->got, 9 + len);
		h2_see(raw, header, payload, len);
	}
}

/* Give it bytes, in pieces of `cut` bytes (0: as few as there are). */
static inline void
h2_give(struct h2_raw *raw, const struct h2_bytes *b, uint32_t cut)
{
	uint32_t n = cut == 0 ? b->len : cut;

	for (uint32_t at = 0; at < b->len; at += n) {
		struct chain in = {0};

		h2_put(&in, b->at + at, b->len - at < n ? b->len - at : n);
		http2_receive(raw->h, &in, raw->now_ms);
		CHECK(chain_is_empty(&in) || cut != 0);
		chain_free(&h2.chains, &in);
	}
}

static inline void
h2_raw_begin(struct h2_raw *raw, const struct http2_config *config)
{
	memset(raw, 0, sizeof(*raw));
	raw->now_ms = 1000;
	CHECK(nghttp2_hd_inflate_new(&raw->inflater) == 0);
	raw->h = http2_create(h2.pool, config, NULL, raw->now_ms);
	CHECK(raw->h != NULL);
}

static inline void
h2_raw_end(struct h2_raw *raw)
{
	nghttp2_hd_inflate_del(raw->inflater);
	chain_free(&h2.chains, &raw->got);
	http2_free(raw->h);
}

/* The first frame of a type that was read, NULL: none. */
static inline const struct h2_seen *
h2_saw(const struct h2_raw *raw, enum http2_frame type, uint32_t stream)
{
	for (uint32_t i = 0; i < raw->n; i++) {
		if (raw->seen[i].type == type && raw->seen[i].stream == stream)
			return &raw->seen[i];
	}
	return NULL;
}

/* Streams that events came for. */

static inline void
h2_send(struct http2_stream *s, const char *text)
{
	struct chain bytes = {0};

	h2_put(&bytes, text, (uint32_t)strlen(text));
	http2_stream_send(s, &bytes);
	CHECK(chain_is_empty(&bytes));
}

/* Events of all streams together, and the last stream that had some. */
static inline uint32_t
h2_events(struct http2 *h, struct http2_stream **stream)
{
	uint32_t events, all = 0;
	struct http2_stream *s;

	while ((s = http2_next(h, &events)) != NULL) {
		all |= events;
		if (stream != NULL)
			*stream = s;
	}
	return all;
}

#endif
