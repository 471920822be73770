/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logs of load balancers (of requests, connections and health checks): which there are, and how
 * their records become lines.
 *
 * Management core, but for the formatting, which the logger's thread does with a table of names
 * that is swapped under a lock when a configuration is published.
 */
#ifndef LOG_FILES_H
#define LOG_FILES_H

#include <stdbool.h>

#include "dataplane.h"
#include "health_record.h"
#include "logger.h"
#include "model.h"

struct log_files;

/** Start the logger. @return NULL without memory or thread. */
struct log_files *log_files_start(struct dataplane *dp);

/** Write what is left, end all files. */
void log_files_stop(struct log_files *files);

/** The logs of a configuration that is in force from now on. @return false without memory. */
bool log_files_publish(struct log_files *files, const struct model *model);

/** Log a health check; without room for it it is lost and counted. */
void log_files_health_check(struct log_files *files, const struct health_record *record);

void log_files_counters(struct log_files *files, struct logger_counters *counters);

#endif
