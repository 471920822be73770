/* SPDX-License-Identifier: BSD-3-Clause */
/* An SSL_CTX as a policy says, for either side. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "tls_policy.h"

/** @return  NULL with a sentence in `why`. */
SSL_CTX *tls_context_create(const SSL_METHOD *method, const struct tls_policy *policy, char *why,
			    size_t why_len);

#endif
