/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_reason.h"

#include "http_fault.h"

const char *http_class_name(enum http_class class)
{
	static const char *const names[HTTP_CLASSES] = {"Compliant", "Acceptable", "Ambiguous",
							"Severe"};

	return names[class];
}

const char *
http_reason_name(enum http_reason reason)
{
	/* clang-format off */
	static const char *const names[HTTP_REASONS] = {
		[HTTP_REASON_NONE] = "-",
		[HTTP_REASON_NON_CR_LF_LINE_TERMINATION] = "NonCrLfLineTermination",
		[HTTP_REASON_SPACE_IN_URI] = "SpaceInUri",
		[HTTP_REASON_NON_COMPLIANT_VERSION] = "NonCompliantVersion",
		[HTTP_REASON_NON_COMPLIANT_HEADER] = "NonCompliantHeader",
		[HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH] = "GetHeadZeroContentLength",
		[HTTP_REASON_EMPTY_HEADER] = "EmptyHeader",
		[HTTP_REASON_AMBIGUOUS_URI] = "AmbiguousUri",
		[HTTP_REASON_DUPLICATE_CONTENT_LENGTH] = "DuplicateContentLength",
		[HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS] = "UndefinedContentLengthSemantics",
		[HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS] = "UndefinedTransferEncodingSemantics",
		[HTTP_REASON_SUSPICIOUS_HEADER] = "SuspiciousHeader",
		[HTTP_REASON_BOTH_TE_CL_PRESENT] = "BothTeClPresent",
		[HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT] = "SuspiciousTeClPresent",
		[HTTP_REASON_BAD_HEADER] = "BadHeader",
		[HTTP_REASON_BAD_URI] = "BadUri",
		[HTTP_REASON_BAD_VERSION] = "BadVersion",
		[HTTP_REASON_BAD_METHOD] = "BadMethod",
		[HTTP_REASON_BAD_CONTENT_LENGTH] = "BadContentLength",
		[HTTP_REASON_MULTIPLE_CONTENT_LENGTH] = "MultipleContentLength",
		[HTTP_REASON_BAD_TRANSFER_ENCODING] = "BadTransferEncoding",
		[HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED] = "MultipleTransferEncodingChunked",
	};
	/* clang-format on */

	return names[reason];
}

uint16_t
http_fault_status(enum http_fault fault)
{
	switch (fault) {
	case HTTP_FAULT_NONE:
		return 0;
	case HTTP_FAULT_VERSION:
		return 505;
	case HTTP_FAULT_LINE_LONG:
		return 414;
	case HTTP_FAULT_METHOD:
		return 405;
	case HTTP_FAULT_CODING:
		return 501;
	case HTTP_FAULT_FORWARDED:
		return 463;
	default:
		return 400;
	}
}
