/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a target's response.  What the client gets is read by the second reader as the same
 * message: well-formed, framed once at most, without what ends at the target's connection.
 */
#include "check.h"
#include "http_twin.h"
#include "http_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_field table[HTTP_FIELDS_MAX], again_table[HTTP_FIELDS_MAX];
static struct twin_head in, out;

static void
check_message(const struct http_response *r, const struct http_response_edits *e)
{
	size_t framed = twin_count(&out, "content-length") + twin_count(&out, "transfer-encoding");
	size_t k = 0;

	CHECK(out.well_formed && memcmp(out.line.at, "HTTP/1.1 ", 9) == 0);
	CHECK(strtoul(out.line.at + 9, NULL, 10) == r->status);
	CHECK(framed <= 1 && twin_count(&out, "transfer-encoding") == e->chunked);
	CHECK(twin_count(&out, "te") + twin_count(&out, "trailer") +
		      twin_count(&out, "keep-alive") + twin_count(&out, "proxy-connection") ==
	      0);
	CHECK(twin_count(&out, "connection") <= 1);
	for (size_t i = 0; i < in.n; i++) {
		if (twin_ends_here(&in, in.names[i]))
			continue;
		CHECK(k < out.n && out.names[k].len == in.names[i].len &&
		      memcmp(out.names[k].at, in.names[i].at, in.names[i].len) == 0);
		CHECK(out.values[k].len == in.values[i].len &&
		      memcmp(out.values[k].at, in.values[i].at, in.values[i].len) == 0);
		k++;
	}
	for (; k < out.n; k++)
		CHECK(twin_ends_here(&out, out.names[k]));
}

static void
pass_on(const struct http_response *r, uint32_t len, struct http_response_edits *e, bool to_head)
{
	static const struct http_policy policy = {0};
	struct http_response again = {.fields.at = again_table};
	struct http_body body, same;
	struct bytes_writer w;
	size_t bound = http_response_bound(r, &policy, e);
	uint8_t *written;

	if (!http_response_body(r, to_head, &body))
		return;
	e->chunked = body.kind == HTTP_BODY_CHUNKED && e->client_version == 11;
	e->close = body.kind == HTTP_BODY_UNTIL_CLOSE;
	written = malloc(bound);
	w = bytes_writer(written, bound);
	http_response_write(&w, r, &policy, e);
	CHECK(!w.failed);
	twin_read(&out, written, (size_t)(w.at - written));
	check_message(r, e);
	/* It may have become too long for a response of ours. */
	if (http_response_parse(&again, written, (uint32_t)(w.at - written))) {
		CHECK(http_response_body(&again, to_head, &same));
		CHECK(same.kind == body.kind || !e->chunked);
		CHECK(same.left == body.left);
	} else {
		CHECK(len > HTTP_RESPONSE_HEAD_MAX / 4);
	}
	free(written);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_response r = {.fields.at = table};
	struct http_response_edits edits = {0};
	uint32_t scanned = 0, end;
	uint8_t *bytes;

	if (size < 1)
		return 0;
	edits.client_version = data[0] & 1 ? 11 : 10;
	size--;
	bytes = malloc(size + (size == 0));
	memcpy(bytes, data + 1, size);
	end = http_head_end(bytes, (uint32_t)size, &scanned);
	if (end != 0 && http_response_parse(&r, bytes, end)) {
		twin_read(&in, bytes, end);
		pass_on(&r, end, &edits, data[0] & 2);
	}
	free(bytes);
	return 0;
}
