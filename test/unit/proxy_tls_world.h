/* SPDX-License-Identifier: BSD-3-Clause */
/* A proxy's world (proxy_world.h) with TLS: clients that speak it, and times without buffers. */
#ifndef PROXY_TLS_WORLD_H
#define PROXY_TLS_WORLD_H

#include "proxy_world.h"
#include "tls_world.h"

#define PEER_BODY 700000u /* at most; more than both windows and the queue between them */

static struct tls_server *server;
static struct tls_client *client_side;
static bool dry;

static inline void *
maybe_alloc(void *arg, uint8_t **data, uint32_t *room)
{
	return dry ? NULL : buffer_alloc(arg, data, room);
}

static inline void
create_sides(void)
{
	struct tls_credentials *credentials;
	char why[256];
	const struct tls_policy *policy =
		tls_policy_find("ELBSecurityPolicy-TLS13-1-2-2021-06", false, why, sizeof(why));
	struct secret secret = {{1}};
	struct tls_tickets *tickets = tls_tickets_create(&secret, 3600, 360000);
	struct tls_server_settings s = {.policy = policy,
					.tickets = tickets,
					.credentials = &credentials,
					.credentials_n = 1,
					.identity = "test"};
	struct tls_client_settings c = {.policy = policy};

	tls_world_init();
	tls_make_certificate("a", "DNS:a", true, 0);
	credentials = tls_load("a");
	server = tls_server_create(&s, why, sizeof(why));
	client_side = tls_client_create(&c, why, sizeof(why));
	CHECK(tickets != NULL && server != NULL && client_side != NULL);
	tls_credentials_put(credentials);
	tls_tickets_put(tickets);
	unlink(tls_path("a", "pem"));
	unlink(tls_path("a", "key"));
	rmdir(tls_world()->directory);
}

/* A client or target and its TLS; what comes is kept in the clear. */
struct tls_peer_world {
	struct world *w;
	struct world_peer *peer;
	struct tls *tls;
	struct chain cipher, plain;
};

static inline void
peer_send(struct tls_peer_world *c, struct chain *out)
{
	struct tcp *tcp = c->w->wire.ends[0].tcp;

	if (!chain_is_empty(out)) {
		tcp_send(tcp, c->peer->connection, out);
		tcp_flush(tcp);
	}
	world_run(c->w, 5);
}

/* @return  what came of the last step. */
static inline enum tls_result
peer_read(struct tls_peer_world *c)
{
	struct chain_pool *pool = &c->w->wire.ends[0].pool;
	enum tls_result result = TLS_MORE;
	struct chain out = {0};

	if (c->peer->in_len > 0)
		CHECK(chain_append_copy(pool, &c->cipher, c->peer->in, c->peer->in_len));
	c->peer->in_len = 0;
	if (!tls_is_finished(c->tls))
		result = tls_handshake(c->tls, &c->cipher, &out);
	else
		while (result == TLS_MORE)
			result = tls_read(c->tls, &c->cipher, &c->plain, UINT32_MAX, &out);
	peer_send(c, &out);
	return result;
}

static inline bool
peer_heard(struct tls_peer_world *c, const char *text)
{
	static char bytes[65536];
	uint32_t n;

	peer_read(c);
	n = c->plain.len < sizeof(bytes) ? c->plain.len : (uint32_t)sizeof(bytes) - 1;
	chain_copy_out(&c->plain, 0, bytes, n);
	bytes[n] = '\0';
	chain_free(&c->w->wire.ends[0].pool, &c->plain);
	return strstr(bytes, text) != NULL;
}

/* It has said its hello. */
static inline void
peer_begin(struct tls_peer_world *c, struct world *w)
{
	*c = (struct tls_peer_world){.w = w};
	w->settings.tls = server;
	w->wire.ends[1].pool.ops.alloc = maybe_alloc;
	c->peer = client(w);
	c->tls = tls_connect(client_side, &w->wire.ends[0].pool, NULL, NULL);
	CHECK(c->tls != NULL);
	peer_read(c);
}

static inline void
peer_open(struct tls_peer_world *c, struct world *w)
{
	peer_begin(c, w);
	for (uint32_t i = 0; i < 20 && !tls_is_finished(c->tls); i++)
		peer_read(c);
	EXPECT(tls_is_finished(c->tls));
}

static inline void
peer_forget(struct tls_peer_world *c)
{
	chain_free(&c->w->wire.ends[0].pool, &c->cipher);
	chain_free(&c->w->wire.ends[0].pool, &c->plain);
	tls_free(c->tls);
}

static inline void
peer_close(struct tls_peer_world *c)
{
	peer_forget(c);
	world_close(c->w);
}

static inline void
peer_write(struct tls_peer_world *c, const char *head, uint32_t body, struct chain *out)
{
	struct chain_pool *pool = &c->w->wire.ends[0].pool;
	struct chain plain = {0};
	static char bytes[PEER_BODY];

	memset(bytes, 'x', sizeof(bytes));
	CHECK(chain_append_copy(pool, &plain, head, (uint32_t)strlen(head)));
	CHECK(body == 0 || chain_append_copy(pool, &plain, bytes, body));
	CHECK(tls_write(c->tls, &plain, out, UINT32_MAX, 0) == TLS_DONE);
}

#endif
