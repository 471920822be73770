/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_mbuf.h>

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "wire.h"

#define BURST        64
#define MSS          1448u /* with timestamps */
#define WINDOW_SCALE 7
#define WINDOW       65535
#define ACK_DELAY_US 40000
#define FIRST_PORT   1024
#define HEADERS      (ETHER_LEN + IPV4_MIN_LEN + TCP_MIN_LEN)
#define SYN_OPTIONS  20
#define OPTIONS      12
#define PENDING_MAX  8192
#define PENDING_HIGH (PENDING_MAX - 2048) /* from here on payload waits for the next turn */
#define BEHIND       512
#define MESSAGE_HEAD 512

enum peer_state { PEER_CLOSED, PEER_SYN_SENT, PEER_SYN_RECEIVED, PEER_OPEN };

/* One end of a connection, the other one being weir's. */
struct peer {
	uint32_t addr, remote_addr; /* wire order */
	uint16_t port_be, remote_port_be;
	uint8_t state, window_shift;
	bool client, touched, ack_now, ack_delayed;
	bool fin_wanted, fin_sent, fin_received;
	bool busy; /* client: a request is under way */
	uint32_t sequence, acked, expected, window;
	uint32_t unacknowledged; /* received and not acknowledged */
	uint32_t timestamp;      /* to be echoed, wire order */
	uint32_t queued, at;     /* bytes of the message that are to be sent, and from where */
	uint32_t body_left;      /* client: of the answer; UINT32_MAX: its head is due */
	uint64_t ack_due_us;
	struct peer *next; /* idle client, or free target's end */
	struct peer *next_delayed;
};

struct message {
	uint8_t *bytes;
	uint32_t head_len, len;
};

struct side {
	struct ring_load_side s;
	struct rte_mbuf *pending[PENDING_MAX]; /* to be sent */
	uint32_t pending_n;
};

struct ring_load {
	struct ring_load_settings settings;
	struct ring_load_counters n;
	struct side sides[2]; /* clients, targets */
	struct message request, answer;
	struct peer *clients, *targets;
	uint32_t targets_n;
	struct peer **client_of; /* [address][port] */
	struct peer **target_of; /* [target][weir's port] */
	struct peer *idle, *free;
	struct peer **touched;
	uint32_t touched_n, next_port;
	uint32_t clients_begun; /* opened without a request */
	struct peer *delayed_first, *delayed_last;
	uint64_t now_us;
	uint16_t ip_id;
};

/* Out. */

static void
push(struct side *side)
{
	uint32_t sent = rte_ring_enqueue_burst(side->s.to_weir, (void **)side->pending,
					       side->pending_n, NULL);

	side->pending_n -= sent;
	memmove(side->pending, side->pending + sent, side->pending_n * sizeof(side->pending[0]));
}

static void
write_options(struct ring_load *l, const struct peer *p, uint8_t *o, bool syn)
{
	if (syn) {
		bytes_store_be32(o, 0x02040000u | 1460);
		bytes_store_be32(o + 4, 0x0402080a); /* SACK permitted, timestamps */
		o += 8;
	} else {
		bytes_store_be32(o, 0x0101080a);
		o += 4;
	}
	bytes_store_be32(o, 1 + (uint32_t)(l->now_us / 1000));
	bytes_store32(o + 4, p->timestamp);
	if (syn)
		bytes_store_be32(o + 8, 0x01030300u | WINDOW_SCALE);
}

static void
write_ip(struct ring_load *l, const struct peer *p, uint8_t *ip, uint16_t len)
{
	memset(ip, 0, IPV4_MIN_LEN);
	ip[0] = 0x45;
	bytes_store_be16(ip + IPV4_LEN, len);
	bytes_store_be16(ip + IPV4_ID, l->ip_id++);
	bytes_store_be16(ip + IPV4_FRAG, IPV4_DF);
	ip[IPV4_TTL] = 64;
	ip[IPV4_PROTO] = IPPROTO_TCP;
	memcpy(ip + IPV4_SRC, &p->addr, 4);
	memcpy(ip + IPV4_DST, &p->remote_addr, 4);
	bytes_store16(ip + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add20(ip)));
}

