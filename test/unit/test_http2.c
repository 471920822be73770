/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams as HTTP/1.1 messages, both ways, in both roles; how connections end. */
#include "http.h"
#include "http2_world.h"

/* A server that has read a preface. */
static void
begin_server(struct h2_raw *raw)
{
	static struct h2_bytes b;
	struct http2_config config = http2_config_of(HTTP2_SERVER);

	b.len = 0;
	h2_preface(&b);
	h2_raw_begin(raw, &config);
	h2_give(raw, &b, 0);
	h2_read(raw);
}

/* Requests. */

static const struct {
	const char *why, *fields, *want;
} requests[] = {
	{"a plain one", H2_GET "accept=*/*\n",
	 "GET / HTTP/1.1\r\nhost: a.example\r\naccept: */*\r\n\r\n"},
	{"a query, a port", ":path=/a?b=c\n:authority=h:8443\n:method=GET\n:scheme=https\n",
	 "GET /a?b=c HTTP/1.1\r\nhost: h:8443\r\n\r\n"},
	{"Host without :authority", ":method=GET\n:scheme=https\n:path=/\nhost=b.example\n",
	 "GET / HTTP/1.1\r\nhost: b.example\r\n\r\n"},
	{"both, the same but for case", H2_GET "host=A.example\n",
	 "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n"},
	{"neither", ":method=GET\n:scheme=https\n:path=/\n", "GET / HTTP/1.1\r\n\r\n"},
	{"all of a server", ":method=OPTIONS\n:scheme=https\n:path=*\n:authority=a\n",
	 "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"},
	{"crumbs of cookies", H2_GET "cookie=a=1\nx=y\ncookie=b=2; c=3\n",
	 "GET / HTTP/1.1\r\nhost: a.example\r\nx: y\r\ncookie: a=1; b=2; c=3\r\n\r\n"},
	{"no body, said where one is usual", H2_POST,
	 "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n"},
	{"no body, said by the client", H2_POST "content-length=0\n",
	 "POST / HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n"},
	{"gRPC's TE", H2_GET "te=trailers\n",
	 "GET / HTTP/1.1\r\nhost: a.example\r\nte: trailers\r\n\r\n"},
	{"an empty value, bytes above 0x7f, a tab inside", H2_GET "a=\nb=\xc3\xa9\tx\n",
	 "GET / HTTP/1.1\r\nhost: a.example\r\na: \r\nb: \xc3\xa9\tx\r\n\r\n"},
	{"a method of its own", ":method=PURGE\n:scheme=http\n:path=/\n:authority=a\n",
	 "PURGE / HTTP/1.1\r\nhost: a\r\n\r\n"},
	{"CONNECT, to be refused by who reads it", ":method=CONNECT\n:authority=a:1\n",
	 "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n"},
};

static void
test_requests(void)
{
	for (uint32_t cut = 0; cut < 2; cut++) {
		for (size_t i = 0; i < ARRAY_N(requests); i++) {
			static struct h2_bytes b;
			struct http2_stream *s = NULL;
			static struct h2_raw raw;
			uint32_t events;

			begin_server(&raw);
			b.len = 0;
			h2_headers(&b, 1, H2_END_STREAM, requests[i].fields);
			h2_give(&raw, &b, cut);
			events = h2_events(raw.h, &s);
			EXPECT_ROW(requests[i].why,
				   events == (HTTP2_EVENT_OPENED | HTTP2_EVENT_BYTES |
					      HTTP2_EVENT_END));
			if (s != NULL)
				EXPECT_ROW(requests[i].why,
					   strcmp(h2_text(http2_stream_received(s)),
						  requests[i].want) == 0);
			h2_raw_end(&raw);
		}
	}
}

#define P "POST / HTTP/1.1\r\nhost: a.example\r\n"
#define C P "transfer-encoding: chunked\r\n\r\n"

