/* SPDX-License-Identifier: BSD-3-Clause */
#include "http2_head.h"

#include <stddef.h>
#include <string.h>

#include "check.h"
#include "http_write.h"

/* http2_head.pseudo */
#define PSEUDO_METHOD    1
#define PSEUDO_SCHEME    2
#define PSEUDO_AUTHORITY 4
#define PSEUDO_PATH      8
#define PSEUDO_STATUS    16
#define PSEUDO_PROTOCOL  32

#define STATUS_LINE_MAX   96
#define LENGTH_DIGITS_MAX 18 /* below 2^60: fits any arithmetic */

static const struct {
	const char *name;
	uint8_t bit, section;
} pseudo_fields[] = {
	{":method", PSEUDO_METHOD, HTTP2_SECTION_REQUEST},
	{":scheme", PSEUDO_SCHEME, HTTP2_SECTION_REQUEST},
	{":authority", PSEUDO_AUTHORITY, HTTP2_SECTION_REQUEST},
	{":path", PSEUDO_PATH, HTTP2_SECTION_REQUEST},
	{":protocol", PSEUDO_PROTOCOL, HTTP2_SECTION_REQUEST},
	{":status", PSEUDO_STATUS, HTTP2_SECTION_RESPONSE},
};

void
http2_head_begin(struct http2_head *h, enum http2_section section, enum http_method method_id)
{
	memset(h, 0, offsetof(struct http2_head, method));
	h->section = (uint8_t)section;
	h->method_id = (uint8_t)method_id;
	h->method_len = h->path_len = h->authority_len = h->host_len = 0;
	h->has_host = false;
}

static bool
text_equals(struct http_text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.at, s, t.len) == 0;
}

/* As much as there is room for. */
static uint32_t
keep(uint8_t *to, uint32_t room, struct http_text t)
{
	uint32_t n = t.len < room ? t.len : room;

	if (n > 0)
		memcpy(to, t.at, n);
	return n;
}

/* Pseudo fields. */

static enum http_method
method_id(struct http_text method)
{
	static const struct {
		const char *name;
		enum http_method id;
	} methods[] = {
		{"GET", HTTP_METHOD_GET},         {"HEAD", HTTP_METHOD_HEAD},
		{"POST", HTTP_METHOD_POST},       {"PUT", HTTP_METHOD_PUT},
		{"DELETE", HTTP_METHOD_DELETE},   {"CONNECT", HTTP_METHOD_CONNECT},
		{"OPTIONS", HTTP_METHOD_OPTIONS}, {"TRACE", HTTP_METHOD_TRACE},
		{"PATCH", HTTP_METHOD_PATCH},
	};

	for (uint32_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (text_equals(method, methods[i].name))
			return methods[i].id;
	}
	return HTTP_METHOD_OTHER;
}

static bool
read_method(struct http2_head *h, struct http_text value)
{
	if (value.len > HTTP2_METHOD_MAX || !http_token_is_valid(value))
		return false;
	h->method_len = keep(h->method, sizeof(h->method), value);
	h->method_id = (uint8_t)method_id(value);
	return true;
}

/* What may stand in a request line, and has no fragment. */
static bool
read_path(struct http2_head *h, struct http_text value)
{
	if (value.len == 0)
		return false;
	for (uint32_t i = 0; i < value.len; i++) {
		uint8_t c = value.at[i];

		if (c <= ' ' || c == 0x7f || c == '#')
			return false;
	}
	h->path_len = keep(h->path, sizeof(h->path), value);
	return true;
}

static bool
read_authority(struct http2_head *h, struct http_text value)
{
	if (value.len == 0 || !http_host_is_valid(value))
		return false;
	h->authority_len = keep(h->authority, sizeof(h->authority), value);
	return true;
}

static bool
read_status(struct http2_head *h, struct http_text value)
{
	uint32_t status = 0;

	if (value.len != 3)
		return false;
	for (uint32_t i = 0; i < 3; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
		status = status * 10 + (uint32_t)(value.at[i] - '0');
	}
	h->status = (uint16_t)status;
	/* RFC 9113 section 8.6: there is no 101. */
	return status >= 100 && status < 600 && status != 101;
}

static bool
read_pseudo_value(struct http2_head *h, uint8_t bit, struct http_text value)
{
	switch (bit) {
	case PSEUDO_METHOD:
		return read_method(h, value);
	case PSEUDO_SCHEME:
		return text_equals(value, "https") || text_equals(value, "http");
	case PSEUDO_AUTHORITY:
		return read_authority(h, value);
	case PSEUDO_PATH:
		return read_path(h, value);
	case PSEUDO_PROTOCOL:
		return h->may_extend && text_equals(value, "websocket");
	default:
		return read_status(h, value);
	}
}

