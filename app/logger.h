/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The logger: a thread of its own that turns workers' records into ELB's log files.
 *
 * Workers leave records in a ring each (log_ring.h) and never wait; the management core never
 * blocks on a disk.  For each log (a load balancer's access log, say) there is one file at a time,
 * `NAME.log.tmp`; after five minutes, or at LOGGER_FILE_BYTES, it becomes `NAME.log`, and by and
 * by, in small steps between records, `NAME.log.gz`.  What can't be written is dropped and counted.
 */
#ifndef LOGGER_H
#define LOGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_ring.h"

#define LOGGER_FILE_BYTES (64u << 20)
#define LOGGER_PERIOD_S   300
#define LOGGER_LINE_MAX   32768

struct logger;

/** A log that the configuration asks for. */
struct logger_log {
	uint64_t id;         /* what records name */
	char directory[512]; /* absolute, without the date's part; it is made below `root` */
	char root[256];      /* must exist */
	char name[160];      /* of files, up to the time */
	char address[48];    /* in their name, behind the time */
};

struct logger_config {
	struct log_ring *rings[64];
	uint32_t rings_n;
	/**
	 * Make a line of a record, with its newline.  The logger's thread.
	 * @param id  set to the log it belongs to
	 * @return    its length; 0: no line
	 */
	size_t (*format)(void *arg, const void *record, uint32_t len, uint64_t *id, char *line,
			 size_t size);
	void *arg;
};

/** @return  NULL without memory or thread. */
struct logger *logger_start(const struct logger_config *config);

/** Write what is in the rings, end all files and the thread. */
void logger_stop(struct logger *logger);

/** The logs there are from now on; others end.  Any thread but the logger's. @return false without
 * memory. */
bool logger_set_logs(struct logger *logger, const struct logger_log *logs, uint32_t n);

struct logger_counters {
	uint64_t lines, bytes, files;
	uint64_t lost;   /* by full rings */
	uint64_t failed; /* lines that could not be written */
};

void logger_counters(struct logger *logger, struct logger_counters *counters);

#endif
