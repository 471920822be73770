/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates and keys for tests, made anew each time, in a directory that is removed. */
#ifndef TLS_CERTIFICATES_H
#define TLS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <unistd.h>

#include "check.h"
#include "unit.h"

struct made {
	char directory[64], certificate[96], key[96];
};

static inline void
made_write(const struct made *m, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(m->certificate, "w");

	CHECK(f != NULL && PEM_write_X509(f, x) == 1);
	fclose(f);
	f = fopen(m->key, "w");
	CHECK(f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
}

/** @param names  such as "DNS:a.example,DNS:*.example", as OpenSSL's configuration has them */
static inline struct made
make_certificate(bool ecdsa, const char *names)
{
	EVP_PKEY *key = ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
	X509 *x = X509_new();
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	X509_NAME *name = X509_get_subject_name(x);
	struct made m = {.directory = "/tmp/weir-unit-tls-XXXXXX"};

	CHECK(key != NULL && san != NULL && mkdtemp(m.directory) != NULL);
	snprintf(m.certificate, sizeof(m.certificate), "%s/certificate.pem", m.directory);
	snprintf(m.key, sizeof(m.key), "%s/key.pem", m.directory);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 4711);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"test", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_set_pubkey(x, key);
	X509_add_ext(x, san, -1);
	CHECK(X509_sign(x, key, EVP_sha256()) > 0);
	made_write(&m, x, key);
	X509_EXTENSION_free(san);
	X509_free(x);
	EVP_PKEY_free(key);
	return m;
}

static inline void
unmake_certificate(const struct made *m)
{
	unlink(m->certificate);
	unlink(m->key);
	rmdir(m->directory);
}

#endif
