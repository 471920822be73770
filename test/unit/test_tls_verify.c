/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates of clients and targets: who is let in, and what is said of who isn't. */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tls_public_key.h"
#include "tls_world.h"

#define POLICY "ELBSecurityPolicy-TLS13-1-2-2021-06"

/* A certificate made of what a row says. */
struct making {
	const char *name, *issuer; /* NULL: self-signed */
	bool authority;
	int from_s, until_s;
	const char *usage; /* extendedKeyUsage */
	const char *san;
	const char *curve; /* NULL: P-256; "RSA": 1024 bits */
	const EVP_MD *(*digest)(void);
};

struct made {
	X509 *x;
	EVP_PKEY *key;
};

static struct made all[32];
static const char *names[32];
static uint32_t all_n;
static SSL_CTX *client_ctx;

static struct made *
find(const char *name)
{
	for (uint32_t i = 0; i < all_n; i++)
		if (strcmp(names[i], name) == 0)
			return &all[i];
	CHECK(false);
	return NULL;
}

static void
extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	CHECK(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static void
make(const struct making *m)
{
	struct made *made = &all[all_n], *issuer;
	FILE *f;

	names[all_n++] = m->name;
	made->key = m->curve != NULL && strcmp(m->curve, "RSA") == 0
			    ? EVP_RSA_gen(1024)
			    : EVP_EC_gen(m->curve == NULL ? "P-256" : m->curve);
	made->x = X509_new();
	issuer = m->issuer == NULL ? made : find(m->issuer);
	X509_set_version(made->x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made->x), 0x1000 + (long)all_n);
	X509_gmtime_adj(X509_getm_notBefore(made->x), m->from_s);
	X509_gmtime_adj(X509_getm_notAfter(made->x), m->until_s);
	X509_set_pubkey(made->x, made->key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(made->x), "CN", MBSTRING_ASC,
				   (const unsigned char *)m->name, -1, -1, 0);
	for (int i = 0; i < 80 && strcmp(m->name, "long") == 0; i++)
		X509_NAME_add_entry_by_txt(
			X509_get_subject_name(made->x), "OU", MBSTRING_ASC,
			(const unsigned char *)"0123456789012345678901234567890123456789012345678",
			-1, -1, 0);
	X509_set_issuer_name(made->x, X509_get_subject_name(issuer->x));
	if (m->authority)
		extend(made->x, NID_basic_constraints, "critical,CA:TRUE");
	if (strcmp(m->name, "huge") == 0) {
		static char comment[12500];

		memset(comment, 'x', sizeof(comment) - 1);
		extend(made->x, NID_netscape_comment, comment);
	}
	if (m->usage != NULL)
		extend(made->x, NID_ext_key_usage, m->usage);
	if (m->san != NULL)
		extend(made->x, NID_subject_alt_name, m->san);
	CHECK(X509_sign(made->x, issuer->key, m->digest == NULL ? EVP_sha256() : m->digest()) > 0);
	f = fopen(tls_path(m->name, "pem"), "w");
	CHECK(f != NULL && PEM_write_X509(f, made->x) == 1 && fclose(f) == 0);
	f = fopen(tls_path(m->name, "key"), "w");
	CHECK(f != NULL && PEM_write_PrivateKey(f, made->key, NULL, NULL, 0, NULL, NULL) == 1 &&
	      fclose(f) == 0);
}

/* A list of `issuer` with one number, from and until then; `scope`: what it says it holds for. */
static void
make_list(const char *name, const char *issuer, const char *revoked, int from_s, int until_s,
	  const char *scope)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *time = X509_gmtime_adj(NULL, from_s);
	FILE *f;

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(find(issuer)->x));
	X509_CRL_set1_lastUpdate(crl, time);
	if (revoked != NULL) {
		X509_REVOKED *r = X509_REVOKED_new();

		X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(find(revoked)->x));
		X509_REVOKED_set_revocationDate(r, time);
		X509_CRL_add0_revoked(crl, r);
	}
	X509_gmtime_adj(time, until_s);
	X509_CRL_set1_nextUpdate(crl, time);
	if (scope != NULL) {
		X509_EXTENSION *e =
			X509V3_EXT_conf_nid(NULL, NULL, NID_issuing_distribution_point, scope);

		CHECK(e != NULL && X509_CRL_add_ext(crl, e, -1) == 1);
		X509_EXTENSION_free(e);
	}
	CHECK(X509_CRL_sign(crl, find(issuer)->key, EVP_sha256()) > 0);
	f = fopen(tls_path(name, "pem"), "w");
	CHECK(f != NULL && PEM_write_X509_CRL(f, crl) == 1 && fclose(f) == 0);
	ASN1_TIME_free(time);
	X509_CRL_free(crl);
}

