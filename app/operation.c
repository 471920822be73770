/* SPDX-License-Identifier: BSD-3-Clause */
#include "operation.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_version.h>

#include "management.h"

#define FLOWS_LIMIT     100
#define FLOWS_LIMIT_MAX 10000

typedef json_t *(*operation_function)(struct management *m, json_t *args, const char **code,
				      char *message, size_t message_len);

static const struct snapshot *
in_force(const struct management *m)
{
	return atomic_load_explicit(&m->dp->snapshot, memory_order_relaxed);
}

static const char *
text_arg(json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

static void
put(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void
put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text));
}

static void
put_addr(json_t *object, const char *key, const struct ip_addr *addr)
{
	char text[IP_ADDR_TEXT_MAX];

	put_text(object, key, ip_addr_format(addr, text));
}

static void
put_endpoint(json_t *object, const char *key, const struct ip_addr *addr, uint16_t port)
{
	char text[IP_ADDR_TEXT_MAX], whole[IP_ADDR_TEXT_MAX + 10];

	snprintf(whole, sizeof(whole), ip_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u",
		 ip_addr_format(addr, text), port);
	put_text(object, key, whole);
}

static json_t *
list(const char *key, json_t *array)
{
	json_t *result = json_object();

	json_object_set_new(result, key, array);
	return result;
}

/* What weir is and runs. */

static json_t *
op_info(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	const struct snapshot *s = in_force(m);
	json_t *r = json_object();
	char hash[65];

	(void)args, (void)code, (void)message, (void)message_len;
	for (int i = 0; i < 32; i++)
		snprintf(hash + 2 * i, 3, "%02x", s->config_hash[i]);
	put_text(r, "version", WEIR_VERSION);
	put_text(r, "dpdk_version", rte_version());
	put_text(r, "name", m->model->system.host_name);
	put_text(r, "zone", m->model->system.zone);
	put_text(r, "instance", m->model->system.instance);
	put_text(r, "state", m->stopping ? "stopping" : "running");
	put(r, "pid", (uint64_t)getpid());
	put(r, "uptime_seconds", management_wall_s() - m->start_wall_s);
	put(r, "workers", m->dp->workers_n);
	put(r, "config_revision", s->config_revision);
	put_text(r, "config_hash", hash);
	put(r, "health_revision", m->health_revision);
	put(r, "generation", s->generation);
	put(r, "reloads", m->reloads);
	put(r, "reloads_refused", m->reloads_failed);
	put(r, "last_reload_microseconds", m->reload_us);
	put_text(r, "steering", m->dp->workers_n == 1 ? "single" : "ring");
	put_text(r, "idle", m->dp->adaptive ? "adaptive" : "poll");
	return r;
}

static json_t *
op_lcores(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	json_t *rows = json_array();

	(void)args, (void)code, (void)message, (void)message_len;
	for (uint16_t i = 0; i < m->dp->workers_n; i++) {
		const struct worker *w = m->dp->workers[i];
		const struct worker_counters *c = &w->counters;
		uint64_t drops = 0;
		json_t *row = json_object();

		for (int d = 1; d < DROP_REASONS; d++)
			drops += counter_read(&c->drops[d]);
		put(row, "worker", i);
		put(row, "lcore", w->lcore);
		put(row, "socket", (uint64_t)(w->socket_id < 0 ? 0 : w->socket_id));
		put(row, "polls", counter_read(&c->polls));
		put(row, "busy_polls", counter_read(&c->busy_polls));
		put(row, "busy_ticks", counter_read(&c->busy_ticks));
		put(row, "tick_hz", rte_get_tsc_hz());
		put(row, "received", counter_read(&c->received));
		put(row, "transmitted", counter_read(&c->transmitted));
		put(row, "handed_over", counter_read(&c->handed_over));
		put(row, "taken_over", counter_read(&c->taken_over));
		put(row, "to_management", counter_read(&c->to_management));
		put(row, "from_management", counter_read(&c->from_management));
		put(row, "answered", counter_read(&c->answered));
		put(row, "originated", counter_read(&c->originated));
		put(row, "consumed", counter_read(&c->consumed));
		put(row, "drops", drops);
		put(row, "generation", atomic_load(&w->seen_generation));
		json_array_append_new(rows, row);
	}
	return list("lcores", rows);
}

