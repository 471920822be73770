/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A certificate chain and its private key, read from PEM and checked: they belong together, the key
 * is of a kind and size that ELB takes (RSA 2,048 to 4,096 bits, ECDSA on P-256, P-384, P-521).
 *
 * Management side only; immutable, reference counted.  Servers parse it anew for themselves, so
 * that lcores share no key objects.
 */
#ifndef TLS_CREDENTIALS_H
#define TLS_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_PEM_MAX 262144u /* bytes of a file */

struct tls_credentials;

struct tls_credentials_info {
	const char *name;
	const char *serial;   /* upper-case hexadecimal */
	int64_t not_before_s; /* Unix time */
	int64_t not_after_s;
	uint32_t key_bits;
	bool ecdsa;
	uint8_t certificate_sha256[32]; /* of the files' bytes */
	uint8_t chain_sha256[32];       /* zeros without a chain file */
	uint8_t key_sha256[32];
};

/**
 * @param chain_path  intermediate certificates, NULL: none, or behind the leaf in certificate_path
 * @return  one reference; NULL with a sentence in `why` that names the file.
 */
struct tls_credentials *tls_credentials_load(const char *name, const char *certificate_path,
					     const char *chain_path, const char *key_path,
					     char *why, size_t why_len);
void tls_credentials_get(struct tls_credentials *credentials);
void tls_credentials_put(struct tls_credentials *credentials);

const struct tls_credentials_info *tls_credentials_info(const struct tls_credentials *credentials);

#endif
