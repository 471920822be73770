/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <ctype.h>
#include <stdlib.h>

#include "check.h"
#include "ini_reader.h"
#include "model_keys.h"
#include "model_value.h"
#include "siphash.h"
#include "tls.h"
#include "tls_credentials.h"

/* Objects by id: open addressing, kind and position in its array. */
struct model_index {
	uint32_t size; /* power of two */
	uint32_t n;
	struct model_index_entry {
		uint64_t id; /* 0: empty */
		uint32_t kind, position;
	} * entries;
};

static const struct siphash_key identity_key = {
	{UINT64_C(0x7765697220696431), UINT64_C(0x6f626a6563747320)}};

static const char *const kind_names[MODEL_KINDS] = {
	"system",         "dataplane",   "cluster",     "management",   "interface",
	"load_balancer",  "listener",    "rule",        "target_group", "endpoint",
	"security_group", "certificate", "trust_store", "ssl_policy",
};

const char *
model_kind_name(enum model_kind kind)
{
	return kind_names[kind];
}

const char *
elb_protocol_name(enum elb_protocol protocol)
{
	static const char *const names[ELB_PROTOCOLS] = {"HTTP", "HTTPS",   "TCP",  "TLS",
							 "UDP",  "TCP_UDP", "QUIC", "TCP_QUIC",
							 "SSL",  "GENEVE"};

	return names[protocol];
}

const char *
load_balancer_type_name(enum load_balancer_type type)
{
	static const char *const names[] = {"application", "network", "classic", "gateway"};

	return names[type];
}

uint64_t
model_identity(const char *kind, const char *parent, const char *name)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%s", kind, parent, name);
	uint64_t id;

	CHECK(n > 0 && (size_t)n < sizeof(text));
	id = siphash(&identity_key, text, (size_t)n);
	return id == 0 ? 1 : id;
}

/* The arrays of a model, by kind. */
struct kind_array {
	void *items; /* address of the pointer */
	uint32_t *n;
	size_t size;
};

static struct kind_array
array_of(const struct model *model, enum model_kind kind)
{
	struct model *m = (struct model *)(uintptr_t)model;

	switch (kind) {
	case MODEL_INTERFACE:
		return (struct kind_array){&m->interfaces, &m->interfaces_n,
					   sizeof(*m->interfaces)};
	case MODEL_LOAD_BALANCER:
		return (struct kind_array){&m->load_balancers, &m->load_balancers_n,
					   sizeof(*m->load_balancers)};
	case MODEL_LISTENER:
		return (struct kind_array){&m->listeners, &m->listeners_n, sizeof(*m->listeners)};
	case MODEL_RULE:
		return (struct kind_array){&m->rules, &m->rules_n, sizeof(*m->rules)};
	case MODEL_TARGET_GROUP:
		return (struct kind_array){&m->target_groups, &m->target_groups_n,
					   sizeof(*m->target_groups)};
	case MODEL_ENDPOINT:
		return (struct kind_array){&m->endpoints, &m->endpoints_n, sizeof(*m->endpoints)};
	case MODEL_SECURITY_GROUP:
		return (struct kind_array){&m->security_groups, &m->security_groups_n,
					   sizeof(*m->security_groups)};
	case MODEL_CERTIFICATE:
		return (struct kind_array){&m->certificates, &m->certificates_n,
					   sizeof(*m->certificates)};
	case MODEL_TRUST_STORE:
		return (struct kind_array){&m->trust_stores, &m->trust_stores_n,
					   sizeof(*m->trust_stores)};
	case MODEL_SSL_POLICY:
		return (struct kind_array){&m->ssl_policies, &m->ssl_policies_n,
					   sizeof(*m->ssl_policies)};
	default:
		return (struct kind_array){NULL, NULL, 0};
	}
}

static struct model_object *
singleton(const struct model *model, enum model_kind kind)
{
	struct model *m = (struct model *)(uintptr_t)model;

	switch (kind) {
	case MODEL_SYSTEM:
		return (struct model_object *)&m->system;
	case MODEL_DATAPLANE:
		return (struct model_object *)&m->dataplane;
	case MODEL_CLUSTER:
		return (struct model_object *)&m->cluster;
	case MODEL_MANAGEMENT:
		return (struct model_object *)&m->management;
	default:
		return NULL;
	}
}

