/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_reset.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "ip_header.h"
#include "wire.h"

/* Sequence numbers that the segment takes: data, SYN and FIN. */
static uint32_t
segment_len(const struct packet *p, const uint8_t *tcp)
{
	uint32_t len = (uint32_t)(p->len - p->l4_off - (tcp[TCP_OFF] >> 4) * 4);

	return len + ((tcp[TCP_FLAGS] & TCP_FLAG_SYN) != 0) +
	       ((tcp[TCP_FLAGS] & TCP_FLAG_FIN) != 0);
}

bool
tcp_reset_reply(struct packet *p)
{
	const uint8_t *in = packet_l4(p);
	uint16_t ip_len = p->af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN;
	uint32_t seq = 0, ack = 0;
	uint8_t flags = TCP_FLAG_RST;
	struct ip_addr src = p->src;
	uint16_t sport_be = p->sport_be;
	uint64_t sum;
	uint8_t *tcp;

	if ((in[TCP_FLAGS] & TCP_FLAG_RST) != 0)
		return false;
	if ((in[TCP_FLAGS] & TCP_FLAG_ACK) != 0) {
		seq = bytes_load_be32(in + TCP_ACK);
	} else {
		ack = bytes_load_be32(in + TCP_SEQ) + segment_len(p, in);
		flags |= TCP_FLAG_ACK;
	}

	p->src = p->dst;
	p->dst = src;
	p->sport_be = p->dport_be;
	p->dport_be = sport_be;
	p->len = (uint16_t)(ip_len + TCP_MIN_LEN);
	p->contiguous = p->len;
	p->l4_off = ip_len;
	ip_header_write(p->l3, &p->src, &p->dst, IPPROTO_TCP, TCP_MIN_LEN);

	tcp = p->l3 + ip_len;
	memset(tcp, 0, TCP_MIN_LEN);
	bytes_store16(tcp + TCP_SPORT, p->sport_be);
	bytes_store16(tcp + TCP_DPORT, p->dport_be);
	bytes_store_be32(tcp + TCP_SEQ, seq);
	bytes_store_be32(tcp + TCP_ACK, ack);
	tcp[TCP_OFF] = TCP_MIN_LEN / 4 << 4;
	tcp[TCP_FLAGS] = flags;
	sum = checksum_pseudo(ip_addr_wire(&p->src), ip_addr_wire(&p->dst), p->af == 4 ? 4 : 16,
			      IPPROTO_TCP, TCP_MIN_LEN);
	bytes_store16(tcp + TCP_CHECKSUM,
		      (uint16_t)~checksum_fold(checksum_add(sum, tcp, TCP_MIN_LEN)));
	p->flags |= PACKET_REPLY;
	packet_forward(p, 0);
	return true;
}
