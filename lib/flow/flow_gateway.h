/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows of a gateway load balancer: the key that both directions share, and the record's layout.
 *
 * A flow has two ends, not a client and a target.  The key orders them, so that a packet and its
 * answer have one key, one slot and one index entry.  Depending on the endpoint's stickiness the
 * key lacks the ports (3-tuple) or the protocol too (2-tuple); protocols without ports have a
 * 3-tuple anyway.
 *
 * The record is struct flow_record seen otherwise: what every service reads is at the same place.
 */
#ifndef FLOW_GATEWAY_H
#define FLOW_GATEWAY_H

#include <string.h>

#include "flow_table.h"
#include "steer.h"

struct flow_gateway {
	/* Hot line. */
	struct ip_addr low; /* of the two ends, by flow_gateway_is_low() */
	uint16_t low_port_be;
	uint16_t high_port_be;
	uint32_t endpoint;  /* reference */
	uint32_t target;    /* reference */
	uint32_t cookie_be; /* in GENEVE */
	uint32_t last_seen_ms;
	uint8_t state; /* enum flow_state */
	uint8_t role;
	uint8_t kind; /* FLOW_KIND_GATEWAY */
	uint8_t proto;
	uint16_t version;
	uint8_t slot;
	uint8_t flags; /* FLOW_GATEWAY_* */
	uint32_t packets;
	struct ip_addr high;
	/* Cold line. */
	uint32_t created_ms;
	uint32_t next_free;
	uint32_t frontend; /* reference, for its counters */
	uint32_t exit[2];  /* towards high, low: cached reference of a next hop, or of a link */
	uint32_t cold_spare[11];
};

enum flow_gateway_flags {
	FLOW_GATEWAY_FROM_LOW = 1 << 0, /* the low end began the flow */
	FLOW_GATEWAY_FIN_LOW = 1 << 1,
	FLOW_GATEWAY_FIN_HIGH = 1 << 2,
	FLOW_GATEWAY_NO_PORTS = 1 << 3,     /* the key has no ports */
	FLOW_GATEWAY_NO_PROTO = 1 << 4,     /* nor a protocol */
	FLOW_GATEWAY_RESET_BY_LOW = 1 << 5, /* of FLOW_STATE_RESET: who sent the RST */
	FLOW_GATEWAY_LINKS = 1 << 6,        /* exit[] are links of a wire, not next hops */
};

#define FLOW_GATEWAY_SAME(member, of)                                         \
	_Static_assert(offsetof(struct flow_gateway, member) ==               \
				       offsetof(struct flow_record, of) &&    \
			       sizeof(((struct flow_gateway *)0)->member) ==  \
				       sizeof(((struct flow_record *)0)->of), \
		       "every service reads this")

FLOW_GATEWAY_SAME(target, target);
FLOW_GATEWAY_SAME(last_seen_ms, last_seen_ms);
FLOW_GATEWAY_SAME(state, state);
FLOW_GATEWAY_SAME(role, role);
FLOW_GATEWAY_SAME(kind, kind);
FLOW_GATEWAY_SAME(proto, proto);
FLOW_GATEWAY_SAME(version, version);
FLOW_GATEWAY_SAME(slot, slot);
FLOW_GATEWAY_SAME(flags, flags);
FLOW_GATEWAY_SAME(created_ms, created_ms);
FLOW_GATEWAY_SAME(next_free, next_free);
_Static_assert(sizeof(struct flow_gateway) == sizeof(struct flow_record), "one size of record");

/** Of a packet: by words, as the record has them, so that what is written is read in one width. */
struct flow_gateway_key {
	struct ip_addr low, high;
	__extension__ union {
		struct {
			uint16_t low_port_be, high_port_be;
			uint32_t endpoint; /* reference */
		};
		uint64_t rest;
	};
	uint32_t proto;
	bool from_low; /* the packet's source is the low end */
};

_Static_assert(offsetof(struct flow_gateway, low_port_be) == 16 &&
		       offsetof(struct flow_gateway, endpoint) == 20,
	       "ports and endpoint are one word");

static inline struct flow_gateway *
flow_gateway_of(struct flow_record *record)
{
	return (struct flow_gateway *)(void *)record;
}

/** A total order of addresses, the same on every box of one byte order. */
static inline bool
flow_gateway_is_low(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->w[0] != b->w[0] ? a->w[0] < b->w[0] : a->w[1] < b->w[1];
}

/** Ports and endpoint as one word, as they lie in a key. */
static inline uint64_t
flow_gateway_rest(uint16_t low_port_be, uint16_t high_port_be, uint32_t endpoint)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (uint64_t)endpoint << 32 | (uint32_t)high_port_be << 16 | low_port_be;
#else
	return (uint64_t)low_port_be << 48 | (uint64_t)high_port_be << 32 | endpoint;
#endif
}

static inline void
flow_gateway_key_set(struct flow_gateway_key *key, const struct ip_addr *src, uint16_t sport_be,
		     const struct ip_addr *dst, uint16_t dport_be, uint8_t proto, uint32_t endpoint)
{
	bool low = flow_gateway_is_low(src, dst);
	const struct ip_addr *a = low ? src : dst, *b = low ? dst : src;

	key->low.w[0] = a->w[0];
	key->low.w[1] = a->w[1];
	key->high.w[0] = b->w[0];
	key->high.w[1] = b->w[1];
	key->rest =
		flow_gateway_rest(low ? sport_be : dport_be, low ? dport_be : sport_be, endpoint);
	key->proto = proto;
	key->from_low = low;
}

static inline uint64_t
flow_gateway_hash(const struct hash_seed *seed, const struct flow_gateway_key *key)
{
	uint64_t kind = (uint64_t)key->proto << 8 | FLOW_KIND_GATEWAY;

	/* Of IPv4 the second words are all; strangers choose every bit of IPv6. */
	if ((key->low.w[0] | key->high.w[0]) == 0)
		return hash_words(seed, key->low.w[1], key->high.w[1], key->rest, kind);
	return hash_words(seed,
			  hash_words(seed, key->low.w[0], key->low.w[1], key->high.w[0], kind),
			  key->high.w[1], key->rest, kind);
}

static inline struct flow_gateway_key
flow_gateway_key_of(const struct flow_gateway *r)
{
	struct flow_gateway_key key = {
		.low = r->low, .high = r->high, .proto = r->proto, .from_low = true};

	key.rest = flow_gateway_rest(r->low_port_be, r->high_port_be, r->endpoint);
	return key;
}

/** Whether the ends are the same; ports apart. */
static inline bool
flow_gateway_has_ends(const struct flow_gateway *r, const struct flow_gateway_key *key)
{
	return ip_addr_equal(&r->low, &key->low) && ip_addr_equal(&r->high, &key->high);
}

static inline bool
flow_gateway_is(const struct flow_gateway *r, const struct flow_gateway_key *key)
{
	uint64_t rest;

	memcpy(&rest, &r->low_port_be, sizeof(rest));
	return rest == key->rest && r->proto == key->proto && r->kind == FLOW_KIND_GATEWAY &&
	       r->role == FLOW_ROLE_LOCAL && flow_gateway_has_ends(r, key);
}

/** Both ends have their part in the slot, so that it has no direction. */
static inline uint8_t
flow_gateway_slot(const struct steer *steer, const struct flow_gateway_key *key)
{
	return steer_slot(steer, &key->low, key->low_port_be) ^
	       steer_slot(steer, &key->high, key->high_port_be);
}

#endif
