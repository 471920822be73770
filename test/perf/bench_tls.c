/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/tls alone beside libssl and libcrypto alone, in turns in one thread; CPU time of the server's
 * calls only.
 *
 *   full and resumed handshakes, ECDSA P-256, beside libssl over memory BIOs
 *   records of 16 KiB, written and read, beside AES-128-GCM over the same bytes
 *
 * usage: bench_tls [rounds] [shakes a round] [ours|libssl: handshakes of one side only, for
 * profilers]
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <time.h>

#include "bench_gcm.h"
#include "tls_tickets.h"
#include "tls_world.h"

#define RECORDS     4000u
#define BYTES       ((uint64_t)RECORDS * RECORD)
#define BATCH       4u /* records between two looks at the clock, which costs as much as half of one */
#define ROUNDS_MAX  101u
#define BYTES_MAX   65536u
#define POLICY      "ELBSecurityPolicy-TLS13-1-2-2021-06"
#define CIPHERSUITE "TLS_AES_128_GCM_SHA256"

static SSL_CTX *client_ctx, *bare_ctx;
static struct tls_server *server;
static SSL_SESSION *session; /* of a full handshake; a copy is resumed: a client uses each once */
static double counted_s;

static int
on_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	if (session != NULL)
		return 0;
	session = s;
	return 1;
}

static SSL *
new_client(BIO **in, BIO **out, bool resume)
{
	SSL *ssl = SSL_new(client_ctx);

	*in = BIO_new(BIO_s_mem());
	*out = BIO_new(BIO_s_mem());
	SSL_set_bio(ssl, *in, *out);
	SSL_set_connect_state(ssl);
	if (resume) {
		SSL_SESSION *copy = SSL_SESSION_dup(session);

		CHECK(copy != NULL && SSL_set_session(ssl, copy) == 1);
		SSL_SESSION_free(copy);
	}
	return ssl;
}

/* Its session stays good. */
static void
hang_up(SSL *ssl)
{
	SSL_set_quiet_shutdown(ssl, 1);
	SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(ssl);
}

/* Buffers as a mempool has them. */

static struct tls_buffer buffers[1024];
static struct tls_buffer *unused[ARRAY_N(buffers)];
static uint32_t unused_n;

static void
unref_buffer(void *owner)
{
	struct tls_buffer *b = owner;

	if (--b->refs == 0)
		unused[unused_n++] = b;
}

static void *
alloc_buffer(void *arg, uint8_t **data, uint32_t *room)
{
	struct tls_buffer *b = unused_n > 0 ? unused[--unused_n] : NULL;

	(void)arg;
	if (b == NULL)
		return NULL;
	b->refs = 1;
	*data = b->data;
	*room = sizeof(b->data);
	return b;
}

static void
create_buffers(void)
{
	struct chain_ops *ops = &tls_world()->pool.ops;

	for (uint32_t i = 0; i < ARRAY_N(buffers); i++)
		unused[unused_n++] = &buffers[i];
	ops->unref = unref_buffer;
	ops->alloc = alloc_buffer;
}

/* All that one BIO has, into the other. */
static void
pump(BIO *from, BIO *to)
{
	static uint8_t bytes[BYTES_MAX];
	int n = BIO_read(from, bytes, sizeof(bytes));

	if (n > 0)
		CHECK(BIO_write(to, bytes, n) == n);
}

static void
shake_bare(bool resume)
{
	BIO *client_in, *client_out, *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *client = new_client(&client_in, &client_out, resume), *ssl;
	double began = clock_s(CLOCK_THREAD_CPUTIME_ID);
	uint8_t byte;

	ssl = SSL_new(bare_ctx);
	SSL_set_bio(ssl, in, out);
	SSL_set_accept_state(ssl);
	counted_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
	for (uint32_t i = 0; i < 3; i++) {
		SSL_do_handshake(client);
		pump(client_out, in);
		began = clock_s(CLOCK_THREAD_CPUTIME_ID);
		SSL_do_handshake(ssl);
		counted_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
		pump(out, client_in);
	}
	SSL_read(client, &byte, 1);
	CHECK(SSL_is_init_finished(ssl) && SSL_session_reused(ssl) == resume);
	hang_up(client);
	began = clock_s(CLOCK_THREAD_CPUTIME_ID);
	hang_up(ssl);
	counted_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
}

