/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_pattern.h"

#include <stdlib.h>

#include "check.h"

#define GRAM         3
#define GRAM_BITS    (1u << 12)
#define CROWD        8 /* patterns under one key that are worth looking for a better one */
#define LENGTHS      (ALB_PATTERN_MAX + 1)
#define LENGTH_WORDS ((LENGTHS + 63) / 64)

enum anchor { ANCHOR_ALL, ANCHOR_PREFIX, ANCHOR_SUFFIX, ANCHOR_GRAM, ANCHOR_NONE };

struct slot {
	uint32_t tag;     /* high half of the hash */
	uint32_t pattern; /* position + 1; 0: empty */
};

struct alb_patterns {
	struct alb_pattern *items;
	uint32_t n;
	uint32_t mask;
	struct slot *slots; /* open addressing; a key may occur many times */
	uint64_t literal_lengths[LENGTH_WORDS];
	uint8_t prefix_lengths[LENGTHS], suffix_lengths[LENGTHS]; /* ascending */
	uint32_t prefix_lengths_n, suffix_lengths_n;
	uint64_t grams[GRAM_BITS / 64]; /* which may occur */
	bool has_grams;
	uint32_t *rest; /* patterns without an anchor */
	uint32_t rest_n;
};

static bool
is_wildcard(char c)
{
	return c == ALB_PATTERN_ANY || c == ALB_PATTERN_ONE;
}

void
alb_pattern_encode(const char *text, bool lower, struct alb_pattern *p)
{
	uint32_t n = 0, any = 0;

	memset(p, 0, sizeof(*p));
	p->literal = true;
	for (; *text != '\0' && n < ALB_PATTERN_MAX; text++) {
		char c = *text;

		if (c == '*' || c == '?') {
			c = c == '*' ? ALB_PATTERN_ANY : ALB_PATTERN_ONE;
			p->literal = false;
		} else if (c == '\\' && text[1] != '\0') {
			c = *++text;
		}
		if (c == ALB_PATTERN_ANY && n > 0 && p->bytes[n - 1] == ALB_PATTERN_ANY)
			continue;
		any += c == ALB_PATTERN_ANY;
		p->bytes[n++] = c;
	}
	if (lower)
		alb_lower(p->bytes, p->bytes, n);
	p->len = (uint8_t)n;
	p->len_min = (uint8_t)(n - any);
}

/* Go back to the last `*` only: leftmost matches of what is between two of them suffice. */
bool
alb_pattern_match(const struct alb_pattern *p, const char *text, size_t len)
{
	size_t at = 0, t = 0, star = SIZE_MAX, star_text = 0;

	if (len < p->len_min)
		return false;
	if (p->literal)
		return len == p->len && memcmp(p->bytes, text, len) == 0;
	while (t < len) {
		if (at < p->len && p->bytes[at] == ALB_PATTERN_ANY) {
			if (at + 1 == p->len)
				return true;
			star = at++;
			star_text = t;
		} else if (at < p->len &&
			   (p->bytes[at] == ALB_PATTERN_ONE || p->bytes[at] == text[t])) {
			at++;
			t++;
		} else if (star != SIZE_MAX) {
			at = star + 1;
			t = ++star_text;
		} else {
			return false;
		}
	}
	while (at < p->len && p->bytes[at] == ALB_PATTERN_ANY)
		at++;
	return at == p->len;
}

/* Literal bytes at the edges. */

static uint32_t
prefix_len(const struct alb_pattern *p)
{
	uint32_t n = 0;

	while (n < p->len && !is_wildcard(p->bytes[n]))
		n++;
	return n;
}

static uint32_t
suffix_len(const struct alb_pattern *p)
{
	uint32_t n = 0;

	while (n < p->len && !is_wildcard(p->bytes[p->len - 1 - n]))
		n++;
	return n;
}

/* Building: how many patterns share each key, then each one under its rarest. */

struct counts {
	uint32_t mask;
	struct {
		uint64_t hash;
		uint32_t n;
	} * items;
};

static uint32_t *
count_of(struct counts *c, uint64_t hash)
{
	uint64_t at = hash >> 20;

	hash |= 1; /* never empty */
	while (c->items[at & c->mask].hash != 0 && c->items[at & c->mask].hash != hash)
		at++;
	c->items[at & c->mask].hash = hash;
	return &c->items[at & c->mask].n;
}

