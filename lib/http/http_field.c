/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_field.h"

#include <string.h>

#include "check.h"
#include "http_scan.h"

#define FOLDED_NAME_MAX 64 /* longer names resemble no framing field */

#define EACH_20 0x2020202020202020u

#define T HTTP_TOKEN
#define P (HTTP_TOKEN | HTTP_PLAIN | HTTP_TARGET | HTTP_UNRESERVED)
#define U (HTTP_TOKEN | HTTP_TARGET | HTTP_UNRESERVED)
#define D (HTTP_TARGET | HTTP_UNRESERVED)
#define R HTTP_TARGET
#define W (HTTP_TOKEN | HTTP_TARGET)
#define N HTTP_NAME_END
#define O (HTTP_TARGET | HTTP_NAME_END)
#define C (HTTP_CONTROL | HTTP_NAME_END)

#define C16 C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C
#define N16 N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N

/* clang-format off */
const uint8_t http_classes[256] = {
	C16, C16,
	/*  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f */
	/* 20 */
	    N, U, R, T, U, U, U, U, D, D, U, U, D, P, U, R,
	    P, P, P, P, P, P, P, P, P, P, O, D, R, D, R, 0,
	/* 40 */
	    R, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	    P, P, P, P, P, P, P, P, P, P, P, R, R, R, W, U,
	/* 60 */
	    W, P, P, P, P, P, P, P, P, P, P, P, P, P, P, P,
	    P, P, P, P, P, P, P, P, P, P, P, R, W, R, U, C,
	/* 80 */
	N16, N16, N16, N16, N16, N16, N16, N16,
};
/* clang-format on */

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

/* Names. */

/*
 * Whether a token of `n` bytes is `name`: words compared in lower case.  Of the bytes of a token
 * only letters become lower-case letters or hyphens by that bit.
 */
static inline __attribute__((always_inline)) bool
is(const uint8_t *p, const char *name, size_t n)
{
	if (n >= 8) {
		uint64_t differ = (bytes_load64(p) | EACH_20) ^ bytes_load64(name);

		for (size_t i = 8; i + 8 <= n; i += 8)
			differ |= (bytes_load64(p + i) | EACH_20) ^ bytes_load64(name + i);
		return (differ |
			((bytes_load64(p + n - 8) | EACH_20) ^ bytes_load64(name + n - 8))) == 0;
	}
	if (n >= 4)
		return (((bytes_load32(p) | 0x20202020) ^ bytes_load32(name)) |
			((bytes_load32(p + n - 4) | 0x20202020) ^ bytes_load32(name + n - 4))) == 0;
	for (size_t i = 0; i < n; i++) {
		if ((p[i] | 0x20) != name[i])
			return false;
	}
	return true;
}

#define IS(text) is(p, text, sizeof(text) - 1)

static uint8_t
plain(uint8_t c)
{
	return c == '_' ? '-' : lower(c);
}

bool
http_names_are_alike(const uint8_t *a, const void *b, size_t n)
{
	const uint8_t *other = b;

	for (size_t i = 0; i < n; i++) {
		if (plain(a[i]) != plain(other[i]))
			return false;
	}
	return true;
}

