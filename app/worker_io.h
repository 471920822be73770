/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside app: a worker's ways out, shared by the files that make up the worker.
 */
#ifndef WORKER_IO_H
#define WORKER_IO_H

#include "worker.h"

static inline void
drop(struct worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	w->counters.drops[reason]++;
	rte_pktmbuf_free(m);
}

static inline const struct port_map *
ports_of(const struct worker *w)
{
	return atomic_load_explicit(&w->dp->ports, memory_order_acquire);
}

/** Pass a packet, with a frame as received, or a complete frame, to another worker. */
void worker_pass_to_peer(struct worker *w, uint16_t peer, struct rte_mbuf *m,
			 enum worker_packet_kind kind);

/** Send an IP packet of weir's own, routed by p->dst. */
void worker_send(struct worker *w, struct packet *p);

/** A health check has ended. */
void worker_probe_done(struct worker *w, struct worker_command *command, enum probe_result result,
		       uint16_t status);

/** Put a complete frame on its way to the port. */
void worker_transmit_frame(struct worker *w, const struct port *port, struct rte_mbuf *m);

/**
 * Let the buffer begin at p->l3 - `in_front` and end with the IP packet.
 * @return  false when the buffer is shorter than the packet says.
 */
bool worker_fit_buffer(struct rte_mbuf *m, const struct packet *p, uint16_t in_front);

#endif
