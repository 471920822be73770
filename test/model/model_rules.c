/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiled rules against a linear evaluator that reads the model: the same rule for each request.
 */
#include "unit.h"

#include <ctype.h>
#include <stdlib.h>

#include "alb_path.h"
#include "alb_world.h"

/* The twin. */

static bool
twin_glob(const char *pattern, const char *text, size_t len, bool fold)
{
	char c = *pattern;

	if (c == '\0')
		return len == 0;
	if (c == '*')
		return twin_glob(pattern + 1, text, len, fold) ||
		       (len > 0 && twin_glob(pattern, text + 1, len - 1, fold));
	if (len == 0)
		return false;
	if (c == '?')
		return twin_glob(pattern + 1, text + 1, len - 1, fold);
	if (c == '\\')
		c = *++pattern;
	if (fold ? tolower((uint8_t)c) != tolower((uint8_t)*text) : c != *text)
		return false;
	return twin_glob(pattern + 1, text + 1, len - 1, fold);
}

static bool
twin_text(const struct model_condition *c, const struct model_condition_value *v, const char *text,
	  size_t len, struct regexp_scratch *scratch)
{
	bool fold = c->condition_kind != CONDITION_PATH_PATTERN;
	char why[REGEXP_WHY_MAX];
	struct regexp *r;
	uint32_t budget = UINT32_MAX;
	bool yes;

	if (!c->regex)
		return twin_glob(v->text, text, len, fold);
	r = regexp_compile(v->text, fold, why);
	yes = regexp_match(r, scratch, text, len, &budget) == REGEXP_MATCH;
	regexp_free(r);
	return yes;
}

static bool
twin_query(const struct model_condition_value *v, const struct alb_text *query)
{
	const char *at = query->at, *end = at + query->len;

	while (at < end) {
		const char *key = at, *value;
		size_t key_len, value_len;

		while (at < end && *at != '&' && *at != '=')
			at++;
		key_len = (size_t)(at - key);
		if (at < end && *at == '=')
			at++;
		value = at;
		while (at < end && *at != '&')
			at++;
		value_len = (size_t)(at - value);
		at++;
		if ((v->key[0] == '\0' || twin_glob(v->key, key, key_len, true)) &&
		    twin_glob(v->text, value, value_len, true))
			return true;
	}
	return false;
}

static bool
twin_field(const struct model_condition *c, const struct model_condition_value *v,
	   const struct world_request *w, struct regexp_scratch *scratch)
{
	for (uint32_t i = 0; i < w->r.fields_n; i++) {
		if (strcasecmp(w->fields[i].name, c->field) == 0 &&
		    twin_text(c, v, w->fields[i].value, strlen(w->fields[i].value), scratch))
			return true;
	}
	return false;
}

static bool
twin_source(const struct ip_prefix *p, const struct ip_addr *client)
{
	return ip_addr_is_v4(client) == ip_addr_is_v4(&p->addr) && ip_prefix_contains(p, client);
}

static bool
twin_value(const struct model_condition *c, const struct model_condition_value *v,
	   const struct world_request *w, struct regexp_scratch *scratch)
{
	static char buffer[ALB_TEXT_MAX];
	const char *colon;
	struct alb_text path;

	switch (c->condition_kind) {
	case CONDITION_HOST_HEADER:
		colon = memchr(w->r.host.at, ':', w->r.host.len);
		return twin_text(c, v, w->r.host.at,
				 colon != NULL ? (size_t)(colon - w->r.host.at) : w->r.host.len,
				 scratch);
	case CONDITION_PATH_PATTERN:
		path = alb_path_normalize(w->r.path, buffer);
		return twin_text(c, v, path.at, path.len, scratch);
	case CONDITION_HTTP_HEADER:
		return twin_field(c, v, w, scratch);
	case CONDITION_HTTP_REQUEST_METHOD:
		return strlen(v->text) == w->r.method.len &&
		       memcmp(v->text, w->r.method.at, w->r.method.len) == 0;
	case CONDITION_QUERY_STRING:
		return twin_query(v, &w->r.query);
	default:
		return twin_source(&v->prefix, &w->r.client);
	}
}

static bool
twin_rule(const struct model_rule *r, const struct world_request *w, struct regexp_scratch *scratch)
{
	for (uint32_t i = 0; i < r->conditions_n; i++) {
		const struct model_condition *c = &r->conditions[i];
		bool any = false;

		for (uint32_t k = 0; k < c->values_n; k++)
			any |= twin_value(c, &c->values[k], w, scratch);
		if (!any)
			return false;
	}
	return true;
}

