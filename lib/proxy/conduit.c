/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"

#include "check.h"
#include "clock.h"
#include "stream_tls.h"

#define KEEPALIVE_MS 20000
#define KEEPALIVES   5 /* unanswered: the connection is dead */

static const struct proxy_conduit_service *
service_of(const struct proxy *p)
{
	return p->config.conduits;
}

/* The end of a conduit. */

static void
end_side(struct proxy *p, struct conduit_side *side, bool reset)
{
	tcp_set_user(side->stream.tcp, NULL);
	if (reset)
		stream_abort(p, &side->stream);
	else
		stream_close(p, &side->stream, PROXY_LINGER_MS);
}

/* Both sides get FIN when all is done, an alert is on its way, or nothing was begun; else RST. */
static void
conduit_end(struct proxy *p, struct conduit *c, enum proxy_conduit_end end)
{
	bool reset = end != CONDUIT_END_DONE;

	CHECK(c->state != CONDUIT_CLOSED);
	surge_give_up(p, &c->wait);
	c->record.end = (uint8_t)end;
	c->record.ended_us = p->now_us;
	service_of(p)->closed(p->config.conduits_arg, &c->record);
	end_side(p, &c->client,
		 reset && end != CONDUIT_END_HANDSHAKE && end != CONDUIT_END_CLIENT_TLS &&
			 end != CONDUIT_END_SPILLOVER);
	if (c->target.stream.tcp != NULL) {
		target_tls_keep(p, &c->target.stream, c->record.target);
		end_side(p, &c->target, reset);
		surge_connection_ends(p, c->record.target);
	}
	chain_free(p->config.pool, &c->prefix);
	proxy_give_conduit(p, c);
}

/* Time. */

static uint32_t
deadline_of(const struct conduit *c)
{
	switch ((enum conduit_state)c->state) {
	case CONDUIT_HANDSHAKE:
		return c->active_ms + PROXY_HANDSHAKE_MS;
	case CONDUIT_CONNECTING:
	case CONDUIT_TARGET_TLS:
		return c->active_ms + PROXY_CONNECT_TIMEOUT_MS;
	case CONDUIT_WAITING:
	case CONDUIT_OPEN:
	case CONDUIT_CLOSED:
		break;
	}
	return c->active_ms + c->settings.idle_timeout_ms;
}

static void on_timer(struct timer *timer, void *arg);

/* As of sessions: it isn't moved while bytes flow, but looks when it comes due. */
static void
arm(struct proxy *p, struct conduit *c)
{
	timer_wheel_add(&p->wheel, &c->timer, deadline_of(c), on_timer);
}

static void
enter(struct proxy *p, struct conduit *c, enum conduit_state state)
{
	c->state = (uint8_t)state;
	c->active_ms = p->now_ms;
	arm(p, c);
}

static void client_handshake(struct proxy_side *of, bool done);
static void target_handshake(struct proxy_side *of, bool done);

static void
conduit_timeout(struct proxy *p, struct conduit *c)
{
	switch ((enum conduit_state)c->state) {
	case CONDUIT_HANDSHAKE:
		client_handshake(&c->client.side, false);
		break;
	case CONDUIT_WAITING:
		conduit_end(p, c, CONDUIT_END_TARGET_BUSY);
		break;
	case CONDUIT_CONNECTING:
		service_of(p)->reached(p->config.conduits_arg, c->record.target, TCP_CLOSE_TIMEOUT);
		conduit_end(p, c, CONDUIT_END_UNREACHABLE);
		break;
	case CONDUIT_TARGET_TLS:
		target_handshake(&c->target.side, false);
		break;
	case CONDUIT_OPEN:
		if (c->kept_alive)
			enter(p, c, CONDUIT_OPEN);
		else
			conduit_end(p, c, CONDUIT_END_IDLE);
		break;
	case CONDUIT_CLOSED:
		break;
	}
}

static void
on_timer(struct timer *timer, void *arg)
{
	struct conduit *c = (struct conduit *)((uint8_t *)timer - offsetof(struct conduit, timer));
	struct proxy *p = arg;

	if (clock_ms_reached(p->now_ms, deadline_of(c)))
		conduit_timeout(p, c);
	else
		arm(p, c);
}

