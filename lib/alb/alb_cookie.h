/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stickiness cookies: AWSALB and AWSALBTG with their CORS twins, and AWSALBAPP-0.
 *
 * A cookie names what the client sticks to by stable identities, so that any box with the cluster's
 * secret understands it, after any reload.  It is sealed: 32 bytes of content under a synthetic IV
 * (RFC 5297's construction; the PRF is CBC-MAC, which is one for messages of one length), which
 * needs no unique nonces however many cookies there are.  Whatever a client sends that isn't a
 * cookie of ours, of this kind and still valid, is no cookie: the client gets another target and a
 * new one.
 *
 * A worker has a struct alb_cookie_keys of its own; sealing and opening allocate nothing.
 */
#ifndef ALB_COOKIE_H
#define ALB_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

#define ALB_COOKIE_LEN      64 /* of the value: URL-safe base64 without padding */
#define ALB_COOKIE_KEYS_MAX 4
#define ALB_COOKIE_SET_MAX  192 /* bytes of a Set-Cookie field's value */

enum alb_cookie_kind {
	ALB_COOKIE_TARGET,       /* AWSALB: lb_cookie */
	ALB_COOKIE_TARGET_GROUP, /* AWSALBTG: stickiness of a forward action */
	ALB_COOKIE_APPLICATION,  /* AWSALBAPP-0: app_cookie, with the application's own */
};

#define ALB_COOKIE_KINDS (ALB_COOKIE_APPLICATION + 1)

struct alb_cookie {
	uint64_t scope_id;  /* of the target group; AWSALBTG: of the rule or listener */
	uint64_t target_id; /* of the target; AWSALBTG: of the target group */
	uint64_t expires_s; /* wall clock */
};

struct alb_cookie_keys;

/**
 * @param secrets  the first seals, all open; at most ALB_COOKIE_KEYS_MAX
 * @return  NULL without memory.
 */
struct alb_cookie_keys *alb_cookie_keys_create(const struct secret *secrets, uint32_t n);
void alb_cookie_keys_free(struct alb_cookie_keys *keys);

/**
 * @param random  so that clients of one target can't tell that they are
 * @param text    not terminated
 */
void alb_cookie_seal(struct alb_cookie_keys *keys, enum alb_cookie_kind kind,
		     const struct alb_cookie *cookie, uint32_t random, char text[ALB_COOKIE_LEN]);

/** @return false: it isn't ours, not of this kind, or not valid any more. */
bool alb_cookie_open(struct alb_cookie_keys *keys, enum alb_cookie_kind kind, const char *text,
		     size_t len, uint64_t now_s, struct alb_cookie *cookie);

/** The cookie's name; `cors`: of the twin, NULL if there is none.  The twin counts first. */
const char *alb_cookie_name(enum alb_cookie_kind kind, bool cors);

/**
 * Write the value of a Set-Cookie field.  The attribute Expires is seven days off, whatever the
 * validity inside.
 * @return  its length.
 */
uint32_t alb_cookie_set(enum alb_cookie_kind kind, bool cors, const char text[ALB_COOKIE_LEN],
			uint64_t now_s, char out[ALB_COOKIE_SET_MAX]);

#endif
