/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the application load balancer: who a client sticks to, by its cookies.
 *
 * A:edit-target-group-attributes.  A cookie that isn't valid, or whose target may not be chosen
 * (it drains, or others are healthy and it is not), counts for nothing; the response brings a new
 * one.
 */
#ifndef ALB_STICKY_H
#define ALB_STICKY_H

#include "service_http.h"
#include "alb_rules.h"
#include "balance.h"
#include "http_write.h"
#include "model.h"
#include "snapshot.h"

/** What a target group says about stickiness; of a listener's groups, by index. */
struct alb_group {
	uint32_t index; /* of the group at run time */
	uint64_t id;
	uint8_t version; /* enum protocol_version */
	bool lb_cookie, app_cookie;
	uint32_t duration_s;
	char app_cookie_name[256];
};

/** The position of the target group that the client sticks to, forwards_n: none. */
uint32_t alb_sticky_group(struct service_cookie_keys *keys, const struct http_request *request,
			  const struct alb_action *action, uint64_t rule_id, uint64_t now_s);

/** The target that the client sticks to, 0: none. */
uint32_t alb_sticky_target(struct service_http *http, const struct http_request *request,
			   const struct alb_group *group);

#endif
