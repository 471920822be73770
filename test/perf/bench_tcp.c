/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments through the TCP engine in a loop, without EAL and NIC.
 *
 * Connections are opened, then bursts of 32 segments arrive, for all connections in turn, in random
 * order.  `data`: in-order payload of 1,448 bytes with timestamps, taken at once, acknowledged
 * when due.  `ack`: each acknowledges a full segment, and the next one is queued and sent.
 * `accept`: SYN, ACK, RST.  `null` writes the packets and nothing else; it is to be subtracted.
 * Output: one JSON object a line with nanoseconds per segment of every round.
 *
 * usage: bench_tcp CONNECTIONS data|ack|accept|null ROUNDS [SEGMENTS]
 */
#include <netinet/in.h>

#include "bench_loop.h"
#include "tcp.h"

#define PAYLOAD 1448u
#define SPANS   400000u

struct peer {
	uint32_t seq, ack; /* the next of ours, the first unacknowledged of theirs */
	uint32_t addr;
	uint16_t port;
};

struct buffer {
	uint32_t refs;
	uint8_t data[2044];
};

struct bench {
	struct tcp *tcp;
	struct chain_pool pool;
	struct tcp_listener listener;
	struct peer *peers;
	uint32_t peers_n, at;
	uint64_t emitted, now_us, random;
	uint64_t now_ns, step_ns; /* a burst's */
	uint32_t last_seq;        /* of the SYN-ACK emitted last */
	struct buffer buffers[BURST];
	bool sends;
};

static struct bench b;

static void
ref(void *owner)
{
	((struct buffer *)owner)->refs++;
}

static void
unref(void *owner)
{
	((struct buffer *)owner)->refs--;
}

static void *
alloc(void *arg, uint8_t **data, uint32_t *room)
{
	(void)arg;
	(void)data;
	(void)room;
	return NULL;
}

static void
emit(void *arg, const struct tcp_segment *s)
{
	(void)arg;
	b.emitted++;
	b.last_seq = bytes_load_be32(s->header + s->l4_off + TCP_SEQ);
}

static struct tcp_listener *
listen_for(void *arg, const struct packet *p)
{
	(void)arg;
	(void)p;
	return &b.listener;
}

static void
released(void *arg, const struct tcp_tuple *tuple)
{
	(void)arg;
	(void)tuple;
}

/* What parsing leaves; the IP header itself isn't read again. */
static void
write_segment(struct packet *p, struct buffer *buffer, const struct peer *peer, uint8_t flags,
	      uint32_t len)
{
	uint8_t *tcp = buffer->data + IPV4_MIN_LEN;
	static const uint8_t server[4] = {198, 18, 0, 10};
	uint32_t options = (flags & TCP_FLAG_SYN) != 0 ? 20 : 12;

	bytes_store_be32(tcp + TCP_SEQ, peer->seq);
	bytes_store_be32(tcp + TCP_ACK, peer->ack);
	tcp[TCP_OFF] = (uint8_t)((TCP_MIN_LEN + options) / 4 << 4);
	tcp[TCP_FLAGS] = flags;
	bytes_store_be16(tcp + TCP_WINDOW, 65535);
	if (options == 20) {
		bytes_store_be32(tcp + 20, 0x020405b4);
		bytes_store_be32(tcp + 24, 0x0402080a);
		bytes_store_be32(tcp + 28, 1);
		bytes_store_be32(tcp + 32, 0);
		bytes_store_be32(tcp + 36, 0x01030307);
	} else {
		bytes_store_be32(tcp + 20, 0x0101080a);
		bytes_store_be32(tcp + 24, 1 + (uint32_t)(b.now_us / 1000));
		bytes_store_be32(tcp + 28, 0);
	}
	p->buf = (struct rte_mbuf *)(void *)buffer;
	p->l3 = buffer->data;
	p->l4_off = IPV4_MIN_LEN;
	p->len = (uint16_t)(IPV4_MIN_LEN + TCP_MIN_LEN + options + len);
	p->contiguous = p->len;
	p->af = 4;
	p->proto = IPPROTO_TCP;
	p->sport_be = peer->port;
	p->dport_be = htons(80);
	p->src = ip_addr_from_v4(&peer->addr);
	p->dst = ip_addr_from_v4(server);
}

static void
take_events(void)
{
	static const uint8_t payload[PAYLOAD];
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(b.tcp, &c, &events)) {
		if ((events & TCP_EVENT_READABLE) != 0)
			tcp_take(b.tcp, c, NULL, tcp_received(c)->len);
		if (b.sends && (events & (TCP_EVENT_ACCEPTED | TCP_EVENT_DRAINED)) != 0) {
			struct chain chain = {0};

			CHECK(chain_append(&b.pool, &chain, NULL, payload, PAYLOAD, 0));
			tcp_send(b.tcp, c, &chain);
		}
		if ((events & TCP_EVENT_CLOSED) != 0)
			tcp_close(b.tcp, c, 0);
	}
}

static void
open_peer(struct peer *peer)
{
	struct packet p;

	write_segment(&p, &b.buffers[0], peer, TCP_FLAG_SYN, 0);
	CHECK(tcp_input(b.tcp, &p, 2304, false) == TCP_INPUT_TAKEN);
	peer->seq++;
	peer->ack = b.last_seq + 1;
	write_segment(&p, &b.buffers[0], peer, TCP_FLAG_ACK, 0);
	CHECK(tcp_input(b.tcp, &p, 2304, false) == TCP_INPUT_TAKEN);
	take_events();
	tcp_flush(b.tcp);
}

