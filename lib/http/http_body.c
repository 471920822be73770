/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_body.h"

enum chunk_state {
	CHUNK_SIZE,      /* before the first digit */
	CHUNK_DIGITS,    /* at least one has come */
	CHUNK_BLANK,     /* blanks behind them: an extension follows, or the line's end */
	CHUNK_EXTENSION, /* ignored until the line ends */
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER_START, /* of a line: an empty one ends the body */
	CHUNK_TRAILER,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
};

static struct http_body
body_of(enum http_body_kind kind, uint64_t length)
{
	return (struct http_body){.kind = (uint8_t)kind,
				  .left = length,
				  .ended = kind == HTTP_BODY_NONE ||
					   (kind == HTTP_BODY_LENGTH && length == 0)};
}

struct http_body
http_request_body(const struct http_request *r)
{
	const struct http_framing *f = &r->fields.framing;

	if (f->chunked)
		return body_of(HTTP_BODY_CHUNKED, 0);
	return body_of(f->has_length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE, f->length);
}

bool
http_response_body(const struct http_response *r, bool to_head, struct http_body *body)
{
	const struct http_framing *f = &r->fields.framing;

	*body = body_of(HTTP_BODY_NONE, 0);
	if (f->length_invalid || f->lengths_differ || f->coding_invalid || f->codings_repeat ||
	    f->other_coding || (f->has_length && f->has_coding && f->chunked))
		return false;
	if (to_head || r->status < 200 || r->status == 204 || r->status == 304)
		return true;
	if (f->chunked)
		*body = body_of(HTTP_BODY_CHUNKED, 0);
	else if (f->has_length)
		*body = body_of(HTTP_BODY_LENGTH, f->length);
	else
		*body = body_of(HTTP_BODY_UNTIL_CLOSE, 0);
	return true;
}

static int
digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What ends the digits of a chunk's size. */
static bool
take_behind_size(struct http_body *b, uint8_t c)
{
	if (c == '\r')
		b->state = CHUNK_SIZE_LF;
	else if (c == ';')
		b->state = CHUNK_EXTENSION;
	else if (c == ' ' || c == '\t')
		b->state = CHUNK_BLANK;
	else
		return false;
	return true;
}

/* One byte of framing. @return false: malformed. */
static bool
take_byte(struct http_body *b, uint8_t c)
{
	int digit;

	switch ((enum chunk_state)b->state) {
	case CHUNK_SIZE:
	case CHUNK_DIGITS:
		digit = digit_of(c);
		if (digit >= 0) {
			if (b->left >> 59 != 0)
				return false;
			b->left = b->left << 4 | (uint64_t)digit;
			b->state = CHUNK_DIGITS;
			return ++b->line <= HTTP_CHUNK_LINE_MAX;
		}
		if (b->state == CHUNK_SIZE)
			return false;
		return take_behind_size(b, c);
	case CHUNK_BLANK:
		return ++b->line <= HTTP_CHUNK_LINE_MAX && take_behind_size(b, c);
	case CHUNK_EXTENSION:
		if (c == '\r')
			b->state = CHUNK_SIZE_LF;
		else if ((c < ' ' && c != '\t') || c == 127)
			return false;
		return ++b->line <= HTTP_CHUNK_LINE_MAX;
	case CHUNK_SIZE_LF:
		b->line = 0;
		b->state = b->left > 0 ? CHUNK_DATA : CHUNK_TRAILER_START;
		return c == '\n';
	case CHUNK_DATA_CR:
		b->state = CHUNK_DATA_LF;
		return c == '\r';
	case CHUNK_DATA_LF:
		b->state = CHUNK_SIZE;
		return c == '\n';
	case CHUNK_TRAILER_START:
		if (c == '\r') {
			b->state = CHUNK_END_LF;
			return true;
		}
		b->state = CHUNK_TRAILER;
		return c > ' ' && c != 127 && ++b->line <= HTTP_TRAILERS_MAX;
	case CHUNK_TRAILER:
		if (c == '\r')
			b->state = CHUNK_TRAILER_LF;
		else if ((c < ' ' && c != '\t') || c == 127)
			return false;
		return ++b->line <= HTTP_TRAILERS_MAX;
	case CHUNK_TRAILER_LF:
		b->state = CHUNK_TRAILER_START;
		return c == '\n';
	case CHUNK_END_LF:
		b->ended = c == '\n';
		return b->ended;
	case CHUNK_DATA:
		break;
	}
	return false;
}

static struct http_body_step
next_chunked(struct http_body *b, const uint8_t *bytes, uint32_t len)
{
	struct http_body_step step = {0};

	while (step.skip < len && b->state != CHUNK_DATA && !b->ended) {
		if (!take_byte(b, bytes[step.skip])) {
			step.bad = true;
			return step;
		}
		step.skip++;
	}
	if (b->state != CHUNK_DATA || b->ended)
		return step;
	step.payload = len - step.skip < b->left ? len - step.skip : (uint32_t)b->left;
	b->left -= step.payload;
	if (b->left == 0)
		b->state = CHUNK_DATA_CR;
	return step;
}

struct http_body_step
http_body_next(struct http_body *b, const uint8_t *bytes, uint32_t len)
{
	struct http_body_step step = {.payload = len};

	if (b->ended)
		return (struct http_body_step){0};
	if (b->kind == HTTP_BODY_CHUNKED)
		return next_chunked(b, bytes, len);
	if (b->kind == HTTP_BODY_LENGTH) {
		if (step.payload > b->left)
			step.payload = (uint32_t)b->left;
		b->left -= step.payload;
		b->ended = b->left == 0;
	}
	return step;
}
