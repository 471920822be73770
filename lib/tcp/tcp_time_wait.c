/* SPDX-License-Identifier: BSD-3-Clause */
/* TIME-WAIT in a fifth of a connection's memory; RFC 1337, RFC 6191. */
#include "tcp_engine.h"

/* Two windows and a bit above the old numbers (RFC 1122 section 4.2.2.13). */
#define ISS_DISTANCE 131072u

static void
append(struct tcp *tcp, struct tcp_time_wait *w)
{
	w->begun_ms = tcp->now_ms;
	w->newer = NULL;
	w->older = tcp->newest;
	if (tcp->newest == NULL)
		tcp->oldest = w;
	else
		tcp->newest->newer = w;
	tcp->newest = w;
}

static void
unlink_time_wait(struct tcp *tcp, struct tcp_time_wait *w)
{
	if (w->older == NULL)
		tcp->oldest = w->newer;
	else
		w->older->newer = w->newer;
	if (w->newer == NULL)
		tcp->newest = w->older;
	else
		w->newer->older = w->older;
}

static void
time_wait_free(struct tcp *tcp, struct tcp_time_wait *w)
{
	unlink_time_wait(tcp, w);
	tcp_table_remove(tcp, &w->endpoint);
	tcp->counters.time_wait--;
	if (w->active)
		tcp->ops.released(tcp->arg, &w->endpoint.tuple);
	tcp_endpoint_give(&tcp->free_time_wait, &w->endpoint);
}

/* Without room the oldest makes it: it has waited longest. */
void
tcp_time_wait_enter(struct tcp *tcp, struct tcp_connection *c)
{
	struct tcp_time_wait *w = (void *)tcp_endpoint_take(&tcp->free_time_wait);

	if (w == NULL && tcp->oldest != NULL) {
		time_wait_free(tcp, tcp->oldest);
		w = (void *)tcp_endpoint_take(&tcp->free_time_wait);
	}
	if (w == NULL)
		return;
	*w = (struct tcp_time_wait){
		.endpoint = c->endpoint,
		.rcv_nxt = c->rcv_nxt,
		.snd_nxt = c->snd_nxt,
		.ts_recent = c->ts_recent,
		.ts_offset = c->ts_offset,
		.window = (uint16_t)(c->settings.receive_buffer >> c->rcv_scale > UINT16_MAX
					     ? UINT16_MAX
					     : c->settings.receive_buffer >> c->rcv_scale),
		.timestamps = (c->is & TCP_IS_TIMESTAMPS) != 0,
		.active = (c->is & TCP_IS_ACTIVE) != 0,
	};
	w->endpoint.kind = TCP_KIND_TIME_WAIT;
	tcp_table_remove(tcp, &c->endpoint);
	tcp_table_add(tcp, &w->endpoint);
	append(tcp, w);
	tcp->counters.time_wait++;
	c->endpoint.state = TCP_STATE_TIME_WAIT;
}

static void
send_ack(struct tcp *tcp, const struct tcp_time_wait *w)
{
	struct tcp_outgoing out = {.tuple = &w->endpoint.tuple,
				   .seq = w->snd_nxt,
				   .ack = w->rcv_nxt,
				   .window = w->window,
				   .flags = TCP_FLAG_ACK};

	if (w->timestamps)
		tcp_put_timestamps(&out, tcp->now_ms + w->ts_offset, w->ts_recent);
	tcp_emit(tcp, &out);
}

/* RFC 6191 section 2: a SYN that can't be an old one. */
static bool
opens_anew(const struct tcp_time_wait *w, const struct tcp_arrival *a)
{
	if (w->timestamps && (a->has & TCP_HAS_TIMESTAMPS) != 0 && a->tsval != w->ts_recent)
		return seq_lt(w->ts_recent, a->tsval);
	return seq_lt(w->rcv_nxt, a->seq);
}

bool
tcp_time_wait_input(struct tcp *tcp, struct tcp_time_wait *w, const struct tcp_arrival *a,
		    uint32_t *iss_above)
{
	if ((a->flags & TCP_FLAG_RST) != 0)
		return false; /* RFC 1337: assassination */
	if ((a->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN && opens_anew(w, a)) {
		*iss_above = w->snd_nxt + ISS_DISTANCE;
		time_wait_free(tcp, w);
		return true;
	}
	/* An ACK of ours that got lost makes it send its FIN again; a bare ACK says nothing. */
	if (a->seq == a->seq_end && a->seq == w->rcv_nxt && a->ack == w->snd_nxt)
		return false;
	if ((a->flags & TCP_FLAG_FIN) != 0 && a->seq_end == w->rcv_nxt) {
		unlink_time_wait(tcp, w);
		append(tcp, w);
		send_ack(tcp, w);
		return false;
	}
	if (tcp_may_challenge(tcp))
		send_ack(tcp, w);
	return false;
}

void
tcp_time_wait_expire(struct tcp *tcp)
{
	while (tcp->oldest != NULL && tcp->now_ms - tcp->oldest->begun_ms >= TCP_TIME_WAIT_MS)
		time_wait_free(tcp, tcp->oldest);
}