/* The best priority that matches; 0: none does. */
static uint32_t
twin_match(const struct model *m, const struct world_request *w, struct regexp_scratch *scratch)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < m->rules_n; i++) {
		if ((best == 0 || m->rules[i].priority < best) &&
		    twin_rule(&m->rules[i], w, scratch))
			best = m->rules[i].priority;
	}
	return best;
}

/* Random rules and requests from few letters, so that they meet. */

#define PICK(state, texts) texts[unit_random(state) % (sizeof(texts) / sizeof(texts[0]))]

static const char *const hosts[] = {"a.example.com", "b.example.com", "A.b.example.com",
				    "example.com",   "x.org",         "abc.example.org"};
static const char *const host_patterns[] = {"a.example.com",  "*.example.com", "?.example.com",
					    "A.*.com",        "*example*.com", "x.org",
					    "*.org",          "*.?.com",       "b.EXAMPLE.com",
					    "a*.example.org", "*b.example.com"};
static const char *const path_patterns[] = {
	"/",       "/a",      "/a/*",   "/a/b/*", "*/b",  "*.png", "/?",      "/*/c",    "*",
	"/img/*c", "*b*",     "/a/?/c", "/A/*",   "/*a*", "*/b/*", "/c\\*",   "/a/b",    "/b",
	"/img/d*", "/img/**", "*abc*",  "*bca*",  "*cab", "?*",    "/a/*/b*", "/*b/*c*", "/~"};
static const char *const words[] = {"a", "b", "c", "ab", "abc", "A", "x"};
static const char *const word_patterns[] = {"a", "b*", "*c", "?", "*", "A*", "*b*", "x\\*", "\\\\"};
static const char *const methods[] = {"GET", "POST", "PUT", "M-SEARCH", "get"};
static const char *const prefixes[] = {
	"10.0.0.0/8",   "10.1.0.0/16",   "10.1.1.0/24",        "0.0.0.0/0",
	"10.1.1.1",     "2001:db8::/32", "2001:db8:1::/48",    "::/0",
	"10.128.0.0/9", "2001:db8::1",   "255.255.255.254/31", "ffff::/16"};
static const char *const clients[] = {
	"10.1.1.1",      "10.1.2.3",      "10.200.0.1", "11.0.0.1",
	"2001:db8::1",   "2001:db8:1::5", "2001:db9::", "255.255.255.254",
	"9.255.255.255", "ffff::1",       "::1"};
static const char *const regexes[] = {
	"^/a", "b/c$",   "[ab]{2}", "^/(a|img)/.*c", "x",        "^/a+b",   "^/ba?c",    "^/a|b",
	"^A",  "^\\*",   "^a{0}b",  "^/img\\.",      "^/a[b|c]", "^/(?i)A", "^x(?:a|b)", "^\\w/",
	"a.c", "(a|b)c", "a+c$",    "\\.",           "a$",       "/b/?c"};

static void
random_query_value(FILE *f, unsigned long long *state)
{
	static const char *const keys[] = {"a", "b", "?", "a*", "ab", "x", "A"};

	if (unit_random(state) % 2)
		fprintf(f, "%s=", PICK(state, keys));
	fprintf(f, "%s", PICK(state, word_patterns));
}

/* At most three wildcards in each of two conditions. */
static void
random_condition(FILE *f, unsigned kind, unsigned long long *state)
{
	switch (kind) {
	case 0:
		fprintf(f, "condition.host_header = %s\n", PICK(state, host_patterns));
		break;
	case 1:
		fprintf(f, "condition.path_pattern = %s\n", PICK(state, path_patterns));
		break;
	case 2:
		fprintf(f, "condition.http_request_method = %s, M-SEARCH\n",
			methods[unit_random(state) % 3]);
		break;
	case 3:
		fprintf(f, "condition.source_ip = %s\n", PICK(state, prefixes));
		break;
	case 4:
		fprintf(f, "condition.http_header.x-%s = %s, %s\n", PICK(state, words),
			PICK(state, words), PICK(state, words));
		break;
	case 5:
		fprintf(f, "condition.query_string = ");
		random_query_value(f, state);
		fprintf(f, "\n");
		break;
	case 6:
		fprintf(f, "condition.path_pattern_regex = %s\n", PICK(state, regexes));
		break;
	default:
		fprintf(f, "condition.http_header_regex.x-%s = %s\n", PICK(state, words),
			PICK(state, regexes));
		break;
	}
}

