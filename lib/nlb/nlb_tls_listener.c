/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "model_certificate.h"
#include "nlb_tls.h"

static void
free_listener(struct snapshot_service *service)
{
	struct nlb_tls_listener *l = (struct nlb_tls_listener *)service;

	tls_server_put(l->tls);
	free(l);
}

/* N:load-balancer-listeners: in order of the load balancer's preference. */
static const char *const h1_then_h2[] = {"http/1.1", "http/1.0", "h2"};
static const char *const h2_then_h1[] = {"h2", "http/1.1", "http/1.0"};

/* @return  how many of the list that fits the policy are offered. */
static uint32_t
choose_alpn(enum alpn_policy policy, const char *const **alpn)
{
	*alpn = policy == ALPN_HTTP1_ONLY || policy == ALPN_HTTP2_OPTIONAL ? h1_then_h2
									   : h2_then_h1;
	switch (policy) {
	case ALPN_NONE:
		break;
	case ALPN_HTTP1_ONLY:
		return 2;
	case ALPN_HTTP2_ONLY:
		return 1;
	case ALPN_HTTP2_OPTIONAL:
	case ALPN_HTTP2_PREFERRED:
		return 3;
	}
	return 0;
}

struct snapshot_service *
nlb_tls_listener_create(void *tickets, const struct snapshot_input *input,
			const struct snapshot_registries *registries,
			const struct model_listener *ml, char *why, size_t why_len)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(input->model, ml->load_balancer_id);
	struct nlb_tls_listener *l = calloc(1, sizeof(*l));
	const char *const *alpn;
	uint32_t alpn_n = choose_alpn(ml->alpn_policy, &alpn);
	char reason[256] = "no memory";

	(void)registries;
	if (l != NULL)
		l->tls = model_tls_server_of(input->model, ml, alpn, alpn_n, tickets, reason,
					     sizeof(reason));
	if (l == NULL || l->tls == NULL) {
		snprintf(why, why_len, "%s:%u: [listener %s]: %s", ml->origin.file, ml->origin.line,
			 ml->name, reason);
		free(l);
		return NULL;
	}
	l->service.free = free_listener;
	l->load_balancer_id = lb->id;
	l->log_access = lb->access_log.enabled;
	return &l->service;
}