/* All of `first`, and `second` but for its last `without` bytes. */
static void
join_files(const char *name, const char *first, const char *second, long without)
{
	static char bytes[2][65536];
	FILE *f = fopen(tls_path(first, "pem"), "r");
	size_t a, b;

	CHECK(f != NULL);
	a = fread(bytes[0], 1, sizeof(bytes[0]), f);
	fclose(f);
	f = fopen(tls_path(second, "pem"), "r");
	CHECK(f != NULL);
	b = fread(bytes[1], 1, sizeof(bytes[1]), f) - (size_t)without;
	fclose(f);
	f = fopen(tls_path(name, "pem"), "w");
	CHECK(f != NULL && fwrite(bytes[0], 1, a, f) == a && fwrite(bytes[1], 1, b, f) == b &&
	      fclose(f) == 0);
}

#define DAY 86400

static const struct making makings[] = {
	{"root", NULL, true, -60, DAY, NULL, NULL, NULL, NULL},
	{"other", NULL, true, -60, DAY, NULL, NULL, NULL, NULL},
	{"mid1", "root", true, -60, DAY, NULL, NULL, NULL, NULL},
	{"mid2", "mid1", true, -60, DAY, NULL, NULL, NULL, NULL},
	{"mid3", "mid2", true, -60, DAY, NULL, NULL, NULL, NULL},
	{"mid4", "mid3", true, -60, DAY, NULL, NULL, NULL, NULL},
	{"good", "root", false, -60, DAY, "clientAuth", NULL, NULL, NULL},
	{"plain", "root", false, -60, DAY, NULL, NULL, NULL, NULL},
	{"deep3", "mid3", false, -60, DAY, NULL, NULL, NULL, NULL},
	{"deep4", "mid4", false, -60, DAY, NULL, NULL, NULL, NULL},
	{"self", NULL, false, -60, DAY, NULL, NULL, NULL, NULL},
	{"stranger", "other", false, -60, DAY, NULL, NULL, NULL, NULL},
	{"expired", "root", false, -DAY, -60, NULL, NULL, NULL, NULL},
	{"early", "root", false, DAY, 2 * DAY, NULL, NULL, NULL, NULL},
	{"server", "root", false, -60, DAY, "serverAuth", "DNS:app.example,IP:10.0.0.1", NULL,
	 NULL},
	{"curve", "root", false, -60, DAY, NULL, NULL, "secp256k1", NULL},
	{"short", "root", false, -60, DAY, NULL, NULL, "RSA", NULL},
	{"sha1", "root", false, -60, DAY, NULL, NULL, NULL, EVP_sha1},
	{"past", "root", true, -DAY, -60, NULL, NULL, NULL, NULL},
	{"below-expired", "past", false, -60, DAY, NULL, NULL, NULL, NULL},
	{"long", "root", false, -60, DAY, NULL, NULL, NULL, NULL},
	{"huge", "root", false, -60, DAY, NULL, NULL, NULL, NULL},
};

static const struct tls_policy *
policy(void)
{
	char why[256];

	return tls_policy_find(POLICY, false, why, sizeof(why));
}

static struct tls_trust *
trust_of(const char *bundle, const char *list)
{
	char why[256] = "";
	struct tls_trust *t = tls_trust_load(tls_path(bundle, "pem"), why, sizeof(why));

	EXPECT_ROW(why, t != NULL);
	EXPECT_ROW(why,
		   list == NULL || tls_trust_add_lists(t, tls_path(list, "pem"), why, sizeof(why)));
	return t;
}

/* What tls_peer() told. */
struct said {
	enum tls_mutual_mode mode;
	char subject[8192], issuer[8192], serial[128], validity[128], pem[65536];
};

static struct said *
keep(const struct tls_peer *peer)
{
	static struct said said;

	if (peer == NULL)
		return NULL;
	said.mode = peer->mode;
	snprintf(said.subject, sizeof(said.subject), "%s", peer->subject);
	snprintf(said.issuer, sizeof(said.issuer), "%s", peer->issuer);
	snprintf(said.serial, sizeof(said.serial), "%s", peer->serial);
	snprintf(said.validity, sizeof(said.validity), "%s", peer->validity);
	snprintf(said.pem, sizeof(said.pem), "%s", peer->pem);
	return &said;
}

