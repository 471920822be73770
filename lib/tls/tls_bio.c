/* SPDX-License-Identifier: BSD-3-Clause */
/* The BIO between libssl and the chains of the call under way. */
#include <openssl/bio.h>

#include <pthread.h>
#include <string.h>

#include "bytes.h"
#include "check.h"
#include "tls_private.h"

#define HEADER          5u
#define FRAGMENT_MAX    (16384u + 2048u) /* RFC 5246 section 6.2.3; libssl knows RFC 8446's */
#define TYPE_HANDSHAKE  22
#define HTTP_METHOD_MIN 4u

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

enum tls_first
tls_first_bytes(const struct chain *in)
{
	uint8_t b[HEADER];
	uint32_t n = in->len < sizeof(b) ? in->len : (uint32_t)sizeof(b), letters = 0;

	if (n == 0)
		return TLS_FIRST_UNKNOWN;
	chain_copy_out(in, 0, b, n);
	if (b[0] == TYPE_HANDSHAKE && (n < 2 || b[1] == 3))
		return n < HEADER ? TLS_FIRST_UNKNOWN : TLS_FIRST_RECORD;
	while (letters < n && b[letters] >= 'A' && b[letters] <= 'Z')
		letters++;
	if (letters >= HTTP_METHOD_MIN || (letters >= 3 && letters < n && b[letters] == ' '))
		return TLS_FIRST_HTTP;
	return letters == n ? TLS_FIRST_UNKNOWN : TLS_FIRST_OTHER;
}

struct cursor {
	const struct span *span;
	uint32_t at; /* in the span */
};

/* Copy the next `n` bytes, which are there. */
static void
cursor_read(struct cursor *c, uint8_t *to, uint32_t n)
{
	while (n > 0) {
		uint32_t some = c->span->len - c->at < n ? c->span->len - c->at : n;

		if (some == 0) {
			c->span = c->span->next;
			c->at = 0;
			continue;
		}
		memcpy(to, c->span->data + c->at, some);
		to += some;
		n -= some;
		c->at += some;
	}
}

static void
cursor_skip(struct cursor *c, uint32_t n)
{
	while (n > c->span->len - c->at) {
		n -= c->span->len - c->at;
		c->span = c->span->next;
		c->at = 0;
	}
	c->at += n;
}

uint32_t
tls_whole_records(const struct chain *in, uint32_t max)
{
	struct cursor c = {in->first, 0};
	uint32_t whole = 0;

	for (uint32_t i = 0; i < max && in->len - whole >= HEADER; i++) {
		uint8_t header[HEADER];
		uint32_t len;

		cursor_read(&c, header, HEADER);
		len = bytes_load_be16(header + 3);
		if (len > FRAGMENT_MAX)
			return whole + HEADER; /* libssl answers with the right alert */
		if (in->len - whole - HEADER < len)
			break;
		cursor_skip(&c, len);
		whole += HEADER + len;
	}
	return whole;
}

static int
bio_read(BIO *bio, char *to, size_t max, size_t *n)
{
	struct tls *tls = BIO_get_data(bio);
	uint32_t len = max < tls->exposed ? (uint32_t)max : tls->exposed;

	BIO_clear_retry_flags(bio);
	*n = len;
	if (len == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	chain_copy_out(tls->in, 0, to, len);
	chain_consume(tls->pool, tls->in, len);
	tls->exposed -= len;
	return 1;
}

/* A new buffer behind `out` with the first of `len` bytes. @return  how many; 0: there is none. */
static uint32_t
append_new(struct tls *tls, const uint8_t *bytes, uint32_t len)
{
	struct chain_pool *pool = tls->pool;
	uint8_t *data;
	uint32_t size, n;
	void *owner = pool->ops.alloc(pool->ops.arg, &data, &size);

	if (owner == NULL) {
		pool->failures++;
		return 0;
	}
	n = len < size ? len : size;
	memcpy(data, bytes, n);
	if (!chain_append(pool, tls->out, owner, data, n, pool->buffer_charge)) {
		pool->ops.unref(owner);
		return 0;
	}
	size -= n;
	tls->room = (uint16_t)(size < UINT16_MAX ? size : UINT16_MAX);
	return n;
}

/* What fits behind the last span, whose buffer this call has made. */
static uint32_t
append_tail(struct tls *tls, const uint8_t *bytes, uint32_t len)
{
	struct chain *out = tls->out;
	uint32_t n = len < tls->room ? len : tls->room;

	memcpy(out->last->data + out->last->len, bytes, n);
	out->last->len += n;
	out->len += n;
	tls->room = (uint16_t)(tls->room - n);
	return n;
}

uint32_t
tls_bio_append(struct tls *tls, const uint8_t *bytes, uint32_t len)
{
	uint32_t done = 0;

	while (done < len) {
		uint32_t n = tls->room > 0 ? append_tail(tls, bytes + done, len - done)
					   : append_new(tls, bytes + done, len - done);

		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static int
bio_write(BIO *bio, const char *from, size_t len, size_t *n)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*n = tls_bio_append(tls, (const uint8_t *)from, (uint32_t)len);
	if (*n > 0)
		return 1;
	tls->starved = true;
	BIO_set_retry_write(bio);
	return 0;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static void
make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "chains");
	CHECK(method != NULL);
	CHECK(BIO_meth_set_read_ex(method, bio_read) == 1);
	CHECK(BIO_meth_set_write_ex(method, bio_write) == 1);
	CHECK(BIO_meth_set_ctrl(method, bio_ctrl) == 1);
}

bool
tls_bio_attach(struct tls *tls)
{
	BIO *bio;

	pthread_once(&method_once, make_method);
	bio = BIO_new(method);
	if (bio == NULL)
		return false;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	return true;
}
