/* SPDX-License-Identifier: BSD-3-Clause */
/* Response heads, where their bodies end, and the chunked coding. */
#include "http_body.h"
#include "unit.h"

static struct http_field table[HTTP_FIELDS_MAX];

/* `body`: N none, L length, C chunked, U until close, X can't be. */
static void
test_responses(void)
{
	static const struct {
		const char *why, *head;
		bool to_head;
		char body; /* 0: no response */
	} rows[] = {
		{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 'L'},
		{"the same twice",
		 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", false, 'L'},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, 'C'},
		{"neither", "HTTP/1.0 200 OK\r\n\r\n", false, 'U'},
		{"to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, 'N'},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", false, 'N'},
		{"304 with the length it would have", "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n",
		 false, 'N'},
		{"an interim one", "HTTP/1.1 103 Early Hints\r\n\r\n", false, 'N'},
		{"no reason", "HTTP/1.1 200\r\n\r\n", false, 'U'},
		{"both",
		 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		 false, 'X'},
		{"lengths differ", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", false, 'X'},
		{"a bad length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", false, 'X'},
		{"a coding nobody asked for", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		 false, 'X'},
		{"chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
		 false, 'X'},
		{"no status line", "hello world, how are you\r\n\r\n", false, 0},
		{"an empty line in front", "\r\nHTTP/1.1 200 OK\r\n\r\n", false, 0},
		{"version 2", "HTTP/2.0 200 OK\r\n\r\n", false, 0},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", false, 0},
		{"status of four", "HTTP/1.1 2000 OK\r\n\r\n", false, 0},
		{"status out of range", "HTTP/1.1 099 OK\r\n\r\n", false, 0},
		{"status above", "HTTP/1.1 600 OK\r\n\r\n", false, 0},
		{"CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n", false, 0},
		{"folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", false, 0},
		{"a field without name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n", false, 0},
		{"blank before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_response r = {.fields.at = table};
		const uint8_t *head = (const uint8_t *)rows[i].head;
		struct http_body body;
		char got = 0;

		if (http_response_parse(&r, head, (uint32_t)strlen(rows[i].head)))
			got = http_response_body(&r, rows[i].to_head, &body) ? "NLCU"[body.kind]
									     : 'X';
		EXPECT_ROW(rows[i].why, got == rows[i].body);
	}
}

static void
test_chunks(void)
{
	static const struct {
		const char *why, *bytes, *payload; /* NULL: malformed */
	} rows[] = {
		{"two chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"},
		{"nothing", "0\r\n\r\n", ""},
		{"zeros in front", "0003\r\nabc\r\n000\r\n\r\n", "abc"},
		{"an extension", "3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n", "abc"},
		{"blanks behind the size", "3 \t\r\nabc\r\n0 ;x\r\n\r\n", "abc"},
		{"trailers", "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n", "a"},
		{"capital digits", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
		{"no size", "\r\nabc\r\n", NULL},
		{"a sign", "+3\r\nabc\r\n", NULL},
		{"0x", "0x3\r\nabc\r\n", NULL},
		{"blank in front", " 3\r\nabc\r\n", NULL},
		{"a second number", "3 4\r\nabc\r\n", NULL},
		{"LF ends no size", "3\nabc\r\n", NULL},
		{"CR alone doesn't either", "3\rabc\r\n", NULL},
		{"CR within an extension", "3;a\rb\r\nabc\r\n", NULL},
		{"LF within an extension", "3;a\nb\r\nabc\r\n", NULL},
		{"more than the size", "3\r\nabcd\r\n", NULL},
		{"LF ends no chunk", "3\r\nabc\n0\r\n\r\n", NULL},
		{"LF ends no body", "0\r\n\n", NULL},
		{"CR alone doesn't either", "0\r\n\rx", NULL},
		{"a folded trailer", "0\r\n A: b\r\n\r\n", NULL},
		{"NUL in a trailer", "0\r\nA: \x01\r\n\r\n", NULL},
		{"2^64 + 3", "10000000000000003\r\nabc\r\n", NULL},
		{"2^63", "8000000000000000\r\nabc\r\n", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_body body = {.kind = HTTP_BODY_CHUNKED};
		const uint8_t *at = (const uint8_t *)rows[i].bytes;
		uint32_t left = (uint32_t)strlen(rows[i].bytes), n = 0;
		char payload[100];
		bool bad = false;

		while (left > 0 && !body.ended && !bad) {
			struct http_body_step step = http_body_next(&body, at, left);

			memcpy(payload + n, at + step.skip, step.payload);
			n += step.payload;
			at += step.skip + step.payload;
			left -= step.skip + step.payload;
			bad = step.bad;
		}
		EXPECT_ROW(rows[i].why, bad == (rows[i].payload == NULL));
		EXPECT_ROW(rows[i].why, body.ended != bad);
		if (rows[i].payload != NULL)
			EXPECT_ROW(rows[i].why, body.ended && left == 0 &&
							n == strlen(rows[i].payload) &&
							memcmp(payload, rows[i].payload, n) == 0);
	}
}

/* A byte more than may be, of what is skipped. */
static void
test_chunk_limits(void)
{
	static uint8_t bytes[HTTP_TRAILERS_MAX + 100];
	struct http_body body = {.kind = HTTP_BODY_CHUNKED};

	memset(bytes, '0', sizeof(bytes));
	EXPECT(http_body_next(&body, bytes, HTTP_CHUNK_LINE_MAX + 1).bad);
	memset(bytes, 'a', sizeof(bytes));
	memcpy(bytes, "1;", 2);
	body = (struct http_body){.kind = HTTP_BODY_CHUNKED};
	EXPECT(http_body_next(&body, bytes, HTTP_CHUNK_LINE_MAX + 3).bad);
	memcpy(bytes, "0\r\n", 3);
	body = (struct http_body){.kind = HTTP_BODY_CHUNKED};
	EXPECT(!http_body_next(&body, bytes, HTTP_TRAILERS_MAX + 3).bad);
	EXPECT(http_body_next(&body, bytes + 3, 1).bad);
}

int
main(void)
{
	test_responses();
	test_chunks();
	test_chunk_limits();
	return unit_done();
}
