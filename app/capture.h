/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet capture of a listener, a target or an address, to a pcapng file.
 *
 * Each worker copies matching packets into a byte ring of its own and never waits: what doesn't
 * fit is counted as missed.  A writer thread, neither the management core nor an lcore, drains the
 * rings to the file, so a slow disk costs captured packets and never forwarded ones.
 *
 * The management core starts and stops a capture; workers see it through dataplane's pointer.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

#define CAPTURE_ENDPOINTS 64
#define CAPTURE_SNAP_LEN  65535
#define CAPTURE_PATH_MAX  512

enum capture_direction { CAPTURE_RX = 1, CAPTURE_TX = 2 }; /* pcapng's inbound, outbound */

/** An address, a port, or both; a packet matches when its source or destination does. */
struct capture_endpoint {
	bool any_addr;
	struct ip_addr addr;
	uint16_t port_be; /* 0: any */
};

struct capture_settings {
	char path[CAPTURE_PATH_MAX];
	uint32_t seconds;     /* stop after */
	uint64_t packets;     /* stop after; 0: no limit */
	uint32_t endpoints_n; /* 0: everything */
	struct capture_endpoint endpoints[CAPTURE_ENDPOINTS];
	const char *const *interfaces; /* names by index, copied */
	uint16_t interfaces_n;
	uint16_t workers_n;
	uint64_t wall_offset_us; /* wall clock minus the data path's clock */
};

struct capture_status {
	uint64_t written, missed;
	bool finished; /* the file is complete */
	int error;     /* errno of a failed write, else 0 */
};

struct capture;

/** Create the file and start the writer. @return NULL with a sentence in `why`. */
struct capture *capture_start(const struct capture_settings *settings, char *why, size_t why_len);

/** Offer a packet, with the interface it came or leaves by.  Called by worker `worker` alone. */
void capture_packet(struct capture *capture, uint16_t worker, const struct packet *p,
		    uint16_t interface, uint64_t now_us, enum capture_direction direction);

/** Ask the writer to drain what is there and end.  Doesn't wait. */
void capture_stop(struct capture *capture);

void capture_status(const struct capture *capture, struct capture_status *status);

/** Free a finished capture that no worker sees any more. */
void capture_free(struct capture *capture);

#endif
