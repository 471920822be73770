/* SPDX-License-Identifier: BSD-3-Clause */
#include "operation_json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_version.h>

#include "crypto.h"
#include "management.h"
#include "metric.h"
#include "metric_http.h"
#include "port_chain.h"
#include "steering.h"

/* What weir is and runs. */

static json_t *
op_info(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	const struct snapshot *s = operation_snapshot(m);
	json_t *r = json_object();
	char hash[65];

	(void)args, (void)code, (void)message, (void)message_len;
	for (int i = 0; i < 32; i++)
		snprintf(hash + 2 * i, 3, "%02x", s->config_hash[i]);
	json_put_text(r, "version", WEIR_VERSION);
	json_put_text(r, "dpdk_version", rte_version());
	json_put_text(r, "name", m->model->system.host_name);
	json_put_text(r, "zone", m->model->system.zone);
	json_put_text(r, "instance", m->model->system.instance);
	json_put_text(r, "state",
		      m->stopping              ? "stopping"
		      : m->publication != NULL ? "reloading"
					       : "running");
	json_put(r, "pid", (uint64_t)getpid());
	json_put(r, "uptime_seconds", management_wall_s() - m->start_wall_s);
	json_put(r, "workers", m->dp->workers_n);
	json_put(r, "config_revision", s->config_revision);
	json_put_text(r, "config_hash", hash);
	json_put(r, "health_revision", m->health_revision);
	json_put(r, "generation", s->generation);
	json_put(r, "reloads", m->reloads);
	json_put(r, "reloads_refused", m->reloads_failed);
	json_put(r, "last_reload_microseconds", m->reload_us);
	json_put(r, "longest_turn_microseconds", m->longest_turn_us);
	json_put_text(r, "steering", steering_state_name(steering_of_all(m)));
	json_put_text(r, "idle", m->dp->adaptive ? "adaptive" : "poll");
	return r;
}

static json_t *
op_crypto_lcores(struct management *m, json_t *args, const char **code, char *message,
		 size_t message_len)
{
	json_t *rows = json_array();

	(void)args, (void)code, (void)message, (void)message_len;
	for (uint16_t i = 0; i < m->dp->crypto_n; i++) {
		const struct crypto *c = m->dp->crypto[i];
		json_t *row = json_object();

		json_put(row, "crypto", i);
		json_put(row, "lcore", c->lcore);
		json_put(row, "steps", counter_read(&c->steps));
		json_put(row, "busy_ticks", counter_read(&c->busy_ticks));
		json_put(row, "naps", counter_read(&c->idle.naps));
		json_put(row, "waits", counter_read(&c->idle.waits));
		json_put(row, "tick_hz", rte_get_tsc_hz());
		json_array_append_new(rows, row);
	}
	return json_list("crypto_lcores", rows);
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
		json_put(row, "worker", i);
		json_put(row, "lcore", w->lcore);
		json_put(row, "socket", (uint64_t)(w->socket_id < 0 ? 0 : w->socket_id));
		json_put(row, "polls", counter_read(&c->polls));
		json_put(row, "busy_polls", counter_read(&c->busy_polls));
		json_put(row, "busy_ticks", counter_read(&c->busy_ticks));
		json_put(row, "naps", counter_read(&w->idle.naps));
		json_put(row, "waits", counter_read(&w->idle.waits));
		json_put(row, "tick_hz", rte_get_tsc_hz());
		json_put(row, "received", counter_read(&c->received));
		json_put(row, "transmitted", counter_read(&c->transmitted));
		json_put(row, "handed_over", counter_read(&c->handed_over));
		json_put(row, "taken_over", counter_read(&c->taken_over));
		json_put(row, "to_management", counter_read(&c->to_management));
		json_put(row, "from_management", counter_read(&c->from_management));
		json_put(row, "answered", counter_read(&c->answered));
		json_put(row, "originated", counter_read(&c->originated));
		json_put(row, "consumed", counter_read(&c->consumed));
		json_put(row, "drops", drops);
		json_put(row, "generation", atomic_load(&w->seen_generation));
		json_array_append_new(rows, row);
	}
	return json_list("lcores", rows);
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

		json_put_text(row, "name", m->interface_names[i]);
		json_put_text(row, "port", port->name);
		json_put(row, "vlan", m->interfaces[i].vlan);
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			 mac[2], mac[3], mac[4], mac[5]);
		json_put_text(row, "mac", text);
		json_put(row, "mtu", m->interfaces[i].mtu);
		json_put_text(row, "link", port->link_up ? "up" : "down");
		json_put(row, "rx_queues", port->rx_queues);
		json_put(row, "tx_queues", port->tx_queues);
		json_put_text(row, "rss", rss_plan_name(m->dp->rss[port->index].plan));
		json_put_text(row, "steering",
			      steering_state_name(steering_of_port(m, port->index)));
		json_put(row, "rss_hashes_right", MANAGEMENT_SUM(m, rss_right[port->index]));
		json_put(row, "rss_hashes_wrong", MANAGEMENT_SUM(m, rss_wrong[port->index]));
		json_put_text(row, "rx_ip_checksum", port->rx_ip_checksum ? "port" : "software");
		json_put_text(row, "vlan_strip", port->vlan_strip ? "port" : "software");
		json_put_text(row, "vlan_insert", port->vlan_insert ? "port" : "software");
		json_put(row, "rx_packets", MANAGEMENT_SUM(m, interfaces[i].rx_packets));
		json_put(row, "rx_bytes", MANAGEMENT_SUM(m, interfaces[i].rx_bytes));
		json_put(row, "tx_packets", MANAGEMENT_SUM(m, interfaces[i].tx_packets));
		json_put(row, "tx_bytes", MANAGEMENT_SUM(m, interfaces[i].tx_bytes));
		json_array_append_new(rows, row);
	}
	return json_list("interfaces", rows);
}