/* A client with a certificate and those above it, up to `chain`; @return what came of it. */
static enum tls_failure
meet(const struct tls_server_settings *settings, const char *name, int version, struct said **peer)
{
	static uint8_t bytes[65536];
	struct tls_world *w = tls_world();
	struct tls_credentials *credentials = tls_load("server");
	struct tls_server_settings s = *settings;
	enum tls_result result = TLS_WANT_INPUT;
	SSL *client = SSL_new(client_ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	struct chain cipher = {0}, answer = {0};
	enum tls_failure failure;
	struct tls_server *server;
	char why[256] = "";
	struct tls *tls;

	s.policy = policy();
	s.credentials = &credentials;
	s.credentials_n = 1;
	s.identity = "x";
	server = tls_server_create(&s, why, sizeof(why));
	EXPECT_ROW(why, server != NULL);
	tls = tls_accept(server, &w->pool);
	SSL_set_bio(client, in, out);
	SSL_set_connect_state(client);
	SSL_set_max_proto_version(client, version);
	SSL_set_tlsext_host_name(client, "other.example");
	if (name != NULL) {
		SSL_use_certificate(client, find(name)->x);
		SSL_use_PrivateKey(client, find(name)->key);
		if (strcmp(name, "below-expired") == 0)
			SSL_add1_chain_cert(client, find("past")->x);
		for (const char *mid = strncmp(name, "deep", 4) == 0 ? "1234" : "";
		     *mid != '\0' && *mid <= name[4]; mid++) {
			char issuer[] = {'m', 'i', 'd', *mid, '\0'};

			SSL_add1_chain_cert(client, find(issuer)->x);
		}
	}
	for (uint32_t i = 0; i < 5 && result != TLS_DONE && result != TLS_FAILED; i++) {
		int n;

		SSL_do_handshake(client);
		n = BIO_read(out, bytes, sizeof(bytes));
		if (n > 0)
			CHECK(chain_append_copy(&w->pool, &cipher, bytes, (uint32_t)n));
		do {
			result = tls_handshake(tls, &cipher, &answer);
		} while (result == TLS_MORE);
		chain_copy_out(&answer, 0, bytes, answer.len);
		if (answer.len > 0)
			BIO_write(in, bytes, (int)answer.len);
		chain_free(&w->pool, &answer);
	}
	failure = result == TLS_DONE ? TLS_FAILURE_NONE : tls_failure(tls);
	EXPECT_ROW(name, (result == TLS_DONE) == tls_is_finished(tls));
	*peer = keep(tls_peer(tls));
	tls_free(tls);
	tls_server_put(server);
	SSL_free(client);
	tls_credentials_put(credentials);
	chain_free(&w->pool, &cipher);
	ERR_clear_error();
	return failure;
}

static void
test_clients(void)
{
	static const struct {
		const char *why, *name, *list;
		bool ignores_expiry;
		enum tls_failure want;
		const char *bundle; /* NULL: the root alone */
	} rows[] = {
		{"for clients", "good", NULL, false, TLS_FAILURE_NONE, NULL},
		{"for anything", "plain", NULL, false, TLS_FAILURE_NONE, NULL},
		{"none", NULL, NULL, false, TLS_FAILURE_CERT_MISSING, NULL},
		{"three between", "deep3", NULL, false, TLS_FAILURE_NONE, NULL},
		{"four between", "deep4", NULL, false, TLS_FAILURE_CERT_CHAIN_DEPTH, NULL},
		{"self-signed", "self", NULL, false, TLS_FAILURE_CERT_UNTRUSTED, NULL},
		{"of another authority", "stranger", NULL, false, TLS_FAILURE_CERT_UNTRUSTED, NULL},
		{"expired", "expired", NULL, false, TLS_FAILURE_CERT_EXPIRED, NULL},
		{"expired, ignored", "expired", NULL, true, TLS_FAILURE_NONE, NULL},
		{"not yet valid", "early", NULL, false, TLS_FAILURE_CERT_NOT_YET_VALID, NULL},
		{"not yet valid is no expiry", "early", NULL, true, TLS_FAILURE_CERT_NOT_YET_VALID,
		 NULL},
		{"for servers", "server", NULL, false, TLS_FAILURE_CERT_PURPOSE, NULL},
		{"a curve", "curve", NULL, false, TLS_FAILURE_CERT_TYPE, NULL},
		{"a short key", "short", NULL, false, TLS_FAILURE_CERT_TYPE, NULL},
		{"SHA-1", "sha1", NULL, false, TLS_FAILURE_CERT_TYPE, NULL},
		{"revoked", "good", "revoked", false, TLS_FAILURE_CERT_CRL_HIT, NULL},
		{"another revoked", "plain", "revoked", false, TLS_FAILURE_NONE, NULL},
		{"an old list", "plain", "stale", false, TLS_FAILURE_CERT_CRL_PROCESSING, NULL},
		{"a list for another authority", "good", "others", false, TLS_FAILURE_NONE, "two"},
		{"its own authority's", "stranger", "others", false, TLS_FAILURE_NONE, "two"},
		{"an authority revoked", "deep3", "authority", false, TLS_FAILURE_CERT_CRL_HIT,
		 "three"},
		{"not below it", "good", "authority", false, TLS_FAILURE_NONE, "three"},
		{"an early list", "plain", "future", false, TLS_FAILURE_CERT_CRL_PROCESSING, NULL},
		{"revoked and expired, which is ignored", "expired", "gone", true,
		 TLS_FAILURE_CERT_CRL_HIT, NULL},
		{"an old list beside a newer one", "plain", "renewed", false, TLS_FAILURE_NONE,
		 NULL},
		{"a newer one in front of it", "plain", "renewed-2", false, TLS_FAILURE_NONE, NULL},
		{"beside it another part of them", "plain", "parted", false,
		 TLS_FAILURE_CERT_CRL_PROCESSING, NULL},
		{"for users", "good", "users", false, TLS_FAILURE_CERT_CRL_HIT, NULL},
		{"a part of its certificates", "good", "part", false, TLS_FAILURE_CERT_CRL_HIT,
		 NULL},
		{"two lists", "good", "pair", false, TLS_FAILURE_CERT_CRL_HIT, NULL},
		{"below an expired authority", "below-expired", NULL, false,
		 TLS_FAILURE_CERT_EXPIRED, NULL},
		{"below an expired authority, too", "below-expired", NULL, true,
		 TLS_FAILURE_CERT_EXPIRED, NULL},
		{"a long name", "long", NULL, false, TLS_FAILURE_CERT_SIZE, NULL},
		{"a long certificate", "huge", NULL, false, TLS_FAILURE_CERT_SIZE, NULL},
	};
	struct said *peer;

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
			struct tls_server_settings s = {.mutual_mode = TLS_MUTUAL_VERIFY,
							.ignore_client_expiry =
								rows[i].ignores_expiry,
							.advertise_ca_names = true};
			enum tls_failure got;

			s.trust = trust_of(rows[i].bundle == NULL ? "root" : rows[i].bundle,
					   rows[i].list);
			got = meet(&s, rows[i].name, version, &peer);
			/* TLS 1.3 has no signature for it: the client sends none. */
			EXPECT_ROW(rows[i].why,
				   got == (version == TLS1_3_VERSION && rows[i].name != NULL &&
							   strcmp(rows[i].name, "curve") == 0
						   ? TLS_FAILURE_CERT_MISSING
						   : rows[i].want));
			tls_trust_put(s.trust);
		}
	}
}

