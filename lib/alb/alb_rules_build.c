/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alb_builder.h"

#define GLOB_MAX (ALB_PATTERN_MAX + 1) /* of text: none is longer when it is encoded */

/* One value of one rule's condition, as it is sorted into indexes, patterns and dimensions. */
struct entry {
	uint32_t index;   /* enum index_kind */
	const char *name; /* of a header field, or the pattern of a query's key */
	const char *text;
	uint32_t dimension;
	uint32_t rule;
};

enum index_kind {
	INDEX_HOST,
	INDEX_PATH,
	INDEX_METHOD,
	INDEX_HEADER,
	INDEX_QUERY_ANY,
	INDEX_QUERY,
};

/* Conditions to entries. */

static enum index_kind
index_of(const struct model_condition *c, const struct model_condition_value *v)
{
	switch (c->condition_kind) {
	case CONDITION_HOST_HEADER:
		return INDEX_HOST;
	case CONDITION_PATH_PATTERN:
		return INDEX_PATH;
	case CONDITION_HTTP_REQUEST_METHOD:
		return INDEX_METHOD;
	case CONDITION_HTTP_HEADER:
		return INDEX_HEADER;
	default:
		return v->key[0] == '\0' ? INDEX_QUERY_ANY : INDEX_QUERY;
	}
}

static uint32_t
dimension_of(const struct model_condition *c, uint32_t *multi)
{
	switch (c->condition_kind) {
	case CONDITION_HOST_HEADER:
		return DIMENSION_HOST;
	case CONDITION_PATH_PATTERN:
		return DIMENSION_PATH;
	case CONDITION_HTTP_REQUEST_METHOD:
		return DIMENSION_METHOD;
	case CONDITION_SOURCE_IP:
		return DIMENSION_SOURCE;
	default:
		return DIMENSION_MULTI + (*multi)++;
	}
}

static void
add_values(struct builder *b, const struct model_condition *c, uint32_t dimension, uint32_t rule)
{
	for (uint32_t i = 0; i < c->values_n; i++) {
		const struct model_condition_value *v = &c->values[i];

		if (c->condition_kind == CONDITION_SOURCE_IP) {
			b->prefixes[b->prefixes_n++] = (struct prefix_entry){v->prefix, rule};
			continue;
		}
		b->entries[b->entries_n++] = (struct entry){
			.index = index_of(c, v),
			.name = c->condition_kind == CONDITION_HTTP_HEADER ? c->field : v->key,
			.text = v->text,
			.dimension = dimension,
			.rule = rule,
		};
	}
}

/*
 * Index a condition of regular expressions by the literal bytes in them, so that they run only
 * where they have a chance.
 */
static bool
add_globs(struct builder *b, const struct model_condition *c, uint32_t dimension, uint32_t rule)
{
	char *texts = b->texts + (size_t)b->texts_n * GLOB_MAX;

	for (uint32_t i = 0; i < c->values_n; i++) {
		if (!regexp_glob(c->values[i].text, texts + (size_t)i * GLOB_MAX, GLOB_MAX))
			return false;
	}
	b->texts_n += c->values_n;
	for (uint32_t i = 0; i < c->values_n; i++) {
		b->entries[b->entries_n++] = (struct entry){
			.index = index_of(c, &c->values[i]),
			.name = c->field,
			.text = texts + (size_t)i * GLOB_MAX,
			.dimension = dimension,
			.rule = rule,
		};
	}
	return true;
}

static void
add_regex(struct builder *b, const struct model_condition *c, struct rule *rule)
{
	struct alb_rules *r = b->r;
	struct regex_condition *to = &r->regex_conditions[r->regex_conditions_n++];

	rule->regex_n++;
	to->kind = c->condition_kind;
	to->name_len = (uint32_t)strlen(c->field);
	memcpy(to->name, c->field, sizeof(to->name));
	r->regex_of_path |= c->condition_kind == CONDITION_PATH_PATTERN;
	for (uint32_t i = 0; i < c->values_n; i++) {
		struct regexp *regexp = regexp_compile(
			c->values[i].text, c->condition_kind != CONDITION_PATH_PATTERN, b->why);

		if (regexp == NULL) {
			b->failed = true;
			return;
		}
		to->regexps[to->regexps_n++] = regexp;
	}
}

