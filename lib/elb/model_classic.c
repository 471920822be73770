/* SPDX-License-Identifier: BSD-3-Clause */
/* C23:elb-listener-config, C23:elb-healthchecks, C23:enable-proxy-protocol, M1. */
#include "model_classic.h"

#include <stdlib.h>

#include "model_certificate.h"
#include "model_checker.h"
#include "model_value.h"
#include "tls_policy.h"

#define IDLE_TIMEOUT_MAX_S 3600

static bool
is_given(const void *object, const char *key)
{
	return model_given(object, key) != NULL;
}

/* [load_balancer NAME] */

static void
check_instances(struct checker *c, const struct model_load_balancer *lb)
{
	for (uint32_t i = 0; i < lb->instances_n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (ip_addr_equal(&lb->instances[k].addr, &lb->instances[i].addr))
				model_fault(c, lb, "instance",
					    model_origin_of_nth((const void *)lb, "instance", i),
					    "each instance once",
					    "the instance is registered twice");
		}
	}
}

void
model_check_classic(struct checker *c, struct model_load_balancer *lb)
{
	struct model_health_check *hc = &lb->health_check;

	if (lb->idle_timeout_s > IDLE_TIMEOUT_MAX_S)
		model_fault(c, lb, "idle_timeout.timeout_seconds", NULL, "1 to 3600",
			    "%u s are too long for a classic load balancer", lb->idle_timeout_s);
	if (hc->timeout_s >= hc->interval_s)
		model_fault(c, lb, "health_check.timeout_seconds", NULL,
			    "less than health_check.interval_seconds",
			    "%u s are not shorter than the interval of %u s", hc->timeout_s,
			    hc->interval_s);
	hc->enabled = true;
	if (!is_given(lb, "health_check.target")) {
		hc->protocol = ELB_TCP;
		snprintf(hc->path, sizeof(hc->path), "/");
	}
	snprintf(hc->matcher, sizeof(hc->matcher), "200");
	memset(hc->codes, 0, sizeof(hc->codes));
	hc->codes[0] = 1; /* 200 */
	check_instances(c, lb);
}

/* Implicit target groups. */

static const struct model_listener *
first_listener(const struct model *m, const struct model_load_balancer *lb)
{
	for (uint32_t i = 0; i < m->listeners_n; i++) {
		if (m->listeners[i].load_balancer_id == lb->id)
			return &m->listeners[i];
	}
	return NULL;
}

static bool
add_instances(struct model_target_group *tg, const struct model_load_balancer *lb)
{
	for (uint32_t i = 0; i < lb->instances_n; i++) {
		const struct model_instance *instance = &lb->instances[i];
		char endpoint[MODEL_ENDPOINT_MAX];
		struct model_target t = {
			.addr = instance->addr,
			.weight = 1,
			.origin = *model_origin_of_nth((const void *)lb, "instance", i)};

		t.port = (uint16_t)tg->instance_port;
		memcpy(t.zone, instance->zone, sizeof(t.zone));
		t.id = model_target_identity(tg->name, &t.addr, t.port, endpoint);
		if (!model_append(&tg->targets, &tg->targets_n, &t, sizeof(t)))
			return false;
	}
	return true;
}

/* What a classic load balancer does, in the words of target groups. */
static void
set_attributes(const struct model *m, struct model_target_group *tg, const struct model_listener *l,
	       const struct model_load_balancer *lb)
{
	const char *cross = model_given((const void *)lb, "load_balancing.cross_zone.enabled");

	tg->protocol = l->instance_protocol;
	tg->instance_port = l->instance_port;
	tg->load_balancer_id = lb->id;
	tg->full_nat = true; /* connections are weir's own */
	tg->cross_zone = cross != NULL && strcmp(cross, "true") == 0;
	tg->algorithm = elb_protocol_is_http(tg->protocol) ? ALGORITHM_LEAST_OUTSTANDING_REQUESTS
							   : ALGORITHM_ROUND_ROBIN;
	tg->fail_mode = FAIL_CLOSE;
	/* C23:config-conn-drain: what outlives it is closed, unhealthy instances keep theirs. */
	tg->deregistration_delay_s = lb->connection_draining ? lb->connection_draining_s : 0;
	tg->connection_termination = true;
	tg->unhealthy_termination = false;
	tg->proxy_v1 = l->proxy_protocol;
	tg->health_check = lb->health_check;
	if (tg->health_check.port == 0)
		tg->health_check.port = first_listener(m, lb)->instance_port;
}

