/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Servers: one SSL_CTX per certificate, chosen when the ClientHello is there.
 *
 * Of the certificates whose DNS name is the SNI, else of those with the wildcard above it: the best
 * that the client can verify (ECDSA before RSA, longer keys, later expiry); else the default.
 */
#include <openssl/err.h>

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "check.h"
#include "secret.h"
#include "tls_context.h"
#include "tls_credentials_private.h"
#include "tls_private.h"
#include "tls_tickets_private.h"
#include "tls_verify.h"

#define CIPHERS_SEEN_MAX 512u

struct tls_server_certificate {
	SSL_CTX *ctx;
	struct tls_credentials *credentials;
};

struct tls_server {
	atomic_uint references;
	struct tls_tickets *tickets;
	uint8_t versions;
	bool alpn_strict;
	enum tls_mutual_mode mutual_mode;
	struct tls_trust *trust; /* NULL: none */
	uint32_t certificates_n;
	struct tls_server_certificate certificates[TLS_CREDENTIALS_MAX];
	uint16_t alpn_len;
	uint8_t alpn[TLS_ALPN_MAX * 32]; /* wire format */
};

/* What a ClientHello says about certificates. */
struct hello {
	SSL *ssl;
	const uint8_t *signatures, *groups; /* 16-bit numbers */
	size_t signatures_len, groups_len;
	bool tls13, ecdsa_cipher;
};

/* The list inside an extension, NULL when it is absent or malformed (libssl will refuse it). */
static const uint8_t *
extension_list(SSL *ssl, unsigned int type, size_t *len)
{
	const uint8_t *ext, *list;
	struct bytes_reader r;

	*len = 0;
	if (SSL_client_hello_get0_ext(ssl, type, &ext, len) != 1 || *len < 2) {
		*len = 0;
		return NULL;
	}
	r = bytes_reader(ext + 2, *len - 2);
	*len = bytes_load_be16(ext);
	list = bytes_take(&r, *len);
	if (list == NULL)
		*len = 0;
	return list;
}

static bool
list_has(const uint8_t *list, size_t len, uint16_t value)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		if (bytes_load_be16(list + i) == value)
			return true;
	return false;
}

static bool
offers_tls13(SSL *ssl)
{
	const uint8_t *ext;
	size_t len;

	return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &ext, &len) == 1 &&
	       len > 1 && list_has(ext + 1, len - 1, TLS1_3_VERSION);
}

static bool
offers_ecdsa_cipher(SSL *ssl)
{
	STACK_OF(SSL_CIPHER) *ours = SSL_get_ciphers(ssl);
	const uint8_t *ids;
	size_t len = SSL_client_hello_get0_ciphers(ssl, &ids);

	for (size_t i = 0; i + 1 < len && i < 2 * CIPHERS_SEEN_MAX; i += 2) {
		const SSL_CIPHER *c = SSL_CIPHER_find(ssl, ids + i);

		if (c != NULL && SSL_CIPHER_get_auth_nid(c) == NID_auth_ecdsa &&
		    sk_SSL_CIPHER_find(ours, c) >= 0)
			return true;
	}
	return false;
}

static struct hello
read_hello(const struct tls_server *server, SSL *ssl)
{
	struct hello h = {.ssl = ssl};

	h.signatures = extension_list(ssl, TLSEXT_TYPE_signature_algorithms, &h.signatures_len);
	h.groups = extension_list(ssl, TLSEXT_TYPE_supported_groups, &h.groups_len);
	h.tls13 = (server->versions & TLS_V1_3) != 0 && offers_tls13(ssl);
	h.ecdsa_cipher = h.tls13 || offers_ecdsa_cipher(ssl);
	return h;
}

/* RFC 8446 section 4.2.3, RFC 8422 section 5.1. */
static bool
client_takes(const struct hello *h, const struct tls_credentials *c)
{
	static const uint16_t of_curve[] = {0x0403, 0x0503, 0x0603};

	if (c->curve == 0)
		return !h->tls13 || list_has(h->signatures, h->signatures_len, 0x0804) ||
		       list_has(h->signatures, h->signatures_len, 0x0805) ||
		       list_has(h->signatures, h->signatures_len, 0x0806);
	if (h->tls13)
		return list_has(h->signatures, h->signatures_len, of_curve[c->curve - 23]);
	if (!h->ecdsa_cipher ||
	    (h->groups != NULL && !list_has(h->groups, h->groups_len, c->curve)))
		return false;
	return h->signatures == NULL || list_has(h->signatures, h->signatures_len, 0x0403) ||
	       list_has(h->signatures, h->signatures_len, 0x0503) ||
	       list_has(h->signatures, h->signatures_len, 0x0603);
}

