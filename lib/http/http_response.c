/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "http_field.h"

#define BEGIN     "HTTP/1."
#define BEGIN_LEN (sizeof(BEGIN) - 1)

void
http_response_init(struct http_response *r, struct http_field *fields, uint16_t fields_max)
{
	*r = (struct http_response){
		.head = {.fields = fields, .fields_max = fields_max, .is_response = true}};
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* HTTP/1.x SP status [SP reason], without the line end. @return false: it is none. */
static bool
read_status_line(struct http_response *r, const uint8_t *bytes, const uint8_t *p,
		 const uint8_t *end)
{
	if (end - p < 12 || memcmp(p, BEGIN, BEGIN_LEN) != 0 || !is_digit(p[7]) || p[8] != ' ' ||
	    !is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]))
		return false;
	if (end - p > 12 && p[12] != ' ')
		return false;
	r->head.version = p[7] == '0' ? 10 : 11;
	r->status = (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + p[11] - '0');
	if (r->status < 100 || r->status > 599)
		return false;
	p += end - p > 12 ? 13 : 12;
	r->reason = (struct http_range){(uint32_t)(p - bytes), (uint32_t)(end - p)};
	for (; p < end; p++) {
		if (*p == 0 || *p == '\r')
			return false;
	}
	return true;
}

static enum http_result
parse_line(struct http_response *r, const uint8_t *bytes, uint32_t len)
{
	struct http_head *h = &r->head;
	uint32_t n = len < BEGIN_LEN ? len : BEGIN_LEN;
	const uint8_t *lf;

	/* What can't be HTTP is not waited for. */
	if (memcmp(bytes, BEGIN, n) != 0)
		return http_refuse(h, HTTP_REASON_BAD_VERSION);
	lf = memchr(bytes + h->scanned, '\n', len - h->scanned);
	if (lf == NULL) {
		h->scanned = len;
		return len > HTTP_LINE_MAX + 2 ? http_refuse_by(h, HTTP_FAULT_LINE_LONG)
					       : HTTP_INCOMPLETE;
	}
	h->line_off = h->scanned = h->fields_off = (uint32_t)(lf + 1 - bytes);
	h->phase = HTTP_PHASE_FIELDS;
	if (lf > bytes && lf[-1] == '\r')
		lf--;
	if (lf - bytes > HTTP_LINE_MAX || !read_status_line(r, bytes, bytes, lf))
		return http_refuse(h, HTTP_REASON_BAD_HEADER);
	return HTTP_COMPLETE;
}

/* Codings and lengths that can't be (RFC 9112 section 6). */
static bool
framing_is_sound(struct http_response *r)
{
	struct http_head *h = &r->head;

	/* `identity` alone was a name for none until RFC 7230: the length counts, or the end. */
	if (h->has_coding && !h->chunked && !h->other_coding)
		h->has_coding = false;
	/* 1xx and 204 have no body, whatever they say. */
	if (!h->has_coding || r->status < 200 || r->status == 204)
		return true;
	return h->chunked && !h->other_coding && h->version > 10;
}

static __attribute__((noinline)) enum http_result
parse(struct http_response *r, const uint8_t *bytes, uint32_t len)
{
	struct http_head *h = &r->head;
	enum http_result result;

	if (h->phase == HTTP_PHASE_BEFORE) {
		result = parse_line(r, bytes, len);
		if (result != HTTP_COMPLETE)
			return result;
	}
	result = http_fields_parse(h, bytes, len);
	if (result == HTTP_COMPLETE && !framing_is_sound(r))
		return http_refuse(h, HTTP_REASON_BAD_TRANSFER_ENCODING);
	return result;
}

enum http_result
http_response_parse(struct http_response *r, const uint8_t *bytes, uint32_t len)
{
	r->head.bytes = bytes;
	/* The first bytes are looked at as they come. */
	if (r->head.scanned >= BEGIN_LEN && http_head_goes_on(&r->head, bytes, len))
		return HTTP_INCOMPLETE;
	return parse(r, bytes, len);
}
