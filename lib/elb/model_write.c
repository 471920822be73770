/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <stdlib.h>

#include "model_keys.h"

/* Sections in the order of kinds, then names; keys in the order of the table, values as given. */

static int
compare_objects(const void *a, const void *b)
{
	const struct model_object *const *x = a, *const *y = b;

	if ((*x)->object_kind != (*y)->object_kind)
		return (*x)->object_kind < (*y)->object_kind ? -1 : 1;
	return strcmp((*x)->name, (*y)->name);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Whether the reader would strip, cut or unquote the bare value. */
static bool
needs_quotes(const struct model_key *row, const char *value)
{
	if (row->type != MODEL_VALUE_TEXT)
		return false;
	if (value[0] == '\0' || value[0] == '"' || value[0] == ';' || is_blank(value[0]) ||
	    is_blank(value[strlen(value) - 1]))
		return true;
	for (const char *c = value + 1; *c != '\0'; c++) {
		if (*c == ';' && is_blank(c[-1]))
			return true;
	}
	return false;
}

static void
write_value(const struct model_key *row, const char *key, const char *value, FILE *out)
{
	fprintf(out, "%s = ", key);
	if (!needs_quotes(row, value)) {
		fprintf(out, "%s\n", value);
		return;
	}
	fputc('"', out);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
	fputs("\"\n", out);
}

static bool
is_implicit(const struct model_object *object)
{
	return object->object_kind == MODEL_TARGET_GROUP &&
	       ((const struct model_target_group *)object)->implicit;
}

static void
write_object(const struct model_object *object, FILE *out)
{
	bool single = object->object_kind <= MODEL_MANAGEMENT;

	if ((single && object->given.n == 0) || is_implicit(object))
		return;
	fprintf(out, "[%s%s%s]\n", model_kind_name(object->object_kind), single ? "" : " ",
		single ? "" : object->name);
	for (uint32_t k = 0; k < model_keys_n; k++) {
		const struct model_key *row = &model_keys[k];

		if ((row->kinds >> object->object_kind & 1) == 0)
			continue;
		for (uint32_t i = 0; i < object->given.n; i++) {
			const struct model_attribute *a = &object->given.items[i];

			if (a->row == k)
				write_value(row, a->key, a->value, out);
		}
	}
	fputc('\n', out);
}

bool
model_write(const struct model *m, FILE *out)
{
	size_t n = 4 + m->interfaces_n + m->load_balancers_n + m->listeners_n + m->rules_n +
		   m->target_groups_n + m->endpoints_n + m->security_groups_n + m->certificates_n +
		   m->trust_stores_n + m->ssl_policies_n;
	const struct model_object **objects = calloc(n, sizeof(*objects));
	size_t at = 0;

	if (objects == NULL)
		return false;
	objects[at++] = (const struct model_object *)&m->system;
	objects[at++] = (const struct model_object *)&m->dataplane;
	objects[at++] = (const struct model_object *)&m->cluster;
	objects[at++] = (const struct model_object *)&m->management;
	for (uint32_t i = 0; i < m->interfaces_n; i++)
		objects[at++] = (const struct model_object *)&m->interfaces[i];
	for (uint32_t i = 0; i < m->load_balancers_n; i++)
		objects[at++] = (const struct model_object *)&m->load_balancers[i];
	for (uint32_t i = 0; i < m->listeners_n; i++)
		objects[at++] = (const struct model_object *)&m->listeners[i];
	for (uint32_t i = 0; i < m->rules_n; i++)
		objects[at++] = (const struct model_object *)&m->rules[i];
	for (uint32_t i = 0; i < m->target_groups_n; i++)
		objects[at++] = (const struct model_object *)&m->target_groups[i];
	for (uint32_t i = 0; i < m->endpoints_n; i++)
		objects[at++] = (const struct model_object *)&m->endpoints[i];
	for (uint32_t i = 0; i < m->security_groups_n; i++)
		objects[at++] = (const struct model_object *)&m->security_groups[i];
	for (uint32_t i = 0; i < m->certificates_n; i++)
		objects[at++] = (const struct model_object *)&m->certificates[i];
	for (uint32_t i = 0; i < m->trust_stores_n; i++)
		objects[at++] = (const struct model_object *)&m->trust_stores[i];
	for (uint32_t i = 0; i < m->ssl_policies_n; i++)
		objects[at++] = (const struct model_object *)&m->ssl_policies[i];
	qsort(objects, n, sizeof(*objects), compare_objects);
	for (size_t i = 0; i < n; i++)
		write_object(objects[i], out);
	free(objects);
	return !ferror(out);
}
