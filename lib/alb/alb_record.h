/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line of the access log (A:load-balancer-access-logs, 33 fields).
 */
#ifndef ALB_RECORD_H
#define ALB_RECORD_H

#include "service_record.h"

/** What a line names. */
struct alb_record_names {
	const char *load_balancer;    /* app/NAME/ID */
	const char *target_group_arn; /* "-": none */
};

/** Logger. @return the length of the line with its newline; 0: `size` is too small. */
size_t alb_record_format(const struct service_record *record, const struct alb_record_names *names,
			 char *line, size_t size);

#endif
