/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/nlb: flows of one worker, shared by the burst, ICMP translation and the sweep.
 *
 * A flow's record names its frontend, target and local address by reference; their addresses are in
 * the snapshot, so a flow is found and rewritten with the record and the snapshot's tables alone.
 * Called by the owning worker.
 */
#ifndef NLB_FLOW_H
#define NLB_FLOW_H

#include "flow_miss.h"
#include "nlb.h"

/** Hash of one side of a record. 0: the side is not indexed. */
uint64_t nlb_flow_hash(const struct nlb *nlb, const struct snapshot *s, const struct flow_record *r,
		       enum flow_side side);

/** A packet's tuple as it arrives at weir. */
struct nlb_tuple {
	const struct ip_addr *src, *dst;
	uint16_t sport_be, dport_be;
	uint8_t proto;
};

static inline uint64_t
nlb_tuple_hash(const struct nlb *nlb, const struct nlb_tuple *t)
{
	return flow_hash(&nlb->flows, t->src, t->sport_be, t->dst, t->dport_be, t->proto);
}

/** The record that such a packet belongs to, and the side it comes from; or FLOW_NONE. */
uint32_t nlb_flow_find(const struct nlb *nlb, const struct snapshot *s, uint64_t hash,
		       const struct nlb_tuple *tuple, enum flow_side *side);

/**
 * Begin a flow for a client's packet: target, source port, record, both index entries.
 * @return  FLOW_NONE, with `p` dropped under a reason and counted, when the flow is refused.
 */
uint32_t nlb_flow_create(struct nlb *nlb, const struct snapshot *s, struct packet *p,
			 uint32_t now_ms);

/** The one way a flow ends. */
void nlb_flow_close(struct nlb *nlb, const struct snapshot *s, uint32_t record);

void nlb_flow_set_state(struct nlb *nlb, uint32_t record, enum flow_state state);

/** Whether a flow like this one could get its target today. */
bool nlb_flow_target_is_chosen(const struct nlb *nlb, const struct snapshot *s,
			       const struct flow_record *r);

/** Do with a packet of no flow what flow_miss() says. */
void nlb_miss(struct nlb *nlb, struct packet *p, enum flow_miss_why why);

/** Translate an ICMP error by the packet it quotes, or drop it. */
void nlb_translate_icmp(struct nlb *nlb, const struct snapshot *s,
			const struct next_hop_table *hops, struct packet *p);

/* Counters of a record's frontend and target; both indexes are within the arrays. */
static inline struct frontend_counters *
nlb_frontend_counters(const struct nlb *nlb, const struct flow_record *r)
{
	return &nlb->counters->frontends[ref_index(r->frontend)];
}

static inline struct target_counters *
nlb_target_counters(const struct nlb *nlb, const struct flow_record *r)
{
	return &nlb->counters->targets[ref_index(r->target)];
}

static inline bool
nlb_flow_is_of(const struct flow_record *r, uint8_t kind, uint8_t proto)
{
	return r->role == FLOW_ROLE_LOCAL && r->kind == kind && r->proto == proto;
}

/** Full comparison of a record with what a packet from its client must have. */
static inline bool
nlb_flow_is_client_side(const struct snapshot *s, const struct flow_record *r,
			const struct nlb_tuple *t)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];

	return nlb_flow_is_of(r, FLOW_KIND_NLB, t->proto) && r->client_port_be == t->sport_be &&
	       f->port_be == t->dport_be && ip_addr_pair_equal(&r->client, t->src, &f->vip, t->dst);
}

/** Full comparison of a record with what a packet from its target must have. */
static inline bool
nlb_flow_is_target_side(const struct snapshot *s, const struct flow_record *r,
			const struct nlb_tuple *t)
{
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	const struct ip_addr *local = &s->locals[ref_index(r->local)].addr;

	if (r->local_port_be != t->dport_be)
		return false;
	if (unlikely(!nlb_flow_is_of(r, FLOW_KIND_NLB, t->proto)))
		return nlb_flow_is_of(r, FLOW_KIND_ENDPOINT, t->proto) &&
		       r->client_port_be == t->sport_be &&
		       ip_addr_pair_equal(&r->client, t->src, local, t->dst);
	return target->port_be == t->sport_be &&
	       ip_addr_pair_equal(&target->addr, t->src,
				  (r->flags & FLOW_FLAG_FULL_NAT) != 0 ? local : &r->client,
				  t->dst);
}

static inline bool
nlb_flow_is(const struct snapshot *s, const struct flow_record *r, const struct nlb_tuple *t,
	    enum flow_side side)
{
	return side == FLOW_SIDE_CLIENT ? nlb_flow_is_client_side(s, r, t)
					: nlb_flow_is_target_side(s, r, t);
}

#endif
