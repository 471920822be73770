/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Public keys that targets must show, whatever else is in their certificates.
 *
 * A key is known by the SHA-256 of its SubjectPublicKeyInfo (RFC 5280 section 4.1), as RFC 7469
 * pins keys: 32 bytes that are copied, compared and hashed like any value.
 */
#ifndef TLS_PUBLIC_KEY_H
#define TLS_PUBLIC_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_PUBLIC_KEY_LEN 32u

/** Of a file with one public key in PEM. @return  false with a sentence in `why`. */
bool tls_public_key_load(const char *path, uint8_t key[TLS_PUBLIC_KEY_LEN], char *why,
			 size_t why_len);

#endif
