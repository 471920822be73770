/* SPDX-License-Identifier: BSD-3-Clause */
#include "metric_classic.h"

#include "metric.h"
#include "metric_http.h"
#include "operation_json.h"
#include "service_surge.h"
#include "worker_tcp.h"

/* What all metrics are made of: requests of HTTP listeners, connections of the others. */
struct sums {
	struct http_frontend_counters http;
	struct frontend_counters conduits;
	struct http_target_counters instances;
	struct target_counters connections;
	struct histogram latency;
	uint64_t healthy, unhealthy;
	uint32_t groups_n;
};

static void
add_listener(struct management *m, const struct model_listener *l, struct sums *s)
{
	if (elb_protocol_is_http(l->protocol))
		metric_add_http_listener(m, l, &s->http);
	else
		metric_add_listener(m, l, &s->conduits);
}

static void
add_instance(struct management *m, uint64_t target_id, struct sums *s)
{
	struct http_target_counters h = metric_of_http_target(m, target_id);
	struct target_counters c = metric_of_target(m, target_id);

	for (int i = 0; i < 4; i++)
		s->instances.status[i] += h.status[i];
	s->instances.connection_errors += h.connection_errors + h.tls_errors;
	s->connections.connect_errors += c.connect_errors + c.tls_errors;
	s->connections.answered_flows += c.answered_flows;
	s->connections.new_flows += c.new_flows;
	s->connections.closed_flows += c.closed_flows;
}

/* An instance is in every group, and may be in service on some of its ports only: the least count.
 */
static void
add_group(struct management *m, const struct model_target_group *tg, struct sums *s)
{
	uint64_t healthy = 0, unhealthy = 0;

	for (uint32_t i = 0; i < tg->targets_n; i++)
		add_instance(m, tg->targets[i].id, s);
	for (uint32_t i = 0; i < m->model->sets_n; i++) {
		if (&m->model->target_groups[m->model->sets[i].group] == tg)
			metric_of_http_group(m, m->model->sets[i].id, &s->latency);
	}
	metric_count_hosts(m, tg, &healthy, &unhealthy);
	if (s->groups_n++ == 0 || healthy < s->healthy) {
		s->healthy = healthy;
		s->unhealthy = unhealthy;
	}
}

static void
put_of_clients(json_t *row, const struct sums *s)
{
	const struct http_frontend_counters *h = &s->http;
	const struct frontend_counters *c = &s->conduits;

	json_put(row, "HTTPCode_ELB_4XX", h->elb_4xx);
	json_put(row, "HTTPCode_ELB_5XX", h->elb_5xx);
	json_put(row, "SpilloverCount", h->spillovers + c->spillovers);
	json_put(row, "DesyncMitigationMode_NonCompliant_Request_Count", h->desync_non_compliant);
	json_put(row, "EstimatedProcessedBytes", h->processed_bytes + c->bytes);
	json_put(row, "weir.RejectedConnectionCount", h->rejected_connections + c->rejected_flows);
	json_put(row, "weir.ClientTLSNegotiationErrorCount", h->tls_errors + c->client_tls_errors);
	json_put(row, "weir.LostLogRecordCount", h->log_lost + c->log_lost);
}

/* Of all workers. */
static uint64_t
waiting(struct management *m, const struct model_load_balancer *lb)
{
	uint32_t index = service_surge_index(m->model, &m->registries, lb);
	uint64_t n = 0;

	for (uint16_t w = 0; index != 0 && w < m->dp->workers_n; w++)
		n += worker_tcp_waiting(m->dp->workers[w]->tcp, index);
	return n;
}

void
metric_put_classic(struct management *m, const struct model_load_balancer *lb, json_t *row)
{
	struct sums s = {0};
	uint64_t begun, ended;

	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		if (m->model->listeners[i].load_balancer_id == lb->id)
			add_listener(m, &m->model->listeners[i], &s);
	}
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		if (m->model->target_groups[i].load_balancer_id == lb->id)
			add_group(m, &m->model->target_groups[i], &s);
	}
	put_of_clients(row, &s);
	begun = s.http.new_connections + s.conduits.new_flows + s.connections.new_flows;
	ended = s.http.closed_connections + s.conduits.closed_flows + s.connections.closed_flows;
	json_put(row, "RequestCount", s.http.requests + s.connections.answered_flows);
	json_put(row, "EstimatedALBActiveConnectionCount", begun - ended);
	json_put(row, "EstimatedALBNewConnectionCount", begun);
	json_put(row, "HealthyHostCount", s.healthy);
	json_put(row, "UnHealthyHostCount", s.unhealthy);
	json_put(row, "BackendConnectionErrors",
		 s.instances.connection_errors + s.connections.failed_flows);
	json_put(row, "HTTPCode_Backend_2XX", s.instances.status[0]);
	json_put(row, "HTTPCode_Backend_3XX", s.instances.status[1]);
	json_put(row, "HTTPCode_Backend_4XX", s.instances.status[2]);
	json_put(row, "HTTPCode_Backend_5XX", s.instances.status[3]);
	json_put(row, "SurgeQueueLength", waiting(m, lb));
	metric_put_times(row, "Latency", &s.latency);
}

void
metric_put_classic_listener(struct management *m, const struct model_listener *l, json_t *row)
{
	struct sums s = {0};

	add_listener(m, l, &s);
	put_of_clients(row, &s);
	json_put(row, "RequestCount", s.http.requests + s.conduits.new_flows);
}