/* The conditions of a rule, and in which dimensions it has any. */
static uint32_t
add_conditions(struct builder *b, uint32_t rule)
{
	const struct model_rule *m = b->models[rule];
	uint32_t multi = 0, dimensions = 0;

	b->r->rules[rule].regex_first = b->r->regex_conditions_n;
	for (uint32_t i = 0; i < m->conditions_n; i++) {
		const struct model_condition *c = &m->conditions[i];
		uint32_t dimension = dimension_of(c, &multi);

		if (c->regex) {
			add_regex(b, c, &b->r->rules[rule]);
			if (add_globs(b, c, dimension, rule))
				dimensions |= 1u << dimension;
			continue;
		}
		dimensions |= 1u << dimension;
		add_values(b, c, dimension, rule);
	}
	return dimensions;
}

static void
add_all_conditions(struct builder *b)
{
	uint32_t *has = alb_builder_take(b, b->r->rules_n, sizeof(*has)), all = 0;

	for (uint32_t i = 0; !b->failed && i < b->r->rules_n; i++) {
		has[i] = add_conditions(b, i);
		all |= has[i];
	}
	for (uint32_t d = 0; !b->failed && d < DIMENSIONS; d++) {
		if ((all >> d & 1) == 0)
			continue;
		b->r->dimensions[b->r->dimensions_n++] = d;
		for (uint32_t i = 0; i < b->r->rules_n; i++) {
			if ((has[i] >> d & 1) == 0)
				alb_builder_add_rule(b, &b->r->any[d], i);
		}
	}
	free(has);
}

/* Entries to indexes. */

static int
compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = compare_u32(x->index, y->index);

	if (order == 0)
		order = strcmp(x->name, y->name);
	if (order == 0)
		order = strcmp(x->text, y->text);
	if (order == 0)
		order = compare_u32(x->dimension, y->dimension);
	return order != 0 ? order : compare_u32(x->rule, y->rule);
}

static bool
same_index(const struct entry *a, const struct entry *b)
{
	return a->index == b->index && strcmp(a->name, b->name) == 0;
}

/* Values of the entries [from, to), which have one text. */
static void
add_values_of_pattern(struct builder *b, uint32_t from, uint32_t to)
{
	uint32_t value = 0;

	for (uint32_t i = from; i < to && !b->failed; i++) {
		const struct entry *e = &b->entries[i];

		if (i == from || e->dimension != e[-1].dimension)
			value = alb_builder_add_value(b, e->dimension);
		if (!b->failed)
			alb_builder_add_rule(b, &b->r->values[value].set, e->rule);
	}
}

/* The index over the entries [from, to), which have one index and name. */
static void
build_index(struct builder *b, uint32_t from, uint32_t to, struct field_index *index)
{
	struct alb_pattern *patterns = alb_builder_take(b, to - from, sizeof(*patterns));
	bool exact = b->entries[from].index == INDEX_METHOD || b->entries[from].index == INDEX_PATH;
	uint32_t n = 0;

	index->first = alb_builder_take(b, to - from + 1, sizeof(*index->first));
	for (uint32_t i = from; !b->failed && i < to;) {
		uint32_t end = i + 1;

		while (end < to && strcmp(b->entries[end].text, b->entries[i].text) == 0)
			end++;
		alb_pattern_encode(b->entries[i].text, !exact, &patterns[n]);
		index->first[n++] = b->r->values_n;
		add_values_of_pattern(b, i, end);
		i = end;
	}
	if (!b->failed) {
		index->first[n] = b->r->values_n;
		index->patterns = alb_patterns_build(patterns, n);
		b->failed |= index->patterns == NULL;
	}
	free(patterns);
}

