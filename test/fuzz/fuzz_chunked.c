/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chunked body: in one piece or many, the decoder yields what a second one yields, and refuses
 * what that one refuses; what was collected as trailers is parsed or refused.
 *
 * Input: piece and whether a target sent it, then the body.
 */
#include <stdint.h>

#include "http_forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	uint8_t *payload, *trailers;
	uint32_t payload_len, trailers_len, at;
	bool bad, ended;
};

static struct outcome
decode(const uint8_t *bytes, uint32_t len, uint32_t piece, bool blanks)
{
	struct http_body body = http_body_of(HTTP_BODY_CHUNKED, 0);
	struct outcome o = {.payload = malloc(len + 1), .trailers = malloc(len + 1)};
	uint32_t have = 0;

	body.blanks = blanks;
	while (!body.ended && o.at < len) {
		struct http_body_step step;

		if (have == o.at)
			have = have + piece < len ? have + piece : len;
		step = http_body_next(&body, bytes + o.at, have - o.at);
		if (step.bad) {
			o.bad = true;
			return o;
		}
		o.at += step.skip;
		memcpy(o.payload + o.payload_len, bytes + o.at, step.payload);
		o.payload_len += step.payload;
		o.at += step.payload;
		memcpy(o.trailers + o.trailers_len, bytes + o.at, step.trailer);
		o.trailers_len += step.trailer;
		o.at += step.trailer;
	}
	o.ended = body.ended;
	return o;
}

/* What passes of trailers is no framing, and passes again as it is. */
static void
check_passed(const struct http_head *h)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	static uint8_t once[16384], twice[16384];
	struct bytes_writer w = bytes_writer(once, sizeof(once)),
			    w2 = bytes_writer(twice, sizeof(twice));
	struct http_head again;
	size_t len;

	http_trailers_write(&w, h);
	CHECK(!w.failed && w.at - once >= 2);
	len = (size_t)(w.at - once);
	CHECK(http_trailers_parse(&again, fields, HTTP_FIELDS_MAX, once, (uint32_t)len - 2));
	for (uint32_t i = 0; i < again.fields_n; i++)
		CHECK(fields[i].id != HTTP_CONTENT_LENGTH && fields[i].id != HTTP_HOST &&
		      fields[i].id != HTTP_TRANSFER_ENCODING && fields[i].id != HTTP_CONNECTION);
	http_trailers_write(&w2, &again);
	CHECK((size_t)(w2.at - twice) == len && memcmp(once, twice, len) == 0);
}

static void
check_trailers(const struct outcome *o)
{
	static struct http_field fields[HTTP_FIELDS_MAX];
	struct http_head h;
	uint8_t *exact = malloc(o->trailers_len + 1);

	memcpy(exact, o->trailers, o->trailers_len);
	if (http_trailers_parse(&h, fields, HTTP_FIELDS_MAX, exact, o->trailers_len))
		check_passed(&h);
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;
	struct twin_message *m;
	const char *at;
	bool blanks;
	int twin;
	uint32_t len;

	if (size < 1 || size > 8192) /* below all limits of length but that of a chunk's line */
		return 0;
	len = (uint32_t)size - 1;
	blanks = data[0] >= 0x80;
	whole = decode(data + 1, len, len + 1, blanks);
	cut = decode(data + 1, len, data[0] % 16 + 1, blanks);
	CHECK(whole.bad == cut.bad && whole.ended == cut.ended);
	if (!whole.bad) {
		CHECK(whole.at == cut.at && whole.payload_len == cut.payload_len);
		CHECK(memcmp(whole.payload, cut.payload, cut.payload_len) == 0);
		CHECK(whole.trailers_len == cut.trailers_len);
		CHECK(memcmp(whole.trailers, cut.trailers, cut.trailers_len) == 0);
	}
	m = calloc(1, sizeof(*m));
	m->body = malloc(size);
	at = (const char *)data + 1;
	twin = twin_chunked(m, &at, at + len, blanks);
	if (twin < 0)
		CHECK(whole.bad);
	if (whole.ended) {
		CHECK(twin == 1 && at == (const char *)data + 1 + whole.at);
		CHECK(m->body_len == whole.payload_len);
		CHECK(memcmp(m->body, whole.payload, m->body_len) == 0);
		check_trailers(&whole);
	}
	free(m->body);
	free(m);
	free(whole.payload);
	free(whole.trailers);
	free(cut.payload);
	free(cut.trailers);
	return 0;
}
