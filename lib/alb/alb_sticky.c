/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_sticky.h"

#include <string.h>

#include "http_cookie.h"

bool
alb_cookie_of(const struct http_request *request, const char *name, struct http_text *value)
{
	struct http_text wanted = {(const uint8_t *)name, (uint32_t)strlen(name)};

	return http_cookie_find(&request->head, wanted, value);
}

/* The twin for other sites counts first. */
static bool
open_cookie(struct alb_cookie_keys *keys, enum alb_cookie_kind kind,
	    const struct http_request *request, uint64_t now_s, struct alb_cookie *cookie)
{
	for (int cors = 1; cors >= 0; cors--) {
		const char *name = alb_cookie_name(kind, cors != 0);
		struct http_text value;

		if (name != NULL && alb_cookie_of(request, name, &value) &&
		    alb_cookie_open(keys, kind, (const char *)value.at, value.len, now_s, cookie))
			return true;
	}
	return false;
}

uint32_t
alb_sticky_group(struct alb_cookie_keys *keys, const struct http_request *request,
		 const struct alb_action *action, uint64_t rule_id, uint64_t now_s)
{
	struct alb_cookie cookie;

	if (!open_cookie(keys, ALB_COOKIE_TARGET_GROUP, request, now_s, &cookie) ||
	    cookie.scope_id != rule_id)
		return action->forwards_n;
	return alb_forward_find(action, cookie.target_id);
}

uint32_t
alb_sticky_target(struct alb_cookie_keys *keys, const struct http_request *request,
		  const struct alb_group *group, const struct balance_set *set,
		  const struct snapshot *snapshot, uint64_t now_s)
{
	enum alb_cookie_kind kind = group->lb_cookie ? ALB_COOKIE_TARGET : ALB_COOKIE_APPLICATION;
	struct alb_cookie cookie;
	struct http_text own;

	if (group->app_cookie && !alb_cookie_of(request, group->app_cookie_name, &own))
		return 0;
	if (!open_cookie(keys, kind, request, now_s, &cookie) || cookie.scope_id != group->id)
		return 0;
	for (uint32_t i = 0; i < set->choices_n; i++) {
		const struct snapshot_target *t = snapshot_target(snapshot, set->choices[i].target);

		if (t != NULL && t->id == cookie.target_id)
			return set->choices[i].target;
	}
	return 0;
}

bool
alb_sticky_app_cookie_set(const struct http_response *response, const struct alb_group *group)
{
	size_t name_len = strlen(group->app_cookie_name);

	for (uint32_t i = 0; i < response->head.fields_n; i++) {
		const struct http_field *f = &response->head.fields[i];
		struct http_text value = http_field_value(&response->head, f);

		if (f->id == HTTP_SET_COOKIE && value.len > name_len && value.at[name_len] == '=' &&
		    memcmp(value.at, group->app_cookie_name, name_len) == 0)
			return true;
	}
	return false;
}
