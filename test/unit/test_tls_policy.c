/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TLS server over chains against libssl's own client over memory: every policy with every cipher
 * that libssl has, certificates by name and kind, bytes in pieces, tickets, floods.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tcp_buffers.h"
#include "tls.h"
#include "tls_certificates.h"

#define SPANS 65536u

static struct span spans[SPANS];
static struct chain_pool pool;
static struct tls_credentials *both[2]; /* RSA and ECDSA of a.example */

static struct tls_server *
server_of(const char *policy, struct tls_credentials *const *credentials, uint32_t n)
{
	static const char *const alpn[] = {"h2", "http/1.1"};
	char why[256] = "";
	struct tls_server_settings settings = {.policy = tls_policy_find(policy, true, why, 256),
					       .credentials = credentials,
					       .credentials_n = n,
					       .alpn = alpn,
					       .alpn_n = 2,
					       .identity = "shop:443"};
	struct tls_server *server;

	CHECK(settings.policy != NULL);
	server = tls_server_create(&settings, why, sizeof(why));
	EXPECT_ROW(why, server != NULL);
	return server;
}

/* libssl's client on memory, and our server on chains. */
struct link {
	SSL_CTX *ctx;
	SSL *client;
	BIO *to_client, *from_client;
	struct tls *server;
	struct chain in, out, plain;
	uint32_t piece; /* bytes of the client's that come at once */
	enum tls_result result;
	bool connected;
};

static void
link_open(struct link *l, struct tls_server *server, uint32_t piece)
{
	*l = (struct link){.piece = piece};
	l->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(l->ctx, TLS1_VERSION);
	CHECK(SSL_CTX_set_cipher_list(l->ctx, "ALL:@SECLEVEL=0") == 1);
	l->client = SSL_new(l->ctx);
	l->to_client = BIO_new(BIO_s_mem());
	l->from_client = BIO_new(BIO_s_mem());
	SSL_set_bio(l->client, l->to_client, l->from_client);
	SSL_set_connect_state(l->client);
	l->server = tls_accept(server, &pool);
	CHECK(l->server != NULL);
}

static void
link_close(struct link *l)
{
	tls_free(l->server);
	chain_free(&pool, &l->in);
	chain_free(&pool, &l->out);
	chain_free(&pool, &l->plain);
	SSL_free(l->client);
	SSL_CTX_free(l->ctx);
	ERR_clear_error();
	EXPECT(*buffers_n() == 0 && pool.charged == 0);
}

/* @return whether anything moved. */
static bool
link_move(struct link *l)
{
	uint8_t bytes[4096];
	int n = BIO_read(l->from_client, bytes,
			 (int)(l->piece < sizeof(bytes) ? l->piece : sizeof(bytes)));
	bool moved = n > 0 || l->out.len > 0;

	if (n > 0)
		CHECK(chain_append_copy(&pool, &l->in, bytes, (uint32_t)n));
	while (l->out.len > 0) {
		uint32_t len = l->out.len < sizeof(bytes) ? l->out.len : sizeof(bytes);

		chain_copy_out(&l->out, 0, bytes, len);
		chain_consume(&pool, &l->out, len);
		BIO_write(l->to_client, bytes, (int)len);
	}
	return moved;
}

static bool
link_shake(struct link *l)
{
	do {
		if (SSL_do_handshake(l->client) == 1)
			l->connected = true;
		link_move(l);
		l->result = tls_handshake(l->server, &l->in, &l->out);
	} while (link_move(l) || (l->result == TLS_MORE));
	return l->connected && l->result == TLS_DONE;
}

/* Exactly the protocols and ciphers of the policy: each is tried by a client that has no other. */

