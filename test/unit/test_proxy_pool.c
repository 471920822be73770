/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets' idle connections: which are used again, and by what has come since which are not. */
#include "proxy_world.h"

static const struct wire_settings clean = {.delay_us = 100};

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
#define GET    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
#define OWN    "GET /own HTTP/1.1\r\nHost:a\r\n\r\n"

static void
answered(struct world *w, struct world_peer *c, struct world_peer *target)
{
	CHECK(target != NULL);
	say(w, target, ANSWER "ok");
	EXPECT(heard(c, "HTTP/1.1 200") && heard(c, "ok"));
}

/* The answer and the RST behind it come in one turn. */
static void
test_reset_behind_an_answer(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *t;
	struct proxy_gauges gauges;

	say(w, c, GET);
	t = asked(w, 1);
	world_send(w, t, ANSWER "ok", sizeof(ANSWER "ok") - 1);
	reset(w, t);
	EXPECT(heard(c, "HTTP/1.1 200") && heard(c, "ok"));
	proxy_gauges(w->proxy, &gauges);
	EXPECT(gauges.idle_upstreams == 0);
	say(w, c, GET);
	answered(w, c, asked(w, 1));
	world_close(w);
}

/* Bytes that nobody asked for come in the turn of another client's request, behind that. */
static void
test_surplus_is_no_answer(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *other = client(w), *t;
	static const char surplus[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";

	say(w, c, GET);
	t = asked(w, 1);
	answered(w, c, t);
	world_send(w, other, GET, sizeof(GET) - 1);
	world_send(w, t, surplus, sizeof(surplus) - 1);
	world_run(w, 20);
	EXPECT(!heard(other, "EVIL") && t->closed);
	t = asked(w, 1);
	EXPECT(w->opened_n == 2);
	answered(w, other, t);
	world_close(w);
}

/* The end of an idle connection comes in the turn of a request that may not be sent twice. */
static void
test_end_in_the_turn_of_a_request(bool by_reset)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *other = client(w), *t;

	say(w, c, GET);
	t = asked(w, 1);
	answered(w, c, t);
	world_send(w, other, POST, sizeof(POST) - 1);
	if (by_reset) {
		reset(w, t);
	} else {
		tcp_shutdown(w->wire.ends[0].tcp, t->connection);
		tcp_flush(w->wire.ends[0].tcp);
	}
	world_run(w, 20);
	EXPECT(w->done_n == 1 && w->opened_n == 2);
	answered(w, other, asked(w, 1));
	world_close(w);
}

/* Who asks all the time and reads no answer is heard no further. */
static void
test_answers_that_nobody_reads(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w);
	uint32_t asked_n = 0, done_n;

	c->deaf = true;
	for (uint32_t i = 0; i < 20; i++) {
		for (uint32_t k = 0; k < 1000; k++, asked_n++)
			world_send(w, c, OWN, sizeof(OWN) - 1);
		world_run(w, 500);
	}
	done_n = w->done_n;
	EXPECT(done_n > 100 && done_n < asked_n / 2);
	EXPECT(w->wire.ends[1].pool.charged < UINT64_C(4) << 20);
	c->deaf = false;
	for (uint32_t i = 0; i < 100; i++) {
		world_take(w, c);
		c->in_len = 0;
		world_run(w, 20);
	}
	EXPECT(w->done_n > done_n);
	world_close(w);
}

int
main(void)
{
	test_reset_behind_an_answer();
	test_surplus_is_no_answer();
	test_end_in_the_turn_of_a_request(false);
	test_end_in_the_turn_of_a_request(true);
	test_answers_that_nobody_reads();
	return unit_done();
}
