/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A proxy between clients and targets in virtual time: all of the world is one engine on the other
 * end of a wire, whose connections a test reads and writes by hand.
 *
 * The service forwards to the target that the path begins with, /1 to /9, else to target 1, and
 * answers /own itself.  With `raw`, clients' connections are conduits to target 1 instead.
 */
#ifndef PROXY_WORLD_H
#define PROXY_WORLD_H

#include "http_verdict.h"
#include "proxy.h"
#include "ref.h"
#include "tcp_wire.h"

#define WORLD_PEERS    264
#define WORLD_INPUT    (1u << 20)
#define WORLD_FRONTEND ref_make(1, 1)
#ifndef WORLD_CONNECTIONS
#define WORLD_CONNECTIONS 256 /* of the proxy's */
#endif
#ifndef WORLD_MTU
#define WORLD_MTU 1500
#endif
#ifndef WORLD_TSO
#define WORLD_TSO false
#endif

/** The far end of one of the proxy's connections: a client, or a target's. */
struct world_peer {
	struct tcp_connection *connection; /* NULL: over */
	uint32_t target;                   /* 0: a client */
	bool deaf;                         /* takes nothing */
	bool claimed;
	bool ended, closed, reset; /* by the proxy: FIN, and how it was over */
	char *in;
	uint32_t in_len;
};

struct world {
	struct wire wire;
	struct proxy *proxy;
	struct proxy_listener_settings settings;
	struct world_peer peers[WORLD_PEERS];
	uint32_t peers_n;
	uint32_t other; /* target that again() names */
	bool deaf;      /* targets' connections from now on */
	bool http2;     /* what targets speak */
	uint16_t next_port;
	uint32_t done_n, opened_n, ended_n;        /* exchanges; connections to targets */
	uint32_t accepted_n, closed_n, rejected_n; /* clients */
	struct proxy_record last;
	bool raw;                        /* conduits */
	bool target_leaves;              /* they have to end */
	const char *prefix;              /* NULL: nobody is chosen */
	uint32_t reached_n, unreached_n; /* targets of conduits */
	uint64_t relayed;
	uint32_t left; /* index of a target whose connections are not worth keeping */
	struct proxy_surge *surge;
	uint32_t connections_max; /* of each target */
	struct proxy_conduit_record last_conduit;
};

static const struct tcp_settings world_tcp = {
	.mtu = WORLD_MTU, .receive_buffer = 262144, .send_buffer = 262144, .syn_retries = 3};
static const struct http_policy world_policy = {.desync_mode = HTTP_DESYNC_DEFENSIVE,
						.response_server = true};

static inline uint32_t
world_reference(uint32_t target)
{
	return target == 0 ? 0 : ref_make(target, 1);
}

/* The service. */

static bool
world_accepted(void *arg, const struct proxy_session_info *session,
	       struct proxy_listener_settings *settings)
{
	struct world *w = arg;

	(void)session;
	w->accepted_n++;
	*settings = w->settings;
	return true;
}

static void
world_rejected(void *arg, const struct proxy_session_info *session)
{
	(void)session;
	((struct world *)arg)->rejected_n++;
}

static void
world_negotiated(void *arg, const struct proxy_session_info *session)
{
	(void)arg;
	(void)session;
}

static void
world_closed(void *arg, const struct proxy_session_info *session)
{
	(void)session;
	((struct world *)arg)->closed_n++;
}

static void
world_decide(void *arg, struct proxy_exchange *x, const struct http_request *request,
	     struct proxy_decision *decision)
{
	struct http_text path = http_text(&request->head, request->path);
	uint32_t target = path.len > 1 && path.at[1] >= '1' && path.at[1] <= '9'
				  ? (uint32_t)(path.at[1] - '0')
				  : 1;

	decision->http2 = ((struct world *)arg)->http2;
	decision->surge = ((struct world *)arg)->surge;
	decision->connections_max = ((struct world *)arg)->connections_max;
	(void)x;
	if (path.len >= 4 && memcmp(path.at, "/own", 4) == 0) {
		decision->verdict = PROXY_ANSWER;
		decision->answer = (struct proxy_answer){
			.status = 403, .content_type = "text/plain", .body = "own", .body_len = 3};
		return;
	}
	decision->verdict = PROXY_FORWARD;
	decision->target = world_reference(target);
}

