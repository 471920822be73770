/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker_tcp.h"

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_ethdev.h>

#include "checksum.h"
#include "port_chain.h"
#include "proxy.h"
#include "tcp.h"
#include "wire.h"
#include "worker_io.h"

#define RECEIVE_BUFFER (256u << 10)
#define SEND_BUFFER    (256u << 10)

struct worker_tcp {
	struct worker *worker;
	struct tcp *tcp;
	struct proxy *proxy;
	struct chain_pool chains;
	struct span *spans;
	struct tcp_listener *listeners; /* [SNAPSHOT_FRONTENDS], by index */
};

/* What the engine asks for. */

static void
emit(void *arg, const struct tcp_segment *s)
{
	struct worker_tcp *t = arg;
	struct worker *w = t->worker;
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	uint16_t len = (uint16_t)(s->header_len + s->payload_len);
	const struct span *span = s->span;
	uint32_t offset = s->offset, left = s->payload_len;
	uint8_t *at;

	if (m == NULL) {
		w->counters.drops[DROP_MBUF_EXHAUSTED]++;
		return;
	}
	at = (uint8_t *)rte_pktmbuf_append(m, len);
	if (at == NULL) {
		drop(w, m, DROP_TX_UNSUPPORTED);
		return;
	}
	memcpy(at, s->header, s->header_len);
	for (uint8_t *to = at + s->header_len; left > 0; span = span->next, offset = 0) {
		uint32_t n = span->len - offset < left ? span->len - offset : left;

		memcpy(to, span->data + offset, n);
		to += n;
		left -= n;
	}
	w->counters.originated++;
	worker_send(w, &(struct packet){.buf = m,
					.l3 = at,
					.len = len,
					.contiguous = len,
					.l4_off = s->l4_off,
					.af = s->tuple->af,
					.proto = IPPROTO_TCP,
					.flags = PACKET_HAS_PORTS,
					.verdict = PACKET_FORWARD,
					.sport_be = s->tuple->local_port_be,
					.dport_be = s->tuple->remote_port_be,
					.src = s->tuple->local,
					.dst = s->tuple->remote});
}

/* Of a SYN: the burst has found its listener. */
static struct tcp_listener *
listen_for(void *arg, const struct packet *p)
{
	struct worker_tcp *t = arg;
	const struct snapshot *s = t->worker->snapshot;
	const struct snapshot_frontend *f = snapshot_frontend(s, p->frontend);
	struct tcp_listener *l;

	if (f == NULL || !f->terminates)
		return NULL;
	l = &t->listeners[ref_index(p->frontend)];
	l->settings = (struct tcp_settings){.mtu = s->interfaces[p->interface].mtu,
					    .congestion = TCP_CUBIC,
					    .receive_buffer = RECEIVE_BUFFER,
					    .send_buffer = SEND_BUFFER};
	l->max_half_open = t->worker->dp->max_half_open;
	l->closed = f->draining;
	l->user = (void *)(uintptr_t)p->frontend;
	return l;
}

static void
release_port(void *arg, const struct tcp_tuple *tuple)
{
	struct worker_tcp *t = arg;

	nlb_endpoint_close(t->worker->nlb, &tuple->local, tuple->local_port_be, &tuple->remote,
			   tuple->remote_port_be);
}

/* What the proxy asks for. */

static bool
reserve_port(void *arg, uint32_t target_reference, struct tcp_tuple *tuple,
	     struct tcp_settings *settings)
{
	struct worker_tcp *t = arg;
	struct worker *w = t->worker;
	const struct snapshot *s = w->snapshot;
	const struct snapshot_target *target = snapshot_target(s, target_reference);

	if (target == NULL)
		return false;
	/* The local addresses in turn, so that ports of all are used. */
	for (uint32_t i = 0; i < target->local_n; i++) {
		uint32_t k = (w->local_turn++ & UINT32_MAX) % target->local_n;
		uint32_t reference = s->local_refs[target->local_first + k];
		const struct snapshot_local *local = snapshot_local(s, reference);

		if (local == NULL ||
		    !nlb_endpoint_open(w->nlb, s, reference, &target->addr, target->port_be,
				       worker_own_slot(w), w->now_ms, &tuple->local_port_be))
			continue;
		tuple->local = local->addr;
		tuple->remote = target->addr;
		tuple->remote_port_be = target->port_be;
		tuple->af = target->af;
		*settings = (struct tcp_settings){.mtu = s->interfaces[target->interface].mtu,
						  .congestion = TCP_CUBIC,
						  .receive_buffer = RECEIVE_BUFFER,
						  .send_buffer = SEND_BUFFER};
		return true;
	}
	return false;
}

/* In. */

static bool
checksum_is_right(const struct packet *p)
{
	uint16_t len = (uint16_t)(p->len - p->l4_off);
	uint64_t flags = p->buf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	size_t addr_len = p->af == 4 ? 4 : 16;
	const uint8_t *src = p->af == 4 ? &p->src.b[12] : p->src.b;
	const uint8_t *dst = p->af == 4 ? &p->dst.b[12] : p->dst.b;
	uint64_t sum;

	if (flags == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	sum = checksum_pseudo(src, dst, addr_len, IPPROTO_TCP, len);
	return checksum_fold(checksum_add(sum, packet_l4(p), len)) == 0xffff;
}

static void
input_segment(struct worker *w, struct packet *p)
{
	struct worker_tcp *t = w->tcp;

	if (p->contiguous < p->len) {
		drop(w, p->buf, DROP_HEADERS_SPLIT);
		return;
	}
	if (!checksum_is_right(p)) {
		drop(w, p->buf, DROP_L4_HEADER_INVALID);
		return;
	}
	switch (tcp_input(t->tcp, p, port_chain_charge(w->dp->pool), false)) {
	case TCP_INPUT_TAKEN:
		w->counters.consumed++;
		rte_pktmbuf_free(p->buf);
		break;
	case TCP_INPUT_UNKNOWN:
		drop(w, p->buf, DROP_NOT_A_FLOW);
		break;
	case TCP_INPUT_BAD:
		drop(w, p->buf, DROP_L4_HEADER_INVALID);
		break;
	}
}

void
worker_tcp_input(struct worker *w, struct packet *p)
{
	struct packet_quote quote;

	if (p->proto == IPPROTO_TCP) {
		input_segment(w, p);
		return;
	}
	if (packet_parse_quote(p, &quote))
		tcp_input_icmp(w->tcp->tcp, p, &quote);
	w->counters.consumed++;
	rte_pktmbuf_free(p->buf);
}

bool
worker_tcp_turn(struct worker *w)
{
	struct worker_tcp *t = w->tcp;
	bool busy;

	tcp_advance(t->tcp, w->now_us);
	busy = proxy_turn(t->proxy, w->snapshot, w->now_us);
	tcp_flush(t->tcp);
	return busy;
}
