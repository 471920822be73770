/* SPDX-License-Identifier: BSD-3-Clause */
#include "regexp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define START_STEPS    24  /* what one starting point costs, tried alone */
#define BYTES_PER_STEP 512 /* of subjects, whatever is found in them */
#define LENGTH_MAX     1024
#define SIZE_MAX_BYTES (256u << 10) /* of the compiled pattern */

struct regexp {
	pcre2_code *code;
	uint32_t groups;
	bool anchored;
};

struct regexp_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	uint32_t groups_n; /* of the last match, with the whole */
};

/* The walk over a pattern that looks for what is excluded. */
struct walk {
	const char *at;
	char *why;
	bool quantifier; /* what was read last is one */
};

static bool
refuse(struct walk *w, const char *what)
{
	snprintf(w->why, REGEXP_WHY_MAX, "%s not allowed", what);
	return false;
}

/* Behind a backslash.  In brackets \b is a backspace; no harm. */
static bool
walk_escape(struct walk *w)
{
	char c = *w->at;

	if (c == '\0')
		return refuse(w, "a backslash at the end is");
	if ((c >= '1' && c <= '9') || c == 'k' || c == 'g')
		return refuse(w, "backreferences and subroutines are");
	if (c == 'p' || c == 'P' || c == 'X')
		return refuse(w, "Unicode properties are");
	if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '0') &&
	    strchr("dDwWsSbBAzZnrtfvhHaex0", c) == NULL)
		return refuse(w, "an escape like this is");
	w->at++;
	if (c == 'x' && *w->at == '{')
		w->at += strcspn(w->at, "}");
	return true;
}

static bool
walk_class(struct walk *w)
{
	if (*w->at == '^')
		w->at++;
	if (*w->at == ']')
		w->at++;
	while (*w->at != ']') {
		if (*w->at == '\0')
			return refuse(w, "brackets without an end are");
		if (*w->at == '[' && w->at[1] == ':') {
			const char *end = strstr(w->at + 2, ":]");

			if (end != NULL && strspn(w->at + 2, "abcdefghijklmnopqrstuvwxyz^") ==
						   (size_t)(end - w->at - 2)) {
				w->at = end + 2;
				continue;
			}
		}
		if (*w->at++ == '\\' && !walk_escape(w))
			return false;
	}
	w->at++;
	return true;
}

/* Behind an opening parenthesis. */
static bool
walk_group(struct walk *w)
{
	if (*w->at == '*')
		return refuse(w, "verbs are");
	if (*w->at != '?')
		return true;
	w->at++;
	if (w->at[0] == 'P' && w->at[1] == '<')
		w->at++;
	if (w->at[0] == '<') {
		if (w->at[1] == '=' || w->at[1] == '!')
			return refuse(w, "look-around is");
		return true;
	}
	if (w->at[0] == '=' || w->at[0] == '!')
		return refuse(w, "look-around is");
	if (w->at[0] == '>')
		return refuse(w, "atomic groups are");
	w->at += strspn(w->at, "ims-");
	if (*w->at != ':' && *w->at != ')')
		return refuse(w, "recursion, subroutines, conditions and comments in groups are");
	return true;
}

/* `{2}`, `{2,}`, `{2,3}`: the length, 0 if it is none. */
static size_t
counted_quantifier(const char *at)
{
	size_t n = 1 + strspn(at + 1, "0123456789");

	if (n == 1)
		return 0;
	if (at[n] == ',')
		n += 1 + strspn(at + n + 1, "0123456789");
	return at[n] == '}' ? n + 1 : 0;
}

static bool
walk_one(struct walk *w)
{
	char c = *w->at;
	size_t n = c == '{' ? counted_quantifier(w->at) : (c == '*' || c == '+' || c == '?');

	if (n > 0) {
		if (w->quantifier && c == '+')
			return refuse(w, "possessive quantifiers are");
		w->quantifier = !(w->quantifier && c == '?'); /* `a+?` is one, lazy */
		w->at += n;
		return true;
	}
	w->quantifier = false;
	w->at++;
	if (c == '\\')
		return walk_escape(w);
	if (c == '[')
		return walk_class(w);
	return c == '(' ? walk_group(w) : true;
}

