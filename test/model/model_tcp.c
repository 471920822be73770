/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transfers both ways over a wire with faults: every byte arrives once and in order, nothing
 * stalls, everything is given back.  The twin is the stream's formula.
 */
#include "tcp_wire.h"

#define CONNECTIONS 8u
#define QUIET_MS    400000u /* without a byte on any connection: a stall */

struct side {
	struct tcp_connection *c;
	uint64_t seed;
	uint64_t to_send, queued, received, expected;
	bool ended, drained, closed, given_back;
	uint32_t pause; /* turns for which nothing is taken */
};

struct transfer {
	struct wire w;
	struct side sides[2][CONNECTIONS]; /* by end and number */
	uint64_t progress_us, moved;
	unsigned long long random;
	bool slow_reader;
};

static void
give(struct transfer *t, struct wire_end *e, struct side *s)
{
	static uint8_t bytes[4096];
	struct chain chain = {0};

	while (s->queued < s->to_send && tcp_queued(s->c) < 65536) {
		uint32_t n = 1 + (uint32_t)(unit_random(&t->random) % sizeof(bytes));

		if (unit_random(&t->random) % 8 == 0)
			n = 1 + n % 32;
		n = s->to_send - s->queued < n ? (uint32_t)(s->to_send - s->queued) : n;
		for (uint32_t i = 0; i < n; i++)
			bytes[i] = stream_byte(s->seed, s->queued + i);
		if (!chain_append_copy(&e->pool, &chain, bytes, n))
			break;
		tcp_send(e->tcp, s->c, &chain);
		s->queued += n;
		if (s->queued == s->to_send)
			tcp_shutdown(e->tcp, s->c);
	}
}

static void
take(struct transfer *t, struct wire_end *e, struct side *s, uint64_t other_seed)
{
	uint32_t len = tcp_received(s->c)->len;
	struct chain chain = {0};
	uint8_t bytes[512];

	if (t->slow_reader) {
		if (s->pause > 0 && s->pause-- > 0)
			return;
		s->pause = (uint32_t)(unit_random(&t->random) % 50);
		len = len == 0 ? 0 : 1 + (uint32_t)(unit_random(&t->random) % len);
	}
	if (len == 0 || !tcp_take(e->tcp, s->c, &chain, len))
		return;
	for (uint32_t at = 0; at < len; at += sizeof(bytes)) {
		uint32_t n = len - at < sizeof(bytes) ? len - at : (uint32_t)sizeof(bytes);
		bool same = true;

		chain_copy_out(&chain, at, bytes, n);
		for (uint32_t i = 0; i < n; i++)
			same &= bytes[i] == stream_byte(other_seed, s->received + at + i);
		EXPECT(same);
	}
	s->received += len;
	t->moved += len;
	t->progress_us = t->w.now_us;
	chain_free(&e->pool, &chain);
}

static void
take_event(struct transfer *t, struct wire_end *e, struct tcp_connection *c, uint32_t events)
{
	struct side *s;

	if ((events & TCP_EVENT_ACCEPTED) != 0) {
		uint32_t i = ntohs(tcp_tuple_of(c)->remote_port_be) - 5000u;

		t->sides[1][i].c = c;
		tcp_set_user(c, &t->sides[1][i]);
	}
	s = tcp_user(c);
	EXPECT(s->c == c && !s->given_back);
	if ((events & TCP_EVENT_END) != 0) {
		EXPECT(!s->ended);
		s->ended = true;
	}
	if ((events & TCP_EVENT_CLOSED) != 0) {
		EXPECT(tcp_close_reason(c) == TCP_CLOSE_DONE);
		s->closed = true;
	}
	(void)e;
}

static void
on_turn(struct wire_end *e, void *arg)
{
	struct transfer *t = arg;
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(e->tcp, &c, &events))
		take_event(t, e, c, events);
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct side *s = &t->sides[e->side][i];
		struct side *other = &t->sides[1 - e->side][i];

		if (s->c == NULL || s->given_back)
			continue;
		take(t, e, s, other->seed);
		give(t, e, s);
		if (s->closed && tcp_received(s->c)->len == 0) {
			s->given_back = true;
			tcp_close(e->tcp, s->c, 0);
		}
	}
}

static bool
is_done(const struct transfer *t)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		for (uint32_t k = 0; k < 2; k++) {
			const struct side *s = &t->sides[k][i];

			if (!s->given_back || s->received != t->sides[1 - k][i].to_send)
				return false;
		}
	}
	return true;
}

static void
connect_all(struct transfer *t, bool v6)
{
	struct wire_end *e = &t->w.ends[0];

	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct tcp_tuple tuple = {.local = buffer_addr(v6 ? "2001:db8::1" : "192.0.2.1"),
					  .remote = buffer_addr(v6 ? "2001:db8::2" : "192.0.2.2"),
					  .local_port_be = htons((uint16_t)(5000 + i)),
					  .remote_port_be = htons(80),
					  .af = v6 ? 6 : 4};
		struct side *s = &t->sides[0][i];

		s->c = tcp_connect(e->tcp, &tuple, &t->w.listener.settings, s);
		EXPECT(s->c != NULL);
	}
}

