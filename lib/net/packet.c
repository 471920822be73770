/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet_parse.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "wire.h"

#define ARP_LEN 28

#define IPV4_OPTION_LSRR 131
#define IPV4_OPTION_SSRR 137

/* RFC 8200 has six kinds, destination options twice; more is not a packet but a test of us. */
#define EXTENSIONS_MAX 8

static enum drop_reason
parse_tcp(struct packet *p, const uint8_t *tcp, uint16_t left)
{
	uint16_t header_len;
	uint8_t flags;

	if (left < TCP_MIN_LEN)
		return DROP_L4_HEADER_INVALID;
	header_len = (uint16_t)((tcp[TCP_OFF] >> 4) * 4);
	if (header_len < TCP_MIN_LEN || header_len > left)
		return DROP_L4_HEADER_INVALID;
	if (p->l4_off + header_len > p->contiguous)
		return DROP_HEADERS_SPLIT;
	p->sport_be = bytes_load16(tcp + TCP_SPORT);
	p->dport_be = bytes_load16(tcp + TCP_DPORT);
	if (p->sport_be == 0 || p->dport_be == 0)
		return DROP_L4_HEADER_INVALID;
	if ((p->flags & PACKET_FRAGMENT) == 0)
		p->flags |= PACKET_HAS_PORTS;
	/* No sender makes SYN with FIN or RST, or no flag at all (RFC 9293 section 3.10.7). */
	flags = tcp[TCP_FLAGS] & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK);
	if (flags == 0 || ((flags & TCP_FLAG_SYN) != 0 && (flags & (TCP_FLAG_FIN | TCP_FLAG_RST))))
		return DROP_L4_HEADER_INVALID;
	return DROP_NONE;
}

static enum drop_reason
parse_udp(struct packet *p, const uint8_t *udp, uint16_t left)
{
	uint16_t udp_len;

	if (left < UDP_MIN_LEN)
		return DROP_L4_HEADER_INVALID;
	udp_len = bytes_load_be16(udp + UDP_LEN);
	/* The length of a fragmented datagram is that of the whole. */
	if (udp_len < UDP_MIN_LEN || (udp_len > left && (p->flags & PACKET_FRAGMENT) == 0))
		return DROP_L4_HEADER_INVALID;
	p->sport_be = bytes_load16(udp + UDP_SPORT);
	p->dport_be = bytes_load16(udp + UDP_DPORT);
	if (p->sport_be == 0 || p->dport_be == 0)
		return DROP_L4_HEADER_INVALID;
	if ((p->flags & PACKET_FRAGMENT) == 0)
		p->flags |= PACKET_HAS_PORTS;
	return DROP_NONE;
}

static enum drop_reason
parse_icmp(struct packet *p, const uint8_t *icmp, uint16_t left)
{
	uint8_t type;

	if (left < ICMP_MIN_LEN)
		return DROP_L4_HEADER_INVALID;
	type = icmp[ICMP_TYPE];
	if (p->proto == IPPROTO_ICMPV6
		    ? type < 128
		    : type == ICMP_DEST_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
			      type == ICMP_PARAMETER_PROBLEM)
		p->flags |= PACKET_ICMP_ERROR;
	return DROP_NONE;
}

