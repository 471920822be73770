/* SPDX-License-Identifier: BSD-3-Clause */
#include "http.h"

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

uint32_t
http_head_end(const uint8_t *bytes, uint32_t len, uint32_t *scanned)
{
	uint32_t at = *scanned;

	/* Empty lines in front are part of it: at most two bytes of them are looked at anew. */
	for (;;) {
		const uint8_t *lf = at < len ? memchr(bytes + at, '\n', len - at) : NULL;
		uint32_t next;

		if (lf == NULL) {
			*scanned = len;
			return 0;
		}
		next = (uint32_t)(lf - bytes) + 1;
		/* Nothing but line ends so far: the head has not begun. */
		if (next == 1 || (next == 2 && bytes[0] == '\r')) {
			at = next;
			continue;
		}
		if (next < len && bytes[next] == '\n')
			return next + 1;
		if (next + 1 < len && bytes[next] == '\r' && bytes[next + 1] == '\n')
			return next + 2;
		if (next + 1 >= len) {
			*scanned = (uint32_t)(lf - bytes);
			return 0;
		}
		at = next;
	}
}

uint16_t
http_request_too_long(const uint8_t *bytes, uint32_t len)
{
	uint32_t line = len < HTTP_LINE_MAX + 2 ? len : HTTP_LINE_MAX + 2;

	if (line == HTTP_LINE_MAX + 2 && memchr(bytes, '\n', line) == NULL)
		return 414;
	return len > HTTP_LINE_MAX + HTTP_REQUEST_HEAD_MAX ? 400 : 0;
}

/* One line without its end. @return false: none is left. */
static bool
take_line(const uint8_t **at, const uint8_t *end, struct http_text *line, bool *bare_lf)
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

/* The next element of a comma-separated list. @return false at its end. */
static bool
take_element(struct http_text *list, struct http_text *element)
{
	while (list->len > 0) {
		const uint8_t *comma = memchr(list->at, ',', list->len);
		uint32_t n = comma == NULL ? list->len : (uint32_t)(comma - list->at);

		*element = trim((struct http_text){list->at, n});
		list->at += n + (comma != NULL);
		list->len -= n + (comma != NULL);
		if (element->len > 0)
			return true;
	}
	return false;
}

/* Fields that mean something. */

static void
read_length(struct http_framing *f, struct http_text value)
{
	struct http_text element;
	bool any = false;

	while (take_element(&value, &element)) {
		uint64_t n = 0;

		any = true;
		if (element.len > 18)
			f->length_invalid = true;
		for (uint32_t i = 0; i < element.len && !f->length_invalid; i++) {
			if (element.at[i] < '0' || element.at[i] > '9')
				f->length_invalid = true;
			n = n * 10 + (uint64_t)(element.at[i] - '0');
		}
		if (f->has_length && n != f->length)
			f->lengths_differ = true;
		else if (f->has_length)
			f->lengths_repeat = true;
		f->has_length = true;
		f->length = n;
	}
	if (!any) {
		f->has_length = true;
		f->length_invalid = true;
	}
}

static void
read_coding(struct http_framing *f, struct http_text value)
{
	struct http_text element;

	if (value.len == 0)
		f->coding_invalid = true;
	f->has_coding = true;
	while (take_element(&value, &element)) {
		if (f->chunked)
			f->coding_invalid = true; /* something behind it */
		if (http_text_is(element, "chunked")) {
			f->codings_repeat |= f->chunked;
			f->chunked = true;
		} else if (!http_text_is(element, "identity")) {
			f->other_coding = true;
		}
	}
}

