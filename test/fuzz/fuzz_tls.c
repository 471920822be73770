/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile bytes to a TLS server, cut in pieces: no handshake finishes, few steps and bytes come of
 * them, and no buffer is left.
 *
 * Input: length of a piece, then bytes from the client.
 */
#include "tls_world.h"

#define STEPS_MAX 4u
#define OUT_MAX   8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_server *
make_server(void)
{
	static struct tls_credentials *credentials;
	char why[256];
	struct tls_server_settings s = {
		.credentials = &credentials, .credentials_n = 1, .identity = "fuzz"};
	struct tls_server *server;

	tls_world_init();
	tls_make_certificate("fuzz", "DNS:fuzz.example", true, 0);
	credentials = tls_load("fuzz");
	unlink(tls_path("fuzz", "pem"));
	unlink(tls_path("fuzz", "key"));
	rmdir(tls_world()->directory);
	s.policy = tls_policy_find("ELBSecurityPolicy-TLS13-1-0-2021-06", false, why, sizeof(why));
	CHECK(s.policy != NULL);
	server = tls_server_create(&s, why, sizeof(why));
	CHECK(server != NULL);
	return server;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tls_server *server;
	struct tls_world *w = tls_world();
	enum tls_result r = TLS_WANT_INPUT;

	if (server == NULL)
		server = make_server();
	if (size < 2 || size > 20000)
		return 0;
	w->server = tls_accept(server, &w->pool);
	for (size_t at = 1; at < size && r != TLS_FAILED;) {
		uint32_t n = data[0] + 1u, steps = 0;

		n = n < size - at ? n : (uint32_t)(size - at);
		CHECK(chain_append_copy(&w->pool, &w->to_server, data + at, n));
		at += n;
		do {
			r = tls_handshake(w->server, &w->to_server, &w->to_client);
			CHECK(++steps < STEPS_MAX + 20000 / 5 / TLS_STEP_RECORDS);
		} while (r == TLS_MORE);
		CHECK(r != TLS_DONE && r != TLS_WANT_BUFFERS && w->to_client.len <= OUT_MAX);
	}
	CHECK(r != TLS_FAILED || tls_failure(w->server) != TLS_FAILURE_NONE);
	tls_hang_up();
	CHECK(unit_failed == 0);
	return 0;
}
