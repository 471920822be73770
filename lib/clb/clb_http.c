/* SPDX-License-Identifier: BSD-3-Clause */
#include "clb_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "clb_cookie.h"
#include "clb_surge.h"
#include "model_certificate.h"

struct clb_http {
	struct service_http *http;
	char node[IP_ADDR_TEXT_MAX + 2]; /* of the request being written */
};

struct clb_http_listener {
	struct service_http_listener http; /* first */
	bool lb_cookie;
	char lb_attributes[64]; /* of AWSELB by lb_cookie_stickiness */
	char app_cookie[256];   /* "": none */
};

/* What proxy_exchange.service[] holds, beside service_http's. */
enum { STUCK_TO = 3 };

/* Of STUCK_TO, beside the instance that a cookie led to: there was one, of whatever instance. */
#define HAD_COOKIE (UINT64_C(1) << 32)

static const struct clb_http_listener *
clb_listener(const struct service_http_listener *listener)
{
	return (const struct clb_http_listener *)listener;
}

/* Multiplied by an odd number: one half of an address alone never collides. */
static uint64_t
instance_id(const struct snapshot_target *target)
{
	return target->addr.w[0] + target->addr.w[1] * UINT64_C(0x9e3779b97f4a7c15);
}

static enum service_cookie_kind
cookie_kind(const struct clb_http_listener *l)
{
	return l->lb_cookie ? SERVICE_COOKIE_DURATION : SERVICE_COOKIE_FOLLOWING;
}

/* Of a request that is asked for its cookies. */
struct stuck {
	const struct service_http *http;
	const struct clb_http_listener *listener;
	struct proxy_exchange *x;
};

/* Whether the cookie's instance is in service. */
static bool
leads_to_instance(void *arg, const struct service_cookie *cookie)
{
	const struct stuck *s = arg;
	uint32_t target;

	if (cookie->scope_id != s->listener->http.load_balancer_id)
		return false;
	target = service_http_find(s->http, s->x->record.group, instance_id, cookie->target_id);
	s->x->service[STUCK_TO] = HAD_COOKIE | target;
	return target != 0;
}

/*
 * The instance that the client sticks to; 0: none.  The application's cookie may have left one of a
 * path of its own, of an instance that is gone.
 */
static uint32_t
find_stuck(struct service_http *http, const struct clb_http_listener *l, struct proxy_exchange *x,
	   const struct http_request *request)
{
	struct stuck s = {.http = http, .listener = l, .x = x};
	struct http_text own;

	if ((!l->lb_cookie && !service_cookie_of(request, l->app_cookie, &own)) ||
	    !service_cookie_find(service_http_keys(http), cookie_kind(l), request,
				 service_http_wall_s(http), leads_to_instance, &s))
		return 0;
	return (uint32_t)x->service[STUCK_TO];
}

static uint32_t
choose(struct service_http *http, const struct clb_http_listener *l, struct proxy_exchange *x,
       const struct http_request *request)
{
	uint32_t target = 0;

	if (l->lb_cookie || l->app_cookie[0] != '\0')
		target = find_stuck(http, l, x, request);
	return target != 0 ? target : service_http_choose(http, x->record.group);
}

/* U: HTTP/1.0 without Host: the node's address. */
static struct http_text
node_of(struct clb_http *clb, const struct proxy_exchange *x)
{
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(&x->session->tuple->local, text);
	snprintf(clb->node, sizeof(clb->node), x->session->tuple->af == 6 ? "[%s]" : "%s", text);
	return http_text_string(clb->node);
}

static void
on_decide(void *arg, const struct service_http_listener *listener, struct proxy_exchange *x,
	  const struct http_request *request, struct proxy_decision *decision)
{
	struct clb_http *clb = arg;
	const struct snapshot_frontend *f =
		snapshot_frontend(service_http_snapshot(clb->http), x->record.frontend);

	if (request->method.len > CLB_METHOD_MAX) {
		service_http_fail(x, decision, HTTP_FAULT_METHOD, 405);
		decision->answer.close = true;
		return;
	}
	if (request->host.len == 0)
		decision->edits.host = node_of(clb, x);
	x->record.group = f->forwards[0].group;
	service_http_forward(clb->http, x, choose(clb->http, clb_listener(listener), x, request),
			     decision);
}

