/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_fields.h"

#include <string.h>

#include "check.h"

/* Classes of bytes: RFC 9110 section 5.6.2 token, ELB's header names, field values. */
enum { TOKEN = 1, NAME = 2, VALUE = 4 };

#define T   (TOKEN | VALUE)
#define N   (TOKEN | NAME | VALUE)
#define V   VALUE
#define V8  V, V, V, V, V, V, V, V
#define V64 V8, V8, V8, V8, V8, V8, V8, V8

static const uint8_t classes[256] = {
	/* 00 */ 0,   0,  0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
	/* 10 */ 0,   0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/* 20 */ V,   T,  V, T, T, T, T, T, V, V, T, T, V, N, T, V,
	/* 30 */ N,   N,  N, N, N, N, N, N, N, N, V, V, V, V, V, V,
	/* 40 */ V,   N,  N, N, N, N, N, N, N, N, N, N, N, N, N, N,
	/* 50 */ N,   N,  N, N, N, N, N, N, N, N, N, V, V, V, T, T,
	/* 60 */ T,   N,  N, N, N, N, N, N, N, N, N, N, N, N, N, N,
	/* 70 */ N,   N,  N, N, N, N, N, N, N, N, N, V, T, V, T, 0,
	/* 80 */ V64, V64};

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool
http_text_is(struct http_text text, const char *lower_case)
{
	size_t n = strlen(lower_case);

	if (text.len != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (lower(text.at[i]) != (uint8_t)lower_case[i])
			return false;
	}
	return true;
}

static enum http_name
name_of(struct http_text name)
{
	static const struct {
		const char *text;
		uint8_t id;
	} names[] = {
		{"te", HTTP_TE},
		{"date", HTTP_DATE},
		{"host", HTTP_HOST},
		{"cookie", HTTP_COOKIE},
		{"expect", HTTP_EXPECT},
		{"server", HTTP_SERVER},
		{"trailer", HTTP_TRAILER},
		{"upgrade", HTTP_UPGRADE},
		{"connection", HTTP_CONNECTION},
		{"keep-alive", HTTP_KEEP_ALIVE},
		{"set-cookie", HTTP_SET_COOKIE},
		{"user-agent", HTTP_USER_AGENT},
		{"content-length", HTTP_CONTENT_LENGTH},
		{"x-amzn-trace-id", HTTP_X_AMZN_TRACE_ID},
		{"x-forwarded-for", HTTP_X_FORWARDED_FOR},
		{"proxy-connection", HTTP_PROXY_CONNECTION},
		{"x-forwarded-port", HTTP_X_FORWARDED_PORT},
		{"transfer-encoding", HTTP_TRANSFER_ENCODING},
		{"x-forwarded-proto", HTTP_X_FORWARDED_PROTO},
	};
	/* Where names of a length begin in the table; they are in order of length. */
	static const uint8_t first[21] = {19, 19, 0,  1,  1,  3,  3,  6,  8,  8, 8,
					  12, 12, 12, 12, 13, 15, 17, 19, 19, 19};

	if (name.len >= ARRAY_N(first) - 1)
		return HTTP_OTHER;
	for (uint32_t i = first[name.len]; i < first[name.len + 1]; i++) {
		if (lower(name.at[0]) == (uint8_t)names[i].text[0] &&
		    http_text_is(name, names[i].text))
			return (enum http_name)names[i].id;
	}
	return HTTP_OTHER;
}

bool
http_take_line(const uint8_t **at, const uint8_t *end, struct http_text *line, bool *bare_lf)
{
	const uint8_t *lf = memchr(*at, '\n', (size_t)(end - *at));

	if (lf == NULL)
		return false;
	*line = (struct http_text){*at, (uint32_t)(lf - *at)};
	*at = lf + 1;
	if (line->len > 0 && lf[-1] == '\r')
		line->len--;
	else
		*bare_lf = true;
	return true;
}

