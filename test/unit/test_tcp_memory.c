/* SPDX-License-Identifier: BSD-3-Clause */
/* What connections cost, and what happens when buffers run short. */
#include "tcp_wire.h"

#define IDLE    1000u
#define HOARDS  100u
#define ACTIVE  4u
#define SHUT    20u /* hold between 35 and 50 % when their windows are full */
#define CROWD   1200u
#define CRUMBS  5000u
#define BUFFERS (2000u * BUFFER_CHARGE)

static struct wire w;

static const struct tcp_settings settings = {
	.mtu = 1500, .receive_buffer = 65535, .send_buffer = 65536, .syn_retries = 5};

static struct tcp_connection *
open_one(uint16_t port)
{
	struct tcp_tuple tuple = {.local = buffer_addr("192.0.2.1"),
				  .remote = buffer_addr("192.0.2.2"),
				  .local_port_be = htons(port),
				  .remote_port_be = htons(80),
				  .af = 4};

	return tcp_connect(w.ends[0].tcp, &tuple, &settings, NULL);
}

static void
forget_events(struct wire_end *e, void *arg)
{
	struct tcp_connection *c;
	uint32_t events;

	(void)arg;
	while (tcp_next_event(e->tcp, &c, &events))
		;
}

static void
test_idle_connection_costs_512_bytes(void)
{
	static const struct wire_settings clean = {.delay_us = 100};

	wire_open(&w, &clean, &settings, IDLE, 1024, false, 1);
	for (uint32_t i = 0; i < IDLE; i++)
		EXPECT(open_one((uint16_t)(10000 + i)) != NULL);
	for (uint32_t i = 0; i < 2000; i++)
		wire_step(&w, forget_events, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		EXPECT(tcp_counters(w.ends[i].tcp)->connections == IDLE);
		EXPECT(tcp_memory_in_use(w.ends[i].tcp) <= IDLE * UINT64_C(512));
		EXPECT(tcp_memory_in_use(w.ends[i].tcp) > IDLE * UINT64_C(256));
	}
	/* The table is full: refused, and nothing is taken. */
	EXPECT(open_one(9999) == NULL);
	EXPECT(tcp_counters(w.ends[0].tcp)->no_connection == 1);
	wire_close(&w);
}

struct crowd {
	uint64_t taken;
	uint32_t resets;
	uint64_t charged_max;
};

/* The first ACTIVE ports are read from, the others never. */
static void
serve(struct wire_end *e, void *arg)
{
	struct crowd *crowd = arg;
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(e->tcp, &c, &events)) {
		bool active = ntohs(tcp_tuple_of(c)->remote_port_be) < 10000 + ACTIVE;

		if (e->side == 1 && active) {
			crowd->taken += tcp_received(c)->len;
			tcp_take(e->tcp, c, NULL, tcp_received(c)->len);
		}
		if ((events & TCP_EVENT_CLOSED) != 0) {
			crowd->resets += e->side == 1 && tcp_close_reason(c) == TCP_CLOSE_MEMORY;
			EXPECT(e->side == 0 || !active);
			tcp_close(e->tcp, c, 0);
		}
	}
	if (e->side == 1 && e->pool.charged > crowd->charged_max)
		crowd->charged_max = e->pool.charged;
}

static void
send_some(struct tcp_connection *c, uint32_t len)
{
	static const uint8_t bytes[1400];
	struct chain chain = {0};

	while (len > 0) {
		uint32_t n = len < sizeof(bytes) ? len : (uint32_t)sizeof(bytes);

		chain_append(&w.ends[0].pool, &chain, NULL, bytes, n, 0);
		len -= n;
	}
	tcp_send(w.ends[0].tcp, c, &chain);
}

static void
test_hoarders_are_reset(void)
{
	static const struct wire_settings small = {.delay_us = 100, .buffer_bytes = BUFFERS};
	struct crowd crowd = {0};
	uint64_t before;

	wire_open(&w, &small, &settings, HOARDS + ACTIVE, 65536, false, 1);
	for (uint32_t i = 0; i < HOARDS + ACTIVE; i++)
		send_some(open_one((uint16_t)(10000 + i)), i < ACTIVE ? 2000000 : 60000);
	for (uint32_t i = 0; i < 20000; i++)
		wire_step(&w, serve, &crowd);
	/* Windows stopped opening at 35 %, payload was refused at 50 %. */
	EXPECT(crowd.charged_max <= BUFFERS * UINT64_C(52) / 100);
	EXPECT(crowd.resets > 0 && crowd.resets < HOARDS);
	EXPECT(tcp_counters(w.ends[1].tcp)->memory_resets == crowd.resets);
	before = crowd.taken;
	for (uint32_t i = 0; i < 60000; i++)
		wire_step(&w, serve, &crowd);
	EXPECT(crowd.taken > before || crowd.taken >= ACTIVE * UINT64_C(2000000));
	EXPECT(crowd.taken >= ACTIVE * UINT64_C(2000000));
	wire_close(&w);
}

