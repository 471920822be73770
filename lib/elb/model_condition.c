/* SPDX-License-Identifier: BSD-3-Clause */
/* Conditions and transforms of rules, with ELB's limits. */
#include "model_value.h"

#include <ctype.h>
#include <stdlib.h>

#include "ini_reader.h"
#include "model_words.h"
#include "regexp.h"

#define VALUES_OF_CONDITION_MAX 3 /* match evaluations; source_ip has as many as a rule */
#define WILDCARDS_MAX           6 /* of a rule */

#define LETTERS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS   "0123456789"

static const struct kind {
	const char *key; /* behind `condition.`, without NAME */
	enum model_condition_kind kind;
	bool regex;
	bool once; /* repeated keys extend one condition */
} kinds[] = {
	{"host_header", CONDITION_HOST_HEADER, false, true},
	{"host_header_regex", CONDITION_HOST_HEADER, true, true},
	{"path_pattern", CONDITION_PATH_PATTERN, false, true},
	{"path_pattern_regex", CONDITION_PATH_PATTERN, true, true},
	{"http_header.", CONDITION_HTTP_HEADER, false, false},
	{"http_header_regex.", CONDITION_HTTP_HEADER, true, false},
	{"http_request_method", CONDITION_HTTP_REQUEST_METHOD, false, true},
	{"query_string", CONDITION_QUERY_STRING, false, false},
	{"source_ip", CONDITION_SOURCE_IP, false, true},
};

static const struct kind *
kind_of(const char *key)
{
	const char *rest = key + strlen("condition.");

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].key);

		if (strcmp(kinds[i].key, rest) == 0 ||
		    (kinds[i].key[n - 1] == '.' && strncmp(kinds[i].key, rest, n) == 0))
			return &kinds[i];
	}
	return NULL;
}

static bool
parse_field(const char *name, char field[MODEL_FIELD_MAX], struct model_error *error)
{
	size_t n = strlen(name);

	/* RFC 9110 section 5.6.2, without the asterisk: names have no wildcards. */
	if (n >= MODEL_FIELD_MAX || strspn(name, LETTERS DIGITS "!#$%&'+-.^_`|~") != n)
		return model_refuse(error, "at most 40 characters of a field's name, no wildcards",
				    "`%.100s` is not the name of a header field", name);
	if (strcmp(name, "host") == 0)
		return model_refuse(error, "condition.host_header",
				    "the host has conditions of its own");
	memcpy(field, name, n + 1);
	return true;
}

/* Patterns. */

static bool
check_escapes(const char *text, struct model_error *error)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' && (*++text == '\0' || strchr("*?=\\", *text) == NULL))
			return model_refuse(error, "\\*, \\?, \\= and \\\\",
					    "a backslash stands before another character");
	}
	return true;
}

static uint32_t
count_wildcards(const char *text)
{
	uint32_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		else
			n += *text == '*' || *text == '?';
	}
	return n;
}

static bool
check_host(const char *text, struct model_error *error)
{
	const char *dot = strrchr(text, '.');

	if (strspn(text, LETTERS DIGITS "-.*?") != strlen(text))
		return model_refuse(error, "letters, digits, `-`, `.` and the wildcards * and ?",
				    "`%.150s` is not a host name", text);
	if (dot == NULL)
		return model_refuse(error, "a name with a dot", "`%.150s` has no dot", text);
	if (dot[1] == '\0' || strspn(dot + 1, LETTERS) != strlen(dot + 1))
		return model_refuse(error, "letters behind the last dot",
				    "`%.150s` ends in something else than letters", text);
	return true;
}

static bool
check_printable(const char *text, struct model_error *error)
{
	for (; *text != '\0'; text++) {
		if (*text < 0x20 || *text > 0x7e)
			return model_refuse(error, "printable ASCII characters",
					    "the value has other characters");
	}
	return true;
}

