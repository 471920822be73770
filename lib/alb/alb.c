/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alb_connection.h"
#include "alb_error.h"
#include "alb_record.h"
#include "http_verdict.h"
#include "target_set.h"

#define SCRATCH_BYTES 32768
#define CHOICE_TRIES  4    /* to find another target than one that failed */
#define HEAP_MAX      1024 /* A:load-balancer-limits: targets of a group, and some */

struct alb {
	struct alb_settings settings;
	struct alb_log log;
	const struct snapshot *snapshot; /* of this turn */
	uint64_t now_us;
	uint64_t random;
	struct alb_scratch *scratch;
	struct balance_group *groups;   /* [SNAPSHOT_GROUPS] */
	struct balance_target *targets; /* [SNAPSHOT_TARGETS] */
	uint32_t *heaps;                /* [SNAPSHOT_GROUPS * HEAP_MAX], of groups */
	char text[SCRATCH_BYTES];       /* what is rewritten, a Location */
	uint8_t trace_id[HTTP_TRACE_ID_MAX];
	struct alb_cookie_keys *keys;
	char cookies[4][ALB_COOKIE_SET_MAX]; /* of the response being written */
	struct http_line cookie_lines[4];
	struct http_line request_lines[1 + ALB_PEER_FIELDS]; /* of the request being written */
};

/* What proxy_exchange.service[] holds. */
enum { HELD_TARGET, STICKY_SECONDS, STICKY_RULE };

static uint64_t
next_random(struct alb *alb)
{
	uint64_t z = alb->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t
wall_us(const struct alb *alb)
{
	return alb->settings.wall_us + alb->now_us;
}

static uint64_t
wall_s(const struct alb *alb)
{
	return wall_us(alb) / 1000000;
}

static const struct alb_listener *
listener_of(const struct alb *alb, uint32_t frontend)
{
	const struct snapshot_frontend *f = snapshot_frontend(alb->snapshot, frontend);

	return f == NULL || f->terminates != SNAPSHOT_ENDS_HTTP
		       ? NULL
		       : (const struct alb_listener *)f->service;
}

static struct http_frontend_counters *
counters_of(const struct alb *alb, uint32_t frontend)
{
	return &alb->settings.counters->frontends[ref_index(frontend)];
}

/* Sessions. */

static bool
on_accepted(void *arg, const struct proxy_session_info *session,
	    struct proxy_listener_settings *settings)
{
	struct alb *alb = arg;
	const struct alb_listener *l = listener_of(alb, session->frontend);

	if (l == NULL) {
		counters_of(alb, session->frontend)->rejected_connections++;
		return false;
	}
	*settings = l->settings;
	counters_of(alb, session->frontend)->new_connections++;
	alb->settings.flows->frontends[ref_index(session->frontend)].new_flows++;
	return true;
}

static void
log_connection(struct alb *alb, const struct proxy_session_info *session, bool refused)
{
	const struct alb_listener *l = listener_of(alb, session->frontend);

	if (l != NULL && l->log_connections && alb->log.ring != NULL &&
	    !alb_connection_write(&alb->log, l, session, refused))
		counters_of(alb, session->frontend)->log_lost++;
}

static void
on_rejected(void *arg, const struct proxy_session_info *session)
{
	counters_of(arg, session->frontend)->rejected_connections++;
	log_connection(arg, session, true);
}

static void
on_negotiated(void *arg, const struct proxy_session_info *session)
{
	counters_of(arg, session->frontend)->tls_errors += session->negotiated_us == 0;
}

static void
on_closed(void *arg, const struct proxy_session_info *session)
{
	struct alb *alb = arg;
	const struct alb_listener *l = listener_of(alb, session->frontend);

	counters_of(alb, session->frontend)->closed_connections++;
	alb->settings.flows->frontends[ref_index(session->frontend)].closed_flows++;
	/* on_rejected() has logged those for which there was no TLS. */
	if (l == NULL || l->settings.tls == NULL || session->tls != NULL)
		log_connection(alb, session, false);
}

static const struct http_policy *
on_policy(void *arg, uint32_t frontend, bool *draining)
{
	struct alb *alb = arg;
	const struct alb_listener *l = listener_of(alb, frontend);

	*draining = l == NULL || snapshot_frontend(alb->snapshot, frontend)->draining;
	return l == NULL ? NULL : &l->policy;
}

static uint64_t
on_wall_s(void *arg)
{
	return wall_s(arg);
}

/* Choosing a target. */

static const struct balance_set *
set_of(const struct alb *alb, uint32_t group)
{
	const struct snapshot_group *g = &alb->snapshot->groups[group];

	if (group == 0 || !g->in_use)
		return NULL;
	return atomic_load_explicit(&g->set, memory_order_acquire)->balance;
}

/* @return  a target of the group other than `failed` (0: any will do); 0: there is none. */
static uint32_t
choose_target(struct alb *alb, uint32_t group, uint32_t failed)
{
	const struct balance_set *set = set_of(alb, group);
	struct balance_worker worker = {.targets = alb->targets, .now_ms = alb->now_us / 1000};
	uint32_t target;

	for (uint32_t tries = 0; set != NULL && tries < CHOICE_TRIES; tries++) {
		worker.random = next_random(alb);
		target = balance_choose(set, &alb->groups[group], &worker);
		if (target != failed)
			return target;
	}
	/* The algorithm insists on it: whoever else may be chosen. */
	for (uint32_t i = 0; set != NULL && i < set->choices_n; i++) {
		if (set->choices[i].target != failed && set->choices[i].weight > 0)
			return set->choices[i].target;
	}
	return 0;
}

/* A request of the exchange goes to the target, until let_go(). */
static void
hold(struct alb *alb, struct proxy_exchange *x, uint32_t target)
{
	x->service[HELD_TARGET] = target;
	balance_on_request(set_of(alb, x->record.group), &alb->groups[x->record.group],
			   alb->targets, target);
}

static void
let_go(struct alb *alb, struct proxy_exchange *x)
{
	const struct balance_set *set = set_of(alb, x->record.group);
	uint32_t target = (uint32_t)x->service[HELD_TARGET];

	x->service[HELD_TARGET] = 0;
	if (target == 0)
		return;
	if (set != NULL)
		balance_on_end(set, &alb->groups[x->record.group], alb->targets, target);
	else
		alb->targets[ref_index(target)].outstanding--; /* the group is gone */
}

/* Requests. */

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

static void
answer_status(struct proxy_decision *decision, uint16_t status)
{
	decision->verdict = PROXY_ANSWER;
	decision->answer.status = status;
}

static void
fail(struct proxy_exchange *x, struct proxy_decision *decision, enum alb_error error,
     uint16_t status)
{
	x->record.error = (uint8_t)error;
	answer_status(decision, status);
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
		choice = alb_sticky_group(alb->keys, request, action, rule_id, wall_s(alb));
		x->service[STICKY_SECONDS] = action->stickiness_seconds;
		x->service[STICKY_RULE] = rule_id;
	}
	if (choice == action->forwards_n)
		choice = alb_forward_choose(action, (uint32_t)next_random(alb));
	return choice;
}