static json_t *
op_interfaces(struct management *m, json_t *args, const char **code, char *message,
	      size_t message_len)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);
	json_t *rows = json_array();

	(void)args, (void)code, (void)message, (void)message_len;
	for (uint16_t i = 0; i < m->interfaces_n; i++) {
		const struct port *port = ports->ports[m->interfaces[i].port];
		const uint8_t *mac = m->interfaces[i].mac;
		json_t *row = json_object();
		char text[32];

		put_text(row, "name", m->interface_names[i]);
		put_text(row, "port", port->name);
		put(row, "vlan", m->interfaces[i].vlan);
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			 mac[2], mac[3], mac[4], mac[5]);
		put_text(row, "mac", text);
		put(row, "mtu", m->interfaces[i].mtu);
		put_text(row, "link", port->link_up ? "up" : "down");
		put(row, "rx_queues", port->rx_queues);
		put(row, "tx_queues", port->tx_queues);
		put_text(row, "rss", port->rss ? "on" : "off");
		put_text(row, "rx_ip_checksum", port->rx_ip_checksum ? "port" : "software");
		put_text(row, "vlan_strip", port->vlan_strip ? "port" : "software");
		put_text(row, "vlan_insert", port->vlan_insert ? "port" : "software");
		put(row, "rx_packets", MANAGEMENT_SUM(m, interfaces[i].rx_packets));
		put(row, "rx_bytes", MANAGEMENT_SUM(m, interfaces[i].rx_bytes));
		put(row, "tx_packets", MANAGEMENT_SUM(m, interfaces[i].tx_packets));
		put(row, "tx_bytes", MANAGEMENT_SUM(m, interfaces[i].tx_bytes));
		json_array_append_new(rows, row);
	}
	return list("interfaces", rows);
}

static json_t *
op_drops(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	json_t *r = json_object();

	(void)args, (void)code, (void)message, (void)message_len;
	for (int d = 1; d < DROP_REASONS; d++)
		put(r, drop_reason_name((enum drop_reason)d),
		    MANAGEMENT_SUM(m, drops[d]) + m->counters.drops[d]);
	return r;
}

/* Metrics. */

static void
add_frontend(struct management *m, uint32_t index, struct frontend_counters *sum)
{
	for (uint16_t w = 0; w < m->dp->workers_n; w++) {
		const uint64_t *from = (const uint64_t *)(const void *)&m->dp->workers[w]
					       ->counters.frontends[index];
		uint64_t *to = (uint64_t *)(void *)sum;

		for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
			to[i] += counter_read(&from[i]);
	}
}

static void
put_frontend_counters(json_t *r, const struct frontend_counters *c)
{
	put(r, "ActiveFlowCount", c->new_flows - c->closed_flows);
	put(r, "NewFlowCount", c->new_flows);
	put(r, "ProcessedPackets", c->packets);
	put(r, "ProcessedBytes", c->bytes);
	put(r, "RejectedFlowCount", c->rejected_flows);
	put(r, "PortAllocationErrorCount", c->port_alloc_errors);
	put(r, "TCP_Client_Reset_Count", c->client_resets);
	put(r, "TCP_Target_Reset_Count", c->target_resets);
	put(r, "TCP_ELB_Reset_Count", c->elb_resets);
	put(r, "UnhealthyRoutingFlowCount", c->unhealthy_routed);
}

/* Sum over the frontends of a listener, or of all listeners of a load balancer. */
static struct frontend_counters
sum_listener(struct management *m, uint64_t load_balancer_id, uint64_t listener_id)
{
	struct frontend_counters sum = {0};

	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		const struct model_listener *l = &m->model->listeners[i];
		const struct model_load_balancer *lb =
			model_load_balancer_by_id(m->model, l->load_balancer_id);

		if (lb == NULL || l->load_balancer_id != load_balancer_id ||
		    (listener_id != 0 && l->id != listener_id))
			continue;
		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			uint64_t id = snapshot_frontend_id(l->id, &lb->addresses[k].addr);
			uint32_t reference = registry_find(&m->registries.frontends, id);

			if (reference != 0)
				add_frontend(m, ref_index(reference), &sum);
		}
	}
	return sum;
}

static void
count_hosts(struct management *m, const struct model_target_group *tg, uint64_t *healthy,
	    uint64_t *unhealthy)
{
	for (uint32_t k = 0; k < tg->targets_n; k++) {
		const struct target_health *h = health_of(m->health, tg->targets[k].id);

		if (h == NULL)
			continue;
		*healthy += h->state == TARGET_HEALTHY;
		*unhealthy += h->state == TARGET_UNHEALTHY || h->state == TARGET_UNHEALTHY_DRAINING;
	}
}

