/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames from segments of the TCP engine.
 *
 * Ports that gather get payload by reference: an indirect mbuf for each long piece, behind one with
 * the headers and whatever is short.  What the ports can't do is done here: trains are cut into
 * segments, checksums computed.  Called by the worker alone.
 */
#ifndef WORKER_SEGMENT_H
#define WORKER_SEGMENT_H

#include "tcp.h"
#include "worker.h"

/** Bytes of a train that the engine hands out at once: headers and all it is an IP packet. */
#define WORKER_SEGMENT_TRAIN 65000u

/** Send a segment whose checksum is pending, or a train of them.  Without buffers it is lost. */
void worker_segment_send(struct worker *w, const struct tcp_segment *segment);

#endif