static bool
check_pattern(enum model_condition_kind kind, const char *text, struct model_error *error)
{
	switch (kind) {
	case CONDITION_HOST_HEADER:
		return check_host(text, error);
	case CONDITION_PATH_PATTERN:
		if (strspn(text, LETTERS DIGITS "_-.$/~\"'@:+&*?\\") != strlen(text))
			return model_refuse(error,
					    "letters, digits, _-.$/~\"'@:+& and the wildcards * "
					    "and ?",
					    "`%.150s` has other characters", text);
		return check_escapes(text, error);
	case CONDITION_HTTP_REQUEST_METHOD:
		if (strlen(text) > 40 || strspn(text, CAPITALS "-_") != strlen(text))
			return model_refuse(error, "at most 40 characters of A-Z, `-` and `_`",
					    "`%.150s` is not a method", text);
		return true;
	default:
		return check_printable(text, error) && check_escapes(text, error);
	}
}

static bool
copy_text(char to[MODEL_PATTERN_MAX], const char *text, size_t n, struct model_error *error)
{
	if (n >= MODEL_PATTERN_MAX)
		return model_refuse(error, "at most 128 characters", "a value is too long");
	memcpy(to, text, n);
	to[n] = '\0';
	return true;
}

/* Cut `KEY=VALUE` at the first bare equals sign. */
static bool
split_query(struct model_condition_value *v, const char *text, struct model_error *error)
{
	const char *at = text;

	while (*at != '\0' && *at != '=')
		at += *at == '\\' && at[1] != '\0' ? 2 : 1;
	if (*at == '\0')
		return copy_text(v->text, text, strlen(text), error);
	if (at == text || at[1] == '\0')
		return model_refuse(error, "KEY=VALUE or VALUE", "`%.150s` has no %s", text,
				    at == text ? "key" : "value");
	return copy_text(v->key, text, (size_t)(at - text), error) &&
	       copy_text(v->text, at + 1, strlen(at + 1), error);
}

static bool
parse_prefix(struct model_condition_value *v, const char *text, struct model_error *error)
{
	if (!ip_prefix_parse(text, &v->prefix))
		return model_refuse(error, "PREFIX, such as 192.0.2.0/24 or 2001:db8::/32",
				    "`%.100s` is not a prefix", text);
	v->prefix = ip_prefix_network(&v->prefix);
	if (ip_addr_is_v4(&v->prefix.addr) && v->prefix.len == 128 &&
	    memcmp(&v->prefix.addr.b[12], "\xff\xff\xff\xff", 4) == 0)
		return model_refuse(error, "another prefix",
				    "255.255.255.255/32 is nobody's address");
	return true;
}

static bool
check_regex(const struct model_condition *c, const char *text, struct model_error *error)
{
	char why[REGEXP_WHY_MAX];
	struct regexp *r = regexp_compile(text, c->condition_kind != CONDITION_PATH_PATTERN, why);

	if (r == NULL)
		return model_refuse(error,
				    "a regular expression without look-around, "
				    "backreferences, possessive quantifiers and the like",
				    "%s", why);
	regexp_free(r);
	return true;
}

static bool
parse_value(struct model_condition *c, const char *text, struct model_error *error)
{
	struct model_condition_value *v = &c->values[c->values_n];

	if (*text == '\0')
		return model_refuse(error, "a value", "a value is empty");
	if (c->condition_kind == CONDITION_SOURCE_IP)
		return parse_prefix(v, text, error);
	if (c->condition_kind == CONDITION_QUERY_STRING
		    ? !split_query(v, text, error)
		    : !copy_text(v->text, text, strlen(text), error))
		return false;
	if (c->regex)
		return check_regex(c, v->text, error);
	return (v->key[0] == '\0' || check_pattern(c->condition_kind, v->key, error)) &&
	       check_pattern(c->condition_kind, v->text, error);
}

/* Counting over the rule. */

