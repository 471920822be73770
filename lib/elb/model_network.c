/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_network.h"

#include <string.h>

int
model_version_of(const struct model_condition_value *value)
{
	static const struct ip_addr any;

	if (ip_addr_is_v4(&value->prefix.addr))
		return value->prefix.len == IP_ADDR_V4_PREFIX ? 4 : 0;
	return value->prefix.len == 0 && ip_addr_equal(&value->prefix.addr, &any) ? 6 : 0;
}

static bool
has_version(const struct model_rule *r, int version)
{
	for (uint32_t i = 0; i < r->conditions_n; i++) {
		for (uint32_t k = 0; k < r->conditions[i].values_n; k++) {
			if (model_version_of(&r->conditions[i].values[k]) == version)
				return true;
		}
	}
	return false;
}

const struct model_action *
model_action_for(const struct model *m, const struct model_listener *l, int version,
		 const struct model_object **about, const char **key)
{
	const struct model_rule *first = NULL;

	for (uint32_t i = 0; i < m->rules_n; i++) {
		const struct model_rule *r = &m->rules[i];

		if (r->listener_id == l->id && has_version(r, version) &&
		    (first == NULL || r->priority < first->priority))
			first = r;
	}
	if (about != NULL)
		*about = first != NULL ? (const void *)first : (const void *)l;
	if (key != NULL)
		*key = first != NULL ? "action" : "default_action";
	return first != NULL ? &first->action : &l->default_action;
}

bool
model_group_is_alb(const struct model_target_group *tg)
{
	const char *type = model_given((const void *)tg, "target_type");

	return type != NULL && strcmp(type, "alb") == 0;
}

static bool
has_address(const struct model_load_balancer *lb, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < lb->addresses_n; i++) {
		if (ip_addr_equal(&lb->addresses[i].addr, addr))
			return true;
	}
	return false;
}

const struct model_listener *
model_alb_at(const struct model *m, const struct ip_addr *addr, uint16_t port)
{
	for (uint32_t i = 0; i < m->listeners_n; i++) {
		const struct model_listener *l = &m->listeners[i];
		const struct model_load_balancer *lb =
			model_load_balancer_by_id(m, l->load_balancer_id);

		if (l->port == port && lb != NULL && lb->type == LB_APPLICATION &&
		    has_address(lb, addr))
			return l;
	}
	return NULL;
}

const struct model_listener *
model_alb_of(const struct model *m, const struct model_listener *l)
{
	const struct model_load_balancer *lb = model_load_balancer_by_id(m, l->load_balancer_id);
	const struct model_action *a = &l->default_action;
	const struct model_target_group *tg =
		a->forwards_n == 0 ? NULL
				   : model_target_group_by_id(m, a->forwards[0].target_group_id);

	if (lb == NULL || lb->type != LB_NETWORK || tg == NULL || tg->targets_n == 0 ||
	    !model_group_is_alb(tg))
		return NULL;
	return model_alb_at(m, &tg->targets[0].addr, tg->targets[0].port);
}
