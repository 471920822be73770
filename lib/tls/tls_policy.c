/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "tls_policy.h"

#define PREFIX "ELBSecurityPolicy-"

#define SUITES_2 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
#define SUITES_3 SUITES_2 ":TLS_CHACHA20_POLY1305_SHA256"

/* ELB's order: AES-128 before AES-256, GCM before CBC, forward secrecy before plain RSA. */
#define GCM_128                          \
	"ECDHE-ECDSA-AES128-GCM-SHA256:" \
	"ECDHE-RSA-AES128-GCM-SHA256"
#define GCM_256                          \
	"ECDHE-ECDSA-AES256-GCM-SHA384:" \
	"ECDHE-RSA-AES256-GCM-SHA384"
#define CBC_128 "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"
#define CBC_256 "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384"
#define SHA_128 "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
#define SHA_256 "ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES256-SHA"
#define RSA_4   "AES128-GCM-SHA256:AES128-SHA256:AES256-GCM-SHA384:AES256-SHA256"
#define RSA_6                                                           \
	"AES128-GCM-SHA256:AES128-SHA256:AES128-SHA:AES256-GCM-SHA384:" \
	"AES256-SHA256:AES256-SHA"

#define GCM             GCM_128 ":" GCM_256
#define GCM_CBC         GCM_128 ":" CBC_128 ":" GCM_256 ":" CBC_256
#define GCM_CBC_SHA     GCM_128 ":" CBC_128 ":" SHA_128 ":" GCM_256 ":" CBC_256 ":" SHA_256
#define GCM_CBC_RSA     GCM_CBC ":" RSA_4
#define GCM_CBC_SHA_RSA GCM_CBC_SHA ":" RSA_6

#define V13 TLS_V1_3
#define V12 TLS_V1_2
#define V11 TLS_V1_1
#define V10 TLS_V1_0

/* clang-format off */
static const struct tls_policy policies[] = {
	{PREFIX "TLS13-1-3-2021-06",      SUITES_3, NULL,            NULL, V13, false, false, false},
	{PREFIX "TLS13-1-2-2021-06",      SUITES_3, GCM_CBC,         NULL, V13 | V12, false, false, false},
	{PREFIX "TLS13-1-2-Res-2021-06",  SUITES_3, GCM,             NULL, V13 | V12, false, false, false},
	{PREFIX "TLS13-1-2-Ext1-2021-06", SUITES_3, GCM_CBC_RSA,     NULL, V13 | V12, false, false, false},
	{PREFIX "TLS13-1-2-Ext2-2021-06", SUITES_3, GCM_CBC_SHA_RSA, NULL, V13 | V12, false, false, false},
	{PREFIX "TLS13-1-1-2021-06",      SUITES_3, GCM_CBC_SHA_RSA, NULL, V13 | V12 | V11, false, false, false},
	{PREFIX "TLS13-1-0-2021-06",      SUITES_3, GCM_CBC_SHA_RSA, NULL, V13 | V12 | V11 | V10, false, false, false},

	{PREFIX "TLS13-1-3-PQ-2025-09",      SUITES_3, NULL,            NULL, V13, true, false, false},
	{PREFIX "TLS13-1-2-PQ-2025-09",      SUITES_3, GCM_CBC,         NULL, V13 | V12, true, false, false},
	{PREFIX "TLS13-1-2-Res-PQ-2025-09",  SUITES_3, GCM,             NULL, V13 | V12, true, false, false},
	{PREFIX "TLS13-1-2-Ext1-PQ-2025-09", SUITES_3, GCM_CBC_RSA,     NULL, V13 | V12, true, false, false},
	{PREFIX "TLS13-1-2-Ext2-PQ-2025-09", SUITES_3, GCM_CBC_SHA_RSA, NULL, V13 | V12, true, false, false},
	{PREFIX "TLS13-1-0-PQ-2025-09",      SUITES_3, GCM_CBC_SHA_RSA, NULL, V13 | V12 | V11 | V10, true, false, false},

	{PREFIX "TLS-1-2-Ext-2018-06", NULL, GCM_CBC_SHA_RSA, NULL, V12, false, false, false},
	{PREFIX "TLS-1-2-2017-01",     NULL, GCM_CBC_RSA,     NULL, V12, false, false, false},
	{PREFIX "TLS-1-1-2017-01",     NULL, GCM_CBC_SHA_RSA, NULL, V12 | V11, false, false, false},
	{PREFIX "2016-08",             NULL, GCM_CBC_SHA_RSA, NULL, V12 | V11 | V10, false, false, false},
	{PREFIX "2015-05",             NULL, GCM_CBC_SHA_RSA, NULL, V12 | V11 | V10, false, false, false},
	{PREFIX "FS-1-2-Res-2020-10",  NULL, GCM,             NULL, V12, false, false, false},
	{PREFIX "FS-1-2-Res-2019-08",  NULL, GCM_CBC,         NULL, V12, false, false, false},
	{PREFIX "FS-1-2-2019-08",      NULL, GCM_CBC_SHA,     NULL, V12, false, false, false},
	{PREFIX "FS-1-1-2019-08",      NULL, GCM_CBC_SHA,     NULL, V12 | V11, false, false, false},
	{PREFIX "FS-2018-06",          NULL, GCM_CBC_SHA,     NULL, V12 | V11 | V10, false, false, false},
	{PREFIX "TLS-1-0-2015-04",     NULL, GCM_CBC_SHA_RSA,
	 "policy ELBSecurityPolicy-TLS-1-0-2015-04 is served without DES-CBC3-SHA", V12 | V11 | V10, false, false, false},

	{PREFIX "TLS13-1-3-FIPS-2023-04",      SUITES_2, NULL,            NULL, V13, false, true, false},
	{PREFIX "TLS13-1-2-FIPS-2023-04",      SUITES_2, GCM_CBC,         NULL, V13 | V12, false, true, false},
	{PREFIX "TLS13-1-2-Res-FIPS-2023-04",  SUITES_2, GCM,             NULL, V13 | V12, false, true, false},
	{PREFIX "TLS13-1-2-Ext0-FIPS-2023-04", SUITES_2, GCM_CBC_SHA,     NULL, V13 | V12, false, true, false},
	{PREFIX "TLS13-1-2-Ext1-FIPS-2023-04", SUITES_2, GCM_CBC_RSA,     NULL, V13 | V12, false, true, false},
	{PREFIX "TLS13-1-2-Ext2-FIPS-2023-04", SUITES_2, GCM_CBC_SHA_RSA, NULL, V13 | V12, false, true, false},
	{PREFIX "TLS13-1-1-FIPS-2023-04",      SUITES_2, GCM_CBC_SHA_RSA, NULL, V13 | V12 | V11, false, true, false},
	{PREFIX "TLS13-1-0-FIPS-2023-04",      SUITES_2, GCM_CBC_SHA_RSA, NULL, V13 | V12 | V11 | V10, false, true, false},

	{PREFIX "TLS13-1-3-FIPS-PQ-2025-09",      SUITES_2, NULL,            NULL, V13, true, true, false},
	{PREFIX "TLS13-1-2-FIPS-PQ-2025-09",      SUITES_2, GCM_CBC,         NULL, V13 | V12, true, true, false},
	{PREFIX "TLS13-1-2-Res-FIPS-PQ-2025-09",  SUITES_2, GCM,             NULL, V13 | V12, true, true, false},
	{PREFIX "TLS13-1-2-Ext0-FIPS-PQ-2025-09", SUITES_2, GCM_CBC_SHA,     NULL, V13 | V12, true, true, false},
	{PREFIX "TLS13-1-2-Ext1-FIPS-PQ-2025-09", SUITES_2, GCM_CBC_RSA,     NULL, V13 | V12, true, true, false},
	{PREFIX "TLS13-1-2-Ext2-FIPS-PQ-2025-09", SUITES_2, GCM_CBC_SHA_RSA, NULL, V13 | V12, true, true, false},
	{PREFIX "TLS13-1-0-FIPS-PQ-2025-09",      SUITES_2, GCM_CBC_SHA_RSA, NULL, V13 | V12 | V11 | V10, true, true, false},
};

