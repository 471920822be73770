/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/tls: a connection, what it is made of, and what its files ask of each other.
 *
 *   tls.c          a connection: handshake, reading, writing
 *   tls_bio.c      libssl's bytes from and to chains
 *   tls_context.c  servers and clients: policy, certificates by SNI, ALPN, tickets
 *   tls_failure.c  why it failed, in words
 */
#ifndef TLS_PRIVATE_H
#define TLS_PRIVATE_H

#include <openssl/ssl.h>

#include <stdatomic.h>

#include "tls.h"

struct tls {
	SSL *ssl;
	struct chain_pool *pool;
	struct tls_server *server; /* one of both */
	struct tls_client *client;
	struct chain *in, *out; /* of the call under way */
	uint32_t readable;      /* bytes of whole records of `in` */
	uint64_t handshake_bytes;
	uint32_t write_len;     /* of a record that libssl keeps until there are buffers */
	uint32_t burst;         /* bytes written without a pause */
	uint32_t written_ms;    /* when last */
	uint32_t nuisances;     /* messages that bring nothing, not paid for by bytes yet */
	uint32_t nuisance_paid; /* bytes towards the next that is forgiven */
	uint8_t failure;        /* enum tls_failure */
	bool dry;               /* out of buffers in the call under way */
	bool finished, shut;
	int16_t alert_sent, alert_received; /* -1: none */
	char sni[TLS_NAME_MAX + 1];
};

struct tls_server {
	atomic_uint references;
	SSL_CTX *ctx;
	const struct tls_policy *policy;
	struct tls_credentials *credentials[TLS_CREDENTIALS_MAX];
	EVP_PKEY *keys[TLS_CREDENTIALS_MAX]; /* its own copies */
	uint32_t credentials_n;
	struct tls_tickets *tickets;
	uint8_t alpn[TLS_ALPN_MAX * 17]; /* as on the wire */
	uint32_t alpn_len;
	bool alpn_strict;
};

struct tls_client {
	atomic_uint references;
	SSL_CTX *ctx;
};

/* tls_bio.c */
BIO *tls_bio_new(struct tls *tls);
/** How many bytes of whole records `in` begins with, of at most TLS_STEP_RECORDS. */
uint32_t tls_bio_whole_records(const struct chain *in);

/* tls_failure.c */
/** What libssl's queue of errors says; empties it. */
enum tls_failure tls_failure_of_errors(void);

#endif
