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

static void
set_alpn(struct tls_server_settings *settings, enum alpn_policy policy)
{
	settings->alpn = policy == ALPN_HTTP1_ONLY || policy == ALPN_HTTP2_OPTIONAL ? h1_then_h2
										    : h2_then_h1;
	switch (policy) {
	case ALPN_NONE:
		settings->alpn_n = 0;
		break;
	case ALPN_HTTP1_ONLY:
		settings->alpn_n = 2;
		break;
	case ALPN_HTTP2_ONLY:
		settings->alpn_n = 1;
		break;
	case ALPN_HTTP2_OPTIONAL:
	case ALPN_HTTP2_PREFERRED:
		settings->alpn_n = 3;
		break;
	}
}

static struct tls_server *
make_tls(const struct model *m, const struct model_listener *ml, struct tls_tickets *tickets,
	 char *why, size_t why_len)
{
	struct tls_credentials *credentials[MODEL_CERTIFICATES_MAX];
	struct tls_server_settings settings = {.policy = model_tls_policy_of(ml),
					       .credentials = credentials,
					       .credentials_n = ml->certificates_n,
					       .tickets = tickets,
					       .identity = ml->name};

	for (uint32_t i = 0; i < ml->certificates_n; i++)
		credentials[i] = model_certificate_of(m, ml, i)->credentials;
	set_alpn(&settings, ml->alpn_policy);
	return tls_server_create(&settings, why, why_len);
}

struct snapshot_service *
nlb_tls_listener_create(void *tickets, const struct snapshot_input *input,
			const struct snapshot_registries *registries,
			const struct model_listener *ml, char *why, size_t why_len)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(input->model, ml->load_balancer_id);
	struct nlb_tls_listener *l = calloc(1, sizeof(*l));
	char reason[256] = "no memory";

	(void)registries;
	if (l != NULL)
		l->tls = make_tls(input->model, ml, tickets, reason, sizeof(reason));
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