/* Of classic load balancers; nothing but AWS says what is in them. */
static const char *const unlisted[] = {
	PREFIX "2015-03", PREFIX "2015-02", PREFIX "2014-10", PREFIX "2014-01", PREFIX "2011-08",
};
/* clang-format on */

static const struct tls_policy *
find(const char *name)
{
	for (uint32_t i = 0; i < ARRAY_N(policies); i++)
		if (strcmp(policies[i].name, name) == 0)
			return &policies[i];
	return NULL;
}

static bool
is_unlisted(const char *name)
{
	for (uint32_t i = 0; i < ARRAY_N(unlisted); i++)
		if (strcmp(unlisted[i], name) == 0)
			return true;
	return false;
}

const struct tls_policy *
tls_policy_find(const char *name, bool pq_fallback, char *why, size_t why_len)
{
	const struct tls_policy *policy = find(name);

	if (policy == NULL && is_unlisted(name))
		snprintf(why, why_len,
			 "policy %s isn't served: its list of ciphers is not published; "
			 "use " TLS_POLICY_DEFAULT_CLASSIC,
			 name);
	else if (policy == NULL)
		snprintf(why, why_len,
			 "there is no policy %.64s; the default is " TLS_POLICY_DEFAULT, name);
	else if (policy->pq && !pq_fallback)
		snprintf(why, why_len,
			 "policy %s needs post-quantum groups, which this libssl hasn't; use its "
			 "twin without PQ, or allow it to be served with classical groups",
			 name);
	else
		return policy;
	return NULL;
}

bool
tls_policy_is_classic(const char *name)
{
	static const char *const classic[] = {TLS_POLICY_DEFAULT_CLASSIC, PREFIX "TLS-1-2-2017-01",
					      PREFIX "TLS-1-1-2017-01", PREFIX "2015-05"};

	for (uint32_t i = 0; i < ARRAY_N(classic); i++)
		if (strcmp(classic[i], name) == 0)
			return true;
	return false;
}

bool
tls_policy_list_has(const char *ciphers, const char *cipher)
{
	size_t len = strlen(cipher);

	for (const char *at = ciphers; len > 0 && (at = strstr(at, cipher)) != NULL; at += len) {
		if ((at == ciphers || at[-1] == ':') && (at[len] == ':' || at[len] == '\0'))
			return true;
	}
	return false;
}

bool
tls_policy_has_cipher(const char *cipher)
{
	return strchr(cipher, ':') == NULL && tls_policy_list_has(GCM_CBC_SHA_RSA, cipher);
}

const struct tls_policy *
tls_policy_at(uint32_t i)
{
	return i < ARRAY_N(policies) ? &policies[i] : NULL;
}

const struct tls_policy *
tls_policy_of_targets(const struct tls_policy *listener)
{
	const char *name = TLS_POLICY_DEFAULT_CLASSIC;

	/* ELB's PQ ones differ in the groups only, which aren't served anyway. */
	if (listener->fips)
		name = PREFIX "TLS13-1-0-FIPS-2023-04";
	else if ((listener->versions & TLS_V1_3) != 0)
		name = PREFIX "TLS13-1-0-2021-06";
	return find(name);
}
