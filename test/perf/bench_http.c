/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles of HTTP per request: a head parsed, judged and written towards a target; a response's head
 * parsed and written towards a client.  With COUNT only, for callgrind, one kind alone.
 *
 * usage: bench_http ROUNDS          medians in nanoseconds, one line of JSON a kind
 *        bench_http KIND COUNT      COUNT times, nothing measured
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_numbers.h"
#include "check.h"
#include "http_verdict.h"
#include "http_write.h"

#define BATCH 20000

#define TEXT(s)                                     \
	{                                           \
		(const uint8_t *)(s), sizeof(s) - 1 \
	}

struct kind {
	const char *name;
	struct http_text head;
	bool response, write;
};

#define CURL                                                                                \
	"GET /index.html HTTP/1.1\r\nHost: 198.18.1.10:8080\r\nUser-Agent: curl/7.88.1\r\n" \
	"Accept: */*\r\n\r\n"
#define WRK "GET /1k.bin HTTP/1.1\r\nHost: 198.18.1.10\r\n\r\n"
#define BROWSER                                                                                    \
	"GET /catalogue/items?page=2&sort=price HTTP/1.1\r\nHost: shop.example.com\r\n"            \
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"   \
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"              \
	"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"          \
	"Referer: https://shop.example.com/catalogue/items?page=1&sort=price\r\n"                  \
	"Connection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef; "             \
	"theme=dark\r\n"                                                                           \
	"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n" \
	"Sec-Fetch-Site: same-origin\r\nSec-Fetch-User: ?1\r\n\r\n"
#define NGINX                                                                                \
	"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Thu, 26 Nov 2026 02:01:51 GMT\r\n" \
	"Content-Type: application/octet-stream\r\nContent-Length: 1024\r\n"                 \
	"Last-Modified: Thu, 26 Nov 2026 01:01:51 GMT\r\nConnection: keep-alive\r\n"         \
	"ETag: \"65650fef-400\"\r\nAccept-Ranges: bytes\r\n\r\n"

static const struct kind kinds[] = {
	{"parse wrk", TEXT(WRK), false, false},          {"parse curl", TEXT(CURL), false, false},
	{"parse browser", TEXT(BROWSER), false, false},  {"parse nginx", TEXT(NGINX), true, false},
	{"forward wrk", TEXT(WRK), false, true},         {"forward curl", TEXT(CURL), false, true},
	{"forward browser", TEXT(BROWSER), false, true}, {"forward nginx", TEXT(NGINX), true, true},
};

static const struct http_policy policy = {.port = 80, .default_host = TEXT("lb.example")};
static const struct http_request_edits request_edits = {
	.client = TEXT("198.18.1.99"),
	.client_port = 40000,
	.trace_id = TEXT("Root=1-67891233-0102030405060708090a0b0c"),
};

static struct http_field fields[HTTP_FIELDS_MAX];
static uint8_t out[8192];

static void
request_once(const struct kind *k)
{
	struct http_request r;
	struct bytes_writer w = bytes_writer(out, sizeof(out));

	http_request_init(&r, fields, HTTP_FIELDS_MAX);
	CHECK(http_request_parse(&r, k->head.at, k->head.len) == HTTP_COMPLETE);
	if (!k->write)
		return;
	CHECK(http_verdict(&r, HTTP_DESYNC_DEFENSIVE).status == 0);
	http_request_write(&w, &r, &policy, &request_edits);
	CHECK(!w.failed);
}

static void
response_once(const struct kind *k)
{
	struct http_response r;
	struct http_response_plan plan;
	struct http_response_edits edits = {.client_version = 11};
	struct bytes_writer w = bytes_writer(out, sizeof(out));

	http_response_init(&r, fields, HTTP_FIELDS_MAX);
	CHECK(http_response_parse(&r, k->head.at, k->head.len) == HTTP_COMPLETE);
	if (!k->write)
		return;
	plan = http_response_plan(&r, HTTP_METHOD_GET, 11);
	edits.out = plan.out;
	http_response_write(&w, &r, &policy, &edits);
	CHECK(!w.failed);
}

static void
run(const struct kind *k, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (k->response)
			response_once(k);
		else
			request_once(k);
	}
}

static void
measure(const struct kind *k, int rounds)
{
	double *ns = calloc((size_t)rounds, sizeof(*ns));

	CHECK(ns != NULL);
	run(k, BATCH);
	for (int i = 0; i < rounds; i++) {
		double begin = clock_s(CLOCK_THREAD_CPUTIME_ID);

		run(k, BATCH);
		ns[i] = (clock_s(CLOCK_THREAD_CPUTIME_ID) - begin) * 1e9 / BATCH;
	}
	sort_numbers(ns, (uint32_t)rounds);
	printf("{\"case\": \"%s\", \"bytes\": %u, \"ns\": %.1f, \"ns_min\": %.1f, \"ns_max\": "
	       "%.1f}\n",
	       k->name, k->head.len, ns[rounds / 2], ns[0], ns[rounds - 1]);
	free(ns);
}

int
main(int argc, char **argv)
{
	uint32_t kind = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;
	int rounds = argc == 2 ? atoi(argv[1]) : 0;

	if (argc == 3 && kind < ARRAY_N(kinds)) {
		run(&kinds[kind], (uint32_t)atoi(argv[2]));
		return 0;
	}
	if (rounds <= 0) {
		fprintf(stderr, "usage: bench_http ROUNDS | bench_http KIND COUNT\n");
		return 2;
	}
	for (size_t i = 0; i < ARRAY_N(kinds); i++)
		measure(&kinds[i], rounds);
	return 0;
}
