/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 5681: one segment a round trip, half after a loss. */
#include "tcp_congestion.h"
#include "tcp_connection.h"

/* Byte counting (RFC 3465): a segment for each window acknowledged. */
static void
grow(struct tcp_connection *c, uint32_t acked, uint32_t now_ms)
{
	(void)now_ms;
	c->cubic.pending += acked;
	if (c->cubic.pending < c->cwnd)
		return;
	c->cubic.pending -= c->cwnd;
	c->cwnd += c->endpoint.mss;
}

/*
 * Of the window, not of what is in flight: the ACKs of one turn come before what they make room
 * for.  A window that isn't used doesn't grow, so the two hardly differ else.
 */
static uint32_t
reduce(struct tcp_connection *c)
{
	uint32_t least = 2u * c->endpoint.mss;

	c->cubic.pending = 0;
	return c->cwnd / 2 > least ? c->cwnd / 2 : least;
}

static void
restart(struct tcp_connection *c)
{
	c->cubic.pending = 0;
}

const struct tcp_congestion_ops tcp_new_reno = {grow, reduce, restart};
