/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An answer's body relayed from a target in the clear to a client over TLS, beside AES-128-GCM
 * alone over the same bytes, in turns in one thread.
 *
 * The proxy with its engine and TLS is between ports that take trains of 64 KiB as they are (TSO)
 * and deliver frames of 9,000 bytes.  Time is that of the proxy's side only: what it does with each
 * frame from lib/tcp on, its turns, and keeping references of what it sends; not parsing, routes,
 * mbufs of a train, checksums (ports verify and write them), the wire, client or target.  The
 * client decrypts and compares every byte: it is a test, too.
 *
 * usage: bench_relay [rounds] [MiB a round]
 */
#define BUFFER_ROOM 9216u /* for a frame, as weir's have it with such an MTU */
#define WORLD_MTU   9000
#define WORLD_TSO   true

#include "bench_gcm.h"
#include "proxy_tls_world.h"

#define CIPHERSUITE "TLS_AES_128_GCM_SHA256"
#define ROUNDS_MAX  101u
#define AHEAD       (512u << 10)
#define PIECE       (64u << 10)
#define HELD_MAX    4096u
#define SPANS_MAX   65536u

/* A segment between the proxy's turn and the wire. */
struct held {
	struct tcp_segment segment;
	uint8_t header[TCP_HEADERS_MAX];
	struct tcp_tuple tuple;
};

static struct held held[HELD_MAX];
static struct span held_spans[SPANS_MAX];
static uint32_t held_n, held_spans_n;
static double proxy_s;
static uint8_t pattern[PIECE];

/* As a driver: headers into a buffer, payload by reference. */
static void
take_segment(struct wire_end *e, const struct tcp_segment *s)
{
	struct held *h = &held[held_n++];
	uint32_t left = s->offset + s->payload_len;

	(void)e;
	CHECK(held_n <= HELD_MAX);
	h->segment = *s;
	h->tuple = *s->tuple;
	h->segment.tuple = &h->tuple;
	memcpy(h->header, s->header, s->header_len);
	h->segment.header = h->header;
	h->segment.span = s->payload_len > 0 ? &held_spans[held_spans_n] : NULL;
	for (const struct span *span = s->span; s->payload_len > 0 && left > 0; span = span->next) {
		struct span *copy = &held_spans[held_spans_n++];

		CHECK(held_spans_n < SPANS_MAX);
		*copy = *span;
		copy->next = copy + 1;
		buffer_ref(span->owner);
		left -= left < span->len ? left : span->len;
	}
}

static void
transmit_held(struct wire_end *e)
{
	for (uint32_t i = 0; i < held_n; i++)
		wire_transmit(e, &held[i].segment);
	for (uint32_t i = 0; i < held_spans_n; i++)
		buffer_unref(held_spans[i].owner);
	held_n = 0;
	held_spans_n = 0;
}

static void
deliver(struct world *w, struct buffer *b)
{
	struct wire_end *e = &w->wire.ends[1];
	struct packet p = {0};
	double began;

	if (b->data[0] == 0) {
		wire_deliver(&w->wire, b);
		return;
	}
	b->data[0] = 0;
	CHECK(buffer_parse(b, &p));
	began = clock_s(CLOCK_MONOTONIC);
	tcp_set_time(e->tcp, w->wire.now_us);
	tcp_input(e->tcp, &p, BUFFER_CHARGE, false);
	buffer_unref(b);
	proxy_s += clock_s(CLOCK_MONOTONIC) - began;
	transmit_held(e);
}

/* As wire_step(). */
static void
step(struct world *w)
{
	struct wire *wire = &w->wire;
	uint64_t tick_us = wire->now_us - wire->now_us % 1000 + 1000;
	double began;

	if (wire->heap_n > 0 && wire->heap[0].due_us < tick_us)
		tick_us = wire->heap[0].due_us > wire->now_us ? wire->heap[0].due_us : wire->now_us;
	wire->now_us = tick_us;
	while (wire->heap_n > 0 && wire->heap[0].due_us <= wire->now_us)
		deliver(w, wire_pop(wire));
	tcp_advance(wire->ends[0].tcp, wire->now_us);
	world_peers_turn(w);
	tcp_flush(wire->ends[0].tcp);
	began = clock_s(CLOCK_MONOTONIC);
	tcp_advance(wire->ends[1].tcp, wire->now_us);
	proxy_turn(w->proxy, wire->now_us);
	tcp_flush(wire->ends[1].tcp);
	proxy_s += clock_s(CLOCK_MONOTONIC) - began;
	transmit_held(&wire->ends[1]);
}

