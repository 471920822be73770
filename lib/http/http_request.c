/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "check.h"
#include "http_field.h"
#include "http_scan.h"
#include "http_target.h"

void
http_request_init(struct http_request *r, struct http_field *fields, uint16_t fields_max)
{
	*r = (struct http_request){.head = {.fields = fields, .fields_max = fields_max}};
}

/* Methods are case-sensitive. */
static enum http_method
method_of(const uint8_t *p, uint32_t len)
{
	switch (len) {
	case 3:
		return memcmp(p, "GET", 3) == 0   ? HTTP_METHOD_GET
		       : memcmp(p, "PUT", 3) == 0 ? HTTP_METHOD_PUT
						  : HTTP_METHOD_OTHER;
	case 4:
		return memcmp(p, "POST", 4) == 0   ? HTTP_METHOD_POST
		       : memcmp(p, "HEAD", 4) == 0 ? HTTP_METHOD_HEAD
						   : HTTP_METHOD_OTHER;
	case 5:
		return memcmp(p, "PATCH", 5) == 0   ? HTTP_METHOD_PATCH
		       : memcmp(p, "TRACE", 5) == 0 ? HTTP_METHOD_TRACE
						    : HTTP_METHOD_OTHER;
	case 6:
		return memcmp(p, "DELETE", 6) == 0 ? HTTP_METHOD_DELETE : HTTP_METHOD_OTHER;
	case 7:
		return memcmp(p, "OPTIONS", 7) == 0   ? HTTP_METHOD_OPTIONS
		       : memcmp(p, "CONNECT", 7) == 0 ? HTTP_METHOD_CONNECT
						      : HTTP_METHOD_OTHER;
	default:
		return HTTP_METHOD_OTHER;
	}
}

/* Behind the first line. */
static enum http_result
begin_fields(struct http_request *r, const uint8_t *bytes, const uint8_t *next)
{
	r->head.line_off = r->head.fields_off = (uint32_t)(next - bytes);
	r->head.phase = HTTP_PHASE_FIELDS;
	if (r->path.len == 0 && !http_target_split(r))
		return http_refuse(&r->head, HTTP_REASON_BAD_URI);
	return HTTP_COMPLETE;
}

/*
 * The usual line: METHOD SP plain target SP HTTP/1.1 CR LF.
 * @return  what follows it, NULL: another one, or not all there.
 */
static const uint8_t *
usual_line(struct http_request *r, const uint8_t *bytes, const uint8_t *begin, const uint8_t *end)
{
	const uint8_t *p = begin, *target, *path_end;

	if (end - p > 4 && memcmp(p, "GET ", 4) == 0) {
		p += 3;
		r->method_id = HTTP_METHOD_GET;
	} else {
		while (p < end && (http_classes[*p] & HTTP_TOKEN) != 0)
			p++;
		if (p == begin || p == end || *p != ' ')
			return NULL;
		r->method_id = (uint8_t)method_of(begin, (uint32_t)(p - begin));
	}
	r->method = (struct http_range){(uint32_t)(begin - bytes), (uint32_t)(p - begin)};
	target = ++p;
	p = path_end = http_scan_target(bytes, p, end);
	if (p < end && *p == '?') {
		do
			p = http_scan_target(bytes, p + 1, end);
		while (p < end && *p == '?');
	}
	if (p == target || end - p < 11 || *p != ' ' || p - begin > HTTP_LINE_MAX - 9)
		return NULL;
	if (memcmp(p + 1, "HTTP/1.", 7) != 0 || (p[8] != '1' && p[8] != '0') || p[9] != '\r' ||
	    p[10] != '\n')
		return NULL;
	r->target = (struct http_range){(uint32_t)(target - bytes), (uint32_t)(p - target)};
	r->head.version = (uint8_t)(10 + p[8] - '0');
	if (*target == '/') {
		r->path = (struct http_range){r->target.off, (uint32_t)(path_end - target)};
		if (path_end < p)
			r->query = (struct http_range){(uint32_t)(path_end + 1 - bytes),
						       (uint32_t)(p - path_end - 1)};
	}
	return p + 11;
}

/* @return  false: the line is refused. `text` begins behind the last blank. */
static bool
read_version(struct http_request *r, struct http_text text)
{
	const uint8_t *p = text.at;
	struct http_head *h = &r->head;

	if (text.len != 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' ||
	    p[6] != '.' || p[7] < '0' || p[7] > '9') {
		http_refuse(h, HTTP_REASON_BAD_VERSION);
		return false;
	}
	if (p[5] == '0' && p[7] == '9') {
		h->version = 9;
		http_found(h, HTTP_REASON_NON_COMPLIANT_VERSION);
		return true;
	}
	if (p[5] != '1') {
		http_found(h, HTTP_REASON_BAD_VERSION);
		http_refuse_by(h, HTTP_FAULT_VERSION);
		return false;
	}
	/* RFC 9110 section 2.5: a higher minor version is answered as the highest we know. */
	h->version = p[7] == '0' ? 10 : 11;
	if (p[7] > '1')
		http_found(h, HTTP_REASON_NON_COMPLIANT_VERSION);
	return true;
}

