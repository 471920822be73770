/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What load balancers that relay connections without HTTP have in common: each is counted as a flow
 * of its frontend and target, ended when its target is to be left, and logged when it is over.
 *
 * It is the service on top of lib/proxy's conduits.  What differs between TLS listeners of network
 * load balancers and TCP and SSL listeners of classic ones is a *kind*, a table of functions: whom
 * a connection goes to, what stands in front of its bytes, the log's line.  A listener's
 * configuration is compiled once, on the management core, into a struct that begins with struct
 * service_conduit_listener and names its kind; each worker has one struct service_conduit.  Nothing
 * here keeps a pointer into a snapshot beyond a call.
 */
#ifndef SERVICE_CONDUIT_H
#define SERVICE_CONDUIT_H

#include <stdbool.h>
#include <stdint.h>

#include "counters.h"
#include "log_ring.h"
#include "model.h"
#include "proxy.h"
#include "proxy_protocol.h"
#include "service_surge.h"
#include "snapshot.h"
#include "snapshot_build.h"

struct service_conduit;
struct service_conduit_listener;

/** Kinds, by number. */
enum service_conduit_slot { SERVICE_CONDUIT_NETWORK, SERVICE_CONDUIT_CLASSIC };
#define SERVICE_CONDUIT_SLOTS (SERVICE_CONDUIT_CLASSIC + 1)

/** What differs.  `arg` is what service_conduit_add() was given for the kind. */
struct service_conduit_kind {
	enum service_conduit_slot slot;
	/**
	 * Whom a client's connection goes to.
	 * @param fail_open  set when no target is healthy, and it goes to any
	 * @return  a target's reference; 0: there is none.
	 */
	uint32_t (*choose)(void *arg, const struct snapshot *snapshot,
			   const struct snapshot_frontend *frontend, const struct tcp_tuple *client,
			   bool *fail_open);
	/** What stands in front of the client's bytes. @return  its length. */
	uint8_t (*prefix)(const struct service_conduit_listener *listener,
			  const struct snapshot_target *target, const struct tcp_tuple *client,
			  uint8_t out[PROXY_CONDUIT_PREFIX_MAX]);
	/**
	 * Log a connection that is over.
	 * @param wall_us  since 1970, at time 0 of the worker's clock
	 * @return  false when the ring is full.
	 */
	bool (*log)(struct log_ring *ring, uint64_t wall_us, const struct snapshot *snapshot,
		    const struct service_conduit_listener *listener, uint64_t listener_id,
		    const struct proxy_conduit_record *record);
};

/** A listener as workers see it; immutable. */
struct service_conduit_listener {
	struct snapshot_service service; /* first */
	const struct service_conduit_kind *kind;
	struct tls_server *tls; /* NULL: clients speak no TLS */
	uint64_t load_balancer_id;
	uint32_t idle_timeout_ms;
	struct service_surge surge;
	bool log_access;
};

/** Free a listener and what it holds: of its struct snapshot_service. */
void service_conduit_listener_free(struct snapshot_service *service);

/**
 * Compile what all kinds have.  Management core; see snapshot_input.service.
 * @param size     of the kind's struct, zeros behind what it begins with
 * @param tickets  struct tls_tickets; NULL: no session is resumed
 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
 */
struct service_conduit_listener *
service_conduit_listener_create(size_t size, const struct service_conduit_kind *kind,
				const struct model *model, const struct model_listener *listener,
				const char *const *alpn, uint32_t alpn_n, void *tickets, char *why,
				size_t why_len);

struct service_conduit_settings {
	struct worker_counters *counters;
	struct log_ring *log;       /* NULL: nothing is logged */
	uint64_t wall_us;           /* microseconds since 1970 at time 0 of the worker's clock */
	struct proxy_surge *surges; /* [SNAPSHOT_FRONTENDS], see service_surge.h; NULL: none */
};

/** @return  NULL without memory.  Fills what of `proxy` is the service's. */
struct service_conduit *service_conduit_create(const struct service_conduit_settings *settings,
					       struct proxy_config *proxy);
void service_conduit_free(struct service_conduit *service);

/** Serve listeners of this kind, too. */
void service_conduit_add(struct service_conduit *service, const struct service_conduit_kind *kind,
			 void *arg);

/** What a PROXY header says of a client's connection. */
struct proxy_protocol service_conduit_client(const struct tcp_tuple *client);

/** Begin a turn: what decisions are made by. */
void service_conduit_begin(struct service_conduit *service, const struct snapshot *snapshot,
			   uint32_t now_ms);

#endif