static bool
walk_pattern(const char *pattern, char why[REGEXP_WHY_MAX])
{
	struct walk w = {.at = pattern, .why = why};

	for (const char *c = pattern; *c != '\0'; c++) {
		if (*c < 0x20 || *c > 0x7e)
			return refuse(&w, "a byte that is not printable ASCII is");
	}
	if (strlen(pattern) > LENGTH_MAX)
		return refuse(&w, "more than 1,024 bytes are");
	while (*w.at != '\0') {
		if (!walk_one(&w))
			return false;
	}
	return true;
}

/* Alternatives outside of groups, or options: what begins a pattern may not begin a match. */
static bool
is_plain_sequence(const char *pattern)
{
	char why[REGEXP_WHY_MAX];
	struct walk w = {.at = pattern, .why = why};
	int depth = 0;

	while (*w.at != '\0') {
		if (*w.at == '|' && depth == 0)
			return false;
		if (w.at[0] == '(' && w.at[1] == '?' && strchr("ims-", w.at[2]) != NULL)
			return false;
		depth += (*w.at == '(') - (*w.at == ')');
		if (!walk_one(&w))
			return false;
	}
	return true;
}

/* A wildcard pattern while it is put together. */
struct glob {
	char *at, *end;
	bool star; /* the last thing in it is an asterisk */
};

static void
put_star(struct glob *g)
{
	if (!g->star && g->at < g->end)
		*g->at++ = '*';
	g->star = true;
}

static void
put_literal(struct glob *g, char c)
{
	if (g->end - g->at < 3) { /* room for this one and an asterisk */
		put_star(g);
		g->end = g->at;
		return;
	}
	if (c == '*' || c == '?' || c == '\\')
		*g->at++ = '\\';
	*g->at++ = c;
	g->star = false;
}

/* A character that stands for itself and can't be missing: its length, 0 if it is none. */
static size_t
literal_len(const char *at)
{
	size_t n = *at == '\\' && ispunct((unsigned char)at[1]) ? 2 : 1;

	if (n == 1 && strchr("\\^$.[|()?*+{", *at) != NULL)
		return 0;
	return at[n] != '\0' && strchr("?*{", at[n]) != NULL ? 0 : n;
}

/* Anything else, groups as a whole. */
static bool
skip_element(struct walk *w)
{
	int depth = 0;

	do {
		depth += (*w->at == '(') - (*w->at == ')');
		if (!walk_one(w))
			return false;
	} while (depth > 0 && *w->at != '\0');
	return true;
}

bool
regexp_glob(const char *pattern, char *glob, size_t size)
{
	char why[REGEXP_WHY_MAX];
	struct walk w = {.at = pattern, .why = why};
	struct glob g = {.at = glob, .end = glob + size - 1};
	bool literal = false;

	if (!is_plain_sequence(pattern))
		return false;
	if (*w.at == '^')
		w.at++;
	else
		put_star(&g);
	while (*w.at != '\0' && strcmp(w.at, "$") != 0) {
		size_t n = literal_len(w.at);

		if (n > 0) {
			literal = true;
			put_literal(&g, w.at[n - 1]);
			w.at += n;
			continue;
		}
		put_star(&g);
		if (!skip_element(&w))
			return false;
	}
	if (*w.at == '\0')
		put_star(&g);
	*g.at = '\0';
	return literal;
}

static pcre2_code *
compile(const char *pattern, bool caseless, char why[REGEXP_WHY_MAX])
{
	uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
			   PCRE2_DOLLAR_ENDONLY | PCRE2_DOTALL | PCRE2_USE_OFFSET_LIMIT |
			   (caseless ? PCRE2_CASELESS : 0);
	char message[REGEXP_WHY_MAX - 40];
	PCRE2_SIZE at, size = 0;
	pcre2_code *code;
	int error;

	code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at,
			     NULL);
	if (code == NULL) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
		snprintf(why, REGEXP_WHY_MAX, "at character %zu: %s", at + 1, message);
		return NULL;
	}
	if (pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size) != 0 || size > SIZE_MAX_BYTES ||
	    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) != 0) {
		snprintf(why, REGEXP_WHY_MAX, "it can't be compiled to machine code");
		pcre2_code_free(code);
		return NULL;
	}
	return code;
}