/* `len` bytes of a token. */
static enum http_name
name_of(const uint8_t *p, uint32_t len)
{
	switch (len) {
	case 2:
		return IS("te") ? HTTP_TE : HTTP_OTHER;
	case 4:
		return IS("host") ? HTTP_HOST : IS("date") ? HTTP_DATE : HTTP_OTHER;
	case 5:
		return IS("proxy") ? HTTP_PROXY : HTTP_OTHER;
	case 6:
		return IS("cookie")   ? HTTP_COOKIE
		       : IS("server") ? HTTP_SERVER
		       : IS("expect") ? HTTP_EXPECT
				      : HTTP_OTHER;
	case 7:
		return IS("upgrade") ? HTTP_UPGRADE : IS("trailer") ? HTTP_TRAILER : HTTP_OTHER;
	case 8:
		return IS("location") ? HTTP_LOCATION : HTTP_OTHER;
	case 10:
		return IS("user-agent")   ? HTTP_USER_AGENT
		       : IS("connection") ? HTTP_CONNECTION
		       : IS("set-cookie") ? HTTP_SET_COOKIE
		       : IS("keep-alive") ? HTTP_KEEP_ALIVE
					  : HTTP_OTHER;
	case 12:
		if (IS("content-type"))
			return HTTP_CONTENT_TYPE;
		break;
	case 14:
		if (IS("content-length"))
			return HTTP_CONTENT_LENGTH;
		break;
	case 15:
		if (IS("x-forwarded-for"))
			return HTTP_X_FORWARDED_FOR;
		if (IS("x-amzn-trace-id"))
			return HTTP_X_AMZN_TRACE_ID;
		break;
	case 16:
		if (IS("x-forwarded-port"))
			return HTTP_X_FORWARDED_PORT;
		break;
	case 17:
		if (IS("transfer-encoding"))
			return HTTP_TRANSFER_ENCODING;
		if (IS("x-forwarded-proto"))
			return HTTP_X_FORWARDED_PROTO;
		break;
	default:
		break;
	}
	/* Families. */
	if (len > 6 && is(p, "proxy-", 6))
		return HTTP_PROXY;
	if (len > 11 && http_names_are_alike(p, "x-amzn-", 7)) {
		p += 7;
		if (http_names_are_alike(p, "tls-", 4) ||
		    (len > 12 &&
		     (http_names_are_alike(p, "mtls-", 5) || http_names_are_alike(p, "oidc-", 5))))
			return HTTP_X_AMZN_PEER;
	}
	return HTTP_OTHER;
}

enum http_name
http_name_of(struct http_text name)
{
	for (uint32_t i = 0; i < name.len; i++) {
		if ((http_classes[name.at[i]] & HTTP_TOKEN) == 0)
			return HTTP_OTHER;
	}
	return name_of(name.at, name.len);
}

/*
 * Whether a name comes out as a framing field's once a sloppy reader has thrown away all but its
 * letters.  Small dotless i and long s become letters in upper case.
 */
static bool
resembles(const uint8_t *name, uint32_t len, const char *letters)
{
	size_t n = 0, wanted = strlen(letters);

	for (uint32_t i = 0; i < len; i++) {
		uint8_t c = lower(name[i]);

		if (i + 1 < len && name[i] == 0xc4 && name[i + 1] == 0xb1)
			c = 'i';
		else if (i + 1 < len && name[i] == 0xc5 && name[i + 1] == 0xbf)
			c = 's';
		if (c < 'a' || c > 'z')
			continue;
		if (n == wanted || c != (uint8_t)letters[n])
			return false;
		n++;
	}
	return n == wanted;
}

static bool
is_letter(uint8_t c)
{
	return lower(c) >= 'a' && lower(c) <= 'z';
}

/* Notes a suspicious name in the head. */
static __attribute__((noinline)) void
suspect(struct http_head *h, struct http_field *f, const uint8_t *name, uint32_t len)
{
	if (len > FOLDED_NAME_MAX)
		return;
	if (resembles(name, len, "transferencoding"))
		h->suspicious |= HTTP_SUSPICIOUS_CODING;
	else if (resembles(name, len, "contentlength"))
		h->suspicious |= HTTP_SUSPICIOUS_LENGTH;
	else
		return;
	http_found(h, HTTP_REASON_SUSPICIOUS_HEADER);
	f->flags |= HTTP_FIELD_NEVER;
}

/* Ordinary names are told from suspicious ones by their ends. */
static inline bool
may_be_suspicious(const uint8_t *name, uint32_t len, bool plain)
{
	uint8_t first, last;

	if (len < 13)
		return false;
	if (!plain || !is_letter(name[0]) || !is_letter(name[len - 1]))
		return true;
	first = name[0] | 0x20;
	last = name[len - 1] | 0x20;
	return (first == 't' && last == 'g') || (first == 'c' && last == 'h');
}

