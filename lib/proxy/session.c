/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include "check.h"
#include "clock.h"

#define PIPELINED_PER_TURN 16 /* requests of one client, so that others have their turn */

/* The end of a session. */

static void
session_end(struct proxy *p, struct session *s, bool reset)
{
	CHECK(s->exchange == NULL && s->state != SESSION_CLOSED);
	s->state = SESSION_CLOSED;
	p->config.service->closed(p->config.service_arg, &s->info);
	tcp_set_user(s->connection, NULL);
	if (reset)
		tcp_abort(p->config.tcp, s->connection);
	else
		tcp_close(p->config.tcp, s->connection, PROXY_LINGER_MS);
	head_free(&s->head);
	proxy_give_session(p, s);
}

static void
exchange_end(struct proxy *p, struct exchange *x, bool reuse)
{
	struct session *s = x->session;

	if (x->upstream != NULL)
		upstream_release(p, x->upstream, reuse);
	x->x.record.ended_us = p->now_us;
	p->config.service->done(p->config.service_arg, &x->x);
	s->exchange = NULL;
	proxy_give_exchange(p, x);
}

/* Behind an answer of weir's own nothing can fail but what the client still sends. */
static void
note_failure(struct exchange *x, enum proxy_error error)
{
	if (x->own_answer)
		return;
	x->x.record.error = (uint8_t)error;
	x->x.record.cut = x->answer_begun;
}

/* An exchange that can't be brought to its end, and with it the session. */
static void
cut(struct proxy *p, struct session *s, enum proxy_error error)
{
	note_failure(s->exchange, error);
	exchange_end(p, s->exchange, false);
	session_end(p, s, true);
}

/* Between one request and the next. */
static void
next_request(struct proxy *p, struct session *s)
{
	s->state = SESSION_IDLE;
	s->active_ms = p->now_ms;
	s->again = true;
}

/* The exchange has been answered completely and its request has ended, or doesn't matter. */
static void
exchange_complete(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;
	bool close = s->close_after || !x->request.body.ended;

	exchange_end(p, x, x->request.body.ended && x->may_reuse);
	if (close)
		session_end(p, s, false);
	else
		next_request(p, s);
}

/* Answers of weir's own. */

static void
answer(struct proxy *p, struct session *s, const struct proxy_answer *a)
{
	struct exchange *x = s->exchange;
	struct chain bytes = {0};

	if (x->upstream != NULL)
		upstream_release(p, x->upstream, false);
	chain_free(p->config.pool, &x->head);
	/* A body of unknown or great length that nobody wants: the connection ends instead. */
	if (a->close || (!x->request.body.ended && relay_left(&x->request) > PROXY_DISCARD_BYTES))
		s->close_after = true;
	x->x.record.elb_status = a->status;
	x->x.record.answered_us = p->now_us;
	x->answer_begun = true;
	x->response.body.ended = true;
	x->own_answer = true;
	if (!head_write_answer(p, x, a, s->close_after, &bytes)) {
		cut(p, s, PROXY_ERROR_RESOURCES);
		return;
	}
	x->x.record.sent_bytes += bytes.len;
	if (!chain_is_empty(&bytes))
		tcp_send(p->config.tcp, s->connection, &bytes);
	if (x->request.body.ended || s->close_after)
		exchange_complete(p, s);
}

void
session_fail(struct proxy *p, struct session *s, enum proxy_error error)
{
	if (s->exchange->answer_begun) {
		cut(p, s, error);
		return;
	}
	note_failure(s->exchange, error);
	answer(p, s, &(struct proxy_answer){.status = proxy_error_status((uint8_t)error)});
}

static struct exchange *
begin_exchange(struct proxy *p, struct session *s)
{
	struct exchange *x = proxy_take_exchange(p);

	if (x == NULL) {
		session_end(p, s, true);
		return NULL;
	}
	x->session = s;
	x->x.session = &s->info;
	x->x.record.frontend = s->info.frontend;
	x->x.record.created_us = s->created_us;
	x->x.record.received_us = p->now_us;
	x->x.record.rule_priority = -1;
	s->exchange = x;
	s->state = SESSION_EXCHANGE;
	return x;
}

