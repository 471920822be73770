/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates made at run time, and a client and a server over two chains. */
#ifndef TLS_WORLD_H
#define TLS_WORLD_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <unistd.h>

#include "check.h"
#include "tls.h"
#include "unit.h"

#define TLS_BUFFER 2048u

struct tls_buffer {
	uint32_t refs;
	uint8_t data[TLS_BUFFER];
};

struct tls_world {
	struct chain_pool pool;
	struct span spans[4096];
	uint32_t buffers_n, buffers_max; /* in use, allowed */
	struct chain to_server, to_client;
	struct tls *server, *client;
	char directory[64];
};

static inline void
tls_buffer_ref(void *owner)
{
	((struct tls_buffer *)owner)->refs++;
}

static inline struct tls_world *
tls_world(void)
{
	static struct tls_world world;

	return &world;
}

static inline void
tls_buffer_unref(void *owner)
{
	struct tls_buffer *b = owner;

	CHECK(b->refs > 0);
	if (--b->refs > 0)
		return;
	free(b);
	tls_world()->buffers_n--;
}

static inline void *
tls_buffer_alloc(void *arg, uint8_t **data, uint32_t *room)
{
	struct tls_world *w = arg;
	struct tls_buffer *b = w->buffers_n < w->buffers_max ? malloc(sizeof(*b)) : NULL;

	if (b == NULL)
		return NULL;
	b->refs = 1;
	w->buffers_n++;
	*data = b->data;
	*room = TLS_BUFFER;
	return b;
}

static inline void
tls_world_init(void)
{
	struct tls_world *w = tls_world();
	struct chain_ops ops = {tls_buffer_ref, tls_buffer_unref, tls_buffer_alloc, w};

	chain_pool_init(&w->pool, &ops, w->spans, ARRAY_N(w->spans), TLS_BUFFER);
	w->buffers_max = 4096;
	snprintf(w->directory, sizeof(w->directory), "/tmp/tls-test-XXXXXX");
	CHECK(mkdtemp(w->directory) != NULL);
}

static inline const char *
tls_path(const char *name, const char *what)
{
	static char paths[4][128];
	static uint32_t n;
	char *path = paths[n++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s.%s", tls_world()->directory, name, what);
	return path;
}

/* Write NAME.pem, self-signed, for `dns` ("DNS:a,DNS:b"), and NAME.key. */
static inline void
tls_make_certificate(const char *name, const char *dns, bool ecdsa, uint32_t bits)
{
	EVP_PKEY *key = ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(bits);
	X509 *x = X509_new();
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, dns);
	FILE *f;

	CHECK(key != NULL && x != NULL && ext != NULL);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 0x1234);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_add_ext(x, ext, -1);
	CHECK(X509_sign(x, key, EVP_sha256()) > 0);
	f = fopen(tls_path(name, "pem"), "w");
	CHECK(f != NULL && PEM_write_X509(f, x) == 1 && fclose(f) == 0);
	f = fopen(tls_path(name, "key"), "w");
	CHECK(f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	      fclose(f) == 0);
	X509_EXTENSION_free(ext);
	X509_free(x);
	EVP_PKEY_free(key);
}

static inline struct tls_credentials *
tls_load(const char *name)
{
	char why[256];
	struct tls_credentials *c = tls_credentials_load(name, tls_path(name, "pem"), NULL,
							 tls_path(name, "key"), why, sizeof(why));

	if (c == NULL)
		printf("%s\n", why);
	CHECK(c != NULL);
	return c;
}

/* Steps of both sides until both are done, or one fails. @return  whether both are done */
static inline bool
tls_shake(void)
{
	struct tls_world *w = tls_world();
	enum tls_result s = TLS_WANT_INPUT, c = TLS_WANT_INPUT;

	for (uint32_t i = 0; i < 20 && (s != TLS_DONE || c != TLS_DONE); i++) {
		c = tls_handshake(w->client, &w->to_client, &w->to_server);
		s = tls_handshake(w->server, &w->to_server, &w->to_client);
	}
	return s == TLS_DONE && c == TLS_DONE;
}

static inline void
tls_hang_up(void)
{
	struct tls_world *w = tls_world();

	tls_free(w->server);
	tls_free(w->client);
	w->server = w->client = NULL;
	chain_free(&w->pool, &w->to_server);
	chain_free(&w->pool, &w->to_client);
	EXPECT(w->buffers_n == 0);
}

#endif
