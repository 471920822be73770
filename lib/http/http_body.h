/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a message's body ends (RFC 9112 section 6), found without touching its bytes.
 *
 * The caller offers bytes as they come and learns how many to skip and how many are payload: those
 * can be passed on by reference.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

#define HTTP_CHUNK_LINE_MAX 4096  /* size and extensions of a chunk */
#define HTTP_TRAILERS_MAX   16384 /* all trailer fields */

enum http_body_kind { HTTP_BODY_NONE, HTTP_BODY_LENGTH, HTTP_BODY_CHUNKED, HTTP_BODY_UNTIL_CLOSE };

struct http_body {
	uint8_t kind;  /* enum http_body_kind */
	uint8_t state; /* of the chunked coding */
	bool ended;
	uint32_t line; /* bytes of the chunk line or of trailers */
	uint64_t left; /* payload of the length or chunk */
};

struct http_body_step {
	uint32_t skip;    /* bytes of framing, first */
	uint32_t payload; /* then bytes of payload */
	bool bad;         /* the framing is malformed: nothing behind it can be trusted */
};

/** The body of a request that http_desync_classify() lets pass. */
struct http_body http_request_body(const struct http_request *request);

/**
 * The body of a response to a request.
 * @return  false: it declares what can't be.
 */
bool http_response_body(const struct http_response *response, bool to_head, struct http_body *body);

/** Account for what of [bytes, bytes + len) comes next; at least a byte unless bad or ended. */
struct http_body_step http_body_next(struct http_body *body, const uint8_t *bytes, uint32_t len);

#endif