/* A segment with the next `len` bytes of the peer's message. */
static void
send_segment(struct ring_load *l, struct peer *p, uint8_t flags, uint32_t len)
{
	struct side *side = &l->sides[p->client ? 0 : 1];
	const struct message *message = p->client ? &l->request : &l->answer;
	bool syn = (flags & TCP_FLAG_SYN) != 0;
	uint32_t options = syn ? SYN_OPTIONS : OPTIONS, tcp_len = TCP_MIN_LEN + options + len;
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->settings.pool);
	uint8_t *d, *tcp;
	uint64_t sum;

	CHECK(m != NULL && side->pending_n < PENDING_MAX);
	d = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(HEADERS + options + len));
	CHECK(d != NULL);
	m->port = side->s.port_id;
	memcpy(d, side->s.mac, 6);
	memcpy(d + 6, (uint8_t[]){2, 0, 0, 0, 0, 9, 8, 0}, 8);
	write_ip(l, p, d + ETHER_LEN, (uint16_t)(IPV4_MIN_LEN + tcp_len));
	tcp = d + ETHER_LEN + IPV4_MIN_LEN;
	bytes_store16(tcp + TCP_SPORT, p->port_be);
	bytes_store16(tcp + TCP_DPORT, p->remote_port_be);
	bytes_store_be32(tcp + TCP_SEQ, p->sequence);
	bytes_store_be32(tcp + TCP_ACK, p->expected);
	tcp[TCP_OFF] = (uint8_t)((TCP_MIN_LEN + options) / 4 << 4);
	tcp[TCP_FLAGS] = flags;
	bytes_store_be16(tcp + TCP_WINDOW, WINDOW);
	bytes_store32(tcp + TCP_CHECKSUM, 0);
	write_options(l, p, tcp + TCP_MIN_LEN, syn);
	memcpy(tcp + TCP_MIN_LEN + options, message->bytes + p->at, len);
	sum = checksum_pseudo((uint8_t *)&p->addr, (uint8_t *)&p->remote_addr, 4, IPPROTO_TCP,
			      tcp_len);
	sum = checksum_add(sum, tcp, tcp_len);
	bytes_store16(tcp + TCP_CHECKSUM, (uint16_t)~checksum_fold(sum));
	p->sequence += len + (syn ? 1 : 0) + ((flags & TCP_FLAG_FIN) != 0 ? 1 : 0);
	p->at += len;
	p->queued -= len;
	p->unacknowledged = 0;
	p->ack_now = false;
	l->n.sent++;
	side->pending[side->pending_n++] = m;
}

static void
touch(struct ring_load *l, struct peer *p)
{
	if (p->touched)
		return;
	p->touched = true;
	l->touched[l->touched_n++] = p;
}

static void
delay_ack(struct ring_load *l, struct peer *p)
{
	if (p->ack_delayed)
		return;
	p->ack_delayed = true;
	p->ack_due_us = l->now_us + ACK_DELAY_US;
	p->next_delayed = NULL;
	if (l->delayed_first == NULL)
		l->delayed_first = p;
	else
		l->delayed_last->next_delayed = p;
	l->delayed_last = p;
}

/* Connections come and go. */

static uint32_t
be_of(uint32_t base, uint32_t offset)
{
	return htonl(base + offset);
}

static struct peer **
client_slot(struct ring_load *l, uint32_t addr_be, uint16_t port_be)
{
	uint32_t i = ntohl(addr_be) - RING_LOAD_FRONT - RING_LOAD_FIRST_CLIENT;

	if (i > l->settings.connections / RING_LOAD_CLIENTS_EACH)
		return NULL;
	return &l->client_of[i * 65536 + ntohs(port_be)];
}

static struct peer **
target_slot(struct ring_load *l, uint32_t addr_be, uint16_t port_be)
{
	uint32_t i = ntohl(addr_be) - RING_LOAD_BACK - RING_LOAD_FIRST_TARGET;

	return i >= RING_LOAD_TARGETS ? NULL : &l->target_of[i * 65536 + ntohs(port_be)];
}

static void
give_idle(struct ring_load *l, struct peer *p)
{
	p->busy = false;
	p->next = l->idle;
	l->idle = p;
}

static void
close_peer(struct ring_load *l, struct peer *p)
{
	bool was_busy = p->busy;

	p->state = PEER_CLOSED;
	if (!p->client) {
		*target_slot(l, p->addr, p->remote_port_be) = NULL;
		l->n.targets_open--;
		p->next = l->free;
		l->free = p;
		return;
	}
	*client_slot(l, p->addr, p->port_be) = NULL;
	l->n.clients_open--;
	if (l->settings.fresh && was_busy)
		give_idle(l, p);
}

