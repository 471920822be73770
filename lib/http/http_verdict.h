/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of a request by its form alone: ELB's HTTP desync mitigation.
 *
 * A request with one safe meaning passes as the mode says; one with none never got here: the parser
 * refused it, in every mode.  That departs from ELB in monitor mode, because what leaves weir is
 * always well-formed.
 */
#ifndef HTTP_VERDICT_H
#define HTTP_VERDICT_H

#include "http.h"

/** routing.http.desync_mitigation_mode */
enum http_desync_mode { HTTP_DESYNC_MONITOR, HTTP_DESYNC_DEFENSIVE, HTTP_DESYNC_STRICTEST };
#define HTTP_DESYNC_MODES 3

#define HTTP_FORWARDED_FOR_MAX 30 /* addresses */

struct http_verdict {
	uint8_t class;   /* enum http_class */
	uint8_t reason;  /* enum http_reason */
	uint8_t fault;   /* enum http_fault */
	uint16_t status; /* refuse it with this, and close; 0: forward */
	bool close;      /* close the connections to client and target behind it */
};

/** Judge a request that was parsed, complete or invalid. */
struct http_verdict http_verdict(const struct http_request *r, enum http_desync_mode mode);

/** Addresses in all X-Forwarded-For fields. */
uint32_t http_forwarded_for_count(const struct http_head *h);

#endif
