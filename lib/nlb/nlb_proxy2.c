/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_proxy2.h"

#include <netinet/in.h>

#include "ip_header.h"
#include "nlb_rewrite.h"
#include "tcp_option.h"

#define LONGEST_MS    10000   /* between two tries */
#define DEFAULT_MSS   536     /* RFC 9293 section 3.7.1 */
#define LEAST_MSS     48      /* whatever a target says */
#define AHEAD_MAX     1048576 /* of the first byte: how far the segment that is seen first may be */
#define TIMESTAMPS    12      /* bytes of the option and what fills it up */
#define EXPERIMENT_FO 0xf989  /* Fast Open, before it had a number */

/* Timers. */

void
nlb_proxy_init(struct nlb_proxy *proxy, const struct nlb_settings *settings)
{
	timer_wheel_init(&proxy->wheel, 0, NULL);
	proxy->emit = settings->emit;
	proxy->emit_arg = settings->emit_arg;
}

static struct nlb_proxy_timer *
take_timer(struct nlb_proxy *x)
{
	struct nlb_proxy_timer *t;

	if (x->free_head != 0) {
		t = &x->timers[x->free_head - 1];
		x->free_head = t->next_free;
		return t;
	}
	return x->used_n < NLB_PROXY_PENDING ? &x->timers[x->used_n++] : NULL;
}

static void
give_timer(struct nlb_proxy *x, struct flow_record *r)
{
	struct nlb_proxy_timer *t;

	if (r->proxy_timer == 0)
		return;
	t = &x->timers[r->proxy_timer - 1];
	timer_wheel_cancel(&x->wheel, &t->timer);
	t->next_free = x->free_head;
	x->free_head = r->proxy_timer;
	r->proxy_timer = 0;
}

void
nlb_proxy_settle(struct nlb *nlb, struct flow_record *r)
{
	if (likely((r->flags & FLOW_FLAG_PROXY_PENDING) == 0))
		return;
	give_timer(nlb->proxy, r);
	r->flags &= (uint8_t)~FLOW_FLAG_PROXY_PENDING;
}

/* Headers. */

static uint16_t
write_header(const struct snapshot *s, const struct flow_record *r, uint8_t out[PROXY_PROTOCOL_MAX])
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	struct proxy_protocol what = {.command = PROXY_PROTOCOL_PROXY,
				      .af = ip_addr_family(&r->client),
				      .proto = r->proto,
				      .src = r->client,
				      .dst = f->vip,
				      .sport_be = r->client_port_be,
				      .dport_be = f->port_be};

	return proxy_protocol_write(out, &what);
}

static uint16_t
options_len(const struct flow_record *r)
{
	return r->proxy_has_timestamps ? TIMESTAMPS : 0;
}

/* How much of the header goes into one segment. */
static uint16_t
piece_len(const struct flow_record *r)
{
	return (uint16_t)(r->proxy_mss - options_len(r));
}

/* A segment of weir's own with `len` bytes of the header, those from `at` on. */
static void
emit_piece(struct nlb_proxy *x, const struct flow_record *r, const struct rewrite *way,
	   const uint8_t *header, uint16_t at, uint16_t len)
{
	uint8_t af = ip_addr_family(way->dst), packet[IPV6_MIN_LEN + 60 + PROXY_PROTOCOL_MAX];
	uint16_t tcp_len = (uint16_t)(TCP_MIN_LEN + options_len(r));
	uint16_t ip_len =
		ip_header_write(packet, way->src, way->dst, IPPROTO_TCP, (uint16_t)(tcp_len + len));
	uint16_t total = (uint16_t)(ip_len + tcp_len + len);
	uint8_t *tcp = packet + ip_len;
	uint64_t sum;

	memset(tcp, 0, TCP_MIN_LEN);
	bytes_store16(tcp + TCP_SPORT, way->sport_be);
	bytes_store16(tcp + TCP_DPORT, way->dport_be);
	bytes_store_be32(tcp + TCP_SEQ, r->proxy_seq + at);
	bytes_store_be32(tcp + TCP_ACK, r->proxy_ack);
	tcp[TCP_OFF] = (uint8_t)(tcp_len / 4 << 4);
	tcp[TCP_FLAGS] = TCP_FLAG_ACK | TCP_FLAG_PSH;
	bytes_store16(tcp + TCP_WINDOW, r->proxy_window);
	if (r->proxy_has_timestamps) {
		bytes_store_be32(tcp + TCP_MIN_LEN, 0x0101080a);
		bytes_store_be32(tcp + TCP_MIN_LEN + 4, r->proxy_tsval);
		bytes_store_be32(tcp + TCP_MIN_LEN + 8, r->proxy_tsecr);
	}
	memcpy(tcp + tcp_len, header + at, len);
	sum = checksum_pseudo(ip_addr_wire(way->src), ip_addr_wire(way->dst), af == 4 ? 4 : 16,
			      IPPROTO_TCP, (uint32_t)(tcp_len + len));
	sum = checksum_add(sum, tcp, (size_t)(tcp_len + len));
	bytes_store16(tcp + TCP_CHECKSUM, (uint16_t)~checksum_fold(sum));
	if (x->emit != NULL)
		x->emit(x->emit_arg, packet, total);
}

