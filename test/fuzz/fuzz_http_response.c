/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes of a target: however they are cut, the same head comes out; what a client gets of it is one
 * well-formed response to a second parser, with the same status, fields and body.
 *
 * Input: method and version of the client, piece, then bytes from the target.
 */
#include <stdint.h>

#include "http_forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_forwarded(const struct http_response *r, const uint8_t *bytes, uint32_t len, uint8_t flags,
		uint32_t piece)
{
	static uint8_t out[FORWARD_MAX];
	static struct twin_message m;
	static const struct http_policy policy;
	enum http_method method = (flags & 1) != 0 ? HTTP_METHOD_HEAD : HTTP_METHOD_GET;
	uint8_t version = (flags & 2) != 0 ? 10 : 11;
	struct http_response_plan plan = http_response_plan(r, method, version);
	struct http_response_edits edits = {.out = plan.out,
					    .client_version = version,
					    .close = plan.close || (flags & 4) != 0,
					    .upgrade = r->status == 101};
	struct bytes_writer w = bytes_writer(out, http_response_bound(r, &policy, &edits));
	bool bad;

	http_response_write(&w, r, &policy, &edits);
	CHECK(!w.failed);
	w = bytes_writer(w.at, (size_t)(out + sizeof(out) - w.at));
	bad = forward_body(plan.body, plan.out == HTTP_BODY_CHUNKED, bytes, len, piece, &w);
	CHECK(twin_response(&m, (const char *)out, (size_t)(w.at - out),
			    method == HTTP_METHOD_HEAD));
	CHECK(m.status == r->status);
	forward_check_fields(&r->head, &m, 0);
	if (m.complete)
		CHECK(m.len == (size_t)(w.at - out) && !bad);
	free(m.body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_field fields[2][HTTP_FIELDS_MAX];
	struct http_response whole, cut;
	enum http_result result;
	uint8_t *exact, *copy;
	uint32_t len;

	if (size < 3)
		return 0;
	len = (uint32_t)(size - 2);
	exact = malloc(len);
	memcpy(exact, data + 2, len);
	http_response_init(&whole, fields[0], HTTP_FIELDS_MAX);
	result = http_response_parse(&whole, exact, len);
	CHECK(forward_parse_response(&cut, fields[1], exact, len, data[1] % 7 + 1, &copy) ==
	      result);
	if (result != HTTP_INCOMPLETE)
		forward_check_same_head(&whole.head, &cut.head);
	if (result == HTTP_COMPLETE)
		check_forwarded(&whole, exact + whole.head.len, len - whole.head.len, data[0],
				data[1] + 1u);
	free(copy);
	free(exact);
	return 0;
}
