/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside model_check(): a check walks the model and reports each fault at its line.
 */
#ifndef MODEL_CHECKER_H
#define MODEL_CHECKER_H

#include "model_check.h"

struct checker {
	struct model *m;
	model_report report;
	void *arg;
	bool clean;
};

/**
 * Report a fault of an object.
 * @param about   a model object
 * @param key     that is wrong, "" for the section
 * @param origin  its line; NULL: that of the key's first value, or of the section
 */
void model_fault(struct checker *c, const void *about, const char *key,
		 const struct model_origin *origin, const char *allowed, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/** The line of the `nth` value of a repeated key. */
const struct model_origin *model_origin_of_nth(const struct model_object *object, const char *key,
					       uint32_t nth);

/** Report keys of `about` that are for other types of load balancers. */
void model_check_keys_are_for(struct checker *c, const void *about, enum load_balancer_type type);

void model_check_listener(struct checker *c, struct model_listener *l);

/**
 * Resolve the target groups that an action of `about`, at `key`, forwards to.
 * @param l   its listener
 * @param lb  that one's load balancer, NULL: none of this name
 */
void model_check_forwards(struct checker *c, const void *about, const char *key,
			  const struct model_listener *l, const struct model_load_balancer *lb,
			  struct model_action *action);

/** What belongs to application load balancers. */
void model_check_application(struct checker *c, struct model_load_balancer *lb);
void model_check_application_group(struct checker *c, struct model_target_group *tg);
void model_check_application_listener(struct checker *c, struct model_listener *l,
				      const struct model_load_balancer *lb);
void model_check_rules(struct checker *c);

/** What of theirs doesn't work for other types yet, though the key is for them too. */
void model_check_not_application(struct checker *c, const struct model_load_balancer *lb);
void model_check_not_http_group(struct checker *c, const struct model_target_group *tg);

/** What belongs to network load balancers. */
void model_check_network_group(struct checker *c, struct model_target_group *tg);
void model_check_network_rule(struct checker *c, struct model_rule *r,
			      const struct model_listener *l, const struct model_load_balancer *lb);

/** What a TLS listener's flows can't have, and its target groups with it. */
void model_check_network_tls(struct checker *c, const struct model_listener *l);

/** Whether clients of each IP version get targets of theirs. */
void model_check_families(struct checker *c, const struct model_listener *l,
			  const struct model_load_balancer *lb);

/** Security groups that a load balancer names. */
void model_check_certificate(struct checker *c, struct model_certificate *certificate);
void model_check_ssl_policy(struct checker *c, struct model_ssl_policy *ssl_policy);
void model_check_trust_store(struct checker *c, struct model_trust_store *trust_store);
void model_check_mutual_tls(struct checker *c, const struct model_listener *listener);
void model_check_target_trust(struct checker *c, const struct model_target_group *group);
/** @param tls  it is a listener of TLS. */
void model_check_listener_tls(struct checker *c, const struct model_listener *l, bool tls);
/** What connections and health checks over TLS begin with, once all else of the group is known. */
void model_check_target_tls(struct checker *c, struct model_target_group *tg);
void model_check_security_groups(struct checker *c, const struct model_load_balancer *lb);

/** Of application and network load balancers: thresholds, path and status codes. */
void model_check_group_health(struct checker *c, const struct model_target_group *tg);
void model_check_http_health(struct checker *c, struct model_target_group *tg);

/** What belongs to classic load balancers; their listeners get their implicit target groups. */
void model_check_classic(struct checker *c, struct model_load_balancer *lb);
void model_check_classic_listener(struct checker *c, struct model_listener *l,
				  const struct model_load_balancer *lb);

/** What belongs to gateway load balancers: their target groups, listeners and endpoints. */
void model_check_gateway_group(struct checker *c, struct model_target_group *tg);
void model_check_gateway_listener(struct checker *c, struct model_listener *l);
void model_check_endpoints(struct checker *c);

#endif
