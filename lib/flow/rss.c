/* SPDX-License-Identifier: BSD-3-Clause */
#include "rss.h"

#include <string.h>

const char *
rss_plan_name(enum rss_plan plan)
{
	static const char *const names[RSS_PLANS] = {
		"none", "client", "full_nat", "nat_ipv4", "nat_ipv6", "mixed",
	};

	return names[plan];
}

enum rss_plan
rss_choose(const struct rss_capability *capability, unsigned senders)
{
	if (capability->queues < 2 || capability->table_size < RSS_TABLE_MIN ||
	    capability->key_len < STEER_KEY_LEN || !capability->l4)
		return RSS_PLAN_NONE;
	switch (senders) {
	case 0:
	case RSS_CLIENTS:
		return RSS_PLAN_CLIENT;
	case RSS_TARGETS_FULL_NAT:
		return RSS_PLAN_FULL_NAT;
	case RSS_TARGETS_NAT4:
		return RSS_PLAN_NAT4;
	case RSS_TARGETS_NAT6:
		return RSS_PLAN_NAT6;
	default:
		return RSS_PLAN_MIXED;
	}
}

uint16_t
rss_table_min(uint16_t size, const struct rss_capability *capability)
{
	uint16_t mine = RSS_TABLE_MAX;

	while (mine > capability->table_size && mine > 1)
		mine /= 2;
	return size != 0 && size < mine ? size : mine;
}

static bool
bit_of(const uint8_t *key, size_t bit)
{
	return (key[bit / 8] & 0x80 >> bit % 8) != 0;
}

/* Copy the key's bits first .. last to where they are for a field `by` bits further back. */
static void
move_bits(uint8_t *to, const uint8_t *from, size_t first, size_t last, size_t by)
{
	for (size_t bit = first; bit <= last; bit++) {
		if (bit_of(from, bit))
			to[(bit + by) / 8] |= (uint8_t)(0x80 >> (bit + by) % 8);
	}
}

void
rss_key(const struct steer *steer, const struct secret *secret, enum rss_plan plan,
	uint8_t key[STEER_KEY_LEN])
{
	memset(key, 0, STEER_KEY_LEN);
	switch (plan) {
	case RSS_PLAN_FULL_NAT:
		secret_derive(secret, "reply key", key, STEER_KEY_LEN);
		break;
	case RSS_PLAN_NAT4:
		/* From the source address to the destination's, from the source port to the other.
		 */
		move_bits(key, steer->key, 24, 62, 8 * STEER_V4_DST);
		move_bits(key, steer->key, 88, 110, 8 * (STEER_V4_DPORT - STEER_V4_SPORT));
		break;
	case RSS_PLAN_NAT6:
		move_bits(key, steer->key, 24, 158, 8 * STEER_V6_DST);
		move_bits(key, steer->key, 280, 302, 8 * (STEER_V6_DPORT - STEER_V6_SPORT));
		break;
	case RSS_PLAN_NONE:
	case RSS_PLAN_CLIENT:
	case RSS_PLAN_MIXED:
		memcpy(key, steer->key, STEER_KEY_LEN);
		break;
	}
}

/* Lay the fields out as RSS has them. @return their length. */
static size_t
lay_out(uint8_t input[STEER_V6_LEN], const struct ip_addr *src, const struct ip_addr *dst,
	uint16_t sport_be, uint16_t dport_be)
{
	size_t len = ip_addr_is_v4(src) ? 4 : 16;

	memcpy(input, src->b + 16 - len, len);
	memcpy(input + len, dst->b + 16 - len, len);
	memcpy(input + 2 * len, &sport_be, 2);
	memcpy(input + 2 * len + 2, &dport_be, 2);
	return 2 * len + 4;
}

uint32_t
rss_hash(const uint8_t key[STEER_KEY_LEN], const struct packet *p)
{
	bool ports = (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) &&
		     (p->flags & PACKET_FRAGMENT) == 0;
	uint8_t input[STEER_V6_LEN];
	size_t len = lay_out(input, &p->src, &p->dst, p->sport_be, p->dport_be);

	return steer_toeplitz(key, input, ports ? len : len - 4);
}

void
rss_replies_init(struct rss_replies *replies, const uint8_t key[STEER_KEY_LEN],
		 const uint8_t *worker_of, uint16_t size)
{
	memset(replies, 0, sizeof(*replies));
	memcpy(replies->key, key, STEER_KEY_LEN);
	memcpy(replies->worker_of, worker_of, size);
	replies->mask = (uint8_t)(size - 1);
	for (size_t high = 0; high < 256; high++) {
		uint8_t input[STEER_V6_LEN] = {0};

		input[STEER_V4_DPORT] = (uint8_t)high;
		replies->high4[high] = (uint8_t)steer_toeplitz(key, input, STEER_V4_LEN);
		input[STEER_V4_DPORT] = 0;
		input[STEER_V6_DPORT] = (uint8_t)high;
		replies->high6[high] = (uint8_t)steer_toeplitz(key, input, STEER_V6_LEN);
	}
}

uint8_t
rss_replies_base(const struct rss_replies *replies, const struct ip_addr *target,
		 uint16_t target_port_be, const struct ip_addr *local, uint8_t slot)
{
	uint8_t input[STEER_V6_LEN];
	size_t len = lay_out(input, target, local, target_port_be, htons(slot));

	return (uint8_t)steer_toeplitz(replies->key, input, len);
}
