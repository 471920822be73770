/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_tls_record.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>

#include "log_line.h"

static void
keep_tls(struct nlb_tls_record *r, const struct proxy_session_info *session)
{
	const struct tls *tls = session->tls;
	const struct tls_credentials *chosen = tls_chosen(tls);

	r->alert = tls_alert_received(tls);
	log_record_keep(r->name, sizeof(r->name), tls_sni(tls));
	tls_alpn_offered(tls, r->alpn_offered, sizeof(r->alpn_offered));
	if (chosen != NULL)
		log_record_keep(r->certificate, sizeof(r->certificate),
				tls_credentials_info(chosen)->name);
	if (session->negotiated_us == 0)
		return;
	r->handshake_us = (uint32_t)(session->negotiated_us - session->begun_us);
	log_record_keep(r->cipher, sizeof(r->cipher), tls_cipher(tls));
	log_record_keep(r->protocol, sizeof(r->protocol), tls_protocol_nlb(tls));
	log_record_keep(r->key_exchange, sizeof(r->key_exchange), tls_key_exchange(tls));
	log_record_keep(r->alpn, sizeof(r->alpn), tls_alpn(tls));
}

bool
nlb_tls_record_write(struct log_ring *ring, uint64_t wall_us, uint64_t load_balancer_id,
		     uint64_t listener_id, const struct proxy_conduit_record *conduit)
{
	const struct tcp_tuple *t = conduit->session.tuple;
	struct nlb_tls_record *r = log_ring_reserve(ring, sizeof(*r));

	if (r == NULL)
		return false;
	*r = (struct nlb_tls_record){.head = {load_balancer_id, LOG_TLS},
				     .listener_id = listener_id,
				     .begun_wall_us = wall_us + conduit->session.begun_us,
				     .ended_wall_us = wall_us + conduit->ended_us,
				     .received_bytes = conduit->received_bytes,
				     .sent_bytes = conduit->sent_bytes,
				     .alert = -1,
				     .client = t->remote,
				     .local = t->local,
				     .client_port = ntohs(t->remote_port_be),
				     .local_port = ntohs(t->local_port_be)};
	if (conduit->session.tls != NULL)
		keep_tls(r, &conduit->session);
	if (conduit->target_tls != NULL)
		log_record_keep(r->target_alpn, sizeof(r->target_alpn),
				tls_alpn(conduit->target_tls));
	log_ring_commit(ring);
	return true;
}

/* The line. */

static void
put_time(struct log_line *l, uint64_t us)
{
	time_t s = (time_t)(us / 1000000);
	char text[32];
	struct tm tm;

	gmtime_r(&s, &tm);
	log_put(l, text, strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm));
}

static void
put_id(struct log_line *l, uint64_t id)
{
	char text[20];

	log_put(l, text, (size_t)snprintf(text, sizeof(text), "%016llx", (unsigned long long)id));
}

static void
put_milliseconds(struct log_line *l, uint64_t us)
{
	log_put_number(l, (int64_t)(us / 1000));
}

/* Words of the client's, URL-encoded but for `also`. */
static void
put_encoded(struct log_line *l, const char *text, const char *also)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";
	char encoded[4];

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL || strchr(also, *text) != NULL)
			log_put(l, text, 1);
		else
			log_put(l, encoded,
				(size_t)snprintf(encoded, sizeof(encoded), "%%%02X",
						 (unsigned)(uint8_t)*text));
	}
}

static void
put_or_none(struct log_line *l, const char *text, const char *also)
{
	if (text[0] == '\0')
		log_puts(l, "-");
	else
		put_encoded(l, text, also);
}

static void
put_words(struct log_line *l, const struct nlb_tls_record *r)
{
	const char *const words[] = {r->certificate,  "",      r->cipher, r->protocol,
				     r->key_exchange, r->name, r->alpn,   r->target_alpn};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		put_or_none(l, words[i], "/*");
		log_puts(l, " ");
	}
	put_or_none(l, r->alpn_offered, "/\",");
}

size_t
nlb_tls_record_format(const struct nlb_tls_record *r, const char *load_balancer, char *out,
		      size_t size)
{
	struct log_line line = log_line(out, size), *l = &line;

	log_puts(l, "tls 2.0 ");
	put_time(l, r->ended_wall_us);
	log_puts(l, " ");
	log_puts(l, load_balancer);
	log_puts(l, " ");
	put_id(l, r->listener_id);
	log_puts(l, " ");
	log_put_endpoint(l, &r->client, r->client_port);
	log_puts(l, " ");
	log_put_endpoint(l, &r->local, r->local_port);
	log_puts(l, " ");
	put_milliseconds(l, r->ended_wall_us - r->begun_wall_us);
	log_puts(l, " ");
	if (r->protocol[0] != '\0')
		put_milliseconds(l, r->handshake_us);
	else
		log_puts(l, "-");
	log_puts(l, " ");
	log_put_number(l, (int64_t)r->received_bytes);
	log_puts(l, " ");
	log_put_number(l, (int64_t)r->sent_bytes);
	log_puts(l, " ");
	if (r->alert >= 0)
		log_put_number(l, r->alert);
	else
		log_puts(l, "-");
	log_puts(l, " ");
	put_words(l, r);
	log_puts(l, " ");
	put_time(l, r->begun_wall_us);
	log_puts(l, "\n");
	return log_line_len(l);
}
