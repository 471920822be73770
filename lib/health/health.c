/* SPDX-License-Identifier: BSD-3-Clause */
#include "health.h"

#include <stdlib.h>

#include "check.h"
#include "clock.h"
#include "siphash.h"

/* New targets get their first check within this time, spread by id. */
#define FIRST_CHECK_SPREAD_MS 500

struct entry {
	uint64_t target; /* 0: free */
	struct health_settings settings;
	struct target_health health;
	uint32_t due_ms;
	bool checking;
	bool registered;
};

/* A hash table that is also the list to walk. */
struct health {
	struct health_ops ops;
	void *arg;
	struct entry *entries;
	uint32_t size; /* power of two */
	uint32_t n;
	uint32_t hand; /* where the last tick stopped */
};

static const struct siphash_key spread_key = {{UINT64_C(0x6865616c7468), 0}};

struct health *
health_create(const struct health_ops *ops, void *arg)
{
	struct health *health = calloc(1, sizeof(*health));

	if (health == NULL)
		return NULL;
	health->ops = *ops;
	health->arg = arg;
	health->size = 64;
	health->entries = calloc(health->size, sizeof(*health->entries));
	if (health->entries == NULL) {
		free(health);
		return NULL;
	}
	return health;
}

void
health_free(struct health *health)
{
	if (health == NULL)
		return;
	free(health->entries);
	free(health);
}

static struct entry *
probe(struct entry *entries, uint32_t size, uint64_t target)
{
	uint32_t at = (uint32_t)target;

	while (entries[at & (size - 1)].target != 0 && entries[at & (size - 1)].target != target)
		at++;
	return &entries[at & (size - 1)];
}

static struct entry *
find(const struct health *health, uint64_t target)
{
	struct entry *e = probe(health->entries, health->size, target);

	return e->target == 0 ? NULL : e;
}

static bool
grow(struct health *health)
{
	uint32_t size = health->size * 2;
	struct entry *entries = calloc(size, sizeof(*entries));

	if (entries == NULL)
		return false;
	for (uint32_t i = 0; i < health->size; i++) {
		if (health->entries[i].target != 0)
			*probe(entries, size, health->entries[i].target) = health->entries[i];
	}
	free(health->entries);
	health->entries = entries;
	health->size = size;
	return true;
}

static uint32_t
spread(uint64_t target, uint32_t within_ms)
{
	return (uint32_t)(siphash(&spread_key, &target, sizeof(target)) % within_ms);
}

static void
note_change(struct health *health, struct entry *e, enum target_state before)
{
	health->ops.changed(health->arg, e->target, &e->health, before);
}

static void
apply_event(struct health *health, struct entry *e, enum target_event event, uint64_t wall_s)
{
	enum target_state before = (enum target_state)e->health.state;

	if (target_health_on_event(&e->health, event, wall_s))
		note_change(health, e, before);
}

bool
health_register(struct health *health, uint64_t target, const struct health_settings *settings,
		uint32_t now_ms, uint64_t wall_s)
{
	struct entry *e = find(health, target);
	bool was_enabled;

	CHECK(target != 0 && settings->interval_ms > 0);
	if (e == NULL) {
		if (2 * (health->n + 1) > health->size && !grow(health))
			return false;
		e = probe(health->entries, health->size, target);
		*e = (struct entry){.target = target, .settings = *settings};
		health->n++;
	}
	was_enabled = e->settings.enabled;
	if (!e->registered) {
		/* New, or registered again while it drained. */
		target_health_init(&e->health, wall_s);
		e->due_ms = now_ms + spread(target, FIRST_CHECK_SPREAD_MS);
		was_enabled = true;
	} else if (settings->interval_ms != e->settings.interval_ms) {
		e->due_ms = now_ms + spread(target, settings->interval_ms);
	}
	e->registered = true;
	e->settings = *settings;
	if (was_enabled != settings->enabled)
		apply_event(health, e,
			    settings->enabled ? TARGET_EVENT_CHECKS_ON : TARGET_EVENT_CHECKS_OFF,
			    wall_s);
	return true;
}

void
health_deregister(struct health *health, uint64_t target, uint64_t wall_s)
{
	struct entry *e = find(health, target);

	if (e == NULL || !e->registered)
		return;
	e->registered = false;
	apply_event(health, e, TARGET_EVENT_DEREGISTERED, wall_s);
}

void
health_end_drain(struct health *health, uint64_t target, uint64_t wall_s)
{
	struct entry *e = find(health, target);

	if (e != NULL && e->health.state == TARGET_UNHEALTHY_DRAINING)
		apply_event(health, e, TARGET_EVENT_DRAINED, wall_s);
}

void
health_remove(struct health *health, uint64_t target)
{
	struct entry *e = find(health, target);
	uint32_t mask = health->size - 1, hole, at;

	if (e == NULL)
		return;
	/* Close the gap, so that later entries of the same run are still found. */
	hole = (uint32_t)(e - health->entries);
	for (at = (hole + 1) & mask; health->entries[at].target != 0; at = (at + 1) & mask) {
		uint32_t home = (uint32_t)health->entries[at].target & mask;

		if (((at - home) & mask) >= ((at - hole) & mask)) {
			health->entries[hole] = health->entries[at];
			hole = at;
		}
	}
	health->entries[hole].target = 0;
	health->n--;
}

void
health_set_used(struct health *health, uint64_t target, bool used, uint64_t wall_s)
{
	struct entry *e = find(health, target);

	if (e != NULL && e->registered)
		apply_event(health, e, used ? TARGET_EVENT_USED : TARGET_EVENT_UNUSED, wall_s);
}

const struct target_health *
health_of(const struct health *health, uint64_t target)
{
	const struct entry *e = find(health, target);

	return e == NULL ? NULL : &e->health;
}

void
health_on_verdict(struct health *health, uint64_t target, enum health_source source, bool passed,
		  enum target_reason reason, uint64_t wall_s)
{
	struct entry *e = find(health, target);
	enum target_state before;

	if (e == NULL)
		return;
	if (source == HEALTH_OWN_CHECK)
		e->checking = false;
	before = (enum target_state)e->health.state;
	if (target_health_on_result(&e->health, &e->settings.thresholds, passed, reason, wall_s))
		note_change(health, e, before);
}

void
health_on_not_checked(struct health *health, uint64_t target)
{
	struct entry *e = find(health, target);

	if (e != NULL)
		e->checking = false;
}

static bool
is_due(const struct entry *e, uint32_t now_ms)
{
	return e->target != 0 && e->registered && e->settings.enabled && !e->checking &&
	       e->health.state != TARGET_UNUSED && clock_ms_reached(now_ms, e->due_ms);
}

void
health_tick(struct health *health, uint32_t now_ms, uint32_t max)
{
	for (uint32_t i = 0; i < health->size && max > 0; i++) {
		struct entry *e;

		health->hand = (health->hand + 1) & (health->size - 1);
		e = &health->entries[health->hand];
		if (!is_due(e, now_ms))
			continue;
		/* Keep the beat, unless a check took longer than the interval. */
		e->due_ms += e->settings.interval_ms;
		if (clock_ms_reached(now_ms, e->due_ms))
			e->due_ms = now_ms + e->settings.interval_ms;
		e->checking = true;
		max--;
		health->ops.check(health->arg, e->target, &e->settings);
	}
}