static json_t *
op_drops(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	json_t *r = json_object();

	(void)args, (void)code, (void)message, (void)message_len;
	for (int d = 1; d < DROP_REASONS; d++)
		json_put(r, drop_reason_name((enum drop_reason)d),
			 MANAGEMENT_SUM(m, drops[d]) + m->counters.drops[d]);
	return r;
}

static json_t *
op_http2_ends(struct management *m, json_t *args, const char **code, char *message,
	      size_t message_len)
{
	(void)args, (void)code, (void)message, (void)message_len;
	return metric_http2_ends(m);
}

static json_t *
op_tcp(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	(void)args, (void)code, (void)message, (void)message_len;
	return metric_tcp(m);
}

/* Metrics. */

static void
put_frontend_counters(json_t *r, const struct frontend_counters *c)
{
	json_put(r, "ActiveFlowCount", c->new_flows - c->closed_flows);
	json_put(r, "NewFlowCount", c->new_flows);
	json_put(r, "ProcessedPackets", c->packets);
	json_put(r, "ProcessedBytes", c->bytes);
	json_put(r, "RejectedFlowCount", c->rejected_flows);
	json_put(r, "PortAllocationErrorCount", c->port_alloc_errors);
	json_put(r, "TCP_Client_Reset_Count", c->client_resets);
	json_put(r, "TCP_Target_Reset_Count", c->target_resets);
	json_put(r, "TCP_ELB_Reset_Count", c->elb_resets);
	json_put(r, "UnhealthyRoutingFlowCount", c->unhealthy_routed);
	json_put(r, "RejectedFlowCount_TCP", c->rejected_tcp);
	json_put(r, "ClientTLSNegotiationErrorCount", c->client_tls_errors);
	json_put(r, "SecurityGroupBlockedFlowCount_Inbound_TCP", c->blocked_in_tcp);
	json_put(r, "SecurityGroupBlockedFlowCount_Inbound_UDP", c->blocked_in_udp);
	json_put(r, "SecurityGroupBlockedFlowCount_Inbound_ICMP", c->blocked_in_icmp);
	json_put(r, "SecurityGroupBlockedFlowCount_Outbound_TCP", c->blocked_out_tcp);
	json_put(r, "SecurityGroupBlockedFlowCount_Outbound_UDP", c->blocked_out_udp);
}

static void
put_metrics(struct management *m, const struct model_load_balancer *lb,
	    const struct frontend_counters *sum, json_t *row)
{
	if (lb != NULL && lb->type == LB_GATEWAY)
		operation_put_gateway(m, lb, sum, row);
	else if (lb != NULL && lb->type == LB_APPLICATION)
		metric_put_http_load_balancer(m, lb->id, row);
	else
		put_frontend_counters(row, sum);
}

static void
put_listener_metrics(struct management *m, const struct model_listener *l, json_t *row)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(m->model, l->load_balancer_id);
	struct frontend_counters sum = {0};

	if (lb != NULL && lb->type == LB_APPLICATION) {
		metric_put_http_listener(m, l, row);
		return;
	}
	metric_add_listener(m, l, &sum);
	put_metrics(m, lb, &sum, row);
}

