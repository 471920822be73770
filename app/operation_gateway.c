/* SPDX-License-Identifier: BSD-3-Clause */
#include "metric.h"
#include "operation_json.h"

#include <endian.h>
#include <stdlib.h>

/* Peaks: the busiest second since a load balancer was first seen. */

struct gateway_peak {
	uint64_t load_balancer_id;
	uint32_t at_ms;
	bool sampled;
	uint64_t bytes, packets;           /* at the last sample */
	uint64_t peak_bytes, peak_packets; /* a second */
};

static struct gateway_peak *
find_peak(const struct management *m, uint64_t load_balancer_id)
{
	for (uint32_t i = 0; i < m->peaks_n; i++) {
		if (m->peaks[i].load_balancer_id == load_balancer_id)
			return &m->peaks[i];
	}
	return NULL;
}

static struct gateway_peak *
take_peak(struct management *m, uint64_t load_balancer_id)
{
	struct gateway_peak *peak = find_peak(m, load_balancer_id), *more;

	if (peak != NULL)
		return peak;
	more = realloc(m->peaks, (m->peaks_n + 1) * sizeof(*more));
	if (more == NULL)
		return NULL;
	m->peaks = more;
	more[m->peaks_n] = (struct gateway_peak){.load_balancer_id = load_balancer_id};
	return &more[m->peaks_n++];
}

static void
sample(struct management *m, struct gateway_peak *peak, const struct frontend_counters *sum)
{
	uint32_t elapsed_ms = m->now_ms - peak->at_ms;

	if (peak->sampled && elapsed_ms > 0) {
		uint64_t bytes = (sum->bytes - peak->bytes) * 1000 / elapsed_ms;
		uint64_t packets = (sum->packets - peak->packets) * 1000 / elapsed_ms;

		if (bytes > peak->peak_bytes)
			peak->peak_bytes = bytes;
		if (packets > peak->peak_packets)
			peak->peak_packets = packets;
	}
	peak->sampled = true;
	peak->at_ms = m->now_ms;
	peak->bytes = sum->bytes;
	peak->packets = sum->packets;
}

void
gateway_sample(struct management *m)
{
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->model->load_balancers[i];
		struct gateway_peak *peak;
		struct frontend_counters sum = {0};

		if (lb->type != LB_GATEWAY)
			continue;
		peak = take_peak(m, lb->id);
		metric_add_load_balancer(m, lb->id, &sum);
		/* A listener that was made anew counts from 0. */
		if (peak != NULL && (sum.bytes < peak->bytes || sum.packets < peak->packets))
			peak->sampled = false;
		if (peak != NULL)
			sample(m, peak, &sum);
	}
}

/* G:cloudwatch-metrics of gateway load balancers. */
void
operation_put_gateway(struct management *m, const struct model_load_balancer *lb,
		      const struct frontend_counters *sum, json_t *row)
{
	const struct gateway_peak *peak = find_peak(m, lb->id);
	uint64_t healthy = 0, unhealthy = 0;

	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		if (m->model->target_groups[i].load_balancer_id == lb->id)
			metric_count_hosts(m, &m->model->target_groups[i], &healthy, &unhealthy);
	}
	json_put(row, "ActiveFlowCount", sum->new_flows - sum->closed_flows);
	json_put(row, "NewFlowCount", sum->new_flows);
	json_put(row, "ProcessedPackets", sum->packets);
	json_put(row, "ProcessedBytes", sum->bytes);
	json_put(row, "PeakPacketsPerSecond", peak == NULL ? 0 : peak->peak_packets);
	json_put(row, "PeakBytesPerSecond", peak == NULL ? 0 : peak->peak_bytes);
	json_put(row, "RejectedFlowCount", sum->rejected_flows);
	json_put(row, "RejectedFlowCount_TCP", sum->rejected_tcp);
	json_put(row, "HealthyHostCount", healthy);
	json_put(row, "UnHealthyHostCount", unhealthy);
	json_put(row, "TCP_ELB_Reset_Count", sum->elb_resets);
	json_put(row, "UnhealthyRoutingFlowCount", sum->unhealthy_routed);
	json_put(row, "BypassedPackets", sum->bypassed);
}

/* Endpoints. */

static const struct model_endpoint *
endpoint_of(const struct management *m, uint32_t reference)
{
	for (uint32_t i = 0; i < m->model->endpoints_n; i++) {
		if (registry_find(&m->registries.endpoints, m->model->endpoints[i].id) == reference)
			return &m->model->endpoints[i];
	}
	return NULL;
}

const char *
operation_endpoint_name(const struct management *m, uint32_t reference)
{
	const struct model_endpoint *e = endpoint_of(m, reference);

	return e == NULL ? "" : e->name;
}

OPERATION(operation_endpoints)
{
	json_t *rows = json_array();

	(void)args, (void)code, (void)message, (void)message_len;
	for (uint32_t i = 0; i < m->model->endpoints_n; i++) {
		const struct model_endpoint *e = &m->model->endpoints[i];
		char interfaces[128] = "", id[20];
		json_t *row = json_object();

		for (uint32_t k = 0; k < e->interfaces_n; k++) {
			size_t n = strlen(interfaces);

			snprintf(interfaces + n, sizeof(interfaces) - n, "%s%s", n > 0 ? " " : "",
				 e->interfaces[k]);
		}
		json_put_text(row, "name", e->name);
		json_put_text(row, "load_balancer", e->load_balancer);
		json_put_text(row, "mode", e->in_line ? "in_line" : "routed");
		json_put_text(row, "interfaces", interfaces);
		snprintf(id, sizeof(id), "0x%016llx", (unsigned long long)e->endpoint_id);
		json_put_text(row, "id", id);
		snprintf(id, sizeof(id), "0x%016llx", (unsigned long long)e->attachment_id);
		json_put_text(row, "attachment_id", id);
		json_array_append_new(rows, row);
	}
	return json_list("endpoints", rows);
}
