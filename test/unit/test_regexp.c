/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "regexp.h"

static void
test_accepted(void)
{
	static const struct {
		const char *why, *pattern, *subject;
		bool match;
	} rows[] = {
		{"a search", "b", "abc", true},
		{"anchors", "^abc$", "abc", true},
		{"the end is the end", "^abc$", "abc\n", false},
		{"a non-capturing group", "(?:a|b)+", "ab", true},
		{"a named group", "(?<x>a)(?P<y>b)", "ab", true},
		{"an option", "(?i)ABC", "abc", true},
		{"lazy", "a+?b", "aab", true},
		{"counts", "^a{2,3}$", "aa", true},
		{"braces that are no count", "a{x}+", "a{x}}", true},
		{"a byte by number", "\\x{41}+", "AA", true},
		{"brackets with a bracket", "[]a]+", "]", true},
		{"a class by name", "^[[:alpha:]]+$", "ab", true},
		{"escaped specials", "^\\(\\?=\\*\\)$", "(?=*)", true},
		{"specials in brackets", "^[(?=*+]+$", "(?=+", true},
	};
	struct regexp_scratch *s = regexp_scratch_create();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[REGEXP_WHY_MAX] = "";
		struct regexp *r = regexp_compile(rows[i].pattern, false, why);
		uint32_t budget = REGEXP_BUDGET;

		EXPECT_ROW(rows[i].why, r != NULL);
		if (r == NULL) {
			printf("  %s\n", why);
			continue;
		}
		EXPECT_ROW(rows[i].why,
			   regexp_match(r, s, rows[i].subject, strlen(rows[i].subject), &budget) ==
				   (rows[i].match ? REGEXP_MATCH : REGEXP_NO_MATCH));
		regexp_free(r);
	}
	regexp_scratch_free(s);
}

static void
test_refused(void)
{
	static const char *const rows[] = {
		"(?=a)",    "(?!a)",  "(?<=a)", "(?<!a)",  "(a)\\1",   "\\k<a>",  "\\g1",
		"(?>a)",    "a++",    "a*+",    "a?+",     "a{2}+",    "(?R)",    "(?1)",
		"(?&x)",    "(?P>x)", "(?P=x)", "(?(1)a)", "(?|a|b)",  "(*FAIL)", "(?#c)",
		"\\p{L}",   "\\PL",   "\\X",    "\\K",     "\\C",      "\\G",     "\\Qa\\E",
		"[\\p{L}]", "a\\",    "[a",     "(a",      "a)",       "*a",      "[b-a]",
		"\xc3\xa9", "a\tb",   "\\R",    "\\N",     "a{2}{3}+", "(?x)a",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[REGEXP_WHY_MAX] = "";
		struct regexp *r = regexp_compile(rows[i], false, why);

		EXPECT_ROW(rows[i], r == NULL && why[0] != '\0');
		regexp_free(r);
	}
}

/* Exponential on purpose: the budget ends it, and is spent for the rest of the request. */
static void
test_budget(void)
{
	struct regexp_scratch *s = regexp_scratch_create();
	char why[REGEXP_WHY_MAX];
	struct regexp *bad = regexp_compile("^(a+)+$", false, why);
	struct regexp *good = regexp_compile("b$", false, why);
	const char *subject = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
	uint32_t budget = REGEXP_BUDGET;

	EXPECT(regexp_match(good, s, subject, strlen(subject), &budget) == REGEXP_MATCH);
	EXPECT(budget >= REGEXP_BUDGET - 4); /* what is cheap costs next to nothing */
	EXPECT(regexp_match(bad, s, subject, strlen(subject), &budget) == REGEXP_BUDGET_SPENT);
	EXPECT(budget == 0);
	EXPECT(regexp_match(good, s, subject, strlen(subject), &budget) == REGEXP_BUDGET_SPENT);
	regexp_free(bad);
	regexp_free(good);
	regexp_scratch_free(s);
}

