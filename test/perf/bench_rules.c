/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it costs to find a request's rule among 1, 100 and 1,000, when the first or the last
 * matches.
 *
 *   all    each rule has a host, path, header and query condition, literal or glob in turn, and a
 *          source or a method
 *   mixed  each rule has one condition, of the six kinds in turn; one rule has a path alone
 *   regex  each rule has a path by regular expression; all are tried up to the one that matches
 *   literal the same, but each has literal bytes that the others haven't
 *
 * usage: bench_rules [all|mixed|regex|literal N first|last]: one loop, for callgrind; otherwise the
 * table.
 */
#include <stdlib.h>

#include "alb_world.h"
#include "bench_numbers.h"

#define ROUNDS 15

enum shape { SHAPE_ALL, SHAPE_MIXED, SHAPE_REGEX, SHAPE_LITERAL };

static const char *const shapes[] = {"all", "mixed", "regex", "literal"};

static void
put_all(FILE *f, unsigned i)
{
	fprintf(f,
		i % 2 ? "condition.host_header = h%u.example.com\n"
		      : "condition.host_header = *.h%u.example.com\n",
		i);
	fprintf(f,
		i / 2 % 2 ? "condition.path_pattern = /p%u/index.html\n"
			  : "condition.path_pattern = /p%u/*\n",
		i);
	fprintf(f, "condition.http_header.x-kind = %sk%u\n", i / 4 % 2 ? "" : "*", i);
	fprintf(f, "condition.query_string = v=%u%s\n", i, i / 8 % 2 ? "" : "*");
	if (i % 3 == 0)
		fprintf(f, "condition.http_request_method = GET\n");
	else
		fprintf(f, "condition.source_ip = 10.%u.%u.0/24\n", i / 256, i % 256);
}

static void
put_mixed(FILE *f, unsigned i)
{
	switch (i % 6) {
	case 0:
		fprintf(f, "condition.path_pattern = /p%u/*\n", i);
		break;
	case 1:
		fprintf(f, "condition.host_header = *.h%u.example.com\n", i);
		break;
	case 2:
		fprintf(f, "condition.http_request_method = M-%c\n", 'A' + (char)(i % 26));
		break;
	case 3:
		fprintf(f, "condition.http_header.x-kind = k%u\n", i);
		break;
	case 4:
		fprintf(f, "condition.query_string = v=%u\n", i);
		break;
	default:
		fprintf(f, "condition.source_ip = 10.%u.%u.0/24\n", i / 256, i % 256);
		break;
	}
}

static struct alb_rules *
make_rules(enum shape shape, unsigned n)
{
	char *text = NULL, why[REGEXP_WHY_MAX];
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct alb_rules *r;
	struct model *m;

	for (unsigned i = 0; i < n; i++) {
		fprintf(f, "[rule lb:80 %u]\naction = forward g\n", i + 1);
		if (shape == SHAPE_ALL)
			put_all(f, i);
		else if (shape == SHAPE_MIXED)
			put_mixed(f, i);
		else
			fprintf(f,
				shape == SHAPE_REGEX ? "condition.path_pattern_regex = "
						       "^/(p%u)/(index|main)\\.html$\n"
						     : "condition.path_pattern_regex = "
						       "/p%u/(index|main)\\.html$\n",
				i);
	}
	fclose(f);
	m = world_model(text, len);
	free(text);
	r = m == NULL ? NULL : alb_rules_build(m, model_listener(m, "lb:80"), NULL, why);
	model_free(m);
	if (r == NULL)
		exit(1);
	return r;
}

/* A request that rule i alone matches, as browsers send it. */
struct hit {
	struct world_request w;
	char host[64], url[64], kind[16];
};

static void
make_request(struct hit *q, enum shape shape, unsigned i)
{
	char client[32];
	bool mixed = shape == SHAPE_MIXED;

	snprintf(q->host, sizeof(q->host), "www.h%u.example.com", mixed && i % 6 != 1 ? 9999 : i);
	if (shape == SHAPE_ALL && i % 2)
		snprintf(q->host, sizeof(q->host), "h%u.example.com", i);
	snprintf(q->url, sizeof(q->url), "/p%u/index.html?lang=en&v=%u",
		 mixed && i % 6 != 0 ? 9999 : i, mixed && i % 6 != 4 ? 9999 : i);
	snprintf(q->kind, sizeof(q->kind), "k%u", mixed && i % 6 != 3 ? 9999 : i);
	world_get(&q->w, q->host, q->url);
	world_add(&q->w, "Host", q->host);
	world_add(&q->w, "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101");
	world_add(&q->w, "Accept", "text/html,application/xhtml+xml,application/xml;q=0.9");
	world_add(&q->w, "Accept-Language", "en-US,en;q=0.5");
	world_add(&q->w, "Accept-Encoding", "gzip, deflate, br");
	world_add(&q->w, "X-Kind", q->kind);
	snprintf(client, sizeof(client), "10.%u.%u.7", i / 256, i % 256);
	if (!mixed || i % 6 == 5)
		ip_addr_parse(client, &q->w.r.client);
}

static double
loop(const struct alb_rules *r, struct alb_scratch *s, const struct hit *q, uint32_t want,
     unsigned times)
{
	double begin = clock_s(CLOCK_MONOTONIC);

	for (unsigned i = 0; i < times; i++) {
		uint32_t rule;

		if (alb_rules_match(r, s, &q->w.r, &rule) != ALB_MATCHED || rule != want) {
			printf("rule %u, not %u\n", rule, want);
			exit(1);
		}
	}
	return (clock_s(CLOCK_MONOTONIC) - begin) * 1e9 / times;
}

static double
measure(enum shape shape, unsigned n, bool last, unsigned times, unsigned rounds)
{
	struct alb_rules *r = make_rules(shape, n);
	struct alb_scratch *s = alb_scratch_create();
	uint32_t want = last ? n - 1 : 0;
	double ns[ROUNDS];
	struct hit q;

	make_request(&q, shape, want);
	for (unsigned i = 0; i < rounds; i++)
		ns[i] = loop(r, s, &q, want, times);
	sort_numbers(ns, rounds);
	alb_scratch_free(s);
	alb_rules_free(r);
	return ns[rounds / 2];
}

static void
table(void)
{
	static const unsigned counts[] = {1, 100, 1000};

	for (int shape = SHAPE_ALL; shape <= SHAPE_LITERAL; shape++) {
		double one = measure((enum shape)shape, 1, false, 2000, ROUNDS);

		for (unsigned i = 0; i < 3; i++) {
			unsigned times = shape == SHAPE_REGEX ? 200 : 2000;
			double first = measure((enum shape)shape, counts[i], false, times, ROUNDS);
			double last = measure((enum shape)shape, counts[i], true, times, ROUNDS);

			printf("%-7s %5u rules: first %8.0f ns (%.2f), last %8.0f ns (%.2f)\n",
			       shapes[shape], counts[i], first, first / one, last, last / one);
		}
	}
}

int
main(int argc, char **argv)
{
	if (argc != 4) {
		table();
		return 0;
	}
	for (int shape = SHAPE_ALL; shape <= SHAPE_LITERAL; shape++) {
		if (strcmp(argv[1], shapes[shape]) == 0)
			measure((enum shape)shape, (unsigned)atoi(argv[2]),
				strcmp(argv[3], "last") == 0, 1000, 1);
	}
	return 0;
}