static void
name_group(const struct model_listener *l, char name[MODEL_OBJECT_NAME_MAX])
{
	snprintf(name, MODEL_OBJECT_NAME_MAX, "%.32s:%s:%u", l->load_balancer,
		 elb_protocol_name(l->instance_protocol), l->instance_port);
}

static void
load_public_key(struct checker *c, struct model_target_group *tg, const struct model_listener *l)
{
	char why[512];

	tg->has_public_key = l->backend_public_key[0] != '\0';
	if (tg->has_public_key &&
	    !tls_public_key_load(l->backend_public_key, tg->public_key, why, sizeof(why)))
		model_fault(c, l, "backend_public_key", NULL, "a file of a public key in PEM", "%s",
			    why);
}

/* @return  NULL without memory. */
static struct model_target_group *
make_group(struct checker *c, const struct model_listener *l, const struct model_load_balancer *lb)
{
	struct model_target_group *tg;
	struct model_error error;
	char name[MODEL_OBJECT_NAME_MAX];

	name_group(l, name);
	tg = (struct model_target_group *)model_find(c->m, MODEL_TARGET_GROUP, name);
	if (tg == NULL) {
		tg = model_add_implicit_group(c->m, name, &lb->origin, &error);
		if (tg == NULL)
			return NULL;
	}
	free(tg->targets);
	tg->targets = NULL;
	tg->targets_n = 0;
	set_attributes(c->m, tg, l, lb);
	load_public_key(c, tg, l);
	if (!add_instances(tg, lb))
		return NULL;
	model_check_target_tls(c, tg);
	return tg;
}

static void
forward_to_group(struct checker *c, struct model_listener *l, const struct model_load_balancer *lb)
{
	const struct model_target_group *tg = make_group(c, l, lb);
	struct model_forward *f = &l->default_action.forwards[0];

	if (tg == NULL) {
		model_fault(c, l, "", NULL, "", "no memory");
		return;
	}
	l->default_action = (struct model_action){.action_kind = ACTION_FORWARD, .forwards_n = 1};
	*f = (struct model_forward){.target_group_id = tg->id, .weight = 1};
	memcpy(f->target_group, tg->name, sizeof(f->target_group));
}

/* [listener LB:PORT] */

static void
check_protocols(struct checker *c, struct model_listener *l)
{
	if (!is_given(l, "protocol"))
		model_fault(c, l, "protocol", NULL, "HTTP, HTTPS, TCP, SSL",
			    "the protocol is missing");
	else if (!elb_protocol_is_http(l->protocol) && l->protocol != ELB_TCP &&
		 l->protocol != ELB_SSL)
		model_fault(c, l, "protocol", NULL, "HTTP, HTTPS, TCP, SSL",
			    "a classic load balancer has no %s listeners",
			    elb_protocol_name(l->protocol));
	if (!is_given(l, "instance_protocol"))
		l->instance_protocol = l->protocol;
	else if (elb_protocol_is_http(l->protocol) != elb_protocol_is_http(l->instance_protocol))
		model_fault(c, l, "instance_protocol", NULL,
			    elb_protocol_is_http(l->protocol) ? "HTTP, HTTPS" : "TCP, SSL",
			    "%s listeners and %s instances are not of the same layer",
			    elb_protocol_name(l->protocol),
			    elb_protocol_name(l->instance_protocol));
	if (!is_given(l, "instance_port"))
		model_fault(c, l, "instance_port", NULL, "1 to 65535",
			    "the instances' port is missing");
}

/* What ELB sets for an instance's port is the same for all listeners that use it. */
static void
check_shared_port(struct checker *c, const struct model_listener *l, const struct model_listener *o)
{
	if (elb_protocol_is_tls(o->instance_protocol) != elb_protocol_is_tls(l->instance_protocol))
		model_fault(c, l, "instance_protocol", NULL,
			    elb_protocol_is_tls(o->instance_protocol) ? "HTTPS or SSL, as there"
								      : "HTTP or TCP, as there",
			    "secure and plain protocols are mixed on instance_port %u: it has %s "
			    "with [listener %s]",
			    l->instance_port, elb_protocol_name(o->instance_protocol), o->name);
	if (o->proxy_protocol != l->proxy_protocol)
		model_fault(c, l, "proxy_protocol", NULL, o->proxy_protocol ? "true" : "false",
			    "it is another one with [listener %s], of the same instance_port",
			    o->name);
	if (strcmp(o->backend_public_key, l->backend_public_key) != 0)
		model_fault(c, l, "backend_public_key", NULL,
			    o->backend_public_key[0] != '\0' ? o->backend_public_key : "none",
			    "it is another one with [listener %s], of the same instance_port",
			    o->name);
}

