/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections from beginning to end, and what their caller asks of them. */
#include "tcp_connection.h"

#include <string.h>

#include "tcp_engine.h"
#include "tcp_output.h"

_Static_assert(sizeof(struct tcp_connection) <= 480, "512 bytes with 32 of the table");

uint16_t
tcp_own_mss(const struct tcp_settings *settings, uint8_t af)
{
	uint32_t headers = (af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN) + TCP_MIN_LEN;
	uint32_t mss = settings->mtu > headers ? settings->mtu - headers : 0;

	return (uint16_t)(mss < TCP_MSS_MIN ? TCP_MSS_MIN : mss);
}

/* RFC 9293 section 3.7.1; the floor keeps a peer from having us send crumbs (CVE-2019-11479). */
void
tcp_set_peer_mss(struct tcp_connection *c, uint16_t peer_mss)
{
	uint8_t af = c->endpoint.tuple.af;
	uint32_t own = tcp_own_mss(&c->settings, af), mss = peer_mss;

	if (peer_mss == 0)
		mss = af == 4 ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
	mss = mss < TCP_MSS_MIN ? TCP_MSS_MIN : mss;
	mss = mss < own ? mss : own;
	if ((c->is & TCP_IS_TIMESTAMPS) != 0)
		mss -= TCP_TIMESTAMPS_LEN;
	c->endpoint.mss = (uint16_t)mss;
}

uint8_t
tcp_scale_for(uint32_t receive_buffer)
{
	uint8_t scale = 0;

	while (scale < TCP_SCALE_MAX && receive_buffer >> scale > UINT16_MAX)
		scale++;
	return scale;
}

struct tcp_connection *
tcp_connection_new(struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t hash,
		   const struct tcp_settings *settings)
{
	struct tcp_connection *c = (void *)tcp_endpoint_take(&tcp->free_connections);

	if (c == NULL) {
		tcp->counters.no_connection++;
		return NULL;
	}
	if (c >= &tcp->connections[tcp->connections_used])
		tcp->connections_used = (uint32_t)(c - tcp->connections) + 1;
	memset(c, 0, sizeof(*c));
	c->endpoint.tuple = *tuple;
	c->endpoint.hash = hash;
	c->endpoint.kind = TCP_KIND_CONNECTION;
	c->settings = *settings;
	c->rto_us = TCP_RTO_INITIAL_US;
	c->ssthresh = INT32_MAX;
	c->rcv_mss = tcp_own_mss(settings, tuple->af);
	c->rcv_mss = c->rcv_mss < TCP_MSS_DEFAULT_V4 ? c->rcv_mss : TCP_MSS_DEFAULT_V4;
	c->last_heard_ms = tcp->now_ms;
	c->last_sent_ms = tcp->now_ms;
	c->progress_ms = tcp->now_ms;
	c->taken_ms = tcp->now_ms;
	c->last_challenge_ms = tcp->now_ms - 60000;
	tcp_table_add(tcp, &c->endpoint);
	tcp->connections_in_use++;
	tcp->counters.connections++;
	return c;
}

void
tcp_connection_established(struct tcp *tcp, struct tcp_connection *c)
{
	c->cwnd = tcp_initial_window(c);
	c->probes = 0;
	c->backoff = 0;
	c->wait = TCP_WAIT_NONE;
	tcp_timer_clear(c, TCP_DUE_RETRANSMIT);
	c->progress_ms = tcp->now_ms;
	c->rack_end = c->snd_una;
	c->rack_fack = c->snd_una;
	c->dsack_round = c->snd_una;
	c->endpoint.state = TCP_STATE_ESTABLISHED;
	if ((c->is & TCP_IS_FIN_QUEUED) != 0)
		c->endpoint.state = TCP_STATE_FIN_WAIT_1;
	if ((c->is & TCP_IS_ACTIVE) != 0) {
		tcp->counters.connected++;
		tcp_notify(tcp, c, TCP_EVENT_CONNECTED);
	} else {
		tcp->counters.accepted++;
		tcp_notify(tcp, c, TCP_EVENT_ACCEPTED);
	}
	tcp_timer_keepalive(tcp, c);
	tcp_touch(tcp, c);
}

/* The memory goes back when no list leads to it any more. */
static void
connection_free(struct tcp *tcp, struct tcp_connection *c)
{
	c->is |= TCP_IS_FREED;
	if ((c->is & (TCP_IS_EVENT_QUEUED | TCP_IS_FLUSH_QUEUED)) != 0)
		return;
	tcp_endpoint_give(&tcp->free_connections, &c->endpoint);
	tcp->connections_in_use--;
}

