/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alb_compiled.h"
#include "alb_rules.h"

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

/* A prefix of a source_ip condition and its rule. */
struct prefix_entry {
	struct ip_prefix prefix;
	uint32_t rule;
};

struct builder {
	struct alb_rules *r;
	const struct model_rule **models; /* by priority */
	struct entry *entries;
	uint32_t entries_n;
	struct prefix_entry *prefixes;
	uint32_t prefixes_n;
	uint32_t values_max, blocks_max; /* capacities */
	bool failed;                     /* no memory */
	char *why;
};

static void *
take_memory(struct builder *b, size_t n, size_t size)
{
	void *p = calloc(n + 1, size);

	b->failed |= p == NULL;
	return p;
}

/* Room for one more in an array that grows. */
static bool
grow(struct builder *b, void *array, uint32_t n, uint32_t *max, size_t size)
{
	void **items = array, *grown;
	uint32_t larger = *max == 0 ? 64 : 2 * *max;

	if (n < *max)
		return true;
	grown = aligned_alloc(32, ((size_t)larger * size + 31) / 32 * 32);
	if (grown == NULL) {
		b->failed = true;
		return false;
	}
	if (n > 0)
		memcpy(grown, *items, n * size);
	free(*items);
	*items = grown;
	*max = larger;
	return true;
}

/* Sets. Rules are added in ascending order. */

static void
set_add(struct builder *b, struct rule_set *set, uint32_t rule)
{
	uint32_t block = rule / BLOCK_RULES;

	if (set->summary == 0)
		set->first = b->r->blocks_n;
	if ((set->summary >> block & 1) == 0) {
		if (!grow(b, &b->r->blocks, b->r->blocks_n, &b->blocks_max, sizeof(*b->r->blocks)))
			return;
		b->r->blocks[b->r->blocks_n++] = (struct block){0};
		set->summary |= UINT64_C(1) << block;
	}
	b->r->blocks[b->r->blocks_n - 1].w[rule % BLOCK_RULES / 64] |= UINT64_C(1) << (rule % 64);
}

static uint32_t
value_add(struct builder *b, uint32_t dimension)
{
	struct alb_rules *r = b->r;

	if (!grow(b, &r->values, r->values_n, &b->values_max, sizeof(*r->values)))
		return 0;
	r->values[r->values_n] = (struct value){.dimension = dimension};
	return r->values_n++;
}

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
		uint32_t dimension;

		if (c->regex) {
			add_regex(b, c, &b->r->rules[rule]);
			continue;
		}
		dimension = dimension_of(c, &multi);
		dimensions |= 1u << dimension;
		add_values(b, c, dimension, rule);
	}
	return dimensions;
}

static void
add_all_conditions(struct builder *b)
{
	uint32_t *has = take_memory(b, b->r->rules_n, sizeof(*has)), all = 0;

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
				set_add(b, &b->r->any[d], i);
		}
	}
	free(has);
}

/* Entries to indexes. */

static int
compare_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

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
			value = value_add(b, e->dimension);
		if (!b->failed)
			set_add(b, &b->r->values[value].set, e->rule);
	}
}

/* The index over the entries [from, to), which have one index and name. */
static void
build_index(struct builder *b, uint32_t from, uint32_t to, struct field_index *index)
{
	struct alb_pattern *patterns = take_memory(b, to - from, sizeof(*patterns));
	bool exact = b->entries[from].index == INDEX_METHOD || b->entries[from].index == INDEX_PATH;
	uint32_t n = 0;

	index->first = take_memory(b, to - from + 1, sizeof(*index->first));
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
	keys = take_memory(b, keys_n, sizeof(*keys));
	r->headers = take_memory(b, count_indexes(b, INDEX_HEADER), sizeof(*r->headers));
	r->query_values = take_memory(b, keys_n, sizeof(*r->query_values));
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
	r->header_slots = take_memory(b, (size_t)r->header_mask + 1, sizeof(*r->header_slots));
	for (uint32_t i = 0; !b->failed && i < r->headers_n; i++) {
		uint32_t at =
			(uint32_t)(field_name_hash(r->headers[i].name, r->headers[i].len) >> 32);

		while (r->header_slots[at & r->header_mask] != 0)
			at++;
		r->header_slots[at & r->header_mask] = i + 1;
	}
}

/*
 * Sources: intervals, each with the set of all prefixes it lies in.  IPv4 lies among the IPv6
 * addresses (ip_addr.h) as a prefix of its own, in which nothing of IPv6 counts.
 */

static bool
is_all_of_v4(const struct ip_prefix *p)
{
	return ip_addr_is_v4(&p->addr) && p->len == IP_ADDR_V4_PREFIX;
}

