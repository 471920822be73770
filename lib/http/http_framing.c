/* SPDX-License-Identifier: BSD-3-Clause */
/* Content-Length and Transfer-Encoding: values with one safe meaning, or none (RFC 9112 section 6).
 */
#include "http_field.h"

#define DIGITS_MAX 18 /* more could pass 2^63 */

/* @return  false: no decimal number that fits. */
static bool
read_number(struct http_text t, uint64_t *n)
{
	*n = 0;
	while (t.len > 1 && *t.at == '0') {
		t.at++;
		t.len--;
	}
	if (t.len == 0 || t.len > DIGITS_MAX)
		return false;
	for (uint32_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return false;
		*n = *n * 10 + (uint64_t)(t.at[i] - '0');
	}
	return true;
}

bool
http_read_content_length(struct http_head *h, struct http_text value)
{
	struct http_text list = value, element;
	uint32_t elements = 0;
	uint64_t n;

	/* A list of the same number means that number, though none should send one. */
	while (http_list_next(&list, &element)) {
		if (!read_number(element, &n)) {
			http_refuse(h, HTTP_REASON_BAD_CONTENT_LENGTH);
			return false;
		}
		if (h->has_length && n != h->content_length) {
			http_refuse(h, HTTP_REASON_MULTIPLE_CONTENT_LENGTH);
			return false;
		}
		if (h->has_length && elements == 0)
			http_found(h, HTTP_REASON_DUPLICATE_CONTENT_LENGTH);
		h->has_length = true;
		h->content_length = n;
		elements++;
	}
	if (elements == 0) {
		http_refuse(h, HTTP_REASON_BAD_CONTENT_LENGTH);
		return false;
	}
	/* `5,` and `,5` too. */
	if (element.len != value.len)
		http_found(h, HTTP_REASON_BAD_CONTENT_LENGTH);
	return true;
}

/* Empty elements are not skipped here: `,chunked` is none of our codings. */
static bool
is_sound_list(struct http_text t)
{
	bool empty = true;

	for (uint32_t i = 0; i < t.len; i++) {
		uint8_t c = t.at[i];

		if (c == ',' && empty)
			return false;
		if (c == ',')
			empty = true;
		else if (c != ' ' && c != '\t')
			empty = false;
	}
	return !empty;
}

bool
http_read_transfer_encoding(struct http_head *h, struct http_text value)
{
	struct http_text list = value, element;

	if (!is_sound_list(value)) {
		http_refuse(h, HTTP_REASON_BAD_TRANSFER_ENCODING);
		return false;
	}
	h->has_coding = true;
	while (http_list_next(&list, &element)) {
		bool chunked = http_text_is(element, "chunked");

		if (h->chunked) {
			http_refuse(h, chunked ? HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED
					       : HTTP_REASON_BAD_TRANSFER_ENCODING);
			return false;
		}
		if (chunked)
			h->chunked = true;
		else if (http_text_is(element, "identity"))
			http_found(h, HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS);
		else
			h->other_coding = true;
	}
	return true;
}