/* @return  false: the line is refused. */
static bool
read_target(struct http_request *r, const uint8_t *bytes, const uint8_t *begin, const uint8_t *end)
{
	struct http_head *h = &r->head;

	r->target = (struct http_range){(uint32_t)(begin - bytes), (uint32_t)(end - begin)};
	for (const uint8_t *p = begin; p < end; p++) {
		if (*p == 0 || *p == '\r') {
			http_refuse(h, HTTP_REASON_BAD_URI);
			return false;
		}
		if (*p > ' ' && *p < 0x7f && *p != '#')
			continue;
		r->encode_target = true;
		if (*p == ' ')
			http_found(h, HTTP_REASON_SPACE_IN_URI);
		else if (*p < 0x80)
			http_found(h, HTTP_REASON_AMBIGUOUS_URI);
	}
	return true;
}

/*
 * Any other line, all of it: [p, end) without its line end.
 * @return  false: the line is refused.
 */
static bool
odd_line(struct http_request *r, const uint8_t *bytes, const uint8_t *p, const uint8_t *end)
{
	struct http_head *h = &r->head;
	const uint8_t *blank = p, *last;

	while (blank < end && (http_classes[*blank] & HTTP_TOKEN) != 0)
		blank++;
	r->method = (struct http_range){(uint32_t)(p - bytes), (uint32_t)(blank - p)};
	r->method_id = (uint8_t)method_of(p, r->method.len);
	if (blank == p || (blank < end && *blank != ' ')) {
		http_refuse(h, HTTP_REASON_BAD_METHOD);
		return false;
	}
	if (end[-1] == ' ') {
		http_found(h, HTTP_REASON_NON_COMPLIANT_VERSION);
		while (end > blank && end[-1] == ' ')
			end--;
	}
	p = blank;
	while (p < end && *p == ' ')
		p++;
	if (p > blank + 1)
		http_found(h, HTTP_REASON_SPACE_IN_URI);
	if (p == end) {
		http_refuse(h, HTTP_REASON_BAD_URI);
		return false;
	}
	last = memrchr(p, ' ', (size_t)(end - p));
	if (last == NULL) {
		/* HTTP/0.9: a method and a target, nothing else (RFC 1945 section 4.1). */
		if (r->method_id != HTTP_METHOD_GET || *p != '/') {
			http_refuse(h, HTTP_REASON_BAD_VERSION);
			return false;
		}
		h->version = 9;
		http_found(h, HTTP_REASON_NON_COMPLIANT_VERSION);
		r->simple = true;
		return read_target(r, bytes, p, end);
	}
	if (!read_version(r, (struct http_text){last + 1, (uint32_t)(end - last - 1)}))
		return false;
	end = last;
	if (end[-1] == ' ') {
		http_found(h, HTTP_REASON_NON_COMPLIANT_VERSION);
		while (end[-1] == ' ')
			end--;
	}
	return read_target(r, bytes, p, end);
}

/* RFC 9112 section 2.2: empty lines in front of a request are skipped, though not for ever. */
static bool
skip_empty_lines(struct http_head *h, const uint8_t *bytes, uint32_t len)
{
	uint32_t at = h->line_off;

	while (at < len) {
		if (bytes[at] == '\n') {
			at++;
		} else if (bytes[at] == '\r') {
			if (at + 1 == len)
				break;
			if (bytes[at + 1] != '\n')
				return false;
			at += 2;
		} else {
			break;
		}
		if (at > HTTP_EMPTY_LINES_MAX)
			return false;
	}
	h->line_off = at;
	if (h->scanned < at)
		h->scanned = at;
	return true;
}

/* The line isn't all there. */
static enum http_result
wait_for_line(struct http_head *h, uint32_t len)
{
	h->scanned = len;
	if (len - h->line_off > HTTP_LINE_MAX + 2)
		return http_refuse_by(h, HTTP_FAULT_LINE_LONG);
	return HTTP_INCOMPLETE;
}

static enum http_result
parse_line(struct http_request *r, const uint8_t *bytes, uint32_t len)
{
	struct http_head *h = &r->head;
	const uint8_t *begin, *next, *lf, *end;

	if (!skip_empty_lines(h, bytes, len))
		return http_refuse(h, HTTP_REASON_BAD_METHOD);
	if (h->line_off == len || bytes[h->line_off] == '\r')
		return HTTP_INCOMPLETE;
	begin = bytes + h->line_off;
	/* What can't be a method is not waited for: TLS and the like. */
	if ((http_classes[*begin] & HTTP_TOKEN) == 0)
		return http_refuse(h, HTTP_REASON_BAD_METHOD);
	if (!http_head_has_line(h, bytes, len))
		return wait_for_line(h, len);
	next = usual_line(r, bytes, begin, bytes + len);
	if (likely(next != NULL))
		return begin_fields(r, bytes, next);
	lf = memchr(begin, '\n', len - h->line_off);
	if (lf == NULL)
		return wait_for_line(h, len);
	end = lf[-1] == '\r' ? lf - 1 : lf;
	if (end == lf)
		http_found(h, HTTP_REASON_NON_CR_LF_LINE_TERMINATION);
	if (end - begin > HTTP_LINE_MAX)
		return http_refuse_by(h, HTTP_FAULT_LINE_LONG);
	r->method = r->target = (struct http_range){0};
	if (!odd_line(r, bytes, begin, end))
		return HTTP_INVALID;
	return begin_fields(r, bytes, lf + 1);
}