static void
add_all_of_v4(struct builder *b)
{
	static const uint8_t zero[4];

	b->prefixes[b->prefixes_n++] = (struct prefix_entry){
		.prefix = {ip_addr_from_v4(zero), IP_ADDR_V4_PREFIX}, .rule = UINT32_MAX};
}

static uint64_t
number(const struct ip_addr *a, uint32_t word)
{
	return __builtin_bswap64(a->w[word]);
}

static int
compare_prefixes(const void *a, const void *b)
{
	const struct prefix_entry *x = a, *y = b;
	int order = memcmp(x->prefix.addr.b, y->prefix.addr.b, 16);

	if (order == 0)
		order = compare_u32(x->prefix.len, y->prefix.len);
	return order != 0 ? order : compare_u32(x->rule, y->rule);
}

static bool
same_prefix(const struct prefix_entry *a, const struct prefix_entry *b)
{
	return a->prefix.len == b->prefix.len && ip_addr_equal(&a->prefix.addr, &b->prefix.addr);
}

/* The address behind a prefix's last one. @return false: there is none. */
static bool
address_behind(const struct ip_prefix *p, uint64_t *high, uint64_t *low)
{
	*high = number(&p->addr, 0);
	*low = number(&p->addr, 1);
	if (p->len == 0)
		return false;
	if (p->len <= 64) {
		*high += UINT64_C(1) << (64 - p->len);
		*low = 0;
		return *high != 0;
	}
	*low += UINT64_C(1) << (128 - p->len);
	*high += *low == 0;
	return *low != 0 || *high != 0;
}

static void
source_add(struct alb_rules *r, uint64_t high, uint64_t low, uint32_t value)
{
	struct source *last = r->sources_n == 0 ? NULL : &r->sources[r->sources_n - 1];

	if (last != NULL && last->high == high && last->low == low)
		last->value = value;
	else
		r->sources[r->sources_n++] = (struct source){high, low, value};
}

/* Prefixes around the one that is being added, outermost first. */
struct nesting {
	uint32_t n;
	struct {
		struct ip_prefix prefix;
		uint32_t value;
	} items[129];
};

static void
leave(struct alb_rules *r, struct nesting *around)
{
	uint64_t high, low;

	around->n--;
	if (address_behind(&around->items[around->n].prefix, &high, &low))
		source_add(r, high, low,
			   around->n == 0 ? UINT32_MAX : around->items[around->n - 1].value);
}

/* A set of the rules of `around` and room for those of the prefixes [from, to). */
static struct rule_set
extend_set(struct builder *b, struct rule_set around, uint32_t from, uint32_t to)
{
	struct rule_set set = {around.summary, b->r->blocks_n};

	for (uint32_t i = from; i < to; i++) {
		if (b->prefixes[i].rule != UINT32_MAX)
			set.summary |= UINT64_C(1) << (b->prefixes[i].rule / BLOCK_RULES);
	}
	for (uint64_t rest = set.summary; rest != 0; rest &= rest - 1) {
		uint32_t block = (uint32_t)__builtin_ctzll(rest);
		struct block copy = {0};

		if ((around.summary >> block & 1) != 0)
			copy = b->r->blocks[block_index(&around, block)];
		if (!grow(b, &b->r->blocks, b->r->blocks_n, &b->blocks_max, sizeof(*b->r->blocks)))
			return set;
		b->r->blocks[b->r->blocks_n++] = copy;
	}
	return set;
}

/* The rules of the prefixes [from, to), which are one, and those of the prefix around it. */
static uint32_t
value_of_prefix(struct builder *b, uint32_t from, uint32_t to, uint32_t around)
{
	uint32_t value = value_add(b, DIMENSION_SOURCE);
	struct rule_set *set, none = {0};

	if (b->failed)
		return value;
	set = &b->r->values[value].set;
	*set = extend_set(b, around == UINT32_MAX ? none : b->r->values[around].set, from, to);
	for (uint32_t i = from; !b->failed && i < to; i++) {
		uint32_t rule = b->prefixes[i].rule;

		if (rule != UINT32_MAX)
			b->r->blocks[block_index(set, rule / BLOCK_RULES)]
				.w[rule % BLOCK_RULES / 64] |= UINT64_C(1) << (rule % 64);
	}
	return value;
}

