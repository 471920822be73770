/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stickiness cookies: AWSALB and AWSALBTG with their CORS twins, AWSALBAPP-0, and a classic load
 * balancer's AWSELB.
 *
 * A cookie names what the client sticks to by stable identities, so that any box with the cluster's
 * secret understands it, after any reload.  It is sealed: 32 bytes of content under a synthetic IV
 * (RFC 5297's construction; the PRF is CBC-MAC, which is one for messages of one length), which
 * needs no unique nonces however many cookies there are.  Whatever a client sends that isn't a
 * cookie of ours, of this kind and still valid, is no cookie: the client gets another target and a
 * new one.
 *
 * A worker has a struct service_cookie_keys of its own; sealing and opening allocate nothing.
 */
#ifndef SERVICE_COOKIE_H
#define SERVICE_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"
#include "secret.h"

#define SERVICE_COOKIE_LEN            64 /* of the value: URL-safe base64 without padding */
#define SERVICE_COOKIE_KEYS_MAX       4
#define SERVICE_COOKIE_SET_MAX        640 /* bytes of a Set-Cookie field's value */
#define SERVICE_COOKIE_ATTRIBUTES_MAX 512

enum service_cookie_kind {
	SERVICE_COOKIE_TARGET,       /* AWSALB: lb_cookie */
	SERVICE_COOKIE_TARGET_GROUP, /* AWSALBTG: stickiness of a forward action */
	SERVICE_COOKIE_APPLICATION,  /* AWSALBAPP-0: app_cookie, with the application's own */
	SERVICE_COOKIE_DURATION,     /* AWSELB: lb_cookie_stickiness */
	SERVICE_COOKIE_FOLLOWING,    /* AWSELB: app_cookie_stickiness, with the application's own */
};

#define SERVICE_COOKIE_KINDS (SERVICE_COOKIE_FOLLOWING + 1)

struct service_cookie {
	uint64_t scope_id;  /* of the target group; AWSALBTG: of the rule or listener */
	uint64_t target_id; /* of the target; AWSALBTG: of the target group */
	uint64_t expires_s; /* wall clock */
};

struct service_cookie_keys;

/**
 * @param secrets  the first seals, all open; at most SERVICE_COOKIE_KEYS_MAX
 * @return  NULL without memory.
 */
struct service_cookie_keys *service_cookie_keys_create(const struct secret *secrets, uint32_t n);
void service_cookie_keys_free(struct service_cookie_keys *keys);

/**
 * @param random  so that clients of one target can't tell that they are
 * @param text    not terminated
 */
void service_cookie_seal(struct service_cookie_keys *keys, enum service_cookie_kind kind,
			 const struct service_cookie *cookie, uint32_t random,
			 char text[SERVICE_COOKIE_LEN]);

/** @return false: it isn't ours, not of this kind, or not valid any more. */
bool service_cookie_open(struct service_cookie_keys *keys, enum service_cookie_kind kind,
			 const char *text, size_t len, uint64_t now_s,
			 struct service_cookie *cookie);

/** The cookie's name; `cors`: of the twin, NULL if there is none.  The twin counts first. */
const char *service_cookie_name(enum service_cookie_kind kind, bool cors);

/**
 * Write the value of a Set-Cookie field.
 * @param attributes  "; Path=/" and the like, less than SERVICE_COOKIE_ATTRIBUTES_MAX bytes; the
 *   twin gets those for requests from other sites, too
 * @return  its length.
 */
uint32_t service_cookie_set(enum service_cookie_kind kind, bool cors,
			    const char text[SERVICE_COOKIE_LEN], const char *attributes,
			    char out[SERVICE_COOKIE_SET_MAX]);

/** Attributes of a cookie for the whole site that browsers keep until then. */
void service_cookie_expires(uint64_t expires_s, char out[SERVICE_COOKIE_ATTRIBUTES_MAX]);

/** A cookie of a request by its name. @return false: it has none. */
bool service_cookie_of(const struct http_request *request, const char *name,
		       struct http_text *value);

/**
 * A request's cookies of ours, the twin's first, until one is wanted: browsers send all that fit,
 * of other paths too.
 * @return  false: none that is valid and wanted.
 */
bool service_cookie_find(struct service_cookie_keys *keys, enum service_cookie_kind kind,
			 const struct http_request *request, uint64_t now_s,
			 bool (*wants)(void *arg, const struct service_cookie *cookie), void *arg);

/** A request's first cookie of ours, by either name. @return false: it is none that is valid. */
bool service_cookie_read(struct service_cookie_keys *keys, enum service_cookie_kind kind,
			 const struct http_request *request, uint64_t now_s,
			 struct service_cookie *cookie);

/**
 * A cookie that a response sets.
 * @param set  the value of its last Set-Cookie field
 * @return  false: it doesn't.
 */
bool service_cookie_of_response(const struct http_response *response, const char *name,
				struct http_text *set);

#endif