static void
put_target_counters(struct management *m, json_t *r, uint64_t target_id)
{
	uint32_t index = ref_index(registry_find(&m->registries.targets, target_id));
	uint64_t new_flows = MANAGEMENT_SUM(m, targets[index].new_flows);

	put(r, "ActiveFlowCount", new_flows - MANAGEMENT_SUM(m, targets[index].closed_flows));
	put(r, "NewFlowCount", new_flows);
	put(r, "ProcessedPackets", MANAGEMENT_SUM(m, targets[index].packets));
	put(r, "ProcessedBytes", MANAGEMENT_SUM(m, targets[index].bytes));
}

static json_t *
group_metrics(struct management *m, const struct model_target_group *tg)
{
	uint64_t healthy = 0, unhealthy = 0, sums[4] = {0};
	json_t *r = json_object();

	count_hosts(m, tg, &healthy, &unhealthy);
	for (uint32_t k = 0; k < tg->targets_n; k++) {
		uint32_t index =
			ref_index(registry_find(&m->registries.targets, tg->targets[k].id));

		sums[0] += MANAGEMENT_SUM(m, targets[index].new_flows);
		sums[1] += MANAGEMENT_SUM(m, targets[index].closed_flows);
		sums[2] += MANAGEMENT_SUM(m, targets[index].packets);
		sums[3] += MANAGEMENT_SUM(m, targets[index].bytes);
	}
	put_text(r, "target_group", tg->name);
	put(r, "HealthyHostCount", healthy);
	put(r, "UnHealthyHostCount", unhealthy);
	put(r, "ActiveFlowCount", sums[0] - sums[1]);
	put(r, "NewFlowCount", sums[0]);
	put(r, "ProcessedPackets", sums[2]);
	put(r, "ProcessedBytes", sums[3]);
	return r;
}

static json_t *
op_metrics(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	const char *name = text_arg(args, "name");
	const char *lb_name = text_arg(args, "load_balancer");
	const char *tg_name = text_arg(args, "target_group");
	const struct model_load_balancer *lb = NULL;
	const struct model_target_group *tg = NULL;
	struct frontend_counters sum;
	json_t *r;

	if (lb_name != NULL || name != NULL)
		lb = model_load_balancer(m->model, lb_name != NULL ? lb_name : name);
	if (lb == NULL && (tg_name != NULL || name != NULL))
		tg = model_target_group(m->model, tg_name != NULL ? tg_name : name);
	if (tg != NULL)
		return group_metrics(m, tg);
	if (lb == NULL) {
		*code = "not_found";
		snprintf(message, message_len,
			 "name a load balancer or target group that is configured");
		return NULL;
	}
	sum = sum_listener(m, lb->id, 0);
	r = json_object();
	put_text(r, "load_balancer", lb->name);
	put_frontend_counters(r, &sum);
	return r;
}

/* Objects. */

static json_t *
op_load_balancers(struct management *m, json_t *args, const char **code, char *message,
		  size_t message_len)
{
	const char *name = text_arg(args, "name");
	json_t *rows = json_array();

	(void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->model->load_balancers[i];
		struct frontend_counters sum;
		char addresses[256] = "", text[IP_ADDR_TEXT_MAX];
		json_t *row;

		if (name != NULL && strcmp(name, lb->name) != 0)
			continue;
		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			size_t n = strlen(addresses);

			snprintf(addresses + n, sizeof(addresses) - n, "%s%s", n > 0 ? " " : "",
				 ip_addr_format(&lb->addresses[k].addr, text));
		}
		row = json_object();
		put_text(row, "name", lb->name);
		put_text(row, "type", load_balancer_type_name(lb->type));
		put_text(row, "state", "active");
		put_text(row, "addresses", addresses);
		sum = sum_listener(m, lb->id, 0);
		put_frontend_counters(row, &sum);
		json_array_append_new(rows, row);
	}
	return list("load_balancers", rows);
}

