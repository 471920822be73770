/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments, time and a caller's doings by the input, near what fits and far from it: what the
 * caller takes is in order, what is emitted is well-formed and of the caller's bytes, no window
 * shrinks, and in the end everything is given back.
 */
#include <stdint.h>
#include <stdlib.h>

#include "tcp_buffers.h"

#define PEERS       4u
#define CONNECTIONS 8u
#define SPANS       512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A peer is an address and a port; what it last saw of us. */
struct peer {
	uint32_t seq;            /* where it would go on */
	uint32_t irs;            /* as our SYN acknowledged it */
	uint32_t iss, ack, edge; /* ours: first number, end of what it saw, right edge offered */
	uint32_t ts;             /* our last TSval */
	uint8_t scale;           /* ours */
	bool known, edge_known, scaled;
};

/* What the caller knows of a connection. */
struct user {
	struct tcp_connection *c;
	uint8_t next; /* byte expected */
	bool any;
	uint32_t sent;
};

struct world {
	struct tcp *tcp;
	struct chain_pool pool;
	struct span spans[SPANS];
	struct tcp_listener listener;
	struct peer peers[2 * PEERS]; /* of port 80, then of 5000 */
	struct user users[CONNECTIONS];
	uint64_t now_us;
};

static struct world w;

struct input {
	const uint8_t *at, *end;
};

static uint8_t
next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Numbers that lie around others. */
static uint32_t
near(struct input *in, uint32_t base)
{
	static const uint32_t steps[] = {0, 0, 0, 1, UINT32_MAX, 100, 1460, 65535, 0x40000000};
	uint8_t v = next(in);

	return v < 200 ? base + steps[v % ARRAY_N(steps)] : base + (uint32_t)(v - 200) * 37;
}

static struct ip_addr
address(bool ours, bool v6)
{
	static const char *const text[] = {"192.0.2.9", "2001:db8::9", "192.0.2.1", "2001:db8::1"};

	return buffer_addr(text[2 * ours + v6]);
}

static uint16_t
port_of(uint32_t peer)
{
	return (uint16_t)(1000 + peer);
}

static struct peer *
peer_of(const struct tcp_tuple *tuple)
{
	return &w.peers[ntohs(tuple->remote_port_be) % PEERS +
			(tuple->local_port_be == htons(80) ? 0 : PEERS)];
}

