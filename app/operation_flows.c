/* SPDX-License-Identifier: BSD-3-Clause */
#include "operation_json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#define FLOWS_LIMIT     100
#define FLOWS_LIMIT_MAX 10000

/* Flows are asked of the workers; the reply comes when the last has answered. */

struct flows_call {
	struct operation_call *call;
	struct flow_filter filter;
	uint32_t limit;
	uint16_t workers_left;
	json_t *rows;
	uint32_t left_out; /* whether there were more than the limit */
};

const char *
operation_protocol_name(uint8_t proto)
{
	switch (proto) {
	case 0:
		return "any";
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	default:
		return NULL;
	}
}

static void
put_protocol(json_t *row, uint8_t proto)
{
	const char *name = operation_protocol_name(proto);
	char number[8];

	snprintf(number, sizeof(number), "%u", proto);
	json_put_text(row, "protocol", name != NULL ? name : number);
}

/* An end of a flow that may have no ports. */
static void
put_end(json_t *row, const char *key, const struct ip_addr *addr, uint16_t port_be)
{
	if (port_be == 0)
		json_put_addr(row, key, addr);
	else
		json_put_endpoint(row, key, addr, ntohs(port_be));
}

static json_t *
describe_flow(struct management *m, const struct flow_info *f, uint16_t worker)
{
	const struct snapshot_frontend *frontend =
		snapshot_frontend(operation_snapshot(m), f->frontend);
	bool gateway = f->kind == FLOW_KIND_GATEWAY;
	json_t *row = json_object();
	char cookie[12];

	put_protocol(row, f->proto);
	put_end(row, "client", &f->client, f->client_port_be);
	put_end(row, "listener", &f->vip, f->vip_port_be);
	if (gateway)
		json_put_text(row, "source", operation_endpoint_name(m, f->endpoint));
	else
		put_end(row, "source", &f->local, f->local_port_be);
	if (f->bypass)
		json_put_text(row, "target", "bypass");
	else
		put_end(row, "target", &f->target, f->target_port_be);
	json_put_text(row, "state", flow_state_name((enum flow_state)f->state));
	json_put_text(row, "forwarding", gateway ? "geneve" : f->full_nat ? "full_nat" : "nat");
	json_put(row, "idle_milliseconds", f->idle_ms);
	json_put(row, "age_milliseconds", f->age_ms);
	json_put(row, "packets", f->packets);
	json_put(row, "worker", worker);
	json_put_text(row, "frontend", frontend == NULL ? "gone" : "in force");
	snprintf(cookie, sizeof(cookie), "0x%08x", ntohl(f->cookie_be));
	json_put_text(row, "cookie", gateway ? cookie : "");
	return row;
}

static bool
send_flows_command(struct management *m, uint16_t worker, struct worker_command *command)
{
	return !m->workers_stopped &&
	       rte_ring_sp_enqueue(m->dp->workers[worker]->commands, command) == 0;
}

static void
finish_flows(struct flows_call *fc)
{
	json_t *result;

	if (--fc->workers_left > 0)
		return;
	result = json_list("flows", fc->rows);
	json_put_text(result, "more", fc->left_out ? "yes" : "no");
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
	struct flow_page *page = &command->flows;

	if (command->kind == WORKER_LOOK) {
		operation_trace_on_command(m, command);
		return;
	}

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
parse_flow_filter(struct management *m, json_t *args, struct flow_filter *filter, char *message,
		  size_t message_len)
{
	const char *client = json_text(args, "client"), *target = json_text(args, "target");
	const char *listener = json_text(args, "listener");

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

		if (lb == NULL || (lb->addresses_n == 0 && lb->type != LB_GATEWAY)) {
			snprintf(message, message_len,
				 "no listener is named %s (LOAD_BALANCER:PORT)", listener);
			return false;
		}
		filter->frontend = registry_find(
			&m->registries.frontends,
			lb->type == LB_GATEWAY
				? snapshot_gateway_frontend_id(l->id)
				: snapshot_frontend_id(l->id, &lb->addresses[0].addr));
	}
	return true;
}

void
operation_flows(struct management *m, struct operation_call *call)
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
