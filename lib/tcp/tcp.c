/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine as a whole: its life, its clock, who gets a segment, what it tells of itself. */
#include "tcp.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "tcp_engine.h"

#define PREFETCH_BURST   64u
#define PREFETCH_ACK_MAX 100 /* longest of segments taken for bare ACKs */
#define RECEIVING_BYTES  offsetof(struct tcp_connection, user)

static const char *const state_names[] = {
	[TCP_STATE_CLOSED] = "CLOSED",
	[TCP_STATE_SYN_SENT] = "SYN-SENT",
	[TCP_STATE_SYN_RECEIVED] = "SYN-RECEIVED",
	[TCP_STATE_ESTABLISHED] = "ESTABLISHED",
	[TCP_STATE_FIN_WAIT_1] = "FIN-WAIT-1",
	[TCP_STATE_FIN_WAIT_2] = "FIN-WAIT-2",
	[TCP_STATE_CLOSE_WAIT] = "CLOSE-WAIT",
	[TCP_STATE_CLOSING] = "CLOSING",
	[TCP_STATE_LAST_ACK] = "LAST-ACK",
	[TCP_STATE_TIME_WAIT] = "TIME-WAIT",
};

struct tcp *
tcp_create(const struct tcp_config *config, uint64_t now_us)
{
	struct tcp *tcp = aligned_alloc(64, (sizeof(*tcp) + 63) & ~(size_t)63);

	if (tcp == NULL)
		return NULL;
	memset(tcp, 0, sizeof(*tcp));
	tcp->config = *config;
	tcp->ops = config->ops;
	tcp->arg = config->arg;
	tcp->pool = config->pool;
	tcp->tso_max = config->tso_max;
	tcp->checksum_offload = config->checksum_offload;
	tcp->window_charge = tcp->refuse_charge = UINT64_MAX;
	if (config->buffer_bytes != 0) {
		tcp->window_charge = config->buffer_bytes * 35 / 100;
		tcp->refuse_charge = config->buffer_bytes / 2;
	}
	tcp_secrets_init(tcp, config->secret);
	memset(tcp->config.secret, 0, sizeof(tcp->config.secret));
	tcp->now_us = now_us;
	tcp->now_ms = clock_us_to_ms(now_us);
	tcp->unrefused_ms = tcp->now_ms;
	timer_wheel_init(&tcp->wheel, tcp->now_ms, tcp);
	if (!tcp_pools_create(tcp)) {
		tcp_pools_free(tcp);
		free(tcp);
		return NULL;
	}
	return tcp;
}

static void
connection_forget(struct tcp *tcp, struct tcp_connection *c)
{
	tcp_sent_free_all(tcp, c);
	tcp_ranges_free(tcp, c);
	chain_free(tcp->pool, &c->send);
	chain_free(tcp->pool, &c->received);
}

void
tcp_free(struct tcp *tcp)
{
	/* Those that were given back have empty queues. */
	for (uint32_t i = 0; i < tcp->connections_used; i++)
		connection_forget(tcp, &tcp->connections[i]);
	tcp_pools_free(tcp);
	free(tcp);
}

void
tcp_set_time(struct tcp *tcp, uint64_t now_us)
{
	tcp->now_us = now_us;
	tcp->now_ms = clock_us_to_ms(now_us);
}

void
tcp_advance(struct tcp *tcp, uint64_t now_us)
{
	tcp_set_time(tcp, now_us);
	if (tcp->wheel.now_ms == tcp->now_ms)
		return;
	timer_wheel_advance(&tcp->wheel, tcp->now_ms);
	tcp_time_wait_expire(tcp);
	if (likely(tcp->pool->charged < tcp->refuse_charge))
		tcp->unrefused_ms = tcp->now_ms;
	if (unlikely(tcp->pool->charged >= tcp->window_charge || tcp->pressure.lasts ||
		     tcp->pressure.reopens))
		tcp_relieve(tcp);
}

/* Payload touches half of a connection, an ACK all of it. */
static inline const struct tcp_endpoint *
prefetch_endpoint(const struct tcp_endpoint *e, uint32_t hash, const struct packet *p)
{
	uint32_t bytes = p->len > p->l4_off + PREFETCH_ACK_MAX ? RECEIVING_BYTES
							       : sizeof(struct tcp_connection);

	while (e != NULL && e->hash != hash)
		e = e->next;
	if (e == NULL)
		return NULL;
	for (uint32_t at = 0; at < bytes; at += 64)
		__builtin_prefetch((const uint8_t *)e + at, 1);
	return bytes == RECEIVING_BYTES ? NULL : e;
}

/* What an ACK gives back. */
static inline void
prefetch_sent(const struct tcp_endpoint *e)
{
	const struct tcp_connection *c = (const struct tcp_connection *)(const void *)e;

	if (e == NULL || e->kind != TCP_KIND_CONNECTION)
		return;
	__builtin_prefetch(c->sent_first, 1);
	__builtin_prefetch(c->send.first, 1);
}

