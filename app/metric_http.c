/* SPDX-License-Identifier: BSD-3-Clause */
#include "metric_http.h"
#include "model_network.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "balance.h"
#include "http2.h"
#include "operation_json.h"
#include "proxy.h"
#include "tcp.h"
#include "worker_tcp.h"

#define FRONTEND(name, prometheus, member)                                                        \
	{                                                                                         \
		name, prometheus, offsetof(struct http_frontend_counters, member), METRIC_NOTHING \
	}
#define TARGET(name, prometheus, member)                                                        \
	{                                                                                       \
		name, prometheus, offsetof(struct http_target_counters, member), METRIC_NOTHING \
	}

const struct http_metric http_frontend_metrics[] = {
	{"ActiveConnectionCount", "active_connection_count",
	 offsetof(struct http_frontend_counters, new_connections),
	 offsetof(struct http_frontend_counters, closed_connections)},
	FRONTEND("NewConnectionCount", "new_connection_count", new_connections),
	FRONTEND("RejectedConnectionCount", "rejected_connection_count", rejected_connections),
	FRONTEND("ClientTLSNegotiationErrorCount", "client_tls_negotiation_error_count",
		 tls_errors),
	FRONTEND("RequestCount", "request_count", requests),
	FRONTEND("IPv6RequestCount", "ipv6_request_count", ipv6_requests),
	FRONTEND("GrpcRequestCount", "grpc_request_count", grpc_requests),
	FRONTEND("ProcessedBytes", "http_processed_bytes", processed_bytes),
	FRONTEND("IPv6ProcessedBytes", "ipv6_processed_bytes", ipv6_processed_bytes),
	FRONTEND("RuleEvaluations", "rule_evaluations", rule_evaluations),
	FRONTEND("HTTP_Fixed_Response_Count", "http_fixed_response_count", fixed_responses),
	FRONTEND("HTTP_Redirect_Count", "http_redirect_count", redirects),
	FRONTEND("HTTP_Redirect_Url_Limit_Exceeded_Count", "http_redirect_url_limit_exceeded_count",
		 redirects_too_long),
	FRONTEND("HTTPCode_ELB_3XX_Count", "httpcode_elb_3xx_count", elb_3xx),
	FRONTEND("HTTPCode_ELB_4XX_Count", "httpcode_elb_4xx_count", elb_4xx),
	FRONTEND("HTTPCode_ELB_5XX_Count", "httpcode_elb_5xx_count", elb_5xx),
	FRONTEND("HTTPCode_ELB_500_Count", "httpcode_elb_500_count", elb_500),
	FRONTEND("HTTPCode_ELB_502_Count", "httpcode_elb_502_count", elb_502),
	FRONTEND("HTTPCode_ELB_503_Count", "httpcode_elb_503_count", elb_503),
	FRONTEND("HTTPCode_ELB_504_Count", "httpcode_elb_504_count", elb_504),
	FRONTEND("NonStickyRequestCount", "non_sticky_request_count", non_sticky_requests),
	FRONTEND("DesyncMitigationMode_NonCompliant_Request_Count",
		 "desync_mitigation_mode_non_compliant_request_count", desync_non_compliant),
	FRONTEND("DroppedInvalidHeaderRequestCount", "dropped_invalid_header_request_count",
		 dropped_invalid_header),
	FRONTEND("ForwardedInvalidHeaderRequestCount", "forwarded_invalid_header_request_count",
		 forwarded_invalid_header),
	FRONTEND("UnhealthyRoutingRequestCount", "unhealthy_routing_request_count",
		 unhealthy_routed),
	FRONTEND("weir.RetryCount", "retry_count", retries),
	FRONTEND("weir.TargetCutResponseCount", "target_cut_response_count", cut_by_target),
	FRONTEND("weir.ClientCutResponseCount", "client_cut_response_count", cut_by_client),
	FRONTEND("weir.LostLogRecordCount", "lost_log_record_count", log_lost),
};

const struct http_metric http_target_metrics[] = {
	TARGET("RequestCount", "request_count", requests),
	TARGET("HTTPCode_Target_2XX_Count", "httpcode_target_2xx_count", status[0]),
	TARGET("HTTPCode_Target_3XX_Count", "httpcode_target_3xx_count", status[1]),
	TARGET("HTTPCode_Target_4XX_Count", "httpcode_target_4xx_count", status[2]),
	TARGET("HTTPCode_Target_5XX_Count", "httpcode_target_5xx_count", status[3]),
	TARGET("TargetConnectionErrorCount", "connection_error_count", connection_errors),
	TARGET("TargetTLSNegotiationErrorCount", "target_tls_negotiation_error_count", tls_errors),
};

const size_t http_frontend_metrics_n = RTE_DIM(http_frontend_metrics);
const size_t http_target_metrics_n = RTE_DIM(http_target_metrics);

