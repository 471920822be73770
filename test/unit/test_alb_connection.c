/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection becomes a record, and the record ELB's 13 fields. */
#include "unit.h"

#include <arpa/inet.h>

#include "alb.h"
#include "alb_connection.h"
#include "check.h"

static uint8_t bytes[4096];
static struct log_ring ring;
static const struct service_log log_to = {
	.ring = &ring, .wall_us = UINT64_C(1700000000000000), .first_connection = 4};

static void
test_lines(void)
{
	static const struct {
		const char *why, *client;
		bool refused;
		const char *want;
	} rows[] = {
		{"a client", "192.0.2.77", false,
		 "2023-11-14T22:13:21.500000Z 192.0.2.77 40000 80 - - - \"-\" - - - "
		 "TID_00000000000000000000000000000007 -\n"},
		{"IPv6 without brackets: the port is a field of its own", "2001:db8::77", false,
		 "2023-11-14T22:13:21.500000Z 2001:db8::77 40000 80 - - - \"-\" - - - "
		 "TID_00000000000000000000000000000007 -\n"},
		{"one that found no room", "192.0.2.77", true,
		 "2023-11-14T22:13:21.500000Z 192.0.2.77 40000 80 - - - \"-\" - - "
		 "Failed:UnmappedConnectionError TID_00000000000000000000000000000007 -\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct service_http_listener listener = {.load_balancer_id = 42};
		struct tcp_tuple tuple = {.local_port_be = htons(80),
					  .remote_port_be = htons(40000)};
		struct proxy_session_info session = {
			.tuple = &tuple, .number = 3, .begun_us = 1500000};
		const struct alb_connection *r;
		char line[256];
		uint32_t len;
		size_t n;

		EXPECT(ip_addr_parse(rows[i].client, &tuple.remote));
		EXPECT(alb_connection_write(&log_to, &listener, &session, rows[i].refused));
		r = log_ring_peek(&ring, &len);
		EXPECT(r != NULL && len == sizeof(*r) && r->head.load_balancer_id == 42 &&
		       r->head.kind == LOG_CONNECTION);
		n = alb_connection_format(r, line, sizeof(line));
		EXPECT_ROW(rows[i].why,
			   n == strlen(rows[i].want) && memcmp(line, rows[i].want, n) == 0);
		EXPECT_ROW("no room for the newline", alb_connection_format(r, line, n - 1) == 0);
		log_ring_release(&ring);
	}
}

/* What a client says of itself is one field, whatever is in it. */
static void
test_certificate(void)
{
	static const char strings[] = "CN=a \"b\"\nc\0NotBefore=2026-01-02T03:04:05Z;NotAfter="
				      "2027-01-02T03:04:05Z\00001FF";
	struct alb_connection *r = malloc(sizeof(*r) + sizeof(strings));
	char line[512];
	size_t n;

	CHECK(r != NULL);
	*r = (struct alb_connection){.begun_wall_us = UINT64_C(1700000000000000),
				     .client_port = 40000,
				     .listener_port = 443,
				     .failed = true,
				     .tls_failure = TLS_FAILURE_CERT_EXPIRED,
				     .certificate_len = sizeof(strings)};
	CHECK(ip_addr_parse("192.0.2.77", &r->client));
	memcpy(r->certificate, strings, sizeof(strings));
	n = alb_connection_format(r, line, sizeof(line) - 1);
	line[n] = '\0';
	EXPECT(strcmp(line,
		      "2023-11-14T22:13:20.000000Z 192.0.2.77 40000 443 - - - "
		      "\"CN=a \\x22b\\x22\\x0Ac\" "
		      "NotBefore=2026-01-02T03:04:05Z;NotAfter=2027-01-02T03:04:05Z 01FF "
		      "Failed:ClientCertExpired TID_00000000000000000000000000000000 -\n") == 0);
	free(r);
}

static void
test_full_ring(void)
{
	struct service_http_listener listener = {.load_balancer_id = 42};
	struct tcp_tuple tuple = {0};
	struct proxy_session_info session = {.tuple = &tuple};
	uint32_t written = 0;

	while (written < sizeof(bytes) && alb_connection_write(&log_to, &listener, &session, false))
		written++;
	EXPECT_ROW("it is told, and counted",
		   written > 0 && written < sizeof(bytes) && ring.lost == 1);
}

int
main(void)
{
	log_ring_init(&ring, bytes, sizeof(bytes));
	test_lines();
	test_certificate();
	test_full_ring();
	return unit_done();
}
