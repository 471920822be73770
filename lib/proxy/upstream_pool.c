/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool of each target, the connection used last first, so that others can age: those that are
 * idle, those that carry streams, and those that are being made to carry streams.
 */
#include "proxy_private.h"

static void
push(struct upstream **first, struct upstream *u)
{
	u->next = *first;
	u->link = first;
	if (u->next != NULL)
		u->next->link = &u->next;
	*first = u;
}

static void
unlink_it(struct upstream *u)
{
	*u->link = u->next;
	if (u->next != NULL)
		u->next->link = u->link;
	u->link = NULL;
}

void
upstream_pool_add(struct proxy *p, struct upstream *u)
{
	push(&target_pool(p, u->target)->first, u);
}

void
upstream_pool_remove(struct proxy *p, struct upstream *u)
{
	if (u->link == NULL)
		return;
	unlink_it(u);
	p->idle_n -= !upstream_is_opening(u);
}

void
upstream_pool_look(struct proxy *p, struct upstream *u)
{
	struct target_pool *pool = target_pool(p, u->target);
	bool full;

	if (u->state != UPSTREAM_HTTP2 || u->link == NULL)
		return;
	full = !http2_can_open(u->carrier->http2);
	if (full != u->full) {
		u->full = full;
		unlink_it(u);
		push(full ? &pool->full : &pool->first, u);
	}
	if (!full)
		surge_freed(p, u->target);
	else if (http2_streams_n(u->carrier->http2) == 0)
		carrier_touch(p, u->carrier); /* it may be of no more use */
}

static void
on_idle_timer(struct timer *timer, void *arg)
{
	struct upstream *u =
		(struct upstream *)((uint8_t *)timer - offsetof(struct upstream, timer));
	struct proxy *p = arg;

	if (u->carrier != NULL && http2_streams_n(u->carrier->http2) > 0)
		u->used_ms = p->now_ms;
	/* Connections that carry streams stay in the pool while they are used. */
	if (u->carrier != NULL && p->now_ms - u->used_ms < PROXY_POOL_IDLE_MS)
		timer_wheel_add(&p->wheel, timer, u->used_ms + PROXY_POOL_IDLE_MS, on_idle_timer);
	else
		upstream_end(p, u, false);
}

void
upstream_pool_age(struct proxy *p, struct upstream *u)
{
	p->idle_n++;
	u->used_ms = p->now_ms;
	timer_wheel_add(&p->wheel, &u->timer, p->now_ms + PROXY_POOL_IDLE_MS, on_idle_timer);
}

/* Others are of an older target of this index, or of its group as it was: they age. */
static bool
is_of(const struct upstream *u, uint32_t target, const struct tls_client *client)
{
	return u->target == target && u->client == client;
}

struct upstream *
upstream_pool_find_idle(struct proxy *p, uint32_t target)
{
	struct upstream *u = target_pool(p, target)->first;
	const struct tls_client *client = target_tls_client(p, target);

	/* Those whose end, or bytes that nobody asked for, have come: closed by their event, later
	 * in this turn.
	 */
	while (u != NULL && (!is_of(u, target, client) || u->http2 || !stream_is_quiet(&u->stream)))
		u = u->next;
	return u;
}

struct upstream *
upstream_pool_take(struct proxy *p, uint32_t target)
{
	struct upstream *u = upstream_pool_find_idle(p, target);

	if (u == NULL)
		return NULL;
	upstream_pool_remove(p, u);
	timer_wheel_cancel(&p->wheel, &u->timer);
	u->state = UPSTREAM_BUSY;
	u->reused = true;
	return u;
}

bool
upstream_pool_evict(struct proxy *p, uint32_t target)
{
	struct upstream *u = target_pool(p, target)->first;

	while (u != NULL && u->state != UPSTREAM_IDLE)
		u = u->next;
	if (u == NULL)
		return false;
	upstream_end(p, u, false);
	return true;
}

struct upstream *
upstream_pool_find_http2(struct proxy *p, uint32_t target, const struct http2 *but)
{
	struct upstream *u = target_pool(p, target)->first, *next;
	const struct tls_client *client = target_tls_client(p, target);

	for (; u != NULL; u = next) {
		next = u->next;
		if (!is_of(u, target, client) || u->state != UPSTREAM_HTTP2 ||
		    u->carrier->http2 == but)
			continue;
		if (http2_can_open(u->carrier->http2))
			return u;
		upstream_pool_look(p, u);
	}
	return NULL;
}

/* As many wait for one as others to the target carry, as far as is known. */
struct upstream *
upstream_pool_find_opening(struct proxy *p, uint32_t target)
{
	const struct target_pool *pool = target_pool(p, target);
	const struct tls_client *client = target_tls_client(p, target);
	struct upstream *u = pool->first;
	uint32_t most = PROXY_WAITING_MAX;

	if (pool->streams_max > 0 && pool->streams_max < most)
		most = pool->streams_max;
	while (u != NULL &&
	       (!is_of(u, target, client) || !upstream_is_opening(u) || u->waiting_n >= most))
		u = u->next;
	return u;
}
