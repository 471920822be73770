/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second reader of HTTP heads and chunks: slow, simple, and not derived from lib/http.  It reads
 * what a careless peer would, and says whether it was written as RFC 9112 wants it.
 */
#ifndef HTTP_TWIN_H
#define HTTP_TWIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TWIN_FIELDS_MAX 1100

struct twin_text {
	const char *at;
	size_t len;
};

struct twin_head {
	struct twin_text line;
	struct twin_text names[TWIN_FIELDS_MAX], values[TWIN_FIELDS_MAX];
	size_t n;
	bool well_formed; /* CRLF, `NAME: VALUE`, one empty line, at the end */
};

static inline bool
twin_is(struct twin_text t, const char *s)
{
	return t.len == strlen(s) && strncasecmp(t.at, s, t.len) == 0;
}

static inline struct twin_text
twin_trim(struct twin_text t)
{
	for (; t.len > 0 && (*t.at == ' ' || *t.at == '\t'); t.at++, t.len--)
		;
	for (; t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'); t.len--)
		;
	return t;
}

static inline void
twin_read_field(struct twin_head *h, struct twin_text line)
{
	size_t colon = 0;

	while (colon < line.len && line.at[colon] != ':')
		colon++;
	if (colon == line.len || colon == 0 || line.len - colon < 2 || line.at[colon + 1] != ' ')
		h->well_formed = false;
	if (colon == line.len || h->n == TWIN_FIELDS_MAX)
		return;
	h->names[h->n] = (struct twin_text){line.at, colon};
	h->values[h->n] = twin_trim((struct twin_text){line.at + colon + 1, line.len - colon - 1});
	if (h->values[h->n].len + colon + 2 != line.len)
		h->well_formed = false;
	for (size_t i = 0; i < colon; i++) {
		if (line.at[i] <= ' ' || line.at[i] >= 127 ||
		    strchr("()<>@,;:\\\"/[]?={}", line.at[i]))
			h->well_formed = false;
	}
	if (colon > 0)
		h->n++;
}

static inline void
twin_read(struct twin_head *h, const void *bytes, size_t len)
{
	const char *at = bytes, *end = at + len;
	bool first = true;

	h->n = 0;
	h->line = (struct twin_text){"", 0};
	h->well_formed = true;
	while (at < end) {
		struct twin_text line = {at, 0};
		size_t n = 0;

		while (at + n < end && at[n] != '\n')
			n++;
		line.len = n;
		at += n + 1;
		if (at > end)
			h->well_formed = false;
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		else
			h->well_formed = false;
		for (size_t i = 0; i < line.len; i++) {
			if ((line.at[i] >= 0 && line.at[i] < ' ' && line.at[i] != '\t') ||
			    line.at[i] == 127)
				h->well_formed = false;
		}
		if (line.len == 0 && !first) {
			h->well_formed &= at == end;
			return;
		}
		if (line.len == 0)
			h->well_formed = false;
		else if (first)
			h->line = line;
		else
			twin_read_field(h, line);
		first &= line.len == 0;
	}
	h->well_formed = false;
}

static inline size_t
twin_count(const struct twin_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += twin_is(h->names[i], name);
	return n;
}

static inline struct twin_text
twin_value(const struct twin_head *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++) {
		if (twin_is(h->names[i], name))
			return h->values[i];
	}
	return (struct twin_text){"", 0};
}

/* Whether a field is named by one called Connection. */
static inline bool
twin_is_named(const struct twin_head *h, struct twin_text name)
{
	for (size_t i = 0; i < h->n; i++) {
		struct twin_text v = h->values[i];

		for (size_t from = 0, k = 0; twin_is(h->names[i], "connection") && k <= v.len;
		     k++) {
			struct twin_text option;

			if (k < v.len && v.at[k] != ',')
				continue;
			option = twin_trim((struct twin_text){v.at + from, k - from});
			if (option.len == name.len &&
			    strncasecmp(option.at, name.at, name.len) == 0)
				return true;
			from = k + 1;
		}
	}
	return false;
}

