/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application load balancer: where requests go, and what is counted and logged about them.
 *
 * It is the service on top of lib/proxy.  A listener's configuration is compiled once, on the
 * management core, into a struct alb_listener that the snapshot holds; each worker has its own
 * struct alb with the state of its load balancing.  Nothing here keeps a pointer into a snapshot
 * beyond a call: sessions know their listener by reference.
 */
#ifndef ALB_H
#define ALB_H

#include "http_counters.h"
#include "log_ring.h"
#include "model.h"
#include "proxy.h"
#include "snapshot.h"
#include "snapshot_build.h"

struct alb;

/** A listener as workers see it; immutable. */
struct alb_listener {
	struct snapshot_service service; /* first */
	struct proxy_listener_settings settings;
	uint64_t load_balancer_id;
	uint16_t port;
	bool log_access;
	struct http_policy policy; /* attributes about headers and desync */
	struct model_action default_action;
	uint32_t groups[MODEL_FORWARDS_MAX]; /* of the default action, indexes */
};

/**
 * Compile a listener.  Management core; see snapshot_input.service.
 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
 */
struct snapshot_service *alb_listener_create(void *arg, const struct snapshot_input *input,
					     const struct snapshot_registries *registries,
					     const struct model_listener *listener, char *why,
					     size_t why_len);

struct alb_settings {
	struct http_counters *counters; /* this worker's */
	struct log_ring *log;
	uint16_t worker;
	uint64_t random; /* seed */
};

/** @return  NULL without memory.  Fills what of `proxy` is the service's. */
struct alb *alb_create(const struct alb_settings *settings, struct proxy_config *proxy);
void alb_free(struct alb *alb);

/** Begin a turn: the snapshot that decisions are made by, and the times of records. */
void alb_begin(struct alb *alb, const struct snapshot *snapshot, uint64_t now_us);

#endif
