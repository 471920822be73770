/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP endpoint engine: segments and time in, segments and events out.
 *
 * Both sides of a proxy use it: connections that strangers open (accepted for a listener the caller
 * knows) and connections that weir opens to targets.  The engine reads no clock, allocates nothing
 * after tcp_create(), knows no port, no route and no TLS.  Payload stays in the buffers it arrived
 * in (chain.h): received segments are queued by reference, what is sent is kept by reference until
 * it is acknowledged.
 *
 * The caller's turn: tcp_set_time(), tcp_input() for each segment of a burst, tcp_advance() once
 * (so that what has arrived is seen before timers find it missing), then events with
 * tcp_next_event() until there are none, answering with tcp_take(), tcp_send(), tcp_close() ...,
 * then tcp_flush(), which transmits what all of that made sendable: one ACK and one burst of
 * segments per connection and turn.  Nothing but tcp_ops calls back.
 *
 * One engine per worker, called by that worker alone.  Addresses and ports are in wire order,
 * times in microseconds of the worker's clock unless the name says otherwise.
 *
 * RFC 9293 and those that docs/tcp.md lists.
 */
#ifndef TCP_H
#define TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain.h"
#include "ip_addr.h"
#include "packet.h"

struct tcp;
struct tcp_connection;

/** As the connection sees it: `local` is weir's end. */
struct tcp_tuple {
	struct ip_addr local, remote;
	uint16_t local_port_be, remote_port_be;
	uint8_t af; /* 4, 6 */
};

enum tcp_congestion { TCP_CUBIC, TCP_NEW_RENO };

/** What both kinds of connection need to know; copied into the connection in a compact form. */
struct tcp_settings {
	uint16_t mtu;       /* of the path's first link */
	uint8_t congestion; /* enum tcp_congestion */
	bool nagle;
	uint32_t receive_buffer;    /* most bytes received and not taken; window scale follows */
	uint32_t send_buffer;       /* TCP_EVENT_WRITABLE when less than half of it is queued */
	uint32_t user_timeout_ms;   /* unacknowledged data (RFC 5482); 0: retransmissions decide */
	uint32_t keepalive_idle_ms; /* 0: no keepalive */
	uint32_t keepalive_interval_ms;
	uint8_t keepalive_count;
	bool tell_keepalive; /* TCP_EVENT_KEPT_ALIVE is wanted */
	uint8_t syn_retries; /* of SYNs and SYN-ACKs; 0: neither goes again */
};

enum tcp_syn_cookies { TCP_SYN_COOKIES_AUTO, TCP_SYN_COOKIES_ALWAYS, TCP_SYN_COOKIES_OFF };

/** Where connections are accepted.  The caller's memory, as long as connections name it. */
struct tcp_listener {
	struct tcp_settings settings;
	uint32_t max_half_open; /* from here on SYN cookies, until half of it */
	uint8_t syn_cookies;    /* enum tcp_syn_cookies */
	bool closed;            /* no new connections: SYNs are answered with RST */
	void *user;             /* of SYNs that come now, and of the connections they become */
	/* The engine's: */
	uint32_t half_open;
	bool issuing_cookies;
	uint32_t last_cookie_ms;
};

/** Longest IP and TCP headers that the engine writes. */
#define TCP_HEADERS_MAX 100u

/** A segment to be sent: headers written by the engine, payload by reference. */
struct tcp_segment {
	const struct tcp_tuple *tuple;
	const uint8_t *header; /* IP and TCP headers with options, lengths and checksums final */
	uint16_t header_len;   /* at most TCP_HEADERS_MAX */
	uint16_t l4_off;       /* from `header` to the TCP header */
	uint32_t payload_len;  /* may exceed `mss` when the engine was told so: TSO */
	uint16_t mss;          /* of segments to cut with TSO */
	/*
	 * The TCP checksum field holds the folded sum of the pseudo header only; of a train's,
	 * which is longer than `mss`, without its length.
	 */
	bool checksum_pending;
	const struct span *span; /* where the payload begins, `offset` bytes into it */
	uint32_t offset;
};

/** Unfolded sum of payload that may be anywhere, for a checksum that is pending (checksum.h). */
uint64_t tcp_payload_sum(const struct span *span, uint32_t offset, uint32_t len);

