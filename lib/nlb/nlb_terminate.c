/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_terminate.h"

#include <netinet/in.h>

#include "bytes.h"
#include "checksum.h"
#include "ip_header.h"
#include "tcp_reset.h"
#include "wire.h"

/* Of a terminating flow: which sides are through. Otherwise these tell who sent FIN. */
#define CLIENT_DONE FLOW_FLAG_FIN_CLIENT
#define TARGET_DONE FLOW_FLAG_FIN_TARGET
#define BOTH_DONE   (CLIENT_DONE | TARGET_DONE)

static uint8_t
done_of(enum flow_side side)
{
	return side == FLOW_SIDE_CLIENT ? CLIENT_DONE : TARGET_DONE;
}

/* A segment to one side, from whom it takes for its peer. The caller has seen that there is room.
 */
static void
put_segment(struct nlb *nlb, const struct snapshot *s, const struct flow_record *r,
	    enum flow_side to, uint8_t flags, uint32_t seq, uint32_t ack)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	struct nlb_segment *segment = &nlb->segments[nlb->segments_n++];

	*segment = (struct nlb_segment){.seq = seq, .ack = ack, .flags = flags};
	if (to == FLOW_SIDE_CLIENT) {
		segment->src = f->vip;
		segment->dst = r->client;
		segment->sport_be = f->port_be;
		segment->dport_be = r->client_port_be;
	} else {
		segment->src = (r->flags & FLOW_FLAG_FULL_NAT) != 0
				       ? s->locals[ref_index(r->local)].addr
				       : r->client;
		segment->dst = target->addr;
		segment->sport_be = r->local_port_be;
		segment->dport_be = target->port_be;
	}
}

static bool
has_room(const struct nlb *nlb, uint16_t n)
{
	return nlb->segments_n + n <= NLB_SEGMENTS;
}

/* Behind its first SYN, or its FIN, a side's number is above this one for good. */
static void
ask(struct nlb *nlb, const struct snapshot *s, const struct flow_record *r, enum flow_side to)
{
	if (to == FLOW_SIDE_CLIENT)
		put_segment(nlb, s, r, to, TCP_FLAG_ACK, r->target_seq, r->client_seq + 1);
	else
		put_segment(nlb, s, r, to, TCP_FLAG_ACK, r->client_seq - 1, r->target_seq + 1);
}

static void
begin(struct nlb *nlb, uint32_t record, uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];

	r->flags &= (uint8_t)~BOTH_DONE;
	r->last_seen_ms = now_ms;
	nlb_flow_set_state(nlb, record, FLOW_STATE_TERMINATING);
}

bool
nlb_terminate(struct nlb *nlb, const struct snapshot *s, uint32_t record, uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];

	if (r->proto != IPPROTO_TCP || r->state == FLOW_STATE_CLOSING ||
	    r->state == FLOW_STATE_RESET) {
		nlb_flow_close(nlb, s, record);
		return true;
	}
	if (!has_room(nlb, 2))
		return false;
	if (r->state == FLOW_STATE_NEW) {
		put_segment(nlb, s, r, FLOW_SIDE_CLIENT, TCP_FLAG_RST | TCP_FLAG_ACK, 0,
			    r->client_seq + 1);
		put_segment(nlb, s, r, FLOW_SIDE_TARGET, TCP_FLAG_RST, r->client_seq + 1, 0);
		nlb_frontend_counters(nlb, r)->elb_resets += 2;
		nlb_flow_close(nlb, s, record);
		return true;
	}
	begin(nlb, record, now_ms);
	ask(nlb, s, r, FLOW_SIDE_CLIENT);
	ask(nlb, s, r, FLOW_SIDE_TARGET);
	return true;
}

