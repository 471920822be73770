/* SPDX-License-Identifier: BSD-3-Clause */
#include "http2_fields.h"

#include <string.h>

#define TEXT(s) ((struct http_text){(const uint8_t *)(s), sizeof(s) - 1})

static void
add(struct http2_fields *f, struct http_text name, struct http_text value)
{
	f->nv[f->n++] = (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name.at,
		.value = (uint8_t *)(uintptr_t)value.at,
		.namelen = name.len,
		.valuelen = value.len,
	};
}

/* RFC 9113 section 8.2.2: of this connection, or said by HTTP/2 itself. */
static bool
stays(const struct http_head *h, const struct http_field *field)
{
	if ((field->flags & (HTTP_FIELD_NEVER | HTTP_FIELD_NAMED | HTTP_FIELD_CONTROL)) != 0)
		return true;
	switch (field->id) {
	case HTTP_CONNECTION:
	case HTTP_KEEP_ALIVE:
	case HTTP_TRANSFER_ENCODING:
	case HTTP_UPGRADE:
	case HTTP_TE:
		return true;
	case HTTP_HOST:
		return !h->is_response;
	case HTTP_PROXY:
		return http_text_is(http_field_name(h, field), "proxy-connection");
	case HTTP_OTHER:
		return http_text_is(http_field_name(h, field), "http2-settings") ||
		       http_text_is(http_field_name(h, field), "sec-websocket-accept");
	default:
		return false;
	}
}

static void
add_fields(struct http2_fields *f, const struct http_head *h)
{
	for (uint32_t i = 0; i < h->fields_n && f->n < HTTP2_FIELDS_MAX; i++) {
		const struct http_field *field = &h->fields[i];

		if (!stays(h, field))
			add(f, http_field_name(h, field), http_field_value(h, field));
	}
}

/* The only option of TE that HTTP/2 knows; gRPC asks for it. */
static bool
wants_trailers(const struct http_head *h)
{
	for (uint32_t i = 0; http_has(h, HTTP_TE) && i < h->fields_n; i++) {
		struct http_text list = http_field_value(h, &h->fields[i]), element;

		if (h->fields[i].id != HTTP_TE)
			continue;
		while (http_list_next(&list, &element)) {
			if (http_text_is(element, "trailers"))
				return true;
		}
	}
	return false;
}

bool
http2_fields_of_request(struct http2_fields *f, const struct http_request *r, bool https)
{
	const struct http_head *h = &r->head;

	f->n = 0;
	if (r->simple || r->absolute || r->target.len == 0 || r->method_id == HTTP_METHOD_CONNECT)
		return false;
	add(f, TEXT(":method"), http_text(h, r->method));
	add(f, TEXT(":scheme"), https ? TEXT("https") : TEXT("http"));
	if (r->host.len > 0)
		add(f, TEXT(":authority"), http_text(h, r->host));
	add(f, TEXT(":path"), http_text(h, r->target));
	add_fields(f, h);
	if (wants_trailers(h) && f->n < HTTP2_FIELDS_MAX)
		add(f, TEXT("te"), TEXT("trailers"));
	return true;
}

bool
http2_fields_of_response(struct http2_fields *f, const struct http_response *r)
{
	f->n = 0;
	if (r->status == 101)
		return false;
	f->status[0] = (uint8_t)('0' + r->status / 100);
	f->status[1] = (uint8_t)('0' + r->status / 10 % 10);
	f->status[2] = (uint8_t)('0' + r->status % 10);
	add(f, TEXT(":status"), (struct http_text){f->status, 3});
	add_fields(f, &r->head);
	return true;
}

void
http2_fields_of_trailers(struct http2_fields *f, const struct http_head *h)
{
	f->n = 0;
	add_fields(f, h);
}
