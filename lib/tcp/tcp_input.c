/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments of connections, in the order of RFC 9293 section 3.10.7, with RFC 5961 and RFC 7323. */
#include "tcp_engine.h"
#include "tcp_output.h"

#define CHALLENGE_CONNECTION_MS 500u /* between two of a connection */
#define CHALLENGES_SECOND       500u /* of a worker, and as many more at random */

bool
tcp_may_challenge(struct tcp *tcp)
{
	uint32_t second = tcp->now_ms / 1000;

	if (tcp->challenge_second != second) {
		tcp->challenge_second = second;
		tcp->challenge_left = CHALLENGES_SECOND + tcp_random(tcp) % CHALLENGES_SECOND;
	}
	if (tcp->challenge_left == 0)
		return false;
	tcp->challenge_left--;
	return true;
}

/* RFC 5961: a peer that lost its state will answer this with a RST that fits. */
static void
challenge(struct tcp *tcp, struct tcp_connection *c)
{
	if (tcp->now_ms - c->last_challenge_ms < CHALLENGE_CONNECTION_MS || !tcp_may_challenge(tcp))
		return;
	c->last_challenge_ms = tcp->now_ms;
	tcp->counters.challenge_acks++;
	tcp_send_ack(tcp, c);
}

static void
ack_now(struct tcp *tcp, struct tcp_connection *c)
{
	c->is |= TCP_IS_ACK_NOW;
	tcp_touch(tcp, c);
}

/* RFC 7323 section 5.3, R1: an old segment by its timestamp. */
static bool
is_old(const struct tcp *tcp, const struct tcp_connection *c, const struct tcp_arrival *a)
{
	return seq_lt(a->tsval, c->ts_recent) && tcp->now_ms - c->last_heard_ms <= TCP_PAWS_IDLE_MS;
}

/* Timestamps and window. @return  false: dropped, and answered where that is due. */
static bool
is_acceptable(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	bool reset = (a->flags & TCP_FLAG_RST) != 0;

	if ((c->is & TCP_IS_TIMESTAMPS) != 0 && !reset) {
		if (unlikely((a->has & TCP_HAS_TIMESTAMPS) == 0))
			return false;
		if (unlikely(is_old(tcp, c, a))) {
			tcp->counters.out_of_window++;
			ack_now(tcp, c);
			return false;
		}
	}
	/* An ACK that was overtaken begins below RCV.NXT: down to the last ACK it is welcome. */
	if (likely(!seq_lt(a->seq_end, c->rcv_acked) && !seq_lt(c->rcv_edge, a->seq)))
		return true;
	tcp->counters.out_of_window++;
	if (!reset) {
		if (a->len > 0 && (c->is & TCP_IS_SACK) != 0 && seq_lt(a->seq, c->rcv_nxt)) {
			c->is |= TCP_IS_DSACK;
			c->dsack_from = a->seq;
			c->dsack_to = a->seq + a->len;
		}
		ack_now(tcp, c);
	}
	return false;
}

static void
become_established(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	c->snd_una = a->ack;
	c->snd_wnd = (uint32_t)a->window << ((a->flags & TCP_FLAG_SYN) != 0 ? 0 : c->snd_scale);
	c->snd_wnd_max = c->snd_wnd;
	c->snd_wl1 = a->seq;
	if ((c->is & TCP_IS_SYN_AGAIN) == 0)
		tcp_rtt_sample(tcp, c, (uint32_t)tcp->now_us - c->rack_us);
	else
		c->rto_us = TCP_RTO_AFTER_SYN_US;
	tcp_connection_established(tcp, c);
}

