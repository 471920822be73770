/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request made of C strings, and rules compiled from lines of configuration.
 */
#ifndef ALB_WORLD_H
#define ALB_WORLD_H

#include <stdio.h>
#include <string.h>

#include "alb_rules.h"
#include "config.h"

#define WORLD_FIELDS_MAX 16

struct world_field {
	const char *name, *value;
};

struct world_request {
	struct alb_request r;
	struct world_field fields[WORLD_FIELDS_MAX];
};

static inline struct alb_text
world_text(const char *text)
{
	return (struct alb_text){text, (uint32_t)strlen(text)};
}

static void
world_field(const void *arg, uint32_t i, struct alb_text *name, struct alb_text *value)
{
	const struct world_field *fields = arg;

	*name = world_text(fields[i].name);
	*value = world_text(fields[i].value);
}

/** A GET of `host` + `url`; fields are added by world_add(). */
static inline void
world_get(struct world_request *w, const char *host, const char *url)
{
	const char *question_mark = strchr(url, '?');

	memset(w, 0, sizeof(*w));
	w->r.method = world_text("GET");
	w->r.host = world_text(host);
	w->r.path = world_text(url);
	if (question_mark != NULL) {
		w->r.path.len = (uint32_t)(question_mark - url);
		w->r.query = world_text(question_mark + 1);
	}
	ip_addr_parse("192.0.2.77", &w->r.client);
	w->r.field = world_field;
	w->r.fields = w->fields;
}

static inline void
world_add(struct world_request *w, const char *name, const char *value)
{
	w->fields[w->r.fields_n++] = (struct world_field){name, value};
}

#define WORLD_HEAD                                                               \
	"[interface a]\ndevice = x\naddress = 192.0.2.1/24\n"                    \
	"[load_balancer lb]\ntype = application\naddress = 192.0.2.10\n"         \
	"[target_group g]\nprotocol = HTTP\n[target_group h]\nprotocol = HTTP\n" \
	"[listener lb:80]\nprotocol = HTTP\ndefault_action = forward g\n"

/** The model of WORLD_HEAD and `text`; prints what is wrong with it. */
static inline struct model *
world_model(const char *text, size_t len)
{
	struct config_source sources[] = {{"head.ini", WORLD_HEAD, strlen(WORLD_HEAD)},
					  {"rules.ini", text, len}};
	struct config_errors errors = {0};
	struct model *m = config_load(sources, 2, &errors);

	for (uint32_t i = 0; i < errors.n; i++)
		printf("%s\n", errors.items[i].text);
	config_errors_free(&errors);
	return m;
}

#endif
