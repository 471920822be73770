/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Monotonic time for the data path, derived from a tick counter that the caller reads.
 *
 * A worker reads its tick counter once per burst and passes milliseconds down; nothing stores raw
 * ticks.  Milliseconds are 32 bits and wrap after 49 days: compare by subtraction only.  The
 * origin is a parameter so that tests can start ten seconds before the wrap.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
	uint64_t tick_hz;
	uint64_t tick_base;   /* tick that corresponds to origin_us */
	uint64_t origin_us;   /* microseconds at tick_base */
	uint64_t us_per_tick; /* 32.32 fixed point */
};

static inline void
clock_init(struct clock *clock, uint64_t tick_hz, uint64_t tick_now, uint64_t origin_us)
{
	clock->tick_hz = tick_hz;
	clock->tick_base = tick_now;
	clock->origin_us = origin_us;
	clock->us_per_tick = ((UINT64_C(1000000) << 32) + tick_hz / 2) / tick_hz;
}

static inline uint64_t
clock_us(const struct clock *clock, uint64_t tick)
{
	__extension__ unsigned __int128 d = tick - clock->tick_base;

	return clock->origin_us + (uint64_t)(d * clock->us_per_tick >> 32);
}

/** Milliseconds of a 64-bit microsecond time. */
static inline uint32_t
clock_us_to_ms(uint64_t us)
{
	return (uint32_t)(us / 1000);
}

/** Whether `deadline_ms` has come; right as long as the two are less than 24 days apart. */
static inline bool
clock_ms_reached(uint32_t now_ms, uint32_t deadline_ms)
{
	return (int32_t)(now_ms - deadline_ms) >= 0;
}

#endif
