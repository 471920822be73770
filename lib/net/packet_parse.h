/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a received frame to a struct packet: the only code that walks Ethernet, VLAN, IP and
 * extension headers.
 *
 * Nearly all packets are plain: TCP or UDP right behind an IP header without options.  These are
 * read inline in a few dozen instructions; packet_parse_any() takes what is left, and says why a
 * packet is dropped.  Whatever the quick way accepts, the long one accepts with the same result:
 * the fuzz target holds one against the other.
 */
#ifndef PACKET_PARSE_H
#define PACKET_PARSE_H

#include <string.h>

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "packet.h"
#include "wire.h"

/** The frame as it came from the wire. */
struct packet_frame {
	uint8_t *data;      /* Ethernet header */
	uint16_t len;       /* bytes at `data` that are contiguous */
	uint32_t total_len; /* bytes of the frame in all segments */
	uint16_t headroom;  /* writable bytes in front of `data` */
};

/** What the Ethernet header says. */
struct packet_link {
	const uint8_t *dst_mac, *src_mac;
	uint16_t vlan;      /* VLAN ID, 0: untagged or priority-tagged */
	uint16_t ethertype; /* host order */
	uint16_t l2_len;    /* 14 or 18 */
};

/**
 * Read the Ethernet header and at most one 802.1Q tag.
 * @return  DROP_NONE, or DROP_FRAME_SHORT.
 */
static inline enum drop_reason
packet_parse_link(const struct packet_frame *frame, struct packet_link *link)
{
	const uint8_t *d = frame->data;

	if (unlikely(frame->len < ETHER_LEN))
		return DROP_FRAME_SHORT;
	link->dst_mac = d;
	link->src_mac = d + 6;
	link->vlan = 0;
	link->ethertype = bytes_load_be16(d + 12);
	link->l2_len = ETHER_LEN;
	if (likely(link->ethertype != ETHERTYPE_8021Q))
		return DROP_NONE;
	if (frame->len < ETHER_LEN + VLAN_LEN)
		return DROP_FRAME_SHORT;
	link->vlan = bytes_load_be16(d + 14) & 0xfff;
	link->ethertype = bytes_load_be16(d + 16);
	link->l2_len = ETHER_LEN + VLAN_LEN;
	return DROP_NONE;
}

/**
 * Walk the IP and L4 headers and fill `p` from `l3` to `dst` except `buf`, `interface` and `slot`.
 *
 * On success all header bytes that the fields describe (IP header with options or extension
 * headers, the fixed TCP/UDP/ICMP header; for TCP the options too) are contiguous, `len` is not
 * larger than the frame, and IPv4's header checksum is right.  TCP and UDP lengths are checked
 * against `len`.  L4 checksums are not verified: weir changes them incrementally and the receiver
 * decides (RFC 1624).  ARP yields af = 0.
 *
 * Any packet, in steps; packet_parse() does the same and is quicker for plain ones.
 * @return  DROP_NONE, or the reason to drop the packet.
 */
enum drop_reason packet_parse_any(const struct packet_frame *frame, const struct packet_link *link,
				  struct packet *p);

/* What a TCP header's flags may be: neither nothing nor SYN with FIN or RST (as parse_tcp()). */
static inline bool
packet_tcp_flags_are_plain(uint8_t flags)
{
	uint8_t known = flags & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK);
	uint8_t with_syn = known & (TCP_FLAG_FIN | TCP_FLAG_RST);

	return known != 0 && ((known & TCP_FLAG_SYN) == 0 || with_syn == 0);
}

/*
 * The L4 header of a plain packet with `left` bytes behind `l4`, of which `room` are there.
 * @return  false: packet_parse_any() decides.
 */
static inline bool
packet_parse_plain_l4(struct packet *p, uint8_t proto, const uint8_t *l4, uint32_t left,
		      uint32_t room)
{
	uint32_t ports;

	if (proto == IPPROTO_UDP) {
		uint32_t udp_len = bytes_load_be16(l4 + UDP_LEN);

		if (unlikely(udp_len < UDP_MIN_LEN || udp_len > left))
			return false;
	} else if (likely(proto == IPPROTO_TCP)) {
		uint32_t header_len = (uint32_t)(l4[TCP_OFF] >> 4) * 4;

		if (unlikely(left < TCP_MIN_LEN || header_len < TCP_MIN_LEN || header_len > left ||
			     header_len > room || !packet_tcp_flags_are_plain(l4[TCP_FLAGS])))
			return false;
	} else {
		return false;
	}
	ports = bytes_load32(l4);
	memcpy(&p->sport_be, &ports, 4);
	p->proto = proto;
	p->flags = PACKET_HAS_PORTS;
	return likely((ports & 0xffff) != 0 && ports >> 16 != 0);
}

