/* SPDX-License-Identifier: BSD-3-Clause */
#include "gwlb_flow.h"

#include <netinet/in.h>

#include "check.h"

#define SWEEP_PERIOD_MS 1000
#define SWEEP_AHEAD     8 /* records, prefetched; may lie behind the last */

static size_t
aligned(size_t bytes)
{
	return (bytes + 63) & ~(size_t)63;
}

size_t
gwlb_bytes(void)
{
	return aligned(sizeof(struct gwlb)) + aligned(GWLB_WAYS * sizeof(struct gwlb_way)) +
	       GWLB_LINKS * sizeof(struct gwlb_link);
}

struct gwlb *
gwlb_create(void *mem, size_t bytes, const struct gwlb_settings *settings)
{
	struct gwlb *g = mem;
	uint8_t *at = mem;

	CHECK(bytes >= gwlb_bytes());
	CHECK(settings->flows->records_n <= GWLB_COOKIE_RECORDS);
	at += aligned(sizeof(*g));
	g->ways = (struct gwlb_way *)(void *)at;
	at += aligned(GWLB_WAYS * sizeof(struct gwlb_way));
	g->links = (struct gwlb_link *)(void *)at;
	g->flows = settings->flows;
	g->steer = settings->steer;
	g->counters = settings->counters;
	secret_derive(settings->secret, "maglev seed", &g->maglev_seed, sizeof(g->maglev_seed));
	secret_derive(settings->secret, "flow cookie", &g->cookie_key, sizeof(g->cookie_key));
	return g;
}

void
gwlb_free(struct gwlb *g)
{
	explicit_bzero(&g->maglev_seed, sizeof(g->maglev_seed));
	explicit_bzero(&g->cookie_key, sizeof(g->cookie_key));
}

void
gwlb_rebuild(struct gwlb *g)
{
	g->in_use = 0;
	g->changes++;
	for (uint32_t i = 0; i < g->flows->used_n; i++) {
		struct flow_gateway *r = flow_gateway_of(&g->flows->records[i]);

		if (r->role == FLOW_ROLE_FREE || r->kind != FLOW_KIND_GATEWAY)
			continue;
		r->exit[0] = 0;
		r->exit[1] = 0;
		g->in_use++;
	}
}

void
gwlb_flush(struct gwlb *g)
{
	for (uint32_t i = 0; i < g->flows->used_n && g->in_use > 0; i++) {
		if (g->flows->records[i].kind == FLOW_KIND_GATEWAY &&
		    g->flows->records[i].role != FLOW_ROLE_FREE)
			gwlb_flow_close(g, i);
	}
}

/* The sweep. */

static uint32_t
idle_limit_ms(const struct snapshot *s, const struct flow_gateway *r)
{
	const struct snapshot_frontend *f = snapshot_frontend(s, r->frontend);

	/* Of a 2-tuple nobody knows: it may be TCP. */
	if (r->proto != IPPROTO_TCP && (r->flags & FLOW_GATEWAY_NO_PROTO) == 0)
		return GWLB_IDLE_MS;
	if ((r->flags & FLOW_GATEWAY_NO_PORTS) == 0) {
		switch ((enum flow_state)r->state) {
		case FLOW_STATE_NEW:
			return GWLB_NEW_MS;
		case FLOW_STATE_CLOSING:
			return GWLB_CLOSING_MS;
		case FLOW_STATE_RESET:
			return GWLB_RESET_MS;
		case FLOW_STATE_TERMINATING: /* not a gateway's */
		case FLOW_STATE_ESTABLISHED:
			break;
		}
	}
	return f == NULL ? GWLB_IDLE_MS : f->tcp_idle_ms;
}

/*
 * A flow whose endpoint is gone can't be reached by a packet any more; one whose endpoint has
 * another listener is not that one's.
 */
static bool
is_over(const struct snapshot *s, const struct flow_gateway *r, uint32_t now_ms)
{
	const struct snapshot_endpoint *e = snapshot_endpoint(s, r->endpoint);

	return now_ms - r->last_seen_ms >= idle_limit_ms(s, r) || e == NULL ||
	       e->frontend != r->frontend || s->targets[ref_index(r->target)].closing;
}

void
gwlb_sweep(struct gwlb *g, const struct snapshot *snapshot, uint32_t now_ms)
{
	uint32_t elapsed_ms = now_ms - g->swept_ms, n;

	if (elapsed_ms == 0)
		return;
	if (elapsed_ms > SWEEP_PERIOD_MS / 8)
		elapsed_ms = SWEEP_PERIOD_MS / 8; /* after a pause: no long turn */
	g->swept_ms = now_ms;
	if (g->in_use == 0)
		return;
	n = (uint32_t)((uint64_t)g->flows->used_n * elapsed_ms / SWEEP_PERIOD_MS) + 1;
	for (; n > 0; n--) {
		const struct flow_record *r;

		if (g->sweep_at >= g->flows->used_n) {
			g->sweep_at = 0;
			break;
		}
		__builtin_prefetch(&g->flows->records[g->sweep_at + SWEEP_AHEAD]);
		r = &g->flows->records[g->sweep_at];
		if (r->role == FLOW_ROLE_LOCAL && r->kind == FLOW_KIND_GATEWAY &&
		    is_over(snapshot, (const struct flow_gateway *)(const void *)r, now_ms))
			gwlb_flow_close(g, g->sweep_at);
		g->sweep_at++;
	}
}
