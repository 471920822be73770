/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of classic load balancers alone. */
#include "metric.h"
#include "operation_json.h"

/* An instance over all groups of its load balancer: in service when each of them may choose it. */
struct instance_health {
	enum target_state state; /* TARGET_HEALTHY, TARGET_INITIAL or TARGET_UNHEALTHY */
	uint64_t new_flows, closed_flows;
};

/* A group that was never checked has not said anything yet. */
static enum target_state
state_of(const struct management *m, uint64_t target)
{
	const struct target_health *h = health_of(m->health, target);

	return h == NULL || (h->state != TARGET_HEALTHY && h->state != TARGET_UNHEALTHY)
		       ? TARGET_INITIAL
		       : (enum target_state)h->state;
}

static enum target_state
worse(enum target_state a, enum target_state b)
{
	if (a == TARGET_UNHEALTHY || b == TARGET_UNHEALTHY)
		return TARGET_UNHEALTHY;
	return a == TARGET_HEALTHY ? b : a;
}

static void
add_target(struct management *m, const struct model_target *t, struct instance_health *instance)
{
	struct target_counters c = metric_of_target(m, t->id);

	instance->state = worse(instance->state, state_of(m, t->id));
	instance->new_flows += c.new_flows;
	instance->closed_flows += c.closed_flows;
}

/* @return  false: no listener uses the instance. */
static bool
look_at(struct management *m, const struct model_load_balancer *lb, uint32_t nth,
	struct instance_health *instance)
{
	bool used = false;

	*instance = (struct instance_health){.state = TARGET_HEALTHY};
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		if (!tg->implicit || tg->load_balancer_id != lb->id)
			continue;
		used = true;
		add_target(m, &tg->targets[nth], instance);
	}
	return used;
}

/* As DescribeInstanceHealth has it. */
static json_t *
describe(struct management *m, const struct model_load_balancer *lb, uint32_t nth)
{
	static const char *const words[][3] = {
		[TARGET_HEALTHY] = {"InService", "N/A", "N/A"},
		[TARGET_INITIAL] = {"OutOfService", "ELB",
				    "Instance registration is still in progress."},
		[TARGET_UNHEALTHY] = {"OutOfService", "Instance",
				      "Instance has failed at least the UnhealthyThreshold number "
				      "of health checks consecutively."},
	};
	struct instance_health instance;
	bool used = look_at(m, lb, nth, &instance);
	enum target_state state = used ? instance.state : TARGET_INITIAL;
	json_t *row = json_object();

	json_put_text(row, "load_balancer", lb->name);
	json_put_addr(row, "instance", &lb->instances[nth].addr);
	json_put_text(row, "state", words[state][0]);
	json_put_text(row, "reason_code", words[state][1]);
	json_put_text(row, "description", words[state][2]);
	json_put(row, "connections", instance.new_flows - instance.closed_flows);
	json_put(row, "new_connections", instance.new_flows);
	return row;
}

json_t *
operation_instance_health(struct management *m, json_t *args, const char **code, char *message,
			  size_t message_len)
{
	const char *only = json_text(args, "load_balancer");
	const struct model_load_balancer *lb =
		only == NULL ? NULL : model_load_balancer(m->model, only);
	json_t *rows;

	if (only != NULL && (lb == NULL || lb->type != LB_CLASSIC)) {
		*code = "not_found";
		snprintf(message, message_len, "no classic load balancer is named %s", only);
		return NULL;
	}
	rows = json_array();
	for (uint32_t i = 0; i < m->model->load_balancers_n; i++) {
		const struct model_load_balancer *each = &m->model->load_balancers[i];

		for (uint32_t k = 0; (lb == NULL || lb == each) && k < each->instances_n; k++)
			json_array_append_new(rows, describe(m, each, k));
	}
	return json_list("instances", rows);
}
