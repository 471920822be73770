/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection, and what its files share. */
#ifndef TLS_PRIVATE_H
#define TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "tls.h"
#include "tls_public_key.h"

struct tls_server_certificate;

struct tls {
	SSL *ssl;
	struct tls_server *server; /* of an accepted one; else: */
	struct tls_client *client;
	struct chain_pool *pool;

	/* The chains of the call under way; NULL between calls. */
	struct chain *in, *out;
	uint32_t exposed; /* bytes of `in` that libssl may have: whole records */
	uint16_t room;    /* behind the last span of `out` */

	bool starved;  /* libssl has bytes that the pool had no buffer for */
	bool finished; /* the handshake */
	bool closed_in, closed_out;
	bool began;     /* the first bytes were recognised as TLS */
	bool encrypted; /* what we send is: since our own ChangeCipherSpec or first keys */
	bool flooded;
	uint8_t failure; /* enum tls_failure */
	uint8_t verify;  /* the same, of the peer's certificate */
	int16_t alert_sent, alert_received;
	uint16_t patience;        /* events without payload that are still endured */
	uint32_t payload;         /* bytes since it last grew */
	uint32_t handshake_bytes; /* received */

	uint32_t written;    /* length of a record that libssl couldn't hand over whole */
	uint32_t small_left; /* bytes still to go in small records */
	uint32_t last_write_ms;

	const struct tls_server_certificate *chosen;
	X509 *leaf; /* the peer's, seen by the verifier */
	struct tls_peer *peer;
	SSL_SESSION *session; /* newest, of a client */
	char *sni;
	uint8_t *alpn_offered; /* wire format: length, name ... */
	uint16_t alpn_offered_len;
};

/* tls_bio.c */

/** One BIO for both directions of `tls`. @return  false without memory. */
bool tls_bio_attach(struct tls *tls);

enum tls_first { TLS_FIRST_RECORD, TLS_FIRST_UNKNOWN, TLS_FIRST_HTTP, TLS_FIRST_OTHER };

/** What the first bytes of a connection begin. */
enum tls_first tls_first_bytes(const struct chain *in);

/** Length of the first `max` whole records, or of a header that is wrong by itself. */
uint32_t tls_whole_records(const struct chain *in, uint32_t max);

/** Append to `out` what the pool has buffers for. @return  bytes appended */
uint32_t tls_bio_append(struct tls *tls, const uint8_t *bytes, uint32_t len);

/* tls_watch.c */

/** Have libssl tell about records, messages and alerts: floods are cut, alerts remembered. */
void tls_watch(struct tls *tls);

/** Payload was read: patience grows. */
void tls_watch_payload(struct tls *tls, uint32_t len);

/* tls_failure.c */

/** Of what libssl's error queue says; empties it. */
enum tls_failure tls_failure_of_queue(const struct tls *tls);

/** Of an X509_V_ERR_... */
enum tls_failure tls_failure_of_verify(int error);

/* tls_server.c */

SSL *tls_server_begin(struct tls_server *server);
const struct tls_credentials *tls_server_credentials(const struct tls_server_certificate *c);
enum tls_mutual_mode tls_server_mutual_mode(const struct tls_server *server);
const struct tls_trust *tls_server_trust(const struct tls_server *server);

/* tls_peer.c */

/** Make what tls_peer() tells, once. @return  why it can't be made: no memory, or it is too long.
 */
enum tls_failure tls_peer_keep(struct tls *tls);

/* tls_client.c */
SSL *tls_client_begin(struct tls_client *client);
const struct tls_trust *tls_client_trust(const struct tls_client *client);
/** @return  NULL: any. */
const uint8_t *tls_client_public_key(const struct tls_client *client);

/* tls_public_key.c */
bool tls_public_key_of(const EVP_PKEY *key, uint8_t sha256[TLS_PUBLIC_KEY_LEN]);

static inline struct tls *
tls_of_ssl(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

#endif
