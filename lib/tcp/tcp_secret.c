/* SPDX-License-Identifier: BSD-3-Clause */
/* What strangers must not foresee: sequence numbers, timestamps, buckets. */
#include <string.h>

#include "secret.h"
#include "tcp_engine.h"

void
tcp_secrets_init(struct tcp *tcp, const uint8_t secret[32])
{
	struct secret s;

	memcpy(s.bytes, secret, sizeof(s.bytes));
	secret_derive(&s, "tcp table", &tcp->seed, sizeof(tcp->seed));
	secret_derive(&s, "tcp sequence", &tcp->isn_key, sizeof(tcp->isn_key));
	secret_derive(&s, "tcp cookie", &tcp->cookie_key, sizeof(tcp->cookie_key));
	secret_derive(&s, "tcp timestamp", &tcp->timestamp_key, sizeof(tcp->timestamp_key));
	secret_derive(&s, "tcp random", &tcp->random, sizeof(tcp->random));
	tcp->random |= 1; /* xorshift's state is never 0 */
}

static uint64_t
keyed(const struct siphash_key *key, const struct tcp_tuple *tuple)
{
	uint8_t bytes[36];

	memcpy(bytes, tuple->local.b, 16);
	memcpy(bytes + 16, tuple->remote.b, 16);
	memcpy(bytes + 32, &tuple->local_port_be, 2);
	memcpy(bytes + 34, &tuple->remote_port_be, 2);
	return siphash(key, bytes, sizeof(bytes));
}

/* RFC 6528: a clock of 4 us plus a secret of the tuple. */
uint32_t
tcp_initial_sequence(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return (uint32_t)(tcp->now_us / 4 + keyed(&tcp->isn_key, tuple));
}

/* RFC 7323 section 5.4: says nothing about the machine's uptime, and never jumps back. */
uint32_t
tcp_timestamp_offset(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	return (uint32_t)keyed(&tcp->timestamp_key, tuple);
}

uint32_t
tcp_random(struct tcp *tcp)
{
	tcp->random ^= tcp->random >> 12;
	tcp->random ^= tcp->random << 25;
	tcp->random ^= tcp->random >> 27;
	return (uint32_t)(tcp->random * UINT64_C(0x2545F4914F6CDD1D) >> 32);
}
