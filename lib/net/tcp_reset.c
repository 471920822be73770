/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_reset.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "wire.h"

#define RESET_TTL 64

/* Sequence numbers that the segment takes: data, SYN and FIN. */
static uint32_t
segment_len(const struct packet *p, const uint8_t *tcp)
{
	uint32_t len = (uint32_t)(p->len - p->l4_off - (tcp[TCP_OFF] >> 4) * 4);

	return len + ((tcp[TCP_FLAGS] & TCP_FLAG_SYN) != 0) +
	       ((tcp[TCP_FLAGS] & TCP_FLAG_FIN) != 0);
}

static void
write_ip(struct packet *p, uint16_t ip_len)
{
	uint8_t *ip = p->l3;
	size_t addr_len = p->af == 4 ? 4 : 16;
	uint8_t *addrs = ip + (p->af == 4 ? IPV4_SRC : IPV6_SRC);

	if (p->af == 4) {
		memset(ip, 0, IPV4_MIN_LEN);
		ip[0] = 0x45;
		bytes_store_be16(ip + IPV4_LEN, p->len);
		bytes_store_be16(ip + IPV4_FRAG, IPV4_DF);
		ip[IPV4_TTL] = RESET_TTL;
		ip[IPV4_PROTO] = IPPROTO_TCP;
	} else {
		memset(ip, 0, IPV6_MIN_LEN);
		ip[0] = 0x60;
		bytes_store_be16(ip + IPV6_PAYLOAD_LEN, (uint16_t)(p->len - ip_len));
		ip[IPV6_NEXT_HEADER] = IPPROTO_TCP;
		ip[IPV6_HOP_LIMIT] = RESET_TTL;
	}
	memcpy(addrs, ip_addr_wire(&p->src), addr_len);
	memcpy(addrs + addr_len, ip_addr_wire(&p->dst), addr_len);
	if (p->af == 4)
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, IPV4_MIN_LEN));
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
	write_ip(p, ip_len);

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
