/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a request's framing could be misread, and what that means for it: ELB's HTTP desync
 * mitigation.
 *
 * A request with one safe meaning passes as the mode says; one with none is refused in every mode,
 * also in monitor mode, because what leaves weir is always well-formed (a departure from ELB, see
 * docs/decisions).
 */
#ifndef HTTP_DESYNC_H
#define HTTP_DESYNC_H

#include "http.h"

enum http_desync_mode { HTTP_DESYNC_MONITOR, HTTP_DESYNC_DEFENSIVE, HTTP_DESYNC_STRICTEST };

enum http_desync_class {
	HTTP_COMPLIANT,
	HTTP_ACCEPTABLE,
	HTTP_AMBIGUOUS,
	HTTP_SEVERE,
};

/** Names as in access logs: http_desync_reason_name(). */
enum http_desync_reason {
	HTTP_REASON_NONE,
	HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH,
	HTTP_REASON_NON_COMPLIANT_HEADER,
	HTTP_REASON_NON_COMPLIANT_VERSION,
	HTTP_REASON_SPACE_IN_URI,
	HTTP_REASON_AMBIGUOUS_URI,
	HTTP_REASON_BOTH_TE_CL_PRESENT,
	HTTP_REASON_DUPLICATE_CONTENT_LENGTH,
	HTTP_REASON_EMPTY_HEADER,
	HTTP_REASON_SUSPICIOUS_HEADER,
	HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS,
	HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS,
	HTTP_REASON_BAD_CONTENT_LENGTH,
	HTTP_REASON_BAD_HEADER,
	HTTP_REASON_BAD_METHOD,
	HTTP_REASON_BAD_TRANSFER_ENCODING,
	HTTP_REASON_BAD_URI,
	HTTP_REASON_BAD_VERSION,
	HTTP_REASON_MULTIPLE_CONTENT_LENGTH,
	HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED,
	HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT,
};

struct http_desync {
	enum http_desync_class class;
	enum http_desync_reason reason;
	uint16_t status; /* refuse with this; 0: pass */
	bool close;      /* both connections end behind it */
};

/**
 * Judge a request that was parsed, or that http_request_parse() refused as unreadable (then the
 * status is not ours to say: 0).
 */
struct http_desync http_desync_classify(const struct http_request *request,
					enum http_desync_mode mode);

const char *http_desync_class_name(enum http_desync_class class);
const char *http_desync_reason_name(enum http_desync_reason reason);

#endif
