/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two engines and a wire between them that loses, doubles, reorders, delays and corrupts by a seed,
 * in virtual time.
 */
#ifndef TCP_WIRE_H
#define TCP_WIRE_H

#include "tcp_buffers.h"

#define WIRE_FRAMES_MAX 8192u

struct wire_settings {
	uint32_t delay_us;  /* one way */
	uint32_t jitter_us; /* more, at random: reorders */
	uint32_t loss;      /* of 10,000, each way */
	uint32_t doubled, corrupted;
	uint64_t rate;         /* bytes a second, 0: unlimited */
	uint32_t queue_max;    /* bytes before the slow link; 0: unlimited */
	uint64_t buffer_bytes; /* of the engine on side 1 */
};

struct wire_frame {
	struct buffer *b;
	uint64_t due_us, order;
};

struct wire_end {
	struct tcp *tcp;
	struct chain_pool pool;
	struct span *spans;
	uint32_t spans_n;
	struct wire *wire;
	uint32_t side;
	uint64_t free_us; /* when its link can take the next frame */
	uint64_t frames_n, bytes_n;
	uint32_t released_n;
	/* What takes segments, trains as they are; NULL: the wire does. */
	void (*port)(struct wire_end *end, const struct tcp_segment *segment);
};

struct wire {
	struct wire_settings settings;
	struct wire_end ends[2];
	struct tcp_listener listener;    /* of ends[1] */
	struct tcp_listener targets[10]; /* of ends[0], by the port's last digit; no MTU: none */
	struct wire_frame heap[WIRE_FRAMES_MAX];
	uint32_t heap_n;
	uint64_t now_us, order;
	unsigned long long random;
	uint64_t lost_n;
};

static inline bool
wire_before(const struct wire_frame *a, const struct wire_frame *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static inline void
wire_push(struct wire *w, struct buffer *b, uint64_t due_us)
{
	uint32_t i = w->heap_n++;

	CHECK(i < WIRE_FRAMES_MAX);
	w->heap[i] = (struct wire_frame){b, due_us, w->order++};
	while (i > 0 && wire_before(&w->heap[i], &w->heap[(i - 1) / 2])) {
		struct wire_frame f = w->heap[i];

		w->heap[i] = w->heap[(i - 1) / 2];
		w->heap[(i - 1) / 2] = f;
		i = (i - 1) / 2;
	}
}

static inline struct buffer *
wire_pop(struct wire *w)
{
	struct buffer *b = w->heap[0].b;
	uint32_t i = 0;

	w->heap[0] = w->heap[--w->heap_n];
	for (;;) {
		uint32_t least = i;

		for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < w->heap_n; k++) {
			if (wire_before(&w->heap[k], &w->heap[least]))
				least = k;
		}
		if (least == i)
			return b;
		struct wire_frame f = w->heap[i];

		w->heap[i] = w->heap[least];
		w->heap[least] = f;
		i = least;
	}
}

static inline bool
wire_chance(struct wire *w, uint32_t of_10000)
{
	return of_10000 > 0 && unit_random(&w->random) % 10000 < of_10000;
}

static inline void
wire_send(struct wire_end *e, struct buffer *b)
{
	struct wire *w = e->wire;
	const struct wire_settings *s = &w->settings;
	uint64_t due_us = w->now_us + s->delay_us;

	e->frames_n++;
	e->bytes_n += b->len;
	/* Who receives it is in the frame's first byte, where no one looks. */
	b->data[0] = (uint8_t)(1 - e->side);
	if (s->rate != 0) {
		uint64_t begin_us = e->free_us > w->now_us ? e->free_us : w->now_us;

		if (s->queue_max != 0 &&
		    (begin_us - w->now_us) * s->rate / 1000000 > s->queue_max) {
			w->lost_n++;
			buffer_unref(b);
			return;
		}
		e->free_us = begin_us + b->len * UINT64_C(1000000) / s->rate;
		due_us = e->free_us + s->delay_us;
	}
	if (wire_chance(w, s->loss)) {
		w->lost_n++;
		buffer_unref(b);
		return;
	}
	if (s->jitter_us > 0)
		due_us += unit_random(&w->random) % s->jitter_us;
	if (wire_chance(w, s->corrupted))
		b->data[BUFFER_LINK + unit_random(&w->random) % (b->len - BUFFER_LINK)] ^=
			(uint8_t)(1 + unit_random(&w->random) % 255);
	if (wire_chance(w, s->doubled)) {
		struct buffer *again = buffer_new();
		uint32_t refs = again->refs;

		memcpy(again, b, sizeof(*b));
		again->refs = refs;
		wire_push(w, again, due_us + 1 + unit_random(&w->random) % (s->delay_us + 1));
	}
	wire_push(w, b, due_us);
}

