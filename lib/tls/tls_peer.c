/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of a peer's certificate, as X-Amzn-Mtls-... and the connection log want it. */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tls_private.h"

static X509 *
leaf_of(const struct tls *tls)
{
	return tls->leaf != NULL ? tls->leaf : SSL_get0_peer_certificate(tls->ssl);
}

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

bool
tls_peer(const struct tls *tls, struct tls_peer *peer)
{
	const X509 *x = leaf_of(tls);
	size_t n;

	if (x == NULL)
		return false;
	put_name(X509_get_subject_name(x), peer->subject, sizeof(peer->subject));
	put_name(X509_get_issuer_name(x), peer->issuer, sizeof(peer->issuer));
	put_serial(x, peer->serial, sizeof(peer->serial));
	n = put_time(X509_get0_notBefore(x),
		     "NotBefore=%Y-%m-%dT%H:%M:%SZ;NotAfter=", peer->validity,
		     sizeof(peer->validity));
	put_time(X509_get0_notAfter(x), "%Y-%m-%dT%H:%M:%SZ", peer->validity + n,
		 sizeof(peer->validity) - n);
	ERR_clear_error();
	return true;
}

static bool
stays(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~+=/", c) != NULL);
}

/* @return  its length; as much of it as fits is written. */
static uint32_t
url_encode(const char *from, size_t len, char *out, uint32_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)from[i];
		char triple[3] = {'%', digits[byte >> 4], digits[byte & 15]};
		uint32_t some = stays(from[i]) ? 1 : 3;

		if (n + some < size)
			memcpy(out + n, some == 1 ? from + i : triple, some);
		n += some;
	}
	return n;
}

uint32_t
tls_peer_pem(const struct tls *tls, bool chain, char *out, uint32_t size)
{
	STACK_OF(X509) *sent = chain ? SSL_get_peer_cert_chain(tls->ssl) : NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	X509 *leaf = leaf_of(tls);
	uint32_t n = 0;
	char *text;
	long len;
	bool ok = bio != NULL && leaf != NULL && PEM_write_bio_X509(bio, leaf) == 1;

	/* A server's has no leaf in it. */
	for (int i = 0; ok && i < sk_X509_num(sent); i++)
		ok = X509_cmp(sk_X509_value(sent, i), leaf) == 0 ||
		     PEM_write_bio_X509(bio, sk_X509_value(sent, i)) == 1;
	if (ok) {
		len = BIO_get_mem_data(bio, &text);
		n = url_encode(text, (size_t)len, out, size);
		if (n < size)
			out[n] = '\0';
	}
	BIO_free(bio);
	ERR_clear_error();
	return n;
}
