/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP/2 targets: who waits for a connection to them, and what they have not processed. */
#define WORLD_CONNECTIONS 512
#include "http2.h"
#include "proxy_private.h"
#include "proxy_world.h"

static const struct wire_settings clean = {.delay_us = 100};

#define GET    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#define STREAMS 16

/* The far end of a connection to a target. */
struct target {
	struct world *w;
	struct world_peer *peer;
	struct http2 *h;
	struct http2_stream *streams[STREAMS]; /* requests, NULL: answered */
	uint32_t streams_n;
};

static struct http2_pool *pool;

static struct world *
open_world(void)
{
	struct world *w = world_open(&clean, 1);

	w->http2 = true;
	pool = http2_pool_create(&w->wire.ends[0].pool);
	CHECK(pool != NULL);
	return w;
}

static void
close_world(struct world *w)
{
	world_close(w);
	http2_pool_free(pool);
}

/* A connection that was made to target `n`, and nothing said on it yet. */
static struct target
made(struct world *w, uint32_t n, uint32_t streams_max)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct target t = {.w = w, .peer = asked(w, n)};

	config.streams_max = streams_max;
	CHECK(t.peer != NULL);
	t.h = http2_create(pool, &config, NULL, 0);
	CHECK(t.h != NULL);
	return t;
}

/* Read and write what has come by now. */
static void
run_once(struct target *t)
{
	struct wire_end *e = &t->w->wire.ends[0];
	struct chain in = {0}, out = {0};
	struct http2_stream *s;
	uint32_t events;

	if (t->peer->in_len > 0)
		CHECK(chain_append_copy(&e->pool, &in, t->peer->in, t->peer->in_len));
	t->peer->in_len = 0;
	http2_receive(t->h, &in, 0);
	while ((s = http2_next(t->h, &events)) != NULL) {
		if ((events & HTTP2_EVENT_OPENED) != 0 && t->streams_n < STREAMS)
			t->streams[t->streams_n++] = s;
		if ((events & (HTTP2_EVENT_RESET | HTTP2_EVENT_DONE)) != 0)
			http2_stream_close(s);
	}
	http2_write(t->h, &out, UINT32_MAX);
	if (!chain_is_empty(&out) && t->peer->connection != NULL) {
		tcp_send(e->tcp, t->peer->connection, &out);
		tcp_flush(e->tcp);
	}
	chain_free(&e->pool, &out);
	chain_free(&e->pool, &in);
	world_run(t->w, 20);
}

/* And what that leads to. */
static void
run(struct target *t)
{
	for (int i = 0; i < 4; i++)
		run_once(t);
}

static void
answer(struct target *t)
{
	struct chain_pool *chains = &t->w->wire.ends[0].pool;

	for (uint32_t i = 0; i < t->streams_n; i++) {
		struct chain bytes = {0};

		if (t->streams[i] == NULL)
			continue;
		CHECK(chain_append_copy(chains, &bytes, ANSWER, sizeof(ANSWER) - 1));
		http2_stream_send(t->streams[i], &bytes);
		t->streams[i] = NULL;
	}
	run(t);
}

static void
hang_up(struct target *t)
{
	http2_free(t->h);
	if (t->peer->connection != NULL)
		reset(t->w, t->peer);
}

static bool
is_answered(struct world_peer *c)
{
	return heard(c, "\r\n\r\nok");
}

static void
test_wait(void)
{
	struct world *w = open_world();
	struct world_peer *c[3];
	struct target t;

	for (int i = 0; i < 3; i++) {
		c[i] = client(w);
		say(w, c[i], POST);
	}
	EXPECT(w->opened_n == 1);
	t = made(w, 1, 100);
	run(&t);
	EXPECT(t.streams_n == 3);
	answer(&t);
	for (int i = 0; i < 3; i++)
		EXPECT(is_answered(c[i]));
	say(w, c[0], POST);
	run(&t);
	EXPECT(t.streams_n == 4 && w->opened_n == 1);
	answer(&t);
	EXPECT(is_answered(c[0]));
	hang_up(&t);
	close_world(w);
}