/* Send what may be sent, or an ACK when one is due. */
static void
output(struct ring_load *l, struct peer *p)
{
	bool sent = false;

	if (p->state != PEER_OPEN)
		return;
	if (l->sides[p->client ? 0 : 1].pending_n >= PENDING_HIGH) {
		touch(l, p);
		return;
	}
	while (p->queued > 0) {
		uint32_t room = p->acked + p->window - p->sequence;
		uint32_t len = p->queued < MSS ? p->queued : MSS;

		if ((int32_t)room < (int32_t)len)
			break;
		if (l->sides[p->client ? 0 : 1].pending_n >= PENDING_HIGH) {
			touch(l, p);
			return;
		}
		send_segment(l, p, TCP_FLAG_ACK | (len == p->queued ? TCP_FLAG_PSH : 0), len);
		sent = true;
	}
	if (p->queued == 0 && p->fin_wanted && !p->fin_sent) {
		p->fin_sent = true;
		send_segment(l, p, TCP_FLAG_ACK | TCP_FLAG_FIN, 0);
		sent = true;
	}
	if (!sent && (p->ack_now || p->unacknowledged > MSS))
		send_segment(l, p, TCP_FLAG_ACK, 0);
	else if (p->unacknowledged > 0)
		delay_ack(l, p);
	if (p->fin_sent && p->fin_received && p->acked == p->sequence)
		close_peer(l, p);
}

/* Each connection of one's own has the next port that is free. */
static void
open_client(struct ring_load *l, struct peer *p)
{
	uint32_t i = (uint32_t)(p - l->clients);
	uint32_t address = i / RING_LOAD_CLIENTS_EACH;
	uint32_t port = FIRST_PORT + i % RING_LOAD_CLIENTS_EACH;
	struct peer **slot;

	p->addr = be_of(RING_LOAD_FRONT, RING_LOAD_FIRST_CLIENT + address);
	if (l->settings.fresh) {
		do {
			port = FIRST_PORT + l->next_port++ % (65536 - FIRST_PORT);
			slot = client_slot(l, p->addr, htons((uint16_t)port));
		} while (*slot != NULL);
	}
	p->port_be = htons((uint16_t)port);
	*client_slot(l, p->addr, p->port_be) = p;
	p->remote_addr = htonl(RING_LOAD_VIP);
	p->remote_port_be = htons(80);
	p->sequence = p->acked = l->next_port * 64 + i;
	p->expected = 0;
	p->timestamp = 0;
	p->fin_wanted = p->fin_sent = p->fin_received = false;
	p->client = true;
	p->state = PEER_SYN_SENT;
	l->n.opened++;
	l->n.clients_open++;
	p->queued = 0;
	send_segment(l, p, TCP_FLAG_SYN, 0);
}

static void
ask(struct ring_load *l, struct peer *p)
{
	p->busy = true;
	p->body_left = UINT32_MAX;
	if (p->state == PEER_CLOSED)
		open_client(l, p);
	p->at = 0;
	p->queued = l->request.len;
	l->n.issued++;
	touch(l, p);
}

/* In. */

struct segment {
	const uint8_t *tcp, *payload;
	uint32_t len, sequence, ack, options;
	uint32_t src, dst;
	uint16_t sport_be, dport_be;
	uint8_t flags;
};

static bool
parse(struct rte_mbuf *m, struct segment *s)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *) + ETHER_LEN;
	uint16_t len = bytes_load_be16(ip + IPV4_LEN);
	uint32_t header;
	uint64_t sum;

	/* A wire would have made one piece of it. */
	if (rte_pktmbuf_linearize(m) != 0 || m->data_len < HEADERS || ip[0] != 0x45 ||
	    ip[IPV4_PROTO] != IPPROTO_TCP || len + ETHER_LEN != m->data_len ||
	    checksum_fold(checksum_add20(ip)) != 0xffff)
		return false;
	s->tcp = ip + IPV4_MIN_LEN;
	header = (uint32_t)(s->tcp[TCP_OFF] >> 4) * 4;
	if (header < TCP_MIN_LEN || IPV4_MIN_LEN + header > len)
		return false;
	sum = checksum_pseudo(ip + IPV4_SRC, ip + IPV4_DST, 4, IPPROTO_TCP,
			      (uint16_t)(len - IPV4_MIN_LEN));
	if (checksum_fold(checksum_add(sum, s->tcp, (size_t)len - IPV4_MIN_LEN)) != 0xffff)
		return false;
	s->options = header - TCP_MIN_LEN;
	s->payload = s->tcp + header;
	s->len = len - IPV4_MIN_LEN - header;
	s->sequence = bytes_load_be32(s->tcp + TCP_SEQ);
	s->ack = bytes_load_be32(s->tcp + TCP_ACK);
	s->flags = s->tcp[TCP_FLAGS];
	s->sport_be = bytes_load16(s->tcp + TCP_SPORT);
	s->dport_be = bytes_load16(s->tcp + TCP_DPORT);
	s->src = bytes_load32(ip + IPV4_SRC);
	s->dst = bytes_load32(ip + IPV4_DST);
	return true;
}

