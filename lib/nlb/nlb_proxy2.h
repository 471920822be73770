/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside lib/nlb: PROXY protocol v2 towards targets, without ending the connection.
 *
 * TCP.  The header lies between the client's SYN and its first byte, so for the rest of the flow
 * the target counts more bytes from the client than the client does: numbers of the client's
 * segments grow by the header's length, acknowledgements and SACK blocks of the target's shrink by
 * it.  The header leaves on the ACK that completes the handshake, in that segment if it is empty,
 * else in one of weir's own in front; server-first protocols need no more.  Until the target has
 * acknowledged the header it is *pending*: sent again by a timer of the worker's wheel (no other
 * flow has one), acknowledgements within it are held at the client's first byte, and SACK blocks
 * below that are left out.  Payload of SYNs and options that promise any are taken away: it would
 * come in front of the header.  Afterwards rewriting is a function of the record alone.
 *
 * UDP.  A header in front of each datagram of the client's.
 */
#ifndef NLB_PROXY2_H
#define NLB_PROXY2_H

#include "bytes.h"
#include "checksum.h"
#include "nlb_flow.h"
#include "proxy_protocol.h"
#include "timer_wheel.h"
#include "wire.h"

/** How many flows of a worker may have pending headers; others' handshakes wait. */
#define NLB_PROXY_PENDING 16384

#define NLB_PROXY_FIRST_MS 300 /* until the header is sent again, then doubled */
#define NLB_PROXY_TRIES    8

struct nlb_proxy_timer {
	struct timer timer;
	uint32_t record;
	uint32_t next_free; /* number + 1, 0: none */
};

struct nlb_proxy {
	struct timer_wheel wheel;
	nlb_emit emit;
	void *emit_arg;
	const struct snapshot *snapshot; /* of this turn */
	uint32_t free_head;              /* number + 1, 0: none */
	uint32_t used_n;                 /* timers from here on were never used */
	struct nlb_proxy_timer timers[NLB_PROXY_PENDING];
};

void nlb_proxy_init(struct nlb_proxy *proxy, const struct nlb_settings *settings);

/**
 * Change a packet of such a flow, addresses and ports apart: as it came from its sender.
 * @return  DROP_NONE, or why it is to be dropped.
 */
enum drop_reason nlb_proxy_serve(struct nlb *nlb, const struct snapshot *s, struct packet *p,
				 uint32_t record, enum flow_side from, uint32_t now_ms);

/** How many bytes packets from that side grow by: a datagram, by its header. */
static inline uint16_t
nlb_proxy_growth(const struct flow_record *r, enum flow_side from)
{
	if (likely((r->flags & FLOW_FLAG_PROXY) == 0) || r->proto != IPPROTO_UDP ||
	    from != FLOW_SIDE_CLIENT)
		return 0;
	return proxy_protocol_len(ip_addr_family(&r->client));
}

/** The flow ends, or its header is acknowledged: no timer any more. */
void nlb_proxy_settle(struct nlb *nlb, struct flow_record *r);

/** Send again what is due. */
void nlb_proxy_turn(struct nlb *nlb, const struct snapshot *s, uint32_t now_ms);

/** Forget all timers, and start those of records that need one. */
void nlb_proxy_rebuild(struct nlb *nlb);

/**
 * Whether a segment without SYN, FIN and RST, of `from`, needs nothing but its shift: the header is
 * acknowledged, and there are no options but timestamps.
 */
static inline bool
nlb_proxy_is_plain(const struct flow_record *r, const uint8_t *tcp, enum flow_side from)
{
	if (r->proto != IPPROTO_TCP || r->seq_shift == 0 ||
	    (r->flags & FLOW_FLAG_PROXY_PENDING) != 0)
		return false;
	return from == FLOW_SIDE_CLIENT || tcp[TCP_OFF] >> 4 == 5 ||
	       (tcp[TCP_OFF] >> 4 == 8 && bytes_load_be32(tcp + TCP_MIN_LEN) == 0x0101080a);
}

/** Shift a plain segment. @return the difference that makes to its checksum. */
static inline uint64_t
nlb_proxy_shift_plain(const struct flow_record *r, uint8_t *tcp, enum flow_side from)
{
	uint8_t *field = tcp + (from == FLOW_SIDE_CLIENT ? TCP_SEQ : TCP_ACK);
	uint32_t before = bytes_load32(field);
	uint32_t shift = (uint32_t)(from == FLOW_SIDE_CLIENT ? r->seq_shift : -r->seq_shift);

	bytes_store_be32(field, bytes_load_be32(field) + shift);
	return checksum_diff32(0, before, bytes_load32(field));
}

#endif
