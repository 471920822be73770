/* SPDX-License-Identifier: BSD-3-Clause */
/* A check's result becomes ELB's 8 fields. */
#include "unit.h"

#include "health_record.h"

#define BEGUN "http 2023-11-14T22:13:20.000000Z 0.019584 "

static void
test_lines(void)
{
	static const struct {
		const char *why, *target;
		enum probe_result result;
		uint16_t status;
		const char *want;
	} rows[] = {
		{"passed", "192.0.2.9", PROBE_CONNECTED, 200,
		 BEGUN "192.0.2.9:8081 web PASS 200 -\n"},
		{"IPv6", "2001:db8::9", PROBE_CONNECTED, 204,
		 BEGUN "[2001:db8::9]:8081 web PASS 204 -\n"},
		{"another status than the matcher's", "192.0.2.9", PROBE_STATUS_MISMATCH, 404,
		 BEGUN "192.0.2.9:8081 web FAIL 404 ResponseCodeMismatch\n"},
		{"the target says that it fails", "192.0.2.9", PROBE_STATUS_MISMATCH, 502,
		 BEGUN "192.0.2.9:8081 web FAIL 502 TargetError\n"},
		{"what isn't HTTP", "192.0.2.9", PROBE_BAD_ANSWER, 0,
		 BEGUN "192.0.2.9:8081 web FAIL - TargetError\n"},
		{"RST", "192.0.2.9", PROBE_REFUSED, 0,
		 BEGUN "192.0.2.9:8081 web FAIL - ConnectionReset\n"},
		{"no SYN-ACK", "192.0.2.9", PROBE_TIMEOUT, 0,
		 BEGUN "192.0.2.9:8081 web FAIL - ConnectionTimedOut\n"},
		{"no answer", "192.0.2.9", PROBE_NO_ANSWER, 0,
		 BEGUN "192.0.2.9:8081 web FAIL - RequestTimedOut\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct health_record r = {.begun_wall_us = UINT64_C(1700000000000000),
					  .latency_us = 19584,
					  .port = 8081,
					  .status = rows[i].status,
					  .result = (uint8_t)rows[i].result,
					  .target_group = "web"};
		char line[256];
		size_t n;

		EXPECT(ip_addr_parse(rows[i].target, &r.target));
		n = health_record_format(&r, line, sizeof(line));
		EXPECT_ROW(rows[i].why,
			   n == strlen(rows[i].want) && memcmp(line, rows[i].want, n) == 0);
		EXPECT_ROW("no room for the newline", health_record_format(&r, line, n - 1) == 0);
	}
}

int
main(void)
{
	test_lines();
	return unit_done();
}
