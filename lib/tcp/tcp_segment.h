/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments as fields: what arrives is read once, what leaves is written once. */
#ifndef TCP_SEGMENT_H
#define TCP_SEGMENT_H

#include "tcp_connection.h"

struct tcp;

#define TCP_OPTION_WINDOW_SCALE   3
#define TCP_OPTION_SACK_PERMITTED 4
#define TCP_OPTION_SACK           5
#define TCP_OPTION_TIMESTAMPS     8

#define TCP_OPTIONS_MAX 40
#define TCP_SACKS_MAX   4

/** NOP NOP TIMESTAMPS 10: as (nearly) every segment with timestamps begins its options. */
#define TCP_TIMESTAMPS_WORD 0x0101080a

/** What timestamps take of each segment. */
#define TCP_TIMESTAMPS_LEN 12

/* RFC 7323 section 2.3 */
#define TCP_SCALE_MAX 14

enum { TCP_HAS_TIMESTAMPS = 1, TCP_HAS_SACK_PERMITTED = 2, TCP_HAS_SCALE = 4 };

struct tcp_block {
	uint32_t from, to;
};

struct tcp_arrival {
	const struct packet *p;
	const uint8_t *data;
	uint32_t seq, ack;
	uint32_t len;     /* of payload */
	uint32_t seq_end; /* behind SYN, payload and FIN */
	uint32_t tsval, tsecr;
	uint32_t charge;
	uint16_t window; /* as on the wire */
	uint16_t mss;    /* of a SYN; 0: none */
	uint8_t flags;   /* TCP_FLAG_FIN ... of wire.h */
	uint8_t has;     /* TCP_HAS_* */
	uint8_t scale;
	uint8_t sacks_n;
	struct tcp_block sacks[TCP_SACKS_MAX];
};

/** @return  false: header or lengths are wrong. */
bool tcp_arrival_read(struct tcp_arrival *a, const struct packet *p, uint32_t charge);

struct tcp_outgoing {
	const struct tcp_tuple *tuple;
	uint32_t seq, ack;
	uint32_t len; /* of payload */
	const struct span *span;
	uint32_t offset;
	uint16_t window; /* as on the wire */
	uint16_t mss;
	uint8_t flags;
	uint8_t options_len; /* a multiple of 4 */
	uint8_t options[TCP_OPTIONS_MAX];
};

void tcp_put_timestamps(struct tcp_outgoing *out, uint32_t tsval, uint32_t tsecr);

/** Write headers and checksums, and hand the segment over. */
void tcp_emit(struct tcp *tcp, const struct tcp_outgoing *out);

/** The RST that a segment for no connection provokes (RFC 9293 section 3.10.7.1). */
void tcp_refuse(struct tcp *tcp, const struct tcp_arrival *a);

#endif
