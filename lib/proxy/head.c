/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_desync.h"
#include "proxy_private.h"

#define BUFFER_FIRST 4096
#define BUFFER_MAX   (HTTP_LINE_MAX + HTTP_REQUEST_HEAD_MAX + 4096)
#define WRITE_MAX    (4 * BUFFER_MAX)

/* One of everything: a head is read and written within one call of the event loop. */
struct heads {
	struct http_request request;
	struct http_response response;
	struct http_field request_fields[HTTP_FIELDS_MAX], response_fields[HTTP_FIELDS_MAX];
	uint8_t written[WRITE_MAX];
};

/* Of listeners that are gone. */
static const struct http_policy no_policy = {
	.desync_mode = HTTP_DESYNC_DEFENSIVE, .response_server = true, .default_host = ""};

struct heads *
heads_create(void)
{
	struct heads *heads = calloc(1, sizeof(*heads));

	if (heads == NULL)
		return NULL;
	heads->request.fields.at = heads->request_fields;
	heads->response.fields.at = heads->response_fields;
	return heads;
}

void
heads_free(struct heads *heads)
{
	free(heads);
}

void
head_free(struct head *h)
{
	free(h->bytes);
	*h = (struct head){0};
}

static const struct http_policy *
policy_of(struct proxy *p, const struct exchange *x, bool *draining)
{
	const struct http_policy *policy =
		p->config.service->policy(p->config.service_arg, x->x.record.frontend, draining);

	return policy == NULL ? &no_policy : policy;
}

/* Collecting. */

static bool
make_room(struct head *h, uint32_t len)
{
	uint32_t room = h->room == 0 ? BUFFER_FIRST : h->room;
	uint8_t *bytes;

	while (room < len)
		room *= 2;
	if (room == h->room)
		return true;
	bytes = realloc(h->bytes, room);
	if (bytes == NULL)
		return false;
	h->bytes = bytes;
	h->room = room;
	return true;
}

/*
 * What has come, in one piece: where it lies when that is so, else a copy, to which only what is
 * new is added.
 */
static const uint8_t *
in_one_piece(struct head *h, const struct chain *in, uint32_t *len)
{
	uint32_t wanted = in->len < BUFFER_MAX ? in->len : BUFFER_MAX;

	*len = wanted;
	if (h->bytes == NULL && in->first->len >= wanted)
		return in->first->data;
	if (!make_room(h, wanted))
		return NULL;
	chain_copy_out(in, h->len, h->bytes + h->len, wanted - h->len);
	h->len = wanted;
	return h->bytes;
}

/* Requests. */

enum head_result
head_read_request(struct proxy *p, struct head *h, const struct chain *in, uint16_t *status)
{
	struct heads *heads = p->heads;
	uint32_t len, end;
	const uint8_t *bytes = in_one_piece(h, in, &len);

	if (bytes == NULL) {
		heads->request.defect = HTTP_DEFECT_NONE;
		*status = 503;
		return HEAD_BAD;
	}
	end = http_head_end(bytes, len, &h->scanned);
	if (end == 0) {
		*status = http_request_too_long(bytes, len);
		heads->request.defect = *status == 414 ? HTTP_DEFECT_TARGET : HTTP_DEFECT_FIELD;
		return *status != 0 ? HEAD_BAD : HEAD_MORE;
	}
	*status = http_request_parse(&heads->request, bytes, end);
	return *status != 0 ? HEAD_BAD : HEAD_DONE;
}

const struct http_request *
head_request(const struct proxy *p)
{
	return &p->heads->request;
}

uint32_t
head_request_len(const struct proxy *p)
{
	return p->heads->request.len;
}

static void
keep_strings(struct exchange *x, const struct http_request *r)
{
	struct proxy_record *record = &x->x.record;

	record->method = proxy_keep(&x->x, r->method.at, r->method.len < 64 ? r->method.len : 64);
	record->target_uri =
		proxy_keep(&x->x, r->target.at, r->target.len < 1024 ? r->target.len : 1024);
	record->host = proxy_keep(&x->x, r->host.at, r->host.len < 256 ? r->host.len : 256);
	for (uint32_t i = 0; i < r->fields.n; i++) {
		const struct http_field *f = &r->fields.at[i];

		if (f->id == HTTP_USER_AGENT && record->user_agent.len == 0)
			record->user_agent = proxy_keep(&x->x, f->value.at,
							f->value.len < 512 ? f->value.len : 512);
	}
}

static bool
is_idempotent(const struct http_request *r)
{
	return r->is_get || r->is_head || http_text_is(r->method, "options") ||
	       http_text_is(r->method, "put") || http_text_is(r->method, "delete");
}

static bool
keeps_alive(const struct http_request *r)
{
	if (r->version < 11)
		return r->version == 10 && r->fields.connection_keep_alive &&
		       !r->fields.connection_close;
	return !r->fields.connection_close;
}

void
head_classify_refused(struct proxy *p, struct exchange *x)
{
	struct http_desync d = http_desync_classify(&p->heads->request, HTTP_DESYNC_DEFENSIVE);

	x->x.record.classification = (uint8_t)d.class;
	x->x.record.classification_reason = (uint8_t)d.reason;
}

