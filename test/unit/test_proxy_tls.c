/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions over TLS: what comes with an end, and what happens without buffers. */
#include "proxy_tls_world.h"

#define BODY PEER_BODY

static const struct wire_settings clean = {.delay_us = 100};

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
	peer_begin(&c, w);
	world_run(w, 50);
	EXPECT(c.peer->in_len == 0 && !c.peer->closed);
	EXPECT(!proxy_turn(w->proxy, w->wire.now_us));
	dry = false;
	for (uint32_t i = 0; i < 5; i++)
		peer_read(&c);
	EXPECT(tls_is_finished(c.tls));
	peer_close(&c);
}

/* A crypto lcore: it takes what it has room for, and makes a step when it is told to. */

static struct tls_stepper *stepper;
static struct tls_step *taken[4], *made[4];
static uint32_t taken_n, made_n, room;
static bool at_once;

static bool
make_step(void *arg, struct tls_step *step)
{
	(void)arg;
	if (taken_n >= room)
		return false;
	taken[taken_n++] = step;
	return true;
}

static void
make_all(void)
{
	for (uint32_t i = 0; i < taken_n; i++) {
		tls_step_run(stepper, taken[i]);
		made[made_n++] = taken[i];
	}
	taken_n = 0;
}

static struct tls_step *
made_step(void *arg)
{
	(void)arg;
	if (at_once)
		make_all();
	return made_n > 0 ? made[--made_n] : NULL;
}

static const struct proxy_ops steps = {.make_step = make_step, .made_step = made_step};

static void
test_away(void)
{
	struct world *w = world_open_with(&clean, 4, &steps);
	struct tls_peer_world c;
	struct chain out = {0};

	room = 4;
	at_once = true;
	peer_open(&c, w);
	peer_write(&c, GET, 0, &out);
	peer_send(&c, &out);
	EXPECT(w->done_n == 1 && peer_heard(&c, "HTTP/1.1 403"));
	peer_close(&c);
}

/* Whoever leaves while a step is away is known to have left when it is back. */
static void
test_leaving(bool resets)
{
	struct world *w = world_open_with(&clean, 5, &steps);
	struct tls_peer_world c;

	at_once = false;
	peer_begin(&c, w);
	EXPECT(taken_n == 1);
	if (resets)
		reset(w, c.peer);
	else
		end(w, c.peer);
	world_run(w, 20);
	EXPECT(w->closed_n == 0);
	make_all();
	world_run(w, 20);
	EXPECT(w->closed_n == 1);
	peer_close(&c);
}

/* A step that takes longer than a handshake may. */
static void
test_too_slow(void)
{
	struct world *w = world_open_with(&clean, 6, &steps);
	struct tls_peer_world c;

	at_once = false;
	peer_begin(&c, w);
	world_run(w, 15000);
	EXPECT(taken_n == 1 && w->closed_n == 0);
	make_all();
	world_run(w, 20);
	EXPECT(w->closed_n == 1);
	peer_close(&c);
}

/* It came back when there were no buffers for what it says. */
static void
test_no_buffers_behind_a_step(void)
{
	struct world *w = world_open_with(&clean, 7, &steps);
	struct tls_peer_world c;

	at_once = false;
	peer_begin(&c, w);
	dry = true;
	make_all();
	world_run(w, 20);
	EXPECT(c.peer->in_len == 0);
	dry = false;
	at_once = true;
	for (uint32_t i = 0; i < 5; i++)
		peer_read(&c);
	EXPECT(tls_is_finished(c.tls));
	peer_close(&c);
}

/* When handshakes wait for more than a second new clients are sent away; the others are served. */
static void
test_late(void)
{
	struct world *w = world_open_with(&clean, 8, &steps);
	struct tls_peer_world first, second;
	struct world_peer *third;

	at_once = false;
	room = 1;
	peer_begin(&first, w);
	peer_begin(&second, w);
	EXPECT(taken_n == 1);
	world_run(w, 900);
	third = client(w);
	EXPECT(!third->closed && w->rejected_n == 0);
	world_run(w, 200);
	third = client(w);
	EXPECT(third->reset && w->rejected_n == 1);
	w->settings.tls = NULL;
	third = client(w);
	EXPECT(!third->closed);
	at_once = true;
	for (uint32_t i = 0; i < 5; i++) {
		peer_read(&first);
		peer_read(&second);
	}
	EXPECT(tls_is_finished(first.tls) && tls_is_finished(second.tls));
	peer_forget(&first);
	peer_close(&second);
}

int
main(void)
{
	create_sides();
	test_body_with_end(true);
	test_body_with_end(false);
	test_no_buffers();
	test_no_buffers_for_a_handshake();
	stepper = tls_stepper_create();
	CHECK(stepper != NULL);
	test_away();
	test_leaving(true);
	test_leaving(false);
	test_too_slow();
	test_no_buffers_behind_a_step();
	test_late();
	tls_stepper_free(stepper);
	tls_server_put(server);
	tls_client_put(client_side);
	return unit_done();
}
