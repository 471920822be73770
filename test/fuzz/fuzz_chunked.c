/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a body in the chunked coding, in pieces that the first byte chooses: payload, end
 * and refusal are what the second decoder makes of them in one piece.
 */
#include "check.h"
#include "http_body.h"
#include "http_twin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_body body = {.kind = HTTP_BODY_CHUNKED};
	size_t at = 0, n = 0, want_n, used = 0, piece;
	uint8_t *payload, *want;
	enum twin_chunks got;
	bool bad = false;

	if (size < 2 || size > HTTP_CHUNK_LINE_MAX)
		return 0;
	piece = data[0] + 1u;
	data++;
	size--;
	payload = malloc(size);
	want = malloc(size);
	while (at < size && !body.ended && !bad) {
		uint32_t len = (uint32_t)(size - at < piece ? size - at : piece);
		uint8_t *bytes = malloc(len);
		struct http_body_step step;

		memcpy(bytes, data + at, len);
		step = http_body_next(&body, bytes, len);
		CHECK(step.skip <= len && step.payload <= len - step.skip);
		CHECK(step.bad || step.skip + step.payload > 0);
		memcpy(payload + n, bytes + step.skip, step.payload);
		n += step.payload;
		at += step.skip + step.payload;
		bad = step.bad;
		free(bytes);
	}
	got = twin_decode(data, size, want, &want_n, &used);
	CHECK(bad == (got == TWIN_BAD) && body.ended == (got == TWIN_DONE));
	CHECK(n == want_n && memcmp(payload, want, n) == 0);
	CHECK(!body.ended || at == used);
	free(payload);
	free(want);
	return 0;
}
