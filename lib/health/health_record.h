/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A health check's result on its way to the health check log, and the line it becomes
 * (A:load-balancer-health-check-logs, 8 fields).
 *
 * The management core writes records of checks by HTTP; the logger's thread formats them.
 */
#ifndef HEALTH_RECORD_H
#define HEALTH_RECORD_H

#include "ip_addr.h"
#include "log_record.h"
#include "model.h"
#include "prober.h"

struct health_record {
	struct log_record head;
	uint64_t begun_wall_us; /* since 1970 */
	uint64_t latency_us;
	struct ip_addr target;
	uint16_t port;
	uint16_t status; /* of the answer; 0: none came */
	uint8_t result;  /* enum probe_result, never PROBE_NOT_SENT */
	char target_group[MODEL_NAME_MAX];
};

/** Why a check failed, in ELB's words; "-": it passed. */
const char *health_record_reason(enum probe_result result, uint16_t status);

/** Logger. @return the length of the line with its newline; 0: `size` is too small. */
size_t health_record_format(const struct health_record *record, char *line, size_t size);

#endif
