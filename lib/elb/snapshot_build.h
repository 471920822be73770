/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the model to a snapshot.
 *
 * Management core only; nothing here is seen by workers before the caller publishes it.  Stable
 * indexes come from the registries, so what the old and the new model share keeps its index.
 * Frontends and targets that left the model stay in the snapshot, draining, until the caller
 * releases them in their registry: flows may still name them.
 */
#ifndef SNAPSHOT_BUILD_H
#define SNAPSHOT_BUILD_H

#include "model.h"
#include "registry.h"
#include "snapshot.h"

struct snapshot_registries {
	struct registry frontends, targets, groups, locals, endpoints;
};

struct snapshot_input {
	const struct model *model;
	const struct snapshot *previous; /* NULL: the first */
	const uint64_t *interface_ids;   /* model ids in order of interface index */
	const struct snapshot_interface
		*interfaces; /* port, vlan, mtu, mac filled; the rest is not */
	uint16_t interfaces_n;
	uint16_t workers_n;
	uint16_t steer_modulus; /* slots equal modulo this have one worker; 0: SNAPSHOT_SLOTS */
	bool refuse_new_flows;  /* weir is stopping: all frontends drain */
	uint64_t config_revision;
	uint32_t generation;
	/**
	 * Make what serves a listener that terminates connections, without references yet.
	 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
	 */
	struct snapshot_service *(*service)(void *arg, const struct snapshot_input *input,
					    const struct snapshot_registries *registries,
					    const struct model_listener *listener, char *why,
					    size_t why_len);
	void *service_arg;
};

bool snapshot_registries_init(struct snapshot_registries *registries);
void snapshot_registries_fini(struct snapshot_registries *registries);

/**
 * Build a snapshot.  Target sets of groups known before are those of `previous`; others are NULL
 * and must be set before it is published.
 * @return  NULL with a sentence (FILE:LINE: ... as the loader's) in `why`.
 */
struct snapshot *snapshot_build(struct snapshot_registries *registries,
				const struct snapshot_input *input, char *why, size_t why_len);

/** Free the snapshot, not the target sets. */
void snapshot_free(struct snapshot *snapshot);

/** Identity of a frontend: its listener and address. */
uint64_t snapshot_frontend_id(uint64_t listener_id, const struct ip_addr *vip);
uint64_t snapshot_gateway_frontend_id(uint64_t listener_id);

#endif
