/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent, and when: segmentation, windows (RFC 9293 section 3.8.6), acknowledgments. */
#include "tcp_output.h"

#include "bytes.h"
#include "tcp_engine.h"

/* RFC 6928 */
#define INITIAL_WINDOW_SEGMENTS 10u
#define WINDOW_LOW              32768u

uint32_t
tcp_timestamp(const struct tcp *tcp, const struct tcp_connection *c)
{
	return tcp->now_ms + c->ts_offset;
}

static uint32_t
offered(const struct tcp_connection *c)
{
	return seq_lt(c->rcv_nxt, c->rcv_edge) ? c->rcv_edge - c->rcv_nxt : 0;
}

/*
 * RFC 9293 section 3.8.6.2.2: the right edge moves by at least a segment or half the buffer, and
 * never back.
 */
uint32_t
tcp_receive_window(const struct tcp *tcp, const struct tcp_connection *c)
{
	uint32_t used = c->received.len + c->held, buffer = c->settings.receive_buffer;
	uint32_t step = c->rcv_mss < buffer / 2 ? c->rcv_mss : buffer / 2;
	uint32_t now = offered(c), can = buffer > used ? buffer - used : 0;

	if (can < now + step || tcp->pool->charged >= tcp->window_charge)
		return now;
	return can;
}

bool
tcp_window_update_due(const struct tcp *tcp, const struct tcp_connection *c)
{
	uint32_t now = offered(c), can;

	/* Who has room left hears of more with the next ACK anyway. */
	if (likely(now >= WINDOW_LOW && now >= 2 * c->rcv_mss))
		return false;
	can = tcp_receive_window(tcp, c);
	if ((c->is & TCP_IS_FIN_RECEIVED) != 0 || can == now)
		return false;
	return now < 2 * c->rcv_mss ||
	       (can - now >= c->settings.receive_buffer / 2 && now < WINDOW_LOW);
}

static uint16_t
window_field(const struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t scale = c->rcv_scale, now = offered(c);
	uint32_t field = tcp_receive_window(tcp, c) >> scale;
	uint32_t least = (now + (1u << scale) - 1) >> scale; /* rounding down would move it back */

	field = field < least ? least : field;
	field = field > UINT16_MAX ? UINT16_MAX : field;
	if (seq_lt(c->rcv_edge, c->rcv_nxt + (field << scale)))
		c->rcv_edge = c->rcv_nxt + (field << scale);
	return (uint16_t)field;
}

/* Every segment acknowledges. */
static void
begin(struct tcp *tcp, struct tcp_connection *c, struct tcp_outgoing *out, uint32_t seq,
      uint8_t flags)
{
	out->tuple = &c->endpoint.tuple;
	out->seq = seq;
	out->ack = c->rcv_nxt;
	out->len = 0;
	out->span = NULL;
	out->offset = 0;
	out->window = window_field(tcp, c);
	out->mss = c->endpoint.mss;
	out->flags = flags | TCP_FLAG_ACK;
	out->options_len = 0;
	if ((c->is & TCP_IS_TIMESTAMPS) != 0)
		tcp_put_timestamps(out, tcp_timestamp(tcp, c), c->ts_recent);
	c->rcv_acked = c->rcv_nxt;
	c->unacked_rcvd = 0;
	c->is &= ~(uint32_t)TCP_IS_ACK_NOW;
	tcp_timer_clear(c, TCP_DUE_ACK);
}

static void
put_sacks(struct tcp_connection *c, struct tcp_outgoing *out)
{
	struct tcp_block blocks[TCP_SACKS_MAX];
	uint8_t max = out->options_len == 0 ? 4 : 3;
	uint8_t n = tcp_sack_blocks(c, blocks, max);
	uint8_t *at = out->options + out->options_len;

	if (n == 0)
		return;
	bytes_store_be32(at, (uint32_t)TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 |
				     TCP_OPTION_SACK << 8 | (2u + 8u * n));
	for (uint8_t i = 0; i < n; i++) {
		bytes_store_be32(at + 4 + 8 * i, blocks[i].from);
		bytes_store_be32(at + 8 + 8 * i, blocks[i].to);
	}
	out->options_len = (uint8_t)(out->options_len + 4 + 8 * n);
}

