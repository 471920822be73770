/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages through lib/http as a proxy would pass them on, and what must hold of the outcome: for
 * the model test and the fuzz targets.  CHECK stops at the first thing that doesn't.
 */
#ifndef HTTP_FORWARD_H
#define HTTP_FORWARD_H

#include "check.h"
#include "http_body.h"
#include "http_twin.h"
#include "http_verdict.h"
#include "http_write.h"

#define FORWARD_MAX (4 * HTTP_HEAD_MAX + 65536)

static inline struct http_text
forward_text(const char *s)
{
	return (struct http_text){(const uint8_t *)s, (uint32_t)strlen(s)};
}

/* Parse pieces that end where `cuts` says, each in memory of its own size. */
static inline enum http_result
forward_parse_request(struct http_request *r, struct http_field *fields, const uint8_t *bytes,
		      uint32_t len, unsigned long long cuts, uint8_t **copy)
{
	enum http_result result = HTTP_INCOMPLETE;
	uint32_t have = 0;

	http_request_init(r, fields, HTTP_FIELDS_MAX);
	*copy = NULL;
	while (have < len && result == HTTP_INCOMPLETE) {
		cuts ^= cuts << 13;
		cuts ^= cuts >> 7;
		cuts ^= cuts << 17;
		have += 1 + (uint32_t)(cuts % 64 < 48 ? cuts >> 8 & 1 : cuts >> 8 & 63);
		have = have < len ? have : len;
		free(*copy);
		*copy = malloc(have);
		memcpy(*copy, bytes, have);
		result = http_request_parse(r, *copy, have);
	}
	return result;
}

static inline enum http_result
forward_parse_response(struct http_response *r, struct http_field *fields, const uint8_t *bytes,
		       uint32_t len, uint32_t piece, uint8_t **copy)
{
	enum http_result result = HTTP_INCOMPLETE;

	http_response_init(r, fields, HTTP_FIELDS_MAX);
	*copy = NULL;
	for (uint32_t have = 0; have < len && result == HTTP_INCOMPLETE;) {
		have = have + piece < len ? have + piece : len;
		free(*copy);
		*copy = malloc(have);
		memcpy(*copy, bytes, have);
		result = http_response_parse(r, *copy, have);
	}
	return result;
}

/* However a head is cut, the same comes out. */
static inline void
forward_check_same_head(const struct http_head *a, const struct http_head *b)
{
	CHECK(a->found == b->found && a->refusal == b->refusal && a->fields_n == b->fields_n);
	CHECK(a->version == b->version && a->len == b->len && a->present == b->present);
	CHECK(a->has_length == b->has_length && a->content_length == b->content_length);
	CHECK(a->chunked == b->chunked && a->connection == b->connection);
	CHECK(a->fields_n == 0 ||
	      memcmp(a->fields, b->fields, a->fields_n * sizeof(a->fields[0])) == 0);
}

/*
 * Pass a body on, in pieces; chunks are written anew.
 * @return  whether it is malformed.
 */
static inline bool
forward_body(struct http_body body, bool chunk, const uint8_t *bytes, uint32_t len, uint32_t piece,
	     struct bytes_writer *w)
{
	uint32_t at = 0, have = 0;

	while (!body.ended && at < len) {
		struct http_body_step step;
		uint8_t line[HTTP_CHUNK_HEAD_MAX];

		if (have == at)
			have = have + piece < len ? have + piece : len;
		step = http_body_next(&body, bytes + at, have - at);
		if (step.bad)
			return true;
		CHECK(step.skip + step.payload + step.trailer > 0);
		CHECK(step.skip + step.payload + step.trailer <= have - at);
		at += step.skip;
		if (step.payload > 0) {
			if (chunk)
				bytes_put(w, line, http_chunk_head(line, step.payload));
			bytes_put(w, bytes + at, step.payload);
			if (chunk)
				bytes_put(w, HTTP_CHUNK_END, 2);
		}
		at += step.payload + step.trailer;
	}
	if (body.ended && chunk)
		bytes_put(w, HTTP_LAST_CHUNK, 5);
	CHECK(!w->failed);
	return false;
}

/* A value as it is to be written. */
static inline bool
forward_same_value(struct http_text in, struct twin_text out)
{
	/* Blanks that were control characters may go at the ends. */
	while (in.len > 0 && (*in.at <= ' ' || *in.at == 0x7f)) {
		in.at++;
		in.len--;
	}
	while (in.len > 0 && (in.at[in.len - 1] <= ' ' || in.at[in.len - 1] == 0x7f))
		in.len--;
	if (in.len != out.len)
		return false;
	for (uint32_t i = 0; i < in.len; i++) {
		uint8_t c = in.at[i], want = (c < ' ' && c != '\t') || c == 0x7f ? ' ' : c;

		if (want != (uint8_t)out.at[i])
			return false;
	}
	return true;
}

/* All fields that weir has no say in come out, in order; nothing else but what it adds. */
static inline void
forward_check_fields(const struct http_head *h, const struct twin_message *m, uint32_t own)
{
	int k = 0;

	for (uint32_t i = 0; i < h->fields_n; i++) {
		const struct http_field *f = &h->fields[i];
		struct http_text name = http_field_name(h, f);

		if (f->id != HTTP_OTHER || (f->flags & (HTTP_FIELD_NEVER | HTTP_FIELD_NAMED)) != 0)
			continue;
		for (;; k++) {
			struct twin_text got = m->fields[k].name;
			struct http_text got_text = {(const uint8_t *)got.at, (uint32_t)got.len};

			CHECK(k < m->fields_n);
			if (http_name_of(got_text) == HTTP_OTHER)
				break;
		}
		CHECK(m->fields[k].name.len == name.len);
		CHECK(memcmp(m->fields[k].name.at, name.at, name.len) == 0);
		CHECK(forward_same_value(http_field_value(h, f), m->fields[k].value));
		k++;
	}
	for (; k < m->fields_n; k++) {
		struct http_text name = {(const uint8_t *)m->fields[k].name.at,
					 (uint32_t)m->fields[k].name.len};

		CHECK(http_name_of(name) != HTTP_OTHER);
	}
	(void)own;
}

/* A target, when decoding both sides gives the same bytes. */
static inline void
forward_check_target(const struct http_request *r, const struct twin_message *m)
{
	struct http_text in = http_text(&r->head, r->target);
	size_t k = 0;

	if (r->absolute) {
		in.at += r->path.off - r->target.off;
		in.len -= r->path.off - r->target.off;
		if (r->path.len == 0) {
			CHECK(*m->target.at == '/' || *m->target.at == '*');
			k = 1;
		}
	}
	for (uint32_t i = 0; i < in.len; i++) {
		char c = m->target.at[k];

		CHECK(k < m->target.len);
		if (in.at[i] > ' ' && in.at[i] < 0x7f && in.at[i] != '#') {
			CHECK((char)in.at[i] == c);
			k++;
		} else {
			char hex[3] = {m->target.at[k + 1], m->target.at[k + 2]};

			CHECK(c == '%' && strtoul(hex, NULL, 16) == in.at[i]);
			k += 3;
		}
	}
	CHECK(k == m->target.len);
}

#endif
