/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_write.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "check.h"

static void
put(struct bytes_writer *w, const char *text)
{
	bytes_put(w, text, strlen(text));
}

static void
put_text(struct bytes_writer *w, struct http_text t)
{
	if (t.len > 0)
		bytes_put(w, t.at, t.len);
}

static void
put_number(struct bytes_writer *w, uint64_t n)
{
	char digits[20];
	int at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	bytes_put(w, digits + at, sizeof(digits) - (size_t)at);
}

static void
put_field(struct bytes_writer *w, const char *name, struct http_text value)
{
	put(w, name);
	put(w, ": ");
	put_text(w, value);
	put(w, "\r\n");
}

static struct http_text
text_of(const char *s)
{
	return (struct http_text){(const uint8_t *)s, (uint32_t)strlen(s)};
}

/* Requests. */

size_t
http_request_bound(const struct http_request *r, const struct http_policy *policy,
		   const struct http_request_edits *e)
{
	/* A byte of a target becomes three at most, and so does `:` between one-letter fields. */
	size_t n = 3 * ((size_t)r->len + e->target.len) + e->host.len + 512;

	n += strlen(policy->default_host) + strlen(e->client);
	return n + (e->trace_id == NULL ? 0 : strlen(e->trace_id));
}

/*
 * A target with what could be read in two ways percent-encoded (RFC 3986): controls, blanks, bytes
 * above ASCII, and `#`, where some would end it.
 */
static void
put_target(struct bytes_writer *w, struct http_text t)
{
	static const char hex[] = "0123456789ABCDEF";
	uint32_t plain = 0;

	for (uint32_t i = 0; i < t.len; i++) {
		uint8_t c = t.at[i];
		char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};

		if (c > ' ' && c < 127 && c != '#')
			continue;
		bytes_put(w, t.at + plain, i - plain);
		bytes_put(w, escaped, sizeof(escaped));
		plain = i + 1;
	}
	bytes_put(w, t.at + plain, t.len - plain);
}

static void
put_request_line(struct bytes_writer *w, const struct http_request *r,
		 const struct http_request_edits *e)
{
	put_text(w, r->method);
	put(w, " ");
	if (e->target.at != NULL) {
		put_target(w, e->target);
	} else if (!r->absolute) {
		put_target(w, r->target);
	} else {
		put_target(w, r->path);
		if (r->query.at != NULL) {
			put(w, "?");
			put_target(w, r->query);
		}
	}
	put(w, " HTTP/1.1\r\n");
}

/* U: lower case; on ports 80 and 443 no port, on others the listener's if none is given. */
static void
put_host(struct bytes_writer *w, const struct http_request *r, const struct http_policy *policy,
	 const struct http_request_edits *e)
{
	struct http_text host = e->host.at != NULL ? e->host : r->host;
	struct http_text fallback = text_of(policy->default_host);
	const uint8_t *colon;
	uint32_t name;
	uint8_t *to;

	put(w, "Host: ");
	if (host.len == 0)
		host = fallback;
	if (policy->preserve_host_header && e->host.at == NULL && r->host.len > 0) {
		put_text(w, host);
		put(w, "\r\n");
		return;
	}
	colon = memrchr(host.at, ':', host.len);
	if (colon != NULL && memchr(colon, ']', host.len - (size_t)(colon - host.at)) != NULL)
		colon = NULL; /* inside an IPv6 literal */
	name = colon == NULL ? host.len : (uint32_t)(colon - host.at);
	to = bytes_reserve(w, name);
	for (uint32_t i = 0; to != NULL && i < name; i++)
		to[i] = host.at[i] >= 'A' && host.at[i] <= 'Z' ? host.at[i] | 0x20 : host.at[i];
	if (policy->port != 80 && policy->port != 443) {
		if (host.len - name > 1) {
			bytes_put(w, colon, host.len - name);
		} else {
			put(w, ":");
			put_number(w, policy->port);
		}
	}
	put(w, "\r\n");
}

static void
put_client(struct bytes_writer *w, const struct http_policy *policy,
	   const struct http_request_edits *e)
{
	bool v6 = strchr(e->client, ':') != NULL;

	if (!policy->xff_client_port) {
		put(w, e->client);
		return;
	}
	put(w, v6 ? "[" : "");
	put(w, e->client);
	put(w, v6 ? "]:" : ":");
	put_number(w, e->client_port);
}

