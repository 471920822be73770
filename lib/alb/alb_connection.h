/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's connection on its way to the connection log, and the line it becomes
 * (A:load-balancer-connection-logs, 13 fields).
 *
 * A worker writes the record when the connection ends, or when it finds no room and is reset; the
 * logger's thread formats it.
 */
#ifndef ALB_CONNECTION_H
#define ALB_CONNECTION_H

#include "service_http.h"

struct alb_connection {
	struct log_record head;
	uint64_t begun_wall_us; /* since 1970 */
	uint64_t connection;    /* id, as in records of its requests */
	struct ip_addr client;
	uint16_t client_port, listener_port;
	uint32_t handshake_us; /* 0: none, or not finished */
	uint8_t refused, failed;
	uint8_t tls_failure; /* enum tls_failure, when it failed */
	char tls_protocol[9], tls_cipher[41], tls_key_exchange[17];
	uint32_t certificate_len; /* 0: the client showed none */
	char certificate[];       /* its subject, validity and serial number, each with its NUL */
};

/** Worker. @return false when the ring is full. */
bool alb_connection_write(const struct service_log *log,
			  const struct service_http_listener *listener,
			  const struct proxy_session_info *session, bool refused);

/** Logger. @return the length of the line with its newline; 0: `size` is too small. */
size_t alb_connection_format(const struct alb_connection *record, char *line, size_t size);

#endif
