/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include "check.h"
#include "clock.h"

#define PIPELINED_PER_TURN 16 /* requests of one client, so that others have their turn */

static void session_bytes(struct proxy *p, struct session *s, uint32_t events);

/* The end of a session. */

void
session_end(struct proxy *p, struct session *s, bool reset)
{
	CHECK(s->exchange == NULL && s->state != SESSION_CLOSED);
	if (s->carrier != NULL)
		carrier_end(p, s->carrier);
	s->carrier = NULL;
	s->state = SESSION_CLOSED;
	if (s->stream.http2 == NULL) {
		p->config.service->closed(p->config.service_arg, &s->info);
		tcp_set_user(s->stream.tcp, NULL);
	}
	if (reset)
		stream_abort(p, &s->stream);
	else
		stream_close(p, &s->stream, PROXY_LINGER_MS);
	head_free(&s->head);
	proxy_give_session(p, s);
}

static uint32_t
earlier(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0 ? a : b;
}

/* Whether the pace of a request's body is measured. */
static bool
is_paced(const struct session *s)
{
	return s->state == SESSION_EXCHANGE && s->settings.body_min_bytes_per_s > 0 &&
	       !s->exchange->request.body.ended;
}

/* Bytes that come meanwhile don't make the time longer that a request waits for its target. */
static bool
waits_for_connection(const struct session *s)
{
	return s->state == SESSION_EXCHANGE &&
	       (s->exchange->upstream == NULL || s->exchange->upstream->state != UPSTREAM_BUSY);
}

static uint32_t
deadline_of(const struct session *s)
{
	uint32_t idle = s->active_ms + s->settings.idle_timeout_ms;

	if (waits_for_connection(s))
		idle = earlier(idle, s->exchange->wait_ms + s->settings.idle_timeout_ms);
	if (s->state == SESSION_HANDSHAKE)
		return s->head_ms + PROXY_HANDSHAKE_MS;
	if (s->state == SESSION_HEAD)
		return earlier(idle, s->head_ms + s->settings.header_timeout_ms);
	if (s->state == SESSION_DISCARD && s->rest == PROXY_REST_ALL)
		idle = s->active_ms + PROXY_DISCARD_IDLE_MS;
	if (s->state == SESSION_DISCARD)
		return earlier(idle, s->head_ms + PROXY_DISCARD_MS);
	return is_paced(s) ? earlier(idle, s->exchange->pace_ms + PROXY_PACE_MS) : idle;
}

static void on_timer(struct timer *timer, void *arg);

/*
 * The timer is not moved while bytes flow: when it comes due it looks how long they have not.  Only
 * a state whose deadline may be nearer calls this.
 */
static void
arm(struct proxy *p, struct session *s)
{
	uint32_t deadline = deadline_of(s);

	if (!timer_is_armed(&s->timer) || (int32_t)(deadline - s->timer.due_ms) < 0)
		timer_wheel_add(&p->wheel, &s->timer, deadline, on_timer);
}

static void
exchange_end(struct proxy *p, struct exchange *x, bool reuse)
{
	struct session *s = x->session;

	if (x->upstream != NULL)
		upstream_release(p, x, reuse);
	surge_give_up(p, &x->wait);
	x->x.record.ended_us = p->now_us;
	p->config.service->done(p->config.service_arg, &x->x);
	s->exchange = NULL;
	proxy_give_exchange(p, x);
}

static void
note_failure(struct exchange *x, enum proxy_error error)
{
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
	if (!s->running)
		proxy_postpone(p, s);
}

/* Throw away what has come of the rest. */
static void
discard(struct proxy *p, struct session *s)
{
	uint32_t n = stream_received(&s->stream)->len;

	if (n > s->rest)
		n = s->rest;
	if (n > 0)
		stream_take(p, &s->stream, NULL, n);
	if (s->rest != PROXY_REST_ALL)
		s->rest -= n;
	if (s->rest == 0)
		next_request(p, s);
	else if (s->client_ended)
		session_end(p, s, false);
}