/* Whoever holds one buffer each is as many as there are buffers: they go in one round. */
static void
test_many_small_holders_are_reset(void)
{
	static const struct wire_settings small = {.delay_us = 100, .buffer_bytes = BUFFERS};
	struct crowd crowd = {0};
	struct tcp_connection *active[ACTIVE];

	wire_open(&w, &small, &settings, CROWD, 65536, false, 1);
	for (uint32_t i = 0; i < ACTIVE; i++)
		active[i] = open_one((uint16_t)(10000 + i));
	for (uint32_t i = ACTIVE; i < CROWD; i++)
		send_some(open_one((uint16_t)(10000 + i)), 1);
	for (uint32_t i = 0; i < 20000; i++)
		wire_step(&w, serve, &crowd);
	/* Nobody has sent anything for long: time alone must have done it. */
	EXPECT(crowd.resets > CROWD / 5);
	EXPECT(w.ends[1].pool.charged < BUFFERS * UINT64_C(36) / 100);
	for (uint32_t i = 0; i < ACTIVE; i++)
		send_some(active[i], 100000);
	for (uint32_t i = 0; i < 60000; i++)
		wire_step(&w, serve, &crowd);
	EXPECT(crowd.taken == ACTIVE * UINT64_C(100000));
	wire_close(&w);
}

struct watched {
	struct tcp_connection *accepted[SHUT];
	uint32_t n, writable;
};

static void
watch(struct wire_end *e, void *arg)
{
	struct watched *watched = arg;
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(e->tcp, &c, &events)) {
		if ((events & TCP_EVENT_ACCEPTED) != 0)
			watched->accepted[watched->n++] = c;
		watched->writable += e->side == 1 && (events & TCP_EVENT_WRITABLE) != 0;
	}
}

struct got {
	uint32_t n;
	uint8_t bytes[CRUMBS];
};

static void
read_all(struct wire_end *e, void *arg)
{
	struct got *got = arg;
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(e->tcp, &c, &events)) {
		uint32_t len = tcp_received(c)->len;

		len = len < CRUMBS - got->n ? len : CRUMBS - got->n;
		chain_copy_out(tcp_received(c), 0, got->bytes + got->n, len);
		tcp_take(e->tcp, c, NULL, len);
		got->n += len;
	}
}

static struct tcp_connection *sippers[HOARDS]; /* NULL: over */

/* Readers that sip make progress all the time, and hold more and more. */
static void
sip(struct wire_end *e, void *arg)
{
	struct crowd *crowd = arg;
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(e->tcp, &c, &events)) {
		static const uint8_t bytes[1400];
		struct chain chain = {0};

		if ((events & TCP_EVENT_CLOSED) != 0) {
			crowd->resets += e->side == 1 && tcp_close_reason(c) == TCP_CLOSE_MEMORY;
			if (e->side == 0)
				sippers[ntohs(tcp_tuple_of(c)->local_port_be) - 10000] = NULL;
			tcp_close(e->tcp, c, 0);
			continue;
		}
		if (e->side == 0)
			continue; /* the test reads */
		while (tcp_queued(c) + chain.len < 60000)
			CHECK(chain_append_copy(&e->pool, &chain, bytes, sizeof(bytes)));
		tcp_send(e->tcp, c, &chain);
	}
}

static void
test_sippers_are_reset(void)
{
	static const struct wire_settings small = {.delay_us = 100, .buffer_bytes = BUFFERS};
	struct crowd crowd = {0};

	wire_open(&w, &small, &settings, HOARDS, 65536, false, 1);
	for (uint32_t i = 0; i < HOARDS; i++)
		sippers[i] = open_one((uint16_t)(10000 + i));
	for (uint32_t i = 0; i < 20000; i++) {
		wire_step(&w, sip, &crowd);
		for (uint32_t k = 0; i % 300 == 0 && k < HOARDS; k++) {
			if (sippers[k] != NULL && tcp_received(sippers[k])->len >= 3000)
				tcp_take(w.ends[0].tcp, sippers[k], NULL, 3000);
		}
		/* Progress is worth two seconds. */
		EXPECT(i != 1000 || crowd.resets == 0);
	}
	EXPECT(crowd.resets > 0 && crowd.resets < HOARDS);
	EXPECT(w.ends[1].pool.charged < BUFFERS * UINT64_C(52) / 100);
	wire_close(&w);
}

