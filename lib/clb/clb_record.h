/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request's line of a classic load balancer's access log (C23:access-log-collection, 15 fields).
 */
#ifndef CLB_RECORD_H
#define CLB_RECORD_H

#include "service_record.h"

/** Logger. @return the length of the line with its newline; 0: `size` is too small. */
size_t clb_record_format(const struct service_record *record, const char *load_balancer, char *line,
			 size_t size);

#endif