struct regexp *
regexp_compile(const char *pattern, bool caseless, char why[REGEXP_WHY_MAX])
{
	struct regexp *r;
	uint32_t options = 0;

	if (!walk_pattern(pattern, why))
		return NULL;
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		snprintf(why, REGEXP_WHY_MAX, "no memory");
		return NULL;
	}
	r->code = compile(pattern, caseless, why);
	if (r->code == NULL) {
		free(r);
		return NULL;
	}
	pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->groups);
	pcre2_pattern_info(r->code, PCRE2_INFO_ALLOPTIONS, &options);
	r->anchored = (options & PCRE2_ANCHORED) != 0;
	if (r->groups > REGEXP_GROUPS_MAX) {
		snprintf(why, REGEXP_WHY_MAX, "it has more than %d groups", REGEXP_GROUPS_MAX);
		regexp_free(r);
		return NULL;
	}
	return r;
}

void
regexp_free(struct regexp *r)
{
	if (r == NULL)
		return;
	pcre2_code_free(r->code);
	free(r);
}

uint32_t
regexp_groups(const struct regexp *r)
{
	return r->groups;
}

struct regexp_scratch *
regexp_scratch_create(void)
{
	struct regexp_scratch *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->data = pcre2_match_data_create(REGEXP_GROUPS_MAX + 1, NULL);
	s->context = pcre2_match_context_create(NULL);
	if (s->data == NULL || s->context == NULL) {
		regexp_scratch_free(s);
		return NULL;
	}
	return s;
}

void
regexp_scratch_free(struct regexp_scratch *s)
{
	if (s == NULL)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	free(s);
}

static void
charge(uint32_t *budget, uint64_t steps)
{
	*budget = steps < *budget ? *budget - (uint32_t)steps : 0;
}

/* One run over the starting points [first, last]. @return  what PCRE2 says. */
static int
run(const struct regexp *r, struct regexp_scratch *s, const char *subject, size_t len, size_t first,
    size_t last, uint32_t limit)
{
	int n;

	pcre2_set_match_limit(s->context, limit);
	pcre2_set_offset_limit(s->context, last);
	n = pcre2_jit_match(r->code, (PCRE2_SPTR)subject, len, first, 0, s->data, s->context);
	if (n > 0)
		s->groups_n = (uint32_t)n;
	return n;
}

/* One starting point, with more and more steps. @return  what PCRE2 says. */
static int
run_start(const struct regexp *r, struct regexp_scratch *s, const char *subject, size_t len,
	  size_t start, uint32_t *budget)
{
	uint32_t limit = START_STEPS;
	int n;

	charge(budget, START_STEPS + len / BYTES_PER_STEP);
	do {
		if (limit > *budget)
			limit = *budget;
		n = run(r, s, subject, len, start, start, limit);
		if (n != PCRE2_ERROR_MATCHLIMIT)
			return n;
		limit *= 4;
		charge(budget, limit);
	} while (*budget > 0);
	return n;
}

enum regexp_result
regexp_match(const struct regexp *r, struct regexp_scratch *s, const char *subject, size_t len,
	     uint32_t *budget)
{
	size_t last = r->anchored ? 0 : len;
	int n;

	if (*budget == 0)
		return REGEXP_BUDGET_SPENT;
	charge(budget, len / BYTES_PER_STEP);
	n = run(r, s, subject, len, 0, len,
		last < REGEXP_FREE_STEPS / 4 ? (uint32_t)(REGEXP_FREE_STEPS / (last + 1)) : 4);
	for (size_t start = 0;
	     n == PCRE2_ERROR_MATCHLIMIT || (start > 0 && n == PCRE2_ERROR_NOMATCH); start++) {
		if (start > last)
			return REGEXP_NO_MATCH;
		if (*budget == 0)
			return REGEXP_BUDGET_SPENT;
		n = run_start(r, s, subject, len, start, budget);
		if (n == PCRE2_ERROR_MATCHLIMIT)
			return REGEXP_BUDGET_SPENT;
	}
	if (n > 0)
		return REGEXP_MATCH;
	if (n == PCRE2_ERROR_NOMATCH)
		return REGEXP_NO_MATCH;
	*budget = 0; /* the stack of 32 KiB is spent */
	return REGEXP_BUDGET_SPENT;
}

bool
regexp_group(const struct regexp_scratch *s, uint32_t group, size_t *begin, size_t *end)
{
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(s->data);

	if (group >= s->groups_n || v[2 * group] == PCRE2_UNSET)
		return false;
	*begin = v[2 * group];
	*end = v[2 * group + 1];
	return true;
}