/* Of a SYN: window scale and timestamp. */
static void
read_syn_options(struct peer *p, const struct segment *s)
{
	const uint8_t *o = s->tcp + TCP_MIN_LEN;
	uint32_t left = s->options;

	p->window_shift = 0;
	while (left > 1 && o[0] != TCP_OPTION_END) {
		uint32_t len = o[0] == TCP_OPTION_NOP ? 1 : o[1];

		if (len == 0 || len > left)
			return;
		if (o[0] == 3)
			p->window_shift = o[2];
		if (o[0] == 8)
			p->timestamp = bytes_load32(o + 2);
		o += len;
		left -= len;
	}
}

/* The head is in one piece: it was sent so. */
static const uint8_t *
end_of_head(const uint8_t *bytes, uint32_t len)
{
	const uint8_t *end = memmem(bytes, len, "\r\n\r\n", 4);

	return end == NULL ? NULL : end + 4;
}

static void
serve(struct ring_load *l, struct peer *p, const uint8_t *bytes, uint32_t len)
{
	const uint8_t *end = end_of_head(bytes, len);

	if (end != bytes + len || memcmp(bytes, "GET ", 4) != 0 || p->queued != 0) {
		l->n.bad++;
		return;
	}
	l->n.served++;
	p->at = 0;
	p->queued = l->answer.len;
}

static void
answered(struct ring_load *l, struct peer *p)
{
	l->n.answered++;
	if (l->settings.fresh)
		p->fin_wanted = true; /* it is idle when the connection is closed */
	else
		give_idle(l, p);
}

static void
read_answer(struct ring_load *l, struct peer *p, const uint8_t *bytes, uint32_t len)
{
	const struct message *want = &l->answer;

	if (!p->busy || p->fin_wanted) {
		l->n.bad++;
		return;
	}
	if (p->body_left == UINT32_MAX) {
		const uint8_t *end = end_of_head(bytes, len);

		if (end == NULL || memcmp(bytes, "HTTP/1.1 200 ", 13) != 0) {
			l->n.bad++;
			return;
		}
		len -= (uint32_t)(end - bytes);
		bytes = end;
		p->body_left = want->len - want->head_len;
	}
	if (len > p->body_left || memcmp(bytes, want->bytes + want->len - p->body_left, len) != 0) {
		l->n.bad++;
		return;
	}
	p->body_left -= len;
	if (p->body_left == 0)
		answered(l, p);
}

static void
take_payload(struct ring_load *l, struct peer *p, const struct segment *s)
{
	bool fin = (s->flags & TCP_FLAG_FIN) != 0;

	if (s->len == 0 && !fin) {
		return;
	}
	if (s->sequence != p->expected) {
		if ((int32_t)(s->sequence - p->expected) > 0)
			l->n.out_of_order++;
		else
			l->n.duplicate++;
		p->ack_now = true;
		return;
	}
	p->expected += s->len + fin;
	p->unacknowledged += s->len;
	if (s->options == OPTIONS)
		p->timestamp = bytes_load32(s->tcp + TCP_MIN_LEN + 4);
	if (fin) {
		p->fin_received = true;
		p->fin_wanted = true;
		p->ack_now = true;
	}
	if (s->len == 0)
		return;
	if (p->client)
		read_answer(l, p, s->payload, s->len);
	else
		serve(l, p, s->payload, s->len);
}

