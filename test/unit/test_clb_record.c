/* SPDX-License-Identifier: BSD-3-Clause */
/* A request's line of a classic load balancer's access log, 15 fields. */
#include "unit.h"

#include <string.h>

#include "clb_record.h"

static union {
	struct service_record record;
	uint8_t bytes[sizeof(struct service_record) + PROXY_TEXT_MAX];
} space;

static struct proxy_text
keep(struct service_record *r, const char *text)
{
	struct proxy_text t = {.at = (uint16_t)r->text_len, .len = (uint16_t)strlen(text)};

	memcpy(r->text + r->text_len, text, t.len);
	r->text_len += t.len;
	return t;
}

static struct service_record *
make_record(void)
{
	struct service_record *r = &space.record;

	*r = (struct service_record){.head.kind = LOG_CLASSIC,
				     .client_port = 40000,
				     .listener_port = 80,
				     .wall_us = UINT64_C(1700000000000000)};
	EXPECT(ip_addr_parse("192.0.2.7", &r->client));
	EXPECT(ip_addr_parse("192.0.2.1", &r->local));
	r->record = (struct proxy_record){.http_version = 11,
					  .created_us = 1000000,
					  .ended_us = 1004000,
					  .received_bytes = 110,
					  .received_head_bytes = 100,
					  .sent_bytes = 220,
					  .sent_head_bytes = 200,
					  .elb_status = 200};
	return r;
}

static void
expect(const char *why, const struct service_record *r, const char *want)
{
	char line[4096];
	size_t n = clb_record_format(r, "shop", line, sizeof(line) - 1);

	line[n] = '\0';
	EXPECT_ROW(why, strcmp(line, want) == 0);
	if (strcmp(line, want) != 0)
		printf("  got: %s", line);
	EXPECT_ROW(why, clb_record_format(r, "shop", line, n - 1) == 0);
}

static void
test_served(void)
{
	struct service_record *r = make_record();

	EXPECT(ip_addr_parse("2001:db8::11", &r->target));
	r->target_port = 8080;
	r->target_af = 6;
	r->record.sent_us = 1001000;
	r->record.answered_us = 1003000;
	r->record.target_status = 200;
	r->record.method = keep(r, "GET");
	r->record.target_uri = keep(r, "/a?b");
	r->record.host = keep(r, "shop.example.com");
	r->record.user_agent = keep(r, "curl/7");
	snprintf(r->tls_cipher, sizeof(r->tls_cipher), "ECDHE-RSA-AES128-GCM-SHA256");
	snprintf(r->tls_protocol, sizeof(r->tls_protocol), "TLSv1.2");
	r->https = 1;
	expect("served", r,
	       "2023-11-14T22:13:21.000000Z shop 192.0.2.7:40000 [2001:db8::11]:8080 0.001000 "
	       "0.002000 0.001000 200 200 10 20 \"GET https://shop.example.com:80/a?b HTTP/1.1\" "
	       "\"curl/7\" "
	       "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2\n");
}

/* What never got to an instance has no times. */
static void
test_not_dispatched(void)
{
	struct service_record *r = make_record();

	r->record.elb_status = 503;
	r->record.answered_us = 1003000;
	r->record.method = keep(r, "GET");
	r->record.target_uri = keep(r, "/");
	r->record.host = keep(r, "a");
	expect("not dispatched", r,
	       "2023-11-14T22:13:21.000000Z shop 192.0.2.7:40000 - -1 -1 -1 503 - 10 20 \"GET "
	       "http://a:80/ HTTP/1.1\" \"-\" - -\n");
}

/* A connection of a TCP or SSL listener: no requests, no statuses. */
static void
test_connection(void)
{
	struct service_record *r = make_record();

	r->is_conduit = true;
	r->record = (struct proxy_record){.created_us = 1000000,
					  .sent_us = 1002000,
					  .answered_us = 1005000,
					  .ended_us = 1005000,
					  .received_bytes = 82,
					  .sent_bytes = 305};
	EXPECT(ip_addr_parse("192.0.2.11", &r->target));
	r->target_port = 25;
	r->target_af = 4;
	r->connecting_us = 1000500;
	r->connected_us = 1000573;
	expect("a connection", r,
	       "2023-11-14T22:13:21.000000Z shop 192.0.2.7:40000 192.0.2.11:25 0.002000 "
	       "0.000073 0.000000 - - 82 305 \"- - - \" \"-\" - -\n");
	r->target_af = 0;
	r->record.sent_us = r->record.answered_us = 0;
	r->connecting_us = r->connected_us = 0;
	expect("to nobody", r,
	       "2023-11-14T22:13:21.000000Z shop 192.0.2.7:40000 - -1 -1 -1 - - 82 305 \"- - - \" "
	       "\"-\" - -\n");
}

int
main(void)
{
	test_served();
	test_not_dispatched();
	test_connection();
	return unit_done();
}
