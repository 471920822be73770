/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pool of each target, the connection used last first, so that others can age: those that are
 * idle, those that carry streams, and those that are being made to carry streams.
 */
#include "proxy_private.h"
#include "ref.h"

void
upstream_pool_add(struct proxy *p, struct upstream *u)
{
	struct upstream **first = &p->idle[ref_index(u->target)];

	u->next = *first;
	u->link = first;
	if (u->next != NULL)
		u->next->link = &u->next;
	*first = u;
}

void
upstream_pool_remove(struct proxy *p, struct upstream *u)
{
	if (u->link == NULL)
		return;
	*u->link = u->next;
	if (u->next != NULL)
		u->next->link = u->link;
	u->link = NULL;
	p->idle_n -= !upstream_is_opening(u);
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
upstream_pool_take(struct proxy *p, uint32_t target)
{
	struct upstream *u = p->idle[ref_index(target)];
	const struct tls_client *client = target_tls_client(p, target);

	/* Those whose end, or bytes that nobody asked for, have come: closed by their event, later
	 * in this turn.
	 */
	while (u != NULL && (!is_of(u, target, client) || u->http2 || !stream_is_quiet(&u->stream)))
		u = u->next;
	if (u == NULL)
		return NULL;
	upstream_pool_remove(p, u);
	timer_wheel_cancel(&p->wheel, &u->timer);
	u->state = UPSTREAM_BUSY;
	u->reused = true;
	return u;
}

struct upstream *
upstream_pool_find_http2(struct proxy *p, uint32_t target, const struct http2 *but)
{
	struct upstream *u = p->idle[ref_index(target)];
	const struct tls_client *client = target_tls_client(p, target);

	while (u != NULL && (!is_of(u, target, client) || u->state != UPSTREAM_HTTP2 ||
			     u->carrier->http2 == but || !http2_can_open(u->carrier->http2)))
		u = u->next;
	return u;
}

/*
 * How many requests wait for one connection: as many as others to the target carry.  One that
 * allows no stream for now tells nothing.
 */
static uint32_t
waiting_max(const struct proxy *p, uint32_t target, const struct tls_client *client)
{
	uint32_t least = PROXY_WAITING_MAX;

	for (const struct upstream *u = p->idle[ref_index(target)]; u != NULL; u = u->next) {
		uint32_t most = is_of(u, target, client) && u->state == UPSTREAM_HTTP2
					? http2_streams_max(u->carrier->http2)
					: 0;

		if (most > 0 && most < least)
			least = most;
	}
	return least;
}

struct upstream *
upstream_pool_find_opening(struct proxy *p, uint32_t target)
{
	struct upstream *u = p->idle[ref_index(target)];
	const struct tls_client *client = target_tls_client(p, target);
	uint32_t most = waiting_max(p, target, client);

	while (u != NULL &&
	       (!is_of(u, target, client) || !upstream_is_opening(u) || u->waiting_n >= most))
		u = u->next;
	return u;
}