static void
emit_header(struct nlb_proxy *x, const struct snapshot *s, const struct flow_record *r)
{
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	struct rewrite way = {.src = (r->flags & FLOW_FLAG_FULL_NAT) != 0
					     ? &s->locals[ref_index(r->local)].addr
					     : &r->client,
			      .dst = &target->addr,
			      .sport_be = r->local_port_be,
			      .dport_be = target->port_be};
	uint8_t header[PROXY_PROTOCOL_MAX];
	uint16_t len = write_header(s, r, header), most = piece_len(r);

	for (uint16_t at = 0; at < len; at = (uint16_t)(at + most))
		emit_piece(x, r, &way, header, at, len - at < most ? (uint16_t)(len - at) : most);
}

static void on_due(struct timer *timer, void *arg);

static void
start_timer(struct nlb_proxy *x, const struct flow_record *r, uint32_t now_ms)
{
	uint32_t wait_ms = (uint32_t)NLB_PROXY_FIRST_MS << r->proxy_tries;

	timer_wheel_add(&x->wheel, &x->timers[r->proxy_timer - 1].timer,
			now_ms + (wait_ms < LONGEST_MS ? wait_ms : LONGEST_MS), on_due);
}

/* The flow's header is on its way. @return false: too many are. */
static bool
begin_pending(struct nlb *nlb, uint32_t record, uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];
	struct nlb_proxy *x = nlb->proxy;
	struct nlb_proxy_timer *t = take_timer(x);

	if (t == NULL)
		return false;
	if (x->wheel.timers_n == 0)
		x->wheel.now_ms = now_ms;
	t->record = record;
	r->proxy_timer = (uint32_t)(t - x->timers) + 1;
	r->flags |= FLOW_FLAG_PROXY_PENDING;
	start_timer(x, r, now_ms);
	return true;
}

static void
on_due(struct timer *timer, void *arg)
{
	struct nlb *nlb = arg;
	struct nlb_proxy *x = nlb->proxy;
	struct nlb_proxy_timer *t = (struct nlb_proxy_timer *)(void *)timer;
	struct flow_record *r = &nlb->flows.records[t->record];

	/* Who gets no answer so long has gone; the flow's idle time ends it. */
	if (r->proxy_tries == NLB_PROXY_TRIES || r->state == FLOW_STATE_TERMINATING) {
		give_timer(x, r);
		return;
	}
	if (r->state == FLOW_STATE_RESET) { /* until the flow is over, or goes on after all */
		start_timer(x, r, x->wheel.now_ms);
		return;
	}
	r->proxy_tries++;
	emit_header(x, x->snapshot, r);
	start_timer(x, r, x->wheel.now_ms);
}

void
nlb_proxy_turn(struct nlb *nlb, const struct snapshot *s, uint32_t now_ms)
{
	struct nlb_proxy *x = nlb->proxy;

	if (likely(x->wheel.timers_n == 0))
		return;
	x->wheel.arg = nlb;
	x->snapshot = s;
	timer_wheel_advance(&x->wheel, now_ms);
	x->snapshot = NULL;
}

void
nlb_proxy_rebuild(struct nlb *nlb)
{
	struct nlb_proxy *x = nlb->proxy;

	memset(x->timers, 0, x->used_n * sizeof(x->timers[0]));
	timer_wheel_init(&x->wheel, nlb->swept_ms, NULL);
	x->used_n = 0;
	x->free_head = 0;
	for (uint32_t i = 0; i < nlb->flows.used_n; i++) {
		struct flow_record *r = &nlb->flows.records[i];

		if (r->role != FLOW_ROLE_LOCAL || r->kind != FLOW_KIND_NLB ||
		    (r->flags & FLOW_FLAG_PROXY_PENDING) == 0)
			continue;
		r->proxy_timer = 0;
		begin_pending(nlb, i, nlb->swept_ms);
	}
}

