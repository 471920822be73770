/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "alb_builder.h"

static void *
copy_of(struct builder *b, const void *from, size_t size)
{
	void *to = alb_builder_take(b, 1, size);

	if (to != NULL)
		memcpy(to, from, size);
	return to;
}

static void
build_action(struct builder *b, const struct model_action *m,
	     const struct alb_group_indexes *groups, struct alb_action *a)
{
	a->action_kind = m->action_kind;
	a->stickiness_seconds = m->stickiness_seconds;
	for (uint32_t i = 0; i < m->forwards_n; i++) {
		struct alb_forward *f = &a->forwards[a->forwards_n++];

		a->weight_sum += m->forwards[i].weight;
		f->weight_end = a->weight_sum;
		f->target_group_id = m->forwards[i].target_group_id;
		f->group = groups == NULL ? 0 : groups->index(groups->arg, f->target_group_id);
	}
	if (m->action_kind == ACTION_REDIRECT)
		a->redirect = copy_of(b, &m->redirect, sizeof(m->redirect));
	else if (m->action_kind == ACTION_FIXED_RESPONSE)
		a->fixed_response = copy_of(b, &m->fixed_response, sizeof(m->fixed_response));
}

static void
build_transforms(struct builder *b, const struct model_rule *m, struct alb_action *a)
{
	if (m->host_header_rewrite.regex != NULL) {
		a->host_rewrite = alb_transform_build(&m->host_header_rewrite, true);
		b->failed |= a->host_rewrite == NULL;
	}
	if (m->url_rewrite.regex != NULL) {
		a->url_rewrite = alb_transform_build(&m->url_rewrite, false);
		b->failed |= a->url_rewrite == NULL;
	}
}

void
alb_builder_actions(struct builder *b, const struct model_listener *l,
		    const struct alb_group_indexes *groups)
{
	struct rule *last = &b->r->rules[b->r->rules_n];

	for (uint32_t i = 0; i < b->r->rules_n; i++) {
		struct rule *rule = &b->r->rules[i];

		rule->id = b->models[i]->id;
		rule->priority = b->models[i]->priority;
		build_action(b, &b->models[i]->action, groups, &rule->action);
		build_transforms(b, b->models[i], &rule->action);
	}
	last->id = l->id;
	build_action(b, &l->default_action, groups, &last->action);
}
