/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients and targets of an application load balancer, in its own process: HTTP over a minimal TCP
 * on two pairs of rings, whose other ends are weir's ports.
 *
 * Each client asks one request at a time.  Peers behave like a kernel's: timestamps, window
 * scaling, an ACK with the answer or every second segment, at once when something is wrong, after
 * 40 ms otherwise.  Rings lose nothing and neither may weir: peers never retransmit, every byte of
 * every answer is compared, and whatever should not happen is counted.
 *
 * One thread; it owns the outer ends of the rings.
 */
#ifndef RING_LOAD_H
#define RING_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#define RING_LOAD_TARGETS      2
#define RING_LOAD_CLIENTS_EACH 50000       /* connections from one address */
#define RING_LOAD_FRONT        0xc6120100u /* 198.18.1.0; weir's address is .1, clients' from .20 on */
#define RING_LOAD_BACK         0xc6120200u /* 198.18.2.0; weir's address is .1, targets' from .11 on */
#define RING_LOAD_FIRST_CLIENT 20
#define RING_LOAD_FIRST_TARGET 11
#define RING_LOAD_VIP          0xc612010au /* 198.18.1.10 */

/** One side: the network of the clients, or of the targets. */
struct ring_load_side {
	struct rte_ring *to_weir, *from_weir;
	uint16_t port_id; /* weir's, which a ring does not write into packets */
	uint8_t mac[6];   /* of weir's port */
};

struct ring_load_settings {
	struct ring_load_side front, back;
	struct rte_mempool *pool; /* of the generator's own buffers */
	uint32_t connections;
	uint32_t body_bytes; /* of an answer */
	bool fresh;          /* each request on a connection of its own */
	const char *host, *path;
};

struct ring_load_counters {
	uint64_t issued, answered;                     /* by clients */
	uint64_t served;                               /* by targets */
	uint64_t opened, established;                  /* connections of clients */
	uint64_t accepted;                             /* of targets */
	uint64_t resets, out_of_order, duplicate, bad; /* must be 0 */
	uint64_t sent, received;                       /* segments */
	uint32_t clients_open, targets_open;           /* connections now */
};

struct ring_load;

/** @return  NULL without memory. */
struct ring_load *ring_load_create(const struct ring_load_settings *settings);
void ring_load_free(struct ring_load *load);

/**
 * Receive, open connections that stay and are not open yet, ask while fewer than `allowed` requests
 * were issued and a client is free, send.
 * @return  whether there was anything to do.
 */
bool ring_load_turn(struct ring_load *load, uint64_t allowed, uint64_t now_us);

/** FINs of all clients, or of all targets. */
void ring_load_close_clients(struct ring_load *load);
void ring_load_close_targets(struct ring_load *load);

const struct ring_load_counters *ring_load_counters(const struct ring_load *load);

#endif