static json_t *
op_listeners(struct management *m, json_t *args, const char **code, char *message,
	     size_t message_len)
{
	const char *only = text_arg(args, "load_balancer");
	json_t *rows = json_array();

	(void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		const struct model_listener *l = &m->model->listeners[i];
		struct frontend_counters sum;
		char groups[256] = "";
		json_t *row;

		if (only != NULL && strcmp(only, l->load_balancer) != 0)
			continue;
		for (uint32_t k = 0; k < l->default_action.forwards_n; k++) {
			size_t n = strlen(groups);

			snprintf(groups + n, sizeof(groups) - n, "%s%s", n > 0 ? " " : "",
				 l->default_action.forwards[k].target_group);
		}
		row = json_object();
		put_text(row, "name", l->name);
		put_text(row, "protocol", elb_protocol_name(l->protocol));
		put_text(row, "forward", groups);
		sum = sum_listener(m, l->load_balancer_id, l->id);
		put_frontend_counters(row, &sum);
		json_array_append_new(rows, row);
	}
	return list("listeners", rows);
}

static json_t *
op_target_groups(struct management *m, json_t *args, const char **code, char *message,
		 size_t message_len)
{
	const char *name = text_arg(args, "name");
	json_t *rows = json_array();

	(void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];
		uint32_t index = ref_index(registry_find(&m->registries.groups, tg->id));
		const struct target_set *set = atomic_load(&in_force(m)->groups[index].set);
		uint64_t healthy = 0, unhealthy = 0;
		char digest[20] = "";
		json_t *row;

		if (name != NULL && strcmp(name, tg->name) != 0)
			continue;
		count_hosts(m, tg, &healthy, &unhealthy);
		row = json_object();
		put_text(row, "name", tg->name);
		put_text(row, "protocol", elb_protocol_name(tg->protocol));
		put_text(row, "forwarding", tg->full_nat ? "full_nat" : "nat");
		put(row, "targets", tg->targets_n);
		put(row, "HealthyHostCount", healthy);
		put(row, "UnHealthyHostCount", unhealthy);
		put_text(row, "fail_open", set != NULL && set->fail_open ? "yes" : "no");
		put(row, "table_entries", set == NULL ? 0 : set->entries_n);
		if (set != NULL)
			snprintf(digest, sizeof(digest), "%016llx",
				 (unsigned long long)set->digest);
		put_text(row, "table_digest", digest);
		json_array_append_new(rows, row);
	}
	return list("target_groups", rows);
}

static json_t *
describe_target(struct management *m, const struct model_target_group *tg,
		const struct model_target *t)
{
	const struct target_health *h = health_of(m->health, t->id);
	json_t *row = json_object();

	put_text(row, "target_group", tg->name);
	put_endpoint(row, "target", &t->addr, t->port);
	put(row, "weight", t->weight);
	put_text(row, "state", h == NULL ? "" : target_state_name((enum target_state)h->state));
	put_text(row, "reason", h == NULL ? "" : target_reason_code((enum target_reason)h->reason));
	put_text(row, "description",
		 h == NULL ? "" : target_reason_text((enum target_reason)h->reason));
	put(row, "since_seconds", h == NULL ? 0 : management_wall_s() - h->changed_wall_s);
	put_target_counters(m, row, t->id);
	return row;
}

static void
append_draining(struct management *m, json_t *rows)
{
	const struct snapshot *s = in_force(m);

	for (uint32_t i = 1; i < s->targets_n; i++) {
		const struct snapshot_target *t = &s->targets[i];
		const struct target_health *h;
		json_t *row;

		if (t->generation == 0 || m->targets[i].reference == 0 || m->targets[i].registered)
			continue;
		h = health_of(m->health, t->id);
		row = json_object();
		put_text(row, "target_group", "");
		put_endpoint(row, "target", &t->addr, ntohs(t->port_be));
		put(row, "weight", 0);
		put_text(row, "state", h == NULL ? "" : target_state_name(h->state));
		put_text(row, "reason", h == NULL ? "" : target_reason_code(h->reason));
		put_text(row, "description", h == NULL ? "" : target_reason_text(h->reason));
		put(row, "since_seconds", h == NULL ? 0 : management_wall_s() - h->changed_wall_s);
		put_target_counters(m, row, t->id);
		json_array_append_new(rows, row);
	}
}

static json_t *
op_target_health(struct management *m, json_t *args, const char **code, char *message,
		 size_t message_len)
{
	const char *only = text_arg(args, "target_group");
	json_t *rows;

	if (only != NULL && model_target_group(m->model, only) == NULL) {
		*code = "not_found";
		snprintf(message, message_len, "no target group is named %s", only);
		return NULL;
	}
	rows = json_array();
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		if (only != NULL && strcmp(only, tg->name) != 0)
			continue;
		for (uint32_t k = 0; k < tg->targets_n; k++)
			json_array_append_new(rows, describe_target(m, tg, &tg->targets[k]));
	}
	if (only == NULL)
		append_draining(m, rows);
	return list("targets", rows);
}

