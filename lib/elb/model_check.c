/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_checker.h"

#include <stdarg.h>
#include <stdlib.h>

#include "model_keys.h"
#include "model_network.h"
#include "model_sets.h"
#include "model_value.h"

/* The line of a key that was given, or of the section. */
static const struct model_origin *
origin_of(const struct model_object *object, const char *key)
{
	for (uint32_t i = 0; i < object->given.n; i++) {
		if (strcmp(object->given.items[i].key, key) == 0)
			return &object->given.items[i].origin;
	}
	return &object->origin;
}

/* The line of the `nth` value of a repeated key. */
const struct model_origin *
model_origin_of_nth(const struct model_object *object, const char *key, uint32_t nth)
{
	for (uint32_t i = 0; i < object->given.n; i++) {
		if (strcmp(object->given.items[i].key, key) == 0 && nth-- == 0)
			return &object->given.items[i].origin;
	}
	return &object->origin;
}

void
model_fault(struct checker *c, const void *about, const char *key,
	    const struct model_origin *origin, const char *allowed, const char *format, ...)
{
	const struct model_object *object = about;
	char what[MODEL_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	c->clean = false;
	c->report(c->arg, object, key, origin != NULL ? origin : origin_of(object, key), what,
		  allowed);
}

/* [system], [dataplane], ... */

/* Defaults that hold the instance's name. */
static void
name_after_instance(struct model *m, const struct model_object *object, const char *key,
		    char *field, size_t size, const char *format)
{
	if (model_given(object, key) != NULL)
		return;
	snprintf(field, size, format, m->system.instance);
}

static void
check_absolute(struct checker *c, const void *object, const char *key, const char *path)
{
	if (path[0] != '\0' && path[0] != '/')
		model_fault(c, object, key, NULL, "an absolute path",
			    "`%s` is not an absolute path", path);
}

static void
check_system(struct checker *c)
{
	struct model *m = c->m;
	const char *instance = m->system.instance;

	if (*instance == '\0' ||
	    instance[strspn(instance, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"
				      "OPQRSTUVWXYZ0123456789-_")] != '\0')
		model_fault(c, &m->system, "instance", NULL, "1 to 32 letters, digits, `-` and `_`",
			    "`%s` cannot be an instance's name", instance);
	if (strlen(m->system.account) != 12 || strspn(m->system.account, "0123456789") != 12)
		model_fault(c, &m->system, "account", NULL, "12 digits", "`%s` is not 12 digits",
			    m->system.account);
	name_after_instance(m, (struct model_object *)&m->system, "state_directory",
			    m->system.state_directory, sizeof(m->system.state_directory),
			    "/var/lib/weir/%s");
	name_after_instance(m, (struct model_object *)&m->management, "control_socket",
			    m->management.control_socket, sizeof(m->management.control_socket),
			    "/run/weir/%s.sock");
	check_absolute(c, &m->system, "state_directory", m->system.state_directory);
	check_absolute(c, &m->system, "log_directory", m->system.log_directory);
	check_absolute(c, &m->management, "control_socket", m->management.control_socket);
	check_absolute(c, &m->cluster, "secret_file", m->cluster.secret_file);
	if (strspn(m->dataplane.lcores, "0123456789,-@()") != strlen(m->dataplane.lcores))
		model_fault(c, &m->dataplane, "lcores", NULL,
			    "EAL's --lcores syntax, such as 0@0,1@1,2@1",
			    "`%s` is not a list of lcores", m->dataplane.lcores);
}

/* Addresses: each has one owner. */

struct owned {
	struct ip_addr addr;
	const struct model_object *owner;
	const char *key;
	const struct model_origin *origin;
	bool may_repeat; /* a local address that is an address of the same interface */
};

struct owned_list {
	struct owned *items;
	uint32_t n;
};

static int
compare_owned(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	int order = memcmp(x->addr.b, y->addr.b, 16);

	if (order != 0)
		return order;
	order = strcmp(x->origin->file, y->origin->file);
	return order != 0 ? order : (int)x->origin->line - (int)y->origin->line;
}

static void
own(struct owned_list *list, const struct ip_addr *addr, const void *owner, const char *key,
    uint32_t nth)
{
	struct owned o = {.addr = *addr, .owner = owner, .key = key};

	o.origin = model_origin_of_nth(owner, key, nth);
	o.may_repeat = strcmp(key, "local_address") == 0;
	model_append(&list->items, &list->n, &o, sizeof(o));
}

static int
compare_owned_addr(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;

	return memcmp(x->addr.b, y->addr.b, 16);
}

/* The `nth` value of `key`, which is `target` or `instance`. */
static void
check_is_elsewhere(struct checker *c, const struct owned_list *list, const void *about,
		   const char *key, uint32_t nth, const struct ip_addr *addr)
{
	struct owned wanted = {.addr = *addr};
	const struct owned *o =
		bsearch(&wanted, list->items, list->n, sizeof(wanted), compare_owned_addr);

	if (o != NULL)
		model_fault(c, about, key, model_origin_of_nth(about, key, nth),
			    "an address of another machine",
			    "the %s is an address of [%s %s] (%s:%u)", key,
			    model_kind_name(o->owner->object_kind), o->owner->name, o->origin->file,
			    o->origin->line);
}

/* A packet to an own address never leaves the box. `list` is sorted. */
static void
check_targets_are_elsewhere(struct checker *c, const struct owned_list *list)
{
	const struct model *m = c->m;

	for (uint32_t i = 0; list->n > 0 && i < m->target_groups_n; i++) {
		const struct model_target_group *tg = &m->target_groups[i];

		for (uint32_t k = 0; k < tg->targets_n && !model_group_is_alb(tg) && !tg->implicit;
		     k++)
			check_is_elsewhere(c, list, tg, "target", k, &tg->targets[k].addr);
	}
	for (uint32_t i = 0; list->n > 0 && i < m->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->load_balancers[i];

		for (uint32_t k = 0; k < lb->instances_n; k++)
			check_is_elsewhere(c, list, lb, "instance", k, &lb->instances[k].addr);
	}
}

static void
check_owners(struct checker *c)
{
	const struct model *m = c->m;
	struct owned_list list = {0};

	for (uint32_t i = 0; i < m->interfaces_n; i++) {
		const struct model_interface *mi = &m->interfaces[i];

		for (uint32_t k = 0; k < mi->addresses_n; k++)
			own(&list, &mi->addresses[k].addr, mi, "address", k);
		for (uint32_t k = 0; k < mi->local_addresses_n; k++)
			own(&list, &mi->local_addresses[k], mi, "local_address", k);
	}
	for (uint32_t i = 0; i < m->load_balancers_n; i++) {
		for (uint32_t k = 0; k < m->load_balancers[i].addresses_n; k++)
			own(&list, &m->load_balancers[i].addresses[k].addr, &m->load_balancers[i],
			    "address", k);
	}
	if (list.n > 0)
		qsort(list.items, list.n, sizeof(*list.items), compare_owned);
	for (uint32_t i = 1; i < list.n; i++) {
		const struct owned *a = &list.items[i - 1], *b = &list.items[i];
		char text[IP_ADDR_TEXT_MAX];

		if (!ip_addr_equal(&a->addr, &b->addr) ||
		    (a->owner == b->owner && a->may_repeat != b->may_repeat))
			continue;
		model_fault(c, b->owner, b->key, b->origin, "an address nobody else has",
			    "%s is an address of [%s %s] already (%s:%u)",
			    ip_addr_format(&b->addr, text), model_kind_name(a->owner->object_kind),
			    a->owner->name, a->origin->file, a->origin->line);
	}
	check_targets_are_elsewhere(c, &list);
	free(list.items);
}

/* Routes: of two to one prefix only the first would be used. */

struct routed {
	struct ip_prefix prefix;
	const struct model_interface *interface;
	const char *key;
	const struct model_origin *origin;
};

static int
compare_routed(const void *a, const void *b)
{
	const struct routed *x = a, *y = b;
	int order = memcmp(x->prefix.addr.b, y->prefix.addr.b, 16);

	if (order == 0)
		order = (int)x->prefix.len - (int)y->prefix.len;
	if (order == 0)
		order = strcmp(x->origin->file, y->origin->file);
	return order != 0 ? order : (int)x->origin->line - (int)y->origin->line;
}

static struct ip_prefix
default_prefix(const struct ip_addr *gateway)
{
	struct ip_prefix p = {.addr = *gateway,
			      .len = ip_addr_is_v4(gateway) ? IP_ADDR_V4_PREFIX : 0};

	return ip_prefix_network(&p);
}

static void
check_routes(struct checker *c)
{
	struct routed *routes = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->m->interfaces_n; i++) {
		const struct model_interface *mi = &c->m->interfaces[i];
		struct routed r = {.interface = mi, .key = "gateway"};

		for (uint32_t k = 0; k < mi->gateways_n; k++) {
			r.prefix = default_prefix(&mi->gateways[k]);
			r.origin = model_origin_of_nth((const void *)mi, "gateway", k);
			model_append(&routes, &n, &r, sizeof(r));
		}
		r.key = "route";
		for (uint32_t k = 0; k < mi->routes_n; k++) {
			r.prefix = mi->routes[k].prefix;
			r.origin = model_origin_of_nth((const void *)mi, "route", k);
			model_append(&routes, &n, &r, sizeof(r));
		}
	}
	if (n > 0)
		qsort(routes, n, sizeof(*routes), compare_routed);
	for (uint32_t i = 1; i < n; i++) {
		const struct routed *a = &routes[i - 1], *b = &routes[i];
		char text[IP_ADDR_TEXT_MAX];

		if (a->prefix.len == b->prefix.len &&
		    ip_addr_equal(&a->prefix.addr, &b->prefix.addr))
			model_fault(c, b->interface, b->key, b->origin, "one route to each prefix",
				    "%s has a route already: [interface %s] (%s:%u)",
				    ip_prefix_format(&b->prefix, text), a->interface->name,
				    a->origin->file, a->origin->line);
	}
	free(routes);
}

