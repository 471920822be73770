/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <openssl/err.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_context.h"
#include "tls_private.h"
#include "tls_verify.h"

struct tls_client {
	atomic_uint references;
	SSL_CTX *ctx;
	const struct tls_policy *policy;
	struct tls_trust *trust; /* NULL: any certificate is taken */
	bool has_public_key;
	uint8_t public_key[TLS_PUBLIC_KEY_LEN];
	char *server_name;               /* NULL: none */
	bool sends_name;                 /* as SNI */
	uint8_t alpn[TLS_ALPN_MAX * 32]; /* wire format */
	size_t alpn_len;
};

/* The newest session replaces one that nobody took. @return  1: the reference is kept */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = tls_of_ssl(ssl);

	SSL_SESSION_free(tls->session);
	tls->session = session;
	return 1;
}

static bool
set_alpn(struct tls_client *client, const struct tls_client_settings *s)
{
	int len = tls_alpn_write(client->alpn, sizeof(client->alpn), s->alpn, s->alpn_n);

	if (len <= 0)
		return len == 0;
	client->alpn_len = (size_t)len;
	return SSL_CTX_set_alpn_protos(client->ctx, client->alpn, (unsigned int)len) == 0;
}

static bool
is_address(const char *name)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, name, &addr) == 1 || inet_pton(AF_INET6, name, &addr) == 1;
}

struct tls_client *
tls_client_create(const struct tls_client_settings *settings, char *why, size_t why_len)
{
	struct tls_client *client;

	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		snprintf(why, why_len, "out of memory");
		return NULL;
	}
	atomic_init(&client->references, 1);
	client->policy = settings->policy;
	client->trust = settings->trust;
	if (client->trust != NULL)
		tls_trust_get(client->trust);
	client->has_public_key = settings->public_key != NULL;
	if (client->has_public_key)
		memcpy(client->public_key, settings->public_key, TLS_PUBLIC_KEY_LEN);
	client->server_name = settings->server_name == NULL ? NULL : strdup(settings->server_name);
	client->sends_name = client->server_name != NULL && !is_address(client->server_name);
	if (settings->server_name != NULL && client->server_name == NULL) {
		snprintf(why, why_len, "out of memory");
		tls_client_put(client);
		return NULL;
	}
	client->ctx = tls_context_create(TLS_client_method(), settings->policy, why, why_len);
	if (client->ctx == NULL || !set_alpn(client, settings)) {
		if (client->ctx != NULL)
			snprintf(why, why_len, "too many or too long ALPN names");
		tls_client_put(client);
		return NULL;
	}
	if (!tls_verify_targets(client->ctx, settings)) {
		snprintf(why, why_len, "out of memory, or `%s` is neither a name nor an address",
			 client->server_name == NULL ? "" : client->server_name);
		tls_client_put(client);
		return NULL;
	}
	/* A session would be resumed without the target's certificate. */
	if (client->trust != NULL || client->has_public_key)
		return client;
	SSL_CTX_set_session_cache_mode(client->ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client->ctx, on_session);
	return client;
}

void
tls_client_get(struct tls_client *client)
{
	atomic_fetch_add_explicit(&client->references, 1, memory_order_relaxed);
}

void
tls_client_put(struct tls_client *client)
{
	/* Acquire and release: what others did with it comes before it is freed. */
	if (client == NULL ||
	    atomic_fetch_sub_explicit(&client->references, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(client->ctx);
	tls_trust_put(client->trust);
	free(client->server_name);
	free(client);
}

static bool
same_trust(const struct tls_trust *a, const struct tls_trust *b)
{
	return a == NULL || b == NULL ? a == b
				      : memcmp(tls_trust_sha256(a), tls_trust_sha256(b),
					       TLS_TRUST_SHA256_LEN) == 0;
}

static bool
same_name(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
tls_client_is_same(const struct tls_client *a, const struct tls_client *b)
{
	return same_trust(a->trust, b->trust) && a->has_public_key == b->has_public_key &&
	       memcmp(a->public_key, b->public_key, TLS_PUBLIC_KEY_LEN) == 0 &&
	       same_name(a->server_name, b->server_name) && a->policy == b->policy &&
	       a->alpn_len == b->alpn_len && memcmp(a->alpn, b->alpn, a->alpn_len) == 0;
}

const struct tls_trust *
tls_client_trust(const struct tls_client *client)
{
	return client->trust;
}

const uint8_t *
tls_client_public_key(const struct tls_client *client)
{
	return client->has_public_key ? client->public_key : NULL;
}

SSL *
tls_client_begin(struct tls_client *client)
{
	SSL *ssl = SSL_new(client->ctx);

	if (ssl == NULL || !client->sends_name ||
	    SSL_set_tlsext_host_name(ssl, client->server_name) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

struct tls_session *
tls_session_take(struct tls *tls)
{
	SSL_SESSION *session = tls->session;

	tls->session = NULL;
	return (struct tls_session *)session;
}

void
tls_session_free(struct tls_session *session)
{
	SSL_SESSION_free((SSL_SESSION *)session);
}
