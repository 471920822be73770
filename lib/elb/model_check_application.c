/* SPDX-License-Identifier: BSD-3-Clause */
/* A:load-balancer-listeners, A:rule-condition-types, A:edit-target-group-attributes. */
#include "model_checker.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "model_words.h"

#define HEALTH_TIMEOUT_S 5

static bool
is_given(const void *object, const char *key)
{
	return model_given(object, key) != NULL;
}

/* [load_balancer NAME] */

void
model_check_application(struct checker *c, struct model_load_balancer *lb)
{
	const char *cross = model_given((const void *)lb, "load_balancing.cross_zone.enabled");

	if (cross != NULL && strcmp(cross, "true") != 0)
		model_fault(c, lb, "load_balancing.cross_zone.enabled", NULL,
			    "true, or false on target groups",
			    "application load balancers always balance across zones");
	if (lb->access_log.enabled && lb->access_log.bucket[0] == '\0')
		model_fault(c, lb, "access_logs.s3.enabled", NULL, "access_logs.s3.bucket",
			    "the log has no directory");
	if (lb->connection_log.enabled && lb->connection_log.bucket[0] == '\0')
		model_fault(c, lb, "connection_logs.s3.enabled", NULL, "connection_logs.s3.bucket",
			    "the log has no directory");
	if (lb->health_check_log.enabled && lb->health_check_log.bucket[0] == '\0')
		model_fault(c, lb, "health_check_logs.s3.enabled", NULL,
			    "health_check_logs.s3.bucket", "the log has no directory");
}

void
model_check_not_application(struct checker *c, const struct model_load_balancer *lb)
{
	bool logs = lb->type == LB_NETWORK || lb->type == LB_CLASSIC;

	if (lb->access_log.enabled && logs && lb->access_log.bucket[0] == '\0')
		model_fault(c, lb, "access_logs.s3.enabled", NULL, "access_logs.s3.bucket",
			    "the log has no directory");
	else if (lb->access_log.enabled && !logs)
		model_fault(c, lb, "access_logs.s3.enabled", NULL, "false",
			    "this version has no data path for it, only the default");
}

/* [target_group NAME] */

/* `200,202` or `200-299`, as bits from `lowest` on. @return false: it is none. */
static bool
parse_matcher(const char *text, uint32_t lowest, uint32_t highest, uint64_t codes[5])
{
	const char *at = text;
	char item[32];

	memset(codes, 0, 5 * sizeof(*codes));
	while (at != NULL) {
		uint64_t first, last;
		char *dash;

		if (!words_list_next(&at, item, sizeof(item)))
			return false;
		dash = strchr(item, '-');
		if (dash != NULL)
			*dash = '\0';
		if (!words_number(item, highest, &first) || first < lowest)
			return false;
		last = first;
		if (dash != NULL && (!words_number(dash + 1, highest, &last) || last < first))
			return false;
		for (uint64_t code = first - lowest; code <= last - lowest; code++)
			codes[code / 64] |= UINT64_C(1) << (code % 64);
	}
	return true;
}

static void
check_health(struct checker *c, struct model_target_group *tg)
{
	struct model_health_check *hc = &tg->health_check;
	bool grpc = tg->version == VERSION_GRPC;

	if (!is_given(tg, "health_check.protocol"))
		hc->protocol = tg->protocol;
	if (!is_given(tg, "health_check.matcher"))
		snprintf(hc->matcher, sizeof(hc->matcher), grpc ? "12" : "200");
	if (!is_given(tg, "health_check.path") && grpc)
		snprintf(hc->path, sizeof(hc->path), "/AWS.ALB/healthcheck");
	if (!is_given(tg, "health_check.timeout_seconds"))
		hc->timeout_s = HEALTH_TIMEOUT_S;
	if (hc->protocol != ELB_HTTP && hc->protocol != ELB_HTTPS)
		model_fault(c, tg, "health_check.protocol", NULL, "HTTP, HTTPS",
			    "%s health checks of HTTP target groups are not in this version",
			    elb_protocol_name(hc->protocol));
	model_check_http_health(c, tg);
}

