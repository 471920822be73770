/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a message's body ends (RFC 9112 sections 6 and 7), found without touching its payload.
 *
 * The caller offers bytes as they come, in pieces of any size, and learns how many to skip and how
 * many behind those are payload: these can be passed on by reference.  Chunks are written anew,
 * never passed on: extensions are dropped, sizes are weir's own.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "http.h"

#define HTTP_CHUNK_LINE_MAX   1024  /* size and extensions of a chunk */
#define HTTP_EXTENSIONS_MAX   16384 /* all extensions of a body */
#define HTTP_TRAILERS_LEN_MAX 16384 /* all trailer fields, with line ends */

enum http_body_kind { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };

struct http_body {
	uint64_t left;       /* payload of the length or chunk that is to come */
	uint32_t line;       /* bytes of the chunk line, or of all trailers */
	uint16_t extensions; /* bytes so far */
	uint8_t kind;        /* enum http_body_kind */
	uint8_t state;
	bool blanks; /* may stand behind a chunk's size, as some servers put them */
	bool ended;
};

/** What comes next of the bytes offered: first `skip`, then `payload`, then `trailer`. */
struct http_body_step {
	uint32_t skip;    /* framing */
	uint32_t payload; /* passed on */
	uint32_t trailer; /* of the trailer section, with its line ends; http_trailers_parse() */
	bool bad;         /* the framing is malformed: nothing can be trusted from there on */
};

static inline struct http_body
http_body_of(enum http_body_kind kind, uint64_t length)
{
	bool none = kind == HTTP_BODY_NONE || (kind == HTTP_BODY_LENGTH && length == 0);

	return (struct http_body){.kind = none ? HTTP_BODY_NONE : (uint8_t)kind,
				  .left = kind == HTTP_BODY_LENGTH ? length : 0,
				  .ended = none};
}

/** The body of a complete request (RFC 9112 section 6.3): Transfer-Encoding wins. */
struct http_body http_request_body(const struct http_request *r);

/**
 * The body of a complete response to a request of a method.  A 101 or a 2xx to CONNECT has none;
 * what follows is no HTTP.  Blanks that fill up the line of a chunk's size, which can't be misread,
 * are taken from targets, not from clients.
 */
struct http_body http_response_body(const struct http_response *r, enum http_method method);

/**
 * Account for what of [bytes, bytes + len) comes next, len > 0 and the body not ended.
 * @return  a step with at least one byte, or bad.  Bytes behind an ended body are not looked at.
 */
struct http_body_step http_body_next(struct http_body *body, const uint8_t *bytes, uint32_t len);

/**
 * The connection ended.
 * @return  whether the body was all there: otherwise the message is incomplete.
 */
static inline bool
http_body_close(struct http_body *body)
{
	if (body->kind == HTTP_BODY_UNTIL_CLOSE)
		body->ended = true;
	return body->ended;
}

/**
 * Parse the bytes of a trailer section, collected from http_body_step.trailer, up to its empty
 * line, which is not among them.  `fields` has room for `fields_max`; those that no trailer may
 * have (framing, routing, authentication, Set-Cookie and the like; RFC 9110 section 6.5.1) are
 * marked HTTP_FIELD_NEVER.
 * @return  false: malformed.
 */
bool http_trailers_parse(struct http_head *h, struct http_field *fields, uint16_t fields_max,
			 const uint8_t *bytes, uint32_t len);

/* Writing chunks. */

#define HTTP_CHUNK_HEAD_MAX 18 /* 16 digits, CR LF */

/** The line in front of `size` > 0 bytes of payload; CR LF goes behind them. @return its length. */
uint32_t http_chunk_head(uint8_t *to, uint64_t size);

#define HTTP_CHUNK_END  "\r\n"
#define HTTP_LAST_CHUNK "0\r\n\r\n" /* without trailers */

/** Trailers behind the last chunk's line `0 CR LF`, with the empty line; parsed ones that pass,
 * anew. */
void http_trailers_write(struct bytes_writer *w, const struct http_head *h);

#endif
