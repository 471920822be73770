/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker_segment.h"

#include <string.h>

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "wire.h"
#include "worker_io.h"

#define REFERENCE_MIN 256u /* shorter pieces are cheaper to copy */
#define TSO_MSS_MIN   256u /* some NICs cut no shorter ones, and a peer may choose 128 */

/* Where in the payload. */
struct place {
	const struct span *span;
	uint32_t offset;
};

/* A frame on its way to be one. */
struct frame {
	struct rte_mbuf *first, *last;
	uint16_t segments_max;
	bool writable; /* the last one is ours alone, up to its tail room */
};

static void
add_segment(struct frame *f, struct rte_mbuf *m, bool writable)
{
	f->last->next = m;
	f->last = m;
	f->first->nb_segs++;
	f->first->pkt_len += m->data_len;
	f->writable = writable;
}

static bool
copy(struct worker *w, struct frame *f, const uint8_t *bytes, uint32_t len)
{
	while (len > 0) {
		uint32_t room = f->writable ? rte_pktmbuf_tailroom(f->last) : 0;
		uint32_t n = len < room ? len : room;

		if (n == 0) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);

			if (m == NULL)
				return false;
			add_segment(f, m, true);
			continue;
		}
		memcpy(rte_pktmbuf_mtod_offset(f->last, uint8_t *, f->last->data_len), bytes, n);
		f->last->data_len = (uint16_t)(f->last->data_len + n);
		f->first->pkt_len += n;
		bytes += n;
		len -= n;
	}
	return true;
}

/* @return  false: copy it. */
static bool
reference(struct worker *w, struct frame *f, const struct span *span, uint32_t offset, uint32_t len)
{
	struct rte_mbuf *m;

	/* One is kept for what must be copied behind it. */
	if (len < REFERENCE_MIN || span->owner == NULL || f->first->nb_segs + 1 >= f->segments_max)
		return false;
	m = rte_pktmbuf_alloc(w->dp->clones);
	if (m == NULL)
		return false;
	rte_pktmbuf_attach(m, span->owner);
	m->data_off = (uint16_t)(span->data + offset - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	add_segment(f, m, false);
	return true;
}

static bool
add_payload(struct worker *w, struct frame *f, struct place *at, uint32_t len)
{
	while (len > 0) {
		const struct span *span = at->span;
		uint32_t n = span->len - at->offset < len ? span->len - at->offset : len;

		if (!reference(w, f, span, at->offset, n) &&
		    !copy(w, f, span->data + at->offset, n))
			return false;
		len -= n;
		at->offset += n;
		if (at->offset == span->len) {
			at->span = span->next;
			at->offset = 0;
		}
	}
	return true;
}

/* What the port is to do of it, or else the checksum. */
static void
finish(const struct tcp_segment *s, const struct port_offloads *ports, struct frame *f,
       struct place payload, uint32_t len)
{
	struct rte_mbuf *m = f->first;
	uint8_t *l3 = rte_pktmbuf_mtod(m, uint8_t *), *l4 = l3 + s->l4_off;
	uint32_t l4_len = s->header_len - s->l4_off;
	uint64_t sum;

	if (!ports->tcp_checksum) {
		sum = checksum_add(0, l4, l4_len);
		sum += tcp_payload_sum(payload.span, payload.offset, len);
		bytes_store16(l4 + TCP_CHECKSUM, (uint16_t)~checksum_fold(sum));
		return;
	}
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM |
		      (s->tuple->af == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	m->l3_len = s->l4_off;
	m->l4_len = l4_len;
	if (len <= s->mss)
		return;
	m->tso_segsz = s->mss;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	if (s->tuple->af == 4) {
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		bytes_store16(l3 + IPV4_CHECKSUM, 0);
	}
}

/* Send `len` bytes from `at` on behind `header`. */
static bool
send_frame(struct worker *w, const struct tcp_segment *s, const struct port_offloads *ports,
	   const uint8_t *header, struct place *at, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	struct frame f = {.first = m,
			  .last = m,
			  .segments_max =
				  len > s->mss ? ports->train_segments_max : ports->segments_max,
			  .writable = true};
	struct place begin = *at;

	if (m == NULL) {
		w->counters.drops[DROP_MBUF_EXHAUSTED]++;
		return false;
	}
	if (!copy(w, &f, header, s->header_len) || !add_payload(w, &f, at, len)) {
		drop(w, m, DROP_MBUF_EXHAUSTED);
		return false;
	}
	finish(s, ports, &f, begin, len);
	w->counters.originated++;
	worker_send(w, &(struct packet){.buf = m,
					.l3 = rte_pktmbuf_mtod(m, uint8_t *),
					.len = (uint16_t)m->pkt_len,
					.contiguous = m->data_len,
					.l4_off = s->l4_off,
					.af = s->tuple->af,
					.proto = IPPROTO_TCP,
					.flags = PACKET_HAS_PORTS,
					.verdict = PACKET_FORWARD,
					.sport_be = s->tuple->local_port_be,
					.dport_be = s->tuple->remote_port_be,
					.src = s->tuple->local,
					.dst = s->tuple->remote});
	return true;
}

/* The train's header made that of a segment, `done` bytes into it. */
static void
write_header(uint8_t *header, const struct tcp_segment *s, uint32_t done, uint32_t len)
{
	uint8_t *tcp = header + s->l4_off;
	uint32_t l4_len = s->header_len - s->l4_off + len;
	uint64_t sum = bytes_load16(s->header + s->l4_off + TCP_CHECKSUM);

	bytes_store_be32(tcp + TCP_SEQ, bytes_load_be32(s->header + s->l4_off + TCP_SEQ) + done);
	tcp[TCP_FLAGS] = s->header[s->l4_off + TCP_FLAGS];
	if (done + len < s->payload_len)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
	/* A train's pseudo header has no length. */
	bytes_store16(tcp + TCP_CHECKSUM, checksum_fold(sum + htonl(l4_len)));
	if (s->tuple->af == 6) {
		bytes_store_be16(header + IPV6_PAYLOAD_LEN, (uint16_t)l4_len);
		return;
	}
	bytes_store_be16(header + IPV4_LEN, (uint16_t)(s->l4_off + l4_len));
	bytes_store16(header + IPV4_CHECKSUM, 0);
	bytes_store16(header + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add20(header)));
}

static bool
port_takes_train(const struct tcp_segment *s, const struct port_offloads *ports)
{
	uint32_t left = s->payload_len, offset = s->offset, pieces = 2;

	if (!ports->tso || s->mss < TSO_MSS_MIN)
		return false;
	for (const struct span *span = s->span; left > 0; span = span->next, offset = 0) {
		left -= span->len - offset < left ? span->len - offset : left;
		if (++pieces > ports->train_segments_max)
			return false;
	}
	return true;
}

void
worker_segment_send(struct worker *w, const struct tcp_segment *s)
{
	const struct port_offloads *ports = &ports_of(w)->offloads;
	struct place at = {s->span, s->offset};
	uint8_t header[TCP_HEADERS_MAX];

	if (s->payload_len <= s->mss || port_takes_train(s, ports)) {
		send_frame(w, s, ports, s->header, &at, s->payload_len);
		return;
	}
	memcpy(header, s->header, s->header_len);
	for (uint32_t done = 0; done < s->payload_len;) {
		uint32_t n = s->payload_len - done < s->mss ? s->payload_len - done : s->mss;

		write_header(header, s, done, n);
		if (!send_frame(w, s, ports, header, &at, n))
			return;
		done += n;
	}
}
