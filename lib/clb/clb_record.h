/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of a classic load balancer's access log (C23:access-log-collection, 15 fields): of
 * requests, and of connections of TCP and SSL listeners, which are `- - - `.
 */
#ifndef CLB_RECORD_H
#define CLB_RECORD_H

#include "proxy_conduit.h"
#include "service_record.h"

/**
 * A connection that is over.  Worker.
 * @param wall_us  since 1970, at time 0 of the worker's clock
 * @return  false when the ring is full.
 */
bool clb_record_write(struct log_ring *ring, uint64_t wall_us, uint64_t load_balancer_id,
		      const struct snapshot *snapshot, const struct proxy_conduit_record *conduit);

/** Logger. @return the length of the line with its newline; 0: `size` is too small. */
size_t clb_record_format(const struct service_record *record, const char *load_balancer, char *line,
			 size_t size);

#endif
