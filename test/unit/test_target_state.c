/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "health.h"
#include "target_state.h"

static const struct target_thresholds limits = {.healthy = 3, .unhealthy = 2};

static void
test_names_are_elbs(void)
{
	EXPECT(strcmp(target_state_name(TARGET_UNHEALTHY_DRAINING), "unhealthy.draining") == 0);
	EXPECT(strcmp(target_reason_code(TARGET_REASON_FAILED_HEALTH_CHECKS),
		      "Target.FailedHealthChecks") == 0);
	EXPECT(strcmp(target_reason_code(TARGET_REASON_INITIAL_HEALTH_CHECKING),
		      "Elb.InitialHealthChecking") == 0);
}

/* p: a check passes, f: fails; letters in capitals: the state expected after all of them. */
static void
test_sequences(void)
{
	static const struct {
		const char *why, *checks;
		enum target_state want;
	} rows[] = {
		{"the first success suffices", "p", TARGET_HEALTHY},
		{"one failure does not", "f", TARGET_INITIAL},
		{"a success after one failure", "fp", TARGET_HEALTHY},
		{"failures to the threshold", "ff", TARGET_UNHEALTHY},
		{"failures in a row count", "pfpfpf", TARGET_HEALTHY},
		{"healthy, then two failures", "pff", TARGET_UNHEALTHY},
		{"back needs the healthy threshold", "pffpp", TARGET_UNHEALTHY},
		{"and gets healthy with it", "pffppp", TARGET_HEALTHY},
		{"successes in a row count", "ffppfpp", TARGET_UNHEALTHY},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct target_health h;

		target_health_init(&h, 0);
		for (const char *c = rows[i].checks; *c != '\0'; c++)
			target_health_on_result(&h, &limits, *c == 'p',
						TARGET_REASON_FAILED_HEALTH_CHECKS, 1);
		EXPECT_ROW(rows[i].why, h.state == rows[i].want);
	}
}

/* With a draining interval, unhealthy comes only after unhealthy.draining. */
static void
test_draining_interval(void)
{
	struct target_thresholds drains = {.healthy = 3, .unhealthy = 2, .drains = true};
	struct target_health h;

	target_health_init(&h, 0);
	target_health_on_result(&h, &drains, true, TARGET_REASON_NONE, 1);
	for (int i = 0; i < 4; i++)
		target_health_on_result(&h, &drains, false, TARGET_REASON_TIMEOUT, 2);
	EXPECT(h.state == TARGET_UNHEALTHY_DRAINING && h.reason == TARGET_REASON_TIMEOUT);
	EXPECT(target_health_on_event(&h, TARGET_EVENT_DRAINED, 3));
	EXPECT(h.state == TARGET_UNHEALTHY && h.reason == TARGET_REASON_TIMEOUT);
	target_health_on_result(&h, &drains, false, TARGET_REASON_TIMEOUT, 4);
	EXPECT(h.state == TARGET_UNHEALTHY);
	/* It may also get well first. */
	target_health_init(&h, 0);
	for (int i = 0; i < 2; i++)
		target_health_on_result(&h, &drains, false, TARGET_REASON_TIMEOUT, 2);
	EXPECT(h.state == TARGET_UNHEALTHY_DRAINING);
	for (int i = 0; i < 3; i++)
		target_health_on_result(&h, &drains, true, TARGET_REASON_NONE, 3);
	EXPECT(h.state == TARGET_HEALTHY && h.reason == TARGET_REASON_NONE);
}

