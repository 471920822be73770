/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_fragment.h"

#include <string.h>

#define SWEEP_PERIOD_MS 500

void
flow_fragments_init(struct flow_fragments *f, const struct hash_seed *seed)
{
	memset(f, 0, sizeof(*f));
	f->seed = *seed;
	for (uint16_t i = 0; i < FLOW_FRAGMENTS_HELD; i++)
		f->held[i].next = (uint16_t)(i + 1 < FLOW_FRAGMENTS_HELD ? i + 2 : 0);
	f->free_head = 1;
}

static bool
is_entry_of(const struct flow_fragment_entry *e, const struct packet *p, uint32_t id,
	    uint32_t context)
{
	return e->in_use && e->id == id && e->proto == p->proto && e->context == context &&
	       ip_addr_equal(&e->src, &p->src) && ip_addr_equal(&e->dst, &p->dst);
}

/* Take the first held buffer off the entry, or NULL. */
static void *
take_held(struct flow_fragments *f, struct flow_fragment_entry *e, uint32_t *begin)
{
	struct flow_fragment_held *h;
	uint16_t place = e->first;

	if (place == 0)
		return NULL;
	h = &f->held[place - 1];
	e->first = h->next;
	if (e->first == 0)
		e->last = 0;
	h->next = f->free_head;
	f->free_head = place;
	f->held_n--;
	e->held_n--;
	*begin = h->begin;
	return h->buf;
}

static void
expire_entry(struct flow_fragments *f, struct flow_fragment_entry *e,
	     const struct flow_fragment_ops *ops, void *arg)
{
	uint32_t begin;
	void *buf;

	while ((buf = take_held(f, e, &begin)) != NULL)
		ops->expire(arg, buf);
	e->in_use = 0;
}

static bool
is_old(const struct flow_fragment_entry *e, uint32_t now_ms)
{
	return now_ms - e->since_ms >= (e->known ? FLOW_FRAGMENT_KNOWN_MS : FLOW_FRAGMENT_WAIT_MS);
}

/* Where the packet's entry may be. */
static struct flow_fragment_entry *
places_of(struct flow_fragments *f, const struct packet *p, uint32_t id, uint32_t context)
{
	uint64_t hash = hash_words(&f->seed, p->src.w[0] ^ p->dst.w[0] << 1, p->src.w[1],
				   p->dst.w[1], (uint64_t)id << 32 | (context << 8 ^ p->proto));

	return &f->entries[hash % (FLOW_FRAGMENT_PACKETS / FLOW_FRAGMENT_PLACES) *
			   FLOW_FRAGMENT_PLACES];
}

/*
 * The packet's entry, or a new one: in a free or outlived place, else in that of the packet known
 * longest.  As no more than FLOW_FRAGMENT_WAITING of the places wait for a first one, which
 * anybody's later fragments can make them do, a first one always finds a place, and what is known
 * keeps some.  One that waits makes no way to another: a stranger's would push it out.
 */
static struct flow_fragment_entry *
find_entry(struct flow_fragments *f, const struct packet *p, uint32_t context,
	   const struct flow_fragment_ops *ops, void *arg, uint32_t now_ms)
{
	uint32_t id = packet_fragment_id(p), waiting = 0;
	struct flow_fragment_entry *places = places_of(f, p, id, context), *place = NULL;

	for (uint32_t i = 0; i < FLOW_FRAGMENT_PLACES; i++) {
		struct flow_fragment_entry *e = &places[i];

		if (is_entry_of(e, p, id, context) && !is_old(e, now_ms))
			return e;
		if (e->in_use && is_old(e, now_ms))
			expire_entry(f, e, ops, arg);
		waiting += e->in_use && !e->known;
		if (place != NULL && !place->in_use)
			continue;
		if (!e->in_use || (e->known && (place == NULL ||
						now_ms - e->since_ms > now_ms - place->since_ms)))
			place = e;
	}
	if ((p->flags & PACKET_FRAGMENT_LATER) != 0 && waiting >= FLOW_FRAGMENT_WAITING)
		return NULL;
	*place = (struct flow_fragment_entry){.src = p->src,
					      .dst = p->dst,
					      .id = id,
					      .context = context,
					      .proto = p->proto,
					      .in_use = 1,
					      .since_ms = now_ms};
	return place;
}

