/* SPDX-License-Identifier: BSD-3-Clause */
#include "management.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "alb.h"
#include "clb_conduit.h"
#include "clb_http.h"
#include "clock.h"
#include "log.h"
#include "maglev.h"
#include "metric_http.h"
#include "model_sets.h"
#include "nlb_tls.h"
#include "target_set.h"

#define SLICE_US   2000  /* target sets are built in slices of this */
#define STEP_STEPS 20000 /* of a set's, between two looks at the clock: about 100 us */

/* A publication under way: complete but for the sets that have to be built. */
struct publication {
	struct model *model;
	struct snapshot *snapshot;
	struct target_set **sets; /* by set of the model; NULL: the one in force stays */
	uint64_t *inputs;         /* of those */
	uint32_t at;              /* set of the model that is looked at next */
	struct set_build build;
	struct model_diff diff;
	uint64_t busy_us;
};

/* Somebody who wants to know how a reload ended. */
struct reload_waiter {
	struct reload_waiter *next;
	publication_reloaded done;
	void *arg;
};

static struct snapshot *
in_force(const struct management *m)
{
	return atomic_load_explicit(&m->dp->snapshot, memory_order_relaxed);
}

static uint64_t
now_us(void)
{
	return rte_rdtsc() * 1000000 / rte_get_tsc_hz();
}

/* Grace periods. */

void
publication_retire(struct management *m, void (*free_memory)(void *), void *memory)
{
	struct retired *r;

	if (memory == NULL)
		return;
	r = malloc(sizeof(*r));
	if (r == NULL) {
		/* Without a note to wait by: wait here, workers pass in microseconds. */
		rte_rcu_qsbr_synchronize(m->dp->rcu, RTE_QSBR_THRID_INVALID);
		free_memory(memory);
		return;
	}
	*r = (struct retired){.next = m->retired,
			      .token = rte_rcu_qsbr_start(m->dp->rcu),
			      .free = free_memory,
			      .memory = memory};
	m->retired = r;
}

void
publication_reclaim(struct management *m)
{
	struct retired **link = &m->retired;

	while (*link != NULL) {
		struct retired *r = *link;

		if (rte_rcu_qsbr_check(m->dp->rcu, r->token, false) == 0) {
			link = &r->next;
			continue;
		}
		*link = r->next;
		r->free(r->memory);
		free(r);
	}
}

static void
free_snapshot(void *memory)
{
	snapshot_free(memory);
}

/* Target sets. */

/* A target that is about to be registered is in the state it will then be in. */
static bool
is_eligible(const struct management *m, const struct model_target_group *tg,
	    const struct model_target *t)
{
	const struct target_health *h = health_of(m->health, t->id);

	if (h == NULL)
		return !tg->health_check.enabled && tg->load_balancer_id != 0;
	return target_state_gets_flows((enum target_state)h->state);
}

/* With too few healthy targets all get flows: none counts as eligible, which is fail-open. */
static void
apply_threshold(const struct model_target_group *tg, struct maglev_target *targets, size_t n)
{
	uint64_t healthy = 0;

	for (size_t i = 0; i < n; i++)
		healthy += targets[i].eligible;
	if (healthy >= tg->minimum_healthy &&
	    100 * healthy >= (uint64_t)tg->minimum_healthy_percent * n)
		return;
	for (size_t i = 0; i < n; i++)
		targets[i].eligible = false;
}

/*
 * The targets that may be in the group's set.  With cross-zone off only those of its zone, unless
 * that has none.
 */
static size_t
gather_targets(const struct management *m, const struct model *model,
	       const struct model_target_group *tg, const char *zone, struct maglev_target *targets)
{
	bool all = tg->cross_zone;
	size_t n = 0;

	if (!all) {
		all = true;
		for (uint32_t i = 0; i < tg->targets_n; i++)
			all &= !model_zones_equal(model, tg->targets[i].zone, zone);
	}
	for (uint32_t i = 0; i < tg->targets_n; i++) {
		const struct model_target *t = &tg->targets[i];

		if (!all && !model_zones_equal(model, t->zone, zone))
			continue;
		targets[n++] = (struct maglev_target){
			.id = t->id,
			.reference = registry_find(&m->registries.targets, t->id),
			.weight = t->weight,
			.eligible = is_eligible(m, tg, t)};
	}
	if (!model_group_is_balanced(tg) && tg->protocol != ELB_GENEVE)
		apply_threshold(tg, targets, n);
	return n;
}

/* What mitigation leaves of a target's weight. */
static uint32_t
factor_of(const struct management *m, uint32_t reference)
{
	uint32_t factor = m->targets[ref_index(reference)].anomaly.factor;

	return factor == 0 ? BALANCE_FACTOR_ONE : factor;
}