/* As many connections as its limit asks for, at once when it is known. */
static void
test_few_streams(uint32_t streams_max)
{
	struct world *w = open_world();
	struct target t[5];
	struct world_peer *c[5];
	uint32_t n = (5 + streams_max - 1) / streams_max, served = 0;

	for (int i = 0; i < 5; i++) {
		c[i] = client(w);
		say(w, c[i], POST);
	}
	for (uint32_t i = 0; i < n; i++) {
		EXPECT(w->opened_n == (i == 0 ? 1 : n));
		t[i] = made(w, 1, streams_max);
		run(&t[i]);
		EXPECT(t[i].streams_n <= streams_max);
		served += t[i].streams_n;
	}
	EXPECT(served == 5);
	for (uint32_t i = 0; i < n; i++)
		answer(&t[i]);
	for (int i = 0; i < 5; i++)
		EXPECT(is_answered(c[i]));
	for (uint32_t i = 0; i < n; i++)
		hang_up(&t[i]);
	close_world(w);
}

/* SETTINGS_MAX_CONCURRENT_STREAMS, in the middle of a connection. */
static void
change_limit(struct target *t, uint8_t streams_max)
{
	const uint8_t frame[15] = {0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, streams_max};

	world_send(t->w, t->peer, frame, sizeof(frame));
	world_run(t->w, 20);
	t->peer->in_len = 0; /* an acknowledgment that its HTTP/2 doesn't wait for */
}

/* One that takes no stream any more ends when it has none; others are made. */
static void
test_limit_falls_to_none(bool busy)
{
	struct world *w = open_world();
	struct world_peer *c = client(w);
	struct target t, second;

	say(w, c, GET);
	t = made(w, 1, 100);
	run(&t);
	if (!busy)
		answer(&t);
	change_limit(&t, 0);
	if (busy) {
		EXPECT(!t.peer->ended && !t.peer->closed);
		answer(&t);
	}
	EXPECT(is_answered(c));
	EXPECT((t.peer->ended || t.peer->closed) && w->ended_n == 1);
	say(w, c, GET);
	second = made(w, 1, 100);
	run(&second);
	answer(&second);
	EXPECT(is_answered(c) && w->opened_n == 2);
	hang_up(&t);
	hang_up(&second);
	close_world(w);
}

/* One that took little for as long as it lives says nothing of those that come later. */
static void
test_newest_limit_counts(void)
{
	struct world *w = open_world();
	struct world_peer *c[6];
	struct target t[3];

	for (int i = 0; i < 6; i++)
		c[i] = client(w);
	say(w, c[0], GET);
	t[0] = made(w, 1, 1);
	run(&t[0]);
	say(w, c[1], GET);
	t[1] = made(w, 1, 2);
	run(&t[1]);
	for (int i = 2; i < 5; i++)
		say(w, c[i], GET);
	EXPECT(w->opened_n == 3); /* the second had room for one of them, two wait for the third */
	t[2] = made(w, 1, 2);
	run(&t[2]);
	run(&t[1]);
	EXPECT(t[1].streams_n == 2 && t[2].streams_n == 2);
	answer(&t[0]);
	say(w, c[5], GET); /* it has room again */
	run(&t[0]);
	EXPECT(t[0].streams_n == 2 && w->opened_n == 3);
	for (int i = 0; i < 3; i++) {
		answer(&t[i]);
		hang_up(&t[i]);
	}
	for (int i = 0; i < 6; i++)
		EXPECT(is_answered(c[i]));
	close_world(w);
}

#define CLIENTS (PROXY_HTTP2_TARGET_MAX + 2)

