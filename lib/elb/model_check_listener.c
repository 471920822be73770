/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_checker.h"

/* N:load-balancer-target-groups: which groups a listener may forward to. */
static bool
protocols_fit(enum elb_protocol listener, enum elb_protocol group)
{
	switch (listener) {
	case ELB_TCP:
		return group == ELB_TCP || group == ELB_TCP_UDP || group == ELB_TCP_QUIC;
	case ELB_TLS:
		return group == ELB_TCP || group == ELB_TLS;
	case ELB_UDP:
		return group == ELB_UDP || group == ELB_TCP_UDP;
	case ELB_TCP_UDP:
		return group == ELB_TCP_UDP;
	case ELB_GENEVE:
		return group == ELB_GENEVE;
	case ELB_HTTP:
	case ELB_HTTPS:
		return elb_protocol_is_http(group);
	default:
		return true; /* refused already */
	}
}

/* An application load balancer's is always on; a group may turn it off. */
static void
resolve_cross_zone(struct model_target_group *tg, const struct model_load_balancer *lb)
{
	const char *cross = model_given((const void *)tg, "load_balancing.cross_zone.enabled");

	if (cross == NULL || strcmp(cross, "use_load_balancer_configuration") == 0)
		cross = lb->type == LB_APPLICATION
				? "true"
				: model_given((const void *)lb,
					      "load_balancing.cross_zone.enabled");
	tg->cross_zone = cross != NULL && strcmp(cross, "true") == 0;
}

static void
resolve_forward(struct checker *c, const void *about, const char *key,
		const struct model_listener *l, const struct model_load_balancer *lb,
		struct model_forward *f)
{
	struct model_target_group *tg =
		(struct model_target_group *)model_find(c->m, MODEL_TARGET_GROUP, f->target_group);

	f->target_group_id = model_identity("target_group", "", f->target_group);
	if (tg == NULL) {
		model_fault(c, about, key, NULL, "a configured target group",
			    "no target group is named %s", f->target_group);
		return;
	}
	if (tg->load_balancer_id != 0 && tg->load_balancer_id != l->load_balancer_id)
		model_fault(c, about, key, NULL, "one load balancer for each target group",
			    "target group %s serves another load balancer already", tg->name);
	tg->load_balancer_id = l->load_balancer_id;
	if (!protocols_fit(l->protocol, tg->protocol))
		model_fault(c, about, key, NULL,
			    "HTTP and HTTPS to either, TCP to TCP or TCP_UDP, TLS to TCP or TLS, "
			    "UDP to UDP or "
			    "TCP_UDP, TCP_UDP to TCP_UDP, a gateway load balancer to GENEVE",
			    "a %s listener cannot forward to target group %s of protocol %s",
			    elb_protocol_name(l->protocol), tg->name,
			    elb_protocol_name(tg->protocol));
	if (lb == NULL)
		return;
	resolve_cross_zone(tg, lb);
}

void
model_check_forwards(struct checker *c, const void *about, const char *key,
		     const struct model_listener *l, const struct model_load_balancer *lb,
		     struct model_action *a)
{
	for (uint32_t i = 0; i < a->forwards_n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (strcmp(a->forwards[k].target_group, a->forwards[i].target_group) == 0)
				model_fault(c, about, key, NULL, "each target group once",
					    "target group %s is named twice",
					    a->forwards[i].target_group);
		}
		resolve_forward(c, about, key, l, lb, &a->forwards[i]);
	}
}

static void
check_listener_action(struct checker *c, struct model_listener *l,
		      const struct model_load_balancer *lb)
{
	struct model_action *a = &l->default_action;

	if (model_given((const void *)l, "default_action") == NULL) {
		model_fault(c, l, "default_action", NULL, "forward TARGET_GROUP",
			    "the default action is missing");
		return;
	}
	if (a->action_kind != ACTION_FORWARD)
		model_fault(c, l, "default_action", NULL, "forward TARGET_GROUP",
			    "network and gateway load balancers only forward");
	if (a->stickiness_seconds != 0 && lb != NULL && lb->type == LB_GATEWAY)
		model_fault(c, l, "default_action", NULL, "forward without stickiness",
			    "a gateway load balancer has no such stickiness");
	model_check_forwards(c, l, "default_action", l, lb, a);
}

void
model_check_listener(struct checker *c, struct model_listener *l)
{
	const struct model_load_balancer *lb = model_load_balancer(c->m, l->load_balancer);

	if (lb == NULL)
		model_fault(c, l, "", NULL, "a configured load balancer",
			    "no load balancer is named %s", l->load_balancer);
	else if (lb->type == LB_NETWORK && l->port == 0)
		model_fault(c, l, "", NULL, "[listener LOAD_BALANCER:PORT]", "the port is missing");
	if (lb != NULL && lb->type == LB_GATEWAY) {
		model_check_gateway_listener(c, l);
		model_check_keys_are_for(c, l, lb->type);
		check_listener_action(c, l, lb);
		return;
	}
	if (lb != NULL && lb->type == LB_APPLICATION) {
		model_check_application_listener(c, l, lb);
		model_check_keys_are_for(c, l, lb->type);
		return;
	}
	if (lb != NULL && lb->type == LB_CLASSIC) {
		model_check_keys_are_for(c, l, lb->type);
		model_check_classic_listener(c, l, lb);
		return;
	}
	if (model_given((const void *)l, "protocol") == NULL)
		model_fault(c, l, "protocol", NULL, "TCP, TLS, UDP, TCP_UDP",
			    "the protocol is missing");
	else if (l->protocol != ELB_TCP && l->protocol != ELB_TLS && l->protocol != ELB_UDP &&
		 l->protocol != ELB_TCP_UDP)
		model_fault(c, l, "protocol", NULL, "TCP, TLS, UDP, TCP_UDP",
			    "%s listeners have no data path in this version",
			    elb_protocol_name(l->protocol));
	if (l->protocol == ELB_TLS)
		model_check_network_tls(c, l);
	model_check_listener_tls(c, l, l->protocol == ELB_TLS);
	if (l->protocol != ELB_TLS && l->alpn_policy != ALPN_NONE)
		model_fault(c, l, "alpn_policy", NULL, "protocol = TLS",
			    "%s listeners agree on no application protocol",
			    elb_protocol_name(l->protocol));
	if (l->protocol == ELB_UDP &&
	    model_given((const void *)l, "tcp.idle_timeout.seconds") != NULL)
		model_fault(c, l, "tcp.idle_timeout.seconds", NULL, "TCP and TCP_UDP listeners",
			    "a UDP listener has no TCP idle timeout");
	if (lb != NULL)
		model_check_keys_are_for(c, l, lb->type);
	check_listener_action(c, l, lb);
	if (lb != NULL)
		model_check_families(c, l, lb);
}