void
tcp_send_ack(struct tcp *tcp, struct tcp_connection *c)
{
	struct tcp_outgoing out;

	begin(tcp, c, &out, c->snd_nxt, 0);
	if ((c->is & TCP_IS_SACK) != 0 && (c->ranges_n > 0 || (c->is & TCP_IS_DSACK) != 0))
		put_sacks(c, &out);
	tcp_emit(tcp, &out);
}

void
tcp_send_probe(struct tcp *tcp, struct tcp_connection *c)
{
	struct tcp_outgoing out;

	begin(tcp, c, &out, c->snd_una - 1, 0);
	tcp_emit(tcp, &out);
}

void
tcp_send_reset(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;
	struct tcp_outgoing out;

	/* Where the peer expects it, had it shrunk its window. */
	begin(tcp, c, &out, seq_lt(edge, c->snd_nxt) ? edge : c->snd_nxt, TCP_FLAG_RST);
	tcp_emit(tcp, &out);
}

void
tcp_put_syn_options(struct tcp_outgoing *out, uint16_t mss, uint8_t has, uint8_t scale,
		    uint32_t tsval, uint32_t tsecr)
{
	uint8_t *at = out->options;

	bytes_store_be32(at, (uint32_t)TCP_OPTION_MSS << 24 | 4u << 16 | mss);
	at += 4;
	if ((has & TCP_HAS_SACK_PERMITTED) != 0) {
		bytes_store_be32(at, (uint32_t)TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 |
					     TCP_OPTION_SACK_PERMITTED << 8 | 2u);
		at += 4;
	}
	if ((has & TCP_HAS_SCALE) != 0) {
		bytes_store_be32(at, (uint32_t)TCP_OPTION_NOP << 24 |
					     TCP_OPTION_WINDOW_SCALE << 16 | 3u << 8 | scale);
		at += 4;
	}
	out->options_len = (uint8_t)(at - out->options);
	if ((has & TCP_HAS_TIMESTAMPS) != 0)
		tcp_put_timestamps(out, tsval, tsecr);
}

/* SYN, or SYN with ACK after a simultaneous open; the window of a SYN isn't scaled. */
void
tcp_send_syn(struct tcp *tcp, struct tcp_connection *c)
{
	bool first = c->endpoint.state == TCP_STATE_SYN_SENT;
	uint32_t window = c->settings.receive_buffer;
	struct tcp_outgoing out = {.tuple = &c->endpoint.tuple,
				   .seq = c->snd_una,
				   .ack = first ? 0 : c->rcv_nxt,
				   .flags = first ? TCP_FLAG_SYN : TCP_FLAG_SYN | TCP_FLAG_ACK};
	uint8_t has = TCP_HAS_SACK_PERMITTED | TCP_HAS_SCALE | TCP_HAS_TIMESTAMPS;

	if (!first)
		has = (uint8_t)(((c->is & TCP_IS_SACK) != 0 ? TCP_HAS_SACK_PERMITTED : 0) |
				((c->is & TCP_IS_TIMESTAMPS) != 0 ? TCP_HAS_TIMESTAMPS : 0) |
				TCP_HAS_SCALE);
	out.window = (uint16_t)(window > UINT16_MAX ? UINT16_MAX : window);
	if (seq_lt(c->rcv_edge, c->rcv_nxt + out.window))
		c->rcv_edge = c->rcv_nxt + out.window;
	tcp_put_syn_options(&out, tcp_own_mss(&c->settings, c->endpoint.tuple.af), has,
			    tcp_scale_for(window), tcp_timestamp(tcp, c), first ? 0 : c->ts_recent);
	c->rack_us = (uint32_t)tcp->now_us;
	tcp_emit(tcp, &out);
}

