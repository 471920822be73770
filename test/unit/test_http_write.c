/* SPDX-License-Identifier: BSD-3-Clause */
/* Heads as they leave: requests to targets, responses to clients, answers of weir's own. */
#include "http_write.h"
#include "unit.h"

#define GET "GET / HTTP/1.1\r\n"
#define XF  "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"

static struct http_field table[HTTP_FIELDS_MAX];
static char out[8192];

static const struct http_policy plain = {.port = 80, .default_host = "lb", .response_server = true};

static const char *
written(struct bytes_writer *w)
{
	if (w->failed)
		return "(failed)";
	*w->at = '\0';
	return out;
}

static const char *
forward(const char *head, const struct http_policy *policy, const struct http_request_edits *edits)
{
	static uint8_t copy[4096]; /* what is written may point into it */
	struct http_request r = {.fields.at = table};
	struct bytes_writer w = bytes_writer(out, sizeof(out) - 1);
	uint32_t n = (uint32_t)strlen(head);

	memcpy(copy, head, n);
	if (http_request_parse(&r, copy, n) != 0)
		return "(refused)";
	w.end = w.at + http_request_bound(&r, policy, edits);
	http_request_write(&w, &r, policy, edits);
	return written(&w);
}

static void
test_requests(void)
{
	static const struct http_policy preserve = {
		.port = 80, .default_host = "lb", .preserve_host_header = true};
	static const struct http_policy odd = {
		.port = 8080, .default_host = "lb", .xff_mode = HTTP_XFF_REMOVE};
	static const struct http_policy append = {
		.port = 80, .default_host = "lb", .xff_client_port = true};
	static const struct http_policy keep = {
		.port = 80, .default_host = "lb", .xff_mode = HTTP_XFF_PRESERVE};
	static const struct http_policy drop = {.port = 443,
						.default_host = "lb",
						.https = true,
						.xff_mode = HTTP_XFF_REMOVE,
						.drop_invalid_header_fields = true};
	static const struct {
		const char *why, *head;
		const struct http_policy *policy;
		const char *want;
	} rows[] = {
		{"what ELB adds", GET "Host: A.Example:80\r\nA:b\r\n\r\n", &plain,
		 GET "Host: a.example\r\nA: b\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"no Host: the load balancer's name", "GET / HTTP/1.0\r\n\r\n", &plain,
		 GET "Host: lb\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"HTTP/0.9", "GET /x\r\n", &plain,
		 "GET /x HTTP/1.1\r\nHost: lb\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"another port is added", GET "Host: A\r\n\r\n", &odd,
		 GET "Host: a:8080\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n\r\n"},
		{"or kept", GET "Host: A:99\r\n\r\n", &odd,
		 GET "Host: a:99\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n\r\n"},
		{"a colon is no port", GET "Host: a:\r\n\r\n", &odd,
		 GET "Host: a:8080\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n\r\n"},
		{"IPv6 literal with port", GET "Host: [::A]:80\r\n\r\n", &plain,
		 GET "Host: [::a]\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"IPv6 literal without", GET "Host: [::A]\r\n\r\n", &odd,
		 GET
		 "Host: [::a]:8080\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 8080\r\n\r\n"},
		{"absolute form: its authority, origin form",
		 "GET http://X/a?b HTTP/1.1\r\nHost: h\r\n\r\n", &plain,
		 "GET /a?b HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"the same without path", "GET http://x?b HTTP/1.1\r\nHost: h\r\n\r\n", &plain,
		 "GET /?b HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"OPTIONS of a whole server", "OPTIONS http://x HTTP/1.1\r\nHost: h\r\n\r\n",
		 &plain,
		 "OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"Host is preserved", GET "Host: A:80\r\n\r\n", &preserve,
		 GET "Host: A:80\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"but the target's authority wins", "GET http://X:80/ HTTP/1.1\r\nHost: h\r\n\r\n",
		 &preserve, GET "Host: X:80\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"also without Host", "GET http://X/ HTTP/1.0\r\n\r\n", &preserve,
		 GET "Host: X\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"and there always is one", "GET / HTTP/1.0\r\n\r\n", &preserve,
		 GET "Host: lb\r\nX-Forwarded-For: 192.0.2.1\r\n" XF "\r\n"},
		{"X-Forwarded-For: one list, with the port",
		 GET
		 "Host: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n\r\n",
		 &append,
		 GET "Host: a\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1:999\r\n" XF
		     "\r\n"},
		{"X-Forwarded-For preserved", GET "Host: a\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
		 &keep, GET "Host: a\r\nX-Forwarded-For: 1.1.1.1\r\n" XF "\r\n"},
		{"and removed, with bad names",
		 GET "Host: a\r\nX-Forwarded-For: 1.1.1.1\r\nA_b: c\r\n\r\n", &drop,
		 GET "Host: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\r\n"},
		{"a client doesn't say how it came",
		 GET "Host: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n\r\n", &keep,
		 GET "Host: a\r\n" XF "\r\n"},
		{"what ends here",
		 GET "Host: a\r\nConnection: b, close\r\nB: c\r\nTE: x\r\nTrailer: y\r\n"
		     "Keep-Alive: z\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n"
		     "Expect: 100-continue\r\n\r\n",
		 &keep, GET "Host: a\r\n" XF "\r\n"},
		{"one framing field of two: the coding",
		 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
		 "CHUNKED\r\n\r\n",
		 &keep, "POST / HTTP/1.1\r\nHost: a\r\n" XF "Transfer-Encoding: chunked\r\n\r\n"},
		{"one length of two",
		 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\nContent-Length: 5\r\n\r\n",
		 &keep, "POST / HTTP/1.1\r\nHost: a\r\n" XF "Content-Length: 5\r\n\r\n"},
		{"what could be misread is encoded",
		 "GET /a b\x01\x7f\xff#c|d HTTP/1.1\r\nHost: a\r\n\r\n", &keep,
		 "GET /a%20b%01%7F%FF%23c|d HTTP/1.1\r\nHost: a\r\n" XF "\r\n"},
		{"LF and blanks become proper", "GET / HTTP/1.1\nHost:a\nB:  c\t\n\n", &keep,
		 GET "Host: a\r\nB: c\r\n" XF "\r\n"},
		{"a field without name is left out", GET "Host: a\r\n: b\r\n\r\n", &keep,
		 GET "Host: a\r\n" XF "\r\n"},
	};
	static const struct http_request_edits edits = {.client = "192.0.2.1", .client_port = 999};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = forward(rows[i].head, rows[i].policy, &edits);

		if (strcmp(got, rows[i].want) != 0)
			printf("got %s\n", got);
		EXPECT_ROW(rows[i].why, strcmp(got, rows[i].want) == 0);
	}
}

