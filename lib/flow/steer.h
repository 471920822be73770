/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steering: which worker owns a packet.
 *
 * A flow has a slot, 0 to 255, that depends on nothing but the client's address and port and the
 * cluster's key: the low byte of their Toeplitz hash, the function that RSS uses, where RSS has the
 * source fields of a packet.  The key is shaped so that what RSS hashes besides them doesn't change
 * that byte: a port that is given the key finds the slot itself (rss.h).  The snapshot
 * maps slots to workers.  A reply to a source address of weir's own names the slot by the low byte
 * of its destination port, because only such ports are given out.  So both directions of a flow,
 * and the ICMP errors about either, have one slot on every box of a cluster.  Nothing else computes
 * a worker.
 */
#ifndef STEER_H
#define STEER_H

#include <stdint.h>

#include <netinet/in.h>

#include "packet.h"
#include "secret.h"
#include "snapshot.h"

#define STEER_KEY_LEN 40

/* Where RSS has the fields of a packet, in bytes: addresses, then ports, source first. */
#define STEER_V4_DST   4
#define STEER_V4_SPORT 8
#define STEER_V4_DPORT 10
#define STEER_V4_LEN   12
#define STEER_V6_DST   16
#define STEER_V6_SPORT 32
#define STEER_V6_DPORT 34
#define STEER_V6_LEN   36

struct steer {
	uint8_t key[STEER_KEY_LEN];
	uint8_t v4[6][256]; /* low byte of the hash by input position and byte */
	uint8_t v6[18][256];
};

/** Derive the key from the cluster's secret and build the tables. */
void steer_init(struct steer *steer, const struct secret *secret);

/** The whole Toeplitz hash of `len` bytes (at most 36), as RSS computes it.  Slow. */
uint32_t steer_toeplitz(const uint8_t key[STEER_KEY_LEN], const uint8_t *input, size_t len);

/** Slot of a client. */
static inline uint8_t
steer_slot(const struct steer *steer, const struct ip_addr *client, uint16_t port_be)
{
	const uint8_t *port = (const uint8_t *)&port_be;
	uint8_t slot;

	if (ip_addr_is_v4(client))
		return steer->v4[0][client->b[12]] ^ steer->v4[1][client->b[13]] ^
		       steer->v4[2][client->b[14]] ^ steer->v4[3][client->b[15]] ^
		       steer->v4[4][port[0]] ^ steer->v4[5][port[1]];
	slot = steer->v6[16][port[0]] ^ steer->v6[17][port[1]];
	for (int i = 0; i < 16; i++)
		slot ^= steer->v6[i][client->b[i]];
	return slot;
}

/** Slot of a local port: used by the allocator and the return path only. */
static inline uint8_t
steer_slot_of_port(uint16_t port_be)
{
	return (uint8_t)(ntohs(port_be) & 0xff);
}

/** Slot of all fragments of a packet: of those who know, or wait for, its ports. */
static inline uint8_t
steer_fragment_slot(const struct steer *steer, const struct packet *p)
{
	uint32_t id = packet_fragment_id(p);

	return steer_slot(steer, &p->src, (uint16_t)id) ^
	       steer_slot(steer, &p->dst, (uint16_t)(id >> 16 ^ p->proto));
}

static inline uint16_t
steer_owner(const struct snapshot *snapshot, uint8_t slot)
{
	return snapshot->worker_of[slot];
}

/**
 * Slot of a parsed packet, whichever direction it has; of a fragment, once it has its flow's ports,
 * else steer_fragment_slot().
 */
uint8_t steer_packet_slot(const struct steer *steer, const struct snapshot *snapshot,
			  const struct packet *p);

#endif
