/* SPDX-License-Identifier: BSD-3-Clause */
/* Times of a client's connection: heads, bodies, idleness, and whose fault it is. */
#include "proxy_world.h"

static const struct wire_settings clean = {.delay_us = 100};

/* Both limits on a head, from its first byte; also on a connection that has served before. */
static void
test_heads(void)
{
	static const struct {
		const char *why;
		uint32_t head_ms, idle_ms;
		bool served, drips;
		uint32_t at_least_ms, at_most_ms;
	} rows[] = {
		{"shorter than idle", 2000, 20000, false, false, 1900, 2200},
		{"shorter than idle, second request", 2000, 20000, true, false, 1900, 2200},
		{"byte by byte", 2000, 20000, false, true, 1900, 2200},
		{"byte by byte, second request", 2000, 20000, true, true, 1900, 2200},
		{"longer than idle", 20000, 2000, false, false, 1900, 2200},
		{"longer than idle, byte by byte", 5000, 2000, false, true, 4900, 5200},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c;
		uint64_t begun_us;
		uint32_t ms = 0;

		w->settings.header_timeout_ms = rows[i].head_ms;
		w->settings.idle_timeout_ms = rows[i].idle_ms;
		c = client(w);
		if (rows[i].served) {
			say(w, c, "GET /own HTTP/1.1\r\nHost: a\r\n\r\n");
			EXPECT_ROW(rows[i].why, heard(c, "HTTP/1.1 403"));
		}
		world_run(w, 1000);
		begun_us = w->wire.now_us;
		say(w, c, "GET / HTTP/1.1\r\nX: ");
		while (!heard(c, " 408 ") && ms < rows[i].at_most_ms + 1000) {
			if (rows[i].drips)
				say(w, c, "a");
			world_run(w, 80);
			ms = (uint32_t)((w->wire.now_us - begun_us) / 1000);
		}
		EXPECT_ROW(rows[i].why, ms >= rows[i].at_least_ms && ms <= rows[i].at_most_ms);
		EXPECT_ROW(rows[i].why, heard(c, "Connection: close") && c->ended);
		world_close(w);
	}
}

static void
test_idle_without_a_request(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c;

	w->settings.idle_timeout_ms = 5000;
	c = client(w);
	world_run(w, 4900);
	EXPECT(!c->ended);
	world_run(w, 200);
	EXPECT(c->ended && c->in_len == 0 && w->done_n == 0);
	world_close(w);
}

/* Who keeps a body from going on, gets the blame for it. */
static void
test_blame(void)
{
	static const struct {
		const char *why;
		uint32_t length, sent;
		bool deaf;
		const char *want;
	} rows[] = {
		{"the client stops", 100000, 50000, false, " 408 "},
		{"the client stops, and the target doesn't read", 400000, 100000, true, " 408 "},
		{"the client sends all it may", 4000000, 2000000, true, " 504 "},
		{"all has come, no answer", 1000, 1000, false, " 504 "},
		{"all has come, and isn't read", 100000, 100000, true, " 504 "},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c;
		char head[128];

		w->settings.idle_timeout_ms = 10000;
		w->deaf = rows[i].deaf;
		c = client(w);
		snprintf(head, sizeof(head),
			 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %u\r\n\r\n",
			 rows[i].length);
		say(w, c, head);
		say_bytes(w, c, rows[i].sent);
		world_run(w, 9500);
		EXPECT_ROW(rows[i].why, c->in_len == 0);
		world_run(w, 1500);
		EXPECT_ROW(rows[i].why, heard(c, rows[i].want));
		world_close(w);
	}
}