static void
shake_ours(bool resume)
{
	static uint8_t bytes[BYTES_MAX];
	struct tls_world *w = tls_world();
	struct chain in = {0}, out = {0};
	BIO *client_in, *client_out;
	SSL *client = new_client(&client_in, &client_out, resume);
	double began = clock_s(CLOCK_THREAD_CPUTIME_ID);
	struct tls *tls = tls_accept(server, &w->pool);
	uint8_t byte;

	counted_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
	for (uint32_t i = 0; i < 3; i++) {
		int n;

		SSL_do_handshake(client);
		n = BIO_read(client_out, bytes, sizeof(bytes));
		if (n > 0)
			CHECK(chain_append_copy(&w->pool, &in, bytes, (uint32_t)n));
		began = clock_s(CLOCK_THREAD_CPUTIME_ID);
		tls_handshake(tls, &in, &out);
		counted_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
		chain_copy_out(&out, 0, bytes, out.len);
		if (out.len > 0)
			BIO_write(client_in, bytes, (int)out.len);
		chain_free(&w->pool, &out);
	}
	SSL_read(client, &byte, 1);
	CHECK(tls_is_finished(tls) && tls_is_resumed(tls) == resume);
	hang_up(client);
	began = clock_s(CLOCK_THREAD_CPUTIME_ID);
	tls_free(tls);
	counted_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
	chain_free(&w->pool, &in);
}

static void
create_sides(void)
{
	static struct secret secret = {{7}};
	struct tls_credentials *credentials;
	struct tls_server_settings settings = {
		.credentials = &credentials, .credentials_n = 1, .identity = "bench"};
	char why[256];

	tls_world_init();
	create_buffers();
	tls_make_certificate("a", "DNS:a", true, 0);
	credentials = tls_load("a");
	settings.policy = tls_policy_find(POLICY, false, why, sizeof(why));
	settings.tickets = tls_tickets_create(&secret, 3600, (uint64_t)time(NULL));
	server = tls_server_create(&settings, why, sizeof(why));
	client_ctx = SSL_CTX_new(TLS_client_method());
	bare_ctx = SSL_CTX_new(TLS_server_method());
	CHECK(server != NULL && client_ctx != NULL && bare_ctx != NULL);
	SSL_CTX_set_session_cache_mode(client_ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client_ctx, on_session);
	CHECK(SSL_CTX_set_ciphersuites(client_ctx, CIPHERSUITE) == 1);
	CHECK(SSL_CTX_use_certificate_file(bare_ctx, tls_path("a", "pem"), SSL_FILETYPE_PEM) == 1);
	CHECK(SSL_CTX_use_PrivateKey_file(bare_ctx, tls_path("a", "key"), SSL_FILETYPE_PEM) == 1);
	SSL_CTX_set_num_tickets(bare_ctx, 1);
	SSL_CTX_set_session_cache_mode(bare_ctx, SSL_SESS_CACHE_OFF);
	tls_credentials_put(credentials);
	tls_tickets_put(settings.tickets);
	unlink(tls_path("a", "pem"));
	unlink(tls_path("a", "key"));
	rmdir(tls_world()->directory);
}

/* Each side resumes sessions of its own. @return microseconds of a handshake. */
static double
shakes(void (*shake)(bool), bool resume, uint32_t n)
{
	SSL_SESSION_free(session);
	session = NULL;
	shake(false);
	counted_s = 0;
	for (uint32_t i = 0; i < n; i++)
		shake(resume);
	return counted_s * 1e6 / n;
}

