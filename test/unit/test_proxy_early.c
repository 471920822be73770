/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that come before their request has ended: what they promise is kept, and what follows
 * them isn't lost.
 */
#include "proxy_world.h"

static const struct wire_settings clean = {.delay_us = 100};

#define OWN_POST "POST /own HTTP/1.1\r\nHost: a\r\n"
#define NEXT     "GET /own HTTP/1.1\r\nHost: a\r\n\r\n"
#define ANSWER   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

static void
test_own_answers(void)
{
	static const struct {
		const char *why;
		const char *now; /* behind the head's first lines */
		uint32_t later;  /* bytes of body after the answer */
		bool closes;
	} rows[] = {
		{"no body", "\r\n", 0, false},
		{"all is there", "Content-Length: 5\r\n\r\nabcde", 0, false},
		{"a little is to come", "Content-Length: 5\r\n\r\nab", 3, false},
		{"all is to come", "Content-Length: 5\r\n\r\n", 5, false},
		{"as much as is read", "Content-Length: 65536\r\n\r\n", 65536, false},
		{"more", "Content-Length: 65537\r\n\r\n", 65537, true},
		{"much more", "Content-Length: 3000000\r\n\r\nab", 2999998, true},
		{"chunks that have ended",
		 "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n", 0, false},
		{"chunks that have not", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", 0, true},
		{"malformed chunks", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 0, true},
		{"100 awaited", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", 5, true},
		{"not awaited after all", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nabcde",
		 0, false},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c = client(w);

		world_send(w, c, OWN_POST, sizeof(OWN_POST) - 1);
		say(w, c, rows[i].now);
		EXPECT_ROW(rows[i].why, heard(c, "HTTP/1.1 403"));
		EXPECT_ROW(rows[i].why,
			   heard(c, rows[i].closes ? "Connection: close" : "Connection: keep"));
		EXPECT_ROW(rows[i].why, w->done_n == 1 && c->ended == rows[i].closes);
		say_bytes(w, c, rows[i].later);
		say(w, c, NEXT);
		world_run(w, 200);
		/* No RST: a client that has not read its answer would lose it. */
		EXPECT_ROW(rows[i].why, !c->closed);
		EXPECT_ROW(rows[i].why, heard(c, "HTTP/1.1 403") == !rows[i].closes);
		EXPECT_ROW(rows[i].why, w->done_n == 1u + !rows[i].closes);
		world_close(w);
	}
}

/* The body and what follows it are there already. */
static void
test_pipelined(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w);
	static const char mixed[] =
		OWN_POST "Content-Length: 5\r\n\r\nabcde" NEXT OWN_POST
			 "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";

	for (uint32_t i = 0; i < 20; i++)
		world_send(w, c, mixed, sizeof(mixed) - 1);
	world_run(w, 100);
	EXPECT(w->done_n == 60);
	for (uint32_t i = 0; i < 60; i++)
		EXPECT(heard(c, "HTTP/1.1 403") && heard(c, "keep-alive"));
	world_close(w);
}

static void
test_early_answers_of_targets(void)
{
	static const struct {
		const char *why;
		const char *head;
		uint32_t before, after; /* bytes of the body, the answer between them */
		bool closes;
	} rows[] = {
		{"a little is to come", "Content-Length: 1000", 300, 700, false},
		{"much is to come", "Content-Length: 1000000", 3000, 997000, true},
		{"nobody knows how much", "Transfer-Encoding: chunked", 0, 100, true},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c = client(w), *t;

		world_send(w, c, "POST / HTTP/1.1\r\nHost: a\r\n", 26);
		say(w, c, rows[i].head);
		say(w, c, "\r\n\r\n");
		say_bytes(w, c, rows[i].before);
		t = asked(w, 1);
		CHECK(t != NULL);
		say(w, t, ANSWER "ok");
		EXPECT_ROW(rows[i].why, heard(c, "HTTP/1.1 200"));
		EXPECT_ROW(rows[i].why, heard(c, "Connection: close") == rows[i].closes);
		EXPECT_ROW(rows[i].why, heard(c, "ok") && c->ended == rows[i].closes);
		EXPECT_ROW(rows[i].why, t->closed && t->reset);
		say_bytes(w, c, rows[i].after);
		say(w, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		EXPECT_ROW(rows[i].why, !c->closed);
		t = asked(w, 1);
		EXPECT_ROW(rows[i].why, (t != NULL) == !rows[i].closes);
		if (t != NULL) {
			say(w, t, ANSWER "ok");
			EXPECT_ROW(rows[i].why, heard(c, "HTTP/1.1 200"));
		}
		world_close(w);
	}
}

/* An answer that began early and ends late is none of these: both bodies are whole. */
static void
test_answer_begins_early(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *t;

	say(w, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
	t = asked(w, 1);
	CHECK(t != NULL);
	say(w, t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcde");
	EXPECT(strstr(c->in, "close") == NULL && heard(c, "abcde"));
	say(w, c, "56789");
	EXPECT(heard(t, "0123456789"));
	say(w, t, "fghij");
	EXPECT(heard(c, "fghij") && !t->closed && !c->ended);
	say(w, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	EXPECT(w->opened_n == 1 && heard(t, "GET / "));
	world_close(w);
}

static void
test_expect_forwarded(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *t;

	say(w, c,
	    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	EXPECT(heard(c, "HTTP/1.1 100 Continue\r\n\r\n"));
	say(w, c, "ab");
	t = asked(w, 1);
	CHECK(t != NULL);
	EXPECT(!heard(t, "xpect") && heard(t, "\r\n\r\nab"));
	say(w, t, ANSWER "ok");
	EXPECT(heard(c, "HTTP/1.1 200") && !heard(c, "close"));
	world_close(w);
}

/* RFC 9110 section 7.8: no switch before the request has ended. */
static void
test_upgrade_before_the_end(void)
{
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *t;

	say(w, c,
	    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
	    "Content-Length: 5\r\n\r\nab");
	t = asked(w, 1);
	CHECK(t != NULL);
	say(w, t, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	EXPECT(heard(c, " 502 "));
	world_close(w);
}

/* Refused, with more on its way than is in one piece. */
static void
test_refused(void)
{
	static const struct {
		const char *why, *request, *want;
	} rows[] = {
		{"no HTTP", "hello\r\n\r\n", " 400 "},
		{"version", "GET / HTTP/9.9\r\nContent-Length: 900000\r\n\r\n", " 505 "},
		{"method", "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n",
		 " 405 "},
		{"malformed chunk",
		 "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
		 " 400 "},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world *w = world_open(&clean, i);
		struct world_peer *c = client(w);

		say(w, c, rows[i].request);
		EXPECT_ROW(rows[i].why, heard(c, rows[i].want) && heard(c, "Connection: close"));
		EXPECT_ROW(rows[i].why, c->ended && !c->closed);
		for (uint32_t n = 0; n < 20; n++) {
			say_bytes(w, c, 45000);
			world_run(w, 1000);
			EXPECT_ROW(rows[i].why, !c->closed);
		}
		end(w, c);
		EXPECT_ROW(rows[i].why, c->closed && !c->reset && w->closed_n == 1);
		EXPECT_ROW(rows[i].why, w->done_n == 1);
		world_close(w);
	}
}

/* Who still sends, and reads slowly, gets all of the answer. */
static void
test_slow_reader(void)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 450000\r\n\r\n";
	struct world *w = world_open(&clean, 1);
	struct world_peer *c = client(w), *t;
	uint32_t got = 0;

	c->deaf = true;
	say(w, c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	t = asked(w, 1);
	CHECK(t != NULL);
	say(w, t, answer);
	say_bytes(w, t, 450000);
	for (uint32_t n = 0; n < 60 && c->connection != NULL && !c->ended; n++) {
		tcp_take(w->wire.ends[0].tcp, c->connection, NULL, 10000);
		c->in_len += 10000;
		if (n % 7 == 6)
			say_bytes(w, c, 10);
		got = c->in_len + tcp_received(c->connection)->len;
		world_run(w, 1000);
	}
	/* An RST, after its time, comes behind the last byte. */
	EXPECT(c->ended && got > 450000 - 20000);
	world_close(w);
}

int
main(void)
{
	test_own_answers();
	test_pipelined();
	test_early_answers_of_targets();
	test_answer_begins_early();
	test_expect_forwarded();
	test_upgrade_before_the_end();
	test_refused();
	test_slow_reader();
	return unit_done();
}