static bool
hold(struct flow_fragments *f, struct flow_fragment_entry *e, void *buf, uint32_t begin)
{
	uint16_t place = f->free_head;

	if (place == 0 || e->held_n == FLOW_FRAGMENTS_OF_ONE) {
		e->in_use = e->held_n > 0; /* who holds nothing waits for nothing */
		return false;
	}
	f->free_head = f->held[place - 1].next;
	f->held[place - 1] = (struct flow_fragment_held){.buf = buf, .begin = begin};
	if (e->last != 0)
		f->held[e->last - 1].next = place;
	else
		e->first = place;
	e->last = place;
	e->held_n++;
	f->held_n++;
	if (f->held_n > f->high_water)
		f->high_water = f->held_n;
	return true;
}

static void
release_held(struct flow_fragments *f, struct flow_fragment_entry *e,
	     const struct flow_fragment_ops *ops, void *arg)
{
	uint32_t begin;
	void *buf;

	while ((buf = take_held(f, e, &begin)) != NULL) {
		if (ops->overlap != NULL && begin < e->first_end)
			ops->overlap(arg, buf);
		else
			ops->release(arg, buf, e->sport_be, e->dport_be);
	}
}

enum flow_fragment_result
flow_fragment_input(struct flow_fragments *f, struct packet *p, uint32_t context,
		    const struct flow_fragment_ops *ops, void *arg, uint32_t now_ms)
{
	struct flow_fragment_entry *e = find_entry(f, p, context, ops, arg, now_ms);
	bool later = (p->flags & PACKET_FRAGMENT_LATER) != 0;
	uint32_t begin, end;

	packet_fragment_range(p, &begin, &end);
	if (later && e == NULL)
		return FLOW_FRAGMENT_FULL;
	if (later && !e->known)
		return hold(f, e, p->buf, begin) ? FLOW_FRAGMENT_HELD : FLOW_FRAGMENT_FULL;
	if (later && ops->overlap != NULL && begin < e->first_end)
		return FLOW_FRAGMENT_OVERLAP;
	p->flags |= PACKET_PORTS_GIVEN;
	if (later) {
		p->sport_be = e->sport_be;
		p->dport_be = e->dport_be;
	} else {
		e->known = 1;
		e->sport_be = p->sport_be;
		e->dport_be = p->dport_be;
		e->first_end = end;
		e->since_ms = now_ms;
		release_held(f, e, ops, arg);
	}
	return FLOW_FRAGMENT_GO;
}

void
flow_fragments_sweep(struct flow_fragments *f, const struct flow_fragment_ops *ops, void *arg,
		     uint32_t now_ms)
{
	uint32_t elapsed_ms = now_ms - f->swept_ms, n;

	if (elapsed_ms == 0)
		return;
	f->swept_ms = now_ms;
	if (f->held_n == 0)
		return;
	if (elapsed_ms > SWEEP_PERIOD_MS)
		elapsed_ms = SWEEP_PERIOD_MS;
	for (n = FLOW_FRAGMENT_PACKETS * elapsed_ms / SWEEP_PERIOD_MS + 1; n > 0; n--) {
		struct flow_fragment_entry *e =
			&f->entries[f->sweep_at++ & (FLOW_FRAGMENT_PACKETS - 1)];

		if (e->in_use && e->held_n > 0 && is_old(e, now_ms))
			expire_entry(f, e, ops, arg);
	}
}

void
flow_fragments_flush(struct flow_fragments *f, const struct flow_fragment_ops *ops, void *arg)
{
	for (uint32_t i = 0; i < FLOW_FRAGMENT_PACKETS; i++) {
		if (f->entries[i].in_use)
			expire_entry(f, &f->entries[i], ops, arg);
	}
}
