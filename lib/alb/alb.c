/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb.h"

#include <stdlib.h>
#include <string.h>

#include "alb_connection.h"
#include "alb_error.h"
#include "alb_record.h"

#define SCRATCH_BYTES 32768
#define COOKIE_DAYS   7

struct alb {
	struct service_http *http;
	struct alb_scratch *scratch;
	char text[SCRATCH_BYTES]; /* what is rewritten, a Location */
	uint8_t trace_id[HTTP_TRACE_ID_MAX];
	struct http_line request_lines[1 + ALB_PEER_FIELDS]; /* of the request being written */
};

/* What proxy_exchange.service[] holds, beside service_http's. */
enum { STICKY_SECONDS = 1, STICKY_RULE };

static struct alb_text
text_of(struct http_text t)
{
	return (struct alb_text){(const char *)t.at, t.len};
}

static void
field_of(const void *arg, uint32_t i, struct alb_text *name, struct alb_text *value)
{
	const struct http_head *h = arg;

	*name = text_of(http_field_name(h, &h->fields[i]));
	*value = text_of(http_field_value(h, &h->fields[i]));
}

static struct http_text
http_text_of(struct alb_text t)
{
	return (struct http_text){(const uint8_t *)t.at, t.len};
}

static int
compare_group(const void *index, const void *group)
{
	uint32_t a = *(const uint32_t *)index, b = ((const struct alb_group *)group)->index;

	return a < b ? -1 : a > b;
}

static const struct alb_group *
group_of(const struct alb_listener *l, uint32_t index)
{
	return bsearch(&index, l->groups, l->groups_n, sizeof(l->groups[0]), compare_group);
}

/* The target group of a request: that the client sticks to, or by weight. */
static uint32_t
choose_group(struct alb *alb, struct proxy_exchange *x, const struct alb_action *action,
	     const struct http_request *request, uint64_t rule_id)
{
	uint32_t choice = action->forwards_n;

	if (action->stickiness_seconds > 0) {
		choice = alb_sticky_group(service_http_keys(alb->http), request, action, rule_id,
					  service_http_wall_s(alb->http));
		x->service[STICKY_SECONDS] = action->stickiness_seconds;
		x->service[STICKY_RULE] = rule_id;
	}
	if (choice == action->forwards_n)
		choice = alb_forward_choose(action, (uint32_t)service_http_random(alb->http));
	return choice;
}

/* A target of the group: that the client sticks to, or by the group's algorithm. */
static uint32_t
choose_in_group(struct alb *alb, struct proxy_exchange *x, const struct alb_listener *l,
		const struct http_request *request)
{
	const struct alb_group *g = group_of(l, x->record.group);
	uint32_t target = 0;

	if (g != NULL && (g->lb_cookie || g->app_cookie)) {
		target = alb_sticky_target(alb->http, request, g);
		if (target == 0)
			service_http_counters(alb->http, x->record.frontend)->non_sticky_requests++;
	}
	return target != 0 ? target : service_http_choose(alb->http, x->record.group);
}

/* A:target-groups: which requests a group's targets take. */
static bool
version_fits(const struct proxy_exchange *x, uint8_t version, const struct http_request *request)
{
	bool http2 = x->record.http_version == 20;

	switch ((enum protocol_version)version) {
	case VERSION_HTTP1:
		return !x->record.grpc;
	case VERSION_HTTP2:
		return http2;
	case VERSION_GRPC:
		return http2 && request->method_id == HTTP_METHOD_POST;
	}
	return false;
}

static void
add_line(struct alb *alb, struct proxy_decision *decision, struct http_text name,
	 struct http_text value)
{
	alb->request_lines[decision->edits.lines_n++] = (struct http_line){name, value};
}

/* A:mutual-authentication: what the client's certificate says, if it has shown one. */
static void
add_certificate(struct alb *alb, const struct alb_listener *l, const struct tls_peer *peer,
		struct proxy_decision *decision)
{
	const struct http_text *names = l->peer_names;
	struct http_text pem = http_text_string(peer->pem);

	/* What was asked of it then, whatever the listener asks now. */
	if (peer->mode == TLS_MUTUAL_PASSTHROUGH) {
		add_line(alb, decision, names[ALB_MTLS_CHAIN], pem);
	} else {
		add_line(alb, decision, names[ALB_MTLS_SERIAL_NUMBER],
			 http_text_string(peer->serial));
		add_line(alb, decision, names[ALB_MTLS_ISSUER], http_text_string(peer->issuer));
		add_line(alb, decision, names[ALB_MTLS_SUBJECT], http_text_string(peer->subject));
		add_line(alb, decision, names[ALB_MTLS_VALIDITY], http_text_string(peer->validity));
		add_line(alb, decision, names[ALB_MTLS_LEAF], pem);
	}
}

