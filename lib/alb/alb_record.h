/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request's record on its way to the access log, and the line it becomes
 * (A:load-balancer-access-logs, 33 fields).
 *
 * A worker writes records into its log_ring; the logger's thread, which knows nothing but the
 * record and the names of things, formats them.
 */
#ifndef ALB_RECORD_H
#define ALB_RECORD_H

#include "log_ring.h"
#include "proxy_exchange.h"

struct alb_listener;
struct snapshot;

/** Followed by `text_len` bytes of the exchange's text. */
struct alb_record {
	uint64_t load_balancer_id; /* what the log is found by */
	uint64_t group_id;         /* 0: none */
	uint64_t wall_us;          /* at time 0 of the worker's clock */
	uint64_t session;
	struct ip_addr client, local, target;
	uint16_t client_port, listener_port, target_port;
	uint8_t af, target_af, https;
	struct proxy_record record;
	uint32_t text_len;
	char text[];
};

/** Worker. @return false when the ring is full. */
bool alb_record_write(struct log_ring *ring, const struct alb_listener *listener,
		      const struct proxy_exchange *exchange, uint64_t wall_us,
		      const struct snapshot *snapshot);

/** What a line names. */
struct alb_record_names {
	const char *load_balancer;    /* app/NAME/ID */
	const char *target_group_arn; /* "-": none */
};

/** Logger. @return the length of the line with its newline; 0: `size` is too small. */
size_t alb_record_format(const struct alb_record *record, const struct alb_record_names *names,
			 char *line, size_t size);

#endif
