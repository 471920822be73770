/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ELB's security policies: protocol versions and ciphers by name.
 *
 * One table of constants.  FIPS names select the cipher list only.  Policies with post-quantum
 * groups need a newer libssl: refused, or, where the operator allows it, served with classical
 * groups.
 */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of tls_policy.versions. */
enum {
	TLS_V1_0 = 1 << 0,
	TLS_V1_1 = 1 << 1,
	TLS_V1_2 = 1 << 2,
	TLS_V1_3 = 1 << 3,
};

struct tls_policy {
	const char *name;    /* ELBSecurityPolicy-... */
	const char *suites;  /* TLS 1.3, in order, separated by colons; NULL: none */
	const char *ciphers; /* TLS 1.2 and below; NULL: none */
	const char *warning; /* a sentence for the operator, where a part isn't served */
	uint8_t versions;
	bool pq, fips;
	bool client_order; /* the client's preference decides */
};

/* What a listener gets without ssl_policy. */
#define TLS_POLICY_DEFAULT         "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
#define TLS_POLICY_DEFAULT_CLASSIC "ELBSecurityPolicy-2016-08"

/**
 * @param pq_fallback  serve policies with post-quantum groups without these groups
 * @return  NULL with a sentence in `why`: unknown, or why it can't be served.
 */
const struct tls_policy *tls_policy_find(const char *name, bool pq_fallback, char *why,
					 size_t why_len);

/** Whether classic load balancers have it; of those only that are served. */
bool tls_policy_is_classic(const char *name);

/** Whether the default policy of classic load balancers has a cipher, by OpenSSL's name. */
bool tls_policy_has_cipher(const char *cipher);

/** Whether a list of ciphers separated by colons has this one. */
bool tls_policy_list_has(const char *ciphers, const char *cipher);

/** All of them, whether served or not. @return  NULL past the last. */
const struct tls_policy *tls_policy_at(uint32_t i);

/** The policy towards targets that ELB pairs with a listener's; always one that is served. */
const struct tls_policy *tls_policy_of_targets(const struct tls_policy *listener);

#endif
