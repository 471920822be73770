/* SPDX-License-Identifier: BSD-3-Clause */
/* N:edit-target-group-attributes, N:target-group-health-checks, N:load-balancer-listeners. */
#include "model_checker.h"
#include "model_network.h"

#define HTTP_HEALTH_TIMEOUT_S 6

#define UNHEALTHY   "target_health_state.unhealthy."
#define TERMINATION UNHEALTHY "connection_termination.enabled"
#define DRAINING    UNHEALTHY "draining_interval_seconds"
#define ROUTING     "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
#define DNS         "target_group_health.dns_failover.minimum_healthy_targets."

static bool
is_given(const void *object, const char *key)
{
	return model_given(object, key) != NULL;
}

static void
check_unhealthy(struct checker *c, struct model_target_group *tg)
{
	bool is_tcp = tg->protocol == ELB_TCP || tg->protocol == ELB_TLS;

	if (!is_tcp) {
		if (is_given(tg, TERMINATION) && tg->unhealthy_termination)
			model_fault(c, tg, TERMINATION, NULL, "false, or protocol = TCP",
				    "flows of a %s target group are not terminated",
				    elb_protocol_name(tg->protocol));
		if (tg->unhealthy_drain_s > 0)
			model_fault(c, tg, DRAINING, NULL, "0, or protocol = TCP",
				    "flows of a %s target group are not terminated",
				    elb_protocol_name(tg->protocol));
		tg->unhealthy_termination = false;
	} else if (tg->unhealthy_drain_s > 0 && tg->unhealthy_termination) {
		model_fault(c, tg, DRAINING, NULL, TERMINATION " = false",
			    "flows that are terminated at once have no time to drain");
	}
}

void
model_check_group_health(struct checker *c, const struct model_target_group *tg)
{
	if (is_given(tg, ROUTING "count") && is_given(tg, DNS "count") &&
	    tg->dns_minimum_healthy != 0 && tg->dns_minimum_healthy < tg->minimum_healthy)
		model_fault(c, tg, DNS "count", NULL,
			    "off, or at least that of unhealthy_state_routing",
			    "%u is below the %u of unhealthy_state_routing",
			    tg->dns_minimum_healthy, tg->minimum_healthy);
	if (tg->dns_minimum_healthy_percent != 0 && tg->minimum_healthy_percent != 0 &&
	    tg->dns_minimum_healthy_percent < tg->minimum_healthy_percent)
		model_fault(c, tg, DNS "percentage", NULL,
			    "off, or at least that of unhealthy_state_routing",
			    "%u is below the %u of unhealthy_state_routing",
			    tg->dns_minimum_healthy_percent, tg->minimum_healthy_percent);
}

static void
check_health_check(struct checker *c, struct model_target_group *tg)
{
	struct model_health_check *hc = &tg->health_check;

	if (elb_protocol_is_http(hc->protocol)) {
		if (!is_given(tg, "health_check.timeout_seconds"))
			hc->timeout_s = HTTP_HEALTH_TIMEOUT_S;
		model_check_http_health(c, tg);
		return;
	}
	if (is_given(tg, "health_check.path"))
		model_fault(c, tg, "health_check.path", NULL,
			    "health_check.protocol = HTTP or HTTPS",
			    "a TCP health check has no path");
	if (is_given(tg, "health_check.matcher"))
		model_fault(c, tg, "health_check.matcher", NULL,
			    "health_check.protocol = HTTP or HTTPS",
			    "a TCP health check has no status code");
}

static void
check_alb(struct checker *c, const struct model_target_group *tg)
{
	if (tg->protocol != ELB_TCP)
		model_fault(c, tg, "protocol", NULL, "TCP",
			    "an application load balancer is a target of TCP target groups");
	if (tg->targets_n != 1)
		model_fault(c, tg, "target_type", NULL, "one target",
			    "a target group of type alb has one application load balancer");
	else if (model_alb_at(c->m, &tg->targets[0].addr, tg->targets[0].port) == NULL)
		model_fault(c, tg, "target", NULL,
			    "address and port of an application load balancer's listener",
			    "no application load balancer listens there");
}

void
model_check_network_group(struct checker *c, struct model_target_group *tg)
{
	if (tg->stickiness_type != STICKINESS_SOURCE_IP)
		model_fault(c, tg, "stickiness.type", NULL, "source_ip",
			    "a %s target group has no such stickiness",
			    elb_protocol_name(tg->protocol));
	if (model_group_is_alb(tg))
		check_alb(c, tg);
	check_unhealthy(c, tg);
	check_health_check(c, tg);
}

/* A target group of type alb is the only one of its listener. */
static void
check_only_one(struct checker *c, const void *about, const char *key,
	       const struct model_action *action, bool is_rule)
{
	for (uint32_t i = 0; i < action->forwards_n; i++) {
		const struct model_target_group *tg =
			model_target_group(c->m, action->forwards[i].target_group);

		if (tg != NULL && model_group_is_alb(tg) && (is_rule || action->forwards_n > 1))
			model_fault(c, about, key, NULL, "default_action = forward TARGET_GROUP",
				    "target group %s of type alb is to be its listener's only one",
				    tg->name);
	}
}

/* TLS listeners. */

