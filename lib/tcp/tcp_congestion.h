/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion controls behind one table: how the window grows, and what is left of it after a loss.
 *
 * Slow start, recovery (PRR) and what happens after a timeout are the same for all and lie in
 * tcp_recovery.c.
 */
#ifndef TCP_CONGESTION_H
#define TCP_CONGESTION_H

#include <stdint.h>

struct tcp_connection;

struct tcp_congestion_ops {
	/** Congestion avoidance: `acked` bytes were delivered while the window was in use. */
	void (*grow)(struct tcp_connection *c, uint32_t acked, uint32_t now_ms);
	/** A loss was seen: the slow-start threshold from now on, in bytes. */
	uint32_t (*reduce)(struct tcp_connection *c);
	/** The sender was idle, or a reduction was undone: time that passed says nothing. */
	void (*restart)(struct tcp_connection *c);
};

extern const struct tcp_congestion_ops tcp_cubic, tcp_new_reno;

static inline const struct tcp_congestion_ops *
tcp_congestion_of(uint8_t congestion)
{
	return congestion == 1 ? &tcp_new_reno : &tcp_cubic; /* enum tcp_congestion */
}

#endif