uint32_t
tcp_initial_window(const struct tcp_connection *c)
{
	uint32_t mss = c->endpoint.mss, most = 14600;

	if ((c->is & TCP_IS_SYN_AGAIN) != 0)
		return mss;
	most = most < 2 * mss ? 2 * mss : most;
	return INITIAL_WINDOW_SEGMENTS * mss < most ? INITIAL_WINDOW_SEGMENTS * mss : most;
}

/* Payload queued and never sent. */
static uint32_t
unsent_len(const struct tcp_connection *c)
{
	if (c->unsent == NULL)
		return 0;
	return c->send.len - (c->snd_nxt - c->snd_una);
}

/* A record for the `len` bytes at the unsent end. @return  NULL without one. */
static struct tcp_sent *
record(struct tcp *tcp, struct tcp_connection *c, uint32_t len)
{
	struct tcp_sent *s = tcp->free_sent;

	if (s == NULL || c->sent_n >= TCP_SENT_RECORDS_CONNECTION)
		return NULL;
	tcp->free_sent = s->next;
	tcp->sent_n++;
	*s = (struct tcp_sent){.span = c->unsent,
			       .data = c->unsent_data,
			       .seq = c->snd_nxt,
			       .len = len,
			       .sent_us = (uint32_t)tcp->now_us};
	if (c->sent_last == NULL) {
		c->sent_first = s;
		/* What was delivered before may be so long ago that 32 bits have wrapped. */
		c->rack_us = s->sent_us;
		c->rack_end = c->snd_una;
	} else {
		c->sent_last->next = s;
	}
	c->sent_last = s;
	c->sent_n++;
	c->snd_nxt += len;
	while (c->unsent != NULL) {
		uint32_t here = (uint32_t)(c->unsent->data + c->unsent->len - c->unsent_data);

		if (len < here) {
			c->unsent_data += len;
			break;
		}
		len -= here;
		c->unsent = c->unsent->next;
		c->unsent_data = c->unsent == NULL ? NULL : c->unsent->data;
	}
	return s;
}

static bool
fin_is_due(const struct tcp_connection *c)
{
	return c->unsent == NULL &&
	       (c->is & (TCP_IS_FIN_QUEUED | TCP_IS_FIN_SENT)) == TCP_IS_FIN_QUEUED;
}

static void
put_fin(struct tcp_connection *c, struct tcp_sent *s)
{
	s->flags |= TCP_SENT_FIN;
	c->snd_nxt++;
	c->is |= TCP_IS_FIN_SENT;
}

/*
 * How much of what is unsent may go out at once: whole segments, or the rest of the queue.  With
 * `force`, as much as the peer's window takes (RFC 9293 section 3.8.6.2.1).
 */
static uint32_t
sendable(const struct tcp *tcp, struct tcp_connection *c, uint32_t window, bool force)
{
	uint32_t mss = c->endpoint.mss, unsent = unsent_len(c), flight = tcp_flight(c);
	uint32_t most = tcp->tso_max > mss ? tcp->tso_max / mss * mss : mss;
	uint32_t room = c->cwnd > flight ? c->cwnd - flight : 0, n;

	if (room < mss && room < unsent && flight > 0) {
		c->is |= TCP_IS_CWND_LIMITED;
		return 0;
	}
	room = room < mss ? mss : room;
	n = unsent < window ? unsent : window;
	n = n < room ? n : room / mss * mss;
	if (n >= mss)
		n = n < most && n == unsent ? n : (n < most ? n / mss * mss : most);
	else if (n < unsent)
		return force || (n > 0 && n >= c->snd_wnd_max / 2) ? n : 0;
	else if (c->settings.nagle && c->snd_una != c->snd_nxt && (c->is & TCP_IS_FIN_QUEUED) == 0)
		return force ? n : 0;
	return n;
}

