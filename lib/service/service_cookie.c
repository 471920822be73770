/* SPDX-License-Identifier: BSD-3-Clause */
#include "service_cookie.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "bytes.h"
#include "check.h"
#include "http_cookie.h"
#include "http_write.h"

#define VERSION     1
#define CONTENT_LEN 32
#define TAG_LEN     16
#define SEALED_LEN  (TAG_LEN + CONTENT_LEN)

_Static_assert(SEALED_LEN / 3 * 4 == SERVICE_COOKIE_LEN, "whole groups of base64");

struct key {
	EVP_CIPHER_CTX *mac, *cipher;
};

struct service_cookie_keys {
	uint32_t n;
	struct key keys[SERVICE_COOKIE_KEYS_MAX];
};

static bool
init_key(struct key *key, const struct secret *secret)
{
	uint8_t bytes[64];
	bool ok;

	key->mac = EVP_CIPHER_CTX_new();
	key->cipher = EVP_CIPHER_CTX_new();
	if (key->mac == NULL || key->cipher == NULL)
		return false;
	secret_derive(secret, "alb stickiness cookie", bytes, sizeof(bytes));
	ok = EVP_EncryptInit_ex(key->mac, EVP_aes_256_cbc(), NULL, bytes, NULL) == 1 &&
	     EVP_CIPHER_CTX_set_padding(key->mac, 0) == 1 &&
	     EVP_EncryptInit_ex(key->cipher, EVP_aes_256_ctr(), NULL, bytes + 32, NULL) == 1;
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return ok;
}

struct service_cookie_keys *
service_cookie_keys_create(const struct secret *secrets, uint32_t n)
{
	struct service_cookie_keys *k = calloc(1, sizeof(*k));

	CHECK(n > 0 && n <= SERVICE_COOKIE_KEYS_MAX);
	if (k == NULL)
		return NULL;
	for (; k->n < n; k->n++) {
		if (!init_key(&k->keys[k->n], &secrets[k->n])) {
			k->n++; /* half of a key */
			service_cookie_keys_free(k);
			return NULL;
		}
	}
	return k;
}

void
service_cookie_keys_free(struct service_cookie_keys *k)
{
	if (k == NULL)
		return;
	for (uint32_t i = 0; i < k->n; i++) {
		EVP_CIPHER_CTX_free(k->keys[i].mac);
		EVP_CIPHER_CTX_free(k->keys[i].cipher);
	}
	free(k);
}

/* All 32 bytes under one key: the last block of CBC. */
static void
authenticate(const struct key *key, const uint8_t content[CONTENT_LEN], uint8_t tag[TAG_LEN])
{
	static const uint8_t zero[16];
	uint8_t out[CONTENT_LEN];
	int n = 0;

	CHECK(EVP_EncryptInit_ex(key->mac, NULL, NULL, NULL, zero) == 1 &&
	      EVP_EncryptUpdate(key->mac, out, &n, content, CONTENT_LEN) == 1 && n == CONTENT_LEN);
	memcpy(tag, out + CONTENT_LEN - TAG_LEN, TAG_LEN);
}

/* Both ways. */
static void
encrypt(const struct key *key, const uint8_t tag[TAG_LEN], const uint8_t from[CONTENT_LEN],
	uint8_t to[CONTENT_LEN])
{
	int n = 0;

	CHECK(EVP_EncryptInit_ex(key->cipher, NULL, NULL, NULL, tag) == 1 &&
	      EVP_EncryptUpdate(key->cipher, to, &n, from, CONTENT_LEN) == 1 && n == CONTENT_LEN);
}

/* RFC 4648 section 5. */

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void
encode(const uint8_t sealed[SEALED_LEN], char text[SERVICE_COOKIE_LEN])
{
	for (int i = 0; i < SEALED_LEN; i += 3) {
		uint32_t w =
			(uint32_t)sealed[i] << 16 | (uint32_t)sealed[i + 1] << 8 | sealed[i + 2];

		for (int k = 0; k < 4; k++)
			*text++ = alphabet[w >> (18 - 6 * k) & 63];
	}
}

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static bool
decode(const char text[SERVICE_COOKIE_LEN], uint8_t sealed[SEALED_LEN])
{
	for (int i = 0; i < SEALED_LEN; i += 3) {
		uint32_t w = 0;

		for (int k = 0; k < 4; k++) {
			int d = digit(*text++);

			if (d < 0)
				return false;
			w = w << 6 | (uint32_t)d;
		}
		sealed[i] = (uint8_t)(w >> 16);
		sealed[i + 1] = (uint8_t)(w >> 8);
		sealed[i + 2] = (uint8_t)w;
	}
	return true;
}

/* Version, kind, two zeros, a random word, scope, target, expiry. */
static void
put_content(uint8_t content[CONTENT_LEN], enum service_cookie_kind kind,
	    const struct service_cookie *cookie, uint32_t random)
{
	struct bytes_writer w = bytes_writer(content, CONTENT_LEN);

	bytes_put_u8(&w, VERSION);
	bytes_put_u8(&w, (uint8_t)kind);
	bytes_put_be16(&w, 0);
	bytes_put_be32(&w, random);
	bytes_store_be64(bytes_reserve(&w, 8), cookie->scope_id);
	bytes_store_be64(bytes_reserve(&w, 8), cookie->target_id);
	bytes_store_be64(bytes_reserve(&w, 8), cookie->expires_s);
}