/* Of a network load balancer's TLS listeners alone. */
static void
put_tls_metrics(struct management *m, uint64_t load_balancer_id, json_t *row)
{
	struct frontend_counters sum = {0};

	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		const struct model_listener *l = &m->model->listeners[i];

		if (l->load_balancer_id == load_balancer_id && l->protocol == ELB_TLS)
			metric_add_listener(m, l, &sum);
	}
	json_put(row, "ActiveFlowCount_TLS", sum.new_flows - sum.closed_flows);
	json_put(row, "NewFlowCount_TLS", sum.new_flows);
	json_put(row, "ProcessedBytes_TLS", sum.bytes);
	json_put(row, "weir.LostLogRecordCount", sum.log_lost);
}

static void
put_target_counters(json_t *r, const struct target_counters *c)
{
	json_put(r, "ActiveFlowCount", c->new_flows - c->closed_flows);
	json_put(r, "NewFlowCount", c->new_flows);
	json_put(r, "ProcessedPackets", c->packets);
	json_put(r, "ProcessedBytes", c->bytes);
	json_put(r, "TargetTLSNegotiationErrorCount", c->tls_errors);
}

static json_t *
group_metrics(struct management *m, const struct model_target_group *tg)
{
	uint64_t healthy = 0, unhealthy = 0;
	struct target_counters sum = {0};
	json_t *r = json_object();

	metric_count_hosts(m, tg, &healthy, &unhealthy);
	for (uint32_t k = 0; k < tg->targets_n; k++) {
		struct target_counters c = metric_of_target(m, tg->targets[k].id);

		sum.new_flows += c.new_flows;
		sum.closed_flows += c.closed_flows;
		sum.packets += c.packets;
		sum.bytes += c.bytes;
		sum.tls_errors += c.tls_errors;
	}
	json_put_text(r, "target_group", tg->name);
	json_put(r, "HealthyHostCount", healthy);
	json_put(r, "UnHealthyHostCount", unhealthy);
	if (model_group_is_http(tg))
		metric_put_http_group(m, tg, r);
	else
		put_target_counters(r, &sum);
	return r;
}

static json_t *
op_metrics(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	const char *name = json_text(args, "name");
	const char *lb_name = json_text(args, "load_balancer");
	const char *tg_name = json_text(args, "target_group");
	const struct model_load_balancer *lb = NULL;
	const struct model_target_group *tg = NULL;
	struct frontend_counters sum = {0};
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
	metric_add_load_balancer(m, lb->id, &sum);
	r = json_object();
	json_put_text(r, "load_balancer", lb->name);
	put_metrics(m, lb, &sum, r);
	if (lb->type == LB_NETWORK) {
		put_tls_metrics(m, lb->id, r);
		metric_put_capacity(m, lb->id, r);
	}
	return r;
}

/* Objects. */

static json_t *
op_load_balancers(struct management *m, json_t *args, const char **code, char *message,
		  size_t message_len)
{
	const char *name = json_text(args, "name");
	json_t *rows = json_array();

	(void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->model->load_balancers[i];
		struct frontend_counters sum = {0};
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
		json_put_text(row, "name", lb->name);
		json_put_text(row, "type", load_balancer_type_name(lb->type));
		json_put_text(row, "state", "active");
		json_put_text(row, "addresses", addresses);
		metric_add_load_balancer(m, lb->id, &sum);
		put_metrics(m, lb, &sum, row);
		if (lb->type == LB_NETWORK)
			metric_put_capacity(m, lb->id, row);
		json_array_append_new(rows, row);
	}
	return json_list("load_balancers", rows);
}

static json_t *
op_listeners(struct management *m, json_t *args, const char **code, char *message,
	     size_t message_len)
{
	const char *only = json_text(args, "load_balancer");
	json_t *rows = json_array();

	(void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		const struct model_listener *l = &m->model->listeners[i];
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
		json_put_text(row, "name", l->name);
		json_put_text(row, "protocol", elb_protocol_name(l->protocol));
		json_put_text(row, "forward", groups);
		put_listener_metrics(m, l, row);
		json_array_append_new(rows, row);
	}
	return json_list("listeners", rows);
}