/* What came is no request, or not all of one: nobody knows where the next one would begin. */
static void
refuse(struct proxy *p, struct session *s, uint8_t error)
{
	struct exchange *x = begin_exchange(p, s);

	if (x == NULL)
		return;
	x->x.record.received_bytes = tcp_received(s->connection)->len;
	x->request.body.ended = true;
	x->x.record.error = error;
	if (error < HTTP_FAULTS)
		head_classify_refused(p, x);
	answer(p, s, &(struct proxy_answer){.status = proxy_error_status(error), .close = true});
}

/* Requests. */

static void
decide(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;
	struct proxy_decision decision = {0};

	p->config.service->decide(p->config.service_arg, &x->x, head_request(p), &decision);
	if (decision.close)
		s->close_after = true;
	if (decision.verdict == PROXY_ANSWER)
		answer(p, s, &decision.answer);
	else if (!head_write_request(p, x, &decision, &x->head))
		session_fail(p, s, PROXY_ERROR_RESOURCES);
	else
		upstream_begin(p, x, decision.target);
}

static void
continue_request(struct proxy *p, struct session *s)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct chain bytes = {0};

	if (chain_append(p->config.pool, &bytes, NULL, (const uint8_t *)text, sizeof(text) - 1, 0))
		tcp_send(p->config.tcp, s->connection, &bytes);
}

static void
begin_request(struct proxy *p, struct session *s)
{
	struct exchange *x = begin_exchange(p, s);
	struct chain head = {0}; /* the request's strings lie in it, or in a head buffer */
	struct head_verdict verdict;

	if (x == NULL)
		return;
	if (!tcp_take(p->config.tcp, s->connection, &head, head_request_len(p))) {
		cut(p, s, PROXY_ERROR_RESOURCES);
		return;
	}
	x->x.record.received_bytes = head.len;
	verdict = head_classify_request(p, x);
	if (verdict.close ||
	    p->now_us - s->info.begun_us >= s->settings.client_keep_alive_s * UINT64_C(1000000))
		s->close_after = true;
	if (verdict.status != 0) {
		x->request.body.ended = true;
		answer(p, s, &(struct proxy_answer){.status = verdict.status, .close = true});
	} else {
		if (verdict.expects_continue && !x->request.body.ended)
			continue_request(p, s);
		decide(p, s);
	}
	chain_free(p->config.pool, &head);
	if (s->state != SESSION_CLOSED)
		head_free(&s->head);
}

static void
read_head(struct proxy *p, struct session *s)
{
	const struct chain *in = tcp_received(s->connection);
	uint8_t error;

	if (in->len == 0) {
		if (s->client_ended)
			session_end(p, s, false);
		return;
	}
	if (s->state == SESSION_IDLE) {
		s->state = SESSION_HEAD;
		s->head_ms = p->now_ms;
		s->created_us = p->now_us;
	}
	switch (head_read_request(p, &s->head, in, &error)) {
	case HEAD_DONE:
		begin_request(p, s);
		break;
	case HEAD_BAD:
		refuse(p, s, error);
		break;
	case HEAD_MORE:
		if (s->client_ended)
			refuse(p, s, PROXY_ERROR_REQUEST_INCOMPLETE);
		break;
	}
}

/* Time. */

static uint32_t
deadline_of(const struct session *s)
{
	uint32_t idle = s->active_ms + s->settings.idle_timeout_ms;
	uint32_t head = s->head_ms + s->settings.header_timeout_ms;

	return s->state == SESSION_HEAD && (int32_t)(head - idle) < 0 ? head : idle;
}