/* More than the free steps, less than the budget: the answer is right all the same. */
static void
test_starting_points(void)
{
	static const struct {
		const char *why, *pattern, *subject;
		bool match;
		size_t begin;
	} rows[] = {
		{"a match behind bad starting points", "(a+)+b", "aaaaaaaaa!aab", true, 10},
		{"none, anchored", "^(a+)+$", "aaaaaaaaaa!", false, 0},
		{"none, at any", "(a+)+$", "aaaaaaaa!", false, 0},
		{"at the last one", "(a+)+$|$", "aaaaaaaa!", true, 9},
		{"an assertion sees what is before", "\\b(a+)+b|\\Bc", "aaaaaaaaa!bc", true, 11},
	};
	struct regexp_scratch *s = regexp_scratch_create();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char why[REGEXP_WHY_MAX] = "";
		struct regexp *r = regexp_compile(rows[i].pattern, false, why);
		uint32_t budget = REGEXP_BUDGET;
		size_t begin = 0, end;

		EXPECT_ROW(rows[i].why,
			   regexp_match(r, s, rows[i].subject, strlen(rows[i].subject), &budget) ==
				   (rows[i].match ? REGEXP_MATCH : REGEXP_NO_MATCH));
		EXPECT_ROW(rows[i].why, budget < REGEXP_BUDGET && budget > 0);
		EXPECT_ROW(rows[i].why, !rows[i].match || (regexp_group(s, 0, &begin, &end) &&
							   begin == rows[i].begin));
		regexp_free(r);
	}
	regexp_scratch_free(s);
}

static void
test_groups(void)
{
	struct regexp_scratch *s = regexp_scratch_create();
	char why[REGEXP_WHY_MAX];
	struct regexp *r = regexp_compile("^/(a)?(b)/(.*)$", false, why);
	uint32_t budget = REGEXP_BUDGET;
	size_t begin, end;

	EXPECT(regexp_groups(r) == 3);
	EXPECT(regexp_match(r, s, "/b/cd", 5, &budget) == REGEXP_MATCH);
	EXPECT(!regexp_group(s, 1, &begin, &end)); /* took no part */
	EXPECT(regexp_group(s, 3, &begin, &end) && begin == 3 && end == 5);
	EXPECT(!regexp_group(s, 4, &begin, &end));
	regexp_free(r);
	regexp_scratch_free(s);
}

static void
test_glob(void)
{
	static const struct {
		const char *pattern, *want; /* NULL: none */
	} rows[] = {
		{"^/a/b$", "/a/b"},
		{"^/a/.*", "/a/*"},
		{"/a", "*/a*"},
		{"/a$", "*/a"},
		{"^/ab*c", "/a*c*"},
		{"^/ab+c", "/ab*c*"},
		{"^/ab?c", "/a*c*"},
		{"^/ab{2}c", "/a*c*"},
		{"^/ab+?c", "/ab*c*"},
		{"^/a\\.b", "/a.b*"},
		{"^/a\\*\\?b\\\\", "/a\\*\\?b\\\\*"},
		{"^/a\\db", "/a*b*"},
		{"^/a(b|c)d", "/a*d*"},
		{"^/a(b|(c|d))e$", "/a*e"},
		{"(a|b)+c", "*c*"},
		{"a[|]b", "*a*b*"},
		{"a[]b]c$", "*a*c"},
		{"a$b", "*a*b*"},
		{"a\\$", "*a$*"},
		{"a|b", NULL},
		{"^/a(?i)b", NULL},
		{"(?:a)|c", NULL},
		{".*", NULL},
		{"^", NULL},
		{"a*", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char glob[64];
		bool found = regexp_glob(rows[i].pattern, glob, sizeof(glob));

		EXPECT_ROW(rows[i].pattern, found == (rows[i].want != NULL));
		EXPECT_ROW(rows[i].pattern, !found || strcmp(glob, rows[i].want) == 0);
		if (found && rows[i].want != NULL && strcmp(glob, rows[i].want) != 0)
			printf("  got: %s\n", glob);
	}
}

/* What doesn't fit is left out, and no byte behind the end is touched. */
static void
test_short_glob(void)
{
	char glob[8] = "xxxxxxx";

	EXPECT(regexp_glob("^abcdefgh$", glob, 6) && strcmp(glob, "abc*") == 0 && glob[6] == 'x');
	EXPECT(regexp_glob("^ab\\*\\*c", glob, 6) && strcmp(glob, "ab\\**") == 0);
	EXPECT(regexp_glob("^ab.c.d", glob, 6) && strcmp(glob, "ab*") == 0);
}

int
main(void)
{
	test_accepted();
	test_refused();
	test_budget();
	test_starting_points();
	test_groups();
	test_glob();
	test_short_glob();
	return unit_done();
}