/* Connections to targets are weir's own there, N:edit-target-group-attributes. */
static void
check_tls_group(struct checker *c, const void *about, const char *key,
		const struct model_target_group *tg)
{
	if (model_group_is_alb(tg))
		model_fault(c, about, key, NULL, "a target group of type ip or instance",
			    "target group %s of type alb is for TCP listeners", tg->name);
	else if (!tg->full_nat)
		model_fault(c, about, key, NULL,
			    "preserve_client_ip.enabled = false, with proxy_protocol_v2.enabled to "
			    "tell targets of clients",
			    "TLS connections end at weir, and target group %s wants the client's "
			    "address",
			    tg->name);
	if (tg->stickiness)
		model_fault(c, about, key, NULL, "stickiness.enabled = false",
			    "flows of TLS listeners are not sticky, target group %s is", tg->name);
}

static void
check_tls_action(struct checker *c, const void *about, const char *key,
		 const struct model_action *action)
{
	if (action->stickiness_seconds > 0)
		model_fault(c, about, key, NULL, "forward without stickiness",
			    "flows of TLS listeners are not sticky");
	for (uint32_t i = 0; i < action->forwards_n; i++) {
		const struct model_target_group *tg =
			model_target_group(c->m, action->forwards[i].target_group);

		if (tg != NULL)
			check_tls_group(c, about, key, tg);
	}
}

void
model_check_network_tls(struct checker *c, const struct model_listener *l)
{
	if (is_given(l, "tcp.idle_timeout.seconds"))
		model_fault(c, l, "tcp.idle_timeout.seconds", NULL, "TCP and TCP_UDP listeners",
			    "a TLS listener's idle timeout is 350 s, fixed");
	check_tls_action(c, l, "default_action", &l->default_action);
}

/* Rules. */

static bool
has_family(const struct model_load_balancer *lb, int version)
{
	for (uint32_t i = 0; i < lb->addresses_n; i++) {
		if (ip_addr_family(&lb->addresses[i].addr) == version)
			return true;
	}
	return false;
}

static void
check_condition(struct checker *c, const struct model_rule *r, const struct model_condition *cond)
{
	static const char *const allowed = "condition.source_ip = 0.0.0.0/0 or ::/0";

	if (cond->condition_kind != CONDITION_SOURCE_IP) {
		model_fault(c, r, "", NULL, allowed,
			    "a network load balancer's rules ask for the IP version alone");
		return;
	}
	for (uint32_t i = 0; i < cond->values_n; i++) {
		if (model_version_of(&cond->values[i]) == 0)
			model_fault(c, r, "condition.source_ip", NULL, allowed,
				    "a network load balancer's rules ask for the IP version alone");
	}
}

void
model_check_network_rule(struct checker *c, struct model_rule *r, const struct model_listener *l,
			 const struct model_load_balancer *lb)
{
	if (!has_family(lb, 4) || !has_family(lb, 6))
		model_fault(c, r, "", NULL, "addresses of both families",
			    "[load_balancer %s] has one IP version: its listeners need no rules",
			    lb->name);
	if (r->conditions_n == 0)
		model_fault(c, r, "", NULL, "condition.source_ip = 0.0.0.0/0 or ::/0",
			    "the rule has no condition");
	for (uint32_t i = 0; i < r->conditions_n; i++)
		check_condition(c, r, &r->conditions[i]);
	if (r->host_header_rewrite.regex != NULL || r->url_rewrite.regex != NULL)
		model_fault(c, r, "", NULL, "no transform",
			    "a network load balancer transforms no requests");
	if (!is_given(r, "action"))
		model_fault(c, r, "action", NULL, "forward TARGET_GROUP", "the action is missing");
	else if (r->action.action_kind != ACTION_FORWARD)
		model_fault(c, r, "action", NULL, "forward TARGET_GROUP",
			    "network load balancers only forward");
	model_check_forwards(c, r, "action", l, lb, &r->action);
	if (l->protocol == ELB_TLS)
		check_tls_action(c, r, "action", &r->action);
	check_only_one(c, r, "action", &r->action, true);
}

static void
check_family(struct checker *c, const struct model_listener *l,
	     const struct model_load_balancer *lb, int version)
{
	const struct model_object *about;
	const char *key;
	const struct model_action *a = model_action_for(c->m, l, version, &about, &key);

	for (uint32_t i = 0; i < a->forwards_n; i++) {
		const struct model_target_group *tg =
			model_target_group(c->m, a->forwards[i].target_group);

		if (tg == NULL || tg->targets_n == 0 ||
		    ip_addr_family(&tg->targets[0].addr) == version)
			continue;
		model_fault(c, about, key, NULL,
			    "a target group of the load balancer's address family",
			    "%s has IPv%u targets, [load_balancer %s] an IPv%d address", tg->name,
			    ip_addr_family(&tg->targets[0].addr), lb->name, version);
		return;
	}
}

void
model_check_families(struct checker *c, const struct model_listener *l,
		     const struct model_load_balancer *lb)
{
	check_only_one(c, l, "default_action", &l->default_action, false);
	for (int version = 4; version <= 6; version += 2) {
		if (has_family(lb, version))
			check_family(c, l, lb, version);
	}
}