static void
accept_peer(struct ring_load *l, const struct segment *s)
{
	struct peer **slot = target_slot(l, s->dst, s->sport_be), *p = l->free;

	if (slot == NULL || *slot != NULL || p == NULL || s->dport_be != htons(80)) {
		l->n.bad++;
		return;
	}
	l->free = p->next;
	*slot = p;
	/* A delayed ACK of its last connection may be under way. */
	*p = (struct peer){.addr = s->dst,
			   .remote_addr = s->src,
			   .port_be = s->dport_be,
			   .remote_port_be = s->sport_be,
			   .state = PEER_SYN_RECEIVED,
			   .touched = p->touched,
			   .ack_delayed = p->ack_delayed,
			   .ack_due_us = p->ack_due_us,
			   .next_delayed = p->next_delayed,
			   .expected = s->sequence + 1,
			   .sequence = (uint32_t)l->n.accepted * 64,
			   .acked = (uint32_t)l->n.accepted * 64};
	read_syn_options(p, s);
	l->n.accepted++;
	l->n.targets_open++;
	send_segment(l, p, TCP_FLAG_SYN | TCP_FLAG_ACK, 0);
}

static void
take_segment(struct ring_load *l, bool front, const struct segment *s)
{
	struct peer **slot =
		front ? client_slot(l, s->dst, s->dport_be) : target_slot(l, s->dst, s->sport_be);
	struct peer *p;

	if (!front && (s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN) {
		accept_peer(l, s);
		return;
	}
	p = slot == NULL ? NULL : *slot;
	if (p == NULL) {
		l->n.bad++;
		return;
	}
	if ((s->flags & TCP_FLAG_RST) != 0) {
		l->n.resets++;
		close_peer(l, p);
		return;
	}
	if (p->state == PEER_SYN_SENT) {
		p->expected = s->sequence + 1;
		read_syn_options(p, s);
		p->acked = s->ack;
		p->window = bytes_load_be16(s->tcp + TCP_WINDOW);
		p->state = PEER_OPEN;
		p->ack_now = true;
		l->n.established++;
		if (!p->busy)
			give_idle(l, p);
		touch(l, p);
		return;
	}
	p->state = PEER_OPEN;
	if ((int32_t)(s->ack - p->acked) > 0)
		p->acked = s->ack;
	p->window = (uint32_t)bytes_load_be16(s->tcp + TCP_WINDOW) << p->window_shift;
	take_payload(l, p, s);
	touch(l, p);
}

static bool
receive(struct ring_load *l, bool front)
{
	struct side *side = &l->sides[front ? 0 : 1];
	struct rte_mbuf *bufs[BURST];
	uint32_t n, total = 0;

	/* A SYN is answered at once, the rest when there is room. */
	while (total < 8 * BURST && side->pending_n < PENDING_HIGH &&
	       (n = rte_ring_dequeue_burst(side->s.from_weir, (void **)bufs, BURST, NULL)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			struct segment s;

			if (i + 2 < n)
				rte_prefetch0(rte_pktmbuf_mtod(bufs[i + 2], void *));
			if (parse(bufs[i], &s))
				take_segment(l, front, &s);
			else
				l->n.bad++;
		}
		rte_pktmbuf_free_bulk(bufs, n);
		total += n;
	}
	l->n.received += total;
	return total > 0;
}

static void
send_delayed_acks(struct ring_load *l)
{
	while (l->delayed_first != NULL && l->delayed_first->ack_due_us <= l->now_us &&
	       l->sides[0].pending_n + l->sides[1].pending_n < PENDING_HIGH) {
		struct peer *p = l->delayed_first;

		l->delayed_first = p->next_delayed;
		p->ack_delayed = false;
		if (p->state == PEER_OPEN && p->unacknowledged > 0)
			send_segment(l, p, TCP_FLAG_ACK, 0);
	}
}

/* All together. */

/* weir has not taken what there is yet. */
static bool
is_behind(const struct ring_load *l)
{
	return rte_ring_count(l->sides[0].s.to_weir) > BEHIND;
}

/* Clients' connections that stay, a burst at a time. */
static void
open_some(struct ring_load *l)
{
	if (is_behind(l))
		return;
	for (int i = 0; i < BURST && l->clients_begun < l->settings.connections; i++)
		open_client(l, &l->clients[l->clients_begun++]);
}

bool
ring_load_turn(struct ring_load *l, uint64_t allowed, uint64_t now_us)
{
	uint32_t touched_n;
	bool busy;

	l->now_us = now_us;
	push(&l->sides[0]);
	push(&l->sides[1]);
	busy = receive(l, true);
	busy |= receive(l, false);
	open_some(l);
	while (l->idle != NULL && l->n.issued < allowed &&
	       l->sides[0].pending_n < PENDING_MAX / 2) {
		struct peer *p = l->idle;

		l->idle = p->next;
		ask(l, p);
		busy = true;
	}
	touched_n = l->touched_n;
	l->touched_n = 0; /* what can't send now is touched again, at the list's beginning */
	for (uint32_t i = 0; i < touched_n; i++) {
		struct peer *p = l->touched[i];

		p->touched = false;
		output(l, p);
	}
	send_delayed_acks(l);
	push(&l->sides[0]);
	push(&l->sides[1]);
	return busy;
}

static void
close_all(struct ring_load *l, struct peer *peers, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (peers[i].state != PEER_OPEN)
			continue;
		peers[i].fin_wanted = true;
		touch(l, &peers[i]);
	}
}

