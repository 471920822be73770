/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway load balancer's packet path: every IP packet through an appliance and on its way.
 *
 * A packet that enters by an endpoint belongs to a flow, or begins one: Maglev chooses the
 * appliance, a record is entered under the key that both directions share, and the packet leaves in
 * GENEVE.  What an appliance sends back names its flow by the cookie; address, options and inner
 * packet must all be the flow's, then the inner packet goes on: by routes, or, on a wire, by the
 * other end with the Ethernet header it came with.
 *
 * One per worker, called by that worker alone.  Records are of the worker's flow table, which it
 * shares with the other services.  Memory comes from the caller; it links and runs without EAL.
 */
#ifndef GWLB_H
#define GWLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "flow_gateway.h"
#include "flow_journal.h"
#include "flow_page.h"
#include "geneve.h"
#include "gwlb_cookie.h"
#include "gwlb_link.h"
#include "icmp.h"
#include "next_hop.h"
#include "packet.h"
#include "secret.h"
#include "snapshot.h"
#include "steer.h"

#define GWLB_BURST 64

/* Idle times that ELB fixes or leaves open; the rest are attributes. */
#define GWLB_IDLE_MS    120000 /* protocols other than TCP */
#define GWLB_NEW_MS     30000  /* TCP: until both ends were heard */
#define GWLB_CLOSING_MS 30000  /* after FIN from both ends */
#define GWLB_RESET_MS   10000  /* after a RST */

/** A cached way to an appliance: of a target as one snapshot has it. */
struct gwlb_way {
	uint32_t target; /* reference */
	uint32_t generation;
	uint32_t next_hop;
	uint32_t renewed_ms;
	uint16_t room; /* longest inner packet */
	bool usable;   /* there is a source address */
	struct geneve_template outer;
};

#define GWLB_WAYS 1024 /* power of two */

struct gwlb_settings {
	struct flow_table *flows;  /* the worker's, of at most GWLB_COOKIE_RECORDS records */
	const struct steer *steer; /* the worker's */
	const struct secret *secret;
	struct worker_counters *counters;
};

struct gwlb {
	struct flow_table *flows;
	const struct steer *steer;
	struct worker_counters *counters;
	struct siphash_key maglev_seed;
	struct gwlb_cookie_key cookie_key;
	struct flow_journal journal;
	struct icmp_limit icmp_limit;
	struct gwlb_way *ways;   /* [GWLB_WAYS], by target index */
	struct gwlb_link *links; /* [GWLB_LINKS] */
	uint32_t in_use;         /* records of this service */
	uint32_t sweep_at;       /* next record the sweep looks at */
	uint32_t swept_ms;
	uint32_t changes; /* of the index, counted */
};

/** Bytes of zeroed memory, aligned to 64, for gwlb_create(). */
size_t gwlb_bytes(void);

struct gwlb *gwlb_create(void *mem, size_t bytes, const struct gwlb_settings *settings);

/**
 * After the flow table's index was rebuilt from records that may come from elsewhere: count this
 * service's, forget what their caches refer to.
 */
void gwlb_rebuild(struct gwlb *gwlb);

/** Give every flow back. */
void gwlb_flush(struct gwlb *gwlb);

/** Wipe keys.  The memory is the caller's. */
void gwlb_free(struct gwlb *gwlb);

/** Whether the packet, UDP to an own address that sends to appliances, comes from an appliance. */
static inline bool
gwlb_is_returned(const struct packet *p)
{
	return (p->flags & PACKET_GENEVE) != 0;
}

/**
 * The slot of a packet for this service: of the flow's key, or by the cookie.  Any worker.
 * A fragment without ports has that of its key without them.
 */
uint8_t gwlb_packet_slot(const struct gwlb *gwlb, const struct snapshot *snapshot,
			 const struct packet *p);

/**
 * Serve a burst of at most GWLB_BURST packets: those that entered by an endpoint, and those marked
 * PACKET_GENEVE.  Each has a verdict on return.  PACKET_FORWARD with next hop 0 means that the
 * route of p->dst is to be resolved; PACKET_LINK, that p->next_hop names a link, see gwlb_link().
 */
void gwlb_burst(struct gwlb *gwlb, const struct snapshot *snapshot,
		const struct next_hop_table *hops, struct packet **packets, uint16_t n,
		uint32_t now_ms);

/** The link of a packet with verdict PACKET_LINK, or NULL when it has made way since. */
static inline const struct gwlb_link *
gwlb_link(const struct gwlb *gwlb, uint32_t reference)
{
	return gwlb_link_of(gwlb->links, reference);
}

/** Describe a record of this service that passes the filter. @return whether it did. */
bool gwlb_flow_describe(const struct snapshot *snapshot, const struct flow_record *record,
			const struct flow_filter *filter, struct flow_info *info, uint32_t now_ms);

/** Describe the flow that a packet with this tuple would belong to. @return whether there is one.
 */
bool gwlb_flow_look(const struct gwlb *gwlb, const struct snapshot *snapshot,
		    const struct flow_tuple *tuple, struct flow_info *info, uint32_t now_ms);

/** The slot of a tuple that enters by an endpoint. */
uint8_t gwlb_tuple_slot(const struct gwlb *gwlb, const struct snapshot *snapshot,
			const struct flow_tuple *tuple);

/** The target of a new flow with this tuple. 0: none, for `reason`, or DROP_NONE under bypass. */
uint32_t gwlb_tuple_target(const struct gwlb *gwlb, const struct snapshot *snapshot,
			   const struct flow_tuple *tuple, enum drop_reason *reason);

/** Look at some records, all of them about once a second, and close the idle ones. */
void gwlb_sweep(struct gwlb *gwlb, const struct snapshot *snapshot, uint32_t now_ms);

#endif