void
nlb_terminate_again(struct nlb *nlb, const struct snapshot *s, uint32_t record, uint32_t now_ms)
{
	const struct flow_record *r = &nlb->flows.records[record];

	if (now_ms - r->last_seen_ms >= NLB_TERMINATE_MS) {
		nlb_flow_close(nlb, s, record);
		return;
	}
	/* Half of the room is for flows that were not asked yet. */
	if ((r->flags & CLIENT_DONE) == 0 && has_room(nlb, NLB_SEGMENTS / 2))
		ask(nlb, s, r, FLOW_SIDE_CLIENT);
	if ((r->flags & TARGET_DONE) == 0 && has_room(nlb, NLB_SEGMENTS / 2))
		ask(nlb, s, r, FLOW_SIDE_TARGET);
}

void
nlb_ask_after_reset(struct nlb *nlb, const struct snapshot *s, uint32_t record)
{
	const struct flow_record *r = &nlb->flows.records[record];

	if (r->target_seq != 0 && (r->flags & FLOW_FLAG_RESET_BOTH) == 0 &&
	    (r->flags & BOTH_DONE) != BOTH_DONE && has_room(nlb, NLB_SEGMENTS / 2))
		ask(nlb, s, r,
		    (r->flags & FLOW_FLAG_RESET_BY_TARGET) != 0 ? FLOW_SIDE_CLIENT
								: FLOW_SIDE_TARGET);
}

void
nlb_terminate_serve(struct nlb *nlb, const struct snapshot *s, struct packet *p, uint32_t record,
		    enum flow_side from, uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];

	if (r->state != FLOW_STATE_TERMINATING) {
		begin(nlb, record, now_ms);
		if (has_room(nlb, 1))
			ask(nlb, s, r,
			    from == FLOW_SIDE_CLIENT ? FLOW_SIDE_TARGET : FLOW_SIDE_CLIENT);
	}
	if ((p->flags & PACKET_FRAGMENT) != 0) {
		packet_drop(p, DROP_NOT_A_FLOW); /* no answer to fragments */
		return;
	}
	if (tcp_reset_reply(p)) {
		nlb->counters->drops[DROP_NOT_A_FLOW]++;
		nlb->counters->answered++;
		nlb_frontend_counters(nlb, r)->elb_resets++;
	} else {
		packet_drop(p, DROP_NOT_A_FLOW); /* it resets itself */
	}
	r->flags |= done_of(from);
	if ((r->flags & BOTH_DONE) == BOTH_DONE)
		nlb_flow_close(nlb, s, record);
}

/* What the worker sends. */

uint16_t
nlb_segment_write(const struct nlb_segment *segment, uint8_t ip[NLB_SEGMENT_MAX])
{
	size_t addr_len = ip_addr_is_v4(&segment->dst) ? 4 : 16;
	uint16_t ip_len =
		ip_header_write(ip, &segment->src, &segment->dst, IPPROTO_TCP, TCP_MIN_LEN);
	uint8_t *tcp = ip + ip_len;
	uint64_t sum;

	memset(tcp, 0, TCP_MIN_LEN);
	bytes_store16(tcp + TCP_SPORT, segment->sport_be);
	bytes_store16(tcp + TCP_DPORT, segment->dport_be);
	bytes_store_be32(tcp + TCP_SEQ, segment->seq);
	bytes_store_be32(tcp + TCP_ACK, segment->ack);
	tcp[TCP_OFF] = TCP_MIN_LEN / 4 << 4;
	tcp[TCP_FLAGS] = segment->flags;
	sum = checksum_pseudo(ip_addr_wire(&segment->src), ip_addr_wire(&segment->dst), addr_len,
			      IPPROTO_TCP, TCP_MIN_LEN);
	bytes_store16(tcp + TCP_CHECKSUM,
		      (uint16_t)~checksum_fold(checksum_add(sum, tcp, TCP_MIN_LEN)));
	return (uint16_t)(ip_len + TCP_MIN_LEN);
}

uint16_t
nlb_take_segments(struct nlb *nlb, struct nlb_segment segments[NLB_SEGMENTS])
{
	uint16_t n = nlb->segments_n;

	memcpy(segments, nlb->segments, n * sizeof(*segments));
	nlb->segments_n = 0;
	return n;
}
