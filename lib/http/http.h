/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.x message heads (RFC 9112): parsed strictly, line by line as they come, into ranges of the
 * bytes they lie in.
 *
 * The caller keeps a head's bytes in one piece, which may move and grow between calls, and passes
 * all of them each time; what was parsed is not looked at again, so a head costs time linear in its
 * length however it is cut.  Nothing is copied, nothing allocated: results are offsets, the table
 * of fields is the caller's.
 *
 * What can be read in two ways is never guessed at.  A head with no safe meaning is invalid; one
 * with a safe meaning but an odd look is complete and says what was found (http_reason.h), for
 * http_verdict() to judge.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "http_fault.h"
#include "http_reason.h"

#define HTTP_FIELDS_MAX              1000
#define HTTP_LINE_MAX                16384 /* request or status line */
#define HTTP_FIELD_MAX               16384 /* one field: name, colon and value */
#define HTTP_REQUEST_FIELDS_LEN_MAX  65536 /* all fields, with line ends */
#define HTTP_RESPONSE_FIELDS_LEN_MAX 32768
#define HTTP_OWN_FIELDS_LEN_MAX      (HTTP_REQUEST_FIELDS_LEN_MAX + 49152) /* with what is added */
#define HTTP_EMPTY_LINES_MAX         8 /* bytes of line ends in front of a request */

/** The longest head: what a buffer for one must be able to hold. */
#define HTTP_HEAD_MAX     (HTTP_EMPTY_LINES_MAX + HTTP_LINE_MAX + HTTP_REQUEST_FIELDS_LEN_MAX + 4)
#define HTTP_OWN_HEAD_MAX (HTTP_LINE_MAX + HTTP_OWN_FIELDS_LEN_MAX + 4)

/** Fields that mean something to a proxy. */
enum http_name {
	HTTP_OTHER,
	HTTP_CONNECTION,
	HTTP_CONTENT_LENGTH,
	HTTP_CONTENT_TYPE,
	HTTP_COOKIE,
	HTTP_DATE,
	HTTP_EXPECT,
	HTTP_HOST,
	HTTP_KEEP_ALIVE,
	HTTP_LOCATION,
	HTTP_PROXY, /* Proxy, Proxy-Connection and all of Proxy-* */
	HTTP_SERVER,
	HTTP_SET_COOKIE,
	HTTP_TE,
	HTTP_TRAILER,
	HTTP_TRANSFER_ENCODING,
	HTTP_UPGRADE,
	HTTP_USER_AGENT,
	HTTP_X_AMZN_PEER, /* X-Amzn-Tls-*, -Mtls-* and -Oidc-*: what only a load balancer may say */
	HTTP_X_AMZN_TRACE_ID,
	HTTP_X_FORWARDED_FOR,
	HTTP_X_FORWARDED_PORT,
	HTTP_X_FORWARDED_PROTO,
};
#define HTTP_NAMES (HTTP_X_FORWARDED_PROTO + 1) /* fit the bits of http_head.present */

enum http_method {
	HTTP_METHOD_OTHER,
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_CONNECT,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_TRACE,
	HTTP_METHOD_PATCH,
};

/** Bytes somewhere. */
struct http_text {
	const uint8_t *at;
	uint32_t len;
};

static inline struct http_text
http_text_string(const char *s)
{
	return (struct http_text){(const uint8_t *)s, (uint32_t)strlen(s)};
}

/** Bytes of a head. */
struct http_range {
	uint32_t off, len;
};

/* http_field.flags */
#define HTTP_FIELD_INVALID_NAME 1  /* not of [-A-Za-z0-9]+, ELB's idea of a name */
#define HTTP_FIELD_NEVER        2  /* not a token, or suspicious: never passed on */
#define HTTP_FIELD_NAMED        4  /* Connection names it: it ends here */
#define HTTP_FIELD_CONTROL      8  /* the value has control characters */
#define HTTP_FIELD_CANONICAL    16 /* lies there as it would be written */

struct http_field {
	uint32_t off; /* of the name */
	uint16_t name_len;
	uint16_t value_off; /* from the name on; without blanks around it */
	uint16_t value_len;
	uint8_t id;    /* enum http_name */
	uint8_t flags; /* HTTP_FIELD_* */
};

/* http_head.connection: options of Connection. */
#define HTTP_CONNECTION_CLOSE      1
#define HTTP_CONNECTION_KEEP_ALIVE 2
#define HTTP_CONNECTION_UPGRADE    4
#define HTTP_CONNECTION_NAMES      8 /* names of fields; TE, which weir decides by, is none */

/** What requests and responses have in common. */
struct http_head {
	const uint8_t *bytes;      /* where it lay when it was parsed last; set anew when moved */
	struct http_field *fields; /* the caller's */
	uint32_t len;              /* with the empty line, when complete */
	uint32_t line_off;         /* the line to parse next */
	uint32_t scanned;          /* no line feed between line_off and here */
	uint32_t fields_off;       /* behind the first line */
	uint32_t found;            /* 1 << enum http_reason, each */
	uint32_t present;          /* 1 << enum http_name, each */
	uint16_t fields_n, fields_max;
	uint16_t invalid_names_n;     /* HTTP_FIELD_INVALID_NAME */
	uint16_t hosts_n, host_field; /* Host fields, index of the first */
	uint16_t refusal;             /* when invalid: the status to answer with */
	uint8_t version;              /* 9, 10, 11; HTTP/1.2 to 1.9 are 11 */
	uint8_t phase;
	uint8_t connection; /* HTTP_CONNECTION_* */
	uint8_t suspicious; /* names that resemble a framing field's */
	uint8_t fault;      /* when invalid: enum http_fault */
	bool is_response;
	bool is_own; /* a request that was written here: HTTP_OWN_FIELDS_LEN_MAX */
	/* Framing: what was declared, see http_body.h for what it means. */
	bool has_length, has_coding;
	bool chunked;      /* the last coding */
	bool other_coding; /* one in front of it */
	uint64_t content_length;
};

