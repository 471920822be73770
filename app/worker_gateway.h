/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside app: what a worker does for gateway load balancers, apart from the flows themselves.
 *
 * Wires are taken in as they are, packets are sorted into those for an appliance, from one and
 * neither, and link headers are written.
 */
#ifndef WORKER_GATEWAY_H
#define WORKER_GATEWAY_H

#include "packet_parse.h"
#include "worker.h"

/**
 * Fill `p` from a frame that came by an end of a wire.  What isn't for an appliance (not IP, ARP,
 * ND, link-local, multicast, broadcast) gets verdict PACKET_LINK and af 0.
 */
enum drop_reason worker_wire_parse(const struct packet_frame *frame, const struct packet_link *link,
				   struct packet *p);

enum worker_gateway_class {
	WORKER_GATEWAY_NOT,   /* for others */
	WORKER_GATEWAY_DONE,  /* its verdict is set */
	WORKER_GATEWAY_SERVE, /* for gwlb_burst() */
	WORKER_GATEWAY_GONE,  /* the buffer went elsewhere */
};

/** @param mine  another worker has passed it on */
enum worker_gateway_class worker_gateway_classify(struct worker *w, struct packet *p, bool mine);

/** Send a packet with verdict PACKET_LINK. */
void worker_gateway_link(struct worker *w, struct packet *p);

/** Idle flows. */
void worker_gateway_sweep(struct worker *w);

#endif
