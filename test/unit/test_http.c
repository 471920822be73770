/* SPDX-License-Identifier: BSD-3-Clause */
/* Request heads: what is parsed, refused, and how a request is classified. */
#include "http_body.h"
#include "http_desync.h"
#include "unit.h"

#define POST "POST / HTTP/1.1\r\nHost: a.example\r\n"
#define GET  "GET / HTTP/1.1\r\nHost: a.example\r\n"

static struct http_field table[HTTP_FIELDS_MAX];

static uint16_t
parse(struct http_request *r, const char *head, size_t len)
{
	uint32_t scanned = 0;
	uint32_t end = http_head_end((const uint8_t *)head, (uint32_t)len, &scanned);

	*r = (struct http_request){.fields.at = table};
	return end == 0 ? 1 : http_request_parse(r, (const uint8_t *)head, end);
}

static bool
is(struct http_text t, const char *s)
{
	return t.len == strlen(s) && (t.len == 0 || memcmp(t.at, s, t.len) == 0);
}

static void
test_targets(void)
{
	static const struct {
		const char *why, *line, *host, *path, *query;
		uint16_t status;
		uint8_t version;
	} rows[] = {
		{"origin form", "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", "h", "/a", "b=c", 0, 11},
		{"empty query", "GET /a? HTTP/1.1\r\nHost: h\r\n\r\n", "h", "/a", "", 0, 11},
		{"absolute form wins over Host", "GET http://x:8/a HTTP/1.1\r\nHost: h\r\n\r\n",
		 "x:8", "/a", "", 0, 11},
		{"scheme in capitals", "GET HTTP://x/a HTTP/1.1\r\nHost: h\r\n\r\n", "x", "/a", "",
		 0, 11},
		{"absolute form without path", "GET http://x?q HTTP/1.1\r\nHost: h\r\n\r\n", "x",
		 "/", "q", 0, 11},
		{"absolute form of OPTIONS *", "OPTIONS http://x HTTP/1.1\r\nHost: h\r\n\r\n", "x",
		 "*", "", 0, 11},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "h", "*", "", 0, 11},
		{"asterisk is for OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400,
		 0},
		{"query-only", "GET ?a HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"no slash", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"user information", "GET http://u@x/ HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400,
		 0},
		{"no authority", "GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"another scheme", "GET ftp://x/ HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"control in the authority", "GET http://x\x7f/ HTTP/1.1\r\nHost: h\r\n\r\n", "",
		 "", "", 400, 0},
		{"spaces in the target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", "h", "/a b", "", 0,
		 11},
		{"two spaces before it", "GET  /a HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"CR in it", "GET /a\rb HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"no target", "GET HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"empty target", "GET  HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"tab for a space", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"method is no token", "G@T / HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"HTTP/1.0 names no host", "GET /a HTTP/1.0\r\n\r\n", "", "/a", "", 0, 10},
		{"HTTP/0.9: no fields", "GET /a\r\n", "", "/a", "", 0, 9},
		{"HTTP/0.9 with LF", "GET /a?b\n", "", "/a", "b", 0, 9},
		{"HTTP/0.9 knows GET only", "POST /a\r\n", "", "", "", 400, 0},
		{"one word", "hello\r\n", "", "", "", 400, 0},
		{"an empty line in front", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "h", "/", "", 0,
		 11},
		{"and one of LF", "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "h", "/", "", 0, 11},
		{"two of them", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"bare LF everywhere", "GET / HTTP/1.1\nHost: h\n\n", "h", "/", "", 0, 11},
		{"version 2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "", "", "", 505, 0},
		{"version 1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", "", "", "", 505, 0},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", "", "", 505, 0},
		{"no version", "GET / HTTQ/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"lower-case version", "GET / http/1.1\r\nHost: h\r\n\r\n", "", "", "", 400, 0},
		{"blank behind the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "", "", "", 400,
		 0},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 405, 0},
		{"trace in small letters", "trace / HTTP/1.1\r\nHost: h\r\n\r\n", "", "", "", 405,
		 0},
		{"IPv6 literal", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n",
		 "[2001:db8::1]:80", "/", "", 0, 11},
		{"half an IPv6 literal", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "", "", "", 400,
		 0},
		{"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "", "", "", 400, 0},
		{"Host with user information", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "", "", "",
		 400, 0},
		{"Host of two", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "", "", "", 400, 0},
		{"port is no number", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "", "", "", 400, 0},
		{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "", "/", "", 0, 11},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r;
		uint16_t status = parse(&r, rows[i].line, strlen(rows[i].line));

		EXPECT_ROW(rows[i].why, status == rows[i].status);
		EXPECT_ROW(rows[i].why, (status == 400 || status == 505) == (r.defect != 0));
		if (status != 0 || rows[i].status != 0)
			continue;
		EXPECT_ROW(rows[i].why, r.version == rows[i].version);
		EXPECT_ROW(rows[i].why, is(r.host, rows[i].host));
		EXPECT_ROW(rows[i].why, is(r.path, rows[i].path));
		EXPECT_ROW(rows[i].why, is(r.query, rows[i].query));
	}
}

static void
test_head_end(void)
{
	static const struct {
		const char *why, *bytes;
		uint32_t end;
	} rows[] = {
		{"nothing yet", "", 0},
		{"half a line", "GET / HTTP/1.1", 0},
		{"no empty line", "GET / HTTP/1.1\r\nA: b\r\n", 0},
		{"half of it", "GET / HTTP/1.1\r\nA: b\r\n\r", 0},
		{"no fields", "GET / HTTP/1.1\r\n\r\nx", 18},
		{"LF only", "GET / HTTP/1.1\nA: b\n\nx", 21},
		{"mixed", "GET / HTTP/1.1\r\nA: b\n\r\nx", 23},
		{"a CR of its own is no empty line", "GET / HTTP/1.1\r\n\rA: b\r\n", 0},
		{"HTTP/0.9", "GET /\r\nHost: h", 7},
		{"front is part of it", "\r\nGET /\r\n", 9},
		{"a status line has a space only", "HTTP/1.1 200\r\nA: b\r\n", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t scanned = 0;

		EXPECT_ROW(rows[i].why,
			   http_head_end((const uint8_t *)rows[i].bytes,
					 (uint32_t)strlen(rows[i].bytes), &scanned) == rows[i].end);
	}
}

static void
test_fields(void)
{
	static const struct {
		const char *why, *fields;
		bool good;
	} rows[] = {
		{"blanks around a value", "A: \t b c \t", true},
		{"no value", "A:", true},
		{"bytes above ASCII", "A: \xc3\xa4", true},
		{"tab within", "A: b\tc", true},
		{"odd names", "A_b: c\r\n!#$%&'*+.^`|~: d", true},
		{"blank before the colon", "A : b", false},
		{"tab before the colon", "Transfer-Encoding\t: chunked", false},
		{"blank in the name", "A b: c", false},
		{"folded line", "A: b\r\n c", false},
		{"folded with a tab, as a field", "A: b\r\n\tC: d", false},
		{"folded first line", " A: b", false},
		{"no colon", "A", false},
		{"CR in a value", "A: b\rC: d", false},
		{"CR in front of CRLF", "A: b\r", false},
		{"control in a value", "A: b\x01", false},
		{"DEL in a value", "A: b\x7f", false},
		{"name above ASCII", "\xc3\xa4: b", false},
	};
	static const char nul[] = GET "A: b\0c\r\n\r\n", nul_name[] = GET "A\0: b\r\n\r\n";
	struct http_request r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char head[200];
		int n = snprintf(head, sizeof(head), GET "%s\r\n\r\n", rows[i].fields);

		EXPECT_ROW(rows[i].why, parse(&r, head, (size_t)n) == (rows[i].good ? 0 : 400));
	}
	EXPECT(parse(&r, nul, sizeof(nul) - 1) == 400 && r.defect == HTTP_DEFECT_FIELD);
	EXPECT(parse(&r, nul_name, sizeof(nul_name) - 1) == 400);
}

/* A request of a line, and a number of fields of a length. */
static uint16_t
parse_long(uint32_t line, uint32_t fields_n, uint32_t field)
{
	static char head[200000];
	struct http_request r;
	size_t n = (size_t)sprintf(head, "GET /");

	while (n < line - 9)
		head[n++] = 'a';
	memcpy(head + n, " HTTP/1.1\r\n", 11);
	n += 11;
	for (uint32_t i = 0; i < fields_n; i++) {
		memset(head + n, 'a', field);
		head[n + 1] = ':';
		n += field;
		memcpy(head + n, "\r\n", 2);
		n += 2;
	}
	n += (size_t)sprintf(head + n, "\r\n");
	return parse(&r, head, n);
}

static void
test_limits(void)
{
	static uint8_t bytes[HTTP_LINE_MAX + HTTP_REQUEST_HEAD_MAX + 1];

	EXPECT(parse_long(HTTP_LINE_MAX, 1, 10) == 0);
	EXPECT(parse_long(HTTP_LINE_MAX + 1, 1, 10) == 414);
	EXPECT(parse_long(100, 1, HTTP_FIELD_MAX) == 0);
	EXPECT(parse_long(100, 1, HTTP_FIELD_MAX + 1) == 400);
	EXPECT(parse_long(100, HTTP_FIELDS_MAX, 10) == 0);
	EXPECT(parse_long(100, HTTP_FIELDS_MAX + 1, 10) == 400);
	EXPECT(parse_long(100, 4, HTTP_FIELD_MAX - 3) == 0);
	EXPECT(parse_long(100, 4, HTTP_FIELD_MAX - 1) == 400);
	memset(bytes, 'a', sizeof(bytes));
	EXPECT(http_request_too_long(bytes, HTTP_LINE_MAX + 1) == 0);
	EXPECT(http_request_too_long(bytes, HTTP_LINE_MAX + 2) == 414);
	bytes[0] = '\n'; /* an empty line in front doesn't hide it */
	EXPECT(http_request_too_long(bytes, HTTP_LINE_MAX + 3) == 414);
	bytes[100] = '\n';
	EXPECT(http_request_too_long(bytes, sizeof(bytes) - 1) == 0);
	EXPECT(http_request_too_long(bytes, sizeof(bytes)) == 400);
}

/* `body`: N none, L a length, C chunked. */
static const struct desync_row {
	const char *why, *head, *reason;
	enum http_desync_class class;
	uint16_t status[3]; /* monitor, defensive, strictest */
	char body;
} desync_rows[] = {
	{"no body", GET, "-", HTTP_COMPLIANT, {0, 0, 0}, 'N'},
	{"a length", POST "Content-Length: 5\r\n", "-", HTTP_COMPLIANT, {0, 0, 0}, 'L'},
	{"chunked", POST "Transfer-Encoding: Chunked\r\n", "-", HTTP_COMPLIANT, {0, 0, 0}, 'C'},
	{"identity, then chunked",
	 POST "Transfer-Encoding: identity, chunked\r\n",
	 "-",
	 HTTP_COMPLIANT,
	 {0, 0, 0},
	 'C'},
	{"GET of length 0",
	 GET "Content-Length: 0\r\n",
	 "GetHeadZeroContentLength",
	 HTTP_ACCEPTABLE,
	 {0, 0, 400},
	 'L'},
	{"a name of another kind",
	 GET "A_b: c\r\n",
	 "NonCompliantHeader",
	 HTTP_ACCEPTABLE,
	 {0, 0, 400},
	 'N'},
	{"a value above ASCII",
	 GET "A: \xff\r\n",
	 "NonCompliantHeader",
	 HTTP_ACCEPTABLE,
	 {0, 0, 400},
	 'N'},
	{"a line ended by LF",
	 GET "A: b\n",
	 "NonCompliantHeader",
	 HTTP_ACCEPTABLE,
	 {0, 0, 400},
	 'N'},
	{"blank in the target",
	 "GET /a b HTTP/1.1\r\nHost: h\r\n",
	 "SpaceInUri",
	 HTTP_ACCEPTABLE,
	 {0, 0, 400},
	 'N'},
	{"control in the target",
	 "GET /a\x01 HTTP/1.1\r\nHost: h\r\n",
	 "AmbiguousUri",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'N'},
	{"CL.TE: the coding wins",
	 POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
	 "BothTeClPresent",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'C'},
	{"TE.CL",
	 POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
	 "BothTeClPresent",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'C'},
	{"the same length twice",
	 POST "Content-Length: 5\r\nContent-Length: 5\r\n",
	 "DuplicateContentLength",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'L'},
	{"the same in one field",
	 POST "Content-Length: 5, 5\r\n",
	 "DuplicateContentLength",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'L'},
	{"the same, written otherwise",
	 POST "Content-Length: 5\r\nContent-Length: 05\r\n",
	 "DuplicateContentLength",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'L'},
	{"a field without name", POST ": b\r\n", "EmptyHeader", HTTP_AMBIGUOUS, {0, 0, 400}, 'N'},
	{"nearly a coding",
	 POST "Transfer_Encoding: chunked\r\n",
	 "SuspiciousHeader",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'N'},
	{"nearly a length",
	 POST "ContentLength: 5\r\n",
	 "SuspiciousHeader",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'N'},
	{"GET with a length",
	 GET "Content-Length: 5\r\n",
	 "UndefinedContentLengthSemantics",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'L'},
	{"GET with a coding",
	 GET "Transfer-Encoding: chunked\r\n",
	 "UndefinedTransferEncodingSemantics",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'C'},
	{"HTTP/1.0 with a coding",
	 "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
	 "UndefinedTransferEncodingSemantics",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'C'},
	{"identity",
	 POST "Transfer-Encoding: identity\r\n",
	 "UndefinedTransferEncodingSemantics",
	 HTTP_AMBIGUOUS,
	 {0, 0, 400},
	 'N'},
	{"a coding that isn't known, chunked",
	 POST "Transfer-Encoding: gzip, chunked\r\n",
	 "-",
	 HTTP_COMPLIANT,
	 {501, 501, 501},
	 0},
	{"a coding that isn't chunked",
	 POST "Transfer-Encoding: gzip\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"TE.TE: no chunked",
	 POST "Transfer-Encoding: xchunked\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"TE.TE: two fields",
	 POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"chunked isn't last",
	 POST "Transfer-Encoding: chunked, identity\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"an empty element",
	 POST "Transfer-Encoding: , chunked\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"an empty coding",
	 POST "Transfer-Encoding:\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"parameters",
	 POST "Transfer-Encoding: chunked;q=1\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"quotes",
	 POST "Transfer-Encoding: \"chunked\"\r\n",
	 "BadTransferEncoding",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"chunked twice",
	 POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
	 "MultipleTransferEncodingChunked",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"lengths that differ",
	 POST "Content-Length: 5\r\nContent-Length: 6\r\n",
	 "MultipleContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"also in one field",
	 POST "Content-Length: 5,6\r\n",
	 "MultipleContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"also beside chunked",
	 POST "Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
	 "MultipleContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"a sign",
	 POST "Content-Length: +5\r\n",
	 "BadContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"a negative one",
	 POST "Content-Length: -5\r\n",
	 "BadContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"hexadecimal",
	 POST "Content-Length: 0x5\r\n",
	 "BadContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"no number",
	 POST "Content-Length:\r\n",
	 "BadContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"a number and nothing",
	 POST "Content-Length: 5,\r\n",
	 "BadContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"blank within",
	 POST "Content-Length: 1 2\r\n",
	 "BadContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"too large",
	 POST "Content-Length: 18446744073709551621\r\n",
	 "BadContentLength",
	 HTTP_SEVERE,
	 {400, 400, 400},
	 0},
	{"chunked beside nearly a length: one meaning, but who knows the target",
	 POST "Transfer-Encoding: chunked\r\nContent_Length: 5\r\n",
	 "SuspiciousTeClPresent",
	 HTTP_SEVERE,
	 {0, 400, 400},
	 'C'},
	{"a length beside nearly a coding",
	 POST "Content-Length: 5\r\nTransfer.Encoding: chunked\r\n",
	 "SuspiciousTeClPresent",
	 HTTP_SEVERE,
	 {0, 400, 400},
	 'L'},
};

static void
test_desync(void)
{
	struct http_request r;

	for (size_t i = 0; i < sizeof(desync_rows) / sizeof(desync_rows[0]); i++) {
		const struct desync_row *row = &desync_rows[i];
		char head[300];
		int n = snprintf(head, sizeof(head), "%s\r\n", row->head);
		struct http_body body;

		EXPECT_ROW(row->why, parse(&r, head, (size_t)n) == 0);
		for (int mode = HTTP_DESYNC_MONITOR; mode <= HTTP_DESYNC_STRICTEST; mode++) {
			struct http_desync d =
				http_desync_classify(&r, (enum http_desync_mode)mode);

			EXPECT_ROW(row->why, d.class == row->class);
			EXPECT_ROW(row->why,
				   strcmp(http_desync_reason_name(d.reason), row->reason) == 0);
			EXPECT_ROW(row->why, d.status == row->status[mode]);
			EXPECT_ROW(row->why,
				   d.close == (d.status != 0 || d.class >= HTTP_AMBIGUOUS));
		}
		body = http_request_body(&r);
		if (row->body != 0)
			EXPECT_ROW(row->why, "NLC"[body.kind] == row->body);
	}
}

static void
test_refused(void)
{
	static const struct {
		const char *head, *reason;
	} rows[] = {
		{"GET / HTTP/3.0\r\n\r\n", "BadVersion"},
		{"G{T / HTTP/1.1\r\n\r\n", "BadMethod"},
		{"GET /\r/ HTTP/1.1\r\n\r\n", "BadUri"},
		{GET "A : b\r\n\r\n", "BadHeader"},
		{"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", "-"},
	};
	struct http_request r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_desync d;

		EXPECT_ROW(rows[i].head, parse(&r, rows[i].head, strlen(rows[i].head)) >= 400);
		d = http_desync_classify(&r, HTTP_DESYNC_MONITOR);
		EXPECT_ROW(rows[i].head,
			   strcmp(http_desync_reason_name(d.reason), rows[i].reason) == 0);
		EXPECT_ROW(rows[i].head,
			   d.class == (rows[i].reason[0] == '-' ? HTTP_COMPLIANT : HTTP_SEVERE));
	}
	parse(&r, "GET /\r\n", 7);
	EXPECT(http_desync_classify(&r, HTTP_DESYNC_STRICTEST).reason ==
	       HTTP_REASON_NON_COMPLIANT_VERSION);
}

static void
test_connection(void)
{
	static char many[HTTP_FIELD_MAX];
	struct http_request r;
	int n;

	n = snprintf(many, sizeof(many),
		     GET "Connection: a, close\r\nA: 1\r\nB: 2\r\nCookie: c\r\nTE: x\r\n\r\n");
	parse(&r, many, (size_t)n);
	EXPECT(r.fields.connection_close);
	EXPECT(r.fields.n == 6 && r.fields.at[2].hop_by_hop && !r.fields.at[3].hop_by_hop);
	EXPECT(!r.fields.at[4].hop_by_hop && r.fields.at[5].hop_by_hop);
	n = snprintf(many, sizeof(many),
		     GET "Connection: content-length, host, x-forwarded-for\r\n"
			 "Content-Length: 1\r\nX-Forwarded-For: 1\r\n\r\n");
	parse(&r, many, (size_t)n);
	for (uint32_t i = 0; i < r.fields.n; i++)
		EXPECT(r.fields.at[i].hop_by_hop == (r.fields.at[i].id == HTTP_CONNECTION));
	n = snprintf(many, sizeof(many), GET "Connection: a");
	for (int i = 1; i < HTTP_CONNECTION_OPTIONS_MAX; i++)
		n += snprintf(many + n, sizeof(many) - (size_t)n, ",a");
	memcpy(many + n, "\r\n\r\n", 5);
	EXPECT(parse(&r, many, (size_t)n + 4) == 0);
	memcpy(many + n, ",a\r\n\r\n", 7);
	EXPECT(parse(&r, many, (size_t)n + 6) == 400);
	n = snprintf(many, sizeof(many),
		     GET "Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n");
	parse(&r, many, (size_t)n);
	EXPECT(!r.fields.connection_upgrade && r.fields.connection_keep_alive);
	n = snprintf(many, sizeof(many),
		     GET "Connection: upgrade\r\nUpgrade: x, WebSocket\r\n\r\n");
	parse(&r, many, (size_t)n);
	EXPECT(r.fields.connection_upgrade);
	n = snprintf(many, sizeof(many), GET "Upgrade: websocket\r\n\r\n");
	parse(&r, many, (size_t)n);
	EXPECT(!r.fields.connection_upgrade);
}

int
main(void)
{
	test_targets();
	test_head_end();
	test_fields();
	test_limits();
	test_desync();
	test_refused();
	test_connection();
	return unit_done();
}
