/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TLS_TRUST_PRIVATE_H
#define TLS_TRUST_PRIVATE_H

#include <openssl/ssl.h>

#include <stdatomic.h>

#include "tls_file.h"
#include "tls_trust.h"

struct tls_trust {
	atomic_uint references;
	X509_STORE *store; /* libcrypto locks it for those that look something up */
	STACK_OF(X509) * authorities;
	STACK_OF(X509_NAME) * names;
	uint32_t names_len;                  /* encoded */
	X509_CRL *lists[TLS_TRUST_CRLS_MAX]; /* verified, sorted */
	bool partial[TLS_TRUST_CRLS_MAX];    /* holds for some of its issuer's certificates */
	uint32_t lists_n, revocations_n;
	uint8_t sha256[TLS_TRUST_SHA256_LEN];
};

/** Add all lists of a file. @return  false with a sentence in `why`. */
bool tls_revocation_add(struct tls_trust *trust, const struct tls_file *file, char *why,
			size_t why_len);

/**
 * Whether a certificate has been revoked by the list of who issued it, if there is one (RFC 5280
 * section 6.3 without its fetching).
 * @return  X509_V_OK, X509_V_ERR_CERT_REVOKED, or X509_V_ERR_CRL_...: no list of its issuer is of
 * now.
 */
int tls_revocation_error(const struct tls_trust *trust, const X509 *x);

#endif
