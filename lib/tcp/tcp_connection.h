/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's private state.
 *
 * What a tuple leads to is one of three things, in one table: a connection, a half-open one (a SYN
 * that a listener answered) or one in TIME-WAIT.  Each kind has its own size and its own pool.  A
 * connection at rest holds nothing beside its own object: a record per segment in flight and a
 * range per hole in what arrived come from pools of their own.
 */
#ifndef TCP_CONNECTION_H
#define TCP_CONNECTION_H

#include "check.h"
#include "hash.h"
#include "siphash.h"
#include "tcp.h"
#include "tcp_sequence.h"
#include "timer_wheel.h"
#include "wire.h"

enum tcp_state {
	TCP_STATE_CLOSED,   /* over; waits for the caller's tcp_close() */
	TCP_STATE_SYN_SENT, /* SYN sent, nothing heard */
	TCP_STATE_SYN_RECEIVED,
	TCP_STATE_ESTABLISHED,
	TCP_STATE_FIN_WAIT_1, /* our FIN is queued or sent, not acknowledged */
	TCP_STATE_FIN_WAIT_2, /* our FIN is acknowledged, theirs has not come */
	TCP_STATE_CLOSE_WAIT, /* their FIN has come, ours is not queued */
	TCP_STATE_CLOSING,    /* both FINs, ours not acknowledged, and it was queued first */
	TCP_STATE_LAST_ACK,   /* the same, theirs came first */
	TCP_STATE_TIME_WAIT,
};

enum tcp_endpoint_kind { TCP_KIND_CONNECTION, TCP_KIND_HALF_OPEN, TCP_KIND_TIME_WAIT };

/** What the table finds: the head of each kind. */
struct tcp_endpoint {
	struct tcp_endpoint *next; /* of its bucket, or of its pool's free list */
	struct tcp_tuple tuple;
	uint32_t hash;
	uint8_t kind; /* enum tcp_endpoint_kind */
	uint8_t state;
	uint16_t mss; /* of what is sent, options taken off */
};

/** A segment in flight: its bytes lie in the send chain, from `data` in `span` on. */
struct tcp_sent {
	struct tcp_sent *next;
	struct span *span; /* NULL: only a FIN */
	uint8_t *data;
	uint32_t seq, len; /* payload bytes */
	uint32_t sent_us;  /* the last time, low 32 bits */
	uint8_t flags;     /* TCP_SENT_* */
};

enum {
	TCP_SENT_FIN = 1 << 0,
	TCP_SENT_SACKED = 1 << 1,
	TCP_SENT_LOST = 1 << 2,  /* deemed lost and not sent again since */
	TCP_SENT_AGAIN = 1 << 3, /* sent more than once */
};

/** Bytes in one piece that arrived ahead of a hole. */
struct tcp_range {
	struct tcp_range *next; /* by sequence */
	uint32_t from, to;
	uint32_t touched; /* count of arrivals when it last grew: RFC 2018 wants the newest first */
	uint16_t room;    /* bytes writable behind its last span */
	struct chain bytes;
};

/** Most ranges of a connection: each arrival is compared with all of them. */
#define TCP_RANGES_MAX        250
#define TCP_RANGES_MAX_CRUMBS 64 /* begun by segments that fill little of what they pin */

enum {
	TCP_IS_ACTIVE = 1 << 0,     /* tcp_connect() made it: its tuple is to be released */
	TCP_IS_SACK = 1 << 1,       /* both sides permit */
	TCP_IS_TIMESTAMPS = 1 << 2, /* in every segment */
	TCP_IS_APP_CLOSED = 1 << 3, /* no event any more, nobody reads */
	TCP_IS_FIN_QUEUED = 1 << 4, /* behind the send chain's end */
	TCP_IS_FIN_SENT = 1 << 5,
	TCP_IS_FIN_RECEIVED = 1 << 6,  /* in order */
	TCP_IS_ACK_NOW = 1 << 7,       /* with the next flush */
	TCP_IS_EVENT_QUEUED = 1 << 8,  /* in the list of those with events */
	TCP_IS_FLUSH_QUEUED = 1 << 9,  /* in the list of those to look at in tcp_flush() */
	TCP_IS_CWND_LIMITED = 1 << 10, /* the congestion window was what stopped the sender */
	TCP_IS_REORDERED = 1 << 11,    /* RFC 8985: this path has reordered */
	TCP_IS_TLP_AGAIN = 1 << 12,    /* the probe under way repeats what was sent */
	TCP_IS_TLP = 1 << 13,          /* a probe is under way, up to tlp_end */
	TCP_IS_DISCARDED = 1 << 14,    /* bytes came that nobody reads: RST at the end */
	TCP_IS_DSACK = 1 << 15,        /* dsack_from, dsack_to go with the next ACK */
	TCP_IS_WAS_FULL = 1 << 16,     /* TCP_EVENT_WRITABLE is owed */
	TCP_IS_SYN_AGAIN = 1 << 17,    /* our SYN was sent more than once */
	TCP_IS_PROBED = 1 << 18,       /* TLP or keepalive probe since the last progress */
	TCP_IS_CWND_REDUCED = 1 << 19, /* since the last time that everything was acknowledged */
	TCP_IS_SPURIOUS_OK = 1 << 20,  /* undo is possible: cwnd_before is right */
	TCP_IS_FREED = 1 << 21,        /* in a list only: freed when taken out */
	TCP_IS_FIN_KNOWN = 1 << 23,    /* it came ahead of a hole: fin_at */
	TCP_IS_LINGERED = 1 << 22,     /* linger_ms are over */
};