static void
test_bodies(void)
{
	static const struct {
		const char *why, *fields, *data[3], *trailers, *want;
	} rows[] = {
		{"of a length",
		 "content-length=5\n",
		 {"hel", "lo"},
		 NULL,
		 P "content-length: 5\r\n\r\nhello"},
		{"of none", "", {"hello", "you"}, NULL, C "5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"},
		{"of none, empty", "", {""}, NULL, C "0\r\n\r\n"},
		{"of length 0, empty",
		 "content-length=0\n",
		 {""},
		 NULL,
		 P "content-length: 0\r\n\r\n"},
		{"with trailers",
		 "",
		 {"hello"},
		 "a=b\nc=d\n",
		 C "5\r\nhello\r\n0\r\na: b\r\nc: d\r\n\r\n"},
		{"trailers alone", "", {NULL}, "a=b\n", C "0\r\na: b\r\n\r\n"},
		{"of a length, with trailers, which go",
		 "content-length=2\n",
		 {"ok"},
		 "a=b\n",
		 P "content-length: 2\r\n\r\nok"},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		static struct h2_bytes b;
		struct http2_stream *s = NULL;
		char fields[256];
		static struct h2_raw raw;
		uint32_t n = 0;

		begin_server(&raw);
		b.len = 0;
		snprintf(fields, sizeof(fields), "%s%s", H2_POST, rows[i].fields);
		h2_headers(&b, 1, 0, fields);
		while (n < 3 && rows[i].data[n] != NULL)
			n++;
		for (uint32_t d = 0; d < n; d++)
			h2_frame(&b, HTTP2_FRAME_DATA,
				 d + 1 == n && rows[i].trailers == NULL ? H2_END_STREAM : 0, 1,
				 rows[i].data[d], (uint32_t)strlen(rows[i].data[d]));
		if (rows[i].trailers != NULL)
			h2_headers(&b, 1, H2_END_STREAM, rows[i].trailers);
		h2_give(&raw, &b, 0);
		EXPECT_ROW(rows[i].why, (h2_events(raw.h, &s) & HTTP2_EVENT_END) != 0);
		if (s != NULL) {
			EXPECT_ROW(rows[i].why,
				   strcmp(h2_text(http2_stream_received(s)), rows[i].want) == 0);
			EXPECT_ROW(rows[i].why, http2_stream_has_ended(s));
		}
		h2_raw_end(&raw);
	}
}

/* A chunk is what its DATA frame is, however it comes; padding is nothing. */
static void
test_chunks(void)
{
	static const uint8_t padded[] = {3, 'h', 'i', 0, 0, 0};
	static struct h2_bytes b;
	struct http2_stream *s = NULL;
	static struct h2_raw raw;

	begin_server(&raw);
	b.len = 0;
	h2_headers(&b, 1, 0, H2_POST);
	h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, "0123456789abcdef", 16);
	h2_give(&raw, &b, 1);
	h2_events(raw.h, &s);
	EXPECT(s != NULL &&
	       strcmp(h2_text(http2_stream_received(s)), C "10\r\n0123456789abcdef\r\n") == 0);
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_DATA, H2_END_STREAM | H2_PADDED, 1, padded, sizeof(padded));
	h2_give(&raw, &b, 0);
	EXPECT(strcmp(h2_text(http2_stream_received(s)),
		      C "10\r\n0123456789abcdef\r\n2\r\nhi\r\n0\r\n\r\n") == 0);
	h2_raw_end(&raw);
}

/* Large payload is not copied. */
static void
test_references(void)
{
	static uint8_t payload[10000];
	static struct h2_bytes b;
	struct http2_stream *s = NULL;
	static struct h2_raw raw;
	uint32_t before;

	begin_server(&raw);
	b.len = 0;
	h2_headers(&b, 1, 0, H2_POST "content-length=10000\n");
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	http2_stream_take(s, NULL, http2_stream_received(s)->len);
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_DATA, H2_END_STREAM, 1, payload, sizeof(payload));
	before = h2.buffers_n;
	h2_give(&raw, &b, 0);
	EXPECT(http2_stream_received(s)->len == sizeof(payload));
	EXPECT(h2.buffers_n - before <= (sizeof(payload) + 9) / H2_BUFFER + 1);
	h2_raw_end(&raw);
}

/* Responses. */

