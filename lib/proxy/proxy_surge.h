/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Surge queues: how many requests or connections of a load balancer wait for a target's connection.
 *
 * One is in the queue from its arrival until a connection to its target has been made for it, with
 * TLS where that is spoken, or until it is given one from the pool; what finds one in the pool at
 * once isn't in it at all.  Beyond `waiting_max` requests are answered with 503,
 * connections of conduits are closed.  They wait for connects, and where a target has a limit of
 * connections for one of these to be free or over: in order of arrival, with the listener's idle
 * timeout as the longest time.  No connection is made in advance.
 *
 * The memory is the service's, one for each of its load balancers and worker; it stays as long as
 * the proxy does, or `waiting_n` is not 0.  Called by the worker whose proxy it is; the management
 * core may read the counts.
 */
#ifndef PROXY_SURGE_H
#define PROXY_SURGE_H

#include <stdint.h>

struct proxy_surge {
	uint32_t waiting_max; /* the service's to set, whenever it likes; 0: nobody may wait */
	uint32_t waiting_n;   /* now */
	uint64_t spilled_n;   /* there was no room for, since it began */
};

/** A worker's share of a limit of the whole process, 1 at least; 0 (no limit) stays 0. */
static inline uint32_t
proxy_surge_share(uint32_t limit, uint32_t workers_n)
{
	uint32_t share = limit / workers_n;

	return share == 0 && limit > 0 ? 1 : share;
}

#endif