/* The rest waits for a stream: of whichever connection has one, but not for ever. */
static void
test_connections_are_limited(void)
{
	struct world *w = open_world();
	struct target t[PROXY_HTTP2_TARGET_MAX];
	struct world_peer *c[CLIENTS];

	for (uint32_t i = 0; i < CLIENTS; i++) {
		c[i] = client(w);
		world_send(w, c[i], GET, sizeof(GET) - 1);
	}
	world_run(w, 20);
	for (uint32_t i = 0; i < PROXY_HTTP2_TARGET_MAX; i++) {
		t[i] = made(w, 1, 1);
		run_once(&t[i]);
		EXPECT(w->opened_n <= PROXY_HTTP2_TARGET_MAX);
	}
	for (uint32_t i = 0; i < PROXY_HTTP2_TARGET_MAX; i++) {
		run_once(&t[i]);
		EXPECT(t[i].streams_n == 1);
	}
	EXPECT(w->opened_n == PROXY_HTTP2_TARGET_MAX);
	answer(&t[7]);
	run(&t[7]);
	EXPECT(t[7].streams_n == 2 && w->opened_n == PROXY_HTTP2_TARGET_MAX);
	answer(&t[7]);
	run(&t[7]);
	EXPECT(t[7].streams_n == 3 && w->done_n == 2);
	w->settings.idle_timeout_ms = 5000;
	c[0] = client(w);
	say(w, c[0], GET);
	world_run(w, 6000);
	EXPECT(heard(c[0], "HTTP/1.1 504 ") && w->last.error == PROXY_ERROR_TARGET_BUSY);
	for (uint32_t i = 0; i < PROXY_HTTP2_TARGET_MAX; i++)
		hang_up(&t[i]);
	close_world(w);
}

/* In each place of the list; the last one takes the connection with it. */
static void
test_clients_leave(void)
{
	for (int first = 0; first < 3; first++) {
		struct world *w = open_world();
		struct world_peer *c[3];
		struct target t;

		for (int i = 0; i < 3; i++) {
			c[i] = client(w);
			say(w, c[i], POST);
		}
		reset(w, c[first]);
		world_run(w, 20);
		t = made(w, 1, 100);
		run(&t);
		EXPECT(t.streams_n == 2);
		answer(&t);
		for (int i = 0; i < 3; i++)
			EXPECT(i == first || is_answered(c[i]));
		hang_up(&t);
		for (int i = 0; i < 3; i++) {
			c[i] = client(w);
			say(w, c[i], POST);
		}
		t = made(w, 1, 100);
		for (int i = 0; i < 3; i++)
			reset(w, c[i]);
		world_run(w, 20);
		EXPECT(t.peer->closed && w->ended_n == w->opened_n);
		hang_up(&t);
		close_world(w);
	}
}

enum failure { REFUSED, RST, FIN, SILENCE, NO_STREAMS };

/* All that wait go to another target by one connection, without one to the same where it makes
 * sense. */
static void
test_connection_fails(enum failure how, uint32_t other)
{
	struct world *w = open_world();
	struct world_peer *c[3];
	struct target t, again;
	bool stays = other != 0 || how != REFUSED;

	if (how == REFUSED)
		w->wire.targets[1].settings.mtu = 0;
	w->other = other;
	for (int i = 0; i < 3; i++) {
		c[i] = client(w);
		world_send(w, c[i], POST, sizeof(POST) - 1);
	}
	world_run(w, 20);
	if (how != REFUSED) {
		t = made(w, 1, how == NO_STREAMS ? 0 : 100);
		if (how == RST)
			reset(w, t.peer);
		else if (how == FIN)
			end(w, t.peer);
		else if (how == SILENCE)
			world_run(w, 11000);
		else
			run(&t);
		world_run(w, 20);
		EXPECT(how == RST || t.peer->closed || t.peer->ended);
		hang_up(&t);
	}
	/* One is refused before the next request comes. */
	EXPECT(w->opened_n == (how == REFUSED ? 3u : 1u) + stays);
	if (stays) {
		again = made(w, other == 0 ? 1 : other, 100);
		run(&again);
		EXPECT(again.streams_n == 3);
		answer(&again);
		hang_up(&again);
	}
	for (int i = 0; i < 3; i++)
		EXPECT(stays ? is_answered(c[i]) : heard(c[i], " 502 "));
	close_world(w);
}

