/* SPDX-License-Identifier: BSD-3-Clause */
/* Request targets (RFC 9112 section 3.2) and hosts. */
#include "http_target.h"

#include <string.h>

#include "http_field.h"
#include "http_scan.h"

#define HOST_MAX 512

static bool
is_port(const uint8_t *p, const uint8_t *end)
{
	uint32_t n = 0;

	if (end - p > 5)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (uint32_t)(*p - '0');
	}
	return n <= 65535;
}

bool
http_host_is_valid(struct http_text host)
{
	const uint8_t *p = host.at, *end = host.at + host.len;

	if (host.len > HOST_MAX)
		return false;
	if (p < end && *p == '[') {
		const uint8_t *close = memchr(p, ']', host.len);

		if (close == NULL || close - p < 3)
			return false;
		for (p++; p < close; p++) {
			uint8_t c = *p | 0x20;

			if ((*p < '0' || *p > ':') && (c < 'a' || c > 'f') && *p != '.')
				return false;
		}
		p = close + 1;
	} else {
		while (p < end && ((http_classes[*p] & HTTP_UNRESERVED) != 0 || *p == '%'))
			p++;
		if (p == host.at)
			return host.len == 0;
	}
	return p == end || (*p == ':' && is_port(p + 1, end));
}

/* @return  length of `http://` or `https://`, 0: none of them. */
static uint32_t
scheme_len(struct http_text t)
{
	if (t.len > 7 && http_text_is((struct http_text){t.at, 7}, "http://"))
		return 7;
	if (t.len > 8 && http_text_is((struct http_text){t.at, 8}, "https://"))
		return 8;
	return 0;
}

/* Absolute form: the authority becomes the host, what follows the path. */
static bool
split_absolute(struct http_request *r, struct http_text t)
{
	uint32_t scheme = scheme_len(t), n = scheme;

	if (scheme == 0)
		return false;
	while (n < t.len && t.at[n] != '/' && t.at[n] != '?' && t.at[n] != '#')
		n++;
	r->absolute = true;
	r->host = (struct http_range){r->target.off + scheme, n - scheme};
	r->path = (struct http_range){r->target.off + n, r->target.len - n};
	return n > scheme && http_host_is_valid(http_text(&r->head, r->host));
}

bool
http_target_split(struct http_request *r)
{
	struct http_text t = http_text(&r->head, r->target);
	const uint8_t *mark;

	if (t.len == 0)
		return false;
	r->path = r->target;
	if (t.at[0] != '/') {
		if (t.len == 1 && t.at[0] == '*')
			return r->method_id == HTTP_METHOD_OPTIONS;
		/* Authority form names no path: it is judged by the method. */
		if (r->method_id == HTTP_METHOD_CONNECT)
			return true;
		if (!split_absolute(r, t))
			return false;
	}
	t = http_text(&r->head, r->path);
	mark = t.len == 0 ? NULL : memchr(t.at, '?', t.len);
	if (mark != NULL) {
		uint32_t n = (uint32_t)(mark - t.at);

		r->query = (struct http_range){r->path.off + n + 1, r->path.len - n - 1};
		r->path.len = n;
	}
	return true;
}
