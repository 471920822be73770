/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "alb_builder.h"

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
		if (!alb_builder_grow(b, &b->r->blocks, b->r->blocks_n, &b->blocks_max,
				      sizeof(*b->r->blocks)))
			return set;
		b->r->blocks[b->r->blocks_n++] = copy;
	}
	return set;
}

/* The rules of the prefixes [from, to), which are one, and those of the prefix around it. */
static uint32_t
value_of_prefix(struct builder *b, uint32_t from, uint32_t to, uint32_t around)
{
	uint32_t value = alb_builder_add_value(b, DIMENSION_SOURCE);
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

void
alb_builder_sources(struct builder *b)
{
	struct nesting around = {0};
	struct alb_rules *r = b->r;

	if (b->prefixes_n == 0)
		return;
	add_all_of_v4(b);
	qsort(b->prefixes, b->prefixes_n, sizeof(*b->prefixes), compare_prefixes);
	r->sources = alb_builder_take(b, 2 * (size_t)b->prefixes_n + 1, sizeof(*r->sources));
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
