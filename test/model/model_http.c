/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random messages from a grammar of good and odd forms.  Cut anywhere, the parser finds what was
 * put in; what weir forwards means the same to a second parser, written for this, and to llhttp
 * where Debian's node-llhttp is installed.
 */
#include "unit.h"

#include <stdarg.h>

#include "http_forward.h"

#ifdef HAVE_LLHTTP
#include <llhttp/llhttp.h>
#endif

#define FIELDS 40

static unsigned long long state;

static uint32_t
pick(uint32_t n)
{
	return (uint32_t)(unit_random(&state) >> 33) % n;
}

#define ONE_OF(a) ((a)[pick(ARRAY_N(a))])

/* A message as it was made. */
struct made {
	char bytes[65536];
	uint32_t len, head_len;
	char payload[8192];
	uint32_t payload_len;
	char names[FIELDS][80], values[FIELDS][160];
	uint32_t fields_n;
	bool chunked, has_length;
};

static struct made made;

static void __attribute__((format(printf, 1, 2))) add(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	made.len += (uint32_t)vsnprintf(made.bytes + made.len, sizeof(made.bytes) - made.len,
					format, args);
	va_end(args);
}

static void
add_bytes(const void *bytes, uint32_t len)
{
	memcpy(made.bytes + made.len, bytes, len);
	made.len += len;
}

static void
add_field(const char *name, const char *value)
{
	static const char *const before[] = {" ", " ", " ", "", "  ", "\t"};
	static const char *const behind[] = {"", "", "", " ", "\t "};

	add("%s:%s%s%s\r\n", name, ONE_OF(before), value, ONE_OF(behind));
	strcpy(made.names[made.fields_n], name);
	strcpy(made.values[made.fields_n++], value);
}

static void
add_random_field(void)
{
	static const char *const names[] = {
		"Accept",
		"user-agent",
		"X-Custom",
		"Cookie",
		"x_under",
		"Accept-Encoding",
		"Referer",
		"X-Forwarded-For",
		"A",
		"Cache-Control",
		"If-None-Match",
		"keep-alive",
		"Via",
		"Proxy-Connection",
		"X-A-Rather-Long-Name-Of-A-Field-That-Somebody-Made-Up"};
	static const char *const values[] = {
		"*/*",
		"",
		"a",
		"text/html, b;q=0.5",
		"curl/7.88.1",
		"a\tb",
		"\xc3\xbcml\xff",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"a=b; c=d",
		"1.1.1.1, 2.2.2.2",
		":",
		"\"x\""};

	add_field(ONE_OF(names), ONE_OF(values));
}

static void
add_body(bool of_target)
{
	static const char *const behind[] = {"", "", " ;a=\"b\"", "  ", "\t"};

	made.payload_len = pick(4) == 0 ? 0 : pick(sizeof(made.payload));
	for (uint32_t i = 0; i < made.payload_len; i++)
		made.payload[i] = (char)"ab\r\n0;5"[pick(7)];
	if (made.has_length) {
		add_bytes(made.payload, made.payload_len);
		return;
	}
	for (uint32_t at = 0; at < made.payload_len;) {
		uint32_t n = 1 + pick(pick(2) == 0 ? 8 : 3000);

		n = n < made.payload_len - at ? n : made.payload_len - at;
		add(pick(2) == 0 ? "%x%s\r\n" : "%08X%s\r\n", n,
		    behind[pick(of_target ? ARRAY_N(behind) : 3)]);
		add_bytes(made.payload + at, n);
		add("\r\n");
		at += n;
	}
	add("0\r\n%s\r\n", pick(4) == 0 ? "X-Trailer: 1\r\n" : "");
}

static void
add_fields(bool host)
{
	uint32_t n = pick(pick(4) == 0 ? FIELDS - 8 : 6), at = pick(n + 1);

	for (uint32_t i = 0; i <= n; i++) {
		if (i == at && host)
			add_field(pick(2) == 0 ? "Host" : "hOST", pick(2) == 0 ? "a.b:80" : "A");
		else
			add_random_field();
	}
	if (pick(5) == 0)
		add_field("Connection", pick(2) == 0 ? "keep-alive, x-custom" : "close");
	if (made.chunked) {
		add_field("transfer-encoding", pick(2) == 0 ? "chunked" : "Chunked");
	} else if (made.has_length) {
		char number[16];

		/* The length is not known yet: five digits are written over later. */
		sprintf(number, "%05d", 0);
		add_field("Content-Length", number);
	}
}

