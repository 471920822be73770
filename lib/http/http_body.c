/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_body.h"

/* http_body.state, of the chunked coding: what is awaited (RFC 9112 section 7.1). */
enum {
	CHUNK_SIZE,      /* first digit */
	CHUNK_DIGITS,    /* further digits */
	CHUNK_BLANK,     /* blanks in front of an extension's semicolon, or of the end */
	CHUNK_EXTENSION, /* to the line's end */
	CHUNK_LINE_FEED, /* of the size's line */
	CHUNK_PAYLOAD,
	CHUNK_END_CR, /* behind the payload */
	CHUNK_END_LF,
	TRAILER_BEGIN, /* of a line */
	TRAILER_LINE,  /* in it */
	TRAILER_LF,    /* of a line */
	TRAILER_LAST,  /* line feed of the empty line */
};

/* More could make a size beyond 2^63, which nobody sends. */
#define CHUNK_SIZE_MAX (UINT64_MAX >> 5)

struct http_body
http_request_body(const struct http_request *r)
{
	const struct http_head *h = &r->head;

	if (h->has_coding)
		return http_body_of(HTTP_BODY_CHUNKED, 0);
	return http_body_of(h->has_length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE, h->content_length);
}

struct http_body
http_response_body(const struct http_response *r, enum http_method method)
{
	const struct http_head *h = &r->head;

	if (method == HTTP_METHOD_HEAD || r->status < 200 || r->status == 204 || r->status == 304 ||
	    (method == HTTP_METHOD_CONNECT && r->status < 300))
		return http_body_of(HTTP_BODY_NONE, 0);
	if (h->has_coding) {
		struct http_body body = http_body_of(HTTP_BODY_CHUNKED, 0);

		body.blanks = true;
		return body;
	}
	if (h->has_length)
		return http_body_of(HTTP_BODY_LENGTH, h->content_length);
	return http_body_of(HTTP_BODY_UNTIL_CLOSE, 0);
}

/* -1: none. */
static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The size's line is over. */
static void
begin_payload(struct http_body *b)
{
	b->line = 0;
	b->state = b->left == 0 ? TRAILER_BEGIN : CHUNK_PAYLOAD;
}

/* A byte of the size's line. @return false: malformed. */
static bool
step_size(struct http_body *b, uint8_t c)
{
	int digit = hex_digit(c);

	if (++b->line > HTTP_CHUNK_LINE_MAX)
		return false;
	if (digit >= 0) {
		if (b->left > CHUNK_SIZE_MAX)
			return false;
		b->left = b->left << 4 | (uint64_t)digit;
		b->state = CHUNK_DIGITS;
		return true;
	}
	if (b->state == CHUNK_SIZE)
		return false;
	b->state = c == '\r'               ? CHUNK_LINE_FEED
		   : c == ';'              ? CHUNK_EXTENSION
		   : c == ' ' || c == '\t' ? CHUNK_BLANK
					   : CHUNK_SIZE;
	return b->state != CHUNK_SIZE;
}

/*
 * A byte of an extension: anything but a control character, which might end the line for somebody.
 * What it says is dropped (RFC 9112 section 7.1.1).
 */
static bool
step_extension(struct http_body *b, uint8_t c)
{
	if (++b->line > HTTP_CHUNK_LINE_MAX || ++b->extensions > HTTP_EXTENSIONS_MAX)
		return false;
	if (b->state == CHUNK_BLANK) {
		if (c == ';')
			b->state = CHUNK_EXTENSION;
		else if (c == '\r' && b->blanks)
			b->state = CHUNK_LINE_FEED;
		return c == ';' || c == ' ' || c == '\t' || b->state == CHUNK_LINE_FEED;
	}
	if (c == '\r')
		b->state = CHUNK_LINE_FEED;
	return c == '\r' || c == '\t' || (c >= ' ' && c != 0x7f);
}

/*
 * A byte of the trailer section.  Its lines are looked at when all are there; here it is about
 * their ends.
 */
static bool
step_trailer(struct http_body *b, uint8_t c)
{
	if (++b->line > HTTP_TRAILERS_LEN_MAX + 2)
		return false;
	switch (b->state) {
	case TRAILER_BEGIN:
		b->state = c == '\r' ? TRAILER_LAST : TRAILER_LINE;
		/* Neither an empty line by LF alone, nor a folded one. */
		return c == '\r' || (c > ' ' && c != 0x7f);
	case TRAILER_LINE:
		if (c == '\r')
			b->state = TRAILER_LF;
		return c == '\r' || c == '\t' || (c >= ' ' && c != 0x7f);
	case TRAILER_LF:
		b->state = TRAILER_BEGIN;
		return c == '\n';
	default:
		b->ended = c == '\n';
		return b->ended;
	}
}

static bool
step_byte(struct http_body *b, uint8_t c)
{
	switch (b->state) {
	case CHUNK_SIZE:
	case CHUNK_DIGITS:
		return step_size(b, c);
	case CHUNK_BLANK:
	case CHUNK_EXTENSION:
		return step_extension(b, c);
	case CHUNK_LINE_FEED:
		begin_payload(b);
		return c == '\n';
	case CHUNK_END_CR:
		b->state = CHUNK_END_LF;
		return c == '\r';
	case CHUNK_END_LF:
		b->state = CHUNK_SIZE;
		b->line = 0;
		return c == '\n';
	default:
		return step_trailer(b, c);
	}
}

/* Whether a byte belongs to a trailer's line, and not to the empty one. */
static bool
is_of_trailer(const struct http_body *b, uint8_t c)
{
	return b->state == TRAILER_LINE || b->state == TRAILER_LF ||
	       (b->state == TRAILER_BEGIN && c != '\r');
}

static struct http_body_step
next_chunked(struct http_body *b, const uint8_t *bytes, uint32_t len)
{
	struct http_body_step step = {0};
	uint32_t at = 0;

	while (at < len && !b->ended && b->state != CHUNK_PAYLOAD) {
		bool trailer = is_of_trailer(b, bytes[at]);

		if (!trailer && step.trailer > 0)
			return step; /* framing comes first in a step */
		if (!step_byte(b, bytes[at])) {
			step.bad = true;
			return step;
		}
		at++;
		step.trailer += trailer;
		step.skip += !trailer;
	}
	if (b->state != CHUNK_PAYLOAD || at == len)
		return step;
	step.payload = b->left < len - at ? (uint32_t)b->left : len - at;
	b->left -= step.payload;
	if (b->left == 0)
		b->state = CHUNK_END_CR;
	return step;
}

struct http_body_step
http_body_next(struct http_body *b, const uint8_t *bytes, uint32_t len)
{
	struct http_body_step step = {0};

	switch ((enum http_body_kind)b->kind) {
	case HTTP_BODY_LENGTH:
		step.payload = b->left < len ? (uint32_t)b->left : len;
		b->left -= step.payload;
		b->ended = b->left == 0;
		return step;
	case HTTP_BODY_UNTIL_CLOSE:
		step.payload = len;
		return step;
	case HTTP_BODY_CHUNKED:
		return next_chunked(b, bytes, len);
	default:
		step.bad = true;
		return step;
	}
}

uint32_t
http_chunk_head(uint8_t *to, uint64_t size)
{
	uint32_t digits = (uint32_t)(67 - __builtin_clzll(size | 1)) / 4;

	for (uint32_t i = 0; i < digits; i++)
		to[i] = (uint8_t) "0123456789abcdef"[size >> (digits - 1 - i) * 4 & 15];
	to[digits] = '\r';
	to[digits + 1] = '\n';
	return digits + 2;
}
