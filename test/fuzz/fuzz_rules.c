/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules and a request from any bytes: lines of rules up to a NUL, then method, host, URL, and
 * fields, each ended by a NUL.  Whatever the rules, they compile when the model is good, and what
 * matches is the first rule of those that match on their own.
 */
#include <stdlib.h>

#include "alb_world.h"
#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RULES_MAX 12 /* each is compiled once more, alone */

/* The next text of the input, without its NUL. */
static struct alb_text
take(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size == 0 ? NULL : memchr(*data, 0, *size);
	size_t n = end == NULL ? *size : (size_t)(end - *data);
	struct alb_text text = {(const char *)*data, (uint32_t)n};

	*data += end == NULL ? n : n + 1;
	*size -= end == NULL ? n : n + 1;
	return text;
}

struct fields {
	struct alb_text texts[2 * WORLD_FIELDS_MAX];
};

static void
field(const void *arg, uint32_t i, struct alb_text *name, struct alb_text *value)
{
	const struct fields *f = arg;

	*name = f->texts[2 * i];
	*value = f->texts[2 * i + 1];
}

static struct model *
parse(struct alb_text rules)
{
	struct config_source sources[] = {{"head.ini", WORLD_HEAD, strlen(WORLD_HEAD)},
					  {"rules.ini", rules.at, rules.len}};
	struct config_errors errors = {0};
	struct model *m = config_parse(sources, 2, &errors);

	config_errors_free(&errors);
	return m;
}

/* Whether the i-th of the model's rules matches when it is the only one. */
static enum alb_outcome
match_alone(const struct model *m, uint32_t i, struct alb_scratch *scratch,
	    const struct alb_request *request, bool *matched)
{
	struct model one = *m;
	char why[REGEXP_WHY_MAX];
	struct alb_rules *r;
	enum alb_outcome outcome;
	uint32_t rule;

	one.rules = &m->rules[i];
	one.rules_n = 1;
	r = alb_rules_build(&one, model_listener(m, "lb:80"), NULL, why);
	CHECK(r != NULL);
	outcome = alb_rules_match(r, scratch, request, &rule);
	*matched = alb_rules_priority(r, rule) != 0;
	alb_rules_free(r);
	return outcome;
}

static void
check_match(const struct model *m, const struct alb_rules *r, struct alb_scratch *scratch,
	    const struct alb_request *request)
{
	const struct model_listener *l = model_listener(m, "lb:80");
	uint32_t best = 0, rule;
	enum alb_outcome outcome = alb_rules_match(r, scratch, request, &rule);

	for (uint32_t i = 0; i < m->rules_n; i++) {
		bool matched;

		if (m->rules[i].listener_id != l->id || (best != 0 && m->rules[i].priority > best))
			continue;
		if (match_alone(m, i, scratch, request, &matched) == ALB_BUDGET)
			return;
		if (matched)
			best = m->rules[i].priority;
	}
	CHECK(outcome == ALB_BUDGET || alb_rules_priority(r, rule) == best);
}

static void
act(const struct alb_rules *r, struct alb_scratch *scratch, const struct alb_request *request)
{
	static char out[ALB_REDIRECT_MAX];
	struct alb_rewritten rewritten;
	const struct alb_action *a;
	uint32_t rule, n;

	if (alb_rules_match(r, scratch, request, &rule) != ALB_MATCHED)
		return;
	a = alb_rules_action(r, rule);
	if (alb_transform(a, scratch, request, out, 600, &rewritten) <= ALB_TRANSFORM_SUCCESS) {
		for (uint32_t i = 0; rewritten.url.at != NULL && i < rewritten.url.len; i++)
			CHECK(rewritten.url.at[i] > 0x20 && rewritten.url.at[i] < 0x7f);
	}
	if (a->action_kind != ACTION_REDIRECT)
		return;
	n = alb_redirect_url(a->redirect, request, false, 80, out, sizeof(out));
	for (uint32_t i = 0; i < n; i++)
		CHECK(out[i] > 0x20 && out[i] < 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct alb_scratch *scratch;
	struct alb_text rules = take(&data, &size);
	struct alb_request request = {.field = field};
	struct fields fields;
	char why[REGEXP_WHY_MAX];
	struct alb_rules *r;
	struct model *m;

	if (scratch == NULL)
		scratch = alb_scratch_create();
	m = parse(rules);
	if (m == NULL || m->rules_n > RULES_MAX || model_listener(m, "lb:80") == NULL) {
		model_free(m);
		return 0;
	}
	request.method = take(&data, &size);
	request.host = take(&data, &size);
	request.path = take(&data, &size);
	request.query = take(&data, &size);
	ip_addr_parse("192.0.2.77", &request.client);
	while (size > 0 && request.fields_n < WORLD_FIELDS_MAX) {
		fields.texts[2 * request.fields_n] = take(&data, &size);
		fields.texts[2 * request.fields_n++ + 1] = take(&data, &size);
	}
	request.fields = &fields;
	r = alb_rules_build(m, model_listener(m, "lb:80"), NULL, why);
	CHECK(r != NULL);
	check_match(m, r, scratch, &request);
	act(r, scratch, &request);
	alb_rules_free(r);
	model_free(m);
	return 0;
}