/* Put the length where add_fields() left room. */
static void
set_length(void)
{
	char number[16], *at = strstr(made.bytes, "Content-Length:");

	snprintf(number, sizeof(number), "%05u", made.payload_len);
	memcpy(strchr(at, '0'), number, 5);
	for (uint32_t i = 0; i < made.fields_n; i++) {
		if (strcmp(made.names[i], "Content-Length") == 0)
			memcpy(made.values[i], number, 6);
	}
}

static void
begin_message(void)
{
	uint32_t framing = pick(3);

	made.len = made.fields_n = made.payload_len = 0;
	made.chunked = framing == 1;
	made.has_length = framing == 2;
}

static void
end_message(bool of_target)
{
	add("\r\n");
	made.head_len = made.len;
	if (made.chunked || made.has_length)
		add_body(of_target);
	if (made.has_length)
		set_length();
}

static void
make_request(void)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
	static const char *const targets[] = {"/",
					      "/a/b?c=d&e",
					      "/%20?",
					      "/0123456789/0123456789/0123456789?0123456789?x",
					      "http://other:81/x",
					      "http://other?y",
					      "/a b",
					      "/\xc3\xbc"};

	begin_message();
	add("%s%s %s HTTP/1.%c\r\n", pick(8) == 0 ? "\r\n" : "", ONE_OF(methods), ONE_OF(targets),
	    pick(16) == 0 && !made.chunked ? '0' : '1');
	add_fields(true);
	end_message(false);
}

static void
make_response(void)
{
	static const char *const lines[] = {"200 OK",           "404 Not Found",  "500 ",
					    "304 Not Modified", "204 No Content", "301 Moved"};

	begin_message();
	add("HTTP/1.1 %s\r\n", ONE_OF(lines));
	add_fields(false);
	if (made.has_length && pick(4) == 0)
		add_field("Transfer-Encoding", "identity");
	end_message(true);
}

static bool
is_text(struct http_text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.at, s, t.len) == 0;
}

static void
check_fields(const struct http_head *h)
{
	EXPECT(h->fields_n == made.fields_n && h->len == made.head_len);
	for (uint32_t i = 0; i < h->fields_n && i < made.fields_n; i++) {
		EXPECT(is_text(http_field_name(h, &h->fields[i]), made.names[i]));
		EXPECT(is_text(http_field_value(h, &h->fields[i]), made.values[i]));
	}
}

static void
check_payload(const struct twin_message *m)
{
	EXPECT(m->complete && m->body_len == made.payload_len &&
	       memcmp(m->body, made.payload, made.payload_len) == 0);
}

#ifdef HAVE_LLHTTP
static struct {
	char body[sizeof(made.payload) + 16];
	size_t body_len;
	int messages;
} heard;

static int
on_body(llhttp_t *parser, const char *at, size_t len)
{
	(void)parser;
	CHECK(heard.body_len + len <= sizeof(heard.body));
	memcpy(heard.body + heard.body_len, at, len);
	heard.body_len += len;
	return 0;
}

static int
on_message(llhttp_t *parser)
{
	(void)parser;
	heard.messages++;
	return 0;
}

static void
check_llhttp(const uint8_t *bytes, size_t len, bool is_response)
{
	llhttp_settings_t settings;
	llhttp_t parser;

	llhttp_settings_init(&settings);
	settings.on_body = on_body;
	settings.on_message_complete = on_message;
	llhttp_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
	heard.body_len = 0;
	heard.messages = 0;
	EXPECT(llhttp_execute(&parser, (const char *)bytes, len) == HPE_OK);
	EXPECT(heard.messages == 1 && heard.body_len == made.payload_len);
	EXPECT(memcmp(heard.body, made.payload, made.payload_len) == 0);
}
#endif

