/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that strangers open: half-open ones are small and counted, past a threshold there are
 * none at all but SYN cookies (RFC 4987).
 */
#include "tcp_cookie.h"
#include "tcp_engine.h"
#include "tcp_output.h"

/* An ACK is tried as a cookie for so long after the last one was given out. */
#define COOKIE_LIFE_MS 64000u

static void on_due(struct timer *timer, void *arg);

static uint16_t
syn_window(const struct tcp_settings *settings)
{
	uint32_t window = settings->receive_buffer;

	return (uint16_t)(window < UINT16_MAX ? window : UINT16_MAX);
}

static void
send_syn_ack(struct tcp *tcp, const struct tcp_half_open *h, uint32_t tsval)
{
	const struct tcp_settings *settings = &h->listener->settings;
	struct tcp_outgoing out = {.tuple = &h->endpoint.tuple,
				   .seq = h->iss,
				   .ack = h->irs + 1,
				   .window = syn_window(settings),
				   .flags = TCP_FLAG_SYN | TCP_FLAG_ACK};

	tcp_put_syn_options(&out, tcp_own_mss(settings, h->endpoint.tuple.af), h->has,
			    tcp_scale_for(settings->receive_buffer), tsval, h->ts_recent);
	tcp_emit(tcp, &out);
}

static void
half_open_send(struct tcp *tcp, struct tcp_half_open *h)
{
	h->sent_us = (uint32_t)tcp->now_us;
	send_syn_ack(tcp, h, tcp->now_ms + h->ts_offset);
}

static void
half_open_arm(struct tcp *tcp, struct tcp_half_open *h)
{
	uint32_t wait_ms = (TCP_RTO_INITIAL_US / 1000) << (h->retries < 6 ? h->retries : 6);

	wait_ms = wait_ms < TCP_RTO_MAX_US / 1000 ? wait_ms : TCP_RTO_MAX_US / 1000;
	timer_wheel_add(&tcp->wheel, &h->timer, tcp->now_ms + wait_ms, on_due);
}

void
tcp_half_open_free(struct tcp *tcp, struct tcp_half_open *h)
{
	struct tcp_listener *l = h->listener;

	timer_wheel_cancel(&tcp->wheel, &h->timer);
	tcp_table_remove(tcp, &h->endpoint);
	tcp->counters.half_open--;
	l->half_open--;
	if (l->half_open <= l->max_half_open / 2)
		l->issuing_cookies = false;
	tcp_endpoint_give(&tcp->free_half_open, &h->endpoint);
}

static bool
is_closed(const struct tcp *tcp, const struct tcp_listener *l, void *user)
{
	return l->closed || (tcp->ops.serves != NULL && !tcp->ops.serves(tcp->arg, user));
}

/*
 * Those that have not answered make room then: repetitions are for quiet times.  A listener that is
 * half full may just have slow clients; the pool is everybody's, and no listener's cookies keep the
 * others from filling it.
 */
static bool
is_storm(const struct tcp *tcp, const struct tcp_listener *l)
{
	return l->issuing_cookies || l->half_open > l->max_half_open - l->max_half_open / 4 ||
	       tcp->counters.half_open > (tcp->config.half_open_max + 1) / 2;
}

static void
on_due(struct timer *timer, void *arg)
{
	struct tcp *tcp = arg;
	struct tcp_half_open *h =
		(void *)((uint8_t *)timer - offsetof(struct tcp_half_open, timer));
	struct tcp_listener *l = h->listener;

	if (h->retries >= l->settings.syn_retries || is_storm(tcp, l) ||
	    is_closed(tcp, l, h->user)) {
		tcp->counters.half_open_expired++;
		tcp_half_open_free(tcp, h);
		return;
	}
	h->retries++;
	tcp->counters.syn_ack_retransmitted++;
	half_open_send(tcp, h);
	half_open_arm(tcp, h);
}

/* What a SYN asks for, of what we do. */
static void
read_syn(struct tcp *tcp, struct tcp_half_open *h, struct tcp_listener *l,
	 const struct tcp_arrival *a, const struct tcp_tuple *tuple, uint32_t hash)
{
	h->endpoint = (struct tcp_endpoint){.tuple = *tuple,
					    .hash = hash,
					    .kind = TCP_KIND_HALF_OPEN,
					    .state = TCP_STATE_SYN_RECEIVED};
	h->listener = l;
	h->user = l->user;
	h->timer = (struct timer){0};
	h->irs = a->seq;
	h->has = a->has;
	h->scale = a->scale;
	h->peer_mss = a->mss;
	h->ts_recent = (a->has & TCP_HAS_TIMESTAMPS) != 0 ? a->tsval : 0;
	h->ts_offset = tcp_timestamp_offset(tcp, tuple);
	h->retries = 0;
}

