/* SPDX-License-Identifier: BSD-3-Clause */
/* Surge queues: who waits for a target with enough connections, in which order, how many, how long.
 */
#include "proxy_surge.h"
#include "proxy_world.h"

static const struct wire_settings clean = {.delay_us = 100};

#define ANSWER    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define LAST      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct proxy_surge surge;

static struct world *
open_world(uint32_t waiting_max, uint32_t connections_max)
{
	struct world *w = world_open(&clean, 1);

	surge = (struct proxy_surge){.waiting_max = waiting_max};
	w->surge = &surge;
	w->connections_max = connections_max;
	return w;
}

static void
close_world(struct world *w)
{
	world_close(w);
	EXPECT(surge.waiting_n == 0);
}

static struct world_peer *
asks(struct world *w, const char *request)
{
	struct world_peer *c = client(w);

	say(w, c, request);
	return c;
}

/* SYNs to target 1 get no answer. */
static void
silence(struct world *w)
{
	w->wire.targets[1].syn_cookies = TCP_SYN_COOKIES_OFF;
	w->wire.targets[1].max_half_open = 0;
}

/* On a connection that is free, or on a new one when the old one ends. */
static void
test_order(void)
{
	struct world *w = open_world(10, 1);
	struct world_peer *c[3] = {asks(w, GET("/1a")), asks(w, GET("/1b")), asks(w, GET("/1c"))};
	struct world_peer *t = asked(w, 1);

	CHECK(t != NULL);
	EXPECT(heard(t, "/1a") && w->opened_n == 1 && surge.waiting_n == 2);
	say(w, t, ANSWER);
	EXPECT(heard(c[0], "ok") && heard(t, "/1b") && !heard(t, "/1c"));
	EXPECT(w->opened_n == 1 && surge.waiting_n == 1);
	say(w, t, LAST);
	EXPECT(heard(c[1], "ok") && w->opened_n == 2 && surge.waiting_n == 0);
	t = asked(w, 1);
	CHECK(t != NULL);
	EXPECT(heard(t, "/1c"));
	say(w, t, ANSWER);
	EXPECT(heard(c[2], "ok") && surge.spilled_n == 0);
	close_world(w);
}

/* A request that comes in the turn in which a connection becomes free is behind those that wait. */
static void
test_nobody_overtakes(void)
{
	struct world *w = open_world(10, 1);
	struct world_peer *late = client(w), *t;

	asks(w, GET("/1a"));
	t = asked(w, 1);
	asks(w, GET("/1b"));
	world_send(w, t, ANSWER, sizeof(ANSWER) - 1);
	world_send(w, late, GET("/1c"), sizeof(GET("/1c")) - 1);
	world_run(w, 20);
	EXPECT(heard(t, "/1b") && !heard(t, "/1c"));
	say(w, t, ANSWER);
	EXPECT(heard(t, "/1c"));
	close_world(w);
}