/* In what follows `c` is the condition as it will be, `there` as it is (NULL: it's new). */
static bool
has_room(const struct model_rule *r, const struct model_condition *there,
	 const struct model_condition *c, struct model_error *error)
{
	uint32_t all = c->values_n, own_max = c->condition_kind == CONDITION_SOURCE_IP
						      ? MODEL_CONDITION_VALUES_MAX
						      : VALUES_OF_CONDITION_MAX;

	for (uint32_t i = 0; i < r->conditions_n; i++)
		all += &r->conditions[i] == there ? 0 : r->conditions[i].values_n;
	if (all >= MODEL_CONDITION_VALUES_MAX)
		return model_refuse(error, "at most 5 values in all conditions of a rule",
				    "the rule has too many values");
	if (c->values_n >= own_max)
		return model_refuse(error, "at most 3 values in one condition",
				    "the condition has too many values");
	return true;
}

static bool
wildcards_fit(const struct model_rule *r, const struct model_condition *there,
	      const struct model_condition *added, struct model_error *error)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i <= r->conditions_n; i++) {
		const struct model_condition *c = i < r->conditions_n ? &r->conditions[i] : added;

		if (c == there || c->regex || c->condition_kind == CONDITION_SOURCE_IP)
			continue;
		for (uint32_t k = 0; k < c->values_n; k++)
			n += count_wildcards(c->values[k].key) + count_wildcards(c->values[k].text);
	}
	return n <= WILDCARDS_MAX || model_refuse(error, "at most 6 wildcards in a rule",
						  "the rule has too many wildcards");
}

/* One value after another of a comma-separated list; a regular expression is one. */
static bool
parse_values(const struct model_rule *r, const struct model_condition *there,
	     struct model_condition *c, const char *value, struct words_out *out,
	     struct model_error *error)
{
	for (const char *at = value; at != NULL; c->values_n++) {
		char raw[MODEL_VALUE_MAX];

		if (!has_room(r, there, c, error))
			return false;
		if (c->regex ? !ini_unquote(at, raw, sizeof(raw))
			     : !words_list_next(&at, raw, sizeof(raw)))
			return model_refuse(error, "text, or text in double quotes",
					    "quotes don't match");
		if (c->regex)
			at = NULL;
		memset(&c->values[c->values_n], 0, sizeof(c->values[0]));
		if (!parse_value(c, raw, error))
			return false;
		if (c->condition_kind == CONDITION_SOURCE_IP)
			ip_prefix_format(&c->values[c->values_n].prefix, raw);
		words_put(out, "%s", out->len > 0 ? ", " : "");
		words_put_quoted(out, raw);
	}
	return true;
}

/* The condition that a repeated key extends. */
static bool
find_condition(struct model_rule *r, const struct kind *kind, struct model_condition **found,
	       struct model_error *error)
{
	*found = NULL;
	for (uint32_t i = 0; kind->once && i < r->conditions_n; i++) {
		if (r->conditions[i].condition_kind != kind->kind)
			continue;
		if (r->conditions[i].regex != kind->regex)
			return model_refuse(error, "one of both",
					    "the rule has patterns and regular expressions of one "
					    "kind");
		*found = &r->conditions[i];
	}
	return true;
}

MODEL_VALUE_PARSER(model_parse_condition)
{
	struct model_rule *r = (struct model_rule *)object;
	const struct kind *kind = kind_of(key);
	struct model_condition c = {0}, *there;
	struct words_out out = {.text = canonical};

	(void)model;
	if (kind == NULL || !find_condition(r, kind, &there, error))
		return kind == NULL ? model_refuse(error, "", "no such condition") : false;
	if (there != NULL)
		c = *there;
	c.condition_kind = kind->kind;
	c.regex = kind->regex;
	if (c.condition_kind == CONDITION_HTTP_HEADER &&
	    !parse_field(strchr(key + strlen("condition."), '.') + 1, c.field, error))
		return false;
	if (!parse_values(r, there, &c, value, &out, error) || !wildcards_fit(r, there, &c, error))
		return false;
	if (out.failed)
		return model_refuse(error, "fewer characters", "the condition is too long");
	if (there != NULL) {
		*there = c;
		return true;
	}
	return model_append(&r->conditions, &r->conditions_n, &c, sizeof(c)) ||
	       model_refuse(error, "", "no memory");
}

