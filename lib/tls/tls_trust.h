/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trust store: certificates of authorities from a PEM bundle, and revocation lists.
 *
 * ELB's limits hold: 25 authorities of at most 16 KiB with names of 10,000 bytes together, 30 lists
 * of at most 50 MiB and 500,000 revocations together.  Management side only; immutable, reference
 * counted.
 */
#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_TRUST_CAS_MAX         25u
#define TLS_TRUST_CA_BYTES_MAX    16384u
#define TLS_TRUST_CRLS_MAX        30u
#define TLS_TRUST_CRL_BYTES_MAX   52428800u
#define TLS_TRUST_REVOCATIONS_MAX 500000u
#define TLS_TRUST_NAMES_MAX       10000u /* bytes of authorities' names, encoded */
#define TLS_TRUST_SHA256_LEN      32

struct tls_trust;

/** @return  one reference; NULL with a sentence in `why` that names the file. */
struct tls_trust *tls_trust_load(const char *bundle_path, char *why, size_t why_len);

/**
 * Add the revocation lists of a file, before anyone uses the store.  Each must be signed by an
 * authority of the bundle, and hold for all reasons.
 * @return  false with a sentence in `why` that names the file.
 */
bool tls_trust_add_lists(struct tls_trust *trust, const char *path, char *why, size_t why_len);
void tls_trust_get(struct tls_trust *trust);
void tls_trust_put(struct tls_trust *trust);

/** SHA-256 over the files' digests, in the order given. */
const uint8_t *tls_trust_sha256(const struct tls_trust *trust);

#endif