/* Whether a field ends at a connection, or is written anew by whoever passes a message on. */
static inline bool
twin_ends_here(const struct twin_head *h, struct twin_text name)
{
	static const char *const names[] = {"connection", "keep-alive",    "proxy-connection",
					    "te",         "trailer",       "transfer-encoding",
					    "upgrade",    "content-length"};
	static const char *const stay[] = {"host",
					   "cookie",
					   "set-cookie",
					   "x-forwarded-for",
					   "x-forwarded-proto",
					   "x-forwarded-port"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (twin_is(name, names[i]))
			return true;
	}
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++) {
		if (twin_is(name, stay[i]))
			return false;
	}
	return twin_is_named(h, name);
}

enum twin_chunks { TWIN_MORE, TWIN_DONE, TWIN_BAD };

/* The line at `*at`, ended by CRLF. @return  TWIN_DONE: there it is. */
static inline enum twin_chunks
twin_line(const uint8_t *bytes, size_t len, size_t *at, size_t *n)
{
	for (size_t i = *at; i < len; i++) {
		if (bytes[i] == '\r') {
			if (i + 1 == len)
				return TWIN_MORE;
			*n = i - *at;
			return bytes[i + 1] == '\n' ? TWIN_DONE : TWIN_BAD;
		}
		if ((bytes[i] < ' ' && bytes[i] != '\t') || bytes[i] == 127)
			return TWIN_BAD;
	}
	return TWIN_MORE;
}

/* `DIGITS BLANKS [; ANYTHING]`, or as far as it has come. */
static inline enum twin_chunks
twin_size(const uint8_t *line, size_t n, uint64_t *size)
{
	size_t i = 0;

	*size = 0;
	for (; i < n && memchr("0123456789abcdefABCDEF", line[i], 22) != NULL; i++) {
		uint8_t digit[2] = {line[i], 0};

		if (*size >= UINT64_C(1) << 59)
			return TWIN_BAD;
		*size = *size * 16 + strtoul((const char *)digit, NULL, 16);
	}
	if (i == 0 && n > 0)
		return TWIN_BAD;
	for (; i < n && (line[i] == ' ' || line[i] == '\t'); i++)
		;
	return i < n && line[i] != ';' ? TWIN_BAD : TWIN_DONE;
}

/*
 * Decode all there is; `payload` has room for `len`.
 * @return  TWIN_DONE: `*used` bytes are the body.
 */
static inline enum twin_chunks
twin_decode(const uint8_t *bytes, size_t len, uint8_t *payload, size_t *payload_n, size_t *used)
{
	uint64_t size;
	enum twin_chunks got;
	size_t at = 0, n = 0;

	*payload_n = 0;
	do {
		got = twin_line(bytes, len, &at, &n);
		if (got == TWIN_MORE) { /* what is there may be bad already */
			for (n = len - at; n > 0 && bytes[at + n - 1] == '\r'; n--)
				;
			return twin_size(bytes + at, n, &size) == TWIN_BAD || (n == 0 && at < len)
				       ? TWIN_BAD
				       : TWIN_MORE;
		}
		if (got == TWIN_BAD || n == 0 || twin_size(bytes + at, n, &size) == TWIN_BAD)
			return TWIN_BAD;
		at += n + 2;
		if (size == 0)
			break;
		n = size < len - at ? (size_t)size : len - at;
		memcpy(payload + *payload_n, bytes + at, n);
		*payload_n += n;
		at += n;
		if (at < len && n == size && bytes[at] != '\r')
			return TWIN_BAD;
		if (at + 1 < len && n == size && bytes[at + 1] != '\n')
			return TWIN_BAD;
		if (len - at < 2 || n < size)
			return TWIN_MORE;
		at += 2;
	} while (at <= len);
	for (;;) {
		if (at < len && bytes[at] <= ' ' && bytes[at] != '\r')
			return TWIN_BAD;
		got = twin_line(bytes, len, &at, &n);
		if (got != TWIN_DONE)
			return got;
		at += n + 2;
		*used = at;
		if (n == 0)
			return TWIN_DONE;
	}
}

#endif