/* A name that ELB calls invalid; one that is no token can't even be passed on. */
static __attribute__((noinline)) void
note_odd_name(struct http_head *h, struct http_field *f, bool token)
{
	h->invalid_names_n++;
	f->flags |= HTTP_FIELD_INVALID_NAME;
	if (token)
		return;
	http_found(h,
		   f->name_len == 0 ? HTTP_REASON_EMPTY_HEADER : HTTP_REASON_NON_COMPLIANT_HEADER);
	f->flags |= HTTP_FIELD_NEVER;
}

/* Lines. */

bool
http_head_has_line(struct http_head *h, const uint8_t *bytes, uint32_t len)
{
	if (h->scanned <= h->line_off)
		return true;
	if (memchr(bytes + h->scanned, '\n', len - h->scanned) != NULL)
		return true;
	h->scanned = len;
	return false;
}

/* The line isn't all there: it is waited for unless it is too long already. */
static enum http_result
wait_for_line(struct http_head *h, uint32_t len)
{
	h->scanned = len;
	if (len - h->line_off > HTTP_FIELD_MAX + 2)
		return http_refuse_by(h, HTTP_FAULT_FIELD_LONG);
	if (len - h->fields_off > http_fields_len_max(h))
		return http_refuse_by(h, HTTP_FAULT_FIELDS_LONG);
	return HTTP_INCOMPLETE;
}

/* A bad byte at `p`: judged when the line is all there, so that cuts don't matter. */
static __attribute__((noinline)) enum http_result
refuse_line(struct http_head *h, const uint8_t *bytes, const uint8_t *p, uint32_t len)
{
	const uint8_t *lf = memchr(p, '\n', len - (size_t)(p - bytes));
	uint32_t line_len;

	if (lf == NULL)
		return wait_for_line(h, len);
	line_len = (uint32_t)(lf - bytes) - h->line_off;
	if (line_len > HTTP_FIELD_MAX + 2)
		return http_refuse_by(h, HTTP_FAULT_FIELD_LONG);
	if ((uint32_t)(lf + 1 - bytes) - h->fields_off > http_fields_len_max(h))
		return http_refuse_by(h, HTTP_FAULT_FIELDS_LONG);
	return http_refuse(h, HTTP_REASON_BAD_HEADER);
}

/*
 * A name that is no token goes on at `p`: NULL when it makes the line bad, else where its colon is
 * or, when the line ends first, the end.
 */
static __attribute__((noinline)) const uint8_t *
skip_odd_name(struct http_head *h, const uint8_t *p, const uint8_t *end)
{
	if (h->is_response)
		return NULL;
	for (; p < end && *p != ':'; p++) {
		/* RFC 9112 sections 5.1 and 5.2: no blank before the colon, no folded lines. */
		if (*p <= ' ' || *p == 0x7f)
			return NULL;
	}
	return p;
}

enum line { LINE_DONE, LINE_BAD, LINE_MORE };

/* The end of a value: over it goes `*at`. */
static inline enum line
skip_value(struct http_head *h, struct http_field *f, const uint8_t **at, const uint8_t *end,
	   const uint8_t **value_end)
{
	const uint8_t *p = *at;
	uint32_t high = 0;

	for (;;) {
		p = http_scan_value(h->bytes, p, end, &high);
		if (p == end)
			return LINE_MORE;
		if (likely(*p == '\r')) {
			*value_end = p;
			if (p + 1 == end)
				return LINE_MORE;
			*at = p + 2;
			if (p[1] != '\n') {
				*at = p;
				return LINE_BAD;
			}
			break;
		}
		if (*p == '\n') {
			*value_end = p;
			*at = p + 1;
			http_found(h, HTTP_REASON_NON_CR_LF_LINE_TERMINATION);
			f->flags = (uint8_t)(f->flags & ~HTTP_FIELD_CANONICAL);
			break;
		}
		if (*p == 0) {
			*at = p;
			return LINE_BAD;
		}
		if (*p != '\t') {
			f->flags = (uint8_t)(f->flags & ~HTTP_FIELD_CANONICAL) | HTTP_FIELD_CONTROL;
			http_found(h, HTTP_REASON_NON_COMPLIANT_HEADER);
		}
		p++;
	}
	if (unlikely(high != 0))
		http_found(h, HTTP_REASON_NON_COMPLIANT_HEADER);
	return LINE_DONE;
}

