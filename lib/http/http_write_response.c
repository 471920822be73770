/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_put.h"
#include "http_write.h"

#define BIT(id) (1u << (id))

/* End at this connection, or are written anew. */
#define NEVER_COPIED                                                              \
	(BIT(HTTP_CONNECTION) | BIT(HTTP_CONTENT_LENGTH) | BIT(HTTP_KEEP_ALIVE) | \
	 BIT(HTTP_PROXY) | BIT(HTTP_TE) | BIT(HTTP_TRANSFER_ENCODING) | BIT(HTTP_UPGRADE))

#define FIXED_BOUND 160

/*
 * Framing that a sender may understand in another way than we do, or of a body where there is none
 * (RFC 9110 sections 8.6 and 15.4.5, RFC 9112 section 6.1): what comes late could pass for the next
 * answer.
 */
static bool
framing_is_odd(const struct http_response *r)
{
	const struct http_head *h = &r->head;

	if ((h->found & BIT(HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS)) != 0)
		return true;
	if (r->status < 200 || r->status == 204)
		return h->has_coding || (h->has_length && h->content_length > 0);
	return h->has_coding && (h->has_length || r->status == 304);
}

struct http_response_plan
http_response_plan(const struct http_response *r, enum http_method method, uint8_t client_version)
{
	const struct http_head *h = &r->head;
	struct http_response_plan plan = {.body = http_response_body(r, method)};

	plan.out = plan.body.kind;
	if (plan.body.kind == HTTP_BODY_NONE && h->has_length && h->content_length == 0 &&
	    r->status >= 200 && r->status != 204 && r->status != 304)
		plan.out = HTTP_BODY_LENGTH;
	if (plan.body.kind == HTTP_BODY_CHUNKED || plan.body.kind == HTTP_BODY_UNTIL_CLOSE)
		plan.out = client_version > 10 ? HTTP_BODY_CHUNKED : HTTP_BODY_UNTIL_CLOSE;
	plan.close = plan.out == HTTP_BODY_UNTIL_CLOSE || client_version < 10;
	plan.reuse = http_keeps_alive(h) && plan.body.kind != HTTP_BODY_UNTIL_CLOSE &&
		     r->status != 101 && !framing_is_odd(r);
	return plan;
}

size_t
http_response_bound(const struct http_response *r, const struct http_policy *policy,
		    const struct http_response_edits *edits)
{
	size_t bytes = FIXED_BOUND + r->head.len + 2 * (size_t)r->head.fields_n;

	return bytes + http_lines_bound(edits->lines, edits->lines_n) +
	       http_lines_bound(policy->inserts, policy->inserts_n);
}

static bool
is_inserted(const struct http_policy *policy, struct http_text name)
{
	for (uint32_t i = 0; i < policy->inserts_n; i++) {
		if (http_text_same(policy->inserts[i].name, name))
			return true;
	}
	return false;
}

static void
put_fields(struct bytes_writer *w, const struct http_head *h, const struct http_policy *policy,
	   uint32_t left_out)
{
	uint32_t run = 0, run_end = 0;

	for (uint32_t i = 0; i < h->fields_n; i++) {
		const struct http_field *f = &h->fields[i];

		if ((f->flags & (HTTP_FIELD_NEVER | HTTP_FIELD_NAMED)) != 0 ||
		    (left_out >> f->id & 1) != 0 ||
		    (policy->inserts_n > 0 && is_inserted(policy, http_field_name(h, f))))
			continue;
		if ((f->flags & HTTP_FIELD_CANONICAL) != 0) {
			if (f->off != run_end) {
				bytes_put(w, h->bytes + run, run_end - run);
				run = f->off;
			}
			run_end = f->off + f->value_off + f->value_len + 2;
			continue;
		}
		bytes_put(w, h->bytes + run, run_end - run);
		run = run_end = 0;
		http_put_field(w, h, f);
	}
	bytes_put(w, h->bytes + run, run_end - run);
}

/* Exactly one framing field, or none where there is no body or its end is the connection's. */
static void
put_framing(struct bytes_writer *w, const struct http_response *r, enum http_body_kind out)
{
	const struct http_head *h = &r->head;
	bool tells_length = out == HTTP_BODY_LENGTH;

	if (out == HTTP_BODY_CHUNKED) {
		HTTP_PUT(w, "Transfer-Encoding: chunked\r\n");
		return;
	}
	/* To HEAD, and in 304: what a GET would have brought (RFC 9110 section 8.6). */
	if (out == HTTP_BODY_NONE && r->status >= 200 && r->status != 204)
		tells_length = !h->has_coding;
	if (!tells_length || !h->has_length)
		return;
	http_put_length(w, h->content_length);
}

static void
put_connection(struct bytes_writer *w, const struct http_response *r,
	       const struct http_response_edits *edits)
{
	const struct http_field *f = http_find(&r->head, HTTP_UPGRADE);

	if (edits->upgrade && f != NULL) {
		HTTP_PUT(w, "Connection: Upgrade\r\nUpgrade: ");
		http_put_value(w, http_field_value(&r->head, f));
		HTTP_PUT(w, "\r\n");
	} else if (edits->close) {
		HTTP_PUT(w, "Connection: close\r\n");
	} else if (edits->client_version == 10) {
		HTTP_PUT(w, "Connection: keep-alive\r\n");
	}
}

void
http_response_write(struct bytes_writer *w, const struct http_response *r,
		    const struct http_policy *policy, const struct http_response_edits *edits)
{
	const struct http_head *h = &r->head;
	uint32_t left_out = NEVER_COPIED;

	if (edits->client_version == 9)
		return;
	if (edits->out != HTTP_BODY_CHUNKED)
		left_out |= BIT(HTTP_TRAILER);
	HTTP_PUT(w, "HTTP/1.1 ");
	http_put_number(w, r->status);
	bytes_put_u8(w, ' ');
	http_put_value(w, http_text(h, r->reason));
	HTTP_PUT(w, "\r\n");
	put_fields(w, h, policy, left_out);
	http_put_lines(w, policy->inserts, policy->inserts_n);
	http_put_lines(w, edits->lines, edits->lines_n);
	if (r->status >= 200)
		put_framing(w, r, (enum http_body_kind)edits->out);
	put_connection(w, r, edits);
	HTTP_PUT(w, "\r\n");
}
