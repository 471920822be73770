/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens to a packet that belongs to no known flow: one function, asked by everybody.
 *
 * Implicit creators of flows, and there are no others: a SYN to a frontend, and the first UDP
 * datagram to a frontend and the first packet of a gateway's flow (which ask here first: in a
 * cluster they may be mid-flow).
 */
#ifndef FLOW_MISS_H
#define FLOW_MISS_H

#include <stdbool.h>

enum flow_miss_why {
	FLOW_MISS_SEGMENT,    /* TCP without SYN for a frontend or local address */
	FLOW_MISS_DATAGRAM,   /* first UDP datagram for a frontend */
	FLOW_MISS_REPLY,      /* from a target's side, to an unknown local port or transit */
	FLOW_MISS_ICMP_ERROR, /* about an unknown flow */
	FLOW_MISS_ENTERING,   /* first packet by a gateway's endpoint */
	FLOW_MISS_STRAY,      /* TCP without SYN by a gateway's endpoint */
	FLOW_MISS_COOKIE,     /* from an appliance, of no flow */
};

enum flow_miss_verdict {
	FLOW_MISS_DROP,
	FLOW_MISS_RESET,    /* answer with RST, as ELB does */
	FLOW_MISS_CREATE,   /* it may begin a flow */
	FLOW_MISS_RECOVER,  /* take Maglev's target as the one it always had */
	FLOW_MISS_REDIRECT, /* another box holds the flow */
};

/** @param recover  the frontend's flows may be recovered without a record */
static inline enum flow_miss_verdict
flow_miss(enum flow_miss_why why, bool recover)
{
	switch (why) {
	case FLOW_MISS_SEGMENT:
		return recover ? FLOW_MISS_RECOVER : FLOW_MISS_RESET;
	case FLOW_MISS_DATAGRAM:
	case FLOW_MISS_ENTERING:
		return FLOW_MISS_CREATE;
	case FLOW_MISS_STRAY: /* RST is an attribute of the listener */
	case FLOW_MISS_COOKIE:
	case FLOW_MISS_REPLY:
	case FLOW_MISS_ICMP_ERROR:
		break;
	}
	return FLOW_MISS_DROP;
}

#endif
