/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbors: who answers for which address on a link, by ARP (RFC 826) and Neighbor Discovery
 * (RFC 4861), and the announcements that tell the link about weir's own addresses.
 *
 * All state belongs to the management core; what workers need is published through the next-hop
 * table.  Frames leave and packets that waited come back through the caller's operations, time
 * comes in as milliseconds: no I/O here.
 *
 * An entry is unresolved (packets wait, at most NEIGHBOR_QUEUE each), reachable, probed while still
 * in use when it ages, failed for a while, or static.  Nothing that a stranger sends unasked
 * creates an entry; a request for one of our addresses does.
 */
#ifndef NEIGHBOR_H
#define NEIGHBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arp.h"
#include "drop_reason.h"
#include "nd.h"
#include "next_hop.h"

#define NEIGHBOR_QUEUE         16   /* packets that wait for one address */
#define NEIGHBOR_QUEUE_ALL     1024 /* packets that wait in all */
#define NEIGHBOR_RETRANS_MS    1000 /* RFC 4861 RETRANS_TIMER */
#define NEIGHBOR_PROBES        3    /* MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define NEIGHBOR_REACHABLE_MS  30000
#define NEIGHBOR_UNUSED_MS     600000 /* an entry nobody used so long is removed */
#define NEIGHBOR_ANNOUNCEMENTS 3
#define NEIGHBOR_FRAME_MAX     (NEXT_HOP_L2_MAX + ND_PACKET_LEN)

enum neighbor_state {
	NEIGHBOR_FREE,
	NEIGHBOR_INCOMPLETE, /* asked for, not known: packets wait */
	NEIGHBOR_REACHABLE,  /* confirmed within NEIGHBOR_REACHABLE_MS */
	NEIGHBOR_STALE,      /* known, not confirmed lately; still used */
	NEIGHBOR_PROBE,      /* being asked again while still used */
	NEIGHBOR_FAILED,     /* did not answer; packets are refused until it is asked again */
	NEIGHBOR_STATIC,     /* from the configuration */
};

#define NEIGHBOR_STATES (NEIGHBOR_STATIC + 1)

/** What neighbors need to know of an interface. */
struct neighbor_interface {
	bool in_use;
	uint16_t port;
	uint16_t vlan; /* 0: untagged */
	uint16_t mtu;
	uint8_t mac[6];
	struct ip_addr v4, v6; /* source of requests; zero: none */
};

struct neighbor_ops {
	/** Transmit a frame of `len` bytes, Ethernet header included. */
	void (*send)(void *arg, uint16_t interface, const uint8_t *frame, size_t len);
	/** A waiting packet can go to `next_hop`. */
	void (*release)(void *arg, void *packet, uint32_t next_hop);
	/** A waiting packet is given up. */
	void (*drop)(void *arg, void *packet, enum drop_reason reason);
	/** Whether weir answers for `addr` on `interface`. */
	bool (*is_own)(void *arg, uint16_t interface, const struct ip_addr *addr);
};

struct neighbors;

/**
 * @param hops        initialised, empty next-hop table; written by this module from now on
 * @param interfaces  array of `interfaces_n`, borrowed; the caller may change it between calls
 * @return  NULL without memory.
 */
struct neighbors *neighbors_create(struct next_hop_table *hops,
				   const struct neighbor_interface *interfaces,
				   uint16_t interfaces_n, const struct neighbor_ops *ops,
				   void *arg);

/** Drops what waits. */
void neighbors_free(struct neighbors *n);

/**
 * Hold `packet` until `addr` on `interface` is known, or release or drop it at once.
 * Takes the packet in every case.
 */
void neighbor_resolve(struct neighbors *n, uint16_t interface, const struct ip_addr *addr,
		      void *packet, uint32_t now_ms);

/** Start asking for an address without a packet, e.g. of a new target or gateway. */
void neighbor_want(struct neighbors *n, uint16_t interface, const struct ip_addr *addr,
		   uint32_t now_ms);

/** Set, or with NULL remove, a static entry. @return false when the table is full. */
bool neighbor_set_static(struct neighbors *n, uint16_t interface, const struct ip_addr *addr,
			 const uint8_t *mac, uint32_t now_ms);

/** @return  DROP_NONE, or DROP_ARP_INVALID for packets that must not be believed. */
enum drop_reason neighbor_on_arp(struct neighbors *n, uint16_t interface,
				 const struct arp_packet *arp, uint32_t now_ms);

/** @param src_mac  of the frame. @return DROP_NONE or DROP_ND_INVALID. */
enum drop_reason neighbor_on_nd(struct neighbors *n, uint16_t interface, const struct nd_packet *nd,
				const uint8_t *src_mac, uint32_t now_ms);

/**
 * Tell the link that weir has, or no longer has, an address: NEIGHBOR_ANNOUNCEMENTS gratuitous ARP
 * requests or unsolicited advertisements, a second apart.  Nothing else sends them.
 */
void neighbor_announce(struct neighbors *n, uint16_t interface, const struct ip_addr *addr, bool on,
		       uint32_t now_ms);

/** Retransmit, age, announce.  Call about every 100 ms. */
void neighbors_tick(struct neighbors *n, uint32_t now_ms);

/** An interface's MAC or MTU changed: rewrite its published headers. */
void neighbors_refresh(struct neighbors *n, uint16_t interface);

/** For display. */
struct neighbor_info {
	struct ip_addr addr;
	uint16_t interface;
	enum neighbor_state state;
	uint8_t mac[6];
	uint32_t waiting;
};

/** @param at  0 to begin; moved on. @return false at the end. */
bool neighbors_next(const struct neighbors *n, uint32_t *at, struct neighbor_info *info);

const char *neighbor_state_name(enum neighbor_state state);

/** Entries in use, of `capacity`. */
uint32_t neighbors_count(const struct neighbors *n, uint32_t *capacity);

#endif