/* [interface NAME] */

static bool
on_link(const struct model_interface *mi, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < mi->addresses_n; i++) {
		if (ip_prefix_contains(&mi->addresses[i], addr))
			return true;
	}
	return false;
}

static void
check_gateways(struct checker *c, const struct model_interface *mi)
{
	char text[IP_ADDR_TEXT_MAX];

	for (uint32_t k = 0; k < mi->gateways_n; k++) {
		if (!on_link(mi, &mi->gateways[k]))
			model_fault(c, mi, "gateway",
				    model_origin_of_nth((const void *)mi, "gateway", k),
				    "an address within one of the interface's prefixes",
				    "%s is not on the interface's link",
				    ip_addr_format(&mi->gateways[k], text));
	}
	for (uint32_t k = 0; k < mi->routes_n; k++) {
		if (!on_link(mi, &mi->routes[k].via))
			model_fault(c, mi, "route",
				    model_origin_of_nth((const void *)mi, "route", k),
				    "a gateway within one of the interface's prefixes",
				    "%s is not on the interface's link",
				    ip_addr_format(&mi->routes[k].via, text));
	}
}

static void
check_parent(struct checker *c, const struct model_interface *mi)
{
	const struct model_interface *parent =
		(const struct model_interface *)model_find(c->m, MODEL_INTERFACE, mi->parent);

	if (parent == NULL || parent->device[0] == '\0')
		model_fault(c, mi, "parent", NULL, "the name of an interface with a device",
			    "`%s` is no interface with a device", mi->parent);
	else if (mi->mtu > parent->mtu)
		model_fault(c, mi, "mtu", NULL, "at most the parent's",
			    "%u is above the parent's %u", mi->mtu, parent->mtu);
	if (model_given((const void *)mi, "mac") != NULL)
		model_fault(c, mi, "mac", NULL, "only with a device",
			    "a VLAN has the MAC address of its parent");
	if (mi->vlan == 0)
		model_fault(c, mi, "vlan", NULL, "vlan = 1 to 4094", "a parent without a VLAN ID");
	for (const struct model_interface *o = c->m->interfaces; o < mi; o++) {
		if (strcmp(o->parent, mi->parent) == 0 && o->vlan == mi->vlan)
			model_fault(c, mi, "vlan", NULL, "a VLAN ID of its own",
				    "VLAN %u of %s is [interface %s] already", mi->vlan, mi->parent,
				    o->name);
	}
}

