/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int shown_level = LOG_LEVEL_INFO;

void
log_set_level(enum log_level level)
{
	atomic_store(&shown_level, (int)level);
}

void
log_write(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"error: ", "warning: ", "", "", "debug: "};
	static const int priorities[] = {3, 4, 5, 6, 7};
	char line[1024];
	int len = 0, n;
	va_list args;

	if ((int)level > atomic_load(&shown_level))
		return;
	if (getenv("JOURNAL_STREAM") != NULL)
		len = snprintf(line, sizeof(line), "<%d>", priorities[level]);
	len += snprintf(line + len, sizeof(line) - (size_t)len, "weir: %s", names[level]);

	va_start(args, format);
	n = vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
	va_end(args);

	if (n > 0)
		len += n;
	if (len > (int)sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* nobody left to tell */
}
