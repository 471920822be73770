/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client that asks three things of a hostile target: what comes of it reads as HTTP/1.1 responses
 * to them, whole where the client was told so, and nothing is left.
 *
 * The input: a byte of flags, a byte for the cut, then what follows the target's SETTINGS.
 */
#include "http2_world.h"
#include "http_body.h"

#define MEMORY_MAX 262144u

static struct http_field fields[HTTP_FIELDS_MAX];

static const struct {
	const char *text;
	enum http_method method;
} requests[] = {
	{"GET / HTTP/1.1\r\nhost: a\r\n\r\n", HTTP_METHOD_GET},
	{"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", HTTP_METHOD_HEAD},
	{"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
	 HTTP_METHOD_POST},
};

static void
check_body(const struct http2_stream *s, struct http_body body, const uint8_t *at, uint32_t len)
{
	while (len > 0) {
		struct http_body_step step;
		uint32_t n;

		CHECK(!body.ended);
		step = http_body_next(&body, at, len);
		CHECK(!step.bad);
		n = step.skip + step.payload + step.trailer;
		at += n;
		len -= n;
	}
	CHECK(body.kind != HTTP_BODY_UNTIL_CLOSE);
	CHECK(!http2_stream_has_ended(s) || body.ended);
}

static void
check_response(const struct http2_stream *s, enum http_method method)
{
	const uint8_t *at = (const uint8_t *)h2_text(http2_stream_received(s));
	uint32_t len = http2_stream_received(s)->len;

	while (len > 0) {
		struct http_response r;
		enum http_result result;

		http_response_init(&r, fields, HTTP_FIELDS_MAX);
		result = http_response_parse(&r, at, len);
		CHECK(result != HTTP_INCOMPLETE);
		if (result == HTTP_INVALID)
			return; /* too long */
		at += r.head.len;
		len -= r.head.len;
		CHECK(!(r.head.has_coding && r.head.has_length));
		if (r.status >= 200) {
			check_body(s, http_response_body(&r, method), at, len);
			return;
		}
	}
	CHECK(!http2_stream_has_ended(s));
}

static void
run_events(struct http2 *h, uint8_t flags)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(h, &events)) != NULL) {
		const uint32_t *number = http2_stream_user(s);

		if (http2_stream_received(s)->len < 200000)
			check_response(s, requests[*number].method);
		if ((events & (HTTP2_EVENT_RESET | HTTP2_EVENT_DONE)) != 0 ||
		    ((flags & 1) != 0 && (events & HTTP2_EVENT_BYTES) != 0))
			http2_stream_close(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char settings[] = "\0\0\0\4\0\0\0\0\0";
	static uint32_t numbers[] = {0, 1, 2};
	struct http2_config config = http2_config_of(HTTP2_CLIENT);
	struct chain in = {0}, out = {0};
	uint32_t now_ms = 0, cut;
	struct http2 *h;

	if (size < 2)
		return 0;
	cut = bytes[1] == 0 ? 65536 : bytes[1];
	if (h2.pool == NULL)
		h2_begin();
	h = http2_create(h2.pool, &config, NULL, 0);
	CHECK(h != NULL);
	for (uint32_t i = 0; i < ARRAY_N(requests); i++)
		h2_send(http2_open(h, &numbers[i]), requests[i].text);
	http2_write(h, &out, 65536);
	h2_put(&in, settings, sizeof(settings) - 1);
	for (size_t at = 2; at < size; at += cut) {
		h2_put(&in, bytes + at, size - at < cut ? (uint32_t)(size - at) : cut);
		http2_receive(h, &in, now_ms += 10);
		run_events(h, bytes[0]);
		http2_write(h, &out, 65536);
		CHECK(http2_memory(h) <= MEMORY_MAX && out.len <= 262144);
		chain_free(&h2.chains, &out);
	}
	http2_receive_end(h);
	run_events(h, bytes[0]);
	http2_write(h, &out, 65536);
	chain_free(&h2.chains, &out);
	chain_free(&h2.chains, &in);
	http2_free(h);
	CHECK(http2_pool_gauge(h2.pool)->bytes == 0);
	CHECK(h2.buffers_n == 0 && h2.chains.charged == 0);
	return 0;
}
