/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts, lists and fields for who reads heads. */
#include <string.h>

#include "http.h"
#include "http_scan.h"

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool
http_text_same(struct http_text a, struct http_text b)
{
	if (a.len != b.len)
		return false;
	for (uint32_t i = 0; i < a.len; i++) {
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	}
	return true;
}

bool
http_text_is(struct http_text text, const char *lower_case)
{
	return http_text_same(text, (struct http_text){(const uint8_t *)lower_case,
						       (uint32_t)strlen(lower_case)});
}

bool
http_token_is_valid(struct http_text token)
{
	return token.len > 0 &&
	       (http_common_classes(token.at, token.at + token.len) & HTTP_TOKEN) != 0;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

bool
http_value_is_valid(struct http_text value)
{
	const uint8_t *p = value.at, *end = p + value.len;
	uint32_t high = 0;

	if (p == end)
		return true;
	if (is_blank(*p) || is_blank(end[-1]))
		return false;
	for (;;) {
		p = http_scan_value(value.at, p, end, &high);
		if (p == end)
			return true;
		if (*p != '\t')
			return false;
		p++;
	}
}

bool
http_list_next(struct http_text *list, struct http_text *element)
{
	while (list->len > 0) {
		const uint8_t *end = list->at + list->len;
		const uint8_t *comma = memchr(list->at, ',', list->len);
		const uint8_t *p = list->at, *e = comma == NULL ? end : comma;

		list->at = comma == NULL ? end : comma + 1;
		list->len = (uint32_t)(end - list->at);
		while (p < e && (*p == ' ' || *p == '\t'))
			p++;
		while (p < e && (e[-1] == ' ' || e[-1] == '\t'))
			e--;
		if (p < e) {
			*element = (struct http_text){p, (uint32_t)(e - p)};
			return true;
		}
	}
	return false;
}

const struct http_field *
http_find(const struct http_head *h, enum http_name id)
{
	if (!http_has(h, id))
		return NULL;
	for (uint32_t i = 0; i < h->fields_n; i++) {
		if (h->fields[i].id == id)
			return &h->fields[i];
	}
	return NULL;
}

bool
http_wait_is_over(struct http_wait *wait, const uint8_t *bytes, uint32_t len)
{
	uint32_t at = wait->scanned > 2 ? wait->scanned - 2 : 0;
	bool over = len / 2 >= wait->parsed;
	const uint8_t *lf;

	while (!over && (lf = memchr(bytes + at, '\n', len - at)) != NULL) {
		at = (uint32_t)(lf + 1 - bytes);
		over = !wait->line || (at < len && bytes[at] == '\n') ||
		       (at + 1 < len && bytes[at] == '\r' && bytes[at + 1] == '\n');
		wait->line = true;
	}
	wait->scanned = len;
	if (over) {
		wait->parsed = len;
		wait->line |= memchr(bytes, '\n', len) != NULL;
	}
	return over;
}