static json_t *
op_target_groups(struct management *m, json_t *args, const char **code, char *message,
		 size_t message_len)
{
	const char *name = json_text(args, "name");
	json_t *rows = json_array();

	(void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];
		uint32_t index = ref_index(registry_find(&m->registries.groups, tg->id));
		const struct target_set *set =
			atomic_load(&operation_snapshot(m)->groups[index].set);
		uint64_t healthy = 0, unhealthy = 0;
		char digest[20] = "";
		json_t *row;

		if (name != NULL && strcmp(name, tg->name) != 0)
			continue;
		metric_count_hosts(m, tg, &healthy, &unhealthy);
		row = json_object();
		json_put_text(row, "name", tg->name);
		json_put_text(row, "protocol", elb_protocol_name(tg->protocol));
		json_put_text(row, "forwarding",
			      tg->protocol == ELB_GENEVE ? "geneve"
			      : tg->full_nat             ? "full_nat"
							 : "nat");
		json_put(row, "targets", tg->targets_n);
		json_put(row, "HealthyHostCount", healthy);
		json_put(row, "UnHealthyHostCount", unhealthy);
		json_put_text(row, "fail_open", set != NULL && set->fail_open ? "yes" : "no");
		json_put(row, "table_entries", set == NULL ? 0 : set->entries_n);
		if (set != NULL)
			snprintf(digest, sizeof(digest), "%016llx",
				 (unsigned long long)set->digest);
		json_put_text(row, "table_digest", digest);
		json_array_append_new(rows, row);
	}
	return json_list("target_groups", rows);
}

static json_t *
describe_target(struct management *m, const struct model_target_group *tg,
		const struct model_target *t)
{
	const struct target_health *h = health_of(m->health, t->id);
	struct target_counters counters;
	json_t *row = json_object();

	json_put_text(row, "target_group", tg->name);
	json_put_endpoint(row, "target", &t->addr, t->port);
	json_put(row, "weight", t->weight);
	json_put_text(row, "state",
		      h == NULL ? "" : target_state_name((enum target_state)h->state));
	json_put_text(row, "reason",
		      h == NULL ? "" : target_reason_code((enum target_reason)h->reason));
	json_put_text(row, "description",
		      h == NULL ? "" : target_reason_text((enum target_reason)h->reason));
	json_put(row, "since_seconds", h == NULL ? 0 : management_wall_s() - h->changed_wall_s);
	counters = metric_of_target(m, t->id);
	put_target_counters(row, &counters);
	if (model_group_is_http(tg))
		metric_put_http_target(m, t->id, row);
	return row;
}

static void
append_draining(struct management *m, json_t *rows)
{
	const struct snapshot *s = operation_snapshot(m);

	for (uint32_t i = 1; i < s->targets_n; i++) {
		const struct snapshot_target *t = &s->targets[i];
		const struct target_health *h;
		struct target_counters counters;
		json_t *row;

		if (t->generation == 0 || m->targets[i].reference == 0 || m->targets[i].registered)
			continue;
		h = health_of(m->health, t->id);
		row = json_object();
		json_put_text(row, "target_group", "");
		json_put_endpoint(row, "target", &t->addr, ntohs(t->port_be));
		json_put(row, "weight", 0);
		json_put_text(row, "state", h == NULL ? "" : target_state_name(h->state));
		json_put_text(row, "reason", h == NULL ? "" : target_reason_code(h->reason));
		json_put_text(row, "description", h == NULL ? "" : target_reason_text(h->reason));
		json_put(row, "since_seconds",
			 h == NULL ? 0 : management_wall_s() - h->changed_wall_s);
		counters = metric_of_target(m, t->id);
		put_target_counters(row, &counters);
		json_array_append_new(rows, row);
	}
}

static json_t *
op_target_health(struct management *m, json_t *args, const char **code, char *message,
		 size_t message_len)
{
	const char *only = json_text(args, "target_group");
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
	return json_list("targets", rows);
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
		json_put_addr(row, "address", &info.addr);
		json_put_text(row, "interface", m->interface_names[info.interface]);
		json_put_text(row, "mac", mac);
		json_put_text(row, "state", neighbor_state_name(info.state));
		json_put(row, "waiting", info.waiting);
		json_array_append_new(rows, row);
	}
	return json_list("neighbors", rows);
}

static void
add_pool(json_t *rows, const char *name, uint64_t size, uint64_t in_use, uint64_t high_water,
	 uint64_t failures, uint64_t bytes)
{
	json_t *row = json_object();

	json_put_text(row, "name", name);
	json_put(row, "size", size);
	json_put(row, "in_use", in_use);
	json_put(row, "high_water", high_water);
	json_put(row, "failures", failures);
	json_put(row, "bytes", bytes);
	json_array_append_new(rows, row);
}