static void
session_timeout(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;
	enum proxy_error error;

	switch ((enum session_state)s->state) {
	case SESSION_IDLE:
		session_end(p, s, false);
		break;
	case SESSION_HEAD:
		refuse(p, s, PROXY_ERROR_REQUEST_TIMEOUT);
		break;
	case SESSION_EXCHANGE:
		error = x->request.body.ended ? PROXY_ERROR_TARGET_TIMEOUT
					      : PROXY_ERROR_REQUEST_TIMEOUT;
		if (x->answer_begun && tcp_queued(s->connection) > 0)
			error = PROXY_ERROR_CLIENT_TIMEOUT;
		s->close_after = true;
		session_fail(p, s, error);
		break;
	case SESSION_TUNNEL:
		exchange_end(p, x, false);
		session_end(p, s, true);
		break;
	case SESSION_CLOSED:
		break;
	}
}

/* The timer is not moved while bytes flow: when it comes due it looks how long they have not. */
static void
on_timer(struct timer *timer, void *arg)
{
	struct session *s = (struct session *)((uint8_t *)timer - offsetof(struct session, timer));
	struct proxy *p = arg;

	if (clock_ms_reached(p->now_ms, deadline_of(s)))
		session_timeout(p, s);
	if (s->state != SESSION_CLOSED)
		timer_wheel_add(&p->wheel, &s->timer, deadline_of(s), on_timer);
}

/* Between requests of a listener that is to be left: nobody waits for anything. */
void
session_sweep(struct proxy *p, struct session *s)
{
	bool draining = false;

	if (s->state != SESSION_IDLE)
		return;
	p->config.service->policy(p->config.service_arg, s->info.frontend, &draining);
	if (draining)
		session_end(p, s, false);
}

/* Events. */

void
session_run(struct proxy *p, struct session *s)
{
	uint32_t requests = 0;

	do {
		s->again = false;
		switch ((enum session_state)s->state) {
		case SESSION_IDLE:
		case SESSION_HEAD:
			if (requests++ == PIPELINED_PER_TURN) {
				proxy_postpone(p, s);
				return;
			}
			read_head(p, s);
			break;
		case SESSION_EXCHANGE:
		case SESSION_TUNNEL:
			relay(p, s->exchange);
			break;
		case SESSION_CLOSED:
			break;
		}
	} while (s->again && s->state != SESSION_CLOSED);
}

/* Both directions have moved what they could: see whether one is done. */
void
session_progress(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;

	s->active_ms = p->now_ms;
	if (x->response.body.ended)
		exchange_complete(p, s);
}

static void
client_gone(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;

	if (x != NULL) {
		if (x->x.record.elb_status == 0)
			x->x.record.elb_status = 460;
		note_failure(x, PROXY_ERROR_CLIENT_CLOSED);
		exchange_end(p, x, false);
	}
	session_end(p, s, true);
}

static void
session_event(struct proxy_side *side, struct tcp_connection *connection, uint32_t events)
{
	struct session *s = (struct session *)side;
	struct proxy *p = s->proxy;

	(void)connection;
	if ((events & TCP_EVENT_CLOSED) != 0) {
		client_gone(p, s);
		return;
	}
	s->active_ms = p->now_ms;
	if ((events & TCP_EVENT_END) != 0)
		s->client_ended = true;
	session_run(p, s);
}

bool
session_accepted(struct proxy *p, struct tcp_connection *connection)
{
	const struct tcp_listener *listener = tcp_listener_of(connection);
	struct proxy_session_info info = {.tuple = tcp_tuple_of(connection),
					  .frontend = (uint32_t)(uintptr_t)listener->user,
					  .number = p->sessions_begun++,
					  .begun_us = p->now_us};
	struct session *s = NULL;

	if (p->sessions_n < p->config.connections_max - p->config.connections_max / 4)
		s = proxy_take_session(p);
	if (s == NULL) {
		p->config.service->rejected(p->config.service_arg, &info);
		return false;
	}
	s->side.on_event = session_event;
	s->connection = connection;
	s->info = info;
	if (!p->config.service->accepted(p->config.service_arg, &s->info, &s->settings)) {
		proxy_give_session(p, s);
		return false;
	}
	s->active_ms = p->now_ms;
	tcp_set_user(connection, s);
	timer_wheel_add(&p->wheel, &s->timer, deadline_of(s), on_timer);
	return true;
}
