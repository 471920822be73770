/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS as a pair of chains: ciphertext that TCP received goes in, ciphertext for TCP comes out.
 *
 * libssl does the protocol, over a BIO of our own on chains: no sockets, no EAL.  It sees whole
 * records only: what is incomplete stays in `in`, which therefore must be able to hold
 * TLS_RECORD_MAX bytes.
 *
 * A server or client (settings, certificates, keys) is built on the management side, is immutable
 * and reference counted; any lcore may make connections of it.  A connection belongs to one lcore
 * at a time; tls_belong() is all that a change of owner needs.
 *
 * No call does unbounded work: a handshake step takes at most TLS_STEP_RECORDS records, reading and
 * writing stop at limits that the caller gives.
 *
 * After TLS_FAILED nothing but tls_free() and the questions below make sense; `out` then ends with
 * the alert, if there is one to send.  Nothing is ever decrypted to `plain` before the handshake
 * has finished.
 */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain.h"
#include "tls_credentials.h"
#include "tls_policy.h"
#include "tls_tickets.h"
#include "tls_trust.h"

#define TLS_RECORD_MAX      (5u + 16384u + 2048u)
#define TLS_STEP_RECORDS    32u     /* of a handshake, per call */
#define TLS_READ_RECORDS    256u    /* per tls_read() */
#define TLS_HANDSHAKE_MAX   131072u /* bytes of a handshake, from the peer */
#define TLS_CREDENTIALS_MAX 26u     /* of a server: ELB's default and 25 more */
#define TLS_ALPN_MAX        8u
#define TLS_NAME_MAX        255u

struct tls;
struct tls_server;
struct tls_client;
struct tls_session;

enum tls_result {
	TLS_DONE,       /* handshake: finished; write: all of `plain` is in `out` */
	TLS_WANT_INPUT, /* all whole records of `in` are used up */
	TLS_MORE, /* stopped at the limit of this call: call again, with or without new input */
	TLS_WANT_BUFFERS, /* the pool has run dry: call again when it has buffers */
	TLS_CLOSED,       /* read: the peer sent close_notify; writing may go on */
	TLS_FAILED,       /* see tls_failure() */
};

/* Why a connection failed: one word each for counters; tls_verify_status() for connection logs. */
enum tls_failure {
	TLS_FAILURE_NONE,
	TLS_FAILURE_PLAIN_HTTP,     /* a request in the clear; `in` still holds it */
	TLS_FAILURE_NOT_TLS,        /* no TLS record; an SSLv2 hello */
	TLS_FAILURE_VERSION,        /* no protocol version in common */
	TLS_FAILURE_CIPHER,         /* no cipher suite, group or signature algorithm in common */
	TLS_FAILURE_ALPN,           /* no application protocol in common */
	TLS_FAILURE_PROTOCOL,       /* malformed or unexpected records or messages */
	TLS_FAILURE_RECORD,         /* a record that is too long, or doesn't decrypt */
	TLS_FAILURE_FLOOD,          /* empty records, key updates, alerts, renegotiations */
	TLS_FAILURE_HANDSHAKE_SIZE, /* more than TLS_HANDSHAKE_MAX */
	TLS_FAILURE_PEER_ALERT,     /* the peer sent a fatal alert */
	TLS_FAILURE_TRUNCATED,      /* ended without close_notify: set by the caller, never here */
	TLS_FAILURE_MEMORY,
	TLS_FAILURE_INTERNAL,
	/* The peer's certificate; ELB's ClientCert... codes. */
	TLS_FAILURE_CERT_MISSING,
	TLS_FAILURE_CERT_CHAIN_DEPTH,
	TLS_FAILURE_CERT_SIZE,
	TLS_FAILURE_CERT_CRL_HIT,
	TLS_FAILURE_CERT_CRL_PROCESSING,
	TLS_FAILURE_CERT_UNTRUSTED,
	TLS_FAILURE_CERT_NOT_YET_VALID,
	TLS_FAILURE_CERT_EXPIRED,
	TLS_FAILURE_CERT_TYPE,
	TLS_FAILURE_CERT_INVALID,
	TLS_FAILURE_CERT_PURPOSE,
	TLS_FAILURE_CERT_NAME, /* a target's certificate is for another name */
	TLS_FAILURE_CERT_KEY,  /* or holds another key than it must */
};
#define TLS_FAILURES (TLS_FAILURE_CERT_KEY + 1)