static uint64_t
digest_inputs(const struct management *m, const struct maglev_target *targets, size_t n)
{
	uint64_t digest = n + 1;

	for (size_t i = 0; i < n; i++) {
		uint64_t w[4] = {digest, targets[i].id,
				 (uint64_t)targets[i].reference << 32 | targets[i].weight,
				 (uint64_t)factor_of(m, targets[i].reference) << 1 |
					 targets[i].eligible};

		digest = siphash(&m->maglev_seed, w, sizeof(w));
	}
	return digest;
}

static uint32_t
group_index(const struct management *m, uint64_t id)
{
	return ref_index(registry_find(&m->registries.groups, id));
}

/* The set of a group in force; NULL: it has none yet. */
static struct target_set *
set_in_force(const struct management *m, uint32_t index, uint64_t id)
{
	const struct snapshot *s = in_force(m);

	if (s == NULL || index >= s->groups_n || s->groups[index].id != id)
		return NULL;
	return atomic_load_explicit(&s->groups[index].set, memory_order_relaxed);
}

/* The set of a group whose requests are balanced. */
static struct target_set *
requests_set(struct management *m, const struct model_target_group *tg,
	     const struct maglev_target *targets, size_t n)
{
	struct balance_settings settings = {.algorithm = tg->algorithm,
					    .slow_start_ms = tg->slow_start_s * 1000,
					    .minimum_healthy = tg->minimum_healthy,
					    .minimum_healthy_percent = tg->minimum_healthy_percent,
					    .fail_close = tg->fail_mode == FAIL_CLOSE};
	struct balance_member *members = calloc(n + 1, sizeof(*members));
	struct target_set *set;

	if (members == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct managed_target *mt = &m->targets[ref_index(targets[i].reference)];

		members[i] = (struct balance_member){.target = targets[i].reference,
						     .weight = targets[i].weight,
						     .factor = factor_of(m, targets[i].reference),
						     .healthy = targets[i].eligible,
						     .ramp_end_ms = mt->ramp_end_ms};
	}
	set = target_set_of_requests(&settings, members, (uint32_t)n, ++m->sets_built);
	free(members);
	return set;
}

/*
 * Begin to build a group's set, if what it depends on has changed: build->job is NULL if not.
 * @return  false without memory.
 */
static bool
begin_set(struct management *m, const struct model *model, const struct model_set *model_set,
	  struct set_build *build)
{
	const struct model_target_group *tg = &model->target_groups[model_set->group];
	struct maglev_target *targets = calloc(tg->targets_n + 1, sizeof(*targets));
	size_t n;

	if (targets == NULL)
		return false;
	*build = (struct set_build){.group_id = model_set->id,
				    .index = group_index(m, model_set->id)};
	n = gather_targets(m, model, tg, model_set->zone, targets);
	build->inputs = digest_inputs(m, targets, n);
	if (set_in_force(m, build->index, model_set->id) == NULL ||
	    m->groups[build->index].inputs != build->inputs) {
		if (model_group_is_balanced(tg))
			build->set = requests_set(m, tg, targets, n);
		else
			build->job = maglev_begin(&m->maglev_seed, targets, n);
		free(targets);
		return build->set != NULL || build->job != NULL;
	}
	free(targets);
	return true;
}

static bool
is_building(const struct set_build *build)
{
	return build->job != NULL || build->set != NULL;
}

/* @return  whether the set is finished: a list is at once. */
static bool
step_set(struct set_build *build)
{
	return build->set != NULL || maglev_step(build->job, STEP_STEPS);
}

static struct target_set *
end_set(struct set_build *build)
{
	struct target_set *set = build->set != NULL ? build->set : maglev_end(build->job);

	build->job = NULL;
	build->set = NULL;
	return set;
}

/* Health changes while a publication is under way: the sets in force follow at once. */

static bool
begin_update(struct management *m)
{
	const struct model *model = m->model;

	for (uint32_t looked = 0; looked < model->sets_n; looked++) {
		const struct model_set *set;
		uint32_t index;

		if (m->update_at >= model->sets_n)
			m->update_at = 0;
		set = &model->sets[m->update_at++];
		index = group_index(m, set->id);
		if (!m->groups[index].dirty)
			continue;
		if (!begin_set(m, model, set, &m->update)) {
			m->sets_dirty = false;
			m->sets_starved = true;
			return false;
		}
		m->groups[index].dirty = false;
		return true;
	}
	m->sets_dirty = false;
	return false;
}