void
tcp_connection_over(struct tcp *tcp, struct tcp_connection *c, enum tcp_close_reason reason)
{
	bool waits = c->endpoint.state == TCP_STATE_TIME_WAIT;

	timer_wheel_cancel(&tcp->wheel, &c->timer);
	c->due = 0;
	c->wait = TCP_WAIT_NONE;
	if (!waits)
		tcp_table_remove(tcp, &c->endpoint);
	c->endpoint.state = TCP_STATE_CLOSED;
	c->close_reason = (uint8_t)reason;
	c->is &= ~(uint32_t)TCP_IS_ACK_NOW;
	tcp_sent_free_all(tcp, c);
	tcp_ranges_free(tcp, c);
	chain_free(tcp->pool, &c->send);
	c->unsent = NULL;
	tcp->counters.connections--;
	if (!waits && (c->is & TCP_IS_ACTIVE) != 0)
		tcp->ops.released(tcp->arg, &c->endpoint.tuple);
	if ((c->is & TCP_IS_APP_CLOSED) != 0) {
		chain_free(tcp->pool, &c->received);
		connection_free(tcp, c);
	} else {
		tcp_notify(tcp, c, TCP_EVENT_CLOSED);
	}
}

void
tcp_connection_reset(struct tcp *tcp, struct tcp_connection *c, enum tcp_close_reason reason)
{
	if (c->endpoint.state > TCP_STATE_SYN_SENT)
		tcp_send_reset(tcp, c);
	tcp_connection_over(tcp, c, reason);
}

void
tcp_notify(struct tcp *tcp, struct tcp_connection *c, uint32_t events)
{
	if ((c->is & TCP_IS_APP_CLOSED) != 0)
		return;
	c->events |= (uint8_t)events;
	if ((c->is & TCP_IS_EVENT_QUEUED) != 0)
		return;
	c->is |= TCP_IS_EVENT_QUEUED;
	c->next_event = NULL;
	if (tcp->event_last == NULL)
		tcp->event_first = c;
	else
		tcp->event_last->next_event = c;
	tcp->event_last = c;
}

void
tcp_touch(struct tcp *tcp, struct tcp_connection *c)
{
	if ((c->is & TCP_IS_FLUSH_QUEUED) != 0)
		return;
	c->is |= TCP_IS_FLUSH_QUEUED;
	c->next_flush = NULL;
	if (tcp->flush_last == NULL)
		tcp->flush_first = c;
	else
		tcp->flush_last->next_flush = c;
	tcp->flush_last = c;
}

bool
tcp_next_event(struct tcp *tcp, struct tcp_connection **connection, uint32_t *events)
{
	struct tcp_connection *c;

	while ((c = tcp->event_first) != NULL) {
		tcp->event_first = c->next_event;
		if (tcp->event_first == NULL)
			tcp->event_last = NULL;
		c->is &= ~(uint32_t)TCP_IS_EVENT_QUEUED;
		if ((c->is & TCP_IS_FREED) != 0) {
			connection_free(tcp, c);
			continue;
		}
		if (c->events == 0)
			continue;
		*connection = c;
		*events = c->events;
		c->events = 0;
		return true;
	}
	return false;
}

void
tcp_flush(struct tcp *tcp)
{
	struct tcp_connection *c;

	while ((c = tcp->flush_first) != NULL) {
		tcp->flush_first = c->next_flush;
		if (tcp->flush_first == NULL)
			tcp->flush_last = NULL;
		c->is &= ~(uint32_t)TCP_IS_FLUSH_QUEUED;
		if ((c->is & TCP_IS_FREED) != 0)
			connection_free(tcp, c);
		else
			tcp_output(tcp, c);
	}
}

struct tcp_connection *
tcp_connect(struct tcp *tcp, const struct tcp_tuple *tuple, const struct tcp_settings *settings,
	    void *user)
{
	uint32_t hash = tcp_tuple_hash(tcp, tuple);
	struct tcp_connection *c;

	if (tcp_table_find(tcp, tuple, hash) != NULL)
		return NULL;
	c = tcp_connection_new(tcp, tuple, hash, settings);
	if (c == NULL)
		return NULL;
	c->user = user;
	c->is |= TCP_IS_ACTIVE;
	c->endpoint.state = TCP_STATE_SYN_SENT;
	c->endpoint.mss = tcp_own_mss(settings, tuple->af);
	c->ts_offset = tcp_timestamp_offset(tcp, tuple);
	c->snd_una = tcp_initial_sequence(tcp, tuple);
	c->snd_nxt = c->snd_una + 1;
	tcp_send_syn(tcp, c);
	tcp_timer_set_wait(tcp, c, TCP_WAIT_RTO, c->rto_us);
	return c;
}