/* Changing packets. */

/* The packet has become `grown` bytes longer; its L4 sum changed by `diff` besides. */
static void
change_len(struct packet *p, int grown, uint64_t diff)
{
	uint8_t *len_field = p->l3 + (p->af == 4 ? IPV4_LEN : IPV6_PAYLOAD_LEN), *l4 = packet_l4(p);
	uint16_t before = bytes_load16(len_field), from, to;

	bytes_store_be16(len_field, (uint16_t)(ntohs(before) + grown));
	if (p->af == 4)
		rewrite_sum(p->l3 + IPV4_CHECKSUM,
			    checksum_diff16(0, before, bytes_load16(len_field)));
	if (p->proto == IPPROTO_TCP) {
		to = htons((uint16_t)(p->len - p->l4_off));
		from = htons((uint16_t)(p->len - p->l4_off - grown));
		rewrite_sum(l4 + TCP_CHECKSUM, checksum_diff16(diff, from, to));
		return;
	}
	/* In the datagram and in the pseudo header. */
	from = bytes_load16(l4 + UDP_LEN);
	bytes_store_be16(l4 + UDP_LEN, (uint16_t)(ntohs(from) + grown));
	to = bytes_load16(l4 + UDP_LEN);
	diff = checksum_diff16(checksum_diff16(diff, from, to), from, to);
	rewrite_udp_sum(l4 + UDP_CHECKSUM, diff);
}

/* Put `n` bytes between the L4 header and what is behind it. @return false: there is no room. */
static bool
prepend(struct packet *p, const uint8_t *bytes, uint16_t n, uint16_t l4_header_len)
{
	uint16_t headers = (uint16_t)(p->l4_off + l4_header_len);

	if (p->headroom < n + PACKET_LINK_MAX || p->contiguous < headers || p->len + n > UINT16_MAX)
		return false;
	memmove(p->l3 - n, p->l3, headers);
	p->l3 -= n;
	p->headroom = (uint16_t)(p->headroom - n);
	p->len = (uint16_t)(p->len + n);
	p->contiguous = (uint16_t)(p->contiguous + n);
	memcpy(p->l3 + headers, bytes, n);
	change_len(p, n, checksum_add(0, bytes, n));
	return true;
}

static uint16_t
tcp_header_len(const uint8_t *tcp)
{
	return (uint16_t)((tcp[TCP_OFF] >> 4) * 4);
}

static void
shift(uint8_t *tcp, int field, uint32_t by)
{
	uint32_t before = bytes_load32(tcp + field);

	bytes_store_be32(tcp + field, bytes_load_be32(tcp + field) + by);
	rewrite_sum(tcp + TCP_CHECKSUM, checksum_diff32(0, before, bytes_load32(tcp + field)));
}

/* The sum of a header's bytes, as the difference that taking them away makes. */
static uint64_t
without(const uint8_t *bytes, size_t len)
{
	return (uint16_t)~checksum_fold(checksum_add(0, bytes, len));
}

static bool
promises_data(const uint8_t *option)
{
	return option[0] == TCP_OPTION_FAST_OPEN ||
	       (option[0] == TCP_OPTION_EXPERIMENT && option[1] >= 4 &&
		bytes_load_be16(option + 2) == EXPERIMENT_FO);
}

/* A SYN without payload, and without options that promise any (RFC 7413). */
static enum drop_reason
strip_syn(struct packet *p)
{
	uint8_t *tcp = packet_l4(p), *option;
	uint16_t header = tcp_header_len(tcp), payload = (uint16_t)(p->len - p->l4_off - header);
	struct tcp_option_walk walk = tcp_option_begin(tcp);
	uint64_t diff;

	if ((p->flags & PACKET_FRAGMENT) != 0)
		return DROP_FRAGMENT_UNSUPPORTED;
	if (p->contiguous < p->len)
		return DROP_HEADERS_SPLIT;
	diff = without(tcp, header);
	while ((option = tcp_option_next(&walk)) != NULL) {
		if (promises_data(option))
			memset(option, TCP_OPTION_NOP, option[1]);
	}
	diff += checksum_add(0, tcp, header);
	if (payload == 0) {
		rewrite_sum(tcp + TCP_CHECKSUM, diff);
		return DROP_NONE;
	}
	diff += without(tcp + header, payload);
	p->len = (uint16_t)(p->len - payload);
	p->contiguous = p->len;
	change_len(p, -payload, diff);
	return DROP_NONE;
}