/* Of both directions, in `s` seconds: a server writes, a client of ours reads. */
static void
records(double *write_rate, double *read_rate)
{
	static uint8_t bytes[RECORD];
	struct tls_world *w = tls_world();
	struct tls_client_settings settings = {0};
	struct chain plain = {0}, got = {0};
	double write_s = 0, read_s = 0, began;
	struct tls_client *client;
	char why[256];

	settings.policy = tls_policy_find(POLICY, false, why, sizeof(why));
	client = tls_client_create(&settings, why, sizeof(why));
	w->server = tls_accept(server, &w->pool);
	w->client = tls_connect(client, &w->pool, NULL, NULL);
	CHECK(tls_shake() && strcmp(tls_cipher(w->server), CIPHERSUITE) == 0);
	for (uint32_t i = 0; i < RECORDS; i += BATCH) {
		for (uint32_t k = 0; k < BATCH; k++)
			CHECK(chain_append(&w->pool, &plain, NULL, bytes, RECORD, 0));
		began = clock_s(CLOCK_THREAD_CPUTIME_ID);
		CHECK(tls_write(w->server, &plain, &w->to_client, UINT32_MAX, 0) == TLS_DONE);
		write_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
		began = clock_s(CLOCK_THREAD_CPUTIME_ID);
		while (tls_read(w->client, &w->to_client, &got, UINT32_MAX, &w->to_server) ==
		       TLS_MORE)
			;
		read_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - began;
		CHECK(got.len == BATCH * RECORD);
		chain_free(&w->pool, &got);
	}
	*write_rate = (double)RECORDS * RECORD / write_s;
	*read_rate = (double)RECORDS * RECORD / read_s;
	tls_hang_up();
	tls_client_put(client);
}

static double
median(const double *values, uint32_t n)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	sort_numbers(sorted, n);
	return sorted[n / 2];
}

static void
bench_handshakes(const char *what, bool resume, uint32_t rounds, uint32_t n)
{
	double ours[ROUNDS_MAX], bare[ROUNDS_MAX];

	for (uint32_t i = 0; i < rounds; i++) {
		ours[i] = shakes(shake_ours, resume, n);
		bare[i] = shakes(shake_bare, resume, n);
	}
	printf("%s handshake: lib/tls %.1f us, libssl over memory BIOs %.1f us; rate %.2f of "
	       "libssl's\n",
	       what, median(ours, rounds), median(bare, rounds),
	       median(bare, rounds) / median(ours, rounds));
}

static void
bench_records(uint32_t rounds)
{
	double written[ROUNDS_MAX], read[ROUNDS_MAX], sealed[ROUNDS_MAX], opened[ROUNDS_MAX];

	for (uint32_t i = 0; i < rounds; i++) {
		records(&written[i], &read[i]);
		sealed[i] = gcm(true, BYTES, CLOCK_THREAD_CPUTIME_ID);
		opened[i] = gcm(false, BYTES, CLOCK_THREAD_CPUTIME_ID);
	}
	printf("16 KiB records: write %.2f GB/s, AES-128-GCM %.2f GB/s, %.2f of it; read %.2f "
	       "GB/s, "
	       "%.2f GB/s, %.2f\n",
	       median(written, rounds) * 1e-9, median(sealed, rounds) * 1e-9,
	       median(written, rounds) / median(sealed, rounds), median(read, rounds) * 1e-9,
	       median(opened, rounds) * 1e-9, median(read, rounds) / median(opened, rounds));
}

int
main(int argc, char **argv)
{
	uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 11;
	uint32_t n = argc > 2 ? (uint32_t)atoi(argv[2]) : 100;

	CHECK(rounds > 0 && rounds <= ROUNDS_MAX && n > 0);
	create_sides();
	if (argc > 3) {
		printf("%.1f us\n",
		       shakes(strcmp(argv[3], "ours") == 0 ? shake_ours : shake_bare, false, n));
		return 0;
	}
	bench_handshakes("full", false, rounds, n);
	bench_handshakes("resumed", true, rounds, n);
	bench_records(rounds);
	SSL_SESSION_free(session);
	tls_server_put(server);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(bare_ctx);
	return 0;
}
