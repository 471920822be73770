/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths as rules see them: normalized after RFC 3986 section 6.2.2.
 *
 * Percent-encoded unreserved characters are decoded, hexadecimal digits of what stays encoded are
 * capitals, and dot segments are removed.  A slash that is encoded stays so, and slashes in a row
 * stay.  What is forwarded to targets is the path as it came.
 */
#ifndef ALB_PATH_H
#define ALB_PATH_H

#include <stdbool.h>

#include "alb_request.h"

/**
 * @param buffer  ALB_TEXT_MAX bytes, written only when the path changes
 * @return  the path itself, or what is in `buffer`.
 */
struct alb_text alb_path_normalize(struct alb_text path, char *buffer);

#endif