static bool
wants_cookie(const struct tcp *tcp, struct tcp_listener *l)
{
	bool full = l->half_open >= l->max_half_open;

	if (l->syn_cookies == TCP_SYN_COOKIES_ALWAYS)
		return true;
	if (full && l->syn_cookies == TCP_SYN_COOKIES_AUTO)
		l->issuing_cookies = true;
	return full || l->issuing_cookies || tcp->free_half_open == NULL;
}

/* Without timestamps there is no room for scale and SACK. */
static void
answer_with_cookie(struct tcp *tcp, struct tcp_listener *l, const struct tcp_arrival *a,
		   const struct tcp_tuple *tuple, uint32_t hash)
{
	struct tcp_half_open h;

	read_syn(tcp, &h, l, a, tuple, hash);
	h.iss = tcp_cookie_make(tcp, tuple, a->seq, a->mss);
	if ((h.has & TCP_HAS_TIMESTAMPS) == 0)
		h.has = 0;
	tcp->counters.cookies_sent++;
	l->last_cookie_ms = tcp->now_ms | 1;
	send_syn_ack(tcp, &h, tcp_cookie_timestamp(tcp->now_ms + h.ts_offset, h.has, h.scale));
}

static enum tcp_input_result
take_syn(struct tcp *tcp, struct tcp_listener *l, const struct tcp_arrival *a,
	 const struct tcp_tuple *tuple, uint32_t hash, uint32_t iss_above)
{
	bool closed = is_closed(tcp, l, l->user);
	struct tcp_half_open *h;

	if (closed || tcp->free_connections == NULL) {
		tcp->counters.no_connection += !closed;
		tcp->counters.refused++;
		tcp_refuse(tcp, a);
		return TCP_INPUT_TAKEN;
	}
	if (wants_cookie(tcp, l)) {
		if (l->syn_cookies != TCP_SYN_COOKIES_OFF)
			answer_with_cookie(tcp, l, a, tuple, hash);
		else
			tcp->counters.refused++;
		return TCP_INPUT_TAKEN;
	}
	h = (void *)tcp_endpoint_take(&tcp->free_half_open);
	read_syn(tcp, h, l, a, tuple, hash);
	h->iss = tcp_initial_sequence(tcp, tuple);
	if (iss_above != 0 && seq_lt(h->iss, iss_above))
		h->iss = iss_above;
	tcp_table_add(tcp, &h->endpoint);
	tcp->counters.half_open++;
	l->half_open++;
	half_open_send(tcp, h);
	half_open_arm(tcp, h);
	return TCP_INPUT_TAKEN;
}

/* The handshake is complete. @return  NULL: no connection is free. */
static struct tcp_connection *
promote(struct tcp *tcp, const struct tcp_half_open *h)
{
	struct tcp_listener *l = h->listener;
	struct tcp_connection *c =
		tcp_connection_new(tcp, &h->endpoint.tuple, h->endpoint.hash, &l->settings);

	if (c == NULL)
		return NULL;
	c->user = h->user;
	c->ts_offset = h->ts_offset;
	c->ts_recent = h->ts_recent;
	c->is |= ((h->has & TCP_HAS_SACK_PERMITTED) != 0 ? TCP_IS_SACK : 0u) |
		 ((h->has & TCP_HAS_TIMESTAMPS) != 0 ? TCP_IS_TIMESTAMPS : 0u) |
		 (h->retries > 0 ? TCP_IS_SYN_AGAIN : 0u);
	if ((h->has & TCP_HAS_SCALE) != 0) {
		c->snd_scale = h->scale;
		c->rcv_scale = tcp_scale_for(l->settings.receive_buffer);
	}
	tcp_set_peer_mss(c, h->peer_mss);
	c->rcv_nxt = h->irs + 1;
	c->rcv_acked = c->rcv_nxt;
	c->rcv_edge = c->rcv_nxt + syn_window(&l->settings);
	c->snd_una = h->iss + 1;
	c->snd_nxt = c->snd_una;
	c->snd_wl1 = h->irs;
	if (h->retries > 0)
		c->rto_us = TCP_RTO_AFTER_SYN_US;
	else if (h->sent_us != 0)
		tcp_rtt_sample(tcp, c, (uint32_t)tcp->now_us - h->sent_us);
	tcp_connection_established(tcp, c);
	return c;
}

