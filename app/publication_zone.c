/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zones of load balancers: an address whose zone has too few healthy targets is not announced.
 *
 * It stands for the answer that ELB's DNS would no longer give: weir stops answering ARP and ND for
 * the address, so that another box can have it; what still comes is served.  When no zone of a
 * load balancer is well, all its addresses stay.
 */
#include "management.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "model_sets.h"
#include "operation_json.h"

/* A zone must be well for so long before its addresses come back. */
#define HOLD_UP_MS 10000

static struct managed_address *
find(struct managed_address *addresses, uint32_t n, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < n; i++) {
		if (ip_addr_equal(&addresses[i].addr, addr))
			return &addresses[i];
	}
	return NULL;
}

bool
publication_is_announced(const struct management *m, const struct ip_addr *addr)
{
	const struct managed_address *a = find(m->addresses, m->addresses_n, addr);

	return a == NULL || !a->withdrawn;
}

/* Of a target nothing bad is known. */
static bool
is_well(const struct management *m, uint64_t target)
{
	const struct target_health *h = health_of(m->health, target);

	return h == NULL || h->state == TARGET_HEALTHY || h->state == TARGET_INITIAL ||
	       h->state == TARGET_UNAVAILABLE;
}

static bool
group_is_well(const struct management *m, const struct model_target_group *tg, const char *zone)
{
	uint64_t healthy = 0, n = 0;

	for (uint32_t i = 0; i < tg->targets_n; i++) {
		if (!tg->cross_zone && !model_zones_equal(m->model, tg->targets[i].zone, zone))
			continue;
		n++;
		healthy += is_well(m, tg->targets[i].id);
	}
	return healthy >= tg->dns_minimum_healthy &&
	       100 * healthy >= (uint64_t)tg->dns_minimum_healthy_percent * n;
}

/* One target group below its threshold is enough. */
static bool
zone_is_well(const struct management *m, uint64_t lb, const char *zone)
{
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		if (tg->load_balancer_id == lb && !group_is_well(m, tg, zone))
			return false;
	}
	return true;
}

static void
set_withdrawn(struct management *m, struct managed_address *a, const char *zone, bool withdrawn)
{
	char text[IP_ADDR_TEXT_MAX];

	if (a->withdrawn == withdrawn)
		return;
	a->withdrawn = withdrawn;
	host_announce(m, &a->addr, !withdrawn);
	LOG_NOTICE("address %s%s%s: %s", ip_addr_format(&a->addr, text),
		   zone[0] == '\0' ? "" : " of zone ", zone,
		   withdrawn ? "too few healthy targets, no longer announced" : "announced again");
}

/* Its zone is well, and has been for long enough or is the only one: wait no longer. */
static void
judge_well(struct management *m, struct managed_address *a, const char *zone, bool may_wait)
{
	if (!a->withdrawn)
		return;
	if (may_wait && !a->holding) {
		a->holding = true;
		a->hold_end_ms = m->now_ms + HOLD_UP_MS;
	}
	if (may_wait && !clock_ms_reached(m->now_ms, a->hold_end_ms)) {
		m->zones_dirty = true;
		return;
	}
	a->holding = false;
	set_withdrawn(m, a, zone, false);
}

/*
 * Well zones come first: one that would wait does not while no other well one is announced, so that
 * a load balancer with a well zone always has an address to reach it by.
 */
static void
judge(struct management *m, const struct model_load_balancer *lb, bool any_well,
      bool any_well_announced)
{
	for (uint32_t pass = 0; pass < 2; pass++) {
		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			const char *zone = lb->addresses[k].zone;
			struct managed_address *a =
				find(m->addresses, m->addresses_n, &lb->addresses[k].addr);

			if (pass == 0 && a->well) {
				judge_well(m, a, zone, any_well_announced);
			} else if (pass == 1 && !a->well) {
				a->holding = false;
				set_withdrawn(m, a, zone, any_well);
			}
		}
	}
}

void
publication_judge_zones(struct management *m)
{
	if (!m->zones_dirty)
		return;
	m->zones_dirty = false;
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->model->load_balancers[i];
		bool any_well = false, any_well_announced = false;

		if (lb->type == LB_GATEWAY)
			continue;
		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			struct managed_address *a =
				find(m->addresses, m->addresses_n, &lb->addresses[k].addr);

			if (a == NULL)
				return; /* no memory for them */
			a->well = zone_is_well(m, lb->id, lb->addresses[k].zone);
			any_well |= a->well;
			any_well_announced |= a->well && !a->withdrawn;
		}
		judge(m, lb, any_well, any_well_announced);
	}
}

/* Those of the model in force; what was known of them stays. */
void
publication_take_addresses(struct management *m)
{
	struct managed_address *addresses;
	uint32_t n = 0;

	m->zones_dirty = true;
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++)
		n += m->model->load_balancers[i].addresses_n;
	addresses = calloc(n + 1, sizeof(*addresses));
	if (addresses == NULL) {
		LOG_WARNING("no memory for addresses: those of before stay");
		return;
	}
	n = 0;
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->model->load_balancers[i];

		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			const struct ip_addr *addr = &lb->addresses[k].addr;
			const struct managed_address *old =
				find(m->addresses, m->addresses_n, addr);

			addresses[n] = old != NULL ? *old : (struct managed_address){.addr = *addr};
			n++;
		}
	}
	free(m->addresses);
	m->addresses = addresses;
	m->addresses_n = n;
}

json_t *
operation_addresses(struct management *m, json_t *args, const char **code, char *message,
		    size_t message_len)
{
	const char *only = json_text(args, "load_balancer");
	json_t *rows = json_array();

	(void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->model->load_balancers[i];

		if (only != NULL && strcmp(only, lb->name) != 0)
			continue;
		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			const char *zone = lb->addresses[k].zone;
			const struct managed_address *a =
				find(m->addresses, m->addresses_n, &lb->addresses[k].addr);
			json_t *row = json_object();

			json_put_addr(row, "address", &lb->addresses[k].addr);
			json_put_text(row, "load_balancer", lb->name);
			json_put_text(row, "zone", zone[0] != '\0' ? zone : m->model->system.zone);
			json_put(row, "ZonalHealthStatus", a == NULL || a->well);
			json_put(row, "announced", a == NULL || !a->withdrawn);
			json_array_append_new(rows, row);
		}
	}
	return json_list("addresses", rows);
}
