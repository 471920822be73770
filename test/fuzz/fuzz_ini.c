/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes through the INI reader: lines come in order and each at most once, every key stands in
 * a section, and what was delivered, written out again, is delivered again without an error.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "ini_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
	FILE *text; /* what was delivered, as INI text without comments */
	uint32_t line, lines;
	uint32_t errors;
	bool in_section;
};

static void
see_line(struct reading *r, uint32_t line)
{
	CHECK(line > r->line && line <= r->lines);
	r->line = line;
}

static void
on_section(void *arg, uint32_t line, const char *text)
{
	struct reading *r = arg;

	see_line(r, line);
	CHECK(*text != '\0' && strlen(text) <= INI_LINE_MAX && strchr(text, '\n') == NULL);
	r->in_section = true;
	fprintf(r->text, "[%s]\n", text);
}

static void
on_key(void *arg, uint32_t line, const char *key, const char *value)
{
	struct reading *r = arg;

	see_line(r, line);
	CHECK(r->in_section && *key != '\0' && strlen(key) <= INI_KEY_MAX);
	CHECK(strlen(value) <= INI_LINE_MAX && strchr(value, '\n') == NULL);
	/* No blanks are added: the line must not become longer than it was. */
	fprintf(r->text, "%s=%s\n", key, value);
}

static void
on_error(void *arg, uint32_t line, const char *what, const char *allowed)
{
	struct reading *r = arg;

	see_line(r, line);
	CHECK(*what != '\0' && *allowed != '\0');
	r->errors++;
}

/* @return  the delivered text, to be freed. */
static char *
deliver(const char *bytes, size_t len, size_t *text_len, uint32_t *errors)
{
	static const struct ini_events events = {
		.section = on_section, .key = on_key, .error = on_error};
	struct reading r = {.lines = 1};
	char *text = NULL;

	for (size_t i = 0; i < len; i++)
		r.lines += bytes[i] == '\n';
	r.text = open_memstream(&text, text_len);
	CHECK(r.text != NULL);
	ini_read(bytes, len, &events, &r);
	CHECK(fclose(r.text) == 0);
	*errors = r.errors;
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size == 0 ? 1 : size), *once, *twice;
	size_t once_len, twice_len;
	uint32_t errors;

	CHECK(exact != NULL);
	if (size > 0)
		memcpy(exact, data, size);
	once = deliver(exact, size, &once_len, &errors);
	twice = deliver(once, once_len, &twice_len, &errors);
	CHECK(errors == 0);
	CHECK(once_len == twice_len && memcmp(once, twice, once_len) == 0);
	free(exact);
	free(once);
	free(twice);
	return 0;
}
