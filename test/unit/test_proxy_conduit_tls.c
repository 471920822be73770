/* SPDX-License-Identifier: BSD-3-Clause */
/* Conduits over TLS: their last bytes when there are no buffers. */
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
	struct chain cipher = {0};
	struct world_peer *target = open_conduit(&c);

	end_without_buffers(&c, target, last);
	world_run(c.w, 1000);
	EXPECT(!c.peer->closed);
	dry = false;
	world_run(c.w, 100);
	EXPECT(c.peer->closed && !c.peer->reset);
	CHECK(chain_append_copy(&c.w->wire.ends[0].pool, &c.cipher, c.peer->in, c.peer->in_len));
	EXPECT(tls_read(c.tls, &c.cipher, &c.plain, UINT32_MAX, &cipher) == TLS_CLOSED);
	EXPECT(c.plain.len == strlen(last));
	EXPECT(c.w->closed_n == 1 && c.w->last_conduit.end == CONDUIT_END_DONE);
	chain_free(&c.w->wire.ends[0].pool, &cipher);
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

int
main(void)
{
	create_sides();
	test_last_bytes("last words");
	test_last_bytes(""); /* close_notify alone */
	test_never_any_buffers();
	test_client_goes_meanwhile();
	tls_server_put(server);
	tls_client_put(client_side);
	return unit_done();
}
