/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers with references for engines under test, frames made of what they emit, and back. */
#ifndef TCP_BUFFERS_H
#define TCP_BUFFERS_H

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "packet_parse.h"
#include "tcp.h"
#include "unit.h"

#ifndef BUFFER_ROOM
#define BUFFER_ROOM 2048u
#endif
#define BUFFER_CHARGE (BUFFER_ROOM + 256u)
#define BUFFER_LINK   14u

struct buffer {
	uint32_t refs, len; /* of the frame, Ethernet header included */
	uint8_t data[BUFFER_ROOM];
};

/* All that exist: a test ends with none. */
static inline uint32_t *
buffers_n(void)
{
	static uint32_t n;

	return &n;
}

static inline struct buffer *
buffer_new(void)
{
	struct buffer *b = malloc(sizeof(*b));

	CHECK(b != NULL);
	b->refs = 1;
	++*buffers_n();
	return b;
}

static inline void
buffer_ref(void *owner)
{
	((struct buffer *)owner)->refs++;
}

static inline void
buffer_unref(void *owner)
{
	struct buffer *b = owner;

	CHECK(b->refs > 0);
	if (--b->refs > 0)
		return;
	free(b);
	--*buffers_n();
}

static inline void *
buffer_alloc(void *arg, uint8_t **data, uint32_t *room)
{
	struct buffer *b = buffer_new();

	(void)arg;
	*data = b->data;
	*room = BUFFER_ROOM;
	return b;
}

static const struct chain_ops buffer_ops = {buffer_ref, buffer_unref, buffer_alloc, NULL};

/* One segment of `len` payload bytes, as the wire sees it; checks what the engine promises. */
static inline struct buffer *
buffer_of_segment(const struct tcp_segment *s)
{
	struct buffer *b = buffer_new();
	const struct span *span = s->span;
	uint32_t at = BUFFER_LINK + s->header_len, left = s->payload_len, offset = s->offset;
	bool v4 = s->tuple->af == 4;
	uint8_t *ip = b->data + BUFFER_LINK;
	uint64_t sum;

	CHECK(at + left <= BUFFER_ROOM);
	memset(b->data, 0, BUFFER_LINK);
	bytes_store_be16(b->data + 12, v4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	memcpy(ip, s->header, s->header_len);
	while (left > 0) {
		uint32_t n = span->len - offset < left ? span->len - offset : left;

		memcpy(b->data + at, span->data + offset, n);
		at += n;
		left -= n;
		offset = 0;
		span = span->next;
	}
	b->len = at;
	sum = checksum_pseudo(ip + (v4 ? IPV4_SRC : IPV6_SRC), ip + (v4 ? IPV4_DST : IPV6_DST),
			      v4 ? 4 : 16, IPPROTO_TCP, at - BUFFER_LINK - s->l4_off);
	if (s->checksum_pending) {
		uint8_t *field = ip + s->l4_off + TCP_CHECKSUM;

		EXPECT(bytes_load16(field) == checksum_fold(sum));
		bytes_store16(field, (uint16_t)~checksum_fold(checksum_add(
					     0, ip + s->l4_off, at - BUFFER_LINK - s->l4_off)));
	} else {
		sum = checksum_add(sum, ip + s->l4_off, at - BUFFER_LINK - s->l4_off);
		EXPECT(checksum_fold(sum) == 0xffff);
	}
	return b;
}

/* Parse a frame as the worker does. @return  false: dropped, for its checksum too. */
static inline bool
buffer_parse(struct buffer *b, struct packet *p)
{
	struct packet_frame frame = {
		.data = b->data, .len = (uint16_t)b->len, .total_len = b->len, .headroom = 128};
	struct packet_link link;
	const uint8_t *addrs;
	uint64_t sum;
	size_t n;

	if (packet_parse_link(&frame, &link) != DROP_NONE ||
	    packet_parse(&frame, &link, p) != DROP_NONE || p->proto != IPPROTO_TCP)
		return false;
	p->buf = (struct rte_mbuf *)(void *)b;
	n = p->af == 4 ? 4 : 16;
	addrs = p->l3 + (p->af == 4 ? IPV4_SRC : IPV6_SRC);
	sum = checksum_pseudo(addrs, addrs + n, n, IPPROTO_TCP, (uint32_t)(p->len - p->l4_off));
	sum = checksum_add(sum, packet_l4(p), (size_t)(p->len - p->l4_off));
	return checksum_fold(sum) == 0xffff;
}

static inline struct ip_addr
buffer_addr(const char *text)
{
	struct ip_addr a;

	CHECK(ip_addr_parse(text, &a));
	return a;
}

/* The byte at a place of a stream that is easy to check. */
static inline uint8_t
stream_byte(uint64_t seed, uint64_t at)
{
	uint64_t x = (at / 8 + seed) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)(x >> 24 >> at % 8);
}

#endif
