/* SPDX-License-Identifier: BSD-3-Clause */
/* What an acknowledgment says: the scoreboard (RFC 2018, 2883), round-trip time (RFC 6298). */
#include "tcp_engine.h"

static uint32_t
sent_end(const struct tcp_sent *s)
{
	return s->seq + s->len + (s->flags & TCP_SENT_FIN);
}

static uint32_t
sent_len(const struct tcp_sent *s)
{
	return s->len + (s->flags & TCP_SENT_FIN);
}

static void
sent_free(struct tcp *tcp, struct tcp_sent *s)
{
	s->next = tcp->free_sent;
	tcp->free_sent = s;
	tcp->sent_n--;
}

void
tcp_sent_free_all(struct tcp *tcp, struct tcp_connection *c)
{
	while (c->sent_first != NULL) {
		struct tcp_sent *s = c->sent_first;

		c->sent_first = s->next;
		sent_free(tcp, s);
	}
	c->sent_last = NULL;
	c->sent_n = 0;
	c->sacked = 0;
	c->lost = 0;
}

void
tcp_rtt_sample(struct tcp *tcp, struct tcp_connection *c, uint32_t rtt_us)
{
	uint32_t rto;

	rtt_us = rtt_us == 0 ? 1 : rtt_us;
	if (c->srtt_us == 0) {
		c->srtt_us = rtt_us;
		c->rttvar_us = rtt_us / 2;
	} else {
		uint32_t diff = rtt_us > c->srtt_us ? rtt_us - c->srtt_us : c->srtt_us - rtt_us;

		c->rttvar_us = c->rttvar_us - c->rttvar_us / 4 + diff / 4;
		c->srtt_us = c->srtt_us - c->srtt_us / 8 + rtt_us / 8;
		c->srtt_us = c->srtt_us == 0 ? 1 : c->srtt_us;
	}
	rto = 4 * c->rttvar_us;
	/* The minimum is of the variance, not of the sum: a path of 300 ms needs 500. */
	rto = c->srtt_us + (rto < TCP_RTO_MIN_US ? TCP_RTO_MIN_US : rto);
	c->rto_us = rto > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : rto;
	/* A minimum of the last five minutes (RFC 8985 section 6.2). */
	if (c->min_rtt_us == 0 || rtt_us <= c->min_rtt_us ||
	    (uint8_t)(tcp->now_ms / 60000 - c->min_rtt_minute) > 5) {
		c->min_rtt_us = rtt_us;
		c->min_rtt_minute = (uint8_t)(tcp->now_ms / 60000);
	}
}

/* A record is delivered for the first time, by ACK or SACK. */
static void
delivered(struct tcp *tcp, struct tcp_connection *c, const struct tcp_sent *s,
	  const struct tcp_arrival *a, struct tcp_delivery *d)
{
	d->delivered += sent_len(s);
	if ((s->flags & TCP_SENT_LOST) != 0)
		c->lost -= sent_len(s);
	if ((s->flags & TCP_SENT_AGAIN) == 0 &&
	    (!d->sampled || (int32_t)(s->sent_us - d->newest_us) > 0)) {
		d->sampled = true;
		d->newest_us = s->sent_us;
	}
	tcp_rack_update(tcp, c, s, a);
}

/* The first `len` bytes of a record are acknowledged. */
static void
trim(struct tcp_connection *c, struct tcp_sent *s, uint32_t len, struct tcp_delivery *d)
{
	if ((s->flags & TCP_SENT_SACKED) != 0)
		c->sacked -= len;
	else
		d->delivered += len;
	if ((s->flags & TCP_SENT_LOST) != 0)
		c->lost -= len;
	s->seq += len;
	s->len -= len;
	while (s->span != NULL && len >= (uint32_t)(s->span->data + s->span->len - s->data)) {
		len -= (uint32_t)(s->span->data + s->span->len - s->data);
		s->span = s->span->next;
		s->data = s->span == NULL ? NULL : s->span->data;
	}
	if (s->span != NULL)
		s->data += len;
}

