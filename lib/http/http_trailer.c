/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"
#include "http_body.h"
#include "http_field.h"
#include "http_put.h"

/* RFC 9110 section 6.5.1: what a reader must know before the content can't come behind it. */
static bool
is_forbidden(const struct http_head *h, const struct http_field *f)
{
	static const char *const names[] = {
		"age",
		"authorization",
		"cache-control",
		"content-encoding",
		"content-range",
		"expires",
		"if-match",
		"if-modified-since",
		"if-none-match",
		"if-range",
		"if-unmodified-since",
		"max-forwards",
		"pragma",
		"range",
		"retry-after",
		"vary",
		"www-authenticate",
	};

	if (f->id != HTTP_OTHER)
		return f->id != HTTP_SERVER && f->id != HTTP_USER_AGENT;
	for (size_t i = 0; i < ARRAY_N(names); i++) {
		if (http_text_is(http_field_name(h, f), names[i]))
			return true;
	}
	return false;
}

bool
http_trailers_parse(struct http_head *h, struct http_field *fields, uint16_t fields_max,
		    const uint8_t *bytes, uint32_t len)
{
	/* As strict as with targets: nothing odd passes. */
	*h = (struct http_head){
		.bytes = bytes, .fields = fields, .fields_max = fields_max, .is_response = true};
	/* No empty line: all lines are parsed when it is all that is missing. */
	if (http_fields_parse(h, bytes, len) != HTTP_INCOMPLETE || h->line_off != len)
		return false;
	for (uint32_t i = 0; i < h->fields_n; i++) {
		if ((fields[i].flags & HTTP_FIELD_CONTROL) != 0)
			return false;
		if (is_forbidden(h, &fields[i]))
			fields[i].flags |= HTTP_FIELD_NEVER;
	}
	return true;
}

void
http_trailers_write(struct bytes_writer *w, const struct http_head *h)
{
	for (uint32_t i = 0; i < h->fields_n; i++) {
		if ((h->fields[i].flags & HTTP_FIELD_NEVER) == 0)
			http_put_field(w, h, &h->fields[i]);
	}
	HTTP_PUT(w, "\r\n");
}
