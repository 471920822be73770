/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a request failed, as field 25 of the access log spells it (error_reason).
 *
 * ELB's own names there belong to what weir has not yet (authentication, Lambda, WAF); these are of
 * their kind.  Behind http_fault.h, proxy_error.h and service_http.h come those of rules and
 * actions.
 */
#ifndef ALB_ERROR_H
#define ALB_ERROR_H

#include "service_http.h"

enum alb_error {
	ALB_ERROR_BUDGET = SERVICE_ERRORS, /* 500: regular expressions took too long */
	ALB_ERROR_TRANSFORM,               /* 500: field 33 says what went wrong */
	ALB_ERROR_REDIRECT,                /* 507: Location is longer than ALB_REDIRECT_MAX */
	ALB_ERROR_VERSION,                 /* 464: not the group's protocol_version */
};
#define ALB_ERRORS (ALB_ERROR_VERSION + 1)

/** Of any of the three; "-" for none. */
const char *alb_error_name(uint8_t error);

#endif
