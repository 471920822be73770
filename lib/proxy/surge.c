/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who waits for a target that has as many connections as it may have, in order of arrival; and how
 * many of a load balancer's requests and connections wait for one at all.
 */
#include "proxy_private.h"

#define GO_ON_MAX 1024 /* of a target's, in a turn */

bool
surge_enter(struct waiting *w)
{
	struct proxy_surge *surge = w->surge;

	if (surge == NULL || w->counted)
		return true;
	w->counted = surge->waiting_n < surge->waiting_max;
	surge->waiting_n += w->counted;
	surge->spilled_n += !w->counted;
	return w->counted;
}

void
surge_leave(struct waiting *w)
{
	if (w->counted)
		w->surge->waiting_n--;
	w->counted = false;
}

bool
surge_has_room(const struct proxy *p, uint32_t target, uint32_t connections_max)
{
	return connections_max == 0 || target_pool(p, target)->connections_n < connections_max;
}

/* A limit that has changed is that of all who wait. */
static void
adopt_limit(struct proxy *p, struct target_pool *pool, const struct waiting *last)
{
	if (pool->waiting->connections_max == last->connections_max)
		return;
	for (struct waiting *w = pool->waiting; w != NULL; w = w->next)
		w->connections_max = last->connections_max;
	surge_freed(p, last->target);
}

void
surge_wait(struct proxy *p, struct waiting *w, uint32_t target)
{
	struct target_pool *pool = target_pool(p, target);

	w->target = target;
	w->next = NULL;
	w->link = pool->waiting == NULL ? &pool->waiting : pool->last_waiting;
	*w->link = w;
	pool->last_waiting = &w->next;
	adopt_limit(p, pool, w);
}

static void
stop_waiting(struct proxy *p, struct waiting *w)
{
	struct target_pool *pool = target_pool(p, w->target);

	*w->link = w->next;
	if (w->next != NULL)
		w->next->link = w->link;
	else
		pool->last_waiting = w->link;
	w->link = NULL;
}

void
surge_give_up(struct proxy *p, struct waiting *w)
{
	surge_leave(w);
	if (w->link == NULL)
		return;
	stop_waiting(p, w);
	surge_freed(p, w->target); /* the next one may find enough what this one didn't */
}

void
surge_freed(struct proxy *p, uint32_t target)
{
	struct target_pool *pool = target_pool(p, target);

	if (pool->waiting == NULL || pool->freed)
		return;
	pool->freed = true;
	pool->next_freed = p->freed;
	p->freed = pool;
}

void
surge_connection_begins(struct proxy *p, uint32_t target)
{
	target_pool(p, target)->connections_n++;
	p->config.ops.connected(p->config.ops_arg, target);
}

void
surge_connection_ends(struct proxy *p, uint32_t target)
{
	target_pool(p, target)->connections_n--;
	p->config.ops.disconnected(p->config.ops_arg, target);
	surge_freed(p, target);
}

static bool
may_go_on(struct proxy *p, const struct waiting *w)
{
	if (!p->config.ops.takes(p->config.ops_arg, w->group, w->target))
		return true; /* it gets nothing new: there is nothing to wait for */
	return w->is_conduit ? surge_has_room(p, w->target, w->connections_max)
			     : upstream_may_begin(p, w);
}

void
surge_turn(struct proxy *p)
{
	struct target_pool *pool = p->freed, *next;
	struct waiting *w;
	uint32_t n;

	p->freed = NULL;
	for (; pool != NULL; pool = next) {
		next = pool->next_freed;
		pool->freed = false;
		/* One that goes on may have to wait again. */
		for (n = 0; (w = pool->waiting) != NULL && may_go_on(p, w); n++) {
			if (n == GO_ON_MAX) {
				surge_freed(p, w->target);
				break;
			}
			stop_waiting(p, w);
			if (w->is_conduit)
				conduit_go_on(p, w);
			else
				upstream_go_on(p, w);
		}
	}
}
