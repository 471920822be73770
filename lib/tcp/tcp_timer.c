/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One timer a connection, three deadlines: what the sender waits for, the delayed ACK, silence.
 *
 * The wheel is touched when a deadline comes nearer than the armed one; a deadline that moves away
 * is found out when the timer fires.  A busy connection so costs no wheel operation per segment.
 */
#include "clock.h"
#include "tcp_engine.h"
#include "tcp_output.h"

#define LINGER_STEP_MS     2000u
#define TAIL_PROBE_MIN_US  1000u
#define TAIL_PROBE_LONE_US 100000u /* a lone segment's ACK may be delayed: what peers do */

static void on_due(struct timer *timer, void *arg);

void
tcp_timer_set(struct tcp *tcp, struct tcp_connection *c, uint8_t due, uint32_t deadline_ms)
{
	c->due |= due;
	if (due == TCP_DUE_RETRANSMIT)
		c->retransmit_ms = deadline_ms;
	else if (due == TCP_DUE_ACK)
		c->ack_ms = deadline_ms;
	else
		c->idle_ms = deadline_ms;
	if (!timer_is_armed(&c->timer) || (int32_t)(deadline_ms - c->timer.due_ms) < 0)
		timer_wheel_add(&tcp->wheel, &c->timer, deadline_ms, on_due);
}

void
tcp_timer_set_wait(struct tcp *tcp, struct tcp_connection *c, enum tcp_wait wait, uint32_t delay_us)
{
	uint32_t deadline_ms = (uint32_t)((tcp->now_us + delay_us) / 1000) + 1;
	uint32_t limit_ms = c->progress_ms + c->settings.user_timeout_ms;

	if (c->settings.user_timeout_ms != 0 && (int32_t)(limit_ms - deadline_ms) < 0)
		deadline_ms = (int32_t)(limit_ms - tcp->now_ms) > 0 ? limit_ms : tcp->now_ms + 1;
	c->wait = (uint8_t)wait;
	tcp_timer_set(tcp, c, TCP_DUE_RETRANSMIT, deadline_ms);
}

static uint32_t
backed_off(const struct tcp_connection *c)
{
	uint64_t us = (uint64_t)c->rto_us << (c->backoff < 16 ? c->backoff : 16);

	return us > TCP_RTO_MAX_US ? TCP_RTO_MAX_US : (uint32_t)us;
}

/* RFC 8985 section 7.2. */
static bool
may_probe_tail(const struct tcp_connection *c)
{
	return (c->is & (TCP_IS_SACK | TCP_IS_TLP)) == TCP_IS_SACK && c->recovery == TCP_OPEN &&
	       c->sacked == 0 && c->srtt_us != 0 && c->backoff == 0;
}

void
tcp_timer_rearm(struct tcp *tcp, struct tcp_connection *c, bool progress)
{
	if (c->sent_first == NULL) {
		bool more = c->unsent != NULL ||
			    (c->is & (TCP_IS_FIN_QUEUED | TCP_IS_FIN_SENT)) == TCP_IS_FIN_QUEUED;

		if (!more || c->endpoint.state < TCP_STATE_ESTABLISHED) {
			c->wait = TCP_WAIT_NONE;
			tcp_timer_clear(c, TCP_DUE_RETRANSMIT);
		} else if (c->wait != TCP_WAIT_PERSIST) {
			c->progress_ms = tcp->now_ms;
			tcp_timer_set_wait(tcp, c, TCP_WAIT_PERSIST, backed_off(c));
		}
		return;
	}
	if (may_probe_tail(c)) {
		uint32_t probe_us = 2 * c->srtt_us + TAIL_PROBE_MIN_US;

		if (c->sent_first == c->sent_last)
			probe_us += TAIL_PROBE_LONE_US;
		if (progress || c->wait != TCP_WAIT_RTO) {
			bool probe = probe_us < c->rto_us;

			tcp_timer_set_wait(tcp, c, probe ? TCP_WAIT_PROBE : TCP_WAIT_RTO,
					   probe ? probe_us : c->rto_us);
		}
		return;
	}
	if (progress || c->wait != TCP_WAIT_RTO)
		tcp_timer_set_wait(tcp, c, TCP_WAIT_RTO, backed_off(c));
}

