/* SPDX-License-Identifier: BSD-3-Clause */
#include "snapshot_build.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdarg.h>
#include <stdlib.h>

#include "check.h"
#include "model_classic.h"
#include "model_network.h"
#include "model_sets.h"
#include "snapshot_security.h"
#include "tls.h"

#define UDP_IDLE_MS 120000 /* fixed by ELB */

struct builder {
	struct snapshot *s;
	struct snapshot_registries *registries;
	const struct snapshot_input *in;
	char *why;
	size_t why_len;
	/* Source addresses by interface and family (0: IPv4), as ranges of s->local_refs. */
	uint32_t local_first[SNAPSHOT_INTERFACES][2];
	uint32_t local_n[SNAPSHOT_INTERFACES][2];
	bool secured; /* there was memory for security groups */
};

bool
snapshot_registries_init(struct snapshot_registries *r)
{
	return registry_init(&r->frontends, SNAPSHOT_FRONTENDS) &&
	       registry_init(&r->targets, SNAPSHOT_TARGETS) &&
	       registry_init(&r->groups, SNAPSHOT_GROUPS) &&
	       registry_init(&r->locals, SNAPSHOT_LOCALS) &&
	       registry_init(&r->endpoints, SNAPSHOT_ENDPOINTS);
}

void
snapshot_registries_fini(struct snapshot_registries *r)
{
	registry_fini(&r->frontends);
	registry_fini(&r->targets);
	registry_fini(&r->groups);
	registry_fini(&r->locals);
	registry_fini(&r->endpoints);
}

uint64_t
snapshot_frontend_id(uint64_t listener_id, const struct ip_addr *vip)
{
	char listener[20], addr[IP_ADDR_TEXT_MAX];

	snprintf(listener, sizeof(listener), "%016llx", (unsigned long long)listener_id);
	return model_identity("frontend", listener, ip_addr_format(vip, addr));
}

/* A gateway load balancer's listener has no address. */
static const struct ip_addr no_vip;

uint64_t
snapshot_gateway_frontend_id(uint64_t listener_id)
{
	return snapshot_frontend_id(listener_id, &no_vip);
}

static bool
is_gateway(const struct model_load_balancer *lb)
{
	return lb != NULL && lb->type == LB_GATEWAY;
}

__attribute__((format(printf, 3, 4))) static bool
refuse(struct builder *b, const struct model_origin *origin, const char *format, ...)
{
	int n = snprintf(b->why, b->why_len, "%s:%u: ", origin->file, origin->line);
	va_list args;

	va_start(args, format);
	if (n >= 0 && (size_t)n < b->why_len)
		vsnprintf(b->why + n, b->why_len - (size_t)n, format, args);
	va_end(args);
	return false;
}

static uint16_t
interface_index(const struct builder *b, uint64_t id)
{
	for (uint16_t i = 0; i < b->in->interfaces_n; i++) {
		if (b->in->interface_ids[i] == id)
			return i;
	}
	return UINT16_MAX;
}

static bool
allocate(struct builder *b)
{
	struct snapshot *s = b->s;

	s->frontends_n = b->registries->frontends.entries_n;
	s->targets_n = b->registries->targets.entries_n;
	s->groups_n = b->registries->groups.entries_n;
	s->locals_n = b->registries->locals.entries_n;
	s->endpoints_n = b->registries->endpoints.entries_n;
	s->interfaces_n = b->in->interfaces_n;
	s->frontends = calloc(s->frontends_n, sizeof(*s->frontends));
	s->targets = calloc(s->targets_n, sizeof(*s->targets));
	s->groups = calloc(s->groups_n, sizeof(*s->groups));
	s->locals = calloc(s->locals_n, sizeof(*s->locals));
	s->interfaces = calloc(s->interfaces_n, sizeof(*s->interfaces));
	s->endpoints = calloc(s->endpoints_n, sizeof(*s->endpoints));
	s->local_refs = calloc(s->locals_n, sizeof(*s->local_refs));
	return s->frontends != NULL && s->targets != NULL && s->groups != NULL &&
	       s->locals != NULL && s->interfaces != NULL && s->endpoints != NULL &&
	       s->local_refs != NULL;
}

/* Give every object its index first: the arrays are as long as the highest. */