static uint64_t
prefix_hash(const struct alb_pattern *p)
{
	return alb_hash(ANCHOR_PREFIX, p->bytes, prefix_len(p));
}

static uint64_t
suffix_hash(const struct alb_pattern *p)
{
	uint32_t n = suffix_len(p);

	return alb_hash(ANCHOR_SUFFIX, p->bytes + p->len - n, n);
}

static bool
is_gram(const struct alb_pattern *p, uint32_t at)
{
	for (uint32_t i = 0; i < GRAM; i++) {
		if (at + i >= p->len || is_wildcard(p->bytes[at + i]))
			return false;
	}
	return true;
}

static void
count_keys(struct counts *c, const struct alb_pattern *p)
{
	if (p->literal)
		return;
	(*count_of(c, prefix_hash(p)))++;
	(*count_of(c, suffix_hash(p)))++;
	for (uint32_t i = 0; i < p->len; i++) {
		if (is_gram(p, i))
			(*count_of(c, alb_hash(ANCHOR_GRAM, p->bytes + i, GRAM)))++;
	}
}

static enum anchor
choose_anchor(struct counts *c, const struct alb_pattern *p, uint32_t *gram)
{
	enum anchor anchor = ANCHOR_NONE;
	uint32_t fewest = UINT32_MAX;

	if (p->literal)
		return ANCHOR_ALL;
	if (prefix_len(p) > 0) {
		fewest = *count_of(c, prefix_hash(p));
		anchor = ANCHOR_PREFIX;
	}
	if (suffix_len(p) > 0 && *count_of(c, suffix_hash(p)) < fewest) {
		fewest = *count_of(c, suffix_hash(p));
		anchor = ANCHOR_SUFFIX;
	}
	for (uint32_t i = 0; fewest > CROWD && i < p->len; i++) {
		uint32_t n = UINT32_MAX;

		if (is_gram(p, i))
			n = *count_of(c, alb_hash(ANCHOR_GRAM, p->bytes + i, GRAM));
		if (n < fewest) {
			fewest = n;
			anchor = ANCHOR_GRAM;
			*gram = i;
		}
	}
	return anchor;
}

static void
insert(struct alb_patterns *x, uint64_t hash, uint32_t pattern)
{
	uint32_t at = (uint32_t)hash;

	while (x->slots[at & x->mask].pattern != 0)
		at++;
	x->slots[at & x->mask] = (struct slot){(uint32_t)(hash >> 32), pattern + 1};
}

static void
note_length(uint8_t lengths[LENGTHS], uint32_t *n, uint32_t length)
{
	uint32_t at = 0;

	while (at < *n && lengths[at] < length)
		at++;
	if (at < *n && lengths[at] == length)
		return;
	memmove(&lengths[at + 1], &lengths[at], *n - at);
	lengths[at] = (uint8_t)length;
	(*n)++;
}

static uint32_t
gram_bit(const char *at)
{
	return ((uint8_t)at[0] * 0x9e5u ^ (uint8_t)at[1] * 0x3d1u ^ (uint8_t)at[2] * 0x71u) %
	       GRAM_BITS;
}

static void
enter(struct alb_patterns *x, struct counts *c, uint32_t i)
{
	const struct alb_pattern *p = &x->items[i];
	uint32_t gram = 0;

	switch (choose_anchor(c, p, &gram)) {
	case ANCHOR_ALL:
		x->literal_lengths[p->len / 64] |= UINT64_C(1) << (p->len % 64);
		insert(x, alb_hash(ANCHOR_ALL, p->bytes, p->len), i);
		break;
	case ANCHOR_PREFIX:
		note_length(x->prefix_lengths, &x->prefix_lengths_n, prefix_len(p));
		insert(x, prefix_hash(p), i);
		break;
	case ANCHOR_SUFFIX:
		note_length(x->suffix_lengths, &x->suffix_lengths_n, suffix_len(p));
		insert(x, suffix_hash(p), i);
		break;
	case ANCHOR_GRAM:
		x->grams[gram_bit(p->bytes + gram) / 64] |= UINT64_C(1)
							    << (gram_bit(p->bytes + gram) % 64);
		x->has_grams = true;
		insert(x, alb_hash(ANCHOR_GRAM, p->bytes + gram, GRAM), i);
		break;
	case ANCHOR_NONE:
		x->rest[x->rest_n++] = i;
		break;
	}
}