/* A target of the group: that the client sticks to, or by the group's algorithm. */
static uint32_t
choose_in_group(struct alb *alb, struct proxy_exchange *x, const struct alb_listener *l,
		const struct http_request *request)
{
	const struct balance_set *set = set_of(alb, x->record.group);
	const struct alb_group *g = group_of(l, x->record.group);
	uint32_t target = 0;

	if (set != NULL && g != NULL && (g->lb_cookie || g->app_cookie)) {
		target = alb_sticky_target(alb->keys, request, g, set, alb->snapshot, wall_s(alb));
		if (target == 0)
			counters_of(alb, x->record.frontend)->non_sticky_requests++;
	}
	return target != 0 ? target : choose_target(alb, x->record.group, 0);
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
			fail(x, decision, ALB_ERROR_VERSION, 464);
			return;
		}
		target = choose_in_group(alb, x, l, request);
	}
	if (target == 0) {
		fail(x, decision, ALB_ERROR_NO_TARGETS, 503);
		return;
	}
	if (set_of(alb, x->record.group)->fail_open)
		counters_of(alb, x->record.frontend)->unhealthy_routed++;
	decision->verdict = PROXY_FORWARD;
	decision->target = target;
	decision->http2 = g != NULL && g->version != VERSION_HTTP1;
	add_lines(alb, x, l, decision);
	hold(alb, x, target);
}

static void
redirect(struct alb *alb, struct proxy_exchange *x, const struct alb_action *action,
	 const struct alb_request *request, const struct alb_listener *l,
	 struct proxy_decision *decision)
{
	struct http_frontend_counters *c = counters_of(alb, x->record.frontend);
	uint32_t len = alb_redirect_url(action->redirect, request, l->policy.https, l->policy.port,
					alb->text, ALB_REDIRECT_MAX);

	x->record.actions |= ALB_ACTION_REDIRECT;
	if (len == 0) {
		c->redirects_too_long++;
		fail(x, decision, ALB_ERROR_REDIRECT, 507);
		return;
	}
	c->redirects++;
	x->record.redirect_url = proxy_keep(x, alb->text, len, 0);
	answer_status(decision, (uint16_t)action->redirect->status);
	decision->answer.location = alb->text;
	decision->answer.location_len = len;
}

static void
fixed_response(struct alb *alb, struct proxy_exchange *x, const struct alb_action *action,
	       struct proxy_decision *decision)
{
	const struct model_fixed_response *f = action->fixed_response;

