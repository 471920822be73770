/* SPDX-License-Identifier: BSD-3-Clause */
/* Actions: forward, redirect, fixed_response. */
#include "model_value.h"

#include <ctype.h>
#include <stdlib.h>

#include "ini_reader.h"
#include "model_words.h"

/* forward TARGET_GROUP [weight N], ... [stickiness SECONDS] */

static bool
parse_forward(char *text, struct model_forward *f, struct model_error *error)
{
	static const char *const allowed =
		"forward TARGET_GROUP [weight 0..999], ... [stickiness SECONDS]";
	struct words w;
	char *name, *word;
	uint64_t number;

	name = words_begin(&w, text) ? words_next(&w) : NULL;
	if (name == NULL || !model_name_is_valid(name))
		return model_refuse(error, allowed, "`%.100s` does not begin with a target group",
				    text);
	*f = (struct model_forward){.weight = 1};
	snprintf(f->target_group, sizeof(f->target_group), "%s", name);
	word = words_next(&w);
	if (word == NULL)
		return true;
	name = words_next(&w);
	if (strcmp(word, "weight") != 0 || name == NULL || !words_number(name, 999, &number) ||
	    words_next(&w) != NULL)
		return model_refuse(error, allowed, "`%.100s` is not expected here", word);
	f->weight = (uint32_t)number;
	return true;
}

/* Take ` stickiness SECONDS` off the end of a forward action. */
static bool
cut_stickiness(char *text, struct model_action *action)
{
	char *at = strstr(text, " stickiness ");
	uint64_t seconds;

	if (at == NULL)
		return true;
	if (!words_number(at + 12, 604800, &seconds) || seconds == 0)
		return false;
	action->stickiness_seconds = (uint32_t)seconds;
	*at = '\0';
	return true;
}

static bool
parse_forwards(struct model_action *action, const char *list, struct words_out *out,
	       struct model_error *error)
{
	char text[MODEL_VALUE_MAX], *rest = text, *part;

	snprintf(text, sizeof(text), "%s", list);
	words_put(out, "forward");
	if (!cut_stickiness(text, action))
		return model_refuse(error, "stickiness 1 to 604800 seconds",
				    "the stickiness is not a number of seconds");
	while ((part = strsep(&rest, ",")) != NULL) {
		struct model_forward *f = &action->forwards[action->forwards_n];

		if (action->forwards_n == MODEL_FORWARDS_MAX)
			return model_refuse(error, "at most 5 target groups",
					    "the action has too many target groups");
		if (!parse_forward(part, f, error))
			return false;
		words_put(out, "%s %s", action->forwards_n > 0 ? "," : "", f->target_group);
		if (f->weight != 1)
			words_put(out, " weight %u", f->weight);
		action->forwards_n++;
	}
	if (action->stickiness_seconds > 0)
		words_put(out, " stickiness %u", action->stickiness_seconds);
	return true;
}

/* Options of the other actions: `NAME=VALUE`, each once, in the order of a table. */

struct option {
	const char *name;
	char *field;
	size_t size;
	bool given;
};

static bool
parse_option(char *word, struct option *options, size_t n, struct model_error *error)
{
	for (size_t i = 0; i < n; i++) {
		char *value = words_option(word, options[i].name);

		if (value == NULL)
			continue;
		if (options[i].given)
			return model_refuse(error, "once", "%s is given twice", options[i].name);
		options[i].given = true;
		return ini_unquote(value, options[i].field, options[i].size) ||
		       model_refuse(error, "text, or text in double quotes, not too long",
				    "the value of %s has an end that does not fit, or is too long",
				    options[i].name);
	}
	return model_refuse(error, "see docs/configuration.md", "`%.100s` is not expected here",
			    word);
}

static bool
parse_options(const char *text, struct option *options, size_t n, struct words_out *out,
	      struct model_error *error)
{
	struct words w;
	char *word;

	if (!words_begin(&w, text))
		return model_refuse(error, "fewer bytes", "the action is too long");
	while ((word = words_next(&w)) != NULL) {
		if (!parse_option(word, options, n, error))
			return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!options[i].given)
			continue;
		words_put(out, " %s=", options[i].name);
		words_put_quoted(out, options[i].field);
	}
	return true;
}

/* redirect */

/* Every #{...} of a component is one that ELB allows there. */
static bool
check_variables(const char *name, const char *text, const char *allowed, struct model_error *error)
{
	for (const char *at = text; (at = strstr(at, "#{")) != NULL;) {
		size_t n = strcspn(at, "}") + 1;
		char word[16];

		if (n < sizeof(word)) {
			snprintf(word, sizeof(word), "%.*s", (int)n, at);
			if (strstr(allowed, word) != NULL && word[n - 1] == '}') {
				at += n;
				continue;
			}
		}
		return model_refuse(error, allowed, "%s has a variable that is not allowed there",
				    name);
	}
	return true;
}

static bool
check_visible(const char *name, const char *text, struct model_error *error)
{
	for (; *text != '\0'; text++) {
		if (*text <= 0x20 || *text > 0x7e)
			return model_refuse(error, "visible ASCII characters",
					    "%s has other characters", name);
	}
	return true;
}

