/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS listeners of network load balancers: whom their connections go to, and what is counted and
 * logged about them.
 *
 * Connections end at weir's TCP engine; lib/proxy relays them as conduits.  This is the service on
 * top.  It chooses targets as flows do (nlb_choose() and the group's Maglev table), so that health,
 * weights, zones and fail-open mean the same, and a connection counts as a flow of its frontend and
 * target.  A listener's configuration is compiled once, on the management core; each worker has its
 * own struct nlb_tls.  Nothing here keeps a pointer into a snapshot beyond a call.
 */
#ifndef NLB_TLS_H
#define NLB_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "log_ring.h"
#include "model.h"
#include "nlb.h"
#include "proxy.h"
#include "snapshot.h"
#include "snapshot_build.h"

#define NLB_TLS_IDLE_MS 350000 /* N:network-load-balancers: fixed */

struct nlb_tls;

/** A listener as workers see it; immutable. */
struct nlb_tls_listener {
	struct snapshot_service service; /* first */
	struct tls_server *tls;
	uint64_t load_balancer_id;
	bool log_access;
};

/**
 * Compile a listener.  Management core; see snapshot_input.service.
 * @param tickets  struct tls_tickets; NULL: no session is resumed
 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
 */
struct snapshot_service *nlb_tls_listener_create(void *tickets, const struct snapshot_input *input,
						 const struct snapshot_registries *registries,
						 const struct model_listener *listener, char *why,
						 size_t why_len);

struct nlb_tls_settings {
	const struct nlb *nlb;
	struct worker_counters *counters;
	struct log_ring *log; /* NULL: nothing is logged */
	uint64_t wall_us;     /* microseconds since 1970 at time 0 of the worker's clock */
};

/** @return  NULL without memory.  Fills what of `proxy` is the service's. */
struct nlb_tls *nlb_tls_create(const struct nlb_tls_settings *settings, struct proxy_config *proxy);
void nlb_tls_free(struct nlb_tls *tls);

/** Begin a turn: what decisions are made by. */
void nlb_tls_begin(struct nlb_tls *tls, const struct snapshot *snapshot, uint32_t now_ms);

#endif