uint64_t
http_metric_value(const struct http_metric *metric, const void *counters)
{
	const uint8_t *at = counters;
	uint64_t plus, minus = 0;

	memcpy(&plus, at + metric->plus, sizeof(plus));
	if (metric->minus != METRIC_NOTHING)
		memcpy(&minus, at + metric->minus, sizeof(minus));
	return plus - minus;
}

static void
add(void *to, const void *from, size_t bytes)
{
	uint64_t *sum = to;
	const uint64_t *counters = from;

	for (size_t i = 0; i < bytes / sizeof(*sum); i++)
		sum[i] += counter_read(&counters[i]);
}

static void
add_http_frontends(struct management *m, const struct model_listener *l,
		   struct http_frontend_counters *sum)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(m->model, l->load_balancer_id);

	for (uint32_t k = 0; lb != NULL && k < lb->addresses_n; k++) {
		uint64_t id = snapshot_frontend_id(l->id, &lb->addresses[k].addr);
		uint32_t index = ref_index(registry_find(&m->registries.frontends, id));

		for (uint16_t w = 0; index != 0 && w < m->dp->workers_n; w++)
			add(sum, &worker_tcp_counters(m->dp->workers[w]->tcp)->frontends[index],
			    sizeof(*sum));
	}
}

/* With what came by network load balancers in front of it. */
void
metric_add_http_listener(struct management *m, const struct model_listener *l,
			 struct http_frontend_counters *sum)
{
	add_http_frontends(m, l, sum);
	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		if (model_alb_of(m->model, &m->model->listeners[i]) == l)
			add_http_frontends(m, &m->model->listeners[i], sum);
	}
}

struct http_target_counters
metric_of_http_target(struct management *m, uint64_t target_id)
{
	uint32_t index = ref_index(registry_find(&m->registries.targets, target_id));
	struct http_target_counters sum = {0};

	for (uint16_t w = 0; index != 0 && w < m->dp->workers_n; w++)
		add(&sum, &worker_tcp_counters(m->dp->workers[w]->tcp)->targets[index],
		    sizeof(sum));
	return sum;
}

void
metric_of_http_group(struct management *m, uint64_t group_id, struct histogram *sum)
{
	uint32_t index = ref_index(registry_find(&m->registries.groups, group_id));

	for (uint16_t w = 0; index != 0 && w < m->dp->workers_n; w++)
		histogram_sum(sum, &worker_tcp_counters(m->dp->workers[w]->tcp)->groups[index]);
}

static void
put_metrics(json_t *row, const struct http_metric *metrics, size_t n, const void *counters)
{
	for (size_t i = 0; i < n; i++)
		json_put(row, metrics[i].name, http_metric_value(&metrics[i], counters));
}

static void
put_frontend(json_t *row, const struct http_frontend_counters *sum)
{
	put_metrics(row, http_frontend_metrics, http_frontend_metrics_n, sum);
}

static void
put_target(json_t *row, const struct http_target_counters *sum)
{
	put_metrics(row, http_target_metrics, http_target_metrics_n, sum);
}

void
metric_put_http_listener(struct management *m, const struct model_listener *l, json_t *row)
{
	struct http_frontend_counters sum = {0};

	metric_add_http_listener(m, l, &sum);
	put_frontend(row, &sum);
}

void
metric_put_http_load_balancer(struct management *m, uint64_t load_balancer_id, json_t *row)
{
	struct http_frontend_counters sum = {0};

	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		if (m->model->listeners[i].load_balancer_id == load_balancer_id)
			metric_add_http_listener(m, &m->model->listeners[i], &sum);
	}
	put_frontend(row, &sum);
}

void
metric_put_http_target(struct management *m, uint64_t target_id, json_t *row)
{
	struct http_target_counters sum = metric_of_http_target(m, target_id);

	put_target(row, &sum);
}

/* RequestCountPerTarget is an average over targets, as CloudWatch's. */
void
metric_put_http_group(struct management *m, const struct model_target_group *tg, json_t *row)
{
	struct http_target_counters sum = {0};
	struct histogram times = {0};
	uint64_t anomalous = 0, mitigated = 0;

	for (uint32_t i = 0; i < tg->targets_n; i++) {
		struct http_target_counters c = metric_of_http_target(m, tg->targets[i].id);

		add(&sum, &c, sizeof(sum));
	}
	metric_of_http_group(m, tg->id, &times);
	put_target(row, &sum);
	for (uint32_t i = 0; i < tg->targets_n; i++) {
		uint32_t index =
			ref_index(registry_find(&m->registries.targets, tg->targets[i].id));
		const struct anomaly_target *a = &m->targets[index].anomaly;

		anomalous += a->anomalous;
		mitigated += a->factor != 0 && a->factor < BALANCE_FACTOR_ONE;
	}
	json_put(row, "AnomalousHostCount", anomalous);
	json_put(row, "MitigatedHostCount", mitigated);
	json_put(row, "RequestCountPerTarget",
		 tg->targets_n == 0 ? 0 : sum.requests / tg->targets_n);
	metric_put_times(row, "TargetResponseTime", &times);
}

