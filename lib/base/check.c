/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void
check_failed(const char *file, int line, const char *expression)
{
	fprintf(stderr, "weir: internal fault at %s:%d: %s\n", file, line, expression);
	abort();
}