static const struct {
	const char *why, *method, *response; /* a `|` cuts it; `!` at the end: shutdown */
	const char *headers, *body, *trailers;
	uint32_t interims;
} responses[] = {
	{"a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello",
	 ":status: 200\ncontent-length: 5\nx-a: b\n", "hello", NULL, 0},
	{"no body", "GET", "HTTP/1.1 204 No Content\r\n\r\n", ":status: 204\n", "", NULL, 0},
	{"of length 0", "GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
	 ":status: 200\ncontent-length: 0\n", "", NULL, 0},
	{"a HEAD", "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n",
	 ":status: 200\ncontent-length: 500\n", "", NULL, 0},
	{"chunks", "GET",
	 "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	 "chunked\r\n\r\n3\r\nabc\r\n|2;x=y\r\nde\r\n0\r\n\r\n",
	 ":status: 200\n", "abcde", NULL, 0},
	{"chunks and trailers", "GET",
	 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\ngrpc-status: 0\r\n"
	 "grpc-message: ok\r\n\r\n",
	 ":status: 200\n", "abc", "grpc-status: 0\ngrpc-message: ok\n", 0},
	{"trailers alone", "GET",
	 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ngrpc-status: 12\r\n\r\n",
	 ":status: 200\n", "", "grpc-status: 12\n", 0},
	{"trailers that none may be", "GET",
	 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\ncontent-length: 5\r\n"
	 "\r\n",
	 ":status: 200\n", "a", NULL, 0},
	{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nab|cd!", ":status: 200\n", "abcd", NULL, 0},
	{"until close, empty", "GET", "HTTP/1.1 200 OK\r\n\r\n!", ":status: 200\n", "", NULL, 0},
	{"fields of the connection", "GET",
	 "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nUpgrade: "
	 "h2c\r\n"
	 "Proxy-Connection: a\r\nTE: x\r\nContent-Length: 0\r\nServer: s\r\n\r\n",
	 ":status: 200\ncontent-length: 0\nserver: s\n", "", NULL, 0},
	{"a head cut anywhere", "GET", "HTT|P/1.1 200 OK\r|\nContent-Leng|th: 2\r\n\r|\no|k|!",
	 ":status: 200\ncontent-length: 2\n", "ok", NULL, 0},
	{"interim ones", "GET",
	 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n|HTTP/1.1 200 "
	 "OK\r\n"
	 "content-length: 1\r\n\r\nx",
	 ":status: 200\ncontent-length: 1\n", "x", NULL, 2},
	{"bytes behind the end are dropped", "GET",
	 "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxyz|more",
	 ":status: 200\ncontent-length: 1\n", "x", NULL, 0},
};

/* `text` in pieces at each `|`; `!` ends the message. */
static void
send_pieces(struct http2_stream *s, const char *text)
{
	char piece[1024];

	while (*text != '\0') {
		size_t n = strcspn(text, "|!");

		snprintf(piece, sizeof(piece), "%.*s", (int)n, text);
		if (n > 0)
			h2_send(s, piece);
		text += n;
		if (*text == '!')
			http2_stream_shutdown(s);
		text += *text != '\0';
	}
}

static void
check_response(const struct h2_raw *raw, size_t row)
{
	const char *headers = "", *trailers = NULL, *why = responses[row].why;
	char body[256] = "";
	uint32_t heads = 0;
	bool ended = false;

	for (uint32_t i = 0; i < raw->n; i++) {
		const struct h2_seen *s = &raw->seen[i];

		if (s->stream != 1)
			continue;
		EXPECT_ROW(why, !ended || s->type == HTTP2_FRAME_RST_STREAM);
		if (s->type == HTTP2_FRAME_DATA)
			strncat(body, s->text, sizeof(body) - strlen(body) - 1);
		if (s->type == HTTP2_FRAME_HEADERS && heads++ <= responses[row].interims)
			headers = s->text;
		else if (s->type == HTTP2_FRAME_HEADERS)
			trailers = s->text;
		ended |= s->type <= HTTP2_FRAME_HEADERS && (s->flags & H2_END_STREAM) != 0;
	}
	EXPECT_ROW(why, ended);
	EXPECT_ROW(why, strcmp(headers, responses[row].headers) == 0);
	EXPECT_ROW(why, strcmp(body, responses[row].body) == 0);
	EXPECT_ROW(why, (trailers == NULL) == (responses[row].trailers == NULL));
	if (trailers != NULL && responses[row].trailers != NULL)
		EXPECT_ROW(why, strcmp(trailers, responses[row].trailers) == 0);
}

static void
test_responses(void)
{
	for (size_t i = 0; i < ARRAY_N(responses); i++) {
		static struct h2_bytes b;
		struct http2_stream *s = NULL;
		char fields[256];
		static struct h2_raw raw;

		begin_server(&raw);
		b.len = 0;
		snprintf(fields, sizeof(fields), ":method=%s\n:scheme=https\n:path=/\n",
			 responses[i].method);
		h2_headers(&b, 1, H2_END_STREAM, fields);
		h2_give(&raw, &b, 0);
		h2_events(raw.h, &s);
		CHECK(s != NULL);
		send_pieces(s, responses[i].response);
		h2_read(&raw);
		check_response(&raw, i);
		EXPECT_ROW(responses[i].why, (h2_events(raw.h, NULL) & HTTP2_EVENT_DONE) != 0);
		http2_stream_close(s);
		EXPECT(http2_streams_n(raw.h) == 0);
		h2_raw_end(&raw);
	}
}

/* Responses that are none: the client gets a reset, not half of something else. */
static void
test_bad_responses(void)
{
	static const struct {
		const char *why, *response;
	} rows[] = {
		{"no HTTP", "SMTP 220\r\n\r\n"},
		{"101, which HTTP/2 has not", "HTTP/1.1 101 x\r\nupgrade: a\r\n\r\n"},
		{"ended before its length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab!"},
		{"ended within a head", "HTTP/1.1 200 OK\r\nconte!"},
		{"ended within chunks",
		 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab!"},
		{"a chunk that is none",
		 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		static struct h2_bytes b;
		const struct h2_seen *seen;
		struct http2_stream *s = NULL;
		static struct h2_raw raw;

		begin_server(&raw);
		b.len = 0;
		h2_headers(&b, 1, H2_END_STREAM, H2_GET);
		h2_give(&raw, &b, 0);
		h2_events(raw.h, &s);
		send_pieces(s, rows[i].response);
		EXPECT_ROW(rows[i].why, http2_stream_is_reset(s));
		http2_stream_close(s);
		h2_read(&raw);
		seen = h2_saw(&raw, HTTP2_FRAME_RST_STREAM, 1);
		EXPECT_ROW(rows[i].why, seen != NULL && seen->code == HTTP2_INTERNAL_ERROR);
		EXPECT_ROW(rows[i].why, http2_streams_n(raw.h) == 0);
		h2_raw_end(&raw);
	}
}

/* An answer before the request is complete: whole, then the rest is not wanted. */
static void
test_early_answer(void)
{
	static struct h2_bytes b;
	const struct h2_seen *reset;
	struct http2_stream *s = NULL;
	static struct h2_raw raw;

	begin_server(&raw);
	b.len = 0;
	h2_headers(&b, 1, 0, H2_POST);
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	h2_send(s, "HTTP/1.1 413 x\r\ncontent-length: 2\r\n\r\nno");
	http2_stream_close(s);
	h2_read(&raw);
	EXPECT(h2_saw(&raw, HTTP2_FRAME_DATA, 1) != NULL);
	reset = h2_saw(&raw, HTTP2_FRAME_RST_STREAM, 1);
	EXPECT(reset != NULL && reset->code == HTTP2_NO_ERROR);
	EXPECT(http2_streams_n(raw.h) == 0);
	/* What was under way to it is ignored. */
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_DATA, H2_END_STREAM, 1, "late", 4);
	h2_give(&raw, &b, 0);
	h2_read(&raw);
	EXPECT(raw.n == 0 && http2_end(raw.h) == HTTP2_END_NONE);
	h2_raw_end(&raw);
}

/* The client gives up. */
static void
test_cancel(void)
{
	static const uint8_t cancel[4] = {0, 0, 0, HTTP2_CANCEL};
	static struct h2_bytes b;
	struct http2_stream *s = NULL;
	static struct h2_raw raw;

	begin_server(&raw);
	b.len = 0;
	h2_headers(&b, 1, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_RST_STREAM, 0, 1, cancel, 4);
	h2_give(&raw, &b, 0);
	EXPECT(h2_events(raw.h, &s) == HTTP2_EVENT_RESET);
	EXPECT(http2_stream_code(s) == HTTP2_CANCEL);
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
	h2_read(&raw);
	EXPECT(raw.n == 0);
	http2_stream_close(s);
	EXPECT(http2_streams_n(raw.h) == 0);
	h2_raw_end(&raw);
}

/* WebSocket (RFC 8441): an upgrade, then bytes both ways until each side ends. */
static void
test_tunnel(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	static struct h2_bytes b;
	static struct h2_raw raw;
	const struct h2_seen *seen;
	struct http2_stream *s = NULL;
	struct http_field fields[20];
	struct http_request r;

	config.extended_connect = true;
	h2_raw_begin(&raw, &config);
	b.len = 0;
	h2_preface(&b);
	h2_headers(&b, 1, 0,
		   ":method=CONNECT\n:protocol=websocket\n:scheme=https\n:path=/chat\n"
		   ":authority=a\nsec-websocket-version=13\nsec-websocket-key=x\n");
	h2_give(&raw, &b, 0);
	h2_read(&raw);
	seen = h2_saw(&raw, HTTP2_FRAME_SETTINGS, 0);
	EXPECT(seen != NULL && seen->len == 5 * 6);
	h2_events(raw.h, &s);
	CHECK(s != NULL);
	EXPECT(strcmp(h2_text(http2_stream_received(s)),
		      "GET /chat HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\n"
		      "connection: upgrade\r\nupgrade: websocket\r\n"
		      "sec-websocket-key: d2VpciwgYSBsb3cgZGFtIQ==\r\n\r\n") == 0);
	http_request_init(&r, fields, 20);
	EXPECT(http_request_parse(&r, (const uint8_t *)h2_text(http2_stream_received(s)),
				  http2_stream_received(s)->len) == HTTP_COMPLETE &&
	       http_request_upgrades(&r));
	http2_stream_take(s, NULL, http2_stream_received(s)->len);
	/* What comes too early waits. */
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, "GET /", 5);
	h2_give(&raw, &b, 0);
	EXPECT(http2_stream_received(s)->len == 0);
	h2_send(s, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		   "Upgrade: websocket\r\nSec-WebSocket-Accept: y\r\n"
		   "Sec-WebSocket-Protocol: p\r\n\r\nhello");
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, "up", 2);
	h2_frame(&b, HTTP2_FRAME_DATA, H2_END_STREAM, 1, "wards", 5);
	h2_give(&raw, &b, 0);
	EXPECT((h2_events(raw.h, NULL) & HTTP2_EVENT_END) != 0);
	EXPECT(strcmp(h2_text(http2_stream_received(s)), "GET /upwards") == 0);
	h2_read(&raw);
	seen = h2_saw(&raw, HTTP2_FRAME_HEADERS, 1);
	EXPECT(seen != NULL &&
	       strcmp(seen->text, ":status: 200\nsec-websocket-protocol: p\n") == 0);
	seen = h2_saw(&raw, HTTP2_FRAME_DATA, 1);
	EXPECT(seen != NULL && strcmp(seen->text, "hello") == 0);
	h2_send(s, "down");
	http2_stream_shutdown(s);
	h2_read(&raw);
	seen = h2_saw(&raw, HTTP2_FRAME_DATA, 1);
	EXPECT(seen != NULL && strcmp(seen->text, "down") == 0 && seen->flags == H2_END_STREAM);
	EXPECT((h2_events(raw.h, NULL) & HTTP2_EVENT_DONE) != 0);
	h2_raw_end(&raw);
}

