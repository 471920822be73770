/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/err.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_credentials_private.h"
#include "tls_private.h"
#include "tls_tickets_private.h"

#define GROUPS "X25519:P-256:P-384:P-521"
/* No MD5, and SHA-1 only where TLS 1.0 and 1.1 know nothing else. */
#define SIGNATURES                                                                      \
	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+" \
	"SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"

/* Names. */

/* RFC 6125 section 6.4.3: `*` stands for one whole label, the first. */
static bool
is_wildcard_for(const char *pattern, const char *name)
{
	const char *rest = strchr(name, '.');

	return pattern[0] == '*' && pattern[1] == '.' && rest != NULL && rest != name &&
	       strcmp(pattern + 1, rest) == 0;
}

/* 2: by its name, 1: by a wildcard, 0: not. */
static uint32_t
match(const struct tls_credentials *c, const char *name)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < c->names_n; i++) {
		if (strcmp(c->names[i], name) == 0)
			return 2;
		if (is_wildcard_for(c->names[i], name))
			best = 1;
	}
	return best;
}

/* The ClientHello's name, lower case; none when it can't be one. */
static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	size_t len = name == NULL ? 0 : strlen(name);

	(void)alert;
	(void)arg;
	if (len > TLS_NAME_MAX)
		len = 0;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		t->sni[i] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
	}
	t->sni[len] = '\0';
	return len > 0 ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static bool
present(const struct tls *t, uint32_t i)
{
	const struct tls_server *s = t->server;
	const struct tls_credentials *c = s->credentials[i];
	X509 *leaf = sk_X509_value(c->chain, 0);

	if (SSL_use_certificate(t->ssl, leaf) != 1 || SSL_use_PrivateKey(t->ssl, s->keys[i]) != 1 ||
	    SSL_clear_chain_certs(t->ssl) != 1)
		return false;
	for (int k = 1; k < sk_X509_num(c->chain); k++) {
		if (SSL_add1_chain_cert(t->ssl, sk_X509_value(c->chain, k)) != 1)
			return false;
	}
	return true;
}

/*
 * ELB's choice: those whose name matches best, an exact one before a wildcard, else the default.
 * Of these one with an ECDSA and one with an RSA key: libssl takes the first that the client can
 * verify, ECDSA when it can both.
 */
static int
on_certificate(SSL *ssl, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	const struct tls_server *s = t->server;
	uint32_t best = 0;
	bool have[2] = {false, false};

	(void)arg;
	for (uint32_t i = 0; i < s->credentials_n && t->sni[0] != '\0'; i++) {
		uint32_t m = match(s->credentials[i], t->sni);

		best = m > best ? m : best;
	}
	for (uint32_t i = 0; i < s->credentials_n; i++) {
		const struct tls_credentials *c = s->credentials[i];

		if (best == 0 ? i > 0 : match(c, t->sni) != best || have[c->info.ecdsa])
			continue;
		if (!present(t, i))
			return 0;
		have[c->info.ecdsa] = true;
	}
	return 1;
}

static int
on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in, unsigned int in_len,
	void *arg)
{
	const struct tls_server *s = arg;
	uint8_t *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, s->alpn, s->alpn_len, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return s->alpn_strict ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	  EVP_MAC_CTX *mac, int seal)
{
	const struct tls *t = SSL_get_app_data(ssl);

	return seal ? tls_tickets_seal(t->server->tickets, name, iv, cipher, mac)
		    : tls_tickets_open(t->server->tickets, name, iv, cipher, mac);
}

/* Making them. */

static int
version_of(uint8_t bit)
{
	return bit == TLS_V1_0   ? TLS1_VERSION
	       : bit == TLS_V1_1 ? TLS1_1_VERSION
	       : bit == TLS_V1_2 ? TLS1_2_VERSION
				 : TLS1_3_VERSION;
}

static bool
set_policy(SSL_CTX *ctx, const struct tls_policy *policy)
{
	uint8_t low = (uint8_t)(policy->versions & -policy->versions), high = TLS_V1_3;
	char ciphers[2048];

	while ((policy->versions & high) == 0)
		high >>= 1;
	/* TLS 1.0 and 1.1 sign with SHA-1, which libssl's level 1 refuses. */
	snprintf(ciphers, sizeof(ciphers), "%s%s", policy->ciphers == NULL ? "" : policy->ciphers,
		 (policy->versions & (TLS_V1_0 | TLS_V1_1)) != 0 ? ":@SECLEVEL=0" : "");
	return SSL_CTX_set_min_proto_version(ctx, version_of(low)) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, version_of(high)) == 1 &&
	       (policy->ciphers == NULL || SSL_CTX_set_cipher_list(ctx, ciphers) == 1) &&
	       (policy->suites == NULL || SSL_CTX_set_ciphersuites(ctx, policy->suites) == 1) &&
	       SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
	       SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1;
}