static bool
has_name(const struct tls_credentials *c, const char *name)
{
	for (uint32_t i = 0; i < c->names_n; i++)
		if (strcmp(c->names[i], name) == 0)
			return true;
	return false;
}

static bool
better(const struct tls_credentials *a, const struct tls_credentials *b)
{
	if (a->info.ecdsa != b->info.ecdsa)
		return a->info.ecdsa;
	if (a->info.key_bits != b->info.key_bits)
		return a->info.key_bits > b->info.key_bits;
	return a->info.not_after_s > b->info.not_after_s;
}

/* @return  the best under `name` that the client takes, else NULL and the best one in `any` */
static const struct tls_server_certificate *
best_of_name(const struct tls_server *server, const struct hello *h, const char *name,
	     const struct tls_server_certificate **any)
{
	const struct tls_server_certificate *best = NULL;

	for (uint32_t i = 0; i < server->certificates_n; i++) {
		const struct tls_server_certificate *c = &server->certificates[i];

		if (!has_name(c->credentials, name))
			continue;
		if (*any == NULL)
			*any = c;
		if (client_takes(h, c->credentials) &&
		    (best == NULL || better(c->credentials, best->credentials)))
			best = c;
	}
	return best;
}

static const struct tls_server_certificate *
choose(const struct tls_server *server, const struct hello *h, const char *sni)
{
	const struct tls_server_certificate *best, *any = NULL;
	const char *dot = sni != NULL ? strchr(sni, '.') : NULL;
	char wildcard[TLS_NAME_MAX + 3];

	if (sni == NULL)
		return &server->certificates[0];
	best = best_of_name(server, h, sni, &any);
	if (best == NULL && dot != NULL && dot != sni) {
		snprintf(wildcard, sizeof(wildcard), "*%s", dot);
		best = best_of_name(server, h, wildcard, &any);
	}
	if (best == NULL)
		best = any;
	return best != NULL ? best : &server->certificates[0];
}

/* The host_name of RFC 6066 section 3, lower case; NULL: none, or too long, or no name. */
static char *
read_sni(SSL *ssl)
{
	const uint8_t *ext, *name;
	size_t size, len;
	struct bytes_reader r;
	char *sni;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &size) != 1 || size < 5 ||
	    ext[2] != TLSEXT_NAMETYPE_host_name)
		return NULL;
	len = bytes_load_be16(ext + 3);
	r = bytes_reader(ext + 5, size - 5);
	name = bytes_take(&r, len);
	if (name == NULL || len == 0 || len > TLS_NAME_MAX)
		return NULL;
	sni = malloc(len + 1);
	for (size_t i = 0; sni != NULL && i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~') {
			free(sni);
			return NULL;
		}
		sni[i] = (char)tolower(name[i]);
	}
	if (sni != NULL)
		sni[len] = '\0';
	return sni;
}

static int
on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_server *server = arg;
	struct tls *tls = tls_of_ssl(ssl);
	struct hello h = read_hello(server, ssl);

	(void)alert;
	free(tls->sni);
	tls->sni = read_sni(ssl);
	tls->chosen = choose(server, &h, tls->sni);
	SSL_set_SSL_CTX(ssl, tls->chosen->ctx);
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
	unsigned int in_len, void *arg)
{
	struct tls_server *server = arg;
	struct tls *tls = tls_of_ssl(ssl);
	unsigned char *agreed;

	free(tls->alpn_offered);
	tls->alpn_offered = malloc(in_len);
	tls->alpn_offered_len = 0;
	if (tls->alpn_offered != NULL) {
		memcpy(tls->alpn_offered, in, in_len);
		tls->alpn_offered_len = (uint16_t)in_len;
	}
	if (server->alpn_len > 0 &&
	    SSL_select_next_proto(&agreed, out_len, server->alpn, server->alpn_len, in, in_len) ==
		    OPENSSL_NPN_NEGOTIATED) {
		*out = agreed;
		return SSL_TLSEXT_ERR_OK;
	}
	return server->alpn_strict ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	  EVP_MAC_CTX *mac, int seal)
{
	const struct tls_tickets *tickets = tls_of_ssl(ssl)->server->tickets;

	return seal ? tls_tickets_seal(tickets, name, iv, cipher, mac)
		    : tls_tickets_open(tickets, name, iv, cipher, mac);
}

static void
set_tickets(SSL_CTX *ctx, struct tls_tickets *tickets)
{
	if (tickets == NULL) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
		return;
	}
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_timeout(ctx, (long)tls_tickets_period_s(tickets));
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}

