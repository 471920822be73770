/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "alb_action.h"
#include "alb_compiled.h"
#include "check.h"

const char *
alb_transform_status_name(enum alb_transform_status status)
{
	static const char *const names[ALB_TRANSFORM_STATUSES] = {
		"-",
		"TransformSuccess",
		"TransformBufferTooSmall",
		"TransformInvalidHost",
		"TransformInvalidPath",
		"TransformReplaceError",
	};

	CHECK((unsigned)status < ALB_TRANSFORM_STATUSES);
	return names[status];
}

struct alb_transform *
alb_transform_build(const struct model_transform *transform, bool host)
{
	struct alb_transform *t = calloc(1, sizeof(*t));
	char why[REGEXP_WHY_MAX];

	if (t == NULL)
		return NULL;
	memcpy(t->replacement, transform->replacement, strlen(transform->replacement) + 1);
	t->regexp = regexp_compile(transform->regex, host, why);
	if (t->regexp == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void
alb_transform_free(struct alb_transform *t)
{
	if (t == NULL)
		return;
	regexp_free(t->regexp);
	free(t);
}

struct output {
	char *at, *end;
	bool failed; /* it didn't fit */
};

static void
put(struct output *o, const char *bytes, size_t n)
{
	if ((size_t)(o->end - o->at) < n) {
		o->failed = true;
		return;
	}
	memcpy(o->at, bytes, n);
	o->at += n;
}

/* `$N` or `$NN` behind the dollar sign; the model has checked that it is one of the groups. */
static const char *
take_group(const char *at, uint32_t *group)
{
	*group = (uint32_t)(*at++ - '0');
	if (*group != 0 && *at >= '0' && *at <= '9')
		*group = 10 * *group + (uint32_t)(*at++ - '0');
	return at;
}

static void
put_replacement(struct output *o, const char *at, const struct regexp_scratch *regexp,
		struct alb_text subject)
{
	while (*at != '\0') {
		size_t n = strcspn(at, "$"), begin, end;
		uint32_t group;

		put(o, at, n);
		at += n;
		if (*at == '\0')
			return;
		if (*++at == '$') {
			put(o, at++, 1);
			continue;
		}
		at = take_group(at, &group);
		if (regexp_group(regexp, group, &begin, &end))
			put(o, subject.at + begin, end - begin);
	}
}

/* Replace the first match; nothing that matches leaves `result` alone. */
static enum alb_transform_status
replace(const struct alb_transform *t, struct alb_scratch *s, struct alb_text subject,
	struct output *o, struct alb_text *result)
{
	char *begin = o->at;
	size_t from, to;

	switch (regexp_match(t->regexp, s->regexp, subject.at, subject.len, &s->budget)) {
	case REGEXP_NO_MATCH:
		return ALB_TRANSFORM_NONE;
	case REGEXP_BUDGET_SPENT:
		return ALB_TRANSFORM_REPLACE_ERROR;
	case REGEXP_MATCH:
		break;
	}
	CHECK(regexp_group(s->regexp, 0, &from, &to));
	put(o, subject.at, from);
	put_replacement(o, t->replacement, s->regexp, subject);
	put(o, subject.at + to, subject.len - to);
	if (o->failed)
		return ALB_TRANSFORM_BUFFER_TOO_SMALL;
	*result = (struct alb_text){begin, (uint32_t)(o->at - begin)};
	return ALB_TRANSFORM_SUCCESS;
}

static bool
is_host(struct alb_text host)
{
	for (uint32_t i = 0; i < host.len; i++) {
		char c = host.at[i];

		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		      c == '-' || c == '.' || c == '_' || c == ':' || c == '[' || c == ']'))
			return false;
	}
	return host.len > 0 && host.len <= 255;
}

static bool
is_url(struct alb_text url)
{
	for (uint32_t i = 0; i < url.len; i++) {
		if (url.at[i] <= 0x20 || url.at[i] > 0x7e || url.at[i] == '#')
			return false;
	}
	return url.len > 0 && url.at[0] == '/';
}

static enum alb_transform_status
rewrite_host(const struct alb_transform *t, struct alb_scratch *s,
	     const struct alb_request *request, struct output *o, struct alb_text *host)
{
	enum alb_transform_status status = replace(t, s, request->host, o, host);

	return status == ALB_TRANSFORM_SUCCESS && !is_host(*host) ? ALB_TRANSFORM_INVALID_HOST
								  : status;
}

/* The subject is put together in the scratch, which holds the largest request line. */
static enum alb_transform_status
rewrite_url(const struct alb_transform *t, struct alb_scratch *s, const struct alb_request *request,
	    struct output *o, struct alb_text *url)
{
	struct output subject = {s->lower, s->lower + sizeof(s->lower), false};
	enum alb_transform_status status;

	put(&subject, request->path.at, request->path.len);
	if (request->query.len > 0) {
		put(&subject, "?", 1);
		put(&subject, request->query.at, request->query.len);
	}
	if (subject.failed)
		return ALB_TRANSFORM_BUFFER_TOO_SMALL;
	status = replace(t, s, (struct alb_text){s->lower, (uint32_t)(subject.at - s->lower)}, o,
			 url);
	return status == ALB_TRANSFORM_SUCCESS && !is_url(*url) ? ALB_TRANSFORM_INVALID_PATH
								: status;
}

enum alb_transform_status
alb_transform(const struct alb_action *action, struct alb_scratch *scratch,
	      const struct alb_request *request, char *out, uint32_t size,
	      struct alb_rewritten *rewritten)
{
	struct output o = {out, out + size, false};
	enum alb_transform_status host = ALB_TRANSFORM_NONE, url = ALB_TRANSFORM_NONE;

	*rewritten = (struct alb_rewritten){0};
	if (action->host_rewrite != NULL)
		host = rewrite_host(action->host_rewrite, scratch, request, &o, &rewritten->host);
	if (host <= ALB_TRANSFORM_SUCCESS && action->url_rewrite != NULL)
		url = rewrite_url(action->url_rewrite, scratch, request, &o, &rewritten->url);
	return host > url ? host : url;
}