static uint64_t
local_id(const struct ip_addr *addr)
{
	char text[IP_ADDR_TEXT_MAX];

	return model_identity("local_address", "", ip_addr_format(addr, text));
}

static uint32_t
locals_of(const struct model_interface *mi)
{
	return mi->local_addresses_n > 0 ? mi->local_addresses_n : mi->addresses_n;
}

static const struct ip_addr *
local_of(const struct model_interface *mi, uint32_t k)
{
	return mi->local_addresses_n > 0 ? &mi->local_addresses[k] : &mi->addresses[k].addr;
}

static bool
acquire_all(struct builder *b)
{
	const struct model *m = b->in->model;
	struct snapshot_registries *r = b->registries;
	bool room = true;

	for (uint32_t i = 0; i < m->interfaces_n; i++) {
		for (uint32_t k = 0; k < locals_of(&m->interfaces[i]); k++)
			room &= registry_acquire(&r->locals,
						 local_id(local_of(&m->interfaces[i], k))) != 0;
	}
	for (uint32_t i = 0; i < m->target_groups_n; i++) {
		const struct model_target_group *tg = &m->target_groups[i];

		room &= registry_acquire(&r->groups, tg->id) != 0;
		for (uint32_t k = 0; k < tg->targets_n; k++)
			room &= registry_acquire(&r->targets, tg->targets[k].id) != 0;
	}
	for (uint32_t i = m->target_groups_n; i < m->sets_n; i++)
		room &= registry_acquire(&r->groups, m->sets[i].id) != 0;
	for (uint32_t i = 0; i < m->listeners_n; i++) {
		const struct model_listener *l = &m->listeners[i];
		const struct model_load_balancer *lb =
			model_load_balancer_by_id(m, l->load_balancer_id);

		for (uint32_t k = 0; lb != NULL && k < lb->addresses_n; k++)
			room &= registry_acquire(
					&r->frontends,
					snapshot_frontend_id(l->id, &lb->addresses[k].addr)) != 0;
		if (is_gateway(lb))
			room &= registry_acquire(&r->frontends,
						 snapshot_gateway_frontend_id(l->id)) != 0;
	}
	for (uint32_t i = 0; i < m->endpoints_n; i++)
		room &= registry_acquire(&r->endpoints, m->endpoints[i].id) != 0;
	if (!room)
		snprintf(b->why, b->why_len,
			 "too many objects: at most %u listener addresses, %u targets, %u target "
			 "groups, %u local addresses and %u endpoints, those still draining "
			 "included",
			 SNAPSHOT_FRONTENDS - 1, SNAPSHOT_TARGETS - 1, SNAPSHOT_GROUPS - 1,
			 SNAPSHOT_LOCALS - 1, SNAPSHOT_ENDPOINTS - 1);
	return room;
}

/* Addresses, interfaces, routes. */

static struct snapshot_address *
add_address(struct snapshot *s, const struct ip_addr *addr, enum snapshot_address_kind kind)
{
	for (uint64_t h = hash_cheap(addr->w[0], addr->w[1], 0);; h++) {
		struct snapshot_address *a = &s->addresses[h & s->addresses_mask];

		if (a->kind != SNAPSHOT_ADDRESS_NONE && !ip_addr_equal(&a->addr, addr))
			continue;
		if (a->kind == SNAPSHOT_ADDRESS_NONE) {
			a->addr = *addr;
			a->kind = (uint8_t)kind;
		}
		return a;
	}
}

static uint32_t
power_of_two(uint32_t at_least)
{
	uint32_t n = 16;

	while (n < at_least)
		n *= 2;
	return n;
}

static bool
build_addresses(struct builder *b)
{
	const struct model *m = b->in->model;
	struct snapshot *s = b->s;
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->interfaces_n; i++)
		n += m->interfaces[i].addresses_n + m->interfaces[i].local_addresses_n;
	for (uint32_t i = 0; i < m->load_balancers_n; i++)
		n += m->load_balancers[i].addresses_n;
	n = power_of_two(2 * n);
	s->addresses = calloc(n, sizeof(*s->addresses));
	s->addresses_mask = n - 1;
	if (s->addresses == NULL)
		return false;
	for (uint32_t i = 0; i < m->load_balancers_n; i++) {
		for (uint32_t k = 0; k < m->load_balancers[i].addresses_n; k++)
			add_address(s, &m->load_balancers[i].addresses[k].addr,
				    SNAPSHOT_ADDRESS_VIP);
	}
	for (uint32_t i = 0; i < m->interfaces_n; i++) {
		const struct model_interface *mi = &m->interfaces[i];

		for (uint32_t k = 0; k < mi->addresses_n; k++)
			add_address(s, &mi->addresses[k].addr, SNAPSHOT_ADDRESS_OWN)->interface =
				interface_index(b, mi->id);
		for (uint32_t k = 0; k < mi->local_addresses_n; k++)
			add_address(s, &mi->local_addresses[k], SNAPSHOT_ADDRESS_OWN)->interface =
				interface_index(b, mi->id);
	}
	return true;
}