/* Its SYN tells what it can. */
static void
take_syn(struct tcp_connection *c, const struct tcp_arrival *a)
{
	c->rcv_nxt = a->seq + 1;
	c->rcv_acked = c->rcv_nxt;
	c->rcv_edge =
		c->rcv_nxt +
		(c->settings.receive_buffer < UINT16_MAX ? c->settings.receive_buffer : UINT16_MAX);
	if ((a->has & TCP_HAS_SACK_PERMITTED) != 0)
		c->is |= TCP_IS_SACK;
	if ((a->has & TCP_HAS_TIMESTAMPS) != 0) {
		c->is |= TCP_IS_TIMESTAMPS;
		c->ts_recent = a->tsval;
	}
	c->snd_scale = 0;
	c->rcv_scale = 0;
	if ((a->has & TCP_HAS_SCALE) != 0) {
		c->snd_scale = a->scale;
		c->rcv_scale = tcp_scale_for(c->settings.receive_buffer);
	}
	tcp_set_peer_mss(c, a->mss);
}

/* Section 3.10.7.3.  Data on its SYN is not taken: it comes again. */
static void
syn_sent_input(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	bool has_ack = (a->flags & TCP_FLAG_ACK) != 0;

	if (has_ack && a->ack != c->snd_nxt) {
		tcp_refuse(tcp, a);
		return;
	}
	if ((a->flags & TCP_FLAG_RST) != 0) {
		if (has_ack) {
			tcp->counters.reset_received++;
			tcp_connection_over(tcp, c, TCP_CLOSE_REFUSED);
		}
		return;
	}
	if ((a->flags & TCP_FLAG_SYN) == 0)
		return;
	take_syn(c, a);
	if (has_ack) {
		become_established(tcp, c, a);
		ack_now(tcp, c);
		return;
	}
	c->endpoint.state = TCP_STATE_SYN_RECEIVED; /* simultaneous open */
	tcp_send_syn(tcp, c);
}

static void
reset_input(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	if (a->seq != c->rcv_nxt) {
		challenge(tcp, c);
		return;
	}
	tcp->counters.reset_received++;
	tcp_connection_over(tcp, c,
			    c->endpoint.state == TCP_STATE_SYN_RECEIVED ? TCP_CLOSE_REFUSED
									: TCP_CLOSE_RESET);
}

/* Section 3.10.7.4, fifth; RFC 5961 section 5.2. @return  false: dropped. */
static bool
take_ack(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	if (c->endpoint.state == TCP_STATE_SYN_RECEIVED) {
		if (a->ack != c->snd_nxt) {
			tcp_refuse(tcp, a);
			return false;
		}
		become_established(tcp, c, a);
	}
	if (unlikely(seq_lt(c->snd_nxt, a->ack) || seq_lt(a->ack, c->snd_una - c->snd_wnd_max))) {
		challenge(tcp, c);
		return false;
	}
	if ((c->is & TCP_IS_TIMESTAMPS) != 0 && (a->has & TCP_HAS_TIMESTAMPS) != 0 &&
	    !seq_lt(c->rcv_acked, a->seq) && !seq_lt(a->tsval, c->ts_recent)) {
		c->ts_recent = a->tsval;
	}
	tcp_ack_arrived(tcp, c, a);
	return true;
}

/* Our FIN is acknowledged. @return  false: the connection is over. */
static bool
take_ack_of_fin(struct tcp *tcp, struct tcp_connection *c)
{
	switch (c->endpoint.state) {
	case TCP_STATE_FIN_WAIT_1:
		c->endpoint.state = TCP_STATE_FIN_WAIT_2;
		if ((c->is & TCP_IS_APP_CLOSED) == 0)
			return true;
		if ((c->due & TCP_DUE_IDLE) == 0)
			tcp_timer_set(tcp, c, TCP_DUE_IDLE, tcp->now_ms + TCP_FIN_WAIT_2_MS);
		return true;
	case TCP_STATE_CLOSING:
		tcp_time_wait_enter(tcp, c);
		tcp_connection_over(tcp, c, TCP_CLOSE_DONE);
		return false;
	case TCP_STATE_LAST_ACK:
		tcp_connection_over(tcp, c, TCP_CLOSE_DONE);
		return false;
	default:
		return true;
	}
}