/* All X-Forwarded-For fields become one list, with the client behind it. */
static void
put_forwarded_for(struct bytes_writer *w, const struct http_request *r,
		  const struct http_policy *policy, const struct http_request_edits *e)
{
	put(w, "X-Forwarded-For: ");
	for (uint32_t i = 0; i < r->fields.n; i++) {
		const struct http_field *f = &r->fields.at[i];

		if (f->id != HTTP_X_FORWARDED_FOR || f->value.len == 0)
			continue;
		put_text(w, f->value);
		put(w, ", ");
	}
	put_client(w, policy, e);
	put(w, "\r\n");
}

/* Whether the target gets the Host field as it came. */
static bool
is_own_host(const struct http_request *r, const struct http_policy *policy,
	    const struct http_request_edits *e)
{
	return policy->preserve_host_header && r->hosts_n > 0 && !r->absolute && e->host.at == NULL;
}

static bool
is_kept(const struct http_request *r, const struct http_field *f, const struct http_policy *policy,
	const struct http_request_edits *e)
{
	switch ((enum http_name)f->id) {
	case HTTP_CONTENT_LENGTH:
	case HTTP_X_FORWARDED_PROTO:
	case HTTP_X_FORWARDED_PORT:
	case HTTP_EXPECT:
		return false; /* written anew */
	case HTTP_HOST:
		return is_own_host(r, policy, e);
	case HTTP_X_FORWARDED_FOR:
		return policy->xff_mode == HTTP_XFF_PRESERVE;
	case HTTP_X_AMZN_TRACE_ID:
		return e->trace_id == NULL;
	default:
		return !f->hop_by_hop && !(f->invalid_name && policy->drop_invalid_header_fields);
	}
}

