/* SPDX-License-Identifier: BSD-3-Clause */
#include "prober.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "bytes.h"
#include "checksum.h"
#include "ip_header.h"
#include "clock.h"
#include "wire.h"

#define BUCKETS   1024
#define NONE      UINT16_MAX
#define SYN_LEN   (TCP_MIN_LEN + 4) /* with the MSS option */
#define PROBE_MSS 1220              /* fits IPv6's minimum MTU; nothing is sent anyway */

struct probe {
	struct probe_request request;
	uint32_t deadline_ms;
	uint32_t retry_ms;    /* when the next SYN is due */
	uint32_t retry_after; /* doubles */
	uint16_t next;        /* in its bucket, or in the free list */
	bool active;
};

struct prober {
	struct prober_ops ops;
	void *arg;
	uint32_t active_n;
	uint16_t high; /* one more than the highest probe ever used */
	uint16_t free_head;
	uint16_t buckets[BUCKETS];  /* by source port */
	uint64_t ports[65536 / 64]; /* source ports in use: a quick no for other packets */
	struct probe probes[PROBER_PROBES];
};

struct prober *
prober_create(const struct prober_ops *ops, void *arg)
{
	struct prober *prober = calloc(1, sizeof(*prober));

	if (prober == NULL)
		return NULL;
	prober->ops = *ops;
	prober->arg = arg;
	for (int i = 0; i < BUCKETS; i++)
		prober->buckets[i] = NONE;
	for (uint16_t i = 0; i < PROBER_PROBES; i++)
		prober->probes[i].next = i + 1 < PROBER_PROBES ? (uint16_t)(i + 1) : NONE;
	return prober;
}

static uint16_t *
bucket_of(struct prober *prober, uint16_t sport_be)
{
	return &prober->buckets[ntohs(sport_be) % BUCKETS];
}

static bool
port_in_use(const struct prober *prober, uint16_t sport_be)
{
	return (prober->ports[sport_be / 64] >> (sport_be % 64) & 1) != 0;
}

static void
finish(struct prober *prober, uint16_t index, enum probe_result result)
{
	struct probe *probe = &prober->probes[index];
	struct probe_request request = probe->request;
	uint16_t *link = bucket_of(prober, request.sport_be);
	bool shared = false;

	while (*link != index)
		link = &prober->probes[*link].next;
	*link = probe->next;
	for (uint16_t i = *bucket_of(prober, request.sport_be); i != NONE;
	     i = prober->probes[i].next)
		shared |= prober->probes[i].request.sport_be == request.sport_be;
	if (!shared)
		prober->ports[request.sport_be / 64] &= ~(UINT64_C(1) << (request.sport_be % 64));

	probe->active = false;
	probe->next = prober->free_head;
	prober->free_head = index;
	prober->active_n--;
	prober->ops.done(prober->arg, &request, result);
}

void
prober_free(struct prober *prober)
{
	if (prober == NULL)
		return;
	for (uint16_t i = 0; i < prober->high; i++) {
		if (prober->probes[i].active)
			finish(prober, i, PROBE_NOT_SENT);
	}
	free(prober);
}

static void
emit_segment(struct prober *prober, const struct probe_request *r, uint8_t flags, uint32_t seq,
	     uint32_t ack)
{
	uint8_t buf[IPV6_MIN_LEN + SYN_LEN];
	uint16_t l4_len = (flags & TCP_FLAG_SYN) != 0 ? SYN_LEN : TCP_MIN_LEN;
	uint16_t ip_len = ip_header_write(buf, &r->src, &r->dst, IPPROTO_TCP, l4_len);
	size_t addr_len = ip_addr_is_v4(&r->src) ? 4 : 16;
	uint8_t *tcp = buf + ip_len;
	uint64_t sum;

	memset(tcp, 0, l4_len);
	bytes_store16(tcp + TCP_SPORT, r->sport_be);
	bytes_store16(tcp + TCP_DPORT, r->dport_be);
	bytes_store_be32(tcp + TCP_SEQ, seq);
	bytes_store_be32(tcp + TCP_ACK, ack);
	tcp[TCP_OFF] = (uint8_t)(l4_len / 4 << 4);
	tcp[TCP_FLAGS] = flags;
	bytes_store_be16(tcp + TCP_WINDOW, (flags & TCP_FLAG_RST) != 0 ? 0 : PROBE_MSS);
	if (l4_len == SYN_LEN) {
		tcp[TCP_MIN_LEN] = TCP_OPTION_MSS;
		tcp[TCP_MIN_LEN + 1] = 4;
		bytes_store_be16(tcp + TCP_MIN_LEN + 2, PROBE_MSS);
	}
	sum = checksum_pseudo(ip_addr_wire(&r->src), ip_addr_wire(&r->dst), addr_len, IPPROTO_TCP,
			      l4_len);
	bytes_store16(tcp + TCP_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(sum, tcp, l4_len)));
	prober->ops.emit(prober->arg, buf, (uint16_t)(ip_len + l4_len));
}