static json_t *
op_pools(struct management *m, json_t *args, const char **code, char *message, size_t message_len)
{
	struct http_pools http;
	struct nlb_gauges sum = {0};
	json_t *rows = json_array();
	uint64_t in_use, fragments = 0, fragments_high = 0;
	uint32_t capacity;

	(void)args, (void)code, (void)message, (void)message_len;
	for (uint16_t w = 0; w < m->dp->workers_n; w++) {
		const struct flow_fragments *f = m->dp->workers[w]->fragments;
		struct nlb_gauges g;

		fragments += __atomic_load_n(&f->held_n, __ATOMIC_RELAXED);
		fragments_high += __atomic_load_n(&f->high_water, __ATOMIC_RELAXED);
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
	add_pool(rows, "endpoints", SNAPSHOT_ENDPOINTS - 1, m->registries.endpoints.in_use_n, 0, 0,
		 0);
	add_pool(rows, "fragments", (uint64_t)FLOW_FRAGMENTS_HELD * m->dp->workers_n, fragments,
		 fragments_high, MANAGEMENT_SUM(m, drops[DROP_FRAGMENT_TABLE_FULL]), 0);
	add_pool(rows, "probes", PROBER_PROBES, m->probes_out, 0, 0, 0);
	metric_http_pools(m, &http);
	add_pool(rows, "connections", m->model->dataplane.max_connections, http.connections, 0,
		 http.connections_refused, http.tcp_bytes);
	add_pool(rows, "half_open", 0, http.half_open, 0, 0, 0);
	add_pool(rows, "time_wait", m->model->dataplane.max_connections, http.time_wait, 0, 0, 0);
	add_pool(rows, "client_connections", m->model->dataplane.max_connections, http.sessions, 0,
		 0, http.proxy_bytes);
	add_pool(rows, "handshakes", 0, http.handshakes, 0, 0, 0);
	add_pool(rows, "http2_connections", 0, http.http2_connections, 0, http.http2_failures,
		 http.http2_bytes);
	add_pool(rows, "http2_streams", 0, http.http2_streams, 0, 0, 0);
	add_pool(rows, "requests", m->model->dataplane.max_connections, http.exchanges, 0, 0, 0);
	add_pool(rows, "idle_target_connections", 0, http.idle_upstreams, 0, 0, 0);
	add_pool(rows, "spans", http.spans, http.spans_in_use, http.spans_high_water,
		 http.span_failures, http.spans * sizeof(struct span));
	add_pool(rows, "queued_payload", m->dp->mbufs,
		 http.queued_bytes / port_chain_charge(m->dp->pool), 0, http.queue_refusals,
		 http.queued_bytes);
	add_pool(rows, "log_records", 0, http.log_records, 0, http.log_lost, 0);
	return json_list("pools", rows);
}

/* Actions. */

static void
on_reloaded(struct management *m, void *arg, bool done)
{
	struct operation_call *call = arg;
	json_t *r;

	if (!done) {
		call->reply(call, NULL, "refused", m->reload_message);
		return;
	}
	r = json_object();
	json_put_text(r, "message", m->reload_message);
	json_put(r, "config_revision", m->config_revision);
	json_put(r, "microseconds", m->reload_us);
	call->reply(call, r, NULL, NULL);
}

static json_t *
op_shutdown(struct management *m, json_t *args, const char **code, char *message,
	    size_t message_len)
{
	(void)m, (void)args, (void)code, (void)message, (void)message_len;
	kill(getpid(), SIGTERM);
	return json_pack("{s:s}", "state", "stopping");
}

static const struct {
	const char *name;
	operation_function run;
} operations[] = {
	{"info", op_info},
	{"lcores", op_lcores},
	{"crypto_lcores", op_crypto_lcores},
	{"interfaces", op_interfaces},
	{"load_balancers", op_load_balancers},
	{"listeners", op_listeners},
	{"target_groups", op_target_groups},
	{"target_health", op_target_health},
	{"metrics", op_metrics},
	{"drops", op_drops},
	{"tcp", op_tcp},
	{"http2_ends", op_http2_ends},
	{"endpoints", operation_endpoints},
	{"addresses", operation_addresses},
	{"neighbors", op_neighbors},
	{"pools", op_pools},
	{"capture", operation_capture},
	{"capture_status", operation_capture_status},
	{"capture_stop", operation_capture_stop},
	{"shutdown", op_shutdown},
};

void
operation_run(struct management *m, const char *name, struct operation_call *call)
{
	if (strcmp(name, "flows") == 0) {
		operation_flows(m, call);
		return;
	}
	if (strcmp(name, "reload") == 0) {
		publication_reload(m, on_reloaded, call);
		return;
	}
	if (strcmp(name, "trace") == 0) {
		operation_trace(m, call);
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