/* Transforms. */

static bool
check_replacement(const char *text, uint32_t groups, struct model_error *error)
{
	for (; *text != '\0'; text++) {
		uint32_t group;

		if (*text != '$')
			continue;
		if (*++text == '$')
			continue;
		if (!isdigit((unsigned char)*text))
			return model_refuse(error, "$0 to $31, or $$",
					    "a dollar sign stands before something else");
		group = (uint32_t)(*text - '0');
		if (group != 0 && isdigit((unsigned char)text[1]))
			group = 10 * group + (uint32_t)(*++text - '0');
		if (group > groups)
			return model_refuse(error, "the regular expression's groups",
					    "$%u is none of the %u groups", group, groups);
	}
	return true;
}

/* Cut at the first ` -> ` outside of quotes. */
static bool
split_transform(const char *value, char *regex, char *replacement)
{
	char raw[MODEL_VALUE_MAX];
	const char *arrow = value, *rest;

	if (*value == '"') {
		for (arrow++; *arrow != '\0' && *arrow != '"'; arrow++)
			arrow += *arrow == '\\' && arrow[1] != '\0';
	}
	arrow = strstr(arrow, " -> ");
	if (arrow == NULL)
		return false;
	snprintf(raw, sizeof(raw), "%.*s", (int)(arrow - value), value);
	rest = arrow + strlen(" -> ");
	rest += strspn(rest, " \t");
	for (size_t n = strlen(raw); n > 0 && isblank((unsigned char)raw[n - 1]); n--)
		raw[n - 1] = '\0';
	return ini_unquote(raw, regex, MODEL_VALUE_MAX) &&
	       ini_unquote(rest, replacement, MODEL_VALUE_MAX);
}

MODEL_VALUE_PARSER(model_parse_transform)
{
	struct model_rule *rule = (struct model_rule *)object;
	bool host = strcmp(key, "transform.host_header_rewrite") == 0;
	struct model_transform *t = host ? &rule->host_header_rewrite : &rule->url_rewrite;
	char regex[MODEL_VALUE_MAX], replacement[MODEL_VALUE_MAX], why[REGEXP_WHY_MAX];
	struct words_out out = {.text = canonical};
	struct regexp *compiled;
	bool ok;

	(void)model;
	if (!split_transform(value, regex, replacement) || regex[0] == '\0')
		return model_refuse(error, "REGEX -> REPLACEMENT", "`%.200s` is no transform",
				    value);
	if (strlen(regex) >= MODEL_TRANSFORM_MAX || strlen(replacement) >= MODEL_TRANSFORM_MAX)
		return model_refuse(error, "at most 1,024 characters each",
				    "the transform is too long");
	if (!check_printable(replacement, error))
		return false;
	compiled = regexp_compile(regex, host, why);
	if (compiled == NULL)
		return model_refuse(error,
				    "a regular expression without look-around, "
				    "backreferences, possessive quantifiers and the like",
				    "%s", why);
	ok = check_replacement(replacement, regexp_groups(compiled), error);
	regexp_free(compiled);
	if (!ok)
		return false;
	free(t->regex); /* of a value that was refused */
	free(t->replacement);
	t->regex = strdup(regex);
	t->replacement = strdup(replacement);
	words_put_quoted(&out, regex);
	words_put(&out, " -> ");
	words_put_quoted(&out, replacement);
	if (out.failed)
		return model_refuse(error, "fewer characters", "the transform is too long");
	return (t->regex != NULL && t->replacement != NULL) || model_refuse(error, "", "no memory");
}
