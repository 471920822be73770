/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"
#include "stream_tls.h"

static void
queue_add(struct proxy *p, struct stream_tls *t)
{
	t->waiting = true;
	t->waits_since_ms = p->now_ms;
	t->next = NULL;
	*p->handshakes_last = t;
	p->handshakes_last = &t->next;
	p->handshakes_n++;
}

static void
queue_take_first(struct proxy *p)
{
	struct stream_tls *t = p->handshakes;

	p->handshakes = t->next;
	if (p->handshakes == NULL)
		p->handshakes_last = &p->handshakes;
	t->waiting = false;
	p->handshakes_n--;
}

/* The first whose stream is not over. */
static struct stream_tls *
queue_first(struct proxy *p)
{
	struct stream_tls *t;

	while ((t = p->handshakes) != NULL && t->stream == NULL) {
		queue_take_first(p);
		stream_tls_give(p, t);
	}
	return t;
}

void
stream_want_handshake(struct proxy *p, struct stream *s, bool fin)
{
	struct stream_tls *t = s->tls;

	t->tcp_ended |= fin;
	if (t->awaits_hello && !fin && chain_is_empty(tcp_received(s->tcp)))
		return;
	t->awaits_hello = false;
	if (!t->waiting && !t->away)
		queue_add(p, t);
}

bool
stream_handshakes_are_late(const struct proxy *p)
{
	return p->handshakes != NULL &&
	       p->now_ms - p->handshakes->waits_since_ms > PROXY_HANDSHAKE_WAIT_MS;
}

bool
stream_give_up_handshake(struct stream *s)
{
	struct stream_tls *t = s->tls;

	if (t == NULL || !t->away)
		return true;
	t->given_up = true;
	return false;
}

/* A step was made: what came of it. */
static void
step_done(struct proxy *p, struct stream_tls *t, enum tls_result result, struct chain *out)
{
	stream_tls_send(p, t, out);
	stream_tls_hold(p, t);
	if (t->given_up)
		t->side->on_handshake(t->side, false);
	else if (result == TLS_MORE)
		stream_want_handshake(p, t->stream, false);
	else if (result == TLS_WANT_BUFFERS)
		stream_tls_look_again(p, t);
	else if (result == TLS_DONE || result == TLS_FAILED)
		t->side->on_handshake(t->side, result == TLS_DONE);
	else if (!chain_is_empty(tcp_received(t->stream->tcp)))
		stream_tls_look_again(p, t); /* it has come meanwhile, or couldn't be taken */
	else if (t->tcp_ended)
		t->side->on_handshake(t->side, false);
}

/* Without crypto lcores. */

static bool
make_step_here(struct proxy *p)
{
	struct stream_tls *t = queue_first(p);
	struct chain out = {0};
	enum tls_result result;

	if (t == NULL)
		return false;
	queue_take_first(p);
	stream_tls_take_cipher(p, t);
	result = tls_handshake(t->tls, &t->cipher, &out);
	step_done(p, t, result, &out);
	return true;
}

/* With them. */

static void
end_step(struct proxy *p, struct stream_tls *t)
{
	struct chain out = {0};
	enum tls_result result = tls_step_end(&t->step, p->config.pool, &t->cipher, &out);

	t->back = t->step != NULL;
	step_done(p, t, result, &out);
}

static void
step_is_back(struct proxy *p, struct tls_step *step)
{
	struct stream_tls *t = step->user;

	t->away = false;
	if (t->stream != NULL) {
		t->back = true;
		end_step(p, t);
		return;
	}
	tls_step_drop(step);
	t->step = NULL;
	tls_free(t->tls);
	t->tls = NULL;
	stream_tls_give(p, t);
}

/* @return  false: their rings are full. */
static bool
hand_out(struct proxy *p, struct stream_tls *t)
{
	if (t->step == NULL) {
		stream_tls_take_cipher(p, t);
		t->step = tls_step_make(t->tls, &t->cipher, t);
	}
	if (t->step == NULL) {
		queue_take_first(p);
		stream_tls_look_again(p, t);
		return true;
	}
	if (!p->config.ops.make_step(p->config.ops_arg, t->step))
		return false;
	queue_take_first(p);
	t->away = true;
	return true;
}

static bool
exchange_steps(struct proxy *p)
{
	struct stream_tls *t;
	struct tls_step *step;
	bool any = false;

	while ((step = p->config.ops.made_step(p->config.ops_arg)) != NULL) {
		step_is_back(p, step);
		any = true;
	}
	while ((t = queue_first(p)) != NULL) {
		if (t->back) {
			queue_take_first(p);
			end_step(p, t);
		} else if (!hand_out(p, t)) {
			break;
		}
		any = true;
	}
	return any;
}

bool
stream_handshakes(struct proxy *p)
{
	return p->config.ops.make_step != NULL ? exchange_steps(p) : make_step_here(p);
}
