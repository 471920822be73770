/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls.h"

#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

#include "tls_credentials_private.h"
#include "tls_private.h"

#define RECORD_FIRST   1300u /* fits a segment */
#define RECORD_LONG    16384u
#define BURST_FIRST    65536u /* bytes in short records */
#define PAUSE_MS       1000u  /* after which they are short again */
#define NUISANCES_MAX  32u
#define NUISANCE_BYTES 16384u /* of plaintext forgive one */

/* Making and giving back. */

/* Messages that bring nothing must not be had for nothing. */
static void
on_message(int is_written, int version, int type, const void *bytes, size_t len, SSL *ssl,
	   void *arg)
{
	struct tls *t = arg;

	(void)version;
	(void)bytes;
	(void)ssl;
	if (is_written)
		return;
	if (!t->finished && type == SSL3_RT_HANDSHAKE)
		t->handshake_bytes += len;
	else if (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT ||
		 type == SSL3_RT_CHANGE_CIPHER_SPEC)
		t->nuisances++;
}

static void
on_info(const SSL *ssl, int where, int value)
{
	struct tls *t = SSL_get_app_data(ssl);

	if (where == SSL_CB_WRITE_ALERT && value >> 8 == SSL3_AL_FATAL)
		t->alert_sent = (int16_t)(value & 0xff);
	else if (where == SSL_CB_READ_ALERT && (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		t->alert_received = (int16_t)(value & 0xff);
}

static struct tls *
make(SSL_CTX *ctx, struct chain_pool *pool)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *bio;

	if (t == NULL)
		return NULL;
	t->pool = pool;
	t->alert_sent = t->alert_received = -1;
	t->ssl = SSL_new(ctx);
	bio = t->ssl == NULL ? NULL : tls_bio_new(t);
	if (bio == NULL) {
		SSL_free(t->ssl);
		free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	SSL_set_info_callback(t->ssl, on_info);
	SSL_set_msg_callback(t->ssl, on_message);
	SSL_set_msg_callback_arg(t->ssl, t);
	return t;
}

struct tls *
tls_accept(struct tls_server *server, struct chain_pool *pool)
{
	struct tls *t = make(server->ctx, pool);

	if (t == NULL)
		return NULL;
	t->server = server;
	tls_server_get(server);
	SSL_set_accept_state(t->ssl);
	return t;
}

struct tls *
tls_connect(struct tls_client *client, struct chain_pool *pool, const char *server_name)
{
	struct tls *t = make(client->ctx, pool);

	if (t == NULL)
		return NULL;
	t->client = client;
	tls_client_get(client);
	SSL_set_connect_state(t->ssl);
	if (server_name != NULL && SSL_set_tlsext_host_name(t->ssl, server_name) != 1) {
		tls_free(t);
		return NULL;
	}
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	tls_server_put(t->server);
	tls_client_put(t->client);
	free(t);
}

void
tls_belong(struct tls *t, struct chain_pool *pool)
{
	t->pool = pool;
}

/* Calls of libssl. */

static enum tls_result
fail(struct tls *t, enum tls_failure failure)
{
	if (t->failure == TLS_FAILURE_NONE)
		t->failure = (uint8_t)failure;
	return TLS_FAILED;
}

static void
begin_call(struct tls *t, struct chain *in, struct chain *out)
{
	t->in = in;
	t->out = out;
	t->readable = in == NULL ? 0 : tls_bio_whole_records(in);
	t->dry = false;
	ERR_clear_error();
}

/* What a call that did not do what it should says. */
static enum tls_result
result_of(struct tls *t, int returned)
{
	switch (SSL_get_error(t->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
		/* More records may be there than a step takes. */
		return tls_bio_whole_records(t->in) > 0 ? TLS_MORE : TLS_WANT_INPUT;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_BUFFERS;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		return fail(t, tls_failure_of_errors());
	}
}

/* Bytes of a request, or of nothing we know, instead of a ClientHello. */
static enum tls_failure
first_bytes(const struct chain *in)
{
	static const char *const methods[] = {"GET ", "POST ", "HEAD ", "PUT ",
					      "OPTI", "DELE",  "CONN",  "PATC"};
	uint8_t bytes[5];

	if (in->len == 0)
		return TLS_FAILURE_NONE;
	chain_copy_out(in, 0, bytes, in->len < sizeof(bytes) ? in->len : sizeof(bytes));
	if (bytes[0] == SSL3_RT_HANDSHAKE)
		return in->len > 1 && bytes[1] != SSL3_VERSION_MAJOR ? TLS_FAILURE_NOT_TLS
								     : TLS_FAILURE_NONE;
	if (in->len < 4 && bytes[0] >= 'A' && bytes[0] <= 'Z')
		return TLS_FAILURE_NONE;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (memcmp(bytes, methods[i], 4) == 0)
			return TLS_FAILURE_PLAIN_HTTP;
	}
	return TLS_FAILURE_NOT_TLS;
}

enum tls_result
tls_handshake(struct tls *t, struct chain *in, struct chain *out)
{
	enum tls_failure failure;
	enum tls_result result;
	int returned;

	if (t->failure != TLS_FAILURE_NONE)
		return TLS_FAILED;
	if (t->finished)
		return TLS_DONE;
	failure = t->server != NULL && t->handshake_bytes == 0 ? first_bytes(in) : TLS_FAILURE_NONE;
	if (failure != TLS_FAILURE_NONE)
		return fail(t, failure);
	begin_call(t, in, out);
	returned = SSL_do_handshake(t->ssl);
	if (returned != 1) {
		result = result_of(t, returned);
		/* A record that is never whole, or messages without end. */
		if (result == TLS_WANT_INPUT && in->len > TLS_RECORD_MAX)
			return fail(t, TLS_FAILURE_RECORD);
		if (t->handshake_bytes > TLS_HANDSHAKE_MAX)
			return fail(t, TLS_FAILURE_HANDSHAKE_SIZE);
		return t->nuisances > NUISANCES_MAX ? fail(t, TLS_FAILURE_FLOOD) : result;
	}
	t->finished = true;
	t->nuisances = 0;
	return TLS_DONE;
}

/* Reading. */

static void
forgive(struct tls *t, uint32_t bytes)
{
	t->nuisance_paid += bytes;
	while (t->nuisance_paid >= NUISANCE_BYTES) {
		t->nuisance_paid -= NUISANCE_BYTES;
		if (t->nuisances > 0)
			t->nuisances--;
	}
}

/* Decrypt into one new buffer until it is full. @return TLS_DONE: it is, or `max` is reached. */
static enum tls_result
read_buffer(struct tls *t, struct chain *plain, uint32_t max)
{
	const struct chain_ops *ops = &t->pool->ops;
	enum tls_result result = TLS_DONE;
	uint32_t room, used = 0;
	uint8_t *data;
	void *owner = ops->alloc(ops->arg, &data, &room);

	if (owner == NULL)
		return TLS_WANT_BUFFERS;
	room = room < max ? room : max;
	while (result == TLS_DONE && used < room) {
		int n = SSL_read(t->ssl, data + used, (int)(room - used));

		if (n <= 0)
			result = result_of(t, n);
		else if (!chain_append_ref(t->pool, plain, owner, data + used, (uint32_t)n,
					   t->pool->buffer_charge))
			result = fail(t, TLS_FAILURE_MEMORY);
		else
			used += (uint32_t)n;
		if (t->nuisances > NUISANCES_MAX)
			result = fail(t, TLS_FAILURE_FLOOD);
	}
	ops->unref(owner);
	forgive(t, used);
	return result;
}

enum tls_result
tls_read(struct tls *t, struct chain *in, struct chain *plain, uint32_t max, struct chain *out)
{
	uint32_t begin = plain->len;
	enum tls_result result;

	if (t->failure != TLS_FAILURE_NONE)
		return TLS_FAILED;
	if (!t->finished)
		return TLS_WANT_INPUT;
	if ((SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
		return TLS_CLOSED;
	begin_call(t, in, out);
	if (t->readable == 0 && SSL_pending(t->ssl) == 0)
		return in->len > TLS_RECORD_MAX ? fail(t, TLS_FAILURE_RECORD) : TLS_WANT_INPUT;
	do {
		if (plain->len - begin >= max)
			return TLS_MORE;
		result = read_buffer(t, plain, max - (plain->len - begin));
	} while (result == TLS_DONE);
	return result;
}

uint32_t
tls_pending(const struct tls *t)
{
	return (uint32_t)SSL_pending(t->ssl);
}

/* Writing. */

static uint32_t
record_len(const struct tls *t, uint32_t left)
{
	uint32_t most = t->burst < BURST_FIRST ? RECORD_FIRST : RECORD_LONG;

	/* libssl keeps a record that it could not write: the same again. */
	if (t->write_len > 0)
		return t->write_len;
	return left < most ? left : most;
}

enum tls_result
tls_write(struct tls *t, struct chain *plain, struct chain *out, uint32_t max, uint32_t now_ms)
{
	uint8_t record[RECORD_LONG];
	uint32_t begin = out->len;

	if (t->failure != TLS_FAILURE_NONE || !t->finished || t->shut)
		return TLS_FAILED;
	if (now_ms - t->written_ms >= PAUSE_MS)
		t->burst = 0;
	t->written_ms = now_ms;
	begin_call(t, NULL, out);
	while (plain->len > 0) {
		uint32_t len = record_len(t, plain->len);
		int n;

		if (len + TLS_RECORD_OVERHEAD > max - (out->len - begin))
			return TLS_MORE;
		chain_copy_out(plain, 0, record, len);
		n = SSL_write(t->ssl, record, (int)len);
		if (n <= 0 && t->dry) {
			t->write_len = len;
			return TLS_WANT_BUFFERS;
		}
		if (n <= 0)
			return fail(t, tls_failure_of_errors());
		t->write_len = 0;
		t->burst += (uint32_t)n;
		chain_consume(t->pool, plain, (uint32_t)n);
	}
	return TLS_DONE;
}

enum tls_result
tls_shutdown(struct tls *t, struct chain *out)
{
	if (t->failure != TLS_FAILURE_NONE || !t->finished)
		return TLS_FAILED;
	if (t->shut)
		return TLS_DONE;
	begin_call(t, NULL, out);
	if (SSL_shutdown(t->ssl) < 0 && t->dry)
		return TLS_WANT_BUFFERS;
	ERR_clear_error();
	t->shut = true;
	return TLS_DONE;
}

/* Questions. */

enum tls_failure
tls_failure(const struct tls *t)
{
	return (enum tls_failure)t->failure;
}

int
tls_alert_sent(const struct tls *t)
{
	return t->alert_sent;
}

int
tls_alert_received(const struct tls *t)
{
	return t->alert_received;
}

bool
tls_is_finished(const struct tls *t)
{
	return t->finished;
}

const char *
tls_protocol(const struct tls *t)
{
	return t->finished ? SSL_get_version(t->ssl) : NULL;
}

const char *
tls_cipher(const struct tls *t)
{
	return t->finished ? SSL_get_cipher_name(t->ssl) : NULL;
}

bool
tls_is_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}

const char *
tls_sni(const struct tls *t)
{
	return t->sni[0] == '\0' ? NULL : t->sni;
}

const char *
tls_alpn(const struct tls *t)
{
	static const char *const known[] = {"h2", "http/1.1", "http/1.0"};
	const unsigned char *name;
	unsigned int len;

	SSL_get0_alpn_selected(t->ssl, &name, &len);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (len == strlen(known[i]) && memcmp(name, known[i], len) == 0)
			return known[i];
	}
	return NULL;
}

const struct tls_credentials *
tls_chosen(const struct tls *t)
{
	const X509 *used = t->server == NULL ? NULL : SSL_get_certificate(t->ssl);

	for (uint32_t i = 0; used != NULL && i < t->server->credentials_n; i++) {
		if (sk_X509_value(t->server->credentials[i]->chain, 0) == used)
			return t->server->credentials[i];
	}
	return NULL;
}