static struct model_object *
object_at(const struct model *model, enum model_kind kind, uint32_t position)
{
	struct kind_array a = array_of(model, kind);

	return (struct model_object *)(void *)(*(uint8_t **)a.items + position * a.size);
}

/* The index. */

static struct model_index_entry *
find_entry(const struct model_index *index, uint64_t id)
{
	uint32_t at = (uint32_t)id;

	while (index->entries[at & (index->size - 1)].id != 0 &&
	       index->entries[at & (index->size - 1)].id != id)
		at++;
	return &index->entries[at & (index->size - 1)];
}

static bool
index_grow(struct model_index *index)
{
	struct model_index old = *index;

	index->size = old.size * 2;
	index->entries = calloc(index->size, sizeof(*index->entries));
	if (index->entries == NULL) {
		*index = old;
		return false;
	}
	for (uint32_t i = 0; i < old.size; i++) {
		if (old.entries[i].id != 0)
			*find_entry(index, old.entries[i].id) = old.entries[i];
	}
	free(old.entries);
	return true;
}

static bool
index_add(struct model_index *index, uint64_t id, enum model_kind kind, uint32_t position)
{
	if (2 * (index->n + 1) > index->size && !index_grow(index))
		return false;
	*find_entry(index, id) = (struct model_index_entry){id, kind, position};
	index->n++;
	return true;
}

static struct model_object *
find_id(const struct model *model, enum model_kind kind, uint64_t id)
{
	const struct model_index_entry *e = find_entry(model->index, id);

	return e->id == 0 || e->kind != kind ? NULL : object_at(model, kind, e->position);
}

struct model_object *
model_find(const struct model *model, enum model_kind kind, const char *name)
{
	struct model_object *single = singleton(model, kind);

	return single != NULL ? single
			      : find_id(model, kind, model_identity(kind_names[kind], "", name));
}

const struct model_load_balancer *
model_load_balancer(const struct model *model, const char *name)
{
	return (const struct model_load_balancer *)model_find(model, MODEL_LOAD_BALANCER, name);
}

const struct model_target_group *
model_target_group(const struct model *model, const char *name)
{
	return (const struct model_target_group *)model_find(model, MODEL_TARGET_GROUP, name);
}

const struct model_listener *
model_listener(const struct model *model, const char *name)
{
	return (const struct model_listener *)model_find(model, MODEL_LISTENER, name);
}

const struct model_interface *
model_interface(const struct model *model, const char *name)
{
	return (const struct model_interface *)model_find(model, MODEL_INTERFACE, name);
}

const struct model_load_balancer *
model_load_balancer_by_id(const struct model *m, uint64_t id)
{
	return (const struct model_load_balancer *)find_id(m, MODEL_LOAD_BALANCER, id);
}

const struct model_target_group *
model_target_group_by_id(const struct model *m, uint64_t id)
{
	return (const struct model_target_group *)find_id(m, MODEL_TARGET_GROUP, id);
}

const char *
model_given(const struct model_object *object, const char *key)
{
	for (uint32_t i = 0; i < object->given.n; i++) {
		if (strcmp(object->given.items[i].key, key) == 0)
			return object->given.items[i].value;
	}
	return NULL;
}

/* Values. */

static void
store(struct model_object *object, const struct model_key *row, uint64_t number, const char *text)
{
	uint8_t *field = (uint8_t *)object + row->offset;

	if (row->offset == 0)
		return;
	if (row->type == MODEL_VALUE_TEXT) {
		snprintf((char *)field, row->size, "%s", text);
	} else if (row->size == 1) {
		*field = (uint8_t)number;
	} else if (row->size == 2) {
		*(uint16_t *)(void *)field = (uint16_t)number;
	} else {
		CHECK(row->size == 4);
		*(uint32_t *)(void *)field = (uint32_t)number;
	}
}

