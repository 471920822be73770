/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine's parts offer one another.
 *
 * tcp_input.c takes segments of connections, tcp_listen.c those that may open one,
 * tcp_time_wait.c those of closed ones; tcp_ack.c with tcp_recovery.c and a congestion control
 * decides what an acknowledgment means, tcp_output.c what may be sent, tcp_timer.c what waits.
 */
#ifndef TCP_ENGINE_H
#define TCP_ENGINE_H

#include "tcp_congestion.h"
#include "tcp_connection.h"
#include "tcp_segment.h"

/* RFC 6298, with the minimum that everyone uses. */
#define TCP_RTO_MIN_US     200000u
#define TCP_RTO_MAX_US     60000000u
#define TCP_RTO_INITIAL_US 1000000u
/* Section 5.7: when the SYN was lost. */
#define TCP_RTO_AFTER_SYN_US 3000000u

#define TCP_DELAYED_ACK_MS          40u
#define TCP_RETRANSMIT_MAX          15 /* timeouts in a row: about 15 minutes */
#define TCP_TIME_WAIT_MS            60000u
#define TCP_FIN_WAIT_2_MS           60000u /* of a connection the caller has closed */
#define TCP_MSS_MIN                 128u   /* whatever a peer or a router says */
#define TCP_MSS_DEFAULT_V4          536u
#define TCP_MSS_DEFAULT_V6          1220u
#define TCP_PAWS_IDLE_MS            (24u * 24 * 3600 * 1000)
#define TCP_SENT_RECORDS_CONNECTION 8192u /* most in flight */

struct tcp_half_open {
	struct tcp_endpoint endpoint;
	struct tcp_listener *listener;
	void *user; /* the listener's when the SYN came: another may have its place since */
	struct timer timer;
	uint32_t iss, irs;
	uint32_t ts_recent, ts_offset;
	uint32_t sent_us;
	uint16_t peer_mss;
	uint8_t has;   /* TCP_HAS_* of its SYN */
	uint8_t scale; /* the peer's */
	uint8_t retries;
};

struct tcp_time_wait {
	struct tcp_endpoint endpoint;
	struct tcp_time_wait *newer, *older; /* by when they end */
	uint32_t rcv_nxt, snd_nxt;
	uint32_t ts_recent, ts_offset;
	uint32_t begun_ms;
	uint16_t window; /* as on the wire */
	bool timestamps, active;
};

/** One round of tcp_relieve(). */
struct tcp_pressure {
	uint32_t hand;
	uint32_t most_held;  /* by a connection of this round without progress */
	uint32_t reset_from; /* who holds as much goes; 0: nobody, this round only looks */
	bool lasts;          /* it was there a millisecond ago */
	bool reopens;        /* it is over, and the hand looks for windows that it has shut */
};

struct tcp {
	struct tcp_ops ops;
	void *arg;
	struct chain_pool *pool;
	uint64_t now_us;
	uint32_t now_ms;
	uint32_t tso_max;
	bool checksum_offload;
	struct hash_seed seed;
	struct siphash_key isn_key, cookie_key, timestamp_key;

	struct tcp_endpoint **buckets;
	uint32_t bucket_mask;
	uint32_t arrivals; /* out of order: what `touched` counts */
	struct tcp_endpoint *free_connections, *free_half_open, *free_time_wait;
	struct tcp_sent *free_sent;
	struct tcp_range *free_ranges;
	uint32_t sent_n, ranges_n; /* in use */
	struct tcp_connection *event_first, *event_last;
	struct tcp_connection *flush_first, *flush_last;
	struct tcp_time_wait *oldest, *newest;
	struct timer_wheel wheel;

	/* RFC 5961 section 7, with a cap that can't be counted out from outside (CVE-2016-5696). */
	uint32_t challenge_second, challenge_left;
	uint64_t random;

