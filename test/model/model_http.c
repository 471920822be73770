/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random heads and bodies, cut anywhere: what comes in pieces is what comes in one, what is
 * forwarded is what was asked as a second reader has it, and the work is linear in the bytes.
 */
#include <time.h>

#include "check.h"
#include "http_twin.h"
#include "http_write.h"
#include "unit.h"

#define HEAD_BYTES 20000u
#define BODY_BYTES 3000u

static unsigned long long random_state;
static struct http_field table[HTTP_FIELDS_MAX];
static struct twin_head twin;

static uint32_t
below(uint32_t n)
{
	return (uint32_t)(unit_random(&random_state) >> 33) % n;
}

static const char *
one_of(const char *const *words, uint32_t n)
{
	return words[below(n)];
}

#define ONE_OF(...)                                \
	one_of((const char *const[]){__VA_ARGS__}, \
	       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static uint32_t
put_word(char *to, uint32_t len, const char *letters)
{
	uint32_t n = below(len), letters_n = (uint32_t)strlen(letters);

	for (uint32_t i = 0; i < n; i++)
		to[i] = letters[below(letters_n)];
	return n;
}

/* A head that http_request_parse() takes, in all the forms it may come. */
static uint32_t
make_head(char *to, uint32_t *fields_n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	uint32_t n = (uint32_t)sprintf(to, "%s%s %s/", ONE_OF("", "", "\r\n", "\n"),
				       ONE_OF("GET", "POST", "X-y"),
				       ONE_OF("", "", "http://h", "HTTPS://[::1]:8"));

	n += put_word(to + n, below(20) == 0 ? 5000 : 30, "abc/?=&%~ ");
	to[n++] = 'z'; /* no blank in front of the version */
	n += (uint32_t)sprintf(to + n, " HTTP/1.%u%s", below(2), ONE_OF("\r\n", "\r\n", "\n"));
	n += (uint32_t)sprintf(to + n, "Host: h%s", ONE_OF("\r\n", "\r\n", "\n"));
	*fields_n = below(30);
	for (uint32_t i = 0; i < *fields_n; i++) {
		to[n++] = ONE_OF("A", "b", "X")[0];
		n += put_word(to + n, 12, letters);
		n += (uint32_t)sprintf(to + n, ":%s", ONE_OF("", " ", "\t "));
		n += put_word(to + n, below(20) == 0 ? 400 : 30, "abc,;= \tABC\"\xc3\xa4");
		n += (uint32_t)sprintf(to + n, "%s", ONE_OF("\r\n", "\r\n", "\n", " \r\n"));
	}
	return n + (uint32_t)sprintf(to + n, "%s", ONE_OF("\r\n", "\n"));
}

/* As they come from a wire: every prefix lies in memory of its own size. */
static uint32_t
end_in_pieces(const uint8_t *head, uint32_t len, uint32_t piece_max)
{
	uint32_t scanned = 0, n = 0, end = 0;

	while (end == 0 && n < len) {
		uint32_t more = 1 + below(piece_max);
		uint8_t *bytes;

		n = more < len - n ? n + more : len;
		bytes = malloc(n);
		memcpy(bytes, head, n);
		end = http_head_end(bytes, n, &scanned);
		free(bytes);
	}
	return end;
}

static void
check_forwarded(const struct http_request *r)
{
	static const struct http_policy policy = {.port = 80, .default_host = "lb"};
	static const struct http_request_edits edits = {.client = "::1"};
	static uint8_t written[3 * HEAD_BYTES];
	struct bytes_writer w = bytes_writer(written, http_request_bound(r, &policy, &edits));

	CHECK(http_request_bound(r, &policy, &edits) <= sizeof(written));
	http_request_write(&w, r, &policy, &edits);
	CHECK(!w.failed);
	twin_read(&twin, written, (size_t)(w.at - written));
	CHECK(twin.well_formed && twin.n == r->fields.n + 3);
	for (uint32_t i = 1; i < r->fields.n; i++) {
		CHECK(twin.names[i].len == r->fields.at[i].name.len);
		CHECK(memcmp(twin.values[i].at, r->fields.at[i].value.at, twin.values[i].len) == 0);
	}
}

static void
random_head(void)
{
	static char head[HEAD_BYTES];
	struct http_request r = {.fields.at = table};
	uint32_t fields_n, len = make_head(head, &fields_n), rest = below(50), scanned = 0;

	memset(head + len, '\n', rest); /* what follows is not its end */
	CHECK(http_head_end((uint8_t *)head, len + rest, &scanned) == len);
	CHECK(end_in_pieces((uint8_t *)head, len + rest, 1) == len);
	CHECK(end_in_pieces((uint8_t *)head, len + rest, 1 + below(100)) == len);
	CHECK(end_in_pieces((uint8_t *)head, len - 1, 20) == 0);
	CHECK(http_request_parse(&r, (uint8_t *)head, len) == 0);
	twin_read(&twin, head, len);
	CHECK(twin.n == fields_n + 1 && r.fields.n == twin.n);
	for (uint32_t i = 0; i < r.fields.n; i++)
		CHECK(twin.names[i].at == (const char *)r.fields.at[i].name.at &&
		      twin.values[i].len == r.fields.at[i].value.len);
	check_forwarded(&r);
}

/* Payload in chunks of random sizes, with all that may stand between. */
static uint32_t
make_chunks(uint8_t *to, const uint8_t *payload, uint32_t len)
{
	uint32_t n = 0;

	for (uint32_t at = 0, size; at < len; at += size) {
		size = 1 + below(below(4) == 0 ? 2000 : 10);
		if (size > len - at)
			size = len - at;
		n += (uint32_t)sprintf((char *)to + n, below(2) != 0 ? "%x" : "%08X", size);
		n += (uint32_t)sprintf((char *)to + n, "%s\r\n",
				       ONE_OF("", "", ";a=b", " ", "\t;\"c;d\""));
		memcpy(to + n, payload + at, size);
		n += size;
		n += (uint32_t)sprintf((char *)to + n, "\r\n");
	}
	return n + (uint32_t)sprintf((char *)to + n, "%s\r\n%s\r\n", ONE_OF("0", "000;x"),
				     ONE_OF("", "", "A: b\r\n", "A: b\r\nC:\r\n"));
}

/* Feed it in pieces. @return  bytes that belong to it. */
static uint32_t
read_body(struct http_body *body, const uint8_t *bytes, uint32_t len, uint32_t piece_max,
	  uint8_t *payload, uint32_t *payload_n)
{
	uint32_t at = 0;

	*payload_n = 0;
	while (!body->ended && at < len) {
		uint32_t n = 1 + below(piece_max);
		struct http_body_step step;

		n = n < len - at ? n : len - at;
		step = http_body_next(body, bytes + at, n);
		CHECK(!step.bad && step.skip + step.payload > 0 && step.skip + step.payload <= n);
		memcpy(payload + *payload_n, bytes + at + step.skip, step.payload);
		*payload_n += step.payload;
		at += step.skip + step.payload;
	}
	return at;
}

static void
random_body(void)
{
	static uint8_t payload[BODY_BYTES], bytes[20 * BODY_BYTES], got[BODY_BYTES],
		twin_got[20 * BODY_BYTES];
	uint32_t len = below(BODY_BYTES), n, got_n, piece = below(3) == 0 ? 1 : 1 + below(1000);
	struct http_body body = {.kind = HTTP_BODY_CHUNKED};
	size_t twin_n, used;

	for (uint32_t i = 0; i < len; i++)
		payload[i] = (uint8_t)below(256);
	n = make_chunks(bytes, payload, len);
	memcpy(bytes + n, "GET /", 5);
	CHECK(read_body(&body, bytes, n + 5, piece, got, &got_n) == n && body.ended);
	CHECK(got_n == len && memcmp(got, payload, len) == 0);
	CHECK(twin_decode(bytes, n + 5, twin_got, &twin_n, &used) == TWIN_DONE);
	CHECK(used == n && twin_n == len && memcmp(twin_got, payload, len) == 0);
	body = (struct http_body){.kind = HTTP_BODY_LENGTH, .left = len, .ended = len == 0};
	memcpy(bytes, payload, len);
	CHECK(read_body(&body, bytes, len + 5, piece, got, &got_n) == len && body.ended);
	CHECK(got_n == len && memcmp(got, payload, len) == 0);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds for a head of `len` bytes, one at a time: the best of a few. */
static double
byte_by_byte(const uint8_t *head, uint32_t len)
{
	double best = 1e9;

	for (int round = 0; round < 5; round++) {
		uint32_t scanned = 0, end = 0;
		double begin = seconds();

		for (uint32_t n = 1; n <= len; n++)
			end |= http_head_end(head, n, &scanned);
		begin = seconds() - begin;
		best = begin < best ? begin : best;
		CHECK(end == 0);
	}
	return best;
}

/* Sixteen times the bytes take sixteen times as long, not 256 times. */
static void
linear(const char *unit)
{
	static uint8_t head[65536];
	double small, large;

	for (uint32_t i = 0; i < sizeof(head); i++)
		head[i] = (uint8_t)unit[i % strlen(unit)];
	memcpy(head, "GET / HTTP/1.1 ", 15);
	small = byte_by_byte(head, sizeof(head) / 16);
	large = byte_by_byte(head, sizeof(head));
	EXPECT_ROW(unit, large < 64 * small + 1e-4);
}

int
main(void)
{
	unsigned long rounds = unit_rounds(3000);

	random_state = unit_seed(1);
	for (unsigned long i = 0; i < rounds; i++) {
		random_head();
		random_body();
	}
	EXPECT(rounds > 0);
	linear("a");
	linear("a: b\r\n");
	linear("\ra");
	linear("a: bcdefghijklmnopqrstuvwxyz\n");
	return unit_done();
}
