/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * INI files as a stream of sections and keys with their line numbers.
 *
 * No meaning is attached here.  inih decides what is a section and what a key; around it this
 * reader takes lines up to INI_LINE_MAX bytes, counts them, strips leading blanks (there are no
 * continuation lines), and keeps raw values aside: a `;` after a blank starts a comment unless it
 * stands between double quotes, where \" and \\ are the only escapes.  Bytes come from the caller,
 * not from a path.
 */
#ifndef INI_READER_H
#define INI_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INI_LINE_MAX 4096
#define INI_KEY_MAX  128

struct ini_events {
	/** `[text]`: kind and object are still one text; blanks around are stripped. */
	void (*section)(void *arg, uint32_t line, const char *text);
	/** Only after a section.  `value` is raw: quotes are still in it. */
	void (*key)(void *arg, uint32_t line, const char *key, const char *value);
	/** The line is left out. `what` is a sentence, `allowed` what would be right. */
	void (*error)(void *arg, uint32_t line, const char *what, const char *allowed);
};

/** Read `len` bytes; every line yields at most one event. */
void ini_read(const char *bytes, size_t len, const struct ini_events *events, void *arg);

/**
 * Take the quotes off a value that is one quoted string; others are copied as they are.
 * @return  false when quotes don't match or an escape is unknown, or `size` is too small.
 */
bool ini_unquote(const char *value, char *text, size_t size);

#endif
