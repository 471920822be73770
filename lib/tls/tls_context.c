/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/err.h>

#include <stdio.h>
#include <string.h>

#include "tls_context.h"

#define GROUPS "X25519:P-256:P-384:P-521"

/* No MD5 and no SHA-1: TLS 1.0 and 1.1, which have nothing else, don't look here. */
#define SIGNATURES                                                            \
	"ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA384:" \
	"RSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA512:RSA+SHA512"

#define MESSAGE_MAX 65536 /* a chain of certificates */

static int
lowest(uint8_t versions)
{
	if ((versions & TLS_V1_0) != 0)
		return TLS1_VERSION;
	if ((versions & TLS_V1_1) != 0)
		return TLS1_1_VERSION;
	return (versions & TLS_V1_2) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static int
highest(uint8_t versions)
{
	if ((versions & TLS_V1_3) != 0)
		return TLS1_3_VERSION;
	if ((versions & TLS_V1_2) != 0)
		return TLS1_2_VERSION;
	return (versions & TLS_V1_1) != 0 ? TLS1_1_VERSION : TLS1_VERSION;
}

static bool
configure(SSL_CTX *ctx, const struct tls_policy *p)
{
	bool old = (p->versions & (TLS_V1_0 | TLS_V1_1)) != 0;

	/* Key sizes are checked when certificates are read; libssl's level would rule TLS 1.0 out.
	 */
	SSL_CTX_set_security_level(ctx, old ? 0 : 2);
	SSL_CTX_clear_options(ctx, ~UINT64_C(0));
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT |
					 SSL_OP_NO_RENEGOTIATION);
	if (!p->client_order)
		SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Between the lowest and the highest. */
	if ((p->versions & TLS_V1_1) == 0)
		SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1_1);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_max_cert_list(ctx, MESSAGE_MAX);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return SSL_CTX_set_min_proto_version(ctx, lowest(p->versions)) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, highest(p->versions)) == 1 &&
	       (p->ciphers == NULL || SSL_CTX_set_cipher_list(ctx, p->ciphers) == 1) &&
	       SSL_CTX_set_ciphersuites(ctx, p->suites != NULL ? p->suites : "") == 1 &&
	       SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
	       SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) == 1 &&
	       SSL_CTX_set1_client_sigalgs_list(ctx, SIGNATURES) == 1;
}

SSL_CTX *
tls_context_create(const SSL_METHOD *method, const struct tls_policy *policy, char *why,
		   size_t why_len)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx != NULL && configure(ctx, policy))
		return ctx;
	snprintf(why, why_len, "libssl can't serve policy %s", policy->name);
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}

int
tls_alpn_write(uint8_t *list, size_t size, const char *const *protocols, uint32_t n)
{
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t len = strlen(protocols[i]);

		if (len == 0 || len > UINT8_MAX || at + 1 + len > size)
			return -1;
		list[at] = (uint8_t)len;
		memcpy(list + at + 1, protocols[i], len);
		at += 1 + len;
	}
	return (int)at;
}