/* Bytes. */

/* Move what is there, and the end behind it. @return false without memory. */
static bool
move(struct proxy *p, struct conduit_side *from, struct conduit_side *to, uint64_t *moved)
{
	if (!to->shut && !relay_bytes(p, &from->stream, &to->stream, moved))
		return false;
	if (!to->shut && stream_has_ended(&from->stream, from->fin)) {
		to->shut = true;
		stream_shutdown(p, &to->stream);
	}
	return true;
}

static void
note_first(const struct proxy *p, struct proxy_conduit_record *r)
{
	if (r->sent_us == 0 && r->received_bytes > 0)
		r->sent_us = p->now_us;
	if (r->answered_us == 0 && r->sent_bytes > 0)
		r->answered_us = p->now_us;
}

static void
run(struct proxy *p, struct conduit *c)
{
	struct proxy_conduit_record *r = &c->record;
	uint64_t before = r->received_bytes + r->sent_bytes, moved;
	bool good = move(p, &c->client, &c->target, &r->received_bytes) &&
		    move(p, &c->target, &c->client, &r->sent_bytes);

	moved = r->received_bytes + r->sent_bytes - before;
	if (moved > 0) {
		c->active_ms = p->now_ms;
		note_first(p, r);
		service_of(p)->relayed(p->config.conduits_arg, r, moved);
	}
	if (!good)
		conduit_end(p, c, CONDUIT_END_RESOURCES);
	else if (stream_has_failed(&c->client.stream))
		conduit_end(p, c, CONDUIT_END_CLIENT_TLS);
	else if (stream_has_failed(&c->target.stream))
		conduit_end(p, c, CONDUIT_END_TARGET_RESET);
	else if (c->client.shut && c->target.shut)
		conduit_end(p, c, CONDUIT_END_DONE);
}

/*
 * N:network-load-balancers: a side that keeps itself alive has both kept.  It hears weir's then and
 * sends none of its own any more: from now on who doesn't answer is dead, and nobody idle.
 */
static void
keep_alive(struct proxy *p, struct conduit *c)
{
	if (c->kept_alive)
		return;
	c->kept_alive = true;
	tcp_keep_alive(p->config.tcp, c->client.stream.tcp, KEEPALIVE_MS, KEEPALIVES);
	tcp_keep_alive(p->config.tcp, c->target.stream.tcp, KEEPALIVE_MS, KEEPALIVES);
}

/* What events of a side that is established mean. @return false: it was reset. */
static bool
take_events(struct proxy *p, struct conduit_side *side, uint32_t events)
{
	enum tcp_close_reason reason = stream_close_reason(&side->stream);

	stream_events(p, &side->stream, events);
	if ((events & TCP_EVENT_KEPT_ALIVE) != 0 && side->conduit->state == CONDUIT_OPEN)
		keep_alive(p, side->conduit);
	if ((events & TCP_EVENT_END) != 0)
		side->fin = true;
	return (events & TCP_EVENT_CLOSED) == 0 || reason == TCP_CLOSE_DONE;
}

/* The target. */

static void
open_conduit(struct proxy *p, struct conduit *c)
{
	service_of(p)->reached(p->config.conduits_arg, c->record.target, TCP_CLOSE_NONE);
	surge_leave(&c->wait);
	c->record.connected_us = p->now_us;
	if (!chain_is_empty(&c->prefix))
		stream_send(p, &c->target.stream, &c->prefix);
	enter(p, c, CONDUIT_OPEN);
	run(p, c);
}

static void
target_handshake(struct proxy_side *of, bool done)
{
	struct conduit *c = ((struct conduit_side *)of)->conduit;
	struct proxy *p = c->proxy;

	if (!done) {
		if (stream_offered_session(&c->target.stream))
			target_tls_forget(p, c->record.target);
		service_of(p)->no_tls(p->config.conduits_arg, c->record.target);
		conduit_end(p, c, CONDUIT_END_UNREACHABLE);
		return;
	}
	c->record.target_tls = c->target.stream.tls->tls;
	/* What follows the handshake may have come with it. */
	stream_events(p, &c->target.stream, 0);
	open_conduit(p, c);
}

