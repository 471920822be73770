/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network load balancer's packet path: flows rewritten between clients and targets at L4.
 *
 * nlb_burst() takes parsed packets that belong to this worker and gives each a verdict.  A packet
 * for a frontend either belongs to a flow, or begins one: a target is chosen by Maglev, under
 * full_nat a source port is found, and a record is entered from both directions.  A packet from a
 * target's side belongs to a flow or is nothing.  ICMP errors are translated by the packet they
 * quote.  Rewriting is a pure function of the record and of the snapshot's tables.
 *
 * One per worker, called by that worker alone.  Memory comes from the caller; buffers are opaque:
 * it links and runs without EAL.
 */
#ifndef NLB_H
#define NLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "flow_journal.h"
#include "flow_page.h"
#include "flow_table.h"
#include "icmp.h"
#include "next_hop.h"
#include "packet.h"
#include "rss.h"
#include "secret.h"
#include "snapshot.h"
#include "source_port.h"
#include "steer.h"

#define NLB_BURST 64

/* Idle times that ELB fixes or leaves open; the rest are attributes. */
#define NLB_NEW_MS     30000 /* a target must answer a new flow within */
#define NLB_CLOSING_MS 30000 /* after FIN from both sides */
#define NLB_RESET_MS   10000 /* after a RST that nobody contradicted */

#define NLB_RESET_ASK_MS 3000 /* of them, for who got the RST to say that it lives */

#define NLB_TERMINATE_MS 5000 /* for both sides to say what number a RST must have */

/** A TCP segment of weir's own about a flow, without data. */
struct nlb_segment {
	struct ip_addr src, dst;
	uint16_t sport_be, dport_be;
	uint32_t seq, ack;
	uint8_t flags;
};

#define NLB_SEGMENTS    32 /* at most made between two nlb_take_segments() */
#define NLB_SEGMENT_MAX 60 /* bytes of one, as an IP packet */

/** Send an IP packet of weir's own, by its destination's route; the bytes are the callee's to copy.
 */
typedef void (*nlb_emit)(void *arg, const uint8_t *ip, uint16_t len);

struct nlb_settings {
	uint32_t max_flows;
	uint16_t worker;
	const struct secret *secret;
	struct worker_counters *counters;
	/**
	 * [SNAPSHOT_INTERFACES]: where replies from an interface's targets arrive, NULL where that
	 * is not known; or NULL.
	 */
	_Atomic(const struct rss_replies *) *replies;
	nlb_emit emit; /* from within nlb_burst() and nlb_sweep(); NULL: nowhere */
	void *emit_arg;
};

struct nlb_proxy;
struct nlb_rate;

struct nlb {
	struct flow_table flows;
	struct steer steer;
	struct siphash_key maglev_seed; /* of the cluster */
	struct hash_seed seed;          /* of this process */
	struct flow_journal journal;
	struct worker_counters *counters;
	uint16_t worker;
	_Atomic(const struct rss_replies *) *replies; /* see nlb_settings */
	struct source_port_hint *hints;               /* [SOURCE_PORT_HINTS] */
	uint32_t sweep_at;                            /* next record the sweep looks at */
	uint32_t swept_ms;                            /* when it last moved on */
	uint32_t ports;                               /* source ports in use */
	uint32_t changes;                             /* of the index, counted */
	struct icmp_limit icmp_limit;
	struct nlb_segment segments[NLB_SEGMENTS]; /* to be sent */
	uint16_t segments_n;
	struct nlb_proxy *proxy; /* headers that are not acknowledged yet */
	struct nlb_rate *rate;   /* of new flows */
};

/** Bytes of zeroed memory, aligned to 64, for nlb_create(). */
size_t nlb_bytes(const struct nlb_settings *settings);

/** @return  NULL when the kernel has no random bytes. */
struct nlb *nlb_create(void *mem, size_t bytes, const struct nlb_settings *settings);

/** Give every flow and port back. */
void nlb_flush(struct nlb *nlb);

/** Wipe keys.  The memory is the caller's. */
void nlb_free(struct nlb *nlb);

/**
 * Serve a burst of at most NLB_BURST packets: they have verdicts on return.
 * PACKET_FORWARD with next hop 0 means that the route of p->dst is to be resolved;
 * PACKET_ENDPOINT that the packet is for a frontend that terminates connections (`frontend`), or
 * that it, or what an ICMP error quotes, is of a connection that nlb_endpoint_open() reserved.
 */
void nlb_burst(struct nlb *nlb, const struct snapshot *snapshot, const struct next_hop_table *hops,
	       struct packet **packets, uint16_t n, uint32_t now_ms);

/**
 * Send PROXY headers again that are due; look at some records, all of them about once a second:
close
 * the idle ones, and end those whose target is gone or unhealthy.  Segments to send are with
 * nlb_take_segments().
 */
void nlb_sweep(struct nlb *nlb, const struct snapshot *snapshot, uint32_t now_ms);

/** Take what is to be sent. Call once a turn. @return how many. */
uint16_t nlb_take_segments(struct nlb *nlb, struct nlb_segment segments[NLB_SEGMENTS]);

/** Write a segment as an IP packet. @return its length. */
uint16_t nlb_segment_write(const struct nlb_segment *segment, uint8_t ip[NLB_SEGMENT_MAX]);

/**
 * Reserve a source port of `slot` for a connection of weir's own from `local` to `target`.
 * @param dport_be  the target's port, which for a health check may differ from its traffic port
 * @return  false when there is none, or no record.
 */
bool nlb_endpoint_open(struct nlb *nlb, const struct snapshot *snapshot, uint32_t local,
		       const struct ip_addr *target, uint16_t dport_be, uint8_t slot,
		       uint32_t now_ms, uint16_t *sport_be);
void nlb_endpoint_close(struct nlb *nlb, const struct ip_addr *local, uint16_t sport_be,
			const struct ip_addr *target, uint16_t dport_be);

/** Where a flow belongs, by the cluster's seed and the snapshot alone. */
struct nlb_choice {
	uint64_t flow_hash, set_hash; /* its own; its place in the group's set */
	uint32_t group;               /* index into groups[]; 0: none */
};

struct nlb_choice nlb_choose(const struct siphash_key *maglev_seed, const struct snapshot *s,
			     const struct snapshot_frontend *f, const struct ip_addr *client,
			     uint16_t client_port_be, uint8_t proto);

struct nlb_gauges {
	uint32_t flows, flows_max, flows_high_water;
	uint32_t ports;
	uint64_t insert_failures;
	uint64_t bytes; /* of records, index and hints */
};

void nlb_gauges(const struct nlb *nlb, struct nlb_gauges *gauges);

/** Describe a record of this service that passes the filter. @return whether it did. */
bool nlb_flow_describe(const struct snapshot *snapshot, const struct flow_record *record,
		       const struct flow_filter *filter, struct flow_info *info, uint32_t now_ms);

/** Describe the flow that a packet with this tuple would belong to. @return whether there is one.
 */
bool nlb_flow_look(const struct nlb *nlb, const struct snapshot *snapshot,
		   const struct flow_tuple *tuple, struct flow_info *info, uint32_t now_ms);

/** Fill a page with flows of this service. */
void nlb_flows_describe(const struct nlb *nlb, const struct snapshot *snapshot,
			struct flow_page *page, uint32_t now_ms);

/**
 * Rebuild every index from the records, which may have been copied from elsewhere.
 * @return  false when a record was lost.
 */
bool nlb_rebuild(struct nlb *nlb, const struct snapshot *snapshot);

#endif