static void
build_interfaces(struct builder *b)
{
	const struct model *m = b->in->model;
	struct snapshot *s = b->s;
	uint32_t refs_n = 0;

	memcpy(s->interfaces, b->in->interfaces, s->interfaces_n * sizeof(*s->interfaces));
	for (uint32_t i = 0; i < m->interfaces_n; i++) {
		const struct model_interface *mi = &m->interfaces[i];
		uint16_t index = interface_index(b, mi->id);
		struct snapshot_interface *si = &s->interfaces[index];

		si->in_use = 1;
		memset(&si->v4, 0, sizeof(si->v4));
		memset(&si->v6, 0, sizeof(si->v6));
		for (uint32_t k = mi->addresses_n; k-- > 0;) {
			if (ip_addr_is_v4(&mi->addresses[k].addr))
				si->v4 = mi->addresses[k].addr;
			else
				si->v6 = mi->addresses[k].addr;
		}
		for (int family = 0; family < 2; family++) {
			b->local_first[index][family] = refs_n;
			for (uint32_t k = 0; k < locals_of(mi); k++) {
				const struct ip_addr *addr = local_of(mi, k);
				uint32_t reference;
				struct snapshot_address *a;

				if (ip_addr_is_v4(addr) != (family == 0))
					continue;
				reference = registry_find(&b->registries->locals, local_id(addr));
				s->locals[ref_index(reference)] = (struct snapshot_local){
					.addr = *addr,
					.interface = index,
					.generation = (uint16_t)ref_generation(reference)};
				a = add_address(s, addr, SNAPSHOT_ADDRESS_OWN);
				a->is_local = 1;
				a->local = ref_index(reference);
				s->local_refs[refs_n++] = reference;
			}
			b->local_n[index][family] = refs_n - b->local_first[index][family];
		}
	}
	s->local_refs_n = refs_n;
	/* Addresses that left: flows that use them end by and by, the entry stays readable. */
	for (uint32_t i = 1; b->in->previous != NULL && i < b->in->previous->locals_n; i++) {
		if (s->locals[i].generation == 0)
			s->locals[i] = b->in->previous->locals[i];
	}
}

static size_t
count_routes(const struct model *m)
{
	size_t n = 0;

	for (uint32_t i = 0; i < m->interfaces_n; i++)
		n += m->interfaces[i].addresses_n + m->interfaces[i].gateways_n +
		     m->interfaces[i].routes_n;
	return n;
}

static bool
build_routes(struct builder *b)
{
	const struct model *m = b->in->model;
	struct route *routes = calloc(count_routes(m) + 1, sizeof(*routes));
	size_t n = 0;

	if (routes == NULL)
		return false;
	for (uint32_t i = 0; i < m->interfaces_n; i++) {
		const struct model_interface *mi = &m->interfaces[i];
		uint16_t index = interface_index(b, mi->id);

		for (uint32_t k = 0; k < mi->addresses_n; k++)
			routes[n++] = (struct route){.prefix = ip_prefix_network(&mi->addresses[k]),
						     .interface = index};
		for (uint32_t k = 0; k < mi->gateways_n; k++) {
			static const struct ip_addr any4 = {.b = {[10] = 0xff, [11] = 0xff}};
			bool v4 = ip_addr_is_v4(&mi->gateways[k]);
			struct route *r = &routes[n++];

			*r = (struct route){.via = mi->gateways[k], .interface = index};
			if (v4)
				r->prefix = (struct ip_prefix){any4, IP_ADDR_V4_PREFIX};
		}
		for (uint32_t k = 0; k < mi->routes_n; k++)
			routes[n++] = (struct route){.prefix = mi->routes[k].prefix,
						     .via = mi->routes[k].via,
						     .interface = index};
	}
	b->s->routes = route_table_create(routes, n);
	free(routes);
	return b->s->routes != NULL;
}

