/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_escape.h"

#include "http_put.h"

void
http_put_escaped(struct bytes_writer *w, struct http_text t)
{
	for (uint32_t i = 0; i < t.len; i++) {
		uint8_t c = t.at[i];

		if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\') {
			bytes_put_u8(w, c);
		} else {
			HTTP_PUT(w, "\\x");
			bytes_put_u8(w, (uint8_t) "0123456789ABCDEF"[c >> 4]);
			bytes_put_u8(w, (uint8_t) "0123456789ABCDEF"[c & 15]);
		}
	}
}

static struct http_text
without_port(struct http_text host)
{
	uint32_t n = host.len;

	while (n > 0 && host.at[n - 1] >= '0' && host.at[n - 1] <= '9')
		n--;
	if (n > 0 && host.at[n - 1] == ':')
		host.len = n - 1;
	return host;
}

static void
put_version(struct bytes_writer *w, uint8_t version)
{
	if (version == 0) {
		bytes_put_u8(w, '-');
		return;
	}
	HTTP_PUT(w, "HTTP/");
	bytes_put_u8(w, (uint8_t)('0' + version / 10));
	bytes_put_u8(w, '.');
	bytes_put_u8(w, (uint8_t)('0' + version % 10));
}

void
http_put_request_log(struct bytes_writer *w, const struct http_request *r, bool https,
		     uint16_t port)
{
	const struct http_head *h = &r->head;
	struct http_text target = http_text(h, r->target);

	if (r->method.len > 0)
		http_put_escaped(w, http_text(h, r->method));
	else
		bytes_put_u8(w, '-');
	if (https)
		HTTP_PUT(w, " https://");
	else
		HTTP_PUT(w, " http://");
	if (r->host.len > 0)
		http_put_escaped(w, without_port(http_text(h, r->host)));
	else
		bytes_put_u8(w, '-');
	bytes_put_u8(w, ':');
	http_put_number(w, port);
	if (r->absolute) {
		target.at += r->path.off - r->target.off;
		target.len -= r->path.off - r->target.off;
	}
	if (target.len == 0)
		bytes_put_u8(w, r->absolute ? '/' : '-');
	http_put_escaped(w, target);
	bytes_put_u8(w, ' ');
	put_version(w, h->version);
}