static enum drop_reason
parse_l4(struct packet *p)
{
	const uint8_t *l4 = packet_l4(p);
	uint16_t left = (uint16_t)(p->len - p->l4_off);
	uint16_t need;

	p->sport_be = 0;
	p->dport_be = 0;
	if ((p->flags & PACKET_FRAGMENT_LATER) != 0)
		return DROP_NONE;

	need = p->proto == IPPROTO_TCP ? TCP_MIN_LEN : UDP_MIN_LEN;
	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP &&
	    p->proto != (p->af == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return DROP_NONE;
	if (left >= need && p->l4_off + need > p->contiguous)
		return DROP_HEADERS_SPLIT;

	switch (p->proto) {
	case IPPROTO_TCP:
		return parse_tcp(p, l4, left);
	case IPPROTO_UDP:
		return parse_udp(p, l4, left);
	default:
		return parse_icmp(p, l4, left);
	}
}

/* RFC 791 section 3.1; source routes are refused as RFC 7126 section 4.3 advises. */
static enum drop_reason
check_ipv4_options(const uint8_t *option, const uint8_t *end)
{
	while (option < end) {
		uint8_t len;

		if (option[0] == 0)
			return DROP_NONE;
		if (option[0] == 1) {
			option++;
			continue;
		}
		if (option[0] == IPV4_OPTION_LSRR || option[0] == IPV4_OPTION_SSRR)
			return DROP_IP_OPTIONS;
		if (end - option < 2)
			return DROP_IP_OPTIONS;
		len = option[1];
		if (len < 2 || len > end - option)
			return DROP_IP_OPTIONS;
		option += len;
	}
	return DROP_NONE;
}

static enum drop_reason
parse_ipv4(struct packet *p, uint32_t total_len)
{
	const uint8_t *ip = p->l3;
	uint16_t header_len, fragment;

	if (p->contiguous < IPV4_MIN_LEN || ip[0] >> 4 != 4)
		return DROP_IP_HEADER_INVALID;
	header_len = (uint16_t)((ip[0] & 0xf) * 4);
	p->len = bytes_load_be16(ip + IPV4_LEN);
	if (header_len < IPV4_MIN_LEN || p->len < header_len || p->len > total_len)
		return DROP_IP_HEADER_INVALID;
	if (header_len > p->contiguous)
		return DROP_HEADERS_SPLIT;
	if (header_len == IPV4_MIN_LEN) {
		if (checksum_fold(checksum_add20(ip)) != 0xffff)
			return DROP_IP_CHECKSUM;
	} else {
		enum drop_reason drop = check_ipv4_options(ip + IPV4_MIN_LEN, ip + header_len);

		if (checksum(ip, header_len) != 0)
			return DROP_IP_CHECKSUM;
		if (drop != DROP_NONE)
			return drop;
	}

	p->af = 4;
	p->l4_off = header_len;
	p->proto = ip[IPV4_PROTO];
	p->src = ip_addr_from_v4(ip + IPV4_SRC);
	p->dst = ip_addr_from_v4(ip + IPV4_DST);
	if (ip_addr_v4_may_be_martian(&p->src) && ip_addr_is_martian_source(&p->src))
		return DROP_IP_SOURCE_MARTIAN;
	fragment = bytes_load_be16(ip + IPV4_FRAG);
	if ((fragment & (IPV4_MF | IPV4_FRAG_OFF)) != 0)
		p->flags |= PACKET_FRAGMENT;
	if ((fragment & IPV4_FRAG_OFF) != 0)
		p->flags |= PACKET_FRAGMENT_LATER;
	return DROP_NONE;
}

/*
 * Walk extension headers from `next` at p->l4_off to the upper layer (RFC 8200 section 4).
 * `limit` is the end of the packet, `contiguous` what can be read.
 */
static enum drop_reason
walk_extensions(const uint8_t *ip, uint16_t limit, uint16_t contiguous, uint8_t next,
		uint16_t *l4_off, uint8_t *proto, uint8_t *flags)
{
	uint16_t off = *l4_off;

	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		uint16_t len, fragment;

		switch (next) {
		case IPPROTO_HOPOPTS:
			if (i != 0)
				return DROP_IP_EXTENSION;
			/* fallthrough */
		case IPPROTO_DSTOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_FRAGMENT:
			break;
		default:
			*l4_off = off;
			*proto = next;
			return DROP_NONE;
		}
		if (off + 8 > limit)
			return DROP_IP_EXTENSION;
		if (off + 8 > contiguous)
			return DROP_HEADERS_SPLIT;
		len = next == IPPROTO_FRAGMENT ? 8 : (uint16_t)((ip[off + 1] + 1) * 8);
		if (off + len > limit)
			return DROP_IP_EXTENSION;
		if (next == IPPROTO_ROUTING && ip[off + 2] == 0)
			return DROP_IP_EXTENSION; /* type 0 is deprecated: RFC 5095 */
		if (next == IPPROTO_FRAGMENT) {
			fragment = bytes_load_be16(ip + off + 2);
			/* Offset 0 without M is an atomic fragment: a whole packet (RFC 6946). */
			if ((fragment & 0xfff9) != 0)
				*flags |= PACKET_FRAGMENT;
			if ((fragment & 0xfff8) != 0) {
				*flags |= PACKET_FRAGMENT_LATER;
				*l4_off = (uint16_t)(off + len);
				*proto = ip[off];
				return DROP_NONE;
			}
		}
		next = ip[off];
		off = (uint16_t)(off + len);
	}
	return DROP_IP_EXTENSION;
}

