/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request's record on its way to an access log, and what the lines of all such logs have.
 *
 * A worker writes records into its log_ring; the logger's thread, which knows nothing but the
 * record and the names of things, formats them.
 */
#ifndef SERVICE_RECORD_H
#define SERVICE_RECORD_H

#include "log_line.h"
#include "log_record.h"
#include "log_ring.h"
#include "proxy_conduit.h"
#include "proxy_exchange.h"
#include "snapshot.h"

struct service_http_listener;

/** Followed by `text_len` bytes of the exchange's text, and the name that the client asked for. */
struct service_record {
	struct log_record head;
	uint64_t group_id;   /* 0: none */
	uint64_t wall_us;    /* at time 0 of the worker's clock */
	uint64_t connection; /* id */
	struct ip_addr client, local, target;
	uint16_t client_port, listener_port, target_port;
	uint8_t af, target_af, https;
	uint8_t sni_len;      /* behind the text */
	bool is_conduit;      /* of a connection without requests */
	char tls_protocol[9]; /* "": none */
	char tls_cipher[41];
	char tls_certificate[33];             /* the name that it has in the configuration */
	uint64_t connecting_us, connected_us; /* is_conduit: to the instance; 0: it was not */
	struct proxy_record record;
	uint32_t text_len;
	char text[];
};

/** Where a worker's records go, and what is the same in all of them. */
struct service_log {
	struct log_ring *ring;     /* NULL: nothing is logged */
	uint64_t wall_us;          /* since 1970, at time 0 of the worker's clock */
	uint64_t first_connection; /* id of the worker's session 0: random, so that ids differ */
};

/** Worker. @return false when the ring is full. */
bool service_record_write(const struct service_log *log,
			  const struct service_http_listener *listener,
			  const struct proxy_exchange *exchange, const struct snapshot *snapshot);

/** Of a connection that carried no HTTP.  Worker. @return false when the ring is full. */
bool service_record_write_connection(const struct service_log *log, uint64_t load_balancer_id,
				     const struct proxy_conduit_record *conduit,
				     const struct snapshot *snapshot);

/**
 * Logger: client to ssl_protocol, 13 fields that application and classic load balancers' lines
 * have in common.
 */
void service_record_put(struct log_line *line, const struct service_record *record,
			uint64_t received_bytes, uint64_t sent_bytes);

/** Single fields: `"text"`, ADDRESS:PORT, a number; "-" for none. */
void service_record_put_quoted(struct log_line *line, const struct service_record *record,
			       struct proxy_text text);
void service_record_put_target(struct log_line *line, const struct service_record *record);
void service_record_put_status(struct log_line *line, uint16_t status);

#endif
