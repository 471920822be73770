/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TLS_TRUST_PRIVATE_H
#define TLS_TRUST_PRIVATE_H

#include <openssl/ssl.h>

#include <stdatomic.h>

#include "tls_trust.h"

struct tls_trust {
	atomic_uint references;
	char *name;
	X509_STORE *store; /* libcrypto locks it for those that look something up */
	STACK_OF(X509_NAME) * names;
	uint32_t crls_n;
	uint8_t sha256[TLS_TRUST_SHA256_LEN];
};

#endif
