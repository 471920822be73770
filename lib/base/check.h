/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks for programmer errors: what can't be true unless the code is wrong.
 *
 * A failed check says where and stops the process with a core.  Operator errors and bytes from a
 * wire never end here.
 */
#ifndef CHECK_H
#define CHECK_H

_Noreturn void check_failed(const char *file, int line, const char *expression);

#define CHECK(x)                                              \
	do {                                                  \
		if (__builtin_expect(!(x), 0))                \
			check_failed(__FILE__, __LINE__, #x); \
	} while (0)

#ifndef likely
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define ARRAY_N(a) (sizeof(a) / sizeof((a)[0]))

#endif
