/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_connection.h"

#include <arpa/inet.h>

#include "alb.h"
#include "log_line.h"

bool
alb_connection_write(const struct alb_log *log, const struct alb_listener *listener,
		     const struct proxy_session_info *session, bool refused)
{
	const struct tcp_tuple *t = session->tuple;
	struct alb_connection *r = log_ring_reserve(log->ring, sizeof(*r));

	if (r == NULL)
		return false;
	*r = (struct alb_connection){.head = {listener->load_balancer_id, LOG_CONNECTION},
				     .begun_wall_us = log->wall_us + session->begun_us,
				     .connection = log->first_connection + session->number,
				     .client = t->remote,
				     .client_port = ntohs(t->remote_port_be),
				     .listener_port = ntohs(t->local_port_be),
				     .refused = refused};
	log_ring_commit(log->ring);
	return true;
}

size_t
alb_connection_format(const struct alb_connection *r, char *out, size_t size)
{
	struct log_line line = log_line(out, size), *l = &line;
	char client[IP_ADDR_TEXT_MAX];

	ip_addr_format(&r->client, client);
	log_put_time(l, r->begun_wall_us);
	log_puts(l, " ");
	log_puts(l, client);
	log_puts(l, " ");
	log_put_number(l, r->client_port);
	log_puts(l, " ");
	log_put_number(l, r->listener_port);
	/* Protocol, cipher, handshake latency; the client certificate's subject, validity, number.
	 */
	log_puts(l, " - - - \"-\" - - ");
	log_puts(l, r->refused ? "Failed:UnmappedConnectionError" : "-");
	log_puts(l, " ");
	log_put_trace_id(l, r->connection);
	log_puts(l, " -\n"); /* key exchange */
	return log_line_len(l);
}