/* RFC 9113 section 8.3. */
static bool
read_pseudo(struct http2_head *h, struct http_text name, struct http_text value)
{
	if (h->regular)
		return false;
	for (uint32_t i = 0; i < sizeof(pseudo_fields) / sizeof(pseudo_fields[0]); i++) {
		uint8_t bit = pseudo_fields[i].bit;

		if (pseudo_fields[i].section != h->section ||
		    !text_equals(name, pseudo_fields[i].name))
			continue;
		if ((h->pseudo & bit) != 0)
			return false;
		h->pseudo |= bit;
		return read_pseudo_value(h, bit, value);
	}
	return false;
}

/* Fields. */

static void
put(struct http2_head *h, const void *bytes, uint32_t len)
{
	CHECK(h->fields_len + len <= HTTP2_HEAD_FIELDS);
	if (len > 0)
		memcpy(h->bytes + HTTP2_HEAD_FRONT + h->fields_len, bytes, len);
	h->fields_len += len;
}

/*
 * A line of the head; one that is too long for all limits is cut, so that it still is too long.
 * There is room for one such line beyond HTTP_REQUEST_FIELDS_LEN_MAX.
 */
static void
put_line(struct http2_head *h, struct http_text name, struct http_text value)
{
	if (name.len > HTTP_FIELD_MAX)
		name.len = HTTP_FIELD_MAX;
	if (value.len > HTTP_FIELD_MAX)
		value.len = HTTP_FIELD_MAX;
	put(h, name.at, name.len);
	put(h, ": ", 2);
	put(h, value.at, value.len);
	put(h, "\r\n", 2);
	if (h->fields_len > HTTP_REQUEST_FIELDS_LEN_MAX)
		h->full = true;
}

static bool
name_is_valid(struct http_text name)
{
	if (!http_token_is_valid(name))
		return false;
	for (uint32_t i = 0; i < name.len; i++) {
		if (name.at[i] >= 'A' && name.at[i] <= 'Z')
			return false;
	}
	return true;
}

static bool
read_content_length(struct http2_head *h, struct http_text value)
{
	uint64_t n = 0;

	if (h->has_length || value.len == 0 || value.len > LENGTH_DIGITS_MAX)
		return false;
	for (uint32_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(value.at[i] - '0');
	}
	h->has_length = true;
	h->content_length = n;
	return true;
}

static bool
read_host(struct http2_head *h, struct http_text value)
{
	if (h->has_host || h->section != HTTP2_SECTION_REQUEST || !http_host_is_valid(value))
		return false;
	h->has_host = true;
	h->host_len = keep(h->host, sizeof(h->host), value);
	return true;
}

/* Crumbs become one field again (RFC 9113 section 8.2.3). */
static void
keep_cookie(struct http2_head *h, struct http_text value)
{
	uint32_t room = (uint32_t)sizeof(h->cookie);

	if (h->cookie_len > 0)
		h->cookie_len += keep(h->cookie + h->cookie_len, room - h->cookie_len,
				      (struct http_text){(const uint8_t *)"; ", 2});
	h->cookie_len += keep(h->cookie + h->cookie_len, room - h->cookie_len, value);
	h->full = h->cookie_len == room;
}

/* RFC 9113 section 8.2.2 */
static bool
belongs_to_connection(struct http_text name)
{
	return text_equals(name, "connection") || text_equals(name, "keep-alive") ||
	       text_equals(name, "proxy-connection") || text_equals(name, "transfer-encoding") ||
	       text_equals(name, "upgrade");
}

static bool
read_field(struct http2_head *h, struct http_text name, struct http_text value)
{
	bool trailer = h->section == HTTP2_SECTION_TRAILERS;

	h->regular = true;
	if (!name_is_valid(name) || !http_value_is_valid(value))
		return false;
	switch (http_name_of(name)) {
	case HTTP_CONNECTION:
	case HTTP_KEEP_ALIVE:
	case HTTP_PROXY:
	case HTTP_TRANSFER_ENCODING:
	case HTTP_UPGRADE:
		if (belongs_to_connection(name))
			return false;
		break;
	case HTTP_TE:
		if (trailer || h->section == HTTP2_SECTION_RESPONSE ||
		    !http_text_is(value, "trailers"))
			return false;
		break;
	case HTTP_CONTENT_LENGTH:
		return !trailer && read_content_length(h, value);
	case HTTP_HOST:
		return read_host(h, value);
	case HTTP_OTHER:
		/* Said by weir. */
		if ((h->pseudo & PSEUDO_PROTOCOL) != 0 && text_equals(name, "sec-websocket-key"))
			return true;
		break;
	case HTTP_COOKIE:
		if (h->section != HTTP2_SECTION_REQUEST)
			break;
		keep_cookie(h, value);
		return true;
	default:
		break;
	}
	put_line(h, name, value);
	return true;
}

