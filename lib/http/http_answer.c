/* SPDX-License-Identifier: BSD-3-Clause */
/* Responses of weir's own. */
#include <string.h>

#include "check.h"
#include "http_put.h"
#include "http_write.h"

#define CONTINUE    "HTTP/1.1 100 Continue\r\n\r\n"
#define FIXED_BOUND 640 /* status line, Server, Date, Content-Type, framing, the body of below */

const struct http_text http_continue = {(const uint8_t *)CONTINUE, sizeof(CONTINUE) - 1};

const char *
http_reason_phrase(uint16_t status)
{
	static const struct {
		uint16_t status;
		const char *phrase;
	} phrases[] = {
		{100, "Continue"},
		{101, "Switching Protocols"},
		{103, "Early Hints"},
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{203, "Non-Authoritative Information"},
		{204, "No Content"},
		{205, "Reset Content"},
		{206, "Partial Content"},
		{300, "Multiple Choices"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{402, "Payment Required"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{407, "Proxy Authentication Required"},
		{408, "Request Time-out"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{412, "Precondition Failed"},
		{413, "Request Entity Too Large"},
		{414, "Request-URI Too Large"},
		{415, "Unsupported Media Type"},
		{416, "Requested Range Not Satisfiable"},
		{417, "Expectation Failed"},
		{421, "Misdirected Request"},
		{422, "Unprocessable Content"},
		{426, "Upgrade Required"},
		{428, "Precondition Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{451, "Unavailable For Legal Reasons"},
		{463, "Too Many Forwarded Addresses"},
		{464, "Incompatible Protocol Versions"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Temporarily Unavailable"},
		{504, "Gateway Time-out"},
		{505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
		{511, "Network Authentication Required"},
		{561, "Authentication Error"},
	};

	for (size_t i = 0; i < ARRAY_N(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Unknown";
}

size_t
http_answer_bound(const struct http_answer *answer, const struct http_policy *policy)
{
	size_t bytes = FIXED_BOUND + answer->content_type.len + answer->body.len +
		       answer->location.len + answer->date.len;

	return bytes + http_lines_bound(answer->lines, answer->lines_n) +
	       http_lines_bound(policy->inserts, policy->inserts_n);
}

/* A page that says the status and nothing else. */
#define PAGE_BEGIN  "<html>\r\n<head><title>"
#define PAGE_MIDDLE "</title></head>\r\n<body>\r\n<center><h1>"
#define PAGE_END    "</h1></center>\r\n</body>\r\n</html>\r\n"
#define STATUS_LEN  4 /* with a blank */

static void
put_status(struct bytes_writer *w, uint16_t status)
{
	http_put_number(w, status);
	bytes_put_u8(w, ' ');
	http_put_string(w, http_reason_phrase(status));
}

static void
put_page(struct bytes_writer *w, uint16_t status)
{
	HTTP_PUT(w, PAGE_BEGIN);
	put_status(w, status);
	HTTP_PUT(w, PAGE_MIDDLE);
	put_status(w, status);
	HTTP_PUT(w, PAGE_END);
}

static size_t
page_len(uint16_t status)
{
	return sizeof(PAGE_BEGIN PAGE_MIDDLE PAGE_END) - 1 +
	       2 * (STATUS_LEN + strlen(http_reason_phrase(status)));
}

static bool
has_body(uint16_t status)
{
	return status >= 200 && status != 204 && status != 304;
}

static void
put_head(struct bytes_writer *w, const struct http_answer *a, const struct http_policy *policy,
	 bool own_page)
{
	HTTP_PUT(w, "HTTP/1.1 ");
	put_status(w, a->status);
	HTTP_PUT(w, "\r\n");
	if (policy->response_server)
		HTTP_PUT(w, "Server: awselb/2.0\r\n");
	if (a->date.len > 0)
		http_put_line(w, "Date", a->date);
	if (a->location.len > 0)
		http_put_line(w, "Location", a->location);
	if (own_page)
		HTTP_PUT(w, "Content-Type: text/html\r\n");
	else if (a->content_type.len > 0)
		http_put_line(w, "Content-Type", a->content_type);
	if (has_body(a->status))
		http_put_length(w, own_page ? page_len(a->status) : a->body.len);
	http_put_lines(w, policy->inserts, policy->inserts_n);
	http_put_lines(w, a->lines, a->lines_n);
	if (a->close)
		HTTP_PUT(w, "Connection: close\r\n");
	else
		HTTP_PUT(w, "Connection: keep-alive\r\n");
	HTTP_PUT(w, "\r\n");
}

static bool
has_own_page(const struct http_answer *a)
{
	return a->content_type.len == 0 && has_body(a->status);
}

size_t
http_answer_body_len(const struct http_answer *a)
{
	if (!has_body(a->status) || a->to_head)
		return 0;
	return has_own_page(a) ? page_len(a->status) : a->body.len;
}

void
http_answer_write(struct bytes_writer *w, const struct http_answer *a,
		  const struct http_policy *policy)
{
	bool own_page = has_own_page(a);

	if (a->client_version != 9)
		put_head(w, a, policy, own_page);
	if (!has_body(a->status) || a->to_head)
		return;
	if (own_page)
		put_page(w, a->status);
	else
		http_put_text(w, a->body);
}