/* Target groups and frontends. */

static uint8_t
forwarding_of(const struct model_target_group *tg)
{
	if (tg->protocol == ELB_GENEVE)
		return FORWARDING_GENEVE;
	return tg->full_nat ? FORWARDING_FULL_NAT : FORWARDING_NAT;
}

static bool
build_target(struct builder *b, const struct model_target_group *tg, uint32_t group,
	     const struct model_target *mt)
{
	uint32_t reference = registry_find(&b->registries->targets, mt->id);
	const struct route *route = route_lookup(b->s->routes, &mt->addr);
	int family = ip_addr_is_v4(&mt->addr) ? 0 : 1;
	struct model_target_words words = model_target_words(b->in->model, tg);
	char text[IP_ADDR_TEXT_MAX];

	if (model_group_is_alb(tg)) { /* nothing is sent there: see service_of_alb() */
		b->s->targets[ref_index(reference)] =
			(struct snapshot_target){.addr = mt->addr,
						 .port_be = htons(mt->port),
						 .generation = (uint16_t)ref_generation(reference),
						 .af = ip_addr_family(&mt->addr),
						 .group = group,
						 .id = mt->id};
		return true;
	}
	if (route == NULL)
		return refuse(b, &mt->origin,
			      "[%s %s] %s: no route to %s; add an interface address, "
			      "a `gateway` or a `route`",
			      words.kind, words.owner, words.key, ip_addr_format(&mt->addr, text));
	if (snapshot_find_address(b->s, &mt->addr) != NULL)
		return refuse(b, &mt->origin,
			      "[%s %s] %s: %s is an address of weir itself; give one of another "
			      "machine",
			      words.kind, words.owner, words.key, ip_addr_format(&mt->addr, text));
	if (tg->full_nat && b->local_n[route->interface][family] == 0)
		return refuse(b, &mt->origin,
			      "[%s %s] %s: the interface towards %s has no IPv%d "
			      "address to be the source; give it an `address` or `local_address`",
			      words.kind, words.owner, words.key, ip_addr_format(&mt->addr, text),
			      family == 0 ? 4 : 6);
	b->s->targets[ref_index(reference)] =
		(struct snapshot_target){.addr = mt->addr,
					 .port_be = htons(mt->port),
					 .generation = (uint16_t)ref_generation(reference),
					 .af = ip_addr_family(&mt->addr),
					 .forwarding = forwarding_of(tg),
					 .proxy_v2 = tg->proxy_v2,
					 .interface = route->interface,
					 .group = group,
					 .blocked = snapshot_blocked(b->in->model, tg, mt),
					 .local_first = b->local_first[route->interface][family],
					 .local_n = b->local_n[route->interface][family],
					 .id = mt->id};
	return true;
}

/* A group of targets, or what it is for the addresses of another zone. */
static uint32_t
build_group(struct builder *b, const struct model_target_group *tg, uint64_t id)
{
	const struct snapshot *previous = b->in->previous;
	uint32_t index = ref_index(registry_find(&b->registries->groups, id));
	struct snapshot_group *g = &b->s->groups[index];

	g->id = id;
	g->in_use = 1;
	g->zonal = model_group_is_zonal(b->in->model, tg);
	g->sticky = tg->stickiness && tg->stickiness_type == STICKINESS_SOURCE_IP;
	if (model_group_is_tls(tg))
		g->tls = tg->tls;
	if (previous != NULL && index < previous->groups_n && previous->groups[index].id == id) {
		struct tls_client *old = previous->groups[index].tls;

		atomic_init(&g->set, atomic_load(&previous->groups[index].set));
		/* Whose sessions can still be resumed. */
		if (g->tls != NULL && old != NULL && tls_client_is_same(g->tls, old))
			g->tls = old;
	}
	if (g->tls != NULL)
		tls_client_get(g->tls);
	return index;
}