static struct field_index *
header_add(struct builder *b, const char *name)
{
	struct header_index *h = &b->r->headers[b->r->headers_n++];

	h->len = (uint32_t)strlen(name);
	b->r->header_lengths |= UINT64_C(1) << h->len;
	memcpy(h->name, name, h->len + 1);
	return &h->index;
}

static struct field_index *
place_of(struct builder *b, const struct entry *e)
{
	switch (e->index) {
	case INDEX_HOST:
		return &b->r->host;
	case INDEX_PATH:
		return &b->r->path;
	case INDEX_METHOD:
		return &b->r->method;
	case INDEX_HEADER:
		return header_add(b, e->name);
	case INDEX_QUERY_ANY:
		return &b->r->query_any;
	default:
		return &b->r->query_values[b->r->query_keys_n++];
	}
}

/* How many entries begin an index of their kind. */
static uint32_t
count_indexes(const struct builder *b, uint32_t kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->entries_n; i++)
		n += b->entries[i].index == kind &&
		     (i == 0 || !same_index(&b->entries[i], &b->entries[i - 1]));
	return n;
}

static void
build_indexes(struct builder *b)
{
	struct alb_rules *r = b->r;
	uint32_t keys_n;
	struct alb_pattern *keys;

	if (b->entries_n > 0)
		qsort(b->entries, b->entries_n, sizeof(*b->entries), compare_entries);
	keys_n = count_indexes(b, INDEX_QUERY);
	keys = alb_builder_take(b, keys_n, sizeof(*keys));
	r->headers = alb_builder_take(b, count_indexes(b, INDEX_HEADER), sizeof(*r->headers));
	r->query_values = alb_builder_take(b, keys_n, sizeof(*r->query_values));
	for (uint32_t i = 0; !b->failed && i < b->entries_n;) {
		uint32_t end = i + 1;

		while (end < b->entries_n && same_index(&b->entries[i], &b->entries[end]))
			end++;
		if (b->entries[i].index == INDEX_QUERY)
			alb_pattern_encode(b->entries[i].name, true, &keys[r->query_keys_n]);
		build_index(b, i, end, place_of(b, &b->entries[i]));
		i = end;
	}
	if (!b->failed && keys_n > 0) {
		r->query_keys = alb_patterns_build(keys, keys_n);
		b->failed |= r->query_keys == NULL;
	}
	free(keys);
}

static void
build_header_slots(struct builder *b)
{
	struct alb_rules *r = b->r;

	r->header_mask = 3;
	while (r->header_mask < 2 * r->headers_n)
		r->header_mask = 2 * r->header_mask + 1;
	r->header_slots = alb_builder_take(b, (size_t)r->header_mask + 1, sizeof(*r->header_slots));
	for (uint32_t i = 0; !b->failed && i < r->headers_n; i++) {
		uint32_t at =
			(uint32_t)(field_name_hash(r->headers[i].name, r->headers[i].len) >> 32);

		while (r->header_slots[at & r->header_mask] != 0)
			at++;
		r->header_slots[at & r->header_mask] = i + 1;
	}
}

/* All together. */

static int
compare_priorities(const void *a, const void *b)
{
	const struct model_rule *const *x = a, *const *y = b;

	return compare_u32((*x)->priority, (*y)->priority);
}