static void
end_update(struct management *m)
{
	uint32_t index = m->update.index;
	struct snapshot *s = in_force(m);
	struct target_set *old = set_in_force(m, index, m->update.group_id);
	struct target_set *set = end_set(&m->update);

	m->groups[index].inputs = m->update.inputs;
	/* Release: the table must be complete before workers see it. */
	atomic_store_explicit(&s->groups[index].set, set, memory_order_release);
	publication_retire(m, target_set_free, old);
	m->health_revision++;
	publication_mark_appliances(m);
}

/* The group may leave: what is being built for it is given up, and looked at again. */
static void
abandon_update(struct management *m)
{
	if (!is_building(&m->update))
		return;
	target_set_free(end_set(&m->update));
	m->groups[m->update.index].dirty = true;
	m->sets_dirty = true;
}

static void
update_sets(struct management *m, uint64_t end_us)
{
	while ((m->sets_dirty || is_building(&m->update)) && now_us() < end_us) {
		if (!is_building(&m->update) && !begin_update(m))
			return;
		if (is_building(&m->update) && step_set(&m->update))
			end_update(m);
	}
}

/* @return  whether a weight changed. */
static bool
find_anomalies(struct management *m, const struct model_target_group *tg)
{
	bool mitigate = tg->anomaly_mitigation && tg->algorithm == ALGORITHM_WEIGHTED_RANDOM;
	struct anomaly_target *targets = calloc(tg->targets_n + 1, sizeof(*targets));
	bool changed;

	if (targets == NULL)
		return false;
	for (uint32_t i = 0; i < tg->targets_n; i++) {
		uint64_t id = tg->targets[i].id;
		const struct target_health *h = health_of(m->health, id);
		struct http_target_counters c = metric_of_http_target(m, id);

		targets[i] =
			m->targets[ref_index(registry_find(&m->registries.targets, id))].anomaly;
		targets[i].requests = c.requests;
		targets[i].failures = c.status[3] + c.connection_errors;
		targets[i].healthy = h != NULL && h->state == TARGET_HEALTHY;
	}
	changed = anomaly_step(targets, tg->targets_n, mitigate);
	for (uint32_t i = 0; i < tg->targets_n; i++)
		m->targets[ref_index(registry_find(&m->registries.targets, tg->targets[i].id))]
			.anomaly = targets[i];
	free(targets);
	return changed;
}

void
publication_find_anomalies(struct management *m)
{
	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		if (!model_group_is_http(tg) || !find_anomalies(m, tg))
			continue;
		m->groups[group_index(m, tg->id)].dirty = true;
		m->sets_dirty = true;
	}
}

static uint64_t
workers_ms(const struct management *m)
{
	return clock_us(&m->dp->clock, rte_rdtsc()) / 1000;
}

/* A:edit-target-group-attributes: slow start, if another healthy target is not in it. */
static void
begin_slow_start(struct management *m, const struct model_target_group *tg, uint64_t target)
{
	uint64_t now_ms = workers_ms(m);
	bool others = false;

	for (uint32_t i = 0; i < tg->targets_n; i++) {
		const struct target_health *h = health_of(m->health, tg->targets[i].id);
		uint32_t index =
			ref_index(registry_find(&m->registries.targets, tg->targets[i].id));

		others |= tg->targets[i].id != target && h != NULL && h->state == TARGET_HEALTHY &&
			  m->targets[index].ramp_end_ms <= now_ms;
	}
	if (others)
		m->targets[ref_index(registry_find(&m->registries.targets, target))].ramp_end_ms =
			now_ms + tg->slow_start_s * UINT64_C(1000);
}

/* The sets of a target group, of every zone, are to be looked at. */
static void
mark_dirty(struct management *m, uint64_t group_id)
{
	const struct model *model = m->model;

	for (uint32_t i = 0; i < model->sets_n; i++) {
		if (model->target_groups[model->sets[i].group].id == group_id)
			m->groups[group_index(m, model->sets[i].id)].dirty = true;
	}
	m->sets_dirty = true;
}

void
publication_on_health(void *arg, uint64_t target, const struct target_health *health,
		      enum target_state before)
{
	struct management *m = arg;
	uint32_t reference = registry_find(&m->registries.targets, target);
	const struct snapshot *s = in_force(m);
	const struct snapshot_target *t = s == NULL ? NULL : snapshot_target(s, reference);
	const struct model_target_group *tg;
	char text[IP_ADDR_TEXT_MAX];

	if (t == NULL)
		return;
	mark_dirty(m, s->groups[t->group].id);
	m->zones_dirty = true;
	tg = model_target_group_by_id(m->model, s->groups[t->group].id);
	if (tg != NULL && tg->slow_start_s > 0 && health->state == TARGET_HEALTHY)
		begin_slow_start(m, tg, target);
	if (tg != NULL)
		publication_on_unhealthy(m, tg, &m->targets[ref_index(reference)], before,
					 (enum target_state)health->state);
	LOG_INFO("target %s:%u of %s: %s -> %s%s%s", ip_addr_format(&t->addr, text),
		 ntohs(t->port_be), tg == NULL ? "?" : tg->name, target_state_name(before),
		 target_state_name((enum target_state)health->state),
		 health->reason == TARGET_REASON_NONE ? "" : ", ",
		 target_reason_code((enum target_reason)health->reason));
}

