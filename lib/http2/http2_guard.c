/* SPDX-License-Identifier: BSD-3-Clause */
#include "http2_guard.h"

#include <string.h>

#include "bytes.h"
#include "check.h"

#define FLAG_END_STREAM  0x1
#define FLAG_ACK         0x1
#define FLAG_END_HEADERS 0x4
#define FLAG_PADDED      0x8

/*
 * What honest peers need: a browser that leaves a page cancels all its requests, and may do so a
 * few times; gRPC measures with a PING for every few messages; each DATA frame that is read brings
 * WINDOW_UPDATE of its stream and of the connection.
 */
static const struct {
	uint32_t burst, per_s;
	enum http2_end end;
} budgets[HTTP2_BUDGETS] = {
	[HTTP2_BUDGET_RESETS] = {512, 50, HTTP2_END_RESETS},
	[HTTP2_BUDGET_PINGS] = {128, 10, HTTP2_END_PINGS},
	[HTTP2_BUDGET_SETTINGS] = {32, 2, HTTP2_END_SETTINGS},
	[HTTP2_BUDGET_PRIORITIES] = {512, 50, HTTP2_END_PRIORITIES},
	[HTTP2_BUDGET_WINDOW_UPDATES] = {2048, 200, HTTP2_END_WINDOW_UPDATES},
	[HTTP2_BUDGET_EMPTY_FRAMES] = {128, 10, HTTP2_END_EMPTY_FRAMES},
	[HTTP2_BUDGET_UNKNOWN_FRAMES] = {128, 10, HTTP2_END_UNKNOWN_FRAMES},
};

struct frame_header {
	uint32_t len, stream;
	uint8_t type, flags;
};

void
http2_guard_init(struct http2_guard *g, bool server, uint32_t now_ms)
{
	*g = (struct http2_guard){
		.preface = server ? HTTP2_PREFACE_LEN : 0, .server = server, .last_ms = now_ms};
	for (uint32_t i = 0; i < HTTP2_BUDGETS; i++)
		g->tokens[i] = budgets[i].burst * 1000;
}

static void
add_tokens(struct http2_guard *g, uint32_t i, uint64_t thousandths)
{
	uint64_t tokens = g->tokens[i] + thousandths, most = budgets[i].burst * UINT64_C(1000);

	g->tokens[i] = (uint32_t)(tokens < most ? tokens : most);
}

void
http2_guard_tick(struct http2_guard *g, uint32_t now_ms)
{
	uint32_t ms = now_ms - g->last_ms;

	if (ms == 0)
		return;
	for (uint32_t i = 0; i < HTTP2_BUDGETS; i++)
		add_tokens(g, i, (uint64_t)ms * budgets[i].per_s);
	g->last_ms = now_ms;
}

void
http2_guard_earn(struct http2_guard *g, enum http2_budget budget, uint32_t n)
{
	add_tokens(g, budget, n * UINT64_C(1000));
}

static bool
end_with(struct http2_guard *g, enum http2_end end)
{
	if (g->end == HTTP2_END_NONE)
		g->end = (uint8_t)end;
	return false;
}

bool
http2_guard_spend(struct http2_guard *g, enum http2_budget budget)
{
	if (g->tokens[budget] < 1000)
		return end_with(g, budgets[budget].end);
	g->tokens[budget] -= 1000;
	return true;
}

static struct frame_header
read_header(const struct chain *in, uint32_t offset)
{
	uint8_t b[HTTP2_FRAME_HEADER];

	chain_copy_out(in, offset, b, sizeof(b));
	return (struct frame_header){
		.len = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2],
		.type = b[3],
		.flags = b[4],
		.stream = bytes_load_be32(b + 5) & 0x7fffffff,
	};
}

/* The peer has reset it: nothing more may come (RFC 9113 section 5.1). */
static bool
was_reset(const struct http2_guard *g, uint32_t stream)
{
	for (uint32_t i = 0; i < HTTP2_GUARD_RESETS; i++) {
		if (stream != 0 && g->resets[i] == stream)
			return true;
	}
	return false;
}

static bool
admit_reset(struct http2_guard *g, uint32_t stream)
{
	g->resets[g->resets_n++ % HTTP2_GUARD_RESETS] = stream;
	return http2_guard_spend(g, HTTP2_BUDGET_RESETS);
}

/* Identifiers go up; those that are left out are closed (section 5.1.1). */
static bool
admit_stream(struct http2_guard *g, uint32_t stream)
{
	if (was_reset(g, stream))
		return end_with(g, HTTP2_END_STREAM_CLOSED);
	if (!g->server)
		return true;
	if (stream >= g->gap_begin && stream <= g->gap)
		return end_with(g, HTTP2_END_PROTOCOL);
	if (stream <= g->last_stream)
		return true;
	if (stream > g->last_stream + 2) {
		g->gap_begin = g->last_stream + 1;
		g->gap = stream - 2;
	}
	g->last_stream = stream;
	return true;
}