static void
read_connection(struct http_fields *fields, struct http_text value)
{
	struct http_text element;

	while (take_element(&value, &element)) {
		if (http_text_is(element, "close"))
			fields->connection_close = true;
		else if (http_text_is(element, "keep-alive"))
			fields->connection_keep_alive = true;
		else if (http_text_is(element, "upgrade"))
			fields->connection_upgrade = true;
	}
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

/* What Connection names ends here too; framing and routing don't (RFC 9110 section 7.6.1). */
static void
mark_hop_by_hop(struct http_fields *fields)
{
	for (uint32_t i = 0; i < fields->n; i++) {
		struct http_text list = fields->at[i].value, element;

		if (fields->at[i].id != HTTP_CONNECTION)
			continue;
		while (take_element(&list, &element)) {
			for (uint32_t k = 0; k < fields->n; k++) {
				struct http_field *f = &fields->at[k];

				if (f->id != HTTP_HOST && f->id != HTTP_CONTENT_LENGTH &&
				    f->id != HTTP_X_FORWARDED_FOR &&
				    f->id != HTTP_X_FORWARDED_PROTO &&
				    f->id != HTTP_X_FORWARDED_PORT && f->id != HTTP_COOKIE &&
				    is_same_name(f->name, element))
					f->hop_by_hop = true;
			}
		}
	}
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

/* @return  false: malformed. */
static bool
read_field(struct http_fields *fields, struct http_text line)
{
	const uint8_t *colon = memchr(line.at, ':', line.len);
	struct http_field *f;
	uint8_t all = NAME;

	if (line.len > HTTP_FIELD_MAX || fields->n == HTTP_FIELDS_MAX)
		return false;
	/* Folded lines, names with blanks behind them, lines without colon: none is a field. */
	if (colon == NULL || line.at[0] == ' ' || line.at[0] == '\t')
		return false;
	f = &fields->at[fields->n];
	*f = (struct http_field){.name = {line.at, (uint32_t)(colon - line.at)}};
	f->value = trim((struct http_text){colon + 1, line.len - f->name.len - 1});
	if (f->name.len == 0) {
		fields->empty_name = true;
		return false;
	}
	for (uint32_t i = 0; i < f->name.len; i++) {
		uint8_t class = classes[f->name.at[i]];

		if ((class & TOKEN) == 0)
			return false;
		all &= class;
	}
	for (uint32_t i = 0; i < f->value.len; i++) {
		if ((classes[f->value.at[i]] & VALUE) == 0)
			return false;
	}
	f->invalid_name = all == 0;
	fields->invalid_names += f->invalid_name;
	f->id = (uint8_t)name_of(f->name);
	f->hop_by_hop = is_hop_by_hop((enum http_name)f->id);
	if (f->id == HTTP_CONTENT_LENGTH)
		read_length(&fields->framing, f->value);
	else if (f->id == HTTP_TRANSFER_ENCODING)
		read_coding(&fields->framing, f->value);
	else if (f->id == HTTP_CONNECTION)
		read_connection(fields, f->value);
	fields->n++;
	return true;
}

static bool
read_fields(struct http_fields *fields, const uint8_t *at, const uint8_t *end)
{
	struct http_text line;
	bool named = false;

	while (take_line(&at, end, &line, &fields->bare_lf)) {
		if (line.len == 0) {
			if (named)
				mark_hop_by_hop(fields);
			return at == end;
		}
		if (!read_field(fields, line))
			return false;
		named |= fields->at[fields->n - 1].id == HTTP_CONNECTION;
	}
	return false;
}

/* Requests. */

static bool
is_token(struct http_text t)
{
	for (uint32_t i = 0; i < t.len; i++) {
		if ((classes[t.at[i]] & TOKEN) == 0)
			return false;
	}
	return t.len > 0;
}

/* @return  9, 10, 11; 1: another version; 0: no version. */
static uint8_t
read_version(struct http_text t)
{
	if (t.len != 8 || memcmp(t.at, "HTTP/", 5) != 0 || t.at[6] != '.' || t.at[5] < '0' ||
	    t.at[5] > '9' || t.at[7] < '0' || t.at[7] > '9')
		return 0;
	if (t.at[5] != '1' || t.at[7] > '1')
		return 1;
	return (uint8_t)(10 + t.at[7] - '0');
}

static void
split_target(struct http_request *r)
{
	struct http_text t = r->target;
	const uint8_t *mark;

	r->path = t;
	for (uint32_t scheme = 7; scheme <= 8; scheme++) {
		struct http_text prefix = {t.at, scheme};
		const uint8_t *slash;

		if (t.len <= scheme || !http_text_is(prefix, scheme == 7 ? "http://" : "https://"))
			continue;
		r->absolute = true;
		slash = memchr(t.at + scheme, '/', t.len - scheme);
		mark = memchr(t.at + scheme, '?', t.len - scheme);
		if (slash == NULL || (mark != NULL && mark < slash))
			slash = mark;
		if (slash == NULL)
			slash = t.at + t.len;
		r->host = (struct http_text){t.at + scheme, (uint32_t)(slash - t.at) - scheme};
		r->path = (struct http_text){slash, t.len - (uint32_t)(slash - t.at)};
		break;
	}
	mark = r->path.len == 0 ? NULL : memchr(r->path.at, '?', r->path.len);
	if (mark != NULL) {
		r->query = (struct http_text){mark + 1,
					      r->path.len - (uint32_t)(mark + 1 - r->path.at)};
		r->path.len = (uint32_t)(mark - r->path.at);
	}
}

static bool
target_is_sound(const struct http_request *r)
{
	if (r->target.len == 0)
		return false;
	if (r->is_connect)
		return true;
	if (r->absolute)
		return r->host.len > 0;
	return r->target.at[0] == '/' ||
	       (r->target.len == 1 && r->target.at[0] == '*' && http_text_is(r->method, "options"));
}

static uint16_t
read_request_line(struct http_request *r, struct http_text line)
{
	const uint8_t *space = memchr(line.at, ' ', line.len);
	const uint8_t *last;

	if (line.len > HTTP_LINE_MAX)
		return 414;
	if (space == NULL)
		return 400;
	r->method = (struct http_text){line.at, (uint32_t)(space - line.at)};
	line = (struct http_text){space + 1, line.len - r->method.len - 1};
	last = memrchr(line.at, ' ', line.len);
	if (last == NULL) {
		r->version = 9;
		r->target = line;
	} else {
		r->target = (struct http_text){line.at, (uint32_t)(last - line.at)};
		r->version =
			read_version((struct http_text){last + 1, line.len - r->target.len - 1});
		if (r->version == 0)
			return 400;
		if (r->version == 1)
			return 505;
	}
	if (!is_token(r->method))
		return 400;
	for (uint32_t i = 0; i < r->target.len; i++) {
		uint8_t c = r->target.at[i];

		if (c == 0)
			return 400;
		r->space_in_target |= c == ' ';
		r->control_in_target |= c < ' ' || c == 127;
	}
	r->is_get = http_text_is(r->method, "get") && r->method.at[0] == 'G';
	r->is_head = http_text_is(r->method, "head") && r->method.at[0] == 'H';
	r->is_connect = http_text_is(r->method, "connect");
	if (http_text_is(r->method, "trace"))
		return 405;
	if (r->version == 9 && !r->is_get)
		return 400;
	split_target(r);
	return target_is_sound(r) ? 0 : 400;
}

static void
read_request_fields(struct http_request *r)
{
	for (uint32_t i = 0; i < r->fields.n; i++) {
		const struct http_field *f = &r->fields.at[i];

		if (f->id == HTTP_HOST) {
			if (!r->absolute && r->hosts_n == 0)
				r->host = f->value;
			r->hosts_n++;
		} else if (f->id == HTTP_EXPECT) {
			r->expects_continue |= http_text_is(f->value, "100-continue");
		}
	}
	r->has_host = r->host.len > 0;
}

uint16_t
http_request_parse(struct http_request *r, const uint8_t *bytes, uint32_t len)
{
	struct http_field *table = r->fields.at;
	const uint8_t *at = bytes, *end = bytes + len;
	struct http_text line;
	uint16_t status;

	*r = (struct http_request){.len = len, .fields.at = table};
	/* RFC 9112 section 2.2: at least one empty line in front is ignored. */
	if (at < end && (*at == '\r' || *at == '\n'))
		at += *at == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 1;
	if (!take_line(&at, end, &line, &r->fields.bare_lf))
		return 400;
	status = read_request_line(r, line);
	if (status != 0)
		return status;
	if (end - at > HTTP_REQUEST_HEAD_MAX || !read_fields(&r->fields, at, end))
		return 400;
	read_request_fields(r);
	return 0;
}

/* Responses. */

bool
http_response_parse(struct http_response *r, const uint8_t *bytes, uint32_t len)
{
	struct http_field *table = r->fields.at;
	const uint8_t *at = bytes, *end = bytes + len;
	struct http_text line;

	*r = (struct http_response){.len = len, .fields.at = table};
	if (len > HTTP_RESPONSE_HEAD_MAX || !take_line(&at, end, &line, &r->fields.bare_lf) ||
	    line.len < 12)
		return false;
	r->version = read_version((struct http_text){line.at, 8});
	if (r->version < 10 || line.at[8] != ' ')
		return false;
	for (int i = 9; i < 12; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return false;
		r->status = (uint16_t)(r->status * 10 + line.at[i] - '0');
	}
	if (line.len > 12 && line.at[12] != ' ')
		return false;
	if (line.len > 13)
		r->reason = (struct http_text){line.at + 13, line.len - 13};
	for (uint32_t i = 0; i < r->reason.len; i++) {
		if ((classes[r->reason.at[i]] & VALUE) == 0)
			return false;
	}
	return r->status >= 100 && r->status <= 599 && read_fields(&r->fields, at, end);
}
