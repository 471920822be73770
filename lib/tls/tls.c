/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tls_context.h"
#include "tls_private.h"

#define RECORD_PAYLOAD_MAX 16384u
#define SMALL_PAYLOAD      1300u  /* with what is around it, one segment */
#define SMALL_BYTES        65536u /* that begin in small records */
#define SILENCE_MS         1000u
#define PAYLOAD_MIN        512u /* no shorter record for want of room, if there is more to send */

#define ALERT_UNEXPECTED_MESSAGE 10
#define ALERT_PROTOCOL_VERSION   70

static struct tls *
create(SSL *ssl, struct chain_pool *pool)
{
	struct tls *tls = ssl != NULL ? calloc(1, sizeof(*tls)) : NULL;

	if (tls == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	tls->ssl = ssl;
	tls->pool = pool;
	tls->alert_sent = tls->alert_received = -1;
	tls->small_left = SMALL_BYTES;
	SSL_set_app_data(ssl, tls);
	tls_watch(tls);
	if (tls_bio_attach(tls))
		return tls;
	SSL_free(ssl);
	free(tls);
	return NULL;
}

struct tls *
tls_accept(struct tls_server *server, struct chain_pool *pool)
{
	struct tls *tls = create(tls_server_begin(server), pool);

	ERR_clear_error();
	if (tls == NULL)
		return NULL;
	tls_server_get(server);
	tls->server = server;
	SSL_set_accept_state(tls->ssl);
	return tls;
}

static bool
offer(SSL *ssl, const char *protocol)
{
	uint8_t list[32];
	int len = tls_alpn_write(list, sizeof(list), &protocol, 1);

	CHECK(len > 0);
	return SSL_set_alpn_protos(ssl, list, (unsigned int)len) == 0;
}

struct tls *
tls_connect(struct tls_client *client, struct chain_pool *pool, const char *protocol,
	    const struct tls_session *resume)
{
	struct tls *tls = create(tls_client_begin(client), pool);
	SSL_SESSION *session = (SSL_SESSION *)(uintptr_t)resume;

	ERR_clear_error();
	if (tls == NULL)
		return NULL;
	tls_client_get(client);
	tls->client = client;
	tls->began = true;
	SSL_set_connect_state(tls->ssl);
	if ((protocol == NULL || offer(tls->ssl, protocol)) &&
	    (session == NULL || SSL_set_session(tls->ssl, session) == 1))
		return tls;
	ERR_clear_error();
	tls_free(tls);
	return NULL;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	/* A session that wasn't closed stays good: what ended the connection may be the network. */
	SSL_set_quiet_shutdown(tls->ssl, 1);
	SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	X509_free(tls->leaf);
	free(tls->peer);
	SSL_SESSION_free(tls->session);
	tls_server_put(tls->server);
	tls_client_put(tls->client);
	free(tls->sni);
	free(tls->alpn_offered);
	free(tls);
}

void
tls_belong(struct tls *tls, struct chain_pool *pool)
{
	tls->pool = pool;
}

static void
begin(struct tls *tls, struct chain *in, struct chain *out)
{
	ERR_clear_error();
	tls->in = in;
	tls->out = out;
	tls->room = 0;
	tls->starved = false;
}

static enum tls_result
end(struct tls *tls, enum tls_result result)
{
	tls->in = tls->out = NULL;
	tls->exposed = 0;
	return result;
}

static enum tls_result
fail(struct tls *tls, enum tls_failure failure)
{
	tls->failure = (uint8_t)failure;
	return TLS_FAILED;
}

/* Only while nothing of what we send is encrypted; libssl can't be asked for an alert. */
static void
write_plain_alert(struct tls *tls, uint8_t description)
{
	const uint8_t alert[] = {SSL3_RT_ALERT, 3, 1, 0, 2, SSL3_AL_FATAL, description};

	if (tls->encrypted)
		return;
	tls_bio_append(tls, alert, sizeof(alert));
	tls->alert_sent = description;
}

/* What libssl's word about a call that did nothing means. */
static enum tls_result
result_of(struct tls *tls, int returned)
{
	switch (SSL_get_error(tls->ssl, returned)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_INPUT;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_BUFFERS;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		return fail(tls, tls->flooded ? TLS_FAILURE_FLOOD : tls_failure_of_queue(tls));
	}
}

static enum tls_result
check_limits(struct tls *tls)
{
	if (tls->flooded) {
		write_plain_alert(tls, ALERT_UNEXPECTED_MESSAGE);
		return fail(tls, TLS_FAILURE_FLOOD);
	}
	if (!tls->finished && tls->handshake_bytes > TLS_HANDSHAKE_MAX) {
		write_plain_alert(tls, ALERT_UNEXPECTED_MESSAGE);
		return fail(tls, TLS_FAILURE_HANDSHAKE_SIZE);
	}
	return TLS_DONE;
}

/* @return  TLS_DONE: a record begins */
static enum tls_result
check_first_bytes(struct tls *tls)
{
	switch (tls_first_bytes(tls->in)) {
	case TLS_FIRST_RECORD:
		tls->began = true;
		return TLS_DONE;
	case TLS_FIRST_UNKNOWN:
		return TLS_WANT_INPUT;
	case TLS_FIRST_HTTP:
		return fail(tls, TLS_FAILURE_PLAIN_HTTP);
	default:
		write_plain_alert(tls, ALERT_PROTOCOL_VERSION);
		return fail(tls, TLS_FAILURE_NOT_TLS);
	}
}

static enum tls_result
step(struct tls *tls)
{
	enum tls_result result;
	uint32_t before = tls->out->len;
	enum tls_failure failure;
	int returned;

	if (!tls->began) {
		result = check_first_bytes(tls);
		if (result != TLS_DONE)
			return result;
	}
	tls->exposed = tls_whole_records(tls->in, TLS_STEP_RECORDS);
	returned = SSL_do_handshake(tls->ssl);
	/* A server's first flight ends encrypted in TLS 1.3. */
	tls->encrypted |= tls->server != NULL && tls->out->len > before;
	if (returned == 1) {
		tls->encrypted = true;
		if (check_limits(tls) == TLS_FAILED)
			return TLS_FAILED;
		failure = tls_peer_keep(tls);
		if (failure != TLS_FAILURE_NONE)
			return fail(tls, failure);
		tls->finished = true;
		return TLS_DONE;
	}
	result = result_of(tls, returned);
	if (result == TLS_FAILED)
		return result;
	if (check_limits(tls) == TLS_FAILED)
		return TLS_FAILED;
	if (result == TLS_WANT_INPUT && tls_whole_records(tls->in, 1) > 0)
		return TLS_MORE;
	return result;
}

enum tls_result
tls_handshake(struct tls *tls, struct chain *in, struct chain *out)
{
	enum tls_result result;

	if (tls->failure != TLS_FAILURE_NONE)
		return TLS_FAILED;
	if (tls->finished)
		return TLS_DONE;
	begin(tls, in, out);
	result = end(tls, step(tls));
	if (result == TLS_FAILED)
		tls_peer_keep(tls);
	return result;
}

/* A buffer of the pool that is filled by several reads. */
struct filling {
	void *owner;
	uint8_t *at;
	uint32_t room;
};

static bool
filling_has_room(struct filling *f, struct chain_pool *pool)
{
	if (f->room > 0)
		return true;
	if (f->owner != NULL)
		pool->ops.unref(f->owner);
	f->owner = pool->ops.alloc(pool->ops.arg, &f->at, &f->room);
	if (f->owner == NULL) {
		f->room = 0;
		pool->failures++;
	}
	return f->owner != NULL;
}

/* Read once. @return  TLS_DONE: something was read; else why not */
static enum tls_result
read_once(struct tls *tls, struct filling *f, struct chain *plain, uint32_t max)
{
	size_t n;
	int returned;

	/* A span is needed for what is read: once decrypted it can't be put back. */
	if (tls->pool->free == NULL || !filling_has_room(f, tls->pool))
		return TLS_WANT_BUFFERS;
	returned = SSL_read_ex(tls->ssl, f->at, f->room < max ? f->room : max, &n);
	if (returned != 1)
		return result_of(tls, returned);
	CHECK(chain_append_ref(tls->pool, plain, f->owner, f->at, (uint32_t)n,
			       tls->pool->buffer_charge));
	f->at += n;
	f->room -= (uint32_t)n;
	tls_watch_payload(tls, (uint32_t)n);
	return TLS_DONE;
}

static enum tls_result
read_some(struct tls *tls, struct chain *plain, uint32_t max)
{
	struct filling f = {0};
	uint32_t before = plain->len;
	enum tls_result result = TLS_DONE;

	while (result == TLS_DONE && plain->len - before < max && !tls->flooded) {
		if (tls->exposed == 0 && SSL_has_pending(tls->ssl) == 0 &&
		    SSL_in_init(tls->ssl) == 0)
			result = TLS_WANT_INPUT;
		else
			result = read_once(tls, &f, plain, max - (plain->len - before));
	}
	if (f.owner != NULL)
		tls->pool->ops.unref(f.owner);
	if (result == TLS_FAILED || check_limits(tls) == TLS_FAILED)
		return TLS_FAILED;
	if (result == TLS_DONE)
		result = TLS_WANT_INPUT;
	if (result == TLS_WANT_INPUT &&
	    (SSL_has_pending(tls->ssl) != 0 || tls_whole_records(tls->in, 1) > 0))
		return TLS_MORE;
	return result;
}

enum tls_result
tls_read(struct tls *tls, struct chain *in, struct chain *plain, uint32_t max, struct chain *out)
{
	enum tls_result result;

	CHECK(tls->finished);
	if (tls->failure != TLS_FAILURE_NONE)
		return TLS_FAILED;
	if (tls->closed_in)
		return TLS_CLOSED;
	begin(tls, in, out);
	tls->exposed = tls_whole_records(in, TLS_READ_RECORDS);
	result = read_some(tls, plain, max);
	tls->closed_in = result == TLS_CLOSED;
	return end(tls, result);
}

uint32_t
tls_pending(const struct tls *tls)
{
	return (uint32_t)SSL_pending(tls->ssl);
}

/* Payload of the next record, 0: it doesn't fit `room`. */
static uint32_t
payload_of_record(const struct tls *tls, uint32_t left, uint32_t room)
{
	uint32_t n = tls->small_left > 0 ? SMALL_PAYLOAD : RECORD_PAYLOAD_MAX;

	if (n > left)
		n = left;
	if (room >= n + TLS_RECORD_OVERHEAD)
		return n;
	return room >= PAYLOAD_MIN + TLS_RECORD_OVERHEAD && n > PAYLOAD_MIN
		       ? room - TLS_RECORD_OVERHEAD
		       : 0;
}

static enum tls_result
write_record(struct tls *tls, struct chain *plain, uint32_t n)
{
	uint8_t gathered[RECORD_PAYLOAD_MAX];
	const uint8_t *from = plain->first->data;
	size_t written;
	int returned;

	if (plain->first->len < n) {
		chain_copy_out(plain, 0, gathered, n);
		from = gathered;
	}
	returned = SSL_write_ex(tls->ssl, from, n, &written);
	if (returned != 1) {
		tls->written = n;
		return result_of(tls, returned);
	}
	tls->written = 0;
	tls->small_left -= tls->small_left < n ? tls->small_left : n;
	chain_consume(tls->pool, plain, n);
	return TLS_DONE;
}

enum tls_result
tls_write(struct tls *tls, struct chain *plain, struct chain *out, uint32_t max, uint32_t now_ms)
{
	enum tls_result result = TLS_DONE;
	struct chain none = {0};
	uint32_t before = out->len;

	CHECK(tls->finished);
	if (tls->failure != TLS_FAILURE_NONE || tls->closed_out)
		return TLS_FAILED;
	if (now_ms - tls->last_write_ms >= SILENCE_MS)
		tls->small_left = SMALL_BYTES;
	begin(tls, &none, out);
	while (result == TLS_DONE && plain->len > 0) {
		uint32_t grown = out->len - before, n = tls->written;

		if (n == 0)
			n = payload_of_record(tls, plain->len, grown < max ? max - grown : 0);
		result = n > 0 ? write_record(tls, plain, n) : TLS_MORE;
		tls->last_write_ms = now_ms;
	}
	return end(tls, result);
}

enum tls_result
tls_shutdown(struct tls *tls, struct chain *out)
{
	enum tls_result result = TLS_DONE;
	struct chain none = {0};
	int returned;

	if (tls->failure != TLS_FAILURE_NONE)
		return TLS_FAILED;
	if (!tls->finished || tls->closed_out)
		return TLS_DONE;
	begin(tls, &none, out);
	returned = SSL_shutdown(tls->ssl);
	if (tls->starved) /* libssl answers 0 when it is asked again */
		result = TLS_WANT_BUFFERS;
	else if (returned < 0)
		result = result_of(tls, returned);
	tls->closed_out = result == TLS_DONE;
	return end(tls, result);
}

enum tls_failure
tls_failure(const struct tls *tls)
{
	return tls->failure;
}

int
tls_alert_sent(const struct tls *tls)
{
	return tls->alert_sent;
}

int
tls_alert_received(const struct tls *tls)
{
	return tls->alert_received;
}
