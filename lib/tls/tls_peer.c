/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of a peer's certificate, as X-Amzn-Mtls-... and the connection log want it. */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls_private.h"

#define PEM_MAX  16320u /* URL-encoded: with a name, a field that HTTP's readers take */
#define TEXT_MAX 4096u

/* Each of the strings ends with its NUL. */
static enum tls_failure
end_string(BIO *bio, size_t begun, bool ok, size_t max)
{
	if (!ok || BIO_write(bio, "", 1) != 1)
		return TLS_FAILURE_MEMORY;
	return BIO_pending(bio) - begun > max ? TLS_FAILURE_CERT_SIZE : TLS_FAILURE_NONE;
}

static enum tls_failure
put_name(BIO *bio, const X509_NAME *name)
{
	size_t begun = BIO_pending(bio);

	return end_string(bio, begun, X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0,
			  TEXT_MAX);
}

static enum tls_failure
put_serial(BIO *bio, const X509 *x)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *text = number == NULL ? NULL : BN_bn2hex(number);
	size_t begun = BIO_pending(bio);
	enum tls_failure failure =
		end_string(bio, begun, text != NULL && BIO_puts(bio, text) > 0, TEXT_MAX);

	OPENSSL_free(text);
	BN_free(number);
	return failure;
}

/* ISO 8601, in a format that has what is around it. */
static bool
put_time(BIO *bio, const ASN1_TIME *t, const char *format)
{
	char text[64];
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		memset(&tm, 0, sizeof(tm));
	strftime(text, sizeof(text), format, &tm);
	return BIO_puts(bio, text) > 0;
}

static enum tls_failure
put_validity(BIO *bio, const X509 *x)
{
	size_t begun = BIO_pending(bio);
	bool ok = put_time(bio, X509_get0_notBefore(x), "NotBefore=%Y-%m-%dT%H:%M:%SZ") &&
		  put_time(bio, X509_get0_notAfter(x), ";NotAfter=%Y-%m-%dT%H:%M:%SZ");

	return end_string(bio, begun, ok, TEXT_MAX);
}

static bool
stays(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-._~+=/", c) != NULL);
}

/* Runs of what stays in one piece. */
static bool
url_encode(BIO *bio, const char *from, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	bool ok = true;
	size_t run = 0;

	for (size_t i = 0; ok && i < len; i += run) {
		uint8_t byte = (uint8_t)from[i];
		char triple[3] = {'%', digits[byte >> 4], digits[byte & 15]};

		for (run = 0; i + run < len && stays(from[i + run]);)
			run++;
		if (run > 0) {
			ok = BIO_write(bio, from + i, (int)run) == (int)run;
			continue;
		}
		ok = BIO_write(bio, triple, 3) == 3;
		run = 1;
	}
	return ok;
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

static enum tls_failure
put_pem(BIO *bio, const struct tls *tls, X509 *leaf, bool chain)
{
	BIO *pem = BIO_new(BIO_s_mem());
	size_t begun = BIO_pending(bio);
	bool ok = pem != NULL && write_pem(tls, leaf, chain, pem);
	char *text;
	long len = ok ? BIO_get_mem_data(pem, &text) : 0;
	enum tls_failure failure =
		end_string(bio, begun, ok && url_encode(bio, text, (size_t)len), PEM_MAX);

	BIO_free(pem);
	return failure;
}

static enum tls_failure
describe(BIO *bio, const struct tls *tls, X509 *leaf, bool chain)
{
	enum tls_failure failure = put_name(bio, X509_get_subject_name(leaf));

	if (failure == TLS_FAILURE_NONE)
		failure = put_name(bio, X509_get_issuer_name(leaf));
	if (failure == TLS_FAILURE_NONE)
		failure = put_serial(bio, leaf);
	if (failure == TLS_FAILURE_NONE)
		failure = put_validity(bio, leaf);
	return failure == TLS_FAILURE_NONE ? put_pem(bio, tls, leaf, chain) : failure;
}

/* @return  of strings that follow each other. */
static struct tls_peer *
take_strings(BIO *bio)
{
	size_t len = BIO_pending(bio);
	struct tls_peer *peer = malloc(sizeof(*peer) + len);
	const char *at;

	if (peer == NULL || BIO_read(bio, peer + 1, (int)len) != (int)len) {
		free(peer);
		return NULL;
	}
	at = peer->subject = (const char *)(peer + 1);
	at = peer->issuer = at + strlen(at) + 1;
	at = peer->serial = at + strlen(at) + 1;
	at = peer->validity = at + strlen(at) + 1;
	peer->pem = at + strlen(at) + 1;
	return peer;
}

static enum tls_failure
make(struct tls *tls, X509 *leaf)
{
	enum tls_mutual_mode mode = tls_server_mutual_mode(tls->server);
	BIO *bio = BIO_new(BIO_s_mem());
	enum tls_failure failure = TLS_FAILURE_MEMORY;

	if (bio != NULL)
		failure = describe(bio, tls, leaf, mode == TLS_MUTUAL_PASSTHROUGH);
	if (failure == TLS_FAILURE_NONE) {
		tls->peer = take_strings(bio);
		if (tls->peer == NULL)
			failure = TLS_FAILURE_MEMORY;
		else
			tls->peer->mode = mode;
	}
	BIO_free(bio);
	ERR_clear_error();
	return failure;
}

/* Decoded, they are many times as long as what was sent. */
static void
forget_chain(struct tls *tls)
{
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(tls->ssl);

	while (sk_X509_num(sent) > 0)
		X509_free(sk_X509_pop(sent));
}

enum tls_failure
tls_peer_keep(struct tls *tls)
{
	X509 *leaf = tls->leaf != NULL ? tls->leaf : SSL_get0_peer_certificate(tls->ssl);
	enum tls_failure failure;

	if (tls->server == NULL || leaf == NULL || tls->peer != NULL)
		return TLS_FAILURE_NONE;
	failure = make(tls, leaf);
	if (failure == TLS_FAILURE_NONE)
		forget_chain(tls);
	return failure;
}

const struct tls_peer *
tls_peer(const struct tls *tls)
{
	return tls->peer;
}
