/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regular expressions with a bound on what they cost.
 *
 * A subset that ELB allows: no look-around, backreferences, atomic groups, possessive quantifiers,
 * subroutines, recursion, verbs or \p.  Compiled by PCRE2 to machine code; a pattern that can't be
 * is refused.  Matching works on bytes and searches: `^` and `$` are the pattern's affair.
 *
 * Work is bounded by a budget of steps that the caller carries through all matches of one request.
 * PCRE2 counts steps anew at each starting point and doesn't tell how many it used.  So a match is
 * tried with few steps first, about REGEXP_FREE_STEPS over all starting points, which are free.
 * When they don't suffice, starting points are tried one by one, each with more and more steps, all
 * of them charged, until the budget is gone.  The length of long subjects is charged too.
 *
 * Compiling is the management core's; a compiled pattern may be used by any number of workers, each
 * with a scratch of its own.  Matching allocates nothing.
 */
#ifndef REGEXP_H
#define REGEXP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGEXP_WHY_MAX    160
#define REGEXP_GROUPS_MAX 31
#define REGEXP_FREE_STEPS 1024
#define REGEXP_BUDGET     12000 /* steps; about 20 us */

struct regexp;
struct regexp_scratch;

enum regexp_result {
	REGEXP_MATCH,
	REGEXP_NO_MATCH,
	REGEXP_BUDGET_SPENT, /* what the answer is isn't known */
};

/**
 * @param why  a sentence when the pattern is refused
 * @return  NULL when it is.
 */
struct regexp *regexp_compile(const char *pattern, bool caseless, char why[REGEXP_WHY_MAX]);
void regexp_free(struct regexp *regexp);

/**
 * A pattern with `*` (and `\*`, `\?`, `\\` for literal ones) that is true of every subject that a
 * good regular expression matches: its literal bytes in their order.
 * @param size  of `glob`; what doesn't fit is left out
 * @return  false: there is no literal byte.
 */
bool regexp_glob(const char *pattern, char *glob, size_t size);

/** Capturing groups, without the whole match. */
uint32_t regexp_groups(const struct regexp *regexp);

/** Of one worker. @return NULL without memory. */
struct regexp_scratch *regexp_scratch_create(void);
void regexp_scratch_free(struct regexp_scratch *scratch);

/**
 * Search `subject`.
 * @param budget  steps left, reduced by what was used
 */
enum regexp_result regexp_match(const struct regexp *regexp, struct regexp_scratch *scratch,
				const char *subject, size_t len, uint32_t *budget);

/** Bytes [*begin, *end) of a group of the last match; 0 is all of it. @return false: unset. */
bool regexp_group(const struct regexp_scratch *scratch, uint32_t group, size_t *begin, size_t *end);

#endif
