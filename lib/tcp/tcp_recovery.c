/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss: RACK-TLP (RFC 8985) with SACK, NewReno (RFC 6582) without, timeouts (RFC 6298), the window
 * meanwhile (PRR, RFC 6937), and taking back what was needless (Eifel, RFC 3522).
 */
#include "tcp_engine.h"

/* RFC 8985 section 6.2, step 4: recoveries that a widened reordering window outlasts. */
#define REORDER_RECOVERIES 16
#define DUPLICATE_ACKS     3

static uint32_t
sent_end(const struct tcp_sent *s)
{
	return s->seq + s->len + (s->flags & TCP_SENT_FIN);
}

uint32_t
tcp_flight(const struct tcp_connection *c)
{
	uint32_t gone = c->sacked + c->lost, outstanding = c->snd_nxt - c->snd_una;

	return outstanding > gone ? outstanding - gone : 0;
}

static void
mark_lost(struct tcp_connection *c, struct tcp_sent *s)
{
	if ((s->flags & (TCP_SENT_SACKED | TCP_SENT_LOST)) != 0)
		return;
	s->flags |= TCP_SENT_LOST;
	c->lost += sent_end(s) - s->seq;
}

/* Sections 6.2 steps 1 to 3: the latest-sent segment that has been delivered. */
void
tcp_rack_update(struct tcp *tcp, struct tcp_connection *c, const struct tcp_sent *s,
		const struct tcp_arrival *a)
{
	uint32_t rtt_us = (uint32_t)tcp->now_us - s->sent_us, end = sent_end(s);

	if ((s->flags & TCP_SENT_AGAIN) != 0) {
		/* Which of the two was it? */
		if ((c->is & TCP_IS_TIMESTAMPS) != 0 && a->tsecr != 0 &&
		    seq_lt(a->tsecr,
			   tcp_timestamp(tcp, c) - ((uint32_t)tcp->now_us - s->sent_us) / 1000 - 1))
			return;
		if (rtt_us < c->min_rtt_us)
			return;
	} else if (seq_lt(end, c->rack_fack)) {
		c->is |= TCP_IS_REORDERED;
	}
	if (seq_lt(c->rack_fack, end))
		c->rack_fack = end;
	if ((int32_t)(s->sent_us - c->rack_us) > 0 ||
	    (s->sent_us == c->rack_us && seq_lt(c->rack_end, end))) {
		c->rack_us = s->sent_us;
		c->rack_end = end;
		c->rack_rtt_us = rtt_us;
	}
}

/* Section 6.2 step 4. */
static uint32_t
reorder_window(const struct tcp_connection *c)
{
	uint32_t window = c->min_rtt_us / 4 * (c->reorder_steps + 1u);

	if ((c->is & TCP_IS_REORDERED) == 0 &&
	    (c->recovery != TCP_OPEN || c->sacked >= DUPLICATE_ACKS * (uint32_t)c->endpoint.mss))
		return 0;
	return window < c->srtt_us ? window : c->srtt_us;
}

uint32_t
tcp_rack_detect(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t now_us = (uint32_t)tcp->now_us, wait_us = 0;
	uint32_t allowed = c->rack_rtt_us + reorder_window(c);

	if (c->sacked == 0 && c->recovery == TCP_OPEN)
		return 0;
	for (struct tcp_sent *s = c->sent_first; s != NULL; s = s->next) {
		bool before = (int32_t)(s->sent_us - c->rack_us) < 0 ||
			      (s->sent_us == c->rack_us && seq_lt(sent_end(s), c->rack_end));
		int32_t left = (int32_t)(s->sent_us + allowed - now_us);

		if (!before) {
			/* What was sent first after this one was sent later still. */
			if ((s->flags & TCP_SENT_AGAIN) == 0)
				break;
			continue;
		}
		if ((s->flags & (TCP_SENT_SACKED | TCP_SENT_LOST)) != 0)
			continue;
		if (left <= 0)
			mark_lost(c, s);
		else if ((uint32_t)left > wait_us)
			wait_us = (uint32_t)left;
	}
	return wait_us;
}

static void
remember(struct tcp *tcp, struct tcp_connection *c)
{
	c->cwnd_before = c->cwnd;
	c->ssthresh_before = c->ssthresh;
	c->spurious_ts = tcp_timestamp(tcp, c);
	c->is |= TCP_IS_SPURIOUS_OK;
}

