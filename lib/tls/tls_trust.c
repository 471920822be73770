/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_trust_private.h"

#define BUNDLE_MAX (TLS_TRUST_CAS_MAX * TLS_TRUST_CA_BYTES_MAX * 2u) /* of PEM */

/* What a file holds is part of the digest. */
static bool
read_file(struct tls_trust *t, struct tls_file *file, const char *path, size_t max, char *why,
	  size_t why_len)
{
	uint8_t both[sizeof(t->sha256) + sizeof(file->sha256)];

	if (!tls_file_read(file, path, max, why, why_len))
		return false;
	memcpy(both, t->sha256, sizeof(t->sha256));
	memcpy(both + sizeof(t->sha256), file->sha256, sizeof(file->sha256));
	if (EVP_Digest(both, sizeof(both), t->sha256, NULL, EVP_sha256(), NULL) == 1)
		return true;
	tls_file_free(file);
	return tls_file_refuse(path, "out of memory", why, why_len);
}

/* Its name, for clients that are told whom to be certified by. */
static bool
keep_name(struct tls_trust *t, X509 *ca)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(ca));

	if (name != NULL && sk_X509_NAME_push(t->names, name) > 0)
		return true;
	X509_NAME_free(name);
	return false;
}

/* To verify lists by. */
static bool
keep(struct tls_trust *t, X509 *ca)
{
	if (X509_up_ref(ca) != 1)
		return false;
	if (sk_X509_push(t->authorities, ca) > 0)
		return true;
	X509_free(ca);
	return false;
}

static bool
add_ca(struct tls_trust *t, X509 *ca, const char *path, char *why, size_t why_len)
{
	t->names_len += (uint32_t)i2d_X509_NAME(X509_get_subject_name(ca), NULL);
	if (i2d_X509(ca, NULL) > (int)TLS_TRUST_CA_BYTES_MAX)
		snprintf(why, why_len, "%s: a certificate longer than %u bytes", path,
			 TLS_TRUST_CA_BYTES_MAX);
	else if (X509_check_ca(ca) == 0)
		snprintf(why, why_len, "%s: a certificate that is no authority's", path);
	else if (t->names_len > TLS_TRUST_NAMES_MAX)
		snprintf(why, why_len, "%s: authorities whose names come to more than %u bytes",
			 path, TLS_TRUST_NAMES_MAX);
	else if (keep_name(t, ca) && keep(t, ca) && X509_STORE_add_cert(t->store, ca) == 1)
		return true;
	else
		snprintf(why, why_len, "%s: out of memory", path);
	return false;
}

static bool
read_bundle(struct tls_trust *t, const char *path, char *why, size_t why_len)
{
	struct tls_file file;
	STACK_OF(X509) *all = NULL;
	bool ok;

	if (!read_file(t, &file, path, BUNDLE_MAX, why, why_len))
		return false;
	all = tls_file_certificates(&file, TLS_TRUST_CAS_MAX, why, why_len);
	ok = all != NULL;
	for (int i = 0; ok && i < sk_X509_num(all); i++)
		ok = add_ca(t, sk_X509_value(all, i), path, why, why_len);
	sk_X509_pop_free(all, X509_free);
	tls_file_free(&file);
	return ok;
}

struct tls_trust *
tls_trust_load(const char *bundle_path, char *why, size_t why_len)
{
	struct tls_trust *t = calloc(1, sizeof(*t));

	snprintf(why, why_len, "out of memory");
	if (t == NULL)
		return NULL;
	atomic_init(&t->references, 1);
	t->store = X509_STORE_new();
	t->authorities = sk_X509_new_null();
	t->names = sk_X509_NAME_new_null();
	if (t->store != NULL && t->authorities != NULL && t->names != NULL &&
	    read_bundle(t, bundle_path, why, why_len))
		return t;
	tls_trust_put(t);
	return NULL;
}

bool
tls_trust_add_lists(struct tls_trust *t, const char *path, char *why, size_t why_len)
{
	struct tls_file file;
	bool ok;

	if (!read_file(t, &file, path, TLS_TRUST_CRL_BYTES_MAX, why, why_len))
		return false;
	ok = tls_revocation_add(t, &file, why, why_len);
	tls_file_free(&file);
	return ok;
}

void
tls_trust_get(struct tls_trust *t)
{
	atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
}

void
tls_trust_put(struct tls_trust *t)
{
	/* Acquire and release: what others did with it comes before it is freed. */
	if (t == NULL || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1)
		return;
	X509_STORE_free(t->store);
	sk_X509_pop_free(t->authorities, X509_free);
	sk_X509_NAME_pop_free(t->names, X509_NAME_free);
	for (uint32_t i = 0; i < t->lists_n; i++)
		X509_CRL_free(t->lists[i]);
	free(t);
}

const uint8_t *
tls_trust_sha256(const struct tls_trust *t)
{
	return t->sha256;
}