static void
test_edits(void)
{
	struct http_request_edits e = {.client = "2001:db8::1",
				       .client_port = 7,
				       .trace_id = "Root=1",
				       .host = {(const uint8_t *)"New", 3},
				       .target = {(const uint8_t *)"/n?m l", 6}};
	struct http_policy policy = plain;

	policy.xff_client_port = true;
	policy.preserve_host_header = true;
	EXPECT(strcmp(forward(GET "Host: a\r\nX-Amzn-Trace-Id: x\r\n\r\n", &policy, &e),
		      "GET /n?m%20l HTTP/1.1\r\nHost: new\r\nX-Forwarded-For: "
		      "[2001:db8::1]:7\r\n" XF "X-Amzn-Trace-Id: Root=1\r\n\r\n") == 0);
	e = (struct http_request_edits){.client = "::1", .upgrade = true};
	policy = plain;
	EXPECT(strcmp(forward(GET "Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n"
				  "X-Amzn-Trace-Id: x\r\n\r\n",
			      &policy, &e),
		      GET "Host: a\r\nX-Amzn-Trace-Id: x\r\nX-Forwarded-For: ::1\r\n" XF
			  "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n") == 0);
}

static void
test_forwarded_for_count(void)
{
	static const struct {
		const char *fields;
		uint32_t n;
	} rows[] = {{"", 0},
		    {"X-Forwarded-For:\r\n", 0},
		    {"X-Forwarded-For: a\r\n", 1},
		    {"x-forwarded-for: a, b,c\r\nX-Forwarded-For: d\r\n", 4}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char head[300];
		int n = snprintf(head, sizeof(head), GET "Host: a\r\n%s\r\n", rows[i].fields);
		struct http_request r = {.fields.at = table};

		EXPECT(http_request_parse(&r, (uint8_t *)head, (uint32_t)n) == 0);
		EXPECT_ROW(rows[i].fields, http_forwarded_for_count(&r) == rows[i].n);
	}
}

