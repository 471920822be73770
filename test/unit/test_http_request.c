/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "http.h"

static struct http_field fields[HTTP_FIELDS_MAX];

static enum http_result
parse(struct http_request *r, const char *text, size_t len)
{
	http_request_init(r, fields, HTTP_FIELDS_MAX);
	return http_request_parse(r, (const uint8_t *)text, (uint32_t)len);
}

static bool
same(const struct http_request *r, struct http_range range, const char *text)
{
	struct http_text t = http_text(&r->head, range);

	return t.len == strlen(text) && memcmp(t.at, text, t.len) == 0;
}

#define H "Host: a\r\n"
#define E "\r\n"

static void
test_lines(void)
{
	static const struct {
		const char *why, *text, *method, *path, *query, *host;
		uint8_t version;
		enum http_reason reason;
	} rows[] = {
		{"usual", "GET /a?b HTTP/1.1\r\n" H E, "GET", "/a", "b", "a", 11, 0},
		{"query with question marks", "GET /a?b?c HTTP/1.1\r\n" H E, "GET", "/a", "b?c",
		 "a", 11, 0},
		{"own method", "PURGE /x HTTP/1.1\r\n" H E, "PURGE", "/x", "", "a", 11, 0},
		{"1.0 without Host", "GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", 10, 0},
		{"0.9", "GET /old\r\n", "GET", "/old", "", "", 9,
		 HTTP_REASON_NON_COMPLIANT_VERSION},
		{"blanks before target", "GET  /a HTTP/1.1\r\n" H E, "GET", "/a", "", "a", 11,
		 HTTP_REASON_SPACE_IN_URI},
		{"0.9 with LF", "GET /a?b\n", "GET", "/a", "b", "", 9,
		 HTTP_REASON_NON_COMPLIANT_VERSION},
		{"LF in front", "\nGET / HTTP/1.1\r\n" H E, "GET", "/", "", "a", 11, 0},
		{"empty query", "GET /a? HTTP/1.1\r\n" H E, "GET", "/a", "", "a", 11, 0},
		{"0.9 as text", "GET /old HTTP/0.9\r\n\r\n", "GET", "/old", "", "", 9,
		 HTTP_REASON_NON_COMPLIANT_VERSION},
		{"1.2 is 1.1", "GET / HTTP/1.2\r\n" H E, "GET", "/", "", "a", 11,
		 HTTP_REASON_NON_COMPLIANT_VERSION},
		{"empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n" H E, "GET", "/", "", "a", 11,
		 0},
		{"absolute form", "GET http://b:81/c?d HTTP/1.1\r\n" H E, "GET", "/c", "d", "b:81",
		 11, 0},
		{"absolute without path", "GET HTTPS://b HTTP/1.1\r\n" H E, "GET", "", "", "b", 11,
		 0},
		{"absolute, query only", "GET http://b?d HTTP/1.1\r\n" H E, "GET", "", "d", "b", 11,
		 0},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" H E, "OPTIONS", "*", "", "a", 11, 0},
		{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", "GET", "/", "", "a", 11,
		 HTTP_REASON_NON_CR_LF_LINE_TERMINATION},
		{"space in target", "GET /a b HTTP/1.1\r\n" H E, "GET", "/a b", "", "a", 11,
		 HTTP_REASON_SPACE_IN_URI},
		{"spaces before version", "GET /a  HTTP/1.1\r\n" H E, "GET", "/a", "", "a", 11,
		 HTTP_REASON_NON_COMPLIANT_VERSION},
		{"space behind version", "GET /a HTTP/1.1 \r\n" H E, "GET", "/a", "", "a", 11,
		 HTTP_REASON_NON_COMPLIANT_VERSION},
		{"control in target", "GET /a\x01 HTTP/1.1\r\n" H E, "GET", "/a\x01", "", "a", 11,
		 HTTP_REASON_AMBIGUOUS_URI},
		{"tab in target", "GET /a\tb HTTP/1.1\r\n" H E, "GET", "/a\tb", "", "a", 11,
		 HTTP_REASON_AMBIGUOUS_URI},
		{"fragment", "GET /a#b HTTP/1.1\r\n" H E, "GET", "/a#b", "", "a", 11,
		 HTTP_REASON_AMBIGUOUS_URI},
		{"UTF-8 in target", "GET /\xc3\xbc HTTP/1.1\r\n" H E, "GET", "/\xc3\xbc", "", "a",
		 11, 0},
		{"IPv6 host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "GET", "/", "",
		 "[2001:db8::1]:80", 11, 0},
		{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "", "", 11, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r;
		size_t len = strlen(rows[i].text);

		EXPECT_ROW(rows[i].why, parse(&r, rows[i].text, len) == HTTP_COMPLETE);
		EXPECT_ROW(rows[i].why, r.head.len == len);
		EXPECT_ROW(rows[i].why, same(&r, r.method, rows[i].method));
		EXPECT_ROW(rows[i].why, same(&r, r.path, rows[i].path));
		EXPECT_ROW(rows[i].why, same(&r, r.query, rows[i].query));
		EXPECT_ROW(rows[i].why, same(&r, r.host, rows[i].host));
		EXPECT_ROW(rows[i].why, r.head.version == rows[i].version);
		EXPECT_ROW(rows[i].why, http_reason_gravest(r.head.found) == rows[i].reason);
	}
}

#define GET  "GET / HTTP/1.1\r\n" H
#define POST "POST / HTTP/1.1\r\n" H

static void
test_found(void)
{
	static const struct {
		const char *why, *text;
		enum http_reason reason;
	} rows[] = {
		{"length", POST "Content-Length: 5\r\n\r\n", 0},
		{"chunked", POST "Transfer-Encoding: Chunked\r\n\r\n", 0},
		{"length 0 of GET", GET "Content-Length: 0\r\n\r\n",
		 HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH},
		{"length of GET", GET "Content-Length: 5\r\n\r\n",
		 HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS},
		{"chunked GET", GET "Transfer-Encoding: chunked\r\n\r\n",
		 HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS},
		{"chunked 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS},
		{"length of 0.9", "GET / HTTP/0.9\r\nContent-Length: 0\r\n\r\n",
		 HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS},
		{"CL.TE", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_REASON_BOTH_TE_CL_PRESENT},
		{"TE.CL", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		 HTTP_REASON_BOTH_TE_CL_PRESENT},
		{"same length twice", POST "Content-Length: 5\r\ncontent-length: 05\r\n\r\n",
		 HTTP_REASON_DUPLICATE_CONTENT_LENGTH},
		{"same length in a list", POST "Content-Length: 5, 5\r\n\r\n",
		 HTTP_REASON_BAD_CONTENT_LENGTH},
		{"length with a comma", POST "Content-Length: 5,\r\n\r\n",
		 HTTP_REASON_BAD_CONTENT_LENGTH},
		{"identity, chunked", POST "Transfer-Encoding: identity, chunked\r\n\r\n",
		 HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS},
		{"gzip, chunked",
		 POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_REASON_BAD_TRANSFER_ENCODING},
		{"empty name", GET ": x\r\n\r\n", HTTP_REASON_EMPTY_HEADER},
		{"UTF-8 value", GET "X: \xc3\xbc\r\n\r\n", HTTP_REASON_NON_COMPLIANT_HEADER},
		{"control in value", GET "X: a\x01\x62\r\n\r\n", HTTP_REASON_NON_COMPLIANT_HEADER},
		{"DEL in value", GET "X: a\x7f\r\n\r\n", HTTP_REASON_NON_COMPLIANT_HEADER},
		{"tab in value", GET "X: a\tb\r\n\r\n", 0},
		{"byte above 7f behind the value", GET "X: ab\r\nY: c\r\n\r\n\xff\xff", 0},
		{"odd name", GET "X(y): a\r\n\r\n", HTTP_REASON_NON_COMPLIANT_HEADER},
		{"underscore", GET "X_y: a\r\n\r\n", 0},
		{"suspicious: underscore", POST "Transfer_Encoding: chunked\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_HEADER},
		{"suspicious: hyphens", POST "Transfer---Encoding: chunked\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_HEADER},
		{"suspicious: in front", POST "-Content-Length: 7\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_HEADER},
		{"suspicious: no hyphen", POST "ContentLength: 7\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_HEADER},
		{"suspicious: dotless i", POST "Transfer-Encod\xc4\xb1ng: chunked\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_HEADER},
		{"suspicious: long s",
		 POST "Tran\xc5\xbf"
		      "fer-Encoding: chunked\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_HEADER},
		{"suspicious: UTF-8 space", POST "Content-Length\xc2\xa0: 7\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_HEADER},
		{"suspicious beside the other",
		 POST "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT},
		{"suspicious length beside a coding",
		 POST "Content_Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT},
		{"no resemblance",
		 GET "Content-Lengthy: 5\r\nTransfer-Encodings: x\r\n"
		     "Content-Encoding: gzip\r\n\r\n",
		 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r;
		enum http_result result = parse(&r, rows[i].text, strlen(rows[i].text));

		EXPECT_ROW(rows[i].why, result == HTTP_COMPLETE);
		EXPECT_ROW(rows[i].why, http_reason_gravest(r.head.found) == rows[i].reason);
	}
}

/* What has no safe meaning, whatever the mode. */
static void
test_invalid(void)
{
	static const struct {
		const char *why, *text;
		uint16_t status;
		enum http_reason reason;
		uint32_t len; /* 0: of the text */
	} rows[] = {
		{"TLS", "\x16\x03\x01", 400, HTTP_REASON_BAD_METHOD, 0},
		{"odd method", "G@T / HTTP/1.1\r\n", 400, HTTP_REASON_BAD_METHOD, 0},
		{"blank first", " GET / HTTP/1.1\r\n", 400, HTTP_REASON_BAD_METHOD, 0},
		{"tab behind method", "GET\t/ HTTP/1.1\r\n", 400, HTTP_REASON_BAD_METHOD, 0},
		{"CR first", "\rGET / HTTP/1.1\r\n", 400, HTTP_REASON_BAD_METHOD, 0},
		{"empty lines for ever", "\r\n\r\n\r\n\r\n\r\n", 400, HTTP_REASON_BAD_METHOD, 0},
		{"no target", "GET\r\n", 400, HTTP_REASON_BAD_URI, 0},
		{"no target but blanks", "GET  \r\n", 400, HTTP_REASON_BAD_URI, 0},
		{"NUL in target", "GET /a\0b HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI, 32},
		{"CR in target", "GET /a\rb HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI, 0},
		{"relative target", "GET a HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI, 0},
		{"other scheme", "GET ftp://a/ HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI, 0},
		{"user in authority", "GET http://u@a/ HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI,
		 0},
		{"fragment behind authority", "GET http://a#b HTTP/1.1\r\n" H E, 400,
		 HTTP_REASON_BAD_URI, 0},
		{"no authority", "GET http:/// HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI, 0},
		{"query only", "GET ?a HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI, 0},
		{"control in authority", "GET http://x\x7f/ HTTP/1.1\r\n" H E, 400,
		 HTTP_REASON_BAD_URI, 0},
		{"one word", "hello\r\n", 400, HTTP_REASON_BAD_URI, 0},
		{"a version alone", "GET HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_VERSION, 0},
		{"asterisk for GET", "GET * HTTP/1.1\r\n" H E, 400, HTTP_REASON_BAD_URI, 0},
		{"0.9 with POST", "POST /\r\n", 400, HTTP_REASON_BAD_VERSION, 0},
		{"version 2.0", "GET / HTTP/2.0\r\n" H E, 505, HTTP_REASON_BAD_VERSION, 0},
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, HTTP_REASON_BAD_VERSION,
		 0},
		{"version 1.10", "GET / HTTP/1.10\r\n" H E, 400, HTTP_REASON_BAD_VERSION, 0},
		{"small letters", "GET / http/1.1\r\n" H E, 400, HTTP_REASON_BAD_VERSION, 0},
		{"no version but a word", "GET / x\r\n" H E, 400, HTTP_REASON_BAD_VERSION, 0},
		{"CR CR LF", "GET / HTTP/1.1\r\r\n" H E, 400, HTTP_REASON_BAD_VERSION, 0},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"same Host twice", GET H E, 400, HTTP_REASON_BAD_HEADER, 0},
		{"absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"two Hosts", GET "Host: b\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"odd Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"Host with user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"Host, port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"Host, half an IPv6 literal", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"Host of two words", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"Host, port no number", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"folded line", GET "X: a\r\n b\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"folded with tab", GET "X: a\r\n\tb\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"blank before colon", POST "Transfer-Encoding : chunked\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"tab before colon", POST "Content-Length\t: 5\r\n\r\n", 400,
		 HTTP_REASON_BAD_HEADER, 0},
		{"blank in name", GET "X y: a\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"control in name", GET "\x01X: a\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"no colon", GET "X\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"NUL in value", GET "X: a\0b\r\n\r\n", 400, HTTP_REASON_BAD_HEADER,
		 sizeof(GET "X: a\0b\r\n\r\n") - 1},
		{"CR in value", GET "X: a\rb\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"CR CR LF in value", GET "X: a\r\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"CR for the empty line", GET "\rX: a\r\n\r\n", 400, HTTP_REASON_BAD_HEADER, 0},
		{"lengths differ", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400,
		 HTTP_REASON_MULTIPLE_CONTENT_LENGTH, 0},
		{"lengths differ in a list", POST "Content-Length: 5, 6\r\n\r\n", 400,
		 HTTP_REASON_MULTIPLE_CONTENT_LENGTH, 0},
		{"length +5", POST "Content-Length: +5\r\n\r\n", 400,
		 HTTP_REASON_BAD_CONTENT_LENGTH, 0},
		{"length -1", POST "Content-Length: -1\r\n\r\n", 400,
		 HTTP_REASON_BAD_CONTENT_LENGTH, 0},
		{"length 0x5", POST "Content-Length: 0x5\r\n\r\n", 400,
		 HTTP_REASON_BAD_CONTENT_LENGTH, 0},
		{"length 5 5", POST "Content-Length: 5 5\r\n\r\n", 400,
		 HTTP_REASON_BAD_CONTENT_LENGTH, 0},
		{"no length", POST "Content-Length:\r\n\r\n", 400, HTTP_REASON_BAD_CONTENT_LENGTH,
		 0},
		{"length over 2^64", POST "Content-Length: 18446744073709551617\r\n\r\n", 400,
		 HTTP_REASON_BAD_CONTENT_LENGTH, 0},
		{"chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400,
		 HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED, 0},
		{"chunked in two fields",
		 POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
		 HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED, 0},
		{"chunked not last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"chunked not last, two fields",
		 POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"gzip alone", POST "Transfer-Encoding: gzip\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"identity alone", POST "Transfer-Encoding: identity\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{",chunked", POST "Transfer-Encoding: ,chunked\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"chunked,", POST "Transfer-Encoding: chunked,\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"quoted", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"chunked;q=1", POST "Transfer-Encoding: chunked;q=1\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"vertical tab",
		 POST "Transfer-Encoding: \x0b"
		      "chunked\r\n\r\n",
		 400, HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"no coding", POST "Transfer-Encoding:\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
		{"no coding, but a length",
		 POST "Transfer-Encoding: x\r\nContent-Length: 3\r\n\r\n", 400,
		 HTTP_REASON_BAD_TRANSFER_ENCODING, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r;
		size_t len = rows[i].len != 0 ? rows[i].len : strlen(rows[i].text);
		enum http_result result = parse(&r, rows[i].text, len);

		EXPECT_ROW(rows[i].why, result == HTTP_INVALID);
		EXPECT_ROW(rows[i].why, r.head.refusal == rows[i].status);
		EXPECT_ROW(rows[i].why, http_reason_gravest(r.head.found) == rows[i].reason);
	}
}

/* The same in pieces; 0: in one. */
static enum http_result
parse_pieces(struct http_request *r, const char *text, size_t len, uint32_t piece)
{
	enum http_result result = HTTP_INCOMPLETE;
	size_t have = piece == 0 ? len : 0;

	if (piece == 0)
		return parse(r, text, len);
	http_request_init(r, fields, HTTP_FIELDS_MAX);
	while (have < len && result == HTTP_INCOMPLETE) {
		have = have + piece < len ? have + piece : len;
		result = http_request_parse(r, (const uint8_t *)text, (uint32_t)have);
	}
	return result;
}

static uint32_t piece;

/* A head of `line_len` and fields of `field_len` bytes, `n` of them. */
static enum http_result
parse_sized(struct http_request *r, uint32_t line_len, uint32_t field_len, uint32_t n)
{
	static char text[HTTP_HEAD_MAX + 70000];
	char *at = text;

	at += sprintf(at, "GET /");
	memset(at, 'x', line_len - 14);
	at += line_len - 14;
	at += sprintf(at, " HTTP/1.0\r\n");
	for (uint32_t i = 0; i < n; i++) {
		at += sprintf(at, "A:");
		memset(at, 'x', field_len - 2);
		at += field_len - 2;
		at += sprintf(at, "\r\n");
	}
	at += sprintf(at, "\r\n");
	return parse_pieces(r, text, (size_t)(at - text), piece);
}

static void
test_limits(void)
{
	struct http_request r;

	EXPECT(parse_sized(&r, 16384, 100, 1) == HTTP_COMPLETE);
	EXPECT(parse_sized(&r, 16385, 100, 1) == HTTP_INVALID && r.head.refusal == 414);
	EXPECT(r.head.fault == HTTP_FAULT_LINE_LONG);
	EXPECT(parse_sized(&r, 60000, 100, 1) == HTTP_INVALID && r.head.refusal == 414);
	EXPECT(parse_sized(&r, 20, 16384, 1) == HTTP_COMPLETE);
	EXPECT(parse_sized(&r, 20, 16385, 1) == HTTP_INVALID && r.head.refusal == 400);
	EXPECT(r.head.fault == HTTP_FAULT_FIELD_LONG);
	EXPECT(parse_sized(&r, 20, 16382, 4) == HTTP_COMPLETE); /* 64 K with line ends */
	EXPECT(parse_sized(&r, 20, 16383, 4) == HTTP_INVALID && r.head.refusal == 400);
	EXPECT(r.head.fault == HTTP_FAULT_FIELDS_LONG);
	EXPECT(parse_sized(&r, 20, 10, 1000) == HTTP_COMPLETE && r.head.fields_n == 1000);
	EXPECT(parse_sized(&r, 20, 10, 1001) == HTTP_INVALID && r.head.refusal == 400);
	EXPECT(r.head.fault == HTTP_FAULT_FIELDS_MANY);
	EXPECT(r.head.found == 0); /* no matter of desync */
	EXPECT(parse_sized(&r, 16386, 100, 1) == HTTP_INVALID && r.head.refusal == 414);
	EXPECT(parse_sized(&r, 16387, 100, 1) == HTTP_INVALID && r.head.refusal == 414);
	EXPECT(parse_sized(&r, 20, 16386, 1) == HTTP_INVALID && r.head.refusal == 400);
	EXPECT(parse_sized(&r, 20, 16387, 1) == HTTP_INVALID && r.head.refusal == 400);
}

static void
test_names(void)
{
	static const struct {
		const char *text;
		enum http_name name;
	} rows[] = {
		{"Host", HTTP_HOST},
		{"TE", HTTP_TE},
		{"hOST", HTTP_HOST},
		{"Hosts", HTTP_OTHER},
		{"Content-Length", HTTP_CONTENT_LENGTH},
		{"CONTENT-LENGTH", HTTP_CONTENT_LENGTH},
		{"Content_Length", HTTP_OTHER},
		{"Transfer-Encoding", HTTP_TRANSFER_ENCODING},
		{"transfer-encodinG", HTTP_TRANSFER_ENCODING},
		{"Transfer-Xncoding", HTTP_OTHER},
		{"Connection", HTTP_CONNECTION},
		{"Keep-Alive", HTTP_KEEP_ALIVE},
		{"User-Agent", HTTP_USER_AGENT},
		{"Set-Cookie", HTTP_SET_COOKIE},
		{"Content-Type", HTTP_CONTENT_TYPE},
		{"X-Forwarded-For", HTTP_X_FORWARDED_FOR},
		{"X-Forwarded-Port", HTTP_X_FORWARDED_PORT},
		{"X-Forwarded-Proto", HTTP_X_FORWARDED_PROTO},
		{"X-Amzn-Trace-Id", HTTP_X_AMZN_TRACE_ID},
		{"X-Amzn-Oidc-Data", HTTP_X_AMZN_PEER},
		{"x-amzn-tls-version", HTTP_X_AMZN_PEER},
		{"X-Amzn-Mtls-Clientcert", HTTP_X_AMZN_PEER},
		{"X-Amzn-Request-Id", HTTP_OTHER},
		{"Proxy", HTTP_PROXY},
		{"Proxy-Connection", HTTP_PROXY},
		{"Proxy-Authorization", HTTP_PROXY},
		{"Proxying", HTTP_OTHER},
		{"Upgrade", HTTP_UPGRADE},
		{"Trailer", HTTP_TRAILER},
		{"Expect", HTTP_EXPECT},
		{"Cookie", HTTP_COOKIE},
		{"Server", HTTP_SERVER},
		{"Date", HTTP_DATE},
		{"Location", HTTP_LOCATION},
		{"", HTTP_OTHER},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_text name = {(const uint8_t *)rows[i].text,
					 (uint32_t)strlen(rows[i].text)};

		EXPECT_ROW(rows[i].text, http_name_of(name) == rows[i].name);
	}
}

static void
test_connection(void)
{
	static const struct {
		const char *why, *text;
		bool keeps, upgrades, expects;
	} rows[] = {
		{"1.1", GET E, true, false, false},
		{"1.1 close", GET "Connection: x, Close\r\n\r\n", false, false, false},
		{"1.0", "GET / HTTP/1.0\r\n\r\n", false, false, false},
		{"1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false,
		 false},
		{"0.9", "GET /\r\n", false, false, false},
		{"WebSocket", GET "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true, true,
		 false},
		{"h2c", GET "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", true, false, false},
		{"TLS", GET "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", true, false, false},
		{"not in Connection", GET "Upgrade: websocket\r\n\r\n", true, false, false},
		{"Expect", POST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n", true, false,
		 true},
		{"Expect without body", GET "Expect: 100-continue\r\n\r\n", true, false, false},
		{"Expect of 1.0",
		 "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", false,
		 false, false},
		{"other expectation", POST "Content-Length: 1\r\nExpect: y 100-continue\r\n\r\n",
		 true, false, false},
	};
	struct http_request r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EXPECT_ROW(rows[i].why,
			   parse(&r, rows[i].text, strlen(rows[i].text)) == HTTP_COMPLETE);
		EXPECT_ROW(rows[i].why, http_keeps_alive(&r.head) == rows[i].keeps);
		EXPECT_ROW(rows[i].why, http_request_upgrades(&r) == rows[i].upgrades);
		EXPECT_ROW(rows[i].why, r.expects_continue == rows[i].expects);
	}
}

/* Fields that Connection names end here, but none that weir itself decides by. */
static void
test_named(void)
{
	static const char text[] = GET "Connection: X-A, x-forwarded-for, cookie\r\nX-a: 1\r\n"
				       "X-Forwarded-For: 2\r\nCookie: c\r\n\r\n";
	struct http_request r;
	char many[8192];
	int at;

	EXPECT(parse(&r, text, sizeof(text) - 1) == HTTP_COMPLETE && r.head.fields_n == 5);
	EXPECT((r.head.fields[2].flags & HTTP_FIELD_NAMED) != 0);
	EXPECT((r.head.fields[3].flags & HTTP_FIELD_NAMED) == 0);
	EXPECT((r.head.fields[4].flags & HTTP_FIELD_NAMED) == 0);
	at = sprintf(many, GET "Connection: a");
	for (int i = 1; i < 65; i++)
		at += sprintf(many + at, ",a");
	at += sprintf(many + at, "\r\n\r\n");
	EXPECT(parse(&r, many, (size_t)at) == HTTP_INVALID && r.head.refusal == 400);
}

/* Cut anywhere, and moved in between: the same result, and no sooner than it is there. */
static void
test_cuts(void)
{
	static const char text[] = "\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nX:  b\t\r\n"
				   "Content-Length: 5\r\n\r\nhello";
	static uint8_t places[2][sizeof(text)];
	uint32_t head_len = sizeof(text) - 1 - 5;

	for (uint32_t cut = 0; cut < sizeof(text); cut++) {
		struct http_request r;

		http_request_init(&r, fields, HTTP_FIELDS_MAX);
		memset(places, 0xff, sizeof(places));
		memcpy(places[0], text, cut);
		memcpy(places[1], text, sizeof(text));
		EXPECT(http_request_parse(&r, places[0], cut) ==
		       (cut < head_len ? HTTP_INCOMPLETE : HTTP_COMPLETE));
		if (cut < head_len)
			EXPECT(http_request_parse(&r, places[1], sizeof(text) - 1) ==
			       HTTP_COMPLETE);
		EXPECT(r.head.len == head_len && r.head.fields_n == 3);
		EXPECT(same(&r, r.host, "a") && same(&r, r.query, "b"));
		EXPECT(r.head.content_length == 5);
	}
}

/* Without a parser's state: the head is found at its last byte, and parsing stays linear. */
static void
test_wait(void)
{
	static const char *const heads[] = {
		"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n",
		"\r\nGET / HTTP/1.1\nHost: a\n\n",
		"GET / HTTP/1.1\r\nHost: a\r\n\n",
		"GET /\r\n",
	};
	static char big[60000];
	struct http_wait wait = {0};
	uint64_t parsed = 0;

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		for (uint32_t step = 1; step < 8; step++) {
			uint32_t len = (uint32_t)strlen(heads[i]), have = 0;
			enum http_result result = HTTP_INCOMPLETE;
			struct http_request r;

			wait = (struct http_wait){0};
			while (have < len) {
				EXPECT_ROW(heads[i], result == HTTP_INCOMPLETE);
				have = have + step < len ? have + step : len;
				if (http_wait_is_over(&wait, (const uint8_t *)heads[i], have))
					result = parse(&r, heads[i], have);
			}
			EXPECT_ROW(heads[i], result == HTTP_COMPLETE);
		}
	}
	wait = (struct http_wait){0};
	for (uint32_t i = 0; i < sizeof(big); i++) {
		big[i] = "A: b\r\n"[i % 6];
		if (http_wait_is_over(&wait, (const uint8_t *)big, i + 1))
			parsed += i + 1;
	}
	EXPECT(parsed <= 3 * sizeof(big));
}

int
main(void)
{
	test_lines();
	test_found();
	test_invalid();
	for (piece = 0; piece < 3; piece++)
		test_limits();
	piece = 1000;
	test_limits();
	test_names();
	test_connection();
	test_named();
	test_cuts();
	test_wait();
	return unit_done();
}