void
model_check_http_health(struct checker *c, struct model_target_group *tg)
{
	struct model_health_check *hc = &tg->health_check;

	bool grpc = tg->version == VERSION_GRPC;

	if (!parse_matcher(hc->matcher, grpc ? 0 : 200, grpc ? 99 : 499, hc->codes))
		model_fault(c, tg, "health_check.matcher", NULL,
			    grpc ? "0 to 99, such as 0,12 or 0-99"
				 : "200 to 499, such as 200,202 or 200-299",
			    "`%s` are no status codes", hc->matcher);
	if (hc->path[0] != '/' || hc->path[strcspn(hc->path, " \t#")] != '\0')
		model_fault(c, tg, "health_check.path", NULL, "a path that begins with /",
			    "`%.200s` is no path", hc->path);
}

static bool
is_token(const char *text)
{
	return *text != '\0' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "!#$%&'*+-.^_`|~") == strlen(text);
}

static void
check_stickiness(struct checker *c, struct model_target_group *tg)
{
	if (!is_given(tg, "stickiness.type"))
		tg->stickiness_type = STICKINESS_LB_COOKIE;
	if (tg->stickiness_type != STICKINESS_LB_COOKIE &&
	    tg->stickiness_type != STICKINESS_APP_COOKIE)
		model_fault(c, tg, "stickiness.type", NULL, "lb_cookie, app_cookie",
			    "an HTTP target group has no such stickiness");
	if (tg->app_cookie_name[0] != '\0' &&
	    (!is_token(tg->app_cookie_name) || strncmp(tg->app_cookie_name, "AWSALB", 6) == 0))
		model_fault(c, tg, "stickiness.app_cookie.cookie_name", NULL,
			    "a cookie's name that does not begin with AWSALB",
			    "`%s` cannot be the application's cookie", tg->app_cookie_name);
	if (!tg->stickiness)
		return;
	if (tg->stickiness_type == STICKINESS_APP_COOKIE && tg->app_cookie_name[0] == '\0')
		model_fault(c, tg, "stickiness.type", NULL, "stickiness.app_cookie.cookie_name",
			    "the application's cookie has no name");
	if (tg->algorithm == ALGORITHM_WEIGHTED_RANDOM)
		model_fault(c, tg, "stickiness.enabled", NULL, "false",
			    "weighted_random has no stickiness");
	if (is_given(tg, "load_balancing.cross_zone.enabled") &&
	    strcmp(model_given((const void *)tg, "load_balancing.cross_zone.enabled"), "false") ==
		    0)
		model_fault(c, tg, "stickiness.enabled", NULL,
			    "load_balancing.cross_zone.enabled = true",
			    "stickiness needs balancing across zones");
}

void
model_check_application_group(struct checker *c, struct model_target_group *tg)
{
	const char *type = model_given((const void *)tg, "target_type");

	if (type != NULL && strcmp(type, "alb") == 0)
		model_fault(c, tg, "target_type", NULL, "ip, instance",
			    "an application load balancer is no target of HTTP target groups");
	if (tg->slow_start_s > 0 && tg->slow_start_s < 30)
		model_fault(c, tg, "slow_start.duration_seconds", NULL, "0, or 30 to 900",
			    "%u s are too short", tg->slow_start_s);
	if (tg->slow_start_s > 0 && tg->algorithm != ALGORITHM_ROUND_ROBIN)
		model_fault(c, tg, "slow_start.duration_seconds", NULL,
			    "load_balancing.algorithm.type = round_robin",
			    "only round_robin has a slow start");
	if (tg->anomaly_mitigation && tg->algorithm != ALGORITHM_WEIGHTED_RANDOM)
		model_fault(c, tg, "load_balancing.algorithm.anomaly_mitigation", NULL,
			    "load_balancing.algorithm.type = weighted_random",
			    "only weighted_random mitigates anomalies");
	check_health(c, tg);
	check_stickiness(c, tg);
}