struct tcp_ops {
	/**
	 * Send a segment; it may be lost.  The payload's spans are valid during the call: keep
	 * references (chain_ops.ref) or copy.
	 */
	void (*emit)(void *arg, const struct tcp_segment *segment);
	/** The listener of a SYN's destination. @return  NULL: none, RST. */
	struct tcp_listener *(*listen)(void *arg, const struct packet *p);
	/** A tuple given to tcp_connect() is free again (its TIME-WAIT is over too). */
	void (*released)(void *arg, const struct tcp_tuple *tuple);
	/**
	 * Whether a handshake may begin or go on at a listener that is not `closed`; `user` is
	 * what the listener's was when the SYN came.  NULL: yes.
	 */
	bool (*serves)(void *arg, void *user);
};

struct tcp_config {
	struct tcp_ops ops;
	void *arg; /* of ops */
	struct chain_pool *pool;
	uint32_t connections_max; /* TIME-WAIT ones are kept apart and cost less */
	uint32_t time_wait_max;
	uint32_t half_open_max; /* of all listeners together */
	uint8_t secret[32];     /* keys ISNs, cookies, timestamps and the table */
	bool checksum_offload;  /* emit with checksum_pending */
	uint32_t tso_max;       /* longest payload of one emit; 0: the MSS */
	/*
	 * Memory of the buffers that arrive, 0: no limit.  When chains of the pool charge 35 % of
	 * it, windows stop opening, what came out of order is dropped, and connections that hold
	 * much without progress for 10 s are reset; from 50 % payload is dropped unacknowledged,
	 * and the time without progress is 1 s, or none when that has not helped for 2 s.
	 */
	uint64_t buffer_bytes;
};

/** @return  NULL without memory. */
struct tcp *tcp_create(const struct tcp_config *config, uint64_t now_us);

/** Forgets every connection without a segment; all references are given back. */
void tcp_free(struct tcp *tcp);

/** The time of what follows, never before that of the last call; fires nothing. */
void tcp_set_time(struct tcp *tcp, uint64_t now_us);

enum tcp_input_result {
	TCP_INPUT_TAKEN,   /* of a connection, or answered: the caller frees its reference */
	TCP_INPUT_UNKNOWN, /* no connection, no listener, nothing answered */
	TCP_INPUT_BAD,     /* malformed */
};

/**
 * A TCP segment that arrived: `p` is parsed, contiguous, and its checksum is right.  Its buffer is
 * referenced with chain_ops.ref when payload is queued, charged with `charge` bytes.  A SYN for no
 * connection asks ops.listen; any other segment for none is answered with RST unless
 * `only_known`.
 */
enum tcp_input_result tcp_input(struct tcp *tcp, const struct packet *p, uint32_t charge,
				bool only_known);

/** Before tcp_input() of each: fetch what these packets will need, all at once. */
void tcp_prefetch(const struct tcp *tcp, const struct packet *const *packets, uint32_t n);

/** ICMP error: path MTU of a connection, or a destination not reached.  `quote` is its packet. */
void tcp_input_icmp(struct tcp *tcp, const struct packet *p, const struct packet_quote *quote);

/** Let time pass: retransmissions, probes, TIME-WAIT.  Once per turn, before the events. */
void tcp_advance(struct tcp *tcp, uint64_t now_us);

/** Transmit what became sendable in this turn. */
void tcp_flush(struct tcp *tcp);

/**
 * Open a connection from a tuple whose local port the caller reserved.
 * @return  NULL: no connection free, or the tuple is in use; nothing was sent.
 */
struct tcp_connection *tcp_connect(struct tcp *tcp, const struct tcp_tuple *tuple,
				   const struct tcp_settings *settings, void *user);

enum tcp_event {
	TCP_EVENT_ACCEPTED = 1 << 0,  /* by a listener, established */
	TCP_EVENT_CONNECTED = 1 << 1, /* tcp_connect() succeeded */
	TCP_EVENT_READABLE = 1 << 2,  /* more bytes to take */
	/* The send queue fell below half of send_buffer; while buffers are short, it fell at all.
	 */
	TCP_EVENT_WRITABLE = 1 << 3,
	TCP_EVENT_END = 1 << 4,        /* the peer's FIN, after all its bytes */
	TCP_EVENT_DRAINED = 1 << 5,    /* everything sent, FIN too if any, has been acknowledged */
	TCP_EVENT_CLOSED = 1 << 6,     /* over: see tcp_close_reason(); the last event */
	TCP_EVENT_KEPT_ALIVE = 1 << 7, /* the peer has sent a keep-alive, if tell_keepalive */
};

enum tcp_close_reason {
	TCP_CLOSE_NONE,
	TCP_CLOSE_DONE,      /* both FINs, acknowledged */
	TCP_CLOSE_RESET,     /* RST from the peer */
	TCP_CLOSE_REFUSED,   /* RST to our SYN */
	TCP_CLOSE_TIMEOUT,   /* retransmissions, user timeout or keepalive */
	TCP_CLOSE_UNREACHED, /* ICMP while connecting */
	TCP_CLOSE_MEMORY,    /* weir reset it for want of memory */
};