/* What the header says when it is sent again. */
static void
note_client(struct flow_record *r, uint8_t *tcp)
{
	const uint8_t *option = tcp_option_find(tcp, TCP_OPTION_TIMESTAMPS, 10);

	if (r->proxy_has_timestamps && r->seq_shift != 0 &&
	    (option == NULL || (int32_t)(bytes_load_be32(option + 2) - r->proxy_tsval) < 0))
		return; /* RFC 7323: each segment has them, and none older ones than that before */
	r->proxy_has_timestamps = option != NULL;
	r->proxy_window = bytes_load16(tcp + TCP_WINDOW);
	if (option == NULL)
		return;
	r->proxy_tsval = bytes_load_be32(option + 2);
	r->proxy_tsecr = bytes_load_be32(option + 6);
}

/* Whether the segment tells that the client knows the target's SYN. */
static bool
completes_handshake(const struct flow_record *r, const uint8_t *tcp)
{
	return r->proxy_mss != 0 && (tcp[TCP_FLAGS] & TCP_FLAG_ACK) != 0 &&
	       bytes_load_be32(tcp + TCP_ACK) == r->proxy_ack &&
	       bytes_load_be32(tcp + TCP_SEQ) - r->proxy_seq < AHEAD_MAX;
}

/* Whether it has numbers that a client's segment can have while its header is pending. */
static bool
may_be_clients(const struct flow_record *r, const uint8_t *tcp)
{
	return (tcp[TCP_FLAGS] & (TCP_FLAG_RST | TCP_FLAG_ACK)) == TCP_FLAG_ACK &&
	       bytes_load_be32(tcp + TCP_ACK) - r->proxy_ack < AHEAD_MAX &&
	       bytes_load_be32(tcp + TCP_SEQ) - r->proxy_seq < AHEAD_MAX;
}

/*
 * The first segment behind the SYNs: with nothing in it, it takes the header along.  (It is not
 * sent behind the header: a target with SYN cookies that lost the header would not know it.)
 */
static enum drop_reason
first_segment(struct nlb *nlb, const struct snapshot *s, struct packet *p, uint32_t record,
	      uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];
	uint8_t *tcp = packet_l4(p), header[PROXY_PROTOCOL_MAX];
	uint16_t tcp_len = tcp_header_len(tcp), len, before, after;

	if (!completes_handshake(r, tcp))
		return DROP_HANDSHAKE_OTHER;
	if (!begin_pending(nlb, record, now_ms))
		return DROP_FLOW_TABLE_FULL;
	note_client(r, tcp);
	len = write_header(s, r, header);
	r->seq_shift = len;
	if (p->len == p->l4_off + tcp_len && (tcp[TCP_FLAGS] & TCP_FLAG_FIN) == 0 &&
	    (p->flags & PACKET_FRAGMENT) == 0 && bytes_load_be32(tcp + TCP_SEQ) == r->proxy_seq &&
	    len <= piece_len(r) && prepend(p, header, len, tcp_len)) {
		tcp = packet_l4(p);
		before = bytes_load16(tcp + TCP_OFF);
		tcp[TCP_FLAGS] |= TCP_FLAG_PSH;
		after = bytes_load16(tcp + TCP_OFF);
		rewrite_sum(tcp + TCP_CHECKSUM, checksum_diff16(0, before, after));
		return DROP_NONE;
	}
	emit_header(nlb->proxy, s, r);
	shift(tcp, TCP_SEQ, len);
	return DROP_NONE;
}

static enum drop_reason
client_segment(struct nlb *nlb, const struct snapshot *s, struct packet *p, uint32_t record,
	       uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];
	uint8_t *tcp = packet_l4(p);

	if ((tcp[TCP_FLAGS] & TCP_FLAG_SYN) != 0)
		return strip_syn(p);
	if (r->seq_shift == 0)
		return (tcp[TCP_FLAGS] & TCP_FLAG_RST) != 0
			       ? DROP_NONE
			       : first_segment(nlb, s, p, record, now_ms);
	if ((r->flags & FLOW_FLAG_PROXY_PENDING) != 0 && may_be_clients(r, tcp))
		note_client(r, tcp);
	shift(tcp, TCP_SEQ, (uint32_t)r->seq_shift);
	return DROP_NONE;
}

