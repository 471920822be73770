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

#include "log_record.h"
#include "log_ring.h"
#include "proxy_exchange.h"

struct alb_listener;
struct snapshot;

/** Followed by `text_len` bytes of the exchange's text, and the name that the client asked for. */
struct alb_record {
	struct log_record head;
	uint64_t group_id;   /* 0: none */
	uint64_t wall_us;    /* at time 0 of the worker's clock */
	uint64_t connection; /* id */
	struct ip_addr client, local, target;
	uint16_t client_port, listener_port, target_port;
	uint8_t af, target_af, https;
	uint8_t sni_len;      /* behind the text */
	char tls_protocol[9]; /* "": none */
	char tls_cipher[41];
	char tls_certificate[33]; /* the name that it has in the configuration */
	struct proxy_record record;
	uint32_t text_len;
	char text[];
};

/** Where a worker's records go, and what is the same in all of them. */
struct alb_log {
	struct log_ring *ring;     /* NULL: nothing is logged */
	uint64_t wall_us;          /* since 1970, at time 0 of the worker's clock */
	uint64_t first_connection; /* id of the worker's session 0: random, so that ids differ */
};

/** Worker. @return false when the ring is full. */
bool alb_record_write(const struct alb_log *log, const struct alb_listener *listener,
		      const struct proxy_exchange *exchange, const struct snapshot *snapshot);

/** What a line names. */
struct alb_record_names {
	const char *load_balancer;    /* app/NAME/ID */
	const char *target_group_arn; /* "-": none */
};

/** Logger. @return the length of the line with its newline; 0: `size` is too small. */
size_t alb_record_format(const struct alb_record *record, const struct alb_record_names *names,
			 char *line, size_t size);

#endif
