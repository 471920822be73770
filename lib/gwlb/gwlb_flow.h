/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/gwlb: flows of one worker, shared by both directions of the burst and the sweep.
 *
 * Called by the owning worker.
 */
#ifndef GWLB_FLOW_H
#define GWLB_FLOW_H

#include <netinet/in.h>

#include "flow_miss.h"
#include "geneve.h"
#include "gwlb.h"

/** Which parts a flow's key has. */
struct gwlb_key_parts {
	bool ports, proto;
};

static inline struct gwlb_key_parts
gwlb_parts_of_endpoint(const struct snapshot_endpoint *e)
{
	return (struct gwlb_key_parts){e->flow_key == FLOW_KEY_5_TUPLE,
				       e->flow_key != FLOW_KEY_2_TUPLE};
}

static inline struct gwlb_key_parts
gwlb_parts_of_flow(const struct flow_gateway *r)
{
	return (struct gwlb_key_parts){(r->flags & FLOW_GATEWAY_NO_PORTS) == 0,
				       (r->flags & FLOW_GATEWAY_NO_PROTO) == 0};
}

/** The key of an ICMP error's flow, the one it quotes; false: it is a flow of its own. */
bool gwlb_quoted_key(const struct packet *p, uint32_t endpoint, struct gwlb_key_parts parts,
		     struct flow_gateway_key *key);

static inline void
gwlb_key(const struct packet *p, uint32_t endpoint, struct gwlb_key_parts parts,
	 struct flow_gateway_key *key)
{
	if (__builtin_expect((p->flags & PACKET_ICMP_ERROR) != 0, 0) &&
	    gwlb_quoted_key(p, endpoint, parts, key))
		return;
	flow_gateway_key_set(key, &p->src, parts.ports ? p->sport_be : 0, &p->dst,
			     parts.ports ? p->dport_be : 0, parts.proto ? p->proto : 0, endpoint);
}

/** The parser has refused SYN with FIN or RST. */
bool gwlb_is_opening(const struct packet *p);

/** What becomes of a packet for which a target is chosen. */
enum gwlb_choice { GWLB_CHOSEN, GWLB_BYPASS, GWLB_REFUSED };

/**
 * The target for flows of this key.  Under fail_close and without targets it is refused for a
 * reason, under bypass there is none.
 */
enum gwlb_choice gwlb_choose(const struct gwlb *gwlb, const struct snapshot *s,
			     const struct snapshot_endpoint *e, const struct flow_gateway_key *key,
			     uint32_t *target, enum drop_reason *reason);

/**
 * Begin a flow: target, cookie, record, index entry.
 * @return  FLOW_NONE, with `p` dropped under a reason and counted, when the flow is refused.
 */
uint32_t gwlb_flow_create(struct gwlb *gwlb, const struct snapshot *s,
			  const struct snapshot_endpoint *e, struct packet *p,
			  const struct flow_gateway_key *key, uint64_t hash, uint32_t now_ms);

/** The one way a flow ends: index entry, counters, record. */
void gwlb_flow_close(struct gwlb *gwlb, uint32_t record);

void gwlb_flow_set_state(struct gwlb *gwlb, uint32_t record, enum flow_state state);

/** Give the flow another target. */
void gwlb_flow_move(struct gwlb *gwlb, uint32_t record, uint32_t target);

/** Follow TCP by a segment of a flow with ports. */
void gwlb_flow_on_segment(struct gwlb *gwlb, uint32_t record, const struct packet *p,
			  bool from_low);

/* Answers and ways out, for packets that came from a host or go to one. */

/** Take the packet for dropped, and answer with RST in its place if that may be. */
void gwlb_reset_sender(struct gwlb *gwlb, const struct snapshot *s, struct packet *p,
		       uint32_t frontend, enum drop_reason reason, uint32_t now_ms);

/** Take the packet for dropped, and answer with an ICMP error in its place if that may be. */
void gwlb_answer_error(struct gwlb *gwlb, const struct snapshot *s, struct packet *p, uint8_t type,
		       uint8_t code, uint32_t mtu, enum drop_reason reason, uint32_t now_ms);

/** Serve a packet from an appliance, whose GENEVE header has been read. */
void gwlb_return(struct gwlb *gwlb, const struct snapshot *s, const struct next_hop_table *hops,
		 struct packet *p, const struct geneve_header *header, uint32_t now_ms);

static inline struct frontend_counters *
gwlb_frontend_counters(const struct gwlb *gwlb, uint32_t reference)
{
	return &gwlb->counters->frontends[ref_index(reference)];
}

static inline struct target_counters *
gwlb_target_counters(const struct gwlb *gwlb, uint32_t reference)
{
	return &gwlb->counters->targets[ref_index(reference)];
}

#endif