/* A frame begins. @return false: the connection ends. */
static bool
admit(struct http2_guard *g, const struct frame_header *f)
{
	bool empty = f->len == 0;

	if (f->len > HTTP2_FRAME_MAX)
		return end_with(g, HTTP2_END_FRAME_SIZE);
	switch (f->type) {
	case HTTP2_FRAME_DATA:
		if (was_reset(g, f->stream))
			return end_with(g, HTTP2_END_STREAM_CLOSED);
		/* Of padding alone is as empty. */
		if ((f->flags & FLAG_PADDED) != 0)
			empty = f->len <= 256;
		return !empty || (f->flags & FLAG_END_STREAM) != 0 ||
		       http2_guard_spend(g, HTTP2_BUDGET_EMPTY_FRAMES);
	case HTTP2_FRAME_HEADERS:
		if (!admit_stream(g, f->stream))
			return false;
		return !empty || http2_guard_spend(g, HTTP2_BUDGET_EMPTY_FRAMES);
	case HTTP2_FRAME_CONTINUATION:
		return !empty || http2_guard_spend(g, HTTP2_BUDGET_EMPTY_FRAMES);
	case HTTP2_FRAME_PRIORITY:
		/* nghttp2 looks at none, as weir has announced. */
		if (f->stream == 0)
			return end_with(g, HTTP2_END_PROTOCOL);
		return http2_guard_spend(g, HTTP2_BUDGET_PRIORITIES);
	case HTTP2_FRAME_PRIORITY_UPDATE:
		return http2_guard_spend(g, HTTP2_BUDGET_PRIORITIES);
	case HTTP2_FRAME_RST_STREAM:
		return admit_reset(g, f->stream);
	case HTTP2_FRAME_SETTINGS:
		if (f->len > HTTP2_SETTINGS_MAX * 6)
			return end_with(g, HTTP2_END_SETTINGS);
		return http2_guard_spend(g, HTTP2_BUDGET_SETTINGS);
	case HTTP2_FRAME_PING:
		return http2_guard_spend(g, HTTP2_BUDGET_PINGS);
	case HTTP2_FRAME_WINDOW_UPDATE:
		return http2_guard_spend(g, HTTP2_BUDGET_WINDOW_UPDATES);
	case HTTP2_FRAME_PUSH_PROMISE: /* never allowed: nghttp2 says so */
		return true;
	default: /* GOAWAY too: one is enough */
		return http2_guard_spend(g, HTTP2_BUDGET_UNKNOWN_FRAMES);
	}
}

/*
 * Look for the end of the header block that `in` begins with; what was looked at is not looked at
 * again. @return  its length; 0: it is not all there, or the connection ends.
 */
static uint32_t
find_block(struct http2_guard *g, const struct chain *in)
{
	while (!g->block_ended && in->len >= g->block_len + HTTP2_FRAME_HEADER) {
		struct frame_header f = read_header(in, g->block_len);
		bool first = g->block_len == 0;

		/* RFC 9113 section 6.10: nothing may come between. */
		if (!first && (f.type != HTTP2_FRAME_CONTINUATION || f.stream != g->block_stream))
			return end_with(g, HTTP2_END_PROTOCOL);
		if (!first && ++g->block_frames > HTTP2_BLOCK_FRAMES)
			return end_with(g, HTTP2_END_CONTINUATIONS);
		if (!admit(g, &f))
			return 0;
		g->block_stream = f.stream;
		g->block_len += HTTP2_FRAME_HEADER + f.len;
		g->block_ended = (f.flags & FLAG_END_HEADERS) != 0;
		if (g->block_len > HTTP2_BLOCK_MAX)
			return end_with(g, HTTP2_END_HEADER_BLOCK);
	}
	if (!g->block_ended || in->len < g->block_len)
		return 0;
	g->left = g->block_len;
	g->is_block = true;
	g->block_len = 0;
	g->block_frames = 0;
	g->block_ended = false;
	return g->left;
}

/* The preface (RFC 9113 section 3.4). @return bytes that match. */
static uint32_t
match_preface(struct http2_guard *g, const struct chain *in)
{
	uint8_t b[HTTP2_PREFACE_LEN];
	uint32_t n = in->len < g->preface ? in->len : g->preface;

	chain_copy_out(in, 0, b, n);
	if (memcmp(b, &HTTP2_PREFACE[HTTP2_PREFACE_LEN - g->preface], n) != 0)
		return end_with(g, HTTP2_END_PREFACE);
	g->preface = (uint8_t)(g->preface - n);
	return n;
}

static uint32_t
begin_frame(struct http2_guard *g, const struct chain *in)
{
	struct frame_header f;

	g->data_len = 0;
	g->is_block = false;
	if (in->len < HTTP2_FRAME_HEADER)
		return 0;
	f = read_header(in, 0);
	if (f.type == HTTP2_FRAME_HEADERS || f.type == HTTP2_FRAME_PUSH_PROMISE)
		return find_block(g, in);
	if (!admit(g, &f))
		return 0;
	if (f.type == HTTP2_FRAME_DATA && (f.flags & FLAG_PADDED) == 0)
		g->data_len = f.len;
	g->left = HTTP2_FRAME_HEADER + f.len;
	return g->left;
}

uint32_t
http2_guard_next(struct http2_guard *g, const struct chain *in, uint32_t *skip)
{
	uint32_t n = g->left;

	*skip = 0;
	if (g->end != HTTP2_END_NONE || chain_is_empty(in))
		return 0;
	if (g->preface > 0) {
		*skip = match_preface(g, in);
		return 0;
	}
	if (n == 0)
		n = begin_frame(g, in);
	return n < in->len ? n : in->len;
}

void
http2_guard_passed(struct http2_guard *g, uint32_t len)
{
	CHECK(len <= g->left);
	g->left -= len;
}

enum http2_code
http2_guard_code(enum http2_end end)
{
	switch (end) {
	case HTTP2_END_PREFACE:
	case HTTP2_END_PROTOCOL:
		return HTTP2_PROTOCOL_ERROR;
	case HTTP2_END_STREAM_CLOSED:
		return HTTP2_STREAM_CLOSED;
	case HTTP2_END_FRAME_SIZE:
		return HTTP2_FRAME_SIZE_ERROR;
	default:
		return HTTP2_ENHANCE_YOUR_CALM;
	}
}