static struct model *
random_model(unsigned long long *state, unsigned rules_n)
{
	unsigned kinds = 1 + (unsigned)(unit_random(state) % 8);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct model *m;

	for (unsigned i = 0; i < rules_n; i++) {
		unsigned first = (unsigned)(unit_random(state) % kinds);
		unsigned second = (unsigned)(unit_random(state) % 8);

		fprintf(f, "[rule lb:80 %u]\naction = forward %s\n", (i * 7919u) % 50000 + 1,
			unit_random(state) % 2 ? "g" : "h");
		random_condition(f, first, state);
		/* One condition of path, and not both kinds of it. */
		if (unit_random(state) % 2 && (second != first || second == 5) &&
		    !(first % 5 == 1 && second % 5 == 1))
			random_condition(f, second, state);
	}
	fclose(f);
	m = world_model(text, len);
	free(text);
	return m;
}

static void
random_text(char *out, size_t size, const char *letters, unsigned long long *state)
{
	size_t n = unit_random(state) % size;

	for (size_t i = 0; i < n; i++)
		out[i] = letters[unit_random(state) % strlen(letters)];
	out[n] = '\0';
}

struct random_request {
	struct world_request w;
	char url[80], host[40], names[4][8], values[4][8];
};

static void
random_request(struct random_request *q, unsigned long long *state)
{
	unsigned fields = (unsigned)(unit_random(state) % 5);
	char path[16], query[32];

	random_text(path, sizeof(path), "/abcimg.", state);
	random_text(query, sizeof(query), "abc==&&xA*\\", state);
	snprintf(q->url, sizeof(q->url), "/%s%s%s", path, unit_random(state) % 2 ? "?" : "", query);
	snprintf(q->host, sizeof(q->host), "%s%s", PICK(state, hosts),
		 unit_random(state) % 4 == 0 ? ":8080" : "");
	world_get(&q->w, q->host, q->url);
	q->w.r.method = world_text(PICK(state, methods));
	ip_addr_parse(PICK(state, clients), &q->w.r.client);
	for (unsigned i = 0; i < fields; i++) {
		snprintf(q->names[i], sizeof(q->names[i]), "X-%s", PICK(state, words));
		random_text(q->values[i], sizeof(q->values[i]), "abcx/A*", state);
		world_add(&q->w, q->names[i], q->values[i]);
	}
}

static void
round_of(unsigned rules_n, unsigned requests, struct alb_scratch *scratch,
	 struct regexp_scratch *regexp, unsigned long long *state, uint32_t *matched)
{
	struct model *m = random_model(state, rules_n);
	char why[REGEXP_WHY_MAX];
	struct alb_rules *r;

	EXPECT(m != NULL);
	if (m == NULL)
		return;
	r = alb_rules_build(m, model_listener(m, "lb:80"), NULL, why);
	EXPECT(r != NULL);
	for (unsigned i = 0; r != NULL && i < requests; i++) {
		struct random_request q;
		uint32_t rule, want;

		random_request(&q, state);
		want = twin_match(m, &q.w, regexp);
		EXPECT(alb_rules_match(r, scratch, &q.w.r, &rule) == ALB_MATCHED);
		EXPECT(alb_rules_priority(r, rule) == want);
		if (alb_rules_priority(r, rule) != want)
			printf("  %s %s%s: rule %u, not %u\n", q.w.r.method.at, q.host, q.url,
			       alb_rules_priority(r, rule), want);
		*matched += want != 0;
	}
	alb_rules_free(r);
	model_free(m);
}

int
main(void)
{
	unsigned long long state = unit_seed(5);
	struct alb_scratch *scratch = alb_scratch_create();
	struct regexp_scratch *regexp = regexp_scratch_create();
	unsigned long rounds = unit_rounds(60);
	uint32_t matched = 0;

	alb_scratch_set_budget(scratch, 100000000);
	for (unsigned long i = 0; i < rounds; i++)
		round_of(1 + (unsigned)(unit_random(&state) % 40), 200, scratch, regexp, &state,
			 &matched);
	for (unsigned long i = 0; i < 1 + rounds / 30; i++)
		round_of(700, 100, scratch, regexp, &state, &matched);
	EXPECT(matched > 100); /* rules do match, and not always the same */
	regexp_scratch_free(regexp);
	alb_scratch_free(scratch);
	return unit_done();
}
