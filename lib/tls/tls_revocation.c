/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Revocation lists: verified once, when they are read, by an authority of the store; a certificate
 * is looked up by its number.  libcrypto's own way hashes the whole list for each certificate.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_trust_private.h"

/*
 * @param partial  it is one of several that hold together for all of its issuer's certificates
 * @return         NULL: it is understood, else what isn't.
 */
static const char *
strange_scope(const X509_CRL *crl, bool *partial)
{
	int critical;
	ISSUING_DIST_POINT *scope =
		X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
	bool strange = scope == NULL ? critical != -1
				     : scope->indirectCRL > 0 || scope->onlyattr > 0 ||
					       scope->onlysomereasons != NULL;

	*partial = scope != NULL &&
		   (scope->onlyuser > 0 || scope->onlyCA > 0 || scope->distpoint != NULL);
	ISSUING_DIST_POINT_free(scope);
	if (strange)
		return "a revocation list that is indirect, or for some reasons alone";
	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		X509_EXTENSION *e = X509_CRL_get_ext(crl, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));

		if (nid == NID_delta_crl)
			return "a revocation list of changes alone";
		if (X509_EXTENSION_get_critical(e) && nid != NID_issuing_distribution_point)
			return "a revocation list with a critical extension that isn't known";
	}
	return NULL;
}

static bool
may_sign(X509 *authority)
{
	return (X509_get_key_usage(authority) & X509v3_KU_CRL_SIGN) != 0;
}

static bool
is_signed(const struct tls_trust *t, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_num(t->authorities); i++) {
		X509 *a = sk_X509_value(t->authorities, i);

		if (X509_NAME_cmp(X509_get_subject_name(a), X509_CRL_get_issuer(crl)) == 0 &&
		    may_sign(a) && X509_CRL_verify(crl, X509_get0_pubkey(a)) == 1)
			return true;
	}
	ERR_clear_error();
	return false;
}

/* Lookups of workers find it sorted. */
static void
sort(X509_CRL *crl)
{
	ASN1_INTEGER *zero = ASN1_INTEGER_new();
	X509_REVOKED *revoked;

	if (zero != NULL)
		X509_CRL_get0_by_serial(crl, &revoked, zero);
	ASN1_INTEGER_free(zero);
}

/* @return  NULL: it was added, else why not. */
static const char *
add(struct tls_trust *t, X509_CRL *crl)
{
	int n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)); /* -1: none */
	bool partial;
	const char *what = strange_scope(crl, &partial);

	if (what != NULL)
		return what;
	if (t->lists_n == TLS_TRUST_CRLS_MAX)
		return "too many revocation lists, 30 are allowed";
	t->revocations_n += n > 0 ? (uint32_t)n : 0;
	if (t->revocations_n > TLS_TRUST_REVOCATIONS_MAX)
		return "too many revocations, 500,000 are allowed";
	if (!is_signed(t, crl))
		return "a revocation list that no authority of the bundle has signed";
	sort(crl);
	t->partial[t->lists_n] = partial;
	t->lists[t->lists_n++] = crl;
	return NULL;
}

bool
tls_revocation_add(struct tls_trust *t, const struct tls_file *file, char *why, size_t why_len)
{
	BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);
	uint32_t before = t->lists_n;
	const char *what = bio == NULL ? "out of memory" : NULL;
	X509_CRL *crl;

	ERR_clear_error();
	while (what == NULL && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		what = add(t, crl);
		if (what != NULL)
			X509_CRL_free(crl);
	}
	BIO_free(bio);
	if (what == NULL && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		what = "a revocation list that can't be read";
	if (what == NULL && t->lists_n == before)
		what = "no revocation list in PEM";
	if (what != NULL)
		return tls_file_refuse(file->path, what, why, why_len);
	ERR_clear_error();
	return true;
}

/* Also of a list that has no date, or one that is none. */
static int
age_error(const X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(crl)) >= 0)
		return X509_V_ERR_CRL_NOT_YET_VALID;
	return next != NULL && X509_cmp_current_time(next) <= 0 ? X509_V_ERR_CRL_HAS_EXPIRED
								: X509_V_OK;
}

int
tls_revocation_error(const struct tls_trust *t, const X509 *x)
{
	int error = X509_V_OK;
	bool current = false;

	for (uint32_t i = 0; i < t->lists_n; i++) {
		X509_REVOKED *revoked;

		if (X509_NAME_cmp(X509_get_issuer_name(x), X509_CRL_get_issuer(t->lists[i])) != 0)
			continue;
		if (X509_CRL_get0_by_serial(t->lists[i], &revoked, X509_get0_serialNumber(x)) == 1)
			return X509_V_ERR_CERT_REVOKED;
		if (age_error(t->lists[i]) == X509_V_OK)
			current |= !t->partial[i];
		else
			error = age_error(t->lists[i]);
	}
	return current ? X509_V_OK : error;
}
