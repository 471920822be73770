/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of a peer's certificate, as X-Amzn-Mtls-... and the connection log want it. */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls_private.h"

/* What doesn't fit is cut. */
static void
take_text(BIO *bio, char *out, size_t size)
{
	int n = BIO_read(bio, out, (int)size - 1);

	out[n > 0 ? n : 0] = '\0';
}

static void
put_name(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());

	out[0] = '\0';
	if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
		take_text(bio, out, size);
	BIO_free(bio);
}

static void
put_serial(const X509 *x, char *out, size_t size)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *text = number == NULL ? NULL : BN_bn2hex(number);

	snprintf(out, size, "%s", text == NULL ? "" : text);
	OPENSSL_free(text);
	BN_free(number);
}

/* ISO 8601, in a format that has what is around it. @return  its length */
static size_t
put_time(const ASN1_TIME *t, const char *format, char *out, size_t size)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		memset(&tm, 0, sizeof(tm));
	return strftime(out, size, format, &tm);
}

static bool
stays(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~+=/", c) != NULL);
}

/* @return  its length; `out` has room for it, or is NULL. */
static uint32_t
url_encode(const char *from, size_t len, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)from[i];
		char triple[3] = {'%', digits[byte >> 4], digits[byte & 15]};
		uint32_t some = stays(from[i]) ? 1 : 3;

		if (out != NULL)
			memcpy(out + n, some == 1 ? from + i : triple, some);
		n += some;
	}
	return n;
}

/* PEM of the leaf, and of what was sent above it if `chain` says so. */
static bool
write_pem(const struct tls *tls, X509 *leaf, bool chain, BIO *bio)
{
	STACK_OF(X509) *sent = chain ? SSL_get_peer_cert_chain(tls->ssl) : NULL;
	bool ok = PEM_write_bio_X509(bio, leaf) == 1;

	/* A server's has no leaf in it. */
	for (int i = 0; ok && i < sk_X509_num(sent); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(sent, i)) == 1;
	return ok;
}

static void
describe(const X509 *x, struct tls_peer *peer)
{
	size_t n;

	put_name(X509_get_subject_name(x), peer->subject, sizeof(peer->subject));
	put_name(X509_get_issuer_name(x), peer->issuer, sizeof(peer->issuer));
	put_serial(x, peer->serial, sizeof(peer->serial));
	n = put_time(X509_get0_notBefore(x),
		     "NotBefore=%Y-%m-%dT%H:%M:%SZ;NotAfter=", peer->validity,
		     sizeof(peer->validity));
	put_time(X509_get0_notAfter(x), "%Y-%m-%dT%H:%M:%SZ", peer->validity + n,
		 sizeof(peer->validity) - n);
}

static struct tls_peer *
make(const struct tls *tls, X509 *leaf)
{
	bool chain = tls_server_mutual_mode(tls->server) == TLS_MUTUAL_PASSTHROUGH;
	BIO *bio = BIO_new(BIO_s_mem());
	struct tls_peer *peer = NULL;

	if (bio != NULL && write_pem(tls, leaf, chain, bio)) {
		char *text;
		size_t len = (size_t)BIO_get_mem_data(bio, &text);
		uint32_t size = url_encode(text, len, NULL);

		peer = malloc(sizeof(*peer) + size);
		if (peer != NULL) {
			peer->pem_len = url_encode(text, len, peer->pem);
			describe(leaf, peer);
		}
	}
	BIO_free(bio);
	ERR_clear_error();
	return peer;
}

bool
tls_peer_keep(struct tls *tls)
{
	X509 *leaf = tls->leaf != NULL ? tls->leaf : SSL_get0_peer_certificate(tls->ssl);

	if (tls->server == NULL || leaf == NULL)
		return true;
	tls->peer = make(tls, leaf);
	return tls->peer != NULL;
}

const struct tls_peer *
tls_peer(const struct tls *tls)
{
	return tls->peer;
}
