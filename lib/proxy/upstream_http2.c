/* SPDX-License-Identifier: BSD-3-Clause */
#include "carrier.h"
#include "proxy_private.h"

static void
stream_happened(struct proxy_side *side, struct http2_stream *stream, uint32_t events)
{
	struct upstream *u = http2_stream_user(stream);
	struct proxy *p = ((struct upstream *)side)->proxy;

	if ((events & HTTP2_EVENT_RESET) != 0)
		upstream_broken(p, u, true);
	else
		session_run(p, u->exchange->session);
}

bool
upstream_http2_begin(struct proxy *p, struct upstream *u)
{
	struct http2_config config = http2_config_of(HTTP2_CLIENT);

	config.https = u->stream.tls != NULL;
	u->carrier = carrier_create(p, &config, &u->side, &u->stream, stream_happened);
	return u->carrier != NULL;
}

struct upstream *
upstream_on_stream(struct proxy *p, struct upstream *of)
{
	struct upstream *u = proxy_take_upstream(p);

	if (u == NULL)
		return NULL;
	of->used_ms = p->now_ms;
	u->reused = of->reused;
	u->target = of->target;
	u->client = of->client;
	u->state = UPSTREAM_BUSY;
	u->stream.http2 = http2_open(of->carrier->http2, u);
	upstream_pool_look(p, of);
	if (u->stream.http2 != NULL)
		return u;
	proxy_give_upstream(p, u);
	return NULL;
}

const struct http2 *
upstream_http2_of(const struct upstream *u)
{
	if (u->carrier != NULL)
		return u->carrier->http2;
	return u->stream.http2 == NULL ? NULL : http2_of(u->stream.http2);
}

struct upstream *
upstream_of_stream(const struct upstream *u)
{
	const struct carrier *carrier = http2_user(http2_of(u->stream.http2));

	return (struct upstream *)carrier->side;
}

/* No stream is left, and there will be no other: it ends, or takes none. */
static bool
is_useless(const struct upstream *u)
{
	return http2_streams_n(u->carrier->http2) == 0 && !http2_can_open(u->carrier->http2);
}

void
upstream_http2_run(struct proxy *p, struct upstream *u)
{
	bool over;

	u->carrier->ended = u->ended;
	over = carrier_run(p, u->carrier);
	if (u->state == UPSTREAM_SETTINGS && http2_is_settled(u->carrier->http2))
		upstream_settled(p, u);
	if (over && u->state == UPSTREAM_SETTINGS)
		upstream_failed(p, u, PROXY_ERROR_TARGET_CLOSED);
	else if (u->state == UPSTREAM_HTTP2 && (over || is_useless(u)))
		upstream_end(p, u, false);
	else
		upstream_pool_look(p, u);
}