void
http2_head_field(struct http2_head *h, struct http_text name, struct http_text value)
{
	bool good;

	if (h->malformed || h->full)
		return;
	if (name.len > 0 && name.at[0] == ':')
		good = read_pseudo(h, name, value);
	else
		good = read_field(h, name, value);
	h->malformed = !good;
}

/* Finishing. */

#define TEXT(s) ((struct http_text){(const uint8_t *)(s), sizeof(s) - 1})

static void
put_length(struct http2_head *h)
{
	uint8_t digits[24], *end = digits + sizeof(digits), *at = end;
	uint64_t n = h->content_length;

	do
		*--at = (uint8_t)('0' + n % 10);
	while ((n /= 10) > 0);
	put_line(h, TEXT("content-length"), (struct http_text){at, (uint32_t)(end - at)});
}

static void
put_framing(struct http2_head *h, const struct http2_framing *framing)
{
	if (framing->chunked)
		put_line(h, TEXT("transfer-encoding"), TEXT("chunked"));
	else if (h->has_length)
		put_length(h);
}

/* In front of the fields, from the last line to the first. @return where it begins now. */
static uint8_t *
put_front(uint8_t *at, const void *bytes, uint32_t len)
{
	at -= len;
	if (len > 0)
		memcpy(at, bytes, len);
	return at;
}

/* Extended CONNECT (RFC 8441), which HTTP/1.1 says as an upgrade. */
static bool
asks_for_tunnel(const struct http2_head *h)
{
	return (h->pseudo & PSEUDO_PROTOCOL) != 0;
}

static struct http_text
front_of_request(struct http2_head *h)
{
	uint8_t *end = h->bytes + HTTP2_HEAD_FRONT, *at = end;
	bool tunnel = asks_for_tunnel(h);
	bool connect = h->method_id == HTTP_METHOD_CONNECT && !tunnel;
	bool own = (h->pseudo & PSEUDO_AUTHORITY) != 0;

	if (own || h->has_host) {
		at = put_front(at, "\r\n", 2);
		at = own ? put_front(at, h->authority, h->authority_len)
			 : put_front(at, h->host, h->host_len);
		at = put_front(at, "host: ", 6);
	}
	at = put_front(at, " HTTP/1.1\r\n", 11);
	at = connect ? put_front(at, h->authority, h->authority_len)
		     : put_front(at, h->path, h->path_len);
	at = put_front(at, " ", 1);
	at = tunnel ? put_front(at, "GET", 3) : put_front(at, h->method, h->method_len);
	return (struct http_text){at, (uint32_t)(end - at)};
}

static struct http_text
front_of_response(struct http2_head *h)
{
	const char *phrase = http_reason_phrase(h->status);
	uint8_t *end = h->bytes + HTTP2_HEAD_FRONT, *at, line[STATUS_LINE_MAX];
	struct bytes_writer w = bytes_writer(line, sizeof(line));
	uint16_t n = h->status;
	const uint8_t digits[3] = {(uint8_t)('0' + n / 100), (uint8_t)('0' + n / 10 % 10),
				   (uint8_t)('0' + n % 10)};

	bytes_put(&w, "HTTP/1.1 ", 9);
	bytes_put(&w, digits, 3);
	bytes_put(&w, " ", 1);
	bytes_put(&w, phrase, strlen(phrase));
	bytes_put(&w, "\r\n", 2);
	CHECK(!w.failed);
	at = put_front(end, line, (uint32_t)(w.at - line));
	return (struct http_text){at, (uint32_t)(end - at)};
}

