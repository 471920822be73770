/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_words.h"

#include <ctype.h>
#include <stdarg.h>

#include "ini_reader.h"

bool
words_begin(struct words *w, const char *value)
{
	w->at = w->text;
	return (size_t)snprintf(w->text, sizeof(w->text), "%s", value) < sizeof(w->text);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

char *
words_next(struct words *w)
{
	char *word;
	bool quoted = false;

	while (is_blank(*w->at))
		w->at++;
	if (*w->at == '\0')
		return NULL;
	word = w->at;
	for (; *w->at != '\0' && (quoted || !is_blank(*w->at)); w->at++) {
		if (quoted && *w->at == '\\' && w->at[1] != '\0')
			w->at++;
		else if (*w->at == '"')
			quoted = !quoted;
	}
	if (*w->at != '\0')
		*w->at++ = '\0';
	return word;
}

char *
words_option(char *word, const char *key)
{
	size_t n = strlen(key);

	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

bool
words_number(const char *text, uint64_t max, uint64_t *number)
{
	*number = 0;
	if (*text == '\0' || strlen(text) > 18)
		return false;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		*number = *number * 10 + (uint64_t)(*text - '0');
	}
	return *number <= max;
}

/* Where the item that begins at `at` ends: at a comma or the end of the text. */
static const char *
item_end(const char *at)
{
	if (*at == '"') {
		for (at++; *at != '\0' && *at != '"'; at++) {
			if (*at == '\\' && at[1] != '\0')
				at++;
		}
	}
	return at + strcspn(at, ",");
}

bool
words_list_next(const char **at, char *item, size_t size)
{
	const char *begin = *at + strspn(*at, " \t"), *end = item_end(begin);
	char raw[MODEL_VALUE_MAX];
	size_t n = (size_t)(end - begin);

	*at = *end == ',' ? end + 1 : NULL;
	while (n > 0 && is_blank(begin[n - 1]))
		n--;
	if (n >= sizeof(raw))
		return false;
	memcpy(raw, begin, n);
	raw[n] = '\0';
	return ini_unquote(raw, item, size);
}

void
words_put(struct words_out *out, const char *format, ...)
{
	size_t room = MODEL_VALUE_MAX - out->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out->text + out->len, room, format, args);
	va_end(args);
	out->failed |= n < 0 || (size_t)n >= room;
	if (!out->failed)
		out->len += (size_t)n;
}

void
words_put_quoted(struct words_out *out, const char *text)
{
	if (*text != '\0' && strpbrk(text, " \t\",;") == NULL) {
		words_put(out, "%s", text);
		return;
	}
	words_put(out, "\"");
	for (; *text != '\0'; text++)
		words_put(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	words_put(out, "\"");
}
