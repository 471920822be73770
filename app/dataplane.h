/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane: what workers and the management core share, and the only ways between them.
 *
 *   snapshot, ports   written by the management core with one pointer store, freed after a grace
 *                     period of `rcu` (every worker reports quiescent once per loop)
 *   hops              next hops, written by the management core entry by entry (next_hop.h)
 *   between[a][b]     packets that worker a received or made and worker b must handle
 *   worker's rings    see worker.h
 *   crypto lcores     steps of handshakes, see crypto.h
 *
 * Everything else a worker touches is its own.  The struct is filled by dataplane_create() and,
 * apart from the two pointers and `stop`, constant while workers run.
 */
#ifndef DATAPLANE_H
#define DATAPLANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "clock.h"
#include "next_hop.h"
#include "port.h"
#include "rss.h"
#include "secret.h"
#include "snapshot.h"

#define WORKER_MAX 16
#define CRYPTO_MAX 16

/** Memory of one of dataplane.clones, of which there are as many as packet buffers. */
#define DATAPLANE_CLONE_BYTES 256

struct worker;
struct capture;
struct crypto;

/** The ports in use, swapped as one when a port is replaced. */
struct port_map {
	struct port_offloads offloads; /* of all of them */
	uint16_t ports_n;
	struct port *ports[PORT_MAX];       /* by port index */
	uint8_t index_of[RTE_MAX_ETHPORTS]; /* DPDK port id -> port index, UINT8_MAX: none */
};

/** How a port spreads, by index; written by the management core (steering.h). */
struct dataplane_rss {
	enum rss_plan plan;
	bool sampled;         /* workers compare hashes; constant while they run */
	bool believed, wrong; /* what came of it */
	uint8_t key[STEER_KEY_LEN];
	struct rss_replies replies;
};

struct dataplane {
	_Atomic(struct snapshot *) snapshot;
	_Atomic(struct port_map *) ports;
	_Atomic(struct capture *) capture; /* NULL: off */
	atomic_bool stop;

	struct next_hop_table hops;
	struct rte_rcu_qsbr *rcu;
	struct rte_mempool *pool;
	struct rte_mempool *clones; /* mbufs without a buffer, for references to others' */
	struct clock clock;
	int event_fd;  /* written by workers to wake the management core */
	bool adaptive; /* idle = adaptive */

	uint16_t steer_modulus; /* slots equal modulo this have one worker */
	struct dataplane_rss rss[PORT_MAX];
	/* Where replies from an interface arrive; NULL where that is not known. */
	_Atomic(const struct rss_replies *) replies[SNAPSHOT_INTERFACES];

	uint32_t mbufs;
	uint32_t max_half_open; /* per listener and worker */
	uint8_t syn_cookies;    /* enum tcp_syn_cookies */
	uint16_t workers_n;
	struct worker *workers[WORKER_MAX];
	uint16_t crypto_n;
	struct crypto *crypto[CRYPTO_MAX];
	struct rte_ring *between[WORKER_MAX][WORKER_MAX]; /* SP/SC of mbufs; [i][i] is NULL */
};

struct dataplane_settings {
	uint16_t workers_n;
	uint16_t crypto_n;
	bool adaptive;
	bool hugepages;
	bool physical;            /* devices go by buffers' IOVAs */
	uint32_t max_flows;       /* of all workers together */
	uint32_t max_connections; /* terminated TCP connections, of all workers together */
	uint32_t max_half_open;   /* per listener and worker, then SYN cookies */
	uint8_t syn_cookies;      /* enum tcp_syn_cookies */
	uint32_t mbufs;
	uint16_t mbuf_data_room;            /* bytes of a frame that fit in one buffer */
	uint16_t frontends_n, interfaces_n; /* sizes of counter arrays */
	uint32_t targets_n;
	const struct secret *secret;  /* the first of `secrets` */
	const struct secret *secrets; /* of the cluster: cookies of any are good */
	uint32_t secrets_n;
	uint16_t ports_n;
	struct port_settings ports[PORT_MAX]; /* `pool` and `workers` are filled here */
};

/**
 * Open the ports, make pools, rings and workers.  EAL runs; workers don't yet.
 * @return  NULL with a sentence in `why` that says what to do.
 */
struct dataplane *dataplane_create(struct dataplane_settings *settings, char *why, size_t why_len);

/** Let workers be turned with worker_poll(): all that dataplane_start() does but starting them. */
void dataplane_prepare(struct dataplane *dp);

/** Publish a first snapshot before this. @return false with a sentence in `why`. */
bool dataplane_start(struct dataplane *dp, char *why, size_t why_len);

/** Stop the workers and wait for them. */
void dataplane_stop(struct dataplane *dp);

/**
 * Close the ports and give everything back.
 * @return  whether all was there: every buffer in its pool, every flow and source port freed.
 */
bool dataplane_free(struct dataplane *dp);

/** An SP/SC ring between two of them, `a` and `b` by what the name says. @return NULL without
 * memory. */
struct rte_ring *dataplane_ring(const char *name, unsigned a, unsigned b, unsigned size,
				int socket);

/** The worker that polls a receive queue and fills a transmit queue of a port. */
static inline uint16_t
dataplane_queue_owner(const struct dataplane *dp, uint16_t port, uint16_t queue)
{
	return (uint16_t)((port + queue) % dp->workers_n);
}

/** Microseconds since 1970 at time 0 of the data plane's clock, by the system's clock as it is now.
 */
uint64_t dataplane_wall_us(const struct dataplane *dp);

/** The transmit queue a worker reaches a port by, and with it the worker that owns the queue. */
static inline uint16_t
dataplane_tx_queue(const struct dataplane *dp, const struct port *port, uint16_t worker)
{
	uint16_t first = (uint16_t)(port->index % dp->workers_n);
	uint16_t distance = (uint16_t)((worker + dp->workers_n - first) % dp->workers_n);

	return (uint16_t)(distance % port->tx_queues);
}

#endif