/*
 * Behind an answer that came before its request has ended.  When the session doesn't go on, FIN
 * says so, and no RST overtakes the answer (RFC 9112 section 9.6).
 */
static void
begin_discard(struct proxy *p, struct session *s, uint32_t rest)
{
	s->state = SESSION_DISCARD;
	s->rest = rest;
	s->head_ms = s->active_ms = p->now_ms;
	if (rest == PROXY_REST_ALL)
		stream_shutdown(p, &s->stream);
	arm(p, s);
	discard(p, s);
}

/* The exchange has been answered completely; its request may not have ended. */
static void
exchange_complete(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;
	uint64_t rest = relay_left(&x->request);

	exchange_end(p, x, rest == 0 && x->may_reuse);
	if (s->stream.http2 != NULL)
		session_end(p, s, false); /* which tells the client to stop, if there is a rest */
	else if (!s->close_after && rest == 0)
		next_request(p, s);
	else if (!s->close_after && rest <= PROXY_DISCARD_BYTES)
		begin_discard(p, s, (uint32_t)rest);
	else if (rest > 0 || !chain_is_empty(stream_received(&s->stream)))
		begin_discard(p, s, PROXY_REST_ALL);
	else
		session_end(p, s, false);
}

/* Answers of weir's own. */

static void
answer(struct proxy *p, struct session *s, const struct proxy_answer *a)
{
	struct exchange *x = s->exchange;
	struct chain bytes = {0};

	if (x->upstream != NULL)
		upstream_release(p, x, false);
	upstream_forget(p, x);
	relay_discard(p, x);
	/* Nobody knows if a client that waits for 100 (Continue) will send its body after all. */
	if (a->close || relay_left(&x->request) > PROXY_DISCARD_BYTES ||
	    (x->continues && !x->request.body.ended))
		s->close_after = true;
	if (!head_write_answer(p, x, a, s->close_after, &bytes)) {
		cut(p, s, PROXY_ERROR_RESOURCES);
		return;
	}
	x->x.record.answered_us = p->now_us;
	x->answer_begun = true;
	x->x.record.sent_bytes += bytes.len;
	if (!chain_is_empty(&bytes))
		stream_send(p, &s->stream, &bytes);
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
	x->request.body = http_body_of(HTTP_BODY_UNTIL_CLOSE, 0);
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
	else if (!head_write_request(p, x, &decision, &x->kept))
		session_fail(p, s, PROXY_ERROR_RESOURCES);
	else {
		x->request.kept = &x->kept;
		x->http2 = decision.http2;
		x->wait.surge = decision.surge;
		x->wait.group = x->x.record.group;
		x->wait.connections_max =
			x->http2 ? PROXY_HTTP2_TARGET_MAX : decision.connections_max;
		x->wait_ms = p->now_ms;
		upstream_begin(p, x, decision.target);
	}
}

static void
continue_request(struct proxy *p, struct session *s)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct chain bytes = {0};

	if (chain_append(p->config.pool, &bytes, NULL, (const uint8_t *)text, sizeof(text) - 1, 0))
		stream_send(p, &s->stream, &bytes);
}

/* From here on the pace of the body is measured. */
static void
begin_pace(const struct proxy *p, struct exchange *x)
{
	x->pace_ms = p->now_ms;
	x->pace_bytes = x->x.record.received_bytes;
}

/* The request's head is on its way to the target, its body is to follow. */
static void
begin_body(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;

	if (x->continues)
		continue_request(p, s);
	x->continues = false;
	x->held = true; /* until the target takes it */
	begin_pace(p, x);
	arm(p, s);
	s->again = true;
}

bool
session_is_old(const struct proxy *p, const struct session *s)
{
	return p->now_us - s->info.begun_us >= s->settings.client_keep_alive_s * UINT64_C(1000000);
}

