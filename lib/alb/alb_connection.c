/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_connection.h"

#include <arpa/inet.h>
#include <string.h>

#include "alb.h"
#include "check.h"
#include "log_line.h"
#include "tls.h"

/* What is said of the client's certificate. */
static void
certificate_strings(const struct tls_peer *peer, const char *strings[3])
{
	strings[0] = peer->subject[0] == '\0' ? "-" : peer->subject;
	strings[1] = peer->validity;
	strings[2] = peer->serial;
}

static uint32_t
certificate_len(const struct tls_peer *peer)
{
	const char *strings[3];
	size_t len = 0;

	if (peer == NULL)
		return 0;
	certificate_strings(peer, strings);
	for (uint32_t i = 0; i < ARRAY_N(strings); i++)
		len += strlen(strings[i]) + 1;
	return (uint32_t)len;
}

static void
keep_certificate(struct alb_connection *r, const struct tls_peer *peer)
{
	char *at = r->certificate;
	const char *strings[3];

	certificate_strings(peer, strings);
	for (uint32_t i = 0; i < ARRAY_N(strings); i++)
		at = stpcpy(at, strings[i]) + 1;
}

static void
keep_tls(struct alb_connection *r, const struct proxy_session_info *session)
{
	const struct tls *tls = session->tls;

	/* One whose client left meanwhile has failed, though TLS has finished. */
	r->failed = session->negotiated_us == 0;
	r->tls_failure = (uint8_t)tls_failure(tls);
	if (r->failed && r->tls_failure == TLS_FAILURE_NONE)
		return;
	if (!r->failed)
		r->handshake_us = (uint32_t)(session->negotiated_us - session->begun_us);
	log_record_keep(r->tls_protocol, sizeof(r->tls_protocol), tls_protocol(tls));
	log_record_keep(r->tls_cipher, sizeof(r->tls_cipher), tls_cipher(tls));
	log_record_keep(r->tls_key_exchange, sizeof(r->tls_key_exchange), tls_key_exchange(tls));
}

bool
alb_connection_write(const struct service_log *log, const struct service_http_listener *listener,
		     const struct proxy_session_info *session, bool refused)
{
	const struct tls_peer *peer = session->tls == NULL ? NULL : tls_peer(session->tls);
	const struct tcp_tuple *t = session->tuple;
	uint32_t len = certificate_len(peer);
	struct alb_connection *r = log_ring_reserve(log->ring, (uint32_t)sizeof(*r) + len);

	if (r == NULL)
		return false;
	*r = (struct alb_connection){.head = {listener->load_balancer_id, LOG_CONNECTION},
				     .begun_wall_us = log->wall_us + session->begun_us,
				     .connection = log->first_connection + session->number,
				     .client = t->remote,
				     .client_port = ntohs(t->remote_port_be),
				     .listener_port = ntohs(t->local_port_be),
				     .refused = refused,
				     .certificate_len = len};
	if (session->tls != NULL)
		keep_tls(r, session);
	if (peer != NULL)
		keep_certificate(r, peer);
	log_ring_commit(log->ring);
	return true;
}

static void
put_certificate(struct log_line *l, const struct alb_connection *r)
{
	const char *at = r->certificate;

	if (r->certificate_len == 0) {
		log_puts(l, " \"-\" - - ");
		return;
	}
	log_puts(l, " \"");
	log_put_escaped(l, at, strlen(at));
	at += strlen(at) + 1;
	log_puts(l, "\" ");
	log_puts(l, at);
	at += strlen(at) + 1;
	log_puts(l, " ");
	log_puts(l, at);
	log_puts(l, " ");
}

static void
put_status(struct log_line *l, const struct alb_connection *r)
{
	if (r->refused || (r->failed && r->tls_failure == TLS_FAILURE_NONE)) {
		log_puts(l, "Failed:UnmappedConnectionError");
	} else if (r->failed) {
		log_puts(l, "Failed:");
		log_puts(l, tls_verify_status((enum tls_failure)r->tls_failure));
	} else {
		log_puts(l, r->tls_protocol[0] != '\0' ? "Success" : "-");
	}
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
	put_certificate(l, r);
	put_status(l, r);
	log_puts(l, " ");
	log_put_trace_id(l, r->connection);
	log_puts(l, " ");
	log_puts(l, or_none(r->tls_key_exchange));
	log_puts(l, "\n");
	return log_line_len(l);
}