/* Targets: registered, draining, gone. */

static struct health_settings
health_settings_of(const struct model_target_group *tg, const struct model_target *t)
{
	const struct model_health_check *hc = &tg->health_check;

	return (struct health_settings){.enabled = hc->enabled,
					.interval_ms = hc->interval_s * 1000,
					.timeout_ms = hc->timeout_s * 1000,
					.port_be = htons(hc->port != 0 ? hc->port : t->port),
					.thresholds = {(uint16_t)hc->healthy_threshold,
						       (uint16_t)hc->unhealthy_threshold,
						       tg->unhealthy_drain_s > 0}};
}

static void
register_targets(struct management *m)
{
	uint64_t wall_s = management_wall_s();

	for (uint32_t i = 0; i < m->model->target_groups_n; i++) {
		const struct model_target_group *tg = &m->model->target_groups[i];

		for (uint32_t k = 0; k < tg->targets_n; k++) {
			const struct model_target *t = &tg->targets[k];
			uint32_t reference = registry_find(&m->registries.targets, t->id);
			struct managed_target *mt = &m->targets[ref_index(reference)];
			struct health_settings settings = health_settings_of(tg, t);
			struct managed_target had = *mt;

			*mt = (struct managed_target){
				.id = t->id, .reference = reference, .registered = true};
			if (had.reference == reference && had.drain_end_ms == 0) {
				mt->ending = had.ending;
				mt->ending_ms = had.ending_ms;
				mt->unhealthy_end_ms = had.unhealthy_end_ms;
			}
			health_register(m->health, t->id, &settings, m->now_ms, wall_s);
			health_set_used(m->health, t->id, tg->load_balancer_id != 0, wall_s);
		}
	}
}

/* Targets of the old model that the new one lacks begin to drain. */
static void
deregister_targets(struct management *m, const struct model *old)
{
	for (uint32_t i = 0; old != NULL && i < old->target_groups_n; i++) {
		const struct model_target_group *tg = &old->target_groups[i];

		for (uint32_t k = 0; k < tg->targets_n; k++) {
			uint32_t reference =
				registry_find(&m->registries.targets, tg->targets[k].id);
			struct managed_target *mt = &m->targets[ref_index(reference)];

			/* register_targets() has marked those that stay. */
			if (reference == 0 || mt->registered)
				continue;
			/* A request that outlives the delay ends with it: 502. */
			mt->terminate = tg->connection_termination || model_group_is_http(tg);
			mt->drain_end_ms = m->now_ms + tg->deregistration_delay_s * 1000;
			publication_keep_failover(mt, tg);
			health_deregister(m->health, mt->id, management_wall_s());
		}
	}
}

static void
apply_targets(struct management *m, const struct model *old)
{
	for (uint32_t i = 1; i < m->registries.targets.entries_n; i++)
		m->targets[i].registered = false;
	register_targets(m);
	deregister_targets(m, old);
}

static uint64_t
flows_of_target(const struct management *m, uint32_t index)
{
	return MANAGEMENT_SUM(m, targets[index].new_flows) -
	       MANAGEMENT_SUM(m, targets[index].closed_flows);
}

static uint64_t
flows_of_frontend(const struct management *m, uint32_t index)
{
	return MANAGEMENT_SUM(m, frontends[index].new_flows) -
	       MANAGEMENT_SUM(m, frontends[index].closed_flows);
}

/* Every worker has ended a turn on the snapshot in force: none can begin a flow by an older one. */
static bool
all_quiescent(const struct management *m)
{
	uint32_t generation = in_force(m)->generation;

	for (uint16_t i = 0; i < m->dp->workers_n; i++) {
		if (atomic_load_explicit(&m->dp->workers[i]->seen_generation,
					 memory_order_acquire) != generation)
			return false;
	}
	return true;
}

static void
end_target_drain(struct management *m, uint32_t index)
{
	struct managed_target *mt = &m->targets[index];
	struct snapshot_target *t = &in_force(m)->targets[index];

	if (mt->reference == 0 || mt->registered || t->generation == 0)
		return;
	if (mt->terminate && !mt->terminated && clock_ms_reached(m->now_ms, mt->drain_end_ms)) {
		mt->terminated = true;
		/* They change in a published snapshot: workers act on them any time. */
		__atomic_store_n(&t->closing_ms, m->now_ms, __ATOMIC_RELAXED);
		__atomic_store_n(&t->closing, 1, __ATOMIC_RELEASE);
	}
	if (flows_of_target(m, index) != 0)
		return;
	health_remove(m->health, mt->id);
	registry_release(&m->registries.targets, mt->reference);
	*mt = (struct managed_target){0};
}

