/* SPDX-License-Identifier: BSD-3-Clause */
/* What a handshake came to. */
#include <openssl/objects.h>

#include <stdio.h>
#include <string.h>

#include "tls_private.h"

bool
tls_is_finished(const struct tls *tls)
{
	return tls->finished;
}

/* Also when the client's certificate was refused then. */
static bool
is_agreed(const struct tls *tls)
{
	return tls->finished || tls->failure >= TLS_FAILURE_CERT_MISSING;
}

const char *
tls_protocol(const struct tls *tls)
{
	return is_agreed(tls) ? SSL_get_version(tls->ssl) : NULL;
}

const char *
tls_protocol_nlb(const struct tls *tls)
{
	if (!tls->finished)
		return NULL;
	switch (SSL_version(tls->ssl)) {
	case TLS1_VERSION:
		return "tlsv10";
	case TLS1_1_VERSION:
		return "tlsv11";
	case TLS1_2_VERSION:
		return "tlsv12";
	default:
		return "tlsv13";
	}
}

const char *
tls_cipher(const struct tls *tls)
{
	return is_agreed(tls) ? SSL_get_cipher_name(tls->ssl) : NULL;
}

const char *
tls_key_exchange(const struct tls *tls)
{
	int nid = is_agreed(tls) ? (int)SSL_get_negotiated_group(tls->ssl) : NID_undef;

	switch (nid) {
	case NID_X25519:
		return "x25519";
	case NID_X9_62_prime256v1:
		return "secp256r1";
	case NID_secp384r1:
		return "secp384r1";
	case NID_secp521r1:
		return "secp521r1";
	default:
		return NULL;
	}
}

bool
tls_is_resumed(const struct tls *tls)
{
	return tls->finished && SSL_session_reused(tls->ssl) == 1;
}

const char *
tls_sni(const struct tls *tls)
{
	return tls->sni;
}

const char *
tls_alpn(const struct tls *tls)
{
	/* Names agreed on are of our own lists. */
	static const char *const names[] = {"h2", "http/1.1", "http/1.0"};
	const unsigned char *name;
	unsigned int len;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return names[i];
	return NULL;
}

uint32_t
tls_alpn_offered(const struct tls *tls, char *out, uint32_t size)
{
	uint32_t at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < tls->alpn_offered_len; i += 1 + tls->alpn_offered[i]) {
		uint32_t n = tls->alpn_offered[i];

		if (at + n + 4 > size || i + 1 + n > tls->alpn_offered_len)
			break;
		at += (uint32_t)snprintf(out + at, size - at, "%s\"%.*s\"", at > 0 ? "," : "",
					 (int)n, (const char *)tls->alpn_offered + i + 1);
	}
	return at;
}

const struct tls_credentials *
tls_chosen(const struct tls *tls)
{
	return tls->chosen != NULL ? tls_server_credentials(tls->chosen) : NULL;
}
