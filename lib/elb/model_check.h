/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can only be said of a model as a whole: references, conflicts, and what this version can do.
 */
#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include "model.h"

/**
 * A finding about `object` (NULL: the model), at `key` ("" : the section itself).  `origin` is of
 * the offending line.
 */
typedef void (*model_report)(void *arg, const struct model_object *object, const char *key,
			     const struct model_origin *origin, const char *what,
			     const char *allowed);

/**
 * Resolve references and derived fields, check everything, report all findings.
 * @return  whether there were none.
 */
bool model_check(struct model *model, model_report report, void *arg);

#endif
