/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "secret.h"
#include "tls_file.h"

bool
tls_file_refuse(const char *path, const char *what, char *why, size_t why_len)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(why, why_len, "%s: %s%s%s", path, what, reason != NULL ? ": " : "",
		 reason != NULL ? reason : "");
	ERR_clear_error();
	return false;
}

/* One byte more than allowed is read, to see it. */
static bool
read_all(struct tls_file *file, FILE *from, size_t max)
{
	size_t room = 16384;

	file->bytes = OPENSSL_malloc(room);
	while (file->bytes != NULL) {
		uint8_t *more;

		file->len += fread(file->bytes + file->len, 1, room - file->len, from);
		if (file->len < room || file->len > max)
			return !ferror(from);
		more = OPENSSL_clear_realloc(file->bytes, room, room * 2);
		if (more == NULL)
			return false;
		file->bytes = more;
		room *= 2;
	}
	return false;
}

bool
tls_file_read(struct tls_file *file, const char *path, size_t max, char *why, size_t why_len)
{
	FILE *from = fopen(path, "rbe");
	bool ok;

	*file = (struct tls_file){.path = path};
	if (from == NULL) {
		snprintf(why, why_len, "%s: %s", path, strerror(errno));
		return false;
	}
	setvbuf(from, NULL, _IONBF, 0); /* keys are left in no buffer of libc's */
	errno = 0;
	ok = read_all(file, from, max);
	if (!ok)
		snprintf(why, why_len, "%s: %s", path, strerror(errno != 0 ? errno : ENOMEM));
	fclose(from);
	if (ok && file->len > max) {
		snprintf(why, why_len, "%s: longer than %zu bytes", path, max);
		ok = false;
	}
	if (ok)
		secret_sha256(file->bytes, file->len, file->sha256);
	else
		tls_file_free(file);
	return ok;
}

void
tls_file_free(struct tls_file *file)
{
	if (file->bytes != NULL)
		OPENSSL_clear_free(file->bytes, file->len);
	file->bytes = NULL;
	file->len = 0;
}

/* PEM_read_bio_X509() skips what isn't a certificate; ends with an error that says "no more". */
static bool
read_certificates(STACK_OF(X509) * all, BIO *bio, uint32_t max, const char **what)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if ((uint32_t)sk_X509_num(all) == max) {
			X509_free(x);
			*what = "too many certificates";
			return false;
		}
		if (sk_X509_push(all, x) <= 0) {
			X509_free(x);
			return false;
		}
	}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		*what = "not readable as PEM";
		return false;
	}
	ERR_clear_error();
	*what = "no certificate in it";
	return sk_X509_num(all) > 0;
}

STACK_OF(X509) *
	tls_file_certificates(const struct tls_file *file, uint32_t max, char *why, size_t why_len)
{
	BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->len);
	STACK_OF(X509) *all = sk_X509_new_null();
	const char *what = "out of memory";
	bool ok;

	ERR_clear_error();
	ok = bio != NULL && all != NULL && read_certificates(all, bio, max, &what);
	if (!ok) {
		tls_file_refuse(file->path, what, why, why_len);
		sk_X509_pop_free(all, X509_free);
		all = NULL;
	}
	BIO_free(bio);
	return all;
}
