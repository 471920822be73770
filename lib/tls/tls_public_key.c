/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls_public_key.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdlib.h>

#include "secret.h"
#include "tls_file.h"
#include "tls_private.h"

#define FILE_MAX_BYTES 16384

bool
tls_public_key_of(const EVP_PKEY *key, uint8_t sha256[TLS_PUBLIC_KEY_LEN])
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0)
		return false;
	secret_sha256(der, (size_t)len, sha256);
	OPENSSL_free(der);
	return true;
}

bool
tls_public_key_load(const char *path, uint8_t key[TLS_PUBLIC_KEY_LEN], char *why, size_t why_len)
{
	struct tls_file file;
	EVP_PKEY *pkey;
	BIO *bio;
	bool ok;

	if (!tls_file_read(&file, path, FILE_MAX_BYTES, why, why_len))
		return false;
	ERR_clear_error();
	bio = BIO_new_mem_buf(file.bytes, (int)file.len);
	pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	ok = pkey != NULL && tls_public_key_of(pkey, key);
	if (!ok)
		tls_file_refuse(path, "no public key in PEM", why, why_len);
	EVP_PKEY_free(pkey);
	pkey = ok ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
	if (pkey != NULL) {
		tls_file_refuse(path, "more than one public key", why, why_len);
		ok = false;
	}
	ERR_clear_error();
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	tls_file_free(&file);
	return ok;
}
