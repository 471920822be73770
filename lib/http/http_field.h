/* SPDX-License-Identifier: BSD-3-Clause */
/* The field section of a head.  Within lib/http. */
#ifndef HTTP_FIELD_H
#define HTTP_FIELD_H

#include "http.h"

_Static_assert(HTTP_LINE_MAX >= HTTP_FIELD_MAX, "http_head_goes_on() knows one limit");

/* http_head.phase */
#define HTTP_PHASE_BEFORE 0 /* the first line */
#define HTTP_PHASE_FIELDS 1
#define HTTP_PHASE_DONE   2

static inline void
http_found(struct http_head *h, enum http_reason reason)
{
	h->found |= 1u << reason;
}

static inline enum http_result
http_refuse_by(struct http_head *h, enum http_fault fault)
{
	h->fault = (uint8_t)fault;
	h->refusal = h->is_response ? 502 : http_fault_status(fault);
	return HTTP_INVALID;
}

/* What has no safe meaning. */
static inline enum http_result
http_refuse(struct http_head *h, enum http_reason reason)
{
	http_found(h, reason);
	return http_refuse_by(h, HTTP_FAULT_MALFORMED);
}

/* http_head.suspicious: which framing field a suspicious name resembles. */
#define HTTP_SUSPICIOUS_LENGTH 1
#define HTTP_SUSPICIOUS_CODING 2

/* Options of Connection, all together: beyond them a head is refused. */
#define HTTP_CONNECTION_OPTIONS_MAX 64

/*
 * Framing fields as they come, in http_framing.c. @return false: refused, the field has no safe
 * meaning.
 */
bool http_read_content_length(struct http_head *h, struct http_text value);
bool http_read_transfer_encoding(struct http_head *h, struct http_text value);

/** Whether names are one to CGI's and WSGI's readers: without regard to case, `_` being `-`. */
bool http_names_are_alike(const uint8_t *a, const void *b, size_t n);

static inline uint32_t
http_fields_len_max(const struct http_head *h)
{
	return h->is_response ? HTTP_RESPONSE_FIELDS_LEN_MAX
	       : h->is_own    ? HTTP_OWN_FIELDS_LEN_MAX
			      : HTTP_REQUEST_FIELDS_LEN_MAX;
}

/*
 * Whether a few new bytes end no line and pass no limit: the way of slow senders, in few
 * instructions. Nothing else is to be done then.
 */
static inline bool
http_head_goes_on(struct http_head *h, const uint8_t *bytes, uint32_t len)
{
	if (h->scanned <= h->line_off || len - h->scanned > 16 ||
	    len - h->line_off > HTTP_FIELD_MAX || len - h->fields_off > http_fields_len_max(h))
		return false;
	for (uint32_t i = h->scanned; i < len; i++) {
		if (bytes[i] == '\n')
			return false;
	}
	h->scanned = len;
	return true;
}

/**
 * Whether the line at line_off can be parsed: its line feed is there, or nothing of it was searched
 * for one yet.
 */
bool http_head_has_line(struct http_head *h, const uint8_t *bytes, uint32_t len);

/** Parse fields from line_off to the empty line. */
enum http_result http_fields_parse(struct http_head *h, const uint8_t *bytes, uint32_t len);

#endif
