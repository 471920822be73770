/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.x message heads (RFC 9112): parsed strictly into ranges of the bytes they came in.
 *
 * A head is parsed once, when all of it is there (http_head_end() finds out in time linear in its
 * length).  Nothing is copied and nothing allocated: strings are ranges of the caller's bytes, the
 * table of fields is the caller's.  What can be read in two ways is never guessed at: it is either
 * refused or classified (http_desync.h).
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_FIELDS_MAX        1000
#define HTTP_LINE_MAX          16384 /* request line */
#define HTTP_FIELD_MAX         16384 /* one field, name and value */
#define HTTP_REQUEST_HEAD_MAX  65536 /* all fields */
#define HTTP_RESPONSE_HEAD_MAX 32768

#define HTTP_CONNECTION_OPTIONS_MAX 64 /* that a message's Connection fields name */

/** Fields that mean something to a proxy. */
enum http_name {
	HTTP_OTHER,
	HTTP_CONNECTION,
	HTTP_CONTENT_LENGTH,
	HTTP_COOKIE,
	HTTP_DATE,
	HTTP_EXPECT,
	HTTP_HOST,
	HTTP_KEEP_ALIVE,
	HTTP_PROXY_CONNECTION,
	HTTP_SERVER,
	HTTP_SET_COOKIE,
	HTTP_TE,
	HTTP_TRAILER,
	HTTP_TRANSFER_ENCODING,
	HTTP_UPGRADE,
	HTTP_USER_AGENT,
	HTTP_X_AMZN_TRACE_ID,
	HTTP_X_FORWARDED_FOR,
	HTTP_X_FORWARDED_PORT,
	HTTP_X_FORWARDED_PROTO,
};

struct http_text {
	const uint8_t *at;
	uint32_t len;
};

struct http_field {
	struct http_text name, value; /* value without blanks around it */
	uint8_t id;                   /* enum http_name */
	bool hop_by_hop;              /* ends at this connection */
	bool invalid_name;            /* not of [-A-Za-z0-9]+, ELB's idea of a name */
};

/** Codings and lengths that a head declares. */
struct http_framing {
	bool has_length, has_coding;
	bool chunked;        /* the only or last coding */
	bool other_coding;   /* one beside chunked and identity */
	bool lengths_differ; /* several Content-Lengths with different values */
	bool lengths_repeat; /* several with the same */
	bool length_invalid; /* not a decimal number below 2^63 */
	bool codings_repeat; /* chunked more than once */
	bool coding_invalid; /* chunked is not the last, or the field is no list of tokens */
	bool suspicious_length,
		suspicious_coding; /* a name that resembles theirs, as Content_Length */
	uint64_t length;
};

struct http_fields {
	struct http_field *at; /* [HTTP_FIELDS_MAX], the caller's */
	uint32_t n;
	struct http_framing framing;
	bool connection_close, connection_keep_alive;
	bool connection_upgrade; /* to WebSocket: other upgrades are not passed on */
	bool names_websocket;    /* in Upgrade */
	bool bare_lf;            /* a line that ended without CR */
	bool empty_name;         /* a field without name was left out */
	bool obs_text;           /* a byte above 127 in a value */
	uint32_t invalid_names;
};

/** What made a request unreadable. */
enum http_defect {
	HTTP_DEFECT_NONE,
	HTTP_DEFECT_METHOD,
	HTTP_DEFECT_TARGET,
	HTTP_DEFECT_VERSION,
	HTTP_DEFECT_FIELD,
};

struct http_request {
	struct http_text method, target, path, query; /* query without `?` */
	struct http_text host; /* of the target's authority, else of the first Host field */
	uint8_t version;       /* 9, 10, 11 */
	uint8_t defect;        /* enum http_defect, of a request that was refused */
	bool absolute;         /* the target had scheme and authority; path is what follows */
	bool space_in_target, control_in_target;
	bool is_head, is_get, is_connect;
	bool expects_continue;
	bool has_host;
	uint32_t hosts_n;
	uint32_t len; /* of the head, all bytes until the body */
	struct http_fields fields;
};

struct http_response {
	uint16_t status;
	uint8_t version;
	struct http_text reason;
	uint32_t len;
	struct http_fields fields;
};

/**
 * Look for the end of a head: an empty line, or the end of a first line that can only be one of
 * HTTP/0.9, which has no fields, or of nothing.
 * @param scanned  what was looked at before, of the same head; 0 at first
 * @return  the length of the head with that line, 0: it is not there yet.
 */
uint32_t http_head_end(const uint8_t *bytes, uint32_t len, uint32_t *scanned);

/** Of a head whose end hasn't come: @return the status to refuse it with already, 0: wait. */
uint16_t http_request_too_long(const uint8_t *bytes, uint32_t len);

/**
 * Parse a complete request head.  `request->fields.at` is set by the caller.
 * @return  0, or the status to refuse it with: 400, 405 (TRACE), 414, 505.
 */
uint16_t http_request_parse(struct http_request *request, const uint8_t *bytes, uint32_t len);

/** Parse a complete response head. @return false: it is none. */
bool http_response_parse(struct http_response *response, const uint8_t *bytes, uint32_t len);

/** Whether two texts are the same but for the case of ASCII letters. */
bool http_text_is(struct http_text text, const char *lower_case);

#endif