static void
begin_request(struct proxy *p, struct session *s)
{
	struct exchange *x = begin_exchange(p, s);
	struct chain head = {0}; /* the request's strings lie in it, or in a head buffer */
	struct head_verdict verdict;

	if (x == NULL)
		return;
	if (!stream_take(p, &s->stream, &head, head_request_len(p))) {
		cut(p, s, PROXY_ERROR_RESOURCES);
		return;
	}
	x->x.record.received_bytes = x->x.record.received_head_bytes = head.len;
	verdict = head_classify_request(p, x);
	if (s->stream.http2 != NULL) {
		x->x.record.http_version = 20;
		x->x.record.grpc = head_request_is_grpc(p);
	}
	if (verdict.close || session_is_old(p, s))
		s->close_after = true;
	x->continues = verdict.expects_continue;
	if (verdict.status != 0)
		answer(p, s, &(struct proxy_answer){.status = verdict.status, .close = true});
	else
		decide(p, s);
	if (s->exchange == x && !x->request.body.ended)
		begin_body(p, s);
	chain_free(p->config.pool, &head);
	if (s->state != SESSION_CLOSED)
		head_free(&s->head);
}

/* A client that begins with HTTP/2 in the clear, where it may. @return whether it is one, so far.
 */
static bool
read_preface(struct proxy *p, struct session *s)
{
	switch (session_http2_preface(s)) {
	case PREFACE_OTHER:
		return false;
	case PREFACE_MORE:
		if (s->client_ended)
			return false;
		arm(p, s);
		break;
	case PREFACE_HTTP2:
		if (session_http2_begin(p, s))
			s->again = true;
		else
			session_end(p, s, true);
		break;
	}
	return true;
}

static void
read_head(struct proxy *p, struct session *s)
{
	const struct chain *in = stream_received(&s->stream);
	uint8_t error;

	if (in->len == 0) {
		if (s->client_ended)
			session_end(p, s, false);
		return;
	}
	/* Who asks and doesn't read the answers: TCP_EVENT_WRITABLE goes on. */
	if (s->state == SESSION_IDLE && stream_queued(&s->stream) >= stream_queue_max(&s->stream))
		return;
	if (s->state == SESSION_IDLE) {
		s->state = SESSION_HEAD;
		s->head_ms = p->now_ms;
		s->created_us = p->now_us;
	}
	if (s->settings.h2c && s->stream.taken == 0 && s->stream.http2 == NULL &&
	    read_preface(p, s))
		return;
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
		else
			arm(p, s);
		break;
	}
}

/* TLS. */

static void
handshake_over(struct proxy *p, const struct session *s)
{
	p->config.service->negotiated(p->config.service_arg, &s->info);
}

static void
handshake_failed(struct proxy *p, struct session *s)
{
	if (!stream_give_up_handshake(&s->stream))
		return;
	handshake_over(p, s);
	session_end(p, s, false);
}

static void
session_handshake(struct proxy_side *side, bool done)
{
	struct session *s = (struct session *)side;
	struct proxy *p = s->proxy;

	if (!done) {
		handshake_failed(p, s);
		return;
	}
	s->info.negotiated_us = p->now_us;
	handshake_over(p, s);
	s->state = SESSION_IDLE;
	s->active_ms = p->now_ms;
	if (stream_agreed_on_http2(&s->stream) && !session_http2_begin(p, s)) {
		session_end(p, s, true);
		return;
	}
	arm(p, s);
	/* What follows the handshake may have come with it. */
	session_bytes(p, s, 0);
}

/* Time. */

/* Whether it is the client alone that keeps a request from going on: weir and the target take it.
 */
static bool
client_owes(const struct session *s)
{
	const struct exchange *x = s->exchange;
	const struct upstream *u = x->upstream;

	return !x->request.body.ended && u != NULL && u->state == UPSTREAM_BUSY &&
	       stream_queued(&u->stream) < stream_queue_max(&u->stream) &&
	       stream_awaits_peer(&s->stream);
}

/* While the client is held back its pace isn't measured, and then anew. */
static void
keep_pace(const struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;
	bool held = x->upstream == NULL || x->upstream->state != UPSTREAM_BUSY ||
		    !chain_is_empty(stream_received(&s->stream));

	if (held || x->held)
		begin_pace(p, x);
	x->held = held;
}