static uint32_t
power_of_two(uint64_t n)
{
	uint32_t size = 4;

	while (size < n)
		size *= 2;
	return size;
}

static bool
count_all(struct counts *c, const struct alb_pattern *patterns, uint32_t n)
{
	uint64_t keys = 1;

	for (uint32_t i = 0; i < n; i++)
		keys += patterns[i].literal ? 0 : patterns[i].len + 2u;
	c->mask = power_of_two(2 * keys) - 1;
	c->items = calloc((size_t)c->mask + 1, sizeof(*c->items));
	if (c->items == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++)
		count_keys(c, &patterns[i]);
	return true;
}

struct alb_patterns *
alb_patterns_build(const struct alb_pattern *patterns, uint32_t n)
{
	struct alb_patterns *x = calloc(1, sizeof(*x));
	struct counts counts = {0};

	if (x == NULL)
		return NULL;
	x->n = n;
	x->mask = power_of_two(2 * (uint64_t)n) - 1;
	x->items = calloc(n + 1, sizeof(*x->items));
	x->rest = calloc(n + 1, sizeof(*x->rest));
	x->slots = calloc((size_t)x->mask + 1, sizeof(*x->slots));
	if (x->items == NULL || x->rest == NULL || x->slots == NULL ||
	    !count_all(&counts, patterns, n)) {
		alb_patterns_free(x);
		return NULL;
	}
	if (n > 0)
		memcpy(x->items, patterns, n * sizeof(*patterns));
	for (uint32_t i = 0; i < n; i++)
		enter(x, &counts, i);
	free(counts.items);
	return x;
}

void
alb_patterns_free(struct alb_patterns *x)
{
	if (x == NULL)
		return;
	free(x->items);
	free(x->rest);
	free(x->slots);
	free(x);
}

/* Finding. */

struct text {
	const char *at;
	size_t len;
	alb_pattern_found found;
	void *arg;
};

static inline void
probe(const struct alb_patterns *x, uint64_t hash, const struct text *t)
{
	for (uint32_t at = (uint32_t)hash; x->slots[at & x->mask].pattern != 0; at++) {
		const struct slot *s = &x->slots[at & x->mask];

		if (s->tag == (uint32_t)(hash >> 32) &&
		    alb_pattern_match(&x->items[s->pattern - 1], t->at, t->len))
			t->found(t->arg, s->pattern - 1);
	}
}

static void
probe_grams(const struct alb_patterns *x, const struct text *t)
{
	for (size_t i = 0; i + GRAM <= t->len; i++) {
		uint32_t bit = gram_bit(t->at + i);

		if ((x->grams[bit / 64] >> (bit % 64) & 1) != 0)
			probe(x, alb_hash(ANCHOR_GRAM, t->at + i, GRAM), t);
	}
}

void
alb_patterns_find(const struct alb_patterns *x, const char *text, size_t len,
		  alb_pattern_found found, void *arg)
{
	const struct text t = {text, len, found, arg};

	if (len <= ALB_PATTERN_MAX && (x->literal_lengths[len / 64] >> (len % 64) & 1) != 0)
		probe(x, alb_hash(ANCHOR_ALL, text, len), &t);
	for (uint32_t i = 0; i < x->prefix_lengths_n && x->prefix_lengths[i] <= len; i++)
		probe(x, alb_hash(ANCHOR_PREFIX, text, x->prefix_lengths[i]), &t);
	for (uint32_t i = 0; i < x->suffix_lengths_n && x->suffix_lengths[i] <= len; i++)
		probe(x,
		      alb_hash(ANCHOR_SUFFIX, text + len - x->suffix_lengths[i],
			       x->suffix_lengths[i]),
		      &t);
	if (x->has_grams)
		probe_grams(x, &t);
	for (uint32_t i = 0; i < x->rest_n; i++) {
		if (alb_pattern_match(&x->items[x->rest[i]], text, len))
			found(arg, x->rest[i]);
	}
}