static bool
parse_uint(const struct model_key *row, const char *text, uint64_t *number)
{
	if ((row->flags & MODEL_KEY_WORD) != 0 && strcmp(text, row->choices[0]) == 0) {
		*number = 0;
		return true;
	}
	*number = 0;
	if (*text == '\0' || strlen(text) > 18)
		return false;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		*number = *number * 10 + (uint64_t)(*text - '0');
	}
	return *number >= row->min && *number <= row->max;
}

static bool
parse_choice(const struct model_key *row, const char *text, uint64_t *number)
{
	for (*number = 0; *number < MODEL_KEYS_CHOICES_MAX && row->choices[*number] != NULL;
	     (*number)++) {
		if (*text != '\0' && strcmp(row->choices[*number], text) == 0)
			return true;
	}
	return false;
}

/* The value of any type but CUSTOM. */
static bool
parse_plain(struct model_object *object, const struct model_key *row, const char *value,
	    char canonical[MODEL_VALUE_MAX], struct model_error *error)
{
	char allowed[MODEL_TEXT_MAX], text[MODEL_VALUE_MAX];
	uint64_t number = 0;
	bool ok = ini_unquote(value, text, sizeof(text));

	if (ok && row->type == MODEL_VALUE_UINT)
		ok = parse_uint(row, text, &number);
	else if (ok && row->type == MODEL_VALUE_TEXT)
		ok = strlen(text) <= row->max;
	else if (ok)
		ok = parse_choice(row, text, &number);
	if (!ok)
		return model_refuse(error, model_key_allowed(row, allowed),
				    "`%.200s` is not allowed", value);
	store(object, row, number, text);
	snprintf(canonical, MODEL_VALUE_MAX, "%s", text);
	if (row->type == MODEL_VALUE_UINT && (number != 0 || isdigit((unsigned char)text[0])))
		snprintf(canonical, MODEL_TEXT_MAX, "%llu", (unsigned long long)number);
	return true;
}

static bool
remember(struct model_object *object, const struct model_key *row, const char *key,
	 const char *canonical, const struct model_origin *origin)
{
	struct model_attribute a = {.key = key,
				    .row = (uint32_t)(row - model_keys),
				    .position = object->given.n,
				    .value = strdup(canonical),
				    .origin = *origin};

	if (a.value == NULL)
		return false;
	if (!model_append(&object->given.items, &object->given.n, &a, sizeof(a))) {
		free(a.value);
		return false;
	}
	return true;
}

static const struct model_key *
find_row(enum model_kind kind, const char *key, struct model_error *error)
{
	const struct model_key *row = model_key_find(kind, key);

	if (row == NULL)
		model_refuse(error, "see docs/configuration.md", "the key is not known in [%s]",
			     kind_names[kind]);
	return row;
}

/* The key of the table; one that ends in NAME as it is given, in lower case. */
static const char *
key_of(struct model *model, const struct model_key *row, const char *key)
{
	char lower[INI_KEY_MAX + 1];
	size_t n = 0;

	if ((row->flags & MODEL_KEY_NAMED) == 0)
		return row->key;
	for (; key[n] != '\0' && n + 1 < sizeof(lower); n++)
		lower[n] = (char)tolower((unsigned char)key[n]);
	lower[n] = '\0';
	return model_file(model, lower);
}

/* Whether a line of a file holds the key and its canonical value, every byte of it escaped. */
static bool
fits_line(const struct model_key *row, const char *canonical)
{
	size_t escaped = row->type == MODEL_VALUE_TEXT ? 2 * strlen(canonical) : strlen(canonical);

	return escaped + INI_KEY_MAX + 8 <= INI_LINE_MAX;
}

