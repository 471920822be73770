/* SPDX-License-Identifier: BSD-3-Clause */
#include "service_http.h"

#include <stdlib.h>
#include <string.h>

#include "http_verdict.h"
#include "target_set.h"

#define CHOICE_TRIES 4    /* to find another target than one that failed */
#define HEAP_MAX     1024 /* A:load-balancer-limits: targets of a group, and some */

struct service_http {
	struct service_http_settings settings;
	struct service_log log;
	const struct snapshot *snapshot; /* of this turn */
	uint64_t now_us;
	uint64_t random;
	void *args[SERVICE_HTTP_SLOTS];
	struct balance_group *groups;   /* [SNAPSHOT_GROUPS] */
	struct balance_target *targets; /* [SNAPSHOT_TARGETS] */
	uint32_t *heaps;                /* [SNAPSHOT_GROUPS * HEAP_MAX], of groups */
	struct service_cookie_keys *keys;
	char cookies[SERVICE_COOKIES_MAX]
		    [SERVICE_COOKIE_SET_MAX]; /* of the response being written */
	struct http_line cookie_lines[SERVICE_COOKIES_MAX];
};

/* What proxy_exchange.service[] holds; the rest is the kind's. */
enum { HELD_TARGET };

uint64_t
service_http_random(struct service_http *http)
{
	uint64_t z = http->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t
wall_us(const struct service_http *http)
{
	return http->settings.wall_us + http->now_us;
}

uint64_t
service_http_wall_s(const struct service_http *http)
{
	return wall_us(http) / 1000000;
}

static const struct service_http_listener *
listener_of(const struct service_http *http, uint32_t frontend)
{
	const struct snapshot_frontend *f = snapshot_frontend(http->snapshot, frontend);

	return f == NULL || f->terminates != SNAPSHOT_ENDS_HTTP
		       ? NULL
		       : (const struct service_http_listener *)f->service;
}

struct http_frontend_counters *
service_http_counters(const struct service_http *http, uint32_t frontend)
{
	return &http->settings.counters->frontends[ref_index(frontend)];
}

/* Sessions. */

static bool
on_accepted(void *arg, const struct proxy_session_info *session,
	    struct proxy_listener_settings *settings)
{
	struct service_http *http = arg;
	const struct service_http_listener *l = listener_of(http, session->frontend);

	if (l == NULL) {
		service_http_counters(http, session->frontend)->rejected_connections++;
		return false;
	}
	*settings = l->settings;
	service_http_counters(http, session->frontend)->new_connections++;
	http->settings.flows->frontends[ref_index(session->frontend)].new_flows++;
	return true;
}

static void
log_connection(struct service_http *http, const struct proxy_session_info *session, bool refused)
{
	const struct service_http_listener *l = listener_of(http, session->frontend);

	if (l != NULL && l->log_connections && http->log.ring != NULL &&
	    !l->kind->log_connection(&http->log, l, session, refused))
		service_http_counters(http, session->frontend)->log_lost++;
}

static void
on_rejected(void *arg, const struct proxy_session_info *session)
{
	service_http_counters(arg, session->frontend)->rejected_connections++;
	log_connection(arg, session, true);
}

static void
on_negotiated(void *arg, const struct proxy_session_info *session)
{
	service_http_counters(arg, session->frontend)->tls_errors += session->negotiated_us == 0;
}

static void
on_closed(void *arg, const struct proxy_session_info *session)
{
	struct service_http *http = arg;
	const struct service_http_listener *l = listener_of(http, session->frontend);

	service_http_counters(http, session->frontend)->closed_connections++;
	http->settings.flows->frontends[ref_index(session->frontend)].closed_flows++;
	/* on_rejected() has logged those for which there was no TLS. */
	if (l == NULL || l->settings.tls == NULL || session->tls != NULL)
		log_connection(http, session, false);
}

static const struct http_policy *
on_policy(void *arg, uint32_t frontend, bool *draining)
{
	struct service_http *http = arg;
	const struct service_http_listener *l = listener_of(http, frontend);

	*draining = l == NULL || snapshot_frontend(http->snapshot, frontend)->draining;
	return l == NULL ? NULL : &l->policy;
}

static uint64_t
on_wall_s(void *arg)
{
	return service_http_wall_s(arg);
}

/* Choosing a target. */

const struct balance_set *
service_http_set(const struct service_http *http, uint32_t group)
{
	const struct snapshot_group *g = &http->snapshot->groups[group];

	if (group == 0 || !g->in_use)
		return NULL;
	return atomic_load_explicit(&g->set, memory_order_acquire)->balance;
}

/* @return  a target of the group other than `failed` (0: any will do); 0: there is none. */
static uint32_t
choose_target(struct service_http *http, uint32_t group, uint32_t failed)
{
	const struct balance_set *set = service_http_set(http, group);
	struct balance_worker worker = {.targets = http->targets, .now_ms = http->now_us / 1000};
	uint32_t target;

	/* A heap tells of targets that no other group's requests go to. */
	http->groups[group].heap_max = http->snapshot->groups[group].zonal ? 0 : HEAP_MAX;
	for (uint32_t tries = 0; set != NULL && tries < CHOICE_TRIES; tries++) {
		worker.random = service_http_random(http);
		target = balance_choose(set, &http->groups[group], &worker);
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

uint32_t
service_http_choose(struct service_http *http, uint32_t group)
{
	return choose_target(http, group, 0);
}

uint32_t
service_http_find(const struct service_http *http, uint32_t group,
		  uint64_t (*id_of)(const struct snapshot_target *), uint64_t id)
{
	const struct balance_set *set = service_http_set(http, group);

	for (uint32_t i = 0; set != NULL && i < set->choices_n; i++) {
		const struct snapshot_target *t =
			snapshot_target(http->snapshot, set->choices[i].target);

		if (t != NULL && id_of(t) == id)
			return set->choices[i].target;
	}
	return 0;
}

/* A request of the exchange goes to the target, until let_go(). */
static void
hold(struct service_http *http, struct proxy_exchange *x, uint32_t target)
{
	x->service[HELD_TARGET] = target;
	balance_on_request(service_http_set(http, x->record.group), &http->groups[x->record.group],
			   http->targets, target);
}

static void
let_go(struct service_http *http, struct proxy_exchange *x)
{
	const struct balance_set *set = service_http_set(http, x->record.group);
	uint32_t target = (uint32_t)x->service[HELD_TARGET];

	x->service[HELD_TARGET] = 0;
	if (target == 0)
		return;
	if (set != NULL)
		balance_on_end(set, &http->groups[x->record.group], http->targets, target);
	else
		http->targets[ref_index(target)].outstanding--; /* the group is gone */
}

/* Requests. */

void
service_http_answer(struct proxy_decision *decision, uint16_t status)
{
	decision->verdict = PROXY_ANSWER;
	decision->answer.status = status;
}

void
service_http_fail(struct proxy_exchange *x, struct proxy_decision *decision, uint8_t error,
		  uint16_t status)
{
	x->record.error = error;
	service_http_answer(decision, status);
}

void
service_http_forward(struct service_http *http, struct proxy_exchange *x, uint32_t target,
		     struct proxy_decision *decision)
{
	if (target == 0) {
		service_http_fail(x, decision, SERVICE_ERROR_NO_TARGETS, 503);
		return;
	}
	if (service_http_set(http, x->record.group)->fail_open)
		service_http_counters(http, x->record.frontend)->unhealthy_routed++;
	decision->verdict = PROXY_FORWARD;
	decision->target = target;
	hold(http, x, target);
}

static void
on_decide(void *arg, struct proxy_exchange *x, const struct http_request *request,
	  struct proxy_decision *decision)
{
	struct service_http *http = arg;
	const struct service_http_listener *l = listener_of(http, x->record.frontend);

	if (l == NULL) {
		service_http_fail(x, decision, SERVICE_ERROR_LISTENER, 503);
		decision->close = true;
		return;
	}
	decision->surge = service_surge_of(http->settings.surges, &l->surge);
	decision->connections_max = l->surge.connections_max;
	l->kind->decide(http->args[l->kind->slot], l, x, request, decision);
}

static uint32_t
on_again(void *arg, struct proxy_exchange *x, uint32_t failed)
{
	struct service_http *http = arg;
	uint32_t target = choose_target(http, x->record.group, failed);

	if (target == 0)
		return 0;
	let_go(http, x);
	hold(http, x, target);
	return target;
}

static void
on_no_tls(void *arg, uint32_t target)
{
	struct service_http *http = arg;

	http->settings.counters->targets[ref_index(target)].tls_errors++;
}

static void
on_unreachable(void *arg, uint32_t target, enum tcp_close_reason reason)
{
	struct service_http *http = arg;

	(void)reason;
	http->settings.counters->targets[ref_index(target)].connection_errors++;
}

void
service_http_add_cookie(struct service_http *http, struct http_response_edits *edits,
			enum service_cookie_kind kind, const struct service_cookie *cookie,
			const char *attributes)
{
	char text[SERVICE_COOKIE_LEN];

	service_cookie_seal(http->keys, kind, cookie, (uint32_t)service_http_random(http), text);
	for (int cors = 0; cors <= 1; cors++) {
		struct http_line *line = &http->cookie_lines[edits->lines_n];
		char *out = http->cookies[edits->lines_n];

		if (service_cookie_name(kind, cors != 0) == NULL)
			continue;
		line->name = (struct http_text){(const uint8_t *)"Set-Cookie", 10};
		line->value.at = (const uint8_t *)out;
		line->value.len = service_cookie_set(kind, cors != 0, text, attributes, out);
		edits->lines = http->cookie_lines;
		edits->lines_n++;
	}
}

static void
on_response(void *arg, struct proxy_exchange *x, const struct http_response *response,
	    struct http_response_edits *edits)
{
	struct service_http *http = arg;
	const struct service_http_listener *l = listener_of(http, x->record.frontend);

	if (l != NULL && response->status >= 200)
		l->kind->response(http->args[l->kind->slot], l, x, response, edits);
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
count(struct service_http *http, const struct proxy_exchange *x)
{
	const struct proxy_record *r = &x->record;
	struct http_frontend_counters *c = service_http_counters(http, r->frontend);
	struct http_target_counters *t = &http->settings.counters->targets[ref_index(r->target)];
	const struct service_http_listener *l = listener_of(http, r->frontend);
	bool v6 = x->session->tuple->af == 6;

	c->retries += r->retries;
	c->spillovers += r->error == PROXY_ERROR_SPILLOVER;
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
		count_own(c, service_http_status(l, r));
	if (r->answered_us != 0 && r->sent_us != 0 && r->target_status != 0)
		histogram_add(&http->settings.counters->groups[r->group],
			      r->answered_us - r->sent_us);
}

static void
on_done(void *arg, const struct proxy_exchange *x)
{
	struct service_http *http = arg;
	const struct service_http_listener *l = listener_of(http, x->record.frontend);

	let_go(http, (struct proxy_exchange *)(uintptr_t)x);
	count(http, x);
	if (l != NULL && l->log_access && http->log.ring != NULL &&
	    !service_record_write(&http->log, l, x, http->snapshot))
		service_http_counters(http, x->record.frontend)->log_lost++;
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

struct service_http *
service_http_create(const struct service_http_settings *settings, struct proxy_config *proxy)
{
	struct service_http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return NULL;
	http->settings = *settings;
	http->random = settings->seed;
	http->log = (struct service_log){.ring = settings->log,
					 .wall_us = settings->wall_us,
					 .first_connection = service_http_random(http)};
	http->keys = service_cookie_keys_create(settings->secrets, settings->secrets_n);
	http->groups = calloc(SNAPSHOT_GROUPS, sizeof(*http->groups));
	http->targets = calloc(SNAPSHOT_TARGETS, sizeof(*http->targets));
	http->heaps = calloc((size_t)SNAPSHOT_GROUPS * HEAP_MAX, sizeof(*http->heaps));
	if (http->keys == NULL || http->groups == NULL || http->targets == NULL ||
	    http->heaps == NULL) {
		service_http_free(http);
		return NULL;
	}
	for (uint32_t i = 0; i < SNAPSHOT_GROUPS; i++) {
		http->groups[i].heap = http->heaps + (size_t)i * HEAP_MAX;
		http->groups[i].cursor = (uint32_t)settings->seed;
	}
	proxy->service = &service;
	proxy->service_arg = http;
	return http;
}

void
service_http_free(struct service_http *http)
{
	if (http == NULL)
		return;
	service_cookie_keys_free(http->keys);
	free(http->groups);
	free(http->targets);
	free(http->heaps);
	free(http);
}

void
service_http_add(struct service_http *http, enum service_http_slot slot, void *arg)
{
	http->args[slot] = arg;
}

void
service_http_begin(struct service_http *http, const struct snapshot *snapshot, uint64_t now_us)
{
	http->snapshot = snapshot;
	http->now_us = now_us;
}

const struct snapshot *
service_http_snapshot(const struct service_http *http)
{
	return http->snapshot;
}

struct service_cookie_keys *
service_http_keys(struct service_http *http)
{
	return http->keys;
}