static void
read_connection(struct http_head *h, struct http_text list)
{
	struct http_text element;

	while (http_list_next(&list, &element)) {
		if (element.len == 10 && is(element.at, "keep-alive", 10))
			h->connection |= HTTP_CONNECTION_KEEP_ALIVE;
		else if (element.len == 5 && is(element.at, "close", 5))
			h->connection |= HTTP_CONNECTION_CLOSE;
		else if (element.len == 7 && is(element.at, "upgrade", 7))
			h->connection |= HTTP_CONNECTION_UPGRADE;
		else if (element.len != 2 || !is(element.at, "te", 2))
			h->connection |= HTTP_CONNECTION_NAMES;
	}
}

#define READ_AT_ONCE                                                           \
	(1u << HTTP_CONNECTION | 1u << HTTP_HOST | 1u << HTTP_CONTENT_LENGTH | \
	 1u << HTTP_TRANSFER_ENCODING)

/* @return  false: it makes the head invalid; refused already. */
static bool
read_value(struct http_head *h, enum http_name id, struct http_text value)
{
	switch (id) {
	case HTTP_CONNECTION:
		/* By far the most usual. */
		if (value.len == 10 && is(value.at, "keep-alive", 10))
			h->connection |= HTTP_CONNECTION_KEEP_ALIVE;
		else
			read_connection(h, value);
		return true;
	case HTTP_HOST:
		if (h->hosts_n++ == 0)
			h->host_field = (uint16_t)(h->fields_n - 1);
		return true;
	case HTTP_CONTENT_LENGTH:
		return http_read_content_length(h, value);
	case HTTP_TRANSFER_ENCODING:
		return http_read_transfer_encoding(h, value);
	default:
		return true;
	}
}

/*
 * The end of a name: its colon.
 * @return  NULL: it makes the line bad; `end`: the line isn't all there.
 */
static inline const uint8_t *
skip_name(struct http_head *h, const uint8_t *begin, const uint8_t *end)
{
	const uint8_t *p = http_scan_name(h->bytes, begin, end);

	if (likely(p < end && *p == ':' && p > begin))
		return p;
	if (p == end)
		return end;
	p = skip_odd_name(h, p, end);
	return p == begin && h->is_response ? NULL : p;
}

/* What is odd about an unknown name. @return false: it is no token. */
static inline bool
read_name(struct http_head *h, struct http_field *f, const uint8_t *name, const uint8_t *readable)
{
	bool plain = http_is_plain(name, name + f->name_len, readable), token = true;

	if (!plain) {
		uint8_t classes = http_common_classes(name, name + f->name_len);

		token = (classes & HTTP_TOKEN) != 0 && f->name_len > 0;
		plain = token && (classes & HTTP_PLAIN) != 0;
		if (!plain)
			note_odd_name(h, f, token);
	}
	if (may_be_suspicious(name, f->name_len, plain))
		suspect(h, f, name, f->name_len);
	return token;
}

