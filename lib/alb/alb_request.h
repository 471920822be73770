/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rules and actions see of a request: strings in somebody else's buffer, valid for the call.
 */
#ifndef ALB_REQUEST_H
#define ALB_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

/** Bytes of one component that are looked at: those of a request line, or of one field. */
#define ALB_TEXT_MAX 16384

struct alb_text {
	const char *at;
	uint32_t len;
};

struct alb_request {
	struct alb_text method;
	struct alb_text host;  /* with or without `:port`, in any case */
	struct alb_text path;  /* without the query, as received */
	struct alb_text query; /* without the question mark */
	struct ip_addr client; /* the peer's address, never what a field says */
	uint32_t fields_n;
	/** Name and value of the i-th header field, in the order received. */
	void (*field)(const void *arg, uint32_t i, struct alb_text *name, struct alb_text *value);
	const void *fields; /* arg of `field` */
};

#endif
