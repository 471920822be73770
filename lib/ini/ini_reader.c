/* SPDX-License-Identifier: BSD-3-Clause */
#include "ini_reader.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *at, *end;
	const struct ini_events *events;
	void *arg;
	uint32_t line;
	bool in_section; /* a good section header came before */
	char section[INI_LINE_MAX + 1];
	char value[INI_LINE_MAX + 1]; /* of the line inih is given now */
};

static void
complain(struct reader *r, const char *what, const char *allowed)
{
	r->events->error(r->arg, r->line, what, allowed);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *
strip(char *text)
{
	size_t n;

	while (is_blank(*text))
		text++;
	n = strlen(text);
	while (n > 0 && is_blank(text[n - 1]))
		text[--n] = '\0';
	return text;
}

/* Cut a comment: `;` at the beginning or after a blank, outside of quotes. */
static void
cut_comment(char *text)
{
	bool quoted = false;

	for (char *c = text; *c != '\0'; c++) {
		if (quoted && *c == '\\' && c[1] != '\0')
			c++;
		else if (*c == '"')
			quoted = !quoted;
		else if (*c == ';' && !quoted && (c == text || is_blank(c[-1]))) {
			*c = '\0';
			return;
		}
	}
}

/* RFC 3629, without surrogates and overlong forms. */
static bool
is_utf8(const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n = p[0] < 0x80                   ? 1
			   : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
			   : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
			   : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
							 : 0;

		if (n == 0 || n > len)
			return false;
		for (size_t i = 1; i < n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
		}
		if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static bool
has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (((uint8_t)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
			return true;
	}
	return false;
}

/* The next line without its end, zero-terminated. @return false at the end of the bytes. */
static bool
next_line(struct reader *r, char line[INI_LINE_MAX + 1])
{
	while (r->at < r->end) {
		const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
		const char *begin = r->at;
		size_t len = (size_t)((newline != NULL ? newline : r->end) - begin);

		r->at = newline != NULL ? newline + 1 : r->end;
		r->line++;
		if (len > 0 && begin[len - 1] == '\r')
			len--;
		if (len > INI_LINE_MAX) {
			complain(r, "the line is too long", "at most 4096 bytes");
			continue;
		}
		if (has_control(begin, len) || !is_utf8((const uint8_t *)begin, len)) {
			complain(r, "the line has control characters or is not UTF-8",
				 "printable UTF-8 text and tabs");
			continue;
		}
		memcpy(line, begin, len);
		line[len] = '\0';
		return true;
	}
	return false;
}

/* inih cuts names at 49 bytes, so it gets a short stand-in. */
static bool
take_section(struct reader *r, char *text, char *out, size_t size)
{
	char *close;

	r->in_section = false;
	cut_comment(text);
	text = strip(text);
	close = strchr(text, ']');
	if (close == NULL || close[1] != '\0') {
		complain(r, "the section header is malformed", "[kind] or [kind name]");
		return false;
	}
	*close = '\0';
	text = strip(text + 1);
	if (*text == '\0') {
		complain(r, "the section header is empty", "[kind] or [kind name]");
		return false;
	}
	r->in_section = true;
	snprintf(r->section, sizeof(r->section), "%s", text);
	snprintf(out, size, "[s]\n");
	r->events->section(r->arg, r->line, r->section);
	return true;
}

static bool
is_key(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return n > 0 && n <= INI_KEY_MAX && key[n] == '\0';
}

static bool
take_key(struct reader *r, char *text, char *out, size_t size)
{
	char *equals = strchr(text, '=');
	char *key, *value;

	if (equals == NULL) {
		complain(r, "the line is neither a section nor `key = value`", "key = value");
		return false;
	}
	*equals = '\0';
	key = strip(text);
	value = equals + 1;
	cut_comment(value);
	value = strip(value);
	if (!is_key(key)) {
		complain(r, "the key is malformed", "letters, digits, `_`, `-` and `.`");
		return false;
	}
	if (!r->in_section) {
		complain(r, "the key stands in no section", "a good [section] before it");
		return false;
	}
	snprintf(r->value, sizeof(r->value), "%s", value);
	snprintf(out, size, "%s = @\n", key);
	return true;
}

/* inih's reader: one line for each call. */
static char *
feed(char *out, int size, void *stream)
{
	struct reader *r = stream;
	char line[INI_LINE_MAX + 1];

	while (next_line(r, line)) {
		char *text = strip(line);

		if (*text == '\0' || *text == ';' || *text == '#')
			continue;
		if (*text == '[' ? take_section(r, text, out, (size_t)size)
				 : take_key(r, text, out, (size_t)size))
			return out;
	}
	return NULL;
}

static int
on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;

	(void)section, (void)value;
	r->events->key(r->arg, r->line, name, r->value);
	return 1;
}

void
ini_read(const char *bytes, size_t len, const struct ini_events *events, void *arg)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		events->error(arg, 0, "no memory", "");
		return;
	}
	r->at = bytes;
	r->end = bytes + len;
	r->events = events;
	r->arg = arg;
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		r->at += 3;
	ini_parse_stream(feed, r, on_pair, r);
	free(r);
}

bool
ini_unquote(const char *value, char *text, size_t size)
{
	size_t n = 0;

	if (*value != '"') {
		if (strlen(value) >= size)
			return false;
		memcpy(text, value, strlen(value) + 1);
		return true;
	}
	for (value++; *value != '"'; value++) {
		if (*value == '\0' || n + 1 >= size)
			return false;
		if (*value == '\\') {
			value++;
			if (*value != '"' && *value != '\\')
				return false;
		}
		text[n++] = *value;
	}
	text[n] = '\0';
	return value[1] == '\0';
}
