/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of the access log: fields 13 and 25, and strings too long for it. */
#include "unit.h"

#include "alb_error.h"
#include "alb_record.h"

static union {
	struct service_record record;
	uint8_t bytes[sizeof(struct service_record) + PROXY_TEXT_MAX];
} space;

static const struct alb_record_names names = {"app/shop/1", "-"};
static char line[32768]; /* LOGGER_LINE_MAX */

static size_t
format(const struct service_record *r)
{
	size_t n = alb_record_format(r, &names, line, sizeof(line) - 1);

	line[n] = '\0';
	return n;
}

static struct proxy_text
keep(struct service_record *r, const char *text)
{
	struct proxy_text t = {.at = (uint16_t)r->text_len, .len = (uint16_t)strlen(text)};

	memcpy(r->text + r->text_len, text, t.len);
	r->text_len += t.len;
	return t;
}

static void
test_requests(void)
{
	static const struct {
		const char *why, *method, *target, *host;
		uint8_t version;
		const char *want;
	} rows[] = {
		{"a host with a port", "GET", "/a?b", "x:1", 11,
		 " \"GET http://x:1/a?b HTTP/1.1\" "},
		{"a host without", "GET", "/a", "x", 10, " \"GET http://x:80/a HTTP/1.0\" "},
		{"what could end the field or the line", "GET", "/\"\\\x01\xff", "", 9,
		 " \"GET http://:80/\\x22\\x5C\\x01\\xFF HTTP/0.9\" "},
		{"an address", "GET", "/", "[::1]", 11, " \"GET http://[::1]:80/ HTTP/1.1\" "},
		{"an address with a port", "GET", "/", "[::1]:8", 11,
		 " \"GET http://[::1]:8/ HTTP/1.1\" "},
		{"an empty port", "GET", "/", "a.b:", 11, " \"GET http://a.b:80/ HTTP/1.1\" "},
		{"a URL in the query", "GET", "/?http://c/", "a", 11,
		 " \"GET http://a:80/?http://c/ HTTP/1.1\" "},
		{"absolute form without a port", "GET", "http://a.b/c?d", "a.b", 11,
		 " \"GET http://a.b:80/c?d HTTP/1.1\" "},
		{"absolute form with an empty port", "GET", "http://a.b:?d", "a.b:", 11,
		 " \"GET http://a.b:80?d HTTP/1.1\" "},
		{"absolute form with an address", "GET", "http://[::1]/", "[::1]", 11,
		 " \"GET http://[::1]:80/ HTTP/1.1\" "},
		{"authority form", "CONNECT", "a.b:443", "a.b", 11,
		 " \"CONNECT a.b:443 HTTP/1.1\" "},
		{"the server", "OPTIONS", "*", "a", 11, " \"OPTIONS http://a:80* HTTP/1.1\" "},
		{"absolute form", "GET", "https://[::1]:9", "[::1]:9", 11,
		 " \"GET https://[::1]:9 HTTP/1.1\" "},
		{"refused before its method was known", "", "", "", 11,
		 " \"- http://192.0.2.1:80- -\" "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct service_record *r = &space.record;
		size_t n;

		*r = (struct service_record){.listener_port = 80};
		EXPECT(ip_addr_parse("192.0.2.1", &r->local));
		r->record.http_version = rows[i].version;
		r->record.method = keep(r, rows[i].method);
		r->record.target_uri = keep(r, rows[i].target);
		r->record.host = keep(r, rows[i].host);
		n = format(r);
		EXPECT_ROW(rows[i].why, n > 0 && strstr(line, rows[i].want) != NULL);
		for (size_t k = 0; k + 1 < n; k++)
			EXPECT_ROW(rows[i].why, line[k] >= 0x20 && line[k] <= 0x7e);
		EXPECT_ROW("one line", n > 0 && line[n - 1] == '\n');
	}
}

/* Every reason has a name, and none but one of two. */
static void
test_reasons(void)
{
	struct service_record *r = &space.record;

	for (uint8_t i = 1; i < ALB_ERRORS; i++) {
		const char *name = alb_error_name(i);
		char want[64];

		EXPECT_ROW(name,
			   strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") ==
				   strlen(name));
		for (uint8_t k = 1; k < i; k++)
			EXPECT_ROW(name,
				   strcmp(name, alb_error_name(k)) != 0 || i == HTTP_FAULT_CONNECT);
		*r = (struct service_record){.record.error = i};
		EXPECT(format(r) > 0);
		snprintf(want, sizeof(want), " \"-\" \"%s\" \"-\" \"-\" ", name);
		EXPECT_ROW(name, strstr(line, want) != NULL);
	}
	EXPECT(strcmp(alb_error_name(0), "-") == 0 && strcmp(alb_error_name(255), "-") == 0);
	for (uint8_t i = 1; i < PROXY_ERRORS; i++)
		EXPECT_ROW(alb_error_name(i), proxy_error_status(i) >= 400);
}

/* Long strings leave room for each other, and say what is missing. */
static void
test_long_strings(void)
{
	static const uint8_t bytes[20000] = {1};
	static struct proxy_exchange x;
	struct service_record *r = &space.record;

	x.record.method = proxy_keep(&x, bytes, 20000, PROXY_TEXT_MAX - 64);
	EXPECT(x.record.method.len == 64 && x.record.method.more == 19936);
	x.record.target_uri = proxy_keep(&x, "/", 1, PROXY_TEXT_MAX - 64 - 2048);
	EXPECT(x.record.target_uri.len == 1 && x.record.target_uri.more == 0);
	x.record.user_agent = proxy_keep(&x, bytes, 20000, 1000);
	EXPECT(x.record.user_agent.len == PROXY_TEXT_MAX - 1065);
	x.record.redirect_url = proxy_keep(&x, bytes, 1000, 0);
	EXPECT(x.record.redirect_url.len == 1000 && x.text_len == PROXY_TEXT_MAX);
	x.record.transformed_uri = proxy_keep(&x, bytes, 70000, 0);
	EXPECT(x.record.transformed_uri.len == 0 && x.record.transformed_uri.more == UINT16_MAX);
	*r = (struct service_record){.record = x.record, .text_len = x.text_len};
	memcpy(r->text, x.text, x.text_len);
	EXPECT(format(r) > 4 * (PROXY_TEXT_MAX - 1));
	EXPECT(strstr(line, "\\+19936 http://") != NULL);
	EXPECT(strstr(line, "\\x00\\+16969\" - -") != NULL);
	EXPECT(strstr(line, " \"\\+65535\" \"") != NULL);
}

int
main(void)
{
	test_requests();
	test_reasons();
	test_long_strings();
	return unit_done();
}
