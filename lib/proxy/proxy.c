/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clock.h"

#define EVENTS_PER_TURN 512
#define SWEEP_UPSTREAMS 16
#define SWEEP_SESSIONS  32
#define SWEEP_CONDUITS  32

_Static_assert(PROXY_TEXT_METHOD + PROXY_TEXT_URI + PROXY_TEXT_HOST + PROXY_TEXT_AGENT +
			       PROXY_TEXT_TRACE + PROXY_TEXT_ACTION <=
		       PROXY_TEXT_MAX,
	       "each string has its share");

struct proxy_text
proxy_keep(struct proxy_exchange *exchange, const void *bytes, size_t len, uint32_t reserve)
{
	struct proxy_text text = {.at = (uint16_t)exchange->text_len};
	size_t room = PROXY_TEXT_MAX - exchange->text_len, kept;

	room = room > reserve ? room - reserve : 0;
	kept = len < room ? len : room;
	text.len = (uint16_t)kept;
	text.more = (uint16_t)(len - kept < UINT16_MAX ? len - kept : UINT16_MAX);
	if (kept > 0)
		memcpy(exchange->text + exchange->text_len, bytes, kept);
	exchange->text_len += (uint32_t)kept;
	return text;
}

uint16_t
proxy_error_status(uint8_t error)
{
	static const uint16_t statuses[PROXY_ERRORS] = {
		[PROXY_ERROR_RESOURCES] = 503,       [PROXY_ERROR_REQUEST_INCOMPLETE] = 400,
		[PROXY_ERROR_REQUEST_BODY] = 400,    [PROXY_ERROR_REQUEST_TIMEOUT] = 408,
		[PROXY_ERROR_CLIENT_CLOSED] = 460,   [PROXY_ERROR_CLIENT_TIMEOUT] = 408,
		[PROXY_ERROR_TARGET_REFUSED] = 502,  [PROXY_ERROR_TARGET_CONNECT_TIMEOUT] = 504,
		[PROXY_ERROR_TARGET_TLS] = 502,      [PROXY_ERROR_TARGET_TLS_TIMEOUT] = 504,
		[PROXY_ERROR_TARGET_CLOSED] = 502,   [PROXY_ERROR_TARGET_TIMEOUT] = 504,
		[PROXY_ERROR_TARGET_RESPONSE] = 502, [PROXY_ERROR_TARGET_LONG] = 502,
		[PROXY_ERROR_TARGET_LEFT] = 502,     [PROXY_ERROR_SPILLOVER] = 503,
		[PROXY_ERROR_TARGET_BUSY] = 504,
	};

	return error < HTTP_FAULTS ? http_fault_status((enum http_fault)error) : statuses[error];
}

/* Objects come from arrays made at start: nothing is allocated while packets flow. */

static bool
make_objects(struct proxy *p)
{
	uint32_t sides = p->config.connections_max;

	p->sessions = calloc(sides, sizeof(*p->sessions));
	p->upstreams = calloc(sides, sizeof(*p->upstreams));
	p->exchanges = calloc(p->config.exchanges_max, sizeof(*p->exchanges));
	p->conduits = calloc(sides, sizeof(*p->conduits));
	p->pools = calloc(SNAPSHOT_TARGETS, sizeof(*p->pools));
	p->sessions_of = calloc(SNAPSHOT_TARGETS, sizeof(*p->sessions_of));
	return p->sessions != NULL && p->upstreams != NULL && p->exchanges != NULL &&
	       p->conduits != NULL && p->pools != NULL && p->sessions_of != NULL &&
	       stream_pool_create(p);
}

struct proxy *
proxy_create(const struct proxy_config *config, uint32_t now_ms)
{
	struct proxy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->config = *config;
	timer_wheel_init(&p->wheel, now_ms, p);
	p->now_ms = now_ms;
	p->heads = heads_create();
	p->http2 = http2_pool_create(config->pool);
	if (!make_objects(p) || p->heads == NULL || p->http2 == NULL) {
		proxy_free(p);
		return NULL;
	}
	return p;
}

static void
free_carriers(struct proxy *p)
{
	for (uint32_t i = 0; i < p->sessions_used; i++)
		if (p->sessions[i].carrier != NULL)
			carrier_free(p, p->sessions[i].carrier);
	for (uint32_t i = 0; i < p->upstreams_used; i++)
		if (p->upstreams[i].carrier != NULL)
			carrier_free(p, p->upstreams[i].carrier);
	carrier_flush(p);
}

