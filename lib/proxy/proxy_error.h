/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why an exchange failed: what proxy_record.error tells.
 *
 * Values below HTTP_FAULTS are lib/http's enum http_fault, those from PROXY_ERRORS on the
 * service's.
 */
#ifndef PROXY_ERROR_H
#define PROXY_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "http_fault.h"

enum proxy_error {
	PROXY_ERROR_RESOURCES = HTTP_FAULTS, /* no memory, buffer, connection or source port */
	PROXY_ERROR_REQUEST_INCOMPLETE,      /* the client's FIN came within it */
	PROXY_ERROR_REQUEST_BODY,            /* chunks or trailers that nobody can read */
	PROXY_ERROR_REQUEST_TIMEOUT,         /* its rest did not come in time */
	PROXY_ERROR_CLIENT_CLOSED,           /* RST or end before the answer was complete */
	PROXY_ERROR_CLIENT_TIMEOUT,          /* the client stopped reading the answer */
	PROXY_ERROR_TARGET_REFUSED,          /* no connection: RST, or unreachable */
	PROXY_ERROR_TARGET_CONNECT_TIMEOUT,
	PROXY_ERROR_TARGET_TLS, /* no TLS connection */
	PROXY_ERROR_TARGET_TLS_TIMEOUT,
	PROXY_ERROR_TARGET_CLOSED,   /* FIN or RST before its answer was complete */
	PROXY_ERROR_TARGET_TIMEOUT,  /* its answer, or the rest of it, did not come in time */
	PROXY_ERROR_TARGET_RESPONSE, /* no HTTP, no answer to this request, or a bad body */
	PROXY_ERROR_TARGET_LONG,     /* its head is longer than HTTP_RESPONSE_FIELDS_LEN_MAX */
	PROXY_ERROR_TARGET_LEFT,     /* its deregistration delay was over */
	PROXY_ERROR_SPILLOVER,       /* the surge queue was full */
	PROXY_ERROR_TARGET_BUSY,     /* no connection or stream of it became free in time */
};
#define PROXY_ERRORS (PROXY_ERROR_TARGET_BUSY + 1)

/** What is answered as long as no answer has begun; of http_fault's and the proxy's. */
uint16_t proxy_error_status(uint8_t error);

/** Whether it was the client's doing. */
static inline bool
proxy_error_is_clients(uint8_t error)
{
	return error < PROXY_ERROR_RESOURCES ||
	       (error >= PROXY_ERROR_REQUEST_INCOMPLETE && error <= PROXY_ERROR_CLIENT_TIMEOUT);
}

#endif