void
model_check_not_http_group(struct checker *c, const struct model_target_group *tg)
{
	if (strcmp(tg->health_check.path, "/") != 0)
		model_fault(c, tg, "health_check.path", NULL, "/",
			    "this version has no data path for it, only the default");
	if (strcmp(tg->health_check.matcher, "200-399") != 0)
		model_fault(c, tg, "health_check.matcher", NULL, "200-399",
			    "this version has no data path for it, only the default");
}

/* Actions. */

/* ELB's rule against loops: something besides the query must differ. */
static void
check_redirect(struct checker *c, const void *about, const char *key,
	       const struct model_listener *l, const struct model_redirect *r)
{
	char port[8];
	bool same_protocol = strcmp(r->protocol, "#{protocol}") == 0 ||
			     strcmp(r->protocol, elb_protocol_name(l->protocol)) == 0;

	snprintf(port, sizeof(port), "%u", l->port);
	if (same_protocol && (strcmp(r->port, "#{port}") == 0 || strcmp(r->port, port) == 0) &&
	    strcmp(r->host, "#{host}") == 0 && strcmp(r->path, "/#{path}") == 0)
		model_fault(c, about, key, NULL, "another protocol, host, port or path",
			    "the redirect is a loop");
	if (l->protocol == ELB_HTTPS && strcmp(r->protocol, "HTTP") == 0)
		model_fault(c, about, key, NULL, "HTTPS, #{protocol}",
			    "HTTPS is not redirected to HTTP");
}

static void
check_action(struct checker *c, const void *about, const char *key, const struct model_listener *l,
	     const struct model_load_balancer *lb, struct model_action *a)
{
	if (!is_given(about, key)) {
		model_fault(c, about, key, NULL, "forward, redirect or fixed_response",
			    "the action is missing");
		return;
	}
	if (a->action_kind == ACTION_REDIRECT)
		check_redirect(c, about, key, l, &a->redirect);
	model_check_forwards(c, about, key, l, lb, a);
	for (uint32_t i = 0; i < a->forwards_n; i++) {
		const struct model_target_group *tg =
			model_target_group(c->m, a->forwards[i].target_group);

		if (tg != NULL && tg->version != VERSION_HTTP1 && l->protocol != ELB_HTTPS)
			model_fault(c, about, key, NULL, "a target group of HTTP1, or HTTPS",
				    "target group %s with protocol_version %s needs an HTTPS "
				    "listener",
				    tg->name, model_given((const void *)tg, "protocol_version"));
		if (tg != NULL && a->forwards_n > 1 && tg->stickiness &&
		    tg->stickiness_type == STICKINESS_APP_COOKIE)
			model_fault(c, about, key, NULL, "one target group, or another stickiness",
				    "app_cookie stickiness of target group %s does not work "
				    "among several target groups",
				    tg->name);
	}
}

/* [listener LB:PORT] */

/* A:header-modification. */
static void
check_header_values(struct checker *c, const struct model_listener *l)
{
	for (uint32_t i = 0; i < l->given.n; i++) {
		const struct model_attribute *a = &l->given.items[i];

		if (strncmp(a->key, "routing.http.response.", 22) != 0 ||
		    strstr(a->key, ".header_value") == NULL)
			continue;
		if (strspn(a->value,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			   "_ :;.,\\/'?!(){}[]@<>=-+*#&`|~^%") != strlen(a->value))
			model_fault(c, l, a->key, &a->origin,
				    "letters, digits, blanks and _:;.,\\/'?!(){}[]@<>=-+*#&`|~^%",
				    "the value has other characters");
	}
}

/* Of names as they are looked for in requests: without regard to case, `_` being `-`. */
static bool
begins_alike(const char *name, const char *other, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int a = name[i] == '_' ? '-' : tolower((unsigned char)name[i]);
		int b = other[i] == '_' ? '-' : tolower((unsigned char)other[i]);

		if (a != b)
			return false;
	}
	return true;
}

static bool
is_alike(const char *name, const char *other)
{
	return begins_alike(name, other, strlen(other) + 1);
}

/* As `routing.http.request.x_amzn_tls_version.header_name` has it. */
static bool
is_default_name(const struct model_attribute *a)
{
	const char *key = a->key + strlen("routing.http.request.");
	size_t len = strlen(a->value);

	return strcmp(key + strnlen(key, len), ".header_name") == 0 &&
	       begins_alike(a->value, key, len);
}