static void
round_of_requests(void)
{
	static struct http_field fields[2][HTTP_FIELDS_MAX];
	static uint8_t out[FORWARD_MAX];
	static struct twin_message m;
	struct http_policy policy = {.port = 80, .xff_mode = HTTP_XFF_APPEND};
	struct http_request_edits edits = {.client = forward_text("192.0.2.1")};
	struct http_request whole, cut;
	struct bytes_writer w;
	uint8_t *copy;

	make_request();
	http_request_init(&whole, fields[0], HTTP_FIELDS_MAX);
	EXPECT(http_request_parse(&whole, (const uint8_t *)made.bytes, made.len) == HTTP_COMPLETE);
	check_fields(&whole.head);
	EXPECT(forward_parse_request(&cut, fields[1], (const uint8_t *)made.bytes, made.len,
				     unit_random(&state), &copy) == HTTP_COMPLETE);
	forward_check_same_head(&whole.head, &cut.head);
	w = bytes_writer(out, http_request_bound(&cut, &policy, &edits));
	http_request_write(&w, &cut, &policy, &edits);
	EXPECT(!w.failed);
	w = bytes_writer(w.at, (size_t)(out + sizeof(out) - w.at));
	EXPECT(!forward_body(http_request_body(&cut), made.chunked,
			     (const uint8_t *)made.bytes + cut.head.len, made.len - cut.head.len,
			     1 + pick(2000), &w));
	EXPECT(twin_request(&m, (const char *)out, (size_t)(w.at - out)));
	forward_check_target(&cut, &m);
	forward_check_fields(&cut.head, &m, 0);
	check_payload(&m);
	EXPECT(m.len == (size_t)(w.at - out));
#ifdef HAVE_LLHTTP
	check_llhttp(out, (size_t)(w.at - out), false);
#endif
	free(m.body);
	free(copy);
}

static void
round_of_responses(void)
{
	static struct http_field fields[2][HTTP_FIELDS_MAX];
	static uint8_t out[FORWARD_MAX];
	static struct twin_message m;
	static const struct http_policy policy;
	struct http_response_edits edits = {.client_version = 11};
	struct http_response_plan plan;
	struct http_response whole, cut;
	struct bytes_writer w;
	uint8_t *copy;

	make_response();
	http_response_init(&whole, fields[0], HTTP_FIELDS_MAX);
	EXPECT(http_response_parse(&whole, (const uint8_t *)made.bytes, made.len) == HTTP_COMPLETE);
	check_fields(&whole.head);
	EXPECT(forward_parse_response(&cut, fields[1], (const uint8_t *)made.bytes, made.len,
				      1 + pick(100), &copy) == HTTP_COMPLETE);
	forward_check_same_head(&whole.head, &cut.head);
	plan = http_response_plan(&cut, HTTP_METHOD_GET, 11);
	if (plan.body.kind == HTTP_BODY_NONE)
		made.payload_len = 0;
	edits.out = plan.out;
	w = bytes_writer(out, http_response_bound(&cut, &policy, &edits));
	http_response_write(&w, &cut, &policy, &edits);
	EXPECT(!w.failed);
	w = bytes_writer(w.at, (size_t)(out + sizeof(out) - w.at));
	EXPECT(!forward_body(plan.body, plan.out == HTTP_BODY_CHUNKED,
			     (const uint8_t *)made.bytes + cut.head.len, made.len - cut.head.len,
			     1 + pick(2000), &w));
	/* A body that ends with the connection leaves in chunks, whose last comes when it does. */
	if (plan.body.kind == HTTP_BODY_UNTIL_CLOSE)
		bytes_put(&w, HTTP_LAST_CHUNK, 5);
	EXPECT(twin_response(&m, (const char *)out, (size_t)(w.at - out), false));
	EXPECT(m.status == cut.status);
	forward_check_fields(&cut.head, &m, 0);
	check_payload(&m);
#ifdef HAVE_LLHTTP
	/* Which must be told that a 304 has no body. */
	if (cut.status != 304)
		check_llhttp(out, (size_t)(w.at - out), true);
#endif
	free(m.body);
	free(copy);
}

int
main(void)
{
	unsigned long rounds = unit_rounds(6000);

	state = unit_seed(31);
	for (unsigned long i = 0; i < rounds; i++) {
		round_of_requests();
		round_of_responses();
	}
	return unit_done();
}
