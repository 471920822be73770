/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose connection it is: what the user pointer of each of a worker's TCP connections points at.
 */
#ifndef PROXY_SIDE_H
#define PROXY_SIDE_H

#include <stdint.h>

#include "tcp.h"

struct proxy_side {
	/** Events of `connection`, see tcp_next_event(); none: its TLS may have something new. */
	void (*on_event)(struct proxy_side *side, struct tcp_connection *connection,
			 uint32_t events);
	/** Its carrier was touched, see carrier.h. */
	void (*on_carrier)(struct proxy_side *side);
	/** Its TLS handshake is over. */
	void (*on_handshake)(struct proxy_side *side, bool done);
};

#endif
