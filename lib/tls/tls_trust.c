/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_file.h"
#include "tls_trust_private.h"

#define BUNDLE_MAX (TLS_TRUST_CAS_MAX * TLS_TRUST_CA_BYTES_MAX * 2u) /* of PEM */

/* What a file holds is part of the digest. */
static bool
read_file(struct tls_file *file, const char *path, size_t max, EVP_MD_CTX *digest, char *why,
	  size_t why_len)
{
	return tls_file_read(file, path, max, why, why_len) &&
	       EVP_DigestUpdate(digest, file->sha256, sizeof(file->sha256)) == 1;
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

static bool
add_ca(struct tls_trust *t, X509 *ca, const char *path, char *why, size_t why_len)
{
	if (i2d_X509(ca, NULL) > (int)TLS_TRUST_CA_BYTES_MAX)
		snprintf(why, why_len, "%s: a certificate longer than %u bytes", path,
			 TLS_TRUST_CA_BYTES_MAX);
	else if (X509_check_ca(ca) == 0)
		snprintf(why, why_len, "%s: a certificate that is no authority's", path);
	else if (keep_name(t, ca) && X509_STORE_add_cert(t->store, ca) == 1)
		return true;
	else
		snprintf(why, why_len, "%s: out of memory", path);
	return false;
}

static bool
read_bundle(struct tls_trust *t, const char *path, EVP_MD_CTX *digest, char *why, size_t why_len)
{
	struct tls_file file;
	STACK_OF(X509) *all = NULL;
	bool ok;

	if (!read_file(&file, path, BUNDLE_MAX, digest, why, why_len))
		return false;
	all = tls_file_certificates(&file, TLS_TRUST_CAS_MAX, why, why_len);
	ok = all != NULL;
	for (int i = 0; ok && i < sk_X509_num(all); i++)
		ok = add_ca(t, sk_X509_value(all, i), path, why, why_len);
	sk_X509_pop_free(all, X509_free);
	tls_file_free(&file);
	return ok;
}

/* PEM, one list or several. */
static bool
add_lists(struct tls_trust *t, const struct tls_file *file, uint32_t *revocations, char *why,
	  size_t why_len)
{
	BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);
	uint32_t before = t->crls_n;
	const char *what = NULL;
	X509_CRL *crl;

	ERR_clear_error();
	while (what == NULL && bio != NULL &&
	       (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		int n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)); /* -1: none */

		*revocations += n > 0 ? (uint32_t)n : 0;
		if (++t->crls_n > TLS_TRUST_CRLS_MAX)
			what = "too many revocation lists, 30 are allowed";
		else if (*revocations > TLS_TRUST_REVOCATIONS_MAX)
			what = "too many revocations, 500,000 are allowed";
		else if (X509_STORE_add_crl(t->store, crl) != 1)
			what = "a revocation list that can't be kept";
		X509_CRL_free(crl);
	}
	BIO_free(bio);
	if (what == NULL && t->crls_n == before)
		what = "no revocation list in PEM";
	if (what == NULL) {
		ERR_clear_error();
		return true;
	}
	return tls_file_refuse(file->path, what, why, why_len);
}

static bool
read_lists(struct tls_trust *t, const char *const *paths, uint32_t n, EVP_MD_CTX *digest, char *why,
	   size_t why_len)
{
	uint32_t revocations = 0;
	bool ok = true;

	for (uint32_t i = 0; ok && i < n; i++) {
		struct tls_file file;

		ok = read_file(&file, paths[i], TLS_TRUST_CRL_BYTES_MAX, digest, why, why_len);
		if (!ok)
			break;
		ok = add_lists(t, &file, &revocations, why, why_len);
		tls_file_free(&file);
	}
	return ok;
}

struct tls_trust *
tls_trust_load(const char *name, const char *bundle_path, const char *const *crl_paths,
	       uint32_t crls_n, char *why, size_t why_len)
{
	struct tls_trust *t = calloc(1, sizeof(*t));
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool ok = false;

	snprintf(why, why_len, "out of memory");
	if (t != NULL) {
		atomic_init(&t->references, 1);
		t->name = strdup(name);
		t->store = X509_STORE_new();
		t->names = sk_X509_NAME_new_null();
		ok = digest != NULL && t->name != NULL && t->store != NULL && t->names != NULL &&
		     EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		     read_bundle(t, bundle_path, digest, why, why_len) &&
		     read_lists(t, crl_paths, crls_n, digest, why, why_len) &&
		     EVP_DigestFinal_ex(digest, t->sha256, NULL) == 1;
	}
	EVP_MD_CTX_free(digest);
	if (ok)
		return t;
	tls_trust_put(t);
	return NULL;
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
	sk_X509_NAME_pop_free(t->names, X509_NAME_free);
	free(t->name);
	free(t);
}

const char *
tls_trust_name(const struct tls_trust *t)
{
	return t->name;
}

const uint8_t *
tls_trust_sha256(const struct tls_trust *t)
{
	return t->sha256;
}
