/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way: packets that change nothing of a flow that exists.
 *
 * Nearly all packets are TCP segments without SYN, FIN and RST, or UDP datagrams, in IP without
 * options or fragments, of a flow whose next hop is known.  They are served here straight from the
 * frame, with what the long way (nlb_burst()) needs a struct packet for left out.  Whatever is
 * served here the long way would have served with the same result; whatever is not is left as it
 * came.  A model test holds one against the other.
 *
 * A packet that takes the long way may be overtaken by later ones of its burst: one that opens or
 * closes a flow, by what follows it.
 */
#ifndef NLB_PLAIN_H
#define NLB_PLAIN_H

#include "nlb.h"

struct nlb_plain {
	uint8_t *l3;          /* IPv4 or IPv6 header, the whole packet in one piece */
	uint16_t room;        /* bytes from there on */
	uint16_t len;         /* of the IP packet, when it was served */
	uint8_t af;           /* 4 or 6, by the frame's type; 0: not served */
	uint32_t hop_version; /* of `hop`, for next_hop_is_unchanged() */
	struct next_hop *hop; /* resolved; NULL: not served, the packet is as it was */
};

/** Serve what of a burst can be, of at most NLB_BURST packets. */
void nlb_plain_burst(struct nlb *nlb, const struct snapshot *snapshot,
		     const struct next_hop_table *hops, struct nlb_plain *packets, uint16_t n,
		     uint32_t now_ms);

#endif