void
service_cookie_seal(struct service_cookie_keys *keys, enum service_cookie_kind kind,
		    const struct service_cookie *cookie, uint32_t random,
		    char text[SERVICE_COOKIE_LEN])
{
	uint8_t content[CONTENT_LEN], sealed[SEALED_LEN];

	put_content(content, kind, cookie, random);
	authenticate(&keys->keys[0], content, sealed);
	encrypt(&keys->keys[0], sealed, content, sealed + TAG_LEN);
	encode(sealed, text);
}

static bool
open_with(const struct key *key, const uint8_t sealed[SEALED_LEN], uint8_t content[CONTENT_LEN])
{
	uint8_t tag[TAG_LEN];

	encrypt(key, sealed, sealed + TAG_LEN, content);
	authenticate(key, content, tag);
	return CRYPTO_memcmp(tag, sealed, TAG_LEN) == 0;
}

bool
service_cookie_open(struct service_cookie_keys *keys, enum service_cookie_kind kind,
		    const char *text, size_t len, uint64_t now_s, struct service_cookie *cookie)
{
	uint8_t sealed[SEALED_LEN], content[CONTENT_LEN];
	bool ours = false;

	if (len != SERVICE_COOKIE_LEN || !decode(text, sealed))
		return false;
	for (uint32_t i = 0; i < keys->n && !ours; i++)
		ours = open_with(&keys->keys[i], sealed, content);
	if (!ours || content[0] != VERSION || content[1] != kind ||
	    bytes_load_be16(content + 2) != 0)
		return false;
	cookie->scope_id = bytes_load_be64(content + 8);
	cookie->target_id = bytes_load_be64(content + 16);
	cookie->expires_s = bytes_load_be64(content + 24);
	return cookie->expires_s > now_s;
}

/* Fields. */

const char *
service_cookie_name(enum service_cookie_kind kind, bool cors)
{
	static const char *const names[SERVICE_COOKIE_KINDS][2] = {
		{"AWSALB", "AWSALBCORS"}, {"AWSALBTG", "AWSALBTGCORS"},
		{"AWSALBAPP-0", NULL},    {"AWSELB", "AWSELBCORS"},
		{"AWSELB", NULL},
	};

	return names[kind][cors];
}

uint32_t
service_cookie_set(enum service_cookie_kind kind, bool cors, const char text[SERVICE_COOKIE_LEN],
		   const char *attributes, char out[SERVICE_COOKIE_SET_MAX])
{
	const char *name = service_cookie_name(kind, cors);
	int n;

	CHECK(name != NULL);
	n = snprintf(out, SERVICE_COOKIE_SET_MAX, "%s=%.*s%s%s", name, SERVICE_COOKIE_LEN, text,
		     attributes, cors ? "; SameSite=None; Secure" : "");
	CHECK(n > 0 && n < SERVICE_COOKIE_SET_MAX);
	return (uint32_t)n;
}

void
service_cookie_expires(uint64_t expires_s, char out[SERVICE_COOKIE_ATTRIBUTES_MAX])
{
	uint8_t date[HTTP_DATE_LEN];

	http_date(date, expires_s);
	snprintf(out, SERVICE_COOKIE_ATTRIBUTES_MAX, "; Expires=%.*s; Path=/", HTTP_DATE_LEN,
		 (const char *)date);
}

bool
service_cookie_of(const struct http_request *request, const char *name, struct http_text *value)
{
	return http_cookie_find(&request->head, http_text_string(name), value);
}

/* The twin for other sites counts first. */
bool
service_cookie_read(struct service_cookie_keys *keys, enum service_cookie_kind kind,
		    const struct http_request *request, uint64_t now_s,
		    struct service_cookie *cookie)
{
	for (int cors = 1; cors >= 0; cors--) {
		const char *name = service_cookie_name(kind, cors != 0);
		struct http_text value;

		if (name != NULL && service_cookie_of(request, name, &value) &&
		    service_cookie_open(keys, kind, (const char *)value.at, value.len, now_s,
					cookie))
			return true;
	}
	return false;
}

bool
service_cookie_find(struct service_cookie_keys *keys, enum service_cookie_kind kind,
		    const struct http_request *request, uint64_t now_s,
		    bool (*wants)(void *arg, const struct service_cookie *cookie), void *arg)
{
	struct service_cookie found;
	struct http_text value;

	for (int cors = 1; cors >= 0; cors--) {
		const char *name = service_cookie_name(kind, cors != 0);
		struct http_cookie_search search = {.head = &request->head};

		if (name == NULL)
			continue;
		search.name = http_text_string(name);
		while (http_cookie_search(&search, &value)) {
			if (service_cookie_open(keys, kind, (const char *)value.at, value.len,
						now_s, &found) &&
			    wants(arg, &found))
				return true;
		}
	}
	return false;
}

bool
service_cookie_of_response(const struct http_response *response, const char *name,
			   struct http_text *set)
{
	size_t name_len = strlen(name);
	bool found = false;

	for (uint32_t i = 0; i < response->head.fields_n; i++) {
		const struct http_field *f = &response->head.fields[i];
		struct http_text value = http_field_value(&response->head, f);

		if (f->id != HTTP_SET_COOKIE || value.len <= name_len ||
		    value.at[name_len] != '=' || memcmp(value.at, name, name_len) != 0)
			continue;
		*set = value;
		found = true;
	}
	return found;
}
