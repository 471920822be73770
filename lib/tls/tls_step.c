/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls_step.h"

#include <stdlib.h>

#define BUFFER 16384u
#define SPANS  64u

struct heap_buffer {
	uint32_t refs;
	uint8_t data[BUFFER];
};

struct tls_stepper {
	struct chain_pool pool;
	struct span spans[SPANS];
};

static void
ref(void *owner)
{
	((struct heap_buffer *)owner)->refs++;
}

static void
unref(void *owner)
{
	struct heap_buffer *b = owner;

	if (--b->refs == 0)
		free(b);
}

static void *
alloc(void *arg, uint8_t **data, uint32_t *room)
{
	struct heap_buffer *b = malloc(sizeof(*b));

	(void)arg;
	if (b == NULL)
		return NULL;
	b->refs = 1;
	*data = b->data;
	*room = BUFFER;
	return b;
}

struct tls_stepper *
tls_stepper_create(void)
{
	static const struct chain_ops ops = {ref, unref, alloc, NULL};
	struct tls_stepper *s = calloc(1, sizeof(*s));

	if (s != NULL)
		chain_pool_init(&s->pool, &ops, s->spans, SPANS, BUFFER);
	return s;
}

void
tls_stepper_free(struct tls_stepper *s)
{
	free(s);
}

struct tls_step *
tls_step_make(struct tls *tls, const struct chain *in, void *user)
{
	uint32_t len = in->len < TLS_STEP_BYTES ? in->len : TLS_STEP_BYTES;
	struct tls_step *s = malloc(sizeof(*s) + len);

	if (s == NULL)
		return NULL;
	*s = (struct tls_step){
		.tls = tls, .user = user, .in_len = len, .in_left = len, .partial = in->len > len};
	chain_copy_out(in, 0, s->in, len);
	return s;
}

/* What has come out, as flat bytes. @return  false without memory. */
static bool
take_output(struct tls_step *s, const struct chain *out)
{
	if (chain_is_empty(out))
		return true;
	s->out = malloc(out->len);
	if (s->out == NULL)
		return false;
	s->out_len = out->len;
	chain_copy_out(out, 0, s->out, out->len);
	return true;
}

void
tls_step_run(struct tls_stepper *stepper, struct tls_step *s)
{
	struct chain_pool *pool = &stepper->pool;
	struct chain in = {0}, out = {0};

	s->result = TLS_FAILED;
	if (s->in_len == 0 || chain_append(pool, &in, NULL, s->in, s->in_len, 0)) {
		tls_belong(s->tls, pool);
		s->result = tls_handshake(s->tls, &in, &out);
	}
	s->in_left = in.len;
	if (!take_output(s, &out))
		s->result = TLS_FAILED;
	chain_free(pool, &in);
	chain_free(pool, &out);
}

enum tls_result
tls_step_end(struct tls_step **step, struct chain_pool *pool, struct chain *in, struct chain *out)
{
	struct tls_step *s = *step;
	enum tls_result result = s->result;

	tls_belong(s->tls, pool);
	if (s->out_len > 0 && !chain_append_copy(pool, out, s->out, s->out_len))
		return TLS_WANT_BUFFERS;
	chain_consume(pool, in, s->in_len - s->in_left);
	if (result == TLS_WANT_INPUT && s->partial)
		result = TLS_MORE;
	tls_step_drop(s);
	*step = NULL;
	return result;
}

void
tls_step_drop(struct tls_step *s)
{
	free(s->out);
	free(s);
}
