/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "chain.h"
#include "check.h"

void
chain_pool_init(struct chain_pool *pool, const struct chain_ops *ops, struct span *spans,
		uint32_t n, uint32_t buffer_charge)
{
	*pool = (struct chain_pool){.ops = *ops,
				    .free_n = n,
				    .spans_n = n,
				    .free_min = n,
				    .buffer_charge = buffer_charge};
	for (uint32_t i = n; i > 0; i--) {
		spans[i - 1].next = pool->free;
		pool->free = &spans[i - 1];
	}
}

static struct span *
span_take(struct chain_pool *pool)
{
	struct span *s = pool->free;

	if (unlikely(s == NULL)) {
		pool->failures++;
		return NULL;
	}
	pool->free = s->next;
	pool->free_n--;
	if (pool->free_n < pool->free_min)
		pool->free_min = pool->free_n;
	return s;
}

static void
span_give(struct chain_pool *pool, struct span *s)
{
	s->next = pool->free;
	pool->free = s;
	pool->free_n++;
}

static void
drop_reference(struct chain_pool *pool, void *owner)
{
	if (owner != NULL)
		pool->ops.unref(owner);
}

static void
link_span(struct chain *chain, struct span *s)
{
	s->next = NULL;
	if (chain->last == NULL)
		chain->first = s;
	else
		chain->last->next = s;
	chain->last = s;
	chain->len += s->len;
	chain->charge += s->charge;
}

static struct span *
unlink_first(struct chain *chain)
{
	struct span *s = chain->first;

	chain->first = s->next;
	if (chain->first == NULL)
		chain->last = NULL;
	chain->len -= s->len;
	chain->charge -= s->charge;
	return s;
}

bool
chain_append(struct chain_pool *pool, struct chain *chain, void *owner, const uint8_t *data,
	     uint32_t len, uint32_t charge)
{
	struct span *last = chain->last, *s;

	if (unlikely(len == 0)) {
		drop_reference(pool, owner);
		return true;
	}
	if (last != NULL && last->owner == owner && last->data + last->len == data) {
		last->len += len;
		chain->len += len;
		drop_reference(pool, owner);
		return true;
	}
	s = span_take(pool);
	if (s == NULL)
		return false;
	*s = (struct span){
		.data = (uint8_t *)(uintptr_t)data, .len = len, .charge = charge, .owner = owner};
	pool->charged += charge;
	link_span(chain, s);
	return true;
}

bool
chain_append_ref(struct chain_pool *pool, struct chain *chain, void *owner, const uint8_t *data,
		 uint32_t len, uint32_t charge)
{
	if (owner != NULL)
		pool->ops.ref(owner);
	if (chain_append(pool, chain, owner, data, len, charge))
		return true;
	drop_reference(pool, owner);
	return false;
}

bool
chain_append_copy(struct chain_pool *pool, struct chain *chain, const void *bytes, uint32_t len)
{
	const uint8_t *at = bytes;
	struct chain copy = {0};

	while (len > 0) {
		uint8_t *data;
		uint32_t room, n;
		void *owner = pool->ops.alloc(pool->ops.arg, &data, &room);

		if (owner == NULL) {
			pool->failures++;
			chain_free(pool, &copy);
			return false;
		}
		n = len < room ? len : room;
		memcpy(data, at, n);
		if (!chain_append(pool, &copy, owner, data, n, pool->buffer_charge)) {
			pool->ops.unref(owner);
			chain_free(pool, &copy);
			return false;
		}
		at += n;
		len -= n;
	}
	chain_move_all(chain, &copy);
	return true;
}

