/* SPDX-License-Identifier: BSD-3-Clause */
#include "geneve.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "packet_parse.h"
#include "wire.h"

#define OUTER_TTL 64

/* GENEVE, from the end of the UDP header. */
#define GENEVE_VERSION_LEN 0 /* 2 bits version, 6 bits length of options in words */
#define GENEVE_FLAGS       1
#define GENEVE_PROTOCOL    2
#define GENEVE_VNI         4
#define GENEVE_OPTIONS     8

#define OPTION_CLASS      0x0108
#define OPTION_CRITICAL   0x80
#define OPTION_ENDPOINT   1
#define OPTION_ATTACHMENT 2
#define OPTION_COOKIE     3

#define FLAG_CONTROL 0x80

/* The first word of each option, in wire order: class, type, length in words. */
static const uint8_t endpoint_option[4] = {0x01, 0x08, OPTION_ENDPOINT, 2};
static const uint8_t attachment_option[4] = {0x01, 0x08, OPTION_ATTACHMENT, 2};
static const uint8_t cookie_option[4] = {0x01, 0x08, OPTION_COOKIE, 1};

void
geneve_template_set(struct geneve_template *t, const struct ip_addr *src, const struct ip_addr *dst)
{
	uint8_t *ip = t->headers, *udp, *g;

	memset(t, 0, sizeof(*t));
	t->src = *src;
	t->dst = *dst;
	t->v4 = ip_addr_is_v4(dst);
	t->len = t->v4 ? GENEVE_OVERHEAD_V4 : GENEVE_OVERHEAD_V6;
	if (t->v4) {
		ip[0] = 0x45;
		bytes_store_be16(ip + IPV4_FRAG, IPV4_DF);
		ip[IPV4_TTL] = OUTER_TTL;
		ip[IPV4_PROTO] = IPPROTO_UDP;
		memcpy(ip + IPV4_SRC, &src->b[12], 4);
		memcpy(ip + IPV4_DST, &dst->b[12], 4);
		t->sum = checksum_fold(checksum_add20(ip));
		udp = ip + IPV4_MIN_LEN;
	} else {
		ip[0] = 0x60;
		ip[IPV6_NEXT_HEADER] = IPPROTO_UDP;
		ip[IPV6_HOP_LIMIT] = OUTER_TTL;
		memcpy(ip + IPV6_SRC, src->b, 16);
		memcpy(ip + IPV6_DST, dst->b, 16);
		udp = ip + IPV6_MIN_LEN;
	}
	bytes_store_be16(udp + UDP_DPORT, GENEVE_PORT);
	g = udp + UDP_MIN_LEN;
	g[GENEVE_VERSION_LEN] = GENEVE_OPTIONS_LEN / 4;
	bytes_store_be16(g + GENEVE_PROTOCOL, ETHERTYPE_IPV4);
	memcpy(g + GENEVE_OPTIONS, endpoint_option, 4);
	memcpy(g + GENEVE_OPTIONS + 12, attachment_option, 4);
	memcpy(g + GENEVE_OPTIONS + 24, cookie_option, 4);
}

void
geneve_finish_v6(struct packet *p)
{
	uint8_t *udp = packet_l4(p);
	uint16_t len = (uint16_t)(p->len - IPV6_MIN_LEN);
	uint64_t sum = checksum_pseudo(p->src.b, p->dst.b, 16, IPPROTO_UDP, len);
	uint16_t field = (uint16_t)~checksum_fold(checksum_add(sum, udp, len));

	bytes_store16(udp + UDP_CHECKSUM, field == 0 ? 0xffff : field);
}

bool
geneve_encapsulate(struct packet *p, const struct geneve_tunnel *tunnel)
{
	struct geneve_template t;

	geneve_template_set(&t, tunnel->src, tunnel->dst);
	return geneve_encapsulate_by(p, &t, tunnel->sport_be, tunnel->options);
}

/* The usual header: exactly the three options, in order. */
static bool
options_are_plain(const uint8_t *o, size_t len)
{
	return len == GENEVE_OPTIONS_LEN && memcmp(o, endpoint_option, 4) == 0 &&
	       memcmp(o + 12, attachment_option, 4) == 0 && memcmp(o + 24, cookie_option, 4) == 0;
}

static void
read_plain_options(const uint8_t *o, struct geneve_options *options)
{
	memcpy(&options->endpoint_be, o + 4, 8);
	memcpy(&options->attachment_be, o + 16, 8);
	memcpy(&options->cookie_be, o + 28, 4);
}

