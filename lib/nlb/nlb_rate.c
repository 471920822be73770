/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_rate.h"

#define ONE 1000 /* a flow in tokens: as many come in a millisecond as flows in a second */

/* What the bucket holds now, at most what comes in a second. */
static uint32_t
fill(struct nlb_bucket *b, uint32_t per_second, uint32_t now_ms)
{
	uint32_t most = per_second * ONE, elapsed_ms = now_ms - b->at_ms;

	if (elapsed_ms >= 1000 || b->tokens + elapsed_ms * per_second > most)
		b->tokens = most;
	else
		b->tokens += elapsed_ms * per_second;
	b->at_ms = now_ms;
	return b->tokens;
}

/* Who has an IPv6 address has a /64 of them (RFC 6177, 7934). */
static bool
take_of_source(struct nlb_rate *rate, uint32_t per_second, uint32_t frontend,
	       const struct ip_addr *source, uint32_t now_ms)
{
	uint64_t host = ip_addr_is_v4(source) ? source->w[1] : 0;
	uint64_t hash = hash_words(&rate->seed, source->w[0], host, frontend, 0);
	struct nlb_bucket *a = &rate->sources[0][hash & (NLB_RATE_SOURCES - 1)];
	struct nlb_bucket *b = &rate->sources[1][hash >> 32 & (NLB_RATE_SOURCES - 1)];
	uint32_t in_a = fill(a, per_second, now_ms), in_b = fill(b, per_second, now_ms);

	if (in_a < ONE && in_b < ONE)
		return false;
	a->tokens = in_a < ONE ? 0 : in_a - ONE;
	b->tokens = in_b < ONE ? 0 : in_b - ONE;
	return true;
}

enum nlb_rate_verdict
nlb_rate_take(struct nlb_rate *rate, const struct snapshot_frontend *f, uint32_t frontend,
	      const struct ip_addr *source, uint32_t now_ms)
{
	struct nlb_bucket *b = &rate->frontends[frontend];

	/* A source that is over its rate takes nothing of its listener's. */
	if (f->new_flows_per_source != 0 &&
	    !take_of_source(rate, f->new_flows_per_source, frontend, source, now_ms))
		return NLB_RATE_SOURCE;
	if (f->new_flows == 0)
		return NLB_RATE_GOOD;
	if (fill(b, f->new_flows, now_ms) < ONE)
		return NLB_RATE_LISTENER;
	b->tokens -= ONE;
	return NLB_RATE_GOOD;
}