	uint64_t window_charge, refuse_charge; /* thresholds of pool->charged */
	uint32_t unrefused_ms; /* when payload was last not being refused for want of buffers */
	struct tcp_pressure pressure;
	struct tcp_config config;
	struct tcp_connection *connections;
	struct tcp_half_open *half_opens;
	struct tcp_time_wait *time_waits;
	struct tcp_sent *sents;
	struct tcp_range *ranges;
	uint32_t connections_used;   /* from here on never used */
	uint32_t connections_in_use; /* those the caller has not given back too */
	struct tcp_counters counters;
};

/* tcp_table.c */
bool tcp_pools_create(struct tcp *tcp);
void tcp_pools_free(struct tcp *tcp);
uint32_t tcp_tuple_hash(const struct tcp *tcp, const struct tcp_tuple *tuple);
struct tcp_endpoint *tcp_table_find(const struct tcp *tcp, const struct tcp_tuple *tuple,
				    uint32_t hash);
void tcp_table_add(struct tcp *tcp, struct tcp_endpoint *endpoint);
void tcp_table_remove(struct tcp *tcp, struct tcp_endpoint *endpoint);
struct tcp_endpoint *tcp_endpoint_take(struct tcp_endpoint **free_list);
void tcp_endpoint_give(struct tcp_endpoint **free_list, struct tcp_endpoint *endpoint);

static inline struct tcp_tuple
tcp_tuple_of_packet(const struct packet *p)
{
	return (struct tcp_tuple){.local = p->dst,
				  .remote = p->src,
				  .local_port_be = p->dport_be,
				  .remote_port_be = p->sport_be,
				  .af = p->af};
}

/* tcp_secret.c */
void tcp_secrets_init(struct tcp *tcp, const uint8_t secret[32]);
uint32_t tcp_initial_sequence(const struct tcp *tcp, const struct tcp_tuple *tuple);
uint32_t tcp_timestamp_offset(const struct tcp *tcp, const struct tcp_tuple *tuple);
uint32_t tcp_random(struct tcp *tcp);

/* tcp_connection.c */
struct tcp_connection *tcp_connection_new(struct tcp *tcp, const struct tcp_tuple *tuple,
					  uint32_t hash, const struct tcp_settings *settings);
void tcp_connection_established(struct tcp *tcp, struct tcp_connection *c);
/** Over, with or without TIME-WAIT: out of the table, nothing more is sent or received. */
void tcp_connection_over(struct tcp *tcp, struct tcp_connection *c, enum tcp_close_reason reason);
/** RST, and over. */
void tcp_connection_reset(struct tcp *tcp, struct tcp_connection *c, enum tcp_close_reason reason);
void tcp_notify(struct tcp *tcp, struct tcp_connection *c, uint32_t events);
/** tcp_flush() is to look at it. */
void tcp_touch(struct tcp *tcp, struct tcp_connection *c);
void tcp_set_peer_mss(struct tcp_connection *c, uint16_t peer_mss);
uint16_t tcp_own_mss(const struct tcp_settings *settings, uint8_t af);
uint8_t tcp_scale_for(uint32_t receive_buffer);

/* tcp_input.c */
void tcp_connection_input(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a);
bool tcp_may_challenge(struct tcp *tcp);

/* tcp_reassembly.c */
/** In order or not, all inside the window, longer than 0. */
void tcp_receive_payload(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a,
			 uint32_t seq, const uint8_t *data, uint32_t len);
void tcp_ranges_free(struct tcp *tcp, struct tcp_connection *c);
/** SACK blocks for the next ACK, DSACK first. @return  how many. */
uint8_t tcp_sack_blocks(struct tcp_connection *c, struct tcp_block *blocks, uint8_t max);

/* tcp_ack.c */
/** The ACK of a segment is in range: what it acknowledges, its SACKs, its window. */
void tcp_ack_arrived(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a);
void tcp_sent_free_all(struct tcp *tcp, struct tcp_connection *c);
void tcp_rtt_sample(struct tcp *tcp, struct tcp_connection *c, uint32_t rtt_us);

