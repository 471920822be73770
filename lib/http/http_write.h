/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heads as they leave weir: always well-formed, never an echo.
 *
 * A head is written from the parsed one, the policy of the listener and the edits of this message.
 * Fields that end at this connection are left out, there is at most one framing field and it says
 * what the body decoder says, what ELB adds is added.  Names keep their case and order; Host comes
 * first, weir's own fields come last.
 *
 * http_*_bound() tells in advance how many bytes a head takes at most; a writer with less room
 * fails.
 */
#ifndef HTTP_WRITE_H
#define HTTP_WRITE_H

#include "bytes.h"
#include "http.h"
#include "http_body.h"

/** routing.http.xff_header_processing.mode */
enum http_xff_mode { HTTP_XFF_APPEND, HTTP_XFF_PRESERVE, HTTP_XFF_REMOVE };

/** A field to add; texts are well-formed, the caller's. */
struct http_line {
	struct http_text name, value;
};

/** Attributes of a load balancer and listener that shape messages; built once, constant. */
struct http_policy {
	uint8_t desync_mode;             /* enum http_desync_mode, for http_verdict() */
	uint8_t xff_mode;                /* enum http_xff_mode */
	bool xff_client_port;            /* routing.http.xff_client_port.enabled */
	bool drop_invalid_header_fields; /* routing.http.drop_invalid_header_fields.enabled */
	bool preserve_host_header;       /* routing.http.preserve_host_header.enabled */
	bool response_server;            /* routing.http.response.server.enabled */
	bool no_upgrade;                 /* an Upgrade is not passed on */
	bool few_statuses; /* what is wrong with a request's form is 400, or 405 for its method */
	bool https;
	uint16_t port;                 /* of the listener */
	struct http_text default_host; /* of requests that name none */
	/* routing.http.response.*.header_value: in place of the target's, and in weir's own
	 * responses. */
	const struct http_line *inserts;
	uint32_t inserts_n;
	/* Names that routing.http.request.*.header_name gave to weir's own fields: clients may not.
	 */
	const struct http_text *own_names;
	uint32_t own_names_n;
};

/** Of one request. */
struct http_request_edits {
	struct http_text host;   /* rewritten; len 0: its own */
	struct http_text target; /* path and query, rewritten; len 0: its own */
	struct http_text client; /* address as text, without brackets */
	uint16_t client_port;
	struct http_text trace_id; /* X-Amzn-Trace-Id, see http_trace_id(); len 0: as it came */
	const struct http_line *lines;
	uint32_t lines_n;
	bool upgrade;          /* http_request_upgrades(), and it may */
	bool close;            /* the target is told that no request follows */
	bool drop_own_cookies; /* AWSALB* */
};

/* Longest X-Amzn-Trace-Id that is passed on. */
#define HTTP_TRACE_ID_MAX 1024

size_t http_request_bound(const struct http_request *r, const struct http_policy *policy,
			  const struct http_request_edits *edits);
/** Of a request that http_verdict() lets pass. */
void http_request_write(struct bytes_writer *w, const struct http_request *r,
			const struct http_policy *policy, const struct http_request_edits *edits);

/**
 * The host that the target sees and rules look at: of the target's authority or of Host, in lower
 * case and with or without port as the listener's port says; untouched with preserve_host_header.
 */
void http_put_host(struct bytes_writer *w, const struct http_request *r,
		   const struct http_policy *policy);
#define HTTP_HOST_BOUND(r, policy) ((r)->host.len + (policy)->default_host.len + 6)

/** How a response travels. */
struct http_response_plan {
	struct http_body body; /* from the target */
	uint8_t out;           /* enum http_body_kind towards the client */
	bool close;            /* the client's connection must end behind it */
	bool reuse;            /* the target's may serve again, when request and body have ended */
};

/** For a complete response to a request of `method` from a client of `client_version`. */
struct http_response_plan http_response_plan(const struct http_response *r, enum http_method method,
					     uint8_t client_version);

/** Of one response. */
struct http_response_edits {
	const struct http_line *lines; /* Set-Cookie and the like */
	uint32_t lines_n;
	uint8_t out;            /* of the plan */
	uint8_t client_version; /* 9: the body is all that a client gets, no head is written */
	bool close;             /* Connection: close */
	bool upgrade;           /* a 101 that was asked for */
};

size_t http_response_bound(const struct http_response *r, const struct http_policy *policy,
			   const struct http_response_edits *edits);
void http_response_write(struct bytes_writer *w, const struct http_response *r,
			 const struct http_policy *policy, const struct http_response_edits *edits);

/** A response of weir's own. */
struct http_answer {
	uint16_t status;
	uint8_t client_version; /* 9: no head; 0, of a request that wasn't understood, gets one */
	bool close, to_head;
	struct http_text content_type; /* len 0: text/html with a body that says the status */
	struct http_text body;
	struct http_text location; /* len 0: none */
	struct http_text date;     /* http_date() */
	const struct http_line *lines;
	uint32_t lines_n;
};

size_t http_answer_bound(const struct http_answer *answer, const struct http_policy *policy);
/** What follows the head, of all that is written. */
size_t http_answer_body_len(const struct http_answer *answer);
void http_answer_write(struct bytes_writer *w, const struct http_answer *answer,
		       const struct http_policy *policy);

/** HTTP/1.1 100 Continue, all of it. */
extern const struct http_text http_continue;

/** Reason phrase of a status, "Unknown" for others. */
const char *http_reason_phrase(uint16_t status);

#define HTTP_DATE_LEN 29

/** `Thu, 26 Nov 2026 02:01:51 GMT`, 29 bytes without NUL, of seconds since 1970. */
void http_date(uint8_t to[HTTP_DATE_LEN], uint64_t epoch_s);

/**
 * The X-Amzn-Trace-Id of a request: Root for one without, else Self in front of what it has. Beyond
 * 7 KB of fields only Root stays.
 * @param to      room for HTTP_TRACE_ID_MAX
 * @param random  12 bytes
 * @return        its length
 */
uint32_t http_trace_id(uint8_t *to, const struct http_head *h, uint32_t epoch_s,
		       const uint8_t *random);

#endif
