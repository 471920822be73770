/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "tls_credentials.h"
#include "tls_credentials_private.h"
#include "tls_file.h"

#define CHAIN_MAX 10u /* intermediate certificates */

/* A passphrase can't be asked for: encrypted keys are refused. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool
read_key(struct tls_credentials *c, const struct tls_file *file, char *why, size_t why_len)
{
	BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);

	ERR_clear_error();
	if (bio != NULL)
		c->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (c->key == NULL)
		return tls_file_refuse(file->path, "no private key without passphrase in it", why,
				       why_len);
	return true;
}

/* TLS's number of an ECDSA key's curve, 0: another. */
static uint16_t
curve_of(const EVP_PKEY *key)
{
	static const struct {
		const char *name;
		uint16_t group;
	} curves[] = {{"prime256v1", 23}, {"secp384r1", 24}, {"secp521r1", 25}};
	char name[64];

	if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name),
					   NULL) != 1)
		return 0;
	for (uint32_t i = 0; i < ARRAY_N(curves); i++)
		if (strcmp(name, curves[i].name) == 0)
			return curves[i].group;
	return 0;
}

static bool
check_key(struct tls_credentials *c, const struct tls_file *file, char *why, size_t why_len)
{
	uint32_t bits = (uint32_t)EVP_PKEY_get_bits(c->key);

	c->info.key_bits = bits;
	c->info.ecdsa = EVP_PKEY_is_a(c->key, "EC") == 1;
	c->curve = c->info.ecdsa ? curve_of(c->key) : 0;
	if (c->info.ecdsa ? c->curve != 0
			  : EVP_PKEY_is_a(c->key, "RSA") == 1 && bits >= 2048 && bits <= 4096)
		return true;
	snprintf(why, why_len,
		 "%s: a key of %u bits of type %s; allowed are RSA of 2048 to 4096 bits and ECDSA "
		 "on P-256, P-384 and P-521",
		 file->path, bits, EVP_PKEY_get0_type_name(c->key));
	return false;
}

static bool
check_pair(const struct tls_credentials *c, const struct tls_file *certificate,
	   const struct tls_file *key, char *why, size_t why_len)
{
	X509 *leaf = sk_X509_value(c->chain, 0);
	int digest = NID_undef;

	if (X509_check_private_key(leaf, c->key) != 1) {
		ERR_clear_error();
		snprintf(why, why_len, "%s: the key doesn't belong to the certificate in %s",
			 key->path, certificate->path);
		return false;
	}
	X509_get_signature_info(leaf, &digest, NULL, NULL, NULL);
	if (digest == NID_md5 || digest == NID_sha1) {
		snprintf(why, why_len, "%s: the certificate is signed with %s; SHA-256 is needed",
			 certificate->path, OBJ_nid2sn(digest));
		return false;
	}
	return true;
}

static int64_t
seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* Lower case, and only what can be a DNS name, a leading "*." included. */
static bool
add_name(struct tls_credentials *c, const ASN1_STRING *text)
{
	const uint8_t *bytes = ASN1_STRING_get0_data(text);
	int len = ASN1_STRING_length(text);
	char *name;

	if (len <= 0 || len > 253 || c->names_n == TLS_CREDENTIALS_NAMES_MAX)
		return true;
	for (int i = 0; i < len; i++)
		if (!isalnum(bytes[i]) && strchr("-._*", bytes[i]) == NULL)
			return true;
	name = malloc((size_t)len + 1);
	if (name == NULL)
		return false;
	for (int i = 0; i < len; i++)
		name[i] = (char)tolower(bytes[i]);
	name[len] = '\0';
	c->names[c->names_n++] = name;
	return true;
}