static bool
set_credentials(SSL_CTX *ctx, const struct tls_credentials *c)
{
	EVP_PKEY *key = tls_credentials_copy_key(c);
	bool ok = key != NULL && SSL_CTX_use_certificate(ctx, sk_X509_value(c->chain, 0)) == 1 &&
		  SSL_CTX_use_PrivateKey(ctx, key) == 1;

	EVP_PKEY_free(key);
	for (int i = 1; ok && i < sk_X509_num(c->chain); i++)
		ok = SSL_CTX_add1_chain_cert(ctx, sk_X509_value(c->chain, i)) == 1;
	return ok;
}

static bool
add_certificate(struct tls_server *server, const struct tls_server_settings *s,
		struct tls_credentials *c, char *why, size_t why_len)
{
	SSL_CTX *ctx = tls_context_create(TLS_server_method(), s->policy, why, why_len);
	uint8_t digest[32];

	if (ctx == NULL)
		return false;
	secret_sha256(s->identity, strlen(s->identity), digest);
	if (!set_credentials(ctx, c) || !tls_verify_clients(ctx, s) ||
	    SSL_CTX_set_session_id_context(ctx, digest, sizeof(digest)) != 1) {
		snprintf(why, why_len, "libssl refuses certificate %s under policy %s", c->name,
			 s->policy->name);
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return false;
	}
	SSL_CTX_set_client_hello_cb(ctx, on_hello, server);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, server);
	set_tickets(ctx, server->tickets);
	tls_credentials_get(c);
	server->certificates[server->certificates_n++] =
		(struct tls_server_certificate){.ctx = ctx, .credentials = c};
	return true;
}

static bool
set_alpn(struct tls_server *server, const struct tls_server_settings *s)
{
	int len = tls_alpn_write(server->alpn, sizeof(server->alpn), s->alpn, s->alpn_n);

	server->alpn_len = (uint16_t)(len > 0 ? len : 0);
	return len >= 0;
}

static bool
build(struct tls_server *server, const struct tls_server_settings *s, char *why, size_t why_len)
{
	if (s->mutual_mode == TLS_MUTUAL_VERIFY && s->trust == NULL) {
		snprintf(why, why_len, "clients can't be verified without a trust store");
		return false;
	}
	if (s->credentials_n == 0 || s->credentials_n > TLS_CREDENTIALS_MAX ||
	    !set_alpn(server, s)) {
		snprintf(why, why_len, "1 to %u certificates and short ALPN names are needed",
			 TLS_CREDENTIALS_MAX);
		return false;
	}
	for (uint32_t i = 0; i < s->credentials_n; i++)
		if (!add_certificate(server, s, s->credentials[i], why, why_len))
			return false;
	return true;
}

struct tls_server *
tls_server_create(const struct tls_server_settings *settings, char *why, size_t why_len)
{
	struct tls_server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		snprintf(why, why_len, "out of memory");
		return NULL;
	}
	atomic_init(&server->references, 1);
	server->versions = settings->policy->versions;
	server->mutual_mode = settings->mutual_mode;
	server->trust = settings->trust;
	if (server->trust != NULL)
		tls_trust_get(server->trust);
	server->alpn_strict = settings->alpn_strict && settings->alpn_n > 0;
	/* A session would be resumed without its client's certificate. */
	server->tickets = settings->mutual_mode == TLS_MUTUAL_OFF ? settings->tickets : NULL;
	if (server->tickets != NULL)
		tls_tickets_get(server->tickets);
	if (build(server, settings, why, why_len))
		return server;
	tls_server_put(server);
	return NULL;
}

void
tls_server_get(struct tls_server *server)
{
	atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
}

void
tls_server_put(struct tls_server *server)
{
	/* Acquire and release: what others did with it comes before it is freed. */
	if (server == NULL ||
	    atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < server->certificates_n; i++) {
		SSL_CTX_free(server->certificates[i].ctx);
		tls_credentials_put(server->certificates[i].credentials);
	}
	tls_tickets_put(server->tickets);
	tls_trust_put(server->trust);
	free(server);
}

SSL *
tls_server_begin(struct tls_server *server)
{
	return SSL_new(server->certificates[0].ctx);
}

const struct tls_credentials *
tls_server_credentials(const struct tls_server_certificate *c)
{
	return c->credentials;
}

enum tls_mutual_mode
tls_server_mutual_mode(const struct tls_server *server)
{
	return server->mutual_mode;
}

const struct tls_trust *
tls_server_trust(const struct tls_server *server)
{
	return server->trust;
}
