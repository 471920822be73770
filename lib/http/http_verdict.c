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
static uint16_t
status_of(const struct http_request *r)
{
	/* In small letters it is another method, but not to every target. */
	if (http_text_is(http_text(&r->head, r->method), "trace"))
		return 405;
	if (r->method_id == HTTP_METHOD_CONNECT)
		return 400;
	if (r->head.has_coding && r->head.other_coding)
		return 501;
	return http_forwarded_for_count(&r->head) > HTTP_FORWARDED_FOR_MAX ? 463 : 0;
}

struct http_verdict
http_verdict(const struct http_request *r, enum http_desync_mode mode)
{
	const struct http_head *h = &r->head;
	enum http_reason reason = http_reason_gravest(h->found);
	enum http_class class = http_reason_class(reason);
	struct http_verdict v = {.class = (uint8_t) class, .reason = (uint8_t)reason};

	if (h->refusal != 0) {
		v.status = h->refusal;
	} else {
		v.status = status_of(r);
		if (v.status == 0 && actions[class][mode] == BLOCK)
			v.status = 400;
	}
	v.close = v.status != 0 || actions[class][mode] == PASS_AND_CLOSE ||
		  (h->found & UNSAFE_BEHIND) != 0;
	return v;
}
