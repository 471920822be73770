/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP and HTTPS listeners of classic load balancers, as a kind of lib/service/service_http.h.
 *
 * A request goes to the instance with the fewest outstanding ones, or to the one that a cookie
 * names: AWSELB, which lives for a time of its own, or as long as a cookie of the application's
 * (C23:elb-sticky-sessions).  A cookie names an instance, whatever port of it a listener uses, and
 * its lifetime is the browser's matter.  One that is none of ours, or whose instance is not in
 * service, counts for nothing.
 */
#ifndef CLB_HTTP_H
#define CLB_HTTP_H

#include "model.h"
#include "service_http.h"
#include "snapshot_build.h"

#define CLB_METHOD_MAX 127 /* bytes; C23:ts-elb-error-message: beyond, 405 */

/**
 * Compile a listener.  Management core; see snapshot_input.service.
 * @param tickets  struct tls_tickets; NULL: no session is resumed
 * @return  NULL with a sentence (FILE:LINE: ...) in `why`.
 */
struct snapshot_service *clb_http_listener_create(void *tickets, const struct snapshot_input *input,
						  const struct snapshot_registries *registries,
						  const struct model_listener *listener, char *why,
						  size_t why_len);

struct clb_http;

/** Serve HTTP and HTTPS listeners.  Worker. @return  NULL without memory. */
struct clb_http *clb_http_create(struct service_http *http);
void clb_http_free(struct clb_http *clb);

#endif