/* RFC 9113 section 8.3.1; of CONNECT 8.5. */
static bool
request_is_whole(const struct http2_head *h)
{
	const uint8_t all = PSEUDO_METHOD | PSEUDO_SCHEME | PSEUDO_PATH;

	if (asks_for_tunnel(h))
		return h->method_id == HTTP_METHOD_CONNECT && h->path[0] == '/' &&
		       h->pseudo == (all | PSEUDO_AUTHORITY | PSEUDO_PROTOCOL);
	if (h->method_id == HTTP_METHOD_CONNECT && (h->pseudo & PSEUDO_METHOD) != 0)
		return h->pseudo == (PSEUDO_METHOD | PSEUDO_AUTHORITY);
	if ((h->pseudo & all) != all)
		return false;
	return h->path[0] == '/' ||
	       (h->method_id == HTTP_METHOD_OPTIONS && h->path_len == 1 && h->path[0] == '*');
}

/*
 * The fields of a WebSocket handshake over HTTP/1.1.  The key proves nothing between load balancer
 * and target; any 16 bytes are one.
 */
static void
put_upgrade(struct http2_head *h)
{
	put_line(h, TEXT("connection"), TEXT("upgrade"));
	put_line(h, TEXT("upgrade"), TEXT("websocket"));
	put_line(h, TEXT("sec-websocket-key"), TEXT("d2VpciwgYSBsb3cgZGFtIQ=="));
}

/* Host says what :authority does, if both come. */
static bool
hosts_agree(const struct http2_head *h)
{
	return !h->has_host || (h->pseudo & PSEUDO_AUTHORITY) == 0 ||
	       http_text_same((struct http_text){h->authority, h->authority_len},
			      (struct http_text){h->host, h->host_len});
}

static bool
finish_request(struct http2_head *h, bool ended, struct http2_framing *framing)
{
	bool connect = h->method_id == HTTP_METHOD_CONNECT;

	if (!request_is_whole(h) || !hosts_agree(h) ||
	    (ended && h->has_length && h->content_length > 0) || (connect && h->has_length))
		return false;
	if (asks_for_tunnel(h)) {
		if (ended)
			return false;
		framing->tunnel = true;
		put_upgrade(h);
	}
	/* Who expects a body is told that there is none (RFC 9110 section 8.6). */
	if (ended && !h->has_length &&
	    (h->method_id == HTTP_METHOD_POST || h->method_id == HTTP_METHOD_PUT ||
	     h->method_id == HTTP_METHOD_PATCH))
		h->has_length = true;
	framing->none = ended || (connect && !framing->tunnel);
	framing->has_length = h->has_length;
	framing->length = h->content_length;
	framing->chunked = !framing->none && !h->has_length && !framing->tunnel;
	if (h->cookie_len > 0)
		put_line(h, TEXT("cookie"), (struct http_text){h->cookie, h->cookie_len});
	return true;
}

static bool
finish_response(struct http2_head *h, bool ended, struct http2_framing *framing)
{
	bool bodiless = h->method_id == HTTP_METHOD_HEAD || h->status == 304;

	if ((h->pseudo & PSEUDO_STATUS) == 0)
		return false;
	framing->interim = h->status < 200;
	framing->none = bodiless || framing->interim || h->status == 204;
	if (framing->interim && ended)
		return false;
	if (ended && h->has_length && h->content_length > 0 && !framing->none)
		return false;
	/* RFC 9110 section 8.6: neither has one. */
	if (framing->interim || h->status == 204)
		h->has_length = false;
	/* Complete as it is, such as gRPC's that has trailers only. */
	if (ended && !framing->none && !h->has_length) {
		h->has_length = true;
		h->content_length = 0;
	}
	framing->has_length = h->has_length;
	framing->length = h->content_length;
	framing->chunked = !framing->none && !h->has_length;
	return true;
}

bool
http2_head_finish(struct http2_head *h, bool ended, struct http_text *text,
		  struct http2_framing *framing)
{
	struct http_text front = {h->bytes + HTTP2_HEAD_FRONT, 0};
	bool good = true;

	*framing = (struct http2_framing){0};
	if (h->malformed)
		return false;
	if (h->section == HTTP2_SECTION_REQUEST)
		good = finish_request(h, ended, framing);
	else if (h->section == HTTP2_SECTION_RESPONSE)
		good = finish_response(h, ended, framing);
	if (!good)
		return false;
	put_framing(h, framing);
	put(h, "\r\n", 2);
	if (h->section == HTTP2_SECTION_REQUEST)
		front = front_of_request(h);
	else if (h->section == HTTP2_SECTION_RESPONSE)
		front = front_of_response(h);
	*text = (struct http_text){front.at, front.len + h->fields_len};
	return true;
}