static SSL_CTX *
make_context(const SSL_METHOD *method, const struct tls_policy *policy)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL)
		return NULL;
	if (!set_policy(ctx, policy)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(ctx, 0);
	return ctx;
}

static uint32_t
alpn_on_wire(uint8_t *out, size_t size, const char *const *names, uint32_t n)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t name_len = strlen(names[i]);

		if (name_len == 0 || name_len > 255 || len + 1 + name_len > size)
			return 0;
		out[len++] = (uint8_t)name_len;
		memcpy(out + len, names[i], name_len);
		len += (uint32_t)name_len;
	}
	return len;
}

static bool
take_settings(struct tls_server *s, const struct tls_server_settings *settings)
{
	for (uint32_t i = 0; i < settings->credentials_n; i++) {
		s->keys[i] = tls_credentials_copy_key(settings->credentials[i]);
		if (s->keys[i] == NULL)
			return false;
		s->credentials[i] = settings->credentials[i];
		tls_credentials_get(s->credentials[i]);
		s->credentials_n++;
	}
	s->policy = settings->policy;
	s->alpn_strict = settings->alpn_strict;
	s->alpn_len = alpn_on_wire(s->alpn, sizeof(s->alpn), settings->alpn, settings->alpn_n);
	s->tickets = settings->tickets;
	if (s->tickets != NULL)
		tls_tickets_get(s->tickets);
	return settings->alpn_n == 0 || s->alpn_len > 0;
}

static void
set_resumption(const struct tls_server *s, const char *identity)
{
	uint8_t digest[32];

	secret_sha256(identity, strlen(identity), digest);
	SSL_CTX_set_session_id_context(s->ctx, digest, sizeof(digest));
	if (s->tickets == NULL) {
		SSL_CTX_set_options(s->ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(s->ctx, 0);
		return;
	}
	SSL_CTX_set_num_tickets(s->ctx, 1);
	SSL_CTX_set_timeout(s->ctx, (long)tls_tickets_period_s(s->tickets));
	SSL_CTX_set_tlsext_ticket_key_evp_cb(s->ctx, on_ticket);
}

struct tls_server *
tls_server_create(const struct tls_server_settings *settings, char *why, size_t why_len)
{
	struct tls_server *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		atomic_init(&s->references, 1);
		s->ctx = make_context(TLS_server_method(), settings->policy);
	}
	if (s == NULL || s->ctx == NULL || settings->credentials_n == 0 ||
	    settings->credentials_n > TLS_CREDENTIALS_MAX || !take_settings(s, settings)) {
		snprintf(why, why_len, "policy %s and its certificates can't be set up in libssl",
			 settings->policy->name);
		ERR_clear_error();
		tls_server_put(s);
		return NULL;
	}
	SSL_CTX_set_tlsext_servername_callback(s->ctx, on_server_name);
	SSL_CTX_set_cert_cb(s->ctx, on_certificate, NULL);
	if (s->alpn_len > 0)
		SSL_CTX_set_alpn_select_cb(s->ctx, on_alpn, s);
	set_resumption(s, settings->identity == NULL ? "" : settings->identity);
	return s;
}

void
tls_server_get(struct tls_server *s)
{
	atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
}

void
tls_server_put(struct tls_server *s)
{
	/* Acquire and release: what others did with it comes before it is freed. */
	if (s == NULL || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(s->ctx);
	for (uint32_t i = 0; i < s->credentials_n; i++)
		tls_credentials_put(s->credentials[i]);
	for (uint32_t i = 0; i < TLS_CREDENTIALS_MAX; i++)
		EVP_PKEY_free(s->keys[i]);
	tls_tickets_put(s->tickets);
	free(s);
}

struct tls_client *
tls_client_create(const struct tls_client_settings *settings, char *why, size_t why_len)
{
	struct tls_client *c = calloc(1, sizeof(*c));
	uint8_t alpn[TLS_ALPN_MAX * 17];
	uint32_t alpn_len = alpn_on_wire(alpn, sizeof(alpn), settings->alpn, settings->alpn_n);

	if (c != NULL) {
		atomic_init(&c->references, 1);
		c->ctx = make_context(TLS_client_method(), settings->policy);
	}
	if (c == NULL || c->ctx == NULL ||
	    (settings->alpn_n > 0 &&
	     (alpn_len == 0 || SSL_CTX_set_alpn_protos(c->ctx, alpn, alpn_len) != 0))) {
		snprintf(why, why_len, "policy %s can't be set up in libssl",
			 settings->policy->name);
		ERR_clear_error();
		tls_client_put(c);
		return NULL;
	}
	return c;
}

void
tls_client_get(struct tls_client *c)
{
	atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
}

void
tls_client_put(struct tls_client *c)
{
	if (c == NULL || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}
