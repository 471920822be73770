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

/** The record of a reply from a target, or FLOW_NONE. */
uint32_t nlb_flow_find_target_side(const struct nlb *nlb, const struct snapshot *s, uint64_t hash,
				   const struct ip_addr *src, uint16_t sport_be,
				   const struct ip_addr *dst, uint16_t dport_be, uint8_t proto);

/** The record of a client's packet, or FLOW_NONE. */
uint32_t nlb_flow_find_client_side(const struct nlb *nlb, uint64_t hash,
				   const struct ip_addr *client, uint16_t client_port_be,
				   uint32_t frontend, uint8_t proto);

/**
 * Begin a flow for a client's packet: target, source port, record, both index entries.
 * @param client_hash  of the packet's client side
 * @return  FLOW_NONE, with `p` dropped under a reason and counted, when the flow is refused.
 */
uint32_t nlb_flow_create(struct nlb *nlb, const struct snapshot *s, struct packet *p,
			 uint64_t client_hash, uint32_t now_ms);

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

/** Full comparison of a record with what a reply from its target must have. */
static inline bool
nlb_flow_is_target_side(const struct snapshot *s, const struct flow_record *r,
			const struct ip_addr *src, uint16_t sport_be, const struct ip_addr *dst,
			uint16_t dport_be, uint8_t proto)
{
	const struct snapshot_target *target;

	if (r->local_port_be != dport_be || r->proto != proto || r->role == FLOW_ROLE_FREE ||
	    r->kind == FLOW_KIND_GATEWAY)
		return false;
	if (r->kind == FLOW_KIND_ENDPOINT)
		return r->client_port_be == sport_be && ip_addr_equal(&r->client, src) &&
		       ip_addr_equal(&s->locals[ref_index(r->local)].addr, dst);
	target = &s->targets[ref_index(r->target)];
	if (target->port_be != sport_be || !ip_addr_equal(&target->addr, src))
		return false;
	if ((r->flags & FLOW_FLAG_FULL_NAT) == 0)
		return ip_addr_equal(&r->client, dst);
	return ip_addr_equal(&s->locals[ref_index(r->local)].addr, dst);
}

/** Full comparison of a record with what a packet of its client must have. */
static inline bool
nlb_flow_is_client_side(const struct flow_record *r, const struct ip_addr *client,
			uint16_t client_port_be, uint32_t frontend, uint8_t proto)
{
	return r->client_port_be == client_port_be && r->frontend == frontend &&
	       r->proto == proto && r->role == FLOW_ROLE_LOCAL && r->kind == FLOW_KIND_NLB &&
	       ip_addr_equal(&r->client, client);
}

#endif