/*
 * A cookie of a time of its own comes with the first response of an instance, and isn't renewed.
 * One that follows the application's comes with that, and when the client had to be given another
 * instance.
 */
static void
on_response(void *arg, const struct service_http_listener *listener, struct proxy_exchange *x,
	    const struct http_response *response, struct http_response_edits *edits)
{
	const struct clb_http *clb = arg;
	const struct clb_http_listener *l = clb_listener(listener);
	const struct snapshot_target *target =
		snapshot_target(service_http_snapshot(clb->http), x->record.target);
	bool had = (x->service[STUCK_TO] & HAD_COOKIE) != 0;
	bool stayed = had && (uint32_t)x->service[STUCK_TO] == x->record.target;
	char text[SERVICE_COOKIE_ATTRIBUTES_MAX];
	const char *attributes = text;
	struct http_text set;

	if (target == NULL)
		return;
	if (l->lb_cookie && !stayed)
		attributes = l->lb_attributes;
	else if (l->app_cookie[0] != '\0' &&
		 service_cookie_of_response(response, l->app_cookie, &set))
		clb_cookie_attributes(set, text);
	else if (l->app_cookie[0] != '\0' && had && !stayed)
		attributes = "; Path=/";
	else
		return;
	service_http_add_cookie(
		clb->http, edits, cookie_kind(l),
		&(struct service_cookie){l->http.load_balancer_id, instance_id(target), UINT64_MAX},
		attributes);
}

static const struct service_http_kind kind = {.slot = SERVICE_HTTP_CLASSIC,
					      .log = LOG_CLASSIC,
					      .decide = on_decide,
					      .response = on_response};

struct clb_http *
clb_http_create(struct service_http *http)
{
	struct clb_http *clb = calloc(1, sizeof(*clb));

	if (clb == NULL)
		return NULL;
	clb->http = http;
	service_http_add(http, SERVICE_HTTP_CLASSIC, clb);
	return clb;
}

void
clb_http_free(struct clb_http *clb)
{
	free(clb);
}

/* Listeners. */

static void
free_listener(struct snapshot_service *service)
{
	struct clb_http_listener *l = (struct clb_http_listener *)service;

	tls_server_put(l->http.settings.tls);
	free(l);
}

static void
read_attributes(struct clb_http_listener *l, const struct model_load_balancer *lb,
		const struct model_listener *ml)
{
	service_http_listener_init(&l->http, &kind, lb, ml);
	l->http.service.free = free_listener;
	l->http.settings.client_keep_alive_s = UINT32_MAX;
	l->http.policy.preserve_host_header = true;
	l->http.policy.no_upgrade = true;
	l->http.policy.few_statuses = true;
	l->lb_cookie = ml->lb_cookie;
	snprintf(l->app_cookie, sizeof(l->app_cookie), "%s", ml->app_cookie);
	if (ml->lb_cookie_s > 0)
		snprintf(l->lb_attributes, sizeof(l->lb_attributes), "; Path=/; Max-Age=%u",
			 ml->lb_cookie_s);
	else
		snprintf(l->lb_attributes, sizeof(l->lb_attributes), "; Path=/");
}

struct snapshot_service *
clb_http_listener_create(void *tickets, const struct snapshot_input *input,
			 const struct snapshot_registries *registries,
			 const struct model_listener *ml, char *why, size_t why_len)
{
	static const char *const alpn[] = {"http/1.1"};
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(input->model, ml->load_balancer_id);
	struct clb_http_listener *l = calloc(1, sizeof(*l));
	char reason[256] = "no memory";

	if (l != NULL) {
		read_attributes(l, lb, ml);
		l->http.surge = clb_surge(input, registries, lb);
		if (ml->protocol != ELB_HTTPS)
			return &l->http.service;
		l->http.settings.tls = model_tls_server_of(input->model, ml, alpn, ARRAY_N(alpn),
							   tickets, reason, sizeof(reason));
	}
	if (l == NULL || l->http.settings.tls == NULL) {
		snprintf(why, why_len, "%s:%u: [listener %s]: %s", ml->origin.file, ml->origin.line,
			 ml->name, reason);
		free(l);
		return NULL;
	}
	return &l->http.service;
}