static inline void
wire_transmit(struct wire_end *e, const struct tcp_segment *segment)
{
	struct tcp_segment part = *segment;
	uint32_t left = segment->payload_len, seq;
	uint8_t header[100];
	uint8_t flags;

	if (left <= segment->mss || segment->mss == 0) {
		wire_send(e, buffer_of_segment(segment));
		return;
	}
	/* As a NIC cuts: the header again with each MSS of payload. */
	CHECK(segment->checksum_pending);
	memcpy(header, segment->header, segment->header_len);
	part.header = header;
	flags = header[part.l4_off + TCP_FLAGS];
	while (left > 0) {
		uint8_t *tcp = header + part.l4_off;
		uint32_t n = left < segment->mss ? left : segment->mss;
		uint16_t len = (uint16_t)(segment->header_len + n);
		bool v4 = segment->tuple->af == 4;

		part.payload_len = n;
		tcp[TCP_FLAGS] =
			n == left ? flags : flags & (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
		if (v4) {
			bytes_store_be16(header + IPV4_LEN, len);
			bytes_store16(header + IPV4_CHECKSUM, 0);
			bytes_store16(header + IPV4_CHECKSUM, checksum(header, IPV4_MIN_LEN));
		} else {
			bytes_store_be16(header + IPV6_PAYLOAD_LEN, (uint16_t)(len - IPV6_MIN_LEN));
		}
		bytes_store16(tcp + TCP_CHECKSUM,
			      checksum_fold(checksum_pseudo(header + (v4 ? IPV4_SRC : IPV6_SRC),
							    header + (v4 ? IPV4_DST : IPV6_DST),
							    v4 ? 4 : 16, IPPROTO_TCP,
							    (uint32_t)len - segment->l4_off)));
		wire_send(e, buffer_of_segment(&part));
		for (part.offset += n; part.span != NULL && part.offset >= part.span->len;) {
			part.offset -= part.span->len;
			part.span = part.span->next;
		}
		seq = bytes_load_be32(tcp + TCP_SEQ) + n;
		bytes_store_be32(tcp + TCP_SEQ, seq);
		left -= n;
	}
}

static inline void
wire_emit(void *arg, const struct tcp_segment *segment)
{
	struct wire_end *e = arg;

	if (e->port != NULL)
		e->port(e, segment);
	else
		wire_transmit(e, segment);
}

static inline struct tcp_listener *
wire_listen(void *arg, const struct packet *p)
{
	struct wire_end *e = arg;

	struct tcp_listener *target = &e->wire->targets[ntohs(p->dport_be) % 10];

	if (e->side == 0)
		return target->settings.mtu > 0 ? target : NULL;
	return p->dport_be == htons(80) ? &e->wire->listener : NULL;
}

static inline void
wire_released(void *arg, const struct tcp_tuple *tuple)
{
	(void)tuple;
	((struct wire_end *)arg)->released_n++;
}

static inline void
wire_open(struct wire *w, const struct wire_settings *settings, const struct tcp_settings *tcp,
	  uint32_t connections, uint32_t spans, bool tso, unsigned long long seed)
{
	memset(w, 0, sizeof(*w));
	w->settings = *settings;
	w->random = seed | 1;
	w->now_us = UINT64_C(4294967296000) - 10000000; /* milliseconds wrap after ten seconds */
	w->listener = (struct tcp_listener){.settings = *tcp, .max_half_open = connections};
	for (uint32_t i = 0; i < 2; i++) {
		struct wire_end *e = &w->ends[i];
		struct tcp_config config = {.ops = {wire_emit, wire_listen, wire_released, NULL},
					    .arg = e,
					    .pool = &e->pool,
					    .connections_max = connections,
					    .time_wait_max = connections,
					    .half_open_max = connections,
					    .secret = {(uint8_t)(i + 1), (uint8_t)seed},
					    .checksum_offload = tso,
					    .tso_max = tso ? 65536 : 0,
					    .buffer_bytes = i == 1 ? settings->buffer_bytes : 0};

		e->wire = w;
		e->side = i;
		e->spans_n = spans;
		e->spans = malloc(spans * sizeof(*e->spans));
		chain_pool_init(&e->pool, &buffer_ops, e->spans, spans, BUFFER_CHARGE);
		e->tcp = tcp_create(&config, w->now_us);
		CHECK(e->tcp != NULL);
	}
}

static inline void
wire_deliver(struct wire *w, struct buffer *b)
{
	struct wire_end *e = &w->ends[b->data[0]];
	struct packet p = {0};

	b->data[0] = 0;
	if (buffer_parse(b, &p)) {
		tcp_set_time(e->tcp, w->now_us);
		tcp_input(e->tcp, &p, BUFFER_CHARGE, false);
	}
	buffer_unref(b);
}

/* Go on to the next thing that happens: a frame, or the next millisecond. Both ends' turns. */
static inline void
wire_step(struct wire *w, void (*on_turn)(struct wire_end *e, void *arg), void *arg)
{
	uint64_t tick_us = w->now_us - w->now_us % 1000 + 1000;

	if (w->heap_n > 0 && w->heap[0].due_us < tick_us)
		w->now_us = w->heap[0].due_us > w->now_us ? w->heap[0].due_us : w->now_us;
	else
		w->now_us = tick_us;
	while (w->heap_n > 0 && w->heap[0].due_us <= w->now_us)
		wire_deliver(w, wire_pop(w));
	for (uint32_t i = 0; i < 2; i++) {
		tcp_advance(w->ends[i].tcp, w->now_us);
		on_turn(&w->ends[i], arg);
		tcp_flush(w->ends[i].tcp);
	}
}

static inline void
wire_close(struct wire *w)
{
	while (w->heap_n > 0)
		buffer_unref(wire_pop(w));
	for (uint32_t i = 0; i < 2; i++) {
		tcp_free(w->ends[i].tcp);
		EXPECT(w->ends[i].pool.charged == 0);
		EXPECT(w->ends[i].pool.free_n == w->ends[i].spans_n);
		free(w->ends[i].spans);
	}
	EXPECT(*buffers_n() == 0);
}

#endif
