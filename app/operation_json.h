/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside app/: building the JSON that operations answer with. */
#ifndef OPERATION_JSON_H
#define OPERATION_JSON_H

#include <stdio.h>

#include <jansson.h>

#include "management.h"
#include "operation.h"

static inline const struct snapshot *
operation_snapshot(const struct management *m)
{
	return atomic_load_explicit(&m->dp->snapshot, memory_order_relaxed);
}

static inline const char *
json_text(json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

static inline void
json_put(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static inline void
json_put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text));
}

static inline void
json_put_addr(json_t *object, const char *key, const struct ip_addr *addr)
{
	char text[IP_ADDR_TEXT_MAX];

	json_put_text(object, key, ip_addr_format(addr, text));
}

static inline void
json_put_endpoint(json_t *object, const char *key, const struct ip_addr *addr, uint16_t port)
{
	char text[IP_ADDR_TEXT_MAX], whole[IP_ADDR_TEXT_MAX + 10];

	snprintf(whole, sizeof(whole), ip_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u",
		 ip_addr_format(addr, text), port);
	json_put_text(object, key, whole);
}

static inline json_t *
json_list(const char *key, json_t *array)
{
	json_t *result = json_object();

	json_object_set_new(result, key, array);
	return result;
}

/** An operation that answers at once: the result, or NULL with `*code` and a message. */
typedef json_t *(*operation_function)(struct management *m, json_t *args, const char **code,
				      char *message, size_t message_len);

#define OPERATION(name)                                                                    \
	json_t *name(struct management *m, json_t *args, const char **code, char *message, \
		     size_t message_len)

/* operation_capture.c */
OPERATION(operation_capture);
OPERATION(operation_capture_status);
OPERATION(operation_capture_stop);

/* operation_classic.c: states of instances, as DescribeInstanceHealth has them. */
OPERATION(operation_instance_health);

/* operation_gateway.c */

/** Name of the endpoint, "" when it is gone. */
const char *operation_endpoint_name(const struct management *m, uint32_t reference);

/** Add the metrics of namespace AWS/GatewayELB. */
void operation_put_gateway(struct management *m, const struct model_load_balancer *lb,
			   const struct frontend_counters *sum, json_t *row);
OPERATION(operation_endpoints);
OPERATION(operation_addresses);

/* operation.c */

/** Name of an IP protocol, NULL: none that is known. */
const char *operation_protocol_name(uint8_t proto);

/* operation_trace.c: says what becomes of a packet; asks the worker of its flow. */
void operation_trace(struct management *m, struct operation_call *call);
void operation_trace_on_command(struct management *m, struct worker_command *command);

/** operation_flows.c: asks the workers and replies when the last has answered. */
void operation_flows(struct management *m, struct operation_call *call);

#endif
