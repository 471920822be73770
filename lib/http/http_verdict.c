/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_verdict.h"

#define BIT(reason) (1u << (reason))

/* The message ends where we say, but the sender may think otherwise: RFC 9112 section 6.1. */
#define UNSAFE_BEHIND                          \
	(BIT(HTTP_REASON_BOTH_TE_CL_PRESENT) | \
	 BIT(HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS))

enum action { PASS, PASS_AND_CLOSE, BLOCK };

static const uint8_t actions[HTTP_CLASSES][HTTP_DESYNC_MODES] = {
	/*                   monitor, defensive,      strictest */
	[HTTP_COMPLIANT] = {PASS, PASS, PASS},
	[HTTP_ACCEPTABLE] = {PASS, PASS, BLOCK},
	[HTTP_AMBIGUOUS] = {PASS, PASS_AND_CLOSE, BLOCK},
	[HTTP_SEVERE] = {PASS, BLOCK, BLOCK},
};

uint32_t
http_forwarded_for_count(const struct http_head *h)
{
	uint32_t n = 0;

	if (!http_has(h, HTTP_X_FORWARDED_FOR))
		return 0;
	for (uint32_t i = 0; i < h->fields_n; i++) {
		struct http_text list = http_field_value(h, &h->fields[i]), element;

		if (h->fields[i].id != HTTP_X_FORWARDED_FOR)
			continue;
		while (http_list_next(&list, &element))
			n++;
	}
	return n;
}

/* What is well-formed but not for us. */
static enum http_fault
fault_of(const struct http_request *r)
{
	/* In small letters it is another method, but not to every target. */
	if (http_text_is(http_text(&r->head, r->method), "trace"))
		return HTTP_FAULT_METHOD;
	if (r->method_id == HTTP_METHOD_CONNECT)
		return HTTP_FAULT_CONNECT;
	if (r->head.has_coding && r->head.other_coding)
		return HTTP_FAULT_CODING;
	return http_forwarded_for_count(&r->head) > HTTP_FORWARDED_FOR_MAX ? HTTP_FAULT_FORWARDED
									   : HTTP_FAULT_NONE;
}

struct http_verdict
http_verdict(const struct http_request *r, enum http_desync_mode mode)
{
	const struct http_head *h = &r->head;
	enum http_reason reason = http_reason_gravest(h->found);
	enum http_class class = http_reason_class(reason);
	enum http_fault fault = (enum http_fault)h->fault;

	if (fault == HTTP_FAULT_NONE)
		fault = fault_of(r);
	if (fault == HTTP_FAULT_NONE && actions[class][mode] == BLOCK)
		fault = HTTP_FAULT_DESYNC;
	return (struct http_verdict){.class = (uint8_t) class,
				     .reason = (uint8_t)reason,
				     .fault = (uint8_t)fault,
				     .status = http_fault_status(fault),
				     .close = fault != HTTP_FAULT_NONE ||
					      actions[class][mode] == PASS_AND_CLOSE ||
					      (h->found & UNSAFE_BEHIND) != 0};
}