/* When an ACK is due: RFC 1122 section 4.2.3.2, RFC 5681 section 4.2. */
static void
schedule_ack(struct tcp *tcp, struct tcp_connection *c, uint32_t len)
{
	if (len > c->rcv_mss)
		c->rcv_mss = len;
	if ((c->is & TCP_IS_ACK_NOW) != 0 || c->unacked_rcvd >= 2 * c->rcv_mss ||
	    c->rcv_nxt == c->rcv_edge || c->ranges != NULL)
		ack_now(tcp, c);
	else if ((c->due & TCP_DUE_ACK) == 0)
		tcp_timer_set(tcp, c, TCP_DUE_ACK, tcp->now_ms + TCP_DELAYED_ACK_MS);
}

/*
 * RFC 1122 section 4.2.3.6: a keep-alive, with a byte that was acknowledged or without.  Into a
 * closed window the same is a probe.
 */
static void
tell_keepalive(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	uint8_t special = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST;

	if (c->settings.tell_keepalive && c->rcv_edge != c->rcv_nxt && a->seq == c->rcv_nxt - 1 &&
	    a->len <= 1 && (a->flags & (special | TCP_FLAG_ACK)) == TCP_FLAG_ACK)
		tcp_notify(tcp, c, TCP_EVENT_KEPT_ALIVE);
}

/* Bytes for a caller that has closed. @return  false: the connection is over. */
static bool
discard(struct tcp *tcp, struct tcp_connection *c, uint32_t seq, uint32_t len)
{
	c->is |= TCP_IS_DISCARDED;
	if ((c->is & TCP_IS_LINGERED) != 0) {
		tcp_connection_reset(tcp, c, TCP_CLOSE_RESET);
		return false;
	}
	if (seq == c->rcv_nxt) {
		c->rcv_nxt += len;
		c->unacked_rcvd += len;
	}
	return true;
}

/* @return  false: the connection is over. */
static bool
take_payload(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	uint32_t seq = a->seq, len = a->len;
	const uint8_t *data = a->data;

	if (unlikely(seq_lt(seq, c->rcv_nxt))) {
		uint32_t known = c->rcv_nxt - seq;

		known = known < len ? known : len;
		if ((c->is & TCP_IS_SACK) != 0) {
			c->is |= TCP_IS_DSACK;
			c->dsack_from = seq;
			c->dsack_to = seq + known;
		}
		tcp->counters.duplicate++;
		tell_keepalive(tcp, c, a);
		c->is |= TCP_IS_ACK_NOW;
		seq += known;
		data += known;
		len -= known;
	}
	if (unlikely(seq_lt(c->rcv_edge, seq + len))) {
		len = seq_lt(seq, c->rcv_edge) ? c->rcv_edge - seq : 0;
		c->is |= TCP_IS_ACK_NOW;
	}
	if (len > 0 && unlikely((c->is & TCP_IS_APP_CLOSED) != 0)) {
		if (!discard(tcp, c, seq, len))
			return false;
	} else if (len > 0) {
		tcp->counters.bytes_in += len;
		tcp_receive_payload(tcp, c, a, seq, data, len);
	}
	schedule_ack(tcp, c, len);
	return true;
}

static void
take_fin(struct tcp *tcp, struct tcp_connection *c)
{
	c->rcv_nxt++;
	c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt);
	c->is |= TCP_IS_FIN_RECEIVED;
	tcp_ranges_free(tcp, c);
	ack_now(tcp, c);
	tcp_notify(tcp, c, TCP_EVENT_END);
	switch (c->endpoint.state) {
	case TCP_STATE_ESTABLISHED:
		c->endpoint.state = TCP_STATE_CLOSE_WAIT;
		break;
	case TCP_STATE_FIN_WAIT_1:
		c->endpoint.state = TCP_STATE_CLOSING;
		break;
	case TCP_STATE_FIN_WAIT_2:
		tcp_send_ack(tcp, c);
		tcp_time_wait_enter(tcp, c);
		tcp_connection_over(tcp, c, TCP_CLOSE_DONE);
		break;
	default:
		break;
	}
}

