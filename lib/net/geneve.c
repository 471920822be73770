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

static void
write_geneve(uint8_t *g, uint8_t inner_af, const struct geneve_options *o)
{
	static const uint8_t v4[8] = {
		GENEVE_OPTIONS_LEN / 4, 0, ETHERTYPE_IPV4 >> 8, 0, 0, 0, 0, 0};
	static const uint8_t v6[8] = {
		GENEVE_OPTIONS_LEN / 4, 0, ETHERTYPE_IPV6 >> 8, 0xdd, 0, 0, 0, 0};

	memcpy(g, inner_af == 4 ? v4 : v6, 8);
	memcpy(g + 8, endpoint_option, 4);
	memcpy(g + 12, &o->endpoint_be, 8);
	memcpy(g + 20, attachment_option, 4);
	memcpy(g + 24, &o->attachment_be, 8);
	memcpy(g + 32, cookie_option, 4);
	memcpy(g + 36, &o->cookie_be, 4);
}

/* DSCP and ECN of the packet. */
static uint8_t
traffic_class(const struct packet *p)
{
	if (p->af == 4)
		return p->l3[IPV4_TOS];
	return (uint8_t)(p->l3[0] << 4 | p->l3[1] >> 4);
}

static void
write_ipv4(uint8_t *ip, uint16_t len, uint8_t tos, const struct ip_addr *src,
	   const struct ip_addr *dst)
{
	ip[0] = 0x45;
	ip[IPV4_TOS] = tos;
	bytes_store_be16(ip + IPV4_LEN, len);
	bytes_store_be16(ip + IPV4_ID, 0);
	bytes_store_be16(ip + IPV4_FRAG, IPV4_DF);
	ip[IPV4_TTL] = OUTER_TTL;
	ip[IPV4_PROTO] = IPPROTO_UDP;
	memcpy(ip + IPV4_SRC, &src->b[12], 4);
	memcpy(ip + IPV4_DST, &dst->b[12], 4);
}

/* By values, so that nothing is read back that was just written in other widths. */
static uint16_t
ipv4_checksum(uint16_t len, uint8_t tos, const struct ip_addr *src, const struct ip_addr *dst)
{
	uint64_t sum = (uint64_t)htons((uint16_t)(0x4500 | tos)) + htons(len) + htons(IPV4_DF) +
		       htons(OUTER_TTL << 8 | IPPROTO_UDP);

	sum += (uint64_t)(src->w[1] >> 32) + (dst->w[1] >> 32);
	return (uint16_t)~checksum_fold(sum);
}

static void
write_ipv6(uint8_t *ip, uint16_t payload_len, uint8_t tos, const struct ip_addr *src,
	   const struct ip_addr *dst)
{
	bytes_store_be32(ip, 6u << 28 | (uint32_t)tos << 20);
	bytes_store_be16(ip + IPV6_PAYLOAD_LEN, payload_len);
	ip[IPV6_NEXT_HEADER] = IPPROTO_UDP;
	ip[IPV6_HOP_LIMIT] = OUTER_TTL;
	memcpy(ip + IPV6_SRC, src->b, 16);
	memcpy(ip + IPV6_DST, dst->b, 16);
}

static uint16_t
udp6_checksum(const uint8_t *udp, uint16_t len, const struct ip_addr *src,
	      const struct ip_addr *dst)
{
	uint64_t sum = checksum_pseudo(src->b, dst->b, 16, IPPROTO_UDP, len);
	uint16_t field = (uint16_t)~checksum_fold(checksum_add(sum, udp, len));

	return field == 0 ? 0xffff : field;
}

bool
geneve_encapsulate(struct packet *p, const struct geneve_tunnel *tunnel)
{
	bool v4 = ip_addr_is_v4(tunnel->dst);
	uint16_t overhead = v4 ? GENEVE_OVERHEAD_V4 : GENEVE_OVERHEAD_V6;
	uint8_t tos = traffic_class(p);
	uint8_t *ip = p->l3 - overhead;
	uint8_t *udp = p->l3 - GENEVE_HEADER_LEN - UDP_MIN_LEN;
	uint16_t udp_len;

	if (p->headroom < overhead + PACKET_LINK_MAX || p->len > UINT16_MAX - overhead ||
	    (!v4 && p->contiguous < p->len))
		return false;
	udp_len = (uint16_t)(p->len + GENEVE_HEADER_LEN + UDP_MIN_LEN);
	write_geneve(p->l3 - GENEVE_HEADER_LEN, p->af, tunnel->options);
	bytes_store16(udp + UDP_SPORT, tunnel->sport_be);
	bytes_store_be16(udp + UDP_DPORT, GENEVE_PORT);
	bytes_store_be16(udp + UDP_LEN, udp_len);
	bytes_store16(udp + UDP_CHECKSUM, 0);
	if (v4) {
		uint16_t len = (uint16_t)(p->len + overhead);

		write_ipv4(ip, len, tos, tunnel->src, tunnel->dst);
		bytes_store16(ip + IPV4_CHECKSUM,
			      ipv4_checksum(len, tos, tunnel->src, tunnel->dst));
	} else {
		write_ipv6(ip, udp_len, tos, tunnel->src, tunnel->dst);
		bytes_store16(udp + UDP_CHECKSUM,
			      udp6_checksum(udp, udp_len, tunnel->src, tunnel->dst));
	}
	p->l3 = ip;
	p->len = (uint16_t)(p->len + overhead);
	p->headroom = (uint16_t)(p->headroom - overhead);
	p->contiguous = (uint16_t)(p->contiguous + overhead);
	p->l4_off = v4 ? IPV4_MIN_LEN : IPV6_MIN_LEN;
	p->af = v4 ? 4 : 6;
	p->proto = IPPROTO_UDP;
	p->flags = 0;
	p->sport_be = tunnel->sport_be;
	p->dport_be = htons(GENEVE_PORT);
	p->src = *tunnel->src;
	p->dst = *tunnel->dst;
	return true;
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
