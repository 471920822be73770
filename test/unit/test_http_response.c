/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "http.h"

static struct http_field fields[HTTP_FIELDS_MAX];

#define OK "HTTP/1.1 200 OK\r\n"

static enum http_result
parse(struct http_response *r, const char *text, size_t len)
{
	http_response_init(r, fields, HTTP_FIELDS_MAX);
	return http_response_parse(r, (const uint8_t *)text, (uint32_t)len);
}

static void
test_rows(void)
{
	static const struct {
		const char *why, *text;
		enum http_result result;
		uint16_t status; /* of the response, when complete */
		uint8_t version;
		uint32_t len; /* 0: of the text */
	} rows[] = {
		{"usual", OK "Server: x\r\nContent-Length: 5\r\n\r\n", HTTP_COMPLETE, 200, 11, 0},
		{"no phrase", "HTTP/1.1 204 \r\n\r\n", HTTP_COMPLETE, 204, 11, 0},
		{"no phrase, no blank", "HTTP/1.0 404\r\n\r\n", HTTP_COMPLETE, 404, 10, 0},
		{"phrase of bytes", "HTTP/1.1 200 \xc3\xbc\t!\r\n\r\n", HTTP_COMPLETE, 200, 11, 0},
		{"bare LF", "HTTP/1.1 200 OK\nA: b\n\n", HTTP_COMPLETE, 200, 11, 0},
		{"1.2", "HTTP/1.2 200 OK\r\n\r\n", HTTP_COMPLETE, 200, 11, 0},
		{"same length twice", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		 HTTP_COMPLETE, 200, 11, 0},
		{"both framings", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_COMPLETE, 200, 11, 0},
		{"name like a framing field's", OK "Content_Length: 5\r\n\r\n", HTTP_COMPLETE, 200,
		 11, 0},
		{"cut in version", "HTTP/1", HTTP_INCOMPLETE, 0, 0, 0},
		{"cut in line", "HTTP/1.1 200 O", HTTP_INCOMPLETE, 0, 0, 0},
		{"cut in field", OK "Content-Le", HTTP_INCOMPLETE, 0, 0, 0},
		{"cut at the end", OK "A: b\r\n\r", HTTP_INCOMPLETE, 0, 0, 0},
		{"garbage", "hello", HTTP_INVALID, 0, 0, 0},
		{"SSH", "SSH-2.0-x\r\n", HTTP_INVALID, 0, 0, 0},
		{"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"empty line in front", "\r\n" OK "\r\n", HTTP_INVALID, 0, 0, 0},
		{"two digits", "HTTP/1.1 20 OK\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"status 099", "HTTP/1.1 099 OK\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"status 600", "HTTP/1.1 600 OK\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"two blanks", "HTTP/1.1  200 OK\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"CR in phrase", "HTTP/1.1 200 O\rK\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"NUL in phrase", "HTTP/1.1 200 \0\r\n\r\n", HTTP_INVALID, 0, 0, 18},
		{"blank before colon", OK "Content-Length : 5\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"odd name", OK "A(b: c\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"non-ASCII name", OK "A\xc3\xbc: c\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"empty name", OK ": c\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"folded", OK "A: b\r\n c\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"no colon", OK "A\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"CR in value", OK "A: b\rc\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"lengths differ", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
		 HTTP_INVALID, 0, 0, 0},
		{"no number", OK "Content-Length: x\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"gzip as transfer coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
		 HTTP_INVALID, 0, 0, 0},
		{"not chunked", OK "Transfer-Encoding: gzip\r\n\r\n", HTTP_INVALID, 0, 0, 0},
		{"identity", OK "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n",
		 HTTP_COMPLETE, 200, 11, 0},
		{"identity of 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
		 HTTP_COMPLETE, 200, 10, 0},
		{"identity behind chunked", OK "Transfer-Encoding: chunked, identity\r\n\r\n",
		 HTTP_INVALID, 0, 0, 0},
		{"identity and gzip", OK "Transfer-Encoding: identity, gzip\r\n\r\n", HTTP_INVALID,
		 0, 0, 0},
		{"chunked 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_INVALID, 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_response r;
		size_t len = rows[i].len != 0 ? rows[i].len : strlen(rows[i].text);
		enum http_result result = parse(&r, rows[i].text, len);

		EXPECT_ROW(rows[i].why, result == rows[i].result);
		if (result == HTTP_INVALID)
			EXPECT_ROW(rows[i].why, r.head.refusal == 502);
		if (result != HTTP_COMPLETE)
			continue;
		EXPECT_ROW(rows[i].why, r.status == rows[i].status && r.head.len == len);
		EXPECT_ROW(rows[i].why, r.head.version == rows[i].version);
	}
}

static void
test_limits(void)
{
	static char text[HTTP_RESPONSE_FIELDS_LEN_MAX + 1024];
	struct http_response r;
	char *at = text + sprintf(text, OK);

	for (int i = 0; i < 4; i++) {
		memset(at, 'a', 8190);
		at[1] = ':';
		at += 8190;
		at += sprintf(at, "\r\n");
	}
	sprintf(at, "\r\n");
	EXPECT(parse(&r, text, (size_t)(at - text) + 2) == HTTP_COMPLETE);
	sprintf(at, "B: c\r\n\r\n");
	EXPECT(parse(&r, text, (size_t)(at - text) + 8) == HTTP_INVALID);
	memset(text + 13, 'x', 20000);
	EXPECT(parse(&r, text, 20000) == HTTP_INVALID); /* a status line without end */
}

/* What can't be HTTP is refused at the first byte that says so. */
static void
test_early(void)
{
	static const char text[] = "HTTP/2.0 200 OK\r\n";
	struct http_response r;

	http_response_init(&r, fields, HTTP_FIELDS_MAX);
	for (uint32_t len = 1; len < 6; len++)
		EXPECT(http_response_parse(&r, (const uint8_t *)text, len) == HTTP_INCOMPLETE);
	EXPECT(http_response_parse(&r, (const uint8_t *)text, 6) == HTTP_INVALID);
}

static void
test_connection(void)
{
	struct http_response r;

	EXPECT(parse(&r, OK "\r\n", 19) == HTTP_COMPLETE && http_keeps_alive(&r.head));
	EXPECT(parse(&r, OK "Connection: close\r\n\r\n", 38) == HTTP_COMPLETE);
	EXPECT(!http_keeps_alive(&r.head));
	EXPECT(parse(&r, "HTTP/1.0 200 OK\r\n\r\n", 19) == HTTP_COMPLETE);
	EXPECT(!http_keeps_alive(&r.head));
}

int
main(void)
{
	test_rows();
	test_limits();
	test_early();
	test_connection();
	return unit_done();
}