void
metric_put_times(json_t *row, const char *name, const struct histogram *times)
{
	const struct {
		const char *suffix;
		uint64_t value;
	} parts[] = {{"p50_us", histogram_percentile(times, 500)},
		     {"p90_us", histogram_percentile(times, 900)},
		     {"p99_us", histogram_percentile(times, 990)},
		     {"samples", histogram_count(times)},
		     {"sum_us", times->sum_us}};
	char key[64];

	for (size_t i = 0; i < RTE_DIM(parts); i++) {
		snprintf(key, sizeof(key), "%s_%s", name, parts[i].suffix);
		json_put(row, key, parts[i].value);
	}
}

void
metric_http_pools(struct management *m, struct http_pools *pools)
{
	struct logger_counters logged;

	*pools = (struct http_pools){0};
	for (uint16_t w = 0; w < m->dp->workers_n; w++) {
		const struct worker_tcp *t = m->dp->workers[w]->tcp;
		const struct tcp_counters *c = worker_tcp_engine(t);
		const struct http2_gauge *h;
		struct proxy_gauges g;

		worker_tcp_gauges(t, &g);
		pools->connections += c->connections;
		pools->half_open += c->half_open;
		pools->time_wait += c->time_wait;
		pools->connections_refused += c->no_connection;
		pools->queued_bytes += worker_tcp_charged(t);
		pools->queue_refusals += c->no_memory + c->memory_resets;
		pools->exchanges += g.exchanges;
		pools->idle_upstreams += g.idle_upstreams;
		pools->sessions += g.sessions + g.conduits;
		pools->handshakes += g.handshakes;
		pools->tcp_bytes += worker_tcp_bytes(t);
		pools->proxy_bytes += g.bytes;
		h = worker_tcp_http2(t);
		pools->http2_connections += h->connections;
		pools->http2_streams += h->streams;
		pools->http2_bytes += h->bytes;
		pools->http2_failures += h->failures;
		worker_tcp_add_spans(t, &pools->spans, &pools->spans_in_use,
				     &pools->spans_high_water, &pools->span_failures);
	}
	log_files_counters(m->log_files, &logged);
	pools->log_records = logged.lines;
	pools->log_lost = logged.lost + logged.failed;
}

json_t *
metric_http2_ends(const struct management *m)
{
	json_t *r = json_object();

	for (int end = 1; end < HTTP2_ENDS; end++) {
		uint64_t n = 0;

		for (uint16_t w = 0; w < m->dp->workers_n; w++)
			n += worker_tcp_http2(m->dp->workers[w]->tcp)->ends[end];
		json_put(r, http2_end_name((enum http2_end)end), n);
	}
	return r;
}

json_t *
metric_tcp(const struct management *m)
{
	/* clang-format off */
#define TCP_COUNTER(name) {#name, offsetof(struct tcp_counters, name)}
	static const struct {
		const char *name;
		size_t offset;
	} counters[] = {
		TCP_COUNTER(segments_in),
		TCP_COUNTER(segments_out),
		TCP_COUNTER(bytes_in),
		TCP_COUNTER(bytes_out),
		TCP_COUNTER(accepted),
		TCP_COUNTER(connected),
		TCP_COUNTER(refused),
		TCP_COUNTER(reset_sent),
		TCP_COUNTER(reset_received),
		TCP_COUNTER(retransmitted),
		TCP_COUNTER(timeouts),
		TCP_COUNTER(out_of_order),
		TCP_COUNTER(duplicate),
		TCP_COUNTER(out_of_window),
		TCP_COUNTER(challenge_acks),
		TCP_COUNTER(syn_ack_retransmitted),
		TCP_COUNTER(half_open_expired),
		TCP_COUNTER(cookies_sent),
		TCP_COUNTER(cookies_accepted),
		TCP_COUNTER(cookies_refused),
		TCP_COUNTER(no_connection),
		TCP_COUNTER(no_memory),
		TCP_COUNTER(memory_resets),
	};
#undef TCP_COUNTER
	/* clang-format on */
	json_t *r = json_object();

	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		uint64_t sum = 0;

		for (uint16_t w = 0; w < m->dp->workers_n; w++) {
			const struct tcp_counters *c = worker_tcp_engine(m->dp->workers[w]->tcp);
			const uint64_t *value =
				(const void *)((const uint8_t *)c + counters[i].offset);

			sum += __atomic_load_n(value, __ATOMIC_RELAXED);
		}
		json_put(r, counters[i].name, sum);
	}
	return r;
}
