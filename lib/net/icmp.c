/* SPDX-License-Identifier: BSD-3-Clause */
#include "icmp.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "wire.h"

#define ANSWER_TTL 64

#define IPV4_ERROR_MAX 576
#define IPV6_ERROR_MAX 1280

static void
swap_addresses(struct packet *p)
{
	struct ip_addr src = p->src;
	size_t len = p->af == 4 ? 4 : 16;
	uint8_t *at = p->l3 + (p->af == 4 ? IPV4_SRC : IPV6_SRC);

	p->src = p->dst;
	p->dst = src;
	memcpy(at, ip_addr_wire(&p->src), len);
	memcpy(at + len, ip_addr_wire(&p->dst), len);
}

void
icmp_echo_reply(struct packet *p)
{
	uint8_t *icmp = packet_l4(p);
	uint16_t before = bytes_load16(icmp), after;

	icmp[ICMP_TYPE] = p->af == 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	after = bytes_load16(icmp);
	/* The swap leaves ICMPv6's pseudo header sum as it is. */
	bytes_store16(icmp + ICMP_CHECKSUM, checksum_apply(bytes_load16(icmp + ICMP_CHECKSUM),
							   checksum_diff16(0, before, after)));
	swap_addresses(p);
	if (p->af == 4) {
		uint16_t old = bytes_load16(p->l3 + IPV4_TTL);

		p->l3[IPV4_TTL] = ANSWER_TTL;
		bytes_store16(
			p->l3 + IPV4_CHECKSUM,
			checksum_apply(bytes_load16(p->l3 + IPV4_CHECKSUM),
				       checksum_diff16(0, old, bytes_load16(p->l3 + IPV4_TTL))));
	} else {
		p->l3[IPV6_HOP_LIMIT] = ANSWER_TTL;
	}
	p->flags |= PACKET_REPLY;
	packet_forward(p, 0);
}

static void
write_ipv4(uint8_t *ip, const struct ip_addr *src, const struct ip_addr *dst, uint16_t len)
{
	memset(ip, 0, IPV4_MIN_LEN);
	ip[0] = 0x45;
	ip[IPV4_TOS] = 0xc0; /* internetwork control: RFC 1812 section 4.3.2.5 */
	bytes_store_be16(ip + IPV4_LEN, len);
	ip[IPV4_TTL] = ANSWER_TTL;
	ip[IPV4_PROTO] = IPPROTO_ICMP;
	memcpy(ip + IPV4_SRC, ip_addr_wire(src), 4);
	memcpy(ip + IPV4_DST, ip_addr_wire(dst), 4);
	bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, IPV4_MIN_LEN));
}

static void
write_ipv6(uint8_t *ip, const struct ip_addr *src, const struct ip_addr *dst, uint16_t len)
{
	memset(ip, 0, IPV6_MIN_LEN);
	ip[0] = 0x60;
	bytes_store_be16(ip + IPV6_PAYLOAD_LEN, (uint16_t)(len - IPV6_MIN_LEN));
	ip[IPV6_NEXT_HEADER] = IPPROTO_ICMPV6;
	ip[IPV6_HOP_LIMIT] = ANSWER_TTL;
	memcpy(ip + IPV6_SRC, src->b, 16);
	memcpy(ip + IPV6_DST, dst->b, 16);
}

static bool
may_answer(const struct packet *p)
{
	return (p->flags & (PACKET_ICMP_ERROR | PACKET_FRAGMENT_LATER)) == 0 &&
	       !ip_addr_is_martian_source(&p->src) && !ip_addr_is_multicast(&p->dst);
}

bool
icmp_error(struct packet *p, const struct ip_addr *src, uint8_t type, uint8_t code, uint32_t mtu)
{
	bool v4 = p->af == 4;
	uint16_t ip_len = v4 ? IPV4_MIN_LEN : IPV6_MIN_LEN;
	uint16_t grow = (uint16_t)(ip_len + ICMP_MIN_LEN);
	uint16_t max = v4 ? IPV4_ERROR_MAX : IPV6_ERROR_MAX;
	uint16_t quoted = p->contiguous < p->len ? p->contiguous : p->len;
	struct ip_addr dst = p->src;
	uint8_t *ip, *icmp;
	uint64_t sum = 0;

	if (!may_answer(p) || p->headroom < grow + PACKET_LINK_MAX || ip_addr_family(src) != p->af)
		return false;
	if (quoted > max - grow)
		quoted = (uint16_t)(max - grow);

	ip = p->l3 - grow;
	icmp = ip + ip_len;
	p->headroom = (uint16_t)(p->headroom - grow);
	p->len = (uint16_t)(grow + quoted);
	if (v4)
		write_ipv4(ip, src, &dst, p->len);
	else
		write_ipv6(ip, src, &dst, p->len);

	memset(icmp, 0, ICMP_MIN_LEN);
	icmp[ICMP_TYPE] = type;
	icmp[ICMP_CODE] = code;
	if (v4)
		bytes_store_be16(icmp + ICMP_MTU, (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu));
	else
		bytes_store_be32(icmp + ICMPV6_MTU, mtu);
	if (!v4)
		sum = checksum_pseudo(src->b, dst.b, 16, IPPROTO_ICMPV6,
				      (uint32_t)(ICMP_MIN_LEN + quoted));
	sum = checksum_add(sum, icmp, (size_t)(ICMP_MIN_LEN + quoted));
	bytes_store16(icmp + ICMP_CHECKSUM, (uint16_t)~checksum_fold(sum));

	p->l3 = ip;
	p->contiguous = p->len;
	p->l4_off = ip_len;
	p->proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	p->sport_be = 0;
	p->dport_be = 0;
	p->src = *src;
	p->dst = dst;
	p->flags = PACKET_ICMP_ERROR | PACKET_REPLY;
	packet_forward(p, 0);
	return true;
}
