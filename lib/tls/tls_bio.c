/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/bio.h>

#include <pthread.h>

#include "tls_private.h"

#define HEADER_LEN 5u

static BIO_METHOD *method;

static int
bio_read(BIO *bio, char *to, int len)
{
	struct tls *t = BIO_get_data(bio);
	uint32_t n = (uint32_t)len < t->readable ? (uint32_t)len : t->readable;

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	chain_copy_out(t->in, 0, to, n);
	chain_consume(t->pool, t->in, n);
	t->readable -= n;
	return (int)n;
}

static int
bio_write(BIO *bio, const char *from, int len)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (!chain_append_copy(t->pool, t->out, from, (uint32_t)len)) {
		t->dry = true;
		BIO_set_retry_write(bio);
		return -1;
	}
	return len;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void
make_method(void)
{
	int type = BIO_get_new_index();

	method = BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "chain");
	if (method == NULL)
		return;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *
tls_bio_new(struct tls *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	pthread_once(&once, make_method);
	bio = method == NULL ? NULL : BIO_new(method);
	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	return bio;
}

uint32_t
tls_bio_whole_records(const struct chain *in)
{
	uint32_t at = 0;

	for (uint32_t n = 0; n < TLS_STEP_RECORDS && in->len - at >= HEADER_LEN; n++) {
		uint8_t header[HEADER_LEN];
		uint32_t len;

		chain_copy_out(in, at, header, HEADER_LEN);
		len = HEADER_LEN + ((uint32_t)header[3] << 8 | header[4]);
		/* Too long for a record, or none: libssl says so. */
		if (len > TLS_RECORD_MAX)
			return in->len;
		if (len > in->len - at)
			break;
		at += len;
	}
	return at;
}