static json_t *
op_neighbors(struct management *m, json_t *args, const char **code, char *message,
	     size_t message_len)
{
	json_t *rows = json_array();
	struct neighbor_info info;
	uint32_t at = 0;

	(void)args, (void)code, (void)message, (void)message_len;
	while (neighbors_next(m->neighbors, &at, &info)) {
		json_t *row = json_object();
		char mac[32];

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", info.mac[0],
			 info.mac[1], info.mac[2], info.mac[3], info.mac[4], info.mac[5]);
		put_addr(row, "address", &info.addr);
		put_text(row, "interface", m->interface_names[info.interface]);
		put_text(row, "mac", mac);
		put_text(row, "state", neighbor_state_name(info.state));
		put(row, "waiting", info.waiting);
		json_array_append_new(rows, row);
	}
	return list("neighbors", rows);
}

static void
add_pool(json_t *rows, const char *name, uint64_t size, uint64_t in_use, uint64_t high_water,
	 uint64_t failures, uint64_t bytes)
{
	json_t *row = json_object();

	put_text(row, "name", name);
	put(row, "size", size);
	put(row, "in_use", in_use);
	put(row, "high_water", high_water);
	put(row, "failures", failures);
	put(row, "bytes", bytes);
	json_array_append_new(rows, row);
}

static json_t *
op_pools(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	struct nlb_gauges sum = {0};
	json_t *rows = json_array();
	uint64_t in_use;
	uint32_t capacity;

	(void)args, (void)code, (void)message, (void)message_len;
	for (uint16_t w = 0; w < m->dp->workers_n; w++) {
		struct nlb_gauges g;

		nlb_gauges(m->dp->workers[w]->nlb, &g);
		sum.flows += g.flows;
		sum.flows_max += g.flows_max;
		sum.flows_high_water += g.flows_high_water;
		sum.ports += g.ports;
		sum.insert_failures += g.insert_failures;
		sum.bytes += g.bytes;
	}
	in_use = rte_mempool_in_use_count(m->dp->pool);
	if (in_use > m->mbufs_high_water)
		m->mbufs_high_water = in_use;
	add_pool(rows, "mbufs", m->dp->mbufs, in_use, m->mbufs_high_water,
		 MANAGEMENT_SUM(m, drops[DROP_MBUF_EXHAUSTED]) +
			 m->counters.drops[DROP_MBUF_EXHAUSTED],
		 (uint64_t)m->dp->mbufs * m->dp->pool->elt_size);
	add_pool(rows, "flows", sum.flows_max, sum.flows, sum.flows_high_water, sum.insert_failures,
		 sum.bytes);
	add_pool(rows, "source_ports", 0, sum.ports, 0, 0, 0);
	in_use = neighbors_count(m->neighbors, &capacity);
	add_pool(rows, "neighbors", capacity, in_use, 0, 0,
		 next_hop_table_bytes(m->dp->hops.entries_n));
	add_pool(rows, "targets", SNAPSHOT_TARGETS - 1, m->registries.targets.in_use_n, 0, 0, 0);
	add_pool(rows, "frontends", SNAPSHOT_FRONTENDS - 1, m->registries.frontends.in_use_n, 0, 0,
		 0);
	add_pool(rows, "probes", PROBER_PROBES, m->probes_out, 0, 0, 0);
	return list("pools", rows);
}

/* Actions. */

static json_t *
op_reload(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	json_t *r;

	(void)args;
	if (!publication_reload(m)) {
		*code = "refused";
		snprintf(message, message_len, "%s", m->reload_message);
		return NULL;
	}
	r = json_object();
	put_text(r, "message", m->reload_message);
	put(r, "config_revision", m->config_revision);
	put(r, "microseconds", m->reload_us);
	return r;
}

static bool
add_endpoint(struct capture_settings *settings, const struct ip_addr *addr, uint16_t port_be)
{
	struct capture_endpoint *e = &settings->endpoints[settings->endpoints_n];

	if (settings->endpoints_n == CAPTURE_ENDPOINTS)
		return false;
	settings->endpoints_n++;
	e->any_addr = addr == NULL;
	if (addr != NULL)
		e->addr = *addr;
	e->port_be = port_be;
	return true;
}

