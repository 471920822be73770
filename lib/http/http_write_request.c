/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "http_cookie.h"
#include "http_field.h"
#include "http_put.h"
#include "http_target.h"
#include "http_write.h"

#define BIT(id) (1u << (id))

/* End at this connection, or are written anew. */
#define NEVER_COPIED                                                                           \
	(BIT(HTTP_CONNECTION) | BIT(HTTP_CONTENT_LENGTH) | BIT(HTTP_EXPECT) | BIT(HTTP_HOST) | \
	 BIT(HTTP_KEEP_ALIVE) | BIT(HTTP_PROXY) | BIT(HTTP_TE) | BIT(HTTP_TRANSFER_ENCODING) | \
	 BIT(HTTP_UPGRADE) | BIT(HTTP_X_AMZN_PEER) | BIT(HTTP_X_FORWARDED_PORT) |              \
	 BIT(HTTP_X_FORWARDED_PROTO))

/* Beside what depends on the request: line ends, X-Forwarded-* and framing, Connection. */
#define FIXED_BOUND 320

size_t
http_request_bound(const struct http_request *r, const struct http_policy *policy,
		   const struct http_request_edits *edits)
{
	/* Encoded targets triple, odd fields grow by a blank and a CR, cookies by blanks. */
	return FIXED_BOUND + (edits->drop_own_cookies ? 2 : 1) * (size_t)r->head.len +
	       2 * (size_t)r->target.len + 2 * (size_t)r->head.fields_n +
	       HTTP_HOST_BOUND(r, policy) + edits->host.len + 3 * (size_t)edits->target.len +
	       edits->client.len + edits->trace_id.len +
	       http_lines_bound(edits->lines, edits->lines_n);
}

static void
put_target(struct bytes_writer *w, const struct http_request *r,
	   const struct http_request_edits *edits)
{
	struct http_text target = http_text(&r->head, r->target);

	if (edits->target.len > 0) {
		http_put_target(w, edits->target);
		return;
	}
	if (r->absolute) {
		target.len -= r->path.off - r->target.off;
		target.at += r->path.off - r->target.off;
		/* RFC 9112 section 3.2.4: no path is `/`, but for OPTIONS of the server. */
		if (target.len == 0 && r->method_id == HTTP_METHOD_OPTIONS)
			bytes_put_u8(w, '*');
		else if (r->path.len == 0)
			bytes_put_u8(w, '/');
	}
	if (r->encode_target)
		http_put_target(w, target);
	else
		http_put_text(w, target);
}