/*
 * A body that is kept goes again whole; one that is too long doesn't, nor one that came while
 * `ballast` buffers were in use.
 */
static void
test_refused_stream(uint32_t len, uint32_t ballast, bool again)
{
	struct world *w = open_world();
	struct chain_pool *chains = &w->wire.ends[1].pool;
	struct chain weight = {0};
	struct world_peer *c = client(w);
	struct target t, second;
	char head[128];

	for (uint32_t i = 0; i < ballast; i++)
		CHECK(chain_append_copy(chains, &weight, "x", 1));
	snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
		 len);
	world_send(w, c, head, (uint32_t)strlen(head));
	say_bytes(w, c, len);
	t = made(w, 1, 100);
	run(&t);
	EXPECT(t.streams_n == 1);
	http2_stream_reset(t.streams[0], HTTP2_REFUSED_STREAM);
	run(&t);
	EXPECT(w->opened_n == (again ? 2 : 1));
	if (again) {
		second = made(w, 1, 100);
		run(&second);
		EXPECT(second.streams_n == 1 && second.streams[0] != NULL);
		EXPECT(http2_stream_received(second.streams[0])->len > len);
		answer(&second);
		hang_up(&second);
	}
	EXPECT(again ? is_answered(c) : heard(c, " 502 "));
	hang_up(&t);
	chain_free(chains, &weight);
	close_world(w);
}

/* The time that a request waits for a connection begins when it has none, not when it came. */
static void
test_refused_late(void)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n";
	struct world *w = open_world();
	struct world_peer *c;
	struct target t, second;

	w->settings.idle_timeout_ms = 4000;
	c = client(w);
	say(w, c, head);
	t = made(w, 1, 100);
	for (int i = 0; i < 6; i++) {
		say(w, c, "x");
		world_run(w, 1000);
		run(&t);
	}
	http2_stream_reset(t.streams[0], HTTP2_REFUSED_STREAM);
	run(&t);
	world_run(w, 3000);
	second = made(w, 1, 100);
	say(w, c, "xx");
	run(&second);
	answer(&second);
	EXPECT(is_answered(c));
	hang_up(&t);
	hang_up(&second);
	close_world(w);
}

/* A connection that lives is no reason to ask its target again by another. */
static void
test_reset_streams(void)
{
	struct world *w = open_world();
	struct world_peer *c = client(w);
	struct target t;

	say(w, c, GET);
	t = made(w, 1, 100);
	run(&t);
	answer(&t);
	EXPECT(is_answered(c));
	for (int i = 0; i < 3; i++) {
		c = client(w);
		say(w, c, GET);
		run(&t);
		CHECK(t.streams[t.streams_n - 1] != NULL);
		http2_stream_reset(t.streams[t.streams_n - 1], HTTP2_INTERNAL_ERROR);
		run(&t);
		EXPECT(w->opened_n == 1 && heard(c, " 502 "));
	}
	hang_up(&t);
	close_world(w);
}

int
main(void)
{
	test_wait();
	for (uint32_t i = 1; i <= 3; i++)
		test_few_streams(i);
	test_limit_falls_to_none(false);
	test_limit_falls_to_none(true);
	test_newest_limit_counts();
	test_connections_are_limited();
	test_clients_leave();
	for (enum failure how = REFUSED; how <= NO_STREAMS; how++) {
		test_connection_fails(how, 0);
		test_connection_fails(how, 2);
	}
	test_refused_stream(0, 0, true);
	test_refused_stream(5000, 0, true);
	test_refused_stream(5000, 1200, false);
	test_refused_stream(60000, 0, false);
	test_refused_late();
	test_reset_streams();
	return unit_done();
}