/* Host: one, and well-formed (RFC 9112 section 3.2); the target's authority wins over it. */
static bool
read_host(struct http_request *r)
{
	struct http_head *h = &r->head;
	const struct http_field *f = &h->fields[h->host_field];

	if (h->hosts_n == 0)
		return h->version < 11;
	if (h->hosts_n > 1 || !http_host_is_valid(http_field_value(h, f)))
		return false;
	if (!r->absolute)
		r->host = (struct http_range){f->off + f->value_off, f->value_len};
	return true;
}

static void
read_expect(struct http_request *r)
{
	const struct http_head *h = &r->head;
	const struct http_field *f = http_find(h, HTTP_EXPECT);
	bool has_body = h->has_coding || (h->has_length && h->content_length > 0);

	r->expects_continue = f != NULL && h->version > 10 && has_body &&
			      http_text_is(http_field_value(h, f), "100-continue");
}

/* What the framing fields mean together, for a request. @return false: nothing safe. */
static bool
judge_framing(struct http_request *r)
{
	struct http_head *h = &r->head;
	bool undefined = r->method_id == HTTP_METHOD_GET || r->method_id == HTTP_METHOD_HEAD ||
			 h->version < 10;

	if (h->has_coding) {
		if (!h->chunked) {
			http_refuse(h, HTTP_REASON_BAD_TRANSFER_ENCODING);
			return false;
		}
		if (undefined || h->version < 11)
			http_found(h, HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS);
		if (h->other_coding)
			http_found(h, HTTP_REASON_BAD_TRANSFER_ENCODING);
		if (h->has_length)
			http_found(h, HTTP_REASON_BOTH_TE_CL_PRESENT);
	} else if (h->has_length && undefined) {
		http_found(h, h->content_length == 0 && h->version > 9
				      ? HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH
				      : HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS);
	}
	if (((h->suspicious & HTTP_SUSPICIOUS_CODING) != 0 && h->has_length) ||
	    ((h->suspicious & HTTP_SUSPICIOUS_LENGTH) != 0 && h->has_coding) ||
	    h->suspicious == (HTTP_SUSPICIOUS_CODING | HTTP_SUSPICIOUS_LENGTH))
		http_found(h, HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT);
	return true;
}

static __attribute__((noinline)) enum http_result
parse(struct http_request *r, const uint8_t *bytes, uint32_t len)
{
	struct http_head *h = &r->head;
	enum http_result result;

	if (h->phase == HTTP_PHASE_BEFORE) {
		result = parse_line(r, bytes, len);
		if (result != HTTP_COMPLETE)
			return result;
		if (r->simple) {
			h->len = h->line_off;
			h->phase = HTTP_PHASE_DONE;
			return HTTP_COMPLETE;
		}
	}
	result = http_fields_parse(h, bytes, len);
	if (result != HTTP_COMPLETE)
		return result;
	if (h->has_length || h->has_coding || h->suspicious != 0) {
		if (!judge_framing(r))
			return HTTP_INVALID;
	}
	if (!read_host(r)) {
		http_found(h, HTTP_REASON_BAD_HEADER);
		return http_refuse_by(h, HTTP_FAULT_HOST);
	}
	if (http_has(h, HTTP_EXPECT))
		read_expect(r);
	return HTTP_COMPLETE;
}

enum http_result
http_request_parse(struct http_request *r, const uint8_t *bytes, uint32_t len)
{
	r->head.bytes = bytes;
	return http_head_goes_on(&r->head, bytes, len) ? HTTP_INCOMPLETE : parse(r, bytes, len);
}

bool
http_upgrade_next(struct http_text *protocols, struct http_text *protocol)
{
	while (http_list_next(protocols, protocol)) {
		if (http_text_is(*protocol, "websocket"))
			return true;
	}
	return false;
}

bool
http_request_upgrades(const struct http_request *r)
{
	const struct http_head *h = &r->head;
	const struct http_field *f = http_find(h, HTTP_UPGRADE);
	struct http_text list, protocol;

	if (f == NULL || h->version < 11 || (h->connection & HTTP_CONNECTION_UPGRADE) == 0 ||
	    h->has_coding || (h->has_length && h->content_length > 0))
		return false;
	list = http_field_value(h, f);
	return http_upgrade_next(&list, &protocol);
}

bool
http_request_is_idempotent(const struct http_request *r)
{
	switch ((enum http_method)r->method_id) {
	case HTTP_METHOD_GET:
	case HTTP_METHOD_HEAD:
	case HTTP_METHOD_PUT:
	case HTTP_METHOD_DELETE:
	case HTTP_METHOD_OPTIONS:
		return true;
	default:
		return false;
	}
}
