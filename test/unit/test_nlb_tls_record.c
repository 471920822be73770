/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of the access log of TLS listeners; what strangers say breaks none. */
#include "unit.h"

#include "nlb_tls_record.h"

#define BEGIN                                                                                     \
	"tls 2.0 2026-01-02T03:04:06 net/a/1 00000000000000ab 192.0.2.7:40000 [2001:db8::1]:443 " \
	"1500 "
#define END " 2026-01-02T03:04:05\n"

static struct nlb_tls_record
record(void)
{
	struct nlb_tls_record r = {.listener_id = 0xab,
				   .begun_wall_us = UINT64_C(1767323045000000),
				   .ended_wall_us = UINT64_C(1767323046500000),
				   .alert = -1,
				   .client_port = 40000,
				   .local_port = 443};

	ip_addr_parse("192.0.2.7", &r.client);
	ip_addr_parse("2001:db8::1", &r.local);
	return r;
}

static void
expect(const char *why, const struct nlb_tls_record *r, const char *want)
{
	char line[2048];
	size_t n = nlb_tls_record_format(r, "net/a/1", line, sizeof(line) - 1);

	line[n] = '\0';
	EXPECT_ROW(why, strcmp(line, want) == 0);
	if (strcmp(line, want) != 0)
		printf("  got: %s", line);
	EXPECT_ROW(why, nlb_tls_record_format(r, "net/a/1", line, n - 1) == 0);
}

int
main(void)
{
	struct nlb_tls_record r = record();

	expect("no handshake", &r, BEGIN "- 0 0 - - - - - - - - - -" END);
	r.alert = 48;
	strcpy(r.name, "a b\n\x7f%");
	strcpy(r.alpn_offered, "\"h2\",\"x y\n\"");
	expect("a client's words", &r,
	       BEGIN "- 0 0 48 - - - - - a%20b%0A%7F%25 - - \"h2\",\"x%20y%0A\"" END);
	r = record();
	r.handshake_us = 2999;
	r.received_bytes = 10;
	r.sent_bytes = UINT64_C(5000000000);
	strcpy(r.certificate, "shop");
	strcpy(r.cipher, "TLS_AES_128_GCM_SHA256");
	strcpy(r.protocol, "tlsv13");
	strcpy(r.key_exchange, "x25519");
	strcpy(r.name, "shop.example");
	strcpy(r.alpn, "http/1.1");
	strcpy(r.target_alpn, "http/1.0");
	strcpy(r.alpn_offered, "\"http/1.1\"");
	expect("all of it", &r,
	       BEGIN "2 10 5000000000 - shop - TLS_AES_128_GCM_SHA256 tlsv13 x25519 shop.example "
		     "http/1.1 http/1.0 \"http/1.1\"" END);
	return unit_done();
}
