/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls_world.h"

#define DEFAULT_POLICY TLS_POLICY_DEFAULT

static struct tls_credentials *all[4];

static const struct tls_policy *
policy(const char *name)
{
	char why[256];
	const struct tls_policy *p = tls_policy_find(name, false, why, sizeof(why));

	CHECK(p != NULL);
	return p;
}

static struct tls_server *
make_server_of(const char *identity, const struct tls_policy *p, uint32_t first, uint32_t n,
	       struct tls_tickets *tickets)
{
	static const char *const alpn[] = {"h2", "http/1.1"};
	struct tls_server_settings s = {.policy = p,
					.credentials = all + first,
					.credentials_n = n,
					.alpn = alpn,
					.alpn_n = 2,
					.tickets = tickets,
					.identity = identity};
	char why[256] = "";
	struct tls_server *server = tls_server_create(&s, why, sizeof(why));

	EXPECT_ROW(why, server != NULL);
	return server;
}

static struct tls_server *
make_server(const struct tls_policy *p, uint32_t first, uint32_t n, struct tls_tickets *tickets)
{
	return make_server_of("shop:443", p, first, n, tickets);
}

static struct tls_client *
make_client(const struct tls_policy *p, const char *server_name)
{
	static const char *const alpn[] = {"http/1.1"};
	struct tls_client_settings s = {
		.policy = p, .alpn = alpn, .alpn_n = 1, .server_name = server_name};
	char why[256] = "";
	struct tls_client *client = tls_client_create(&s, why, sizeof(why));

	EXPECT_ROW(why, client != NULL);
	return client;
}

/* Both sides by policies; on return tls_world() has the pair. */
static bool
meet(struct tls_server *server, struct tls_client *client, const struct tls_session *resume)
{
	struct tls_world *w = tls_world();

	w->server = tls_accept(server, &w->pool);
	w->client = tls_connect(client, &w->pool, NULL, resume);
	return tls_shake();
}

