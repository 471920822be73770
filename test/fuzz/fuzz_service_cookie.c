/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a stickiness cookie: none opens, unless it is what sealing its content gives.  The
 * first byte says whether the rest is a cookie or content to seal and open.
 */
#include <stdlib.h>

#include "service_cookie.h"
#include "bytes.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
round_trip(struct service_cookie_keys *keys, const uint8_t *data, size_t size)
{
	struct bytes_reader r = bytes_reader(data, size);
	enum service_cookie_kind kind =
		(enum service_cookie_kind)(bytes_get_u8(&r) % SERVICE_COOKIE_KINDS);
	struct service_cookie cookie = {.scope_id = bytes_get_be32(&r),
					.target_id = bytes_get_be32(&r),
					.expires_s = 1 + (uint64_t)bytes_get_be32(&r)};
	uint32_t random = bytes_get_be32(&r);
	char text[SERVICE_COOKIE_LEN], set[SERVICE_COOKIE_SET_MAX];
	struct service_cookie back;

	service_cookie_seal(keys, kind, &cookie, random, text);
	CHECK(service_cookie_open(keys, kind, text, sizeof(text), cookie.expires_s - 1, &back));
	CHECK(memcmp(&back, &cookie, sizeof(back)) == 0);
	CHECK(!service_cookie_open(keys, kind, text, sizeof(text), cookie.expires_s, &back));
	CHECK(service_cookie_set(kind, false, text, "; Path=/", set) < sizeof(set));
	text[bytes_get_u8(&r) % sizeof(text)] ^= (char)(bytes_get_u8(&r) | 1);
	CHECK(!service_cookie_open(keys, kind, text, sizeof(text), 0, &back));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct secret secrets[2] = {{{1}}, {{2}}};
	static struct service_cookie_keys *keys;
	struct service_cookie cookie;

	if (keys == NULL)
		keys = service_cookie_keys_create(secrets, 2);
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		round_trip(keys, data + 1, size - 1);
	else
		CHECK(!service_cookie_open(keys, SERVICE_COOKIE_TARGET, (const char *)data + 1,
					   size - 1, 0, &cookie));
	return 0;
}
