/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values with a grammar of their own: addresses, routes, targets, actions.
 *
 * Each parser checks one value of `key`, stores it in its object and writes the canonical text.
 */
#ifndef MODEL_VALUE_H
#define MODEL_VALUE_H

#include "model.h"

#define MODEL_ENDPOINT_MAX (IP_ADDR_TEXT_MAX + 10)

#define MODEL_VALUE_PARSER(name)                                              \
	bool name(struct model *model, struct model_object *object,           \
		  const char *key __attribute__((unused)), const char *value, \
		  char canonical[MODEL_VALUE_MAX], struct model_error *error)

MODEL_VALUE_PARSER(model_parse_interface_address);
MODEL_VALUE_PARSER(model_parse_local_address);
MODEL_VALUE_PARSER(model_parse_gateway);
MODEL_VALUE_PARSER(model_parse_route);
MODEL_VALUE_PARSER(model_parse_mac);
MODEL_VALUE_PARSER(model_parse_neighbor);
MODEL_VALUE_PARSER(model_parse_lb_address);
MODEL_VALUE_PARSER(model_parse_target);
MODEL_VALUE_PARSER(model_parse_instance);
MODEL_VALUE_PARSER(model_parse_health_target);
MODEL_VALUE_PARSER(model_parse_action);
MODEL_VALUE_PARSER(model_parse_health_port);
MODEL_VALUE_PARSER(model_parse_address_port);
MODEL_VALUE_PARSER(model_parse_condition);
MODEL_VALUE_PARSER(model_parse_transform);
MODEL_VALUE_PARSER(model_parse_endpoint_interface);
MODEL_VALUE_PARSER(model_parse_endpoint_id);
MODEL_VALUE_PARSER(model_parse_attachment_id);
MODEL_VALUE_PARSER(model_parse_security_rule);
MODEL_VALUE_PARSER(model_parse_security_group);
MODEL_VALUE_PARSER(model_parse_certificate);
MODEL_VALUE_PARSER(model_parse_revocations);
MODEL_VALUE_PARSER(model_parse_tls_protocol);
MODEL_VALUE_PARSER(model_parse_cipher);

/** Append `item` of `size` bytes to an array. @return false without memory. */
bool model_append(void *array, uint32_t *n, const void *item, size_t size);

bool model_refuse(struct model_error *error, const char *allowed, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** ADDRESS:PORT or [ADDRESS]:PORT, in canonical text, and the identity of a target there. */
uint64_t model_target_identity(const char *group, const struct ip_addr *addr, uint16_t port,
			       char endpoint[MODEL_ENDPOINT_MAX]);

/** ELB's rule for names of load balancers and target groups. */
bool model_name_is_valid(const char *name);

#endif
