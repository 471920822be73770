/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heads of HTTP/1.1 messages as field sections for nghttp2: what belongs to the connection is left
 * out, the first line becomes pseudo fields.  Nothing is copied: entries point into the head, names
 * in the case they have there, which nghttp2 lowers.
 */
#ifndef HTTP2_FIELDS_H
#define HTTP2_FIELDS_H

#include <nghttp2/nghttp2.h>

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

#define HTTP2_FIELDS_MAX (HTTP_FIELDS_MAX + 4u)

struct http2_fields {
	uint32_t n;
	uint8_t status[4]; /* text of :status */
	nghttp2_nv nv[HTTP2_FIELDS_MAX];
};

/** `https`: what :scheme says.  @return  false: no request that HTTP/2 could carry. */
bool http2_fields_of_request(struct http2_fields *fields, const struct http_request *r, bool https);

/** Also of an interim response. @return  false: 101, which HTTP/2 has not. */
bool http2_fields_of_response(struct http2_fields *fields, const struct http_response *r);

/** Those that pass of http_trailers_parse()'s. */
void http2_fields_of_trailers(struct http2_fields *fields, const struct http_head *h);

#endif
