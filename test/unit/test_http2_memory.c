/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers, spans or objects that run out at any point of some requests: streams or the connection
 * may end for it, nothing breaks, and all is given back.
 */
#include "http2_world.h"

static struct h2_bytes b;
static struct h2_raw raw;

/* Spans beyond the first `n` free ones are put aside. */
static struct span *
hide_spans(uint32_t n)
{
	struct span **end = &h2.chains.free, *hidden;

	while (n-- > 0)
		end = &(*end)->next;
	hidden = *end;
	*end = NULL;
	return hidden;
}

static void
show_spans(struct span *hidden)
{
	struct span **end = &h2.chains.free;

	while (*end != NULL)
		end = &(*end)->next;
	*end = hidden;
}

static void
send_constant(struct http2_stream *s, const char *text)
{
	struct chain bytes = {0};

	if (chain_append(&h2.chains, &bytes, NULL, (const uint8_t *)text, (uint32_t)strlen(text),
			 0))
		http2_stream_send(s, &bytes);
}

static void
serve(void)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(raw.h, &events)) != NULL) {
		if ((events & (HTTP2_EVENT_RESET | HTTP2_EVENT_DONE)) != 0) {
			http2_stream_close(s);
			continue;
		}
		if ((events & HTTP2_EVENT_OPENED) != 0)
			send_constant(s, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
					 "a\r\n0123456789\r\n");
		if ((events & HTTP2_EVENT_END) != 0)
			send_constant(s, "0\r\na: b\r\n\r\n");
	}
}

/* What is asked: bodies by reference and in crumbs, in chunks and of a length, trailers. */
static void
write_requests(void)
{
	static uint8_t payload[5000];

	b.len = 0;
	h2_preface(&b);
	h2_headers(&b, 1, 0, H2_POST);
	h2_headers(&b, 3, 0, H2_POST "content-length=5000\n");
	h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, payload, 5000);
	h2_frame(&b, HTTP2_FRAME_DATA, H2_END_STREAM, 3, payload, 5000);
	h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, "crumb", 5);
	h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, payload, 3000);
	h2_headers(&b, 1, H2_END_STREAM, "x=y\n");
	h2_headers(&b, 5, H2_END_STREAM, H2_GET);
}

/* @return  whether all of it was served. */
static bool
run(const struct http2_config *config, uint32_t buffers, uint32_t spans, uint32_t cut)
{
	struct chain in = {0}, out = {0};
	struct span *hidden;
	bool served;

	h2_raw_begin(&raw, config);
	write_requests();
	h2_put(&in, b.at, b.len);
	h2_recut(&in, cut);
	h2.buffers_max = h2.buffers_n + buffers;
	hidden = hide_spans(spans);
	while (!chain_is_empty(&in)) {
		struct chain piece = {0};

		CHECK(chain_move(&h2.chains, &piece, &in, in.first->len));
		http2_receive(raw.h, &piece, 0);
		CHECK(chain_is_empty(&piece));
		serve();
		http2_write(raw.h, &out, 65536);
		serve();
	}
	show_spans(hidden);
	h2.buffers_max = UINT32_MAX;
	for (uint32_t i = 0; i < 4; i++) {
		serve();
		http2_write(raw.h, &out, out.len + 65536);
	}
	served = http2_end(raw.h) == HTTP2_END_NONE && http2_streams_n(raw.h) == 0 && out.len > 150;
	/* Idle: with TLS beside it 48 KB are allowed. */
	EXPECT(!served || http2_memory(raw.h) < 30000);
	chain_free(&h2.chains, &out);
	h2_raw_end(&raw);
	EXPECT(h2.buffers_n == 0 && h2.chains.charged == 0);
	return served;
}

int
main(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	uint32_t served = 0;

	h2_begin();
	for (uint32_t cut = 20; cut <= H2_BUFFER; cut += 507) {
		EXPECT(run(&config, UINT32_MAX / 2, 30000, cut));
		for (uint32_t n = 0; n < 30; n++) {
			run(&config, n, 30000, cut);
			run(&config, UINT32_MAX / 2, n, cut);
			run(&config, n, n, cut);
		}
	}
	for (config.memory_max = 0; config.memory_max < 60000; config.memory_max += 487) {
		struct http2_config of_client = config;

		of_client.role = HTTP2_CLIENT;
		for (int i = 0; i < 2; i++) {
			struct http2 *h =
				http2_create(h2.pool, i == 0 ? &config : &of_client, NULL, 0);

			if (h == NULL)
				continue;
			http2_free(h);
			if (i == 0)
				served += run(&config, UINT32_MAX / 2, 30000, 2000);
		}
	}
	EXPECT(served > 0);
	h2_end();
	return unit_done();
}
