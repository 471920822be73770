/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one pinned lcore that receives, classifies, serves and transmits in bursts.
 *
 * worker_poll() is one turn: rings, receive queues, timers, transmit, quiescent.  Ports and time
 * come from outside, so that a simulation can turn several workers in one thread.  A worker owns
 * its flow table, source ports, probes, counters and transmit buffers; it takes no lock, allocates
 * nothing from the heap, and writes the event descriptor at most once per millisecond.
 */
#ifndef WORKER_H
#define WORKER_H

#include "counters.h"
#include "dataplane.h"
#include "flow_fragment.h"
#include "gwlb.h"
#include "icmp.h"
#include "idle.h"
#include "nlb.h"
#include "http_prober.h"
#include "prober.h"

#define WORKER_RING_SIZE 4096

struct worker_tcp;

/** Kinds of work the management core asks of a worker.  The worker hands the struct back. */
enum worker_command_kind {
	WORKER_PROBE, /* check a target */
	WORKER_FLOWS, /* describe flows */
	WORKER_LOOK,  /* describe the flow of a tuple */
};

struct worker_command {
	enum worker_command_kind kind;
	uint64_t cookie;  /* the management core's */
	void *owner;      /* the management core's */
	uint32_t target;  /* WORKER_PROBE: reference */
	uint16_t port_be; /* WORKER_PROBE: port to check */
	uint32_t timeout_ms;
	char *path; /* WORKER_PROBE by HTTP: malloc'ed; NULL: by TCP */
	struct http_matcher matcher;
	bool http2, grpc, proxy_v2; /* WORKER_PROBE by HTTP */
	struct tls_client *tls;     /* WORKER_PROBE by HTTPS: a reference; else NULL */
	enum probe_result result;
	uint16_t status;             /* of the HTTP answer, 0: none */
	uint64_t begun_us, ended_us; /* of the check by HTTP, by the workers' clock */
	struct flow_page flows;      /* WORKER_FLOWS; WORKER_LOOK: one or none */
	struct flow_tuple tuple;     /* WORKER_LOOK */
};

/** What became of a packet handed to the management core; kept in the mbuf while it is in a ring.
 */
enum worker_packet_kind {
	WORKER_PACKET_OWNER = 1, /* received elsewhere, the ring's reader owns the flow */
	WORKER_PACKET_TRANSMIT,  /* a complete frame for port mbuf->port (port index) */
	WORKER_PACKET_HOST,      /* ARP, ND: frame as received */
	WORKER_PACKET_PORTS,     /* like OWNER, a fragment: its ports are in mbuf->hash.fdir.hi */
	WORKER_PACKET_RESOLVE,   /* IP packet from data_off on, waiting for its next hop */
};

struct worker {
	struct dataplane *dp;
	uint16_t index;
	unsigned lcore;
	int socket_id;
	uint32_t now_ms;
	uint64_t now_us;

	struct nlb *nlb;
	struct gwlb *gwlb; /* its flows are in nlb's table */
	struct flow_fragments *fragments;
	struct rte_mbuf *released[FLOW_FRAGMENTS_HELD]; /* fragments that can go on */
	uint16_t released_n;
	struct prober *prober;
	struct worker_tcp *tcp; /* connections that end here */
	struct worker_counters counters;
	struct icmp_limit icmp_limit;
	uint32_t probe_tick_ms;
	uint8_t own_slots[SNAPSHOT_SLOTS]; /* of this worker, for source ports of its connections */
	uint16_t own_slots_n, own_slot_turn;
	uint32_t local_turn; /* of source addresses */
	uint64_t probe_random;
	uint32_t samples;                /* bursts of ports whose RSS is being compared */
	const struct snapshot *snapshot; /* of this turn */

	/* By port, from worker_map_queues(): constant while the ports are. */
	uint16_t tx_queue[PORT_MAX], tx_owner[PORT_MAX];
	uint16_t rx_owner[PORT_MAX][WORKER_MAX];

	struct rte_mbuf *tx[PORT_MAX][PORT_BURST];
	uint16_t tx_n[PORT_MAX];
	struct rte_mbuf *out[WORKER_MAX][PORT_BURST]; /* for other workers */
	uint16_t out_n[WORKER_MAX];

	bool wake_pending;
	uint32_t woken_ms;
	_Atomic uint32_t seen_generation; /* snapshot generation this worker is quiescent on */

	struct idle idle;
	struct rte_ring *to_management;   /* mbufs */
	struct rte_ring *from_management; /* mbufs to transmit */
	struct rte_ring *commands;        /* struct worker_command */
	struct rte_ring *events;          /* struct worker_command, done */
};

/** One of the worker's own slots, in turn. */
static inline uint8_t
worker_own_slot(struct worker *w)
{
	if (++w->own_slot_turn >= w->own_slots_n)
		w->own_slot_turn = 0;
	return w->own_slots[w->own_slot_turn];
}

/** Send a copy of an IP packet, routed by its destination; the argument is the worker. */
void worker_emit(void *arg, const uint8_t *ip, uint16_t len);

/** For prober_create(), with the worker as argument. */
extern const struct prober_ops worker_prober_ops;

/** Work out which queues are this worker's, before it starts or when the ports were swapped. */
void worker_map_queues(struct worker *w, const struct port_map *ports);

/** One turn at tick `tick`. @return whether there was anything to do. */
bool worker_poll(struct worker *w, uint64_t tick);

/** The lcore's function: turn until dp->stop. */
int worker_main(void *arg);

/** Give back every packet that the worker's buffers and rings hold; the worker no longer runs. */
void worker_drain(struct worker *w);

#endif
