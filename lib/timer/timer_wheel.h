/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hierarchical timing wheel (Varghese, Lauck 1987): any number of timers, added and cancelled in
 * constant time.
 *
 * Ticks are milliseconds in 32 bits that wrap (clock.h); the caller passes the time.  Four levels
 * of 256 slots: a timer lies in the level that its distance says and moves down when its slot comes
 * round, at most three times.  Timers are the caller's memory, inside whatever they time; a zeroed
 * one is idle.
 *
 * One wheel per worker, called by that worker alone.
 */
#ifndef TIMER_WHEEL_H
#define TIMER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_WHEEL_LEVELS 4
#define TIMER_WHEEL_SLOTS  256
#define TIMER_WHEEL_LISTS  (TIMER_WHEEL_LEVELS * TIMER_WHEEL_SLOTS)

struct timer;

/** A timer came due and is idle again: it, or any other, may be added, cancelled or freed here. */
typedef void (*timer_on_due)(struct timer *timer, void *arg);

struct timer {
	struct timer *next;  /* of its list; NULL: the last */
	struct timer **link; /* what points at this one; NULL: idle */
	timer_on_due on_due;
	uint32_t due_ms;
	uint16_t list; /* which of the wheel's lists */
};

struct timer_wheel {
	uint32_t now_ms;
	uint32_t timers_n;
	void *arg;                                  /* of every on_due */
	uint64_t occupied[TIMER_WHEEL_LISTS / 64];  /* bit per list: not empty */
	struct timer *lists[TIMER_WHEEL_LISTS + 1]; /* level by level; then those coming due */
};

/** Start an empty wheel at `now_ms`. */
void timer_wheel_init(struct timer_wheel *wheel, uint32_t now_ms, void *arg);

/**
 * Arm an idle or armed timer.  It comes due at the first timer_wheel_advance() to `due_ms` or
 * later, never sooner than the millisecond after the wheel's; a time more than 2^31 - 1 ms ahead is
 * past.
 */
void timer_wheel_add(struct timer_wheel *wheel, struct timer *timer, uint32_t due_ms,
		     timer_on_due on_due);

/** Disarm a timer; an idle one stays so. */
void timer_wheel_cancel(struct timer_wheel *wheel, struct timer *timer);

/**
 * Move on to `now_ms`, which is not before the wheel's time, and call what came due: in order of
 * milliseconds, in no order within one.
 */
void timer_wheel_advance(struct timer_wheel *wheel, uint32_t now_ms);

static inline bool
timer_is_armed(const struct timer *timer)
{
	return timer->link != NULL;
}

#endif