enum tls_mutual_mode { TLS_MUTUAL_OFF, TLS_MUTUAL_PASSTHROUGH, TLS_MUTUAL_VERIFY };

struct tls_server_settings {
	const struct tls_policy *policy;
	struct tls_credentials *const *credentials; /* the first is the default */
	uint32_t credentials_n;                     /* 1 to TLS_CREDENTIALS_MAX */
	const char *const *alpn;                    /* in order of preference */
	uint32_t alpn_n;                            /* 0: ALPN is ignored */
	bool alpn_strict; /* none in common fails the handshake; else it goes on without */
	enum tls_mutual_mode mutual_mode;
	struct tls_trust *trust;     /* of TLS_MUTUAL_VERIFY */
	bool ignore_client_expiry;   /* IgnoreClientCertificateExpiry */
	bool advertise_ca_names;     /* AdvertiseTrustStoreCaNames */
	struct tls_tickets *tickets; /* NULL: none; never used with mutual TLS */
	const char *identity;        /* of the listener: sessions of another aren't resumed */
};

struct tls_client_settings {
	const struct tls_policy *policy;
	/* NULL: certificates aren't verified, as ELB does with targets.  Else each connection's is:
	 * no session is resumed
	 */
	struct tls_trust *trust;
	/* Sent as SNI unless it is an address; with trust: what the certificate is for. NULL: any
	 */
	const char *server_name;
	/* That the certificate must hold, see tls_public_key.h; no session is resumed.  Without
	 * trust only.  NULL: any
	 */
	const uint8_t *public_key;
	const char *const *alpn;
	uint32_t alpn_n;
};

/**
 * Made with one reference, which the caller puts when the listener or target group is gone;
 * connections hold their own.  References of credentials, trust and tickets are taken.
 * @return  NULL with a sentence in `why`.
 */
struct tls_server *tls_server_create(const struct tls_server_settings *settings, char *why,
				     size_t why_len);
void tls_server_get(struct tls_server *server);
void tls_server_put(struct tls_server *server);

struct tls_client *tls_client_create(const struct tls_client_settings *settings, char *why,
				     size_t why_len);
void tls_client_get(struct tls_client *client);
void tls_client_put(struct tls_client *client);
/** Whether they were made with the same settings and files. */
bool tls_client_is_same(const struct tls_client *a, const struct tls_client *b);

/** A connection's server side, before its first byte. @return  NULL without memory. */
struct tls *tls_accept(struct tls_server *server, struct chain_pool *pool);

/**
 * A connection's client side; the first tls_handshake() writes the ClientHello.
 * @param protocol  what ALPN offers; NULL: what the settings say
 * @param resume  a session to resume; NULL: none; stays the caller's
 */
struct tls *tls_connect(struct tls_client *client, struct chain_pool *pool, const char *protocol,
			const struct tls_session *resume);

void tls_free(struct tls *tls);

/** From now on it is this lcore's, whose chains come from `pool`. */
void tls_belong(struct tls *tls, struct chain_pool *pool);

/**
 * One step of the handshake: TLS_DONE (also when it was before), TLS_WANT_INPUT, TLS_MORE,
 * TLS_WANT_BUFFERS, TLS_FAILED.  What comes out goes behind `out`, in every case.
 */
enum tls_result tls_handshake(struct tls *tls, struct chain *in, struct chain *out);