bool
chain_append_tail(struct chain_pool *pool, struct chain *chain, uint16_t *room, const void *bytes,
		  uint32_t len)
{
	uint8_t *data;
	uint32_t size;
	void *owner;

	if (len <= *room) {
		memcpy(chain->last->data + chain->last->len, bytes, len);
		chain->last->len += len;
		chain->len += len;
		*room = (uint16_t)(*room - len);
		return true;
	}
	owner = pool->ops.alloc(pool->ops.arg, &data, &size);
	if (owner == NULL || len > size ||
	    !chain_append(pool, chain, owner, data, len, pool->buffer_charge)) {
		pool->failures += owner == NULL;
		drop_reference(pool, owner);
		return false;
	}
	memcpy(data, bytes, len);
	size -= len;
	*room = (uint16_t)(size < UINT16_MAX ? size : UINT16_MAX);
	return true;
}

/* Leave the first `len` bytes of `s` in it and put the rest, with its own reference, behind it. */
static bool
split_first(struct chain_pool *pool, struct chain *chain, uint32_t len)
{
	struct span *s = chain->first, *rest = span_take(pool);

	if (rest == NULL)
		return false;
	*rest = (struct span){.next = s->next,
			      .data = s->data + len,
			      .len = s->len - len,
			      .charge = s->charge,
			      .owner = s->owner};
	if (s->owner != NULL)
		pool->ops.ref(s->owner);
	s->len = len;
	s->next = rest;
	if (chain->last == s)
		chain->last = rest;
	chain->charge += rest->charge;
	pool->charged += rest->charge;
	return true;
}

bool
chain_move(struct chain_pool *pool, struct chain *to, struct chain *from, uint32_t len)
{
	uint32_t left = len;
	struct span *s = from->first;

	CHECK(len <= from->len);
	/* Only the span where the cut is needs a new one: take it before anything moves. */
	while (s != NULL && left >= s->len) {
		left -= s->len;
		s = s->next;
	}
	if (left > 0 && pool->free == NULL) {
		pool->failures++;
		return false;
	}
	left = len;
	while (left > 0) {
		if (left < from->first->len)
			CHECK(split_first(pool, from, left));
		s = unlink_first(from);
		left -= s->len;
		link_span(to, s);
	}
	return true;
}

void
chain_move_all(struct chain *to, struct chain *from)
{
	if (from->first == NULL)
		return;
	if (to->last == NULL)
		to->first = from->first;
	else
		to->last->next = from->first;
	to->last = from->last;
	to->len += from->len;
	to->charge += from->charge;
	*from = (struct chain){0};
}

bool
chain_share(struct chain_pool *pool, struct chain *to, const struct chain *from, uint32_t offset,
	    uint32_t len)
{
	struct chain shared = {0};
	const struct span *s = from->first;

	CHECK(offset <= from->len && len <= from->len - offset);
	for (; len > 0; s = s->next) {
		uint32_t n;

		if (offset >= s->len) {
			offset -= s->len;
			continue;
		}
		n = s->len - offset < len ? s->len - offset : len;
		if (!chain_append_ref(pool, &shared, s->owner, s->data + offset, n, s->charge)) {
			chain_free(pool, &shared);
			return false;
		}
		offset = 0;
		len -= n;
	}
	chain_move_all(to, &shared);
	return true;
}

void
chain_consume(struct chain_pool *pool, struct chain *chain, uint32_t len)
{
	while (len > 0 && chain->first != NULL) {
		struct span *s = chain->first;

		if (len < s->len) {
			s->data += len;
			s->len -= len;
			chain->len -= len;
			return;
		}
		len -= s->len;
		unlink_first(chain);
		pool->charged -= s->charge;
		drop_reference(pool, s->owner);
		span_give(pool, s);
	}
}

void
chain_free(struct chain_pool *pool, struct chain *chain)
{
	chain_consume(pool, chain, chain->len);
}

void
chain_copy_out(const struct chain *chain, uint32_t offset, void *to, uint32_t len)
{
	uint8_t *out = to;

	CHECK(offset <= chain->len && len <= chain->len - offset);
	for (const struct span *s = chain->first; len > 0; s = s->next) {
		uint32_t n;

		if (offset >= s->len) {
			offset -= s->len;
			continue;
		}
		n = s->len - offset < len ? s->len - offset : len;
		memcpy(out, s->data + offset, n);
		out += n;
		len -= n;
		offset = 0;
	}
}
