/* SPDX-License-Identifier: BSD-3-Clause */
/* Conduits: bytes both ways as they are, each side's end passed on, and what ends them early. */
#include "proxy_world.h"

/* Of the engine's inside: a segment as keep-alives are. */
void tcp_send_probe(struct tcp *tcp, struct tcp_connection *c);

static const struct wire_settings clean = {.delay_us = 100};

static struct world *
open_raw(const char *prefix)
{
	struct world *w = world_open(&clean, 1);

	w->raw = true;
	w->prefix = prefix;
	return w;
}

/* The target's end of the only conduit. */
static struct world_peer *
far_end(struct world *w)
{
	for (uint32_t i = 0; i < w->peers_n; i++)
		if (w->peers[i].target == 1)
			return &w->peers[i];
	return NULL;
}

static void
test_bytes_both_ways(void)
{
	struct world *w = open_raw("PREFIX ");
	struct world_peer *c = client(w), *t = far_end(w);

	CHECK(t != NULL);
	EXPECT(heard(t, "PREFIX ")); /* before the client says anything */
	say(w, t, "welcome");
	say(w, c, "GET / HTTP/9.9\r\n\r\n");
	EXPECT(heard(c, "welcome") && heard(t, "GET / HTTP/9.9\r\n\r\n"));
	EXPECT(t->in_len == 0 && c->in_len == 0);
	EXPECT(w->relayed == 7 + 18 && w->reached_n == 1 && w->unreached_n == 0);
	end(w, c);
	EXPECT(t->ended && !c->ended);
	say(w, t, "more"); /* the other direction goes on */
	EXPECT(heard(c, "more") && w->closed_n == 0);
	end(w, t);
	EXPECT(c->ended && w->closed_n == 1 && w->last_conduit.end == CONDUIT_END_DONE);
	EXPECT(w->last_conduit.received_bytes == 18 && w->last_conduit.sent_bytes == 11);
	EXPECT(ref_index(w->last_conduit.target) == 1 && w->last_conduit.connected_us > 0);
	world_close(w);
}

static void
test_target_ends_first(void)
{
	struct world *w = open_raw("");
	struct world_peer *c = client(w), *t = far_end(w);

	end(w, t);
	EXPECT(c->ended && !t->ended);
	say(w, c, "late");
	EXPECT(heard(t, "late"));
	end(w, c);
	EXPECT(w->last_conduit.end == CONDUIT_END_DONE && !c->reset && !t->reset);
	world_close(w);
}

/* What came is there before the end, also when all comes at once. */
static void
test_bytes_with_end(void)
{
	struct world *w = open_raw("");
	struct world_peer *c = client(w), *t;

	world_send(w, c, "all", 3);
	end(w, c);
	t = far_end(w);
	CHECK(t != NULL);
	EXPECT(heard(t, "all") && t->ended);
	world_close(w);
}

static void
test_resets(bool of_client)
{
	struct world *w = open_raw("");
	struct world_peer *c = client(w), *t = far_end(w);

	reset(w, of_client ? c : t);
	EXPECT((of_client ? t : c)->reset);
	EXPECT(w->last_conduit.end ==
	       (of_client ? CONDUIT_END_CLIENT_RESET : CONDUIT_END_TARGET_RESET));
	world_close(w);
}

static void
test_nobody(void)
{
	struct world *w = open_raw(NULL);
	struct world_peer *c = client(w);

	EXPECT(c->reset && w->opened_n == 0 && w->last_conduit.end == CONDUIT_END_NO_TARGET);
	EXPECT(w->last_conduit.target == 0);
	world_close(w);
}

static void
test_refused(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c;

	w->raw = true;
	w->prefix = "never sent";
	w->wire.targets[1].closed = true;
	c = client(w);
	EXPECT(c->reset && w->unreached_n == 1 && w->reached_n == 0);
	EXPECT(w->last_conduit.end == CONDUIT_END_UNREACHABLE);
	world_close(w);
}

