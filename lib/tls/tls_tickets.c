/* SPDX-License-Identifier: BSD-3-Clause */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls_tickets.h"
#include "tls_tickets_private.h"

/* Before, now, next, and the one that is being written. */
#define KEYS 4u

struct ticket_key {
	uint8_t name[16], mac[32], cipher[32];
};

struct tls_tickets {
	atomic_uint references;
	_Atomic uint64_t period; /* Unix time / period_s */
	uint32_t period_s;
	uint8_t secret[32];
	EVP_CIPHER *aes;
	struct ticket_key keys[KEYS]; /* of period n: keys[n % KEYS] */
};

static void
derive(struct tls_tickets *t, uint64_t period)
{
	struct secret secret;
	char label[48];

	memcpy(secret.bytes, t->secret, sizeof(secret.bytes));
	snprintf(label, sizeof(label), "ticket key %llu", (unsigned long long)period);
	secret_derive(&secret, label, &t->keys[period % KEYS], sizeof(struct ticket_key));
	OPENSSL_cleanse(&secret, sizeof(secret));
}

static void
derive_around(struct tls_tickets *t, uint64_t period)
{
	for (uint64_t n = period - 1; n != period + 2; n++)
		derive(t, n);
}

struct tls_tickets *
tls_tickets_create(const struct secret *secret, uint32_t period_s, uint64_t wall_s)
{
	struct tls_tickets *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	atomic_init(&t->references, 1);
	t->aes = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (t->aes == NULL) {
		tls_tickets_put(t);
		return NULL;
	}
	secret_derive(secret, "tickets", t->secret, sizeof(t->secret));
	t->period_s = period_s;
	atomic_init(&t->period, wall_s / period_s);
	derive_around(t, wall_s / period_s);
	return t;
}

void
tls_tickets_get(struct tls_tickets *t)
{
	atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
}

void
tls_tickets_put(struct tls_tickets *t)
{
	/* Acquire and release: what others did with it comes before it is freed. */
	if (t == NULL || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1)
		return;
	EVP_CIPHER_free(t->aes);
	OPENSSL_cleanse(t, sizeof(*t));
	free(t);
}

void
tls_tickets_turn(struct tls_tickets *t, uint64_t wall_s)
{
	uint64_t now = wall_s / t->period_s;
	uint64_t was = atomic_load_explicit(&t->period, memory_order_relaxed);

	if (now == was)
		return;
	/* One further writes one place, which nobody reads; a clock that was set writes them all,
	 * and a ticket under way may be refused. */
	if (now == was + 1)
		derive(t, now + 1);
	else
		derive_around(t, now);
	/* Release: the key of the next period is complete before that period is accepted. */
	atomic_store_explicit(&t->period, now, memory_order_release);
}

uint32_t
tls_tickets_period_s(const struct tls_tickets *t)
{
	return t->period_s;
}

static const struct ticket_key *
key_of_name(const struct tls_tickets *t, uint64_t now, const uint8_t name[16], bool *old)
{
	for (uint64_t n = now - 1; n != now + 2; n++) {
		const struct ticket_key *key = &t->keys[n % KEYS];

		*old = n != now;
		if (memcmp(key->name, name, sizeof(key->name)) == 0)
			return key;
	}
	return NULL;
}

static bool
set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac,
						  sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int
tls_tickets_seal(const struct tls_tickets *t, uint8_t name[16], uint8_t iv[16],
		 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	const struct ticket_key *key =
		&t->keys[atomic_load_explicit(&t->period, memory_order_acquire) % KEYS];

	if (RAND_bytes(iv, 16) != 1 ||
	    EVP_EncryptInit_ex2(cipher, t->aes, key->cipher, iv, NULL) != 1 || !set_mac(mac, key))
		return -1;
	memcpy(name, key->name, sizeof(key->name));
	return 1;
}

int
tls_tickets_open(const struct tls_tickets *t, const uint8_t name[16], const uint8_t iv[16],
		 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	uint64_t now = atomic_load_explicit(&t->period, memory_order_acquire);
	bool old;
	const struct ticket_key *key = key_of_name(t, now, name, &old);

	if (key == NULL)
		return 0;
	if (EVP_DecryptInit_ex2(cipher, t->aes, key->cipher, iv, NULL) != 1 || !set_mac(mac, key))
		return -1;
	return old ? 2 : 1;
}
