/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration files: from bytes to a checked model, with every error told at once.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include "model.h"

/** The bytes of a file and the name that errors show. */
struct config_source {
	const char *name;
	const char *bytes;
	size_t len;
};

/** One finding.  Its text: `FILE:LINE: [section] key: what is wrong; what is allowed`. */
struct config_error {
	char file[128];
	uint32_t line;
	char text[768]; /* whole, as printed, without a newline */
};

struct config_errors {
	struct config_error *items;
	uint32_t n, capacity;
};

void config_errors_free(struct config_errors *errors);

/**
 * Load, check, and refuse what this version has no data path for.
 * @return  the model, or NULL with at least one error.
 */
struct model *config_load(const struct config_source *sources, size_t sources_n,
			  struct config_errors *errors);

/**
 * Read a file, or every *.ini of a directory in name order, into sources (free with
 * config_sources_free()).
 * @return  false with one error.
 */
bool config_read(const char *path, struct config_source **sources, size_t *sources_n,
		 struct config_errors *errors);
void config_sources_free(struct config_source *sources, size_t sources_n);

/** What changed between two models, by id. */
struct model_diff {
	uint32_t added, removed, changed;
};

void model_compare(const struct model *old_model, const struct model *new_model,
		   struct model_diff *diff);

#endif
