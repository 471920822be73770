/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_desync.h"

/* A class with its reason. */
struct finding {
	enum http_desync_class class;
	enum http_desync_reason reason;
};

static struct finding
find(const struct http_request *r)
{
	const struct http_framing *f = &r->fields.framing;

	if (f->length_invalid)
		return (struct finding){HTTP_SEVERE, HTTP_REASON_BAD_CONTENT_LENGTH};
	if (f->lengths_differ)
		return (struct finding){HTTP_SEVERE, HTTP_REASON_MULTIPLE_CONTENT_LENGTH};
	if (f->coding_invalid)
		return (struct finding){HTTP_SEVERE, HTTP_REASON_BAD_TRANSFER_ENCODING};
	if (f->codings_repeat)
		return (struct finding){HTTP_SEVERE,
					HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED};
	if (f->has_coding && f->has_length)
		return (struct finding){HTTP_AMBIGUOUS, HTTP_REASON_BOTH_TE_CL_PRESENT};
	if (f->lengths_repeat)
		return (struct finding){HTTP_AMBIGUOUS, HTTP_REASON_DUPLICATE_CONTENT_LENGTH};
	if (f->has_coding && (r->version < 11 || r->is_get || r->is_head))
		return (struct finding){HTTP_AMBIGUOUS,
					HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS};
	if (f->has_length && f->length > 0 && (r->is_get || r->is_head))
		return (struct finding){HTTP_AMBIGUOUS,
					HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS};
	if (r->control_in_target)
		return (struct finding){HTTP_AMBIGUOUS, HTTP_REASON_AMBIGUOUS_URI};
	if (r->version == 9)
		return (struct finding){HTTP_ACCEPTABLE, HTTP_REASON_NON_COMPLIANT_VERSION};
	if (f->has_length && (r->is_get || r->is_head))
		return (struct finding){HTTP_ACCEPTABLE, HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH};
	if (r->space_in_target)
		return (struct finding){HTTP_ACCEPTABLE, HTTP_REASON_SPACE_IN_URI};
	if (r->fields.bare_lf || r->fields.invalid_names > 0)
		return (struct finding){HTTP_ACCEPTABLE, HTTP_REASON_NON_COMPLIANT_HEADER};
	return (struct finding){HTTP_COMPLIANT, HTTP_REASON_NONE};
}

/* Whether there is one safe meaning: one framing field can be written that says it. */
static bool
has_meaning(const struct http_request *r)
{
	const struct http_framing *f = &r->fields.framing;

	return !f->length_invalid && !f->lengths_differ && !f->coding_invalid && !f->codings_repeat;
}

struct http_desync
http_desync_classify(const struct http_request *r, enum http_desync_mode mode)
{
	struct finding found = find(r);
	struct http_desync d = {.class = found.class, .reason = found.reason};
	bool blocked = (mode == HTTP_DESYNC_STRICTEST && d.class != HTTP_COMPLIANT) ||
		       (mode == HTTP_DESYNC_DEFENSIVE && d.class == HTTP_SEVERE);

	if (blocked || !has_meaning(r))
		d.status = 400;
	else if (r->fields.framing.has_coding &&
		 (r->fields.framing.other_coding || !r->fields.framing.chunked))
		d.status = 501;
	/* Monitor mode lets it pass; that both connections end is never wrong. */
	d.close = d.class == HTTP_AMBIGUOUS || d.status != 0;
	return d;
}

const char *http_desync_class_name(enum http_desync_class class)
{
	static const char *const names[] = {"Compliant", "Acceptable", "Ambiguous", "Severe"};

	return names[class];
}

const char *
http_desync_reason_name(enum http_desync_reason reason)
{
	static const char *const names[] = {"-",
					    "GetHeadZeroContentLength",
					    "NonCompliantHeader",
					    "NonCompliantVersion",
					    "SpaceInUri",
					    "AmbiguousUri",
					    "BothTeClPresent",
					    "DuplicateContentLength",
					    "UndefinedContentLengthSemantics",
					    "UndefinedTransferEncodingSemantics",
					    "BadContentLength",
					    "BadTransferEncoding",
					    "MultipleContentLength",
					    "MultipleTransferEncodingChunked"};

	return names[reason];
}