/* One of ours. `next` is the type that must come now; moved on. */
static enum drop_reason
read_option(const uint8_t *option, uint8_t *next, struct geneve_options *options)
{
	uint8_t type = option[2], words = option[3] & 0x1f;

	if (type < OPTION_ENDPOINT || type > OPTION_COOKIE)
		return (type & OPTION_CRITICAL) != 0 ? DROP_GENEVE_OPTION_CRITICAL : DROP_NONE;
	if (type < *next)
		return DROP_GENEVE_OPTION_DUPLICATE;
	if (type > *next)
		return DROP_GENEVE_OPTION_ORDER;
	if (words != (type == OPTION_COOKIE ? 1 : 2))
		return DROP_GENEVE_OPTION_LENGTH;
	if (type == OPTION_ENDPOINT)
		memcpy(&options->endpoint_be, option + 4, 8);
	else if (type == OPTION_ATTACHMENT)
		memcpy(&options->attachment_be, option + 4, 8);
	else
		memcpy(&options->cookie_be, option + 4, 4);
	++*next;
	return DROP_NONE;
}

static enum drop_reason
read_options(const uint8_t *option, size_t len, struct geneve_options *options)
{
	const uint8_t *end = option + len;
	uint8_t next = OPTION_ENDPOINT;

	while (option < end) {
		size_t option_len;
		enum drop_reason reason = DROP_NONE;

		if (end - option < 4)
			return DROP_GENEVE_OPTION_LENGTH;
		option_len = 4 + (size_t)(option[3] & 0x1f) * 4;
		if (option_len > (size_t)(end - option))
			return DROP_GENEVE_OPTION_LENGTH;
		if (bytes_load_be16(option) == OPTION_CLASS)
			reason = read_option(option, &next, options);
		else if ((option[2] & OPTION_CRITICAL) != 0)
			reason = DROP_GENEVE_OPTION_CRITICAL;
		if (reason != DROP_NONE)
			return reason;
		option += option_len;
	}
	return next > OPTION_COOKIE ? DROP_NONE : DROP_GENEVE_OPTION_MISSING;
}

enum drop_reason
geneve_parse(const struct packet *p, struct geneve_header *header)
{
	uint32_t off = (uint32_t)p->l4_off + UDP_MIN_LEN;
	uint32_t end = p->l4_off + (uint32_t)bytes_load_be16(packet_l4(p) + UDP_LEN);
	const uint8_t *g = p->l3 + off;
	uint32_t options_len;
	uint16_t protocol;

	/* The parser has seen to it that the UDP length is not longer than the packet. */
	if (off + GENEVE_OPTIONS > end)
		return DROP_GENEVE_LENGTH;
	if (off + GENEVE_OPTIONS > p->contiguous)
		return DROP_HEADERS_SPLIT;
	if (g[GENEVE_VERSION_LEN] >> 6 != 0)
		return DROP_GENEVE_VERSION;
	options_len = (uint32_t)(g[GENEVE_VERSION_LEN] & 0x3f) * 4;
	if (off + GENEVE_OPTIONS + options_len >= end)
		return DROP_GENEVE_LENGTH;
	if (off + GENEVE_OPTIONS + options_len > p->contiguous)
		return DROP_HEADERS_SPLIT;
	protocol = bytes_load_be16(g + GENEVE_PROTOCOL);
	if ((g[GENEVE_FLAGS] & FLAG_CONTROL) != 0 ||
	    (protocol != ETHERTYPE_IPV4 && protocol != ETHERTYPE_IPV6))
		return DROP_GENEVE_PROTOCOL;
	header->inner_off = (uint16_t)(off + GENEVE_OPTIONS + options_len);
	header->inner_af = protocol == ETHERTYPE_IPV4 ? 4 : 6;
	if (__builtin_expect(options_are_plain(g + GENEVE_OPTIONS, options_len), 1)) {
		read_plain_options(g + GENEVE_OPTIONS, &header->options);
		return DROP_NONE;
	}
	return read_options(g + GENEVE_OPTIONS, options_len, &header->options);
}

enum drop_reason
geneve_parse_inner(const struct packet *p, const struct geneve_header *header, struct packet *inner)
{
	uint32_t end = p->l4_off + (uint32_t)bytes_load_be16(packet_l4(p) + UDP_LEN);
	uint16_t contiguous = p->contiguous < end ? p->contiguous : (uint16_t)end;
	struct packet_frame frame = {.data = p->l3 + header->inner_off,
				     .len = (uint16_t)(contiguous - header->inner_off),
				     .total_len = end - header->inner_off,
				     .headroom = (uint16_t)(p->headroom + header->inner_off)};
	struct packet_link link = {.ethertype =
					   header->inner_af == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6};

	inner->buf = p->buf;
	inner->interface = p->interface;
	inner->slot = p->slot;
	return packet_parse(&frame, &link, inner);
}

bool
geneve_peek_cookie(const struct packet *p, uint32_t *cookie_be)
{
	uint32_t off = (uint32_t)p->l4_off + UDP_MIN_LEN + GENEVE_HEADER_LEN;
	struct geneve_header header;

	if (off > p->contiguous)
		return false;
	if (geneve_parse(p, &header) != DROP_NONE)
		return false;
	*cookie_be = header.options.cookie_be;
	return true;
}
