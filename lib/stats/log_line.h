/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line of a log, written field by field: times, durations, addresses, escaped text.
 *
 * Once something doesn't fit, nothing is written any more and the line has failed.
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

struct log_line {
	char *begin, *at, *end;
	bool failed;
};

static inline struct log_line
log_line(char *out, size_t size)
{
	return (struct log_line){.begin = out, .at = out, .end = out + size};
}

void log_put(struct log_line *line, const char *text, size_t len);
void log_puts(struct log_line *line, const char *text);

/** Bytes that could break a line or a quoted field become \xHH. */
void log_put_escaped(struct log_line *line, const char *text, size_t len);

void log_put_number(struct log_line *line, int64_t number);

/** ISO 8601 in UTC with microseconds. @param us  since 1970 */
void log_put_time(struct log_line *line, uint64_t us);

/** Seconds with milliseconds; -1 when it did not come to that: `from_us` is 0 or the later one. */
void log_put_duration(struct log_line *line, uint64_t from_us, uint64_t to_us);
/** The same with six decimals. */
void log_put_exact_duration(struct log_line *line, uint64_t from_us, uint64_t to_us);

/** ADDRESS:PORT, or [ADDRESS]:PORT. */
void log_put_endpoint(struct log_line *line, const struct ip_addr *addr, uint16_t port);

/** A connection's id, the same in all logs. */
void log_put_trace_id(struct log_line *line, uint64_t connection);

/** @return  the line's length; 0: it failed. */
size_t log_line_len(const struct log_line *line);

#endif