bool
model_set(struct model *model, struct model_object *object, const char *key, const char *value,
	  const struct model_origin *origin, struct model_error *error)
{
	const struct model_key *row = find_row(object->object_kind, key, error);
	char canonical[MODEL_VALUE_MAX] = "";
	bool ok;

	if (row == NULL)
		return false;
	if ((row->flags & MODEL_KEY_REPEAT) == 0 && model_given(object, key) != NULL)
		return model_refuse(error, "once", "the key is given twice");
	if (strlen(value) >= MODEL_VALUE_MAX)
		return model_refuse(error, "at most 4095 bytes", "the value is too long");
	key = key_of(model, row, key);
	if (key == NULL)
		return model_refuse(error, "", "no memory");
	ok = row->type == MODEL_VALUE_CUSTOM
		     ? row->parse(model, object, key, value, canonical, error)
		     : parse_plain(object, row, value, canonical, error);
	if (!ok)
		return false;
	if ((row->flags & MODEL_KEY_DEFAULT_ONLY) != 0 &&
	    strcmp(canonical, row->initial == NULL ? "" : row->initial) != 0)
		return model_refuse(error,
				    row->initial == NULL || row->initial[0] == '\0'
					    ? "leave the key out"
					    : row->initial,
				    "this version has no data path for it, only the default");
	if (!fits_line(row, canonical))
		return model_refuse(error, "fewer bytes", "the value is too long");
	if (!remember(object, row, key, canonical, origin))
		return model_refuse(error, "", "no memory");
	return true;
}

/* Objects. */

static void
set_defaults(struct model *model, struct model_object *object)
{
	char canonical[MODEL_VALUE_MAX];
	struct model_error error;

	for (uint32_t i = 0; i < model_keys_n; i++) {
		const struct model_key *row = &model_keys[i];

		if ((row->kinds >> object->object_kind & 1) == 0 || row->initial == NULL)
			continue;
		if (row->type == MODEL_VALUE_CUSTOM)
			CHECK(row->parse(model, object, row->key, row->initial, canonical, &error));
		else if (row->offset != 0)
			CHECK(parse_plain(object, row, row->initial, canonical, &error));
	}
}

static void
init_object(struct model *model, struct model_object *object, enum model_kind kind,
	    const char *name, const struct model_origin *origin)
{
	object->object_kind = kind;
	object->origin = *origin;
	snprintf(object->name, sizeof(object->name), "%s", name);
	object->id = model_identity(kind_names[kind], "", name);
	set_defaults(model, object);
}

/* `LB:PORT`, or `LB` for a gateway load balancer. */
static bool
split_listener(const char *name, char lb[MODEL_NAME_MAX], uint16_t *port)
{
	const char *colon = strchr(name, ':');
	size_t n = colon == NULL ? strlen(name) : (size_t)(colon - name);
	unsigned number = 0;
	int end = 0;

	if (n == 0 || n >= MODEL_NAME_MAX)
		return false;
	memcpy(lb, name, n);
	lb[n] = '\0';
	*port = 0;
	if (colon == NULL)
		return model_name_is_valid(lb);
	if (sscanf(colon + 1, "%5u%n", &number, &end) != 1 || colon[1 + end] != '\0' ||
	    number == 0 || number > 65535 || !isdigit((unsigned char)colon[1]) || colon[1] == '0')
		return false;
	*port = (uint16_t)number;
	return model_name_is_valid(lb);
}

static bool
name_listener(struct model_listener *l, const char *name, struct model_error *error)
{
	if (!split_listener(name, l->load_balancer, &l->port))
		return model_refuse(error,
				    "[listener LOAD_BALANCER:PORT] with a port of 1 to 65535",
				    "`%.100s` is not a load balancer and port", name);
	l->load_balancer_id = model_identity("load_balancer", "", l->load_balancer);
	return true;
}

static bool
name_rule(struct model_rule *r, const char *name, struct model_error *error)
{
	static const char *const allowed =
		"[rule LOAD_BALANCER:PORT PRIORITY], priority 1 to 50000";
	const char *space = strchr(name, ' ');
	char lb[MODEL_NAME_MAX];
	unsigned priority;
	uint16_t port;
	int end = 0;

	if (space == NULL || (size_t)(space - name) >= sizeof(r->listener))
		return model_refuse(error, allowed, "`%.100s` has no priority", name);
	memcpy(r->listener, name, (size_t)(space - name));
	r->listener[space - name] = '\0';
	if (!split_listener(r->listener, lb, &port) || !isdigit((unsigned char)space[1]) ||
	    space[1] == '0' || sscanf(space + 1, "%5u%n", &priority, &end) != 1 ||
	    space[1 + end] != '\0' || priority > 50000)
		return model_refuse(error, allowed, "`%.100s` is not a listener and priority",
				    name);
	r->priority = priority;
	r->listener_id = model_identity("listener", "", r->listener);
	return true;
}

