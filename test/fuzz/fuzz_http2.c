/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server fed with hostile frames, cut anywhere, by a client that may read or not.
 *
 * The input: a byte of flags, a byte for the cut, then what follows the preface.  Every request is
 * taken as far as it came, and answered; its bytes must be what an HTTP/1.1 parser reads in one way
 * only.  Memory stays bounded, output too, and everything is given back.
 */
#include "http2_world.h"
#include "http_body.h"

#define MEMORY_MAX 262144u

static struct http_field fields[HTTP_FIELDS_MAX];

/* A stream's message up to here: one head, and a body that can be followed. */
static void
check_request(const struct http2_stream *s)
{
	const char *text = h2_text(http2_stream_received(s));
	struct http_request r;
	uint32_t len = http2_stream_received(s)->len;
	enum http_result result;
	struct http_body body;

	http_request_init(&r, fields, HTTP_FIELDS_MAX);
	result = http_request_parse(&r, (const uint8_t *)text, len);
	CHECK(result != HTTP_INCOMPLETE);
	if (result == HTTP_INVALID) {
		/* Too long, or without a host: the parser's to refuse. */
		CHECK(r.head.fault != HTTP_FAULT_VERSION);
		return;
	}
	CHECK(r.head.version == 11 && !(r.head.has_coding && r.head.has_length));
	body = http_request_body(&r);
	for (uint32_t at = r.head.len; at < len;) {
		struct http_body_step step;

		CHECK(!body.ended);
		step = http_body_next(&body, (const uint8_t *)text + at, len - at);
		CHECK(!step.bad);
		at += step.skip + step.payload + step.trailer;
	}
	CHECK(http2_stream_has_ended(s) == body.ended || r.method_id == HTTP_METHOD_CONNECT ||
	      (body.ended && body.kind != HTTP_BODY_CHUNKED));
}

static void
serve(struct http2 *h, uint8_t flags)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(h, &events)) != NULL) {
		if ((events & HTTP2_EVENT_BYTES) != 0 && http2_stream_received(s)->len < 262144 &&
		    http2_stream_user(s) == NULL)
			check_request(s);
		if ((events & (HTTP2_EVENT_RESET | HTTP2_EVENT_DONE)) != 0) {
			http2_stream_close(s);
			continue;
		}
		if ((flags & 1) != 0) {
			http2_stream_take(s, NULL, http2_stream_received(s)->len);
			http2_stream_set_user(s, &fields); /* no more to be checked */
		}
		if ((events & HTTP2_EVENT_END) != 0)
			h2_send(s, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
				   "3\r\nabc\r\n0\r\na: b\r\n\r\n");
		else if ((flags & 2) != 0)
			http2_stream_close(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char start[] = HTTP2_PREFACE "\0\0\0\4\0\0\0\0\0";
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct chain in = {0}, out = {0};
	uint32_t now_ms = 0, cut;
	struct http2 *h;
	uint8_t flags;

	if (size < 2)
		return 0;
	flags = bytes[0];
	cut = bytes[1] == 0 ? 65536 : bytes[1];
	if ((flags & 16) != 0)
		config.requests_max = 4;
	config.extended_connect = (flags & 32) != 0;
	if (h2.pool == NULL)
		h2_begin();
	h = http2_create(h2.pool, &config, NULL, 0);
	CHECK(h != NULL);
	if ((flags & 8) == 0) {
		h2_put(&in, start, sizeof(start) - 1);
		http2_receive(h, &in, now_ms);
	}
	for (size_t at = 2; at < size; at += cut) {
		h2_put(&in, bytes + at, size - at < cut ? (uint32_t)(size - at) : cut);
		http2_receive(h, &in, now_ms += 10);
		serve(h, flags);
		if ((flags & 4) == 0)
			http2_write(h, &out, 65536);
		CHECK(http2_memory(h) <= MEMORY_MAX && out.len <= 262144);
		CHECK(http2_held(h) <= HTTP2_BLOCK_MAX + cut);
		chain_free(&h2.chains, &out);
	}
	http2_receive_end(h);
	serve(h, flags);
	http2_write(h, &out, 65536);
	chain_free(&h2.chains, &out);
	chain_free(&h2.chains, &in);
	http2_free(h);
	CHECK(http2_pool_gauge(h2.pool)->bytes == 0);
	CHECK(h2.buffers_n == 0 && h2.chains.charged == 0);
	return 0;
}
