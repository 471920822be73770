/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "service_cookie.h"

static const struct secret secrets[3] = {{{1}}, {{2}}, {{3}}};
static const struct service_cookie cookie = {UINT64_C(0x1122334455667788),
					     UINT64_C(0x99aabbccddeeff00), 2000};

static void
test_round_trip(void)
{
	struct service_cookie_keys *keys = service_cookie_keys_create(secrets, 1);
	char text[SERVICE_COOKIE_LEN], other[SERVICE_COOKIE_LEN];
	struct service_cookie back;

	service_cookie_seal(keys, SERVICE_COOKIE_TARGET, &cookie, 7, text);
	EXPECT(service_cookie_open(keys, SERVICE_COOKIE_TARGET, text, sizeof(text), 1999, &back));
	EXPECT(memcmp(&back, &cookie, sizeof(back)) == 0);
	service_cookie_seal(keys, SERVICE_COOKIE_TARGET, &cookie, 7, other);
	EXPECT(memcmp(text, other, sizeof(text)) == 0); /* deterministic */
	service_cookie_seal(keys, SERVICE_COOKIE_TARGET, &cookie, 8, other);
	for (int i = 0, same = 0; i < SERVICE_COOKIE_LEN; i++) {
		same += text[i] == other[i];
		EXPECT(i < SERVICE_COOKIE_LEN - 1 || same < 16); /* nothing shows through */
	}
	EXPECT(!service_cookie_open(keys, SERVICE_COOKIE_TARGET, text, sizeof(text), 2000, &back));
	EXPECT(!service_cookie_open(keys, SERVICE_COOKIE_TARGET_GROUP, text, sizeof(text), 1999,
				    &back));
	EXPECT(!service_cookie_open(keys, SERVICE_COOKIE_TARGET, text, sizeof(text) - 1, 1999,
				    &back));
	EXPECT(!service_cookie_open(keys, SERVICE_COOKIE_TARGET, text, 0, 1999, &back));
	service_cookie_keys_free(keys);
}

/* Every single change of a character, to any other byte. */
static void
test_tampering(void)
{
	struct service_cookie_keys *keys = service_cookie_keys_create(secrets, 2);
	char text[SERVICE_COOKIE_LEN];
	struct service_cookie back;
	int opened = 0;

	service_cookie_seal(keys, SERVICE_COOKIE_TARGET, &cookie, 7, text);
	for (int i = 0; i < SERVICE_COOKIE_LEN; i++) {
		char was = text[i];

		for (int c = 0; c < 256; c++) {
			text[i] = (char)c;
			opened +=
				text[i] != was && service_cookie_open(keys, SERVICE_COOKIE_TARGET,
								      text, sizeof(text), 0, &back);
		}
		text[i] = was;
	}
	EXPECT(opened == 0);
	EXPECT(service_cookie_open(keys, SERVICE_COOKIE_TARGET, text, sizeof(text), 0, &back));
	service_cookie_keys_free(keys);
}

/* A new secret in front seals; the old one still opens until it is gone. */
static void
test_rotation(void)
{
	const struct secret rotated[2] = {secrets[1], secrets[0]};
	struct service_cookie_keys *old_keys = service_cookie_keys_create(secrets, 1);
	struct service_cookie_keys *both = service_cookie_keys_create(rotated, 2);
	struct service_cookie_keys *new_keys = service_cookie_keys_create(rotated, 1);
	char text[SERVICE_COOKIE_LEN];
	struct service_cookie back;

	service_cookie_seal(old_keys, SERVICE_COOKIE_TARGET, &cookie, 1, text);
	EXPECT(service_cookie_open(both, SERVICE_COOKIE_TARGET, text, sizeof(text), 0, &back));
	EXPECT(!service_cookie_open(new_keys, SERVICE_COOKIE_TARGET, text, sizeof(text), 0, &back));
	service_cookie_seal(both, SERVICE_COOKIE_TARGET, &cookie, 1, text);
	EXPECT(service_cookie_open(new_keys, SERVICE_COOKIE_TARGET, text, sizeof(text), 0, &back));
	EXPECT(!service_cookie_open(old_keys, SERVICE_COOKIE_TARGET, text, sizeof(text), 0, &back));
	service_cookie_keys_free(old_keys);
	service_cookie_keys_free(both);
	service_cookie_keys_free(new_keys);
}

static void
test_set_cookie(void)
{
	static const struct {
		const char *why;
		enum service_cookie_kind kind;
		bool cors;
		uint64_t expires_s;
		const char *want;
	} rows[] = {
		{"a target's", SERVICE_COOKIE_TARGET, false, 7 * 86400,
		 "AWSALB=V; Expires=Thu, 08 Jan 1970 00:00:00 GMT; Path=/"},
		{"the twin", SERVICE_COOKIE_TARGET, true, UINT64_C(1709164800 + 3723),
		 "AWSALBCORS=V; Expires=Thu, 29 Feb 2024 01:02:03 GMT; Path=/; SameSite=None; "
		 "Secure"},
		{"a group's", SERVICE_COOKIE_TARGET_GROUP, false, UINT64_C(1798675200),
		 "AWSALBTG=V; Expires=Thu, 31 Dec 2026 00:00:00 GMT; Path=/"},
		{"its twin", SERVICE_COOKIE_TARGET_GROUP, true, UINT64_C(1798675200 + 86400),
		 "AWSALBTGCORS=V; Expires=Fri, 01 Jan 2027 00:00:00 GMT; Path=/; SameSite=None; "
		 "Secure"},
		{"an application's", SERVICE_COOKIE_APPLICATION, false, UINT64_C(951782400),
		 "AWSALBAPP-0=V; Expires=Tue, 29 Feb 2000 00:00:00 GMT; Path=/"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *equals = strchr(rows[i].want, '=');
		char attributes[SERVICE_COOKIE_ATTRIBUTES_MAX];
		char text[SERVICE_COOKIE_LEN], out[SERVICE_COOKIE_SET_MAX],
			want[SERVICE_COOKIE_SET_MAX];
		uint32_t n;

		memset(text, 'V', sizeof(text));
		service_cookie_expires(rows[i].expires_s, attributes);
		n = service_cookie_set(rows[i].kind, rows[i].cors, text, attributes, out);
		snprintf(want, sizeof(want), "%.*s%.*s%s", (int)(equals + 1 - rows[i].want),
			 rows[i].want, SERVICE_COOKIE_LEN, text, equals + 2);
		EXPECT_ROW(rows[i].why, n == strlen(want) && strcmp(out, want) == 0);
		if (strcmp(out, want) != 0)
			printf("  got: %s\n", out);
	}
}

int
main(void)
{
	test_round_trip();
	test_tampering();
	test_rotation();
	test_set_cookie();
	return unit_done();
}