/* @return  whether the body has come too slowly, by no one's fault but the client's. */
static bool
is_too_slow(const struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;
	uint64_t wanted = (uint64_t)s->settings.body_min_bytes_per_s * (PROXY_PACE_MS / 1000);

	if (!is_paced(s) || !clock_ms_reached(p->now_ms, x->pace_ms + PROXY_PACE_MS))
		return false;
	if (client_owes(s) && x->x.record.received_bytes - x->pace_bytes < wanted)
		return true;
	begin_pace(p, x);
	return false;
}

static void
exchange_timeout(struct proxy *p, struct session *s)
{
	bool begun = s->exchange->answer_begun, client = client_owes(s);

	s->close_after = true;
	if (begun && (client || stream_queued(&s->stream) > 0))
		session_fail(p, s, PROXY_ERROR_CLIENT_TIMEOUT);
	else
		session_fail(p, s,
			     client                           ? PROXY_ERROR_REQUEST_TIMEOUT
			     : s->exchange->wait.link != NULL ? PROXY_ERROR_TARGET_BUSY
							      : PROXY_ERROR_TARGET_TIMEOUT);
}

static void
session_timeout(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;

	switch ((enum session_state)s->state) {
	case SESSION_HANDSHAKE:
		handshake_failed(p, s);
		break;
	case SESSION_IDLE:
	case SESSION_DISCARD:
		session_end(p, s, false);
		break;
	case SESSION_HTTP2:
		session_http2_timeout(p, s);
		break;
	case SESSION_HEAD:
		refuse(p, s, PROXY_ERROR_REQUEST_TIMEOUT);
		break;
	case SESSION_EXCHANGE:
		exchange_timeout(p, s);
		break;
	case SESSION_TUNNEL:
		exchange_end(p, x, false);
		session_end(p, s, true);
		break;
	case SESSION_CLOSED:
		break;
	}
}

static void
on_timer(struct timer *timer, void *arg)
{
	struct session *s = (struct session *)((uint8_t *)timer - offsetof(struct session, timer));
	struct proxy *p = arg;

	if (is_too_slow(p, s) || clock_ms_reached(p->now_ms, deadline_of(s)))
		session_timeout(p, s);
	if (s->state != SESSION_CLOSED)
		arm(p, s);
}

/* Between requests of a listener that is to be left: nobody waits for anything. */
void
session_sweep(struct proxy *p, struct session *s)
{
	bool draining = false;

	if (s->exchange != NULL && s->exchange->wait.link != NULL)
		surge_freed(p, s->exchange->wait.target); /* it may get nothing new any more */
	if (s->carrier != NULL)
		http2_tick(s->carrier->http2, p->now_ms);
	else if (s->state != SESSION_IDLE)
		return;
	p->config.service->policy(p->config.service_arg, s->info.frontend, &draining);
	if (draining && s->carrier != NULL)
		session_http2_drain(p, s);
	else if (draining)
		session_end(p, s, false);
}

/* Events. */

void
session_run(struct proxy *p, struct session *s)
{
	uint32_t requests = 0;

	s->running = true;
	do {
		s->again = false;
		switch ((enum session_state)s->state) {
		case SESSION_HANDSHAKE:
			break;
		case SESSION_IDLE:
		case SESSION_HEAD:
			if (requests++ < PIPELINED_PER_TURN)
				read_head(p, s);
			else
				proxy_postpone(p, s);
			break;
		case SESSION_DISCARD:
			discard(p, s);
			break;
		case SESSION_HTTP2:
			session_http2_run(p, s);
			break;
		case SESSION_EXCHANGE:
		case SESSION_TUNNEL:
			relay(p, s->exchange);
			break;
		case SESSION_CLOSED:
			break;
		}
	} while (s->again && s->state != SESSION_CLOSED);
	s->running = false;
}

/* Both directions have moved what they could: see whether one is done. */
void
session_progress(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;

	s->active_ms = p->now_ms;
	if (x->response.body.ended)
		exchange_complete(p, s);
	else if (is_paced(s))
		keep_pace(p, s);
}

