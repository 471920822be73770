/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses of both families in one 16-byte form: IPv4 is held as ::ffff:a.b.c.d.
 *
 * Always in wire order.  Own type, not rte_ipv6_addr, which DPDK before 24.11 lacks.
 */
#ifndef IP_ADDR_H
#define IP_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* All of an address in one register; of no stricter alignment than the words it is made of. */
typedef uint32_t ip_addr_whole __attribute__((vector_size(16), aligned(8)));

struct ip_addr {
	__extension__ union {
		uint8_t b[16];
		uint64_t w[2]; /* the same bytes: for comparing and hashing */
		ip_addr_whole whole;
	};
};

/** An address with the length of its network part; IPv4 prefixes count 96 more bits. */
struct ip_prefix {
	struct ip_addr addr;
	uint8_t len; /* 0..128; an IPv4 /24 is 120 */
};

#define IP_ADDR_TEXT_MAX  48 /* with the terminating zero, room for /128 */
#define IP_ADDR_V4_PREFIX 96

static inline struct ip_addr
ip_addr_from_v4(const void *wire)
{
	static const union {
		uint8_t b[4];
		uint32_t v;
	} mapped = {.b = {0, 0, 0xff, 0xff}};
	struct ip_addr a;
	uint32_t v4;

	/* One store: what is written in parts can't be read as a whole without a stall. */
	memcpy(&v4, wire, 4);
	a.whole = (ip_addr_whole){0, 0, mapped.v, v4};
	return a;
}

static inline struct ip_addr
ip_addr_from_v6(const void *wire)
{
	struct ip_addr a;

	memcpy(a.b, wire, 16);
	return a;
}

static inline bool
ip_addr_is_v4(const struct ip_addr *a)
{
	uint32_t middle;

	memcpy(&middle, &a->b[8], 4);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return a->w[0] == 0 && middle == 0xffff0000;
#else
	return a->w[0] == 0 && middle == 0x0000ffff;
#endif
}

/** 4 or 6. */
static inline uint8_t
ip_addr_family(const struct ip_addr *a)
{
	return ip_addr_is_v4(a) ? 4 : 6;
}

/** The bytes that go on the wire: 4 or 16. */
static inline const uint8_t *
ip_addr_wire(const struct ip_addr *a)
{
	return ip_addr_is_v4(a) ? &a->b[12] : a->b;
}

static inline bool
ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1])) == 0;
}

/** Whether a equals b and c equals d. */
static inline bool
ip_addr_pair_equal(const struct ip_addr *a, const struct ip_addr *b, const struct ip_addr *c,
		   const struct ip_addr *d)
{
	ip_addr_whole diff = (a->whole ^ b->whole) | (c->whole ^ d->whole);
#ifdef __SSE4_1__
	return __builtin_ia32_ptestz128((long long __attribute__((vector_size(16))))diff,
					(long long __attribute__((vector_size(16))))diff);
#else
	return (diff[0] | diff[1] | diff[2] | diff[3]) == 0;
#endif
}

bool ip_addr_is_unspecified(const struct ip_addr *a);
bool ip_addr_is_multicast(const struct ip_addr *a);
bool ip_addr_is_loopback(const struct ip_addr *a);
bool ip_addr_is_link_local(const struct ip_addr *a);

/** Whether an IPv4 address may be a martian, by its first byte: a quick no for the common case. */
static inline bool
ip_addr_v4_may_be_martian(const struct ip_addr *a)
{
	return (uint8_t)(a->b[12] - 1) >= 223 || a->b[12] == 127;
}

/** Not usable as a source: unspecified, multicast, loopback or IPv4 limited broadcast. */
bool ip_addr_is_martian_source(const struct ip_addr *a);

/** Text of either family, without brackets. @return false unless all of `text` is an address. */
bool ip_addr_parse(const char *text, struct ip_addr *a);

/** `ADDRESS/LEN`; a bare address is a host prefix.  Host bits are kept. */
bool ip_prefix_parse(const char *text, struct ip_prefix *p);

/** Write the usual text form (RFC 5952 for IPv6). @return `text`, IP_ADDR_TEXT_MAX bytes. */
const char *ip_addr_format(const struct ip_addr *a, char *text);
const char *ip_prefix_format(const struct ip_prefix *p, char *text);

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);

/** The prefix with its host bits zeroed. */
struct ip_prefix ip_prefix_network(const struct ip_prefix *p);

/** Length as written for the family: 24 for an IPv4 /24. */
static inline uint8_t
ip_prefix_family_len(const struct ip_prefix *p)
{
	return ip_addr_is_v4(&p->addr) ? (uint8_t)(p->len - IP_ADDR_V4_PREFIX) : p->len;
}

#endif
