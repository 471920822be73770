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
	u->target = of->target;
	u->client = of->client;
	u->state = UPSTREAM_BUSY;
	u->stream.http2 = http2_open(of->carrier->http2, u);
	if (u->stream.http2 != NULL)
		return u;
	proxy_give_upstream(p, u);
	return NULL;
}

void
upstream_http2_run(struct proxy *p, struct upstream *u)
{
	u->carrier->ended = u->ended;
	if (carrier_run(p, u->carrier))
		upstream_end(p, u, false);
}
