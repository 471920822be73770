/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The application load balancer, a kind of lib/service/service_http.h: where requests go by its
 * rules, and what is logged about them.
 *
 * A listener's configuration is compiled once, on the management core, into a struct alb_listener
 * that the snapshot holds; each worker has its own struct alb.  Nothing here keeps a pointer into a
 * snapshot beyond a call.
 */
#ifndef ALB_H
#define ALB_H

#include "alb_rules.h"
#include "alb_sticky.h"
#include "model.h"
#include "service_http.h"
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
	struct service_http_listener http; /* first */
	struct http_line inserts[ALB_INSERTS_MAX];
	bool tls_fields; /* X-Amzn-Tls-... are wanted */
	struct http_text peer_names[ALB_PEER_FIELDS];
	char own_names_text[ALB_PEER_FIELDS][41];
	struct http_text own_names[ALB_PEER_FIELDS]; /* those that the configuration chose */
	struct alb_rules *rules;
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

extern const struct service_http_kind *const alb_kind;

/** A worker's. @return  NULL without memory. */
struct alb *alb_create(struct service_http *http);
void alb_free(struct alb *alb);

/* What happened to a request, for the log: bits of proxy_record.actions. */
enum alb_actions {
	ALB_ACTION_FORWARD = 1 << 0,
	ALB_ACTION_REDIRECT = 1 << 1,
	ALB_ACTION_FIXED_RESPONSE = 1 << 2,
	ALB_ACTION_REWRITE = 1 << 3,
};

#endif
