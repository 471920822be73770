/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MSS option of SYNs, lowered where the way is narrower than the ends believe.
 */
#ifndef TCP_MSS_H
#define TCP_MSS_H

#include <stdint.h>

#include "packet.h"

/** Lower the MSS option of a TCP SYN to `limit` if it is higher (RFC 9293 section 3.7.1). */
void tcp_mss_clamp(struct packet *p, uint16_t limit);

#endif