static void
finish(struct tcp *tcp, const struct tcp_half_open *h, const struct tcp_arrival *a)
{
	struct tcp_connection *c = is_closed(tcp, h->listener, h->user) ? NULL : promote(tcp, h);

	if (c == NULL) {
		tcp->counters.refused++;
		tcp_refuse(tcp, a);
		return;
	}
	tcp_connection_input(tcp, c, a);
}

/* What an ACK of a cookie tells of its SYN. @return  false: it is none of ours. */
static bool
read_cookie(struct tcp *tcp, struct tcp_listener *l, const struct tcp_arrival *a,
	    const struct tcp_tuple *tuple, uint32_t hash, struct tcp_half_open *h)
{
	if (l->last_cookie_ms == 0 ||
	    (int32_t)(tcp->now_ms - l->last_cookie_ms) > (int32_t)COOKIE_LIFE_MS ||
	    is_closed(tcp, l, l->user))
		return false;
	read_syn(tcp, h, l, a, tuple, hash);
	h->irs = a->seq - 1;
	h->iss = a->ack - 1;
	h->sent_us = 0;
	if (!tcp_cookie_check(tcp, tuple, h->irs, h->iss, &h->peer_mss)) {
		tcp->counters.cookies_refused++;
		return false;
	}
	h->has = 0;
	if ((a->has & TCP_HAS_TIMESTAMPS) != 0) {
		h->has = TCP_HAS_TIMESTAMPS;
		tcp_cookie_options(a->tsecr, &h->has, &h->scale);
	}
	tcp->counters.cookies_accepted++;
	return true;
}

/* RFC 9293 section 3.10.7.4, SYN-RECEIVED after a passive open. */
void
tcp_half_open_input(struct tcp *tcp, struct tcp_half_open *h, const struct tcp_arrival *a)
{
	struct tcp_half_open copy;

	if ((a->flags & TCP_FLAG_RST) != 0) {
		if (a->seq == h->irs + 1) {
			tcp->counters.reset_received++;
			tcp_half_open_free(tcp, h);
		}
		return;
	}
	if ((a->flags & TCP_FLAG_SYN) != 0) {
		/* The same SYN, or one whose sender will refuse this answer (RFC 5961). */
		if (tcp_may_challenge(tcp)) {
			half_open_send(tcp, h);
			h->sent_us = 0; /* which of them is answered can't be told (Karn) */
		}
		return;
	}
	if ((a->flags & TCP_FLAG_ACK) == 0)
		return;
	if (a->ack != h->iss + 1) {
		/* An earlier copy of its SYN may have been answered with a cookie. */
		if (!read_cookie(tcp, h->listener, a, &h->endpoint.tuple, h->endpoint.hash,
				 &copy)) {
			tcp_refuse(tcp, a);
			return;
		}
		tcp_half_open_free(tcp, h);
		finish(tcp, &copy, a);
		return;
	}
	if (a->seq - (h->irs + 1) > syn_window(&h->listener->settings) ||
	    ((h->has & TCP_HAS_TIMESTAMPS) != 0 &&
	     ((a->has & TCP_HAS_TIMESTAMPS) == 0 || seq_lt(a->tsval, h->ts_recent)))) {
		tcp->counters.out_of_window++;
		return;
	}
	copy = *h;
	tcp_half_open_free(tcp, h);
	finish(tcp, &copy, a);
}

static bool
take_cookie(struct tcp *tcp, struct tcp_listener *l, const struct tcp_arrival *a,
	    const struct tcp_tuple *tuple, uint32_t hash)
{
	struct tcp_half_open h;

	if (!read_cookie(tcp, l, a, tuple, hash, &h))
		return false;
	finish(tcp, &h, a);
	return true;
}

enum tcp_input_result
tcp_listen_input(struct tcp *tcp, const struct tcp_arrival *a, const struct tcp_tuple *tuple,
		 uint32_t hash, bool only_known, uint32_t iss_above)
{
	uint8_t flags = a->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN);
	struct tcp_listener *l = NULL;

	if ((flags & TCP_FLAG_RST) != 0)
		return TCP_INPUT_UNKNOWN;
	if (flags == TCP_FLAG_SYN || (flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_ACK)
		l = tcp->ops.listen(tcp->arg, a->p);
	if (l != NULL && flags == TCP_FLAG_SYN)
		return take_syn(tcp, l, a, tuple, hash, iss_above);
	if (l != NULL && take_cookie(tcp, l, a, tuple, hash))
		return TCP_INPUT_TAKEN;
	if (only_known)
		return TCP_INPUT_UNKNOWN;
	tcp->counters.refused += flags == TCP_FLAG_SYN;
	tcp_refuse(tcp, a);
	return TCP_INPUT_TAKEN;
}