void
publication_end_drains(struct management *m)
{
	struct snapshot *s = in_force(m);

	/* What is being published may have taken up again what drains. */
	if (m->publication != NULL || !all_quiescent(m))
		return;
	publication_mark_appliances(m);
	publication_mark_unhealthy(m);
	publication_release_endpoints(m);
	for (uint32_t i = 1; i < s->targets_n; i++)
		end_target_drain(m, i);
	for (uint32_t i = 1; i < s->frontends_n; i++) {
		uint32_t reference = ref_make(i, s->frontends[i].generation);

		if (s->frontends[i].generation != 0 && s->frontends[i].draining && !m->stopping &&
		    registry_id(&m->registries.frontends, reference) != 0 &&
		    flows_of_frontend(m, i) == 0)
			registry_release(&m->registries.frontends, reference);
	}
}

/* A refused model may have taken indexes: give back those nothing published uses. */
static void
release_unused(struct management *m)
{
	const struct snapshot *s = in_force(m);
	struct snapshot_registries *r = &m->registries;

	for (uint32_t i = 1; i < r->targets.entries_n; i++) {
		uint32_t reference = ref_make(i, r->targets.entries[i].generation);

		if (r->targets.entries[i].in_use && snapshot_target(s, reference) == NULL)
			registry_release(&r->targets, reference);
	}
	for (uint32_t i = 1; i < r->frontends.entries_n; i++) {
		uint32_t reference = ref_make(i, r->frontends.entries[i].generation);

		if (r->frontends.entries[i].in_use && snapshot_frontend(s, reference) == NULL)
			registry_release(&r->frontends, reference);
	}
	publication_release_endpoints(m);
	for (uint32_t i = 1; i < r->groups.entries_n; i++) {
		uint32_t reference = ref_make(i, r->groups.entries[i].generation);

		if (r->groups.entries[i].in_use && (i >= s->groups_n || !s->groups[i].in_use))
			registry_release(&r->groups, reference);
	}
	for (uint32_t i = 1; i < r->locals.entries_n; i++) {
		uint32_t reference = ref_make(i, r->locals.entries[i].generation);

		if (r->locals.entries[i].in_use && snapshot_local(s, reference) == NULL)
			registry_release(&r->locals, reference);
	}
}

/* Publishing. */

struct snapshot_service *
publication_service(void *tickets, const struct snapshot_input *input,
		    const struct snapshot_registries *registries, const struct model_listener *l,
		    char *why, size_t why_len)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(input->model, l->load_balancer_id);
	bool http = elb_protocol_is_http(l->protocol);

	if (lb->type == LB_CLASSIC)
		return (http ? clb_http_listener_create : clb_conduit_listener_create)(
			tickets, input, registries, l, why, why_len);
	return (http ? alb_listener_create : nlb_tls_listener_create)(tickets, input, registries, l,
								      why, why_len);
}

static struct snapshot *
build(struct management *m, const struct model *model, uint64_t revision, bool refuse_new_flows,
      char *why, size_t why_len)
{
	struct snapshot_input input = {.model = model,
				       .service = publication_service,
				       .service_arg = m->tickets,
				       .previous = in_force(m),
				       .interface_ids = m->interface_ids,
				       .interfaces = m->interfaces,
				       .interfaces_n = m->interfaces_n,
				       .workers_n = m->dp->workers_n,
				       .steer_modulus = m->dp->steer_modulus,
				       .refuse_new_flows = refuse_new_flows,
				       .config_revision = revision,
				       .generation = m->generation + 1};

	return snapshot_build(&m->registries, &input, why, why_len);
}

/* Groups that left keep no set: their old one goes after the grace period. */
static void
retire_lost_sets(struct management *m, struct snapshot *old, const struct snapshot *new_snapshot)
{
	for (uint32_t i = 1; i < old->groups_n; i++) {
		struct target_set *set = atomic_load(&old->groups[i].set);

		if (set == NULL || (i < new_snapshot->groups_n && new_snapshot->groups[i].in_use &&
				    new_snapshot->groups[i].id == old->groups[i].id))
			continue;
		publication_retire(m, target_set_free, set);
		m->groups[i] = (struct managed_group){0};
		registry_release(&m->registries.groups,
				 registry_find(&m->registries.groups, old->groups[i].id));
	}
}

