/* SPDX-License-Identifier: BSD-3-Clause */
#include "clb_conduit.h"

#include <stdlib.h>

#include "balance.h"
#include "clb_surge.h"
#include "proxy_protocol.h"
#include "service_record.h"

_Static_assert(PROXY_PROTOCOL_V1_MAX <= PROXY_CONDUIT_PREFIX_MAX, "a header fits");

struct clb_listener {
	struct service_conduit_listener conduit; /* first */
	bool proxy_protocol;
};

struct clb_conduit {
	struct balance_group groups[SNAPSHOT_GROUPS]; /* by index: whose turn it is */
};

static uint32_t
choose(void *arg, const struct snapshot *s, const struct snapshot_frontend *f,
       const struct tcp_tuple *client, bool *fail_open)
{
	static const struct balance_worker nobody; /* taking turns asks for no more */
	struct clb_conduit *c = arg;
	uint32_t group = f->forwards[0].group;
	const struct target_set *set =
		atomic_load_explicit(&s->groups[group].set, memory_order_acquire);

	(void)client;
	(void)fail_open;
	if (set == NULL || set->balance == NULL)
		return 0;
	return balance_choose(set->balance, &c->groups[group], &nobody);
}

static uint8_t
prefix(const struct service_conduit_listener *l, const struct snapshot_target *target,
       const struct tcp_tuple *client, uint8_t out[PROXY_CONDUIT_PREFIX_MAX])
{
	struct proxy_protocol what;

	(void)target;
	if (!((const struct clb_listener *)l)->proxy_protocol)
		return 0;
	what = service_conduit_client(client);
	return (uint8_t)proxy_protocol_write_v1((char *)out, &what);
}

static bool
log_connection(struct log_ring *ring, uint64_t wall_us, const struct snapshot *s,
	       const struct service_conduit_listener *l, uint64_t listener_id,
	       const struct proxy_conduit_record *r)
{
	const struct service_log log = {.ring = ring, .wall_us = wall_us};

	(void)listener_id;
	return service_record_write_connection(&log, l->load_balancer_id, r, s);
}

static const struct service_conduit_kind kind = {
	.slot = SERVICE_CONDUIT_CLASSIC, .choose = choose, .prefix = prefix, .log = log_connection};

struct snapshot_service *
clb_conduit_listener_create(void *tickets, const struct snapshot_input *input,
			    const struct snapshot_registries *registries,
			    const struct model_listener *ml, char *why, size_t why_len)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(input->model, ml->load_balancer_id);
	struct clb_listener *l = (struct clb_listener *)service_conduit_listener_create(
		sizeof(*l), &kind, input->model, ml, NULL, 0, tickets, why, why_len);

	if (l == NULL)
		return NULL;
	l->conduit.surge = clb_surge(input, registries, lb);
	l->conduit.idle_timeout_ms = lb->idle_timeout_s * 1000;
	l->proxy_protocol = ml->proxy_protocol;
	return &l->conduit.service;
}

struct clb_conduit *
clb_conduit_create(struct service_conduit *service, uint64_t seed)
{
	struct clb_conduit *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	for (uint32_t i = 0; i < SNAPSHOT_GROUPS; i++)
		c->groups[i].cursor = (uint32_t)(seed >> 32);
	service_conduit_add(service, &kind, c);
	return c;
}

void
clb_conduit_free(struct clb_conduit *c)
{
	free(c);
}