static void
check_options(struct peer *peer, const uint8_t *tcp)
{
	const uint8_t *at = tcp + TCP_MIN_LEN, *end = tcp + (tcp[TCP_OFF] >> 4) * 4;

	while (at < end) {
		if (*at == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		CHECK(end - at >= 2 && at[1] >= 2 && at[1] <= end - at);
		if (*at == 3) {
			peer->scale = at[2];
			peer->scaled = true;
		}
		if (*at == 8)
			peer->ts = bytes_load_be32(at + 2);
		at += at[1];
	}
	CHECK(at == end);
}

/* Every byte is the one that was queued, at its place. */
static void
check_payload(const struct peer *peer, const struct tcp_segment *s, uint32_t seq)
{
	const struct span *span = s->span;
	uint32_t offset = s->offset;

	for (uint32_t i = 0; i < s->payload_len; i++) {
		while (offset >= span->len) {
			span = span->next;
			offset = 0;
		}
		CHECK(span->data[offset++] == (uint8_t)(seq + i - peer->iss - 1));
	}
}

static void
emit(void *arg, const struct tcp_segment *s)
{
	const uint8_t *tcp = s->header + s->l4_off;
	struct peer *peer = peer_of(s->tuple);
	uint8_t flags = tcp[TCP_FLAGS];
	uint32_t seq = bytes_load_be32(tcp + TCP_SEQ), edge;

	(void)arg;
	buffer_unref(buffer_of_segment(s));
	CHECK(unit_failed == 0);
	if ((flags & TCP_FLAG_SYN) != 0) {
		/* Opened twice in one tick of the clock, both have the same first number. */
		if (!peer->known || peer->iss != seq || peer->irs != bytes_load_be32(tcp + TCP_ACK))
			peer->edge_known = false;
		peer->irs = bytes_load_be32(tcp + TCP_ACK);
		peer->iss = seq;
		peer->known = true;
		peer->scaled = false;
		peer->scale = 0;
	}
	check_options(peer, tcp);
	if ((flags & TCP_FLAG_RST) != 0)
		return;
	if (peer->known)
		check_payload(peer, s, seq);
	peer->ack = seq + s->payload_len + (flags & TCP_FLAG_FIN) + ((flags & TCP_FLAG_SYN) != 0);
	if ((flags & (TCP_FLAG_ACK | TCP_FLAG_SYN)) != TCP_FLAG_ACK)
		return;
	/* In units of 2^14 at most: what a scale rounds away isn't a shrinking. */
	edge = bytes_load_be32(tcp + TCP_ACK) + bytes_load_be16(tcp + TCP_WINDOW);
	if (peer->scale == 0) {
		CHECK(!peer->edge_known || (int32_t)(edge - peer->edge) >= 0);
		peer->edge = edge;
		peer->edge_known = true;
	}
}

static struct tcp_listener *
listen_for(void *arg, const struct packet *p)
{
	(void)arg;
	return p->dport_be == htons(80) ? &w.listener : NULL;
}

static void
released(void *arg, const struct tcp_tuple *tuple)
{
	(void)arg;
	peer_of(tuple)->edge_known = false;
}

/* What to send: where near() says so, else what fits. */
struct shape {
	uint8_t flags, options; /* enum options */
	uint32_t seq, ack, len;
	uint16_t window;
	bool keep; /* the peer does not go on */
	bool only_known;
};

enum options { OPTIONS_NONE, OPTIONS_USUAL, OPTIONS_SACK, OPTIONS_RAW };

static uint32_t
put_options(struct input *in, const struct peer *peer, const struct shape *shape, uint8_t *at)
{
	uint8_t *begin = at;
	uint32_t n;

	if (shape->options == OPTIONS_NONE)
		return 0;
	if (shape->options == OPTIONS_RAW) {
		n = next(in) % 11u * 4;
		for (uint32_t i = 0; i < n; i++)
			*at++ = next(in);
		return n;
	}
	if ((shape->flags & TCP_FLAG_SYN) != 0) {
		bytes_store_be32(at, 0x020405b4);
		bytes_store_be32(at + 4, 0x01010402);
		bytes_store_be32(at + 8, 0x01030300 | next(in) % 3);
		at += 12;
	}
	bytes_store_be32(at, 0x0101080a);
	bytes_store_be32(at + 4, (uint32_t)(w.now_us / 1000));
	bytes_store_be32(at + 8, (shape->flags & TCP_FLAG_ACK) != 0 ? peer->ts : 0);
	at += 12;
	if (shape->options == OPTIONS_SACK && (shape->flags & TCP_FLAG_SYN) == 0) {
		n = 1 + next(in) % 3u;
		bytes_store_be32(at, 0x01010502 + 8 * n);
		at += 4;
		for (uint32_t i = 0; i < 2 * n; i++, at += 4)
			bytes_store_be32(at, shape->ack + next(in) * 97u);
	}
	return (uint32_t)(at - begin);
}

/* Each byte of payload is its sequence number's low byte. */
static void
send_segment(struct input *in, uint32_t n, bool ours, const struct shape *shape)
{
	struct peer *peer = &w.peers[n + (ours ? PEERS : 0)];
	bool v6 = n % 2, syn = (shape->flags & TCP_FLAG_SYN) != 0;
	struct buffer *b = buffer_new();
	uint32_t ip_len = v6 ? IPV6_MIN_LEN : IPV4_MIN_LEN, len, options;
	uint8_t *ip = b->data + BUFFER_LINK, *tcp = ip + ip_len;
	struct ip_addr src = address(false, v6), dst = address(true, v6);
	struct packet p = {0};

	memset(b->data, 0, sizeof(b->data));
	options = put_options(in, peer, shape, tcp + TCP_MIN_LEN);
	for (uint32_t i = 0; i < shape->len; i++)
		tcp[TCP_MIN_LEN + options + i] = (uint8_t)(shape->seq + i + syn);
	len = TCP_MIN_LEN + options + shape->len;
	if (v6) {
		bytes_store_be32(ip, 0x60000000);
		bytes_store_be32(ip + 4, len << 16 | IPPROTO_TCP << 8 | 64);
		memcpy(ip + IPV6_SRC, src.b, 16);
		memcpy(ip + IPV6_DST, dst.b, 16);
	} else {
		bytes_store_be32(ip, 0x45000000 | (20 + len));
		bytes_store_be32(ip + 8, 64u << 24 | IPPROTO_TCP << 16);
		memcpy(ip + IPV4_SRC, src.b + 12, 4);
		memcpy(ip + IPV4_DST, dst.b + 12, 4);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20));
	}
	bytes_store_be16(b->data + 12, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	bytes_store_be16(tcp, port_of(n));
	bytes_store_be16(tcp + 2, ours ? 5000 : 80);
	bytes_store_be32(tcp + TCP_SEQ, shape->seq);
	bytes_store_be32(tcp + TCP_ACK, shape->ack);
	tcp[TCP_OFF] = (uint8_t)((TCP_MIN_LEN + options) / 4 << 4);
	tcp[TCP_FLAGS] = shape->flags;
	bytes_store_be16(tcp + TCP_WINDOW, shape->window);
	b->len = BUFFER_LINK + ip_len + len;
	buffer_parse(b, &p); /* the checksum isn't the engine's */
	if (p.proto == IPPROTO_TCP && p.l4_off != 0 && p.sport_be != 0)
		tcp_input(w.tcp, &p, BUFFER_CHARGE, shape->only_known);
	if (!shape->keep)
		peer->seq = shape->seq + shape->len + (shape->flags & TCP_FLAG_FIN) + syn;
	buffer_unref(b);
}