static void
test_events(void)
{
	static const struct {
		enum target_state from;
		enum target_event event;
		enum target_state want;
	} rows[] = {
		{TARGET_HEALTHY, TARGET_EVENT_DEREGISTERED, TARGET_DRAINING},
		{TARGET_DRAINING, TARGET_EVENT_PASSED, TARGET_DRAINING},
		{TARGET_DRAINING, TARGET_EVENT_DRAINED, TARGET_UNUSED},
		{TARGET_HEALTHY, TARGET_EVENT_UNUSED, TARGET_UNUSED},
		{TARGET_UNUSED, TARGET_EVENT_USED, TARGET_INITIAL},
		{TARGET_UNHEALTHY, TARGET_EVENT_CHECKS_OFF, TARGET_UNAVAILABLE},
		{TARGET_UNAVAILABLE, TARGET_EVENT_FAILED, TARGET_UNAVAILABLE},
		{TARGET_UNAVAILABLE, TARGET_EVENT_CHECKS_ON, TARGET_INITIAL},
		{TARGET_UNUSED, TARGET_EVENT_PASSED, TARGET_UNUSED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct target_health h = {.state = (uint8_t)rows[i].from};
		bool changed = target_health_on_event(&h, rows[i].event, 5);

		EXPECT(h.state == rows[i].want);
		EXPECT(changed == (rows[i].from != rows[i].want));
		if (changed)
			EXPECT(h.changed_wall_s == 5);
	}
}

struct log {
	unsigned checks, changes;
	uint64_t last;
	uint32_t at_ms[4096];
	uint32_t now_ms;
};

static void
check(void *arg, uint64_t target, const struct health_settings *settings)
{
	struct log *log = arg;

	(void)settings;
	log->last = target;
	log->at_ms[log->checks++ % 4096] = log->now_ms;
}

static void
changed(void *arg, uint64_t target, const struct target_health *health, enum target_state before)
{
	struct log *log = arg;

	(void)target, (void)health, (void)before;
	log->changes++;
}

static const struct health_ops ops = {.check = check, .changed = changed};
static const struct health_settings settings = {.enabled = true,
						.interval_ms = 5000,
						.timeout_ms = 2000,
						.thresholds = {.healthy = 3, .unhealthy = 2}};

/* A thousand targets are spread, each keeps its beat, and one check is out at a time. */
static void
test_schedule(uint32_t start_ms)
{
	static struct log log;
	struct health *health;
	unsigned first_second = 0, most = 0;

	memset(&log, 0, sizeof(log));
	health = health_create(&ops, &log);
	for (uint64_t id = 1; id <= 1000; id++)
		EXPECT(health_register(health, id * 7919, &settings, start_ms, 0));
	for (uint32_t t = 0; t < 60000; t += 50) {
		unsigned before = log.checks;

		log.now_ms = start_ms + t;
		health_tick(health, log.now_ms, 100000);
		most = log.checks - before > most ? log.checks - before : most;
		if (t < 1000)
			first_second = log.checks;
		for (uint64_t id = 1; id <= 1000; id++)
			health_on_verdict(health, id * 7919, HEALTH_OWN_CHECK, true,
					  TARGET_REASON_NONE, 0);
	}
	EXPECT(first_second == 1000);
	EXPECT(most < 250);
	EXPECT(log.checks >= 12000 && log.checks <= 12100);
	EXPECT(log.changes == 1000);
	/* Without a verdict no second check begins. */
	log.checks = 0;
	for (uint32_t t = 60000; t < 120000; t += 50)
		health_tick(health, start_ms + t, 100000);
	EXPECT(log.checks == 1000);
	for (uint64_t id = 1; id <= 1000; id++)
		health_remove(health, id * 7919);
	EXPECT(health_of(health, 7919) == NULL);
	health_free(health);
}

static void
test_registration(void)
{
	static struct log log;
	struct health_settings off = settings;
	struct health *health = health_create(&ops, &log);

	memset(&log, 0, sizeof(log));
	off.enabled = false;
	health_register(health, 5, &off, 0, 0);
	EXPECT(health_of(health, 5)->state == TARGET_UNAVAILABLE);
	health_tick(health, 100000, 10);
	EXPECT(log.checks == 0);
	health_register(health, 5, &settings, 0, 0);
	EXPECT(health_of(health, 5)->state == TARGET_INITIAL);
	health_on_verdict(health, 5, HEALTH_OWN_CHECK, true, TARGET_REASON_NONE, 0);
	/* A reload with the same target keeps its state; removing and adding it again doesn't. */
	health_register(health, 5, &settings, 0, 0);
	EXPECT(health_of(health, 5)->state == TARGET_HEALTHY);
	health_deregister(health, 5, 0);
	EXPECT(health_of(health, 5)->state == TARGET_DRAINING);
	health_on_verdict(health, 5, HEALTH_OWN_CHECK, true, TARGET_REASON_NONE, 0);
	EXPECT(health_of(health, 5)->state == TARGET_DRAINING);
	health_register(health, 5, &settings, 0, 0);
	EXPECT(health_of(health, 5)->state == TARGET_INITIAL);
	health_free(health);
}

int
main(void)
{
	test_names_are_elbs();
	test_sequences();
	test_draining_interval();
	test_events();
	test_schedule(0);
	test_schedule(UINT32_MAX - 10000);
	test_registration();
	return unit_done();
}
