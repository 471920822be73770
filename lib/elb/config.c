/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ini_reader.h"
#include "model_check.h"
#include "model_value.h"
#include "secret.h"
#include "tls_credentials.h"
#include "tls_trust.h"

#define FILE_MAX_BYTES (64u << 20)

struct loader {
	struct model *model;
	struct config_errors *errors;
	const char *file;            /* owned by the model */
	enum model_kind kind;        /* of the section being read */
	char name[MODEL_TEXT_MAX];   /* of its object */
	struct model_object *object; /* NULL: the section was refused, skip its keys */
	bool seen[MODEL_KINDS];      /* sections without a name */
	struct model_origin first[MODEL_KINDS];
};

void
config_errors_free(struct config_errors *errors)
{
	free(errors->items);
	*errors = (struct config_errors){0};
}

static void
add_error(struct config_errors *errors, const char *file, uint32_t line, const char *section,
	  const char *key, const char *what, const char *allowed)
{
	struct config_error e = {.line = line};
	int n;

	snprintf(e.file, sizeof(e.file), "%s", file);
	n = snprintf(e.text, sizeof(e.text), "%s:%u: ", file, line);
	if (section[0] != '\0')
		n += snprintf(e.text + n, sizeof(e.text) - (size_t)n, "[%.80s]%s%s: ", section,
			      key[0] != '\0' ? " " : "", key);
	snprintf(e.text + n, sizeof(e.text) - (size_t)n, "%s%s%s", what,
		 allowed[0] != '\0' ? "; allowed: " : "", allowed);
	model_append(&errors->items, &errors->n, &e, sizeof(e));
}

static const char *
section_text(const struct loader *l, char text[MODEL_TEXT_MAX])
{
	if (l->object == NULL)
		return "";
	snprintf(text, MODEL_TEXT_MAX, "%s%s%.100s", model_kind_name(l->kind),
		 l->kind <= MODEL_MANAGEMENT ? "" : " ",
		 l->kind <= MODEL_MANAGEMENT ? "" : l->name);
	return text;
}

static void
on_error(void *arg, uint32_t line, const char *what, const char *allowed)
{
	struct loader *l = arg;

	add_error(l->errors, l->file, line, "", "", what, allowed);
	/* A bad header must not give its keys to the section before. */
	if (strstr(what, "section header") != NULL)
		l->object = NULL;
}

static bool
find_kind(const char *word, enum model_kind *kind)
{
	for (int k = 0; k < MODEL_KINDS; k++) {
		if (strcmp(model_kind_name((enum model_kind)k), word) == 0) {
			*kind = (enum model_kind)k;
			return true;
		}
	}
	return false;
}

static void
refuse_kind(struct loader *l, uint32_t line, const char *text)
{
	add_error(
		l->errors, l->file, line, text, "", "the kind of section is not known",
		"system, dataplane, cluster, management, interface, load_balancer, listener, rule, "
		"target_group, endpoint, security_group, certificate, trust_store, ssl_policy");
}

/* Split `kind name`; blanks between are folded. */
static void
split_section(const char *text, char word[64], char name[MODEL_TEXT_MAX])
{
	size_t n = strcspn(text, " \t"), at = 0;

	snprintf(word, 64, "%.*s", n < 63 ? (int)n : 63, text);
	text += n;
	text += strspn(text, " \t");
	while (*text != '\0' && at + 2 < MODEL_TEXT_MAX) {
		n = strspn(text, " \t");
		if (n > 0)
			name[at++] = ' ';
		text += n;
		if (*text != '\0')
			name[at++] = *text++;
	}
	name[at] = '\0';
}

static void
on_section(void *arg, uint32_t line, const char *text)
{
	struct loader *l = arg;
	struct model_origin origin = {.file = l->file, .line = line};
	struct model_error error = {.what = "the name is too long", .allowed = "at most 32 bytes"};
	char word[64], why[MODEL_TEXT_MAX];

	l->object = NULL;
	split_section(text, word, l->name);
	if (!find_kind(word, &l->kind)) {
		refuse_kind(l, line, text);
		return;
	}
	if ((l->kind <= MODEL_MANAGEMENT) != (l->name[0] == '\0')) {
		add_error(l->errors, l->file, line, text, "",
			  l->name[0] == '\0' ? "the section has no name"
					     : "the section takes no name",
			  l->name[0] == '\0' ? "[kind NAME]" : "[kind]");
		return;
	}
	if (l->kind <= MODEL_MANAGEMENT && l->seen[l->kind]) {
		snprintf(why, sizeof(why), "the section appears twice; first at %s:%u",
			 l->first[l->kind].file, l->first[l->kind].line);
		add_error(l->errors, l->file, line, text, "", why, "one section of the kind");
		return;
	}
	l->seen[l->kind] = true;
	l->first[l->kind] = origin;
	l->object = model_add(l->model, l->kind, l->name, &origin, &error);
	if (l->object == NULL)
		add_error(l->errors, l->file, line, text, "", error.what, error.allowed);
}

