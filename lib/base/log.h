/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One line per event on standard error, in the form journald understands.
 *
 * Any thread but a worker lcore may log: a line is one write().  Workers report through counters
 * and events instead.
 */
#ifndef LOG_H
#define LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/** Show lines up to `level` (default LOG_LEVEL_INFO). */
void log_set_level(enum log_level level);

/**
 * Write "weir: MESSAGE\n", with the syslog priority prefix "<N>" when standard error goes to
 * journald (JOURNAL_STREAM is set).  Messages are cut at 1,023 bytes.
 */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define LOG_ERROR(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define LOG_WARNING(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define LOG_NOTICE(...)  log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define LOG_INFO(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define LOG_DEBUG(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
