/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of a client: however they are cut, the same head comes out; what weir forwards of it is one
 * well-formed request to a second parser, with the same method, target, fields and body; weir
 * itself finds nothing odd about it but what was odd about its framing.
 *
 * Input: policy, seed of the cuts, piece of the body, then bytes from the client.
 */
#include <stdint.h>

#include "check.h"
#include "http_cookie.h"
#include "http_forward.h"
#include "log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Matters of meaning, not of form. */
#define SEMANTIC                                                   \
	(1u << HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH |          \
	 1u << HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS |    \
	 1u << HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS | \
	 1u << HTTP_REASON_NON_COMPLIANT_HEADER)

static void
check_forwarded(const struct http_request *r, const uint8_t *bytes, uint32_t len, uint8_t flags,
		uint32_t piece)
{
	static uint8_t out[FORWARD_MAX];
	static struct twin_message m;
	static struct http_field again_fields[HTTP_FIELDS_MAX];
	struct http_policy policy = {
		.xff_mode = flags % 3,
		.xff_client_port = (flags & 4) != 0,
		.preserve_host_header = (flags & 16) != 0,
		.port = (flags & 32) != 0 ? 8080 : 80,
		.default_host = forward_text("lb.example"),
	};
	struct http_request_edits edits = {.client = forward_text("2001:db8::1"),
					   .client_port = 999,
					   .upgrade = http_request_upgrades(r),
					   .close = (flags & 64) != 0};
	size_t bound = http_request_bound(r, &policy, &edits);
	struct bytes_writer w = bytes_writer(out, bound);
	struct http_body body = http_request_body(r);
	struct http_request again;
	bool bad;
	size_t head_len;

	http_request_write(&w, r, &policy, &edits);
	CHECK(!w.failed);
	head_len = (size_t)(w.at - out);
	http_request_init(&again, again_fields, HTTP_FIELDS_MAX);
	/* Forwarding can make a head too long only for another weir: X-Forwarded-For grows. */
	if (http_request_parse(&again, out, (uint32_t)head_len) == HTTP_COMPLETE) {
		CHECK((again.head.found & ~SEMANTIC) == 0 && again.head.len == head_len);
		CHECK(http_request_body(&again).kind == body.kind);
	} else {
		CHECK(again.head.refusal != 0 && again.head.found == 0);
	}
	w = bytes_writer(w.at, (size_t)(out + sizeof(out) - w.at));
	bad = forward_body(body, body.kind == HTTP_BODY_CHUNKED, bytes, len, piece, &w);
	CHECK(twin_request(&m, (const char *)out, (size_t)(w.at - out)));
	CHECK(m.method.len == r->method.len);
	CHECK(memcmp(m.method.at, r->head.bytes + r->method.off, m.method.len) == 0);
	forward_check_target(r, &m);
	forward_check_fields(&r->head, &m, 0);
	if (m.complete)
		CHECK(m.len == (size_t)(w.at - out) && !bad);
	free(m.body);
}

/* What else reads a head: nothing here may leave its bounds, nor a log line its line. */
static void
check_readers(const struct http_request *r)
{
	static uint8_t out[FORWARD_MAX];
	static const uint8_t random[12];
	struct http_policy policy = {.port = 80, .drop_invalid_header_fields = true};
	struct http_request_edits edits = {.client = forward_text("::1"), .drop_own_cookies = true};
	uint8_t id[HTTP_TRACE_ID_MAX];
	static struct http_field again_fields[HTTP_FIELDS_MAX];
	struct http_request again;
	struct http_text value;
	struct http_text logged[] = {http_text(&r->head, r->method), http_text(&r->head, r->target),
				     http_text(&r->head, r->host)};
	struct bytes_writer w;
	struct log_line line =
		log_line((char *)out, 4 * (size_t)(r->method.len + r->target.len + r->host.len));

	for (size_t i = 0; i < ARRAY_N(logged); i++)
		log_put_escaped(&line, (const char *)logged[i].at, logged[i].len);
	CHECK(!line.failed);
	for (const char *p = line.begin; p < line.at; p++)
		CHECK(*p >= 0x20 && *p <= 0x7e && *p != '"');
	edits.trace_id = (struct http_text){id, http_trace_id(id, &r->head, 1, random)};
	CHECK(edits.trace_id.len <= sizeof(id));
	w = bytes_writer(out, http_request_bound(r, &policy, &edits));
	http_request_write(&w, r, &policy, &edits);
	CHECK(!w.failed);
	http_request_init(&again, again_fields, HTTP_FIELDS_MAX);
	if (http_request_parse(&again, out, (uint32_t)(w.at - out)) == HTTP_COMPLETE)
		CHECK(!http_cookie_find(&again.head, forward_text("AWSALB"), &value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_field fields[2][HTTP_FIELDS_MAX];
	struct http_request whole, cut;
	enum http_result result, cut_result;
	uint8_t *exact, *copy;
	uint32_t len;

	if (size < 4)
		return 0;
	len = (uint32_t)(size - 3);
	exact = malloc(len);
	memcpy(exact, data + 3, len);
	http_request_init(&whole, fields[0], HTTP_FIELDS_MAX);
	result = http_request_parse(&whole, exact, len);
	cut_result = forward_parse_request(&cut, fields[1], exact, len, data[1] + 1ull, &copy);
	CHECK(cut_result == result);
	if (result != HTTP_INCOMPLETE)
		forward_check_same_head(&whole.head, &cut.head);
	for (int mode = 0; mode < HTTP_DESYNC_MODES && result != HTTP_INCOMPLETE; mode++) {
		struct http_verdict v = http_verdict(&whole, (enum http_desync_mode)mode);

		CHECK(result == HTTP_COMPLETE || v.status >= 400);
		CHECK(v.status == 0 || v.close);
		if (v.status == 0)
			check_forwarded(&whole, exact + whole.head.len, len - whole.head.len,
					data[0], data[2] + 1u);
	}
	if (result == HTTP_COMPLETE)
		check_readers(&whole);
	free(copy);
	free(exact);
	return 0;
}
