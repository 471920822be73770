/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_verdict.h"
#include "proxy_private.h"

#define BUFFER_FIRST 4096
#define BUFFER_MAX   (HTTP_HEAD_MAX + 4096)
#define WRITE_MAX    (4 * BUFFER_MAX)

/* One of everything: a head is read and written within one call of the event loop. */
struct heads {
	struct http_request request;
	struct http_response response;
	struct http_head trailers; /* of either */
	struct http_field request_fields[HTTP_FIELDS_MAX], response_fields[HTTP_FIELDS_MAX];
	struct http_field trailer_fields[HTTP_FIELDS_MAX];
	uint8_t written[WRITE_MAX];
};

/* Of listeners that are gone. */
static const struct http_policy no_policy = {.desync_mode = HTTP_DESYNC_DEFENSIVE,
					     .response_server = true};

struct heads *
heads_create(void)
{
	return calloc(1, sizeof(struct heads));
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

/* Trailers that Connection names end here (RFC 9110 section 7.6.1): then all of them do. */
static bool
trailers_pass(const struct http_head *h, const struct relay *r)
{
	return r->chunk_out && (h->connection & HTTP_CONNECTION_NAMES) == 0;
}

/* Requests. */

enum head_result
head_read_request(struct proxy *p, struct head *h, const struct chain *in, uint8_t *error)
{
	struct http_request *r = &p->heads->request;
	uint32_t len;
	const uint8_t *bytes = in_one_piece(h, in, &len);

	if (bytes == NULL) {
		*error = PROXY_ERROR_RESOURCES;
		return HEAD_BAD;
	}
	if (!http_wait_is_over(&h->wait, bytes, len))
		return HEAD_MORE;
	http_request_init(r, p->heads->request_fields, HTTP_FIELDS_MAX);
	switch (http_request_parse(r, bytes, len)) {
	case HTTP_COMPLETE:
		return HEAD_DONE;
	case HTTP_INCOMPLETE:
		return HEAD_MORE;
	default:
		*error = r->head.fault;
		return HEAD_BAD;
	}
}

const struct http_request *
head_request(const struct proxy *p)
{
	return &p->heads->request;
}

uint32_t
head_request_len(const struct proxy *p)
{
	return p->heads->request.head.len;
}

static struct proxy_text
keep(struct exchange *x, struct http_text t, uint32_t *reserve, uint32_t share)
{
	*reserve -= share;
	return proxy_keep(&x->x, t.at, t.len, *reserve);
}

static void
keep_strings(struct exchange *x, const struct http_request *r)
{
	const struct http_head *h = &r->head;
	const struct http_field *agent = http_find(h, HTTP_USER_AGENT);
	struct proxy_record *record = &x->x.record;
	uint32_t reserve = PROXY_TEXT_MAX;

	record->method = keep(x, http_text(h, r->method), &reserve, PROXY_TEXT_METHOD);
	record->target_uri = keep(x, http_text(h, r->target), &reserve, PROXY_TEXT_URI);
	record->host = keep(x, http_text(h, r->host), &reserve, PROXY_TEXT_HOST);
	if (agent != NULL)
		record->user_agent =
			keep(x, http_field_value(h, agent), &reserve, PROXY_TEXT_AGENT);
}

void
head_classify_refused(struct proxy *p, struct exchange *x)
{
	struct http_verdict v = http_verdict(&p->heads->request, HTTP_DESYNC_DEFENSIVE);

	x->x.record.classification = v.class;
	x->x.record.classification_reason = v.reason;
}

bool
head_request_is_grpc(const struct proxy *p)
{
	static const char type[] = "application/grpc";
	const struct http_head *h = &p->heads->request.head;
	const struct http_field *field = http_find(h, HTTP_CONTENT_TYPE);
	struct http_text value;

	if (field == NULL)
		return false;
	value = http_field_value(h, field);
	return value.len >= sizeof(type) - 1 &&
	       strncasecmp((const char *)value.at, type, sizeof(type) - 1) == 0 &&
	       (value.len == sizeof(type) - 1 || value.at[sizeof(type) - 1] == '+' ||
		value.at[sizeof(type) - 1] == ';');
}

struct head_verdict
head_classify_request(struct proxy *p, struct exchange *x)
{
	const struct http_request *r = &p->heads->request;
	bool draining = false;
	const struct http_policy *policy = policy_of(p, x, &draining);
	struct http_verdict v = http_verdict(r, (enum http_desync_mode)policy->desync_mode);

	keep_strings(x, r);
	x->version = r->head.version;
	x->x.record.http_version = r->head.version;
	x->x.record.classification = v.class;
	x->x.record.classification_reason = v.reason;
	x->x.record.error = v.fault;
	x->x.record.invalid_header = r->head.invalid_names_n > 0;
	x->is_head = r->method_id == HTTP_METHOD_HEAD;
	x->may_reuse = !v.close;
	x->request.body = http_request_body(r);
	x->request.chunk_out = r->head.has_coding;
	/* A trailer could have one of these names, too. */
	x->request.trailers = policy->own_names_n == 0 && trailers_pass(&r->head, &x->request);
	x->idempotent = http_request_is_idempotent(r) && x->request.body.ended;
	x->upgrade = !policy->no_upgrade && http_request_upgrades(r);
	return (struct head_verdict){.status = v.status,
				     .close = v.close || draining || !http_keeps_alive(&r->head),
				     .expects_continue = r->expects_continue};
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

	edits.client.at = (const uint8_t *)ip_addr_format(&tuple->remote, client);
	edits.client.len = (uint32_t)strlen(client);
	edits.client_port = ntohs(tuple->remote_port_be);
	edits.upgrade = x->upgrade;
	http_request_write(&w, &p->heads->request, policy_of(p, x, &draining), &edits);
	return copy_written(p, &w, out);
}

/* Responses. */

enum head_result
head_read_response(struct proxy *p, struct head *h, const struct chain *in, enum proxy_error *error)
{
	struct http_response *r = &p->heads->response;
	enum http_result result;
	uint32_t len;
	const uint8_t *bytes = in_one_piece(h, in, &len);

	*error = PROXY_ERROR_RESOURCES;
	if (bytes == NULL)
		return HEAD_BAD;
	if (!http_wait_is_over(&h->wait, bytes, len))
		return HEAD_MORE;
	http_response_init(r, p->heads->response_fields, HTTP_FIELDS_MAX);
	result = http_response_parse(r, bytes, len);
	*error = r->head.fault == HTTP_FAULT_MALFORMED ? PROXY_ERROR_TARGET_RESPONSE
						       : PROXY_ERROR_TARGET_LONG;
	return result == HTTP_COMPLETE ? HEAD_DONE : result == HTTP_INVALID ? HEAD_BAD : HEAD_MORE;
}

uint32_t
head_response_len(const struct proxy *p)
{
	return p->heads->response.head.len;
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
head_write_response(struct proxy *p, struct exchange *x, struct chain *out, enum proxy_error *error)
{
	struct bytes_writer w = bytes_writer(p->heads->written, WRITE_MAX);
	const struct http_response *r = &p->heads->response;
	struct http_response_edits edits = {.client_version = x->version};
	struct http_response_plan plan;
	bool draining = false;
	const struct http_policy *policy = policy_of(p, x, &draining);

	*error = PROXY_ERROR_TARGET_RESPONSE;
	plan = http_response_plan(r, x->is_head ? HTTP_METHOD_HEAD : HTTP_METHOD_GET, x->version);
	x->may_reuse &= plan.reuse;
	if (r->status < 200 && r->status != 101)
		return true;
	/* RFC 9110 section 7.8: asked for, and not before the request has ended. */
	if (r->status == 101 && (!x->upgrade || !x->request.body.ended ||
				 (r->head.connection & HTTP_CONNECTION_UPGRADE) == 0))
		return false;
	x->response.body = plan.body;
	x->response.chunk_out = plan.out == HTTP_BODY_CHUNKED;
	x->response.trailers = trailers_pass(&r->head, &x->response);
	x->x.record.target_status = r->status;
	x->x.record.elb_status = r->status;
	if (r->status == 101) {
		begin_tunnel(x);
		edits.upgrade = true;
	}
	x->session->close_after |= plan.close;
	edits.out = plan.out;
	if (draining || relay_left(&x->request) > PROXY_DISCARD_BYTES)
		x->session->close_after = true;
	edits.close = x->session->close_after;
	p->config.service->response(p->config.service_arg, &x->x, r, &edits);
	http_response_write(&w, r, policy, &edits);
	if (!w.failed)
		*error = PROXY_ERROR_RESOURCES;
	return copy_written(p, &w, out);
}

/* Trailers. */

bool
head_collect_trailers(struct head *h, const uint8_t *bytes, uint32_t len)
{
	if (!make_room(h, h->len + len))
		return false;
	memcpy(h->bytes + h->len, bytes, len);
	h->len += len;
	return true;
}

bool
head_read_trailers(struct proxy *p, const struct head *h)
{
	struct heads *heads = p->heads;

	return http_trailers_parse(&heads->trailers, heads->trailer_fields, HTTP_FIELDS_MAX,
				   h->bytes, h->len);
}

bool
head_write_trailers(struct proxy *p, struct chain *out)
{
	struct bytes_writer w = bytes_writer(p->heads->written, WRITE_MAX);

	bytes_put(&w, "0\r\n", 3);
	http_trailers_write(&w, &p->heads->trailers);
	return copy_written(p, &w, out);
}

/*
 * An error of weir's own as gRPC's clients read it, beside HTTP's status: gRPC's status of that
 * (their doc/http-grpc-status-mapping.md), without a body.
 */
static void
answer_grpc(struct http_answer *answer, struct http_line *line)
{
	const char *status = answer->status == 400   ? "13" /* INTERNAL */
			     : answer->status == 401 ? "16" /* UNAUTHENTICATED */
			     : answer->status == 403 ? "7"  /* PERMISSION_DENIED */
			     : answer->status == 404 ? "12" /* UNIMPLEMENTED */
			     : answer->status == 429 || answer->status / 100 == 5
				     ? "14" /* UNAVAILABLE */
				     : "2"; /* UNKNOWN */

	*line = (struct http_line){{(const uint8_t *)"Grpc-Status", 11},
				   {(const uint8_t *)status, (uint32_t)strlen(status)}};
	answer->lines = line;
	answer->lines_n = 1;
	answer->content_type = (struct http_text){(const uint8_t *)"application/grpc", 16};
	answer->body = (struct http_text){(const uint8_t *)"", 0};
}

/* Of http_fault_status()'s and the proxy's. */
static uint16_t
plain_status(uint16_t status)
{
	switch (status) {
	case 405:
	case 408:
	case 502:
	case 503:
	case 504:
		return status;
	default:
		return 400;
	}
}

bool
head_write_answer(struct proxy *p, struct exchange *x, const struct proxy_answer *a, bool close,
		  struct chain *out)
{
	struct bytes_writer w = bytes_writer(p->heads->written, WRITE_MAX);
	const struct http_policy *policy;
	bool draining;
	uint8_t date[HTTP_DATE_LEN];
	struct http_line grpc_line;
	struct http_answer answer = {.status = a->status,
				     .close = close,
				     .to_head = x->is_head,
				     .body = {(const uint8_t *)a->body, a->body_len},
				     .location = {(const uint8_t *)a->location, a->location_len},
				     .date = {date, sizeof(date)},
				     .client_version = x->version};

	http_date(date, p->config.service->wall_s(p->config.service_arg));
	if (x->x.record.grpc && a->status >= 400) {
		answer_grpc(&answer, &grpc_line);
	} else if (a->content_type != NULL) {
		answer.content_type.at = (const uint8_t *)a->content_type;
		answer.content_type.len = (uint32_t)strlen(a->content_type);
	}
	policy = policy_of(p, x, &draining);
	if (policy->few_statuses)
		answer.status = plain_status(answer.status);
	http_answer_write(&w, &answer, policy);
	x->x.record.elb_status = answer.status;
	x->x.record.sent_head_bytes =
		(uint64_t)(w.at - p->heads->written) - http_answer_body_len(&answer);
	return copy_written(p, &w, out);
}
