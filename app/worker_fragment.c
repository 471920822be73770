/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker_fragment.h"

#include "steer.h"
#include "worker_io.h"

static uint32_t
join_ports(uint16_t sport_be, uint16_t dport_be)
{
	return (uint32_t)sport_be << 16 | dport_be;
}

static void
release_fragment(void *arg, void *buf, uint16_t sport_be, uint16_t dport_be)
{
	struct worker *w = arg;
	struct rte_mbuf *m = buf;

	if (w->released_n == FLOW_FRAGMENTS_HELD) {
		drop(w, m, DROP_FRAGMENT_TABLE_FULL);
		return;
	}
	m->hash.fdir.hi = join_ports(sport_be, dport_be);
	m->hash.usr = WORKER_PACKET_PORTS;
	w->released[w->released_n++] = m;
}

static void
expire_fragment(void *arg, void *buf)
{
	drop(arg, buf, DROP_FRAGMENT_TIMEOUT);
}

static void
drop_overlap(void *arg, void *buf)
{
	drop(arg, buf, DROP_FRAGMENT_OVERLAP);
}

static void
drain_fragment(void *arg, void *buf)
{
	drop(arg, buf, DROP_SHUTDOWN);
}

const struct flow_fragment_ops worker_fragment_ops = {.release = release_fragment,
						      .expire = expire_fragment};
const struct flow_fragment_ops worker_fragment_strict_ops = {
	.release = release_fragment, .expire = expire_fragment, .overlap = drop_overlap};

/* At the worker that knows, or waits for, the fragment's ports. */
static enum worker_fragment_class
keep(struct worker *w, struct packet *p, uint32_t context, const struct flow_fragment_ops *ops)
{
	switch (flow_fragment_input(w->fragments, p, context, ops, w, w->now_ms)) {
	case FLOW_FRAGMENT_GO:
		p->buf->hash.fdir.hi = join_ports(p->sport_be, p->dport_be);
		return WORKER_FRAGMENT_PORTS;
	case FLOW_FRAGMENT_HELD:
		return WORKER_FRAGMENT_GONE;
	case FLOW_FRAGMENT_OVERLAP:
		packet_drop(p, DROP_FRAGMENT_OVERLAP);
		break;
	case FLOW_FRAGMENT_FULL:
		packet_drop(p, DROP_FRAGMENT_TABLE_FULL);
		break;
	}
	return WORKER_FRAGMENT_DONE;
}

enum worker_fragment_class
worker_fragment_classify(struct worker *w, struct packet *p, uint32_t context, bool mine,
			 const struct flow_fragment_ops *ops)
{
	uint16_t keeper;

	if (mine && p->buf->hash.usr == WORKER_PACKET_PORTS) {
		if ((p->flags & PACKET_FRAGMENT_LATER) != 0) {
			p->sport_be = (uint16_t)(p->buf->hash.fdir.hi >> 16);
			p->dport_be = (uint16_t)p->buf->hash.fdir.hi;
		}
		p->flags |= PACKET_PORTS_GIVEN;
		return WORKER_FRAGMENT_PORTS;
	}
	keeper = steer_owner(w->snapshot, steer_fragment_slot(&w->nlb->steer, p));
	if (keeper == w->index)
		return keep(w, p, context, ops);
	worker_pass_to_peer(w, keeper, p->buf, WORKER_PACKET_OWNER);
	return WORKER_FRAGMENT_GONE;
}

uint16_t
worker_fragment_take_released(struct worker *w, struct rte_mbuf **bufs, uint16_t n)
{
	uint16_t taken = w->released_n < n ? w->released_n : n;

	memcpy(bufs, w->released, taken * sizeof(*bufs));
	w->released_n = (uint16_t)(w->released_n - taken);
	memmove(w->released, w->released + taken, w->released_n * sizeof(*bufs));
	return taken;
}

void
worker_fragment_drain(struct worker *w)
{
	static const struct flow_fragment_ops ops = {.expire = drain_fragment};

	for (uint16_t i = 0; i < w->released_n; i++)
		drop(w, w->released[i], DROP_SHUTDOWN);
	w->released_n = 0;
	if (w->fragments != NULL)
		flow_fragments_flush(w->fragments, &ops, w);
}