static void
synchronized_input(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	bool fin = (a->flags & TCP_FLAG_FIN) != 0;

	if (!is_acceptable(tcp, c, a)) {
		tell_keepalive(tcp, c, a);
		return;
	}
	c->last_heard_ms = tcp->now_ms;
	if (unlikely((a->flags & TCP_FLAG_RST) != 0)) {
		reset_input(tcp, c, a);
		return;
	}
	if (unlikely((a->flags & TCP_FLAG_SYN) != 0)) {
		/* Its SYN again, in a simultaneous open, or an attack (RFC 5961 section 4). */
		if (c->endpoint.state == TCP_STATE_SYN_RECEIVED)
			tcp_send_syn(tcp, c);
		else
			challenge(tcp, c);
		return;
	}
	if (unlikely((a->flags & TCP_FLAG_ACK) == 0) || !take_ack(tcp, c, a))
		return;
	if ((c->is & TCP_IS_FIN_SENT) != 0 && c->snd_una == c->snd_nxt && !take_ack_of_fin(tcp, c))
		return;
	if ((c->is & TCP_IS_FIN_RECEIVED) != 0) {
		if (a->seq != a->seq_end)
			ack_now(tcp, c); /* its FIN again */
		return;
	}
	if (a->len > 0 && !take_payload(tcp, c, a))
		return;
	if (fin && seq_le(a->seq_end - 1, c->rcv_edge)) {
		c->is |= TCP_IS_FIN_KNOWN;
		c->fin_at = a->seq_end - 1;
	}
	if (unlikely((c->is & TCP_IS_FIN_KNOWN) != 0) && c->rcv_nxt == c->fin_at)
		take_fin(tcp, c);
	else if (fin)
		ack_now(tcp, c);
}

/*
 * Nearly every segment that carries payload is the next one, acknowledges nothing new and has
 * nothing special (Jacobson's header prediction): in short what synchronized_input() does.
 * @return  false: it is not of that kind, nothing was done.
 */
static bool
expected_payload(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	bool timestamps = (c->is & TCP_IS_TIMESTAMPS) != 0;

	if ((a->flags & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK)) !=
		    TCP_FLAG_ACK ||
	    a->len == 0 || a->seq != c->rcv_nxt || a->ack != c->snd_una || a->sacks_n != 0 ||
	    c->endpoint.state < TCP_STATE_ESTABLISHED ||
	    (c->is & (TCP_IS_APP_CLOSED | TCP_IS_FIN_RECEIVED | TCP_IS_FIN_KNOWN)) != 0 ||
	    c->ranges != NULL || a->len > c->rcv_edge - c->rcv_nxt ||
	    timestamps != ((a->has & TCP_HAS_TIMESTAMPS) != 0) ||
	    (uint32_t)a->window << c->snd_scale != c->snd_wnd)
		return false;
	if (timestamps) {
		if (seq_lt(a->tsval, c->ts_recent))
			return false;
		if (c->rcv_acked == a->seq) {
			c->ts_recent = a->tsval;
		}
	}
	c->last_heard_ms = tcp->now_ms;
	c->probes = 0;
	c->snd_wl1 = a->seq;
	tcp->counters.bytes_in += a->len;
	tcp_receive_payload(tcp, c, a, a->seq, a->data, a->len);
	schedule_ack(tcp, c, a->len);
	return true;
}

void
tcp_connection_input(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	if (likely(expected_payload(tcp, c, a)))
		return;
	if (unlikely(c->endpoint.state == TCP_STATE_SYN_SENT))
		syn_sent_input(tcp, c, a);
	else
		synchronized_input(tcp, c, a);
}
