/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_connection.h"

#include <arpa/inet.h>

#include "alb.h"
#include "log_line.h"

static void
keep_tls(struct alb_connection *r, const struct proxy_session_info *session)
{
	const struct tls *tls = session->tls;

	/* One whose client left meanwhile has failed, though TLS has finished. */
	r->tls_failed = session->negotiated_us == 0;
	if (r->tls_failed)
		return;
	r->handshake_us = (uint32_t)(session->negotiated_us - session->begun_us);
	log_record_keep(r->tls_protocol, sizeof(r->tls_protocol), tls_protocol(tls));
	log_record_keep(r->tls_cipher, sizeof(r->tls_cipher), tls_cipher(tls));
	log_record_keep(r->tls_key_exchange, sizeof(r->tls_key_exchange), tls_key_exchange(tls));
}

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
	if (session->tls != NULL)
		keep_tls(r, session);
	log_ring_commit(log->ring);
	return true;
}

static const char *
or_none(const char *text)
{
	return text[0] == '\0' ? "-" : text;
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
	log_puts(l, " ");
	log_puts(l, or_none(r->tls_protocol));
	log_puts(l, " ");
	log_puts(l, or_none(r->tls_cipher));
	log_puts(l, " ");
	if (r->handshake_us == 0)
		log_puts(l, "-");
	else
		log_put_duration(l, 1, 1 + (uint64_t)r->handshake_us);
	/* The client certificate's subject, validity, number. */
	log_puts(l, " \"-\" - - ");
	log_puts(l, r->refused || r->tls_failed  ? "Failed:UnmappedConnectionError"
		    : r->tls_protocol[0] != '\0' ? "Success"
						 : "-");
	log_puts(l, " ");
	log_put_trace_id(l, r->connection);
	log_puts(l, " ");
	log_puts(l, or_none(r->tls_key_exchange));
	log_puts(l, "\n");
	return log_line_len(l);
}
