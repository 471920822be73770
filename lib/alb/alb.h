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

#include "alb_rules.h"
#include "alb_sticky.h"
#include "counters.h"
#include "http_counters.h"
#include "log_ring.h"
#include "model.h"
#include "proxy.h"
#include "snapshot.h"
#include "snapshot_build.h"

struct alb;

#define ALB_INSERTS_MAX 10

/* What targets are told of a client's TLS (A:header-modification, A:mutual-authentication). */
enum alb_peer_field {
	ALB_TLS_VERSION,
	ALB_TLS_CIPHER_SUITE,
	ALB_MTLS_CHAIN,
	ALB_MTLS_SERIAL_NUMBER,
	ALB_MTLS_ISSUER,
	ALB_MTLS_SUBJECT,
	ALB_MTLS_VALIDITY,
	ALB_MTLS_LEAF,
};
#define ALB_PEER_FIELDS (ALB_MTLS_LEAF + 1)

/** A listener as workers see it; immutable. */
struct alb_listener {
	struct snapshot_service service; /* first */
	struct proxy_listener_settings settings;
	struct http_policy policy;
	struct http_line inserts[ALB_INSERTS_MAX];
	bool tls_fields; /* X-Amzn-Tls-... are wanted */
	struct http_text peer_names[ALB_PEER_FIELDS];
	char own_names_text[ALB_PEER_FIELDS][41];
	struct http_text own_names[ALB_PEER_FIELDS]; /* those that the configuration chose */
	struct alb_rules *rules;
	uint64_t load_balancer_id;
	bool log_access, log_connections;
	char default_host[256];
	uint32_t groups_n;
	struct alb_group groups[]; /* that its actions name, by index */
};

/**
 * Compile a listener.  Management core; see snapshot_input.service.
 * @param tickets  struct tls_tickets; NULL: no session is resumed
 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
 */
struct snapshot_service *alb_listener_create(void *tickets, const struct snapshot_input *input,
					     const struct snapshot_registries *registries,
					     const struct model_listener *listener, char *why,
					     size_t why_len);

struct alb_settings {
	struct worker_counters *flows; /* connections count as flows of their frontend */
	struct http_counters *counters;
	struct log_ring *log;         /* NULL: nothing is logged */
	uint64_t seed;                /* random */
	const struct secret *secrets; /* of cookies: the first seals, all open */
	uint32_t secrets_n;
	uint64_t wall_us; /* microseconds since 1970 at time 0 of the worker's clock */
};

/** @return  NULL without memory.  Fills what of `proxy` is the service's. */
struct alb *alb_create(const struct alb_settings *settings, struct proxy_config *proxy);
void alb_free(struct alb *alb);

/** Begin a turn: what decisions are made by. */
void alb_begin(struct alb *alb, const struct snapshot *snapshot, uint64_t now_us);

/* What happened to a request, for the log: bits of proxy_record.actions. */
enum alb_actions {
	ALB_ACTION_FORWARD = 1 << 0,
	ALB_ACTION_REDIRECT = 1 << 1,
	ALB_ACTION_FIXED_RESPONSE = 1 << 2,
	ALB_ACTION_REWRITE = 1 << 3,
};

#endif
