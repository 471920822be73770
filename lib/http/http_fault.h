/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a request is refused by its form alone, and the status that says so.  Beside it the
 * classification (http_reason.h) tells what was odd.
 */
#ifndef HTTP_FAULT_H
#define HTTP_FAULT_H

#include <stdint.h>

enum http_fault {
	HTTP_FAULT_NONE,
	HTTP_FAULT_MALFORMED,   /* no request, or none with a safe meaning */
	HTTP_FAULT_VERSION,     /* none of HTTP/1.x */
	HTTP_FAULT_LINE_LONG,   /* HTTP_LINE_MAX */
	HTTP_FAULT_FIELD_LONG,  /* HTTP_FIELD_MAX */
	HTTP_FAULT_FIELDS_LONG, /* HTTP_REQUEST_FIELDS_LEN_MAX, of responses the other */
	HTTP_FAULT_FIELDS_MANY, /* HTTP_FIELDS_MAX, or too many options of Connection */
	HTTP_FAULT_HOST,        /* none, several or no host in Host */
	HTTP_FAULT_DESYNC,      /* what routing.http.desync_mitigation_mode doesn't let pass */
	HTTP_FAULT_METHOD,      /* TRACE */
	HTTP_FAULT_CONNECT,     /* no load balancer's method either, but 400 */
	HTTP_FAULT_CODING,      /* Transfer-Encoding beside chunked and identity */
	HTTP_FAULT_FORWARDED,   /* HTTP_FORWARDED_FOR_MAX */
};
#define HTTP_FAULTS (HTTP_FAULT_FORWARDED + 1)

/** What a request is answered with; 0: HTTP_FAULT_NONE. */
uint16_t http_fault_status(enum http_fault fault);

#endif
