/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_cookie.h"

#include <string.h>

#include "http_put.h"

/* Controls become blanks when a field is written: they are taken for such when one is read. */
static bool
is_blank(uint8_t c)
{
	return c <= ' ' || c == 0x7f;
}

static struct http_text
trim(struct http_text t)
{
	while (t.len > 0 && is_blank(*t.at)) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && is_blank(t.at[t.len - 1]))
		t.len--;
	return t;
}

bool
http_cookie_piece(struct http_text *list, struct http_text *piece)
{
	const uint8_t *semicolon;

	if (list->len == 0)
		return false;
	semicolon = memchr(list->at, ';', list->len);
	*piece = *list;
	if (semicolon == NULL) {
		list->len = 0;
	} else {
		piece->len = (uint32_t)(semicolon - list->at);
		list->at = semicolon + 1;
		list->len -= piece->len + 1;
	}
	*piece = trim(*piece);
	return true;
}

bool
http_cookie_next(struct http_text *list, struct http_cookie *cookie)
{
	struct http_text piece;

	while (http_cookie_piece(list, &piece)) {
		const uint8_t *equals = piece.len == 0 ? NULL : memchr(piece.at, '=', piece.len);
		uint32_t n;

		if (equals == NULL)
			continue;
		n = (uint32_t)(equals - piece.at);
		cookie->name = trim((struct http_text){piece.at, n});
		cookie->value = trim((struct http_text){equals + 1, piece.len - n - 1});
		return true;
	}
	return false;
}

bool
http_cookie_search(struct http_cookie_search *s, struct http_text *value)
{
	const struct http_head *h = s->head;
	struct http_cookie cookie;

	if (!http_has(h, HTTP_COOKIE))
		return false;
	for (;;) {
		while (http_cookie_next(&s->list, &cookie)) {
			if (cookie.name.len == s->name.len &&
			    memcmp(cookie.name.at, s->name.at, s->name.len) == 0) {
				*value = cookie.value;
				return true;
			}
		}
		while (s->field < h->fields_n && h->fields[s->field].id != HTTP_COOKIE)
			s->field++;
		if (s->field == h->fields_n)
			return false;
		s->list = http_field_value(h, &h->fields[s->field++]);
	}
}

bool
http_cookie_find(const struct http_head *h, struct http_text name, struct http_text *value)
{
	struct http_cookie_search search = {.head = h, .name = name};

	return http_cookie_search(&search, value);
}

void
http_put_cookie(struct bytes_writer *w, struct http_text value)
{
	const uint32_t own = sizeof(HTTP_OWN_COOKIE) - 1;
	struct http_text piece;
	bool any = false;

	while (http_cookie_piece(&value, &piece)) {
		if (piece.len == 0 ||
		    (piece.len >= own && memcmp(piece.at, HTTP_OWN_COOKIE, own) == 0))
			continue;
		if (any)
			HTTP_PUT(w, "; ");
		else
			HTTP_PUT(w, "Cookie: ");
		http_put_value(w, piece);
		any = true;
	}
	if (any)
		HTTP_PUT(w, "\r\n");
}
