/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_desync.h"

/* A class with its reason. */
struct finding {
	enum http_desync_class class;
	enum http_desync_reason reason;
};

static struct finding
severe(const struct http_request *r)
{
	static const uint8_t defects[] = {
		[HTTP_DEFECT_METHOD] = HTTP_REASON_BAD_METHOD,
		[HTTP_DEFECT_TARGET] = HTTP_REASON_BAD_URI,
		[HTTP_DEFECT_VERSION] = HTTP_REASON_BAD_VERSION,
		[HTTP_DEFECT_FIELD] = HTTP_REASON_BAD_HEADER,
	};
	const struct http_framing *f = &r->fields.framing;

	if (r->defect != HTTP_DEFECT_NONE)
		return (struct finding){HTTP_SEVERE, (enum http_desync_reason)defects[r->defect]};
	if (f->length_invalid)
		return (struct finding){HTTP_SEVERE, HTTP_REASON_BAD_CONTENT_LENGTH};
	if (f->lengths_differ)
		return (struct finding){HTTP_SEVERE, HTTP_REASON_MULTIPLE_CONTENT_LENGTH};
	if (f->coding_invalid || (f->other_coding && !f->chunked))
		return (struct finding){HTTP_SEVERE, HTTP_REASON_BAD_TRANSFER_ENCODING};
	if (f->codings_repeat)
		return (struct finding){HTTP_SEVERE,
					HTTP_REASON_MULTIPLE_TRANSFER_ENCODING_CHUNKED};
	if ((f->has_coding && f->suspicious_length) || (f->has_length && f->suspicious_coding) ||
	    (f->suspicious_length && f->suspicious_coding))
		return (struct finding){HTTP_SEVERE, HTTP_REASON_SUSPICIOUS_TE_CL_PRESENT};
	return (struct finding){HTTP_COMPLIANT, HTTP_REASON_NONE};
}

static struct finding
ambiguous(const struct http_request *r)
{
	const struct http_framing *f = &r->fields.framing;
	enum http_desync_reason reason = HTTP_REASON_NONE;

	if (f->has_coding && f->has_length)
		reason = HTTP_REASON_BOTH_TE_CL_PRESENT;
	else if (f->lengths_repeat)
		reason = HTTP_REASON_DUPLICATE_CONTENT_LENGTH;
	else if (f->has_coding && (r->version < 11 || r->is_get || r->is_head || !f->chunked))
		reason = HTTP_REASON_UNDEFINED_TRANSFER_ENCODING_SEMANTICS;
	else if (f->has_length && f->length > 0 && (r->is_get || r->is_head))
		reason = HTTP_REASON_UNDEFINED_CONTENT_LENGTH_SEMANTICS;
	else if (f->suspicious_length || f->suspicious_coding)
		reason = HTTP_REASON_SUSPICIOUS_HEADER;
	else if (r->fields.empty_name)
		reason = HTTP_REASON_EMPTY_HEADER;
	else if (r->control_in_target)
		reason = HTTP_REASON_AMBIGUOUS_URI;
	return (struct finding){reason == HTTP_REASON_NONE ? HTTP_COMPLIANT : HTTP_AMBIGUOUS,
				reason};
}

static struct finding
acceptable(const struct http_request *r)
{
	enum http_desync_reason reason = HTTP_REASON_NONE;

	if (r->version == 9)
		reason = HTTP_REASON_NON_COMPLIANT_VERSION;
	else if (r->fields.framing.has_length && (r->is_get || r->is_head))
		reason = HTTP_REASON_GET_HEAD_ZERO_CONTENT_LENGTH;
	else if (r->space_in_target)
		reason = HTTP_REASON_SPACE_IN_URI;
	else if (r->fields.bare_lf || r->fields.invalid_names > 0 || r->fields.obs_text)
		reason = HTTP_REASON_NON_COMPLIANT_HEADER;
	return (struct finding){reason == HTTP_REASON_NONE ? HTTP_COMPLIANT : HTTP_ACCEPTABLE,
				reason};
}

static struct finding
find(const struct http_request *r)
{
	struct finding found = severe(r);

	if (found.class == HTTP_COMPLIANT)
		found = ambiguous(r);
	if (found.class == HTTP_COMPLIANT)
		found = acceptable(r);
	return found;
}

/* Whether there is one safe meaning: one framing field can be written that says it. */
static bool
has_meaning(const struct http_request *r)
{
	const struct http_framing *f = &r->fields.framing;

	return !f->length_invalid && !f->lengths_differ && !f->coding_invalid &&
	       !f->codings_repeat && (!f->other_coding || f->chunked);
}

struct http_desync
http_desync_classify(const struct http_request *r, enum http_desync_mode mode)
{
	struct finding found = find(r);
	struct http_desync d = {.class = found.class, .reason = found.reason};
	bool blocked = (mode == HTTP_DESYNC_STRICTEST && d.class != HTTP_COMPLIANT) ||
		       (mode == HTTP_DESYNC_DEFENSIVE && d.class == HTTP_SEVERE);

	if (r->defect == HTTP_DEFECT_NONE) {
		if (blocked || !has_meaning(r))
			d.status = 400;
		else if (r->fields.framing.other_coding)
			d.status = 501; /* RFC 9112 section 6.1: chunked, over what is unknown */
	}
	/* Monitor mode lets it pass; that both connections end is never wrong. */
	d.close = d.class >= HTTP_AMBIGUOUS || d.status != 0;
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
					    "EmptyHeader",
					    "SuspiciousHeader",
					    "UndefinedContentLengthSemantics",
					    "UndefinedTransferEncodingSemantics",
					    "BadContentLength",
					    "BadHeader",
					    "BadMethod",
					    "BadTransferEncoding",
					    "BadUri",
					    "BadVersion",
					    "MultipleContentLength",
					    "MultipleTransferEncodingChunked",
					    "SuspiciousTeClPresent"};

	return names[reason];
}
