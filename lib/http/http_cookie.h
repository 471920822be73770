/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cookie fields (RFC 6265 section 4.2): read, and written without the load balancer's own cookies.
 */
#ifndef HTTP_COOKIE_H
#define HTTP_COOKIE_H

#include "bytes.h"
#include "http.h"

#define HTTP_OWN_COOKIE "AWSALB" /* what names of the load balancer's own cookies begin with */

struct http_cookie {
	struct http_text name, value; /* without blanks around them; quotes are part of a value */
};

/**
 * The next cookie of a Cookie field's value; `list` moves on.  Pieces without `=` are skipped.
 * @return  false: there is none.
 */
bool http_cookie_next(struct http_text *list, struct http_cookie *cookie);

/** The next piece between semicolons, without blanks around it; `list` moves on. @return false:
 * there is none. */
bool http_cookie_piece(struct http_text *list, struct http_text *piece);

/** Cookies of a name, names being case-sensitive, over all Cookie fields. */
struct http_cookie_search {
	const struct http_head *head; /* the caller's, as `name` */
	struct http_text name;
	uint32_t field;        /* behind that of `list`; 0 to begin */
	struct http_text list; /* what is left of a field; empty to begin */
};

/** The next one. @return false: there is none. */
bool http_cookie_search(struct http_cookie_search *search, struct http_text *value);

/** The first cookie of a name. @return false: none. */
bool http_cookie_find(const struct http_head *h, struct http_text name, struct http_text *value);

/** A Cookie field without the load balancer's own cookies; nothing when no other is left. */
void http_put_cookie(struct bytes_writer *w, struct http_text value);

#endif