/* A body that came meanwhile goes with its request. */
static void
test_body_waits(void)
{
	struct world *w = open_world(10, 1);
	struct world_peer *t, *c;

	asks(w, GET("/1a"));
	t = asked(w, 1);
	c = asks(w, "POST /1b HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
	say(w, t, ANSWER);
	EXPECT(heard(t, "/1b") && heard(t, "half"));
	say(w, c, "rest");
	EXPECT(heard(t, "rest"));
	close_world(w);
}

/* Each target has a limit of its own. */
static void
test_other_target(void)
{
	struct world *w = open_world(10, 1);

	asks(w, GET("/1"));
	asks(w, GET("/1"));
	asks(w, GET("/2"));
	EXPECT(w->opened_n == 2 && asked(w, 2) != NULL && surge.waiting_n == 1);
	close_world(w);
}

static void
test_spillover(void)
{
	struct world *w = open_world(1, 1);
	struct world_peer *c[3] = {asks(w, GET("/1a")), asks(w, GET("/1b")), asks(w, GET("/1c"))};
	struct world_peer *t = asked(w, 1);

	EXPECT(heard(c[2], "HTTP/1.1 503 ") && w->last.error == PROXY_ERROR_SPILLOVER);
	EXPECT(surge.waiting_n == 1 && surge.spilled_n == 1);
	say(w, t, ANSWER);
	say(w, t, ANSWER);
	EXPECT(heard(c[0], "ok") && heard(c[1], "ok"));
	say(w, c[2], GET("/1d"));
	EXPECT(heard(t, "/1d") && surge.spilled_n == 1); /* its session has gone on */
	close_world(w);
}

/* Who waits for a connect is in the queue, limit or not; who finds an idle connection never is. */
static void
test_connects_count(void)
{
	struct world *w = open_world(1, 0);
	struct world_peer *c, *t;

	c = asks(w, GET("/2"));
	t = asked(w, 2);
	say(w, t, ANSWER);
	silence(w);
	asks(w, GET("/1"));
	EXPECT(surge.waiting_n == 1);
	say(w, c, GET("/2again"));
	EXPECT(heard(t, "/2again"));
	c = asks(w, GET("/1"));
	EXPECT(heard(c, "HTTP/1.1 503 ") && surge.waiting_n == 1 && surge.spilled_n == 1);
	world_run(w, 11000);
	EXPECT(surge.waiting_n == 0 && w->last.error == PROXY_ERROR_TARGET_CONNECT_TIMEOUT);
	close_world(w);
}

static void
test_client_leaves(void)
{
	struct world *w = open_world(10, 1);
	struct world_peer *c[3], *t;

	asks(w, GET("/1a"));
	t = asked(w, 1);
	for (int i = 0; i < 3; i++)
		c[i] = asks(w, i == 0 ? GET("/1b") : i == 1 ? GET("/1c") : GET("/1d"));
	reset(w, c[2]);
	reset(w, c[0]);
	EXPECT(surge.waiting_n == 1);
	say(w, t, ANSWER);
	EXPECT(heard(t, "/1c") && surge.waiting_n == 0 && w->opened_n == 1);
	say(w, t, ANSWER);
	EXPECT(heard(c[1], "ok"));
	close_world(w);
}

/* No longer than the idle timeout, whatever the client sends meanwhile. */
static void
test_waits_too_long(void)
{
	struct world *w = open_world(10, 1);
	struct world_peer *c;

	asks(w, GET("/1a"));
	w->settings.idle_timeout_ms = 5000;
	c = asks(w, "POST /1b HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
	for (int i = 0; i < 6; i++) {
		say(w, c, "x");
		world_run(w, 1000);
	}
	EXPECT(heard(c, "HTTP/1.1 504 ") && w->last.error == PROXY_ERROR_TARGET_BUSY);
	EXPECT(surge.waiting_n == 0);
	close_world(w);
}

/* Those that wait for a target that leaves go to another, or are told. */
static void
test_target_leaves(uint32_t other)
{
	struct world *w = open_world(10, 1);
	struct world_peer *c, *t;

	asks(w, GET("/1a"));
	c = asks(w, GET("/1b"));
	w->other = other;
	w->left = 1;
	world_run(w, 100);
	EXPECT(surge.waiting_n == 0);
	if (other == 0) {
		EXPECT(heard(c, "HTTP/1.1 502 ") && w->last.error == PROXY_ERROR_TARGET_LEFT);
	} else {
		t = asked(w, other);
		CHECK(t != NULL);
		say(w, t, ANSWER);
		EXPECT(heard(c, "ok"));
	}
	close_world(w);
}

/* Nor does it wait for one that is idle but can't be used. */
static void
test_useless_idle_connection(void)
{
	struct world *w = open_world(10, 1);
	struct world_peer *c = asks(w, GET("/1a")), *t = asked(w, 1);

	say(w, t, ANSWER);
	world_send(w, c, GET("/1b"), sizeof(GET("/1b")) - 1);
	world_send(w, t, "surplus", 7);
	world_run(w, 20);
	EXPECT(t->closed && w->opened_n == 2);
	t = asked(w, 1);
	CHECK(t != NULL);
	say(w, t, ANSWER);
	EXPECT(heard(c, "ok"));
	close_world(w);
}

/* Conduits. */

static struct world *
open_raw(uint32_t waiting_max, uint32_t connections_max)
{
	struct world *w = open_world(waiting_max, connections_max);

	w->raw = true;
	w->prefix = "P ";
	return w;
}

static struct world_peer *
far_end(struct world *w, uint32_t n)
{
	for (uint32_t i = 0; i < w->peers_n; i++)
		if (w->peers[i].target == 1 && n-- == 0)
			return &w->peers[i];
	return NULL;
}

static void
test_conduits(void)
{
	struct world *w = open_raw(1, 1);
	struct world_peer *first = client(w), *second, *third;

	second = client(w);
	say(w, second, "early");
	EXPECT(w->opened_n == 1 && surge.waiting_n == 1);
	third = client(w);
	EXPECT(third->ended && !third->reset && surge.spilled_n == 1);
	EXPECT(w->last_conduit.end == CONDUIT_END_SPILLOVER && w->last_conduit.connected_us == 0);
	end(w, third);
	reset(w, first);
	EXPECT(w->opened_n == 2 && surge.waiting_n == 0);
	CHECK(far_end(w, 1) != NULL);
	EXPECT(heard(far_end(w, 1), "P early"));
	close_world(w);
}

static void
test_conduit_stops_waiting(bool of_itself)
{
	struct world *w = open_raw(10, 1);
	struct world_peer *second, *third;

	client(w);
	w->settings.idle_timeout_ms = of_itself ? 60000 : 5000;
	second = client(w);
	w->settings.idle_timeout_ms = 60000;
	third = client(w);
	EXPECT(surge.waiting_n == 2);
	if (of_itself)
		reset(w, second);
	world_run(w, 6000);
	EXPECT(w->last_conduit.end ==
	       (of_itself ? CONDUIT_END_CLIENT_RESET : CONDUIT_END_TARGET_BUSY));
	EXPECT(surge.waiting_n == 1 && w->opened_n == 1 && !third->closed);
	w->target_leaves = true;
	world_run(w, 100);
	EXPECT(third->reset && w->last_conduit.end == CONDUIT_END_TARGET_LEFT);
	close_world(w);
}

/* Its target gets nothing new any more, though what it has goes on: there is another one. */
static void
test_conduit_goes_elsewhere(void)
{
	struct world *w = open_raw(10, 1);
	struct world_peer *first = client(w), *second = client(w);

	say(w, second, "early");
	EXPECT(w->opened_n == 1 && surge.waiting_n == 1);
	w->left = 1;
	world_run(w, 2000);
	EXPECT(w->opened_n == 2 && surge.waiting_n == 0 && !first->closed);
	EXPECT(w->peers[w->peers_n - 1].target == 2);
	EXPECT(heard(&w->peers[w->peers_n - 1], "P early"));
	w->left = 0;
	close_world(w);
}

/* A reload has raised it: the next one that comes tells those that wait already. */
static void
test_raised_limit(void)
{
	struct world *w = open_raw(10, 1);

	client(w);
	client(w);
	client(w);
	EXPECT(w->opened_n == 1 && surge.waiting_n == 2);
	w->connections_max = 3;
	client(w);
	EXPECT(w->opened_n == 3 && surge.waiting_n == 1);
	w->connections_max = 0;
	client(w);
	EXPECT(w->opened_n == 5 && surge.waiting_n == 0);
	close_world(w);
}

static void
test_conduit_connects_count(void)
{
	struct world *w = open_raw(1, 0);
	struct world_peer *c;

	silence(w);
	client(w);
	c = client(w);
	EXPECT(surge.waiting_n == 1 && surge.spilled_n == 1 && c->ended);
	end(w, c);
	world_run(w, 11000);
	EXPECT(surge.waiting_n == 0 && w->last_conduit.end == CONDUIT_END_UNREACHABLE);
	close_world(w);
}

static void
test_shares(void)
{
	EXPECT(proxy_surge_share(1024, 1) == 1024 && proxy_surge_share(1024, 4) == 256);
	EXPECT(proxy_surge_share(3, 2) == 1 && proxy_surge_share(1, 8) == 1);
	EXPECT(proxy_surge_share(0, 2) == 0);
}

int
main(void)
{
	test_order();
	test_nobody_overtakes();
	test_body_waits();
	test_other_target();
	test_spillover();
	test_connects_count();
	test_client_leaves();
	test_waits_too_long();
	test_target_leaves(0);
	test_target_leaves(2);
	test_useless_idle_connection();
	test_conduits();
	test_conduit_stops_waiting(false);
	test_conduit_stops_waiting(true);
	test_conduit_goes_elsewhere();
	test_raised_limit();
	test_conduit_connects_count();
	test_shares();
	return unit_done();
}
