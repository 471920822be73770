/* SPDX-License-Identifier: BSD-3-Clause */
/* An SSL_CTX as a policy says, for either side. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "tls_policy.h"

/** @return  NULL with a sentence in `why`. */
SSL_CTX *tls_context_create(const SSL_METHOD *method, const struct tls_policy *policy, char *why,
			    size_t why_len);

/**
 * Protocols as ALPN writes them: each behind its length.
 * @return  bytes, or -1: they don't fit, or one is empty.
 */
int tls_alpn_write(uint8_t *list, size_t size, const char *const *protocols, uint32_t n);

#endif