static void
on_key(void *arg, uint32_t line, const char *key, const char *value)
{
	struct loader *l = arg;
	struct model_origin origin = {.file = l->file, .line = line};
	struct model_error error = {.what = "", .allowed = ""};
	char section[MODEL_TEXT_MAX];

	if (l->object == NULL)
		return;
	if (!model_set(l->model, l->object, key, value, &origin, &error))
		add_error(l->errors, l->file, line, section_text(l, section), key, error.what,
			  error.allowed);
}

static void
on_finding(void *arg, const struct model_object *object, const char *key,
	   const struct model_origin *origin, const char *what, const char *allowed)
{
	struct loader *l = arg;
	char section[MODEL_TEXT_MAX];

	l->kind = object->object_kind;
	l->object = (struct model_object *)(uintptr_t)object;
	snprintf(l->name, sizeof(l->name), "%s", object->name);
	add_error(l->errors, origin->file, origin->line, section_text(l, section), key, what,
		  allowed);
}

static bool
hash_model(struct model *m)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool ok;

	if (f == NULL)
		return false;
	ok = model_write(m, f);
	/* What files hold is part of it. */
	for (uint32_t i = 0; i < m->certificates_n; i++) {
		const struct tls_credentials_info *info =
			tls_credentials_info(m->certificates[i].credentials);

		fwrite(info->certificate_sha256, 1, sizeof(info->certificate_sha256), f);
		fwrite(info->chain_sha256, 1, sizeof(info->chain_sha256), f);
		fwrite(info->key_sha256, 1, sizeof(info->key_sha256), f);
	}
	for (uint32_t i = 0; i < m->target_groups_n; i++) {
		if (m->target_groups[i].has_public_key)
			fwrite(m->target_groups[i].public_key, 1, TLS_PUBLIC_KEY_LEN, f);
	}
	for (uint32_t i = 0; i < m->trust_stores_n; i++)
		fwrite(tls_trust_sha256(m->trust_stores[i].trust), 1, TLS_TRUST_SHA256_LEN, f);
	ok = fclose(f) == 0 && ok;
	if (ok)
		secret_sha256(text, len, m->hash);
	free(text);
	return ok;
}

struct model *
config_load(const struct config_source *sources, size_t sources_n, struct config_errors *errors)
{
	static const struct ini_events events = {
		.section = on_section, .key = on_key, .error = on_error};
	struct loader *l = calloc(1, sizeof(*l));
	struct model *m = l == NULL ? NULL : model_create();

	if (m == NULL) {
		add_error(errors, "", 0, "", "", "no memory", "");
		free(l);
		return NULL;
	}
	l->model = m;
	l->errors = errors;
	for (size_t i = 0; i < sources_n; i++) {
		l->file = model_file(m, sources[i].name);
		l->object = NULL;
		if (l->file != NULL)
			ini_read(sources[i].bytes, sources[i].len, &events, l);
	}
	if (m->system.origin.line == 0 && sources_n > 0)
		m->system.origin.file = l->file;
	/* Checks of the whole model run even after errors: the operator sees all at once. */
	model_check(m, on_finding, l);
	model_sort_given(m);
	free(l);
	if (errors->n > 0 || !hash_model(m)) {
		model_free(m);
		return NULL;
	}
	return m;
}

/* Files. */

