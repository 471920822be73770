/* SPDX-License-Identifier: BSD-3-Clause */
#include "clb_cookie.h"

#include <string.h>

#include "check.h"
#include "http_cookie.h"

/* What is being written; `failed`: the attribute doesn't fit, or must not be written. */
struct attributes {
	char *at, *end;
	bool failed;
};

static void
put(struct attributes *a, char c)
{
	if (a->at == a->end || (uint8_t)c < ' ' || c == 0x7f)
		a->failed = true;
	else
		*a->at++ = c;
}

static void
put_attribute(struct attributes *a, struct http_text text, bool is_path)
{
	put(a, ';');
	put(a, ' ');
	for (uint32_t i = 0; i < text.len; i++) {
		if (is_path && text.at[i] == '_') {
			put(a, '%');
			put(a, '5');
			put(a, 'F');
		} else {
			put(a, (char)text.at[i]);
		}
	}
}

static struct http_text
name_of(struct http_text attribute)
{
	const uint8_t *equals = memchr(attribute.at, '=', attribute.len);

	if (equals != NULL)
		attribute.len = (uint32_t)(equals - attribute.at);
	while (attribute.len > 0 && attribute.at[attribute.len - 1] == ' ')
		attribute.len--;
	return attribute;
}

static bool
is_copied(struct http_text name)
{
	static const char *const copied[] = {"path",     "port",    "domain",     "secure",
					     "httponly", "discard", "max-age",    "expires",
					     "version",  "comment", "commenturl", "samesite"};

	for (size_t i = 0; i < ARRAY_N(copied); i++) {
		if (http_text_is(name, copied[i]))
			return true;
	}
	return false;
}

void
clb_cookie_attributes(struct http_text set, char out[SERVICE_COOKIE_ATTRIBUTES_MAX])
{
	struct attributes a = {.at = out, .end = out + SERVICE_COOKIE_ATTRIBUTES_MAX - 1};
	struct http_text piece;

	if (!http_cookie_piece(&set, &piece)) { /* the cookie itself */
		*out = '\0';
		return;
	}
	while (http_cookie_piece(&set, &piece)) {
		struct http_text name = name_of(piece);
		char *before = a.at;

		if (!is_copied(name))
			continue;
		put_attribute(&a, piece, http_text_is(name, "path"));
		if (a.failed)
			a.at = before;
		a.failed = false;
	}
	*a.at = '\0';
}
