/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_checker.h"

/* G:gateway-load-balancers, G:edit-target-group-attributes. */

#define GENEVE_PORT 6081

#define HEALTH_PORT       80
#define HEALTH_INTERVAL_S 10
#define HEALTH_TIMEOUT_S  5

static bool
is_given(const void *object, const char *key)
{
	return model_given(object, key) != NULL;
}

static void
check_stickiness(struct checker *c, const struct model_target_group *tg)
{
	if (is_given(tg, "stickiness.type") &&
	    tg->stickiness_type != STICKINESS_SOURCE_IP_DEST_IP &&
	    tg->stickiness_type != STICKINESS_SOURCE_IP_DEST_IP_PROTO)
		model_fault(c, tg, "stickiness.type", NULL,
			    "source_ip_dest_ip, source_ip_dest_ip_proto",
			    "a GENEVE target group has no such stickiness");
	else if (tg->stickiness && !is_given(tg, "stickiness.type"))
		model_fault(c, tg, "stickiness.enabled", NULL,
			    "stickiness.type = source_ip_dest_ip or source_ip_dest_ip_proto",
			    "the type of stickiness is missing");
}

static void
check_failover(struct checker *c, const struct model_target_group *tg)
{
	bool resets = tg->reset_on_unhealthy || tg->reset_on_deregistration;
	const char *key = tg->reset_on_unhealthy ? "send_tcp_reset.on_unhealthy.enabled"
						 : "send_tcp_reset.on_deregistration.enabled";

	if (tg->rebalance_on_unhealthy != tg->rebalance_on_deregistration)
		model_fault(c, tg,
			    is_given(tg, "target_failover.on_unhealthy")
				    ? "target_failover.on_unhealthy"
				    : "target_failover.on_deregistration",
			    NULL, "the same value for both target_failover keys",
			    "target_failover.on_unhealthy and on_deregistration differ");
	if (resets && tg->rebalance_on_unhealthy)
		model_fault(c, tg, key, NULL, "target_failover.* = no_rebalance",
			    "flows that are rebalanced are not reset");
	if (resets && tg->stickiness)
		model_fault(c, tg, key, NULL, "stickiness.enabled = false",
			    "only flows by 5-tuple can be reset");
}

void
model_check_gateway_group(struct checker *c, struct model_target_group *tg)
{
	struct model_health_check *hc = &tg->health_check;

	for (uint32_t i = 0; i < tg->targets_n; i++) {
		if (tg->targets[i].port != GENEVE_PORT)
			model_fault(c, tg, "target",
				    model_origin_of_nth((const void *)tg, "target", i),
				    "ADDRESS:6081", "GENEVE is received on port 6081");
	}
	if (!is_given(tg, "health_check.port"))
		hc->port = HEALTH_PORT;
	if (!is_given(tg, "health_check.interval_seconds"))
		hc->interval_s = HEALTH_INTERVAL_S;
	if (!is_given(tg, "health_check.timeout_seconds"))
		hc->timeout_s = HEALTH_TIMEOUT_S;
	check_stickiness(c, tg);
	check_failover(c, tg);
}

void
model_check_gateway_listener(struct checker *c, struct model_listener *l)
{
	const struct model_action *a = &l->default_action;
	const struct model_target_group *tg =
		a->forwards_n == 1 ? model_target_group(c->m, a->forwards[0].target_group) : NULL;

	if (l->port != 0)
		model_fault(c, l, "", NULL, "[listener LOAD_BALANCER]",
			    "a gateway load balancer takes every port");
	if (is_given(l, "protocol") && l->protocol != ELB_GENEVE)
		model_fault(c, l, "protocol", NULL, "leave it out",
			    "a gateway load balancer takes every protocol");
	l->protocol = ELB_GENEVE;
	if (a->forwards_n > 1)
		model_fault(c, l, "default_action", NULL, "forward TARGET_GROUP",
			    "a gateway load balancer has one target group");
	if (tg != NULL && tg->stickiness && is_given(l, "tcp.idle_timeout.seconds"))
		model_fault(c, l, "tcp.idle_timeout.seconds", NULL, "stickiness.enabled = false",
			    "the idle timeout changes only with flows by 5-tuple");
	for (uint32_t i = 0; i < c->m->listeners_n; i++) {
		const struct model_listener *other = &c->m->listeners[i];

		if (other == l)
			break;
		if (other->load_balancer_id == l->load_balancer_id)
			model_fault(c, l, "", NULL, "one listener",
				    "a gateway load balancer has one listener");
	}
}