static void
collect(struct builder *b, const struct model *m, const struct model_listener *l)
{
	uint32_t regexes = 0, regex_values = 0, values = 0;

	b->models = alb_builder_take(b, m->rules_n, sizeof(*b->models));
	for (uint32_t i = 0; !b->failed && i < m->rules_n; i++) {
		const struct model_rule *rule = &m->rules[i];

		if (rule->listener_id != l->id)
			continue;
		b->models[b->r->rules_n++] = rule;
		for (uint32_t k = 0; k < rule->conditions_n; k++) {
			regexes += rule->conditions[k].regex;
			values += rule->conditions[k].values_n;
			regex_values +=
				rule->conditions[k].regex ? rule->conditions[k].values_n : 0;
		}
	}
	if (b->r->rules_n > 0)
		qsort(b->models, b->r->rules_n, sizeof(*b->models), compare_priorities);
	b->r->rules = alb_builder_take(b, b->r->rules_n, sizeof(*b->r->rules));
	b->r->regex_conditions = alb_builder_take(b, regexes, sizeof(*b->r->regex_conditions));
	b->entries = alb_builder_take(b, values, sizeof(*b->entries));
	b->texts = alb_builder_take(b, regex_values, GLOB_MAX);
	b->prefixes = alb_builder_take(b, values + 1, sizeof(*b->prefixes)); /* and all of IPv4 */
}

static bool
build(struct builder *b, const struct model *m, const struct model_listener *l,
      const struct alb_group_indexes *groups)
{
	collect(b, m, l);
	if (!b->failed && b->r->rules_n > ALB_RULES_MAX) {
		snprintf(b->why, REGEXP_WHY_MAX, "listener %s has more than %u rules", l->name,
			 ALB_RULES_MAX);
		return false;
	}
	if (!b->failed)
		alb_builder_actions(b, l, groups);
	if (!b->failed)
		add_all_conditions(b);
	if (!b->failed)
		build_indexes(b);
	if (!b->failed)
		build_header_slots(b);
	if (!b->failed)
		alb_builder_sources(b);
	if (!b->failed && b->r->values_n > ALB_VALUES_MAX) {
		snprintf(b->why, REGEXP_WHY_MAX,
			 "the rules of listener %s have more than %u distinct values", l->name,
			 ALB_VALUES_MAX);
		return false;
	}
	return !b->failed;
}

struct alb_rules *
alb_rules_build(const struct model *model, const struct model_listener *listener,
		const struct alb_group_indexes *groups, char why[REGEXP_WHY_MAX])
{
	struct builder b = {.r = calloc(1, sizeof(*b.r)), .why = why};
	bool ok;

	snprintf(why, REGEXP_WHY_MAX, "no memory");
	if (b.r == NULL)
		return NULL;
	ok = build(&b, model, listener, groups);
	free(b.models);
	free(b.entries);
	free(b.texts);
	free(b.prefixes);
	if (!ok) {
		alb_rules_free(b.r);
		return NULL;
	}
	return b.r;
}

static void
free_index(struct field_index *index)
{
	alb_patterns_free(index->patterns);
	free(index->first);
}

static void
free_actions(struct alb_rules *r)
{
	for (uint32_t i = 0; r->rules != NULL && i <= r->rules_n; i++) {
		struct alb_action *a = &r->rules[i].action;

		free(a->redirect);
		free(a->fixed_response);
		alb_transform_free(a->host_rewrite);
		alb_transform_free(a->url_rewrite);
	}
}

void
alb_rules_free(struct alb_rules *r)
{
	if (r == NULL)
		return;
	free_actions(r);
	free_index(&r->host);
	free_index(&r->path);
	free_index(&r->method);
	free_index(&r->query_any);
	for (uint32_t i = 0; i < r->headers_n; i++)
		free_index(&r->headers[i].index);
	for (uint32_t i = 0; i < r->query_keys_n; i++)
		free_index(&r->query_values[i]);
	for (uint32_t i = 0; i < r->regex_conditions_n; i++) {
		for (uint32_t k = 0; k < r->regex_conditions[i].regexps_n; k++)
			regexp_free(r->regex_conditions[i].regexps[k]);
	}
	alb_patterns_free(r->query_keys);
	free(r->regex_conditions);
	free(r->headers);
	free(r->header_slots);
	free(r->query_values);
	free(r->sources);
	free(r->blocks);
	free(r->values);
	free(r->rules);
	free(r);
}
