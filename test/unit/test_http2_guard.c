/* SPDX-License-Identifier: BSD-3-Clause */
/* Abuse: each flood ends its connection with ENHANCE_YOUR_CALM, and honest peers don't. */
#include "http2_world.h"

static struct h2_bytes b;
static struct h2_raw raw;

static void
begin(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);

	h2_raw_begin(&raw, &config);
	b.len = 0;
	h2_preface(&b);
	h2_give(&raw, &b, 0);
	h2_read(&raw);
}

/* Floods: the n-th frames of each kind. */

static void
ping(uint32_t i)
{
	h2_frame(&b, HTTP2_FRAME_PING, 0, 0, "12345678", 8);
	(void)i;
}

static void
ping_ack(uint32_t i)
{
	h2_frame(&b, HTTP2_FRAME_PING, H2_ACK, 0, "12345678", 8);
	(void)i;
}

static void
settings(uint32_t i)
{
	h2_frame(&b, HTTP2_FRAME_SETTINGS, 0, 0, NULL, 0);
	(void)i;
}

static void
settings_many(uint32_t i)
{
	static const uint8_t entries[6 * 33];

	h2_frame(&b, HTTP2_FRAME_SETTINGS, 0, 0, entries, sizeof(entries));
	(void)i;
}

static void
priority(uint32_t i)
{
	h2_frame(&b, HTTP2_FRAME_PRIORITY, 0, 2 * i + 1, "\0\0\0\0\1", 5);
}

static void
window_update(uint32_t i)
{
	h2_frame(&b, HTTP2_FRAME_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4);
	(void)i;
}

static void
empty_data(uint32_t i)
{
	if (i == 0)
		h2_headers(&b, 1, 0, H2_POST);
	h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, NULL, 0);
}

static void
padding(uint32_t i)
{
	static const uint8_t zeros[256] = {255};

	if (i == 0)
		h2_headers(&b, 1, 0, H2_POST);
	h2_frame(&b, HTTP2_FRAME_DATA, H2_PADDED, 1, zeros, 256);
}

static void
empty_headers(uint32_t i)
{
	h2_frame(&b, HTTP2_FRAME_HEADERS, H2_END_STREAM | H2_END_HEADERS, 2 * i + 1, NULL, 0);
}

static void
unknown(uint32_t i)
{
	h2_frame(&b, 0xbb, 0, 0, "x", 1);
	(void)i;
}

static void
goaway(uint32_t i)
{
	h2_frame(&b, HTTP2_FRAME_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
	(void)i;
}

static void
rapid_reset(uint32_t i)
{
	h2_headers(&b, 2 * i + 1, H2_END_STREAM, H2_GET);
	h2_frame(&b, HTTP2_FRAME_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x8", 4);
}

/* "MadeYouReset": the peer has weir reset its streams. */
static void
provoked_reset(uint32_t i)
{
	h2_headers(&b, 2 * i + 1, 0, H2_POST);
	h2_frame(&b, HTTP2_FRAME_WINDOW_UPDATE, 0, 2 * i + 1, "\x7f\xff\xff\xff", 4);
}

static void
malformed(uint32_t i)
{
	h2_headers(&b, 2 * i + 1, H2_END_STREAM, "a=b\n");
}

static void
continuations(uint32_t i)
{
	if (i == 0)
		h2_frame(&b, HTTP2_FRAME_HEADERS, H2_END_STREAM, 1, "\x82", 1);
	h2_frame(&b, HTTP2_FRAME_CONTINUATION, 0, 1, "\x82", 1);
}

static void
large_block(uint32_t i)
{
	static uint8_t block[16384];

	h2_frame(&b, i == 0 ? HTTP2_FRAME_HEADERS : HTTP2_FRAME_CONTINUATION, 0, 1, block,
		 sizeof(block));
}

static const struct {
	const char *why;
	void (*write)(uint32_t i);
	uint32_t n, honest; /* of which the first pass */
	enum http2_end end;
} floods[] = {
	{"PING", ping, 1000, 100, HTTP2_END_PINGS},
	{"acknowledgements", ping_ack, 1000, 100, HTTP2_END_PINGS},
	{"SETTINGS", settings, 100, 20, HTTP2_END_SETTINGS},
	{"SETTINGS of many entries", settings_many, 1, 0, HTTP2_END_SETTINGS},
	{"PRIORITY", priority, 2000, 400, HTTP2_END_PRIORITIES},
	{"WINDOW_UPDATE", window_update, 4000, 1000, HTTP2_END_WINDOW_UPDATES},
	{"empty DATA", empty_data, 1000, 100, HTTP2_END_EMPTY_FRAMES},
	{"DATA of padding", padding, 1000, 50, HTTP2_END_EMPTY_FRAMES},
	{"empty HEADERS", empty_headers, 1000, 100, HTTP2_END_EMPTY_FRAMES},
	{"unknown frames", unknown, 1000, 100, HTTP2_END_UNKNOWN_FRAMES},
	{"GOAWAY again and again", goaway, 1000, 0, HTTP2_END_PEER},
	{"rapid reset", rapid_reset, 2000, 400, HTTP2_END_RESETS},
	{"resets that weir is made to send", provoked_reset, 2000, 400, HTTP2_END_RESETS},
	{"malformed requests", malformed, 2000, 400, HTTP2_END_RESETS},
	{"CONTINUATION", continuations, 100, 6, HTTP2_END_CONTINUATIONS},
	{"a header block without end", large_block, 100, 4, HTTP2_END_HEADER_BLOCK},
};

/* What the proxy does with streams. */
static void
close_all(void)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(raw.h, &events)) != NULL) {
		if ((events & HTTP2_EVENT_RESET) != 0)
			http2_stream_close(s);
	}
}

