/* SPDX-License-Identifier: BSD-3-Clause */
/* What arrives, in order or not (RFC 9293 section 3.10.7.4), and the SACKs that tell of it. */
#include "tcp_engine.h"

static struct tcp_range *
range_new(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	uint8_t most = a->len < a->charge / 8 ? TCP_RANGES_MAX_CRUMBS : TCP_RANGES_MAX;
	struct tcp_range *r = tcp->free_ranges;

	if (r == NULL || c->ranges_n >= most)
		return NULL;
	tcp->free_ranges = r->next;
	tcp->ranges_n++;
	c->ranges_n++;
	*r = (struct tcp_range){0};
	return r;
}

/* Take the range out that `link` points to, with its bytes. */
static void
range_drop(struct tcp *tcp, struct tcp_connection *c, struct tcp_range **link)
{
	struct tcp_range *r = *link;

	*link = r->next;
	chain_free(tcp->pool, &r->bytes);
	r->next = tcp->free_ranges;
	tcp->free_ranges = r;
	tcp->ranges_n--;
	c->ranges_n--;
}

void
tcp_ranges_free(struct tcp *tcp, struct tcp_connection *c)
{
	while (c->ranges != NULL)
		range_drop(tcp, c, &c->ranges);
}

/*
 * A segment that fills less than half of what it pins is copied, as soon as something waits before
 * it: a peer that sends crumbs holds bytes, not buffers.
 */
static bool
queue(struct tcp *tcp, struct chain *to, uint16_t *room, const struct tcp_arrival *a,
      const uint8_t *data, uint32_t len)
{
	if (len < a->charge / 2 && !chain_is_empty(to) &&
	    chain_append_tail(tcp->pool, to, room, data, len))
		return true;
	if (!chain_append_ref(tcp->pool, to, a->p->buf, data, len, a->charge))
		return false;
	*room = 0;
	return true;
}

static void
note_duplicate(struct tcp_connection *c, uint32_t from, uint32_t to)
{
	c->is |= TCP_IS_DSACK;
	c->dsack_from = from;
	c->dsack_to = to;
}

/* Ranges that [from, to) covers as a whole go; what overlaps the next one is cut off. */
static uint32_t
cut_tail(struct tcp *tcp, struct tcp_connection *c, struct tcp_range **link, uint32_t to)
{
	while (*link != NULL && seq_le((*link)->to, to))
		range_drop(tcp, c, link);
	return *link != NULL && seq_lt((*link)->from, to) ? (*link)->from : to;
}

/* Bytes that begin in `r` or right behind it. */
static void
extend(struct tcp *tcp, struct tcp_connection *c, struct tcp_range *r, const struct tcp_arrival *a,
       uint32_t from, uint32_t to, const uint8_t *data)
{
	uint32_t known = r->to - from;

	r->touched = ++tcp->arrivals;
	if (known > 0)
		note_duplicate(c, from, seq_min(r->to, to));
	if (seq_le(to, r->to)) {
		tcp->counters.duplicate++;
		return;
	}
	to = cut_tail(tcp, c, &r->next, to);
	if (!queue(tcp, &r->bytes, &r->room, a, data + known, to - r->to))
		return;
	r->to = to;
	if (r->next != NULL && r->next->from == to) {
		r->to = r->next->to;
		r->room = r->next->room;
		chain_move_all(&r->bytes, &r->next->bytes);
		range_drop(tcp, c, &r->next);
	}
}

/* Bytes in front of *link, or of nothing. */
static void
insert(struct tcp *tcp, struct tcp_connection *c, struct tcp_range **link,
       const struct tcp_arrival *a, uint32_t from, uint32_t to, const uint8_t *data)
{
	struct tcp_range *r;
	struct chain piece = {0};
	uint16_t room = 0;

	to = cut_tail(tcp, c, link, to);
	r = *link;
	if (r != NULL && r->from == to) {
		if (!queue(tcp, &piece, &room, a, data, to - from))
			return;
		chain_move_all(&piece, &r->bytes);
		r->bytes = piece;
	} else {
		r = range_new(tcp, c, a);
		if (r == NULL)
			return;
		r->to = to;
		r->next = *link;
		*link = r;
		if (!queue(tcp, &r->bytes, &r->room, a, data, to - from)) {
			range_drop(tcp, c, link);
			return;
		}
	}
	r->from = from;
	r->touched = ++tcp->arrivals;
}

static void
keep_out_of_order(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a,
		  uint32_t seq, const uint8_t *data, uint32_t len)
{
	struct tcp_range **link = &c->ranges;

	tcp->counters.out_of_order++;
	while (*link != NULL && seq_lt((*link)->to, seq))
		link = &(*link)->next;
	if (*link != NULL && seq_le((*link)->from, seq))
		extend(tcp, c, *link, a, seq, seq + len, data);
	else
		insert(tcp, c, link, a, seq, seq + len, data);
}

/* The hole before the first range may be filled. */
static void
join_ranges(struct tcp *tcp, struct tcp_connection *c)
{
	while (c->ranges != NULL && seq_le(c->ranges->from, c->rcv_nxt)) {
		struct tcp_range *r = c->ranges;

		if (seq_lt(c->rcv_nxt, r->to)) {
			chain_consume(tcp->pool, &r->bytes, c->rcv_nxt - r->from);
			c->bytes_received += r->bytes.len;
			c->unacked_rcvd += r->bytes.len;
			c->tail_room = r->room;
			chain_move_all(&c->received, &r->bytes);
			c->rcv_nxt = r->to;
		}
		range_drop(tcp, c, &c->ranges);
	}
}

void
tcp_receive_payload(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a,
		    uint32_t seq, const uint8_t *data, uint32_t len)
{
	if (unlikely(seq != c->rcv_nxt)) {
		if (tcp->pool->charged < tcp->refuse_charge)
			keep_out_of_order(tcp, c, a, seq, data, len);
		c->is |= TCP_IS_ACK_NOW;
		return;
	}
	/* What is dropped here isn't acknowledged: it comes again. */
	if (unlikely(tcp->pool->charged >= tcp->refuse_charge) ||
	    !queue(tcp, &c->received, &c->tail_room, a, data, len)) {
		tcp->counters.no_memory++;
		return;
	}
	c->rcv_nxt += len;
	c->bytes_received += len;
	c->unacked_rcvd += len;
	if (unlikely(c->ranges != NULL)) {
		join_ranges(tcp, c);
		c->is |= TCP_IS_ACK_NOW;
	}
	tcp_notify(tcp, c, TCP_EVENT_READABLE);
}

uint8_t
tcp_sack_blocks(struct tcp_connection *c, struct tcp_block *blocks, uint8_t max)
{
	uint32_t touched[TCP_SACKS_MAX];
	uint8_t n = 0, first = 0;

	if ((c->is & TCP_IS_DSACK) != 0) {
		blocks[n++] = (struct tcp_block){c->dsack_from, c->dsack_to};
		c->is &= ~(uint32_t)TCP_IS_DSACK;
		first = 1;
	}
	for (const struct tcp_range *r = c->ranges; r != NULL; r = r->next) {
		uint8_t at = n;

		/* Newest first (RFC 2018 section 4). */
		while (at > first && (int32_t)(r->touched - touched[at - 1]) > 0)
			at--;
		if (at >= max)
			continue;
		if (n < max)
			n++;
		for (uint8_t i = (uint8_t)(n - 1); i > at; i--) {
			blocks[i] = blocks[i - 1];
			touched[i] = touched[i - 1];
		}
		blocks[at] = (struct tcp_block){r->from, r->to};
		touched[at] = r->touched;
	}
	return n;
}