/* Endpoints. */

static const struct model_endpoint *
endpoint_before(const struct model *m, const struct model_endpoint *e, const char *interface)
{
	for (const struct model_endpoint *other = m->endpoints; other < e; other++) {
		for (uint32_t k = 0; k < other->interfaces_n; k++) {
			if (strcmp(other->interfaces[k], interface) == 0)
				return other;
		}
	}
	return NULL;
}

static void
check_interface(struct checker *c, const struct model_endpoint *e, uint32_t k)
{
	const struct model_origin *origin = model_origin_of_nth((const void *)e, "interface", k);
	const struct model_interface *i = model_interface(c->m, e->interfaces[k]);
	const struct model_endpoint *other = endpoint_before(c->m, e, e->interfaces[k]);

	if (i == NULL) {
		model_fault(c, e, "interface", origin, "a configured interface",
			    "no interface is named %s", e->interfaces[k]);
		return;
	}
	if (other != NULL)
		model_fault(c, e, "interface", origin, "one endpoint for each interface",
			    "interface %s belongs to endpoint %s already", i->name, other->name);
	if (e->in_line && (i->addresses_n > 0 || i->local_addresses_n > 0 || i->gateways_n > 0 ||
			   i->routes_n > 0 || i->neighbors_n > 0))
		model_fault(c, e, "interface", origin,
			    "interfaces without address, local_address, gateway, route, neighbor",
			    "interface %s is a piece of wire: it has no addresses", i->name);
	if (!e->in_line && i->addresses_n == 0)
		model_fault(c, e, "interface", origin, "an interface with an address",
			    "hosts can't route through interface %s without an address", i->name);
}

static void
check_endpoint(struct checker *c, struct model_endpoint *e)
{
	const struct model_load_balancer *lb = model_load_balancer(c->m, e->load_balancer);

	if (!is_given(e, "load_balancer"))
		model_fault(c, e, "load_balancer", NULL, "a gateway load balancer's name",
			    "the load balancer is missing");
	else if (lb == NULL)
		model_fault(c, e, "load_balancer", NULL, "a configured load balancer",
			    "no load balancer is named %s", e->load_balancer);
	else if (lb->type != LB_GATEWAY)
		model_fault(c, e, "load_balancer", NULL, "a load balancer of type gateway",
			    "%s is of type %s", lb->name, load_balancer_type_name(lb->type));
	e->load_balancer_id = model_identity("load_balancer", "", e->load_balancer);
	if (!is_given(e, "id"))
		e->endpoint_id = model_identity("endpoint id", "", e->name);
	if (!is_given(e, "attachment_id"))
		e->attachment_id = model_identity("attachment id", "", e->name);
	for (const struct model_endpoint *other = c->m->endpoints; other < e; other++) {
		if (other->endpoint_id == e->endpoint_id &&
		    other->attachment_id == e->attachment_id)
			model_fault(c, e, "id", NULL, "ids of its own",
				    "endpoint %s has the same id and attachment_id", other->name);
	}
	if (e->interfaces_n == 0)
		model_fault(c, e, "interface", NULL, "interface = NAME",
			    "the interface is missing");
	else if (e->in_line && e->interfaces_n != 2)
		model_fault(c, e, "mode", NULL, "two interfaces", "a piece of wire has two ends");
	for (uint32_t k = 0; k < e->interfaces_n; k++)
		check_interface(c, e, k);
}

void
model_check_endpoints(struct checker *c)
{
	for (uint32_t i = 0; i < c->m->endpoints_n; i++)
		check_endpoint(c, &c->m->endpoints[i]);
}