static bool
gave_up(const struct tcp *tcp, const struct tcp_connection *c)
{
	uint32_t quiet_ms = tcp->now_ms - c->progress_ms;

	if (c->settings.user_timeout_ms != 0 && quiet_ms >= c->settings.user_timeout_ms)
		return true;
	return c->probes > TCP_RETRANSMIT_MAX;
}

/* A peer that never opens its window can't hold what nobody waits for. */
static bool
is_abandoned(const struct tcp *tcp, const struct tcp_connection *c)
{
	return (c->is & TCP_IS_APP_CLOSED) != 0 && tcp->now_ms - c->progress_ms > TCP_FIN_WAIT_2_MS;
}

static void
syn_timeout(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t quiet_ms = tcp->now_ms - c->progress_ms;

	if (c->probes >= c->settings.syn_retries ||
	    (c->settings.user_timeout_ms != 0 && quiet_ms >= c->settings.user_timeout_ms)) {
		tcp_connection_over(tcp, c, TCP_CLOSE_TIMEOUT);
		return;
	}
	c->probes++;
	c->backoff++;
	c->is |= TCP_IS_SYN_AGAIN;
	c->retransmitted_n++;
	tcp->counters.retransmitted++;
	tcp_send_syn(tcp, c);
	tcp_timer_set_wait(tcp, c, TCP_WAIT_RTO, backed_off(c));
}

static void
retransmission_timeout(struct tcp *tcp, struct tcp_connection *c)
{
	if (gave_up(tcp, c)) {
		tcp_connection_over(tcp, c, TCP_CLOSE_TIMEOUT);
		return;
	}
	c->probes++;
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	if (c->backoff == 3)
		tcp_pmtu_suspect(c);
	tcp_retransmission_timeout(tcp, c);
	tcp_timer_set_wait(tcp, c, TCP_WAIT_RTO, backed_off(c));
}

/* RFC 9293 section 3.8.6.1: for ever, as long as probes are answered. */
static void
persist_timeout(struct tcp *tcp, struct tcp_connection *c)
{
	if (gave_up(tcp, c) || is_abandoned(tcp, c)) {
		tcp_connection_reset(tcp, c, TCP_CLOSE_TIMEOUT);
		return;
	}
	c->probes++;
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	c->wait = TCP_WAIT_NONE;
	tcp_send_forced(tcp, c);
	if (c->sent_first == NULL)
		tcp_timer_set_wait(tcp, c, TCP_WAIT_PERSIST, backed_off(c));
	else
		tcp_timer_rearm(tcp, c, true);
}

static void
wait_is_over(struct tcp *tcp, struct tcp_connection *c)
{
	enum tcp_wait wait = c->wait;

	if (c->endpoint.state < TCP_STATE_ESTABLISHED)
		syn_timeout(tcp, c);
	else if (wait == TCP_WAIT_PERSIST)
		persist_timeout(tcp, c);
	else if (wait == TCP_WAIT_REORDER)
		tcp_reorder_timeout(tcp, c);
	else if (wait == TCP_WAIT_PROBE && c->sent_first != NULL)
		tcp_send_tail_probe(tcp, c);
	else if (c->sent_first != NULL)
		retransmission_timeout(tcp, c);
}

void
tcp_timer_keepalive(struct tcp *tcp, struct tcp_connection *c)
{
	if (c->settings.keepalive_idle_ms != 0 && (c->is & TCP_IS_APP_CLOSED) == 0)
		tcp_timer_set(tcp, c, TCP_DUE_IDLE, tcp->now_ms + c->settings.keepalive_idle_ms);
}

void
tcp_keep_alive(struct tcp *tcp, struct tcp_connection *c, uint32_t idle_ms, uint8_t count)
{
	if (c->endpoint.state == TCP_STATE_CLOSED)
		return;
	c->settings.keepalive_idle_ms = idle_ms;
	c->settings.keepalive_interval_ms = idle_ms;
	c->settings.keepalive_count = count;
	tcp_timer_keepalive(tcp, c);
}

