/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_put.h"

#include <string.h>

#include "http_scan.h"

void
http_put_string(struct bytes_writer *w, const char *s)
{
	bytes_put(w, s, strlen(s));
}

void
http_put_number(struct bytes_writer *w, uint64_t n)
{
	uint8_t digits[20], *at = digits + sizeof(digits);

	do
		*--at = (uint8_t)('0' + n % 10);
	while ((n /= 10) != 0);
	bytes_put(w, at, (size_t)(digits + sizeof(digits) - at));
}

void
http_put_value(struct bytes_writer *w, struct http_text value)
{
	uint8_t *to = bytes_reserve(w, value.len);

	if (to == NULL)
		return;
	for (uint32_t i = 0; i < value.len; i++) {
		uint8_t c = value.at[i];

		to[i] = (c < ' ' && c != '\t') || c == 0x7f ? ' ' : c;
	}
}

void
http_put_line(struct bytes_writer *w, const char *name, struct http_text value)
{
	http_put_string(w, name);
	HTTP_PUT(w, ": ");
	http_put_text(w, value);
	HTTP_PUT(w, "\r\n");
}

void
http_put_lines(struct bytes_writer *w, const struct http_line *lines, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		http_put_text(w, lines[i].name);
		HTTP_PUT(w, ": ");
		http_put_text(w, lines[i].value);
		HTTP_PUT(w, "\r\n");
	}
}

size_t
http_lines_bound(const struct http_line *lines, uint32_t n)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += (size_t)lines[i].name.len + lines[i].value.len + 4;
	return bytes;
}

void
http_put_length(struct bytes_writer *w, uint64_t n)
{
	HTTP_PUT(w, "Content-Length: ");
	http_put_number(w, n);
	HTTP_PUT(w, "\r\n");
}

void
http_put_field(struct bytes_writer *w, const struct http_head *h, const struct http_field *f)
{
	if ((f->flags & HTTP_FIELD_CANONICAL) != 0) {
		bytes_put(w, h->bytes + f->off, (size_t)f->value_off + f->value_len + 2);
		return;
	}
	http_put_text(w, http_field_name(h, f));
	HTTP_PUT(w, ": ");
	http_put_value(w, http_field_value(h, f));
	HTTP_PUT(w, "\r\n");
}

void
http_put_target(struct bytes_writer *w, struct http_text target)
{
	for (uint32_t i = 0; i < target.len; i++) {
		uint8_t c = target.at[i];

		if (c > ' ' && c < 0x7f && c != '#') {
			bytes_put_u8(w, c);
		} else {
			bytes_put_u8(w, '%');
			bytes_put_u8(w, (uint8_t) "0123456789ABCDEF"[c >> 4]);
			bytes_put_u8(w, (uint8_t) "0123456789ABCDEF"[c & 15]);
		}
	}
}
