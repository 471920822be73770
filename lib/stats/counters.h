/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters: written by one worker, summed by the reader.
 *
 * Each worker has its own struct worker_counters and is the only writer; the management core reads
 * while the worker writes, with relaxed loads.  Counters only grow, are never reset by reading,
 * and survive reloads because they hang on the stable indexes of frontends and targets (see
 * snapshot.h).  Gauges are differences of two counters, so that they add up across workers.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "drop_reason.h"

#define COUNTERS_PORTS 16

/** Per (worker, frontend): one listener on one address. */
struct frontend_counters {
	uint64_t packets;           /* both directions, forwarded: ProcessedPackets */
	uint64_t bytes;             /* IP bytes of those: ProcessedBytes */
	uint64_t new_flows;         /* NewFlowCount */
	uint64_t closed_flows;      /* new_flows - closed_flows = ActiveFlowCount */
	uint64_t rejected_flows;    /* RejectedFlowCount: table full, no target, no port */
	uint64_t port_alloc_errors; /* PortAllocationErrorCount */
	uint64_t client_resets;     /* TCP_Client_Reset_Count */
	uint64_t target_resets;     /* TCP_Target_Reset_Count */
	uint64_t elb_resets;        /* TCP_ELB_Reset_Count */
	uint64_t unhealthy_routed;  /* UnhealthyRoutingFlowCount: flows sent under fail-open */
	uint64_t rejected_tcp;      /* RejectedFlowCount_TCP */
	uint64_t bypassed;          /* packets of a gateway that passed without an appliance */
	uint64_t client_tls_errors; /* ClientTLSNegotiationErrorCount */
	uint64_t log_lost;          /* log records that found no room */
	uint64_t spillovers;        /* SpilloverCount */
	uint64_t reserved;
	/* SecurityGroupBlockedFlowCount_*: Inbound_TCP, ... */
	uint64_t blocked_in_tcp, blocked_in_udp, blocked_in_icmp;
	uint64_t blocked_out_tcp, blocked_out_udp;
	uint64_t more[11];
};

_Static_assert(sizeof(struct frontend_counters) == 256, "four cache lines: an index is a shift");

/** Per (worker, target). */
struct target_counters {
	uint64_t new_flows;
	uint64_t closed_flows;
	uint64_t packets;
	uint64_t bytes;
	uint64_t answered_flows; /* TCP: the target sent SYN and ACK */
	uint64_t failed_flows;   /* it sent RST instead */
	uint64_t tls_errors;     /* connections in which no TLS connection was made */
	uint64_t connect_errors; /* connections of conduits that were not made */
};

_Static_assert(sizeof(struct target_counters) == 64, "one cache line");

struct interface_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

struct worker_counters {
	uint64_t drops[DROP_REASONS];
	uint64_t polls, busy_polls;       /* iterations of the loop, and those that found work */
	uint64_t busy_ticks;              /* ticks spent in iterations that found work */
	uint64_t received;                /* packets taken from ports */
	uint64_t originated;              /* packets made by the worker itself: probes */
	uint64_t consumed;                /* packets that ended here: answers to probes */
	uint64_t transmitted;             /* packets handed to ports */
	uint64_t handed_over, taken_over; /* packets passed to, got from other workers */
	uint64_t to_management;   /* ARP, ND and unresolved packets handed to the management core */
	uint64_t from_management; /* packets the management core asked to transmit */
	uint64_t rss_right[COUNTERS_PORTS]; /* sampled packets whose RSS hash was as expected */
	uint64_t rss_wrong[COUNTERS_PORTS]; /* and those where it was another */
	uint64_t answered; /* RSTs and ICMP errors made of packets that were dropped */
	struct frontend_counters *frontends;   /* [frontends_n], by index */
	struct target_counters *targets;       /* [targets_n], by index */
	struct interface_counters *interfaces; /* [interfaces_n], by index */
	uint32_t frontends_n, targets_n, interfaces_n;
};

/** Read another core's counter. */
static inline uint64_t
counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
