/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ending flows that still live: a RST to both sides.
 *
 * A RST is believed only with the number its receiver expects (RFC 5961 section 3.2), and
 * established packets leave no numbers in the record.  So each side is first sent an empty segment
 * with a number it had acknowledged long ago, as keep-alives have (RFC 9293 section 3.8.4).  It has
 * to answer with the numbers it expects (section 3.10.7.4), and that answer, or whatever else it
 * sends first, is answered with RST.  A flow on its way to its end is FLOW_STATE_TERMINATING:
 * nothing of it is forwarded any more.
 *
 * How many segments are made between two nlb_take_segments() is bounded; what finds no room waits
 * for the next sweep.  Inside lib/nlb; called by the owning worker.
 */
#ifndef NLB_TERMINATE_H
#define NLB_TERMINATE_H

#include "nlb_flow.h"

/**
 * End a TCP flow.  One that is not established is closed at once, with the RSTs that its SYN's
 * number allows; others terminate.
 * @return  false when there is no room for the segments: the flow is as it was.
 */
bool nlb_terminate(struct nlb *nlb, const struct snapshot *s, uint32_t record, uint32_t now_ms);

/** The sweep has come to a terminating flow: ask again, or give up and close it. */
void nlb_terminate_again(struct nlb *nlb, const struct snapshot *s, uint32_t record,
			 uint32_t now_ms);

/**
 * A flow has been silent since a RST, which may have been forged: ask the side that got it, unless
 * both sent FIN or RST, or the target never answered.  If it lives, its answer revives the flow.
 */
void nlb_ask_after_reset(struct nlb *nlb, const struct snapshot *s, uint32_t record);

/**
 * A packet of a TCP flow that terminates, or from now on does: its sender is reset.  The flow is
 * closed when both sides have been.
 */
void nlb_terminate_serve(struct nlb *nlb, const struct snapshot *s, struct packet *p,
			 uint32_t record, enum flow_side from, uint32_t now_ms);

/** Whether the record's flow is one of these. */
static inline bool
nlb_flow_has_to_end(const struct snapshot_target *t, const struct flow_record *r, uint32_t now_ms)
{
	return snapshot_target_ends(t, r->created_ms, now_ms);
}

#endif
