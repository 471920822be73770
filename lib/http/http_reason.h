/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a request is not compliant: ELB's classification reasons.
 *
 * In order of gravity, so that the gravest of a set of bits `1 << reason` is its highest.
 */
#ifndef HTTP_REASON_H
#define HTTP_REASON_H

#include <stdint.h>

enum http_class { HTTP_COMPLIANT, HTTP_ACCEPTABLE, HTTP_AMBIGUOUS, HTTP_SEVERE };
#define HTTP_CLASSES 4

/* clang-format off */
enum http_reason {
	HTTP_REASON_NONE,
	/* Acceptable */
	HTTP_REASON_NON_CR_LF_LINE_TERMINATION, /* a line of the head ends without CR */
	HTTP_REASON_SPACE_IN_URI,
	HTTP_REASON_NON_COMPLIANT_VERSION,      /* HTTP/0.9, HTTP/1.2 to 1.9, spaces around it */
	HTTP_REASON_NON_COMPLIANT_HEADER,       /* control characters or bytes above 0x7f */
	HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH,
	/* Ambiguous */
	HTTP_REASON_EMPTY_HEADER,               /* a field without a name */
	HTTP_REASON_AMBIGUOUS_URI,              /* control characters, a fragment */
	HTTP_REASON_DUPLICATE_CONTENT_LENGTH,   /* repeated with the same value */
	HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS,
	HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS,
	HTTP_REASON_SUSPICIOUS_HEADER,          /* a name that sloppy readers take for a framing field's */
	HTTP_REASON_BOTH_TE_CL_PRESENT,
	/* Severe */
	HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT,   /* such a name beside the other framing field */
	HTTP_REASON_BAD_HEADER,
	HTTP_REASON_BAD_URI,
	HTTP_REASON_BAD_VERSION,
	HTTP_REASON_BAD_METHOD,
	HTTP_REASON_BAD_CONTENT_LENGTH,
	HTTP_REASON_MULTIPLE_CONTENT_LENGTH,
	HTTP_REASON_BAD_TRANSFER_ENCODING,
	HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED,
};
/* clang-format on */
#define HTTP_REASONS                (HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED + 1)
#define HTTP_REASON_FIRST_AMBIGUOUS HTTP_REASON_EMPTY_HEADER
#define HTTP_REASON_FIRST_SEVERE    HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT

/** The gravest of a set. */
static inline enum http_reason
http_reason_gravest(uint32_t found)
{
	return found == 0 ? HTTP_REASON_NONE : (enum http_reason)(31 - __builtin_clz(found));
}

static inline enum http_class
http_reason_class(enum http_reason reason)
{
	if (reason == HTTP_REASON_NONE)
		return HTTP_COMPLIANT;
	if (reason < HTTP_REASON_FIRST_AMBIGUOUS)
		return HTTP_ACCEPTABLE;
	return reason < HTTP_REASON_FIRST_SEVERE ? HTTP_AMBIGUOUS : HTTP_SEVERE;
}

/** As the access log spells them; "-" for none. */
const char *http_class_name(enum http_class class);
const char *http_reason_name(enum http_reason reason);

#endif
