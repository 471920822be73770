/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RFC 9438: after a loss the window goes back to where it was along a cubic of time, rests there,
 * and then looks for more; never slower than Reno would be.
 */
#include "tcp_congestion.h"
#include "tcp_connection.h"

/* C = 0.4 segments a second cubed; beta = 0.7; alpha = 3 * (1 - beta) / (1 + beta). */
#define BETA_TENTHS    7u
#define ALPHA_1024TH   542u
#define MS_MAX         100000 /* keeps the cube in 64 bits */
#define CUBE_MS        UINT64_C(1000000000)
#define RTT_UNKNOWN_US 100000u

static uint32_t
cube_root(uint64_t v)
{
	uint64_t root = 0;

	for (int bit = 20; bit >= 0; bit--) {
		uint64_t try = root | UINT64_C(1) << bit;

		if (try * try * try <= v)
			root = try;
	}
	return (uint32_t)root;
}

static void
begin_epoch(struct tcp_connection *c, uint32_t now_ms)
{
	struct tcp_cubic *cubic = &c->cubic;

	cubic->epoch_ms = now_ms | 1;
	cubic->estimate = c->cwnd;
	cubic->pending = 0;
	if (c->cwnd < cubic->max) {
		/* (max - cwnd) / mss = C * K^3 */
		cubic->k_ms = cube_root((uint64_t)(cubic->max - c->cwnd) * 5 / 2 * CUBE_MS /
					c->endpoint.mss);
		cubic->origin = cubic->max;
	} else {
		cubic->k_ms = 0;
		cubic->origin = c->cwnd;
	}
}

/* Section 4.2: the window that the cubic has at `t_ms` after the epoch's begin. */
static uint32_t
cubic_window(const struct tcp_connection *c, uint32_t t_ms)
{
	int64_t d = (int64_t)t_ms - c->cubic.k_ms, w;

	d = d > MS_MAX ? MS_MAX : d < -MS_MAX ? -MS_MAX : d;
	w = c->cubic.origin + d * d * d / 1000000 * c->endpoint.mss * 4 / 10000;
	if (w < c->endpoint.mss)
		return c->endpoint.mss;
	return w > INT32_MAX ? INT32_MAX : (uint32_t)w;
}

/* Section 4.3: Reno's growth with CUBIC's reduction. */
static void
grow_estimate(struct tcp_connection *c, uint32_t acked)
{
	uint32_t alpha = c->cubic.estimate < c->cubic.max ? ALPHA_1024TH : 1024;

	c->cubic.estimate += (uint32_t)((uint64_t)acked * c->endpoint.mss * alpha / 1024 / c->cwnd);
}

static void
grow(struct tcp_connection *c, uint32_t acked, uint32_t now_ms)
{
	uint32_t rtt_ms = (c->srtt_us == 0 ? RTT_UNKNOWN_US : c->srtt_us) / 1000;
	uint32_t target;
	uint64_t step;

	if (c->cubic.epoch_ms == 0)
		begin_epoch(c, now_ms);
	grow_estimate(c, acked);
	target = cubic_window(c, now_ms - c->cubic.epoch_ms + rtt_ms);
	if (target > c->cwnd + c->cwnd / 2)
		target = c->cwnd + c->cwnd / 2;
	if (target > c->cwnd) {
		step = (uint64_t)(target - c->cwnd) * acked + c->cubic.pending;
		c->cubic.pending = (uint32_t)(step % c->cwnd);
		c->cwnd += (uint32_t)(step / c->cwnd);
	}
	if (c->cwnd < c->cubic.estimate)
		c->cwnd = c->cubic.estimate;
}

static uint32_t
reduce(struct tcp_connection *c)
{
	uint32_t left = (uint32_t)((uint64_t)c->cwnd * BETA_TENTHS / 10);
	uint32_t least = 2u * c->endpoint.mss;

	/* Section 4.7: who lost below the last maximum makes room for newcomers. */
	c->cubic.max = c->cwnd < c->cubic.max
			       ? (uint32_t)((uint64_t)c->cwnd * (10 + BETA_TENTHS) / 20)
			       : c->cwnd;
	c->cubic.epoch_ms = 0;
	return left > least ? left : least;
}

static void
restart(struct tcp_connection *c)
{
	c->cubic.epoch_ms = 0;
}

const struct tcp_congestion_ops tcp_cubic = {grow, reduce, restart};