static enum drop_reason
parse_ipv6(struct packet *p, uint32_t total_len)
{
	const uint8_t *ip = p->l3;
	enum drop_reason drop;
	uint32_t len;

	if (p->contiguous < IPV6_MIN_LEN || ip[0] >> 4 != 6)
		return DROP_IP_HEADER_INVALID;
	len = (uint32_t)IPV6_MIN_LEN + bytes_load_be16(ip + IPV6_PAYLOAD_LEN);
	if (len > total_len || len > UINT16_MAX)
		return DROP_IP_HEADER_INVALID;
	p->len = (uint16_t)len;

	p->af = 6;
	p->l4_off = IPV6_MIN_LEN;
	p->src = ip_addr_from_v6(ip + IPV6_SRC);
	p->dst = ip_addr_from_v6(ip + IPV6_DST);
	/* A mapped address on the wire would be mistaken for IPv4 from here on (RFC 6890). */
	if (ip_addr_is_v4(&p->src) || ip_addr_is_v4(&p->dst))
		return DROP_IP_SOURCE_MARTIAN;
	drop = walk_extensions(ip, p->len, p->contiguous, ip[IPV6_NEXT_HEADER], &p->l4_off,
			       &p->proto, &p->flags);
	if (drop != DROP_NONE)
		return drop;
	/* Duplicate address detection solicits from the unspecified address (RFC 4862). */
	if (ip_addr_is_martian_source(&p->src) &&
	    !(ip_addr_is_unspecified(&p->src) && p->proto == IPPROTO_ICMPV6 &&
	      ip_addr_is_multicast(&p->dst)))
		return DROP_IP_SOURCE_MARTIAN;
	return DROP_NONE;
}

enum drop_reason
packet_parse_any(const struct packet_frame *frame, const struct packet_link *link, struct packet *p)
{
	uint32_t total_len = frame->total_len - link->l2_len;
	enum drop_reason drop;

	packet_begin(p, frame, link);
	p->contiguous = (uint16_t)(frame->len - link->l2_len);
	p->l2_len = (uint8_t)link->l2_len;
	p->l4_off = 0;
	p->proto = 0;
	p->flags = 0;

	switch (link->ethertype) {
	case ETHERTYPE_IPV4:
		drop = parse_ipv4(p, total_len);
		break;
	case ETHERTYPE_IPV6:
		drop = parse_ipv6(p, total_len);
		break;
	case ETHERTYPE_ARP:
		p->af = 0;
		p->len = ARP_LEN;
		return p->contiguous < ARP_LEN ? DROP_FRAME_SHORT : DROP_NONE;
	default:
		return DROP_ETHERTYPE_UNKNOWN;
	}
	if (drop != DROP_NONE)
		return drop;
	if (p->contiguous > p->len)
		p->contiguous = p->len;
	if (ip_addr_equal(&p->src, &p->dst))
		return DROP_IP_LAND;
	return parse_l4(p);
}

