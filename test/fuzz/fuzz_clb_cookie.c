/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as the Set-Cookie field of an application: what is copied of it fits, has no controls,
 * and is attributes from its first byte on.
 */
#include <string.h>

#include "check.h"
#include "clb_cookie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char out[SERVICE_COOKIE_ATTRIBUTES_MAX];
	size_t len;

	clb_cookie_attributes((struct http_text){data, (uint32_t)size}, out);
	len = strnlen(out, sizeof(out));
	CHECK(len < sizeof(out) && (len == 0 || strncmp(out, "; ", 2) == 0));
	for (size_t i = 0; i < len; i++)
		CHECK((uint8_t)out[i] >= ' ' && out[i] != 0x7f);
	return 0;
}
