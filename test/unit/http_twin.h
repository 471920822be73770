/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second HTTP/1.1 parser: slow, simple, as strict as the RFCs allow, and written without a look
 * at lib/http.  What weir forwards must mean the same to it.
 */
#ifndef HTTP_TWIN_H
#define HTTP_TWIN_H

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TWIN_FIELDS 1100

struct twin_text {
	const char *at;
	size_t len;
};

struct twin_field {
	struct twin_text name, value;
};

struct twin_message {
	struct twin_text method, target; /* of a request */
	int status;                      /* of a response */
	struct twin_field fields[TWIN_FIELDS];
	int fields_n;
	char *body; /* malloc'd, decoded */
	size_t body_len;
	size_t len;    /* all of the message */
	bool complete; /* the body too */
};

static inline bool
twin_is_token(struct twin_text t)
{
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.at[i];

		if (!isalnum(c) && (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
		if (c >= 0x80)
			return false;
	}
	return t.len > 0;
}

static inline bool
twin_is(struct twin_text t, const char *s)
{
	return t.len == strlen(s) && strncasecmp(t.at, s, t.len) == 0;
}

static inline const struct twin_field *
twin_find(const struct twin_message *m, const char *name, int *n)
{
	const struct twin_field *found = NULL;

	*n = 0;
	for (int i = 0; i < m->fields_n; i++) {
		if (twin_is(m->fields[i].name, name)) {
			if (found == NULL)
				found = &m->fields[i];
			++*n;
		}
	}
	return found;
}

/* A line with CR LF and no other CR or LF. */
static inline bool
twin_line(const char **at, const char *end, struct twin_text *line)
{
	for (const char *p = *at; p + 1 < end; p++) {
		if (*p == '\n')
			return false;
		if (*p == '\r') {
			if (p[1] != '\n')
				return false;
			*line = (struct twin_text){*at, (size_t)(p - *at)};
			*at = p + 2;
			return true;
		}
	}
	return false;
}

static inline bool
twin_fields(struct twin_message *m, const char **at, const char *end)
{
	struct twin_text line;

	while (twin_line(at, end, &line)) {
		struct twin_field *f = &m->fields[m->fields_n];
		const char *colon = memchr(line.at, ':', line.len);

		if (line.len == 0)
			return true;
		if (colon == NULL || m->fields_n == TWIN_FIELDS)
			return false;
		f->name = (struct twin_text){line.at, (size_t)(colon - line.at)};
		f->value = (struct twin_text){colon + 1, line.len - f->name.len - 1};
		while (f->value.len > 0 && (*f->value.at == ' ' || *f->value.at == '\t')) {
			f->value.at++;
			f->value.len--;
		}
		while (f->value.len > 0 && (f->value.at[f->value.len - 1] == ' ' ||
					    f->value.at[f->value.len - 1] == '\t'))
			f->value.len--;
		if (!twin_is_token(f->name))
			return false;
		for (size_t i = 0; i < f->value.len; i++) {
			unsigned char c = (unsigned char)f->value.at[i];

			if ((c < 0x20 && c != '\t') || c == 0x7f)
				return false;
		}
		m->fields_n++;
	}
	return false;
}

/*
 * 1: all there, 0: cut short, -1: malformed.  The payload goes to m->body.  `blanks`: they may fill
 * the line of a size.
 */
static inline int
twin_chunked(struct twin_message *m, const char **at, const char *end, bool blanks)
{
	const char *p = *at;

	for (;;) {
		unsigned long long size = 0;
		int digits = 0;
		const char *q;

		for (q = p; q < end && isxdigit((unsigned char)*q); q++, digits++) {
			if (size >> 59 != 0)
				return -1;
			size = size * 16 + (unsigned long long)(isdigit((unsigned char)*q)
									? *q - '0'
									: tolower(*q) - 'a' + 10);
		}
		if (q == end)
			return 0;
		if (digits == 0)
			return -1;
		while (q < end && (*q == ' ' || *q == '\t'))
			q++;
		if (q == end)
			return 0;
		if (*q != ';' && ((q - p != digits && !blanks) || *q != '\r'))
			return -1;
		while (q < end && *q != '\r') {
			unsigned char c = (unsigned char)*q++;

			if ((c < 0x20 && c != '\t') || c == 0x7f)
				return -1;
		}
		if (end - q < 2)
			return 0;
		if (q[1] != '\n')
			return -1;
		p = q + 2;
		if (size == 0)
			break;
		if ((unsigned long long)(end - p) < size) {
			memcpy(m->body + m->body_len, p, (size_t)(end - p));
			m->body_len += (size_t)(end - p);
			return 0;
		}
		memcpy(m->body + m->body_len, p, (size_t)size);
		m->body_len += (size_t)size;
		p += size;
		if (p < end && *p != '\r')
			return -1;
		if (end - p < 2)
			return 0;
		if (p[1] != '\n')
			return -1;
		p += 2;
	}
	/* Trailers: lines until an empty one. */
	for (;;) {
		struct twin_text line;

		if (p < end && (*p == ' ' || *p == '\t' || *p == '\n'))
			return -1;
		if (!twin_line(&p, end, &line))
			return 0;
		if (line.len == 0)
			break;
	}
	*at = p;
	return 1;
}

/* The body that the fields declare. `none`: there is none whatever they say. */
static inline bool
twin_body(struct twin_message *m, const char *at, const char *end, bool none, bool is_response)
{
	int lengths, codings;
	const struct twin_field *length = twin_find(m, "content-length", &lengths);
	const struct twin_field *coding = twin_find(m, "transfer-encoding", &codings);
	size_t have = (size_t)(end - at);

	if (lengths + codings > 1)
		return false;
	m->body = malloc(have + 1);
	if (none) {
		m->complete = true;
	} else if (codings == 1) {
		int result;

		if (!twin_is(coding->value, "chunked"))
			return false;
		result = twin_chunked(m, &at, end, false);
		if (result < 0)
			return false;
		m->complete = result > 0;
	} else if (lengths == 1) {
		unsigned long long n = 0;

		if (length->value.len == 0 || length->value.len > 19)
			return false;
		for (size_t i = 0; i < length->value.len; i++) {
			if (!isdigit((unsigned char)length->value.at[i]))
				return false;
			n = n * 10 + (unsigned long long)(length->value.at[i] - '0');
		}
		m->complete = n <= have;
		m->body_len = m->complete ? (size_t)n : have;
		memcpy(m->body, at, m->body_len);
		at += m->body_len;
	} else if (is_response) {
		m->body_len = have;
		memcpy(m->body, at, have);
		at = end;
	} else {
		m->complete = true;
	}
	m->len = m->complete ? (size_t)(have - (size_t)(end - at)) : 0;
	return true;
}

static inline bool
twin_request(struct twin_message *m, const char *bytes, size_t len)
{
	const char *at = bytes, *end = bytes + len, *first, *second;
	struct twin_text line;
	int hosts;
	bool good;

	memset(m, 0, sizeof(*m));
	if (!twin_line(&at, end, &line) || (first = memchr(line.at, ' ', line.len)) == NULL)
		return false;
	m->method = (struct twin_text){line.at, (size_t)(first - line.at)};
	second = memchr(first + 1, ' ', line.len - m->method.len - 1);
	if (second == NULL || !twin_is_token(m->method))
		return false;
	m->target = (struct twin_text){first + 1, (size_t)(second - first) - 1};
	if (line.len - (size_t)(second - line.at) != 9 || memcmp(second, " HTTP/1.1", 9) != 0)
		return false;
	if (m->target.len == 0 || (*m->target.at != '/' && !twin_is(m->target, "*")))
		return false;
	for (size_t i = 0; i < m->target.len; i++) {
		unsigned char c = (unsigned char)m->target.at[i];

		if (c <= 0x20 || c >= 0x7f || c == '#')
			return false;
	}
	if (!twin_fields(m, &at, end))
		return false;
	twin_find(m, "host", &hosts);
	good = hosts == 1 && twin_body(m, at, end, false, false);
	m->len += (size_t)(at - bytes);
	return good;
}

static inline bool
twin_response(struct twin_message *m, const char *bytes, size_t len, bool to_head)
{
	const char *at = bytes, *end = bytes + len;
	struct twin_text line;
	bool good;

	memset(m, 0, sizeof(*m));
	if (!twin_line(&at, end, &line) || line.len < 13 || memcmp(line.at, "HTTP/1.1 ", 9) != 0)
		return false;
	for (int i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)line.at[i]))
			return false;
		m->status = m->status * 10 + line.at[i] - '0';
	}
	if (line.at[12] != ' ')
		return false;
	for (size_t i = 13; i < line.len; i++) {
		unsigned char c = (unsigned char)line.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	if (!twin_fields(m, &at, end))
		return false;
	good = twin_body(m, at, end,
			 to_head || m->status < 200 || m->status == 204 || m->status == 304, true);
	m->len += (size_t)(at - bytes);
	return good;
}

#endif