/* Silence of both sides ends it; either side's bytes keep it. */
static void
test_idle(void)
{
	struct world *w = open_raw("");
	struct world_peer *c, *t;

	w->settings.idle_timeout_ms = 5000;
	c = client(w);
	t = far_end(w);
	for (int i = 0; i < 3; i++) {
		world_run(w, 3000);
		say(w, i % 2 == 0 ? c : t, "x");
	}
	EXPECT(w->closed_n == 0);
	world_run(w, 11000);
	EXPECT(w->last_conduit.end == CONDUIT_END_IDLE && c->reset && t->reset);
	world_close(w);
}

/* A keep-alive of one side keeps both, by weir's own. */
static void
test_kept_alive(bool by_client)
{
	struct world *w = open_raw("");
	struct tcp *far = w->wire.ends[0].tcp;
	struct world_peer *c, *t;
	uint64_t segments;

	w->settings.idle_timeout_ms = 50000;
	w->wire.listener.settings.tell_keepalive = true;
	c = client(w);
	t = far_end(w);
	tcp_keep_alive(far, by_client ? c->connection : t->connection, 30000, 3);
	world_run(w, 35000);
	segments = tcp_counters(far)->segments_in;
	world_run(w, 200000);
	EXPECT(tcp_counters(far)->segments_in >= segments + 2 * 9);
	say(w, c, "still");
	EXPECT(heard(t, "still") && w->closed_n == 0);
	world_close(w);
}

static void
test_target_leaves(void)
{
	struct world *w = open_raw("");
	struct world_peer *c = client(w), *t = far_end(w);

	w->target_leaves = true;
	world_run(w, 100);
	EXPECT(w->last_conduit.end == CONDUIT_END_TARGET_LEFT && c->reset && t->reset);
	world_close(w);
}

/* Whoever doesn't read stops whoever writes, not weir; nothing is lost when it reads again. */
static void
test_back_pressure(void)
{
	struct world *w = open_raw("");
	struct world_peer *c = client(w), *t = far_end(w);
	uint64_t taken = 0;

	t->deaf = true;
	for (int i = 0; i < 64; i++)
		say_bytes(w, c, 65536);
	world_run(w, 2000);
	EXPECT(w->relayed < 1024 * 1024);
	EXPECT(w->wire.ends[1].pool.charged < UINT64_C(4) << 20);
	say(w, t, "still there");
	EXPECT(heard(c, "still there"));
	end(w, c);
	t->deaf = false;
	for (int i = 0; i < 2000 && !t->ended; i++) {
		world_take(w, t);
		taken += t->in_len;
		t->in_len = 0;
		world_run(w, 20);
	}
	taken += t->in_len;
	EXPECT(t->ended && taken == 64 * 65536);
	world_close(w);
}

/* In one burst: what is armed for a connection that is over would outlive it. */
static void
test_keepalive_then_reset(bool of_client)
{
	struct world *w = open_raw("");
	struct world_peer *c, *t;

	w->wire.listener.settings.tell_keepalive = true;
	c = client(w);
	t = far_end(w);
	tcp_send_probe(w->wire.ends[0].tcp, c->connection);
	reset(w, of_client ? c : t);
	for (int i = 0; i < 3; i++)
		client(w);
	world_run(w, 200000);
	EXPECT(w->closed_n >= 1);
	world_close(w);
}

/* Who is accepted gets a target: there are two connections for each. */
static void
test_many(void)
{
	struct world *w = open_raw("");

	for (uint32_t i = 0; i < WORLD_CONNECTIONS / 2; i++)
		client(w);
	EXPECT(w->reached_n == WORLD_CONNECTIONS / 2 && w->rejected_n == 0);
	EXPECT(client(w)->reset && w->rejected_n == 1);
	reset(w, &w->peers[0]);
	EXPECT(!client(w)->reset && w->rejected_n == 1);
	world_close(w);
}

int
main(void)
{
	test_keepalive_then_reset(true);
	test_keepalive_then_reset(false);
	test_bytes_both_ways();
	test_target_ends_first();
	test_bytes_with_end();
	test_resets(true);
	test_resets(false);
	test_nobody();
	test_refused();
	test_idle();
	test_kept_alive(true);
	test_kept_alive(false);
	test_target_leaves();
	test_back_pressure();
	test_many();
	return unit_done();
}
