/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values as words: how the parsers of values take text apart and put it together again.
 */
#ifndef MODEL_WORDS_H
#define MODEL_WORDS_H

#include "model.h"

/** Words of a value, separated by blanks; a quoted string belongs to its word. */
struct words {
	char text[MODEL_VALUE_MAX];
	char *at;
};

/** @return false: the value is too long. */
bool words_begin(struct words *w, const char *value);

/** @return  the next word, in `w`; NULL: there is none. */
char *words_next(struct words *w);

/** `KEY=VALUE` of a word. @return the value, or NULL. */
char *words_option(char *word, const char *key);

/** A decimal number up to `max`, all of `text`. */
bool words_number(const char *text, uint64_t max, uint64_t *number);

/**
 * The next item of a list separated by commas, without its quotes.
 * @param at  where the list goes on; NULL afterwards: it was the last
 * @return  false: quotes don't match, or it is longer than `size` - 1.
 */
bool words_list_next(const char **at, char *item, size_t size);

/** Text put together, at most MODEL_VALUE_MAX - 1 bytes. */
struct words_out {
	char *text;
	size_t len;
	bool failed; /* it didn't fit */
};

void words_put(struct words_out *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Append `text`, quoted if it holds anything that ends an item, a word or the value. */
void words_put_quoted(struct words_out *out, const char *text);

#endif
