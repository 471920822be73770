/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TLS_CREDENTIALS_PRIVATE_H
#define TLS_CREDENTIALS_PRIVATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdatomic.h>

#include "tls_credentials.h"

#define TLS_CREDENTIALS_NAMES_MAX 128u

struct tls_credentials {
	atomic_uint references;
	struct tls_credentials_info info;
	char *name, *serial;
	STACK_OF(X509) * chain; /* the leaf first */
	EVP_PKEY *key;
	uint16_t curve;                         /* TLS's number of the group; 0: RSA */
	uint16_t names_n;                       /* DNS names, lower case */
	char *names[TLS_CREDENTIALS_NAMES_MAX]; /* "*.example.com" is one */
};

/** Of a server's own. @return  NULL without memory. */
EVP_PKEY *tls_credentials_copy_key(const struct tls_credentials *credentials);

#endif
