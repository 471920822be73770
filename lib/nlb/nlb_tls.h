/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS listeners of network load balancers, as a kind of lib/service/service_conduit.h.
 *
 * Targets are chosen as flows choose theirs (nlb_choose() and the group's Maglev table), so that
 * health, weights, zones and fail-open mean the same.
 */
#ifndef NLB_TLS_H
#define NLB_TLS_H

#include "model.h"
#include "nlb.h"
#include "service_conduit.h"
#include "snapshot_build.h"

#define NLB_TLS_IDLE_MS 350000 /* N:network-load-balancers: fixed */

/**
 * Compile a listener.  Management core; see snapshot_input.service.
 * @param tickets  struct tls_tickets; NULL: no session is resumed
 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
 */
struct snapshot_service *nlb_tls_listener_create(void *tickets, const struct snapshot_input *input,
						 const struct snapshot_registries *registries,
						 const struct model_listener *listener, char *why,
						 size_t why_len);

/** Serve TLS listeners. Worker. */
void nlb_tls_serve(struct service_conduit *service, struct nlb *nlb);

#endif
