/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing heads: what leaves weir is always well-formed, never an echo.
 *
 * A head is written from the parsed one and the listener's policy: fields that end at this
 * connection are left out, there is exactly one framing field, and what ELB adds is added.
 * http_*_bound() says how many bytes a head can take at most.
 */
#ifndef HTTP_WRITE_H
#define HTTP_WRITE_H

#include "bytes.h"
#include "http.h"
#include "http_body.h"
#include "http_desync.h"

enum http_xff_mode { HTTP_XFF_APPEND, HTTP_XFF_PRESERVE, HTTP_XFF_REMOVE };

#define HTTP_INSERTS_MAX 11

/** Attributes of a load balancer or listener about messages; constant for a snapshot. */
struct http_policy {
	uint8_t desync_mode;             /* enum http_desync_mode */
	uint8_t xff_mode;                /* routing.http.xff_header_processing.mode */
	bool xff_client_port;            /* routing.http.xff_client_port.enabled */
	bool drop_invalid_header_fields; /* routing.http.drop_invalid_header_fields.enabled */
	bool preserve_host_header;       /* routing.http.preserve_host_header.enabled */
	bool response_server;            /* routing.http.response.server.enabled */
	bool https;
	uint16_t port;            /* of the listener */
	const char *default_host; /* of HTTP/1.0 requests that name none */
	uint32_t inserts_n;       /* routing.http.response.*.header_value */
	struct {
		const char *name, *value;
	} inserts[HTTP_INSERTS_MAX];
};

/** Of one request. */
struct http_request_edits {
	struct http_text host;   /* rewritten; NULL: its own */
	struct http_text target; /* path with query, rewritten; NULL: its own */
	const char *client;      /* address of the client as text, no brackets */
	uint16_t client_port;
	const char *trace_id; /* value of X-Amzn-Trace-Id; NULL: as it came */
	bool upgrade;         /* the request asks for WebSocket and may */
};

/** Fields for clients beside the target's. */
struct http_response_edits {
	struct http_text cookies[4]; /* Set-Cookie values */
	uint32_t cookies_n;
	bool close;       /* Connection: close */
	bool upgrade;     /* 101 */
	bool chunked;     /* the body leaves in the chunked coding */
	bool drop_length; /* it is ended by closing */
	uint8_t client_version;
};

size_t http_request_bound(const struct http_request *request, const struct http_policy *policy,
			  const struct http_request_edits *edits);
void http_request_write(struct bytes_writer *w, const struct http_request *request,
			const struct http_policy *policy, const struct http_request_edits *edits);

size_t http_response_bound(const struct http_response *response, const struct http_policy *policy,
			   const struct http_response_edits *edits);
void http_response_write(struct bytes_writer *w, const struct http_response *response,
			 const struct http_policy *policy, const struct http_response_edits *edits);

/** A response of weir's own. */
struct http_answer {
	uint16_t status;
	bool close, head_only;
	const char *content_type; /* NULL: text/html with a body that says the status */
	struct http_text body;
	struct http_text location; /* NULL: none */
	uint64_t wall_s;           /* for Date */
	uint8_t client_version;
};

void http_answer_write(struct bytes_writer *w, const struct http_answer *answer,
		       const struct http_policy *policy);

const char *http_reason_phrase(uint16_t status);

/** Addresses that an X-Forwarded-For carries, over all its fields. */
uint32_t http_forwarded_for_count(const struct http_request *request);

#endif
