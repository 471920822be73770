/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a request's head.  The first two bytes choose a policy.  What is forwarded is read
 * by the second reader as the same message, well-formed, with one framing field at most and no
 * field that ends at the client's connection; and byte by byte the head ends where it does in one
 * piece.
 */
#include "check.h"
#include "http_twin.h"
#include "http_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_field table[HTTP_FIELDS_MAX], again_table[HTTP_FIELDS_MAX];
static struct twin_head in, out;

static uint32_t
head_end(const uint8_t *bytes, uint32_t len)
{
	uint32_t scanned = 0, slow = 0;
	uint32_t end = http_head_end(bytes, len, &scanned);

	scanned = 0;
	for (uint32_t n = 0; n <= len && slow == 0; n++)
		slow = http_head_end(bytes, n, &scanned);
	CHECK(slow == end && end <= len);
	return end;
}

/* What the writer decides about a field of its own. */
static bool
is_ours(struct twin_text name, const struct http_policy *policy)
{
	static const char *const names[] = {"expect",           "host",
					    "x-amzn-trace-id",  "x-forwarded-for",
					    "x-forwarded-port", "x-forwarded-proto"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (twin_is(name, names[i]))
			return true;
	}
	for (size_t i = 0; policy->drop_invalid_header_fields && i < name.len; i++) {
		if (strchr("-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
			   name.at[i]) == NULL)
			return true;
	}
	return false;
}

static void
check_fields(const struct http_policy *policy)
{
	size_t k = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (is_ours(in.names[i], policy) || twin_ends_here(&in, in.names[i]))
			continue;
		while (k < out.n &&
		       (is_ours(out.names[k], policy) || twin_ends_here(&out, out.names[k])))
			k++;
		CHECK(k < out.n && out.names[k].len == in.names[i].len &&
		      memcmp(out.names[k].at, in.names[i].at, in.names[i].len) == 0);
		CHECK(out.values[k].len == in.values[i].len &&
		      memcmp(out.values[k].at, in.values[i].at, in.values[i].len) == 0);
		k++;
	}
	for (; k < out.n; k++)
		CHECK(is_ours(out.names[k], policy) || twin_ends_here(&out, out.names[k]));
}

static void
check_framing(const struct http_request *r, bool upgrade)
{
	size_t lengths = twin_count(&out, "content-length");
	size_t codings = twin_count(&out, "transfer-encoding");

	CHECK(lengths + codings <= 1);
	CHECK(codings == (twin_count(&in, "transfer-encoding") > 0 &&
			  twin_value(&out, "transfer-encoding").len == 7));
	if (lengths == 1) {
		struct twin_text given = twin_value(&in, "content-length");

		CHECK(strtoull(given.at, NULL, 10) == r->fields.framing.length);
		CHECK(strtoull(twin_value(&out, "content-length").at, NULL, 10) ==
		      r->fields.framing.length);
	}
	CHECK(lengths + codings > 0 || twin_count(&in, "content-length") == 0);
	CHECK(twin_count(&out, "host") == 1);
	CHECK(twin_count(&out, "connection") == upgrade && twin_count(&out, "upgrade") == upgrade);
	CHECK(twin_count(&out, "te") + twin_count(&out, "trailer") +
		      twin_count(&out, "keep-alive") + twin_count(&out, "proxy-connection") +
		      twin_count(&out, "expect") ==
	      0);
}

/* METHOD TARGET HTTP/1.1, the target what came but for bytes that are encoded. */
static void
check_line(const struct http_request *r)
{
	const char *at = out.line.at + r->method.len + 1;
	const char *end = out.line.at + out.line.len - 9;

	CHECK(out.line.len > r->method.len + 10 && memcmp(end, " HTTP/1.1", 9) == 0);
	CHECK(memcmp(out.line.at, r->method.at, r->method.len) == 0 && at[-1] == ' ');
	CHECK(memchr(at, ' ', (size_t)(end - at)) == NULL);
	for (uint32_t i = 0; i < r->path.len; i++) {
		uint8_t c = r->path.at[i];

		if ((uint8_t)*at == c && c > ' ' && c < 127) {
			at++;
			continue;
		}
		CHECK(end - at >= 3 && *at == '%');
		CHECK(strtoul((char[]){at[1], at[2], 0}, NULL, 16) == c);
		at += 3;
	}
	CHECK(r->query.at == NULL ? at == end : *at == '?');
}

static void
check_again(const uint8_t *bytes, uint32_t len, const struct http_request *r)
{
	struct http_request again = {.fields.at = again_table};
	struct http_desync d;

	CHECK(head_end(bytes, len) == len);
	if (http_request_parse(&again, bytes, len) != 0) /* it may have become too long */
		return;
	d = http_desync_classify(&again, HTTP_DESYNC_MONITOR);
	CHECK(d.status == 0);
	CHECK(http_request_body(&again).kind == http_request_body(r).kind);
	CHECK(again.fields.framing.length == r->fields.framing.length || r->fields.framing.chunked);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_policy policy = {.default_host = "lb"};
	struct http_request_edits edits = {.client = "192.0.2.1", .client_port = 7};
	struct http_request r = {.fields.at = table};
	struct bytes_writer w;
	uint8_t *bytes, *written;
	uint32_t end;
	size_t bound;

	if (size < 2)
		return 0;
	policy.desync_mode = data[0] % 3;
	policy.xff_mode = data[0] / 3 % 3;
	policy.xff_client_port = data[1] & 1;
	policy.drop_invalid_header_fields = data[1] >> 1 & 1;
	policy.preserve_host_header = data[1] >> 2 & 1;
	policy.port = data[1] & 8 ? 80 : 8080;
	edits.trace_id = data[1] & 16 ? "Root=1" : NULL;
	size -= 2;
	bytes = malloc(size + (size == 0));
	memcpy(bytes, data + 2, size);
	end = head_end(bytes, (uint32_t)size);
	http_request_too_long(bytes, (uint32_t)size);
	if (end == 0 || http_request_parse(&r, bytes, end) != 0 || r.hosts_n > 1 || r.is_connect ||
	    http_desync_classify(&r, (enum http_desync_mode)policy.desync_mode).status != 0) {
		free(bytes);
		return 0;
	}
	edits.upgrade = r.fields.connection_upgrade;
	bound = http_request_bound(&r, &policy, &edits);
	written = malloc(bound);
	w = bytes_writer(written, bound);
	http_request_write(&w, &r, &policy, &edits);
	CHECK(!w.failed);
	twin_read(&in, bytes, end);
	twin_read(&out, written, (size_t)(w.at - written));
	CHECK(out.well_formed);
	check_line(&r);
	check_fields(&policy);
	check_framing(&r, edits.upgrade);
	check_again(written, (uint32_t)(w.at - written), &r);
	free(written);
	free(bytes);
	return 0;
}
