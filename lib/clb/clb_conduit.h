/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP and SSL listeners of classic load balancers, as a kind of lib/service/service_conduit.h.
 *
 * Instances take turns, each worker for itself; nothing is sticky.  With `proxy_protocol` a header
 * of version 1 stands in front of a connection's bytes.
 */
#ifndef CLB_CONDUIT_H
#define CLB_CONDUIT_H

#include "model.h"
#include "service_conduit.h"
#include "snapshot_build.h"

struct clb_conduit;

/**
 * Compile a listener.  Management core; see snapshot_input.service.
 * @param tickets  struct tls_tickets; NULL: no session is resumed
 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
 */
struct snapshot_service *clb_conduit_listener_create(void *tickets,
						     const struct snapshot_input *input,
						     const struct snapshot_registries *registries,
						     const struct model_listener *listener,
						     char *why, size_t why_len);

/**
 * Serve TCP and SSL listeners.  Worker.
 * @param seed  random: workers begin with different instances
 * @return  NULL without memory.
 */
struct clb_conduit *clb_conduit_create(struct service_conduit *service, uint64_t seed);
void clb_conduit_free(struct clb_conduit *conduit);

#endif