static void
check_interface(struct checker *c, const struct model_interface *mi)
{
	if ((mi->device[0] != '\0') == (mi->parent[0] != '\0')) {
		model_fault(c, mi, "", NULL, "device = ..., or parent = ... and vlan = ...",
			    mi->device[0] != '\0' ? "both a device and a parent"
						  : "neither a device nor a parent");
		return;
	}
	if (mi->parent[0] != '\0')
		check_parent(c, mi);
	else if (mi->vlan != 0)
		model_fault(c, mi, "vlan", NULL, "an interface of its own with parent and vlan",
			    "a VLAN ID without a parent");
	for (const struct model_interface *o = c->m->interfaces; o < mi; o++) {
		if (mi->device[0] != '\0' && strcmp(o->device, mi->device) == 0)
			model_fault(c, mi, "device", NULL, "a device of its own",
				    "the device is that of [interface %s] already", o->name);
	}
	check_gateways(c, mi);
}

static void
check_interfaces(struct checker *c)
{
	for (uint32_t i = 0; i < c->m->interfaces_n; i++)
		check_interface(c, &c->m->interfaces[i]);
	if (c->m->interfaces_n == 0)
		model_fault(c, &c->m->system, "", &c->m->system.origin, "[interface NAME]",
			    "no interface is configured");
	if (c->m->interfaces_n > 64)
		model_fault(c, &c->m->interfaces[64], "", NULL, "at most 64",
			    "too many interfaces");
}