/* Fields of a request's own that its target gets. */
static void
add_lines(struct alb *alb, const struct proxy_exchange *x, const struct alb_listener *l,
	  struct proxy_decision *decision)
{
	const struct tls *tls = x->session->tls;
	const struct tls_peer *peer = tls == NULL ? NULL : tls_peer(tls);

	decision->edits.lines = alb->request_lines;
	decision->edits.lines_n = 0;
	/* gRPC's servers insist on it. */
	if (decision->http2)
		add_line(alb, decision, http_text_string("TE"), http_text_string("trailers"));
	if (l->tls_fields && tls != NULL) {
		add_line(alb, decision, l->peer_names[ALB_TLS_VERSION],
			 http_text_string(tls_protocol(tls)));
		add_line(alb, decision, l->peer_names[ALB_TLS_CIPHER_SUITE],
			 http_text_string(tls_cipher(tls)));
	}
	if (peer != NULL)
		add_certificate(alb, l, peer, decision);
}

static void
forward(struct alb *alb, struct proxy_exchange *x, const struct alb_listener *l,
	const struct alb_action *action, const struct http_request *request, uint64_t rule_id,
	struct proxy_decision *decision)
{
	uint32_t choice = choose_group(alb, x, action, request, rule_id);
	const struct alb_group *g = NULL;
	uint32_t target = 0;

	x->record.actions |= ALB_ACTION_FORWARD;
	if (choice < action->forwards_n) {
		x->record.group = action->forwards[choice].group;
		g = group_of(l, x->record.group);
		if (g != NULL && !version_fits(x, g->version, request)) {
			service_http_fail(x, decision, ALB_ERROR_VERSION, 464);
			return;
		}
		target = choose_in_group(alb, x, l, request);
	}
	decision->http2 = g != NULL && g->version != VERSION_HTTP1;
	add_lines(alb, x, l, decision);
	service_http_forward(alb->http, x, target, decision);
}

static void
redirect(struct alb *alb, struct proxy_exchange *x, const struct alb_action *action,
	 const struct alb_request *request, const struct alb_listener *l,
	 struct proxy_decision *decision)
{
	struct http_frontend_counters *c = service_http_counters(alb->http, x->record.frontend);
	uint32_t len = alb_redirect_url(action->redirect, request, l->http.policy.https,
					l->http.policy.port, alb->text, ALB_REDIRECT_MAX);

	x->record.actions |= ALB_ACTION_REDIRECT;
	if (len == 0) {
		c->redirects_too_long++;
		service_http_fail(x, decision, ALB_ERROR_REDIRECT, 507);
		return;
	}
	c->redirects++;
	x->record.redirect_url = proxy_keep(x, alb->text, len, 0);
	service_http_answer(decision, (uint16_t)action->redirect->status);
	decision->answer.location = alb->text;
	decision->answer.location_len = len;
}

static void
fixed_response(struct alb *alb, struct proxy_exchange *x, const struct alb_action *action,
	       struct proxy_decision *decision)
{
	const struct model_fixed_response *f = action->fixed_response;

	x->record.actions |= ALB_ACTION_FIXED_RESPONSE;
	service_http_counters(alb->http, x->record.frontend)->fixed_responses++;
	service_http_answer(decision, (uint16_t)f->status);
	decision->answer.content_type = f->content_type[0] != '\0' ? f->content_type : "text/plain";
	decision->answer.body = f->body;
	decision->answer.body_len = (uint32_t)strlen(f->body);
}

/* @return  false: the request is answered with 500. */
static bool
rewrite(struct alb *alb, struct proxy_exchange *x, const struct alb_action *action,
	const struct alb_request *request, struct proxy_decision *decision)
{
	struct alb_rewritten rewritten;
	enum alb_transform_status status;

	if (action->host_rewrite == NULL && action->url_rewrite == NULL)
		return true;
	status = alb_transform(action, alb->scratch, request, alb->text, sizeof(alb->text),
			       &rewritten);
	x->record.transform_status = (uint8_t)status;
	if (status > ALB_TRANSFORM_SUCCESS)
		return false;
	if (status == ALB_TRANSFORM_NONE)
		return true;
	x->record.actions |= ALB_ACTION_REWRITE;
	decision->edits.host = http_text_of(rewritten.host);
	decision->edits.target = http_text_of(rewritten.url);
	if (rewritten.host.at != NULL)
		x->record.transformed_host =
			proxy_keep(x, rewritten.host.at, rewritten.host.len, PROXY_TEXT_ACTION / 2);
	if (rewritten.url.at != NULL)
		x->record.transformed_uri = proxy_keep(x, rewritten.url.at, rewritten.url.len, 0);
	return true;
}