static void
swap(struct management *m, struct snapshot *s)
{
	struct snapshot *old = in_force(m);

	/* Release: the snapshot must be complete before workers see it. */
	atomic_store_explicit(&m->dp->snapshot, s, memory_order_release);
	m->generation = s->generation;
	if (old != NULL)
		retire_lost_sets(m, old, s);
	publication_retire(m, free_snapshot, old);
}

/* @return  NULL with a sentence in `why`. */
static struct publication *
begin(struct management *m, struct model *model, char *why, size_t why_len)
{
	struct publication *p = calloc(1, sizeof(*p));

	snprintf(why, why_len, "no memory for a publication");
	if (p == NULL)
		return NULL;
	p->sets = calloc(model->sets_n + 1, sizeof(*p->sets));
	p->inputs = calloc(model->sets_n + 1, sizeof(*p->inputs));
	if (p->sets != NULL && p->inputs != NULL)
		p->snapshot = build(m, model, m->config_revision + 1, false, why, why_len);
	if (p->snapshot == NULL) {
		free(p->sets);
		free(p->inputs);
		free(p);
		if (in_force(m) != NULL)
			release_unused(m);
		return NULL;
	}
	p->model = model;
	return p;
}

/* The model is the caller's again. */
static struct model *
free_publication(struct publication *p)
{
	struct model *model = p->model;

	free(end_set(&p->build));
	for (uint32_t i = 0; i < model->sets_n; i++)
		target_set_free(p->sets[i]);
	free(p->sets);
	free(p->inputs);
	snapshot_free(p->snapshot);
	free(p);
	return model;
}

/* Build what is left, until `end_us`. @return whether all is built; false also without memory. */
static bool
build_sets(struct management *m, struct publication *p, uint64_t end_us, bool *starved)
{
	while (p->at < p->model->sets_n && now_us() < end_us) {
		const struct model_set *set = &p->model->sets[p->at];

		if (!is_building(&p->build) && !begin_set(m, p->model, set, &p->build)) {
			*starved = true;
			return false;
		}
		if (is_building(&p->build)) {
			if (!step_set(&p->build))
				continue;
			p->inputs[p->at] = p->build.inputs;
			p->sets[p->at] = end_set(&p->build);
		}
		p->at++;
	}
	return p->at == p->model->sets_n;
}

/* Give the new snapshot its sets.  Those they replace are freed once it is in force. */
static void
install_sets(struct management *m, struct publication *p, struct target_set **replaced)
{
	for (uint32_t i = 0; i < p->model->sets_n; i++) {
		uint64_t id = p->model->sets[i].id;
		uint32_t index = group_index(m, id);
		struct target_set *old = set_in_force(m, index, id);

		if (p->sets[i] == NULL) {
			/* It may have followed a health change meanwhile. */
			atomic_store(&p->snapshot->groups[index].set, old);
			continue;
		}
		atomic_store(&p->snapshot->groups[index].set, p->sets[i]);
		p->sets[i] = NULL;
		replaced[i] = old;
		m->groups[index].inputs = p->inputs[i];
		/* Health may have changed since: look at it once more. */
		m->groups[index].dirty = true;
		m->sets_dirty = true;
	}
}

/* All sets are built: put the publication in force. @return false without memory. */
static bool
put_in_force(struct management *m, struct publication *p)
{
	uint32_t sets_n = p->model->sets_n;
	struct target_set **replaced = calloc(sets_n + 1, sizeof(*replaced));
	struct model *old = m->model;

	if (replaced == NULL)
		return false;
	abandon_update(m);
	install_sets(m, p, replaced);
	m->model = p->model;
	m->update_at = 0;
	m->config_revision = p->snapshot->config_revision;
	apply_targets(m, old);
	if (!log_files_publish(m->log_files, m->model))
		LOG_WARNING("no memory for the access logs' names: the old ones stay");
	swap(m, p->snapshot);
	p->snapshot = NULL;
	for (uint32_t i = 0; i < sets_n; i++)
		publication_retire(m, target_set_free, replaced[i]);
	free(replaced);
	publication_mark_appliances(m);
	publication_weigh_groups(m);
	publication_mark_unhealthy(m);
	publication_take_addresses(m);
	host_on_published(m, old);
	model_free(old);
	return true;
}

void
publication_refuse_new_flows(struct management *m)
{
	char why[256];
	struct snapshot *s = build(m, m->model, m->config_revision, true, why, sizeof(why));

	if (s == NULL)
		return;
	swap(m, s);
	publication_mark_appliances(m);
	publication_mark_unhealthy(m);
}