static void
test_floods(void)
{
	for (size_t f = 0; f < ARRAY_N(floods); f++) {
		uint32_t i = 0, ended = 0;
		const struct h2_seen *seen = NULL;

		begin();
		for (; i < floods[f].n && seen == NULL; i++) {
			b.len = 0;
			floods[f].write(i);
			h2_give(&raw, &b, 0);
			close_all();
			h2_read(&raw);
			seen = h2_saw(&raw, HTTP2_FRAME_GOAWAY, 0);
			if (seen == NULL && http2_is_over(raw.h))
				break;
			ended = i;
		}
		EXPECT_ROW(floods[f].why, http2_is_over(raw.h));
		EXPECT_ROW(floods[f].why, http2_end(raw.h) == floods[f].end);
		EXPECT_ROW(floods[f].why, ended >= floods[f].honest);
		if (floods[f].end != HTTP2_END_PEER)
			EXPECT_ROW(floods[f].why,
				   seen != NULL && seen->code == HTTP2_ENHANCE_YOUR_CALM);
		EXPECT_ROW(floods[f].why, http2_memory(raw.h) < 262144);
		h2_raw_end(&raw);
	}
}

/* Within its rate nothing ends: an hour of a PING every 200 ms, of a reset every 50 ms. */
static void
test_honest(void)
{
	begin();
	for (uint32_t i = 0; i < 4000; i++) {
		raw.now_ms += 50;
		b.len = 0;
		rapid_reset(i);
		if (i % 4 == 0)
			ping(i);
		h2_give(&raw, &b, 0);
		close_all();
		h2_read(&raw);
	}
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	h2_raw_end(&raw);
}

/* A million fields out of one byte each: decoded, not kept; the request is one that is too long. */
static void
test_bomb(void)
{
	struct http2_stream *s = NULL;
	static uint8_t block[16000];
	static char value[4001];
	uint32_t n = 0;

	begin();
	memset(value, 'v', sizeof(value) - 1);
	block[n++] = 0x82;
	block[n++] = 0x87;
	block[n++] = 0x84;
	block[n++] = 0x40; /* indexed from here on */
	block[n++] = 1;
	block[n++] = 'x';
	block[n++] = 127;
	block[n++] = (uint8_t)(0x80 | ((4000 - 127) & 127));
	block[n++] = (4000 - 127) >> 7;
	memcpy(block + n, value, 4000);
	n += 4000;
	memset(block + n, 0xbe, sizeof(block) - n);
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_HEADERS, H2_END_STREAM | H2_END_HEADERS, 1, block, sizeof(block));
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	EXPECT(s != NULL);
	if (s != NULL) {
		EXPECT(http2_stream_received(s)->len > 65536);
		EXPECT(http2_stream_received(s)->len < 100000);
	}
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	h2_raw_end(&raw);
}