	x->record.actions |= ALB_ACTION_FIXED_RESPONSE;
	counters_of(alb, x->record.frontend)->fixed_responses++;
	answer_status(decision, (uint16_t)f->status);
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
	uint64_t random[2] = {next_random(alb), next_random(alb)};
	uint32_t len = http_trace_id(alb->trace_id, &request->head, (uint32_t)wall_s(alb),
				     (const uint8_t *)random);

	x->record.trace_id = proxy_keep(x, alb->trace_id, len, PROXY_TEXT_ACTION);
	return (struct http_text){alb->trace_id, len};
}

static void
on_decide(void *arg, struct proxy_exchange *x, const struct http_request *request,
	  struct proxy_decision *decision)
{
	struct alb *alb = arg;
	const struct alb_listener *l = listener_of(alb, x->record.frontend);
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

	if (l == NULL) {
		fail(x, decision, ALB_ERROR_LISTENER, 503);
		decision->close = true;
		return;
	}
	/* U: HTTP/1.0 without Host: the load balancer's own name. */
	if (r.host.len == 0)
		r.host = (struct alb_text){l->default_host, (uint32_t)strlen(l->default_host)};
	counters_of(alb, x->record.frontend)->rule_evaluations += alb_rules_n(l->rules);
	if (alb_rules_match(l->rules, alb->scratch, &r, &rule) == ALB_BUDGET) {
		fail(x, decision, ALB_ERROR_BUDGET, 500);
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
			fail(x, decision, ALB_ERROR_TRANSFORM, 500);
		break;
	case ACTION_REDIRECT:
		redirect(alb, x, action, &r, l, decision);
		break;
	case ACTION_FIXED_RESPONSE:
		fixed_response(alb, x, action, decision);
		break;
	}
}

static uint32_t
on_again(void *arg, struct proxy_exchange *x, uint32_t failed)
{
	struct alb *alb = arg;
	uint32_t target = choose_target(alb, x->record.group, failed);

	if (target == 0)
		return 0;
	let_go(alb, x);
	hold(alb, x, target);
	return target;
}

static void
on_no_tls(void *arg, uint32_t target)
{
	struct alb *alb = arg;

	alb->settings.counters->targets[ref_index(target)].tls_errors++;
}

static void
on_unreachable(void *arg, uint32_t target, enum tcp_close_reason reason)
{
	struct alb *alb = arg;

	(void)reason;
	alb->settings.counters->targets[ref_index(target)].connection_errors++;
}

static void
add_cookie(struct alb *alb, struct http_response_edits *edits, enum alb_cookie_kind kind,
	   const struct alb_cookie *cookie)
{
	char text[ALB_COOKIE_LEN];

	alb_cookie_seal(alb->keys, kind, cookie, (uint32_t)next_random(alb), text);
	for (int cors = 0; cors <= 1; cors++) {
		struct http_line *line = &alb->cookie_lines[edits->lines_n];
		char *out = alb->cookies[edits->lines_n];

		if (alb_cookie_name(kind, cors != 0) == NULL)
			continue;
		line->name = (struct http_text){(const uint8_t *)"Set-Cookie", 10};
		line->value.at = (const uint8_t *)out;
		line->value.len = alb_cookie_set(kind, cors != 0, text, wall_s(alb), out);
		edits->lines = alb->cookie_lines;
		edits->lines_n++;
	}
}

static void
on_response(void *arg, struct proxy_exchange *x, const struct http_response *response,
	    struct http_response_edits *edits)
{
	struct alb *alb = arg;
	const struct alb_listener *l = listener_of(alb, x->record.frontend);
	const struct snapshot_target *target = snapshot_target(alb->snapshot, x->record.target);
	const struct alb_group *g = l == NULL ? NULL : group_of(l, x->record.group);
	uint64_t now_s = wall_s(alb);

	if (g == NULL || target == NULL || response->status < 200)
		return;
	if (x->service[STICKY_SECONDS] != 0)
		add_cookie(alb, edits, ALB_COOKIE_TARGET_GROUP,
			   &(struct alb_cookie){x->service[STICKY_RULE], g->id,
						now_s + x->service[STICKY_SECONDS]});
	if (g->lb_cookie || (g->app_cookie && alb_sticky_app_cookie_set(response, g)))
		add_cookie(alb, edits, g->lb_cookie ? ALB_COOKIE_TARGET : ALB_COOKIE_APPLICATION,
			   &(struct alb_cookie){g->id, target->id, now_s + g->duration_s});
}

/* Counting what is over. */

