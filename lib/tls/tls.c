/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls.h"

struct tls_server *
tls_server_create(const struct tls_server_settings *settings, char *why, size_t why_len)
{
	(void)settings;
	(void)why;
	(void)why_len;
	return NULL;
}

void
tls_server_get(struct tls_server *server)
{
	(void)server;
}

void
tls_server_put(struct tls_server *server)
{
	(void)server;
}

struct tls_client *
tls_client_create(const struct tls_client_settings *settings, char *why, size_t why_len)
{
	(void)settings;
	(void)why;
	(void)why_len;
	return NULL;
}

void
tls_client_get(struct tls_client *client)
{
	(void)client;
}

void
tls_client_put(struct tls_client *client)
{
	(void)client;
}

struct tls *
tls_accept(struct tls_server *server, struct chain_pool *pool)
{
	(void)server;
	(void)pool;
	return NULL;
}

struct tls *
tls_connect(struct tls_client *client, struct chain_pool *pool, const char *server_name,
	    const struct tls_session *resume)
{
	(void)client;
	(void)pool;
	(void)server_name;
	(void)resume;
	return NULL;
}

void
tls_free(struct tls *tls)
{
	(void)tls;
}

void
tls_belong(struct tls *tls, struct chain_pool *pool)
{
	(void)tls;
	(void)pool;
}

enum tls_result
tls_handshake(struct tls *tls, struct chain *in, struct chain *out)
{
	(void)tls;
	(void)in;
	(void)out;
	return TLS_FAILED;
}

enum tls_result
tls_read(struct tls *tls, struct chain *in, struct chain *plain, uint32_t max, struct chain *out)
{
	(void)tls;
	(void)in;
	(void)plain;
	(void)max;
	(void)out;
	return TLS_FAILED;
}

uint32_t
tls_pending(const struct tls *tls)
{
	(void)tls;
	return 0;
}

enum tls_result
tls_write(struct tls *tls, struct chain *plain, struct chain *out, uint32_t max, uint32_t now_ms)
{
	(void)tls;
	(void)plain;
	(void)out;
	(void)max;
	(void)now_ms;
	return TLS_FAILED;
}

enum tls_result
tls_shutdown(struct tls *tls, struct chain *out)
{
	(void)tls;
	(void)out;
	return TLS_FAILED;
}

enum tls_failure
tls_failure(const struct tls *tls)
{
	(void)tls;
	return 0;
}

int
tls_alert_sent(const struct tls *tls)
{
	(void)tls;
	return 0;
}

int
tls_alert_received(const struct tls *tls)
{
	(void)tls;
	return 0;
}

const char *
tls_failure_name(enum tls_failure failure)
{
	(void)failure;
	return NULL;
}

const char *
tls_verify_status(enum tls_failure failure)
{
	(void)failure;
	return NULL;
}

bool
tls_is_finished(const struct tls *tls)
{
	(void)tls;
	return 0;
}

const char *
tls_protocol(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

const char *
tls_protocol_nlb(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

const char *
tls_cipher(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

const char *
tls_key_exchange(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

bool
tls_is_resumed(const struct tls *tls)
{
	(void)tls;
	return 0;
}

const char *
tls_sni(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

const char *
tls_alpn(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

uint32_t
tls_alpn_offered(const struct tls *tls, char *out, uint32_t size)
{
	(void)tls;
	(void)out;
	(void)size;
	return 0;
}

const struct tls_credentials *
tls_chosen(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

bool
tls_peer(const struct tls *tls, struct tls_peer *peer)
{
	(void)tls;
	(void)peer;
	return 0;
}

uint32_t
tls_peer_pem(const struct tls *tls, bool chain, char *out, uint32_t size)
{
	(void)tls;
	(void)chain;
	(void)out;
	(void)size;
	return 0;
}

struct tls_session *
tls_session_take(struct tls *tls)
{
	(void)tls;
	return NULL;
}

void
tls_session_free(struct tls_session *session)
{
	(void)session;
}

struct tls_credentials *
tls_credentials_load(const char *name, const char *certificate_path, const char *chain_path,
		     const char *key_path, char *why, size_t why_len)
{
	(void)name;
	(void)certificate_path;
	(void)chain_path;
	(void)key_path;
	(void)why;
	(void)why_len;
	return NULL;
}

void
tls_credentials_get(struct tls_credentials *credentials)
{
	(void)credentials;
}

void
tls_credentials_put(struct tls_credentials *credentials)
{
	(void)credentials;
}

const struct tls_credentials_info *
tls_credentials_info(const struct tls_credentials *credentials)
{
	(void)credentials;
	return NULL;
}

const struct tls_policy *
tls_policy_find(const char *name, bool pq_fallback, char *why, size_t why_len)
{
	(void)name;
	(void)pq_fallback;
	(void)why;
	(void)why_len;
	return NULL;
}

const struct tls_policy *
tls_policy_at(uint32_t i)
{
	(void)i;
	return NULL;
}

const struct tls_policy *
tls_policy_of_targets(const struct tls_policy *listener)
{
	(void)listener;
	return NULL;
}

struct tls_tickets *
tls_tickets_create(const struct secret *secret, const char *identity, uint32_t period_s,
		   uint64_t wall_s)
{
	(void)secret;
	(void)identity;
	(void)period_s;
	(void)wall_s;
	return NULL;
}

void
tls_tickets_get(struct tls_tickets *tickets)
{
	(void)tickets;
}

void
tls_tickets_put(struct tls_tickets *tickets)
{
	(void)tickets;
}

void
tls_tickets_turn(struct tls_tickets *tickets, uint64_t wall_s)
{
	(void)tickets;
	(void)wall_s;
}

struct tls_trust *
tls_trust_load(const char *name, const char *bundle_path, const char *const *crl_paths,
	       uint32_t crls_n, char *why, size_t why_len)
{
	(void)name;
	(void)bundle_path;
	(void)crl_paths;
	(void)crls_n;
	(void)why;
	(void)why_len;
	return NULL;
}

void
tls_trust_get(struct tls_trust *trust)
{
	(void)trust;
}

void
tls_trust_put(struct tls_trust *trust)
{
	(void)trust;
}

const char *
tls_trust_name(const struct tls_trust *trust)
{
	(void)trust;
	return NULL;
}

const uint8_t *
tls_trust_sha256(const struct tls_trust *trust)
{
	(void)trust;
	return NULL;
}
