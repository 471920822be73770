/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "http_body.h"

static struct http_field fields[HTTP_FIELDS_MAX];

/* What a body yields when its bytes come in pieces of `piece`. */
struct outcome {
	char payload[512], trailers[512];
	uint32_t payload_len, trailers_len, taken;
	bool bad, ended;
};

static void
feed(struct http_body body, const char *bytes, uint32_t len, uint32_t piece, struct outcome *o)
{
	uint32_t have = 0;

	memset(o, 0, sizeof(*o));
	while (!body.ended && o->taken < len) {
		struct http_body_step step;
		const uint8_t *at = (const uint8_t *)bytes + o->taken;

		if (have == o->taken)
			have = have + piece < len ? have + piece : len;
		step = http_body_next(&body, at, have - o->taken);
		if (step.bad) {
			o->bad = true;
			return;
		}
		EXPECT(step.skip + step.payload + step.trailer > 0);
		at += step.skip;
		memcpy(o->payload + o->payload_len, at, step.payload);
		o->payload_len += step.payload;
		at += step.payload;
		memcpy(o->trailers + o->trailers_len, at, step.trailer);
		o->trailers_len += step.trailer;
		o->taken += step.skip + step.payload + step.trailer;
	}
	o->ended = body.ended;
}

#define LONG_64  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG_512 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64

