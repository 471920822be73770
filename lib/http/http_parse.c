/* SPDX-License-Identifier: BSD-3-Clause */
#include "http.h"

#include <string.h>

#include "http_fields.h"

#define BEGUN 0x80000000u /* in `scanned`: the first line has ended */

/* A line that isn't `METHOD TARGET VERSION` nor a status line: no fields follow. */
static bool
is_alone(struct http_text line)
{
	const uint8_t *space = memchr(line.at, ' ', line.len);

	if (line.len >= 5 && memcmp(line.at, "HTTP/", 5) == 0)
		return false;
	return space == NULL || space == memrchr(line.at, ' ', line.len);
}

/* Of the one empty line that may be in front of a head. */
static uint32_t
front_len(const uint8_t *bytes, uint32_t len)
{
	if (len > 0 && bytes[0] == '\n')
		return 1;
	return len > 1 && bytes[0] == '\r' && bytes[1] == '\n' ? 2 : 0;
}

uint32_t
http_head_end(const uint8_t *bytes, uint32_t len, uint32_t *scanned)
{
	uint32_t front = front_len(bytes, len);
	uint32_t begun = *scanned & BEGUN, at = *scanned & ~BEGUN;

	if (at < front)
		at = front;
	for (;;) {
		const uint8_t *lf = at < len ? memchr(bytes + at, '\n', len - at) : NULL;
		uint32_t next;

		if (lf == NULL) {
			*scanned = begun | len;
			return 0;
		}
		next = (uint32_t)(lf - bytes) + 1;
		if (begun == 0 && is_alone((struct http_text){bytes + front, next - front}))
			return next;
		begun = BEGUN;
		if (next < len && bytes[next] == '\n')
			return next + 1;
		if (next + 1 < len && bytes[next] == '\r' && bytes[next + 1] == '\n')
			return next + 2;
		if (next + 1 >= len) {
			*scanned = begun | (next - 1);
			return 0;
		}
		at = next;
	}
}

uint16_t
http_request_too_long(const uint8_t *bytes, uint32_t len)
{
	uint32_t front = front_len(bytes, len), line = HTTP_LINE_MAX + 2;

	if (len - front >= line && memchr(bytes + front, '\n', line) == NULL)
		return 414;
	return len > HTTP_LINE_MAX + HTTP_REQUEST_HEAD_MAX ? 400 : 0;
}

/* Requests. */

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

/* The path of an absolute target that has none (RFC 9112 sections 3.2.1 and 3.2.4). */
static struct http_text
root_of(const struct http_request *r)
{
	const char *root = http_text_is(r->method, "options") && r->query.at == NULL ? "*" : "/";

	return (struct http_text){(const uint8_t *)root, 1};
}

static void
split_authority(struct http_request *r, uint32_t scheme)
{
	struct http_text rest = {r->target.at + scheme, r->target.len - scheme};
	uint32_t n = 0;

	while (n < rest.len && rest.at[n] != '/' && rest.at[n] != '?' && rest.at[n] != '#')
		n++;
	r->absolute = true;
	r->host = (struct http_text){rest.at, n};
	r->path = (struct http_text){rest.at + n, rest.len - n};
}

static void
split_target(struct http_request *r)
{
	struct http_text t = r->target;
	const uint8_t *mark;

	r->path = t;
	if (t.len >= 7 && http_text_is((struct http_text){t.at, 7}, "http://"))
		split_authority(r, 7);
	else if (t.len >= 8 && http_text_is((struct http_text){t.at, 8}, "https://"))
		split_authority(r, 8);
	mark = memchr(r->path.at, '?', r->path.len);
	if (mark != NULL) {
		r->query = (struct http_text){mark + 1,
					      r->path.len - (uint32_t)(mark + 1 - r->path.at)};
		r->path.len = (uint32_t)(mark - r->path.at);
	}
	if (r->absolute && r->path.len == 0)
		r->path = root_of(r);
}

/* RFC 3986 section 3.2.2 and 3.2.3, without user information: HOST, HOST:PORT, [IPV6]:PORT. */
static bool
host_is_sound(struct http_text t)
{
	uint32_t i = 0;

	if (t.len > 0 && t.at[0] == '[') {
		for (i = 1; i < t.len && t.at[i] != ']'; i++) {
			if (!http_is_token((struct http_text){t.at + i, 1}) && t.at[i] != ':')
				return false;
		}
		if (i++ == t.len)
			return false;
	} else {
		while (i < t.len && t.at[i] != ':') {
			if (t.at[i] >= 0x7f || t.at[i] <= ' ' ||
			    memchr("\"#/<>?@[\\]^`{|}", t.at[i], 15) != NULL)
				return false;
			i++;
		}
	}
	if (i < t.len && t.at[i++] != ':')
		return false;
	while (i < t.len && t.at[i] >= '0' && t.at[i] <= '9')
		i++;
	return i == t.len;
}

