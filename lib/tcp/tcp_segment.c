/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_segment.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "tcp_engine.h"

#define HOP_LIMIT 64

static void
read_sacks(struct tcp_arrival *a, const uint8_t *option, uint8_t len)
{
	for (uint8_t at = 2; at + 8 <= len && a->sacks_n < TCP_SACKS_MAX; at += 8) {
		a->sacks[a->sacks_n].from = bytes_load_be32(option + at);
		a->sacks[a->sacks_n].to = bytes_load_be32(option + at + 4);
		a->sacks_n++;
	}
}

/* `len` is what the option says of itself, and that many bytes are there. */
static void
read_option(struct tcp_arrival *a, const uint8_t *option, uint8_t len)
{
	bool syn = (a->flags & TCP_FLAG_SYN) != 0;

	switch (option[0]) {
	case TCP_OPTION_MSS:
		if (syn && len == 4)
			a->mss = bytes_load_be16(option + 2);
		break;
	case TCP_OPTION_WINDOW_SCALE:
		if (syn && len == 3) {
			a->has |= TCP_HAS_SCALE;
			a->scale = option[2] > TCP_SCALE_MAX ? TCP_SCALE_MAX : option[2];
		}
		break;
	case TCP_OPTION_SACK_PERMITTED:
		if (syn && len == 2)
			a->has |= TCP_HAS_SACK_PERMITTED;
		break;
	case TCP_OPTION_SACK:
		read_sacks(a, option, len);
		break;
	case TCP_OPTION_TIMESTAMPS:
		if (len == 10) {
			a->has |= TCP_HAS_TIMESTAMPS;
			a->tsval = bytes_load_be32(option + 2);
			a->tsecr = bytes_load_be32(option + 6);
		}
		break;
	default:
		break;
	}
}

/* A malformed option ends the list: what came before it counts (as most stacks do). */
static void
read_options(struct tcp_arrival *a, const uint8_t *at, const uint8_t *end)
{
	if (end - at == TCP_TIMESTAMPS_LEN && bytes_load_be32(at) == TCP_TIMESTAMPS_WORD) {
		a->has = TCP_HAS_TIMESTAMPS;
		a->tsval = bytes_load_be32(at + 4);
		a->tsecr = bytes_load_be32(at + 8);
		return;
	}
	while (at < end && *at != TCP_OPTION_END) {
		if (*at == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return;
		read_option(a, at, at[1]);
		at += at[1];
	}
}

bool
tcp_arrival_read(struct tcp_arrival *a, const struct packet *p, uint32_t charge)
{
	const uint8_t *tcp = packet_l4(p);
	uint32_t left, header_len;

	if (p->l4_off > p->len || p->len > p->contiguous || p->len - p->l4_off < TCP_MIN_LEN)
		return false;
	left = (uint32_t)p->len - p->l4_off;
	header_len = (uint32_t)(tcp[TCP_OFF] >> 4) * 4;
	if (header_len < TCP_MIN_LEN || header_len > left)
		return false;
	a->p = p;
	a->data = tcp + header_len;
	a->len = left - header_len;
	a->seq = bytes_load_be32(tcp + TCP_SEQ);
	a->ack = bytes_load_be32(tcp + TCP_ACK);
	a->charge = charge;
	a->window = bytes_load_be16(tcp + TCP_WINDOW);
	a->flags = tcp[TCP_FLAGS];
	a->seq_end = a->seq + a->len + ((a->flags & TCP_FLAG_SYN) != 0) +
		     ((a->flags & TCP_FLAG_FIN) != 0);
	a->mss = 0;
	a->has = 0;
	a->sacks_n = 0;
	if (header_len > TCP_MIN_LEN)
		read_options(a, tcp + TCP_MIN_LEN, tcp + header_len);
	return true;
}

void
tcp_put_timestamps(struct tcp_outgoing *out, uint32_t tsval, uint32_t tsecr)
{
	uint8_t *at = out->options + out->options_len;

	bytes_store_be32(at, TCP_TIMESTAMPS_WORD);
	bytes_store_be32(at + 4, tsval);
	bytes_store_be32(at + 8, tsecr);
	out->options_len = (uint8_t)(out->options_len + TCP_TIMESTAMPS_LEN);
}

/* @return  the sum of the addresses, for the pseudo header. */
static uint64_t
write_ipv4(uint8_t *ip, const struct tcp_outgoing *out, uint32_t len)
{
	uint64_t addrs;

	bytes_store_be32(ip, 0x45000000 | len);
	/* Never fragmented, so the identification says nothing (RFC 6864 section 4.1). */
	bytes_store_be32(ip + IPV4_ID, IPV4_DF);
	bytes_store_be32(ip + IPV4_TTL, HOP_LIMIT << 24 | IPPROTO_TCP << 16);
	memcpy(ip + IPV4_SRC, &out->tuple->local.b[12], 4);
	memcpy(ip + IPV4_DST, &out->tuple->remote.b[12], 4);
	addrs = (uint64_t)bytes_load32(ip + IPV4_SRC) + bytes_load32(ip + IPV4_DST);
	bytes_store16(ip + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add20(ip)));
	return addrs;
}