/* A byte short of the pace ends a body, in the interval after that in which it was kept. */
static void
test_pace(void)
{
	static const struct {
		const char *why;
		uint32_t limit, each_100_ms; /* bytes a second; bytes */
		uint32_t ends_ms;            /* 0: not within 100 s */
	} rows[] = {
		{"too slow", 100, 9, 30000},
		{"just fast enough", 100, 11, 0},
		{"a byte now and then", 100, 1, 30000},
		{"no limit", 0, 1, 0},
		{"a higher limit", 10000, 900, 30000},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c, *t;
		uint32_t ms = 0;

		w->settings.body_min_bytes_per_s = rows[i].limit;
		c = client(w);
		say(w, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
		for (; ms < 100000 && c->in_len == 0; ms += 100) {
			say_bytes(w, c, rows[i].each_100_ms);
			world_run(w, 80);
		}
		t = asked(w, 1);
		if (rows[i].ends_ms == 0) {
			EXPECT_ROW(rows[i].why, c->in_len == 0 && t != NULL && !t->closed);
		} else {
			EXPECT_ROW(rows[i].why,
				   ms >= rows[i].ends_ms - 200 && ms <= rows[i].ends_ms + 300);
			EXPECT_ROW(rows[i].why, heard(c, " 408 ") && t != NULL && t->closed);
		}
		world_close(w);
	}
}

/* The first interval is kept, the second isn't. */
static void
test_pace_later(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w);

	say(w, c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	say(w, c, "1000\r\n");
	say_bytes(w, c, 4096);
	world_run(w, 58000);
	EXPECT(c->in_len == 0);
	world_run(w, 3000);
	EXPECT(heard(c, " 408 "));
	world_close(w);
}

/* While the target doesn't read, the client can't send: that time isn't the client's. */
static void
test_pace_held_back(void)
{
	struct world *w;
	struct world_peer *c, *t;
	uint32_t ms;

	w = world_open(&clean, 1);
	w->settings.idle_timeout_ms = 100000;
	w->settings.body_min_bytes_per_s = 50000;
	w->deaf = true;
	c = client(w);
	say(w, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1500000\r\n\r\n");
	say_bytes(w, c, 1000000);
	world_run(w, 75000);
	EXPECT(c->in_len == 0);
	for (uint32_t i = 0; i < w->peers_n; i++) {
		if (w->peers[i].target == 1) {
			w->peers[i].deaf = false;
			world_take(w, &w->peers[i]);
			tcp_flush(w->wire.ends[0].tcp);
		}
	}
	/* A whole interval from the time it can go on. */
	for (ms = 0; ms < 60000 && c->in_len == 0; ms += 100)
		world_run(w, 100);
	EXPECT(ms >= 29500 && ms <= 31000);
	EXPECT(heard(c, " 408 "));
	t = asked(w, 1);
	EXPECT(t != NULL && t->in_len > 990000);
	world_close(w);
}

/* A promise to go on doesn't last for ever: the rest of a body behind its answer. */
static void
test_rest_that_does_not_come(void)
{
	static const struct {
		const char *why;
		const char *request;
		bool drips;
		uint32_t at_least_ms, at_most_ms;
	} rows[] = {
		{"kept alive, silence: idle", "Content-Length: 50\r\n\r\nabc", false, 9900, 10300},
		{"kept alive, drips: 30 s", "Content-Length: 5000\r\n\r\nabc", true, 29900, 30500},
		{"closing, drips: 30 s", "Content-Length: 5000000\r\n\r\nabc", true, 29900, 32500},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c;
		uint32_t ms = 0;

		w->settings.idle_timeout_ms = 10000;
		c = client(w);
		say(w, c, "POST /own HTTP/1.1\r\nHost: a\r\n");
		say(w, c, rows[i].request);
		EXPECT_ROW(rows[i].why, heard(c, " 403 "));
		for (; ms < 60000 && w->closed_n == 0; ms += 100) {
			world_run(w, 80);
			if (rows[i].drips)
				say(w, c, "x");
			else
				world_run(w, 20);
		}
		EXPECT_ROW(rows[i].why, ms >= rows[i].at_least_ms && ms <= rows[i].at_most_ms);
		EXPECT_ROW(rows[i].why,
			   w->done_n == 1 && w->last.elb_status == 403 && w->last.error == 0);
		world_close(w);
	}
}

int
main(void)
{
	test_heads();
	test_idle_without_a_request();
	test_blame();
	test_pace();
	test_pace_later();
	test_pace_held_back();
	test_rest_that_does_not_come();
	return unit_done();
}