/* One segment, or a train of them for TSO, with a record each. @return  false without records. */
static bool
send_payload(struct tcp *tcp, struct tcp_connection *c, uint32_t len, uint32_t window)
{
	struct tcp_outgoing out;
	struct tcp_sent *s = NULL;
	uint32_t sent = 0;

	if (unlikely(tcp->free_sent == NULL || c->sent_n >= TCP_SENT_RECORDS_CONNECTION))
		return false;
	begin(tcp, c, &out, c->snd_nxt, 0);
	out.span = c->unsent;
	out.offset = (uint32_t)(c->unsent_data - c->unsent->data);
	while (sent < len) {
		uint32_t n = len - sent < c->endpoint.mss ? len - sent : c->endpoint.mss;
		struct tcp_sent *next = record(tcp, c, n);

		if (next == NULL)
			break;
		s = next;
		sent += n;
	}
	out.len = sent;
	if (c->unsent == NULL)
		out.flags |= TCP_FLAG_PSH;
	if (fin_is_due(c) && window > sent) {
		put_fin(c, s);
		out.flags |= TCP_FLAG_FIN;
	}
	c->prr_out += sent;
	tcp_emit(tcp, &out);
	return true;
}

static void
send_fin(struct tcp *tcp, struct tcp_connection *c)
{
	struct tcp_outgoing out;
	struct tcp_sent *s = record(tcp, c, 0);

	if (s == NULL)
		return;
	begin(tcp, c, &out, c->snd_nxt, TCP_FLAG_FIN);
	put_fin(c, s);
	tcp_emit(tcp, &out);
}

/* RFC 2861: what the path takes is forgotten by half for each timeout of silence. */
static void
restart_after_idle(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t idle_ms = tcp->now_ms - c->last_sent_ms, rto_ms = c->rto_us / 1000 + 1;
	uint32_t least = tcp_initial_window(c);

	if (c->snd_una != c->snd_nxt || idle_ms <= rto_ms)
		return;
	tcp_congestion_of(c->settings.congestion)->restart(c);
	if (c->cwnd * 3 / 4 > c->ssthresh)
		c->ssthresh = c->cwnd * 3 / 4;
	for (; idle_ms > rto_ms && c->cwnd > least; idle_ms -= rto_ms)
		c->cwnd /= 2;
	if (c->cwnd < least)
		c->cwnd = least;
}

static uint32_t
window_left(const struct tcp_connection *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;

	return seq_lt(c->snd_nxt, edge) ? edge - c->snd_nxt : 0;
}

static bool
send_new(struct tcp *tcp, struct tcp_connection *c, bool force)
{
	bool sent = false;
	uint32_t len;

	c->is &= ~(uint32_t)TCP_IS_CWND_LIMITED;
	if (c->unsent != NULL)
		restart_after_idle(tcp, c);
	while (c->unsent != NULL) {
		len = sendable(tcp, c, window_left(c), force);
		if (len == 0 || !send_payload(tcp, c, len, window_left(c)))
			break;
		sent = true;
		force = false;
	}
	if (fin_is_due(c) && window_left(c) > 0) {
		send_fin(tcp, c);
		sent = true;
	}
	if (tcp_flight(c) + c->endpoint.mss > c->cwnd)
		c->is |= TCP_IS_CWND_LIMITED;
	return sent;
}