static uint64_t
write_ipv6(uint8_t *ip, const struct tcp_outgoing *out, uint32_t len)
{
	bytes_store_be32(ip, 0x60000000);
	bytes_store_be32(ip + IPV6_PAYLOAD_LEN,
			 (len - IPV6_MIN_LEN) << 16 | IPPROTO_TCP << 8 | HOP_LIMIT);
	memcpy(ip + IPV6_SRC, out->tuple->local.b, 16);
	memcpy(ip + IPV6_DST, out->tuple->remote.b, 16);
	return checksum_add(0, ip + IPV6_SRC, 32);
}

uint64_t
tcp_payload_sum(const struct span *span, uint32_t offset, uint32_t len)
{
	uint64_t sum = 0;
	bool odd = false;

	while (len > 0) {
		uint32_t n = span->len - offset < len ? span->len - offset : len;
		uint16_t part = checksum_fold(checksum_add(0, span->data + offset, n));

		/* Swapped bytes sum to swapped bytes (RFC 1071 section 2). */
		sum += odd ? (uint16_t)(part << 8 | part >> 8) : part;
		odd ^= (n & 1) != 0;
		len -= n;
		offset = 0;
		span = span->next;
	}
	return sum;
}

static void
write_tcp(uint8_t *tcp, const struct tcp_outgoing *out, uint32_t header_len)
{
	memcpy(tcp + TCP_SPORT, &out->tuple->local_port_be, 2);
	memcpy(tcp + TCP_DPORT, &out->tuple->remote_port_be, 2);
	bytes_store_be32(tcp + TCP_SEQ, out->seq);
	bytes_store_be32(tcp + TCP_ACK, out->ack);
	bytes_store_be32(tcp + TCP_OFF,
			 header_len << 26 | (uint32_t)out->flags << 16 | out->window);
	bytes_store_be32(tcp + TCP_CHECKSUM, 0);
	memcpy(tcp + TCP_MIN_LEN, out->options, out->options_len);
}

void
tcp_emit(struct tcp *tcp, const struct tcp_outgoing *out)
{
	uint8_t header[TCP_HEADERS_MAX];
	uint16_t l4_off = out->tuple->af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN;
	uint32_t tcp_len = (uint32_t)TCP_MIN_LEN + out->options_len;
	struct tcp_segment s = {.tuple = out->tuple,
				.header = header,
				.header_len = (uint16_t)(l4_off + tcp_len),
				.l4_off = l4_off,
				.payload_len = out->len,
				.mss = out->mss,
				.checksum_pending = tcp->checksum_offload,
				.span = out->span,
				.offset = out->offset};
	uint32_t len = s.header_len + out->len;
	uint64_t sum;

	/* A length that TSO replaces need not fit. */
	len = len > UINT16_MAX ? UINT16_MAX : len;
	sum = out->tuple->af == 4 ? write_ipv4(header, out, len) : write_ipv6(header, out, len);
	sum += htonl(IPPROTO_TCP);
	if (out->len <= out->mss || !s.checksum_pending)
		sum += htonl(tcp_len + out->len);
	write_tcp(header + l4_off, out, tcp_len);
	if (s.checksum_pending) {
		bytes_store16(header + l4_off + TCP_CHECKSUM, checksum_fold(sum));
	} else {
		sum = checksum_add(sum, header + l4_off, tcp_len);
		sum += tcp_payload_sum(out->span, out->offset, out->len);
		bytes_store16(header + l4_off + TCP_CHECKSUM, (uint16_t)~checksum_fold(sum));
	}
	tcp->counters.segments_out++;
	tcp->counters.bytes_out += out->len;
	if ((out->flags & TCP_FLAG_RST) != 0)
		tcp->counters.reset_sent++;
	tcp->ops.emit(tcp->arg, &s);
}

void
tcp_refuse(struct tcp *tcp, const struct tcp_arrival *a)
{
	struct tcp_tuple tuple = tcp_tuple_of_packet(a->p);
	struct tcp_outgoing out = {.tuple = &tuple, .flags = TCP_FLAG_RST};

	if ((a->flags & TCP_FLAG_RST) != 0)
		return;
	if ((a->flags & TCP_FLAG_ACK) != 0) {
		out.seq = a->ack;
	} else {
		out.ack = a->seq_end;
		out.flags |= TCP_FLAG_ACK;
	}
	tcp_emit(tcp, &out);
}