/* A PROXY header comes before TLS. */
static void
target_connected(struct proxy *p, struct conduit *c)
{
	if (c->target.stream.tls == NULL) {
		open_conduit(p, c);
		return;
	}
	if (!chain_is_empty(&c->prefix))
		tcp_send(p->config.tcp, c->target.stream.tcp, &c->prefix);
	enter(p, c, CONDUIT_TARGET_TLS);
	stream_want_handshake(p, &c->target.stream, false);
}

static void
target_event(struct proxy_side *of, struct tcp_connection *connection, uint32_t events)
{
	struct conduit *c = ((struct conduit_side *)of)->conduit;
	struct proxy *p = c->proxy;

	(void)connection;
	if (c->state == CONDUIT_CONNECTING && (events & TCP_EVENT_CONNECTED) != 0)
		target_connected(p, c);
	if (c->state == CONDUIT_CONNECTING && (events & TCP_EVENT_CLOSED) != 0) {
		service_of(p)->reached(p->config.conduits_arg, c->record.target,
				       stream_close_reason(&c->target.stream));
		conduit_end(p, c, CONDUIT_END_UNREACHABLE);
		return;
	}
	if (c->state == CONDUIT_TARGET_TLS) {
		c->target.fin |= (events & TCP_EVENT_END) != 0;
		if ((events & TCP_EVENT_CLOSED) != 0)
			target_handshake(of, false);
		else
			stream_want_handshake(p, &c->target.stream, c->target.fin);
		return;
	}
	if (c->state != CONDUIT_OPEN)
		return;
	if (take_events(p, &c->target, events))
		run(p, c);
	else
		conduit_end(p, c, CONDUIT_END_TARGET_RESET);
}

static bool
connect_target(struct proxy *p, struct conduit *c, uint32_t target)
{
	const struct tls *client = c->record.session.tls;
	struct tcp_settings settings;
	struct tcp_tuple tuple;

	if (!p->config.ops.reserve(p->config.ops_arg, target, &tuple, &settings))
		return false;
	settings.tell_keepalive = true;
	c->target.stream.tcp = tcp_connect(p->config.tcp, &tuple, &settings, &c->target);
	if (c->target.stream.tcp == NULL) {
		p->config.ops.release(p->config.ops_arg, &tuple);
		return false;
	}
	surge_connection_begins(p, target);
	return target_tls_begin(p, &c->target.stream, &c->target.side, target,
				client != NULL ? tls_alpn(client) : NULL);
}

static void begin(struct proxy *p, struct conduit *c);

static void
go(struct proxy *p, struct conduit *c)
{
	c->record.connecting_us = p->now_us;
	if (connect_target(p, c, c->record.target))
		enter(p, c, CONDUIT_CONNECTING);
	else
		conduit_end(p, c, CONDUIT_END_RESOURCES);
}

void
conduit_go_on(struct proxy *p, struct waiting *w)
{
	struct conduit *c = (struct conduit *)((uint8_t *)w - offsetof(struct conduit, wait));

	if (p->config.ops.takes(p->config.ops_arg, w->group, w->target))
		go(p, c);
	else
		begin(p, c); /* with another target */
}

/* Behind those that wait for the target already. */
static void
go_or_wait(struct proxy *p, struct conduit *c)
{
	uint32_t target = c->record.target;

	if (!surge_enter(&c->wait)) {
		c->record.target = 0;
		conduit_end(p, c, CONDUIT_END_SPILLOVER);
	} else if (target_pool(p, target)->waiting == NULL &&
		   surge_has_room(p, target, c->wait.connections_max)) {
		go(p, c);
	} else {
		enter(p, c, CONDUIT_WAITING);
		surge_wait(p, &c->wait, target);
	}
}

/* The client is ready. */
static void
begin(struct proxy *p, struct conduit *c)
{
	struct proxy_conduit_choice choice = {0};

	service_of(p)->choose(p->config.conduits_arg, &c->record.session, &choice);
	c->record.target = choice.target;
	if (choice.target == 0) {
		conduit_end(p, c, CONDUIT_END_NO_TARGET);
		return;
	}
	chain_free(p->config.pool, &c->prefix);
	c->wait.surge = choice.surge;
	c->wait.group = choice.group;
	c->wait.connections_max = choice.connections_max;
	c->wait.is_conduit = true;
	if (choice.prefix_len == 0 ||
	    chain_append_copy(p->config.pool, &c->prefix, choice.prefix, choice.prefix_len))
		go_or_wait(p, c);
	else
		conduit_end(p, c, CONDUIT_END_RESOURCES);
}