static uint32_t
world_again(void *arg, struct proxy_exchange *x, uint32_t failed)
{
	struct world *w = arg;

	(void)x;
	(void)failed;
	return world_reference(w->other);
}

static void
world_unreachable(void *arg, uint32_t target, enum tcp_close_reason reason)
{
	(void)arg;
	(void)target;
	(void)reason;
}

static void
world_no_tls(void *arg, uint32_t target)
{
	(void)arg;
	(void)target;
}

static void
world_response(void *arg, struct proxy_exchange *x, const struct http_response *response,
	       struct http_response_edits *edits)
{
	(void)arg;
	(void)x;
	(void)response;
	(void)edits;
}

static const struct http_policy *
world_policy_of(void *arg, uint32_t frontend, bool *draining)
{
	(void)arg;
	(void)frontend;
	*draining = false;
	return &world_policy;
}

static uint64_t
world_wall_s(void *arg)
{
	(void)arg;
	return 0;
}

static void
world_done(void *arg, const struct proxy_exchange *x)
{
	struct world *w = arg;

	w->done_n++;
	w->last = x->record;
}

static const struct proxy_service world_service = {.accepted = world_accepted,
						   .rejected = world_rejected,
						   .negotiated = world_negotiated,
						   .closed = world_closed,
						   .decide = world_decide,
						   .again = world_again,
						   .unreachable = world_unreachable,
						   .no_tls = world_no_tls,
						   .response = world_response,
						   .policy = world_policy_of,
						   .wall_s = world_wall_s,
						   .done = world_done};

/* Conduits. */

static bool
world_serves(void *arg, uint32_t frontend)
{
	(void)frontend;
	return ((struct world *)arg)->raw;
}

static void
world_choose(void *arg, const struct proxy_session_info *session,
	     struct proxy_conduit_choice *choice)
{
	struct world *w = arg;

	(void)session;
	if (w->prefix == NULL)
		return;
	choice->target = world_reference(w->left == 1 ? 2 : 1);
	choice->surge = w->surge;
	choice->connections_max = w->connections_max;
	choice->prefix_len = (uint8_t)strlen(w->prefix);
	memcpy(choice->prefix, w->prefix, choice->prefix_len);
}

static void
world_reached(void *arg, uint32_t target, enum tcp_close_reason reason)
{
	struct world *w = arg;

	(void)target;
	w->reached_n += reason == TCP_CLOSE_NONE;
	w->unreached_n += reason != TCP_CLOSE_NONE;
}

static void
world_relayed(void *arg, const struct proxy_conduit_record *record, uint64_t bytes)
{
	(void)record;
	((struct world *)arg)->relayed += bytes;
}

static bool
world_has_to_end(void *arg, const struct proxy_conduit_record *record)
{
	(void)record;
	return ((struct world *)arg)->target_leaves;
}

static void
world_conduit_closed(void *arg, const struct proxy_conduit_record *record)
{
	struct world *w = arg;

	w->closed_n++;
	w->last_conduit = *record;
}

static const struct proxy_conduit_service world_conduits = {.serves = world_serves,
							    .accepted = world_accepted,
							    .rejected = world_rejected,
							    .negotiated = world_negotiated,
							    .choose = world_choose,
							    .reached = world_reached,
							    .relayed = world_relayed,
							    .no_tls = world_no_tls,
							    .has_to_end = world_has_to_end,
							    .closed = world_conduit_closed};

/* What the proxy asks for. */

static bool
world_reserve(void *arg, uint32_t target, struct tcp_tuple *tuple, struct tcp_settings *settings)
{
	struct world *w = arg;

	*tuple = (struct tcp_tuple){.af = 4,
				    .local = buffer_addr("10.0.0.1"),
				    .remote = buffer_addr("10.0.0.2"),
				    .local_port_be = htons(++w->next_port),
				    .remote_port_be = htons((uint16_t)(9000 + ref_index(target)))};
	*settings = world_tcp;
	return true;
}

static void
world_release(void *arg, const struct tcp_tuple *tuple)
{
	(void)arg;
	(void)tuple;
}

static void
world_connected(void *arg, uint32_t target)
{
	(void)target;
	((struct world *)arg)->opened_n++;
}

static void
world_disconnected(void *arg, uint32_t target)
{
	(void)target;
	((struct world *)arg)->ended_n++;
}