static bool
add_listener_endpoints(struct management *m, const char *name, struct capture_settings *settings)
{
	const struct model_listener *l = model_listener(m->model, name);
	const struct model_load_balancer *lb =
		l == NULL ? NULL : model_load_balancer_by_id(m->model, l->load_balancer_id);

	if (lb == NULL)
		return false;
	for (uint32_t k = 0; k < lb->addresses_n; k++) {
		if (!add_endpoint(settings, &lb->addresses[k].addr, htons(l->port)))
			return false;
	}
	return true;
}

/* ADDRESS, ADDRESS:PORT or [IPV6]:PORT. */
static bool
parse_endpoint(const char *text, struct ip_addr *addr, uint16_t *port_be)
{
	char host[IP_ADDR_TEXT_MAX];
	const char *end, *begin = text;
	unsigned port = 0;

	*port_be = 0;
	if (ip_addr_parse(text, addr))
		return true;
	if (*text == '[') {
		begin = text + 1;
		end = strchr(text, ']');
		if (end == NULL || end[1] != ':' || sscanf(end + 2, "%u", &port) != 1)
			return false;
	} else {
		end = strrchr(text, ':');
		if (end == NULL || sscanf(end + 1, "%u", &port) != 1)
			return false;
	}
	if ((size_t)(end - begin) >= sizeof(host) || port > 65535)
		return false;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	*port_be = htons((uint16_t)port);
	return ip_addr_parse(host, addr);
}

static bool
parse_filter(struct management *m, json_t *filter, struct capture_settings *settings, char *message,
	     size_t message_len)
{
	const char *address = text_arg(filter, "address"), *listener = text_arg(filter, "listener");
	const char *target = text_arg(filter, "target");
	json_int_t port = json_integer_value(json_object_get(filter, "port"));
	struct ip_addr addr;
	uint16_t port_be;

	if (port < 0 || port > 65535) {
		snprintf(message, message_len, "port %lld is not between 1 and 65535",
			 (long long)port);
		return false;
	}
	if (listener != NULL && !add_listener_endpoints(m, listener, settings)) {
		snprintf(message, message_len, "no listener is named %s (LOAD_BALANCER:PORT)",
			 listener);
		return false;
	}
	if (target != NULL &&
	    (!parse_endpoint(target, &addr, &port_be) || !add_endpoint(settings, &addr, port_be))) {
		snprintf(message, message_len, "target %s is not ADDRESS:PORT", target);
		return false;
	}
	if (address != NULL && (!ip_addr_parse(address, &addr) ||
				!add_endpoint(settings, &addr, htons((uint16_t)port)))) {
		snprintf(message, message_len, "%s is not an IP address", address);
		return false;
	}
	if (address == NULL && port != 0)
		add_endpoint(settings, NULL, htons((uint16_t)port));
	return true;
}

static uint64_t
wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool
free_old_capture(struct management *m)
{
	if (m->capture == NULL)
		return true;
	if (!m->capture_detached || rte_rcu_qsbr_check(m->dp->rcu, m->capture_token, false) == 0)
		return false;
	capture_free(m->capture);
	m->capture = NULL;
	m->capture_detached = false;
	return true;
}

static json_t *
op_capture(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	struct capture_settings settings = {.workers_n = m->dp->workers_n,
					    .interfaces_n = m->interfaces_n};
	const char *names[SNAPSHOT_INTERFACES], *path = text_arg(args, "file");
	json_int_t seconds = json_integer_value(json_object_get(args, "seconds"));
	json_int_t packets = json_integer_value(json_object_get(args, "packets"));

	*code = "bad_request";
	if (path == NULL || path[0] != '/' || strlen(path) >= CAPTURE_PATH_MAX) {
		snprintf(message, message_len, "`file` must be an absolute path");
		return NULL;
	}
	if (seconds <= 0 || seconds > 86400 || packets < 0) {
		snprintf(message, message_len, "`seconds` must be between 1 and 86400");
		return NULL;
	}
	if (!parse_filter(m, json_object_get(args, "filter"), &settings, message, message_len))
		return NULL;
	*code = "busy";
	if (!free_old_capture(m)) {
		snprintf(message, message_len, "a capture is under way; stop it first");
		return NULL;
	}
	for (uint16_t i = 0; i < m->interfaces_n; i++)
		names[i] = m->interface_names[i];
	settings.interfaces = names;
	snprintf(settings.path, sizeof(settings.path), "%s", path);
	settings.seconds = (uint32_t)seconds;
	settings.packets = (uint64_t)packets;
	settings.wall_offset_us = wall_us() - clock_us(&m->dp->clock, rte_rdtsc());
	*code = "failed";
	m->capture = capture_start(&settings, message, message_len);
	if (m->capture == NULL)
		return NULL;
	m->capture_detached = false;
	atomic_store_explicit(&m->dp->capture, m->capture, memory_order_release);
	return json_pack("{s:s,s:s}", "state", "running", "file", path);
}

