/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One received packet during one burst: where its headers are, and what becomes of it.
 *
 * packet_parse.h is the only code that walks Ethernet, VLAN, IP and extension headers; everything
 * later reads the offsets and fields found there.  A struct packet lives in the worker's scratch
 * memory until the end of the burst.  The bytes belong to a buffer whose handle (`buf`, an mbuf)
 * is opaque below lib/port, so that parsers, services, fuzzers and simulations run without EAL.
 *
 * Services rewrite from `l3` on and set the verdict; they never touch the Ethernet header.  The
 * transmit stage writes it in front of `l3` from the next hop.
 */
#ifndef PACKET_H
#define PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "drop_reason.h"
#include "ip_addr.h"

struct rte_mbuf;

enum packet_verdict {
	PACKET_DROP,     /* free; `drop` says why */
	PACKET_FORWARD,  /* send to `next_hop`; 0 means: resolve the route of `dst` first */
	PACKET_HOST,     /* for the management core: ARP, ND, what the kernel would get */
	PACKET_ENDPOINT, /* of a connection of weir's own */
	PACKET_KEPT,     /* somebody took the buffer */
	PACKET_LINK,     /* send by a wire: `next_hop` names the link header, 0: the one it has */
};

enum packet_flags {
	PACKET_FRAGMENT = 1 << 0,       /* any fragment, the first too */
	PACKET_FRAGMENT_LATER = 1 << 1, /* not the first: no L4 header, ports are 0 */
	PACKET_ICMP_ERROR = 1 << 2,     /* ICMP or ICMPv6 error message */
	PACKET_REPLY = 1 << 3,          /* built by weir: not counted as forwarded traffic */
	PACKET_GENEVE = 1 << 4,         /* from an appliance: for the gateway load balancer */
	PACKET_HAS_PORTS = 1 << 5,      /* whole TCP segment or UDP datagram: has a 5-tuple */
	PACKET_PORTS_GIVEN = 1 << 6, /* a fragment whose ports, those of the first one, are set */
};

/** Longest Ethernet header that weir writes: with one tag. */
#define PACKET_LINK_MAX 18

struct packet {
	struct rte_mbuf *buf;
	uint8_t *l3;         /* first byte of the IP header, or of ARP */
	uint16_t len;        /* bytes of the IP packet (its own length field; padding excluded) */
	uint16_t headroom;   /* bytes in front of l3 that may be written, >= 18 after parse */
	uint16_t contiguous; /* bytes from l3 on in one piece */
	uint16_t l4_off;     /* from l3 to the L4 header */
	uint8_t af;          /* 4, 6, or 0: not IP (ARP) */
	uint8_t proto;       /* IPPROTO_*, behind IPv6 extension headers */
	uint8_t flags;       /* PACKET_* */
	uint8_t slot;        /* steering slot */
	uint8_t l2_len;      /* bytes of Ethernet header in front of l3, as received */
	uint8_t verdict;     /* enum packet_verdict */
	uint8_t drop;        /* enum drop_reason */
	uint16_t interface;  /* ingress interface index */
	uint16_t sport_be;   /* TCP, UDP; else 0 */
	uint16_t dport_be;
	uint32_t next_hop; /* reference, see next_hop.h */
	uint32_t frontend; /* reference set by classification; 0: none */
	uint64_t hash;     /* the service's */
	struct ip_addr src, dst;
};

/**
 * The packet an ICMP error is about, as quoted in it.  Only the addresses, the protocol and the
 * ports (the first 8 bytes of L4) are guaranteed to be there (RFC 792, RFC 4443).
 */
struct packet_quote {
	uint8_t *l3;  /* inside the ICMP message */
	uint16_t len; /* quoted bytes from l3 on */
	uint16_t l4_off;
	uint8_t proto;
	uint16_t sport_be, dport_be; /* for ICMP echo: identifier in both */
	struct ip_addr src, dst;
};

/** @return false when the quote is truncated, a later fragment, or of a protocol without ports. */
bool packet_parse_quote(const struct packet *p, struct packet_quote *quote);

/** The same for every protocol: those without ports, ICMP too, have 0. */
bool packet_parse_quote_any(const struct packet *p, struct packet_quote *quote);

/** What the fragments of one packet have in common beside addresses and protocol. */
uint32_t packet_fragment_id(const struct packet *p);

/** Which bytes of the packet a fragment has, counted from where the packet was cut. */
void packet_fragment_range(const struct packet *p, uint32_t *begin, uint32_t *end);

static inline void
packet_drop(struct packet *p, enum drop_reason reason)
{
	p->verdict = PACKET_DROP;
	p->drop = (uint8_t)reason;
}

static inline void
packet_forward(struct packet *p, uint32_t next_hop)
{
	p->verdict = PACKET_FORWARD;
	p->next_hop = next_hop;
}

static inline uint8_t *
packet_l4(const struct packet *p)
{
	return p->l3 + p->l4_off;
}

#endif