static void
take_acked(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a,
	   struct tcp_delivery *d)
{
	uint32_t len = a->ack - c->snd_una;
	struct tcp_sent *s;

	while ((s = c->sent_first) != NULL && seq_le(sent_end(s), a->ack)) {
		if ((s->flags & TCP_SENT_SACKED) != 0)
			c->sacked -= sent_len(s);
		else
			delivered(tcp, c, s, a, d);
		c->sent_first = s->next;
		c->sent_n--;
		sent_free(tcp, s);
	}
	if (s == NULL)
		c->sent_last = NULL;
	else if (seq_lt(s->seq, a->ack))
		trim(c, s, a->ack - s->seq, d);
	len = len < c->send.len ? len : c->send.len;
	chain_consume(tcp->pool, &c->send, len);
	if (chain_is_empty(&c->send))
		c->send_room = 0;
	c->bytes_acked += len;
	c->snd_una = a->ack;
	d->progress = true;
}

/* RFC 2883 section 4: the first block is below the ACK or inside the second. */
static bool
is_dsack(const struct tcp_connection *c, const struct tcp_arrival *a)
{
	const struct tcp_block *b = a->sacks;

	if (!seq_lt(b[0].from, b[0].to) || c->snd_una - b[0].from > c->snd_wnd_max)
		return a->sacks_n > 1 && seq_le(b[1].from, b[0].from) && seq_le(b[0].to, b[1].to) &&
		       seq_lt(b[0].from, b[0].to);
	return seq_lt(b[0].from, c->snd_una);
}

/* Blocks that lie in what is in flight; others are stale or lies. @return  how many. */
static uint8_t
usable_blocks(const struct tcp_connection *c, const struct tcp_arrival *a, struct tcp_block *to,
	      uint32_t *end)
{
	uint8_t n = 0;

	for (uint8_t i = 0; i < a->sacks_n; i++) {
		const struct tcp_block *b = &a->sacks[i];

		if (!seq_lt(b->from, b->to) || seq_lt(b->from, c->snd_una) ||
		    seq_lt(c->snd_nxt, b->to))
			continue;
		*end = n == 0 ? b->to : seq_max(*end, b->to);
		to[n++] = *b;
	}
	return n;
}

static bool
is_in(const struct tcp_block *blocks, uint8_t n, uint32_t from, uint32_t to)
{
	for (uint8_t i = 0; i < n; i++) {
		if (seq_le(blocks[i].from, from) && seq_le(to, blocks[i].to))
			return true;
	}
	return false;
}

/*
 * A record counts when a block has all of it: a peer that acknowledges crumbs can't make us cut
 * records (CVE-2019-11477 ...11479), it only fails to help itself.
 */
static void
take_sacks(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a,
	   struct tcp_delivery *d)
{
	struct tcp_block blocks[TCP_SACKS_MAX];
	uint32_t end = 0;
	uint8_t n = usable_blocks(c, a, blocks, &end);

	d->dsack = is_dsack(c, a);
	if (n == 0)
		return;
	for (struct tcp_sent *s = c->sent_first; s != NULL && seq_lt(s->seq, end); s = s->next) {
		if ((s->flags & TCP_SENT_SACKED) != 0 || !is_in(blocks, n, s->seq, sent_end(s)))
			continue;
		delivered(tcp, c, s, a, d);
		s->flags = (uint8_t)((s->flags | TCP_SENT_SACKED) & ~TCP_SENT_LOST);
		c->sacked += sent_len(s);
		d->new_sack = true;
	}
}