static json_t *
op_capture_status(struct management *m, json_t *args, const char **code, char *message,
		  size_t message_len)
{
	struct capture_status status;
	json_t *r;

	(void)args;
	if (m->capture == NULL) {
		*code = "not_found";
		snprintf(message, message_len, "no capture was started");
		return NULL;
	}
	capture_status(m->capture, &status);
	r = json_object();
	put_text(r, "state", status.finished ? "finished" : "running");
	put(r, "packets", status.written);
	put(r, "missed", status.missed);
	put_text(r, "error", status.error != 0 ? strerror(status.error) : "");
	return r;
}

static json_t *
op_capture_stop(struct management *m, json_t *args, const char **code, char *message,
		size_t message_len)
{
	if (m->capture != NULL)
		capture_stop(m->capture);
	return op_capture_status(m, args, code, message, message_len);
}

static json_t *
op_shutdown(struct management *m, json_t *args, const char **code, char *message,
	    size_t message_len)
{
	(void)m, (void)args, (void)code, (void)message, (void)message_len;
	kill(getpid(), SIGTERM);
	return json_pack("{s:s}", "state", "stopping");
}

/* Flows are asked of the workers; the reply comes when the last has answered. */

struct flows_call {
	struct operation_call *call;
	struct nlb_flow_filter filter;
	uint32_t limit;
	uint16_t workers_left;
	json_t *rows;
	uint32_t left_out; /* whether there were more than the limit */
};

static json_t *
describe_flow(struct management *m, const struct nlb_flow_info *f, uint16_t worker)
{
	const struct snapshot_frontend *frontend = snapshot_frontend(in_force(m), f->frontend);
	json_t *row = json_object();

	put_text(row, "protocol", f->proto == 6 ? "TCP" : "UDP");
	put_endpoint(row, "client", &f->client, ntohs(f->client_port_be));
	put_endpoint(row, "listener", &f->vip, ntohs(f->vip_port_be));
	put_endpoint(row, "source", &f->local, ntohs(f->local_port_be));
	put_endpoint(row, "target", &f->target, ntohs(f->target_port_be));
	put_text(row, "state", flow_state_name((enum flow_state)f->state));
	put_text(row, "forwarding", f->full_nat ? "full_nat" : "nat");
	put(row, "idle_milliseconds", f->idle_ms);
	put(row, "age_milliseconds", f->age_ms);
	put(row, "packets", f->packets);
	put(row, "worker", worker);
	put_text(row, "frontend", frontend == NULL ? "gone" : "in force");
	return row;
}

static bool
send_flows_command(struct management *m, uint16_t worker, struct worker_command *command)
{
	return rte_ring_sp_enqueue(m->dp->workers[worker]->commands, command) == 0;
}

static void
finish_flows(struct flows_call *fc)
{
	json_t *result;

	if (--fc->workers_left > 0)
		return;
	result = list("flows", fc->rows);
	put_text(result, "more", fc->left_out ? "yes" : "no");
	fc->call->reply(fc->call, result, NULL, NULL);
	free(fc);
}

static void
free_flows_command(struct worker_command *command)
{
	free(command->flows.flows);
	free(command);
}

void
operation_on_command(struct management *m, struct worker_command *command)
{
	struct flows_call *fc = command->owner;
	struct nlb_flow_page *page = &command->flows;

	for (uint32_t i = 0; i < page->n; i++) {
		if (json_array_size(fc->rows) < fc->limit)
			json_array_append_new(fc->rows, describe_flow(m, &page->flows[i],
								      (uint16_t)command->cookie));
		else
			fc->left_out = 1;
	}
	if (!page->end && json_array_size(fc->rows) < fc->limit &&
	    send_flows_command(m, (uint16_t)command->cookie, command))
		return;
	fc->left_out |= !page->end;
	free_flows_command(command);
	finish_flows(fc);
}

