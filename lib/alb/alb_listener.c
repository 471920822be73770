/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alb.h"
#include "check.h"
#include "model_certificate.h"

static void
free_listener(struct snapshot_service *service)
{
	struct alb_listener *l = (struct alb_listener *)service;

	for (uint32_t i = 0; i < l->http.policy.inserts_n; i++)
		free((char *)(uintptr_t)l->inserts[i].value.at);
	alb_rules_free(l->rules);
	tls_server_put(l->http.settings.tls);
	free(l);
}

static uint32_t
group_index(const void *arg, uint64_t id)
{
	const struct snapshot_registries *registries = arg;

	return ref_index(registry_find(&registries->groups, id));
}

/* A:header-modification: fields that a listener adds to every response. */
static bool
read_inserts(struct alb_listener *l, const struct model_listener *ml)
{
	static const struct {
		const char *key, *name;
	} inserts[] = {
		{"strict_transport_security", "Strict-Transport-Security"},
		{"access_control_allow_origin", "Access-Control-Allow-Origin"},
		{"access_control_allow_methods", "Access-Control-Allow-Methods"},
		{"access_control_allow_headers", "Access-Control-Allow-Headers"},
		{"access_control_allow_credentials", "Access-Control-Allow-Credentials"},
		{"access_control_expose_headers", "Access-Control-Expose-Headers"},
		{"access_control_max_age", "Access-Control-Max-Age"},
		{"content_security_policy", "Content-Security-Policy"},
		{"x_content_type_options", "X-Content-Type-Options"},
		{"x_frame_options", "X-Frame-Options"},
	};
	char key[128];

	for (uint32_t i = 0; i < ARRAY_N(inserts); i++) {
		const char *value;

		snprintf(key, sizeof(key), "routing.http.response.%s.header_value", inserts[i].key);
		value = model_given((const void *)ml, key);
		if (value == NULL || *value == '\0')
			continue;
		value = strdup(value);
		if (value == NULL)
			return false;
		l->inserts[l->http.policy.inserts_n++] = (struct http_line){
			http_text_string(inserts[i].name), http_text_string(value)};
	}
	return true;
}

static void
read_attributes(struct alb_listener *l, const struct model_load_balancer *lb,
		const struct model_listener *ml)
{
	static const uint8_t xff_modes[] = {[XFF_APPEND] = HTTP_XFF_APPEND,
					    [XFF_PRESERVE] = HTTP_XFF_PRESERVE,
					    [XFF_REMOVE] = HTTP_XFF_REMOVE};
	struct http_policy *policy = &l->http.policy;

	service_http_listener_init(&l->http, alb_kind, lb, ml);
	l->http.settings.h2c = lb->h2c && lb->http2 && ml->protocol == ELB_HTTP;
	l->http.settings.http2_websocket = lb->http2_websocket;
	l->http.log_connections = lb->connection_log.enabled;
	policy->xff_mode = xff_modes[lb->xff_mode];
	policy->xff_client_port = lb->xff_client_port;
	policy->drop_invalid_header_fields = lb->drop_invalid_header_fields;
	policy->preserve_host_header = lb->preserve_host_header;
	policy->response_server = ml->server_header;
	policy->inserts = l->inserts;
}

/* A:header-modification. */
static void
read_peer_names(struct alb_listener *l, const struct model_load_balancer *lb,
		const struct model_listener *ml)
{
	static const struct {
		const char *key, *name;
	} fields[ALB_PEER_FIELDS] = {
		[ALB_TLS_VERSION] = {"tls_version", "X-Amzn-Tls-Version"},
		[ALB_TLS_CIPHER_SUITE] = {"tls_cipher_suite", "X-Amzn-Tls-Cipher-Suite"},
		[ALB_MTLS_CHAIN] = {"mtls_clientcert", "X-Amzn-Mtls-Clientcert"},
		[ALB_MTLS_SERIAL_NUMBER] = {"mtls_clientcert_serial_number",
					    "X-Amzn-Mtls-Clientcert-Serial-Number"},
		[ALB_MTLS_ISSUER] = {"mtls_clientcert_issuer", "X-Amzn-Mtls-Clientcert-Issuer"},
		[ALB_MTLS_SUBJECT] = {"mtls_clientcert_subject", "X-Amzn-Mtls-Clientcert-Subject"},
		[ALB_MTLS_VALIDITY] = {"mtls_clientcert_validity",
				       "X-Amzn-Mtls-Clientcert-Validity"},
		[ALB_MTLS_LEAF] = {"mtls_clientcert_leaf", "X-Amzn-Mtls-Clientcert-Leaf"},
	};
	char key[128];

	for (uint32_t i = 0; i < ALB_PEER_FIELDS; i++) {
		const char *name;

		snprintf(key, sizeof(key), "routing.http.request.x_amzn_%s.header_name",
			 fields[i].key);
		name = model_given((const void *)ml, key);
		l->peer_names[i] = http_text_string(fields[i].name);
		if (name == NULL || name[0] == '\0')
			continue;
		snprintf(l->own_names_text[i], sizeof(l->own_names_text[i]), "%s", name);
		l->peer_names[i] = http_text_string(l->own_names_text[i]);
		l->own_names[l->http.policy.own_names_n++] = l->peer_names[i];
	}
	l->http.policy.own_names = l->own_names;
	l->tls_fields = lb->tls_fields && ml->protocol == ELB_HTTPS;
}

