/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a stickiness cookie: none opens, unless it is what sealing its content gives.  The
 * first byte says whether the rest is a cookie or content to seal and open.
 */
#include <stdlib.h>

#include "alb_cookie.h"
#include "bytes.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
round_trip(struct alb_cookie_keys *keys, const uint8_t *data, size_t size)
{
	struct bytes_reader r = bytes_reader(data, size);
	enum alb_cookie_kind kind = (enum alb_cookie_kind)(bytes_get_u8(&r) % ALB_COOKIE_KINDS);
	struct alb_cookie cookie = {.scope_id = bytes_get_be32(&r),
				    .target_id = bytes_get_be32(&r),
				    .expires_s = 1 + (uint64_t)bytes_get_be32(&r)};
	uint32_t random = bytes_get_be32(&r);
	char text[ALB_COOKIE_LEN], set[ALB_COOKIE_SET_MAX];
	struct alb_cookie back;

	alb_cookie_seal(keys, kind, &cookie, random, text);
	CHECK(alb_cookie_open(keys, kind, text, sizeof(text), cookie.expires_s - 1, &back));
	CHECK(memcmp(&back, &cookie, sizeof(back)) == 0);
	CHECK(!alb_cookie_open(keys, kind, text, sizeof(text), cookie.expires_s, &back));
	CHECK(alb_cookie_set(kind, false, text, cookie.expires_s, set) < sizeof(set));
	text[bytes_get_u8(&r) % sizeof(text)] ^= (char)(bytes_get_u8(&r) | 1);
	CHECK(!alb_cookie_open(keys, kind, text, sizeof(text), 0, &back));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct secret secrets[2] = {{{1}}, {{2}}};
	static struct alb_cookie_keys *keys;
	struct alb_cookie cookie;

	if (keys == NULL)
		keys = alb_cookie_keys_create(secrets, 2);
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		round_trip(keys, data + 1, size - 1);
	else
		CHECK(!alb_cookie_open(keys, ALB_COOKIE_TARGET, (const char *)data + 1, size - 1, 0,
				       &cookie));
	return 0;
}