static inline void
prefetch_burst(const struct tcp *tcp, const struct packet *const *packets, uint32_t n)
{
	struct tcp_endpoint **buckets[PREFETCH_BURST];
	const struct tcp_endpoint *found[PREFETCH_BURST];
	uint32_t hashes[PREFETCH_BURST];

	for (uint32_t i = 0; i < n; i++) {
		struct tcp_tuple tuple = tcp_tuple_of_packet(packets[i]);

		hashes[i] = tcp_tuple_hash(tcp, &tuple);
		buckets[i] = &tcp->buckets[hashes[i] & tcp->bucket_mask];
		__builtin_prefetch(buckets[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (*buckets[i] != NULL)
			__builtin_prefetch(*buckets[i], 1);
	}
	for (uint32_t i = 0; i < n; i++)
		found[i] = prefetch_endpoint(*buckets[i], hashes[i], packets[i]);
	for (uint32_t i = 0; i < n; i++)
		prefetch_sent(found[i]);
}

/* In passes: the buckets, the first in each, the one that is meant, what hangs on it. */
void
tcp_prefetch(const struct tcp *tcp, const struct packet *const *packets, uint32_t n)
{
	for (uint32_t done = 0; done < n; done += PREFETCH_BURST)
		prefetch_burst(tcp, packets + done,
			       n - done < PREFETCH_BURST ? n - done : PREFETCH_BURST);
}

enum tcp_input_result
tcp_input(struct tcp *tcp, const struct packet *p, uint32_t charge, bool only_known)
{
	struct tcp_tuple tuple = tcp_tuple_of_packet(p);
	uint32_t hash = tcp_tuple_hash(tcp, &tuple), iss_above = 0;
	struct tcp_endpoint *e;
	struct tcp_arrival a;

	tcp->counters.segments_in++;
	e = tcp_table_find(tcp, &tuple, hash);
	if (!tcp_arrival_read(&a, p, charge))
		return TCP_INPUT_BAD;
	if (unlikely(e == NULL))
		return tcp_listen_input(tcp, &a, &tuple, hash, only_known, 0);
	if (likely(e->kind == TCP_KIND_CONNECTION)) {
		tcp_connection_input(tcp, (struct tcp_connection *)(void *)e, &a);
	} else if (e->kind == TCP_KIND_HALF_OPEN) {
		tcp_half_open_input(tcp, (struct tcp_half_open *)(void *)e, &a);
	} else if (tcp_time_wait_input(tcp, (struct tcp_time_wait *)(void *)e, &a, &iss_above)) {
		return tcp_listen_input(tcp, &a, &tuple, hash, only_known, iss_above);
	}
	return TCP_INPUT_TAKEN;
}

void *
tcp_user(const struct tcp_connection *c)
{
	return c->user;
}

void
tcp_set_user(struct tcp_connection *c, void *user)
{
	c->user = user;
}

const struct tcp_tuple *
tcp_tuple_of(const struct tcp_connection *c)
{
	return &c->endpoint.tuple;
}

enum tcp_close_reason
tcp_close_reason(const struct tcp_connection *c)
{
	return c->close_reason;
}

bool
tcp_is_quiet(const struct tcp_connection *c)
{
	return c->endpoint.state == TCP_STATE_ESTABLISHED && chain_is_empty(&c->received);
}

const struct chain *
tcp_received(const struct tcp_connection *c)
{
	return &c->received;
}

uint32_t
tcp_queued(const struct tcp_connection *c)
{
	return c->send.len;
}

void
tcp_info(const struct tcp_connection *c, struct tcp_info *info)
{
	*info = (struct tcp_info){
		.state = c->endpoint.state,
		.mss = c->endpoint.mss,
		.srtt_us = c->srtt_us,
		.rttvar_us = c->rttvar_us,
		.rto_us = c->rto_us,
		.cwnd = c->cwnd,
		.ssthresh = c->ssthresh,
		.sent_unacked = c->snd_nxt - c->snd_una,
		.receive_window = seq_lt(c->rcv_nxt, c->rcv_edge) ? c->rcv_edge - c->rcv_nxt : 0,
		.send_window = c->snd_wnd,
		.retransmitted_segments = c->retransmitted_n,
		.bytes_received = c->bytes_received,
		.bytes_acked = c->bytes_acked,
	};
}

const char *
tcp_state_name(uint8_t state)
{
	return state < ARRAY_N(state_names) ? state_names[state] : "?";
}

const struct tcp_counters *
tcp_counters(const struct tcp *tcp)
{
	return &tcp->counters;
}

uint64_t
tcp_memory_in_use(const struct tcp *tcp)
{
	const struct tcp_counters *n = &tcp->counters;
	uint64_t entries = (uint64_t)n->connections + n->half_open + n->time_wait;

	/* Buckets are made for all there can be: each entry accounts for its share. */
	return tcp->connections_in_use * sizeof(struct tcp_connection) +
	       n->half_open * sizeof(struct tcp_half_open) +
	       n->time_wait * sizeof(struct tcp_time_wait) + tcp->sent_n * sizeof(struct tcp_sent) +
	       tcp->ranges_n * sizeof(struct tcp_range) + entries * 4 * sizeof(void *);
}
