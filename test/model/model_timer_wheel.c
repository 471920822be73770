/* SPDX-License-Identifier: BSD-3-Clause */
/* The wheel against a table of due times that is scanned. */
#include "unit.h"

#include "timer_wheel.h"

#define TIMERS 300

struct twin {
	bool armed;
	uint32_t due_ms;
};

struct world {
	struct timer_wheel wheel;
	struct timer timers[TIMERS];
	struct twin twins[TIMERS];
	unsigned long long state;
	uint32_t fired_n; /* in the advance under way */
};

static void on_due(struct timer *timer, void *arg);

static uint32_t
random_delay(unsigned long long *state)
{
	static const uint32_t scales[] = {1, 3, 300, 5000, 70000, 20000000, INT32_MAX};
	uint32_t scale = scales[unit_random(state) % 7];

	return (uint32_t)(unit_random(state) % scale) + (unit_random(state) % 8 == 0 ? 0 : 1);
}

static void
add(struct world *w, uint32_t i)
{
	uint32_t now_ms = w->wheel.now_ms, due_ms = now_ms + random_delay(&w->state);

	if (unit_random(&w->state) % 16 == 0)
		due_ms = now_ms - (uint32_t)(unit_random(&w->state) % 1000); /* past */
	timer_wheel_add(&w->wheel, &w->timers[i], due_ms, on_due);
	w->twins[i].armed = true;
	w->twins[i].due_ms = (int32_t)(due_ms - now_ms) <= 0 ? now_ms + 1 : due_ms;
}

static void
cancel(struct world *w, uint32_t i)
{
	timer_wheel_cancel(&w->wheel, &w->timers[i]);
	w->twins[i].armed = false;
}

static void
on_due(struct timer *timer, void *arg)
{
	struct world *w = arg;
	uint32_t i = (uint32_t)(timer - w->timers);

	EXPECT(w->twins[i].armed && !timer_is_armed(timer));
	EXPECT(w->twins[i].due_ms == w->wheel.now_ms); /* neither early, nor late, in order */
	w->twins[i].armed = false;
	w->fired_n++;
	if (w->fired_n > 10 * TIMERS)
		return; /* timers that arm each other in one long advance must come to an end */
	if (unit_random(&w->state) % 4 == 0)
		add(w, (uint32_t)(unit_random(&w->state) % TIMERS));
	if (unit_random(&w->state) % 4 == 0)
		cancel(w, (uint32_t)(unit_random(&w->state) % TIMERS));
}

static void
advance(struct world *w, uint32_t delay)
{
	uint32_t armed = 0;

	w->fired_n = 0;
	timer_wheel_advance(&w->wheel, w->wheel.now_ms + delay);
	for (uint32_t i = 0; i < TIMERS; i++) {
		EXPECT(timer_is_armed(&w->timers[i]) == w->twins[i].armed);
		/* What is due now has been called. */
		if (w->twins[i].armed)
			EXPECT((int32_t)(w->twins[i].due_ms - w->wheel.now_ms) > 0);
		armed += w->twins[i].armed;
	}
	EXPECT(w->wheel.timers_n == armed);
}

static void
test_random_operations(unsigned long long *state, uint32_t start_ms)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	w.state = *state;
	timer_wheel_init(&w.wheel, start_ms, &w);
	for (unsigned long round = unit_rounds(4000); round > 0; round--) {
		for (unsigned long long n = unit_random(&w.state) % 8; n > 0; n--)
			add(&w, (uint32_t)(unit_random(&w.state) % TIMERS));
		if (unit_random(&w.state) % 2 == 0)
			cancel(&w, (uint32_t)(unit_random(&w.state) % TIMERS));
		/* Long leaps are slow steps: few of them. */
		advance(&w, unit_random(&w.state) % 200 == 0
				    ? (uint32_t)(unit_random(&w.state) % 30000000)
				    : (uint32_t)(unit_random(&w.state) % 3000));
	}
	*state = w.state;
}

static void
count(struct timer *timer, void *arg)
{
	(void)timer;
	++*(uint32_t *)arg;
}

/* Distances at which a level ends, from places where slots begin and end, over the wrap. */
static void
test_edges(void)
{
	static const uint32_t starts[] = {0,     1,     255,      256,
					  65535, 65536, 0xffffff, UINT32_MAX - 10000};
	static const uint32_t delays[] = {1,     254,   255,      256,      257,      65535,
					  65536, 65537, 16777215, 16777216, 16777217, 20000000};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		for (size_t k = 0; k < sizeof(delays) / sizeof(delays[0]); k++) {
			struct timer_wheel wheel;
			struct timer timer = {0};
			uint32_t called = 0;

			timer_wheel_init(&wheel, starts[i], &called);
			timer_wheel_add(&wheel, &timer, starts[i] + delays[k], count);
			timer_wheel_advance(&wheel, starts[i] + delays[k] - 1);
			EXPECT(called == 0);
			timer_wheel_advance(&wheel, starts[i] + delays[k]);
			EXPECT(called == 1);
			EXPECT(wheel.timers_n == 0);
		}
	}
}

int
main(void)
{
	unsigned long long state = unit_seed(11);

	test_edges();
	test_random_operations(&state, 0);
	test_random_operations(&state, UINT32_MAX - 10000); /* ten seconds before the wrap */
	return unit_done();
}
