/* SPDX-License-Identifier: BSD-3-Clause */
/* Pieces of heads, written.  Within lib/http. */
#ifndef HTTP_PUT_H
#define HTTP_PUT_H

#include "bytes.h"
#include "http.h"
#include "http_write.h"

/* A constant string. */
#define HTTP_PUT(w, text) bytes_put(w, text, sizeof(text) - 1)

static inline void
http_put_text(struct bytes_writer *w, struct http_text t)
{
	bytes_put(w, t.at, t.len);
}

void http_put_string(struct bytes_writer *w, const char *s);
void http_put_number(struct bytes_writer *w, uint64_t n);

/** `name: value CR LF`. */
void http_put_line(struct bytes_writer *w, const char *name, struct http_text value);

void http_put_lines(struct bytes_writer *w, const struct http_line *lines, uint32_t n);
size_t http_lines_bound(const struct http_line *lines, uint32_t n);

/** Content-Length. */
void http_put_length(struct bytes_writer *w, uint64_t n);

/** A value, control characters replaced by blanks (RFC 9110 section 5.5). */
void http_put_value(struct bytes_writer *w, struct http_text value);

/** A field as it came, but for blanks around the value and control characters in it. */
void http_put_field(struct bytes_writer *w, const struct http_head *h, const struct http_field *f);

/** A target or path: what may not stand in one is percent-encoded. */
void http_put_target(struct bytes_writer *w, struct http_text target);

#endif