/* The quoted IP header; at least 8 bytes of L4 follow it. */
static bool
parse_quoted_ip(const struct packet *p, struct packet_quote *quote)
{
	uint16_t off = (uint16_t)(p->l4_off + ICMP_MIN_LEN);
	uint8_t flags = 0;
	uint8_t *ip = p->l3 + off;

	if (p->contiguous < off)
		return false;
	quote->l3 = ip;
	quote->len = (uint16_t)(p->contiguous - off);
	if (p->af == 4) {
		if (quote->len < IPV4_MIN_LEN || ip[0] >> 4 != 4)
			return false;
		quote->l4_off = (uint16_t)((ip[0] & 0xf) * 4);
		if (quote->l4_off < IPV4_MIN_LEN)
			return false;
		if ((bytes_load_be16(ip + IPV4_FRAG) & IPV4_FRAG_OFF) != 0)
			return false;
		quote->proto = ip[IPV4_PROTO];
		quote->src = ip_addr_from_v4(ip + IPV4_SRC);
		quote->dst = ip_addr_from_v4(ip + IPV4_DST);
	} else {
		if (quote->len < IPV6_MIN_LEN || ip[0] >> 4 != 6)
			return false;
		quote->l4_off = IPV6_MIN_LEN;
		quote->src = ip_addr_from_v6(ip + IPV6_SRC);
		quote->dst = ip_addr_from_v6(ip + IPV6_DST);
		if (walk_extensions(ip, quote->len, quote->len, ip[IPV6_NEXT_HEADER],
				    &quote->l4_off, &quote->proto, &flags) != DROP_NONE ||
		    (flags & PACKET_FRAGMENT_LATER) != 0)
			return false;
	}
	return quote->l4_off + 8 <= quote->len;
}

bool
packet_parse_quote_any(const struct packet *p, struct packet_quote *quote)
{
	if (!parse_quoted_ip(p, quote))
		return false;
	quote->sport_be = 0;
	quote->dport_be = 0;
	if (quote->proto == IPPROTO_TCP || quote->proto == IPPROTO_UDP) {
		quote->sport_be = bytes_load16(quote->l3 + quote->l4_off);
		quote->dport_be = bytes_load16(quote->l3 + quote->l4_off + 2);
	}
	return true;
}

/* Of IPv6.  The parser has walked this way and found a fragment header. */
static uint16_t
fragment_header(const struct packet *p)
{
	uint8_t next = p->l3[IPV6_NEXT_HEADER];
	uint16_t off = IPV6_MIN_LEN;

	while (next != IPPROTO_FRAGMENT && off < p->l4_off) {
		next = p->l3[off];
		off = (uint16_t)(off + (p->l3[off + 1] + 1) * 8);
	}
	return off;
}

uint32_t
packet_fragment_id(const struct packet *p)
{
	if (p->af == 4)
		return bytes_load16(p->l3 + IPV4_ID);
	return bytes_load32(p->l3 + fragment_header(p) + 4);
}

void
packet_fragment_range(const struct packet *p, uint32_t *begin, uint32_t *end)
{
	uint16_t header;

	if (p->af == 4) {
		*begin = (bytes_load_be16(p->l3 + IPV4_FRAG) & IPV4_FRAG_OFF) * 8u;
		*end = *begin + p->len - (p->l3[0] & 15) * 4u;
		return;
	}
	header = fragment_header(p);
	*begin = bytes_load_be16(p->l3 + header + 2) & ~7u;
	*end = *begin + p->len - header - 8;
}

bool
packet_parse_quote(const struct packet *p, struct packet_quote *quote)
{
	const uint8_t *ip;

	if (!parse_quoted_ip(p, quote))
		return false;
	ip = quote->l3;
	switch (quote->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		quote->sport_be = bytes_load16(ip + quote->l4_off);
		quote->dport_be = bytes_load16(ip + quote->l4_off + 2);
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		quote->sport_be = bytes_load16(ip + quote->l4_off + ICMP_ECHO_ID);
		quote->dport_be = quote->sport_be;
		return true;
	default:
		return false;
	}
}