static struct http_text
trace_id(struct alb *alb, struct proxy_exchange *x, const struct http_request *request)
{
	uint64_t random[2] = {service_http_random(alb->http), service_http_random(alb->http)};
	uint32_t len =
		http_trace_id(alb->trace_id, &request->head,
			      (uint32_t)service_http_wall_s(alb->http), (const uint8_t *)random);

	x->record.trace_id = proxy_keep(x, alb->trace_id, len, PROXY_TEXT_ACTION);
	return (struct http_text){alb->trace_id, len};
}

static void
on_decide(void *arg, const struct service_http_listener *listener, struct proxy_exchange *x,
	  const struct http_request *request, struct proxy_decision *decision)
{
	struct alb *alb = arg;
	const struct alb_listener *l = (const struct alb_listener *)listener;
	const struct http_head *h = &request->head;
	struct alb_request r = {.method = text_of(http_text(h, request->method)),
				.host = text_of(http_text(h, request->host)),
				.path = text_of(http_text(h, request->path)),
				.query = text_of(http_text(h, request->query)),
				.client = x->session->tuple->remote,
				.fields_n = h->fields_n,
				.field = field_of,
				.fields = h};
	const struct alb_action *action;
	uint32_t rule;

	/* U: HTTP/1.0 without Host: the load balancer's own name. */
	if (r.host.len == 0)
		r.host = (struct alb_text){l->http.default_host,
					   (uint32_t)strlen(l->http.default_host)};
	service_http_counters(alb->http, x->record.frontend)->rule_evaluations +=
		alb_rules_n(l->rules);
	if (alb_rules_match(l->rules, alb->scratch, &r, &rule) == ALB_BUDGET) {
		service_http_fail(x, decision, ALB_ERROR_BUDGET, 500);
		return;
	}
	x->record.rule_priority = (int32_t)alb_rules_priority(l->rules, rule);
	action = alb_rules_action(l->rules, rule);
	decision->edits.trace_id = trace_id(alb, x, request);
	switch (action->action_kind) {
	case ACTION_FORWARD:
		if (rewrite(alb, x, action, &r, decision))
			forward(alb, x, l, action, request, alb_rules_id(l->rules, rule), decision);
		else
			service_http_fail(x, decision, ALB_ERROR_TRANSFORM, 500);
		break;
	case ACTION_REDIRECT:
		redirect(alb, x, action, &r, l, decision);
		break;
	case ACTION_FIXED_RESPONSE:
		fixed_response(alb, x, action, decision);
		break;
	}
}

static void
on_response(void *arg, const struct service_http_listener *listener, struct proxy_exchange *x,
	    const struct http_response *response, struct http_response_edits *edits)
{
	struct service_http *http = ((struct alb *)arg)->http;
	const struct snapshot_target *target =
		snapshot_target(service_http_snapshot(http), x->record.target);
	const struct alb_group *g =
		group_of((const struct alb_listener *)listener, x->record.group);
	uint64_t now_s = service_http_wall_s(http);
	char attributes[SERVICE_COOKIE_ATTRIBUTES_MAX];
	struct http_text set;

	if (g == NULL || target == NULL ||
	    (x->service[STICKY_SECONDS] == 0 && !g->lb_cookie && !g->app_cookie))
		return;
	service_cookie_expires(now_s + COOKIE_DAYS * 86400, attributes);
	if (x->service[STICKY_SECONDS] != 0)
		service_http_add_cookie(
			http, edits, SERVICE_COOKIE_TARGET_GROUP,
			&(struct service_cookie){x->service[STICKY_RULE], g->id,
						 now_s + x->service[STICKY_SECONDS]},
			attributes);
	if (g->lb_cookie ||
	    (g->app_cookie && service_cookie_of_response(response, g->app_cookie_name, &set)))
		service_http_add_cookie(
			http, edits,
			g->lb_cookie ? SERVICE_COOKIE_TARGET : SERVICE_COOKIE_APPLICATION,
			&(struct service_cookie){g->id, target->id, now_s + g->duration_s},
			attributes);
}

static const struct service_http_kind kind = {.slot = SERVICE_HTTP_APPLICATION,
					      .log = LOG_ACCESS,
					      .decide = on_decide,
					      .response = on_response,
					      .log_connection = alb_connection_write};

const struct service_http_kind *const alb_kind = &kind;

struct alb *
alb_create(struct service_http *http)
{
	struct alb *alb = calloc(1, sizeof(*alb));

	if (alb == NULL)
		return NULL;
	alb->http = http;
	alb->scratch = alb_scratch_create();
	if (alb->scratch == NULL) {
		free(alb);
		return NULL;
	}
	service_http_add(http, SERVICE_HTTP_APPLICATION, alb);
	return alb;
}

void
alb_free(struct alb *alb)
{
	if (alb == NULL)
		return;
	alb_scratch_free(alb->scratch);
	free(alb);
}
