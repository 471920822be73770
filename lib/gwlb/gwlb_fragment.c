/* SPDX-License-Identifier: BSD-3-Clause */
#include "gwlb_fragment.h"

#include <string.h>

#define SWEEP_PERIOD_MS 500

void
gwlb_fragments_init(struct gwlb_fragments *f, const struct hash_seed *seed)
{
	memset(f, 0, sizeof(*f));
	f->seed = *seed;
	for (uint16_t i = 0; i < GWLB_FRAGMENTS_HELD; i++)
		f->held[i].next = (uint16_t)(i + 1 < GWLB_FRAGMENTS_HELD ? i + 2 : 0);
	f->free_head = 1;
}

static bool
is_entry_of(const struct gwlb_fragment_entry *e, const struct packet *p, uint32_t id,
	    uint32_t endpoint)
{
	return e->in_use && e->id == id && e->proto == p->proto && e->endpoint == endpoint &&
	       ip_addr_equal(&e->src, &p->src) && ip_addr_equal(&e->dst, &p->dst);
}

/* Take the first held buffer off the entry, or NULL. */
static void *
take_held(struct gwlb_fragments *f, struct gwlb_fragment_entry *e)
{
	struct gwlb_fragment_held *h;
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
	return h->buf;
}

static void
expire_entry(struct gwlb_fragments *f, struct gwlb_fragment_entry *e,
	     const struct gwlb_fragment_ops *ops, void *arg)
{
	void *buf;

	while ((buf = take_held(f, e)) != NULL)
		ops->expire(arg, buf);
	e->in_use = 0;
}

static bool
is_old(const struct gwlb_fragment_entry *e, uint32_t now_ms)
{
	return now_ms - e->since_ms >= (e->known ? GWLB_FRAGMENT_KNOWN_MS : GWLB_FRAGMENT_WAIT_MS);
}

/*
 * The packet's entry, or a new one in its place: a free or outlived one, else that of the packet
 * known longest.  One that still waits makes no way to another: a stranger's would push it out.
 */
static struct gwlb_fragment_entry *
find_entry(struct gwlb_fragments *f, const struct packet *p, uint32_t endpoint,
	   const struct gwlb_fragment_ops *ops, void *arg, uint32_t now_ms)
{
	uint32_t id = packet_fragment_id(p);
	uint32_t at =
		(uint32_t)hash_words(&f->seed, p->src.w[0] ^ p->dst.w[0] << 1, p->src.w[1],
				     p->dst.w[1], (uint64_t)id << 32 | (endpoint << 8 ^ p->proto));
	struct gwlb_fragment_entry *place = NULL;

	for (uint32_t i = 0; i < GWLB_FRAGMENT_PLACES; i++) {
		struct gwlb_fragment_entry *e = &f->entries[(at + i) & (GWLB_FRAGMENT_PACKETS - 1)];

		if (is_entry_of(e, p, id, endpoint) && !is_old(e, now_ms))
			return e;
		if (e->in_use && is_old(e, now_ms))
			expire_entry(f, e, ops, arg);
		if (place != NULL && !place->in_use)
			continue;
		if (!e->in_use || (e->known && (place == NULL ||
						now_ms - e->since_ms > now_ms - place->since_ms)))
			place = e;
	}
	if (place == NULL)
		return NULL;
	*place = (struct gwlb_fragment_entry){.src = p->src,
					      .dst = p->dst,
					      .id = id,
					      .endpoint = endpoint,
					      .proto = p->proto,
					      .in_use = 1,
					      .since_ms = now_ms};
	return place;
}

static bool
hold(struct gwlb_fragments *f, struct gwlb_fragment_entry *e, void *buf)
{
	uint16_t place = f->free_head;

	if (place == 0 || e->held_n == GWLB_FRAGMENTS_OF_ONE)
		return false;
	f->free_head = f->held[place - 1].next;
	f->held[place - 1] = (struct gwlb_fragment_held){.buf = buf};
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

enum gwlb_fragment_result
gwlb_fragment_input(struct gwlb_fragments *f, struct packet *p, uint32_t endpoint,
		    const struct gwlb_fragment_ops *ops, void *arg, uint32_t now_ms)
{
	struct gwlb_fragment_entry *e = find_entry(f, p, endpoint, ops, arg, now_ms);
	bool later = (p->flags & PACKET_FRAGMENT_LATER) != 0;
	void *buf;

	/* A first one needs no memory of it to go on. */
	if (e == NULL)
		return later ? GWLB_FRAGMENT_FULL : GWLB_FRAGMENT_GO;
	if (later && !e->known)
		return hold(f, e, p->buf) ? GWLB_FRAGMENT_HELD : GWLB_FRAGMENT_FULL;
	if (later) {
		p->sport_be = e->sport_be;
		p->dport_be = e->dport_be;
		p->flags |= PACKET_PORTS_GIVEN;
		return GWLB_FRAGMENT_GO;
	}
	e->known = 1;
	e->sport_be = p->sport_be;
	e->dport_be = p->dport_be;
	e->since_ms = now_ms;
	while ((buf = take_held(f, e)) != NULL)
		ops->release(arg, buf, e->sport_be, e->dport_be);
	return GWLB_FRAGMENT_GO;
}

void
gwlb_fragments_sweep(struct gwlb_fragments *f, const struct gwlb_fragment_ops *ops, void *arg,
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
	for (n = GWLB_FRAGMENT_PACKETS * elapsed_ms / SWEEP_PERIOD_MS + 1; n > 0; n--) {
		struct gwlb_fragment_entry *e =
			&f->entries[f->sweep_at++ & (GWLB_FRAGMENT_PACKETS - 1)];

		if (e->in_use && e->held_n > 0 && is_old(e, now_ms))
			expire_entry(f, e, ops, arg);
	}
}

void
gwlb_fragments_flush(struct gwlb_fragments *f, const struct gwlb_fragment_ops *ops, void *arg)
{
	for (uint32_t i = 0; i < GWLB_FRAGMENT_PACKETS; i++) {
		if (f->entries[i].in_use)
			expire_entry(f, &f->entries[i], ops, arg);
	}
}
