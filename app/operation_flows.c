/* SPDX-License-Identifier: BSD-3-Clause */
#include "operation_json.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define FLOWS_LIMIT     100
#define FLOWS_LIMIT_MAX 10000

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
	const struct snapshot_frontend *frontend =
		snapshot_frontend(operation_snapshot(m), f->frontend);
	json_t *row = json_object();

	json_put_text(row, "protocol", f->proto == 6 ? "TCP" : "UDP");
	json_put_endpoint(row, "client", &f->client, ntohs(f->client_port_be));
	json_put_endpoint(row, "listener", &f->vip, ntohs(f->vip_port_be));
	json_put_endpoint(row, "source", &f->local, ntohs(f->local_port_be));
	json_put_endpoint(row, "target", &f->target, ntohs(f->target_port_be));
	json_put_text(row, "state", flow_state_name((enum flow_state)f->state));
	json_put_text(row, "forwarding", f->full_nat ? "full_nat" : "nat");
	json_put(row, "idle_milliseconds", f->idle_ms);
	json_put(row, "age_milliseconds", f->age_ms);
	json_put(row, "packets", f->packets);
	json_put(row, "worker", worker);
	json_put_text(row, "frontend", frontend == NULL ? "gone" : "in force");
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