static struct worker_command *
make_flows_command(const struct flows_call *fc, uint16_t worker)
{
	struct worker_command *command = calloc(1, sizeof(*command));

	if (command == NULL)
		return NULL;
	command->kind = WORKER_FLOWS;
	command->cookie = worker;
	command->owner = (void *)(uintptr_t)fc;
	command->flows.filter = fc->filter;
	command->flows.max = 256;
	command->flows.flows = calloc(command->flows.max, sizeof(*command->flows.flows));
	if (command->flows.flows == NULL) {
		free(command);
		return NULL;
	}
	return command;
}

static bool
parse_flow_filter(struct management *m, json_t *args, struct nlb_flow_filter *filter, char *message,
		  size_t message_len)
{
	const char *client = text_arg(args, "client"), *target = text_arg(args, "target");
	const char *listener = text_arg(args, "listener");

	if (client != NULL && !(filter->has_client = ip_addr_parse(client, &filter->client))) {
		snprintf(message, message_len, "client %s is not an IP address", client);
		return false;
	}
	if (target != NULL && !(filter->has_target = ip_addr_parse(target, &filter->target))) {
		snprintf(message, message_len, "target %s is not an IP address", target);
		return false;
	}
	if (listener != NULL) {
		const struct model_listener *l = model_listener(m->model, listener);
		const struct model_load_balancer *lb =
			l == NULL ? NULL : model_load_balancer_by_id(m->model, l->load_balancer_id);

		if (lb == NULL || lb->addresses_n == 0) {
			snprintf(message, message_len,
				 "no listener is named %s (LOAD_BALANCER:PORT)", listener);
			return false;
		}
		filter->frontend =
			registry_find(&m->registries.frontends,
				      snapshot_frontend_id(l->id, &lb->addresses[0].addr));
	}
	return true;
}

static void
run_flows(struct management *m, struct operation_call *call)
{
	json_int_t limit = json_integer_value(json_object_get(call->args, "limit"));
	struct flows_call *fc = calloc(1, sizeof(*fc));
	char message[256];

	if (fc == NULL) {
		call->reply(call, NULL, "failed", "no memory");
		return;
	}
	if (!parse_flow_filter(m, call->args, &fc->filter, message, sizeof(message))) {
		free(fc);
		call->reply(call, NULL, "bad_request", message);
		return;
	}
	fc->call = call;
	fc->limit = limit <= 0                ? FLOWS_LIMIT
		    : limit > FLOWS_LIMIT_MAX ? FLOWS_LIMIT_MAX
					      : (uint32_t)limit;
	fc->rows = json_array();
	fc->workers_left = (uint16_t)(m->dp->workers_n + 1); /* one for this function */
	for (uint16_t w = 0; w < m->dp->workers_n; w++) {
		struct worker_command *command = make_flows_command(fc, w);

		if (command != NULL && send_flows_command(m, w, command))
			continue;
		if (command != NULL)
			free_flows_command(command);
		fc->left_out = 1;
		finish_flows(fc);
	}
	finish_flows(fc);
}

static const struct {
	const char *name;
	operation_function run;
} operations[] = {
	{"info", op_info},
	{"lcores", op_lcores},
	{"interfaces", op_interfaces},
	{"load_balancers", op_load_balancers},
	{"listeners", op_listeners},
	{"target_groups", op_target_groups},
	{"target_health", op_target_health},
	{"metrics", op_metrics},
	{"drops", op_drops},
	{"neighbors", op_neighbors},
	{"pools", op_pools},
	{"reload", op_reload},
	{"capture", op_capture},
	{"capture_status", op_capture_status},
	{"capture_stop", op_capture_stop},
	{"shutdown", op_shutdown},
};

void
operation_run(struct management *m, const char *name, struct operation_call *call)
{
	if (strcmp(name, "flows") == 0) {
		run_flows(m, call);
		return;
	}
	for (size_t i = 0; i < RTE_DIM(operations); i++) {
		const char *code = "failed";
		char message[1200] = "";
		json_t *result;

		if (strcmp(operations[i].name, name) != 0)
			continue;
		result = operations[i].run(m, call->args, &code, message, sizeof(message));
		call->reply(call, result, code, message);
		return;
	}
	call->reply(call, NULL, "unknown_operation", "no operation has this name");
}