static bool
build_groups(struct builder *b)
{
	const struct model *m = b->in->model;

	for (uint32_t i = m->target_groups_n; i < m->sets_n; i++)
		build_group(b, &m->target_groups[m->sets[i].group], m->sets[i].id);
	for (uint32_t i = 0; i < m->target_groups_n; i++) {
		const struct model_target_group *tg = &m->target_groups[i];
		uint32_t index = build_group(b, tg, tg->id);

		for (uint32_t k = 0; k < tg->targets_n; k++) {
			if (!build_target(b, tg, index, &tg->targets[k]))
				return false;
		}
	}
	return true;
}

/*
 * Targets that left the model: readable until released.  Packets of their flows still go there
 * from sources of this snapshot.
 */
static void
keep_targets(struct builder *b)
{
	const struct snapshot *previous = b->in->previous;

	for (uint32_t i = 1; previous != NULL && i < previous->targets_n; i++) {
		const struct snapshot_target *old = &previous->targets[i];

		if (old->generation == 0 || b->s->targets[i].generation != 0 ||
		    registry_id(&b->registries->targets, ref_make(i, old->generation)) == 0)
			continue;
		b->s->targets[i] = *old;
		b->s->targets[i].local_first = b->local_first[old->interface][old->af == 4 ? 0 : 1];
		b->s->targets[i].local_n = b->local_n[old->interface][old->af == 4 ? 0 : 1];
	}
}

static uint8_t
protocols_of(enum elb_protocol protocol)
{
	switch (protocol) {
	case ELB_TCP:
		return SNAPSHOT_TCP;
	case ELB_UDP:
		return SNAPSHOT_UDP;
	case ELB_TCP_UDP:
		return SNAPSHOT_TCP | SNAPSHOT_UDP;
	case ELB_TLS:
	case ELB_SSL:
	case ELB_HTTP:
	case ELB_HTTPS:
		return SNAPSHOT_TCP;
	default:
		return 0;
	}
}

static void
enter_frontend(struct snapshot *s, uint32_t index, uint8_t protocol)
{
	const struct snapshot_frontend *f = &s->frontends[index];
	uint64_t h;

	if ((f->protocols & protocol) == 0)
		return;
	h = snapshot_frontend_hash(&f->vip, f->port_be, protocol);
	while (s->frontend_buckets[h & s->frontend_mask] != 0)
		h++;
	s->frontend_buckets[h & s->frontend_mask] = index;
}

/* Of a rate for the whole box; a rate never becomes none. */
static uint32_t
share_of_worker(const struct builder *b, uint32_t per_second)
{
	return (per_second + b->in->workers_n - 1) / b->in->workers_n;
}

static void
build_frontend(struct builder *b, const struct model_listener *l, const struct ip_addr *vip,
	       const char *zone, struct snapshot_service *service)
{
	const struct model *m = b->in->model;
	uint8_t terminates = service == NULL ? SNAPSHOT_PASSES : service->terminates;
	const struct model_action *action =
		terminates == SNAPSHOT_ENDS_HTTP
			? &l->default_action
			: model_action_for(m, l, ip_addr_family(vip), NULL, NULL);
	uint64_t id = snapshot_frontend_id(l->id, vip);
	uint32_t reference = registry_find(&b->registries->frontends, id);
	struct snapshot_frontend *f = &b->s->frontends[ref_index(reference)];

	*f = (struct snapshot_frontend){.vip = *vip,
					.port_be = htons(l->port),
					.af = ip_addr_family(vip),
					.protocols = protocols_of(l->protocol),
					.generation = (uint16_t)ref_generation(reference),
					.draining = b->in->refuse_new_flows,
					.terminates = terminates,
					.sticky = action->stickiness_seconds > 0,
					.tcp_idle_ms = l->tcp_idle_timeout_s * 1000,
					.udp_idle_ms = UDP_IDLE_MS,
					.new_flows = share_of_worker(b, l->new_flows_per_second),
					.new_flows_per_source =
						share_of_worker(b, l->new_flows_per_source),
					.listener_id = l->id,
					.service = service};
	if (service != NULL)
		service->references++;
	b->secured &= snapshot_secure_frontend(m, l, f);
	if (vip != &no_vip)
		snapshot_address_of(b->s, vip)->frontend = ref_index(reference);
	for (uint32_t i = 0; i < action->forwards_n; i++) {
		const struct model_forward *forward = &action->forwards[i];
		const struct model_target_group *tg =
			model_target_group_by_id(m, forward->target_group_id);

		f->forwards[f->forwards_n].group = ref_index(registry_find(
			&b->registries->groups, tg == NULL ? 0 : model_set_id(m, tg, zone)));
		f->forwards[f->forwards_n].weight = forward->weight;
		f->weight_sum += forward->weight;
		f->forwards_n++;
	}
}

