/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When received buffers run short: what is out of order goes first, then the connection that holds
 * most and makes no progress.
 *
 * A hand goes round all connections, a few for each segment that arrives under pressure, so that
 * no segment pays for all of them.
 */
#include "tcp_engine.h"

#define STEP     64u
#define QUIET_MS 1000u

static uint32_t
held_by(const struct tcp_connection *c)
{
	return c->received.charge + c->send.charge;
}

static bool
makes_no_progress(const struct tcp *tcp, const struct tcp_connection *c)
{
	uint32_t last_ms = c->send.len > 0 ? c->progress_ms : c->taken_ms;

	return tcp->now_ms - last_ms >= QUIET_MS;
}

static void
consider(struct tcp *tcp, struct tcp_connection *c)
{
	struct tcp_pressure *p = &tcp->pressure;

	/* Free ones hold nothing. */
	tcp_ranges_free(tcp, c);
	if (c->endpoint.state == TCP_STATE_CLOSED || held_by(c) <= p->most_held ||
	    !makes_no_progress(tcp, c))
		return;
	p->most = c;
	p->most_held = held_by(c);
}

static void
end_round(struct tcp *tcp)
{
	struct tcp_pressure *p = &tcp->pressure;

	/* It may have moved on, or gone, since it was seen. */
	if (p->most != NULL && p->most->endpoint.state != TCP_STATE_CLOSED &&
	    held_by(p->most) > 0 && makes_no_progress(tcp, p->most)) {
		tcp->counters.memory_resets++;
		tcp_connection_reset(tcp, p->most, TCP_CLOSE_MEMORY);
	}
	*p = (struct tcp_pressure){0};
}

void
tcp_relieve(struct tcp *tcp)
{
	struct tcp_pressure *p = &tcp->pressure;

	for (uint32_t i = 0; i < STEP && p->hand < tcp->config.connections_max; i++)
		consider(tcp, &tcp->connections[p->hand++]);
	if (p->hand >= tcp->config.connections_max)
		end_round(tcp);
}