/* Every policy that is served meets clients of one version and one cipher each. */
static void
test_policies(void)
{
	static const struct {
		uint8_t version;
		const char *cipher; /* NULL: TLS 1.3 */
	} clients[] = {
		{TLS_V1_3, NULL},
		{TLS_V1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"},
		{TLS_V1_2, "ECDHE-RSA-AES256-GCM-SHA384"},
		{TLS_V1_2, "ECDHE-RSA-AES128-SHA256"},
		{TLS_V1_2, "ECDHE-ECDSA-AES256-SHA384"},
		{TLS_V1_2, "ECDHE-RSA-AES128-SHA"},
		{TLS_V1_2, "AES128-GCM-SHA256"},
		{TLS_V1_2, "AES256-SHA256"},
		{TLS_V1_2, "AES256-SHA"},
		{TLS_V1_1, "ECDHE-RSA-AES128-SHA"},
		{TLS_V1_0, "AES128-SHA"},
		{TLS_V1_2, "DHE-RSA-AES128-GCM-SHA256"},
		{TLS_V1_2, "ECDHE-RSA-CHACHA20-POLY1305"},
	};
	const struct tls_policy *p;

	for (uint32_t i = 0; (p = tls_policy_at(i)) != NULL; i++) {
		for (uint32_t k = 0; k < ARRAY_N(clients); k++) {
			struct tls_policy of_client = {.name = "client",
						       .ciphers = clients[k].cipher,
						       .suites = clients[k].cipher == NULL
									 ? "TLS_AES_128_GCM_SHA256"
									 : NULL,
						       .versions = clients[k].version};
			bool ecdsa = clients[k].cipher != NULL &&
				     strstr(clients[k].cipher, "ECDSA") != NULL;
			struct tls_server *server = make_server(p, ecdsa ? 1 : 0, 1, NULL);
			struct tls_client *client = make_client(&of_client, NULL);
			bool wanted = (p->versions & clients[k].version) != 0 &&
				      (clients[k].cipher == NULL ||
				       (p->ciphers != NULL &&
					strstr(p->ciphers, clients[k].cipher) != NULL));
			char row[160];

			/* A name may begin a longer one. */
			if (wanted && clients[k].cipher != NULL) {
				char list[1024], name[64];

				snprintf(list, sizeof(list), ":%s:", p->ciphers);
				snprintf(name, sizeof(name), ":%s:", clients[k].cipher);
				wanted = strstr(list, name) != NULL;
			}
			snprintf(row, sizeof(row), "%s, version bit %u, %s", p->name,
				 clients[k].version,
				 clients[k].cipher != NULL ? clients[k].cipher : "TLS 1.3");
			EXPECT_ROW(row, meet(server, client, NULL) == wanted);
			tls_hang_up();
			tls_server_put(server);
			tls_client_put(client);
		}
	}
}

static void
test_policy_names(void)
{
	char why[256];

	EXPECT(tls_policy_find("ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", false, why, sizeof(why)) ==
		       NULL &&
	       strstr(why, "post-quantum") != NULL);
	EXPECT(tls_policy_find("ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", true, why, sizeof(why)) !=
	       NULL);
	EXPECT(tls_policy_find("ELBSecurityPolicy-2014-01", false, why, sizeof(why)) == NULL &&
	       strstr(why, "not published") != NULL);
	EXPECT(tls_policy_find("nonsense", false, why, sizeof(why)) == NULL);
}

/* 0: RSA default, 1: ECDSA default.example, 2: RSA and 3: ECDSA for shop.example, *.shop.example.
 */
static void
test_sni(void)
{
	static const struct {
		const char *why, *sni;
		bool rsa_only;
		uint32_t chosen;
	} rows[] = {
		{"no SNI: the default", NULL, false, 0},
		{"unknown: the default", "other.example", false, 0},
		{"ECDSA before RSA", "shop.example", false, 3},
		{"case doesn't matter", "SHOP.example", false, 3},
		{"RSA for who offers nothing else", "shop.example", true, 2},
		{"wildcard", "a.shop.example", false, 2},
		{"wildcard: one label only", "b.a.shop.example", false, 0},
		{"exact before wildcard", "exact.shop.example", false, 1},
	};
	static const struct tls_policy rsa = {
		.name = "rsa", .ciphers = "ECDHE-RSA-AES128-GCM-SHA256", .versions = TLS_V1_2};
	struct tls_server *server = make_server(policy(DEFAULT_POLICY), 0, 4, NULL);

	for (uint32_t i = 0; i < ARRAY_N(rows); i++) {
		struct tls_client *client =
			make_client(rows[i].rsa_only ? &rsa : policy(DEFAULT_POLICY), rows[i].sni);

		EXPECT_ROW(rows[i].why, meet(server, client, NULL));
		EXPECT_ROW(rows[i].why, tls_chosen(tls_world()->server) == all[rows[i].chosen]);
		tls_hang_up();
		tls_client_put(client);
	}
	tls_server_put(server);
}

/* 300,000 bytes to the client, by small limits and pieces of one byte at first. */
static void
test_data(void)
{
	struct tls_world *w = tls_world();
	struct tls_server *server = make_server(policy(DEFAULT_POLICY), 0, 1, NULL);
	struct tls_client *client = make_client(policy(DEFAULT_POLICY), "shop.example");
	struct chain plain = {0}, got = {0}, wire = {0};
	static uint8_t sent[300000], received[300000];
	enum tls_result r = TLS_WANT_INPUT;

	for (uint32_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 251);
	EXPECT(meet(server, client, NULL));
	EXPECT(strcmp(tls_protocol(w->server), "TLSv1.3") == 0 &&
	       strcmp(tls_cipher(w->server), "TLS_AES_128_GCM_SHA256") == 0);
	EXPECT(strcmp(tls_alpn(w->server), "http/1.1") == 0 &&
	       strcmp(tls_sni(w->server), "shop.example") == 0);
	EXPECT(strcmp(tls_key_exchange(w->server), "x25519") == 0);
	EXPECT(chain_append_copy(&w->pool, &plain, sent, sizeof(sent)));
	for (uint32_t i = 0; i < 400000 && got.len < sizeof(sent) && r != TLS_FAILED; i++) {
		uint32_t n;

		if (wire.len < 40000 && plain.len > 0) {
			uint32_t before = wire.len;

			EXPECT(tls_write(w->server, &plain, &wire, 30000, 5000) != TLS_FAILED);
			EXPECT(wire.len - before <= 30000);
		}
		n = i < 3000 ? 1 : 4000;
		EXPECT(chain_move(&w->pool, &w->to_client, &wire, n < wire.len ? n : wire.len));
		n = got.len;
		r = tls_read(w->client, &w->to_client, &got, 5000, &w->to_server);
		EXPECT(got.len - n <= 5000);
	}
	EXPECT(got.len == sizeof(sent) && plain.len == 0);
	chain_copy_out(&got, 0, received, got.len);
	EXPECT(memcmp(sent, received, sizeof(sent)) == 0);
	EXPECT(tls_shutdown(w->server, &w->to_client) == TLS_DONE);
	EXPECT(tls_read(w->client, &w->to_client, &got, 5000, &w->to_server) == TLS_CLOSED);
	chain_free(&w->pool, &got);
	tls_hang_up();
	tls_server_put(server);
	tls_client_put(client);
}

static void
test_wrong_input(void)
{
	static const struct {
		const char *why, *bytes;
		uint32_t len;
		enum tls_failure failure;
		int alert;
	} rows[] = {
		{"a request", "GET / HTTP/1.1\r\n", 16, TLS_FAILURE_PLAIN_HTTP, -1},
		{"an SSLv2 hello", "\x80\x2e\x01\x03\x01", 5, TLS_FAILURE_NOT_TLS, 70},
		{"garbage", "\xff\xff\xff\xff\xff", 5, TLS_FAILURE_NOT_TLS, 70},
		{"too long a record", "\x16\x03\x01\xff\xff", 5, TLS_FAILURE_RECORD, 22},
		{"no hello", "\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9, TLS_FAILURE_PROTOCOL, 10},
	};
	struct tls_world *w = tls_world();
	struct tls_server *server = make_server(policy(DEFAULT_POLICY), 0, 1, NULL);

	for (uint32_t i = 0; i < ARRAY_N(rows); i++) {
		w->server = tls_accept(server, &w->pool);
		EXPECT(chain_append_copy(&w->pool, &w->to_server, rows[i].bytes, rows[i].len));
		EXPECT_ROW(rows[i].why,
			   tls_handshake(w->server, &w->to_server, &w->to_client) == TLS_FAILED);
		EXPECT_ROW(rows[i].why, tls_failure(w->server) == rows[i].failure);
		EXPECT_ROW(rows[i].why, tls_alert_sent(w->server) == rows[i].alert);
		EXPECT_ROW(rows[i].why, (w->to_client.len == 7) == (rows[i].alert >= 0));
		tls_hang_up();
	}
	tls_server_put(server);
}

static void
test_tickets(void)
{
	struct secret secret = {{1, 2, 3}};
	struct tls_world *w = tls_world();
	struct tls_tickets *t = tls_tickets_create(&secret, 3600, 360000);
	/* Two servers stand for two workers. */
	struct tls_server *one = make_server(policy(DEFAULT_POLICY), 0, 1, t);
	struct tls_server *two = make_server(policy(DEFAULT_POLICY), 0, 1, t);
	struct tls_server *other = make_server_of("bank:443", policy(DEFAULT_POLICY), 0, 1, t);
	struct tls_client *client = make_client(policy(DEFAULT_POLICY), "shop.example");
	struct tls_session *session;
	struct chain plain = {0};

	EXPECT(meet(one, client, NULL) && !tls_is_resumed(w->server));
	tls_read(w->client, &w->to_client, &plain, 100, &w->to_server);
	session = tls_session_take(w->client);
	EXPECT(session != NULL && tls_session_take(w->client) == NULL);
	tls_hang_up();
	EXPECT(meet(other, client, session) && !tls_is_resumed(w->server));
	tls_hang_up();
	tls_tickets_turn(t, 363600);
	EXPECT(meet(two, client, session) && tls_is_resumed(w->server));
	tls_hang_up();
	tls_tickets_turn(t, 367200);
	EXPECT(meet(two, client, session) && !tls_is_resumed(w->server));
	tls_hang_up();
	tls_session_free(session);
	tls_server_put(one);
	tls_server_put(two);
	tls_server_put(other);
	tls_client_put(client);
	tls_tickets_put(t);
}

/* ALPN offers what a connection says instead of what its side's settings say. */
static void
test_protocol(void)
{
	static const struct {
		const char *offered, *agreed; /* NULL: the settings; none */
	} rows[] = {{NULL, "http/1.1"}, {"h2", "h2"}, {"http/1.1", "http/1.1"}, {"http/1.0", NULL}};
	struct secret secret = {{4}};
	struct tls_world *w = tls_world();
	struct tls_tickets *t = tls_tickets_create(&secret, 3600, 360000);
	struct tls_server *server = make_server(policy(DEFAULT_POLICY), 0, 1, t);
	struct tls_client *client = make_client(policy(DEFAULT_POLICY), "shop.example");
	struct tls_session *session = NULL;
	struct chain plain = {0};
	uint32_t resumed_n = 0;

	for (uint32_t i = 0; i < ARRAY_N(rows); i++) {
		const char *agreed = rows[i].agreed, *alpn;

		w->server = tls_accept(server, &w->pool);
		w->client = tls_connect(client, &w->pool, rows[i].offered, session);
		EXPECT_ROW(rows[i].offered == NULL ? "-" : rows[i].offered,
			   tls_shake() && tls_is_resumed(w->server) == (session != NULL));
		resumed_n += session != NULL;
		alpn = tls_alpn(w->client);
		EXPECT(alpn == tls_alpn(w->server));
		EXPECT((alpn == NULL) == (agreed == NULL) &&
		       (agreed == NULL || strcmp(alpn, agreed) == 0));
		tls_read(w->client, &w->to_client, &plain, 100, &w->to_server);
		tls_session_free(session);
		session = tls_session_take(w->client);
		tls_hang_up();
	}
	EXPECT(resumed_n >= 2);
	tls_session_free(session);
	tls_server_put(server);
	tls_client_put(client);
	tls_tickets_put(t);
}

static void
test_credentials(void)
{
	char why[256];

	EXPECT(tls_credentials_load("x", tls_path("rsa", "pem"), NULL, tls_path("ecdsa", "key"),
				    why, sizeof(why)) == NULL &&
	       strstr(why, "doesn't belong") != NULL);
	EXPECT(tls_credentials_load("x", tls_path("none", "pem"), NULL, tls_path("rsa", "key"), why,
				    sizeof(why)) == NULL &&
	       strstr(why, "No such file") != NULL);
	EXPECT(tls_credentials_load("x", tls_path("rsa", "key"), NULL, tls_path("rsa", "key"), why,
				    sizeof(why)) == NULL);
	tls_make_certificate("short", "DNS:short.example", false, 1024);
	EXPECT(tls_credentials_load("x", tls_path("short", "pem"), NULL, tls_path("short", "key"),
				    why, sizeof(why)) == NULL &&
	       strstr(why, "1024 bits") != NULL);
	EXPECT(strcmp(tls_credentials_info(all[0])->serial, "1234") == 0);
}

static void
remove_files(void)
{
	static const char *const names[] = {"rsa", "ecdsa", "shop-rsa", "shop-ecdsa", "short"};

	for (uint32_t i = 0; i < ARRAY_N(names); i++) {
		unlink(tls_path(names[i], "pem"));
		unlink(tls_path(names[i], "key"));
	}
	rmdir(tls_world()->directory);
}

int
main(void)
{
	tls_world_init();
	tls_make_certificate("rsa", "DNS:default.example", false, 2048);
	tls_make_certificate("ecdsa", "DNS:default.example,DNS:exact.shop.example", true, 0);
	tls_make_certificate("shop-rsa", "DNS:shop.example,DNS:*.shop.example", false, 2048);
	tls_make_certificate("shop-ecdsa", "DNS:Shop.Example", true, 0);
	all[0] = tls_load("rsa");
	all[1] = tls_load("ecdsa");
	all[2] = tls_load("shop-rsa");
	all[3] = tls_load("shop-ecdsa");
	test_credentials();
	test_policy_names();
	test_policies();
	test_sni();
	test_data();
	test_wrong_input();
	test_tickets();
	test_protocol();
	for (uint32_t i = 0; i < ARRAY_N(all); i++)
		tls_credentials_put(all[i]);
	remove_files();
	return unit_done();
}
