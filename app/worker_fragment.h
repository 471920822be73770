/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside app: fragments are brought to the worker that knows, or waits for, their ports.
 *
 * All fragments of a packet go to one worker, by steer_fragment_slot(); there they get the first
 * one's ports (lib/flow/flow_fragment.h), and with them they go on to the flow's worker as
 * WORKER_PACKET_PORTS.
 */
#ifndef WORKER_FRAGMENT_H
#define WORKER_FRAGMENT_H

#include "worker.h"

/** What becomes of fragments that were held, or waited too long; the argument is the worker. */
extern const struct flow_fragment_ops worker_fragment_ops;

/** The same, and what overlaps the first fragment is dropped. */
extern const struct flow_fragment_ops worker_fragment_strict_ops;

enum worker_fragment_class {
	WORKER_FRAGMENT_PORTS, /* it has its ports: on to its flow's worker, which may be this one
				*/
	WORKER_FRAGMENT_DONE,  /* its verdict is set */
	WORKER_FRAGMENT_GONE,  /* the buffer went elsewhere */
};

/**
 * @param context  sets packets apart that are alike: of another endpoint
 * @param mine     another worker, or this one's table, has passed it on
 */
enum worker_fragment_class worker_fragment_classify(struct worker *w, struct packet *p,
						    uint32_t context, bool mine,
						    const struct flow_fragment_ops *ops);

/** Take up to `n` held fragments that can go on now, for process() as packets passed on. */
uint16_t worker_fragment_take_released(struct worker *w, struct rte_mbuf **bufs, uint16_t n);

/** Drop what waits; the worker no longer runs. */
void worker_fragment_drain(struct worker *w);

#endif