struct http_request {
	struct http_head head;
	struct http_range method, target;
	struct http_range path, query; /* of the target, raw; query without `?` */
	struct http_range host;        /* of the target's authority, else of Host */
	uint8_t method_id;             /* enum http_method */
	bool absolute;                 /* the target names scheme and authority */
	bool encode_target;            /* it has bytes that no target may have */
	bool simple;                   /* HTTP/0.9: a line and nothing else */
	bool expects_continue;         /* Expect: 100-continue that is to be answered */
};

struct http_response {
	struct http_head head;
	uint16_t status; /* 100-599 */
	struct http_range reason;
};

enum http_result { HTTP_INCOMPLETE, HTTP_COMPLETE, HTTP_INVALID };

/** `fields` has room for `fields_max` (HTTP_FIELDS_MAX unless in tests) and stays the caller's. */
void http_request_init(struct http_request *r, struct http_field *fields, uint16_t fields_max);
void http_response_init(struct http_response *r, struct http_field *fields, uint16_t fields_max);

/**
 * Parse what there is of a head: all bytes from its beginning on, those of earlier calls unchanged.
 * Bytes behind the head are not looked at.
 * @return  HTTP_COMPLETE: `head.len` bytes are the head.  HTTP_INVALID: `head.refusal` is the
 *          status to answer a request with (400, 414, 505; a response: 502), `head.found` why; no
 *          further call.
 */
enum http_result http_request_parse(struct http_request *r, const uint8_t *bytes, uint32_t len);
enum http_result http_response_parse(struct http_response *r, const uint8_t *bytes, uint32_t len);

/**
 * For who can't keep a parser's state for every connection that waits for the rest of a head: eight
 * bytes and a flag instead.  A head is parsed from its beginning again when its end may have come,
 * and whenever it has doubled, which bad ones don't survive; all parsing together stays linear.
 */
struct http_wait {
	uint32_t scanned; /* bytes that were searched for the end */
	uint32_t parsed;  /* bytes there were at the last parsing */
	bool line;        /* a line's end was among them */
};

/** Whether to parse now, of a head whose bytes are [bytes, bytes + len). */
bool http_wait_is_over(struct http_wait *wait, const uint8_t *bytes, uint32_t len);

static inline struct http_text
http_text(const struct http_head *h, struct http_range range)
{
	return (struct http_text){h->bytes + range.off, range.len};
}

static inline struct http_text
http_field_name(const struct http_head *h, const struct http_field *f)
{
	return (struct http_text){h->bytes + f->off, f->name_len};
}

static inline struct http_text
http_field_value(const struct http_head *h, const struct http_field *f)
{
	return (struct http_text){h->bytes + f->off + f->value_off, f->value_len};
}

static inline bool
http_has(const struct http_head *h, enum http_name id)
{
	return (h->present >> id & 1) != 0;
}

/** The first field of a kind, NULL: there is none. */
const struct http_field *http_find(const struct http_head *h, enum http_name id);

/** Whether texts are the same but for the case of ASCII letters; `lower_case` has none in upper. */
bool http_text_is(struct http_text text, const char *lower_case);
bool http_text_same(struct http_text a, struct http_text b);

/** Whether a text is a token (RFC 9110 section 5.6.2). */
bool http_token_is_valid(struct http_text token);

/** Whether a value has no blanks around it and no control characters but tabs (section 5.5). */
bool http_value_is_valid(struct http_text value);

/** Which of the known fields a name is. */
enum http_name http_name_of(struct http_text name);

/**
 * The next element of a comma-separated list, without blanks around it; `list` moves on.
 * @return  false: there is none.  Empty elements are skipped.
 */
bool http_list_next(struct http_text *list, struct http_text *element);

/** Whether a text is a host, with or without port, as Host may carry one (RFC 9110 section 7.2). */
bool http_host_is_valid(struct http_text host);

/**
 * Name, or address in brackets, and port of a valid host.  An empty port means as little as none
 * (RFC 3986 section 6.2.3): `port` has length 0 then.
 */
void http_host_split(struct http_text host, struct http_text *name, struct http_text *port);

/** Whether the connection stays open behind a message, by its version and Connection. */
static inline bool
http_keeps_alive(const struct http_head *h)
{
	if ((h->connection & HTTP_CONNECTION_CLOSE) != 0 || h->version < 10)
		return false;
	return h->version > 10 || (h->connection & HTTP_CONNECTION_KEEP_ALIVE) != 0;
}

/**
 * Whether a request asks for WebSocket and has no body.  A tunnel of another protocol, such as h2c,
 * would pass all rules by.
 */
bool http_request_upgrades(const struct http_request *r);

/** Whether it may be sent again when it had no answer (RFC 9110 section 9.2.2). */
bool http_request_is_idempotent(const struct http_request *r);

#endif
