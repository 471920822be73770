/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text for access logs: bytes outside 0x20-0x7e, `"` and `\` become `\xHH`, so that a line stays a
 * line and a quoted field one field, whatever a request carries.
 */
#ifndef HTTP_ESCAPE_H
#define HTTP_ESCAPE_H

#include "bytes.h"
#include "http.h"

/** At most 4 bytes for each. */
void http_put_escaped(struct bytes_writer *w, struct http_text t);

/**
 * Field 13 without its quotes: `GET http://host:80/path?query HTTP/1.1`, "-" for what is missing,
 * as it is with heads that were refused early.  At most 4 * (method, target, host) + 64 bytes.
 */
void http_put_request_log(struct bytes_writer *w, const struct http_request *r, bool https,
			  uint16_t port);

#endif