static int
compare_groups(const void *a, const void *b)
{
	const struct alb_group *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static void
add_groups(struct alb_listener *l, const struct model *m, const struct model_action *action,
	   const struct snapshot_registries *registries)
{
	for (uint32_t i = 0; i < action->forwards_n; i++) {
		const struct model_target_group *tg =
			model_target_group_by_id(m, action->forwards[i].target_group_id);
		struct alb_group *g = &l->groups[l->groups_n];
		uint32_t index = group_index(registries, action->forwards[i].target_group_id);
		bool known = false;

		for (uint32_t k = 0; k < l->groups_n; k++)
			known |= l->groups[k].index == index;
		if (tg == NULL || known)
			continue;
		*g = (struct alb_group){.index = index,
					.id = tg->id,
					.version = (uint8_t)tg->version,
					.lb_cookie = tg->stickiness &&
						     tg->stickiness_type == STICKINESS_LB_COOKIE,
					.app_cookie = tg->stickiness &&
						      tg->stickiness_type == STICKINESS_APP_COOKIE};
		g->duration_s = g->app_cookie ? tg->app_cookie_s : tg->lb_cookie_s;
		snprintf(g->app_cookie_name, sizeof(g->app_cookie_name), "%s", tg->app_cookie_name);
		l->groups_n++;
	}
}

static uint32_t
forwards_of(const struct model *m, const struct model_listener *ml)
{
	uint32_t n = ml->default_action.forwards_n;

	for (uint32_t i = 0; i < m->rules_n; i++) {
		if (m->rules[i].listener_id == ml->id)
			n += m->rules[i].action.forwards_n;
	}
	return n;
}

static void
read_groups(struct alb_listener *l, const struct model *m, const struct model_listener *ml,
	    const struct snapshot_registries *registries)
{
	add_groups(l, m, &ml->default_action, registries);
	for (uint32_t i = 0; i < m->rules_n; i++) {
		if (m->rules[i].listener_id == ml->id)
			add_groups(l, m, &m->rules[i].action, registries);
	}
	qsort(l->groups, l->groups_n, sizeof(l->groups[0]), compare_groups);
}

/* @return  false with why. */
static bool
make_tls(struct alb_listener *l, const struct model *m, const struct model_listener *ml,
	 struct tls_tickets *tickets, char *why, size_t why_len)
{
	static const char *const alpn[] = {"h2", "http/1.1", "http/1.0"};
	bool http2 = model_load_balancer_by_id(m, ml->load_balancer_id)->http2;

	if (ml->protocol != ELB_HTTPS)
		return true;
	l->http.settings.tls =
		model_tls_server_of(m, ml, http2 ? alpn : alpn + 1,
				    (uint32_t)ARRAY_N(alpn) - !http2, tickets, why, why_len);
	return l->http.settings.tls != NULL;
}

struct snapshot_service *
alb_listener_create(void *tickets, const struct snapshot_input *input,
		    const struct snapshot_registries *registries, const struct model_listener *ml,
		    char *why, size_t why_len)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(input->model, ml->load_balancer_id);
	struct alb_group_indexes indexes = {group_index, registries};
	struct alb_listener *l =
		calloc(1, sizeof(*l) + forwards_of(input->model, ml) * sizeof(l->groups[0]));
	char reason[256] = "no memory";

	if (l == NULL) {
		snprintf(why, why_len, "no memory for a listener");
		return NULL;
	}
	l->http.service.free = free_listener;
	read_attributes(l, lb, ml);
	read_peer_names(l, lb, ml);
	read_groups(l, input->model, ml, registries);
	l->rules = alb_rules_build(input->model, ml, &indexes, reason);
	if (l->rules == NULL || !read_inserts(l, ml) ||
	    !make_tls(l, input->model, ml, tickets, reason, sizeof(reason))) {
		snprintf(why, why_len, "%s:%u: [listener %s]: %s", ml->origin.file, ml->origin.line,
			 ml->name, reason);
		free_listener(&l->http.service);
		return NULL;
	}
	return &l->http.service;
}
