/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Field sections as they come (RFC 9113 section 8), checked field by field and written as the head
 * of a strict HTTP/1.1 message.
 *
 * Everything that HTTP/2 calls malformed, and whatever could be read in another way once it is
 * HTTP/1.1, makes the section malformed: nothing is repaired or left out.  Limits of size are
 * lib/http's: of a section that exceeds them so much is written that http_request_parse() or
 * http_response_parse() refuses it for the same reason.
 *
 * One of these is enough for a lcore: a section is decoded within one call.
 */
#ifndef HTTP2_HEAD_H
#define HTTP2_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

#define HTTP2_METHOD_MAX 64u /* bytes; longer ones are malformed */

/* Room in front of the fields, and for them: one may go beyond all limits, Cookie comes last. */
#define HTTP2_HEAD_FRONT  (HTTP_LINE_MAX + HTTP_FIELD_MAX + 256)
#define HTTP2_HEAD_FIELDS (HTTP_REQUEST_FIELDS_LEN_MAX + 3 * HTTP_FIELD_MAX + 1024)

enum http2_section { HTTP2_SECTION_REQUEST, HTTP2_SECTION_RESPONSE, HTTP2_SECTION_TRAILERS };

struct http2_head {
	uint8_t section; /* enum http2_section */
	bool malformed;
	bool full;    /* beyond the limits: the rest is not looked at */
	bool regular; /* fields that are no pseudo fields have begun */
	bool has_length;
	bool may_extend;   /* set by the caller: extended CONNECT is offered (RFC 8441) */
	uint8_t pseudo;    /* which have come */
	uint8_t method_id; /* enum http_method; response: of the request, set by the caller */
	uint16_t status;
	uint32_t fields_len, cookie_len;
	uint64_t content_length;
	/* Kept to be written in front: */
	uint8_t method[HTTP2_METHOD_MAX];
	uint32_t method_len;
	uint8_t path[HTTP_LINE_MAX + 1];
	uint32_t path_len;
	uint8_t authority[HTTP_FIELD_MAX + 1];
	uint32_t authority_len;
	uint8_t host[HTTP_FIELD_MAX + 1];
	uint32_t host_len;
	bool has_host;
	uint8_t cookie[HTTP_FIELD_MAX + 1];
	uint8_t bytes[HTTP2_HEAD_FRONT + HTTP2_HEAD_FIELDS];
};

/** How a message goes on behind its head. */
struct http2_framing {
	bool none;       /* no body may come */
	bool has_length; /* as many bytes as it says */
	bool chunked;
	bool interim; /* 1xx: another head follows */
	bool tunnel;  /* of a request: bytes both ways, if the answer is 101 */
	uint64_t length;
};

/** @param method_id  of the request that a response answers, else HTTP_METHOD_OTHER. */
void http2_head_begin(struct http2_head *head, enum http2_section section,
		      enum http_method method_id);

void http2_head_field(struct http2_head *head, struct http_text name, struct http_text value);

/**
 * The section is complete.
 * @param ended    END_STREAM: nothing follows
 * @param text     the head, with its empty line; of trailers the lines, with it
 * @return         false: malformed
 */
bool http2_head_finish(struct http2_head *head, bool ended, struct http_text *text,
		       struct http2_framing *framing);

#endif