void
model_check_keys_are_for(struct checker *c, const void *about, enum load_balancer_type type)
{
	const struct model_object *object = about;

	for (uint32_t i = 0; i < object->given.n; i++) {
		const struct model_attribute *a = &object->given.items[i];
		char types[MODEL_TEXT_MAX], allowed[MODEL_TEXT_MAX + 32];

		if (model_key_is_for(&model_keys[a->row], type))
			continue;
		snprintf(allowed, sizeof(allowed), "leave it out; it is for type %s",
			 model_key_types(&model_keys[a->row], types));
		model_fault(c, object, a->key, &a->origin, allowed,
			    "the key does not apply to load balancers of type %s",
			    load_balancer_type_name(type));
	}
}

/* [load_balancer NAME] */

static void
check_load_balancers(struct checker *c)
{
	for (uint32_t i = 0; i < c->m->load_balancers_n; i++) {
		struct model_load_balancer *lb = &c->m->load_balancers[i];

		if (model_given((const void *)lb, "type") == NULL)
			model_fault(c, lb, "type", NULL, "application, network, classic, gateway",
				    "the type is missing");
		model_check_security_groups(c, lb);
		if (lb->type == LB_APPLICATION)
			model_check_application(c, lb);
		else
			model_check_not_application(c, lb);
		if (lb->type == LB_CLASSIC)
			model_check_classic(c, lb);
		if (model_given((const void *)lb, "type") != NULL)
			model_check_keys_are_for(c, lb, lb->type);
		if (lb->type == LB_GATEWAY ? lb->addresses_n > 0 : lb->addresses_n == 0)
			model_fault(c, lb, "address", NULL,
				    lb->type == LB_GATEWAY ? "none" : "address = ADDRESS",
				    lb->type == LB_GATEWAY
					    ? "a gateway load balancer has no address"
					    : "the address is missing");
	}
}

/* [target_group NAME] */