/* A target that doesn't upgrade: its refusal passes, its success would be mistaken for one. */
static void
test_no_tunnel(void)
{
	static const struct {
		const char *response;
		bool passes;
	} rows[] = {
		{"HTTP/1.1 403 x\r\ncontent-length: 2\r\n\r\nno", true},
		{"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\nok", false},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct http2_config config = http2_config_of(HTTP2_SERVER);
		static struct h2_bytes b;
		static struct h2_raw raw;
		struct http2_stream *s = NULL;

		config.extended_connect = true;
		h2_raw_begin(&raw, &config);
		b.len = 0;
		h2_preface(&b);
		h2_headers(&b, 1, 0,
			   ":method=CONNECT\n:protocol=websocket\n:scheme=https\n:path=/\n"
			   ":authority=a\n");
		h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, "GET /admin HTTP/1.1\r\n\r\n", 23);
		h2_give(&raw, &b, 0);
		h2_events(raw.h, &s);
		http2_stream_take(s, NULL, http2_stream_received(s)->len);
		h2_send(s, rows[i].response);
		EXPECT_ROW(rows[i].response, http2_stream_received(s)->len == 0);
		b.len = 0;
		h2_frame(&b, HTTP2_FRAME_DATA, 0, 1, "GET /admin HTTP/1.1\r\n\r\n", 23);
		h2_give(&raw, &b, 0);
		EXPECT_ROW(rows[i].response, http2_stream_received(s)->len == 0);
		EXPECT_ROW(rows[i].response, http2_stream_is_reset(s) == !rows[i].passes);
		h2_read(&raw);
		EXPECT_ROW(rows[i].response,
			   (h2_saw(&raw, HTTP2_FRAME_DATA, 1) != NULL) == rows[i].passes);
		h2_raw_end(&raw);
	}
}

int
main(void)
{
	h2_begin();
	test_requests();
	test_bodies();
	test_chunks();
	test_references();
	test_responses();
	test_bad_responses();
	test_early_answer();
	test_cancel();
	test_tunnel();
	test_no_tunnel();
	h2_end();
	return unit_done();
}
