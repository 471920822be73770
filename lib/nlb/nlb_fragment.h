/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/nlb: later fragments of packets of flows.
 *
 * Fragments are never put together: each goes the flow's way as it came.  The first one has the L4
 * header and is served like a whole packet; a later one, which has been told the first one's ports
 * (flow_fragment.h), gets its addresses changed and begins, ends and revives no flow.
 */
#ifndef NLB_FRAGMENT_H
#define NLB_FRAGMENT_H

#include "nlb_flow.h"
#include "nlb_rewrite.h"

/** The way of a packet from one side of a flow to the other. */
struct nlb_way {
	struct rewrite rewrite;
	uint32_t *next_hop;        /* cached in the record */
	const struct ip_addr *own; /* who complains to the sender; NULL: the interface */
};

struct nlb_way nlb_way_of(const struct snapshot *s, struct flow_record *r, enum flow_side from);

/** Change a later fragment's addresses, and its TTL, which must be above 0. */
void nlb_fragment_rewrite(struct packet *p, const struct rewrite *rewrite);

/** Why a later fragment of no flow is dropped. */
enum drop_reason nlb_fragment_refused(const struct snapshot *s, const struct packet *p);

#endif