void
session_gone(struct proxy *p, struct session *s)
{
	struct exchange *x = s->exchange;
	bool memory = stream_close_reason(&s->stream) == TCP_CLOSE_MEMORY;

	if (x != NULL) {
		if (x->x.record.elb_status == 0 && !memory)
			x->x.record.elb_status = 460;
		note_failure(x, memory ? PROXY_ERROR_RESOURCES : PROXY_ERROR_CLIENT_CLOSED);
		exchange_end(p, x, false);
	}
	/* A TLS alert may be on its way. */
	session_end(p, s, s->stream.tls == NULL);
}

static void
session_bytes(struct proxy *p, struct session *s, uint32_t events)
{
	if (events != 0)
		s->active_ms = p->now_ms;
	events = stream_events(p, &s->stream, events);
	if ((events & TCP_EVENT_END) != 0)
		s->client_ended = true;
	session_run(p, s);
	if ((events & STREAM_EVENT_FAILED) != 0 && s->state != SESSION_CLOSED)
		session_gone(p, s);
}

static void
session_event(struct proxy_side *side, struct tcp_connection *connection, uint32_t events)
{
	struct session *s = (struct session *)side;
	struct proxy *p = s->proxy;

	(void)connection;
	if (s->state == SESSION_HANDSHAKE && (events & TCP_EVENT_CLOSED) != 0)
		handshake_failed(p, s);
	else if (s->state == SESSION_HANDSHAKE)
		stream_want_handshake(p, &s->stream, (events & TCP_EVENT_END) != 0);
	else if ((events & TCP_EVENT_CLOSED) != 0)
		session_gone(p, s);
	else
		session_bytes(p, s, events);
}

static void
session_carrier(struct proxy_side *side)
{
	struct session *s = (struct session *)side;

	session_run(s->proxy, s);
}

/* @return  false without memory, or when it would have to wait for too long. */
static bool
begin_tls(struct proxy *p, struct session *s)
{
	s->info.tls = stream_accept_tls(p, &s->stream, &s->side, s->settings.tls);
	if (s->info.tls == NULL)
		return false;
	s->state = SESSION_HANDSHAKE;
	s->head_ms = p->now_ms;
	return true;
}

/* @return  NULL: there are too many. */
static struct session *
take_session(struct proxy *p)
{
	return proxy_clients_are_many(p) ? NULL : proxy_take_session(p);
}

struct proxy_session_info
session_info(struct proxy *p, struct tcp_connection *connection)
{
	return (struct proxy_session_info){.tuple = tcp_tuple_of(connection),
					   .frontend = (uint32_t)(uintptr_t)tcp_user(connection),
					   .number = p->sessions_begun++,
					   .begun_us = p->now_us};
}

bool
session_accepted(struct proxy *p, struct tcp_connection *connection)
{
	struct proxy_session_info info = session_info(p, connection);
	struct session *s = take_session(p);

	if (s == NULL) {
		p->config.service->rejected(p->config.service_arg, &info);
		return false;
	}
	s->side = (struct proxy_side){.on_event = session_event,
				      .on_carrier = session_carrier,
				      .on_handshake = session_handshake};
	s->stream.tcp = connection;
	s->info = info;
	if (!p->config.service->accepted(p->config.service_arg, &s->info, &s->settings)) {
		proxy_give_session(p, s);
		return false;
	}
	s->active_ms = p->now_ms;
	s->state = SESSION_IDLE;
	if (s->settings.tls != NULL && !begin_tls(p, s)) {
		p->config.service->closed(p->config.service_arg, &s->info);
		p->config.service->rejected(p->config.service_arg, &s->info);
		proxy_give_session(p, s);
		return false;
	}
	tcp_set_user(connection, s);
	arm(p, s);
	return true;
}

struct session *
session_on_stream(struct proxy *p, struct session *of, struct http2_stream *stream)
{
	struct session *s = take_session(p);

	if (s == NULL)
		return NULL;
	s->stream.http2 = stream;
	s->info = of->info;
	s->settings = of->settings;
	s->active_ms = p->now_ms;
	s->state = SESSION_IDLE;
	arm(p, s);
	return s;
}