static void
test_responses(void)
{
	static const struct http_policy inserts = {
		.inserts_n = 1, .inserts = {{"Strict-Transport-Security", "max-age=1"}}};
	static const struct {
		const char *why, *head;
		struct http_response_edits edits;
		const char *want;
	} rows[] = {
		{"a length",
		 "HTTP/1.0 200 Fine\r\nContent-Length: 05\r\nServer: x\r\n\r\n",
		 {.client_version = 11},
		 "HTTP/1.1 200 Fine\r\nServer: x\r\n|Content-Length: 5\r\n\r\n"},
		{"no reason",
		 "HTTP/1.1 200\r\n\r\n",
		 {.client_version = 11},
		 "HTTP/1.1 200 \r\n|\r\n"},
		{"what ends here",
		 "HTTP/1.1 200 OK\r\nConnection: a, close\r\nA: b\r\nKeep-Alive: c\r\n\r\n",
		 {.client_version = 11},
		 "HTTP/1.1 200 OK\r\n|\r\n"},
		{"chunked",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		 {.client_version = 11, .chunked = true},
		 "HTTP/1.1 200 OK\r\n|Transfer-Encoding: chunked\r\n\r\n"},
		{"to HTTP/1.0",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		 {.client_version = 10, .close = true},
		 "HTTP/1.1 200 OK\r\n|Connection: close\r\n\r\n"},
		{"which may go on",
		 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
		 {.client_version = 10},
		 "HTTP/1.1 200 OK\r\n|Content-Length: 1\r\nConnection: keep-alive\r\n\r\n"},
		{"to HTTP/0.9",
		 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
		 {.client_version = 9},
		 ""},
		{"204 has no length",
		 "HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n",
		 {.client_version = 11},
		 "HTTP/1.1 204 N\r\n|\r\n"},
		{"304 may",
		 "HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n",
		 {.client_version = 11},
		 "HTTP/1.1 304 N\r\n|Content-Length: 9\r\n\r\n"},
		{"cookies",
		 "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\n\r\n",
		 {.client_version = 11, .cookies_n = 1, .cookies = {{(const uint8_t *)"b", 1}}},
		 "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\n|Set-Cookie: b\r\n\r\n"},
		{"an insert overrides",
		 "HTTP/1.1 200 OK\r\nSTRICT-transport-security: x\r\n\r\n",
		 {.client_version = 11},
		 "HTTP/1.1 200 OK\r\n|\r\n"},
		{"101",
		 "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
		 {.client_version = 11, .upgrade = true},
		 "HTTP/1.1 101 S\r\n|Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_response r = {.fields.at = table};
		struct bytes_writer w = bytes_writer(out, sizeof(out) - 1);
		const char *bar = strchr(rows[i].want, '|');
		char want[1000];

		snprintf(want, sizeof(want), "%.*s%s%s",
			 (int)(bar == NULL ? 0 : bar - rows[i].want), rows[i].want,
			 bar == NULL ? "" : "Strict-Transport-Security: max-age=1\r\n",
			 bar == NULL ? "" : bar + 1);
		EXPECT_ROW(rows[i].why, http_response_parse(&r, (const uint8_t *)rows[i].head,
							    (uint32_t)strlen(rows[i].head)));
		w.end = w.at + http_response_bound(&r, &inserts, &rows[i].edits);
		http_response_write(&w, &r, &inserts, &rows[i].edits);
		EXPECT_ROW(rows[i].why, strcmp(written(&w), want) == 0);
	}
}

static const char *
answer(const struct http_answer *a)
{
	struct bytes_writer w = bytes_writer(out, sizeof(out) - 1);

	http_answer_write(&w, a, &plain);
	return written(&w);
}

static void
test_answers(void)
{
	static const struct {
		uint16_t status;
		const char *phrase;
	} rows[] = {
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{405, "Method Not Allowed"},
		{408, "Request Time-out"},
		{413, "Request Entity Too Large"},
		{414, "Request-URI Too Long"},
		{460, "Client Closed Connection"},
		{463, "X-Forwarded-For Too Long"},
		{464, "Incompatible Protocol Versions"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Temporarily Unavailable"},
		{504, "Gateway Time-out"},
		{505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
		{561, "Unauthorized"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_answer a = {
			.status = rows[i].status, .close = true, .client_version = 11};
		char line[100], length[40];
		const char *body;

		snprintf(line, sizeof(line),
			 "HTTP/1.1 %u %s\r\nServer: awselb/2.0\r\nDate: Thu, 01 Jan 1970 ",
			 rows[i].status, rows[i].phrase);
		EXPECT_ROW(rows[i].phrase, strncmp(answer(&a), line, strlen(line)) == 0);
		body = strstr(out, "\r\n\r\n") + 4;
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
		EXPECT_ROW(rows[i].phrase,
			   strstr(out, length) != NULL && strstr(body, rows[i].phrase) != NULL);
		EXPECT_ROW(rows[i].phrase, strstr(out, "Connection: close\r\n") != NULL);
	}
}

static void
test_answer_bodies(void)
{
	struct http_answer a = {.status = 200,
				.content_type = "text/plain",
				.body = {(const uint8_t *)"hello", 5},
				.client_version = 11};

	EXPECT(strstr(answer(&a), "Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello") !=
	       NULL);
	a.head_only = true;
	EXPECT(strstr(answer(&a), "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n") != NULL);
	EXPECT(strstr(out, "hello") == NULL);
	a.head_only = false;
	a.client_version = 9;
	EXPECT(strcmp(answer(&a), "hello") == 0);
	a.client_version = 11;
	a.status = 204;
	EXPECT(strstr(answer(&a), "Content-") == NULL && strstr(out, "hello") == NULL);
	a = (struct http_answer){.status = 301, .location = {(const uint8_t *)"http://x/", 9}};
	EXPECT(strstr(answer(&a), "301 Moved Permanently\r\n") != NULL);
	EXPECT(strstr(out, "\r\nLocation: http://x/\r\n") != NULL);
}

int
main(void)
{
	test_requests();
	test_edits();
	test_forwarded_for_count();
	test_responses();
	test_answers();
	test_answer_bodies();
	return unit_done();
}