/* In pieces, had the MSS been lowered since. */
static void
send_again(struct tcp *tcp, struct tcp_connection *c, struct tcp_sent *s)
{
	uint32_t left = s->len, seq = s->seq;
	struct span *span = s->span;
	uint8_t *data = s->data;

	if ((s->flags & TCP_SENT_LOST) != 0)
		c->lost -= s->len + (s->flags & TCP_SENT_FIN);
	s->flags = (uint8_t)((s->flags | TCP_SENT_AGAIN) & ~TCP_SENT_LOST);
	s->sent_us = (uint32_t)tcp->now_us;
	for (;;) {
		uint32_t n = left < c->endpoint.mss ? left : c->endpoint.mss;
		struct tcp_outgoing out;

		begin(tcp, c, &out, seq, TCP_FLAG_PSH);
		out.span = span;
		out.offset = span == NULL ? 0 : (uint32_t)(data - span->data);
		out.len = n;
		left -= n;
		seq += n;
		if (left == 0 && (s->flags & TCP_SENT_FIN) != 0)
			out.flags |= TCP_FLAG_FIN;
		tcp_emit(tcp, &out);
		if (left == 0)
			break;
		for (data += n; data >= span->data + span->len;) {
			uint32_t over = (uint32_t)(data - span->data - span->len);

			span = span->next;
			data = span->data + over;
		}
	}
	c->prr_out += s->len;
	c->retransmitted_n++;
	tcp->counters.retransmitted++;
}

static bool
send_lost(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t edge = c->snd_una + c->snd_wnd;
	bool sent = false;

	for (struct tcp_sent *s = c->sent_first; s != NULL && c->lost > 0; s = s->next) {
		uint32_t flight = tcp_flight(c);

		if ((s->flags & TCP_SENT_LOST) == 0)
			continue;
		if (flight > 0 && flight + s->len > c->cwnd)
			break;
		/* A window that shrank under it: the first one serves as a probe. */
		if (s != c->sent_first && seq_lt(edge, s->seq + s->len))
			break;
		send_again(tcp, c, s);
		sent = true;
	}
	return sent;
}

void
tcp_send_tail_probe(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t mss = c->endpoint.mss, unsent = unsent_len(c), window = window_left(c);
	uint32_t n = unsent < mss ? unsent : mss;

	c->is &= ~(uint32_t)TCP_IS_TLP_AGAIN;
	if (n > 0 && n <= window && send_payload(tcp, c, n, window)) {
		/* New bytes ask the same question. */
	} else if (c->sent_last != NULL) {
		send_again(tcp, c, c->sent_last);
		c->is |= TCP_IS_TLP_AGAIN;
	}
	c->is |= TCP_IS_TLP;
	c->tlp_end = c->snd_nxt;
	c->last_sent_ms = tcp->now_ms;
	tcp_timer_set_wait(tcp, c, TCP_WAIT_RTO, c->rto_us);
}

void
tcp_send_forced(struct tcp *tcp, struct tcp_connection *c)
{
	if (window_left(c) == 0 || !send_new(tcp, c, true))
		tcp_send_probe(tcp, c);
	else
		c->last_sent_ms = tcp->now_ms;
}

void
tcp_output(struct tcp *tcp, struct tcp_connection *c)
{
	bool idle = c->snd_una == c->snd_nxt, sent = false;

	if (c->endpoint.state < TCP_STATE_ESTABLISHED || c->endpoint.state >= TCP_STATE_TIME_WAIT)
		return;
	/* SACK blocks travel alone: payload needs the room. */
	if ((c->is & TCP_IS_ACK_NOW) != 0 && (c->ranges_n > 0 || (c->is & TCP_IS_DSACK) != 0))
		tcp_send_ack(tcp, c);
	if (c->lost > 0)
		sent = send_lost(tcp, c);
	if (c->lost == 0 && (c->unsent != NULL || fin_is_due(c)))
		sent |= send_new(tcp, c, false);
	if (sent) {
		c->last_sent_ms = tcp->now_ms;
		if (idle)
			c->progress_ms = tcp->now_ms;
	} else if ((c->is & TCP_IS_ACK_NOW) != 0 || tcp_window_update_due(tcp, c)) {
		tcp_send_ack(tcp, c);
	}
	if (c->wait != TCP_WAIT_REORDER)
		tcp_timer_rearm(tcp, c, false);
}