static bool
target_is_before(const struct model_target_group *tg, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++) {
		if (tg->targets[k].id == tg->targets[i].id)
			return true;
	}
	return false;
}

static int
compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool
has_duplicates(const struct model_target_group *tg)
{
	uint64_t *ids = calloc(tg->targets_n + 1, sizeof(*ids));
	bool found = false;

	if (ids == NULL)
		return true;
	for (uint32_t i = 0; i < tg->targets_n; i++)
		ids[i] = tg->targets[i].id;
	qsort(ids, tg->targets_n, sizeof(*ids), compare_u64);
	for (uint32_t i = 1; i < tg->targets_n; i++)
		found |= ids[i] == ids[i - 1];
	free(ids);
	return found;
}

static void
check_targets(struct checker *c, struct model_target_group *tg)
{
	bool duplicates = has_duplicates(tg);
	uint32_t nth = 0;

	for (uint32_t i = 0; i < tg->given.n && nth < tg->targets_n; i++) {
		if (strcmp(tg->given.items[i].key, "target") == 0)
			tg->targets[nth++].origin = tg->given.items[i].origin;
	}
	for (uint32_t i = 0; i < tg->targets_n; i++) {
		struct model_target *t = &tg->targets[i];

		if (duplicates && target_is_before(tg, i))
			model_fault(c, tg, "target", &t->origin, "each target once",
				    "the target is registered twice");
		if (ip_addr_family(&t->addr) != ip_addr_family(&tg->targets[0].addr))
			model_fault(c, tg, "target", &t->origin, "IPv4 or IPv6, not both",
				    "the group's other targets are of the other address family");
	}
}

static bool
is_datagram(enum elb_protocol p)
{
	return p == ELB_UDP || p == ELB_TCP_UDP || p == ELB_QUIC || p == ELB_TCP_QUIC;
}

/* N:edit-target-group-attributes: instance, or UDP: preserved; ip with TCP: not. */
static bool
preserves_client_ip(const struct model_target_group *tg)
{
	const char *given = model_given((const void *)tg, "preserve_client_ip.enabled");
	const char *type = model_given((const void *)tg, "target_type");

	if (given != NULL)
		return strcmp(given, "true") == 0;
	return (type != NULL && strcmp(type, "instance") == 0) || is_datagram(tg->protocol);
}

static void
resolve_forwarding(struct checker *c, struct model_target_group *tg)
{
	const char *preserve = model_given((const void *)tg, "preserve_client_ip.enabled");

	if (tg->protocol == ELB_GENEVE) {
		tg->full_nat = true; /* the source is weir's own */
		if (tg->forwarding != TG_FORWARDING_DEFAULT &&
		    tg->forwarding != TG_FORWARDING_GENEVE)
			model_fault(c, tg, "forwarding", NULL, "geneve",
				    "GENEVE target groups are forwarded to in no other way");
		return;
	}
	if (model_group_is_http(tg)) {
		tg->full_nat = true; /* connections of weir's own */
		if (tg->forwarding != TG_FORWARDING_DEFAULT &&
		    tg->forwarding != TG_FORWARDING_FULL_NAT)
			model_fault(c, tg, "forwarding", NULL, "full_nat",
				    "HTTP target groups are forwarded to in no other way");
		return;
	}
	tg->full_nat = tg->forwarding == TG_FORWARDING_FULL_NAT ||
		       (tg->forwarding == TG_FORWARDING_DEFAULT && !preserves_client_ip(tg));
	if (tg->forwarding > TG_FORWARDING_FULL_NAT)
		model_fault(c, tg, "forwarding", NULL, "nat, full_nat",
			    "this way of forwarding has no data path in this version");
	else if (preserve != NULL && tg->forwarding != TG_FORWARDING_DEFAULT &&
		 tg->full_nat == (strcmp(preserve, "true") == 0))
		model_fault(c, tg, "forwarding", NULL,
			    "nat with preserve_client_ip.enabled = true, full_nat with false",
			    "it contradicts preserve_client_ip.enabled = %s", preserve);
}