void
tcp_enter_recovery(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t flight = c->snd_nxt - c->snd_una;

	flight = flight > c->cwnd ? flight : c->cwnd;
	remember(tcp, c);
	c->ssthresh = tcp_congestion_of(c->settings.congestion)->reduce(c);
	c->recovery = TCP_RECOVERY;
	c->recovery_end = c->snd_nxt;
	c->prr_flight = flight;
	c->prr_delivered = 0;
	c->prr_out = 0;
	c->is &= ~(uint32_t)TCP_IS_TLP;
	if (c->reorder_left > 0 && --c->reorder_left == 0)
		c->reorder_steps = 0;
}

static void
leave_recovery(struct tcp_connection *c)
{
	if (c->recovery == TCP_RECOVERY && c->cwnd > c->ssthresh)
		c->cwnd = c->ssthresh;
	/* PRR may have ended below, when little was in flight. */
	if (c->recovery == TCP_RECOVERY && c->cwnd < c->ssthresh)
		c->cwnd = c->ssthresh;
	c->recovery = TCP_OPEN;
	c->dupacks = 0;
	c->is &= ~(uint32_t)TCP_IS_SPURIOUS_OK;
	if ((c->is & TCP_IS_SACK) == 0)
		c->sacked = 0;
}

/* The first progress answers what was sent before we sent it again: nothing was lost. */
static void
undo_if_spurious(struct tcp_connection *c, const struct tcp_arrival *a)
{
	if ((c->is & TCP_IS_SPURIOUS_OK) == 0)
		return;
	c->is &= ~(uint32_t)TCP_IS_SPURIOUS_OK;
	if ((c->is & TCP_IS_TIMESTAMPS) == 0 || a->tsecr == 0 || !seq_lt(a->tsecr, c->spurious_ts))
		return;
	for (struct tcp_sent *s = c->sent_first; s != NULL; s = s->next)
		s->flags &= (uint8_t)~TCP_SENT_LOST;
	c->lost = 0;
	c->cwnd = c->cwnd_before;
	c->ssthresh = c->ssthresh_before;
	c->recovery = TCP_OPEN;
	c->dupacks = 0;
	tcp_congestion_of(c->settings.congestion)->restart(c);
}

/* Section 7.4: the probe that repeated the tail was the one to arrive, so the tail was lost. */
static void
judge_tail_probe(struct tcp_connection *c, const struct tcp_delivery *d)
{
	if ((c->is & TCP_IS_TLP) == 0)
		return;
	if (d->dsack) {
		c->is &= ~(uint32_t)TCP_IS_TLP;
	} else if (seq_le(c->tlp_end, c->snd_una)) {
		c->is &= ~(uint32_t)TCP_IS_TLP;
		if ((c->is & TCP_IS_TLP_AGAIN) != 0 && c->recovery == TCP_OPEN) {
			c->ssthresh = tcp_congestion_of(c->settings.congestion)->reduce(c);
			c->cwnd = c->cwnd < c->ssthresh ? c->cwnd : c->ssthresh;
		}
	}
}

/* Section 6.2 step 4: needless retransmissions widen the window, once a round trip. */
static void
adapt_reordering(struct tcp_connection *c, const struct tcp_delivery *d)
{
	if (!d->dsack || seq_lt(c->snd_una, c->dsack_round))
		return;
	c->dsack_round = c->snd_nxt;
	if (c->reorder_steps < UINT8_MAX)
		c->reorder_steps++;
	c->reorder_left = REORDER_RECOVERIES;
}

/* RFC 6937. */
static void
reduce_proportionally(struct tcp_connection *c, const struct tcp_delivery *d, bool new_loss)
{
	uint32_t flight = tcp_flight(c), mss = c->endpoint.mss, may = 0, limit;

	c->prr_delivered += d->delivered;
	if (flight > c->ssthresh) {
		uint64_t share = (uint64_t)c->prr_delivered * c->ssthresh;

		share = (share + c->prr_flight - 1) / (c->prr_flight == 0 ? 1 : c->prr_flight);
		may = share > c->prr_out ? (uint32_t)share - c->prr_out : 0;
	} else {
		limit = c->prr_delivered > c->prr_out ? c->prr_delivered - c->prr_out : 0;
		if (d->progress && !new_loss)
			limit = (limit > d->delivered ? limit : d->delivered) + mss;
		may = c->ssthresh - flight < limit ? c->ssthresh - flight : limit;
	}
	/* The first retransmission doesn't wait, nor does that of a partial ACK (RFC 6582). */
	if (may < mss && (c->prr_out == 0 || (new_loss && (c->is & TCP_IS_SACK) == 0)))
		may = mss;
	c->cwnd = flight + may;
}

