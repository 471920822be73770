/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_sticky.h"

#include <stddef.h>

uint32_t
alb_sticky_group(struct service_cookie_keys *keys, const struct http_request *request,
		 const struct alb_action *action, uint64_t rule_id, uint64_t now_s)
{
	struct service_cookie cookie;

	if (!service_cookie_read(keys, SERVICE_COOKIE_TARGET_GROUP, request, now_s, &cookie) ||
	    cookie.scope_id != rule_id)
		return action->forwards_n;
	return alb_forward_find(action, cookie.target_id);
}

static uint64_t
target_id(const struct snapshot_target *target)
{
	return target->id;
}

uint32_t
alb_sticky_target(struct service_http *http, const struct http_request *request,
		  const struct alb_group *group)
{
	enum service_cookie_kind kind =
		group->lb_cookie ? SERVICE_COOKIE_TARGET : SERVICE_COOKIE_APPLICATION;
	struct service_cookie cookie;
	struct http_text own;

	if (group->app_cookie && !service_cookie_of(request, group->app_cookie_name, &own))
		return 0;
	if (!service_cookie_read(service_http_keys(http), kind, request, service_http_wall_s(http),
				 &cookie) ||
	    cookie.scope_id != group->id)
		return 0;
	return service_http_find(http, group->index, target_id, cookie.target_id);
}