static void
inject(struct input *in)
{
	static const uint8_t usual[] = {0x10, 0x18, 0x10, 0x18, 0x11, 0x02, 0x12, 0x04};
	uint8_t kind = next(in), how = next(in), n = kind % PEERS;
	bool ours = (kind & 4) != 0;
	const struct peer *peer = &w.peers[n + (ours ? PEERS : 0)];
	struct shape shape = {.flags = how < 240 ? usual[how % 8] : how & 0x3f,
			      .options = kind / 8 % 4,
			      .seq = near(in, peer->seq),
			      .keep = (kind & 32) != 0,
			      .only_known = (kind & 192) == 192};

	shape.ack = near(in, peer->ack);
	shape.len = how / 8 % 2 != 0 ? next(in) * 5u : 0;
	shape.window = (uint16_t)(next(in) * 257);
	send_segment(in, n, ours, &shape);
}

/* A peer opens as it should. */
static void
open_peer(struct input *in)
{
	uint8_t how = next(in), n = how % PEERS;
	struct shape shape = {.flags = TCP_FLAG_SYN,
			      .options = how / 16 % 2,
			      .seq = w.peers[n].seq + 0x1000000,
			      .window = 65535};

	send_segment(in, n, false, &shape);
	shape.flags = TCP_FLAG_ACK;
	shape.seq++;
	shape.ack = w.peers[n].ack;
	send_segment(in, n, false, &shape);
}

static struct user *
new_user(struct tcp_connection *c)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		if (w.users[i].c == NULL) {
			w.users[i] = (struct user){.c = c};
			return &w.users[i];
		}
	}
	abort();
}

static void
connect_to(uint32_t n)
{
	bool v6 = n % 2;
	struct tcp_tuple tuple = {.local = address(true, v6),
				  .remote = address(false, v6),
				  .local_port_be = htons(5000),
				  .remote_port_be = htons(port_of(n)),
				  .af = v6 ? 6 : 4};
	struct tcp_connection *c = tcp_connect(w.tcp, &tuple, &w.listener.settings, NULL);

	if (c != NULL)
		tcp_set_user(c, new_user(c));
}

static void
take(struct user *u, uint32_t len)
{
	struct chain chain = {0};
	uint8_t byte;

	len = len < tcp_received(u->c)->len ? len : tcp_received(u->c)->len;
	if (!tcp_take(w.tcp, u->c, &chain, len))
		return;
	for (uint32_t i = 0; i < len; i++) {
		chain_copy_out(&chain, i, &byte, 1);
		CHECK(!u->any || byte == u->next);
		u->next = (uint8_t)(byte + 1);
		u->any = true;
	}
	chain_free(&w.pool, &chain);
}

static void
send_bytes(struct user *u, uint32_t len)
{
	struct chain chain = {0};
	uint8_t bytes[4096];
	struct tcp_info info;

	tcp_info(u->c, &info);
	if (tcp_queued(u->c) > 100000 || len > sizeof(bytes))
		return;
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(u->sent + i);
	if (!chain_append_copy(&w.pool, &chain, bytes, len))
		return;
	u->sent += len;
	tcp_send(w.tcp, u->c, &chain);
}

