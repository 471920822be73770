/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_rules.h"

#include <stdlib.h>

#include "alb_compiled.h"
#include "alb_path.h"
#include "check.h"

uint32_t
alb_rules_n(const struct alb_rules *rules)
{
	return rules->rules_n;
}

const struct alb_action *
alb_rules_action(const struct alb_rules *rules, uint32_t rule)
{
	CHECK(rule <= rules->rules_n);
	return &rules->rules[rule].action;
}

uint32_t
alb_rules_priority(const struct alb_rules *rules, uint32_t rule)
{
	CHECK(rule <= rules->rules_n);
	return rules->rules[rule].priority;
}

uint64_t
alb_rules_id(const struct alb_rules *rules, uint32_t rule)
{
	CHECK(rule <= rules->rules_n);
	return rules->rules[rule].id;
}

struct alb_scratch *
alb_scratch_create(void)
{
	struct alb_scratch *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->budget_begin = REGEXP_BUDGET;
	s->regexp = regexp_scratch_create();
	if (s->regexp == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void
alb_scratch_free(struct alb_scratch *s)
{
	if (s == NULL)
		return;
	regexp_scratch_free(s->regexp);
	free(s);
}

void
alb_scratch_set_budget(struct alb_scratch *s, uint32_t steps)
{
	s->budget_begin = steps;
}

/* A request while it is looked up. */
struct lookup {
	const struct alb_rules *rules;
	struct alb_scratch *scratch;
	const struct alb_request *request;
	struct alb_text path;
	const struct field_index *index; /* that is being searched */
	struct alb_text value;           /* of the query parameter */
};

static void
hit(struct alb_scratch *s, uint32_t value)
{
	uint64_t bit = UINT64_C(1) << (value % 64);

	if ((s->seen[value / 64] & bit) != 0)
		return;
	s->seen[value / 64] |= bit;
	s->hits[s->hits_n++] = value;
}

static void
forget_hits(struct alb_scratch *s)
{
	for (uint32_t i = 0; i < s->hits_n; i++)
		s->seen[s->hits[i] / 64] = 0;
	s->hits_n = 0;
}

static void
on_pattern(void *arg, uint32_t pattern)
{
	const struct lookup *l = arg;

	for (uint32_t v = l->index->first[pattern]; v < l->index->first[pattern + 1]; v++)
		hit(l->scratch, v);
}

static void
find(struct lookup *l, const struct field_index *index, struct alb_text text)
{
	l->index = index;
	alb_patterns_find(index->patterns, text.at, text.len, on_pattern, l);
}

/* Folded, in the scratch; what is too long is cut: no pattern is as long. */
static struct alb_text
lower(struct alb_scratch *s, struct alb_text text)
{
	uint32_t len = text.len < ALB_TEXT_MAX ? text.len : ALB_TEXT_MAX;

	alb_lower(s->lower, text.at, len);
	return (struct alb_text){s->lower, len};
}

/* `name`, `name:port`, `[v6]:port`: without the port. */
static struct alb_text
host_name(struct alb_text host)
{
	uint32_t n = host.len;

	while (n > 0 && host.at[n - 1] >= '0' && host.at[n - 1] <= '9')
		n--;
	if (n > 1 && host.at[n - 1] == ':')
		host.len = n - 1;
	return host;
}

static void
find_field(struct lookup *l, const struct header_index *h, struct alb_text value)
{
	find(l, &h->index, lower(l->scratch, value));
}

static void
find_headers(struct lookup *l)
{
	const struct alb_rules *r = l->rules;
	struct alb_text name, value;

	for (uint32_t i = 0; i < l->request->fields_n; i++) {
		uint32_t at, position;

		l->request->field(l->request->fields, i, &name, &value);
		if (name.len >= MODEL_FIELD_MAX || (r->header_lengths >> name.len & 1) == 0)
			continue;
		at = (uint32_t)(field_name_hash(name.at, name.len) >> 32);
		while ((position = r->header_slots[at++ & r->header_mask]) != 0) {
			const struct header_index *h = &r->headers[position - 1];

			if (h->len == name.len && field_name_is(h->name, name.at, name.len))
				find_field(l, h, value);
		}
	}
}

static void
on_key(void *arg, uint32_t key)
{
	struct lookup *l = arg;

	find(l, &l->rules->query_values[key], l->value);
}

static void
find_parameter(struct lookup *l, struct alb_text parameter)
{
	const char *equals = memchr(parameter.at, '=', parameter.len);
	uint32_t key_len = equals == NULL ? parameter.len : (uint32_t)(equals - parameter.at);

	l->value = equals == NULL ? (struct alb_text){parameter.at + key_len, 0}
				  : (struct alb_text){equals + 1, parameter.len - key_len - 1};
	if (l->rules->query_any.patterns != NULL)
		find(l, &l->rules->query_any, l->value);
	if (l->rules->query_keys != NULL)
		alb_patterns_find(l->rules->query_keys, parameter.at, key_len, on_key, l);
}

static void
find_query(struct lookup *l)
{
	struct alb_text rest = lower(l->scratch, l->request->query);

	while (rest.len > 0) {
		const char *end = memchr(rest.at, '&', rest.len);
		uint32_t len = end == NULL ? rest.len : (uint32_t)(end - rest.at);

		find_parameter(l, (struct alb_text){rest.at, len});
		len += end != NULL;
		rest = (struct alb_text){rest.at + len, rest.len - len};
	}
}

/* The interval of the client's address. */
static void
find_source(struct lookup *l)
{
	const struct source *s = l->rules->sources;
	uint64_t high = __builtin_bswap64(l->request->client.w[0]),
		 low = __builtin_bswap64(l->request->client.w[1]);
	uint32_t n = l->rules->sources_n;

	/* The first one begins at zero. */
	while (n > 1) {
		uint32_t half = n / 2;
		bool before = s[half].high < high || (s[half].high == high && s[half].low <= low);

		s = before ? s + half : s;
		n -= half;
	}
	if (s->value != UINT32_MAX)
		hit(l->scratch, s->value);
}

static void
find_all(struct lookup *l)
{
	const struct alb_rules *r = l->rules;

	if (r->host.patterns != NULL)
		find(l, &r->host, lower(l->scratch, host_name(l->request->host)));
	if (r->path.patterns != NULL)
		find(l, &r->path, l->path);
	if (r->method.patterns != NULL)
		find(l, &r->method, l->request->method);
	if (r->headers_n > 0)
		find_headers(l);
	if (r->query_keys != NULL || r->query_any.patterns != NULL)
		find_query(l);
	if (r->sources_n > 0)
		find_source(l);
}

/* Regular expressions. */

static enum regexp_result
match_text(struct lookup *l, const struct regex_condition *c, struct alb_text text)
{
	uint32_t len = text.len < ALB_TEXT_MAX ? text.len : ALB_TEXT_MAX;

	for (uint32_t i = 0; i < c->regexps_n; i++) {
		enum regexp_result result = regexp_match(c->regexps[i], l->scratch->regexp, text.at,
							 len, &l->scratch->budget);

		if (result != REGEXP_NO_MATCH)
			return result;
	}
	return REGEXP_NO_MATCH;
}

static enum regexp_result
match_fields(struct lookup *l, const struct regex_condition *c)
{
	struct alb_text name, value;

	for (uint32_t i = 0; i < l->request->fields_n; i++) {
		enum regexp_result result;

		l->request->field(l->request->fields, i, &name, &value);
		if (name.len != c->name_len || !field_name_is(c->name, name.at, name.len))
			continue;
		result = match_text(l, c, value);
		if (result != REGEXP_NO_MATCH)
			return result;
	}
	return REGEXP_NO_MATCH;
}

static enum regexp_result
match_regexps(struct lookup *l, const struct rule *rule)
{
	for (uint32_t i = 0; i < rule->regex_n; i++) {
		const struct regex_condition *c =
			&l->rules->regex_conditions[rule->regex_first + i];
		enum regexp_result result = c->kind == CONDITION_HTTP_HEADER ? match_fields(l, c)
					    : c->kind == CONDITION_HOST_HEADER
						    ? match_text(l, c, host_name(l->request->host))
						    : match_text(l, c, l->path);

		if (result != REGEXP_MATCH)
			return result;
	}
	return REGEXP_MATCH;
}

/* Sets. */

static void
unite(const struct alb_rules *r, const struct rule_set *set, uint32_t block, struct block *to)
{
	const struct block *from;

	if ((set->summary >> block & 1) == 0)
		return;
	from = &r->blocks[block_index(set, block)];
	for (uint32_t i = 0; i < BLOCK_RULES / 64; i++)
		to->w[i] |= from->w[i];
}

/* Blocks in which some rule may match. */
static uint64_t
intersect_summaries(const struct alb_rules *r, const struct alb_scratch *s)
{
	uint32_t blocks_n = (r->rules_n + BLOCK_RULES - 1) / BLOCK_RULES;
	uint64_t united[DIMENSIONS], all = UINT64_MAX >> (64 - blocks_n);

	for (uint32_t i = 0; i < r->dimensions_n; i++)
		united[r->dimensions[i]] = r->any[r->dimensions[i]].summary;
	for (uint32_t i = 0; i < s->hits_n; i++)
		united[r->values[s->hits[i]].dimension] |= r->values[s->hits[i]].set.summary;
	for (uint32_t i = 0; i < r->dimensions_n; i++)
		all &= united[r->dimensions[i]];
	return all;
}

/* The rules of a block whose indexed conditions hold; bits behind the last rule may be set. */
static void
intersect_block(const struct alb_rules *r, const struct alb_scratch *s, uint32_t block,
		struct block *all)
{
	struct block united[DIMENSIONS];

	for (uint32_t i = 0; i < r->dimensions_n; i++) {
		uint32_t d = r->dimensions[i];

		if ((r->any[d].summary >> block & 1) != 0)
			united[d] = r->blocks[block_index(&r->any[d], block)];
		else
			united[d] = (struct block){0};
	}
	for (uint32_t i = 0; i < s->hits_n; i++) {
		const struct value *v = &r->values[s->hits[i]];

		unite(r, &v->set, block, &united[v->dimension]);
	}
	memset(all, 0xff, sizeof(*all));
	for (uint32_t d = 0; d < r->dimensions_n; d++) {
		for (uint32_t i = 0; i < BLOCK_RULES / 64; i++)
			all->w[i] &= united[r->dimensions[d]].w[i];
	}
}

/* The first rule of a block that matches. @return false: none does. */
static bool
try_block(struct lookup *l, uint32_t block, enum alb_outcome *outcome, uint32_t *rule)
{
	struct block all;

	intersect_block(l->rules, l->scratch, block, &all);
	for (uint32_t i = 0; i < BLOCK_RULES / 64; i++) {
		for (; all.w[i] != 0; all.w[i] &= all.w[i] - 1) {
			enum regexp_result result;

			*rule = block * BLOCK_RULES + i * 64 + (uint32_t)__builtin_ctzll(all.w[i]);
			result = match_regexps(l, &l->rules->rules[*rule]);
			if (result == REGEXP_NO_MATCH)
				continue;
			*outcome = result == REGEXP_MATCH ? ALB_MATCHED : ALB_BUDGET;
			return true;
		}
	}
	return false;
}

enum alb_outcome
alb_rules_match(const struct alb_rules *rules, struct alb_scratch *scratch,
		const struct alb_request *request, uint32_t *rule)
{
	struct lookup l = {.rules = rules, .scratch = scratch, .request = request};
	enum alb_outcome outcome = ALB_MATCHED;
	bool found = false;

	scratch->budget = scratch->budget_begin;
	*rule = rules->rules_n;
	if (rules->rules_n == 0)
		return ALB_MATCHED;
	if (rules->path.patterns != NULL || rules->regex_of_path)
		l.path = alb_path_normalize(request->path, scratch->path);
	find_all(&l);
	for (uint64_t blocks = intersect_summaries(rules, scratch); blocks != 0 && !found;
	     blocks &= blocks - 1)
		found = try_block(&l, (uint32_t)__builtin_ctzll(blocks), &outcome, rule);
	forget_hits(scratch);
	if (!found)
		*rule = rules->rules_n;
	return outcome;
}