static void
check_shared_ports(struct checker *c, const struct model_listener *l)
{
	for (const struct model_listener *o = c->m->listeners; o < l; o++) {
		if (o->load_balancer_id == l->load_balancer_id &&
		    o->instance_port == l->instance_port)
			check_shared_port(c, l, o);
	}
}

static void
check_policies(struct checker *c, struct model_listener *l)
{
	l->lb_cookie = is_given(l, "lb_cookie_stickiness");
	if (l->lb_cookie && !elb_protocol_is_http(l->protocol))
		model_fault(c, l, "lb_cookie_stickiness", NULL, "protocol = HTTP or HTTPS",
			    "%s listeners see no cookies", elb_protocol_name(l->protocol));
	if (l->app_cookie[0] != '\0' && !elb_protocol_is_http(l->protocol))
		model_fault(c, l, "app_cookie_stickiness", NULL, "protocol = HTTP or HTTPS",
			    "%s listeners see no cookies", elb_protocol_name(l->protocol));
	if (l->lb_cookie && l->app_cookie[0] != '\0')
		model_fault(c, l, "app_cookie_stickiness", NULL, "one of the two",
			    "the listener has lb_cookie_stickiness");
	if (l->proxy_protocol && elb_protocol_is_http(l->instance_protocol))
		model_fault(c, l, "proxy_protocol", NULL,
			    "false, or instance_protocol = TCP or SSL",
			    "%s instances are told of clients by X-Forwarded-For",
			    elb_protocol_name(l->instance_protocol));
	if (l->backend_public_key[0] != '\0' && !elb_protocol_is_tls(l->instance_protocol))
		model_fault(c, l, "backend_public_key", NULL, "instance_protocol = HTTPS or SSL",
			    "%s instances have no key", elb_protocol_name(l->instance_protocol));
}

static void
check_tls(struct checker *c, struct model_listener *l)
{
	if (!is_given(l, "ssl_policy"))
		snprintf(l->ssl_policy, sizeof(l->ssl_policy), TLS_POLICY_DEFAULT_CLASSIC);
	model_check_listener_tls(c, l, elb_protocol_is_tls(l->protocol));
	if (l->certificates_n > 1)
		model_fault(c, l, "certificate",
			    model_origin_of_nth((const void *)l, "certificate", 1), "one",
			    "a classic load balancer's listener has one certificate");
	if (elb_protocol_is_tls(l->protocol) && is_given(l, "ssl_policy") &&
	    !tls_policy_is_classic(l->ssl_policy) &&
	    model_ssl_policy_find(c->m, l->ssl_policy) == NULL)
		model_fault(c, l, "ssl_policy", NULL,
			    TLS_POLICY_DEFAULT_CLASSIC ", ELBSecurityPolicy-TLS-1-2-2017-01, "
						       "ELBSecurityPolicy-TLS-1-1-2017-01, "
						       "ELBSecurityPolicy-2015-05, an [ssl_policy]",
			    "it is not a policy of classic load balancers");
}

void
model_check_classic_listener(struct checker *c, struct model_listener *l,
			     const struct model_load_balancer *lb)
{
	if (l->port == 0)
		model_fault(c, l, "", NULL, "[listener LOAD_BALANCER:PORT]", "the port is missing");
	if (is_given(l, "default_action"))
		model_fault(c, l, "default_action", NULL, "instance_protocol and instance_port",
			    "a classic load balancer has instances and no target groups");
	check_protocols(c, l);
	check_policies(c, l);
	check_shared_ports(c, l);
	check_tls(c, l);
	if (l->instance_port != 0)
		forward_to_group(c, l, lb);
}

/* Questions. */

const struct model_target_group *
model_classic_group_of(const struct model *m, const struct model_listener *l)
{
	return model_target_group_by_id(m, l->default_action.forwards[0].target_group_id);
}

struct model_target_words
model_target_words(const struct model *m, const struct model_target_group *tg)
{
	const struct model_load_balancer *lb =
		tg->implicit ? model_load_balancer_by_id(m, tg->load_balancer_id) : NULL;

	if (lb == NULL)
		return (struct model_target_words){"target_group", tg->name, "target"};
	return (struct model_target_words){"load_balancer", lb->name, "instance"};
}