struct head_verdict
head_classify_request(struct proxy *p, struct exchange *x)
{
	const struct http_request *r = &p->heads->request;
	bool draining = false;
	const struct http_policy *policy = policy_of(p, x, &draining);
	struct http_desync d = http_desync_classify(r, (enum http_desync_mode)policy->desync_mode);
	struct head_verdict verdict = {.status = d.status, .close = d.close || draining};

	keep_strings(x, r);
	x->version = r->version;
	x->x.record.http_version = r->version;
	x->x.record.classification = (uint8_t)d.class;
	x->x.record.classification_reason = (uint8_t)d.reason;
	x->x.record.invalid_header = r->fields.invalid_names > 0;
	x->is_head = r->is_head;
	x->may_reuse = !d.close;
	x->request.body = http_request_body(r);
	x->request.chunk_out = r->fields.framing.chunked;
	x->idempotent = is_idempotent(r) && x->request.body.ended;
	x->upgrade = r->fields.connection_upgrade && r->version == 11 && x->request.body.ended;
	verdict.close |= !keeps_alive(r);
	verdict.expects_continue = r->expects_continue && r->version == 11;
	/* RFC 9112 section 3.2: one Host at most, and in HTTP/1.1 exactly one. */
	if (verdict.status == 0 && (r->hosts_n > 1 || (r->version == 11 && r->hosts_n == 0)))
		verdict.status = 400;
	if (verdict.status == 0 && http_forwarded_for_count(r) > 30)
		verdict.status = 463;
	if (verdict.status == 0 && r->is_connect)
		verdict.status = 400;
	return verdict;
}

/* Writing: into the scratch, then into as few buffers as it takes. */
static bool
copy_written(struct proxy *p, const struct bytes_writer *w, struct chain *out)
{
	return !w->failed && chain_append_copy(p->config.pool, out, p->heads->written,
					       (uint32_t)(w->at - p->heads->written));
}

bool
head_write_request(struct proxy *p, struct exchange *x, const struct proxy_decision *decision,
		   struct chain *out)
{
	struct bytes_writer w = bytes_writer(p->heads->written, WRITE_MAX);
	const struct tcp_tuple *tuple = x->x.session->tuple;
	struct http_request_edits edits = decision->edits;
	char client[IP_ADDR_TEXT_MAX];
	bool draining;

	edits.client = ip_addr_format(&tuple->remote, client);
	edits.client_port = ntohs(tuple->remote_port_be);
	edits.upgrade = x->upgrade;
	http_request_write(&w, &p->heads->request, policy_of(p, x, &draining), &edits);
	return copy_written(p, &w, out);
}

/* Responses. */

enum head_result
head_read_response(struct proxy *p, struct head *h, const struct chain *in)
{
	struct heads *heads = p->heads;
	uint32_t len, end;
	const uint8_t *bytes = in_one_piece(h, in, &len);

	if (bytes == NULL)
		return HEAD_BAD;
	end = http_head_end(bytes, len, &h->scanned);
	if (end == 0)
		return len > HTTP_RESPONSE_HEAD_MAX ? HEAD_BAD : HEAD_MORE;
	return http_response_parse(&heads->response, bytes, end) ? HEAD_DONE : HEAD_BAD;
}

uint32_t
head_response_len(const struct proxy *p)
{
	return p->heads->response.len;
}

static void
begin_tunnel(struct exchange *x)
{
	struct http_body endless = {.kind = HTTP_BODY_UNTIL_CLOSE};

	x->session->state = SESSION_TUNNEL;
	x->request = (struct relay){.body = endless};
	x->response = (struct relay){.body = endless};
	x->may_reuse = false;
	x->x.record.upgraded = 1;
	x->session->close_after = true;
}

bool
head_write_response(struct proxy *p, struct exchange *x, struct chain *out)
{
	struct bytes_writer w = bytes_writer(p->heads->written, WRITE_MAX);
	const struct http_response *r = &p->heads->response;
	struct http_response_edits edits = {.client_version = x->version};
	bool draining = false;
	const struct http_policy *policy = policy_of(p, x, &draining);

	if (r->status < 200 && r->status != 101)
		return true;
	if (r->status == 101 && (!x->upgrade || !r->fields.connection_upgrade))
		return false;
	if (!http_response_body(r, x->is_head, &x->response.body))
		return false;
	x->x.record.target_status = r->status;
	x->x.record.elb_status = r->status;
	if (r->status == 101) {
		begin_tunnel(x);
		edits.upgrade = true;
	}
	if (r->fields.connection_close ||
	    (r->version < 11 && (!r->fields.connection_keep_alive || r->fields.framing.has_coding)))
		x->may_reuse = false;
	/* A length that isn't known beforehand: chunks for who knows them, else the end says it. */
	if (r->status != 101 && (x->response.body.kind == HTTP_BODY_CHUNKED ||
				 x->response.body.kind == HTTP_BODY_UNTIL_CLOSE)) {
		if (x->response.body.kind == HTTP_BODY_UNTIL_CLOSE)
			x->may_reuse = false;
		if (x->version >= 11)
			x->response.chunk_out = edits.chunked = true;
		else
			x->session->close_after = true;
	}
	if (draining)
		x->session->close_after = true;
	edits.close = x->session->close_after;
	p->config.service->response(p->config.service_arg, &x->x, r, &edits);
	http_response_write(&w, r, policy, &edits);
	return copy_written(p, &w, out);
}

bool
head_write_answer(struct proxy *p, struct exchange *x, const struct proxy_answer *a, bool close,
		  struct chain *out)
{
	struct bytes_writer w = bytes_writer(p->heads->written, WRITE_MAX);
	bool draining;
	struct http_answer answer = {.status = a->status,
				     .close = close,
				     .head_only = x->is_head,
				     .content_type = a->content_type,
				     .body = {(const uint8_t *)a->body, a->body_len},
				     .location = {(const uint8_t *)a->location, a->location_len},
				     .wall_s = p->config.service->wall_s(p->config.service_arg),
				     .client_version = x->version};

	http_answer_write(&w, &answer, policy_of(p, x, &draining));
	return copy_written(p, &w, out);
}