void
proxy_free(struct proxy *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->exchanges_used; i++)
		chain_free(p->config.pool, &p->exchanges[i].kept);
	for (uint32_t i = 0; i < p->conduits_used; i++)
		chain_free(p->config.pool, &p->conduits[i].prefix);
	free_carriers(p);
	if (p->http2 != NULL)
		http2_pool_free(p->http2);
	stream_pool_free(p);
	heads_free(p->heads);
	free(p->sessions);
	free(p->upstreams);
	free(p->exchanges);
	free(p->conduits);
	for (uint32_t i = 0; p->sessions_of != NULL && i < SNAPSHOT_TARGETS; i++)
		target_session_free(&p->sessions_of[i]);
	free(p->sessions_of);
	free(p->pools);
	free(p);
}

/*
 * Free objects: those that were used before, then those never used, whose memory is untouched. What
 * is given back is dead until the turn is over.
 */

struct session *
proxy_take_session(struct proxy *p)
{
	struct session *s = p->free_session;

	if (s != NULL)
		p->free_session = s->next;
	else if (p->sessions_used < p->config.connections_max)
		s = &p->sessions[p->sessions_used++];
	else
		return NULL;
	*s = (struct session){.proxy = p};
	p->sessions_n++;
	return s;
}

void
proxy_give_session(struct proxy *p, struct session *s)
{
	timer_wheel_cancel(&p->wheel, &s->timer);
	s->state = SESSION_CLOSED;
	p->sessions_n--;
	if (s->postponed)
		return; /* in that list until it comes round */
	s->next = p->dead_session;
	p->dead_session = s;
}

struct upstream *
proxy_take_upstream(struct proxy *p)
{
	struct upstream *u = p->free_upstream;

	if (u != NULL)
		p->free_upstream = u->next;
	else if (p->upstreams_used < p->config.connections_max)
		u = &p->upstreams[p->upstreams_used++];
	else
		return NULL;
	*u = (struct upstream){.proxy = p};
	p->upstreams_n++;
	return u;
}

void
proxy_give_upstream(struct proxy *p, struct upstream *u)
{
	timer_wheel_cancel(&p->wheel, &u->timer);
	u->state = UPSTREAM_CLOSED;
	u->next = p->dead_upstream;
	p->dead_upstream = u;
	p->upstreams_n--;
}

struct exchange *
proxy_take_exchange(struct proxy *p)
{
	struct exchange *x = p->free_exchange;
	size_t behind_text = offsetof(struct exchange, x.text) + sizeof(x->x.text);

	if (x != NULL)
		p->free_exchange = x->next;
	else if (p->exchanges_used < p->config.exchanges_max)
		x = &p->exchanges[p->exchanges_used++];
	else
		return NULL;
	/* All but the text: kilobytes that nobody reads before they are written. */
	memset(x, 0, offsetof(struct exchange, x.text));
	memset((uint8_t *)x + behind_text, 0, sizeof(*x) - behind_text);
	p->exchanges_n++;
	return x;
}

void
proxy_give_exchange(struct proxy *p, struct exchange *x)
{
	chain_free(p->config.pool, &x->kept);
	x->next = p->dead_exchange;
	p->dead_exchange = x;
	p->exchanges_n--;
}

struct conduit *
proxy_take_conduit(struct proxy *p)
{
	struct conduit *c = p->free_conduit;

	if (c != NULL)
		p->free_conduit = c->next;
	else if (p->conduits_used < p->config.connections_max)
		c = &p->conduits[p->conduits_used++];
	else
		return NULL;
	*c = (struct conduit){.proxy = p};
	p->conduits_n++;
	return c;
}

void
proxy_give_conduit(struct proxy *p, struct conduit *c)
{
	timer_wheel_cancel(&p->wheel, &c->timer);
	c->state = CONDUIT_CLOSED;
	c->next = p->dead_conduit;
	p->dead_conduit = c;
	p->conduits_n--;
}

bool
proxy_clients_are_many(const struct proxy *p)
{
	return p->sessions_n + p->sessions_n / 3 + 2 * p->conduits_n >= p->config.connections_max;
}

void
proxy_postpone(struct proxy *p, struct session *s)
{
	if (s->postponed)
		return;
	s->postponed = true;
	s->next = p->postponed;
	p->postponed = s;
}

/* Nobody looks at the dead any more. */
static void
bury(struct proxy *p)
{
	while (p->dead_session != NULL) {
		struct session *s = p->dead_session;

		p->dead_session = s->next;
		s->next = p->free_session;
		p->free_session = s;
	}
	while (p->dead_upstream != NULL) {
		struct upstream *u = p->dead_upstream;

		p->dead_upstream = u->next;
		u->next = p->free_upstream;
		p->free_upstream = u;
	}
	while (p->dead_exchange != NULL) {
		struct exchange *x = p->dead_exchange;

		p->dead_exchange = x->next;
		x->next = p->free_exchange;
		p->free_exchange = x;
	}
	while (p->dead_conduit != NULL) {
		struct conduit *c = p->dead_conduit;

		p->dead_conduit = c->next;
		c->next = p->free_conduit;
		p->free_conduit = c;
	}
}

