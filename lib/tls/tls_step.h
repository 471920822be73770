/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A step of a handshake that another lcore makes.
 *
 * What TLS reads and writes of it lies in memory of its own, so that chains and their pools stay
 * with the lcore that owns the connection:
 *
 *   owner:  tls_step_make() -> a ring -> tls_step_run() by the other -> a ring -> tls_step_end()
 *
 * From make to end the connection is the other lcore's: its owner doesn't even ask it questions.
 */
#ifndef TLS_STEP_H
#define TLS_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "tls.h"

#define TLS_STEP_BYTES 65536u /* of input at most: what is beyond waits for the next step */

struct tls_stepper;

struct tls_step {
	struct tls *tls;
	void *user; /* the owner's */
	enum tls_result result;
	bool partial; /* there was more input */
	uint8_t *out; /* malloc'ed */
	uint32_t out_len;
	uint32_t in_len, in_left; /* bytes of `in`, and those not used up */
	uint8_t in[];
};

/** What a lcore needs to make steps. @return  NULL without memory. */
struct tls_stepper *tls_stepper_create(void);
void tls_stepper_free(struct tls_stepper *stepper);

/** A step with what has come; `in` is left alone. @return  NULL without memory. */
struct tls_step *tls_step_make(struct tls *tls, const struct chain *in, void *user);

/** On the other lcore; see tls_handshake(). */
void tls_step_run(struct tls_stepper *stepper, struct tls_step *step);

/**
 * The connection is its owner's again: take what was used up out of `in`, put what came out behind
 * `out`, and free the step.
 * @return  as tls_handshake(); TLS_MORE also when there was more input than went along.
 *          TLS_WANT_BUFFERS with `*step` left as it is: `out` can't grow, end it later.
 */
enum tls_result tls_step_end(struct tls_step **step, struct chain_pool *pool, struct chain *in,
			     struct chain *out);

/** Free it; the connection stays. */
void tls_step_drop(struct tls_step *step);

#endif