static void
count_own(struct http_frontend_counters *c, uint16_t status)
{
	if (status >= 500)
		c->elb_5xx++;
	else if (status >= 400)
		c->elb_4xx++;
	else if (status >= 300)
		c->elb_3xx++;
	c->elb_460 += status == 460;
	c->elb_500 += status == 500;
	c->elb_502 += status == 502;
	c->elb_503 += status == 503;
	c->elb_504 += status == 504;
}

static void
count(struct alb *alb, const struct proxy_exchange *x)
{
	const struct proxy_record *r = &x->record;
	struct http_frontend_counters *c = counters_of(alb, r->frontend);
	struct http_target_counters *t = &alb->settings.counters->targets[ref_index(r->target)];
	const struct alb_listener *l = listener_of(alb, r->frontend);
	bool v6 = x->session->tuple->af == 6;

	c->retries += r->retries;
	c->processed_bytes += r->received_bytes + r->sent_bytes;
	if (v6)
		c->ipv6_processed_bytes += r->received_bytes + r->sent_bytes;
	c->desync_non_compliant += r->classification != HTTP_COMPLIANT;
	if (r->invalid_header && r->target != 0 && l != NULL &&
	    l->policy.drop_invalid_header_fields)
		c->dropped_invalid_header++;
	else if (r->invalid_header && r->target != 0)
		c->forwarded_invalid_header++;
	if (r->target != 0) {
		c->requests++;
		c->ipv6_requests += v6;
		c->grpc_requests += x->record.grpc;
		t->requests++;
	}
	if (r->target_status >= 200)
		t->status[r->target_status / 100 - 2]++;
	if (r->cut && !r->upgraded) {
		if (proxy_error_is_clients(r->error))
			c->cut_by_client++;
		else
			c->cut_by_target++;
	}
	if (r->target_status == 0 || r->target_status != r->elb_status)
		count_own(c, r->elb_status);
	if (r->answered_us != 0 && r->sent_us != 0 && r->target_status != 0)
		histogram_add(&alb->settings.counters->groups[r->group],
			      r->answered_us - r->sent_us);
}

static void
on_done(void *arg, const struct proxy_exchange *x)
{
	struct alb *alb = arg;
	const struct alb_listener *l = listener_of(alb, x->record.frontend);

	let_go(alb, (struct proxy_exchange *)(uintptr_t)x);
	count(alb, x);
	if (l != NULL && l->log_access && alb->log.ring != NULL &&
	    !alb_record_write(&alb->log, l, x, alb->snapshot))
		counters_of(alb, x->record.frontend)->log_lost++;
}

static const struct proxy_service service = {.accepted = on_accepted,
					     .rejected = on_rejected,
					     .negotiated = on_negotiated,
					     .closed = on_closed,
					     .decide = on_decide,
					     .again = on_again,
					     .unreachable = on_unreachable,
					     .no_tls = on_no_tls,
					     .response = on_response,
					     .policy = on_policy,
					     .wall_s = on_wall_s,
					     .done = on_done};

struct alb *
alb_create(const struct alb_settings *settings, struct proxy_config *proxy)
{
	struct alb *alb = calloc(1, sizeof(*alb));

	if (alb == NULL)
		return NULL;
	alb->settings = *settings;
	alb->random = settings->seed;
	alb->log = (struct alb_log){.ring = settings->log,
				    .wall_us = settings->wall_us,
				    .first_connection = next_random(alb)};
	alb->scratch = alb_scratch_create();
	alb->keys = alb_cookie_keys_create(settings->secrets, settings->secrets_n);
	alb->groups = calloc(SNAPSHOT_GROUPS, sizeof(*alb->groups));
	alb->targets = calloc(SNAPSHOT_TARGETS, sizeof(*alb->targets));
	alb->heaps = calloc((size_t)SNAPSHOT_GROUPS * HEAP_MAX, sizeof(*alb->heaps));
	if (alb->scratch == NULL || alb->keys == NULL || alb->groups == NULL ||
	    alb->targets == NULL || alb->heaps == NULL) {
		alb_free(alb);
		return NULL;
	}
	for (uint32_t i = 0; i < SNAPSHOT_GROUPS; i++) {
		alb->groups[i].heap = alb->heaps + (size_t)i * HEAP_MAX;
		alb->groups[i].heap_max = HEAP_MAX;
		alb->groups[i].cursor = (uint32_t)settings->seed;
	}
	proxy->service = &service;
	proxy->service_arg = alb;
	return alb;
}

void
alb_free(struct alb *alb)
{
	if (alb == NULL)
		return;
	alb_scratch_free(alb->scratch);
	alb_cookie_keys_free(alb->keys);
	free(alb->groups);
	free(alb->targets);
	free(alb->heaps);
	free(alb);
}

void
alb_begin(struct alb *alb, const struct snapshot *snapshot, uint64_t now_us)
{
	alb->snapshot = snapshot;
	alb->now_us = now_us;
}