static bool
check_redirect(struct model_redirect *r, const char *status, struct model_error *error)
{
	uint64_t port;

	if (strcmp(status, "HTTP_301") != 0 && strcmp(status, "HTTP_302") != 0)
		return model_refuse(error, "status=HTTP_301 or status=HTTP_302",
				    "the redirect has no such status");
	r->status = status[7] == '1' ? 301 : 302;
	if (strcmp(r->protocol, "HTTP") != 0 && strcmp(r->protocol, "HTTPS") != 0 &&
	    strcmp(r->protocol, "#{protocol}") != 0)
		return model_refuse(error, "HTTP, HTTPS, #{protocol}", "`%s` is no protocol",
				    r->protocol);
	if (strcmp(r->port, "#{port}") != 0 && (!words_number(r->port, 65535, &port) || port == 0))
		return model_refuse(error, "1 to 65535, #{port}", "`%s` is no port", r->port);
	if (r->host[0] == '\0' || strpbrk(r->host, "/?\\\"") != NULL)
		return model_refuse(error, "a host name of 1 to 128 characters",
				    "`%s` is no host name", r->host);
	if (r->path[0] != '/' || strchr(r->path, '?') != NULL)
		return model_refuse(error, "a path that begins with /, without a query",
				    "`%s` is no path", r->path);
	if (r->query[0] == '?')
		return model_refuse(error, "a query without the question mark",
				    "the query begins with a question mark");
	return check_visible("host", r->host, error) && check_visible("path", r->path, error) &&
	       check_visible("query", r->query, error) &&
	       check_variables("host", r->host, "#{host}", error) &&
	       check_variables("path", r->path, "#{host}, #{path}, #{port}", error) &&
	       check_variables("query", r->query,
			       "#{protocol}, #{host}, #{port}, #{path}, #{query}", error);
}

static bool
parse_redirect(struct model_action *action, const char *text, struct words_out *out,
	       struct model_error *error)
{
	struct model_redirect *r = &action->redirect;
	char status[16] = "";
	struct option options[] = {
		{"protocol", r->protocol, sizeof(r->protocol), false},
		{"port", r->port, sizeof(r->port), false},
		{"host", r->host, sizeof(r->host), false},
		{"path", r->path, sizeof(r->path), false},
		{"query", r->query, sizeof(r->query), false},
		{"status", status, sizeof(status), false},
	};

	*r = (struct model_redirect){.protocol = "#{protocol}",
				     .port = "#{port}",
				     .host = "#{host}",
				     .path = "/#{path}",
				     .query = "#{query}"};
	action->action_kind = ACTION_REDIRECT;
	words_put(out, "redirect");
	return parse_options(text, options, sizeof(options) / sizeof(options[0]), out, error) &&
	       check_redirect(r, status, error);
}

/* fixed_response */

static bool
parse_fixed_response(struct model_action *action, const char *text, struct words_out *out,
		     struct model_error *error)
{
	static const char *const types[] = {"text/plain", "text/css", "text/html",
					    "application/javascript", "application/json"};
	struct model_fixed_response *f = &action->fixed_response;
	char status[8] = "";
	struct option options[] = {
		{"status", status, sizeof(status), false},
		{"content_type", f->content_type, sizeof(f->content_type), false},
		{"body", f->body, sizeof(f->body), false},
	};
	bool known = false;

	*f = (struct model_fixed_response){0};
	action->action_kind = ACTION_FIXED_RESPONSE;
	words_put(out, "fixed_response");
	if (!parse_options(text, options, sizeof(options) / sizeof(options[0]), out, error))
		return false;
	if (strlen(status) != 3 || strchr("245", status[0]) == NULL ||
	    !isdigit((unsigned char)status[1]) || !isdigit((unsigned char)status[2]))
		return model_refuse(error, "status=2XX, 4XX or 5XX",
				    "the response has no such status");
	f->status = (uint32_t)strtoul(status, NULL, 10);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		known |= strcmp(f->content_type, types[i]) == 0;
	if (options[1].given && !known)
		return model_refuse(error,
				    "text/plain, text/css, text/html, application/javascript, "
				    "application/json",
				    "`%s` is no such type", f->content_type);
	return true;
}

MODEL_VALUE_PARSER(model_parse_action)
{
	struct model_action *action = object->object_kind == MODEL_LISTENER
					      ? &((struct model_listener *)object)->default_action
					      : &((struct model_rule *)object)->action;
	struct words_out out = {.text = canonical};
	bool ok;

	(void)model;
	if (strncmp(value, "forward ", 8) == 0)
		ok = parse_forwards(action, value + 8, &out, error);
	else if (strncmp(value, "redirect ", 9) == 0)
		ok = parse_redirect(action, value + 9, &out, error);
	else if (strncmp(value, "fixed_response ", 15) == 0)
		ok = parse_fixed_response(action, value + 15, &out, error);
	else if (strncmp(value, "authenticate_", 13) == 0 || strncmp(value, "jwt_", 4) == 0)
		return model_refuse(error, "forward, redirect or fixed_response",
				    "authentication is not in this version");
	else
		return model_refuse(error, "forward, redirect or fixed_response",
				    "`%.200s` is no action", value);
	if (ok && out.failed)
		return model_refuse(error, "fewer bytes", "the action is too long");
	return ok;
}