static void
test_what_is_said(void)
{
	struct tls_server_settings s = {.mutual_mode = TLS_MUTUAL_VERIFY};
	struct said *peer;

	s.trust = trust_of("root", NULL);
	EXPECT(meet(&s, "deep3", TLS1_3_VERSION, &peer) == TLS_FAILURE_NONE && peer != NULL);
	EXPECT(strcmp(peer->subject, "CN=deep3") == 0 && strcmp(peer->issuer, "CN=mid3") == 0);
	EXPECT(strcmp(peer->serial, "1009") == 0);
	EXPECT(strncmp(peer->validity, "NotBefore=20", 12) == 0 &&
	       strstr(peer->validity, "Z;NotAfter=20") != NULL && strlen(peer->validity) == 60);
	/* The leaf alone, and of passthrough what came with it. */
	EXPECT(strncmp(peer->pem, "-----BEGIN%20CERTIFICATE-----%0A", 32) == 0);
	EXPECT(strstr(strstr(peer->pem, "END") + 3, "BEGIN") == NULL);
	EXPECT(strpbrk(peer->pem, "\n ") == NULL);
	/* Of one that was refused, too. */
	EXPECT(meet(&s, "expired", TLS1_3_VERSION, &peer) == TLS_FAILURE_CERT_EXPIRED);
	EXPECT(peer != NULL && strcmp(peer->subject, "CN=expired") == 0);
	tls_trust_put(s.trust);
	s = (struct tls_server_settings){.mutual_mode = TLS_MUTUAL_PASSTHROUGH};
	EXPECT(meet(&s, "deep3", TLS1_3_VERSION, &peer) == TLS_FAILURE_NONE && peer != NULL);
	EXPECT(strstr(strstr(peer->pem, "END") + 3, "BEGIN") != NULL);
	EXPECT(meet(&s, "self", TLS1_2_VERSION, &peer) == TLS_FAILURE_NONE && peer != NULL);
	EXPECT(meet(&s, "expired", TLS1_3_VERSION, &peer) == TLS_FAILURE_NONE && peer != NULL);
	EXPECT(meet(&s, NULL, TLS1_3_VERSION, &peer) == TLS_FAILURE_NONE && peer == NULL);
	s.mutual_mode = TLS_MUTUAL_OFF;
	EXPECT(meet(&s, "good", TLS1_3_VERSION, &peer) == TLS_FAILURE_NONE && peer == NULL);
}