static struct http_text
trim(struct http_text t)
{
	while (t.len > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

bool
http_take_element(struct http_text *list, struct http_text *element)
{
	const uint8_t *comma;
	uint32_t n;

	if (list->at == NULL)
		return false;
	comma = memchr(list->at, ',', list->len);
	n = comma == NULL ? list->len : (uint32_t)(comma - list->at);
	*element = trim((struct http_text){list->at, n});
	if (comma == NULL)
		*list = (struct http_text){0};
	else
		*list = (struct http_text){comma + 1, list->len - n - 1};
	return true;
}

static bool
is_of_class(struct http_text t, uint8_t class)
{
	for (uint32_t i = 0; i < t.len; i++) {
		if ((classes[t.at[i]] & class) == 0)
			return false;
	}
	return true;
}

bool
http_is_token(struct http_text t)
{
	return t.len > 0 && is_of_class(t, TOKEN);
}

bool
http_is_value(struct http_text t)
{
	return is_of_class(t, VALUE);
}

/* Fields that mean something. */

/* @return  false: no decimal number below 2^63, with room to spare. */
static bool
read_decimal(struct http_text t, uint64_t *n)
{
	*n = 0;
	if (t.len == 0 || t.len > 18)
		return false;
	for (uint32_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9')
			return false;
		*n = *n * 10 + (uint64_t)(t.at[i] - '0');
	}
	return true;
}

static void
read_length(struct http_framing *f, struct http_text value)
{
	struct http_text element;
	uint64_t n;

	while (http_take_element(&value, &element)) {
		if (!read_decimal(element, &n))
			f->length_invalid = true;
		else if (f->has_length && n != f->length)
			f->lengths_differ = true;
		else if (f->has_length)
			f->lengths_repeat = true;
		f->has_length = true;
		f->length = n;
	}
}

static void
read_coding(struct http_framing *f, struct http_text value)
{
	struct http_text element;

	f->has_coding = true;
	while (http_take_element(&value, &element)) {
		if (http_text_is(element, "chunked")) {
			f->codings_repeat |= f->chunked;
			f->chunked = true;
			continue;
		}
		/* Something behind chunked, or what is no coding at all. */
		f->coding_invalid |= f->chunked || !http_is_token(element);
		f->other_coding |= !http_text_is(element, "identity");
	}
}

static void
read_connection(struct http_fields *fields, struct http_text value)
{
	struct http_text element;

	while (http_take_element(&value, &element)) {
		if (http_text_is(element, "close"))
			fields->connection_close = true;
		else if (http_text_is(element, "keep-alive"))
			fields->connection_keep_alive = true;
		else if (http_text_is(element, "upgrade"))
			fields->connection_upgrade = true;
	}
}

static void
read_upgrade(struct http_fields *fields, struct http_text value)
{
	struct http_text element;

	while (http_take_element(&value, &element))
		fields->names_websocket |= http_text_is(element, "websocket");
}

static bool
is_same_name(struct http_text a, struct http_text b)
{
	if (a.len != b.len)
		return false;
	for (uint32_t i = 0; i < a.len; i++) {
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	}
	return true;
}

/* What a client can't take away by naming it: framing, routing, and what is told of itself. */
static bool
stays(enum http_name id)
{
	switch (id) {
	case HTTP_CONTENT_LENGTH:
	case HTTP_COOKIE:
	case HTTP_HOST:
	case HTTP_SET_COOKIE:
	case HTTP_X_FORWARDED_FOR:
	case HTTP_X_FORWARDED_PORT:
	case HTTP_X_FORWARDED_PROTO:
		return true;
	default:
		return false;
	}
}

/*
 * What Connection names ends here too (RFC 9110 section 7.6.1).
 * @return  false: it names more than HTTP_CONNECTION_OPTIONS_MAX.
 */
static bool
mark_hop_by_hop(struct http_fields *fields)
{
	uint32_t options_n = 0;

	for (uint32_t i = 0; i < fields->n; i++) {
		struct http_text list = fields->at[i].value, element;

		if (fields->at[i].id != HTTP_CONNECTION)
			continue;
		while (http_take_element(&list, &element)) {
			if (++options_n > HTTP_CONNECTION_OPTIONS_MAX)
				return false;
			for (uint32_t k = 0; k < fields->n; k++) {
				struct http_field *f = &fields->at[k];

				if (!stays((enum http_name)f->id) && is_same_name(f->name, element))
					f->hop_by_hop = true;
			}
		}
	}
	return true;
}

static bool
is_hop_by_hop(enum http_name id)
{
	switch (id) {
	case HTTP_CONNECTION:
	case HTTP_KEEP_ALIVE:
	case HTTP_PROXY_CONNECTION:
	case HTTP_TE:
	case HTTP_TRAILER:
	case HTTP_TRANSFER_ENCODING:
	case HTTP_UPGRADE:
		return true;
	default:
		return false;
	}
}

/* Whether a name is `letters` for who drops, or mistakes, what isn't a letter. */
static bool
resembles(struct http_text name, const char *letters)
{
	for (uint32_t i = 0; i < name.len; i++) {
		uint8_t c = lower(name.at[i]);

		if (c < 'a' || c > 'z')
			continue;
		if (c != (uint8_t)*letters)
			return false;
		letters++;
	}
	return *letters == '\0';
}

static void
note_name(struct http_fields *fields, const struct http_field *f)
{
	fields->invalid_names += f->invalid_name;
	if (f->id != HTTP_OTHER)
		return;
	fields->framing.suspicious_length |= resembles(f->name, "contentlength");
	fields->framing.suspicious_coding |= resembles(f->name, "transferencoding");
}

static void
note_value(struct http_fields *fields, const struct http_field *f)
{
	for (uint32_t i = 0; i < f->value.len && !fields->obs_text; i++)
		fields->obs_text = f->value.at[i] >= 0x80;
	if (f->id == HTTP_CONTENT_LENGTH)
		read_length(&fields->framing, f->value);
	else if (f->id == HTTP_TRANSFER_ENCODING)
		read_coding(&fields->framing, f->value);
	else if (f->id == HTTP_CONNECTION)
		read_connection(fields, f->value);
	else if (f->id == HTTP_UPGRADE)
		read_upgrade(fields, f->value);
}

/* @return  false: malformed. */
static bool
read_field(struct http_fields *fields, struct http_text line)
{
	const uint8_t *colon = memchr(line.at, ':', line.len);
	struct http_field *f;

	if (line.len > HTTP_FIELD_MAX || fields->n == HTTP_FIELDS_MAX || colon == NULL)
		return false;
	f = &fields->at[fields->n];
	*f = (struct http_field){.name = {line.at, (uint32_t)(colon - line.at)}};
	f->value = trim((struct http_text){colon + 1, line.len - f->name.len - 1});
	if (!http_is_value(f->value))
		return false;
	if (f->name.len == 0) {
		fields->empty_name = true;
		return true;
	}
	/* Blanks at either end of a name, also those of a folded line, make it none. */
	if (!http_is_token(f->name))
		return false;
	f->invalid_name = !is_of_class(f->name, NAME);
	f->id = (uint8_t)name_of(f->name);
	f->hop_by_hop = is_hop_by_hop((enum http_name)f->id);
	note_name(fields, f);
	note_value(fields, f);
	fields->n++;
	return true;
}

bool
http_read_fields(struct http_fields *fields, const uint8_t *at, const uint8_t *end)
{
	struct http_text line;

	while (http_take_line(&at, end, &line, &fields->bare_lf)) {
		if (line.len > 0) {
			if (!read_field(fields, line))
				return false;
			continue;
		}
		fields->connection_upgrade &= fields->names_websocket;
		return mark_hop_by_hop(fields) && at == end;
	}
	return false;
}
