/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection of a TLS listener on its way to the access log, and the line it becomes
 * (N:load-balancer-access-logs, 22 fields).
 *
 * A worker writes the record when the connection ends; the logger's thread formats it.
 */
#ifndef NLB_TLS_RECORD_H
#define NLB_TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"
#include "log_record.h"
#include "log_ring.h"
#include "proxy_conduit.h"
#include "tls.h"

struct nlb_tls_record {
	struct log_record head;
	uint64_t listener_id;
	uint64_t begun_wall_us, ended_wall_us; /* since 1970 */
	uint64_t received_bytes, sent_bytes;
	uint32_t handshake_us; /* 0: it did not finish */
	int32_t alert;         /* the client's; -1: none */
	struct ip_addr client, local;
	uint16_t client_port, local_port;
	char cipher[41], protocol[8], key_exchange[17]; /* "": none */
	char certificate[33];                           /* its name in the configuration */
	char alpn[9], target_alpn[9];                   /* agreed on */
	char name[TLS_NAME_MAX + 1], alpn_offered[128]; /* the client's words */
};

/**
 * Worker.
 * @param wall_us  since 1970, at time 0 of the worker's clock
 * @return  false when the ring is full.
 */
bool nlb_tls_record_write(struct log_ring *ring, uint64_t wall_us, uint64_t load_balancer_id,
			  uint64_t listener_id, const struct proxy_conduit_record *conduit);

/**
 * Logger.
 * @param load_balancer  net/NAME/ID
 * @return  the length of the line with its newline; 0: `size` is too small.
 */
size_t nlb_tls_record_format(const struct nlb_tls_record *record, const char *load_balancer,
			     char *line, size_t size);

#endif