bool
tcp_take(struct tcp *tcp, struct tcp_connection *c, struct chain *to, uint32_t len)
{
	if (to == NULL)
		chain_consume(tcp->pool, &c->received, len);
	else if (len == c->received.len)
		chain_move_all(to, &c->received);
	else if (!chain_move(tcp->pool, to, &c->received, len))
		return false;
	if (chain_is_empty(&c->received))
		c->tail_room = 0;
	c->taken_ms = tcp->now_ms;
	if (c->endpoint.state != TCP_STATE_CLOSED && tcp_window_update_due(tcp, c))
		tcp_touch(tcp, c);
	return true;
}

void
tcp_hold(struct tcp *tcp, struct tcp_connection *c, uint32_t bytes)
{
	bool less = bytes < c->held;

	c->held = bytes;
	if (less && c->endpoint.state != TCP_STATE_CLOSED && tcp_window_update_due(tcp, c))
		tcp_touch(tcp, c);
}

/*
 * What is short and would wait behind something is copied, so that a queue of crumbs pins no buffer
 * for each.  Without a buffer for the copies the rest stays in `bytes`.
 */
static void
copy_crumbs(struct tcp *tcp, struct tcp_connection *c, struct chain *bytes)
{
	if (chain_is_empty(&c->send) || bytes->len >= tcp->pool->buffer_charge / 4)
		return;
	while (!chain_is_empty(bytes)) {
		const struct span *s = bytes->first;

		if (!chain_append_tail(tcp->pool, &c->send, &c->send_room, s->data, s->len))
			return;
		chain_consume(tcp->pool, bytes, s->len);
	}
}

void
tcp_send(struct tcp *tcp, struct tcp_connection *c, struct chain *bytes)
{
	struct span *last = c->send.last;
	uint32_t last_len = last == NULL ? 0 : last->len;

	if (c->endpoint.state == TCP_STATE_CLOSED || (c->is & TCP_IS_FIN_QUEUED) != 0) {
		chain_free(tcp->pool, bytes);
		return;
	}
	if (chain_is_empty(bytes))
		return;
	copy_crumbs(tcp, c, bytes);
	if (!chain_is_empty(bytes)) {
		chain_move_all(&c->send, bytes);
		c->send_room = 0;
	}
	if (c->unsent == NULL) {
		c->unsent = last == NULL ? c->send.first : last->len > last_len ? last : last->next;
		c->unsent_data = c->unsent->data + (c->unsent == last ? last_len : 0);
	}
	if (c->send.len >= c->settings.send_buffer / 2)
		c->is |= TCP_IS_WAS_FULL;
	tcp_touch(tcp, c);
}

void
tcp_shutdown(struct tcp *tcp, struct tcp_connection *c)
{
	if ((c->is & TCP_IS_FIN_QUEUED) != 0)
		return;
	c->is |= TCP_IS_FIN_QUEUED;
	if (c->endpoint.state == TCP_STATE_ESTABLISHED)
		c->endpoint.state = TCP_STATE_FIN_WAIT_1;
	else if (c->endpoint.state == TCP_STATE_CLOSE_WAIT)
		c->endpoint.state = TCP_STATE_LAST_ACK;
	tcp_touch(tcp, c);
}

void
tcp_close(struct tcp *tcp, struct tcp_connection *c, uint32_t linger_ms)
{
	bool unread = !chain_is_empty(&c->received);

	if (c->endpoint.state == TCP_STATE_CLOSED || c->endpoint.state == TCP_STATE_SYN_SENT ||
	    (unread && linger_ms == 0)) {
		tcp_abort(tcp, c);
		return;
	}
	c->is |= TCP_IS_APP_CLOSED;
	c->events = 0;
	if (unread)
		c->is |= TCP_IS_DISCARDED;
	chain_free(tcp->pool, &c->received);
	tcp_ranges_free(tcp, c);
	c->held = 0;
	if (linger_ms == 0)
		c->is |= TCP_IS_LINGERED;
	tcp_timer_clear(c, TCP_DUE_IDLE);
	if (linger_ms != 0 && (c->is & TCP_IS_FIN_RECEIVED) == 0)
		tcp_timer_set(tcp, c, TCP_DUE_IDLE, tcp->now_ms + linger_ms);
	else if (c->endpoint.state == TCP_STATE_FIN_WAIT_2)
		tcp_timer_set(tcp, c, TCP_DUE_IDLE, tcp->now_ms + TCP_FIN_WAIT_2_MS);
	tcp_shutdown(tcp, c);
	tcp_touch(tcp, c);
}

void
tcp_abort(struct tcp *tcp, struct tcp_connection *c)
{
	c->is |= TCP_IS_APP_CLOSED;
	c->events = 0;
	if (c->endpoint.state != TCP_STATE_CLOSED) {
		tcp_connection_reset(tcp, c, TCP_CLOSE_RESET);
		return;
	}
	chain_free(tcp->pool, &c->received);
	connection_free(tcp, c);
}