/* One line with a field; moves line_off behind it. */
static inline enum http_result
parse_field(struct http_head *h, const uint8_t *bytes, uint32_t len, const uint8_t *limit)
{
	const uint8_t *begin = bytes + h->line_off, *end = bytes + len, *p, *value, *value_end;
	struct http_field *f = &h->fields[h->fields_n];

	p = skip_name(h, begin, end);
	if (unlikely(p == NULL))
		return refuse_line(h, bytes, begin, len);
	if (unlikely(p == end))
		return wait_for_line(h, len);
	f->off = h->line_off;
	f->name_len = (uint16_t)(p - begin);
	f->flags = HTTP_FIELD_CANONICAL;
	if (likely(end - p >= 3 && p[1] == ' ' && p[2] > ' ')) {
		p += 2;
	} else {
		f->flags = 0;
		do
			p++;
		while (p < end && (*p == ' ' || *p == '\t'));
	}
	value = p;
	switch (skip_value(h, f, &p, end, &value_end)) {
	case LINE_MORE:
		return wait_for_line(h, len);
	case LINE_BAD:
		return refuse_line(h, bytes, p, len);
	default:
		break;
	}
	if (unlikely(value_end - begin > HTTP_FIELD_MAX || p > limit))
		return http_refuse_by(h, value_end - begin > HTTP_FIELD_MAX
						 ? HTTP_FAULT_FIELD_LONG
						 : HTTP_FAULT_FIELDS_LONG);
	while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
		value_end--;
		f->flags = (uint8_t)(f->flags & ~HTTP_FIELD_CANONICAL);
	}
	f->value_off = (uint16_t)(value - begin);
	f->value_len = (uint16_t)(value_end - value);
	h->line_off = (uint32_t)(p - bytes);
	h->fields_n++;
	f->id = (uint8_t)name_of(begin, f->name_len);
	if (f->id == HTTP_OTHER) {
		if (unlikely(!read_name(h, f, begin, end) && h->is_response))
			return http_refuse(h, HTTP_REASON_BAD_HEADER);
		return HTTP_COMPLETE;
	}
	h->present |= 1u << f->id;
	if ((1u << f->id & READ_AT_ONCE) == 0 ||
	    read_value(h, (enum http_name)f->id, (struct http_text){value, f->value_len}))
		return HTTP_COMPLETE;
	return HTTP_INVALID;
}

/* RFC 9110 section 7.6.1: fields that Connection names end here; those that weir knows decide
 * alone. */
static __attribute__((noinline)) bool
mark_named(struct http_head *h)
{
	uint32_t options = 0;

	for (uint32_t i = 0; i < h->fields_n; i++) {
		struct http_text list = http_field_value(h, &h->fields[i]), option;

		if (h->fields[i].id != HTTP_CONNECTION)
			continue;
		while (http_list_next(&list, &option)) {
			if (++options > HTTP_CONNECTION_OPTIONS_MAX)
				return false;
			for (uint32_t k = 0; k < h->fields_n; k++) {
				struct http_field *f = &h->fields[k];

				if (f->id == HTTP_OTHER && f->name_len == option.len &&
				    http_text_same(http_field_name(h, f), option))
					f->flags |= HTTP_FIELD_NAMED;
			}
		}
	}
	return true;
}

/* The empty line. */
static enum http_result
end_fields(struct http_head *h, const uint8_t *bytes, uint32_t len)
{
	const uint8_t *p = bytes + h->line_off;

	if (*p == '\r') {
		if (h->line_off + 1 == len) {
			h->scanned = len;
			return HTTP_INCOMPLETE;
		}
		if (p[1] != '\n')
			return refuse_line(h, bytes, p, len);
		h->len = h->line_off + 2;
	} else {
		http_found(h, HTTP_REASON_NON_CR_LF_LINE_TERMINATION);
		h->len = h->line_off + 1;
	}
	if ((h->connection & HTTP_CONNECTION_NAMES) != 0 && !mark_named(h))
		return http_refuse_by(h, HTTP_FAULT_FIELDS_MANY);
	h->phase = HTTP_PHASE_DONE;
	return HTTP_COMPLETE;
}

enum http_result
http_fields_parse(struct http_head *h, const uint8_t *bytes, uint32_t len)
{
	const uint8_t *limit = bytes + h->fields_off + http_fields_len_max(h);
	enum http_result result;

	if (!http_head_has_line(h, bytes, len))
		return wait_for_line(h, len);
	do {
		if (h->line_off == len)
			return HTTP_INCOMPLETE;
		if (bytes[h->line_off] == '\r' || bytes[h->line_off] == '\n')
			return end_fields(h, bytes, len);
		if (h->fields_n == h->fields_max)
			return http_refuse_by(h, HTTP_FAULT_FIELDS_MANY);
		result = parse_field(h, bytes, len, limit);
	} while (result == HTTP_COMPLETE);
	return result;
}