/* What serves an application load balancer's listener at one of its addresses. */
static struct snapshot_service *
service_of_alb(const struct builder *b, const struct model_listener *alb)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(b->in->model, alb->load_balancer_id);
	uint64_t id = snapshot_frontend_id(alb->id, &lb->addresses[0].addr);

	return b->s->frontends[ref_index(registry_find(&b->registries->frontends, id))].service;
}

/*
 * A listener that terminates has one service for all its addresses.  So has one of a network load
 * balancer in front of `alb`: connections end there as if they had come to that one.
 */
static bool
build_listener(struct builder *b, const struct model_listener *l,
	       const struct model_load_balancer *lb, const struct model_listener *alb)
{
	struct snapshot_service *service = NULL;

	if (is_gateway(lb)) {
		build_frontend(b, l, &no_vip, "", NULL);
		return true;
	}
	if (lb == NULL || lb->addresses_n == 0)
		return true;
	if (lb->type == LB_APPLICATION || lb->type == LB_CLASSIC || l->protocol == ELB_TLS) {
		service = b->in->service(b->in->service_arg, b->in, b->registries, l, b->why,
					 b->why_len);
		if (service == NULL)
			return false;
	}
	if (alb != NULL)
		service = service_of_alb(b, alb);
	for (uint32_t k = 0; k < lb->addresses_n; k++)
		build_frontend(b, l, &lb->addresses[k].addr, lb->addresses[k].zone, service);
	return true;
}

static bool
build_frontends(struct builder *b)
{
	const struct model *m = b->in->model;
	const struct snapshot *previous = b->in->previous;
	struct snapshot *s = b->s;
	uint32_t n = power_of_two(4 * s->frontends_n);

	s->frontend_buckets = calloc(n, sizeof(*s->frontend_buckets));
	s->frontend_mask = n - 1;
	if (s->frontend_buckets == NULL)
		return false;
	/* Those in front of others come last. */
	for (uint32_t i = 0; i < 2 * m->listeners_n; i++) {
		const struct model_listener *l = &m->listeners[i % m->listeners_n];
		const struct model_load_balancer *lb =
			model_load_balancer_by_id(m, l->load_balancer_id);
		const struct model_listener *alb = model_alb_of(m, l);

		if ((alb != NULL) == (i >= m->listeners_n) && !build_listener(b, l, lb, alb))
			return false;
	}
	for (uint32_t i = 1; previous != NULL && i < previous->frontends_n; i++) {
		const struct snapshot_frontend *old = &previous->frontends[i];

		if (old->generation == 0 || s->frontends[i].generation != 0 ||
		    registry_id(&b->registries->frontends, ref_make(i, old->generation)) == 0)
			continue;
		s->frontends[i] = *old;
		s->frontends[i].draining = 1;
		s->frontends[i].tcp_sources = NULL; /* that one's; no flow begins here */
		s->frontends[i].udp_sources = NULL;
		if (old->service != NULL)
			old->service->references++;
	}
	/* Those in force before those that drain: a listener may have been made anew. */
	for (int draining = 0; draining < 2; draining++) {
		for (uint32_t i = 1; i < s->frontends_n; i++) {
			if (s->frontends[i].generation == 0 || s->frontends[i].draining != draining)
				continue;
			enter_frontend(s, i, SNAPSHOT_TCP);
			enter_frontend(s, i, SNAPSHOT_UDP);
		}
	}
	return true;
}

/* Gateway endpoints. */

static const struct model_listener *
listener_of(const struct model *m, uint64_t load_balancer_id)
{
	for (uint32_t i = 0; i < m->listeners_n; i++) {
		if (m->listeners[i].load_balancer_id == load_balancer_id)
			return &m->listeners[i];
	}
	return NULL;
}

static uint8_t
flow_key_of(const struct model_target_group *tg)
{
	if (!tg->stickiness)
		return FLOW_KEY_5_TUPLE;
	return tg->stickiness_type == STICKINESS_SOURCE_IP_DEST_IP ? FLOW_KEY_2_TUPLE
								   : FLOW_KEY_3_TUPLE;
}

