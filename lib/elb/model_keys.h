/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of all keys: for each its sections, type, range, default and one line of explanation.
 *
 * It parses, prints and documents: docs/configuration.md is generated from it.  Attribute keys are
 * ELB's, letter for letter.  A key of something weir has no data path for yet is accepted at its
 * default and refused at any other value.
 */
#ifndef MODEL_KEYS_H
#define MODEL_KEYS_H

#include "model.h"

#define MODEL_KEYS_CHOICES_MAX 12

enum model_value_type {
	MODEL_VALUE_UINT,   /* decimal, min to max; `word` stands for 0 if there is one */
	MODEL_VALUE_BOOL,   /* true, false */
	MODEL_VALUE_TEXT,   /* at most `max` bytes */
	MODEL_VALUE_CHOICE, /* one of choices[], stored as its position */
	MODEL_VALUE_CUSTOM, /* parsed by `parse` */
};

enum model_key_flags {
	MODEL_KEY_REPEAT = 1 << 0,       /* may be given several times */
	MODEL_KEY_DEFAULT_ONLY = 1 << 1, /* no data path yet: only the default is accepted */
	MODEL_KEY_WORD = 1 << 2,         /* choices[0] is a word for 0 */
	MODEL_KEY_NAMED = 1 << 3,        /* ends in NAME, which stands for a field's name */
};

/* In `kinds`: the load balancer types the key is for; none of them: all. */
#define MODEL_KEY_TYPE(type) (1u << (16 + (type)))
#define MODEL_KEY_TYPES      (0xfu << 16)

struct model_key {
	uint32_t kinds; /* bit per enum model_kind, and MODEL_KEY_TYPE()s */
	const char *key;
	enum model_value_type type;
	uint64_t min, max;
	const char *choices[MODEL_KEYS_CHOICES_MAX];
	const char *initial; /* default, as text; NULL: none */
	uint32_t flags;
	uint32_t offset; /* of the field in the object's struct; 0: kept as text only */
	uint32_t size;   /* of the field */
	/** Check and store; write the canonical text. */
	bool (*parse)(struct model *model, struct model_object *object, const char *key,
		      const char *value, char canonical[MODEL_VALUE_MAX],
		      struct model_error *error);
	const char *allowed; /* for people, of CUSTOM and TEXT */
	const char *text;    /* one line of documentation */
};

extern const struct model_key model_keys[];
extern const uint32_t model_keys_n;

/** The row of a kind's key, or NULL. */
const struct model_key *model_key_find(enum model_kind kind, const char *key);

/** Whether the key is one of load balancers of this type, their listeners or target groups. */
static inline bool
model_key_is_for(const struct model_key *key, enum load_balancer_type type)
{
	return (key->kinds & MODEL_KEY_TYPES) == 0 || (key->kinds & MODEL_KEY_TYPE(type)) != 0;
}

/** The types a key is for, as a list: `application, classic`; "" : all. */
const char *model_key_types(const struct model_key *key, char text[MODEL_TEXT_MAX]);

/** What a row allows, as a phrase. */
const char *model_key_allowed(const struct model_key *key, char text[MODEL_TEXT_MAX]);

#endif