static bool
world_may_reuse(void *arg, uint32_t target)
{
	return ref_index(target) != ((struct world *)arg)->left;
}

static bool
world_takes(void *arg, uint32_t group, uint32_t target)
{
	(void)group;
	return world_may_reuse(arg, target);
}

/* The far ends. */

static inline struct world_peer *
world_peer(struct world *w, struct tcp_connection *connection, uint32_t target)
{
	struct world_peer *p = &w->peers[w->peers_n++];

	CHECK(w->peers_n <= WORLD_PEERS);
	*p = (struct world_peer){.connection = connection, .target = target};
	p->in = malloc(WORLD_INPUT + 1);
	CHECK(p->in != NULL);
	p->in[0] = '\0';
	if (connection != NULL)
		tcp_set_user(connection, p);
	return p;
}

static inline void
world_take(struct world *w, struct world_peer *p)
{
	struct tcp *tcp = w->wire.ends[0].tcp;
	const struct chain *in = tcp_received(p->connection);
	uint32_t room = WORLD_INPUT - p->in_len, n = in->len < room ? in->len : room;

	if (p->deaf || n == 0)
		return;
	chain_copy_out(in, 0, p->in + p->in_len, n);
	p->in_len += n;
	p->in[p->in_len] = '\0';
	tcp_take(tcp, p->connection, NULL, n);
}

static inline void
world_peers_turn(struct world *w)
{
	struct tcp *tcp = w->wire.ends[0].tcp;
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(tcp, &c, &events)) {
		struct world_peer *p = tcp_user(c);

		if ((events & TCP_EVENT_ACCEPTED) != 0) {
			p = world_peer(w, c, ntohs(tcp_tuple_of(c)->local_port_be) - 9000u);
			p->deaf = w->deaf;
		}
		world_take(w, p);
		if ((events & TCP_EVENT_END) != 0)
			p->ended = true;
		if ((events & TCP_EVENT_CLOSED) != 0) {
			p->closed = true;
			p->reset = tcp_close_reason(c) != TCP_CLOSE_DONE;
			p->connection = NULL;
			tcp_close(tcp, c, 0);
		}
	}
}

static inline void
world_turn(struct wire_end *e, void *arg)
{
	struct world *w = arg;

	if (e->side == 1)
		proxy_turn(w->proxy, w->wire.now_us);
	else
		world_peers_turn(w);
}

static inline void
world_run(struct world *w, uint32_t ms)
{
	uint64_t until_us = w->wire.now_us + ms * UINT64_C(1000);

	while (w->wire.now_us < until_us)
		wire_step(&w->wire, world_turn, w);
}

/** `more`: how crypto lcores take and give steps of handshakes, and TLS towards targets; NULL:
 * neither. */
static inline struct world *
world_open_with(const struct wire_settings *settings, unsigned long long seed,
		const struct proxy_ops *more)
{
	static struct world world;
	struct world *w = &world;
	struct proxy_config config = {.pool = &w->wire.ends[1].pool,
				      .ops = {.reserve = world_reserve,
					      .release = world_release,
					      .connected = world_connected,
					      .disconnected = world_disconnected,
					      .may_reuse = world_may_reuse,
					      .takes = world_takes},
				      .ops_arg = w,
				      .service = &world_service,
				      .service_arg = w,
				      .conduits = &world_conduits,
				      .conduits_arg = w,
				      .connections_max = WORLD_CONNECTIONS,
				      .exchanges_max = WORLD_PEERS};

	memset(w, 0, sizeof(*w));
	wire_open(&w->wire, settings, &world_tcp, WORLD_PEERS, 16384, WORLD_TSO, seed);
	w->wire.listener.user = (void *)(uintptr_t)WORLD_FRONTEND;
	for (uint32_t i = 0; i < ARRAY_N(w->wire.targets); i++)
		w->wire.targets[i] =
			(struct tcp_listener){.settings = world_tcp, .max_half_open = WORLD_PEERS};
	w->settings = (struct proxy_listener_settings){.idle_timeout_ms = 60000,
						       .client_keep_alive_s = 3600,
						       .header_timeout_ms = 60000,
						       .body_min_bytes_per_s = 100};
	w->next_port = 20000;
	if (more != NULL) {
		config.ops.make_step = more->make_step;
		config.ops.made_step = more->made_step;
		config.ops.tls = more->tls;
	}
	config.tcp = w->wire.ends[1].tcp;
	w->proxy = proxy_create(&config, (uint32_t)(w->wire.now_us / 1000));
	CHECK(w->proxy != NULL);
	return w;
}