static bool
target_is_sound(const struct http_request *r)
{
	for (uint32_t i = 0; i < r->target.len; i++) {
		if (r->target.at[i] == '\0' || r->target.at[i] == '\r')
			return false;
	}
	if (r->is_connect)
		return true;
	if (r->absolute)
		return r->host.len > 0 && host_is_sound(r->host) && r->path.at[0] != '#';
	return r->target.at[0] == '/' ||
	       (r->target.len == 1 && r->target.at[0] == '*' && http_text_is(r->method, "options"));
}

static void
read_method(struct http_request *r)
{
	r->is_get = r->method.len == 3 && memcmp(r->method.at, "GET", 3) == 0;
	r->is_head = r->method.len == 4 && memcmp(r->method.at, "HEAD", 4) == 0;
	r->is_connect = http_text_is(r->method, "connect");
}

static void
read_target(struct http_request *r)
{
	for (uint32_t i = 0; i < r->target.len; i++) {
		uint8_t c = r->target.at[i];

		r->space_in_target |= c == ' ';
		r->control_in_target |= c < ' ' || c == 127;
	}
	split_target(r);
}

static uint16_t
refuse(struct http_request *r, enum http_defect defect, uint16_t status)
{
	r->defect = (uint8_t)defect;
	return status;
}

static uint16_t
read_request_line(struct http_request *r, struct http_text line)
{
	const uint8_t *space = memchr(line.at, ' ', line.len);
	const uint8_t *last;

	if (line.len > HTTP_LINE_MAX)
		return refuse(r, HTTP_DEFECT_TARGET, 414);
	if (space == NULL)
		return refuse(r, HTTP_DEFECT_METHOD, 400);
	r->method = (struct http_text){line.at, (uint32_t)(space - line.at)};
	line = (struct http_text){space + 1, line.len - r->method.len - 1};
	last = memrchr(line.at, ' ', line.len);
	r->target = line;
	r->version = 9;
	if (last != NULL) {
		struct http_text version = {last + 1, (uint32_t)(line.at + line.len - last) - 1};

		r->target.len -= version.len + 1;
		r->version = read_version(version);
	}
	if (!http_is_token(r->method))
		return refuse(r, HTTP_DEFECT_METHOD, 400);
	if (r->version < 9)
		return refuse(r, HTTP_DEFECT_VERSION, r->version == 0 ? 400 : 505);
	read_method(r);
	if (r->version == 9 && !r->is_get)
		return refuse(r, HTTP_DEFECT_VERSION, 400);
	if (r->target.len == 0)
		return refuse(r, HTTP_DEFECT_TARGET, 400);
	read_target(r);
	if (!target_is_sound(r))
		return refuse(r, HTTP_DEFECT_TARGET, 400);
	return http_text_is(r->method, "trace") ? 405 : 0;
}

/* @return  false: a Host that names none. */
static bool
read_request_fields(struct http_request *r)
{
	for (uint32_t i = 0; i < r->fields.n; i++) {
		const struct http_field *f = &r->fields.at[i];

		if (f->id == HTTP_HOST) {
			if (!host_is_sound(f->value))
				return false;
			if (!r->absolute && r->hosts_n == 0)
				r->host = f->value;
			r->hosts_n++;
		} else if (f->id == HTTP_EXPECT) {
			r->expects_continue |= http_text_is(f->value, "100-continue");
		}
	}
	r->has_host = r->host.len > 0;
	return true;
}

uint16_t
http_request_parse(struct http_request *r, const uint8_t *bytes, uint32_t len)
{
	struct http_field *table = r->fields.at;
	const uint8_t *at = bytes + front_len(bytes, len), *end = bytes + len;
	struct http_text line;
	uint16_t status;

	*r = (struct http_request){.len = len, .fields.at = table};
	if (!http_take_line(&at, end, &line, &r->fields.bare_lf))
		return refuse(r, HTTP_DEFECT_METHOD, 400);
	status = read_request_line(r, line);
	if (status != 0)
		return status;
	if (r->version == 9 && at == end)
		return 0;
	if (r->version == 9 || end - at > HTTP_REQUEST_HEAD_MAX ||
	    !http_read_fields(&r->fields, at, end) || !read_request_fields(r))
		return refuse(r, HTTP_DEFECT_FIELD, 400);
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
	if (len > HTTP_RESPONSE_HEAD_MAX || !http_take_line(&at, end, &line, &r->fields.bare_lf) ||
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
	return http_is_value(r->reason) && r->status >= 100 && r->status <= 599 &&
	       http_read_fields(&r->fields, at, end) && !r->fields.empty_name;
}