/* Another name for a field of weir's own: none that frames messages, or that others go by. */
static void
check_own_name(struct checker *c, const struct model_listener *l, const struct model_attribute *a)
{
	static const char *const taken[] = {"authorization",
					    "connection",
					    "content-length",
					    "content-type",
					    "cookie",
					    "expect",
					    "host",
					    "keep-alive",
					    "te",
					    "trailer",
					    "transfer-encoding",
					    "upgrade"};
	static const char *const families[] = {"proxy-", "x-amzn-", "x-forwarded-"};

	if (!is_token(a->value))
		model_fault(c, l, a->key, &a->origin, "a header field's name", "`%s` is no name",
			    a->value);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (is_alike(a->value, taken[i]))
			model_fault(c, l, a->key, &a->origin, "a name of its own",
				    "%s means something else", a->value);
	}
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !is_default_name(a); i++) {
		if (begins_alike(a->value, families[i], strlen(families[i])))
			model_fault(c, l, a->key, &a->origin, "a name of its own",
				    "names that begin with %s are taken", families[i]);
	}
}

static bool
is_own_name(const struct model_attribute *a)
{
	return strncmp(a->key, "routing.http.request.", 21) == 0 &&
	       strstr(a->key, ".header_name") != NULL && a->value[0] != '\0';
}

static void
check_own_names(struct checker *c, const struct model_listener *l)
{
	for (uint32_t i = 0; i < l->given.n; i++) {
		const struct model_attribute *a = &l->given.items[i];

		if (!is_own_name(a))
			continue;
		check_own_name(c, l, a);
		for (uint32_t k = 0; k < i; k++) {
			const struct model_attribute *b = &l->given.items[k];

			if (is_own_name(b) && is_alike(a->value, b->value))
				model_fault(c, l, a->key, &a->origin, "a name of its own",
					    "%s is the name of two fields", a->value);
		}
	}
}

void
model_check_application_listener(struct checker *c, struct model_listener *l,
				 const struct model_load_balancer *lb)
{
	if (l->port == 0)
		model_fault(c, l, "", NULL, "[listener LOAD_BALANCER:PORT]", "the port is missing");
	if (!is_given(l, "protocol"))
		model_fault(c, l, "protocol", NULL, "HTTP, HTTPS", "the protocol is missing");
	else if (l->protocol != ELB_HTTP && l->protocol != ELB_HTTPS)
		model_fault(c, l, "protocol", NULL, "HTTP, HTTPS",
			    "an application load balancer has no %s listeners",
			    elb_protocol_name(l->protocol));
	check_header_values(c, l);
	model_check_listener_tls(c, l, l->protocol == ELB_HTTPS);
	model_check_mutual_tls(c, l);
	check_own_names(c, l);
	check_action(c, l, "default_action", l, lb, &l->default_action);
}

/* [rule LB:PORT PRIORITY] */

static void
check_rule(struct checker *c, struct model_rule *r)
{
	const struct model_listener *l = model_listener(c->m, r->listener);
	const struct model_load_balancer *lb =
		l == NULL ? NULL : model_load_balancer(c->m, l->load_balancer);

	if (l == NULL) {
		model_fault(c, r, "", NULL, "a configured listener", "no listener is named %s",
			    r->listener);
		return;
	}
	if (lb != NULL && lb->type == LB_NETWORK) {
		model_check_network_rule(c, r, l, lb);
		return;
	}
	if (lb != NULL && lb->type != LB_APPLICATION) {
		model_fault(c, r, "", NULL, "a default_action only",
			    "load balancers of type %s have no rules",
			    load_balancer_type_name(lb->type));
		return;
	}
	if (r->conditions_n == 0)
		model_fault(c, r, "", NULL, "at least one condition", "the rule has no condition");
	check_action(c, r, "action", l, lb, &r->action);
}

void
model_check_rules(struct checker *c)
{
	for (uint32_t i = 0; i < c->m->rules_n; i++)
		check_rule(c, &c->m->rules[i]);
}
