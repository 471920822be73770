/* SPDX-License-Identifier: BSD-3-Clause */
/* Field 13 of an access log's line: the request, whatever it carries. */
#include "unit.h"

#include "alb_record.h"

static union {
	struct alb_record record;
	uint8_t bytes[1024];
} space;

static struct proxy_text
keep(struct alb_record *r, const char *text)
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
		{"absolute form", "GET", "https://[::1]:9", "[::1]:9", 11,
		 " \"GET https://[::1]:9 HTTP/1.1\" "},
		{"refused before its method was known", "", "", "", 11,
		 " \"- http://192.0.2.1:80- -\" "},
	};
	static const struct alb_record_names names = {"app/shop/1", "-"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct alb_record *r = &space.record;
		char line[1024];
		size_t n;

		*r = (struct alb_record){.listener_port = 80};
		EXPECT(ip_addr_parse("192.0.2.1", &r->local));
		r->record.http_version = rows[i].version;
		r->record.method = keep(r, rows[i].method);
		r->record.target_uri = keep(r, rows[i].target);
		r->record.host = keep(r, rows[i].host);
		n = alb_record_format(r, &names, line, sizeof(line) - 1);
		line[n] = '\0';
		EXPECT_ROW(rows[i].why, n > 0 && strstr(line, rows[i].want) != NULL);
		for (size_t k = 0; k + 1 < n; k++)
			EXPECT_ROW(rows[i].why, line[k] >= 0x20 && line[k] <= 0x7e);
		EXPECT_ROW("one line", n > 0 && line[n - 1] == '\n');
	}
}

int
main(void)
{
	test_requests();
	return unit_done();
}
