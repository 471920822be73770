/* SPDX-License-Identifier: BSD-3-Clause */
#include "nd.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "wire.h"

#define ND_MESSAGE_LEN    24
#define ND_FLAGS          4
#define ND_TARGET         8
#define ND_FLAG_ROUTER    0x80
#define ND_FLAG_SOLICITED 0x40
#define ND_FLAG_OVERRIDE  0x20
#define ND_OPTION_SOURCE  1
#define ND_OPTION_TARGET  2
#define ND_OPTION_UNIT    8

static bool
parse_options(struct bytes_reader *r, struct nd_packet *nd)
{
	uint8_t wanted = nd->advertisement ? ND_OPTION_TARGET : ND_OPTION_SOURCE;

	while (bytes_left(r) > 0) {
		uint8_t type = bytes_get_u8(r);
		size_t len = (size_t)bytes_get_u8(r) * ND_OPTION_UNIT;
		const uint8_t *body;

		if (r->failed || len == 0)
			return false;
		body = bytes_take(r, len - 2);
		if (body == NULL)
			return false;
		if (type == wanted) {
			memcpy(nd->mac, body, 6);
			nd->has_mac = true;
		}
	}
	return true;
}

bool
nd_parse(const uint8_t *ip, size_t len, uint16_t l4_off, struct nd_packet *nd)
{
	const uint8_t *icmp = ip + l4_off;
	struct bytes_reader options;
	uint64_t sum;

	if (len < (size_t)l4_off + ND_MESSAGE_LEN || ip[IPV6_HOP_LIMIT] != 255 ||
	    icmp[ICMP_CODE] != 0)
		return false;
	if (icmp[ICMP_TYPE] != ICMPV6_NEIGHBOR_SOLICIT && icmp[ICMP_TYPE] != ICMPV6_NEIGHBOR_ADVERT)
		return false;
	sum = checksum_pseudo(ip + IPV6_SRC, ip + IPV6_DST, 16, IPPROTO_ICMPV6,
			      (uint32_t)(len - l4_off));
	if (checksum_fold(checksum_add(sum, icmp, len - l4_off)) != 0xffff)
		return false;

	memset(nd, 0, sizeof(*nd));
	nd->advertisement = icmp[ICMP_TYPE] == ICMPV6_NEIGHBOR_ADVERT;
	nd->src = ip_addr_from_v6(ip + IPV6_SRC);
	nd->dst = ip_addr_from_v6(ip + IPV6_DST);
	nd->target = ip_addr_from_v6(icmp + ND_TARGET);
	if (nd->advertisement) {
		nd->router = (icmp[ND_FLAGS] & ND_FLAG_ROUTER) != 0;
		nd->solicited = (icmp[ND_FLAGS] & ND_FLAG_SOLICITED) != 0;
		nd->override = (icmp[ND_FLAGS] & ND_FLAG_OVERRIDE) != 0;
	}
	if (ip_addr_is_multicast(&nd->target) || ip_addr_is_v4(&nd->target))
		return false;
	if (nd->solicited && ip_addr_is_multicast(&nd->dst))
		return false;
	options = bytes_reader(icmp + ND_MESSAGE_LEN, len - l4_off - ND_MESSAGE_LEN);
	if (!parse_options(&options, nd))
		return false;
	/* Duplicate address detection goes to the solicited-node group and names no MAC. */
	if (!nd->advertisement && ip_addr_is_unspecified(&nd->src)) {
		struct ip_addr group = nd_solicited_node(&nd->target);

		return !nd->has_mac && ip_addr_equal(&nd->dst, &group);
	}
	return true;
}

void
nd_write(const struct nd_packet *nd, uint8_t *buf)
{
	uint8_t *icmp = buf + IPV6_MIN_LEN, *option = icmp + ND_MESSAGE_LEN;
	uint16_t l4_len = ND_PACKET_LEN - IPV6_MIN_LEN;
	uint64_t sum;

	memset(buf, 0, ND_PACKET_LEN);
	buf[0] = 0x60;
	bytes_store_be16(buf + IPV6_PAYLOAD_LEN, l4_len);
	buf[IPV6_NEXT_HEADER] = IPPROTO_ICMPV6;
	buf[IPV6_HOP_LIMIT] = 255;
	memcpy(buf + IPV6_SRC, nd->src.b, 16);
	memcpy(buf + IPV6_DST, nd->dst.b, 16);

	icmp[ICMP_TYPE] = nd->advertisement ? ICMPV6_NEIGHBOR_ADVERT : ICMPV6_NEIGHBOR_SOLICIT;
	if (nd->advertisement)
		icmp[ND_FLAGS] = (uint8_t)((nd->router ? ND_FLAG_ROUTER : 0) |
					   (nd->solicited ? ND_FLAG_SOLICITED : 0) |
					   (nd->override ? ND_FLAG_OVERRIDE : 0));
	memcpy(icmp + ND_TARGET, nd->target.b, 16);
	option[0] = nd->advertisement ? ND_OPTION_TARGET : ND_OPTION_SOURCE;
	option[1] = 1;
	memcpy(option + 2, nd->mac, 6);

	sum = checksum_pseudo(nd->src.b, nd->dst.b, 16, IPPROTO_ICMPV6, l4_len);
	sum = checksum_add(sum, icmp, l4_len);
	bytes_store16(icmp + ICMP_CHECKSUM, (uint16_t)~checksum_fold(sum));
}

struct ip_addr
nd_solicited_node(const struct ip_addr *addr)
{
	struct ip_addr group = {.b = {0xff, 0x02, [11] = 0x01, [12] = 0xff}};

	memcpy(&group.b[13], &addr->b[13], 3);
	return group;
}

void
nd_multicast_mac(const struct ip_addr *addr, uint8_t mac[6])
{
	mac[0] = 0x33;
	mac[1] = 0x33;
	memcpy(mac + 2, &addr->b[12], 4);
}
