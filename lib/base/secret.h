/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one secret of a cluster and the keys derived from it.
 *
 * Every key that another box or the next process must understand (slots, Maglev, cookies) is
 * secret_derive() of the cluster's secret under a label; nothing else makes such keys.  The
 * management core loads the secret; workers see only derived keys.
 */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_LEN 32

struct secret {
	uint8_t bytes[SECRET_LEN];
};

/** Fill `len` bytes of `out` with HMAC-SHA-256(secret, label || counter). */
void secret_derive(const struct secret *secret, const char *label, void *out, size_t len);

/** SHA-256 of `len` bytes. */
void secret_sha256(const void *buf, size_t len, uint8_t digest[32]);

/** Bytes from the kernel's random generator. @return false when it has none. */
bool secret_random(void *out, size_t len);

/**
 * Read the secret from the first line of a file (64 hexadecimal digits), or, if `create` and the
 * file doesn't exist, make one with mode 0600.
 * @return false with a sentence in `why` (why_len bytes).
 */
bool secret_load(struct secret *secret, const char *path, bool create, char *why, size_t why_len);

/**
 * The same for all lines, at most `max` secrets: the first one makes what the others only accept,
 * so that a new one can be put in front while the old is in use.
 */
bool secret_load_all(struct secret *secrets, uint32_t max, uint32_t *n, const char *path,
		     bool create, char *why, size_t why_len);

#endif