static inline struct world *
world_open(const struct wire_settings *settings, unsigned long long seed)
{
	return world_open_with(settings, seed, NULL);
}

/* Everything is given back: what the proxy has, when its clients have gone, is idle. */
static inline void
world_close(struct world *w)
{
	struct proxy_gauges gauges;

	for (uint32_t i = 0; i < w->peers_n; i++) {
		if (w->peers[i].connection != NULL)
			tcp_abort(w->wire.ends[0].tcp, w->peers[i].connection);
		w->peers[i].connection = NULL;
	}
	world_run(w, 100);
	proxy_gauges(w->proxy, &gauges);
	EXPECT(gauges.sessions == 0 && gauges.exchanges == 0 && gauges.conduits == 0);
	EXPECT(gauges.upstreams == 0 && gauges.idle_upstreams == 0);
	EXPECT(w->accepted_n == w->closed_n && w->opened_n == w->ended_n);
	proxy_free(w->proxy);
	for (uint32_t i = 0; i < w->peers_n; i++)
		free(w->peers[i].in);
	wire_close(&w->wire);
}

/* What a test does. */

static inline void
world_send(struct world *w, struct world_peer *p, const void *bytes, uint32_t len)
{
	struct wire_end *e = &w->wire.ends[0];
	struct chain chain = {0};

	if (p->connection == NULL)
		return;
	CHECK(chain_append_copy(&e->pool, &chain, bytes, len));
	tcp_send(e->tcp, p->connection, &chain);
	tcp_flush(e->tcp);
}

static inline void
say(struct world *w, struct world_peer *p, const char *text)
{
	world_send(w, p, text, (uint32_t)strlen(text));
	world_run(w, 20);
}

/** A body of `len` bytes, or a piece of one. */
static inline void
say_bytes(struct world *w, struct world_peer *p, uint32_t len)
{
	static char bytes[65536];

	memset(bytes, 'x', sizeof(bytes));
	for (uint32_t n; len > 0; len -= n) {
		n = len < sizeof(bytes) ? len : (uint32_t)sizeof(bytes);
		world_send(w, p, bytes, n);
	}
	world_run(w, 20);
}

static inline struct world_peer *
client(struct world *w)
{
	struct world_peer *p = world_peer(w, NULL, 0);
	struct tcp_tuple tuple = {.af = 4,
				  .local = buffer_addr("10.0.0.2"),
				  .remote = buffer_addr("10.0.0.1"),
				  .local_port_be = htons((uint16_t)(40000 + w->peers_n)),
				  .remote_port_be = htons(80)};

	p->connection = tcp_connect(w->wire.ends[0].tcp, &tuple, &world_tcp, p);
	CHECK(p->connection != NULL);
	tcp_flush(w->wire.ends[0].tcp);
	world_run(w, 20);
	return p;
}

/** The next connection that target `n` was asked on, or NULL. */
static inline struct world_peer *
asked(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < w->peers_n; i++) {
		struct world_peer *p = &w->peers[i];

		if (n != 0 && p->target == n && !p->claimed && p->in_len > 0) {
			p->claimed = true;
			return p;
		}
	}
	return NULL;
}

/** Whether the text has come, and forget everything up to its end. */
static inline bool
heard(struct world_peer *p, const char *text)
{
	char *at = strstr(p->in, text);
	uint32_t n;

	if (at == NULL)
		return false;
	n = (uint32_t)(at - p->in) + (uint32_t)strlen(text);
	memmove(p->in, p->in + n, p->in_len - n + 1);
	p->in_len -= n;
	return true;
}

static inline void
end(struct world *w, struct world_peer *p)
{
	tcp_shutdown(w->wire.ends[0].tcp, p->connection);
	tcp_flush(w->wire.ends[0].tcp);
	world_run(w, 20);
}

static inline void
reset(struct world *w, struct world_peer *p)
{
	tcp_abort(w->wire.ends[0].tcp, p->connection);
	p->connection = NULL;
	world_run(w, 20);
}

#endif