/* The target's SYN says which of the client's it answers, and how it is to be answered. */
static void
note_target(struct flow_record *r, uint8_t *tcp)
{
	const uint8_t *option = tcp_option_find(tcp, TCP_OPTION_MSS, 4);
	uint16_t mss = option == NULL ? DEFAULT_MSS : bytes_load_be16(option + 2);

	if (r->seq_shift != 0 || (tcp[TCP_FLAGS] & TCP_FLAG_ACK) == 0 ||
	    bytes_load_be32(tcp + TCP_ACK) != r->client_seq + 1)
		return;
	r->proxy_seq = bytes_load_be32(tcp + TCP_ACK);
	r->proxy_ack = bytes_load_be32(tcp + TCP_SEQ) + 1;
	r->proxy_mss = mss < LEAST_MSS ? LEAST_MSS : mss;
}

/*
 * A number of the target's, as the client counts: what lies within a pending header is the client's
 * first byte.
 */
static uint32_t
clients_number(const struct flow_record *r, uint32_t number)
{
	int32_t behind = (int32_t)(number - r->proxy_seq);

	if ((r->flags & FLOW_FLAG_PROXY_PENDING) == 0)
		return number - (uint32_t)r->seq_shift;
	if (behind <= 0)
		return number;
	return behind < r->seq_shift ? r->proxy_seq : number - (uint32_t)r->seq_shift;
}

/* Blocks below the client's first byte are left out, and NOPs in their place. */
static void
shift_sack(const struct flow_record *r, uint8_t *option)
{
	uint8_t *end = option + option[1], *to = option + 2;

	for (const uint8_t *at = option + 2; end - at >= 8; at += 8) {
		uint32_t left = clients_number(r, bytes_load_be32(at));
		uint32_t right = clients_number(r, bytes_load_be32(at + 4));

		if (left == right || ((r->flags & FLOW_FLAG_PROXY_PENDING) != 0 &&
				      (int32_t)(right - r->proxy_seq) <= 0))
			continue;
		bytes_store_be32(to, left);
		bytes_store_be32(to + 4, right);
		to += 8;
	}
	if (to == option + 2)
		to = option; /* none is left */
	else
		option[1] = (uint8_t)(to - option);
	memset(to, TCP_OPTION_NOP, (size_t)(end - to));
}

static void
target_segment(struct nlb *nlb, struct packet *p, struct flow_record *r)
{
	uint8_t *tcp = packet_l4(p), *option;
	uint16_t header = tcp_header_len(tcp);
	struct tcp_option_walk walk = tcp_option_begin(tcp);
	uint32_t ack = bytes_load_be32(tcp + TCP_ACK);
	uint64_t diff;

	if ((tcp[TCP_FLAGS] & TCP_FLAG_SYN) != 0) {
		note_target(r, tcp);
		return; /* it acknowledges the client's SYN, before the header */
	}
	if (r->seq_shift == 0 || (tcp[TCP_FLAGS] & TCP_FLAG_ACK) == 0)
		return;
	if ((r->flags & FLOW_FLAG_PROXY_PENDING) != 0 &&
	    ack - r->proxy_seq - (uint32_t)r->seq_shift < AHEAD_MAX)
		nlb_proxy_settle(nlb, r);
	diff = without(tcp, header);
	bytes_store_be32(tcp + TCP_ACK, clients_number(r, ack));
	while ((option = tcp_option_next(&walk)) != NULL) {
		if (option[0] == TCP_OPTION_SACK)
			shift_sack(r, option);
	}
	rewrite_sum(tcp + TCP_CHECKSUM, diff + checksum_add(0, tcp, header));
}

enum drop_reason
nlb_proxy_serve(struct nlb *nlb, const struct snapshot *s, struct packet *p, uint32_t record,
		enum flow_side from, uint32_t now_ms)
{
	struct flow_record *r = &nlb->flows.records[record];
	uint8_t header[PROXY_PROTOCOL_MAX];

	if (p->proto == IPPROTO_TCP && from == FLOW_SIDE_CLIENT)
		return client_segment(nlb, s, p, record, now_ms);
	if (p->proto == IPPROTO_TCP) {
		target_segment(nlb, p, r);
		return DROP_NONE;
	}
	if (from == FLOW_SIDE_TARGET)
		return DROP_NONE;
	if ((p->flags & PACKET_FRAGMENT) != 0)
		return DROP_FRAGMENT_UNSUPPORTED;
	return prepend(p, header, write_header(s, r, header), UDP_MIN_LEN) ? DROP_NONE
									   : DROP_TX_UNSUPPORTED;
}
