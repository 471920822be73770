/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guard in front of nghttp2: reads the headers of frames, nothing else, and says how many bytes
 * may be looked at.
 *
 * - A frame that is longer than weir allows ends the connection before it is read.
 * - A header block, with all its CONTINUATION frames, passes when it is there whole, and is
 * bounded: nobody keeps half a decompression.
 * - Frames that cost work and carry none have budgets: so many at once, so many a second.  What is
 *   worth something (a request that was served, payload) earns some, so that a busy peer may say
 *   more than an idle one.
 *
 * Beside that it knows what nghttp2 forgets: streams that the peer itself has reset or left out.
 *
 * Bytes are only looked at; cut to any size they give the same answers.
 */
#ifndef HTTP2_GUARD_H
#define HTTP2_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "http2.h"

#define HTTP2_FRAME_HEADER 9u
#define HTTP2_FRAME_MAX    16384u /* RFC 9113's default, which weir announces none above */
#define HTTP2_BLOCK_MAX    98304u /* a header block with its frames' headers, compressed */
#define HTTP2_BLOCK_FRAMES 8u     /* CONTINUATION frames of it */
#define HTTP2_SETTINGS_MAX 32u    /* entries of a SETTINGS frame */
#define HTTP2_GUARD_RESETS 8u     /* streams remembered */
#define HTTP2_PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_LEN  (sizeof(HTTP2_PREFACE) - 1)

/* RFC 9113 section 6; RFC 9218 section 7.1 */
enum http2_frame {
	HTTP2_FRAME_DATA,
	HTTP2_FRAME_HEADERS,
	HTTP2_FRAME_PRIORITY,
	HTTP2_FRAME_RST_STREAM,
	HTTP2_FRAME_SETTINGS,
	HTTP2_FRAME_PUSH_PROMISE,
	HTTP2_FRAME_PING,
	HTTP2_FRAME_GOAWAY,
	HTTP2_FRAME_WINDOW_UPDATE,
	HTTP2_FRAME_CONTINUATION,
	HTTP2_FRAME_PRIORITY_UPDATE = 0x10,
};

enum http2_budget {
	HTTP2_BUDGET_RESETS, /* by the peer, and those that it made us send */
	HTTP2_BUDGET_PINGS,
	HTTP2_BUDGET_SETTINGS,
	HTTP2_BUDGET_PRIORITIES,
	HTTP2_BUDGET_WINDOW_UPDATES,
	HTTP2_BUDGET_EMPTY_FRAMES,
	HTTP2_BUDGET_UNKNOWN_FRAMES,
};
#define HTTP2_BUDGETS (HTTP2_BUDGET_UNKNOWN_FRAMES + 1)

struct http2_guard {
	uint32_t left;        /* bytes that may pass */
	uint32_t block_len;   /* of a header block, looked at so far */
	uint8_t block_frames; /* CONTINUATION frames of it */
	uint8_t preface;      /* bytes of it that are awaited */
	bool block_ended;     /* its last frame was looked at; it may not be there yet */
	uint8_t end;          /* enum http2_end: nothing passes any more */
	bool server;          /* streams are opened by the peer */
	bool is_block;        /* what passes is a header block, all of it */
	uint8_t resets_n;
	uint32_t block_stream;
	uint32_t last_stream; /* opened by the peer */
	uint32_t gap;         /* the highest it left out, 0: none; all from gap_begin on */
	uint32_t gap_begin;
	uint32_t resets[HTTP2_GUARD_RESETS]; /* streams that the peer reset last */
	uint32_t last_ms;
	uint32_t tokens[HTTP2_BUDGETS]; /* thousandths */
	uint32_t data_len; /* of the DATA frame that passes, without padding; 0: padded, or another
			    */
};

/** @param server  the peer is a client: it has to send the preface, and opens streams. */
void http2_guard_init(struct http2_guard *guard, bool server, uint32_t now_ms);

/** Time goes by: budgets fill up. */
void http2_guard_tick(struct http2_guard *guard, uint32_t now_ms);

/**
 * What to do with the first bytes of `in`: drop `*skip` of them, which belong to the preface, then
 * read as many as are returned, of one frame or header block.
 * @return  0 with 0 to skip: more must come, at most HTTP2_BLOCK_MAX bytes in all; or, when
 *          guard->end says why, the connection is to end.
 */
uint32_t http2_guard_next(struct http2_guard *guard, const struct chain *in, uint32_t *skip);

/** Bytes that http2_guard_next() allowed were read. */
void http2_guard_passed(struct http2_guard *guard, uint32_t len);

/** One unit of a budget is used. @return false: there is none left; guard->end says so. */
bool http2_guard_spend(struct http2_guard *guard, enum http2_budget budget);

/** Something useful happened: up to its limit, a budget has `n` more. */
void http2_guard_earn(struct http2_guard *guard, enum http2_budget budget, uint32_t n);

/** The code that says why to the peer. */
enum http2_code http2_guard_code(enum http2_end end);

#endif