enum tcp_recovery_state { TCP_OPEN, TCP_RECOVERY, TCP_LOSS };

/** What retransmit_ms waits for. */
enum tcp_wait { TCP_WAIT_NONE, TCP_WAIT_RTO, TCP_WAIT_PROBE, TCP_WAIT_REORDER, TCP_WAIT_PERSIST };

/** Deadlines that are set. */
enum { TCP_DUE_RETRANSMIT = 1, TCP_DUE_ACK = 2, TCP_DUE_IDLE = 4 };

struct tcp_cubic {
	uint32_t epoch_ms; /* begin of this congestion avoidance; 0: none */
	uint32_t k_ms;     /* until the window is again what it was */
	uint32_t origin;   /* bytes: the plateau */
	uint32_t max;      /* bytes: window before the last reduction */
	uint32_t estimate; /* bytes: what Reno would have */
	uint32_t pending;  /* fraction of growth, in bytes times bytes / cwnd */
};

/** In the order of what a segment in sequence touches: its first 192 bytes, and the timer's. */
struct tcp_connection {
	struct tcp_endpoint endpoint;
	uint32_t is; /* TCP_IS_* */
	uint32_t rcv_nxt;

	uint32_t rcv_edge;  /* RCV.NXT + RCV.WND as advertised: never moves left */
	uint32_t rcv_acked; /* the last ACK sent */
	uint32_t ts_recent;
	uint32_t snd_una, snd_nxt, snd_wnd, snd_wl1;
	uint32_t last_heard_ms;
	uint32_t unacked_rcvd; /* bytes since the last ACK */
	uint32_t rcv_mss;      /* the largest segment seen */
	uint16_t tail_room;    /* bytes writable behind the last span of `received` */
	uint16_t send_room;    /* the same of `send` */
	uint32_t ack_ms;       /* deadline */
	uint8_t snd_scale, rcv_scale;
	uint8_t due;      /* TCP_DUE_* */
	uint8_t wait;     /* enum tcp_wait */
	uint8_t events;   /* enum tcp_event, not yet taken */
	uint8_t probes;   /* keepalive or window probes, timeouts: in a row, unanswered */
	uint8_t recovery; /* enum tcp_recovery_state */
	uint8_t ranges_n;

	struct chain received;
	struct tcp_range *ranges;
	struct tcp_connection *next_event, *next_flush;
	uint64_t bytes_received;
	uint32_t taken_ms, ts_offset;

	struct timer timer; /* the earliest deadline, or earlier */
	uint32_t retransmit_ms, idle_ms;
	uint32_t held; /* tcp_hold() */
	struct tcp_settings settings;
	void *user;

	struct chain send; /* from SND.UNA on */
	struct tcp_sent *sent_first, *sent_last;
	struct span *unsent; /* where SND.NXT is in `send`; NULL: all was sent */
	uint8_t *unsent_data;
	uint64_t bytes_acked;
	uint32_t srtt_us, rttvar_us, rto_us, min_rtt_us;
	uint32_t cwnd, ssthresh;
	uint32_t sacked, lost; /* bytes of records so marked */
	uint32_t last_sent_ms, progress_ms;
	uint32_t rack_us, rack_rtt_us, rack_end, rack_fack;
	uint32_t snd_wnd_max;
	uint32_t recovery_end; /* SND.NXT when recovery began */
	uint32_t prr_out, prr_flight;
	__extension__ union {
		uint32_t prr_delivered; /* in recovery */
		uint32_t tlp_end;       /* outside */
	};
	uint32_t dsack_round;
	uint32_t cwnd_before, ssthresh_before, spurious_ts;
	struct tcp_cubic cubic;
	uint32_t dsack_from, dsack_to;
	uint32_t fin_at;
	uint32_t last_challenge_ms;
	uint32_t retransmitted_n;
	uint16_t sent_n; /* records in flight */
	uint8_t close_reason;
	uint8_t backoff;                     /* of RTO or persist */
	uint8_t dupacks;                     /* without SACK */
	uint8_t reorder_steps, reorder_left; /* RFC 8985: reo_wnd_mult, reo_wnd_persist */
	uint8_t min_rtt_minute;
};
#endif
