/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "tls_trust.h"

struct tls_trust *
tls_trust_load(const char *name, const char *bundle_path, const char *const *crl_paths,
	       uint32_t crls_n, char *why, size_t why_len)
{
	(void)bundle_path;
	(void)crl_paths;
	(void)crls_n;
	snprintf(why, why_len, "trust store %s: trust stores aren't served yet", name);
	return NULL;
}

void
tls_trust_get(struct tls_trust *trust)
{
	(void)trust;
}

void
tls_trust_put(struct tls_trust *trust)
{
	(void)trust;
}

const char *
tls_trust_name(const struct tls_trust *trust)
{
	(void)trust;
	return NULL;
}

const uint8_t *
tls_trust_sha256(const struct tls_trust *trust)
{
	(void)trust;
	return NULL;
}
