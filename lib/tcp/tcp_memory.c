/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When buffers run short: what is out of order goes first, then connections that hold much and make
 * no progress.
 *
 * A hand goes round the connections that have ever been used, some each millisecond, so that no
 * segment pays for all of them.  A round finds the most that one of them holds; the next resets
 * whoever holds half as much, as long as buffers are short.  So one great hoarder goes alone, and
 * many equal ones go together, however little each of them holds.  When it is over the hand goes
 * round once more and tells the peers whose windows were shut.
 */
#include "tcp_engine.h"

#define STEP           1024u
#define QUIET_MS       1000u  /* without progress, when payload is being refused */
#define QUIET_EARLY_MS 10000u /* the same, when windows no longer open */
#define PATIENCE_MS    2000u  /* of refusing, before progress counts for nothing */

static uint32_t
held_by(const struct tcp_connection *c)
{
	return c->received.charge + c->send.charge;
}

static bool
may_go(const struct tcp *tcp, const struct tcp_connection *c)
{
	uint32_t last_ms = c->send.len > 0 ? c->progress_ms : c->taken_ms;
	bool refusing = tcp->pool->charged >= tcp->refuse_charge;

	/* Who trickles makes progress all the time: when that doesn't help, he counts too. */
	return tcp->now_ms - last_ms >= (refusing ? QUIET_MS : QUIET_EARLY_MS) ||
	       tcp->now_ms - tcp->unrefused_ms >= PATIENCE_MS;
}

static void
consider(struct tcp *tcp, struct tcp_connection *c)
{
	struct tcp_pressure *p = &tcp->pressure;

	tcp_ranges_free(tcp, c);
	/* Free ones hold nothing. */
	if (c->endpoint.state == TCP_STATE_CLOSED || held_by(c) == 0 || !may_go(tcp, c))
		return;
	if (p->reset_from != 0 && held_by(c) >= p->reset_from) {
		tcp->counters.memory_resets++;
		chain_free(tcp->pool, &c->received);
		tcp_connection_reset(tcp, c, TCP_CLOSE_MEMORY);
		return;
	}
	if (held_by(c) > p->most_held)
		p->most_held = held_by(c);
}

static void
relieve(struct tcp *tcp)
{
	struct tcp_pressure *p = &tcp->pressure;

	if (!p->lasts)
		*p = (struct tcp_pressure){.lasts = true};
	for (uint32_t i = 0; i < STEP && p->hand < tcp->connections_used; i++) {
		if (tcp->pool->charged < tcp->window_charge)
			return;
		consider(tcp, &tcp->connections[p->hand++]);
	}
	if (p->hand >= tcp->connections_used)
		*p = (struct tcp_pressure){.lasts = true, .reset_from = (p->most_held + 1) / 2};
}

/* Peers would find out only by their probes, after seconds. */
static void
reopen(struct tcp *tcp)
{
	struct tcp_pressure *p = &tcp->pressure;

	if (p->lasts)
		*p = (struct tcp_pressure){.reopens = true};
	for (uint32_t i = 0; i < STEP && p->hand < tcp->connections_used; i++) {
		struct tcp_connection *c = &tcp->connections[p->hand++];

		if (c->endpoint.state >= TCP_STATE_ESTABLISHED && tcp_window_update_due(tcp, c))
			tcp_touch(tcp, c);
	}
	if (p->hand >= tcp->connections_used)
		p->reopens = false;
}

/* Once per millisecond. */
void
tcp_relieve(struct tcp *tcp)
{
	if (tcp->pool->charged >= tcp->window_charge)
		relieve(tcp);
	else
		reopen(tcp);
}