/* RFC 5681: the window grows only while it is what limits (RFC 7661 says why). */
static void
grow(struct tcp *tcp, struct tcp_connection *c, const struct tcp_delivery *d)
{
	uint32_t acked = d->delivered;

	if (c->cwnd < c->ssthresh) {
		uint32_t room = c->ssthresh - c->cwnd;

		if (c->cwnd >= 2 * (d->prior_flight + c->endpoint.mss))
			return;
		if (acked < room) {
			c->cwnd += acked;
			return;
		}
		c->cwnd += room;
		acked -= room;
	}
	if ((c->is & TCP_IS_CWND_LIMITED) != 0 && acked > 0 && c->cwnd < INT32_MAX / 2)
		tcp_congestion_of(c->settings.congestion)->grow(c, acked, tcp->now_ms);
}

/* Without SACK: the third duplicate ACK, and each partial one (RFC 6582 section 3.2). */
static void
new_reno_detect(struct tcp_connection *c, const struct tcp_delivery *d)
{
	struct tcp_sent *s = c->sent_first;

	if (s == NULL)
		return;
	if (c->recovery == TCP_RECOVERY) {
		if (d->progress)
			mark_lost(c, s);
	} else if (c->recovery == TCP_OPEN && c->dupacks >= DUPLICATE_ACKS) {
		mark_lost(c, s);
	}
}

void
tcp_recover(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a,
	    const struct tcp_delivery *d)
{
	uint32_t lost = c->lost, wait_us = 0;
	bool left = false;

	if (d->progress && c->recovery != TCP_OPEN)
		undo_if_spurious(c, a);
	judge_tail_probe(c, d);
	adapt_reordering(c, d);
	if (c->recovery != TCP_OPEN && seq_le(c->recovery_end, c->snd_una)) {
		left = c->recovery == TCP_RECOVERY;
		leave_recovery(c);
	}
	if ((c->is & TCP_IS_SACK) != 0)
		wait_us = tcp_rack_detect(tcp, c);
	else
		new_reno_detect(c, d);
	if (c->recovery == TCP_OPEN && c->lost > 0)
		tcp_enter_recovery(tcp, c);
	if (c->recovery == TCP_RECOVERY)
		reduce_proportionally(c, d, c->lost > lost);
	else if (d->progress && !left)
		grow(tcp, c, d);
	if (wait_us > 0)
		tcp_timer_set_wait(tcp, c, TCP_WAIT_REORDER, wait_us);
	else
		tcp_timer_rearm(tcp, c, d->progress);
}

void
tcp_reorder_timeout(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t wait_us = tcp_rack_detect(tcp, c);

	if (c->recovery == TCP_OPEN && c->lost > 0) {
		struct tcp_delivery nothing = {0};

		tcp_enter_recovery(tcp, c);
		reduce_proportionally(c, &nothing, true);
	}
	if (wait_us > 0)
		tcp_timer_set_wait(tcp, c, TCP_WAIT_REORDER, wait_us);
	else
		tcp_timer_rearm(tcp, c, true);
	tcp_touch(tcp, c);
}

/* The peer has thrown away what it had told us of (RFC 2018 section 8). */
static void
forget_sacks(struct tcp_connection *c)
{
	for (struct tcp_sent *s = c->sent_first; s != NULL; s = s->next)
		s->flags &= (uint8_t)~TCP_SENT_SACKED;
	c->sacked = 0;
}

/* RFC 6298 section 5.4 to 5.6; RFC 5681 section 3.1. */
void
tcp_retransmission_timeout(struct tcp *tcp, struct tcp_connection *c)
{
	if (c->recovery != TCP_LOSS) {
		remember(tcp, c);
		c->ssthresh = tcp_congestion_of(c->settings.congestion)->reduce(c);
	}
	if (c->sent_first != NULL && (c->sent_first->flags & TCP_SENT_SACKED) != 0)
		forget_sacks(c);
	if ((c->is & TCP_IS_SACK) == 0)
		c->sacked = 0;
	for (struct tcp_sent *s = c->sent_first; s != NULL; s = s->next)
		mark_lost(c, s);
	c->recovery = TCP_LOSS;
	c->recovery_end = c->snd_nxt;
	c->dupacks = 0;
	c->cwnd = c->endpoint.mss;
	c->is &= ~(uint32_t)TCP_IS_TLP;
	tcp->counters.timeouts++;
	tcp_touch(tcp, c);
}