static bool
read_file(const char *path, struct config_source **sources, size_t *sources_n,
	  struct config_errors *errors)
{
	struct config_source s = {0};
	uint32_t n = (uint32_t)*sources_n;
	/* Not to wait for whoever writes to a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	const char *what = NULL;
	struct stat st;
	char *bytes = NULL;
	bool ok = false;

	if (f == NULL || fstat(fd, &st) != 0) {
		what = strerror(errno);
	} else if (!S_ISREG(st.st_mode)) {
		what = "it is not a regular file";
	} else if (st.st_size > (off_t)FILE_MAX_BYTES) {
		what = "it is too large";
	} else {
		bytes = malloc((size_t)st.st_size + 1);
		ok = bytes != NULL && fread(bytes, 1, (size_t)st.st_size, f) == (size_t)st.st_size;
		what = bytes == NULL ? "no memory" : "it could not be read as a whole";
	}
	if (!ok)
		add_error(errors, path, 0, "", "", what, "a readable file of at most 64 MiB");
	if (f != NULL)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	if (ok) {
		s = (struct config_source){strdup(path), bytes, (size_t)st.st_size};
		ok = s.name != NULL && model_append(sources, &n, &s, sizeof(s));
		*sources_n = n;
	}
	if (!ok)
		free(bytes);
	return ok;
}

static int
is_ini(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 4, ".ini") == 0;
}

bool
config_read(const char *path, struct config_source **sources, size_t *sources_n,
	    struct config_errors *errors)
{
	struct dirent **entries;
	struct stat st;
	bool ok = true;
	int n;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return read_file(path, sources, sources_n, errors);
	n = scandir(path, &entries, is_ini, alphasort);
	if (n <= 0) {
		add_error(errors, path, 0, "", "", "the directory has no *.ini file", "");
		return false;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		ok = read_file(file, sources, sources_n, errors) && ok;
		free(entries[i]);
	}
	free(entries);
	return ok;
}

void
config_sources_free(struct config_source *sources, size_t sources_n)
{
	for (size_t i = 0; i < sources_n; i++) {
		free((char *)(uintptr_t)sources[i].name);
		free((char *)(uintptr_t)sources[i].bytes);
	}
	free(sources);
}

/* Comparing. */

static bool
same_given(const struct model_object *a, const struct model_object *b)
{
	if (a->given.n != b->given.n)
		return false;
	for (uint32_t i = 0; i < a->given.n; i++) {
		if (strcmp(a->given.items[i].key, b->given.items[i].key) != 0 ||
		    strcmp(a->given.items[i].value, b->given.items[i].value) != 0)
			return false;
	}
	return true;
}

static void
compare_kind(const struct model *old_model, const struct model *new_model, enum model_kind kind,
	     const void *old_items, uint32_t old_n, const void *new_items, uint32_t new_n,
	     size_t size, struct model_diff *diff)
{
	for (uint32_t i = 0; i < new_n; i++) {
		const struct model_object *b =
			(const void *)((const uint8_t *)new_items + i * size);
		const struct model_object *a = model_find(old_model, kind, b->name);

		diff->added += a == NULL;
		diff->changed += a != NULL && !same_given(a, b);
	}
	for (uint32_t i = 0; i < old_n; i++) {
		const struct model_object *a =
			(const void *)((const uint8_t *)old_items + i * size);

		diff->removed += model_find(new_model, kind, a->name) == NULL;
	}
}

#define COMPARE(kind, items)                                                             \
	compare_kind(old_model, new_model, kind, old_model->items, old_model->items##_n, \
		     new_model->items, new_model->items##_n, sizeof(*new_model->items), diff)

void
model_compare(const struct model *old_model, const struct model *new_model, struct model_diff *diff)
{
	*diff = (struct model_diff){0};
	for (int kind = MODEL_SYSTEM; kind <= MODEL_MANAGEMENT; kind++)
		diff->changed += !same_given(model_find(old_model, (enum model_kind)kind, ""),
					     model_find(new_model, (enum model_kind)kind, ""));
	COMPARE(MODEL_INTERFACE, interfaces);
	COMPARE(MODEL_LOAD_BALANCER, load_balancers);
	COMPARE(MODEL_LISTENER, listeners);
	COMPARE(MODEL_RULE, rules);
	COMPARE(MODEL_TARGET_GROUP, target_groups);
	COMPARE(MODEL_ENDPOINT, endpoints);
	COMPARE(MODEL_SECURITY_GROUP, security_groups);
	COMPARE(MODEL_CERTIFICATE, certificates);
	COMPARE(MODEL_TRUST_STORE, trust_stores);
	COMPARE(MODEL_SSL_POLICY, ssl_policies);
}
