/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies (RFC 4987 section 3.6): the sequence number of a SYN-ACK says what a half-open
 * connection would have kept, so that there is none.
 *
 * 28 bits of a keyed hash over tuple, the peer's sequence number and a 64-second period, 1 bit of
 * the period, 3 bits for the MSS.  With timestamps the peer echoes scale and SACK in the low bits
 * of TSval.
 */
#ifndef TCP_COOKIE_H
#define TCP_COOKIE_H

#include "tcp_segment.h"

struct tcp;

/** The sequence number for a SYN-ACK. */
uint32_t tcp_cookie_make(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs,
			 uint16_t mss);

/** @return  false: not ours, or older than two periods; else `*mss` is at most what the SYN said.
 */
bool tcp_cookie_check(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs,
		      uint32_t iss, uint16_t *mss);

/** The TSval for a SYN-ACK: at most `tsval`, options in its low bits. */
uint32_t tcp_cookie_timestamp(uint32_t tsval, uint8_t has, uint8_t scale);

/** What that TSval, echoed, says: adds to `*has` (TCP_HAS_*). */
void tcp_cookie_options(uint32_t tsecr, uint8_t *has, uint8_t *scale);

#endif
