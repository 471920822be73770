/* SPDX-License-Identifier: BSD-3-Clause */
/* The RST that answers a segment nobody wants. */
#ifndef TCP_RESET_H
#define TCP_RESET_H

#include <stdbool.h>

#include "packet.h"

/**
 * Replace a TCP segment by the RST it provokes when there is no connection (RFC 9293 section
 * 3.10.7.1): addresses and ports swapped, numbers from the segment.  `p` becomes PACKET_FORWARD
 * with next hop 0, its len shrinks.
 * @return  false, with `p` unchanged, for a RST: no RST answers a RST.
 */
bool tcp_reset_reply(struct packet *p);

#endif