static void
test_chunked(void)
{
	static const struct {
		const char *why, *bytes;
		const char *payload; /* NULL: malformed */
		const char *trailers;
		uint32_t behind; /* bytes that are not the body's */
	} rows[] = {
		{"empty", "0\r\n\r\n", "", "", 0},
		{"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "", 0},
		{"hexadecimal, both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
		 "01234567890123456789a", "", 0},
		{"leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello", "", 0},
		{"next request behind", "1\r\na\r\n0\r\n\r\nGET /", "a", "", 5},
		{"CR LF as payload", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "", 0},
		{"extension", "1;a=b;c=\"d;e\"\r\nx\r\n0;f\r\n\r\n", "x", "", 0},
		{"blank before extension", "1 \t;a\r\nx\r\n0\r\n\r\n", "x", "", 0},
		{"trailers", "1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", "x", "A: b\r\nC: d\r\n", 0},
		{"no size", "\r\nx\r\n", NULL, "", 0},
		{"no digit", "x\r\n", NULL, "", 0},
		{"0x", "0x5\r\nhello\r\n", NULL, "", 0},
		{"plus", "+5\r\nhello\r\n", NULL, "", 0},
		{"minus", "-5\r\nhello\r\n", NULL, "", 0},
		{"underscore", "5_0\r\nhello\r\n", NULL, "", 0},
		{"blank in front", " 5\r\nhello\r\n", NULL, "", 0},
		{"blank behind", "5 \r\nhello\r\n", NULL, "", 0},
		{"2^63", "8000000000000000\r\n", NULL, "", 0},
		{"2^64", "10000000000000000\r\n", NULL, "", 0},
		{"2^64 and what is wanted", "10000000000000005\r\nhello\r\n", NULL, "", 0},
		{"bare LF behind size", "5\nhello\r\n0\r\n\r\n", NULL, "", 0},
		{"bare CR behind size", "5\rhello\r\n0\r\n\r\n", NULL, "", 0},
		{"bare LF in extension", "5;a\nhello\r\n0\r\n\r\n", NULL, "", 0},
		{"bare CR in extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", NULL, "", 0},
		{"CR CR LF", "5;\r\r\nhello\r\n", NULL, "", 0},
		{"NUL-like control in extension", "5;\x01\r\nhello\r\n", NULL, "", 0},
		{"payload too long", "5\r\nhello!\r\n", NULL, "", 0},
		{"payload without CR", "5\r\nhello\n0\r\n\r\n", NULL, "", 0},
		{"payload without line end", "5\r\nhello0\r\n\r\n", NULL, "", 0},
		{"two bytes for the line end", "5\r\nhelloXX0\r\n\r\n", NULL, "", 0},
		{"empty line by LF", "0\r\n\n", NULL, "", 0},
		{"folded trailer", "0\r\nA: b\r\n c\r\n\r\n", NULL, "", 0},
		{"trailer by LF", "0\r\nA: b\n\r\n", NULL, "", 0},
		{"CR in trailer", "0\r\nA: b\rc\r\n\r\n", NULL, "", 0},
		{"long line", "1;" LONG_512 LONG_512 "\r\nx\r\n", NULL, "", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t len = (uint32_t)strlen(rows[i].bytes);

		for (uint32_t piece = 1; piece <= len; piece++) {
			struct outcome o;

			feed(http_body_of(HTTP_BODY_CHUNKED, 0), rows[i].bytes, len, piece, &o);
			EXPECT_ROW(rows[i].why, o.bad == (rows[i].payload == NULL));
			if (rows[i].payload == NULL)
				continue;
			EXPECT_ROW(rows[i].why, o.ended && o.taken == len - rows[i].behind);
			EXPECT_ROW(rows[i].why, strcmp(o.payload, rows[i].payload) == 0);
			EXPECT_ROW(rows[i].why, strcmp(o.trailers, rows[i].trailers) == 0);
		}
	}
}

/* Targets may fill up the line of a size with blanks. */
static void
test_blanks(void)
{
	static const char good[] = "5 \t\r\nhello\r\n0  \r\n\r\n";
	static const struct {
		const char *why, *bytes;
	} bad[] = {
		{"a digit behind blanks", "5 0\r\nhello\r\n"},
		{"blank in front", " 5\r\nhello\r\n"},
		{"LF behind blanks", "5 \nhello\r\n"},
		{"CR behind blanks", "5 \rhello\r\n"},
	};
	struct http_response r = {.status = 200, .head = {.has_coding = true, .chunked = true}};
	struct http_body body = http_response_body(&r, HTTP_METHOD_GET);
	struct outcome o;

	for (uint32_t piece = 1; piece < sizeof(good); piece++) {
		feed(body, good, sizeof(good) - 1, piece, &o);
		EXPECT(o.ended && o.taken == sizeof(good) - 1 && strcmp(o.payload, "hello") == 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		feed(body, bad[i].bytes, (uint32_t)strlen(bad[i].bytes), 3, &o);
		EXPECT_ROW(bad[i].why, o.bad);
	}
}

/* A chunk larger than all memory is no reason to refuse; its bytes pass as they come. */
static void
test_huge(void)
{
	static const uint8_t payload[1000];
	struct http_body b = http_body_of(HTTP_BODY_CHUNKED, 0);
	struct http_body_step step =
		http_body_next(&b, (const uint8_t *)"7fffffffffffffff\r\n", 18);

	EXPECT(!step.bad && step.skip == 18);
	step = http_body_next(&b, payload, sizeof(payload));
	EXPECT(step.payload == 1000 && !b.ended);
	b = http_body_of(HTTP_BODY_LENGTH, 1ull << 40);
	step = http_body_next(&b, payload, sizeof(payload));
	EXPECT(step.payload == 1000 && b.left == (1ull << 40) - 1000 && !http_body_close(&b));
}

/* Extensions are dropped, but not for ever; the same goes for trailers. */
static void
test_floods(void)
{
	static const char chunk[] = "1;" LONG_512 "\r\nx\r\n", line[] = "A: " LONG_512 "\r\n";
	struct http_body b = http_body_of(HTTP_BODY_CHUNKED, 0);
	int n = 0;

	for (; n < 100; n++) {
		uint32_t at = 0;

		while (at < sizeof(chunk) - 1) {
			struct http_body_step step = http_body_next(
				&b, (const uint8_t *)chunk + at, (uint32_t)sizeof(chunk) - 1 - at);

			if (step.bad)
				goto refused;
			at += step.skip + step.payload;
		}
	}
refused:
	EXPECT(n == 31); /* 16,384 / 513 */
	b = http_body_of(HTTP_BODY_CHUNKED, 0);
	EXPECT(!http_body_next(&b, (const uint8_t *)"0\r\n", 3).bad);
	for (n = 0; n < 100; n++) {
		if (http_body_next(&b, (const uint8_t *)line, sizeof(line) - 1).bad)
			break;
	}
	EXPECT(n == 31); /* 16,386 / 517 */
}

static void
test_lengths(void)
{
	struct outcome o;

	feed(http_body_of(HTTP_BODY_LENGTH, 5), "helloGET /", 10, 10, &o);
	EXPECT(o.ended && o.payload_len == 5 && o.taken == 5);
	feed(http_body_of(HTTP_BODY_LENGTH, 11), "helloGET /", 10, 3, &o);
	EXPECT(!o.ended && o.payload_len == 10);
	EXPECT(http_body_of(HTTP_BODY_LENGTH, 0).ended && http_body_of(HTTP_BODY_NONE, 9).ended);
	feed(http_body_of(HTTP_BODY_UNTIL_CLOSE, 0), "hello", 5, 2, &o);
	EXPECT(!o.ended && o.payload_len == 5);
}

static struct http_body
response_body(const char *text, enum http_method method)
{
	struct http_response r;

	http_response_init(&r, fields, HTTP_FIELDS_MAX);
	EXPECT_ROW(text, http_response_parse(&r, (const uint8_t *)text, (uint32_t)strlen(text)) ==
				 HTTP_COMPLETE);
	return http_response_body(&r, method);
}

#define LENGTH  "Content-Length: 5\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define OK      "HTTP/1.1 200 OK\r\n"

static void
test_responses(void)
{
	static const struct {
		const char *why, *text;
		enum http_method method;
		enum http_body_kind kind;
	} rows[] = {
		{"length", OK LENGTH "\r\n", HTTP_METHOD_GET, HTTP_BODY_LENGTH},
		{"length 0", OK "Content-Length: 0\r\n\r\n", HTTP_METHOD_GET, HTTP_BODY_NONE},
		{"chunked", OK CHUNKED "\r\n", HTTP_METHOD_GET, HTTP_BODY_CHUNKED},
		{"both", OK LENGTH CHUNKED "\r\n", HTTP_METHOD_GET, HTTP_BODY_CHUNKED},
		{"none", OK "\r\n", HTTP_METHOD_GET, HTTP_BODY_UNTIL_CLOSE},
		{"to HEAD", OK LENGTH "\r\n", HTTP_METHOD_HEAD, HTTP_BODY_NONE},
		{"to HEAD, chunked", OK CHUNKED "\r\n", HTTP_METHOD_HEAD, HTTP_BODY_NONE},
		{"100", "HTTP/1.1 100 Continue\r\n\r\n", HTTP_METHOD_POST, HTTP_BODY_NONE},
		{"101", "HTTP/1.1 101 x\r\n\r\n", HTTP_METHOD_GET, HTTP_BODY_NONE},
		{"103 with length", "HTTP/1.1 103 x\r\n" LENGTH "\r\n", HTTP_METHOD_GET,
		 HTTP_BODY_NONE},
		{"204 with length", "HTTP/1.1 204 x\r\n" LENGTH "\r\n", HTTP_METHOD_GET,
		 HTTP_BODY_NONE},
		{"204 chunked", "HTTP/1.1 204 x\r\n" CHUNKED "\r\n", HTTP_METHOD_GET,
		 HTTP_BODY_NONE},
		{"304 with length", "HTTP/1.1 304 x\r\n" LENGTH "\r\n", HTTP_METHOD_GET,
		 HTTP_BODY_NONE},
		{"404", "HTTP/1.1 404 x\r\n" LENGTH "\r\n", HTTP_METHOD_GET, HTTP_BODY_LENGTH},
		{"200 to CONNECT", OK LENGTH "\r\n", HTTP_METHOD_CONNECT, HTTP_BODY_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		EXPECT_ROW(rows[i].why,
			   response_body(rows[i].text, rows[i].method).kind == rows[i].kind);
}

static void
test_requests(void)
{
	static const struct {
		const char *why, *text;
		enum http_body_kind kind;
	} rows[] = {
		{"none", "POST / HTTP/1.0\r\n\r\n", HTTP_BODY_NONE},
		{"length", "POST / HTTP/1.0\r\n" LENGTH "\r\n", HTTP_BODY_LENGTH},
		{"of GET", "GET / HTTP/1.0\r\n" LENGTH "\r\n", HTTP_BODY_LENGTH},
		{"chunked", "POST / HTTP/1.1\r\nHost: a\r\n" CHUNKED "\r\n", HTTP_BODY_CHUNKED},
		{"both", "POST / HTTP/1.1\r\nHost: a\r\n" LENGTH CHUNKED "\r\n", HTTP_BODY_CHUNKED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r;
		const char *t = rows[i].text;

		http_request_init(&r, fields, HTTP_FIELDS_MAX);
		EXPECT_ROW(rows[i].why, http_request_parse(&r, (const uint8_t *)t,
							   (uint32_t)strlen(t)) == HTTP_COMPLETE);
		EXPECT_ROW(rows[i].why, http_request_body(&r).kind == rows[i].kind);
	}
}

static void
test_trailers(void)
{
	static const struct {
		const char *why, *text;
		const char *passed; /* NULL: malformed */
	} rows[] = {
		{"none", "", ""},
		{"two", "X-Sum: 1\r\nY:2\r\n", "X-Sum: 1\r\nY: 2\r\n"},
		{"framing", "A: b\r\nContent-Length: 1\r\n", "A: b\r\n"},
		{"framing", "Transfer-Encoding: chunked\r\nA: b\r\n", "A: b\r\n"},
		{"framing in disguise", "Transfer_Encoding: chunked\r\n", ""},
		{"hop by hop", "Connection: close\r\nA: b\r\nKeep-Alive: 5\r\nTE: a\r\n",
		 "A: b\r\n"},
		{"routing", "Host: a\r\n", ""},
		{"authentication", "authorization: x\r\n", ""},
		{"a load balancer's", "X-Amzn-Oidc-Identity: x\r\n", ""},
		{"Set-Cookie", "Set-Cookie: x\r\n", ""},
		{"forwarding", "X-Forwarded-For: 1.2.3.4\r\n", ""},
		{"content", "Content-Encoding: gzip\r\n", ""},
		{"odd name", "X(: a\r\n", NULL},
		{"no colon", "X\r\n", NULL},
		{"blank before colon", "X : a\r\n", NULL},
		{"empty line within", "X: a\r\n\r\nY: b\r\n", NULL},
		{"cut", "X: a\r", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = rows[i].why;
		uint8_t out[256];
		struct bytes_writer w = bytes_writer(out, sizeof(out));
		struct http_head h;
		size_t len;

		EXPECT_ROW(why, http_trailers_parse(&h, fields, HTTP_FIELDS_MAX,
						    (const uint8_t *)rows[i].text,
						    (uint32_t)strlen(rows[i].text)) ==
					(rows[i].passed != NULL));
		if (rows[i].passed == NULL)
			continue;
		http_trailers_write(&w, &h);
		len = strlen(rows[i].passed);
		EXPECT_ROW(why, (size_t)(w.at - out) == len + 2);
		EXPECT_ROW(why, memcmp(out, rows[i].passed, len) == 0);
		EXPECT_ROW(why, memcmp(out + len, "\r\n", 2) == 0);
	}
}

static void
test_writing(void)
{
	static const struct {
		uint64_t size;
		const char *line;
	} rows[] = {
		{1, "1\r\n"},       {15, "f\r\n"},       {16, "10\r\n"},
		{4096, "1000\r\n"}, {65535, "ffff\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"},
	};
	uint8_t line[HTTP_CHUNK_HEAD_MAX], out[64];
	struct bytes_writer w = bytes_writer(out, sizeof(out));
	struct http_head h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t len = http_chunk_head(line, rows[i].size);

		EXPECT(len == strlen(rows[i].line) && memcmp(line, rows[i].line, len) == 0);
	}
	EXPECT(http_trailers_parse(&h, fields, 10, (const uint8_t *)"A:  b \r\nC: d\r\n", 14));
	http_trailers_write(&w, &h);
	EXPECT(w.at - out == 14);
	EXPECT(memcmp(out, "A: b\r\nC: d\r\n\r\n", 14) == 0);
}

int
main(void)
{
	test_chunked();
	test_blanks();
	test_huge();
	test_floods();
	test_lengths();
	test_responses();
	test_requests();
	test_trailers();
	test_writing();
	return unit_done();
}