static void
check_health_check(struct checker *c, struct model_target_group *tg)
{
	struct model_health_check *hc = &tg->health_check;

	if (hc->timeout_s > hc->interval_s) {
		if (model_given((const void *)tg, "health_check.timeout_seconds") != NULL)
			model_fault(c, tg, "health_check.timeout_seconds", NULL,
				    "at most health_check.interval_seconds",
				    "%u s is longer than the interval of %u s", hc->timeout_s,
				    hc->interval_s);
		hc->timeout_s = hc->interval_s;
	}
	if (tg->protocol == ELB_GENEVE && hc->protocol != ELB_TCP)
		model_fault(c, tg, "health_check.protocol", NULL, "TCP",
			    "%s health checks of gateways are not in this version",
			    elb_protocol_name(hc->protocol));
}

static enum load_balancer_type
type_of_group(enum elb_protocol protocol)
{
	switch (protocol) {
	case ELB_HTTP:
	case ELB_HTTPS:
		return LB_APPLICATION;
	case ELB_GENEVE:
		return LB_GATEWAY;
	default:
		return LB_NETWORK;
	}
}

static void
check_target_group(struct checker *c, struct model_target_group *tg)
{
	if (model_given((const void *)tg, "protocol") == NULL) {
		model_fault(c, tg, "protocol", NULL, "HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE",
			    "the protocol is missing");
	} else if (tg->protocol != ELB_TCP && tg->protocol != ELB_UDP &&
		   tg->protocol != ELB_TCP_UDP && tg->protocol != ELB_GENEVE &&
		   tg->protocol != ELB_TLS && !model_group_is_http(tg)) {
		model_fault(c, tg, "protocol", NULL, "HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE",
			    "%s target groups have no data path in this version",
			    elb_protocol_name(tg->protocol));
	}
	if (model_given((const void *)tg, "protocol") != NULL)
		model_check_keys_are_for(c, tg, type_of_group(tg->protocol));
	if (model_given((const void *)tg, "deregistration_delay.connection_termination.enabled") ==
	    NULL)
		tg->connection_termination = is_datagram(tg->protocol);
	resolve_forwarding(c, tg);
	/* Its default is for network load balancers. */
	if (tg->protocol == ELB_GENEVE || model_group_is_http(tg))
		tg->unhealthy_termination = false;
	if (tg->protocol == ELB_GENEVE)
		model_check_gateway_group(c, tg);
	else if (model_group_is_http(tg))
		model_check_application_group(c, tg);
	else
		model_check_network_group(c, tg);
	if (tg->protocol == ELB_GENEVE)
		model_check_not_http_group(c, tg);
	else
		model_check_group_health(c, tg);
	check_health_check(c, tg);
	model_check_target_trust(c, tg);
	model_check_target_tls(c, tg);
	check_targets(c, tg);
}

bool
model_check(struct model *model, model_report report, void *arg)
{
	struct checker c = {.m = model, .report = report, .arg = arg, .clean = true};

	check_system(&c);
	check_interfaces(&c);
	check_owners(&c);
	check_routes(&c);
	for (uint32_t i = 0; i < model->certificates_n; i++)
		model_check_certificate(&c, &model->certificates[i]);
	for (uint32_t i = 0; i < model->ssl_policies_n; i++)
		model_check_ssl_policy(&c, &model->ssl_policies[i]);
	for (uint32_t i = 0; i < model->trust_stores_n; i++)
		model_check_trust_store(&c, &model->trust_stores[i]);
	check_load_balancers(&c);
	for (uint32_t i = 0; i < model->target_groups_n; i++) {
		if (!model->target_groups[i].implicit)
			check_target_group(&c, &model->target_groups[i]);
	}
	for (uint32_t i = 0; i < model->listeners_n; i++)
		model_check_listener(&c, &model->listeners[i]);
	model_check_rules(&c);
	model_check_endpoints(&c);
	if (!model_make_sets(model))
		model_fault(&c, &model->system, "", NULL, "", "no memory");
	return c.clean;
}
