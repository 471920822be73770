/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access logs of load balancers: which there are, and how their records become lines.
 *
 * Management core, but for the formatting, which the logger's thread does with a table of names
 * that is swapped under a lock when a configuration is published.
 */
#ifndef ACCESS_LOG_H
#define ACCESS_LOG_H

#include <stdbool.h>

#include "dataplane.h"
#include "logger.h"
#include "model.h"

struct access_log;

/** Start the logger. @return NULL without memory or thread. */
struct access_log *access_log_start(struct dataplane *dp);

/** Write what is left, end all files. */
void access_log_stop(struct access_log *log);

/** The logs of a configuration that is in force from now on. @return false without memory. */
bool access_log_publish(struct access_log *log, const struct model *model);

void access_log_counters(struct access_log *log, struct logger_counters *counters);

#endif
