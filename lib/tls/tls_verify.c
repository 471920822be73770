/* SPDX-License-Identifier: BSD-3-Clause */
/* A:mutual-authentication. */
#include "tls_verify.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string.h>

#include "check.h"
#include "tls_private.h"
#include "tls_trust_private.h"

#define CLIENT_DEPTH 3 /* certificates between the client's and the store's: 4 are sent */
#define TARGET_DEPTH 9

#define CLIENT_CHAIN_MAX 16384 /* bytes of the message with a client's certificates */

static bool
is_key_allowed(const X509 *x)
{
	static const char *const curves[] = {"prime256v1", "secp384r1", "secp521r1"};
	const EVP_PKEY *key = X509_get0_pubkey(x);
	char name[64] = "";

	if (key == NULL)
		return false;
	if (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "RSA-PSS") == 1)
		return EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 8192;
	if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name),
					   NULL) != 1)
		return false;
	for (uint32_t i = 0; i < ARRAY_N(curves); i++)
		if (strcmp(name, curves[i]) == 0)
			return true;
	return false;
}

static bool
is_digest_allowed(X509 *x)
{
	int digest = NID_undef;

	X509_get_signature_info(x, &digest, NULL, NULL, NULL);
	return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512;
}

/* The store's own are trusted whatever they are signed with. */
static int
error_of(X509_STORE_CTX *store, const X509 *x)
{
	int depth = X509_STORE_CTX_get_error_depth(store);
	bool anchor = depth + 1 >= sk_X509_num(X509_STORE_CTX_get0_chain(store));

	if (!is_key_allowed(x))
		return depth == 0 ? X509_V_ERR_EE_KEY_TOO_SMALL : X509_V_ERR_CA_KEY_TOO_SMALL;
	if (!anchor && !is_digest_allowed((X509 *)(uintptr_t)x))
		return X509_V_ERR_CA_MD_TOO_WEAK;
	return X509_V_OK;
}

static struct tls *
tls_of_store(const X509_STORE_CTX *store)
{
	return tls_of_ssl(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
}

static const struct tls_trust *
trust_of_store(const X509_STORE_CTX *store)
{
	const struct tls *tls = tls_of_store(store);

	return tls->server != NULL ? tls_server_trust(tls->server) : tls_client_trust(tls->client);
}

/* Remember why, and whose certificate it was. */
static int
refuse(X509_STORE_CTX *store, int error)
{
	struct tls *tls = tls_of_store(store);
	X509 *leaf = X509_STORE_CTX_get0_cert(store);

	X509_STORE_CTX_set_error(store, error);
	tls->verify = (uint8_t)tls_failure_of_verify(error);
	if (leaf != NULL && tls->leaf == NULL && X509_up_ref(leaf) == 1)
		tls->leaf = leaf;
	return 0;
}

/* Of a certificate whose signature was checked; of a leaf that has expired, too. */
static int
judge(int ok, X509_STORE_CTX *store, bool ignore_expiry)
{
	const X509 *x = X509_STORE_CTX_get_current_cert(store);
	int error = X509_STORE_CTX_get_error(store);

	if (!ok && error == X509_V_ERR_CERT_HAS_EXPIRED && ignore_expiry &&
	    X509_STORE_CTX_get_error_depth(store) == 0)
		ok = 1;
	if (ok)
		error = error_of(store, x);
	if (ok && error == X509_V_OK)
		error = tls_revocation_error(trust_of_store(store), x);
	if (error != X509_V_OK)
		return refuse(store, error);
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static int
on_certificate(int ok, X509_STORE_CTX *store)
{
	return judge(ok, store, false);
}

static int
on_certificate_of_any_age(int ok, X509_STORE_CTX *store)
{
	return judge(ok, store, true);
}

/* Instead of all that libcrypto would look at. */
static int
take_any(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static bool
use_trust(SSL_CTX *ctx, const struct tls_trust *trust, int depth)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

	SSL_CTX_set_verify_depth(ctx, depth);
	return SSL_CTX_set1_verify_cert_store(ctx, trust->store) == 1 &&
	       X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

static bool
advertise(SSL_CTX *ctx, const struct tls_trust *trust)
{
	STACK_OF(X509_NAME) *names = SSL_dup_CA_list(trust->names);

	SSL_CTX_set_client_CA_list(ctx, names); /* which takes them */
	return names != NULL;
}

bool
tls_verify_clients(SSL_CTX *ctx, const struct tls_server_settings *s)
{
	switch (s->mutual_mode) {
	case TLS_MUTUAL_OFF:
		return true;
	case TLS_MUTUAL_PASSTHROUGH:
		SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(ctx, take_any, NULL);
		return true;
	case TLS_MUTUAL_VERIFY:
		break;
	}
	SSL_CTX_set_max_cert_list(ctx, CLIENT_CHAIN_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   s->ignore_client_expiry ? on_certificate_of_any_age : on_certificate);
	return use_trust(ctx, s->trust, CLIENT_DEPTH) &&
	       (!s->advertise_ca_names || advertise(ctx, s->trust));
}

static bool
use_name(SSL_CTX *ctx, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return true;
	ERR_clear_error();
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

/* Instead of all that libcrypto would look at: the key alone. */
static int
on_public_key(X509_STORE_CTX *store, void *arg)
{
	const uint8_t *wanted = tls_client_public_key(tls_of_store(store)->client);
	const X509 *leaf = X509_STORE_CTX_get0_cert(store);
	const EVP_PKEY *key = leaf == NULL ? NULL : X509_get0_pubkey(leaf);
	uint8_t shown[TLS_PUBLIC_KEY_LEN];

	(void)arg;
	if (key == NULL || !tls_public_key_of(key, shown) ||
	    memcmp(shown, wanted, sizeof(shown)) != 0)
		return refuse(store, X509_V_ERR_APPLICATION_VERIFICATION);
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

bool
tls_verify_targets(SSL_CTX *ctx, const struct tls_client_settings *s)
{
	if (s->public_key != NULL) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(ctx, on_public_key, NULL);
		return true;
	}
	if (s->trust == NULL) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_certificate);
	return use_trust(ctx, s->trust, TARGET_DEPTH) &&
	       (s->server_name == NULL || use_name(ctx, s->server_name));
}
