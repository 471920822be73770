/* SPDX-License-Identifier: BSD-3-Clause */
/* N:edit-target-group-attributes, N:target-group-health-checks. */
#include "model_checker.h"

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

	if (hc->protocol == ELB_HTTP) {
		if (!is_given(tg, "health_check.timeout_seconds"))
			hc->timeout_s = HTTP_HEALTH_TIMEOUT_S;
		model_check_http_health(c, tg);
		return;
	}
	if (is_given(tg, "health_check.path"))
		model_fault(c, tg, "health_check.path", NULL, "health_check.protocol = HTTP",
			    "a TCP health check has no path");
	if (is_given(tg, "health_check.matcher"))
		model_fault(c, tg, "health_check.matcher", NULL, "health_check.protocol = HTTP",
			    "a TCP health check has no status code");
}

void
model_check_network_group(struct checker *c, struct model_target_group *tg)
{
	if (tg->stickiness_type != STICKINESS_SOURCE_IP)
		model_fault(c, tg, "stickiness.type", NULL, "source_ip",
			    "a %s target group has no such stickiness",
			    elb_protocol_name(tg->protocol));
	check_unhealthy(c, tg);
	check_health_check(c, tg);
}
