/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frame: what packet_parse() accepts must lie inside the frame, and building an ICMP error or
 * an echo reply about it must yield a packet that parses again with a right checksum.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "check.h"
#include "checksum.h"
#include "icmp.h"
#include "packet_parse.h"
#include "wire.h"

#define ROOM 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_layout(const struct packet *p, const uint8_t *end)
{
	CHECK(p->l3 + p->contiguous <= end);
	if (p->af == 0)
		return;
	CHECK(p->af == 4 || p->af == 6);
	CHECK(p->contiguous <= p->len);
	CHECK(p->l4_off >= (p->af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN) && p->l4_off <= p->len);
	if ((p->flags & PACKET_FRAGMENT_LATER) != 0)
		return;
	if (p->proto == IPPROTO_TCP)
		CHECK(p->l4_off + (packet_l4(p)[TCP_OFF] >> 4) * 4 <= p->contiguous);
	if (p->proto == IPPROTO_UDP)
		CHECK(p->l4_off + UDP_MIN_LEN <= p->contiguous);
}

static void
check_quote(const struct packet *p)
{
	struct packet_quote quote;

	if ((p->flags & PACKET_ICMP_ERROR) == 0 || !packet_parse_quote(p, &quote))
		return;
	CHECK(quote.l3 >= p->l3 && quote.l3 + quote.len <= p->l3 + p->contiguous);
	CHECK(quote.l4_off + 8 <= quote.len);
}

static void
check_error(struct packet *p, const uint8_t *end)
{
	struct ip_addr us = p->af == 4 ? ip_addr_from_v4("\xc0\0\x02\x01") : p->dst;
	struct packet_frame frame;
	struct packet_link link = {.ethertype = p->af == 4 ? 0x0800 : 0x86dd, .l2_len = 0};
	struct packet again;

	if (!icmp_error(p, &us, p->af == 4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED, 0, 0))
		return;
	CHECK(p->l3 + p->len <= end);
	frame = (struct packet_frame){p->l3, p->len, p->len, p->headroom};
	CHECK(packet_parse(&frame, &link, &again) == DROP_NONE || ip_addr_equal(&us, &p->dst) ||
	      ip_addr_is_martian_source(&us));
}

/* The quick way finds what the long one finds. */
static void
check_plain(const struct packet_frame *frame, const struct packet_link *link,
	    const struct packet *p, enum drop_reason reason)
{
	struct packet any;

	CHECK(packet_parse_any(frame, link, &any) == reason);
	if (reason != DROP_NONE)
		return;
	CHECK(p->l3 == any.l3 && p->len == any.len && p->headroom == any.headroom &&
	      p->contiguous == any.contiguous && p->af == any.af && p->flags == any.flags);
	if (p->af == 0)
		return;
	CHECK(p->l4_off == any.l4_off && p->proto == any.proto && p->sport_be == any.sport_be &&
	      p->dport_be == any.dport_be && ip_addr_equal(&p->src, &any.src) &&
	      ip_addr_equal(&p->dst, &any.dst));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_link link;
	struct packet_frame frame;
	struct packet p;
	uint8_t *buf;

	if (size > 4096)
		return 0;
	buf = malloc(ROOM + size);
	CHECK(buf != NULL);
	if (size > 0)
		memcpy(buf + ROOM, data, size);
	frame = (struct packet_frame){buf + ROOM, (uint16_t)size, (uint32_t)size, ROOM};
	if (packet_parse_link(&frame, &link) == DROP_NONE) {
		enum drop_reason reason = packet_parse(&frame, &link, &p);

		check_plain(&frame, &link, &p, reason);
		if (reason != DROP_NONE)
			goto out;
		check_layout(&p, buf + ROOM + size);
		if (p.af != 0) {
			check_quote(&p);
			check_error(&p, buf + ROOM + size);
		}
	}
out:
	free(buf);
	return 0;
}
