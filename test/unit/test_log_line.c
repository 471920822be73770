/* SPDX-License-Identifier: BSD-3-Clause */
/* Fields of a log's line, and lines that don't fit. */
#include "unit.h"

#include "log_line.h"

static bool
is(const struct log_line *l, const char *want)
{
	return log_line_len(l) == strlen(want) && memcmp(l->begin, want, strlen(want)) == 0;
}

static void
test_durations(void)
{
	static const struct {
		const char *why;
		uint64_t from_us, to_us;
		const char *want;
	} rows[] = {
		{"it never began", 0, 5000000, "-1"}, {"it never ended", 5000000, 0, "-1"},
		{"no time at all", 7, 7, "0.000"},    {"cut, not rounded", 1, 2000, "0.001"},
		{"seconds", 1, 61234568, "61.234"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[64];
		struct log_line l = log_line(out, sizeof(out));

		log_put_duration(&l, rows[i].from_us, rows[i].to_us);
		EXPECT_ROW(rows[i].why, is(&l, rows[i].want));
	}
}

static void
test_endpoints(void)
{
	static const struct {
		const char *why, *addr;
		uint16_t port;
		const char *want;
	} rows[] = {
		{"IPv4", "192.0.2.1", 80, "192.0.2.1:80"},
		{"IPv6 has colons of its own", "2001:db8::1", 65535, "[2001:db8::1]:65535"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[64];
		struct log_line l = log_line(out, sizeof(out));
		struct ip_addr addr;

		EXPECT(ip_addr_parse(rows[i].addr, &addr));
		log_put_endpoint(&l, &addr, rows[i].port);
		EXPECT_ROW(rows[i].why, is(&l, rows[i].want));
	}
}

static void
test_text(void)
{
	char out[128];
	struct log_line l = log_line(out, sizeof(out));

	log_put_escaped(&l, "a \"b\"\\\n\x7f\xff~", 10);
	EXPECT_ROW("what could end a field or a line is escaped",
		   is(&l, "a \\x22b\\x22\\x5C\\x0A\\x7F\\xFF~"));
	l = log_line(out, sizeof(out));
	log_put_time(&l, UINT64_C(1700000000000042));
	EXPECT_ROW("microseconds have six digits", is(&l, "2023-11-14T22:13:20.000042Z"));
	l = log_line(out, sizeof(out));
	log_put_trace_id(&l, 0xabc);
	EXPECT(is(&l, "TID_00000000000000000000000000000abc"));
}

/* Half a line is no line. */
static void
test_room(void)
{
	char out[8];
	struct log_line l = log_line(out, sizeof(out));

	log_puts(&l, "12345678");
	EXPECT_ROW("all of it", log_line_len(&l) == 8);
	log_puts(&l, "");
	EXPECT_ROW("nothing fits always", log_line_len(&l) == 8);
	l = log_line(out, sizeof(out));
	log_puts(&l, "123456789");
	EXPECT_ROW("one too many", log_line_len(&l) == 0);
	log_puts(&l, "1");
	EXPECT_ROW("and nothing afterwards", log_line_len(&l) == 0);
}

int
main(void)
{
	test_durations();
	test_endpoints();
	test_text();
	test_room();
	return unit_done();
}
