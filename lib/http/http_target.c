/* SPDX-License-Identifier: BSD-3-Clause */
/* Request targets (RFC 9112 section 3.2) and hosts. */
#include "http_target.h"

#include <string.h>

#include "http_field.h"
#include "http_scan.h"

#define HOST_MAX 512

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Where a port's colon is, `end` without one, NULL when there is one with an impossible port. */
static const uint8_t *
before_port(const uint8_t *begin, const uint8_t *end)
{
	const uint8_t *p = end;
	uint32_t n = 0;

	while (p > begin && is_digit(p[-1]) && end - p <= 5)
		p--;
	if (p == begin || p[-1] != ':')
		return end;
	for (const uint8_t *digit = p; digit < end; digit++)
		n = n * 10 + (uint32_t)(*digit - '0');
	return n <= 65535 && end - p <= 5 ? p - 1 : NULL;
}

bool
http_host_is_valid(struct http_text host)
{
	const uint8_t *p = host.at, *end = before_port(host.at, host.at + host.len);

	if (host.len > HOST_MAX || end == NULL)
		return false;
	if (end == p)
		return host.len == 0;
	if (*p != '[')
		return (http_common_classes(p, end) & HTTP_UNRESERVED) != 0;
	if (end - p < 4 || end[-1] != ']')
		return false;
	for (p++; p < end - 1; p++) {
		uint8_t c = *p | 0x20;

		if (!is_digit(*p) && *p != ':' && *p != '.' && (c < 'a' || c > 'f'))
			return false;
	}
	return true;
}

void
http_host_split(struct http_text host, struct http_text *name, struct http_text *port)
{
	uint32_t n = host.len;

	while (n > 0 && is_digit(host.at[n - 1]))
		n--;
	*name = *port = host;
	if (n == 0 || host.at[n - 1] != ':') {
		port->len = 0;
		return;
	}
	name->len = n - 1;
	port->at += n;
	port->len -= n;
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
	while (n < t.len && t.at[n] != '/' && t.at[n] != '?')
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