/**
 * The next connection with events, its events cleared.
 * @return  false: none.  A connection with TCP_EVENT_CLOSED must be given back with tcp_close().
 */
bool tcp_next_event(struct tcp *tcp, struct tcp_connection **connection, uint32_t *events);

/** As given to tcp_connect(), or the listener's when the SYN came, until tcp_set_user(). */
void *tcp_user(const struct tcp_connection *connection);
void tcp_set_user(struct tcp_connection *connection, void *user);
const struct tcp_tuple *tcp_tuple_of(const struct tcp_connection *connection);
enum tcp_close_reason tcp_close_reason(const struct tcp_connection *connection);

/** Established, ended by neither side, and all that was received has been taken. */
bool tcp_is_quiet(const struct tcp_connection *connection);

/** Bytes in order, not taken yet.  Read them in place; they stay until taken. */
const struct chain *tcp_received(const struct tcp_connection *connection);

/**
 * Move the first `len` received bytes to `to` (NULL: discard), which the caller now holds, and open
 * the window by as much, unless tcp_hold() forbids.
 * @return  false without a span to split one.
 */
bool tcp_take(struct tcp *tcp, struct tcp_connection *connection, struct chain *to, uint32_t len);

/**
 * Back-pressure: the window is not opened further while `bytes` or more are held elsewhere on
 * behalf of this connection (the other side's send queue); receive_buffer bounds both together.
 */
void tcp_hold(struct tcp *tcp, struct tcp_connection *connection, uint32_t bytes);

/**
 * Queue all of `bytes` behind what is to be sent.  Short ones may be copied, so that a peer that
 * doesn't read pins buffers by what waits for it, not by in how many pieces that came.
 */
void tcp_send(struct tcp *tcp, struct tcp_connection *connection, struct chain *bytes);

/** Queued and not acknowledged. */
uint32_t tcp_queued(const struct tcp_connection *connection);

/** Ask the peer from now on whether it lives: as settings.keepalive_* would have had it. */
void tcp_keep_alive(struct tcp *tcp, struct tcp_connection *connection, uint32_t idle_ms,
		    uint8_t count);

/** FIN behind what is queued; receiving goes on. */
void tcp_shutdown(struct tcp *tcp, struct tcp_connection *connection);

/**
 * The caller is done with it, from now on no event names it.  What is queued and a FIN are still
 * sent.  Bytes that were not taken, or that arrive later, end it with RST: at once when `linger_ms`
 * is 0, else they are thrown away and the RST comes when that time is over without the peer's FIN
 * (RFC 9112 section 9.6: the last response must reach a client that still sends).
 */
void tcp_close(struct tcp *tcp, struct tcp_connection *connection, uint32_t linger_ms);

/** RST, and as for tcp_close() nothing more is heard of it. */
void tcp_abort(struct tcp *tcp, struct tcp_connection *connection);

struct tcp_info {
	uint8_t state; /* RFC 9293's, see tcp_state_name() */
	uint16_t mss;
	uint32_t srtt_us, rttvar_us, rto_us;
	uint32_t cwnd, ssthresh; /* bytes */
	uint32_t sent_unacked, receive_window, send_window;
	uint32_t retransmitted_segments;
	uint64_t bytes_received, bytes_acked;
};

void tcp_info(const struct tcp_connection *connection, struct tcp_info *info);
const char *tcp_state_name(uint8_t state);

/** Gauges and counts of the whole engine. */
struct tcp_counters {
	uint32_t connections, half_open, time_wait; /* now */
	uint64_t accepted, connected, refused, reset_sent, reset_received, retransmitted, timeouts;
	uint64_t segments_in, segments_out, bytes_in, bytes_out;
	uint64_t out_of_order, duplicate, challenge_acks, out_of_window;
	uint64_t no_connection; /* refused: table full */
	uint64_t no_memory;     /* payload dropped unacknowledged */
	uint64_t memory_resets;
	uint64_t cookies_sent, cookies_accepted, cookies_refused;
	uint64_t syn_ack_retransmitted, half_open_expired; /* of handshakes; the others not */
};

const struct tcp_counters *tcp_counters(const struct tcp *tcp);

/** Bytes of the engine's own objects now in use: connections, index, half-open, TIME-WAIT. */
uint64_t tcp_memory_in_use(const struct tcp *tcp);

#endif