/* Without a listener, or one without a group, an endpoint has no frontend: nothing passes. */
static void
build_endpoint(struct builder *b, const struct model_endpoint *me)
{
	const struct model *m = b->in->model;
	uint32_t reference = registry_find(&b->registries->endpoints, me->id);
	struct snapshot_endpoint *e = &b->s->endpoints[ref_index(reference)];
	const struct model_load_balancer *lb = model_load_balancer_by_id(m, me->load_balancer_id);
	const struct model_listener *l = listener_of(m, me->load_balancer_id);
	const struct model_target_group *tg =
		l == NULL || l->default_action.forwards_n == 0
			? NULL
			: model_target_group_by_id(m,
						   l->default_action.forwards[0].target_group_id);

	*e = (struct snapshot_endpoint){.id_be = htobe64(me->endpoint_id),
					.attachment_be = htobe64(me->attachment_id),
					.generation = (uint16_t)ref_generation(reference),
					.in_line = me->in_line};
	if (lb != NULL && tg != NULL) {
		e->frontend = registry_find(&b->registries->frontends,
					    snapshot_gateway_frontend_id(l->id));
		e->group = ref_index(registry_find(&b->registries->groups, tg->id));
		e->flow_key = flow_key_of(tg);
		e->fail_mode = (uint8_t)tg->fail_mode;
		e->icmp_mtu_exceeded = lb->icmp_mtu_exceeded;
		e->reset_on_idle = l->reset_on_idle;
	}
	b->s->has_endpoints = true;
	for (uint32_t k = 0; k < me->interfaces_n; k++) {
		const struct model_interface *mi = model_interface(m, me->interfaces[k]);
		struct snapshot_interface *si = &b->s->interfaces[interface_index(b, mi->id)];

		si->endpoint = reference;
		si->in_line = me->in_line;
		if (me->in_line)
			si->peer =
				interface_index(b, model_interface(m, me->interfaces[1 - k])->id);
	}
}

struct snapshot *
snapshot_build(struct snapshot_registries *registries, const struct snapshot_input *input,
	       char *why, size_t why_len)
{
	struct builder *b = calloc(1, sizeof(*b));
	struct snapshot *s = calloc(1, sizeof(*s));
	uint32_t modulus;

	snprintf(why, why_len, "no memory for a snapshot");
	if (b == NULL || s == NULL)
		goto fail;
	*b = (struct builder){.s = s,
			      .registries = registries,
			      .in = input,
			      .why = why,
			      .why_len = why_len,
			      .secured = true};
	s->config_revision = input->config_revision;
	s->generation = input->generation;
	s->workers_n = input->workers_n;
	memcpy(s->config_hash, input->model->hash, sizeof(s->config_hash));
	modulus = input->steer_modulus != 0 ? input->steer_modulus : SNAPSHOT_SLOTS;
	for (uint32_t slot = 0; slot < SNAPSHOT_SLOTS; slot++)
		s->worker_of[slot] = (uint8_t)(slot % modulus % input->workers_n);

	if (!acquire_all(b) || !allocate(b) || !build_addresses(b))
		goto fail;
	build_interfaces(b);
	if (!build_routes(b) || !build_groups(b) || !build_frontends(b))
		goto fail;
	for (uint32_t i = 0; i < input->model->endpoints_n; i++)
		build_endpoint(b, &input->model->endpoints[i]);
	b->secured &= snapshot_secure_addresses(input->model, s);
	if (!b->secured)
		goto fail;
	keep_targets(b);
	free(b);
	why[0] = '\0';
	return s;

fail:
	free(b);
	snapshot_free(s);
	return NULL;
}

void
snapshot_free(struct snapshot *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 1; s->frontends != NULL && i < s->frontends_n; i++) {
		struct snapshot_service *service = s->frontends[i].service;

		if (service != NULL && --service->references == 0)
			service->free(service);
	}
	for (uint32_t i = 0; s->groups != NULL && i < s->groups_n; i++)
		tls_client_put(s->groups[i].tls);
	snapshot_free_security(s);
	free(s->frontends);
	free(s->targets);
	free(s->groups);
	free(s->locals);
	free(s->interfaces);
	free(s->endpoints);
	free(s->local_refs);
	free(s->addresses);
	free(s->frontend_buckets);
	route_table_free((struct route_table *)(uintptr_t)s->routes);
	free(s);
}