static uint64_t
again(const struct transfer *t)
{
	return tcp_counters(t->w.ends[0].tcp)->retransmitted +
	       tcp_counters(t->w.ends[1].tcp)->retransmitted;
}

static void
test_transfer(const char *what, const struct wire_settings *settings,
	      const struct tcp_settings *tcp, uint64_t bytes, bool slow_reader, bool v6, bool tso,
	      unsigned long long *random)
{
	static struct transfer t;
	uint64_t begin_us;
	int failed = unit_failed;

	memset(&t, 0, sizeof(t));
	wire_open(&t.w, settings, tcp, 64, 16384, tso, unit_random(random));
	t.random = unit_random(random) | 1;
	t.slow_reader = slow_reader;
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		for (uint32_t k = 0; k < 2; k++) {
			t.sides[k][i].seed = unit_random(random);
			t.sides[k][i].to_send = 1 + unit_random(random) % bytes;
		}
	}
	connect_all(&t, v6);
	begin_us = t.progress_us = t.w.now_us;
	while (!is_done(&t) && t.w.now_us - t.progress_us < QUIET_MS * UINT64_C(1000) &&
	       unit_failed - failed < 5)
		wire_step(&t.w, on_turn, &t);
	EXPECT_ROW(what, is_done(&t));
	/* TIME-WAIT ends, every port is given back. */
	for (uint32_t i = 0; i < 700; i++) {
		t.w.now_us += 100000;
		wire_step(&t.w, on_turn, &t);
	}
	for (uint32_t k = 0; k < 2; k++) {
		const struct tcp_counters *n = tcp_counters(t.w.ends[k].tcp);

		EXPECT_ROW(what, n->connections == 0 && n->half_open == 0 && n->time_wait == 0);
		EXPECT_ROW(what, tcp_memory_in_use(t.w.ends[k].tcp) == 0);
	}
	EXPECT_ROW(what, t.w.ends[0].released_n == CONNECTIONS);
	/* A wire that keeps the order provokes few needless retransmissions. */
	if (settings->jitter_us == 0 && settings->loss + settings->corrupted <= 100 &&
	    settings->doubled == 0)
		EXPECT_ROW(what, again(&t) <= 2 * t.w.lost_n + 40);
	if (getenv("VERBOSE") != NULL || unit_failed != failed)
		printf("%s: %.1f kB in %.2f s, %u again, %u timeouts%s\n", what,
		       (double)t.moved / 1000, (double)(t.progress_us - begin_us) / 1e6,
		       (unsigned)(tcp_counters(t.w.ends[0].tcp)->retransmitted +
				  tcp_counters(t.w.ends[1].tcp)->retransmitted),
		       (unsigned)(tcp_counters(t.w.ends[0].tcp)->timeouts +
				  tcp_counters(t.w.ends[1].tcp)->timeouts),
		       unit_failed != failed ? " FAILED" : "");
	wire_close(&t.w);
}

int
main(void)
{
	static const struct {
		const char *what;
		struct wire_settings wire;
		uint64_t bytes;
		bool slow_reader, tso;
	} rows[] = {
		{"clean", {.delay_us = 1000}, 400000, false, false},
		{"clean, TSO", {.delay_us = 1000}, 400000, false, true},
		{"slow reader", {.delay_us = 1000}, 200000, true, false},
		{"loss 1 %", {.delay_us = 5000, .loss = 100}, 400000, false, true},
		{"loss 10 %", {.delay_us = 5000, .loss = 1000}, 200000, false, false},
		{"reordering", {.delay_us = 5000, .jitter_us = 4000}, 400000, false, false},
		{"doubled", {.delay_us = 5000, .doubled = 2000}, 200000, false, false},
		{"corrupted", {.delay_us = 5000, .corrupted = 300}, 200000, false, false},
		{"narrow",
		 {.delay_us = 10000, .rate = 1250000, .queue_max = 30000},
		 200000,
		 false,
		 true},
		{"everything",
		 {.delay_us = 3000,
		  .jitter_us = 6000,
		  .loss = 500,
		  .doubled = 500,
		  .corrupted = 200},
		 200000,
		 true,
		 true},
	};
	struct tcp_settings tcp = {
		.mtu = 1500, .receive_buffer = 262144, .send_buffer = 131072, .syn_retries = 8};
	unsigned long long state = unit_seed(23);

	for (unsigned long round = unit_rounds(4); round > 0; round--) {
		for (size_t i = 0; i < ARRAY_N(rows); i++) {
			tcp.congestion = round % 2 ? TCP_CUBIC : TCP_NEW_RENO;
			tcp.nagle = unit_random(&state) % 4 == 0;
			tcp.receive_buffer = 4096u << unit_random(&state) % 8;
			test_transfer(rows[i].what, &rows[i].wire, &tcp, rows[i].bytes,
				      rows[i].slow_reader, unit_random(&state) % 2, rows[i].tso,
				      &state);
		}
	}
	return unit_done();
}
