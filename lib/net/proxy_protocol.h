/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PROXY protocol, version 2: a binary header that tells a server who its client is; and version 1,
 * a line of text that says the same of TCP connections.
 *
 * Written in front of a TCP stream or of each UDP datagram: signature, command, family, addresses,
 * then type-length-values.  weir writes two of these: a CRC32c of the whole header, and a NOOP that
 * makes its length a multiple of 8, so that checksums can be changed incrementally and nothing
 * behind the header changes its alignment.  What goes into a header depends on the arguments alone:
 * it can be made again at any time.
 */
#ifndef PROXY_PROTOCOL_H
#define PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

#define PROXY_PROTOCOL_V4_LEN    40
#define PROXY_PROTOCOL_V6_LEN    64
#define PROXY_PROTOCOL_MAX       PROXY_PROTOCOL_V6_LEN
#define PROXY_PROTOCOL_LOCAL_LEN 16

enum proxy_protocol_command { PROXY_PROTOCOL_LOCAL, PROXY_PROTOCOL_PROXY };

#define PROXY_PROTOCOL_V1_MAX 108 /* with the zero */

/** A connection or datagram: client `src`, and the load balancer's address `dst` it came to. */
struct proxy_protocol {
	uint8_t command; /* enum proxy_protocol_command */
	uint8_t af;      /* 4, 6; 0: unspecified */
	uint8_t proto;   /* IPPROTO_TCP, IPPROTO_UDP; 0: unspecified */
	struct ip_addr src, dst;
	uint16_t sport_be, dport_be;
	uint32_t len; /* of the whole header; proxy_protocol_write() takes no notice of it */
};

/** Bytes of a header that tells about addresses of this family. */
static inline uint16_t
proxy_protocol_len(uint8_t af)
{
	return af == 4 ? PROXY_PROTOCOL_V4_LEN : PROXY_PROTOCOL_V6_LEN;
}

/**
 * Write a header; LOCAL, of a connection that nobody asked for, such as a health check, has no more
 * than the fixed part.
 * @return  its length.
 */
uint16_t proxy_protocol_write(uint8_t out[PROXY_PROTOCOL_MAX], const struct proxy_protocol *what);

/**
 * Write a line of version 1 and a zero: `PROXY TCP4 SRC DST SPORT DPORT`.
 * @param what  a PROXY command of TCP
 * @return  its length, without the zero.
 */
uint16_t proxy_protocol_write_v1(char out[PROXY_PROTOCOL_V1_MAX],
				 const struct proxy_protocol *what);

/**
 * Read a header from the beginning of `len` bytes.
 * @return  false: it is none, not complete, not version 2, or its checksum is wrong.
 */
bool proxy_protocol_read(const uint8_t *data, size_t len, struct proxy_protocol *what);

#endif