_Static_assert(offsetof(struct packet, dport_be) == offsetof(struct packet, sport_be) + 2,
	       "both ports are read as one word");

static inline void
packet_begin(struct packet *p, const struct packet_frame *frame, const struct packet_link *link)
{
	p->l3 = frame->data + link->l2_len;
	p->headroom = (uint16_t)(frame->headroom + link->l2_len);
	p->l2_len = (uint8_t)link->l2_len;
	p->verdict = PACKET_DROP;
	p->drop = DROP_NONE;
	p->next_hop = 0;
	p->frontend = 0;
}

/* TCP or UDP in IPv4, no options, no fragment, nothing odd. */
static inline bool
packet_parse_plain_v4(struct packet *p, uint32_t room, uint32_t total_len)
{
	const uint8_t *ip = p->l3;
	uint32_t len, src, dst;

	if (unlikely(room < IPV4_MIN_LEN + TCP_MIN_LEN || ip[0] != 0x45))
		return false;
	len = bytes_load_be16(ip + IPV4_LEN);
	src = bytes_load32(ip + IPV4_SRC);
	dst = bytes_load32(ip + IPV4_DST);
	if (unlikely(len < IPV4_MIN_LEN + UDP_MIN_LEN || len > total_len ||
		     (bytes_load16(ip + IPV4_FRAG) & htons(IPV4_MF | IPV4_FRAG_OFF)) != 0 ||
		     checksum_fold(checksum_add20(ip)) != 0xffff || src == dst))
		return false;
	p->src = ip_addr_from_v4(&src);
	p->dst = ip_addr_from_v4(&dst);
	if (unlikely(ip_addr_v4_may_be_martian(&p->src)))
		return false;
	p->af = 4;
	p->l4_off = IPV4_MIN_LEN;
	p->len = (uint16_t)len;
	p->contiguous = (uint16_t)(room < len ? room : len);
	return packet_parse_plain_l4(p, ip[IPV4_PROTO], ip + IPV4_MIN_LEN, len - IPV4_MIN_LEN,
				     room - IPV4_MIN_LEN);
}

/* TCP or UDP right behind the IPv6 header. */
static inline bool
packet_parse_plain_v6(struct packet *p, uint32_t room, uint32_t total_len)
{
	const uint8_t *ip = p->l3;
	uint32_t len;

	if (unlikely(room < IPV6_MIN_LEN + TCP_MIN_LEN || ip[0] >> 4 != 6))
		return false;
	len = (uint32_t)IPV6_MIN_LEN + bytes_load_be16(ip + IPV6_PAYLOAD_LEN);
	if (unlikely(len < IPV6_MIN_LEN + UDP_MIN_LEN || len > total_len || len > UINT16_MAX))
		return false;
	p->src = ip_addr_from_v6(ip + IPV6_SRC);
	p->dst = ip_addr_from_v6(ip + IPV6_DST);
	if (unlikely(p->src.w[0] == 0 || p->dst.w[0] == 0 || p->src.b[0] == 0xff ||
		     ip_addr_equal(&p->src, &p->dst)))
		return false;
	p->af = 6;
	p->l4_off = IPV6_MIN_LEN;
	p->len = (uint16_t)len;
	p->contiguous = (uint16_t)(room < len ? room : len);
	return packet_parse_plain_l4(p, ip[IPV6_NEXT_HEADER], ip + IPV6_MIN_LEN, len - IPV6_MIN_LEN,
				     room - IPV6_MIN_LEN);
}

/** As packet_parse_any(). */
static inline enum drop_reason
packet_parse(const struct packet_frame *frame, const struct packet_link *link, struct packet *p)
{
	uint32_t total_len = frame->total_len - link->l2_len;
	uint32_t room = (uint32_t)frame->len - link->l2_len;
	bool plain = false;

	packet_begin(p, frame, link);
	if (likely(link->ethertype == ETHERTYPE_IPV4))
		plain = packet_parse_plain_v4(p, room, total_len);
	else if (link->ethertype == ETHERTYPE_IPV6)
		plain = packet_parse_plain_v6(p, room, total_len);
	if (unlikely(!plain)) {
		/* Copies: what the quick way reads can stay in registers. */
		struct packet_frame f = *frame;
		struct packet_link l = *link;

		return packet_parse_any(&f, &l, p);
	}
	return DROP_NONE;
}

#endif