/* Windows that were shut for want of buffers open when that is over, not with the peer's probe. */
static void
test_windows_reopen(void)
{
	static const struct wire_settings small = {.delay_us = 100, .buffer_bytes = BUFFERS};
	struct watched watched = {0};
	uint64_t until_us;

	wire_open(&w, &small, &settings, SHUT, 65536, false, 1);
	for (uint32_t i = 0; i < SHUT; i++)
		send_some(open_one((uint16_t)(10000 + i)), 200000);
	for (uint32_t i = 0; i < 600; i++)
		wire_step(&w, watch, &watched);
	EXPECT(watched.n == SHUT);
	EXPECT(w.ends[1].pool.charged >= BUFFERS * UINT64_C(35) / 100);
	/* The first is taken while buffers are still short. */
	for (uint32_t i = 0; i < SHUT; i++)
		tcp_take(w.ends[1].tcp, watched.accepted[i], NULL,
			 tcp_received(watched.accepted[i])->len);
	EXPECT(w.ends[1].pool.charged == 0);
	until_us = w.now_us + 10000;
	while (w.now_us < until_us)
		wire_step(&w, watch, &watched);
	for (uint32_t i = 0; i < SHUT; i++)
		EXPECT(tcp_received(watched.accepted[i])->len > 0);
	wire_close(&w);
}

/* Who reads a long queue slowly is told of its progress while buffers are short. */
static void
test_progress_is_told(void)
{
	static const struct wire_settings small = {.delay_us = 100, .buffer_bytes = BUFFERS};
	static const uint8_t bytes[1400];

	for (uint32_t is_short = 0; is_short < 2; is_short++) {
		struct watched watched = {0};
		struct chain hoard = {0}, queue = {0};
		struct tcp_connection *c;

		wire_open(&w, &small, &settings, 4, 65536, false, 1);
		c = open_one(10000);
		for (uint32_t i = 0; i < 50; i++)
			wire_step(&w, watch, &watched);
		while (is_short && w.ends[1].pool.charged < BUFFERS * UINT64_C(40) / 100)
			CHECK(chain_append_copy(&w.ends[1].pool, &hoard, bytes, sizeof(bytes)));
		for (uint32_t i = 0; i < 300; i++)
			CHECK(chain_append(&w.ends[1].pool, &queue, NULL, bytes, sizeof(bytes), 0));
		tcp_send(w.ends[1].tcp, watched.accepted[0], &queue);
		for (uint32_t i = 0; i < 400; i++) {
			wire_step(&w, watch, &watched);
			if (tcp_queued(watched.accepted[0]) > 200000)
				tcp_take(w.ends[0].tcp, c, NULL, tcp_received(c)->len);
		}
		EXPECT(is_short ? watched.writable > 10 : watched.writable == 0);
		chain_free(&w.ends[1].pool, &hoard);
		wire_close(&w);
	}
}

/* A queue of bytes that came one by one costs what waits. */
static void
test_crumbs_share_buffers(void)
{
	static const struct wire_settings clean = {.delay_us = 100};
	struct tcp_connection *c;
	uint8_t sent[CRUMBS];
	struct got got = {0};

	wire_open(&w, &clean, &settings, 4, 1024, false, 1);
	c = open_one(10000);
	for (uint32_t i = 0; i < CRUMBS; i++) {
		struct chain chain = {0};

		sent[i] = (uint8_t)(i * 7 + i / 256);
		EXPECT(chain_append_copy(&w.ends[0].pool, &chain, &sent[i], 1));
		tcp_send(w.ends[0].tcp, c, &chain);
	}
	EXPECT(w.ends[0].pool.charged <= (CRUMBS / 1400 + 2) * BUFFER_CHARGE);
	for (uint32_t i = 0; i < 2000; i++)
		wire_step(&w, read_all, &got);
	EXPECT(got.n == CRUMBS && memcmp(sent, got.bytes, CRUMBS) == 0);
	wire_close(&w);
}

int
main(void)
{
	test_many_small_holders_are_reset();
	test_sippers_are_reset();
	test_windows_reopen();
	test_progress_is_told();
	test_crumbs_share_buffers();
	test_idle_connection_costs_512_bytes();
	test_hoarders_are_reset();
	return unit_done();
}
