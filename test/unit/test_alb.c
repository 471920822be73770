/* SPDX-License-Identifier: BSD-3-Clause */
/* Conditions one by one, and actions at run time. */
#include "unit.h"

#include "alb_path.h"
#include "alb_world.h"

static struct alb_scratch *scratch;

/* Rules of the lines; their memory lives until free_rules(). */
static struct alb_rules *
make_rules(const char *lines)
{
	char why[REGEXP_WHY_MAX];
	struct model *m = world_model(lines, strlen(lines));
	struct alb_rules *r;

	EXPECT(m != NULL);
	r = m == NULL ? NULL : alb_rules_build(m, model_listener(m, "lb:80"), NULL, why);
	EXPECT(r != NULL);
	model_free(m);
	return r;
}

static uint32_t
priority_of(const struct alb_rules *r, const struct world_request *w)
{
	uint32_t rule;

	EXPECT(alb_rules_match(r, scratch, &w->r, &rule) == ALB_MATCHED);
	return alb_rules_priority(r, rule);
}

/* One condition, one request, whether it holds. */
static void
test_conditions(void)
{
	static const struct {
		const char *why, *condition, *host, *url;
		bool want;
	} rows[] = {
		{"a host", "host_header = a.example.com", "a.example.com", "/", true},
		{"in any case", "host_header = A.example.com", "a.EXAMPLE.com", "/", true},
		{"with a port", "host_header = a.example.com", "a.example.com:8080", "/", true},
		{"not a part of it", "host_header = a.example.com", "ba.example.com", "/", false},
		{"a wildcard is not nothing with a dot", "host_header = *.example.com",
		 "example.com", "/", false},
		{"a wildcard spans dots", "host_header = *.example.com", "a.b.example.com", "/",
		 true},
		{"a question mark is one", "host_header = ?.example.com", "ab.example.com", "/",
		 false},
		{"no host", "host_header = *.com", "", "/", false},
		{"a path", "path_pattern = /a", "h", "/a", true},
		{"a path's case counts", "path_pattern = /a", "h", "/A", false},
		{"without the query", "path_pattern = /a", "h", "/a?b", true},
		{"the whole path", "path_pattern = /a", "h", "/a/", false},
		{"below", "path_pattern = /a/*", "h", "/a/b/c", true},
		{"a wildcard may be nothing", "path_pattern = /a/*", "h", "/a/", true},
		{"normalized: dots", "path_pattern = /b", "h", "/a/../b", true},
		{"normalized: encoded letters", "path_pattern = /abc", "h", "/%61b%63", true},
		{"normalized: encoded dots", "path_pattern = /b", "h", "/a/%2e%2E/b", true},
		{"an encoded slash stays", "path_pattern = /a/b", "h", "/a%2fb", false},
		{"a literal asterisk", "path_pattern = /\\*", "h", "/*", true},
		{"is no wildcard", "path_pattern = /\\*", "h", "/a", false},
		{"a method", "http_request_method = GET", "h", "/", true},
		{"another", "http_request_method = HEAD, POST", "h", "/", false},
		{"a parameter", "query_string = a=1", "h", "/?b=2&a=1", true},
		{"in any case", "query_string = A=x", "h", "/?a=X", true},
		{"another's value", "query_string = a=1", "h", "/?b=1", false},
		{"a value of any key", "query_string = 1", "h", "/?b=1", true},
		{"a key is no value", "query_string = b", "h", "/?b=1", false},
		{"wildcards", "query_string = v*=1?", "h", "/?version=12", true},
		{"a literal equals sign", "query_string = a\\=b", "h", "/?x=a=b", true},
		{"the value goes to the ampersand", "query_string = a=b=c", "h", "/?a=b=c", true},
		{"a key without a value", "query_string = a=*", "h", "/?a", true},
		{"not decoded", "query_string = a=b", "h", "/?a=%62", false},
		{"a header", "http_header.x-a = one", "h", "/", true},
		{"its value in any case", "http_header.X-A = ONE", "h", "/", true},
		{"the second of two", "http_header.x-a = two", "h", "/", true},
		{"a header that isn't there", "http_header.x-c = *", "h", "/", false},
		{"an empty one", "http_header.x-b = *", "h", "/", true},
		{"is not one character", "http_header.x-b = ?", "h", "/", false},
		{"a source", "source_ip = 192.0.2.0/24", "h", "/", true},
		{"another", "source_ip = 192.0.3.0/24", "h", "/", false},
		{"one address", "source_ip = 192.0.2.77", "h", "/", true},
		{"all of IPv6 is not IPv4", "source_ip = ::/0", "h", "/", false},
		{"a host by regular expression", "host_header_regex = ^[ab]\\.com$", "A.com:80",
		 "/", true},
		{"a path by one", "path_pattern_regex = ^/a+$", "h", "/aaa?b", true},
		{"its case counts", "path_pattern_regex = ^/a+$", "h", "/AAA", false},
		{"a header by one", "http_header_regex.x-a = ^t.o$", "h", "/", true},
		{"a header by one, not there", "http_header_regex.x-c = .*", "h", "/", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world_request w;
		struct alb_rules *r;
		char lines[512];
		uint32_t rule;

		snprintf(lines, sizeof(lines), "[rule lb:80 5]\naction = forward h\ncondition.%s\n",
			 rows[i].condition);
		r = make_rules(lines);
		world_get(&w, rows[i].host, rows[i].url);
		world_add(&w, "x-b", "");
		world_add(&w, "X-a", "One");
		world_add(&w, "x-A", "two");
		EXPECT_ROW(rows[i].why, alb_rules_match(r, scratch, &w.r, &rule) == ALB_MATCHED &&
						(alb_rules_priority(r, rule) == 5) == rows[i].want);
		alb_rules_free(r);
	}
}

static void
test_and_or(void)
{
	struct alb_rules *r = make_rules(
		"[rule lb:80 30]\naction = forward g\ncondition.path_pattern = /a, /b\n"
		"condition.path_pattern = /c\n"
		"[rule lb:80 10]\naction = forward g\ncondition.query_string = a=1, a=2\n"
		"condition.query_string = b=1\n"
		"[rule lb:80 20]\naction = forward g\ncondition.http_header.x-a = 1\n"
		"condition.http_header.x-a = 1, 2\ncondition.path_pattern = /a\n");
	struct world_request w;

	world_get(&w, "h", "/c");
	EXPECT(priority_of(r, &w) == 30); /* values of one condition, over two lines */
	world_get(&w, "h", "/c?a=2");
	EXPECT(priority_of(r, &w) == 30); /* one of two conditions */
	world_get(&w, "h", "/c?b=1&a=2");
	EXPECT(priority_of(r, &w) == 10); /* both; the better priority */
	world_get(&w, "h", "/a");
	world_add(&w, "X-A", "2");
	EXPECT(priority_of(r, &w) == 30);
	world_add(&w, "X-A", "1");
	EXPECT(priority_of(r, &w) == 20);
	world_get(&w, "h", "/x");
	EXPECT(priority_of(r, &w) == 0); /* the default action */
	alb_rules_free(r);
}

/* The bad expression is reached only when nothing better matched. */
static void
test_budget(void)
{
	struct alb_rules *r = make_rules(
		"[rule lb:80 1]\naction = forward g\ncondition.path_pattern = /fine\n"
		"[rule lb:80 2]\naction = forward g\ncondition.path_pattern_regex = ^/(a+)+$\n"
		"condition.http_request_method = GET\n"
		"[rule lb:80 3]\naction = forward g\ncondition.path_pattern = *\n");
	struct world_request w;
	uint32_t rule;

	world_get(&w, "h", "/fine");
	EXPECT(priority_of(r, &w) == 1);
	world_get(&w, "h", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
	EXPECT(alb_rules_match(r, scratch, &w.r, &rule) == ALB_BUDGET);
	EXPECT(alb_rules_priority(r, rule) == 2);
	w.r.method = world_text("POST");
	EXPECT(priority_of(r, &w) == 3);
	world_get(&w, "h", "/b");
	EXPECT(priority_of(r, &w) == 3); /* a budget for each request */
	alb_rules_free(r);
}

static void
test_forward(void)
{
	struct alb_rules *r =
		make_rules("[rule lb:80 1]\naction = forward g weight 30, h weight 70 "
			   "stickiness 60\ncondition.path_pattern = /a\n");
	const struct alb_action *a = alb_rules_action(r, 0);
	uint32_t counts[3] = {0};

	EXPECT(a->forwards_n == 2 && a->weight_sum == 100 && a->stickiness_seconds == 60);
	for (uint32_t i = 0; i < 1000; i++)
		counts[alb_forward_choose(a, i * 4294967u)]++;
	EXPECT(counts[0] > 290 && counts[0] < 310 && counts[2] == 0);
	EXPECT(alb_forward_choose(a, UINT32_MAX) == 1);
	EXPECT(alb_forward_find(a, a->forwards[1].target_group_id) == 1);
	EXPECT(alb_forward_find(a, 1) == 2);
	EXPECT(alb_rules_action(r, 1)->action_kind == ACTION_FORWARD); /* the default */
	alb_rules_free(r);
	r = make_rules("[rule lb:80 1]\naction = forward g weight 0, h weight 0\n"
		       "condition.path_pattern = /a\n");
	EXPECT(alb_forward_choose(alb_rules_action(r, 0), 5) == 2); /* nobody */
	EXPECT(alb_forward_find(alb_rules_action(r, 0),
				alb_rules_action(r, 0)->forwards[0].target_group_id) == 2);
	alb_rules_free(r);
}

static void
test_redirect(void)
{
	static const struct {
		const char *why, *action, *host, *url, *want;
	} rows[] = {
		{"to HTTPS", "protocol=HTTPS port=443", "a.com:80", "/x/y?q=1",
		 "https://a.com:443/x/y?q=1"},
		{"no query, no question mark", "protocol=HTTPS port=443", "a.com", "/",
		 "https://a.com:443/"},
		{"an empty query", "port=81 query=\"\"", "a.com", "/?q", "http://a.com:81/"},
		{"all variables",
		 "host=www.#{host} path=/#{host}/#{port}/#{path} "
		 "query=#{protocol}&#{host}&#{port}&#{path}&#{query}",
		 "a.com", "/x?y", "http://www.a.com:80/a.com/80/x?http&a.com&80&x&y"},
		{"what doesn't belong in a URL", "port=81", "a.com", "/a b\"<\x01\xff>",
		 "http://a.com:81/a%20b%22%3C%01%FF%3E"},
		{"an IPv6 host", "port=81", "[2001:db8::1]:80", "/", "http://[2001:db8::1]:81/"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char lines[512], out[ALB_REDIRECT_MAX];
		const struct model_redirect *redirect;
		struct world_request w;
		struct alb_rules *r;
		uint32_t n;

		snprintf(lines, sizeof(lines),
			 "[rule lb:80 1]\naction = redirect %s status=HTTP_301\n"
			 "condition.path_pattern = *\n",
			 rows[i].action);
		r = make_rules(lines);
		redirect = alb_rules_action(r, 0)->redirect;
		world_get(&w, rows[i].host, rows[i].url);
		n = alb_redirect_url(redirect, &w.r, false, 80, out, sizeof(out));
		EXPECT_ROW(rows[i].why,
			   n == strlen(rows[i].want) && memcmp(out, rows[i].want, n) == 0);
		if (n != strlen(rows[i].want) || memcmp(out, rows[i].want, n) != 0)
			printf("  got: %.*s\n", (int)n, out);
		n = (uint32_t)strlen(rows[i].want);
		EXPECT_ROW(rows[i].why, alb_redirect_url(redirect, &w.r, false, 80, out, n) == n);
		EXPECT_ROW("too long",
			   alb_redirect_url(redirect, &w.r, false, 80, out, n - 1) == 0);
		alb_rules_free(r);
	}
}

static void
test_transform(void)
{
	static const struct {
		const char *why, *host_rewrite, *url_rewrite, *host, *url;
		enum alb_transform_status status;
		const char *want_host, *want_url; /* NULL: as it was */
	} rows[] = {
		{"a prefix", NULL, "^/api/(.*)$ -> /$1", "a.com", "/api/x?y=1",
		 ALB_TRANSFORM_SUCCESS, NULL, "/x?y=1"},
		{"no match", NULL, "^/api -> /", "a.com", "/x", ALB_TRANSFORM_NONE, NULL, NULL},
		{"the first match only", NULL, "a -> b", "a.com", "/aaa", ALB_TRANSFORM_SUCCESS,
		 NULL, "/baa"},
		{"a dollar sign", NULL, "^/a$ -> /$$$0", "a.com", "/a", ALB_TRANSFORM_SUCCESS, NULL,
		 "/$/a"},
		{"the query", NULL, "q=1 -> q=2", "a.com", "/x?q=1", ALB_TRANSFORM_SUCCESS, NULL,
		 "/x?q=2"},
		{"a host", "^(.*)\\.example\\.com$ -> $1.internal", NULL, "A.example.com", "/",
		 ALB_TRANSFORM_SUCCESS, "A.internal", NULL},
		{"both", "a -> b", "a -> b", "a.com", "/a", ALB_TRANSFORM_SUCCESS, "b.com", "/b"},
		{"not a host any more", "a -> \"b c\"", NULL, "a.com", "/",
		 ALB_TRANSFORM_INVALID_HOST, NULL, NULL},
		{"not a path any more", NULL, "^/ -> x", "a.com", "/a", ALB_TRANSFORM_INVALID_PATH,
		 NULL, NULL},
		{"nothing left", NULL, ".* -> \"\"", "a.com", "/a", ALB_TRANSFORM_INVALID_PATH,
		 NULL, NULL},
		{"too long", NULL, "(.*) -> /$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1", "a.com",
		 "/aaaaaaaaaaaaaaaaaaaa", ALB_TRANSFORM_BUFFER_TOO_SMALL, NULL, NULL},
		{"too much work", NULL, "^/(a+)+$ -> /b", "a.com",
		 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", ALB_TRANSFORM_REPLACE_ERROR, NULL,
		 NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct alb_rewritten rewritten;
		char lines[512], out[128];
		struct world_request w;
		struct alb_rules *r;
		uint32_t rule;
		int n;

		n = snprintf(lines, sizeof(lines),
			     "[rule lb:80 1]\naction = forward g\ncondition.path_pattern = *\n");
		if (rows[i].host_rewrite != NULL)
			n += snprintf(lines + n, sizeof(lines) - (size_t)n,
				      "transform.host_header_rewrite = %s\n", rows[i].host_rewrite);
		if (rows[i].url_rewrite != NULL)
			snprintf(lines + n, sizeof(lines) - (size_t)n,
				 "transform.url_rewrite = %s\n", rows[i].url_rewrite);
		r = make_rules(lines);
		world_get(&w, rows[i].host, rows[i].url);
		EXPECT(alb_rules_match(r, scratch, &w.r, &rule) == ALB_MATCHED);
		EXPECT_ROW(rows[i].why, alb_transform(alb_rules_action(r, rule), scratch, &w.r, out,
						      sizeof(out), &rewritten) == rows[i].status);
		if (rows[i].status <= ALB_TRANSFORM_SUCCESS) {
			EXPECT_ROW(rows[i].why,
				   (rewritten.host.at == NULL) == (rows[i].want_host == NULL));
			EXPECT_ROW(rows[i].why,
				   (rewritten.url.at == NULL) == (rows[i].want_url == NULL));
		}
		if (rows[i].want_host != NULL)
			EXPECT_ROW(rows[i].why, rewritten.host.len == strlen(rows[i].want_host) &&
							memcmp(rewritten.host.at, rows[i].want_host,
							       rewritten.host.len) == 0);
		if (rows[i].want_url != NULL)
			EXPECT_ROW(rows[i].why, rewritten.url.len == strlen(rows[i].want_url) &&
							memcmp(rewritten.url.at, rows[i].want_url,
							       rewritten.url.len) == 0);
		alb_rules_free(r);
	}
}

static void
test_paths(void)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{"/", "/"},
		{"/a.b/c", "/a.b/c"},
		{"/a/./b", "/a/b"},
		{"/a/b/..", "/a/"},
		{"/a/b/.", "/a/b/"},
		{"/..", "/"},
		{"/../../a", "/a"},
		{"/a/../../b/./c/../d", "/b/d"},
		{"/a/.../b", "/a/.../b"},
		{"/a/..b", "/a/..b"},
		{"//a//../b", "//a/b"},
		{"/%7euser", "/~user"},
		{"/a%2fb%3f", "/a%2Fb%3F"},
		{"/a%2", "/a%2"},
		{"/%zz%", "/%zz%"},
		{"/%25%32%65", "/%252e"}, /* decoded once */
		{"*", "*"},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static char buffer[ALB_TEXT_MAX];
		struct alb_text got = alb_path_normalize(world_text(rows[i].path), buffer);

		EXPECT_ROW(rows[i].path, got.len == strlen(rows[i].want) &&
						 memcmp(got.at, rows[i].want, got.len) == 0);
		if (got.len != strlen(rows[i].want) || memcmp(got.at, rows[i].want, got.len) != 0)
			printf("  got: %.*s\n", (int)got.len, got.at);
	}
}

int
main(void)
{
	scratch = alb_scratch_create();
	test_conditions();
	test_and_or();
	test_budget();
	test_forward();
	test_redirect();
	test_transform();
	test_paths();
	alb_scratch_free(scratch);
	return unit_done();
}
