/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer.h"

#include <string.h>

/* The 32 bits of the key from bit `bit` on. */
static uint32_t
key_window(const uint8_t *key, size_t bit)
{
	uint64_t w = 0;

	for (size_t i = 0; i < 5; i++)
		w = w << 8 | (bit / 8 + i < STEER_KEY_LEN ? key[bit / 8 + i] : 0);
	return (uint32_t)(w >> (8 - bit % 8));
}

static uint32_t
hash_byte(const uint8_t *key, size_t at, uint8_t byte)
{
	uint32_t hash = 0;

	for (size_t bit = 0; bit < 8; bit++) {
		if ((byte & (0x80 >> bit)) != 0)
			hash ^= key_window(key, at * 8 + bit);
	}
	return hash;
}

uint32_t
steer_toeplitz(const uint8_t key[STEER_KEY_LEN], const uint8_t *input, size_t len)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < len; i++)
		hash ^= hash_byte(key, i, input[i]);
	return hash;
}

/*
 * Input bit i adds the key's bits i .. i + 31 to the hash, so to its low byte bits i + 24 .. i
 * + 31. The client's fields are the source fields of what it sends; for the low byte to depend on
 * nothing else, the bits that destination fields would add are zero, for both families in the one
 * key that a port has.  The seven bits in front of the source address are zero too, so that the
 * same bits fit behind other fields where the client is the destination (rss.h).
 */
static const struct {
	uint16_t first, last; /* bits of the key that are not zero */
} key_bits[] = {
	{31, 55},   /* source address of both families */
	{95, 103},  /* source port of IPv4, and source address of IPv6 */
	{127, 151}, /* source address of IPv6 */
	{287, 295}, /* source port of IPv6 */
};

static void
copy_bit(uint8_t *to, const uint8_t *from, size_t bit)
{
	to[bit / 8] |= from[bit / 8] & (uint8_t)(0x80 >> bit % 8);
}

static void
shape_key(uint8_t key[STEER_KEY_LEN], const uint8_t random[STEER_KEY_LEN])
{
	uint8_t ones[STEER_KEY_LEN];

	memset(ones, 0xff, sizeof(ones));
	memset(key, 0, STEER_KEY_LEN);
	for (size_t i = 0; i < sizeof(key_bits) / sizeof(key_bits[0]); i++) {
		for (size_t bit = key_bits[i].first; bit <= key_bits[i].last; bit++)
			copy_bit(key, random, bit);
		/* With the outermost bits set, each bit of the fields counts. */
		copy_bit(key, ones, key_bits[i].first);
		copy_bit(key, ones, key_bits[i].last);
	}
}

void
steer_init(struct steer *steer, const struct secret *secret)
{
	uint8_t random[STEER_KEY_LEN];

	secret_derive(secret, "slot key", random, sizeof(random));
	shape_key(steer->key, random);
	for (size_t byte = 0; byte < 256; byte++) {
		for (size_t at = 0; at < 6; at++)
			steer->v4[at][byte] = (uint8_t)hash_byte(
				steer->key, at < 4 ? at : STEER_V4_SPORT + at - 4, (uint8_t)byte);
		for (size_t at = 0; at < 18; at++)
			steer->v6[at][byte] = (uint8_t)hash_byte(
				steer->key, at < 16 ? at : STEER_V6_SPORT + at - 16, (uint8_t)byte);
	}
}

/*
 * The slot by source and destination of a packet on its way: `src` sent it to `dst`.  Both may be
 * a client; which one is told by the destination's kind.
 */
static uint8_t
slot_between(const struct steer *steer, const struct snapshot *snapshot, const struct ip_addr *src,
	     uint16_t sport_be, const struct ip_addr *dst, uint16_t dport_be)
{
	const struct snapshot_address *own = snapshot_find_address(snapshot, dst);

	if (own == NULL)
		return steer_slot(steer, dst,
				  dport_be); /* a reply that kept the client's address */
	if (own->kind == SNAPSHOT_ADDRESS_VIP)
		return steer_slot(steer, src, sport_be);
	return steer_slot_of_port(dport_be);
}

uint8_t
steer_packet_slot(const struct steer *steer, const struct snapshot *snapshot,
		  const struct packet *p)
{
	struct packet_quote q;

	if ((p->flags & (PACKET_FRAGMENT | PACKET_PORTS_GIVEN)) == PACKET_FRAGMENT)
		return steer_fragment_slot(steer, p);
	if ((p->flags & PACKET_ICMP_ERROR) != 0 && packet_parse_quote(p, &q)) {
		/* The quoted packet went the other way: its reply decides. */
		return slot_between(steer, snapshot, &q.dst, q.dport_be, &q.src, q.sport_be);
	}
	return slot_between(steer, snapshot, &p->src, p->sport_be, &p->dst, p->dport_be);
}
