/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions over TLS: what comes with an end, and what happens without buffers. */
#include "proxy_world.h"
#include "tls_world.h"

#define BODY 700000u /* more than both windows and the queue between them */

static const struct wire_settings clean = {.delay_us = 100};
static struct tls_server *server;
static struct tls_client *client_side;
static bool dry;

static void *
maybe_alloc(void *arg, uint8_t **data, uint32_t *room)
{
	return dry ? NULL : buffer_alloc(arg, data, room);
}

static void
create_sides(void)
{
	struct tls_credentials *credentials;
	char why[256];
	const struct tls_policy *policy =
		tls_policy_find("ELBSecurityPolicy-TLS13-1-2-2021-06", false, why, sizeof(why));
	struct tls_server_settings s = {.policy = policy,
					.credentials = &credentials,
					.credentials_n = 1,
					.identity = "test"};
	struct tls_client_settings c = {.policy = policy};

	tls_world_init();
	tls_make_certificate("a", "DNS:a", true, 0);
	credentials = tls_load("a");
	server = tls_server_create(&s, why, sizeof(why));
	client_side = tls_client_create(&c, why, sizeof(why));
	CHECK(server != NULL && client_side != NULL);
	tls_credentials_put(credentials);
	unlink(tls_path("a", "pem"));
	unlink(tls_path("a", "key"));
	rmdir(tls_world()->directory);
}

/* A client and its TLS; what comes is kept in the clear. */
struct tls_peer_world {
	struct world *w;
	struct world_peer *peer;
	struct tls *tls;
	struct chain cipher, plain;
};

static void
peer_send(struct tls_peer_world *c, struct chain *out)
{
	struct tcp *tcp = c->w->wire.ends[0].tcp;

	if (!chain_is_empty(out)) {
		tcp_send(tcp, c->peer->connection, out);
		tcp_flush(tcp);
	}
	world_run(c->w, 5);
}

static void
peer_read(struct tls_peer_world *c)
{
	struct chain_pool *pool = &c->w->wire.ends[0].pool;
	struct chain out = {0};

	if (c->peer->in_len > 0)
		CHECK(chain_append_copy(pool, &c->cipher, c->peer->in, c->peer->in_len));
	c->peer->in_len = 0;
	if (tls_is_finished(c->tls))
		tls_read(c->tls, &c->cipher, &c->plain, UINT32_MAX, &out);
	else
		tls_handshake(c->tls, &c->cipher, &out);
	peer_send(c, &out);
}

static bool
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

static void
peer_open(struct tls_peer_world *c, struct world *w)
{
	*c = (struct tls_peer_world){.w = w};
	w->settings.tls = server;
	w->wire.ends[1].pool.ops.alloc = maybe_alloc;
	c->peer = client(w);
	c->tls = tls_connect(client_side, &w->wire.ends[0].pool, NULL, NULL);
	CHECK(c->tls != NULL);
	for (uint32_t i = 0; i < 20 && !tls_is_finished(c->tls); i++)
		peer_read(c);
	EXPECT(tls_is_finished(c->tls));
}

static void
peer_close(struct tls_peer_world *c)
{
	chain_free(&c->w->wire.ends[0].pool, &c->cipher);
	chain_free(&c->w->wire.ends[0].pool, &c->plain);
	tls_free(c->tls);
	world_close(c->w);
}

static void
peer_write(struct tls_peer_world *c, const char *head, uint32_t body, struct chain *out)
{
	struct chain_pool *pool = &c->w->wire.ends[0].pool;
	struct chain plain = {0};
	static char bytes[BODY];

	memset(bytes, 'x', sizeof(bytes));
	CHECK(chain_append_copy(pool, &plain, head, (uint32_t)strlen(head)));
	CHECK(body == 0 || chain_append_copy(pool, &plain, bytes, body));
	CHECK(tls_write(c->tls, &plain, out, UINT32_MAX, 0) == TLS_DONE);
}

#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n"
#define GET  "GET /own HTTP/1.1\r\nHost: a\r\n\r\n"

/* FIN comes before close_notify can be decrypted; without close_notify what FIN cuts isn't whole.
 */
static void
test_body_with_end(bool notify)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *target;
	struct tls_peer_world c;
	struct chain out = {0};

	peer_open(&c, w);
	w->deaf = true;
	peer_write(&c, POST, notify ? BODY : BODY - 1, &out);
	if (notify)
		tls_shutdown(c.tls, &out);
	tcp_send(w->wire.ends[0].tcp, c.peer->connection, &out);
	end(w, c.peer);
	world_run(w, 200);
	target = &w->peers[1];
	CHECK(target->target == 1);
	target->deaf = false;
	world_take(w, target);
	world_run(w, 200);
	EXPECT((strlen(strstr(target->in, "\r\n\r\n") + 4) == BODY) == notify);
	if (notify) {
		say(w, target, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		EXPECT(peer_heard(&c, "HTTP/1.1 200") && w->last.elb_status == 200);
	} else {
		EXPECT(w->done_n == 1 && w->last.elb_status == 460);
	}
	peer_close(&c);
}

/* Nothing comes after the request: it goes on when there are buffers. */
static void
test_no_buffers(void)
{
	struct world *w = world_open(&clean, 2);
	struct tls_peer_world c;
	struct chain out = {0};

	peer_open(&c, w);
	dry = true;
	peer_write(&c, GET, 0, &out);
	peer_send(&c, &out);
	EXPECT(w->done_n == 0);
	EXPECT(!proxy_turn(w->proxy, w->wire.now_us)); /* nor is there anything to do meanwhile */
	dry = false;
	world_run(w, 5);
	EXPECT(w->done_n == 1 && peer_heard(&c, "HTTP/1.1 403"));
	peer_close(&c);
}

static void
test_no_buffers_for_a_handshake(void)
{
	struct world *w = world_open(&clean, 3);
	struct tls_peer_world c;

	dry = true;
	c = (struct tls_peer_world){.w = w};
	w->settings.tls = server;
	w->wire.ends[1].pool.ops.alloc = maybe_alloc;
	c.peer = client(w);
	c.tls = tls_connect(client_side, &w->wire.ends[0].pool, NULL, NULL);
	peer_read(&c);
	world_run(w, 50);
	EXPECT(c.peer->in_len == 0 && !c.peer->closed);
	EXPECT(!proxy_turn(w->proxy, w->wire.now_us));
	dry = false;
	for (uint32_t i = 0; i < 5; i++)
		peer_read(&c);
	EXPECT(tls_is_finished(c.tls));
	peer_close(&c);
}

int
main(void)
{
	create_sides();
	test_body_with_end(true);
	test_body_with_end(false);
	test_no_buffers();
	test_no_buffers_for_a_handshake();
	tls_server_put(server);
	tls_client_put(client_side);
	return unit_done();
}