static bool
has_cipher(const char *list, const char *name)
{
	const char *at = list;
	size_t len = strlen(name);

	while (at != NULL && (at = strstr(at, name)) != NULL) {
		if ((at == list || at[-1] == ':') && (at[len] == ':' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

static void
try_cipher(const struct tls_policy *policy, struct tls_server *server, const SSL_CIPHER *cipher,
	   int version, uint8_t bit)
{
	const char *name = SSL_CIPHER_get_name(cipher);
	bool v13 = version == TLS1_3_VERSION, wanted;
	char list[128], row[192];
	struct link l;

	wanted = (policy->versions & bit) != 0 &&
		 has_cipher(v13 ? policy->suites : policy->ciphers, name);
	/* Those of TLS 1.2 are in no older one. */
	if (!v13 && version < TLS1_2_VERSION &&
	    strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.2") == 0)
		wanted = false;
	snprintf(row, sizeof(row), "%s %s %x", policy->name, name, (unsigned)version);
	link_open(&l, server, 4096);
	SSL_set_tlsext_host_name(l.client, "a.example");
	SSL_set_min_proto_version(l.client, version);
	SSL_set_max_proto_version(l.client, version);
	snprintf(list, sizeof(list), "%s:@SECLEVEL=0", name);
	if (v13)
		SSL_set_ciphersuites(l.client, name);
	else
		SSL_set_cipher_list(l.client, list);
	EXPECT_ROW(row, link_shake(&l) == wanted);
	if (wanted && l.connected)
		EXPECT_ROW(row, strcmp(tls_cipher(l.server), name) == 0);
	link_close(&l);
}

static void
test_policies(void)
{
	static const struct {
		int version;
		uint8_t bit;
	} versions[] = {{TLS1_VERSION, TLS_V1_0},
			{TLS1_1_VERSION, TLS_V1_1},
			{TLS1_2_VERSION, TLS_V1_2},
			{TLS1_3_VERSION, TLS_V1_3}};
	SSL_CTX *all = SSL_CTX_new(TLS_client_method());
	const struct tls_policy *policy;
	uint32_t tried = 0;

	SSL_CTX_set_cipher_list(all, "ALL:COMPLEMENTOFALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0");
	for (uint32_t i = 0; (policy = tls_policy_at(i)) != NULL; i++) {
		struct tls_server *server;
		STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(all);

		server = server_of(policy->name, both, 2);
		for (uint32_t v = 0; v < ARRAY_N(versions); v++) {
			for (int k = 0; k < sk_SSL_CIPHER_num(ciphers); k++) {
				const SSL_CIPHER *c = sk_SSL_CIPHER_value(ciphers, k);
				bool c13 = strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") == 0;

				/* Handshakes with RSA keys cost: policies differ, so do a part. */
				if (c13 != (versions[v].version == TLS1_3_VERSION) ||
				    strstr(SSL_CIPHER_get_name(c), "DHE-RSA-") ==
					    SSL_CIPHER_get_name(c))
					continue;
				try_cipher(policy, server, c, versions[v].version, versions[v].bit);
				tried++;
			}
		}
		tls_server_put(server);
	}
	EXPECT(tried > 500);
	SSL_CTX_free(all);
}

static void
test_policy_names(void)
{
	static const struct {
		const char *name;
		bool fallback, found;
	} rows[] = {
		{TLS_POLICY_DEFAULT, false, true},
		{TLS_POLICY_DEFAULT_CLASSIC, false, true},
		{"ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", false, false},
		{"ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", true, true},
		{"ELBSecurityPolicy-2011-08", true, false},
		{"elbsecuritypolicy-2016-08", true, false},
		{"", true, false},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		char why[256] = "";
		bool found = tls_policy_find(rows[i].name, rows[i].fallback, why, 256) != NULL;

		EXPECT_ROW(rows[i].name, found == rows[i].found && (why[0] == '\0') == found);
	}
}

/* Certificates by name. */
static void
test_names(void)
{
	static const char *const names[] = {"DNS:default.example",
					    "DNS:www.example,DNS:*.shop.example", "DNS:*.example",
					    "DNS:a.shop.example"};
	static const struct {
		const char *sni;
		uint32_t chosen;
	} rows[] = {
		{NULL, 0},
		{"default.example", 0},
		{"unknown.test", 0},
		{"www.example", 1},
		{"WWW.Example", 1},
		{"other.example", 2},
		{"b.shop.example", 1},
		{"a.shop.example", 3},
		{"a.b.shop.example", 0},
		{"example", 0},
		{"x..example", 0},
	};
	struct tls_credentials *credentials[4];
	struct made made[4];
	struct tls_server *server;
	char why[256] = "";

	for (uint32_t i = 0; i < 4; i++) {
		made[i] = make_certificate(true, names[i]);
		credentials[i] = tls_credentials_load(names[i], made[i].certificate, NULL,
						      made[i].key, why, sizeof(why));
		EXPECT_ROW(why, credentials[i] != NULL);
	}
	server = server_of(TLS_POLICY_DEFAULT, credentials, 4);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct link l;
		const char *row = rows[i].sni == NULL ? "no name" : rows[i].sni;

		link_open(&l, server, 4096);
		if (rows[i].sni != NULL)
			SSL_set_tlsext_host_name(l.client, rows[i].sni);
		EXPECT_ROW(row, link_shake(&l));
		EXPECT_ROW(row, tls_chosen(l.server) == credentials[rows[i].chosen]);
		EXPECT_ROW(row, (tls_sni(l.server) == NULL) == (rows[i].sni == NULL));
		link_close(&l);
	}
	tls_server_put(server);
	for (uint32_t i = 0; i < 4; i++) {
		tls_credentials_put(credentials[i]);
		unmake_certificate(&made[i]);
	}
}

/* Of one name, by what the client can verify. */
static void
test_key_kinds(void)
{
	static const struct {
		const char *signatures;
		bool ecdsa;
	} rows[] = {{"ECDSA+SHA256:RSA-PSS+SHA256", true},
		    {"RSA-PSS+SHA256:ECDSA+SHA256", true},
		    {"RSA-PSS+SHA256", false},
		    {"ECDSA+SHA256", true}};
	struct tls_server *server = server_of(TLS_POLICY_DEFAULT, both, 2);

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct link l;

			link_open(&l, server, 4096);
			SSL_set_max_proto_version(l.client, version);
			SSL_set1_sigalgs_list(l.client, rows[i].signatures);
			SSL_set_tlsext_host_name(l.client, "a.example");
			EXPECT_ROW(rows[i].signatures, link_shake(&l));
			EXPECT_ROW(rows[i].signatures, tls_chosen(l.server) == both[rows[i].ecdsa]);
			link_close(&l);
		}
	}
	tls_server_put(server);
}

static void
test_files(void)
{
	struct made a = make_certificate(true, "DNS:a"), b = make_certificate(true, "DNS:b");
	const struct {
		const char *certificate, *key, *why;
	} rows[] = {
		{a.certificate, b.key, "doesn't belong"},
		{a.certificate, "/nonexistent/key.pem", "/nonexistent/key.pem: No such file"},
		{"/nonexistent/c.pem", a.key, "/nonexistent/c.pem: No such file"},
		{a.key, a.key, "no certificate"},
		{a.certificate, a.certificate, "no private key"},
		{"/dev/zero", a.key, "longer than"},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		char why[256] = "";
		struct tls_credentials *c = tls_credentials_load("x", rows[i].certificate, NULL,
								 rows[i].key, why, sizeof(why));

		EXPECT_ROW(rows[i].why, c == NULL && strstr(why, rows[i].why) != NULL);
	}
	unmake_certificate(&a);
	unmake_certificate(&b);
}

/* Bytes. */

static void
test_bytes(void)
{
	static const uint32_t pieces[] = {1, 7, 1000, 4096};
	struct tls_server *server = server_of(TLS_POLICY_DEFAULT, both, 2);

	for (size_t i = 0; i < ARRAY_N(pieces); i++) {
		uint8_t sent[40000], got[40000];
		uint32_t got_n = 0;
		struct link l;

		link_open(&l, server, pieces[i]);
		CHECK(link_shake(&l));
		EXPECT(strcmp(tls_protocol(l.server), "TLSv1.3") == 0);
		for (uint32_t k = 0; k < sizeof(sent); k++)
			sent[k] = stream_byte(i, k);
		/* Up, read by at most 5,000 at a time. */
		CHECK(SSL_write(l.client, sent, sizeof(sent)) == sizeof(sent));
		while (link_move(&l) || l.result == TLS_MORE) {
			uint32_t before = l.plain.len;

			l.result = tls_read(l.server, &l.in, &l.plain, 5000, &l.out);
			EXPECT(l.plain.len - before <= 5000);
		}
		EXPECT(l.result == TLS_WANT_INPUT && l.plain.len == sizeof(sent));
		chain_copy_out(&l.plain, 0, got, l.plain.len);
		EXPECT(memcmp(sent, got, sizeof(sent)) == 0);
		/* And down the same chain. */
		EXPECT(tls_write(l.server, &l.plain, &l.out, 10000, 1) == TLS_MORE);
		EXPECT(l.out.len <= 10000);
		EXPECT(tls_write(l.server, &l.plain, &l.out, UINT32_MAX, 1) == TLS_DONE);
		EXPECT(tls_shutdown(l.server, &l.out) == TLS_DONE);
		while (link_move(&l)) {
			int n;

			while ((n = SSL_read(l.client, got + got_n, (int)(sizeof(got) - got_n))) >
			       0)
				got_n += (uint32_t)n;
		}
		EXPECT(got_n == sizeof(sent) && memcmp(sent, got, sizeof(sent)) == 0);
		EXPECT((SSL_get_shutdown(l.client) & SSL_RECEIVED_SHUTDOWN) != 0);
		SSL_shutdown(l.client);
		do
			l.result = tls_read(l.server, &l.in, &l.plain, 5000, &l.out);
		while (link_move(&l));
		l.result = tls_read(l.server, &l.in, &l.plain, 5000, &l.out);
		EXPECT(l.result == TLS_CLOSED);
		link_close(&l);
	}
	tls_server_put(server);
}

/* Our own client. */
static void
test_client(void)
{
	struct tls_server *server = server_of(TLS_POLICY_DEFAULT, both, 2);
	struct tls_client_settings settings = {
		.policy = tls_policy_of_targets(
			tls_policy_find(TLS_POLICY_DEFAULT, false, (char[128]){0}, 128)),
		.server_name = "a.example"};
	char why[256] = "";
	struct tls_client *client = tls_client_create(&settings, why, sizeof(why));
	struct tls *c = tls_connect(client, &pool, NULL, NULL), *s = tls_accept(server, &pool);
	struct chain up = {0}, down = {0}, plain = {0};
	enum tls_result a, b;

	do {
		a = tls_handshake(c, &down, &up);
		b = tls_handshake(s, &up, &down);
	} while (a != TLS_FAILED && b != TLS_FAILED && (a != TLS_DONE || b != TLS_DONE));
	EXPECT(a == TLS_DONE && b == TLS_DONE);
	EXPECT(tls_sni(s) != NULL && strcmp(tls_sni(s), "a.example") == 0);
	CHECK(chain_append_copy(&pool, &plain, "hello", 5));
	EXPECT(tls_write(c, &plain, &up, UINT32_MAX, 1) == TLS_DONE && plain.len == 0);
	EXPECT(tls_read(s, &up, &plain, 100, &down) == TLS_WANT_INPUT && plain.len == 5);
	chain_free(&pool, &plain);
	/* Tickets of the server are no bytes. */
	EXPECT(tls_read(c, &down, &plain, 100, &up) == TLS_WANT_INPUT && plain.len == 0);
	chain_free(&pool, &up);
	chain_free(&pool, &down);
	tls_free(c);
	tls_free(s);
	tls_client_put(client);
	tls_server_put(server);
	EXPECT(*buffers_n() == 0);
}

static void
test_resumption(void)
{
	struct secret secret = {.bytes = {1, 2, 3}};
	char why[256] = "";

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_tickets *tickets = tls_tickets_create(&secret, 3600, 1000000);
		struct tls_server_settings settings = {
			.policy = tls_policy_find(TLS_POLICY_DEFAULT, false, why, sizeof(why)),
			.credentials = both,
			.credentials_n = 2,
			.tickets = tickets,
			.identity = "shop:443"};
		/* One of another worker, with the same keys. */
		struct tls_server *servers[2] = {tls_server_create(&settings, why, sizeof(why)),
						 tls_server_create(&settings, why, sizeof(why))};
		SSL_SESSION *session = NULL;
		static const struct {
			const char *why;
			uint32_t periods; /* that pass before */
			bool resumed;
		} rows[] = {{"first", 0, false},
			    {"again", 0, true},
			    {"next period", 1, true},
			    {"long ago", 3, false}};
		uint64_t wall_s = 1000000;

		for (size_t i = 0; i < ARRAY_N(rows); i++) {
			uint8_t byte;
			struct link l;

			wall_s += UINT64_C(3600) * rows[i].periods;
			tls_tickets_turn(tickets, wall_s);
			link_open(&l, servers[i % 2], 4096);
			SSL_set_max_proto_version(l.client, version);
			if (session != NULL)
				SSL_set_session(l.client, session);
			EXPECT_ROW(rows[i].why, link_shake(&l));
			EXPECT_ROW(rows[i].why, tls_is_resumed(l.server) == rows[i].resumed);
			SSL_read(l.client, &byte, 1);
			if (i == 0)
				session = SSL_get1_session(l.client);
			SSL_set_shutdown(l.client, SSL_SENT_SHUTDOWN);
			link_close(&l);
		}
		SSL_SESSION_free(session);
		tls_server_put(servers[0]);
		tls_server_put(servers[1]);
		tls_tickets_put(tickets);
	}
}

/* After the handshake: what brings nothing has an end, and what doesn't decrypt too. */
static void
test_floods(void)
{
	struct tls_server *server = server_of(TLS_POLICY_DEFAULT, both, 2);
	struct link l;
	uint32_t updates = 0;

	link_open(&l, server, 4096);
	CHECK(link_shake(&l));
	while (updates < 1000 && l.result != TLS_FAILED) {
		SSL_key_update(l.client, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(l.client);
		updates++;
		link_move(&l);
		l.result = tls_read(l.server, &l.in, &l.plain, 5000, &l.out);
	}
	EXPECT(updates >= 8 && updates < 100 && tls_failure(l.server) == TLS_FAILURE_FLOOD);
	link_close(&l);

	link_open(&l, server, 4096);
	CHECK(link_shake(&l));
	CHECK(chain_append_copy(&pool, &l.in, "\x17\x03\x03\x00\x20", 5));
	CHECK(chain_append_copy(&pool, &l.in, "abcdefghijklmnopqrstuvwxyzabcdef", 32));
	EXPECT(tls_read(l.server, &l.in, &l.plain, 5000, &l.out) == TLS_FAILED);
	EXPECT(tls_failure(l.server) == TLS_FAILURE_RECORD && l.plain.len == 0);
	EXPECT(tls_alert_sent(l.server) == SSL_AD_BAD_RECORD_MAC && l.out.len > 0);
	link_close(&l);
	tls_server_put(server);
}

int
main(void)
{
	struct made made[2] = {make_certificate(false, "DNS:a.example"),
			       make_certificate(true, "DNS:a.example")};
	char why[256] = "";

	chain_pool_init(&pool, &buffer_ops, spans, SPANS, BUFFER_CHARGE);
	for (uint32_t i = 0; i < 2; i++) {
		both[i] = tls_credentials_load(i == 0 ? "rsa" : "ecdsa", made[i].certificate, NULL,
					       made[i].key, why, sizeof(why));
		unmake_certificate(&made[i]);
		EXPECT_ROW(why, both[i] != NULL);
	}
	test_policy_names();
	test_policies();
	test_names();
	test_key_kinds();
	test_files();
	test_bytes();
	test_client();
	test_resumption();
	test_floods();
	tls_credentials_put(both[0]);
	tls_credentials_put(both[1]);
	return unit_done();
}
