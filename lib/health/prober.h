/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP health checks made by a worker through the data path: SYN, SYN-ACK, ACK, RST.
 *
 * The management core decides when and whom to check and hands the worker a request; the worker
 * owns the probe until it ends in exactly one result.  Segments leave through the caller's `emit`
 * as whole IP packets, answers come in as parsed packets, time as milliseconds: no I/O here.
 *
 * One prober per worker, called by that worker alone.  The source port is of one of the worker's
 * own slots, so answers reach it.
 */
#ifndef PROBER_H
#define PROBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

#define PROBER_PROBES       4096
#define PROBER_SYN_RETRY_MS 1000 /* RFC 6298: initial retransmission timeout */

enum probe_result {
	PROBE_CONNECTED, /* SYN-ACK */
	PROBE_REFUSED,   /* RST, or an ICMP error about the SYN */
	PROBE_TIMEOUT,
	PROBE_NO_ANSWER,       /* HTTP: connected, but no answer in time */
	PROBE_NOT_SENT,        /* no probe, port or source address free */
	PROBE_STATUS_MISMATCH, /* HTTP: another status than the matcher's */
	PROBE_BAD_ANSWER,      /* HTTP: none, or what isn't HTTP */
	PROBE_NO_TLS,          /* HTTPS: connected, but the handshake failed */
};

struct probe_request {
	uint64_t cookie; /* handed back with the result */
	struct ip_addr src, dst;
	uint16_t sport_be, dport_be;
	uint32_t isn; /* unpredictable */
	uint32_t timeout_ms;
};

struct prober_ops {
	/** Send an IP packet; it is routed by its destination.  Losing it is allowed. */
	void (*emit)(void *arg, const uint8_t *ip, uint16_t len);
	/** The probe is over and its source port free. */
	void (*done)(void *arg, const struct probe_request *request, enum probe_result result);
};

struct prober;

/** @return  NULL without memory. */
struct prober *prober_create(const struct prober_ops *ops, void *arg);

/** Ends every probe as PROBE_NOT_SENT. */
void prober_free(struct prober *prober);

/** Send the first SYN.  Without a free probe it is done at once as PROBE_NOT_SENT. */
void prober_start(struct prober *prober, const struct probe_request *request, uint32_t now_ms);

/**
 * Offer a packet for an own local address.
 * @return  true when it belonged to a probe; it has been dealt with and can be freed.
 */
bool prober_input(struct prober *prober, const struct packet *p);

/** Retransmit and time out.  Call every 10 ms or so. */
void prober_tick(struct prober *prober, uint32_t now_ms);

/** Probes under way. */
uint32_t prober_active(const struct prober *prober);

#endif
