/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations: what can be asked of a running weir, one table for the control socket and telemetry.
 *
 * An operation runs on the management core, takes a JSON object and answers one JSON object, at
 * once or later (when workers have to be asked).  Lists are arrays of flat objects.
 */
#ifndef OPERATION_H
#define OPERATION_H

#include <jansson.h>

struct management;

/**
 * A call under way.  Owned by whoever made it until reply() is called; exactly one reply comes,
 * possibly before operation_run() returns.
 */
struct operation_call {
	json_t *args; /* object, borrowed for the call's life */
	/** Takes `result`; NULL with an error code and message instead. */
	void (*reply)(struct operation_call *call, json_t *result, const char *code,
		      const char *message);
};

/** Run operation `name`. */
void operation_run(struct management *m, const char *name, struct operation_call *call);

/** Workers have handed commands back: finish the calls that waited for them. */
struct worker_command;
void operation_on_command(struct management *m, struct worker_command *command);

#endif