/* RFC 1122 section 4.2.3.6. */
static void
keepalive(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t quiet_ms = tcp->now_ms - c->last_heard_ms;
	uint32_t idle_ms = c->settings.keepalive_idle_ms;

	if (quiet_ms < idle_ms)
		c->probes = 0;
	if (c->sent_first != NULL || c->wait == TCP_WAIT_PERSIST || quiet_ms < idle_ms) {
		/* What is in flight asks already. */
		tcp_timer_set(tcp, c, TCP_DUE_IDLE,
			      tcp->now_ms + (quiet_ms < idle_ms ? idle_ms - quiet_ms : idle_ms));
		return;
	}
	if (c->probes >= c->settings.keepalive_count) {
		tcp_connection_reset(tcp, c, TCP_CLOSE_TIMEOUT);
		return;
	}
	c->probes++;
	tcp_send_probe(tcp, c);
	tcp_timer_set(tcp, c, TCP_DUE_IDLE, tcp->now_ms + c->settings.keepalive_interval_ms);
}

/* Of a connection the caller has closed: it lingered, or waited for the peer's FIN. */
static void
closed_too_long(struct tcp *tcp, struct tcp_connection *c)
{
	/* RST would overtake what the peer has not acknowledged. */
	if (c->endpoint.state == TCP_STATE_FIN_WAIT_1 &&
	    tcp->now_ms - c->progress_ms < TCP_FIN_WAIT_2_MS)
		tcp_timer_set(tcp, c, TCP_DUE_IDLE, tcp->now_ms + LINGER_STEP_MS);
	else if ((c->is & TCP_IS_DISCARDED) != 0)
		tcp_connection_reset(tcp, c, TCP_CLOSE_RESET);
	else if (c->endpoint.state == TCP_STATE_FIN_WAIT_2)
		tcp_connection_over(tcp, c, TCP_CLOSE_TIMEOUT);
	else
		c->is |= TCP_IS_LINGERED;
}

static void
arm_earliest(struct tcp *tcp, struct tcp_connection *c)
{
	uint32_t due_ms = 0;
	uint8_t due = 0;

	if ((c->due & TCP_DUE_RETRANSMIT) != 0) {
		due_ms = c->retransmit_ms;
		due = 1;
	}
	if ((c->due & TCP_DUE_ACK) != 0 && (due == 0 || (int32_t)(c->ack_ms - due_ms) < 0)) {
		due_ms = c->ack_ms;
		due = 1;
	}
	if ((c->due & TCP_DUE_IDLE) != 0 && (due == 0 || (int32_t)(c->idle_ms - due_ms) < 0)) {
		due_ms = c->idle_ms;
		due = 1;
	}
	if (due != 0)
		timer_wheel_add(&tcp->wheel, &c->timer, due_ms, on_due);
}

static bool
take_due(struct tcp_connection *c, uint8_t due, uint32_t now_ms, uint32_t deadline_ms)
{
	if ((c->due & due) == 0 || !clock_ms_reached(now_ms, deadline_ms))
		return false;
	c->due &= (uint8_t)~due;
	return true;
}

/* A handler may end the connection, which clears `due`; its memory stays until a later call. */
static void
on_due(struct timer *timer, void *arg)
{
	struct tcp *tcp = arg;
	struct tcp_connection *c =
		(void *)((uint8_t *)timer - offsetof(struct tcp_connection, timer));
	uint32_t now_ms = tcp->wheel.now_ms;

	if (take_due(c, TCP_DUE_ACK, now_ms, c->ack_ms)) {
		c->is |= TCP_IS_ACK_NOW;
		tcp_touch(tcp, c);
	}
	if (take_due(c, TCP_DUE_RETRANSMIT, now_ms, c->retransmit_ms))
		wait_is_over(tcp, c);
	if (take_due(c, TCP_DUE_IDLE, now_ms, c->idle_ms)) {
		if ((c->is & TCP_IS_APP_CLOSED) != 0)
			closed_too_long(tcp, c);
		else
			keepalive(tcp, c);
	}
	arm_earliest(tcp, c);
}
