/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of PEM, whole and bounded, with their digest.  Management side only. */
#ifndef TLS_FILE_H
#define TLS_FILE_H

#include <openssl/x509.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_file {
	const char *path;
	uint8_t *bytes;
	size_t len;
	uint8_t sha256[32];
};

/** @return  false with a sentence in `why`. */
bool tls_file_read(struct tls_file *file, const char *path, size_t max, char *why, size_t why_len);

/** Forgets the bytes, which may be a key, and gives them back. */
void tls_file_free(struct tls_file *file);

/** All certificates, at most `max`; other PEM objects are an error. @return  NULL with `why`. */
STACK_OF(X509) *
	tls_file_certificates(const struct tls_file *file, uint32_t max, char *why, size_t why_len);

/** Put "`path`: `what`" and libcrypto's reason, if it has one, into `why`. @return  false. */
bool tls_file_refuse(const char *path, const char *what, char *why, size_t why_len);

#endif