/* What can't change without a restart. */
static bool
is_compatible(const struct management *m, const struct model *new_model, char *why, size_t why_len)
{
	const struct model *old = m->model;

	if (new_model->interfaces_n != old->interfaces_n) {
		snprintf(why, why_len, "[interface] sections were added or removed: restart weir");
		return false;
	}
	for (uint32_t i = 0; i < new_model->interfaces_n; i++) {
		const struct model_interface *a = &new_model->interfaces[i], *b = NULL;

		for (uint32_t k = 0; k < old->interfaces_n; k++) {
			if (old->interfaces[k].id == a->id)
				b = &old->interfaces[k];
		}
		if (b == NULL || strcmp(a->device, b->device) != 0 ||
		    strcmp(a->parent, b->parent) != 0 || a->vlan != b->vlan || a->mtu != b->mtu ||
		    a->queues != b->queues || a->offloads != b->offloads ||
		    a->mac_source != b->mac_source || memcmp(a->mac, b->mac, 6) != 0) {
			snprintf(
				why, why_len,
				"%s:%u: [interface %s]: device, parent, vlan, mac, mtu, queues and "
				"weir.offloads change only by a restart of weir",
				a->origin.file, a->origin.line, a->name);
			return false;
		}
	}
	if (new_model->dataplane.workers != old->dataplane.workers ||
	    new_model->dataplane.crypto_workers != old->dataplane.crypto_workers ||
	    strcmp(new_model->dataplane.lcores, old->dataplane.lcores) != 0 ||
	    new_model->dataplane.management_lcore != old->dataplane.management_lcore ||
	    new_model->dataplane.adaptive != old->dataplane.adaptive ||
	    new_model->dataplane.hugepages != old->dataplane.hugepages ||
	    new_model->dataplane.max_flows != old->dataplane.max_flows ||
	    new_model->dataplane.mbufs != old->dataplane.mbufs ||
	    new_model->dataplane.max_connections != old->dataplane.max_connections ||
	    new_model->dataplane.max_half_open != old->dataplane.max_half_open ||
	    new_model->dataplane.syn_cookies != old->dataplane.syn_cookies ||
	    strcmp(new_model->system.instance, old->system.instance) != 0) {
		snprintf(why, why_len,
			 "[dataplane] workers, crypto_workers, lcores, management_lcore, idle, "
			 "hugepages, "
			 "max_flows, max_connections, max_half_open, syn_cookies, mbufs and "
			 "[system] "
			 "instance change only by a restart of weir");
		return false;
	}
	if (strcmp(new_model->management.address, old->management.address) != 0 ||
	    strcmp(new_model->management.control_socket, old->management.control_socket) != 0 ||
	    strcmp(new_model->system.state_directory, old->system.state_directory) != 0 ||
	    strcmp(new_model->cluster.secret_file, old->cluster.secret_file) != 0) {
		snprintf(why, why_len,
			 "[management] address and control_socket, [system] state_directory and "
			 "[cluster] secret_file change only by a restart of weir");
		return false;
	}
	return true;
}

static void
note_failure(struct management *m, const char *text)
{
	size_t n = strlen(m->reload_message);

	LOG_ERROR("%s", text);
	snprintf(m->reload_message + n, sizeof(m->reload_message) - n, "%s%s", n > 0 ? "\n" : "",
		 text);
}

static struct model *
load(struct management *m)
{
	struct config_errors errors = {0};
	struct config_source *sources = NULL;
	size_t sources_n = 0;
	struct model *model = NULL;

	if (config_read(m->config_path, &sources, &sources_n, &errors))
		model = config_load(sources, sources_n, &errors);
	if (model == NULL) {
		for (uint32_t i = 0; i < errors.n; i++)
			note_failure(m, errors.items[i].text);
	}
	config_sources_free(sources, sources_n);
	config_errors_free(&errors);
	return model;
}

/* Reloads: one at a time; those asked for meanwhile are one more. */

static void
tell_waiters(struct management *m, bool done)
{
	while (m->reload_waiters != NULL) {
		struct reload_waiter *w = m->reload_waiters;

		m->reload_waiters = w->next;
		w->done(m, w->arg, done);
		free(w);
	}
}

static void
finish_reload(struct management *m, const struct model_diff *diff, uint64_t busy_us)
{
	m->reload_us = (uint32_t)busy_us;
	if (diff == NULL) {
		m->reloads_failed++;
		LOG_ERROR("reload refused; revision %lu stays in force",
			  (unsigned long)m->config_revision);
	} else {
		m->reloads++;
		publication_save_revision(m);
		snprintf(m->reload_message, sizeof(m->reload_message),
			 "revision %lu in force: %u added, %u changed, %u removed, %u us",
			 (unsigned long)m->config_revision, diff->added, diff->changed,
			 diff->removed, m->reload_us);
		LOG_INFO("reload: %s", m->reload_message);
	}
	tell_waiters(m, diff != NULL);
}