static void
open_all(uint32_t n)
{
	b.peers_n = n;
	b.peers = map((size_t)n * sizeof(*b.peers));
	for (uint32_t i = 0; i < n; i++) {
		b.peers[i] = (struct peer){.seq = i,
					   .addr = htonl(0xc6130000u + i / 50000),
					   .port = htons((uint16_t)(2000 + i % 50000))};
		if (b.tcp != NULL)
			open_peer(&b.peers[i]);
	}
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(random64(&b.random) % (i + 1));
		struct peer peer = b.peers[i];

		b.peers[i] = b.peers[k];
		b.peers[k] = peer;
	}
}

/* A burst arrives, its events are taken, what is due is sent. */
static void
burst(const char *mode)
{
	struct packet packets[BURST], *pointers[BURST];
	bool data = strcmp(mode, "ack") != 0;

	for (uint32_t i = 0; i < BURST; i++) {
		struct peer *peer = &b.peers[b.at];

		b.at = b.at + 1 == b.peers_n ? 0 : b.at + 1;
		if (!data)
			peer->ack += PAYLOAD;
		write_segment(&packets[i], &b.buffers[i], peer, TCP_FLAG_ACK, data ? PAYLOAD : 0);
		if (data)
			peer->seq += PAYLOAD;
		pointers[i] = &packets[i];
		b.buffers[i].refs = 1;
	}
	__asm__ volatile("" ::: "memory");
	if (b.tcp == NULL)
		return;
	tcp_set_time(b.tcp, b.now_us);
	tcp_prefetch(b.tcp, (const struct packet *const *)pointers, BURST);
	for (uint32_t i = 0; i < BURST; i++)
		tcp_input(b.tcp, &packets[i], 2304, false);
	tcp_advance(b.tcp, b.now_us);
	take_events();
	tcp_flush(b.tcp);
}

static uint64_t
run(const char *mode, uint32_t segments)
{
	uint64_t begin = now_ns();

	for (uint32_t done = 0; done < segments; done += BURST) {
		b.now_ns += b.step_ns;
		b.now_us = b.now_ns / 1000;
		burst(mode);
	}
	return now_ns() - begin;
}

/* Opens and resets as many connections as there is room for. */
static uint64_t
run_accept(uint32_t segments)
{
	uint64_t begin = now_ns();

	for (uint32_t i = 0; i < segments / 3; i++) {
		struct peer peer = {.seq = i, .addr = htonl(0xc6140000u), .port = htons(1)};
		struct packet p;

		peer.port = htons((uint16_t)(1024 + i % 60000));
		b.now_us += 2;
		tcp_set_time(b.tcp, b.now_us);
		open_peer(&peer);
		write_segment(&p, &b.buffers[0], &peer, TCP_FLAG_RST, 0);
		tcp_input(b.tcp, &p, 2304, false);
		take_events();
		tcp_flush(b.tcp);
	}
	return now_ns() - begin;
}

static void
create(uint32_t connections)
{
	static const struct chain_ops ops = {ref, unref, alloc, NULL};
	struct tcp_config config = {.ops = {emit, listen_for, released, NULL},
				    .pool = &b.pool,
				    .connections_max = connections + 16,
				    .time_wait_max = 16,
				    .half_open_max = 16,
				    .secret = {1},
				    .checksum_offload = true};

	b.listener = (struct tcp_listener){.settings = {.mtu = 1500,
							.receive_buffer = 65536,
							.send_buffer = 65536,
							.syn_retries = 3},
					   .max_half_open = 16};
	chain_pool_init(&b.pool, &ops, map(SPANS * sizeof(struct span)), SPANS, 2304);
	b.tcp = tcp_create(&config, b.now_us);
	CHECK(b.tcp != NULL);
}

int
main(int argc, char **argv)
{
	uint32_t connections = argc >= 4 ? (uint32_t)atoi(argv[1]) : 0;
	int rounds = argc >= 4 ? atoi(argv[3]) : 0;
	uint32_t segments = argc == 5 ? (uint32_t)atoi(argv[4]) : PACKETS;
	bool accepts;

	if (connections == 0 || rounds == 0) {
		fprintf(stderr,
			"usage: bench_tcp CONNECTIONS data|ack|accept|null ROUNDS [SEGMENTS]\n");
		return 2;
	}
	accepts = strcmp(argv[2], "accept") == 0;
	/* A segment for each connection every 10 ms: as many timers come due, whatever the number.
	 */
	b.step_ns = UINT64_C(10000000) * BURST / connections;
	b.random = 88172645463325252u;
	b.sends = strcmp(argv[2], "ack") == 0;
	if (strcmp(argv[2], "null") != 0)
		create(connections);
	open_all(connections);
	if (b.tcp != NULL)
		printf("{\"bytes_per_connection\": %.1f}\n",
		       (double)tcp_memory_in_use(b.tcp) / connections);
	for (int i = 0; i < rounds; i++) {
		uint64_t ns = accepts ? run_accept(segments) : run(argv[2], segments);

		printf("{\"ns\": %.2f}\n", (double)ns / segments);
	}
	if (b.tcp != NULL) {
		const struct tcp_counters *n = tcp_counters(b.tcp);

		/* What was measured is what was meant. */
		CHECK(n->out_of_order == 0 && n->duplicate == 0 && n->retransmitted == 0);
		CHECK(n->connections == connections);
	}
	return 0;
}