static bool
is_interface_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       n;
}

static bool
check_name(enum model_kind kind, const char *name, struct model_error *error)
{
	if (kind == MODEL_INTERFACE && !is_interface_name(name))
		return model_refuse(error, "1 to 32 letters, digits, `-`, `_` and `.`",
				    "`%.100s` cannot be an interface's name", name);
	if ((kind == MODEL_LOAD_BALANCER || kind == MODEL_TARGET_GROUP || kind == MODEL_ENDPOINT ||
	     kind == MODEL_SECURITY_GROUP || kind == MODEL_CERTIFICATE ||
	     kind == MODEL_TRUST_STORE || kind == MODEL_SSL_POLICY) &&
	    !model_name_is_valid(name))
		return model_refuse(error,
				    "1 to 32 letters, digits and hyphens, no hyphen at the edges",
				    "`%.100s` cannot be the name of a %s", name, kind_names[kind]);
	if (kind == MODEL_LOAD_BALANCER && strncmp(name, "internal-", 9) == 0)
		return model_refuse(error, "a name that does not begin with internal-",
				    "`%.100s` cannot be the name of a load balancer", name);
	return true;
}

/* Append an object of a name that was checked. */
static struct model_object *
add_object(struct model *model, enum model_kind kind, const char *name,
	   const struct model_origin *origin, struct model_error *error)
{
	struct model_object *object;
	static const union {
		struct model_interface interface;
		struct model_load_balancer load_balancer;
		struct model_listener listener;
		struct model_rule rule;
		struct model_target_group target_group;
		struct model_endpoint endpoint;
		struct model_security_group security_group;
		struct model_certificate certificate;
		struct model_trust_store trust_store;
		struct model_ssl_policy ssl_policy;
	} zero;
	struct kind_array a = array_of(model, kind);

	if (!model_append(a.items, a.n, &zero, a.size)) {
		model_refuse(error, "", "no memory");
		return NULL;
	}
	object = object_at(model, kind, *a.n - 1);
	init_object(model, object, kind, name, origin);
	if ((kind == MODEL_LISTENER &&
	     !name_listener((struct model_listener *)object, name, error)) ||
	    (kind == MODEL_RULE && !name_rule((struct model_rule *)object, name, error)) ||
	    !index_add(model->index, object->id, kind, *a.n - 1)) {
		(*a.n)--;
		return NULL;
	}
	return object;
}

struct model_object *
model_add(struct model *model, enum model_kind kind, const char *name,
	  const struct model_origin *origin, struct model_error *error)
{
	struct model_object *object = singleton(model, kind), *there;

	if (object != NULL) {
		object->origin = *origin;
		return object;
	}
	if (!check_name(kind, name, error) || strlen(name) >= sizeof(object->name))
		return NULL;
	there = model_find(model, kind, name);
	if (there != NULL) {
		model_refuse(error, "one section for each object",
			     "the section appears twice; first at %s:%u", there->origin.file,
			     there->origin.line);
		return NULL;
	}
	return add_object(model, kind, name, origin, error);
}

struct model_target_group *
model_add_implicit_group(struct model *model, const char *name, const struct model_origin *origin,
			 struct model_error *error)
{
	struct model_target_group *tg = (struct model_target_group *)add_object(
		model, MODEL_TARGET_GROUP, name, origin, error);

	if (tg != NULL)
		tg->implicit = true;
	return tg;
}

const char *
model_file(struct model *model, const char *name)
{
	char *copy = strdup(name);

	if (copy == NULL || !model_append(&model->files, &model->files_n, &copy, sizeof(copy))) {
		free(copy);
		return NULL;
	}
	return copy;
}