/* RFC 6125 section 6.4.4: the common name counts only when there are no DNS names. */
static bool
read_names(struct tls_credentials *c)
{
	X509 *leaf = sk_X509_value(c->chain, 0);
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	bool ok = true;

	for (int i = 0; ok && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			ok = add_name(c, name->d.dNSName);
	}
	GENERAL_NAMES_free(names);
	if (ok && c->names_n == 0 && at >= 0)
		ok = add_name(c, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	return ok;
}

static bool
describe(struct tls_credentials *c, const char *name)
{
	X509 *leaf = sk_X509_value(c->chain, 0);
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);

	c->name = strdup(name);
	c->serial = serial != NULL ? BN_bn2hex(serial) : NULL;
	BN_free(serial);
	c->info.name = c->name;
	c->info.serial = c->serial;
	c->info.not_before_s = seconds_of(X509_get0_notBefore(leaf));
	c->info.not_after_s = seconds_of(X509_get0_notAfter(leaf));
	return c->name != NULL && c->serial != NULL && read_names(c);
}

static bool
read_chain(struct tls_credentials *c, const struct tls_file *certificate,
	   const struct tls_file *chain, char *why, size_t why_len)
{
	STACK_OF(X509) * more;
	bool ok = true;

	c->chain = tls_file_certificates(certificate, 1 + CHAIN_MAX, why, why_len);
	if (c->chain == NULL || chain->path == NULL)
		return c->chain != NULL;
	more = tls_file_certificates(chain, CHAIN_MAX, why, why_len);
	if (more == NULL)
		return false;
	while (ok && sk_X509_num(more) > 0) {
		X509 *x = sk_X509_shift(more);

		ok = sk_X509_push(c->chain, x) > 0;
		if (!ok)
			X509_free(x);
	}
	if (!ok)
		tls_file_refuse(chain->path, "out of memory", why, why_len);
	sk_X509_pop_free(more, X509_free);
	return ok;
}

static bool
parse(struct tls_credentials *c, const char *name, const struct tls_file files[3], char *why,
      size_t why_len)
{
	if (!read_chain(c, &files[0], &files[1], why, why_len) ||
	    !read_key(c, &files[2], why, why_len) || !check_key(c, &files[2], why, why_len) ||
	    !check_pair(c, &files[0], &files[2], why, why_len))
		return false;
	memcpy(c->info.certificate_sha256, files[0].sha256, 32);
	memcpy(c->info.chain_sha256, files[1].sha256, 32);
	memcpy(c->info.key_sha256, files[2].sha256, 32);
	if (describe(c, name))
		return true;
	return tls_file_refuse(files[0].path, "its name or serial number can't be read", why,
			       why_len);
}

struct tls_credentials *
tls_credentials_load(const char *name, const char *certificate_path, const char *chain_path,
		     const char *key_path, char *why, size_t why_len)
{
	struct tls_credentials *c = calloc(1, sizeof(*c));
	struct tls_file files[3] = {0};
	bool ok;

	if (c == NULL) {
		snprintf(why, why_len, "out of memory");
		return NULL;
	}
	atomic_init(&c->references, 1);
	ok = tls_file_read(&files[0], certificate_path, TLS_PEM_MAX, why, why_len) &&
	     (chain_path == NULL ||
	      tls_file_read(&files[1], chain_path, TLS_PEM_MAX, why, why_len)) &&
	     tls_file_read(&files[2], key_path, TLS_PEM_MAX, why, why_len) &&
	     parse(c, name, files, why, why_len);
	for (uint32_t i = 0; i < ARRAY_N(files); i++)
		tls_file_free(&files[i]);
	if (ok)
		return c;
	tls_credentials_put(c);
	return NULL;
}

void
tls_credentials_get(struct tls_credentials *c)
{
	atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
}

void
tls_credentials_put(struct tls_credentials *c)
{
	/* Acquire and release: what others did with it comes before it is freed. */
	if (c == NULL || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i < c->names_n; i++)
		free(c->names[i]);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	OPENSSL_free(c->serial);
	free(c->name);
	free(c);
}

const struct tls_credentials_info *
tls_credentials_info(const struct tls_credentials *c)
{
	return &c->info;
}

/* Through DER: a copy that shares no locks and counts with others. */
EVP_PKEY *
tls_credentials_copy_key(const struct tls_credentials *c)
{
	uint8_t *der = NULL;
	int len = i2d_PrivateKey(c->key, &der);
	const uint8_t *at = der;
	EVP_PKEY *key = NULL;

	if (len > 0) {
		key = d2i_AutoPrivateKey(NULL, &at, len);
		OPENSSL_clear_free(der, (size_t)len);
	}
	return key;
}
