/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every record in a log ring begins with: the log that it is for.
 */
#ifndef LOG_RECORD_H
#define LOG_RECORD_H

#include <stdint.h>
#include <stdio.h>

/** A load balancer's logs. */
enum log_kind {
	LOG_ACCESS, /* of an application load balancer */
	LOG_CONNECTION,
	LOG_HEALTH_CHECK,
	LOG_TLS,     /* the access log of a network load balancer */
	LOG_CLASSIC, /* that of a classic one, requests */
};

#define LOG_KINDS (LOG_CLASSIC + 1)

struct log_record {
	uint64_t load_balancer_id;
	uint32_t kind; /* enum log_kind */
};

/** A text into a record's array, cut to fit; NULL: an empty one. */
static inline void
log_record_keep(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text == NULL ? "" : text);
}

#endif
