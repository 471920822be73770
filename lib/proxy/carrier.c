/* SPDX-License-Identifier: BSD-3-Clause */
#include "carrier.h"

#include <stdlib.h>

#include "proxy_private.h"

struct carrier *
carrier_create(struct proxy *p, const struct http2_config *config, struct proxy_side *side,
	       struct stream *stream, carrier_happened happened)
{
	struct carrier *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->side = side;
	c->stream = stream;
	c->happened = happened;
	c->http2 = http2_create(p->http2, config, c, p->now_ms);
	if (c->http2 == NULL) {
		free(c);
		return NULL;
	}
	carrier_touch(p, c);
	return c;
}

void
carrier_touch(struct proxy *p, struct carrier *c)
{
	/* carrier_run() writes by itself. */
	if (c->touched || c->running)
		return;
	c->touched = true;
	c->next = p->touched;
	p->touched = c;
}

void
carrier_flush(struct proxy *p)
{
	struct carrier *c = p->touched;

	p->touched = NULL;
	while (c != NULL) {
		struct carrier *next = c->next;

		c->touched = false;
		if (c->http2 == NULL)
			free(c);
		else
			c->side->on_carrier(c->side);
		c = next;
	}
}

static void
receive(struct proxy *p, struct carrier *c)
{
	uint32_t len;

	if (!chain_is_empty(&c->unread))
		http2_receive(c->http2, &c->unread, p->now_ms);
	while (chain_is_empty(&c->unread) && (len = stream_received(c->stream)->len) > 0) {
		if (!stream_take(p, c->stream, &c->unread, len))
			return; /* no buffers: later */
		http2_receive(c->http2, &c->unread, p->now_ms);
	}
	if (c->ended && chain_is_empty(&c->unread))
		http2_receive_end(c->http2);
}

static void
streams_happened(struct carrier *c)
{
	struct http2_stream *stream;
	uint32_t events;

	while ((stream = http2_next(c->http2, &events)) != NULL)
		c->happened(c->side, stream, events);
}

/* @return  whether anything was written. */
static bool
write_frames(struct proxy *p, struct carrier *c)
{
	uint32_t queued = stream_queued(c->stream);
	struct chain out = {0};

	if (queued >= STREAM_QUEUE_MAX || !http2_wants_write(c->http2))
		return false;
	c->starved = http2_write(c->http2, &out, STREAM_QUEUE_MAX - queued) && chain_is_empty(&out);
	if (chain_is_empty(&out))
		return false;
	stream_send(p, c->stream, &out);
	return true;
}

/* Reading, dealing with it and writing make room for each other; queues end it. */
bool
carrier_run(struct proxy *p, struct carrier *c)
{
	c->running = true;
	c->starved = false;
	do {
		receive(p, c);
		streams_happened(c);
	} while (write_frames(p, c));
	c->running = false;
	if (c->starved)
		carrier_touch(p, c); /* in the next turn */
	return http2_is_over(c->http2);
}

void
carrier_free(struct proxy *p, struct carrier *c)
{
	chain_free(p->config.pool, &c->unread);
	http2_free(c->http2);
	c->http2 = NULL;
	if (!c->touched)
		free(c); /* else carrier_flush() does */
}

void
carrier_end(struct proxy *p, struct carrier *c)
{
	struct http2_stream *stream;

	c->running = true;
	http2_close(c->http2, HTTP2_NO_ERROR);
	streams_happened(c);
	/* Those that were complete, and of which not all was taken. */
	while ((stream = http2_owned(c->http2)) != NULL) {
		c->happened(c->side, stream, HTTP2_EVENT_RESET);
		if (http2_owned(c->http2) == stream)
			http2_stream_close(stream);
	}
	write_frames(p, c);
	c->running = false;
	carrier_free(p, c);
}
