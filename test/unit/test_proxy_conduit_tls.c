/* SPDX-License-Identifier: BSD-3-Clause */
/* Conduits over TLS: their last bytes when there are no buffers; sessions with targets. */
#include "proxy_tls_world.h"

static const struct wire_settings clean = {.delay_us = 100};

/* A conduit with TLS of its client's alone. */
static struct world_peer *
open_conduit(struct tls_peer_world *c)
{
	struct world *w = world_open(&clean, 1);

	w->raw = true;
	w->prefix = "";
	peer_open(c, w);
	CHECK(w->peers_n == 2 && w->peers[1].target == 1);
	return &w->peers[1];
}

/* Both ends have ended, and what the target said last waits for buffers. */
static void
end_without_buffers(struct tls_peer_world *c, struct world_peer *target, const char *last)
{
	struct world *w = c->w;
	struct chain out = {0};

	CHECK(tls_shutdown(c->tls, &out) == TLS_DONE);
	tcp_send(w->wire.ends[0].tcp, c->peer->connection, &out);
	end(w, c->peer);
	EXPECT(target->ended);
	dry = true;
	world_send(w, target, last, (uint32_t)strlen(last));
	end(w, target);
	EXPECT(!c->peer->ended && !c->peer->closed);
}

/* What was written before both ended arrives when there are buffers, with the end behind it. */
static void
test_last_bytes(const char *last)
{
	struct tls_peer_world c;
	struct world_peer *target = open_conduit(&c);

	end_without_buffers(&c, target, last);
	world_run(c.w, 1000);
	EXPECT(!c.peer->closed);
	dry = false;
	world_run(c.w, 100);
	EXPECT(c.peer->closed && !c.peer->reset);
	EXPECT(peer_read(&c) == TLS_CLOSED);
	EXPECT(c.plain.len == strlen(last));
	EXPECT(c.w->closed_n == 1 && c.w->last_conduit.end == CONDUIT_END_DONE);
	peer_close(&c);
}

/* Nobody waits for buffers without end. */
static void
test_never_any_buffers(void)
{
	struct tls_peer_world c;
	struct world_peer *target = open_conduit(&c);

	end_without_buffers(&c, target, "lost");
	world_run(c.w, 15000);
	EXPECT(c.peer->closed && c.peer->reset);
	dry = false;
	peer_close(&c);
}

/* Nor for a client that has gone. */
static void
test_client_goes_meanwhile(void)
{
	struct tls_peer_world c;
	struct world_peer *target = open_conduit(&c);

	end_without_buffers(&c, target, "lost");
	reset(c.w, c.peer);
	dry = false;
	peer_close(&c);
}

static struct tls_client *
tls_of_target(void *arg, uint32_t target)
{
	(void)arg;
	(void)target;
	return client_side;
}

static const struct proxy_ops to_targets = {.tls = tls_of_target};

/* A client comes. @return  the connection that is made to the target for it. */
static struct world_peer *
come(struct world *w)
{
	struct world_peer *c = client(w);

	if (!w->raw)
		say(w, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	CHECK(w->peers[w->peers_n - 1].target == 1);
	return &w->peers[w->peers_n - 1];
}

/* @return  whether the target was offered a session that it takes. */
static bool
is_resumed(struct world *w)
{
	struct tls_peer_world t = {.w = w, .peer = come(w)};
	bool resumed;

	t.tls = tls_accept(server, &w->wire.ends[0].pool);
	CHECK(t.tls != NULL);
	for (uint32_t i = 0; i < 20 && !tls_is_finished(t.tls); i++)
		peer_read(&t);
	CHECK(tls_is_finished(t.tls));
	resumed = tls_is_resumed(t.tls);
	peer_read(&t);
	reset(w, t.peer);
	peer_forget(&t);
	return resumed;
}

enum failure { ALERT, FIN, RST, SILENCE };

static void
fail(struct world *w, enum failure how)
{
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 40};
	struct world_peer *t = come(w);

	switch (how) {
	case ALERT:
		world_send(w, t, alert, sizeof(alert));
		break;
	case FIN:
		end(w, t);
		break;
	case RST:
		reset(w, t);
		break;
	case SILENCE:
		world_run(w, 11000);
		break;
	}
	world_run(w, 100);
	EXPECT(how == RST || t->ended || t->reset);
}

/* A target that doesn't take a session any more isn't offered it again. */
static void
test_session_not_taken(bool raw, enum failure how)
{
	struct world *w = world_open_with(&clean, 2, &to_targets);

	w->raw = raw;
	w->prefix = "";
	EXPECT(!is_resumed(w));
	EXPECT(is_resumed(w)); /* once, as libssl has it */
	EXPECT(!is_resumed(w));
	fail(w, how);
	EXPECT(!is_resumed(w));
	EXPECT(is_resumed(w));
	world_close(w);
}

int
main(void)
{
	create_sides();
	test_last_bytes("last words");
	test_last_bytes(""); /* close_notify alone */
	test_never_any_buffers();
	test_client_goes_meanwhile();
	for (enum failure how = ALERT; how <= SILENCE; how++) {
		test_session_not_taken(true, how);
		test_session_not_taken(false, how);
	}
	tls_server_put(server);
	tls_client_put(client_side);
	return unit_done();
}