/* Without SACK, each duplicate ACK says that a segment has left (RFC 6582). */
static void
count_duplicate(struct tcp_connection *c, const struct tcp_arrival *a, struct tcp_delivery *d)
{
	uint32_t most = c->snd_nxt - c->snd_una, mss = c->endpoint.mss, was = c->sacked;

	if (d->progress) {
		uint32_t segments = (d->delivered + mss - 1) / mss;

		c->dupacks = segments > c->dupacks ? 0 : (uint8_t)(c->dupacks - segments + 1);
		if (c->recovery == TCP_OPEN)
			c->dupacks = 0;
	} else if (a->len == 0 && c->sent_first != NULL && c->dupacks < UINT8_MAX &&
		   a->ack == c->snd_una && (a->flags & TCP_FLAG_FIN) == 0 &&
		   (uint32_t)a->window << c->snd_scale == c->snd_wnd) {
		c->dupacks++;
	}
	most = most > c->lost + mss ? most - c->lost - mss : 0;
	c->sacked = c->dupacks * mss < most ? c->dupacks * mss : most;
	if (c->sacked > was && !d->progress)
		d->delivered += c->sacked - was;
}

/* RFC 9293 section 3.10.7.4: newer segments decide. */
static void
update_window(struct tcp_connection *c, const struct tcp_arrival *a)
{
	uint32_t window = (uint32_t)a->window << c->snd_scale;

	/* Of two with the same number, older ACKs have been refused: SND.WL2 is SND.UNA. */
	if (seq_lt(a->seq, c->snd_wl1))
		return;
	c->snd_wl1 = a->seq;
	if (c->snd_wnd == window)
		return;
	c->snd_wnd = window;
	if (window > c->snd_wnd_max)
		c->snd_wnd_max = window;
	if (c->wait == TCP_WAIT_PERSIST && window > 0) {
		c->wait = TCP_WAIT_NONE;
		c->backoff = 0;
		tcp_timer_clear(c, TCP_DUE_RETRANSMIT);
	}
}

static void
tell_writer(struct tcp *tcp, struct tcp_connection *c)
{
	if ((c->is & TCP_IS_WAS_FULL) != 0) {
		bool low = c->send.len < c->settings.send_buffer / 2;

		if (low)
			c->is &= ~(uint32_t)TCP_IS_WAS_FULL;
		/*
		 * While buffers are short, every bit of progress: it is the progress, too, of the
		 * connection that what is sent comes from.
		 */
		if (low || unlikely(tcp->pool->charged >= tcp->window_charge))
			tcp_notify(tcp, c, TCP_EVENT_WRITABLE);
	}
	if (c->snd_una == c->snd_nxt && c->unsent == NULL &&
	    (c->is & (TCP_IS_FIN_QUEUED | TCP_IS_FIN_SENT)) != TCP_IS_FIN_QUEUED)
		tcp_notify(tcp, c, TCP_EVENT_DRAINED);
}

void
tcp_ack_arrived(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a)
{
	struct tcp_delivery d = {.prior_una = c->snd_una, .prior_flight = tcp_flight(c)};

	if (seq_lt(a->ack, c->snd_una))
		return;
	c->probes = 0;
	if (a->ack != c->snd_una)
		take_acked(tcp, c, a, &d);
	if (a->sacks_n > 0 && (c->is & TCP_IS_SACK) != 0)
		take_sacks(tcp, c, a, &d);
	else if ((c->is & TCP_IS_SACK) == 0)
		count_duplicate(c, a, &d);
	update_window(c, a);
	if (d.sampled)
		tcp_rtt_sample(tcp, c, (uint32_t)tcp->now_us - d.newest_us);
	if (d.progress) {
		c->progress_ms = tcp->now_ms;
		c->backoff = 0;
	}
	if (d.progress || d.delivered > 0 || d.dsack)
		tcp_recover(tcp, c, a, &d);
	if (d.progress)
		tell_writer(tcp, c);
	if (c->lost > 0 || c->unsent != NULL ||
	    (c->is & (TCP_IS_FIN_QUEUED | TCP_IS_FIN_SENT)) == TCP_IS_FIN_QUEUED)
		tcp_touch(tcp, c);
}