void
ring_load_close_clients(struct ring_load *l)
{
	close_all(l, l->clients, l->settings.connections);
}

void
ring_load_close_targets(struct ring_load *l)
{
	close_all(l, l->targets, l->targets_n);
}

const struct ring_load_counters *
ring_load_counters(const struct ring_load *l)
{
	return &l->n;
}

/* Start and end. */

static bool
make_messages(struct ring_load *l)
{
	const struct ring_load_settings *s = &l->settings;
	char head[MESSAGE_HEAD * 2];
	int len = snprintf(head, sizeof(head),
			   "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: http_load/1\r\n"
			   "Accept: */*\r\n\r\n",
			   s->path, s->host);

	l->request.bytes = (uint8_t *)strdup(head);
	l->request.len = l->request.head_len = (uint32_t)len;
	len = snprintf(head, sizeof(head),
		       "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n"
		       "Date: Thu, 26 Nov 2026 08:00:00 GMT\r\n"
		       "Content-Type: application/octet-stream\r\nContent-Length: %u\r\n"
		       "Last-Modified: Thu, 26 Nov 2026 07:00:00 GMT\r\n"
		       "Connection: keep-alive\r\nETag: \"6565e0f0-400\"\r\n"
		       "Accept-Ranges: bytes\r\n\r\n",
		       s->body_bytes);
	l->answer.head_len = (uint32_t)len;
	l->answer.len = (uint32_t)len + s->body_bytes;
	l->answer.bytes = malloc(l->answer.len);
	if (l->request.bytes == NULL || l->answer.bytes == NULL)
		return false;
	memcpy(l->answer.bytes, head, (size_t)len);
	for (uint32_t i = 0; i < s->body_bytes; i++)
		l->answer.bytes[(uint32_t)len + i] = (uint8_t)(i * 2654435761u >> 24);
	return true;
}

struct ring_load *
ring_load_create(const struct ring_load_settings *settings)
{
	struct ring_load *l = calloc(1, sizeof(*l));
	uint32_t n = settings->connections, addresses = n / RING_LOAD_CLIENTS_EACH + 1;

	if (l == NULL)
		return NULL;
	l->settings = *settings;
	l->sides[0].s = settings->front;
	l->sides[1].s = settings->back;
	l->targets_n = 2 * n + 64;
	l->clients = calloc(n, sizeof(*l->clients));
	l->targets = calloc(l->targets_n, sizeof(*l->targets));
	l->client_of = calloc(addresses * (size_t)65536, sizeof(*l->client_of));
	l->target_of = calloc(RING_LOAD_TARGETS * (size_t)65536, sizeof(*l->target_of));
	l->touched = calloc(n + l->targets_n, sizeof(*l->touched));
	if (!make_messages(l) || l->clients == NULL || l->targets == NULL || l->client_of == NULL ||
	    l->target_of == NULL || l->touched == NULL) {
		ring_load_free(l);
		return NULL;
	}
	for (uint32_t i = 0; i < l->targets_n; i++) {
		l->targets[i].next = l->free;
		l->free = &l->targets[i];
	}
	if (!settings->fresh)
		return l;
	l->clients_begun = n;
	for (uint32_t i = 0; i < n; i++)
		give_idle(l, &l->clients[i]);
	return l;
}

void
ring_load_free(struct ring_load *l)
{
	for (int i = 0; i < 2; i++)
		rte_pktmbuf_free_bulk(l->sides[i].pending, l->sides[i].pending_n);
	free(l->request.bytes);
	free(l->answer.bytes);
	free(l->clients);
	free(l->targets);
	free(l->client_of);
	free(l->target_of);
	free(l->touched);
	free(l);
}
