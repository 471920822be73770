/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir's data plane between rings, in the process of a test: EAL, two ports whose other ends are
 * rings, one worker, and the snapshot of a configuration whose next hops are known.
 *
 * There is no management core: no health checks (every target is healthy), no reload, and records
 * of logs are counted instead of written.
 */
#ifndef RING_WORLD_H
#define RING_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane.h"
#include "model.h"
#include "ring_load.h"
#include "snapshot_build.h"
#include "worker.h"

struct ring_world_settings {
	const char *text; /* the configuration; its interfaces are net_ring_front, net_ring_back */
	uint32_t connections; /* of clients */
	bool hugepages;
	int load_cpu, worker_cpu;
};

struct ring_world {
	struct dataplane *dp;
	struct worker *worker;
	struct model *model;
	struct snapshot *snapshot;
	struct snapshot_registries registries;
	struct secret secret;
	struct rte_mempool *pool;  /* of the load's buffers */
	struct rte_ring *rings[4]; /* front in and out, back in and out, as weir sees them */
	struct ring_load_side sides[2];
	uint64_t access_records, connection_records;
};

/** EAL runs once in a process.  Says what is wrong and exits. */
void ring_world_create(struct ring_world *world, const struct ring_world_settings *settings);

/** Take records out of the worker's log ring, as the logger does. */
void ring_world_read_log(struct ring_world *world);

/** Counts of what weir and the load still hold. */
struct ring_world_left {
	uint32_t connections, sessions, exchanges, upstreams, ports;
	uint64_t spans, buffers, load_buffers, dropped, log_lost;
};

void ring_world_left(struct ring_world *world, struct ring_world_left *left);

/** @return  whether everything was given back. */
bool ring_world_free(struct ring_world *world);

#endif