void
http_request_write(struct bytes_writer *w, const struct http_request *r,
		   const struct http_policy *policy, const struct http_request_edits *e)
{
	const struct http_framing *f = &r->fields.framing;

	put_request_line(w, r, e);
	if (!is_own_host(r, policy, e))
		put_host(w, r, policy, e);
	for (uint32_t i = 0; i < r->fields.n; i++) {
		const struct http_field *field = &r->fields.at[i];

		if (!is_kept(r, field, policy, e))
			continue;
		put_text(w, field->name);
		put(w, ": ");
		put_text(w, field->value);
		put(w, "\r\n");
	}
	if (policy->xff_mode == HTTP_XFF_APPEND)
		put_forwarded_for(w, r, policy, e);
	put(w, policy->https ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n");
	put(w, "X-Forwarded-Port: ");
	put_number(w, policy->port);
	put(w, "\r\n");
	if (e->trace_id != NULL)
		put_field(w, "X-Amzn-Trace-Id", text_of(e->trace_id));
	if (e->upgrade) {
		put(w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	}
	if (f->chunked) {
		put(w, "Transfer-Encoding: chunked\r\n");
	} else if (f->has_length) {
		put(w, "Content-Length: ");
		put_number(w, f->length);
		put(w, "\r\n");
	}
	put(w, "\r\n");
}

uint32_t
http_forwarded_for_count(const struct http_request *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->fields.n; i++) {
		const struct http_field *f = &r->fields.at[i];

		if (f->id != HTTP_X_FORWARDED_FOR)
			continue;
		n += f->value.len > 0;
		for (uint32_t k = 0; k < f->value.len; k++)
			n += f->value.at[k] == ',';
	}
	return n;
}

/* Responses. */

static bool
is_inserted(const struct http_policy *policy, struct http_text name)
{
	for (uint32_t i = 0; i < policy->inserts_n; i++) {
		const char *insert = policy->inserts[i].name;

		if (name.len == strlen(insert) &&
		    strncasecmp((const char *)name.at, insert, name.len) == 0)
			return true;
	}
	return false;
}

static size_t
inserts_bound(const struct http_policy *policy)
{
	size_t n = 0;

	for (uint32_t i = 0; i < policy->inserts_n; i++)
		n += strlen(policy->inserts[i].name) + strlen(policy->inserts[i].value) + 4;
	return n;
}

static void
put_inserts(struct bytes_writer *w, const struct http_policy *policy)
{
	for (uint32_t i = 0; i < policy->inserts_n; i++)
		put_field(w, policy->inserts[i].name, text_of(policy->inserts[i].value));
}

size_t
http_response_bound(const struct http_response *r, const struct http_policy *policy,
		    const struct http_response_edits *e)
{
	size_t n = (size_t)r->len + 3 * r->fields.n + 256 + inserts_bound(policy);

	for (uint32_t i = 0; i < e->cookies_n; i++)
		n += e->cookies[i].len + 16;
	return n;
}

void
http_response_write(struct bytes_writer *w, const struct http_response *r,
		    const struct http_policy *policy, const struct http_response_edits *e)
{
	const struct http_framing *f = &r->fields.framing;

	if (e->client_version == 9)
		return; /* a body is all that HTTP/0.9 knows */
	put(w, "HTTP/1.1 ");
	put_number(w, r->status);
	put(w, " ");
	put_text(w, r->reason);
	put(w, "\r\n");
	for (uint32_t i = 0; i < r->fields.n; i++) {
		const struct http_field *field = &r->fields.at[i];

		if (field->hop_by_hop || field->id == HTTP_CONTENT_LENGTH ||
		    is_inserted(policy, field->name))
			continue;
		put_text(w, field->name);
		put(w, ": ");
		put_text(w, field->value);
		put(w, "\r\n");
	}
	put_inserts(w, policy);
	for (uint32_t i = 0; i < e->cookies_n; i++)
		put_field(w, "Set-Cookie", e->cookies[i]);
	if (e->chunked) {
		put(w, "Transfer-Encoding: chunked\r\n");
	} else if (f->has_length && !e->drop_length && r->status != 204 && r->status >= 200) {
		put(w, "Content-Length: ");
		put_number(w, f->length);
		put(w, "\r\n");
	}
	if (e->upgrade) {
		put(w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	} else if (e->close) {
		put(w, "Connection: close\r\n");
	} else if (e->client_version < 11) {
		put(w, "Connection: keep-alive\r\n");
	}
	put(w, "\r\n");
}

/* Answers of weir's own. */

const char *
http_reason_phrase(uint16_t status)
{
	static const struct {
		uint16_t status;
		const char *phrase;
	} phrases[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Time-out"},
		{413, "Request Entity Too Large"},
		{414, "Request-URI Too Long"},
		{460, "Client Closed Connection"},
		{463, "X-Forwarded-For Too Long"},
		{464, "Incompatible Protocol Versions"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Temporarily Unavailable"},
		{504, "Gateway Time-out"},
		{505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
		{561, "Unauthorized"},
	};

	for (size_t i = 0; i < ARRAY_N(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return status < 300 ? "OK" : status < 500 ? "Client Error" : "Server Error";
}

void
http_answer_write(struct bytes_writer *w, const struct http_answer *a,
		  const struct http_policy *policy)
{
	const char *phrase = http_reason_phrase(a->status);
	bool bodyless = a->status < 200 || a->status == 204 || a->status == 304;
	struct http_text body = a->body;
	time_t wall = (time_t)a->wall_s;
	char page[256], date[40];
	struct tm tm;

	if (a->content_type == NULL && body.at == NULL) {
		snprintf(page, sizeof(page),
			 "<html>\r\n<head><title>%u %s</title></head>\r\n<body>\r\n"
			 "<center><h1>%u %s</h1></center>\r\n</body>\r\n</html>\r\n",
			 a->status, phrase, a->status, phrase);
		body = text_of(page);
	}
	if (a->client_version == 9) {
		put_text(w, body);
		return;
	}
	gmtime_r(&wall, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	put(w, "HTTP/1.1 ");
	put_number(w, a->status);
	put(w, " ");
	put(w, phrase);
	put(w, "\r\n");
	if (policy->response_server)
		put(w, "Server: awselb/2.0\r\n");
	put_field(w, "Date", text_of(date));
	if (!bodyless) {
		put_field(w, "Content-Type",
			  text_of(a->content_type != NULL ? a->content_type : "text/html"));
		put(w, "Content-Length: ");
		put_number(w, body.len);
		put(w, "\r\n");
	}
	if (a->location.at != NULL)
		put_field(w, "Location", a->location);
	put_inserts(w, policy);
	put(w, a->close ? "Connection: close\r\n" : "Connection: keep-alive\r\n");
	put(w, "\r\n");
	if (!a->head_only && !bodyless)
		put_text(w, body);
}