static void
put_lower(struct bytes_writer *w, struct http_text t)
{
	uint8_t *to = bytes_reserve(w, t.len);

	for (uint32_t i = 0; to != NULL && i < t.len; i++) {
		uint8_t c = t.at[i];

		to[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
	}
}

void
http_put_host(struct bytes_writer *w, const struct http_request *r,
	      const struct http_policy *policy)
{
	struct http_text host = http_text(&r->head, r->host);
	bool usual_port = policy->port == 80 || policy->port == 443;
	struct http_text name, port;

	if (policy->preserve_host_header && host.len > 0) {
		http_put_text(w, host);
		return;
	}
	if (host.len == 0)
		host = policy->default_host;
	http_host_split(host, &name, &port);
	put_lower(w, name);
	if (usual_port)
		return;
	bytes_put_u8(w, ':');
	if (port.len > 0)
		http_put_text(w, port);
	else
		http_put_number(w, policy->port);
}

/* All X-Forwarded-For fields as one list, and the client. */
static void
put_forwarded_for(struct bytes_writer *w, const struct http_head *h,
		  const struct http_policy *policy, const struct http_request_edits *edits)
{
	bool brackets =
		policy->xff_client_port && memchr(edits->client.at, ':', edits->client.len) != NULL;

	HTTP_PUT(w, "X-Forwarded-For: ");
	for (uint32_t i = 0; http_has(h, HTTP_X_FORWARDED_FOR) && i < h->fields_n; i++) {
		if (h->fields[i].id != HTTP_X_FORWARDED_FOR || h->fields[i].value_len == 0)
			continue;
		http_put_value(w, http_field_value(h, &h->fields[i]));
		HTTP_PUT(w, ", ");
	}
	if (brackets)
		bytes_put_u8(w, '[');
	http_put_text(w, edits->client);
	if (brackets)
		bytes_put_u8(w, ']');
	if (policy->xff_client_port) {
		bytes_put_u8(w, ':');
		http_put_number(w, edits->client_port);
	}
	HTTP_PUT(w, "\r\n");
}

static bool
is_own_name(const struct http_policy *policy, struct http_text name)
{
	for (uint32_t i = 0; i < policy->own_names_n; i++) {
		if (policy->own_names[i].len == name.len &&
		    http_names_are_alike(name.at, policy->own_names[i].at, name.len))
			return true;
	}
	return false;
}

/* What is copied, as long runs as there are. */
static void
put_fields(struct bytes_writer *w, const struct http_head *h, const struct http_policy *policy,
	   uint32_t left_out, const struct http_request_edits *edits)
{
	uint8_t unwanted = HTTP_FIELD_NEVER | HTTP_FIELD_NAMED |
			   (policy->drop_invalid_header_fields ? HTTP_FIELD_INVALID_NAME : 0);
	uint32_t run = 0, run_end = 0;

	for (uint32_t i = 0; i < h->fields_n; i++) {
		const struct http_field *f = &h->fields[i];

		if ((f->flags & unwanted) != 0 || (left_out >> f->id & 1) != 0 ||
		    (policy->own_names_n > 0 && is_own_name(policy, http_field_name(h, f))))
			continue;
		if ((f->flags & HTTP_FIELD_CANONICAL) != 0 &&
		    !(f->id == HTTP_COOKIE && edits->drop_own_cookies)) {
			if (f->off != run_end) {
				bytes_put(w, h->bytes + run, run_end - run);
				run = f->off;
			}
			run_end = f->off + f->value_off + f->value_len + 2;
			continue;
		}
		bytes_put(w, h->bytes + run, run_end - run);
		run = run_end = 0;
		if (f->id == HTTP_COOKIE && edits->drop_own_cookies)
			http_put_cookie(w, http_field_value(h, f));
		else
			http_put_field(w, h, f);
	}
	bytes_put(w, h->bytes + run, run_end - run);
}

static bool
takes_trailers(const struct http_head *h)
{
	const struct http_field *f = http_find(h, HTTP_TE);
	struct http_text list, element;

	if (f == NULL)
		return false;
	list = http_field_value(h, f);
	while (http_list_next(&list, &element)) {
		if (http_text_is(element, "trailers"))
			return true;
	}
	return false;
}

static void
put_connection(struct bytes_writer *w, const struct http_request *r,
	       const struct http_request_edits *edits)
{
	const struct http_head *h = &r->head;
	bool trailers = http_has(h, HTTP_TE) && takes_trailers(h);
	struct http_text list, protocol;
	bool first = true;

	if (edits->upgrade) {
		list = http_field_value(h, http_find(h, HTTP_UPGRADE));
		HTTP_PUT(w, "Connection: Upgrade\r\nUpgrade: ");
		while (http_upgrade_next(&list, &protocol)) {
			if (!first)
				HTTP_PUT(w, ", ");
			http_put_value(w, protocol);
			first = false;
		}
		HTTP_PUT(w, "\r\n");
		return;
	}
	if (trailers)
		HTTP_PUT(w, "TE: trailers\r\n");
	if (trailers && edits->close)
		HTTP_PUT(w, "Connection: TE, close\r\n");
	else if (trailers)
		HTTP_PUT(w, "Connection: TE\r\n");
	else if (edits->close)
		HTTP_PUT(w, "Connection: close\r\n");
}

static void
put_framing(struct bytes_writer *w, const struct http_head *h)
{
	if (h->has_coding)
		HTTP_PUT(w, "Transfer-Encoding: chunked\r\n");
	else if (h->has_length)
		http_put_length(w, h->content_length);
}

static void
put_forwarded(struct bytes_writer *w, const struct http_head *h, const struct http_policy *policy,
	      const struct http_request_edits *edits)
{
	if (policy->xff_mode == HTTP_XFF_APPEND)
		put_forwarded_for(w, h, policy, edits);
	if (policy->https)
		HTTP_PUT(w, "X-Forwarded-Proto: https\r\nX-Forwarded-Port: ");
	else
		HTTP_PUT(w, "X-Forwarded-Proto: http\r\nX-Forwarded-Port: ");
	http_put_number(w, policy->port);
	HTTP_PUT(w, "\r\n");
	if (edits->trace_id.len > 0) {
		HTTP_PUT(w, "X-Amzn-Trace-Id: ");
		http_put_text(w, edits->trace_id);
		HTTP_PUT(w, "\r\n");
	}
}

void
http_request_write(struct bytes_writer *w, const struct http_request *r,
		   const struct http_policy *policy, const struct http_request_edits *edits)
{
	const struct http_head *h = &r->head;
	uint32_t left_out = NEVER_COPIED;

	if (policy->xff_mode != HTTP_XFF_PRESERVE)
		left_out |= BIT(HTTP_X_FORWARDED_FOR);
	if (edits->trace_id.len > 0)
		left_out |= BIT(HTTP_X_AMZN_TRACE_ID);
	if (!h->has_coding)
		left_out |= BIT(HTTP_TRAILER);
	http_put_text(w, http_text(h, r->method));
	bytes_put_u8(w, ' ');
	put_target(w, r, edits);
	HTTP_PUT(w, " HTTP/1.1\r\nHost: ");
	if (edits->host.len > 0)
		http_put_text(w, edits->host);
	else
		http_put_host(w, r, policy);
	HTTP_PUT(w, "\r\n");
	put_fields(w, h, policy, left_out, edits);
	put_forwarded(w, h, policy, edits);
	http_put_lines(w, edits->lines, edits->lines_n);
	put_framing(w, h);
	put_connection(w, r, edits);
	HTTP_PUT(w, "\r\n");
}