/* tcp_recovery.c */
struct tcp_delivery {
	uint32_t prior_una, prior_flight, delivered; /* bytes */
	bool progress, new_sack, dsack, spurious;
	uint32_t newest_us; /* when the latest-sent of what is acknowledged was sent */
	bool sampled;
	uint32_t rtt_us;
};
uint32_t tcp_flight(const struct tcp_connection *c);
void tcp_rack_update(struct tcp *tcp, struct tcp_connection *c, const struct tcp_sent *s,
		     const struct tcp_arrival *a);
/** After the scoreboard is up to date: what is lost, and what that does to the window. */
void tcp_recover(struct tcp *tcp, struct tcp_connection *c, const struct tcp_arrival *a,
		 const struct tcp_delivery *d);
/** RFC 8985: mark what RACK deems lost. @return  ms until more may be, 0: none. */
uint32_t tcp_rack_detect(struct tcp *tcp, struct tcp_connection *c);
void tcp_enter_recovery(struct tcp *tcp, struct tcp_connection *c);
void tcp_retransmission_timeout(struct tcp *tcp, struct tcp_connection *c);
void tcp_reorder_timeout(struct tcp *tcp, struct tcp_connection *c);

/* tcp_output.c */
/** Send what may be sent, an ACK if one is owed. */
void tcp_output(struct tcp *tcp, struct tcp_connection *c);
void tcp_send_syn(struct tcp *tcp, struct tcp_connection *c);
void tcp_send_ack(struct tcp *tcp, struct tcp_connection *c);
/** An ACK of `seq` without anything new: keepalive and window probes. */
void tcp_send_probe(struct tcp *tcp, struct tcp_connection *c);
void tcp_send_reset(struct tcp *tcp, struct tcp_connection *c);
void tcp_send_tail_probe(struct tcp *tcp, struct tcp_connection *c);
uint32_t tcp_receive_window(const struct tcp *tcp, const struct tcp_connection *c);
/** Whether the window has opened by so much that the peer should hear of it at once. */
bool tcp_window_update_due(const struct tcp *tcp, const struct tcp_connection *c);
uint32_t tcp_timestamp(const struct tcp *tcp, const struct tcp_connection *c);

/* tcp_timer.c */
void tcp_timer_set(struct tcp *tcp, struct tcp_connection *c, uint8_t due, uint32_t deadline_ms);
void tcp_timer_set_wait(struct tcp *tcp, struct tcp_connection *c, enum tcp_wait wait,
			uint32_t delay_us);
static inline void
tcp_timer_clear(struct tcp_connection *c, uint8_t due)
{
	c->due &= (uint8_t)~due;
}
/** After sending or an ACK: what the sender waits for now. */
void tcp_timer_rearm(struct tcp *tcp, struct tcp_connection *c, bool progress);
void tcp_timer_keepalive(struct tcp *tcp, struct tcp_connection *c);

/* tcp_memory.c */
/** Buffers are short: look who should give some back.  Once per millisecond. */
void tcp_relieve(struct tcp *tcp);

/* tcp_listen.c */
enum tcp_input_result tcp_listen_input(struct tcp *tcp, const struct tcp_arrival *a,
				       const struct tcp_tuple *tuple, uint32_t hash,
				       bool only_known, uint32_t iss_above);
void tcp_half_open_input(struct tcp *tcp, struct tcp_half_open *h, const struct tcp_arrival *a);
void tcp_half_open_free(struct tcp *tcp, struct tcp_half_open *h);

/* tcp_time_wait.c */
void tcp_time_wait_enter(struct tcp *tcp, struct tcp_connection *c);
/** @return  true: it was a SYN that opens anew; the entry is gone, its numbers below *iss_above. */
bool tcp_time_wait_input(struct tcp *tcp, struct tcp_time_wait *w, const struct tcp_arrival *a,
			 uint32_t *iss_above);
void tcp_time_wait_expire(struct tcp *tcp);

/* tcp_pmtu.c */
/** Three times no answer: large packets may vanish on the way (RFC 8899). */
void tcp_pmtu_suspect(struct tcp_connection *c);
void tcp_pmtu_lower(struct tcp *tcp, struct tcp_connection *c, uint32_t mtu);

#endif