static void
test_targets(void)
{
	static const struct {
		const char *why, *bundle, *name;
		enum tls_failure want;
	} rows[] = {
		{"nobody asks", NULL, NULL, TLS_FAILURE_NONE},
		{"any name", "root", NULL, TLS_FAILURE_NONE},
		{"the name", "root", "app.example", TLS_FAILURE_NONE},
		{"the address", "root", "10.0.0.1", TLS_FAILURE_NONE},
		{"another name", "root", "b.example", TLS_FAILURE_CERT_NAME},
		{"another address", "root", "10.0.0.2", TLS_FAILURE_CERT_NAME},
		{"another authority", "other", NULL, TLS_FAILURE_CERT_UNTRUSTED},
	};
	struct tls_world *w = tls_world();
	struct tls_credentials *credentials = tls_load("server");
	struct tls_server_settings s = {
		.credentials = &credentials, .credentials_n = 1, .identity = "x"};
	struct tls_server *server;
	char why[256] = "";

	s.policy = policy();
	server = tls_server_create(&s, why, sizeof(why));
	CHECK(server != NULL);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct tls_trust *t =
			rows[i].bundle == NULL ? NULL : trust_of(rows[i].bundle, NULL);
		struct tls_client_settings c = {
			.policy = s.policy, .trust = t, .server_name = rows[i].name};
		struct tls_client *client = tls_client_create(&c, why, sizeof(why));

		CHECK(client != NULL);
		w->server = tls_accept(server, &w->pool);
		w->client = tls_connect(client, &w->pool, NULL, NULL);
		EXPECT_ROW(rows[i].why, tls_shake() == (rows[i].want == TLS_FAILURE_NONE));
		EXPECT_ROW(rows[i].why, tls_failure(w->client) == rows[i].want);
		tls_hang_up();
		tls_client_put(client);
		tls_trust_put(t);
	}
	tls_server_put(server);
	tls_credentials_put(credentials);
}

/* The key of a certificate in a file of its own. */
static const char *
public_key_file(const char *name)
{
	const char *path = tls_path(name, "pub");
	FILE *f = fopen(path, "w");

	CHECK(f != NULL && PEM_write_PUBKEY(f, find(name)->key) == 1);
	fclose(f);
	return path;
}

static void
test_public_keys(void)
{
	static const struct {
		const char *name;
		enum tls_failure want;
	} rows[] = {{"server", TLS_FAILURE_NONE}, {"good", TLS_FAILURE_CERT_KEY}};
	struct tls_world *w = tls_world();
	struct tls_credentials *credentials = tls_load("server");
	struct tls_server_settings s = {
		.credentials = &credentials, .credentials_n = 1, .identity = "x"};
	struct tls_client *clients[ARRAY_N(rows)];
	struct tls_server *server;
	uint8_t key[TLS_PUBLIC_KEY_LEN];
	char why[256] = "";

	s.policy = policy();
	server = tls_server_create(&s, why, sizeof(why));
	CHECK(server != NULL);
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct tls_client_settings c = {.policy = s.policy, .public_key = key};

		EXPECT_ROW(why, tls_public_key_load(public_key_file(rows[i].name), key, why,
						    sizeof(why)));
		unlink(tls_path(rows[i].name, "pub"));
		clients[i] = tls_client_create(&c, why, sizeof(why));
		CHECK(clients[i] != NULL);
		w->server = tls_accept(server, &w->pool);
		w->client = tls_connect(clients[i], &w->pool, NULL, NULL);
		EXPECT_ROW(rows[i].name, tls_shake() == (rows[i].want == TLS_FAILURE_NONE));
		EXPECT_ROW(rows[i].name, tls_failure(w->client) == rows[i].want);
		EXPECT_ROW(rows[i].name, tls_session_take(w->client) == NULL);
		tls_hang_up();
	}
	EXPECT(!tls_client_is_same(clients[0], clients[1]));
	EXPECT(!tls_public_key_load(tls_path("server", "pem"), key, why, sizeof(why)) &&
	       strstr(why, "no public key in PEM") != NULL);
	EXPECT(!tls_public_key_load(tls_path("none", "pub"), key, why, sizeof(why)) &&
	       strstr(why, "No such file") != NULL);
	for (size_t i = 0; i < ARRAY_N(rows); i++)
		tls_client_put(clients[i]);
	tls_server_put(server);
	tls_credentials_put(credentials);
}