static void
start_reload(struct management *m)
{
	uint64_t begin_us = now_us();
	struct model_diff diff = {0};
	char why[1024] = "";
	struct model *model;

	m->reload_message[0] = '\0';
	if (m->stopping) {
		note_failure(m, "weir is stopping");
		finish_reload(m, NULL, 0);
		return;
	}
	model = load(m);
	if (model != NULL) {
		model_compare(m->model, model, &diff);
		if (is_compatible(m, model, why, sizeof(why)))
			m->publication = begin(m, model, why, sizeof(why));
	}
	if (m->publication == NULL) {
		if (model != NULL)
			note_failure(m, why);
		model_free(model);
		finish_reload(m, NULL, now_us() - begin_us);
		return;
	}
	m->publication->diff = diff;
	m->publication->busy_us = now_us() - begin_us;
}

void
publication_reload(struct management *m, publication_reloaded done, void *arg)
{
	struct reload_waiter *w = done == NULL ? NULL : calloc(1, sizeof(*w));
	struct reload_waiter **list =
		m->publication == NULL ? &m->reload_waiters : &m->next_reload_waiters;

	if (done != NULL && w == NULL) {
		snprintf(m->reload_message, sizeof(m->reload_message), "no memory");
		done(m, arg, false);
		return;
	}
	if (w != NULL) {
		*w = (struct reload_waiter){.next = *list, .done = done, .arg = arg};
		*list = w;
	}
	if (m->publication == NULL)
		start_reload(m);
	else
		m->reload_again = true;
}

/* The publication under way is over, one way or the other. */
static void
end_publication(struct management *m, bool done, const char *why_not)
{
	struct publication *p = m->publication;
	struct model_diff diff = p->diff;
	uint64_t busy_us = p->busy_us;
	struct model *model;

	m->publication = NULL;
	model = free_publication(p);
	if (done) {
		finish_reload(m, &diff, busy_us);
	} else {
		model_free(model);
		release_unused(m);
		note_failure(m, why_not);
		finish_reload(m, NULL, busy_us);
	}
	if (!m->reload_again)
		return;
	m->reload_again = false;
	m->reload_waiters = m->next_reload_waiters;
	m->next_reload_waiters = NULL;
	start_reload(m);
}

bool
publication_has_work(const struct management *m)
{
	return m->publication != NULL || m->sets_dirty || is_building(&m->update);
}

void
publication_work(struct management *m)
{
	uint64_t begin_us = now_us();
	struct publication *p = m->publication;
	bool starved = false, built;

	update_sets(m, begin_us + SLICE_US);
	if (p == NULL)
		return;
	begin_us = now_us();
	built = build_sets(m, p, begin_us + SLICE_US, &starved);
	if (built)
		starved = !put_in_force(m, p);
	p->busy_us += now_us() - begin_us;
	if (starved)
		end_publication(m, false, "no memory for the sets of target groups");
	else if (built)
		end_publication(m, true, NULL);
}

void
publication_abandon(struct management *m)
{
	if (m->publication != NULL)
		end_publication(m, false, "weir is stopping");
	abandon_update(m);
}

bool
publication_first(struct management *m, struct model *model, bool (*go_on)(void), char *why,
		  size_t why_len)
{
	struct publication *p = begin(m, model, why, why_len);
	bool starved = false, built = false;

	if (p == NULL)
		return false;
	while (!built && !starved && go_on())
		built = build_sets(m, p, now_us() + SLICE_US, &starved);
	if (built)
		starved = !put_in_force(m, p);
	free_publication(p);
	if (starved)
		snprintf(why, why_len, "no memory for the sets of target groups");
	return built && !starved;
}

void
publication_free(struct management *m)
{
	struct snapshot *s = in_force(m);

	while (m->retired != NULL) {
		struct retired *r = m->retired;

		m->retired = r->next;
		r->free(r->memory);
		free(r);
	}
	for (uint32_t i = 1; s != NULL && i < s->groups_n; i++)
		target_set_free(atomic_load(&s->groups[i].set));
	target_set_free(end_set(&m->update));
	snapshot_free(s);
	atomic_store(&m->dp->snapshot, NULL);
	model_free(m->model);
	m->model = NULL;
}

/* The revision over restarts. */

uint64_t
publication_load_revision(const struct model *model)
{
	unsigned long revision = 0;
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/revision", model->system.state_directory);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &revision) != 1)
		revision = 0;
	fclose(f);
	return revision;
}

void
publication_save_revision(const struct management *m)
{
	char path[300], new_path[310];
	FILE *f;

	snprintf(path, sizeof(path), "%s/revision", m->model->system.state_directory);
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	f = fopen(new_path, "we");
	if (f == NULL)
		return;
	fprintf(f, "%lu\n", (unsigned long)m->config_revision);
	if (fclose(f) == 0)
		rename(new_path, path);
}