/* @return  bytes of the body that came. */
static uint64_t
read_body(struct tls_peer_world *c, uint64_t at)
{
	struct chain_pool *pool = &c->w->wire.ends[0].pool;
	static uint8_t bytes[PIECE];
	enum tls_result result;
	struct chain out = {0};

	CHECK(chain_append_copy(pool, &c->cipher, c->peer->in, c->peer->in_len));
	c->peer->in_len = 0;
	do
		result = tls_read(c->tls, &c->cipher, &c->plain, UINT32_MAX, &out);
	while (result == TLS_MORE);
	CHECK(result == TLS_WANT_INPUT && chain_is_empty(&out));
	while (c->plain.len > 0) {
		uint32_t from = (uint32_t)(at % PIECE), n = PIECE - from;

		n = n < c->plain.len ? n : c->plain.len;
		chain_copy_out(&c->plain, 0, bytes, n);
		CHECK(memcmp(bytes, pattern + from, n) == 0);
		chain_consume(pool, &c->plain, n);
		at += n;
	}
	return at;
}

static void
skip_head(struct tls_peer_world *c)
{
	char head[1024];
	uint32_t n;

	for (uint32_t i = 0; i < 100000; i++) {
		step(c->w);
		if (c->peer->in_len == 0)
			continue;
		peer_read(c);
		n = c->plain.len < sizeof(head) - 1 ? c->plain.len : (uint32_t)sizeof(head) - 1;
		chain_copy_out(&c->plain, 0, head, n);
		head[n] = '\0';
		if (strstr(head, "\r\n\r\n") == NULL)
			continue;
		CHECK(strncmp(head, "HTTP/1.1 200", 12) == 0);
		chain_consume(&c->w->wire.ends[0].pool, &c->plain,
			      (uint32_t)(strstr(head, "\r\n\r\n") + 4 - head));
		return;
	}
	CHECK(false);
}

static struct world_peer *
ask(struct tls_peer_world *c, struct world *w)
{
	struct chain out = {0};

	peer_open(c, w);
	CHECK(strcmp(tls_cipher(c->tls), CIPHERSUITE) == 0);
	peer_write(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, &out);
	peer_send(c, &out);
	world_run(w, 20);
	CHECK(w->peers_n == 2 && w->peers[1].target == 1);
	return &w->peers[1];
}

/* @return  bytes a second of the proxy's time. */
static double
relay(uint64_t bytes)
{
	static const struct wire_settings link = {.delay_us = 50};
	struct world *w = world_open(&link, 1);
	struct tls_peer_world c;
	struct world_peer *target;
	uint64_t sent = 0, got = 0, until_us;
	char head[128];

	target = ask(&c, w);
	w->wire.ends[1].port = take_segment;
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
		 (unsigned long long)bytes);
	world_send(w, target, head, (uint32_t)strlen(head));
	skip_head(&c);
	proxy_s = 0;
	until_us = w->wire.now_us + bytes / 100 + UINT64_C(10000000);
	while (got < bytes) {
		CHECK(w->wire.now_us < until_us);
		while (sent < bytes && tcp_queued(target->connection) < AHEAD) {
			world_send(w, target, pattern, PIECE);
			sent += PIECE;
		}
		step(w);
		got = read_body(&c, got);
	}
	w->wire.ends[1].port = NULL;
	world_run(w, 100);
	CHECK(w->done_n == 1 && w->last.elb_status == 200);
	peer_close(&c);
	return (double)bytes / proxy_s;
}

int
main(int argc, char **argv)
{
	uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 11;
	uint64_t bytes = (argc > 2 ? (uint64_t)atoi(argv[2]) : 128) << 20;
	double relayed[ROUNDS_MAX], sealed[ROUNDS_MAX], ratio[ROUNDS_MAX];

	CHECK(rounds > 0 && rounds <= ROUNDS_MAX && bytes > 0);
	for (uint32_t i = 0; i < PIECE; i++)
		pattern[i] = (uint8_t)(i * 131 + i / 251);
	create_sides();
	relay(4 << 20);
	for (uint32_t i = 0; i < rounds; i++) {
		relayed[i] = relay(bytes);
		sealed[i] = gcm(true, bytes, CLOCK_MONOTONIC);
		ratio[i] = relayed[i] / sealed[i];
	}
	sort_numbers(relayed, rounds);
	sort_numbers(sealed, rounds);
	sort_numbers(ratio, rounds);
	printf("relay to TLS, TSO, frames of 9,000 bytes: %.2f GB/s, AES-128-GCM %.2f GB/s; %.2f "
	       "of "
	       "it (%.2f-%.2f)\n",
	       relayed[rounds / 2] * 1e-9, sealed[rounds / 2] * 1e-9, ratio[rounds / 2], ratio[0],
	       ratio[rounds - 1]);
	tls_server_put(server);
	tls_client_put(client_side);
	return unit_done();
}