static void
test_files(void)
{
	static const struct {
		const char *bundle, *list, *want;
	} rows[] = {
		{"none", NULL, "No such file"},
		{"revoked", NULL, "no certificate in it"},
		{"good", NULL, "no authority's"},
		{"root", "root", "no revocation list"},
		{"root", "none", "No such file"},
		{"root", "others", "no authority of the bundle has signed"},
		{"root", "damaged", "can't be read"},
		{"root", "reasons", "for some reasons"},
		{"root", "indirect", "indirect"},
	};
	char why[256];

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct tls_trust *t =
			tls_trust_load(tls_path(rows[i].bundle, "pem"), why, sizeof(why));

		EXPECT_ROW(rows[i].want, (t == NULL) == (rows[i].list == NULL));
		if (t != NULL)
			EXPECT_ROW(rows[i].want,
				   !tls_trust_add_lists(t, tls_path(rows[i].list, "pem"), why,
							sizeof(why)));
		EXPECT_ROW(why, strstr(why, rows[i].want) != NULL);
		tls_trust_put(t);
	}
}

static void
remove_files(void)
{
	static const char *const lists[] = {"revoked",   "stale",   "future",   "gone", "others",
					    "authority", "reasons", "indirect", "pair", "damaged",
					    "two",       "three",   "users",    "part", "renewed",
					    "renewed-2", "parted"};

	for (uint32_t i = 0; i < all_n; i++) {
		unlink(tls_path(names[i], "pem"));
		unlink(tls_path(names[i], "key"));
		X509_free(all[i].x);
		EVP_PKEY_free(all[i].key);
	}
	for (uint32_t i = 0; i < ARRAY_N(lists); i++)
		unlink(tls_path(lists[i], "pem"));
	rmdir(tls_world()->directory);
}

int
main(void)
{
	tls_world_init();
	for (size_t i = 0; i < ARRAY_N(makings); i++)
		make(&makings[i]);
	make_list("revoked", "root", "good", -60, DAY, NULL);
	make_list("stale", "root", NULL, -60, -30, NULL);
	make_list("future", "root", NULL, 60, DAY, NULL);
	make_list("gone", "root", "expired", -60, DAY, NULL);
	make_list("others", "other", "good", -60, DAY, NULL);
	make_list("authority", "mid1", "mid2", -60, DAY, NULL);
	make_list("reasons", "root", "good", -60, DAY, "critical,onlysomereasons:keyCompromise");
	make_list("indirect", "root", "good", -60, DAY, "critical,indirectCRL:TRUE");
	make_list("users", "root", "good", -60, DAY, "critical,onlyuser:TRUE");
	make_list("part", "root", "good", -60, DAY, "critical,fullname:URI:http://a.example/1");
	join_files("renewed", "stale", "gone", 0);
	join_files("renewed-2", "gone", "stale", 0);
	join_files("parted", "stale", "part", 0);
	join_files("pair", "gone", "revoked", 0);
	join_files("damaged", "gone", "revoked", 60);
	join_files("two", "root", "other", 0);
	join_files("three", "two", "mid1", 0);
	client_ctx = SSL_CTX_new(TLS_client_method());
	CHECK(client_ctx != NULL);
	SSL_CTX_set_security_level(client_ctx, 0);
	test_clients();
	test_what_is_said();
	test_targets();
	test_public_keys();
	test_files();
	SSL_CTX_free(client_ctx);
	remove_files();
	return unit_done();
}