void
prober_start(struct prober *prober, const struct probe_request *request, uint32_t now_ms)
{
	uint16_t index = prober->free_head;
	uint16_t *bucket = bucket_of(prober, request->sport_be);
	struct probe *probe;

	if (index == NONE) {
		prober->ops.done(prober->arg, request, PROBE_NOT_SENT);
		return;
	}
	probe = &prober->probes[index];
	prober->free_head = probe->next;
	if (index >= prober->high)
		prober->high = (uint16_t)(index + 1);
	*probe = (struct probe){.request = *request,
				.deadline_ms = now_ms + request->timeout_ms,
				.retry_ms = now_ms + PROBER_SYN_RETRY_MS,
				.retry_after = 2 * PROBER_SYN_RETRY_MS,
				.next = *bucket,
				.active = true};
	*bucket = index;
	prober->ports[request->sport_be / 64] |= UINT64_C(1) << (request->sport_be % 64);
	prober->active_n++;
	emit_segment(prober, request, TCP_FLAG_SYN, request->isn, 0);
}

static uint16_t
find(struct prober *prober, const struct ip_addr *src, uint16_t sport_be, const struct ip_addr *dst,
     uint16_t dport_be)
{
	for (uint16_t i = *bucket_of(prober, sport_be); i != NONE; i = prober->probes[i].next) {
		const struct probe_request *r = &prober->probes[i].request;

		if (r->sport_be == sport_be && r->dport_be == dport_be &&
		    ip_addr_equal(&r->src, src) && ip_addr_equal(&r->dst, dst))
			return i;
	}
	return NONE;
}

/* RFC 9293 section 3.10.7.3, SYN-SENT. */
static void
input_segment(struct prober *prober, uint16_t index, const uint8_t *tcp)
{
	const struct probe_request r = prober->probes[index].request;
	uint8_t flags = tcp[TCP_FLAGS];
	uint32_t ack = bytes_load_be32(tcp + TCP_ACK);
	uint32_t seq = bytes_load_be32(tcp + TCP_SEQ);

	if ((flags & TCP_FLAG_ACK) == 0)
		return;
	if (ack != r.isn + 1) {
		/* Half-open on the target: reset it, the next SYN gets through. */
		if ((flags & TCP_FLAG_RST) == 0)
			emit_segment(prober, &r, TCP_FLAG_RST, ack, 0);
		return;
	}
	if ((flags & TCP_FLAG_RST) != 0) {
		finish(prober, index, PROBE_REFUSED);
	} else if ((flags & TCP_FLAG_SYN) != 0) {
		emit_segment(prober, &r, TCP_FLAG_ACK, r.isn + 1, seq + 1);
		emit_segment(prober, &r, TCP_FLAG_RST | TCP_FLAG_ACK, r.isn + 1, seq + 1);
		finish(prober, index, PROBE_CONNECTED);
	}
}

bool
prober_input(struct prober *prober, const struct packet *p)
{
	struct packet_quote quote;
	uint16_t index;

	if (prober->active_n == 0)
		return false;
	if (p->proto == IPPROTO_TCP && (p->flags & PACKET_FRAGMENT) == 0) {
		if (!port_in_use(prober, p->dport_be))
			return false;
		index = find(prober, &p->dst, p->dport_be, &p->src, p->sport_be);
		if (index == NONE)
			return false;
		input_segment(prober, index, packet_l4(p));
		return true;
	}
	if ((p->flags & PACKET_ICMP_ERROR) == 0 || !packet_parse_quote(p, &quote) ||
	    quote.proto != IPPROTO_TCP || !port_in_use(prober, quote.sport_be))
		return false;
	index = find(prober, &quote.src, quote.sport_be, &quote.dst, quote.dport_be);
	if (index == NONE)
		return false;
	/* Only an error that quotes our sequence number ends the probe (RFC 5927). */
	if (bytes_load_be32(quote.l3 + quote.l4_off + TCP_SEQ) == prober->probes[index].request.isn)
		finish(prober, index, PROBE_REFUSED);
	return true;
}

void
prober_tick(struct prober *prober, uint32_t now_ms)
{
	uint32_t left = prober->active_n;

	for (uint16_t i = 0; i < prober->high && left > 0; i++) {
		struct probe *probe = &prober->probes[i];

		if (!probe->active)
			continue;
		left--;
		if (clock_ms_reached(now_ms, probe->deadline_ms)) {
			finish(prober, i, PROBE_TIMEOUT);
		} else if (clock_ms_reached(now_ms, probe->retry_ms)) {
			probe->retry_ms = now_ms + probe->retry_after;
			probe->retry_after *= 2;
			emit_segment(prober, &probe->request, TCP_FLAG_SYN, probe->request.isn, 0);
		}
	}
}

uint32_t
prober_active(const struct prober *prober)
{
	return prober->active_n;
}