static void
build_sources(struct builder *b)
{
	struct nesting around = {0};
	struct alb_rules *r = b->r;

	if (b->prefixes_n == 0)
		return;
	add_all_of_v4(b);
	qsort(b->prefixes, b->prefixes_n, sizeof(*b->prefixes), compare_prefixes);
	r->sources = take_memory(b, 2 * (size_t)b->prefixes_n + 1, sizeof(*r->sources));
	if (b->failed)
		return;
	source_add(r, 0, 0, UINT32_MAX);
	for (uint32_t i = 0; !b->failed && i < b->prefixes_n;) {
		const struct prefix_entry *p = &b->prefixes[i];
		uint32_t end = i + 1;

		while (end < b->prefixes_n && same_prefix(p, &b->prefixes[end]))
			end++;
		while (around.n > 0 &&
		       !ip_prefix_contains(&around.items[around.n - 1].prefix, &p->prefix.addr))
			leave(r, &around);
		around.items[around.n].prefix = p->prefix;
		around.items[around.n].value =
			value_of_prefix(b, i, end,
					around.n == 0 || is_all_of_v4(&p->prefix)
						? UINT32_MAX
						: around.items[around.n - 1].value);
		source_add(r, number(&p->prefix.addr, 0), number(&p->prefix.addr, 1),
			   around.items[around.n].value);
		around.n++;
		i = end;
	}
	while (around.n > 0)
		leave(r, &around);
}

/* Actions. */

static void *
copy_of(struct builder *b, const void *from, size_t size)
{
	void *to = take_memory(b, 1, size);

	if (to != NULL)
		memcpy(to, from, size);
	return to;
}

static void
build_action(struct builder *b, const struct model_action *m,
	     const struct alb_group_indexes *groups, struct alb_action *a)
{
	a->action_kind = m->action_kind;
	a->stickiness_seconds = m->stickiness_seconds;
	for (uint32_t i = 0; i < m->forwards_n; i++) {
		struct alb_forward *f = &a->forwards[a->forwards_n++];

		a->weight_sum += m->forwards[i].weight;
		f->weight_end = a->weight_sum;
		f->target_group_id = m->forwards[i].target_group_id;
		f->group = groups == NULL ? 0 : groups->index(groups->arg, f->target_group_id);
	}
	if (m->action_kind == ACTION_REDIRECT)
		a->redirect = copy_of(b, &m->redirect, sizeof(m->redirect));
	else if (m->action_kind == ACTION_FIXED_RESPONSE)
		a->fixed_response = copy_of(b, &m->fixed_response, sizeof(m->fixed_response));
}

static void
build_transforms(struct builder *b, const struct model_rule *m, struct alb_action *a)
{
	if (m->host_header_rewrite.regex != NULL) {
		a->host_rewrite = alb_transform_build(&m->host_header_rewrite, true);
		b->failed |= a->host_rewrite == NULL;
	}
	if (m->url_rewrite.regex != NULL) {
		a->url_rewrite = alb_transform_build(&m->url_rewrite, false);
		b->failed |= a->url_rewrite == NULL;
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
	uint32_t regexes = 0, values = 0;

	b->models = take_memory(b, m->rules_n, sizeof(*b->models));
	for (uint32_t i = 0; !b->failed && i < m->rules_n; i++) {
		const struct model_rule *rule = &m->rules[i];

		if (rule->listener_id != l->id)
			continue;
		b->models[b->r->rules_n++] = rule;
		for (uint32_t k = 0; k < rule->conditions_n; k++) {
			regexes += rule->conditions[k].regex;
			values += rule->conditions[k].values_n;
		}
	}
	if (b->r->rules_n > 0)
		qsort(b->models, b->r->rules_n, sizeof(*b->models), compare_priorities);
	b->r->rules = take_memory(b, b->r->rules_n, sizeof(*b->r->rules));
	b->r->regex_conditions = take_memory(b, regexes, sizeof(*b->r->regex_conditions));
	b->entries = take_memory(b, values, sizeof(*b->entries));
	b->prefixes = take_memory(b, values + 1, sizeof(*b->prefixes)); /* and all of IPv4 */
}

static void
build_actions(struct builder *b, const struct model_listener *l,
	      const struct alb_group_indexes *groups)
{
	struct rule *last = &b->r->rules[b->r->rules_n];

	for (uint32_t i = 0; i < b->r->rules_n; i++) {
		struct rule *rule = &b->r->rules[i];

		rule->id = b->models[i]->id;
		rule->priority = b->models[i]->priority;
		build_action(b, &b->models[i]->action, groups, &rule->action);
		build_transforms(b, b->models[i], &rule->action);
	}
	last->id = l->id;
	build_action(b, &l->default_action, groups, &last->action);
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
		build_actions(b, l, groups);
	if (!b->failed)
		add_all_conditions(b);
	if (!b->failed)
		build_indexes(b);
	if (!b->failed)
		build_header_slots(b);
	if (!b->failed)
		build_sources(b);
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