/* The client. */

static void
client_handshake(struct proxy_side *of, bool done)
{
	struct conduit *c = ((struct conduit_side *)of)->conduit;
	struct proxy *p = c->proxy;

	if (!done && !stream_give_up_handshake(&c->client.stream))
		return;
	if (done)
		c->record.session.negotiated_us = p->now_us;
	service_of(p)->negotiated(p->config.conduits_arg, &c->record.session);
	if (!done) {
		conduit_end(p, c, CONDUIT_END_HANDSHAKE);
		return;
	}
	/* What follows the handshake may have come with it. */
	stream_events(p, &c->client.stream, 0);
	begin(p, c);
}

static void
client_event(struct proxy_side *of, struct tcp_connection *connection, uint32_t events)
{
	struct conduit *c = ((struct conduit_side *)of)->conduit;
	struct proxy *p = c->proxy;

	(void)connection;
	if (c->state == CONDUIT_HANDSHAKE && c->client.stream.tls == NULL) {
		begin(p, c);
	} else if (c->state == CONDUIT_HANDSHAKE) {
		c->client.fin |= (events & TCP_EVENT_END) != 0;
		if ((events & TCP_EVENT_CLOSED) != 0)
			client_handshake(of, false);
		else
			stream_want_handshake(p, &c->client.stream, c->client.fin);
		return;
	}
	if (c->state == CONDUIT_CLOSED)
		return;
	if (!take_events(p, &c->client, events))
		conduit_end(p, c, CONDUIT_END_CLIENT_RESET);
	else if (c->state == CONDUIT_OPEN)
		run(p, c);
}

static struct conduit *
take(struct proxy *p, struct tcp_connection *connection, const struct proxy_session_info *info)
{
	struct conduit *c = proxy_clients_are_many(p) ? NULL : proxy_take_conduit(p);

	if (c == NULL) {
		service_of(p)->rejected(p->config.conduits_arg, info);
		return NULL;
	}
	c->client = (struct conduit_side){
		.side = {.on_event = client_event, .on_handshake = client_handshake},
		.conduit = c,
		.stream.tcp = connection};
	c->target = (struct conduit_side){
		.side = {.on_event = target_event, .on_handshake = target_handshake}, .conduit = c};
	c->record.session = *info;
	return c;
}

bool
conduit_accepted(struct proxy *p, struct tcp_connection *connection)
{
	struct proxy_session_info info = session_info(p, connection);
	struct conduit *c = take(p, connection, &info);

	if (c == NULL)
		return false;
	if (!service_of(p)->accepted(p->config.conduits_arg, &info, &c->settings)) {
		proxy_give_conduit(p, c);
		return false;
	}
	if (c->settings.tls != NULL) {
		c->record.session.tls =
			stream_accept_tls(p, &c->client.stream, &c->client.side, c->settings.tls);
		if (c->record.session.tls == NULL) {
			c->record.end = CONDUIT_END_RESOURCES;
			c->record.ended_us = p->now_us;
			service_of(p)->rejected(p->config.conduits_arg, &info);
			service_of(p)->closed(p->config.conduits_arg, &c->record);
			proxy_give_conduit(p, c);
			return false;
		}
	}
	tcp_set_user(connection, &c->client);
	enter(p, c, CONDUIT_HANDSHAKE);
	return true;
}

void
conduit_sweep(struct proxy *p, struct conduit *c)
{
	if (c->state == CONDUIT_WAITING)
		surge_freed(p, c->record.target); /* it may get nothing new any more */
	else if (c->record.target != 0 && c->state != CONDUIT_CLOSED &&
		 service_of(p)->has_to_end(p->config.conduits_arg, &c->record))
		conduit_end(p, c, CONDUIT_END_TARGET_LEFT);
}