/* A turn. */

static bool
accepted(struct proxy *p, struct tcp_connection *connection)
{
	uint32_t frontend = (uint32_t)(uintptr_t)tcp_user(connection);

	if (p->config.conduits != NULL &&
	    p->config.conduits->serves(p->config.conduits_arg, frontend))
		return conduit_accepted(p, connection);
	return session_accepted(p, connection);
}

static void
dispatch(struct proxy *p, struct tcp_connection *connection, uint32_t events)
{
	struct proxy_side *side;

	if ((events & TCP_EVENT_ACCEPTED) != 0 && !accepted(p, connection)) {
		tcp_abort(p->config.tcp, connection);
		return;
	}
	side = tcp_user(connection);
	side->on_event(side, connection, events);
}

static void
run_postponed(struct proxy *p)
{
	struct session *s = p->postponed;

	p->postponed = NULL;
	while (s != NULL) {
		struct session *next = s->next;

		s->postponed = false;
		if (s->state == SESSION_CLOSED) {
			s->next = p->dead_session;
			p->dead_session = s;
		} else {
			session_run(p, s);
		}
		s = next;
	}
}

/*
 * A few connections each millisecond.  Those to targets that are to be left are given up, the idle
 * ones at once, those with a request because its time is over; idle clients of listeners that are
 * to be left are sent away.
 */
static void
sweep(struct proxy *p)
{
	for (uint32_t n = 0; n < SWEEP_UPSTREAMS && n < p->upstreams_used; n++) {
		if (p->sweep_at >= p->upstreams_used)
			p->sweep_at = 0;
		upstream_sweep(p, &p->upstreams[p->sweep_at++]);
	}
	for (uint32_t n = 0; n < SWEEP_SESSIONS && n < p->sessions_used; n++) {
		if (p->sweep_session_at >= p->sessions_used)
			p->sweep_session_at = 0;
		session_sweep(p, &p->sessions[p->sweep_session_at++]);
	}
	for (uint32_t n = 0; n < SWEEP_CONDUITS && n < p->conduits_used; n++) {
		if (p->sweep_conduit_at >= p->conduits_used)
			p->sweep_conduit_at = 0;
		conduit_sweep(p, &p->conduits[p->sweep_conduit_at++]);
	}
}

bool
proxy_turn(struct proxy *p, uint64_t now_us)
{
	struct tcp_connection *connection;
	uint32_t events, n = 0;

	p->now_us = now_us;
	p->now_ms = clock_us_to_ms(now_us);
	run_postponed(p);
	timer_wheel_advance(&p->wheel, p->now_ms);
	if (p->swept_ms != p->now_ms) {
		p->swept_ms = p->now_ms;
		sweep(p);
		stream_look_again(p);
	}
	while (n < EVENTS_PER_TURN && tcp_next_event(p->config.tcp, &connection, &events)) {
		dispatch(p, connection, events);
		n++;
	}
	/* Bytes of all others come first. */
	if (stream_handshakes(p))
		n++;
	surge_turn(p);
	carrier_flush(p);
	bury(p);
	/* Those that wait for crypto lcores need nothing of this one. */
	return n > 0 || p->postponed != NULL || p->touched != NULL || p->freed != NULL ||
	       (p->handshakes != NULL && p->config.ops.make_step == NULL);
}

void
proxy_gauges(const struct proxy *p, struct proxy_gauges *gauges)
{
	*gauges =
		(struct proxy_gauges){.sessions = p->sessions_n,
				      .upstreams = p->upstreams_n,
				      .idle_upstreams = p->idle_n,
				      .exchanges = p->exchanges_n,
				      .handshakes = p->handshakes_n,
				      .conduits = p->conduits_n,
				      .sessions_max = p->config.connections_max,
				      .exchanges_max = p->config.exchanges_max,
				      .bytes = (uint64_t)p->sessions_n * sizeof(struct session) +
					       (uint64_t)p->upstreams_n * sizeof(struct upstream) +
					       (uint64_t)p->exchanges_n * sizeof(struct exchange) +
					       (uint64_t)p->conduits_n * sizeof(struct conduit)};
}

const struct http2_gauge *
proxy_http2_gauge(const struct proxy *p)
{
	return http2_pool_gauge(p->http2);
}