/* A block in as many frames as it may come in. */
static void
test_longest_block(void)
{
	static const char fields[] = "\x82\x87\x84";

	begin();
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_HEADERS, H2_END_STREAM, 1, fields, 3);
	for (uint32_t i = 0; i < HTTP2_BLOCK_FRAMES; i++)
		h2_frame(&b, HTTP2_FRAME_CONTINUATION,
			 i + 1 == HTTP2_BLOCK_FRAMES ? H2_END_HEADERS : 0, 1, "\0\1a\1b", 5);
	h2_give(&raw, &b, 0);
	EXPECT((h2_events(raw.h, NULL) & HTTP2_EVENT_END) != 0);
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	h2_raw_end(&raw);
}

/* Who doesn't read what it asks for is not read any more, and nothing is lost. */
static void
test_unread(void)
{
	uint32_t given = 0;

	begin();
	for (uint32_t i = 0; i < 1000; i++) {
		struct chain in = {0};

		raw.now_ms += 200;
		b.len = 0;
		ping(i);
		h2_put(&in, b.at, b.len);
		http2_receive(raw.h, &in, raw.now_ms);
		given += chain_is_empty(&in);
		chain_free(&h2.chains, &in);
	}
	EXPECT(given > 500 && given < 600);
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	h2_read(&raw);
	EXPECT(raw.n >= given);
	h2_raw_end(&raw);
}

/* Bytes that come one by one, each in a buffer of its own, pin as many as they fill. */
static void
test_crumbs(void)
{
	static uint8_t block[16000];
	uint32_t before;

	begin();
	before = h2.buffers_n;
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_HEADERS, H2_END_STREAM, 1, block, sizeof(block));
	h2_give(&raw, &b, 1);
	EXPECT(http2_held(raw.h) == b.len);
	EXPECT(h2.buffers_n - before < b.len / H2_BUFFER + 3);
	h2_raw_end(&raw);

	begin();
	b.len = 0;
	h2_headers(&b, 1, 0, H2_POST);
	for (uint32_t i = 0; i < 4000; i++)
		h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, "x", 1);
	before = h2.buffers_n;
	h2_give(&raw, &b, 1);
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	EXPECT(h2.buffers_n - before < 4000 * 6 / H2_BUFFER + 4);
	h2_raw_end(&raw);
}

/* More streams than are allowed are refused, and may come again. */
static void
test_streams_max(void)
{
	const struct http2_gauge *g = http2_pool_gauge(h2.pool);
	uint64_t refused = g->refused;
	const struct h2_seen *seen;

	begin();
	b.len = 0;
	for (uint32_t i = 0; i < 130; i++)
		h2_headers(&b, 2 * i + 1, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	h2_read(&raw);
	EXPECT(http2_streams_n(raw.h) == 128);
	seen = h2_saw(&raw, HTTP2_FRAME_RST_STREAM, 257);
	EXPECT(seen != NULL && seen->code == HTTP2_REFUSED_STREAM);
	EXPECT(g->refused - refused == 2);
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	h2_raw_end(&raw);
}

/* A peer that would have weir hold more than it may ends its connection alone. */
static void
test_memory_max(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);

	config.memory_max = 65536;
	h2_raw_begin(&raw, &config);
	b.len = 0;
	h2_preface(&b);
	for (uint32_t i = 0; i < 128; i++)
		h2_headers(&b, 2 * i + 1, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	h2_read(&raw);
	EXPECT(http2_memory(raw.h) <= 65536 + 2048);
	h2_raw_end(&raw);
}

/* Without buffers nothing breaks; with some again it goes on. */
static void
test_no_buffers(void)
{
	struct http2_stream *s = NULL;

	begin();
	b.len = 0;
	h2_headers(&b, 1, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
	h2.buffers_max = h2.buffers_n;
	EXPECT(http2_write(raw.h, &raw.got, 65536));
	EXPECT(raw.got.len == 0);
	h2.buffers_max = UINT32_MAX;
	h2_read(&raw);
	EXPECT(h2_saw(&raw, HTTP2_FRAME_HEADERS, 1) != NULL);
	EXPECT(h2_saw(&raw, HTTP2_FRAME_DATA, 1) != NULL);
	h2_raw_end(&raw);
}

int
main(void)
{
	h2_begin();
	test_floods();
	test_honest();
	test_bomb();
	test_longest_block();
	test_unread();
	test_crumbs();
	test_streams_max();
	test_memory_max();
	test_no_buffers();
	h2_end();
	return unit_done();
}
