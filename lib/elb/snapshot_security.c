/* SPDX-License-Identifier: BSD-3-Clause */
#include "snapshot_security.h"

#include <stdlib.h>

#include "check.h"
#include "model_security.h"

static size_t
count_rules(const struct model *m, const struct model_load_balancer *lb)
{
	const struct model_security_group *sg;
	size_t n = 0;

	for (uint32_t i = 0; (sg = model_security_group_of(m, lb, i)) != NULL; i++)
		n += sg->inbound_n;
	return n;
}

/* Sources that may send to a protocol and port; an empty table: none may. */
static struct route_table *
sources_of(const struct model *m, const struct model_load_balancer *lb, uint8_t protocol,
	   uint16_t port)
{
	struct route *routes = calloc(count_rules(m, lb) + 1, sizeof(*routes));
	const struct model_security_group *sg;
	struct route_table *table;
	size_t n = 0;

	if (routes == NULL)
		return NULL;
	for (uint32_t i = 0; (sg = model_security_group_of(m, lb, i)) != NULL; i++) {
		for (uint32_t k = 0; k < sg->inbound_n; k++) {
			if (model_security_rule_has(&sg->inbound[k], protocol, port))
				routes[n++].prefix = sg->inbound[k].prefix;
		}
	}
	table = route_table_create(routes, n);
	free(routes);
	return table;
}

bool
snapshot_secure_frontend(const struct model *m, const struct model_listener *l,
			 struct snapshot_frontend *f)
{
	const struct model_load_balancer *lb = model_load_balancer_by_id(m, l->load_balancer_id);

	if (lb == NULL || lb->security_groups_n == 0)
		return true;
	if ((f->protocols & SNAPSHOT_TCP) != 0)
		f->tcp_sources = sources_of(m, lb, MODEL_SECURITY_TCP, l->port);
	if ((f->protocols & SNAPSHOT_UDP) != 0)
		f->udp_sources = sources_of(m, lb, MODEL_SECURITY_UDP, l->port);
	return ((f->protocols & SNAPSHOT_TCP) == 0 || f->tcp_sources != NULL) &&
	       ((f->protocols & SNAPSHOT_UDP) == 0 || f->udp_sources != NULL);
}

struct snapshot_address *
snapshot_address_of(struct snapshot *s, const struct ip_addr *addr)
{
	const struct snapshot_address *a = snapshot_find_address(s, addr);

	CHECK(a != NULL);
	return (struct snapshot_address *)(uintptr_t)a;
}

bool
snapshot_secure_addresses(const struct model *m, struct snapshot *s)
{
	for (uint32_t i = 0; i < m->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->load_balancers[i];

		for (uint32_t k = 0; lb->security_groups_n > 0 && k < lb->addresses_n; k++) {
			struct snapshot_address *a = snapshot_address_of(s, &lb->addresses[k].addr);

			a->icmp_sources = sources_of(m, lb, MODEL_SECURITY_ICMP, 0);
			if (a->icmp_sources == NULL)
				return false;
		}
	}
	return true;
}

uint8_t
snapshot_blocked(const struct model *m, const struct model_target_group *tg,
		 const struct model_target *t)
{
	const struct model_load_balancer *lb = model_load_balancer_by_id(m, tg->load_balancer_id);
	uint8_t blocked = 0;

	if (!model_security_lets_out(m, lb, MODEL_SECURITY_TCP, &t->addr, t->port))
		blocked |= SNAPSHOT_TCP;
	if (!model_security_lets_out(m, lb, MODEL_SECURITY_UDP, &t->addr, t->port))
		blocked |= SNAPSHOT_UDP;
	return blocked;
}

void
snapshot_free_security(struct snapshot *s)
{
	for (uint32_t i = 1; s->frontends != NULL && i < s->frontends_n; i++) {
		route_table_free(s->frontends[i].tcp_sources);
		route_table_free(s->frontends[i].udp_sources);
	}
	for (uint32_t i = 0; s->addresses != NULL && i <= s->addresses_mask; i++)
		route_table_free(s->addresses[i].icmp_sources);
}