static void
take_events(void)
{
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(w.tcp, &c, &events)) {
		struct user *u;

		if ((events & TCP_EVENT_ACCEPTED) != 0)
			tcp_set_user(c, new_user(c));
		u = tcp_user(c);
		CHECK(u->c == c);
		if ((events & TCP_EVENT_CLOSED) != 0) {
			take(u, UINT32_MAX);
			tcp_close(w.tcp, c, 0);
			u->c = NULL;
		}
	}
}

static void
act(struct input *in)
{
	uint8_t what = next(in);
	struct user *u = &w.users[what / 16 % CONNECTIONS];

	if (what % 16 == 0) {
		connect_to(what / 16 % PEERS);
		return;
	}
	if (u->c == NULL)
		return;
	switch (what % 16) {
	case 1:
	case 2:
	case 3:
		take(u, next(in) * 20u);
		break;
	case 4:
	case 5:
	case 6:
		send_bytes(u, next(in) * 16u);
		break;
	case 7:
		tcp_shutdown(w.tcp, u->c);
		break;
	case 8:
		tcp_hold(w.tcp, u->c, next(in) * 64u);
		break;
	case 9:
		tcp_close(w.tcp, u->c, next(in) * 10u);
		u->c = NULL;
		break;
	case 10:
		tcp_abort(w.tcp, u->c);
		u->c = NULL;
		break;
	default:
		take(u, UINT32_MAX);
		break;
	}
}

static void
icmp(struct input *in)
{
	uint8_t n = next(in) % PEERS, message[8] = {0}, quoted[8];
	bool v6 = n % 2, ours = (next(in) & 1) != 0;
	struct packet p = {.l3 = message, .len = 8, .contiguous = 8, .af = v6 ? 6 : 4};
	struct packet_quote q = {.l3 = quoted,
				 .len = 8,
				 .sport_be = htons(ours ? 5000 : 80),
				 .dport_be = htons(port_of(n)),
				 .src = address(true, v6),
				 .dst = address(false, v6)};

	message[0] = next(in) % 4;
	message[1] = next(in) % 8;
	bytes_store_be16(message + 6, (uint16_t)(next(in) * 8));
	bytes_store_be32(quoted + 4, near(in, w.peers[n + (ours ? PEERS : 0)].ack - 1));
	tcp_input_icmp(w.tcp, &p, &q);
}

static void
open_world(struct input *in)
{
	struct tcp_config config = {.ops = {emit, listen_for, released, NULL},
				    .pool = &w.pool,
				    .connections_max = CONNECTIONS,
				    .time_wait_max = 2,
				    .half_open_max = 4,
				    .secret = {1},
				    .buffer_bytes = SPANS * BUFFER_CHARGE / 2};
	uint8_t how = next(in);

	memset(&w, 0, sizeof(w));
	chain_pool_init(&w.pool, &buffer_ops, w.spans, SPANS, BUFFER_CHARGE);
	w.now_us = UINT64_C(4294967296000) - 2000000;
	w.listener = (struct tcp_listener){
		.settings = {.mtu = 1500,
			     .congestion = how & 1,
			     .nagle = (how & 2) != 0,
			     .receive_buffer = (how & 4) != 0 ? 200000 : 5000,
			     .send_buffer = 20000,
			     .user_timeout_ms = (how & 8) != 0 ? 30000 : 0,
			     .keepalive_idle_ms = (how & 16) != 0 ? 10000 : 0,
			     .keepalive_interval_ms = 1000,
			     .keepalive_count = 3,
			     .syn_retries = 3},
		.max_half_open = 2,
		.syn_cookies = (how & 32) != 0 ? TCP_SYN_COOKIES_ALWAYS : TCP_SYN_COOKIES_AUTO};
	for (uint32_t i = 0; i < 2 * PEERS; i++)
		w.peers[i].seq = i * 0x50000000u;
	w.tcp = tcp_create(&config, w.now_us);
	CHECK(w.tcp != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};

	open_world(&in);
	while (in.at < in.end) {
		uint8_t what = next(&in);

		if (what < 20)
			open_peer(&in);
		else if (what < 140)
			inject(&in);
		else if (what < 200)
			act(&in);
		else if (what < 210)
			icmp(&in);
		else
			w.now_us += UINT64_C(500) << what % 18;
		if (what % 2 == 0) {
			tcp_advance(w.tcp, w.now_us);
			take_events();
			tcp_flush(w.tcp);
		}
		CHECK(tcp_counters(w.tcp)->connections <= CONNECTIONS);
	}
	tcp_free(w.tcp);
	CHECK(w.pool.charged == 0 && w.pool.free_n == SPANS && *buffers_n() == 0);
	return 0;
}