/**
 * Decrypt whole records of `in` behind `plain`, at most `max` bytes; `out` gets answers of the
 * protocol itself.  TLS_WANT_INPUT, TLS_MORE (up to a record may wait inside), TLS_WANT_BUFFERS,
 * TLS_CLOSED, TLS_FAILED; `plain` is valid in every case.
 */
enum tls_result tls_read(struct tls *tls, struct chain *in, struct chain *plain, uint32_t max,
			 struct chain *out);

/** @return  bytes decrypted but not read yet. */
uint32_t tls_pending(const struct tls *tls);

/**
 * Encrypt `plain` behind `out`, until it is empty (TLS_DONE) or another record wouldn't fit the
 * `max` bytes that `out` may grow (TLS_MORE); TLS_WANT_BUFFERS, TLS_FAILED.  Records are small at
 * first and after a second of silence, so that the first bytes can be used before a whole window
 * has arrived; then 16 KiB.
 */
enum tls_result tls_write(struct tls *tls, struct chain *plain, struct chain *out, uint32_t max,
			  uint32_t now_ms);

/** `max` bytes of output are enough for one record of `len` bytes when max >= len + this. */
#define TLS_RECORD_OVERHEAD 160u

/** Write close_notify, once. TLS_DONE, TLS_WANT_BUFFERS, TLS_FAILED. */
enum tls_result tls_shutdown(struct tls *tls, struct chain *out);

/* What came of it. */
enum tls_failure tls_failure(const struct tls *tls);
int tls_alert_sent(const struct tls *tls);     /* of a fatal alert, RFC 8446 section 6; -1: none */
int tls_alert_received(const struct tls *tls); /* any but close_notify; -1: none */
const char *tls_failure_name(enum tls_failure failure);  /* for counters: "cert_expired" */
const char *tls_verify_status(enum tls_failure failure); /* connection log: "ClientCertExpired" */

/*
 * Facts about a finished handshake, and of protocol, cipher and key exchange also about one that
 * failed by the peer's certificate.  Strings live as long as the connection; NULL: none.
 */
bool tls_is_finished(const struct tls *tls);
const char *tls_protocol(const struct tls *tls);     /* "TLSv1.3", as OpenSSL and ALB */
const char *tls_protocol_nlb(const struct tls *tls); /* "tlsv13", as NLB's log */
const char *tls_cipher(const struct tls *tls);       /* OpenSSL's name */
const char *tls_key_exchange(const struct tls *tls); /* "x25519", "secp256r1" ... */
bool tls_is_resumed(const struct tls *tls);
const char *tls_sni(const struct tls *tls);  /* what the client asked for, lower case */
const char *tls_alpn(const struct tls *tls); /* agreed on */
/** The client's list, `"h2","http/1.1"`, cut to fit; 0 and "" when there is none. */
uint32_t tls_alpn_offered(const struct tls *tls, char *out, uint32_t size);
/** Of a server: what was presented; NULL before a hello. */
const struct tls_credentials *tls_chosen(const struct tls *tls);

/* A client's certificate, as X-Amzn-Mtls-... and the connection log want it. */
struct tls_peer {
	enum tls_mutual_mode mode;     /* it was asked for in */
	const char *subject, *issuer;  /* RFC 2253 */
	const char *serial, *validity; /* upper-case hexadecimal; NotBefore=...Z;NotAfter=...Z */
	const char *pem; /* URL-encoded, `+=/` left as they are; passthrough: all that was sent */
};

/**
 * Of a server whose handshake has finished or failed, made by its last step.
 * @return  NULL: the client sent no certificate; of a failed one also without memory, or if it is
 *          too long for HTTP's fields (TLS_FAILURE_CERT_SIZE)
 */
const struct tls_peer *tls_peer(const struct tls *tls);

/** Of a client, after the handshake or reads: a session to resume, once each; NULL: none. */
struct tls_session *tls_session_take(struct tls *tls);
void tls_session_free(struct tls_session *session);

#endif
