/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "http_cookie.h"
#include "http_verdict.h"
#include "http_write.h"

static struct http_field fields[HTTP_FIELDS_MAX];
static uint8_t out[HTTP_HEAD_MAX * 4];

#define TEXT(s)                                     \
	{                                           \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}

static struct http_text
text(const char *s)
{
	return (struct http_text){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static const struct http_policy plain = {
	.response_server = true, .port = 80, .default_host = TEXT("lb.example")};
static const struct http_request_edits client = {.client = TEXT("192.0.2.1"), .client_port = 999};

static struct http_request
request(const char *head)
{
	struct http_request r;

	http_request_init(&r, fields, HTTP_FIELDS_MAX);
	EXPECT_ROW(head, http_request_parse(&r, (const uint8_t *)head, (uint32_t)strlen(head)) ==
				 HTTP_COMPLETE);
	return r;
}

static struct http_response
response(const char *head)
{
	struct http_response r;

	http_response_init(&r, fields, HTTP_FIELDS_MAX);
	EXPECT_ROW(head, http_response_parse(&r, (const uint8_t *)head, (uint32_t)strlen(head)) ==
				 HTTP_COMPLETE);
	return r;
}

/* What was written, if it kept to its bound; the writer has exactly that much room. */
static const char *
write_request(const char *head, const struct http_policy *policy,
	      const struct http_request_edits *edits)
{
	struct http_request r = request(head);
	struct bytes_writer w = bytes_writer(out, http_request_bound(&r, policy, edits));

	http_request_write(&w, &r, policy, edits);
	EXPECT_ROW(head, !w.failed);
	*w.at = 0;
	return (const char *)out;
}

#define FORWARDED \
	"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n"
#define HOST "Host: a\r\n"

static void
test_requests(void)
{
	static const struct {
		const char *why, *in, *want;
	} rows[] = {
		{"plain", "GET /x?y HTTP/1.1\r\nHost: A:8080\r\nAccept: */*\r\n\r\n",
		 "GET /x?y HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n" FORWARDED "\r\n"},
		{"odd layout", "GET / HTTP/1.1\nhost:a\nX:  b \t\nY:c\n\n",
		 "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\nY: c\r\n" FORWARDED "\r\n"},
		{"empty port", "GET / HTTP/1.1\r\nHost: A.b:\r\n\r\n",
		 "GET / HTTP/1.1\r\nHost: a.b\r\n" FORWARDED "\r\n"},
		{"address with an empty port", "GET / HTTP/1.1\r\nHost: [::1]:\r\n\r\n",
		 "GET / HTTP/1.1\r\nHost: [::1]\r\n" FORWARDED "\r\n"},
		{"1.0 without Host", "GET / HTTP/1.0\r\n\r\n",
		 "GET / HTTP/1.1\r\nHost: lb.example\r\n" FORWARDED "\r\n"},
		{"0.9", "GET /\r\n", "GET / HTTP/1.1\r\nHost: lb.example\r\n" FORWARDED "\r\n"},
		{"absolute form", "GET http://B/c HTTP/1.1\r\nHost: a\r\n\r\n",
		 "GET /c HTTP/1.1\r\nHost: b\r\n" FORWARDED "\r\n"},
		{"absolute form without path", "GET http://b?c HTTP/1.1\r\n" HOST "\r\n",
		 "GET /?c HTTP/1.1\r\nHost: b\r\n" FORWARDED "\r\n"},
		{"absolute form of the server", "OPTIONS http://b HTTP/1.1\r\n" HOST "\r\n",
		 "OPTIONS * HTTP/1.1\r\nHost: b\r\n" FORWARDED "\r\n"},
		{"encoded target", "GET /a b\x01#\xc3\xbc HTTP/1.1\r\n" HOST "\r\n",
		 "GET /a%20b%01%23%C3%BC HTTP/1.1\r\n" HOST FORWARDED "\r\n"},
		{"controls in a value",
		 "GET / HTTP/1.1\r\n" HOST "X: a\x01\x7f"
		 "b\tc\r\n\r\n",
		 "GET / HTTP/1.1\r\n" HOST "X: a  b\tc\r\n" FORWARDED "\r\n"},
		{"hop-by-hop",
		 "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, X-A\r\nKeep-Alive: 5\r\n"
		 "Proxy-Connection: x\r\nProxy: y\r\nTE: gzip\r\nTrailer: Z\r\nX-A: 1\r\nX-B: 2\r\n"
		 "Upgrade: h2c\r\n\r\n",
		 "GET / HTTP/1.1\r\n" HOST "X-B: 2\r\n" FORWARDED "\r\n"},
		{"TE: trailers", "GET / HTTP/1.1\r\n" HOST "TE: gzip, trailers\r\n\r\n",
		 "GET / HTTP/1.1\r\n" HOST FORWARDED "TE: trailers\r\nConnection: TE\r\n\r\n"},
		{"length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 007\r\n\r\n",
		 "POST / HTTP/1.1\r\n" HOST FORWARDED "Content-Length: 7\r\n\r\n"},
		{"lengths merged",
		 "POST / HTTP/1.1\r\n" HOST "Content-Length: 7\r\nContent-Length: 7, 7\r\n\r\n",
		 "POST / HTTP/1.1\r\n" HOST FORWARDED "Content-Length: 7\r\n\r\n"},
		{"both framings",
		 "POST / HTTP/1.1\r\n" HOST
		 "Content-Length: 7\r\nTransfer-Encoding: CHUNKED\r\nTrailer: Z\r\n\r\n",
		 "POST / HTTP/1.1\r\n" HOST "Trailer: Z\r\n" FORWARDED
		 "Transfer-Encoding: chunked\r\n\r\n"},
		{"suspicious and odd names",
		 "POST / HTTP/1.1\r\n" HOST "Transfer_Encoding: chunked\r\nX(: 1\r\n: 2\r\n"
		 "X_y: 3\r\n\r\n",
		 "POST / HTTP/1.1\r\n" HOST "X_y: 3\r\n" FORWARDED "\r\n"},
		{"expectations",
		 "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
		 "POST / HTTP/1.1\r\n" HOST FORWARDED "Content-Length: 1\r\n\r\n"},
		{"forwarded twice",
		 "GET / HTTP/1.1\r\n" HOST "X-Forwarded-For: 1.1.1.1\r\nA: b\r\n"
		 "x-forwarded-for: 2.2.2.2, 3.3.3.3\r\nX-Forwarded-Proto: https\r\n"
		 "X-Forwarded-Port: 1\r\n\r\n",
		 "GET / HTTP/1.1\r\n" HOST "A: b\r\n"
		 "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.1\r\n"
		 "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n\r\n"},
		{"what only a load balancer may say",
		 "GET / HTTP/1.1\r\n" HOST "X-Amzn-Oidc-Identity: root\r\nX-Amzn-Tls-Version: x\r\n"
		 "X-Amzn-Mtls-Clientcert: y\r\n\r\n",
		 "GET / HTTP/1.1\r\n" HOST FORWARDED "\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = write_request(rows[i].in, &plain, &client);

		EXPECT_ROW(rows[i].why, strcmp(got, rows[i].want) == 0);
	}
}

/* Names of weir's own, as sloppy readers see them too. */
static void
test_own_names(void)
{
	static const char head[] =
		"GET / HTTP/1.1\r\nHost: a\r\nX-Cert: 1\r\nX_cERT: 2\r\nX-Amzn_Mtls-Clientcert: "
		"3\r\n"
		"x_amzn_mtls_clientcert_issuer: 4\r\nX-Amzn-Tls_Version: 5\r\nX-Amzn_Mtl: 6\r\n"
		"X-Certs: 7\r\nXxcert: 8\r\n\r\n";
	static const struct http_text own_names[] = {TEXT("x-cert")};
	struct http_policy policy = plain;
	const char *got;

	policy.own_names = own_names;
	policy.own_names_n = 1;
	got = write_request(head, &policy, &client);
	for (char digit = '1'; digit <= '8'; digit++) {
		char line[] = {':', ' ', digit, '\r', '\0'};

		EXPECT_ROW(line, (strstr(got, line) != NULL) == (digit >= '6'));
	}
}

static void
test_policy(void)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: A.b:1\r\nX-Forwarded-For: 1.1.1.1\r\n"
				   "A_b: c\r\nX-Cert: forged\r\n\r\n";
	static const struct http_text own_names[] = {TEXT("x-cert")};
	struct http_policy policy = plain;
	struct http_request_edits edits = client;

	policy.xff_client_port = true;
	policy.drop_invalid_header_fields = true;
	policy.https = true;
	policy.port = 8443;
	policy.own_names = own_names;
	policy.own_names_n = 1;
	EXPECT(strcmp(write_request(head, &policy, &edits),
		      "GET / HTTP/1.1\r\nHost: a.b:1\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.1:999\r\n"
		      "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n\r\n") == 0);
	policy.own_names_n = 0;
	edits.client = text("2001:db8::1");
	EXPECT(strstr(write_request(head, &policy, &edits), ", [2001:db8::1]:999\r\n") != NULL);
	policy.xff_mode = HTTP_XFF_PRESERVE;
	EXPECT(strstr(write_request(head, &policy, &edits), "X-Forwarded-For: 1.1.1.1\r\n") !=
	       NULL);
	policy.xff_mode = HTTP_XFF_REMOVE;
	EXPECT(strstr(write_request(head, &policy, &edits), "X-Forwarded-For") == NULL);
	policy.preserve_host_header = true;
	EXPECT(strstr(write_request(head, &policy, &edits), "Host: A.b:1\r\n") != NULL);
	policy.preserve_host_header = false;
	EXPECT(strstr(write_request("GET / HTTP/1.1\r\nHost: A.b\r\n\r\n", &policy, &edits),
		      "Host: a.b:8443\r\n") != NULL);
	EXPECT(strstr(write_request("GET / HTTP/1.1\r\nHost: [2001:DB8::1]\r\n\r\n", &policy,
				    &edits),
		      "Host: [2001:db8::1]:8443\r\n") != NULL);
	EXPECT(strstr(write_request("GET / HTTP/1.1\r\nHost: A.b:\r\n\r\n", &policy, &edits),
		      "Host: a.b:8443\r\n") != NULL);
	EXPECT(strstr(write_request("GET / HTTP/1.1\r\nHost: [::1]:\r\n\r\n", &policy, &edits),
		      "Host: [::1]:8443\r\n") != NULL);
	edits.host = text("other");
	edits.target = text("/new path");
	edits.close = true;
	edits.trace_id = text("Root=1-2-3");
	EXPECT(strcmp(write_request("GET /old HTTP/1.1\r\nHost: a\r\nX-Amzn-Trace-Id: x\r\n\r\n",
				    &policy, &edits),
		      "GET /new%20path HTTP/1.1\r\nHost: other\r\nX-Forwarded-Proto: https\r\n"
		      "X-Forwarded-Port: 8443\r\nX-Amzn-Trace-Id: Root=1-2-3\r\n"
		      "Connection: close\r\n\r\n") == 0);
}

static void
test_upgrade(void)
{
	struct http_request_edits edits = client;

	edits.upgrade = true;
	EXPECT(strcmp(write_request(
			      "GET / HTTP/1.1\r\n" HOST
			      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, WebSocket\r\n"
			      "HTTP2-Settings: x\r\nSec-WebSocket-Key: k\r\n\r\n",
			      &plain, &edits),
		      "GET / HTTP/1.1\r\n" HOST "Sec-WebSocket-Key: k\r\n" FORWARDED
		      "Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n") == 0);
}

static void
test_cookies(void)
{
	static const char head[] =
		"GET / HTTP/1.1\r\n" HOST "Cookie: a=1;AWSALB=x; b=\"2\" ;AWSALBCORS=y\r\n"
		"Cookie: AWSALBTG=z\r\nCookie: c; A=3=4\r\n\r\n";
	struct http_request_edits edits = client;
	struct http_request r = request(head);
	struct http_text value;

	EXPECT(http_cookie_find(&r.head, text("AWSALB"), &value) && value.len == 1);
	EXPECT(http_cookie_find(&r.head, text("A"), &value) && value.len == 3);
	EXPECT(http_cookie_find(&r.head, text("b"), &value) && value.at[0] == '"');
	EXPECT(!http_cookie_find(&r.head, text("c"), &value));
	EXPECT(!http_cookie_find(&r.head, text("awsalb"), &value));
	EXPECT(strstr(write_request(head, &plain, &edits), "Cookie: AWSALBTG=z\r\n") != NULL);
	edits.drop_own_cookies = true;
	EXPECT(strstr(write_request("GET / HTTP/1.1\r\n" HOST "Cookie: a=1;\x16 AWSALB=x\r\n\r\n",
				    &plain, &edits),
		      "AWSALB") == NULL);
	EXPECT(strcmp(write_request(head, &plain, &edits),
		      "GET / HTTP/1.1\r\n" HOST
		      "Cookie: a=1; b=\"2\"\r\nCookie: c; A=3=4\r\n" FORWARDED "\r\n") == 0);
}

/* Modes: monitor, defensive, strictest.  0 passes, 1 passes and closes, else the status. */
static void
test_verdicts(void)
{
#define V "GET / HTTP/1.1\r\n" HOST
#define P "POST / HTTP/1.1\r\n" HOST
	static const struct {
		const char *why, *head;
		enum http_class class;
		enum http_reason reason;
		uint16_t modes[3];
	} rows[] = {
		{"compliant", V "\r\n", HTTP_COMPLIANT, 0, {0, 0, 0}},
		{"acceptable",
		 V "Content-Length: 0\r\n\r\n",
		 HTTP_ACCEPTABLE,
		 HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH,
		 {0, 0, 400}},
		{"bare LF",
		 "GET / HTTP/1.1\nHost: a\n\n",
		 HTTP_ACCEPTABLE,
		 HTTP_REASON_NON_CR_LF_LINE_TERMINATION,
		 {0, 0, 400}},
		{"ambiguous",
		 V "Content-Length: 3\r\n\r\n",
		 HTTP_AMBIGUOUS,
		 HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS,
		 {0, 1, 400}},
		{"suspicious",
		 P "Transfer_Encoding: chunked\r\n\r\n",
		 HTTP_AMBIGUOUS,
		 HTTP_REASON_SUSPICIOUS_HEADER,
		 {0, 1, 400}},
		{"both framings",
		 P "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_AMBIGUOUS,
		 HTTP_REASON_BOTH_TE_CL_PRESENT,
		 {1, 1, 400}},
		{"coding in 1.0",
		 "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_AMBIGUOUS,
		 HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS,
		 {1, 1, 400}},
		{"severe with a safe meaning",
		 P "Content-Length: 3, 3\r\n\r\n",
		 HTTP_SEVERE,
		 HTTP_REASON_BAD_CONTENT_LENGTH,
		 {0, 400, 400}},
		{"severe without",
		 P "Content-Length: 3, 4\r\n\r\n",
		 HTTP_SEVERE,
		 HTTP_REASON_MULTIPLE_CONTENT_LENGTH,
		 {400, 400, 400}},
		{"not implemented",
		 P "Transfer-Encoding: gzip, chunked\r\n\r\n",
		 HTTP_SEVERE,
		 HTTP_REASON_BAD_TRANSFER_ENCODING,
		 {501, 501, 501}},
		{"trace", "trace / HTTP/1.1\r\n" HOST "\r\n", HTTP_COMPLIANT, 0, {405, 405, 405}},
		{"TRACE", "TRACE / HTTP/1.1\r\n" HOST "\r\n", HTTP_COMPLIANT, 0, {405, 405, 405}},
		{"CONNECT",
		 "CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n",
		 HTTP_COMPLIANT,
		 0,
		 {400, 400, 400}},
		{"version",
		 "GET / HTTP/3.0\r\n" HOST "\r\n",
		 HTTP_SEVERE,
		 HTTP_REASON_BAD_VERSION,
		 {505, 505, 505}},
		{"30 addresses",
		 V "X-Forwarded-For: 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\r\n"
		   "X-Forwarded-For: 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\r\n\r\n",
		 HTTP_COMPLIANT,
		 0,
		 {0, 0, 0}},
		{"31 addresses",
		 V "X-Forwarded-For: 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\r\n"
		   "X-Forwarded-For: 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\r\n\r\n",
		 HTTP_COMPLIANT,
		 0,
		 {463, 463, 463}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_request r;

		http_request_init(&r, fields, HTTP_FIELDS_MAX);
		EXPECT_ROW(rows[i].why,
			   http_request_parse(&r, (const uint8_t *)rows[i].head,
					      (uint32_t)strlen(rows[i].head)) != HTTP_INCOMPLETE);
		for (int mode = 0; mode < HTTP_DESYNC_MODES; mode++) {
			struct http_verdict v = http_verdict(&r, (enum http_desync_mode)mode);
			uint16_t want = rows[i].modes[mode];

			EXPECT_ROW(rows[i].why, v.class == rows[i].class);
			EXPECT_ROW(rows[i].why, v.reason == rows[i].reason);
			EXPECT_ROW(rows[i].why, v.status == (want > 1 ? want : 0));
			EXPECT_ROW(rows[i].why, (v.fault == HTTP_FAULT_NONE) == (want <= 1));
			EXPECT_ROW(rows[i].why, v.close == (want != 0));
		}
	}
	for (int i = 0; i < HTTP_REASONS; i++)
		EXPECT(http_reason_name((enum http_reason)i) != NULL);
	EXPECT(strcmp(http_class_name(HTTP_SEVERE), "Severe") == 0);
}

static void
test_responses(void)
{
#define OK "HTTP/1.1 200 OK\r\n"
	static const struct {
		const char *why, *in;
		enum http_method method;
		uint8_t version;
		const char *want;
		bool close, reuse;
	} rows[] = {
		{"length", OK "server: nginx\r\nContent-Length: 05\r\n\r\n", HTTP_METHOD_GET, 11,
		 OK "server: nginx\r\nContent-Length: 5\r\n\r\n", false, true},
		{"length 0", OK "Content-Length: 0\r\n\r\n", HTTP_METHOD_GET, 11,
		 OK "Content-Length: 0\r\n\r\n", false, true},
		{"chunked", OK "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n", HTTP_METHOD_GET,
		 11, OK "Trailer: A\r\nTransfer-Encoding: chunked\r\n\r\n", false, true},
		{"chunked for 1.0", OK "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n",
		 HTTP_METHOD_GET, 10, OK "Connection: close\r\n\r\n", true, true},
		{"until close", "HTTP/1.0 200 OK\r\n\r\n", HTTP_METHOD_GET, 11,
		 OK "Transfer-Encoding: chunked\r\n\r\n", false, false},
		{"until close for 1.0", "HTTP/1.0 200 OK\r\n\r\n", HTTP_METHOD_GET, 10,
		 OK "Connection: close\r\n\r\n", true, false},
		{"length for 1.0", OK "Content-Length: 5\r\n\r\n", HTTP_METHOD_GET, 10,
		 OK "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n", false, true},
		{"for 0.9", OK "Content-Length: 5\r\n\r\n", HTTP_METHOD_GET, 9, "", true, true},
		{"both framings", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_METHOD_GET, 11, OK "Transfer-Encoding: chunked\r\n\r\n", false, false},
		{"to HEAD", OK "Content-Length: 5\r\n\r\n", HTTP_METHOD_HEAD, 11,
		 OK "Content-Length: 5\r\n\r\n", false, true},
		{"204", "HTTP/1.1 204 No\r\n\r\n", HTTP_METHOD_GET, 11, "HTTP/1.1 204 No\r\n\r\n",
		 false, true},
		{"204 of length 0", "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", HTTP_METHOD_GET,
		 11, "HTTP/1.1 204 No\r\n\r\n", false, true},
		{"204 that announces a body", "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n",
		 HTTP_METHOD_GET, 11, "HTTP/1.1 204 No\r\n\r\n", false, false},
		{"204 that announces chunks",
		 "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_METHOD_GET, 11,
		 "HTTP/1.1 204 No\r\n\r\n", false, false},
		{"204 to HEAD that announces a body",
		 "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_HEAD, 11,
		 "HTTP/1.1 204 No\r\n\r\n", false, false},
		{"304 with a coding", "HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n",
		 HTTP_METHOD_GET, 11, "HTTP/1.1 304 No\r\n\r\n", false, false},
		{"103 with a length", "HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n",
		 HTTP_METHOD_GET, 11, "HTTP/1.1 103 Hints\r\n\r\n", false, false},
		{"100 with a coding", "HTTP/1.1 100 Go\r\nTransfer-Encoding: gzip\r\n\r\n",
		 HTTP_METHOD_GET, 11, "HTTP/1.1 100 Go\r\n\r\n", false, false},
		{"chunked to HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", HTTP_METHOD_HEAD, 11,
		 OK "\r\n", false, true},
		{"identity and length",
		 OK "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_GET, 11,
		 OK "Content-Length: 5\r\n\r\n", false, false},
		{"identity alone", OK "Transfer-Encoding: Identity\r\n\r\n", HTTP_METHOD_GET, 11,
		 OK "Transfer-Encoding: chunked\r\n\r\n", false, false},
		{"identity and chunked", OK "Transfer-Encoding: identity, chunked\r\n\r\n",
		 HTTP_METHOD_GET, 11, OK "Transfer-Encoding: chunked\r\n\r\n", false, false},
		{"304", "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_GET, 11,
		 "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", false, true},
		{"103", "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", HTTP_METHOD_GET, 11,
		 "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", false, true},
		{"target closes", OK "Connection: close, X\r\nX: y\r\nContent-Length: 1\r\n\r\n",
		 HTTP_METHOD_GET, 11, OK "Content-Length: 1\r\n\r\n", false, false},
		{"odd phrase",
		 "HTTP/1.1 200 a\x01"
		 "b\nX:y\nContent-Length: 1\n\n",
		 HTTP_METHOD_GET, 11, "HTTP/1.1 200 a b\r\nX: y\r\nContent-Length: 1\r\n\r\n",
		 false, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct http_response r = response(rows[i].in);
		struct http_response_plan plan =
			http_response_plan(&r, rows[i].method, rows[i].version);
		struct http_response_edits edits = {
			.out = plan.out, .client_version = rows[i].version, .close = plan.close};
		struct bytes_writer w = bytes_writer(out, http_response_bound(&r, &plain, &edits));

		http_response_write(&w, &r, &plain, &edits);
		EXPECT_ROW(rows[i].why, !w.failed);
		*w.at = 0;
		EXPECT_ROW(rows[i].why, strcmp((const char *)out, rows[i].want) == 0);
		EXPECT_ROW(rows[i].why, plan.close == rows[i].close && plan.reuse == rows[i].reuse);
	}
}

static const struct http_line inserts[] = {
	{TEXT("X-Frame-Options"), TEXT("DENY")},
	{TEXT("Strict-Transport-Security"), TEXT("max-age=1")},
};
static const struct http_line cookie = {TEXT("Set-Cookie"), TEXT("AWSALB=x")};

static void
test_inserts(void)
{
	struct http_response r = response("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n"
					  "Connection: upgrade\r\nx-frame-options: ALLOW\r\n\r\n");
	struct http_response_edits edits = {
		.client_version = 11, .upgrade = true, .lines = &cookie, .lines_n = 1};
	struct http_policy policy = plain;
	struct bytes_writer w;

	policy.inserts = inserts;
	policy.inserts_n = 2;
	w = bytes_writer(out, http_response_bound(&r, &policy, &edits));
	http_response_write(&w, &r, &policy, &edits);
	*w.at = 0;
	EXPECT(strcmp((const char *)out,
		      "HTTP/1.1 101 Yes\r\nX-Frame-Options: DENY\r\n"
		      "Strict-Transport-Security: max-age=1\r\nSet-Cookie: AWSALB=x\r\n"
		      "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n") == 0);
}

static const char *
write_answer(const struct http_answer *answer, const struct http_policy *policy)
{
	struct bytes_writer w = bytes_writer(out, http_answer_bound(answer, policy));

	http_answer_write(&w, answer, policy);
	EXPECT(!w.failed);
	*w.at = 0;
	return (const char *)out;
}

static void
test_answers(void)
{
	static const uint16_t statuses[] = {400, 401, 403, 405, 408, 413, 414, 460, 463,
					    464, 500, 501, 502, 503, 504, 505, 507, 561};
	struct http_answer a = {.status = 503,
				.client_version = 11,
				.close = true,
				.date = TEXT("Thu, 01 Jan 1970 00:00:00 GMT")};
	struct http_policy policy = plain;

	EXPECT(strcmp(write_answer(&a, &plain),
		      "HTTP/1.1 503 Service Temporarily Unavailable\r\nServer: awselb/2.0\r\n"
		      "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/html\r\n"
		      "Content-Length: 162\r\nConnection: close\r\n\r\n"
		      "<html>\r\n<head><title>503 Service Temporarily "
		      "Unavailable</title></head>\r\n"
		      "<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n"
		      "</body>\r\n</html>\r\n") == 0);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		const char *body, *length;

		a.status = statuses[i];
		body = strstr(write_answer(&a, &plain), "\r\n\r\n") + 4;
		length = strstr((const char *)out, "Content-Length: ") + 16;
		EXPECT(strtoul(length, NULL, 10) == strlen(body));
	}
	a.to_head = true;
	EXPECT(strstr(write_answer(&a, &plain), "\r\n\r\n")[4] == 0);
	a.to_head = false;
	a.client_version = 9;
	EXPECT(strncmp(write_answer(&a, &plain), "<html>", 6) == 0);
	a.client_version = 0;
	EXPECT(strncmp(write_answer(&a, &plain), "HTTP/1.1 ", 9) == 0);
	policy.response_server = false;
	policy.inserts = inserts;
	policy.inserts_n = 1;
	a = (struct http_answer){.status = 302, .client_version = 11, .location = TEXT("/x")};
	EXPECT(strstr(write_answer(&a, &policy), "Location: /x\r\n") != NULL);
	EXPECT(strstr((const char *)out, "Server") == NULL);
	EXPECT(strstr((const char *)out, "X-Frame-Options: DENY\r\n") != NULL);
	a = (struct http_answer){.status = 200,
				 .client_version = 11,
				 .content_type = TEXT("text/plain"),
				 .body = TEXT("hello")};
	EXPECT(strstr(write_answer(&a, &plain),
		      "Content-Type: text/plain\r\nContent-Length: 5\r\nConnection: keep-alive\r\n"
		      "\r\nhello") != NULL);
	a.status = 204;
	EXPECT(strstr(write_answer(&a, &plain), "Content-Length") == NULL);
}

static void
test_trace_ids(void)
{
#define NEW "1-67891233-0102030405060708090a0b0c"
	static const struct {
		const char *why, *value, *want;
	} rows[] = {
		{"none", NULL, "Root=" NEW},
		{"Root", "Root=1-2-3", "Self=" NEW ";Root=1-2-3"},
		{"Root and others", "Root=1-2-3; A=b", "Self=" NEW ";Root=1-2-3;A=b"},
		{"Self", "Self=1-9-9;Root=1-2-3;A=b", "Self=" NEW ";Root=1-2-3;A=b"},
		{"others", "A=b", "Root=" NEW ";A=b"},
		{"only Self", "Self=1-9-9", "Root=" NEW},
		{"not printable", "Root=\xff", "Root=" NEW},
		{"empty", "", "Root=" NEW},
	};
	static const uint8_t random[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	static char head[10000];
	uint8_t id[HTTP_TRACE_ID_MAX];
	struct http_request r;
	uint32_t len;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].value == NULL)
			sprintf(head, "GET / HTTP/1.0\r\n\r\n");
		else
			sprintf(head, "GET / HTTP/1.0\r\nX-Amzn-Trace-Id: %s\r\n\r\n",
				rows[i].value);
		r = request(head);
		len = http_trace_id(id, &r.head, 0x67891233, random);
		EXPECT_ROW(rows[i].why,
			   len == strlen(rows[i].want) && memcmp(id, rows[i].want, len) == 0);
	}
	sprintf(head, "GET / HTTP/1.0\r\nX-Amzn-Trace-Id: Root=1-2-3;A=b\r\nX: %07200d\r\n\r\n", 0);
	r = request(head);
	len = http_trace_id(id, &r.head, 0, random);
	EXPECT(len == 10 && memcmp(id, "Root=1-2-3", 10) == 0);
	sprintf(head, "GET / HTTP/1.0\r\nX-Amzn-Trace-Id: Root=1-2-3;A=%02000d\r\n\r\n", 0);
	r = request(head);
	len = http_trace_id(id, &r.head, 0, random);
	EXPECT(len == 10 && memcmp(id, "Root=1-2-3", 10) == 0);
}

static void
test_dates(void)
{
	static const struct {
		uint64_t epoch_s;
		const char *want;
	} rows[] = {
		{0, "Thu, 01 Jan 1970 00:00:00 GMT"},
		{951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
		{1795658511, "Thu, 26 Nov 2026 02:01:51 GMT"},
		{1709251199, "Thu, 29 Feb 2024 23:59:59 GMT"},
		{4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t date[HTTP_DATE_LEN];

		http_date(date, rows[i].epoch_s);
		EXPECT_ROW(rows[i].want, memcmp(date, rows[i].want, HTTP_DATE_LEN) == 0);
	}
}

int
main(void)
{
	test_requests();
	test_own_names();
	test_policy();
	test_upgrade();
	test_cookies();
	test_verdicts();
	test_responses();
	test_inserts();
	test_answers();
	test_trace_ids();
	test_dates();
	return unit_done();
}
