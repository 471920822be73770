/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_tls.h"

#include <netinet/in.h>

#include "maglev.h"
#include "nlb_tls_record.h"
#include "proxy_protocol.h"
#include "target_set.h"

_Static_assert(PROXY_PROTOCOL_MAX <= PROXY_CONDUIT_PREFIX_MAX, "a header fits");

static uint32_t
choose(void *arg, const struct snapshot *s, const struct snapshot_frontend *f,
       const struct tcp_tuple *client, bool *fail_open)
{
	const struct nlb *nlb = arg;
	struct nlb_choice choice = nlb_choose(&nlb->maglev_seed, s, f, &client->remote,
					      client->remote_port_be, IPPROTO_TCP);
	const struct target_set *set =
		choice.group == 0
			? NULL
			: atomic_load_explicit(&s->groups[choice.group].set, memory_order_acquire);

	if (set == NULL)
		return 0;
	*fail_open = set->fail_open;
	return maglev_lookup(set, choice.set_hash, 0);
}

static uint8_t
prefix(const struct service_conduit_listener *l, const struct snapshot_target *target,
       const struct tcp_tuple *client, uint8_t out[PROXY_CONDUIT_PREFIX_MAX])
{
	struct proxy_protocol what;

	(void)l;
	if (target->proxy_v2 == 0)
		return 0;
	what = service_conduit_client(client);
	return (uint8_t)proxy_protocol_write(out, &what);
}

/* Those that were refused before a handshake are counted only. */
static bool
log_connection(struct log_ring *ring, uint64_t wall_us, const struct snapshot *s,
	       const struct service_conduit_listener *l, uint64_t listener_id,
	       const struct proxy_conduit_record *r)
{
	(void)s;
	return r->session.tls == NULL ||
	       nlb_tls_record_write(ring, wall_us, l->load_balancer_id, listener_id, r);
}

static const struct service_conduit_kind kind = {
	.slot = SERVICE_CONDUIT_NETWORK, .choose = choose, .prefix = prefix, .log = log_connection};

void
nlb_tls_serve(struct service_conduit *service, struct nlb *nlb)
{
	service_conduit_add(service, &kind, nlb);
}

/* Listeners. */

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
	const char *const *alpn;
	uint32_t alpn_n = choose_alpn(ml->alpn_policy, &alpn);
	struct service_conduit_listener *l = service_conduit_listener_create(
		sizeof(*l), &kind, input->model, ml, alpn, alpn_n, tickets, why, why_len);

	(void)registries;
	if (l == NULL)
		return NULL;
	l->idle_timeout_ms = NLB_TLS_IDLE_MS;
	return &l->service;
}
