/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets that die: what is sent again, to whom, and what fails. */
#include "proxy_world.h"

static const struct wire_settings clean = {.delay_us = 100};

#define GET    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
#define BODY   "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

enum death { RST, FIN, BYTES_THEN_FIN, INTERIM_THEN_RST };

static void
die(struct world *w, struct world_peer *t, enum death death)
{
	if (death == BYTES_THEN_FIN)
		say(w, t, "HTTP/1.1 20");
	if (death == INTERIM_THEN_RST)
		say(w, t, "HTTP/1.1 103 Early Hints\r\n\r\n");
	if (death == RST || death == INTERIM_THEN_RST)
		reset(w, t);
	else
		end(w, t);
}

static void
test_deaths(void)
{
	static const struct {
		const char *why;
		const char *request;
		bool pooled; /* the connection has served before */
		enum death death;
		uint32_t other; /* target there is besides */
		uint32_t again; /* who gets the request then; 0: nobody, 502 */
	} rows[] = {
		{"pooled, another target", GET, true, RST, 2, 2},
		{"pooled, FIN", GET, true, FIN, 2, 2},
		{"pooled, no other: a new connection to the same", GET, true, RST, 0, 1},
		{"pooled, no other, FIN", GET, true, FIN, 0, 1},
		{"new, another target", GET, false, RST, 2, 2},
		{"new, no other: it would do the same again", GET, false, RST, 0, 0},
		{"new, no other, FIN", GET, false, FIN, 0, 0},
		{"not idempotent", POST, true, RST, 2, 0},
		{"with a body", BODY, true, RST, 2, 0},
		{"the answer had begun", GET, true, BYTES_THEN_FIN, 2, 0},
		{"so it had, interim", GET, true, INTERIM_THEN_RST, 2, 0},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c = client(w), *t, *again;

		if (rows[i].pooled) {
			say(w, c, GET);
			t = asked(w, 1);
			CHECK(t != NULL);
			EXPECT_ROW(rows[i].why, heard(t, "\r\n\r\n"));
			say(w, t, ANSWER "ok");
			EXPECT_ROW(rows[i].why, heard(c, "\r\n\r\nok"));
			t->claimed = false;
		}
		w->other = rows[i].other;
		say(w, c, rows[i].request);
		t = asked(w, 1);
		CHECK(t != NULL);
		EXPECT_ROW(rows[i].why, w->opened_n == 1);
		die(w, t, rows[i].death);
		again = asked(w, rows[i].again);
		EXPECT_ROW(rows[i].why, (again != NULL) == (rows[i].again != 0));
		if (again != NULL) {
			say(w, again, ANSWER "ok");
			EXPECT_ROW(rows[i].why, heard(c, "\r\n\r\nok") && w->last.retries == 1);
			EXPECT_ROW(rows[i].why, w->last.target == world_reference(rows[i].again));
		} else {
			EXPECT_ROW(rows[i].why, heard(c, " 502 ") && w->last.retries == 0);
		}
		EXPECT_ROW(rows[i].why, w->done_n == 1u + rows[i].pooled);
		world_close(w);
	}
}

static void
test_second_failure(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *t;

	w->other = 2;
	say(w, c, GET);
	t = asked(w, 1);
	CHECK(t != NULL);
	reset(w, t);
	t = asked(w, 2);
	CHECK(t != NULL);
	reset(w, t);
	EXPECT(heard(c, " 502 ") && w->last.retries == 1 && w->done_n == 1);
	world_close(w);
}

/* A target that fails must not cost the others a connection for each of its requests. */
static void
test_again_by_a_pooled_connection(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *other, *t;

	say(w, c, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	other = asked(w, 2);
	CHECK(other != NULL && heard(other, "\r\n\r\n"));
	say(w, other, ANSWER "ok");
	w->other = 2;
	say(w, c, GET);
	t = asked(w, 1);
	CHECK(t != NULL);
	reset(w, t);
	EXPECT(w->opened_n == 2 && heard(other, "\r\n\r\n"));
	world_close(w);
}

static void
test_refused(void)
{
	static const struct {
		const char *why;
		const char *request;
		uint32_t other;
	} rows[] = {
		{"another target", GET, 2},
		{"no other", GET, 0},
		{"not idempotent, but it was never sent", POST, 2},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		bool want = rows[i].other != 0;
		struct world_peer *c, *t;

		w->wire.targets[1].settings.mtu = 0;
		w->other = rows[i].other;
		c = client(w);
		say(w, c, rows[i].request);
		t = asked(w, 2);
		EXPECT_ROW(rows[i].why, (t != NULL) == want);
		if (t != NULL)
			say(w, t, ANSWER "ok");
		EXPECT_ROW(rows[i].why, heard(c, want ? "\r\n\r\nok" : " 502 "));
		world_close(w);
	}
}

static void
test_connect_timeout(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w);

	world_send(w, c, POST, sizeof(POST) - 1);
	while (w->opened_n == 0)
		wire_step(&w->wire, world_turn, w);
	w->wire.settings.loss = 10000;
	world_run(w, 9900);
	EXPECT(w->done_n == 0);
	world_run(w, 200);
	EXPECT(w->done_n == 1 && w->last.elb_status == 504);
	w->wire.settings.loss = 0;
	world_run(w, 30000);
	EXPECT(heard(c, " 504 "));
	world_close(w);
}

/* A request that was sent behind one whose target died isn't forgotten. */
static void
test_pipelined_behind_a_failure(void)
{
	static const enum death deaths[] = {RST, FIN, BYTES_THEN_FIN, INTERIM_THEN_RST};

	for (size_t i = 0; i < ARRAY_N(deaths); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c = client(w), *t;

		say(w, c, POST "GET /own HTTP/1.1\r\nHost: a\r\n\r\n");
		t = asked(w, 1);
		CHECK(t != NULL);
		die(w, t, deaths[i]);
		EXPECT(heard(c, " 502 ") && heard(c, "keep-alive") && heard(c, " 403 "));
		world_close(w);
	}
}

static void
test_client_leaves(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *t;

	say(w, c, GET);
	t = asked(w, 1);
	CHECK(t != NULL);
	reset(w, c);
	EXPECT(w->done_n == 1 && w->last.elb_status == 460 &&
	       w->last.error == PROXY_ERROR_CLIENT_CLOSED);
	EXPECT(t->closed && t->reset);
	world_close(w);
}

int
main(void)
{
	test_deaths();
	test_second_failure();
	test_again_by_a_pooled_connection();
	test_refused();
	test_connect_timeout();
	test_pipelined_behind_a_failure();
	test_client_leaves();
	return unit_done();
}