struct model *
model_create(void)
{
	struct model_origin nowhere = {.file = ""};
	struct model *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->index = calloc(1, sizeof(*m->index));
	if (m->index != NULL) {
		m->index->size = 256;
		m->index->entries = calloc(m->index->size, sizeof(*m->index->entries));
	}
	if (m->index == NULL || m->index->entries == NULL) {
		model_free(m);
		return NULL;
	}
	m->dataplane.management_lcore = -1;
	for (int kind = MODEL_SYSTEM; kind <= MODEL_MANAGEMENT; kind++)
		init_object(m, singleton(m, (enum model_kind)kind), (enum model_kind)kind,
			    kind_names[kind], &nowhere);
	return m;
}

static void
free_given(struct model_object *object)
{
	for (uint32_t i = 0; i < object->given.n; i++)
		free(object->given.items[i].value);
	free(object->given.items);
}

static void
free_arrays(struct model_object *object)
{
	if (object->object_kind == MODEL_INTERFACE) {
		struct model_interface *i = (struct model_interface *)object;

		free(i->addresses);
		free(i->local_addresses);
		free(i->gateways);
		free(i->routes);
		free(i->neighbors);
	} else if (object->object_kind == MODEL_LOAD_BALANCER) {
		free(((struct model_load_balancer *)object)->addresses);
		free(((struct model_load_balancer *)object)->instances);
	} else if (object->object_kind == MODEL_RULE) {
		struct model_rule *r = (struct model_rule *)object;

		free(r->conditions);
		free(r->host_header_rewrite.regex);
		free(r->host_header_rewrite.replacement);
		free(r->url_rewrite.regex);
		free(r->url_rewrite.replacement);
	} else if (object->object_kind == MODEL_TARGET_GROUP) {
		free(((struct model_target_group *)object)->targets);
		tls_client_put(((struct model_target_group *)object)->tls);
	} else if (object->object_kind == MODEL_ENDPOINT) {
		free(((struct model_endpoint *)object)->interfaces);
	} else if (object->object_kind == MODEL_SECURITY_GROUP) {
		free(((struct model_security_group *)object)->inbound);
		free(((struct model_security_group *)object)->outbound);
	} else if (object->object_kind == MODEL_CERTIFICATE) {
		tls_credentials_put(((struct model_certificate *)object)->credentials);
	} else if (object->object_kind == MODEL_TRUST_STORE) {
		tls_trust_put(((struct model_trust_store *)object)->trust);
	}
}

void
model_free(struct model *m)
{
	if (m == NULL)
		return;
	for (int kind = 0; kind < MODEL_KINDS; kind++) {
		struct kind_array a = array_of(m, (enum model_kind)kind);

		if (a.items == NULL) {
			free_given(singleton(m, (enum model_kind)kind));
			continue;
		}
		for (uint32_t i = 0; i < *a.n; i++) {
			struct model_object *object = object_at(m, (enum model_kind)kind, i);

			free_given(object);
			free_arrays(object);
		}
		free(*(void **)a.items);
	}
	for (uint32_t i = 0; i < m->files_n; i++)
		free(m->files[i]);
	free(m->files);
	free(m->sets);
	if (m->index != NULL)
		free(m->index->entries);
	free(m->index);
	free(m);
}

/* Keys in the table's order, values of a repeated key as they were given. */
static int
compare_given(const void *a, const void *b)
{
	const struct model_attribute *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

void
model_sort_given(struct model *m)
{
	for (int kind = 0; kind < MODEL_KINDS; kind++) {
		struct kind_array a = array_of(m, (enum model_kind)kind);
		uint32_t n = a.items == NULL ? 1 : *a.n;

		for (uint32_t i = 0; i < n; i++) {
			struct model_object *o = a.items == NULL
							 ? singleton(m, (enum model_kind)kind)
							 : object_at(m, (enum model_kind)kind, i);

			if (o->given.n > 1)
				qsort(o->given.items, o->given.n, sizeof(*o->given.items),
				      compare_given);
		}
	}
}
