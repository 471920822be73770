/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_world.h"

#include "check.h"
#include "nlb_proxy2.h"
#include "tcp_option.h"

#define CONFIG                                                                                  \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"                            \
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n"                       \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"                      \
	"[listener lb:81]\nprotocol = TCP\ndefault_action = forward keep\n"                     \
	"[listener lb:53]\nprotocol = UDP\ndefault_action = forward dns\n"                      \
	"[listener lb6:80]\nprotocol = TCP\ndefault_action = forward web6\n"                    \
	"[listener lb6:53]\nprotocol = UDP\ndefault_action = forward dns6\n"                    \
	"[target_group web]\nprotocol = TCP\nproxy_protocol_v2.enabled = true\n"                \
	"target = 198.51.100.11:8080\n"                                                         \
	"[target_group keep]\nprotocol = TCP\nproxy_protocol_v2.enabled = true\n"               \
	"preserve_client_ip.enabled = true\ntarget = 198.51.100.11:8080\n"                      \
	"[target_group dns]\nprotocol = UDP\nproxy_protocol_v2.enabled = true\n"                \
	"target = 198.51.100.11:5353\n"                                                         \
	"[target_group web6]\nprotocol = TCP\nproxy_protocol_v2.enabled = true\n"               \
	"target = [2001:db8:2::11]:8080\n"                                                      \
	"[target_group dns6]\nprotocol = UDP\nproxy_protocol_v2.enabled = true\n"               \
	"target = [2001:db8:2::11]:5353\n"

#define FRONT 0
#define BACK  1

#define C 0xffffff00 /* the client's first number: what follows wraps */
#define S 70000      /* the target's */

#define SYN TCP_FLAG_SYN
#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST

#define TIMESTAMP "\x01\x01\x08\x0a\x00\x00\x00\x07\x00\x00\x00\x09"
#define MSS(n)    "\x02\x04" n

struct lane {
	struct world w;
	const char *client, *vip;
	uint16_t port;
	char target[IP_ADDR_TEXT_MAX], local[IP_ADDR_TEXT_MAX];
	uint16_t lport;
	uint16_t header; /* bytes of PROXY header */
	struct world_packet wp;
};

static const struct row {
	const char *why, *client, *vip;
	uint16_t port;
} rows[] = {
	{"full_nat IPv4", "192.0.2.99", "192.0.2.10", 80},
	{"nat IPv4", "192.0.2.99", "192.0.2.10", 81},
	{"full_nat IPv6", "2001:db8:1::99", "2001:db8:1::10", 80},
};

static void
segment(struct world_packet *wp, const char *src, uint16_t sport, const char *dst, uint16_t dport,
	uint8_t flags, uint32_t seq, uint32_t ack, const char *options, uint16_t options_len,
	const char *data)
{
	uint8_t tcp[512] = {0};
	uint16_t header = (uint16_t)(20 + options_len);

	bytes_store_be16(tcp, sport);
	bytes_store_be16(tcp + 2, dport);
	bytes_store_be32(tcp + TCP_SEQ, seq);
	bytes_store_be32(tcp + TCP_ACK, ack);
	tcp[TCP_OFF] = (uint8_t)(header / 4 << 4);
	tcp[TCP_FLAGS] = flags;
	bytes_store_be16(tcp + TCP_WINDOW, 5555);
	memcpy(tcp + 20, options, options_len);
	memcpy(tcp + header, data, strlen(data));
	world_make(wp, IPPROTO_TCP, src, dst, tcp, (uint16_t)(header + strlen(data)));
}

/*
 * Both ways serve the packet, where the short one does: with the same result.
 * @return  the verdict; right checksums were checked.
 */
static enum packet_verdict
serve(struct lane *l, uint16_t interface)
{
	struct world_plain plain;
	enum packet_verdict verdict;
	uint8_t before[1024];
	uint16_t len = l->wp.len;

	memcpy(before, l->wp.frame, len);
	world_plain_try(&l->w, &plain, before, len);
	verdict = world_send(&l->w, &l->wp, interface);
	EXPECT(verdict != PACKET_FORWARD || world_checksums(&l->wp.p));
	EXPECT(world_plain_agrees(&l->w, &plain, before, len, &l->wp.p));
	return verdict;
}

static enum packet_verdict
from_client(struct lane *l, uint8_t flags, uint32_t seq, uint32_t ack, const char *options,
	    uint16_t options_len, const char *data)
{
	segment(&l->wp, l->client, 4000, l->vip, l->port, flags, seq, ack, options, options_len,
		data);
	return serve(l, FRONT);
}

static enum packet_verdict
from_target(struct lane *l, uint8_t flags, uint32_t seq, uint32_t ack, const char *options,
	    uint16_t options_len, const char *data)
{
	segment(&l->wp, l->target, 8080, l->local, l->lport, flags, seq, ack, options, options_len,
		data);
	return serve(l, BACK);
}

static uint32_t
got_seq(const struct lane *l)
{
	return bytes_load_be32(packet_l4(&l->wp.p) + TCP_SEQ);
}

static uint32_t
got_ack(const struct lane *l)
{
	return bytes_load_be32(packet_l4(&l->wp.p) + TCP_ACK);
}

static const uint8_t *
got_data(const struct packet *p, uint16_t *len)
{
	const uint8_t *tcp = packet_l4(p);

	*len = (uint16_t)(p->len - p->l4_off - (tcp[TCP_OFF] >> 4) * 4);
	return tcp + (tcp[TCP_OFF] >> 4) * 4;
}

/* Whether these are the client's header and nothing else. */
static bool
is_header(const struct lane *l, const uint8_t *data, uint16_t len)
{
	struct ip_addr client = world_addr(l->client), vip = world_addr(l->vip);
	struct proxy_protocol what;

	return len == l->header && proxy_protocol_read(data, len, &what) && what.len == len &&
	       what.command == PROXY_PROTOCOL_PROXY && ip_addr_equal(&what.src, &client) &&
	       ip_addr_equal(&what.dst, &vip) && what.sport_be == htons(4000) &&
	       what.dport_be == htons(l->port);
}

/* SYN and SYN-ACK. */
static void
open_lane(struct lane *l, const struct row *row, const char *options, uint16_t options_len)
{
	const struct packet *p = &l->wp.p;

	world_begin(&l->w, CONFIG, 1024, UINT32_MAX - 500);
	l->client = row->client;
	l->vip = row->vip;
	l->port = row->port;
	l->header =
		strchr(row->client, ':') == NULL ? PROXY_PROTOCOL_V4_LEN : PROXY_PROTOCOL_V6_LEN;
	EXPECT(from_client(l, SYN, C, 0, MSS("\x05\xb4"), 4, "") == PACKET_FORWARD);
	EXPECT(got_seq(l) == C);
	ip_addr_format(&p->dst, l->target);
	ip_addr_format(&p->src, l->local);
	l->lport = ntohs(p->sport_be);
	EXPECT(from_target(l, SYN | ACK, S, C + 1, options, options_len, "") == PACKET_FORWARD);
	EXPECT(got_seq(l) == S && got_ack(l) == C + 1);
}

/* From SYN to FIN: the header, then the client's bytes, with numbers that fit on both sides. */
static void
test_stream(void)
{
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		const char *why = rows[i].why;
		const uint8_t *data;
		struct lane l = {0};
		uint16_t len;

		open_lane(&l, &rows[i], MSS("\x05\xb4"), 4);
		EXPECT_ROW(why,
			   from_client(&l, ACK, C + 1, S + 1, TIMESTAMP, 12, "") == PACKET_FORWARD);
		data = got_data(&l.wp.p, &len);
		EXPECT_ROW(why, is_header(&l, data, len) && got_seq(&l) == C + 1);
		EXPECT_ROW(why, l.w.emitted_n == 0);
		EXPECT_ROW(why, from_client(&l, ACK, C + 1, S + 1, TIMESTAMP, 12, "hello") ==
					PACKET_FORWARD);
		EXPECT_ROW(why, got_seq(&l) == C + 1 + l.header);
		data = got_data(&l.wp.p, &len);
		EXPECT_ROW(why, len == 5 && memcmp(data, "hello", 5) == 0);

		/* Within the header: the client's first byte. */
		EXPECT_ROW(why, from_target(&l, ACK, S + 1, C + 1 + l.header - 1, TIMESTAMP, 12,
					    "") == PACKET_FORWARD);
		EXPECT_ROW(why, got_ack(&l) == C + 1 && got_seq(&l) == S + 1);
		EXPECT_ROW(why, (l.w.nlb->flows.records[0].flags & FLOW_FLAG_PROXY_PENDING) != 0);
		EXPECT_ROW(why, from_target(&l, ACK, S + 1, C + 1 + l.header, TIMESTAMP, 12, "") ==
					PACKET_FORWARD);
		EXPECT_ROW(why, got_ack(&l) == C + 1);
		EXPECT_ROW(why, (l.w.nlb->flows.records[0].flags & FLOW_FLAG_PROXY_PENDING) == 0);
		EXPECT_ROW(why, from_target(&l, ACK, S + 1, C + 6 + l.header, "", 0, "answer") ==
					PACKET_FORWARD);
		EXPECT_ROW(why, got_ack(&l) == C + 6 && got_seq(&l) == S + 1);
		EXPECT_ROW(why,
			   from_client(&l, FIN | ACK, C + 6, S + 7, "", 0, "") == PACKET_FORWARD);
		EXPECT_ROW(why, got_seq(&l) == C + 6 + l.header);
		EXPECT_ROW(why, l.w.nlb->flows.records[0].client_seq == C + 7 + l.header);
		EXPECT_ROW(why, l.w.nlb->proxy->wheel.timers_n == 0);
		world_end(&l.w);
	}
}

/* A segment with data completes the handshake: the header goes in front, in a segment of its own.
 */
static void
test_data_first(void)
{
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct lane l = {0};
		const uint8_t *ip, *tcp;
		uint16_t off;

		open_lane(&l, &rows[i], "", 0);
		EXPECT(from_client(&l, ACK, C + 1, S + 1, TIMESTAMP, 12, "GET") == PACKET_FORWARD);
		EXPECT(got_seq(&l) == C + 1 + l.header);
		EXPECT(l.w.emitted_n == 1);
		ip = l.w.emitted[0];
		off = ip[0] >> 4 == 4 ? 20 : 40;
		tcp = ip + off;
		EXPECT(checksum_fold(world_l4_sum(ip, l.w.emitted_len[0])) == 0xffff);
		EXPECT(off == 40 || checksum(ip, 20) == 0);
		EXPECT(bytes_load_be32(tcp + TCP_SEQ) == C + 1);
		EXPECT(bytes_load_be32(tcp + TCP_ACK) == S + 1);
		EXPECT(bytes_load_be16(tcp + TCP_WINDOW) == 5555);
		EXPECT(memcmp(tcp + 20, TIMESTAMP, 12) == 0);
		EXPECT(is_header(&l, tcp + 32, (uint16_t)(l.w.emitted_len[0] - off - 32)));
		world_end(&l.w);
	}
}

/* A target with a small MSS gets the header in pieces. */
static void
test_small_mss(void)
{
	struct lane l = {0};
	uint8_t all[256];
	uint16_t n = 0;

	open_lane(&l, &rows[2], MSS("\x00\x20"), 4);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, TIMESTAMP, 12, "") == PACKET_FORWARD);
	EXPECT(got_seq(&l) == C + 1 + l.header);
	EXPECT(l.w.emitted_n == 2);
	for (uint32_t i = 0; i < l.w.emitted_n; i++) {
		uint16_t len = (uint16_t)(l.w.emitted_len[i] - 40 - 32);

		EXPECT(len + 12 <= 48);
		EXPECT(bytes_load_be32(l.w.emitted[i] + 40 + TCP_SEQ) == C + 1 + n);
		memcpy(all + n, l.w.emitted[i] + 40 + 32, len);
		n = (uint16_t)(n + len);
	}
	EXPECT(is_header(&l, all, n));
	world_end(&l.w);
}

/* The header is sent until it is acknowledged, at growing intervals, and not for ever. */
static void
test_sent_again(void)
{
	struct lane l = {0};
	uint32_t times = 0, end;

	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, TIMESTAMP, 12, "") == PACKET_FORWARD);
	for (uint32_t ms = 0; ms < 290; ms += 10, l.w.now_ms += 10)
		nlb_sweep(l.w.nlb, l.w.snapshot, l.w.now_ms);
	EXPECT(l.w.emitted_n == 0);
	for (uint32_t ms = 0; ms < 30; ms += 10, l.w.now_ms += 10)
		nlb_sweep(l.w.nlb, l.w.snapshot, l.w.now_ms);
	EXPECT(l.w.emitted_n == 1);
	EXPECT(is_header(&l, l.w.emitted[0] + 52, (uint16_t)(l.w.emitted_len[0] - 52)));
	/* The client's latest timestamp and window go along. */
	EXPECT(from_client(&l, ACK, C + 1, S + 1,
			   "\x01\x01\x08\x0a\x00\x00\x00\x08\x00\x00\x00\x09", 12,
			   "x") == PACKET_FORWARD);
	for (uint32_t ms = 0; ms < 650; ms += 10, l.w.now_ms += 10)
		nlb_sweep(l.w.nlb, l.w.snapshot, l.w.now_ms);
	EXPECT(l.w.emitted_n == 2 && l.w.emitted[1][20 + 20 + 7] == 8);
	EXPECT(from_target(&l, ACK, S + 1, C + 1 + l.header, "", 0, "") == PACKET_FORWARD);
	for (uint32_t ms = 0; ms < 20000; ms += 10, l.w.now_ms += 10)
		nlb_sweep(l.w.nlb, l.w.snapshot, l.w.now_ms);
	EXPECT(l.w.emitted_n == 2);
	world_end(&l.w);

	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, TIMESTAMP, 12, "") == PACKET_FORWARD);
	for (end = l.w.now_ms + 200000; l.w.now_ms != end; l.w.now_ms += 100) {
		nlb_sweep(l.w.nlb, l.w.snapshot, l.w.now_ms);
		times = l.w.emitted_n;
	}
	EXPECT(times == NLB_PROXY_TRIES && l.w.nlb->proxy->wheel.timers_n == 0);
	world_end(&l.w);
}

static void
test_sack(void)
{
	static const struct {
		const char *why;
		int32_t ack,
			blocks[6]; /* as the target counts, from the header on; blocks in pairs */
		int32_t want_ack, want[6]; /* as the client counts, from its first byte on */
	} sacks[] = {
		{"behind the header", 0, {40, 45}, 0, {0, 5}},
		{"the header's end and more", 0, {20, 45}, 0, {0, 5}},
		{"within the header: none is left", 0, {20, 40}, 0, {0, 0}},
		{"one within it, two behind", 0, {20, 40, 45, 50, 60, 70}, 0, {5, 10, 20, 30}},
		{"after it was acknowledged", 40, {45, 50}, 0, {5, 10}},
		{"later", 45, {50, 60, 70, 80}, 5, {10, 20, 30, 40}},
	};

	for (size_t i = 0; i < ARRAY_N(sacks); i++) {
		uint8_t options[40] = {1, 1, 5}, n = 0, want_n = 0;
		struct lane l = {0};
		uint8_t *option;

		open_lane(&l, &rows[0], "", 0);
		EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "") == PACKET_FORWARD);
		for (; n < 6 && sacks[i].blocks[n] != 0; n++)
			bytes_store_be32(options + 4 + n * 4, C + 1 + (uint32_t)sacks[i].blocks[n]);
		for (; want_n < 6 &&
		       (want_n % 2 == 0 ? sacks[i].want[want_n + 1] : sacks[i].want[want_n]) != 0;)
			want_n++;
		options[3] = (uint8_t)(2 + n * 4);
		EXPECT_ROW(sacks[i].why, from_target(&l, ACK, S + 1, C + 1 + (uint32_t)sacks[i].ack,
						     (char *)options, (uint16_t)(4 + n * 4),
						     "") == PACKET_FORWARD);
		EXPECT_ROW(sacks[i].why, got_ack(&l) == C + 1 + (uint32_t)sacks[i].want_ack);
		option = tcp_option_find(packet_l4(&l.wp.p), TCP_OPTION_SACK,
					 (uint8_t)(2 + want_n * 4));
		EXPECT_ROW(sacks[i].why, (option != NULL) == (want_n > 0));
		for (uint8_t k = 0; option != NULL && k < want_n; k++)
			EXPECT_ROW(sacks[i].why, bytes_load_be32(option + 2 + k * 4) ==
							 C + 1 + (uint32_t)sacks[i].want[k]);
		world_end(&l.w);
	}
}

/* Nothing comes in front of the header: no payload of a SYN, no promise of any. */
static void
test_syn_is_stripped(void)
{
	struct lane l = {0};
	uint16_t len;

	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(
		       &l, SYN, C, 0,
		       "\x22\x0a\x01\x02\x03\x04\x05\x06\x07\x08\xfe\x04\xf9\x89\x02\x04\x05\xb4"
		       "\x01\x01",
		       20, "early") == PACKET_FORWARD);
	got_data(&l.wp.p, &len);
	EXPECT(len == 0 && got_seq(&l) == C);
	EXPECT(tcp_option_find(packet_l4(&l.wp.p), 34, 10) == NULL);
	EXPECT(tcp_option_find(packet_l4(&l.wp.p), 254, 4) == NULL);
	EXPECT(tcp_option_find(packet_l4(&l.wp.p), TCP_OPTION_MSS, 4) != NULL);
	world_end(&l.w);
}

/* Who doesn't know the target's number can't make the handshake complete. */
static void
test_strangers(void)
{
	static const struct {
		const char *why;
		uint8_t flags;
		uint32_t seq, ack;
	} wrong[] = {
		{"another acknowledgement", ACK, C + 1, S + 2},
		{"an older acknowledgement", ACK, C + 1, S},
		{"a number below the first byte", ACK, C, S + 1},
		{"a number far ahead", ACK, C + 1 + (1u << 21), S + 1},
		{"FIN without ACK", FIN, C + 1, 0},
	};

	for (size_t i = 0; i < ARRAY_N(wrong); i++) {
		struct lane l = {0};

		open_lane(&l, &rows[0], "", 0);
		EXPECT_ROW(wrong[i].why, from_client(&l, wrong[i].flags, wrong[i].seq, wrong[i].ack,
						     "", 0, "data") == PACKET_DROP);
		EXPECT_ROW(wrong[i].why, l.wp.p.drop == DROP_HANDSHAKE_OTHER);
		EXPECT_ROW(wrong[i].why,
			   l.w.nlb->flows.records[0].flags == FLOW_FLAG_FULL_NAT + FLOW_FLAG_PROXY);
		EXPECT_ROW(wrong[i].why,
			   from_client(&l, ACK, C + 1, S + 1, "", 0, "") == PACKET_FORWARD);
		world_end(&l.w);
	}
}

static void
sweep_for(struct lane *l, uint32_t ms)
{
	for (; ms > 0; ms -= 10, l->w.now_ms += 10)
		nlb_sweep(l->w.nlb, l->w.snapshot, l->w.now_ms);
}

/* Forged segments neither settle a pending header nor change what it is sent again with. */
static void
test_forged_while_pending(void)
{
	static const char *const forged = "\x01\x01\x08\x0a\x7f\x00\x00\x00\x7f\x00\x00\x00";
	static const char *const older = "\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x09";

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		const char *why = rows[i].why;
		struct lane l = {0};
		const struct flow_record *r;

		open_lane(&l, &rows[i], "", 0);
		r = &l.w.nlb->flows.records[0];
		EXPECT_ROW(why,
			   from_client(&l, ACK, C + 1, S + 1, TIMESTAMP, 12, "") == PACKET_FORWARD);
		from_client(&l, ACK, C + 1 + (1u << 30), S + 1, forged, 12, "");
		from_client(&l, ACK, C + 1, S + 1 + (1u << 30), forged, 12, "");
		from_client(&l, ACK, C + 1, S + 1, older, 12, "");
		EXPECT_ROW(why, r->proxy_tsval == 7 && r->proxy_tsecr == 9);
		from_target(&l, ACK, S + 1, C + 1 + (1u << 30), "", 0, "");
		EXPECT_ROW(why, (r->flags & FLOW_FLAG_PROXY_PENDING) != 0);
		/* A RST nobody believed: the header is still sent when the flow goes on. */
		from_client(&l, RST, C + 9999, 0, "", 0, "");
		sweep_for(&l, 1000);
		EXPECT_ROW(why, l.w.emitted_n == 0);
		from_target(&l, ACK, S + 1, C + 1, "", 0, "");
		EXPECT_ROW(why, r->state == FLOW_STATE_ESTABLISHED);
		sweep_for(&l, 1000);
		EXPECT_ROW(why, l.w.emitted_n > 0);
		from_target(&l, ACK, S + 1, C + 1 + l.header, "", 0, "");
		EXPECT_ROW(why, (r->flags & FLOW_FLAG_PROXY_PENDING) == 0);
		world_end(&l.w);
	}
}

/* A flow that weir ends sends no header any more. */
static void
test_terminating(void)
{
	struct lane l = {0};

	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "") == PACKET_FORWARD);
	l.w.nlb->flows.records[0].state = FLOW_STATE_TERMINATING;
	sweep_for(&l, 3000);
	EXPECT(l.w.emitted_n == 0);
	world_end(&l.w);
}

/* The target's SYN must answer the client's. */
static void
test_forged_syn_ack(void)
{
	struct lane l = {0};
	const struct flow_record *r;

	open_lane(&l, &rows[0], "", 0);
	r = &l.w.nlb->flows.records[0];
	from_target(&l, SYN | ACK, 4711, C + 5000, "", 0, "");
	EXPECT(r->proxy_seq == C + 1 && r->proxy_ack == S + 1);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "") == PACKET_FORWARD);
	world_end(&l.w);
}

/* A RST ends what has begun, as both sides count. */
static void
test_resets(void)
{
	struct lane l = {0};

	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(&l, RST, C + 1, 0, "", 0, "") == PACKET_FORWARD);
	EXPECT(got_seq(&l) == C + 1 && l.w.nlb->flows.records[0].state == FLOW_STATE_RESET);
	world_end(&l.w);
	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "") == PACKET_FORWARD);
	EXPECT(from_client(&l, RST, C + 1, 0, "", 0, "") == PACKET_FORWARD);
	EXPECT(got_seq(&l) == C + 1 + l.header);
	EXPECT(from_target(&l, RST | ACK, S + 1, C + 1 + l.header, "", 0, "") == PACKET_FORWARD);
	EXPECT(got_ack(&l) == C + 1);
	world_end(&l.w);
}

/* Records that were copied elsewhere, or whose indexes were rebuilt, go on; so do their timers. */
static void
test_rebuild(void)
{
	struct lane l = {0};

	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "") == PACKET_FORWARD);
	nlb_sweep(l.w.nlb, l.w.snapshot, l.w.now_ms);
	EXPECT(nlb_rebuild(l.w.nlb, l.w.snapshot));
	EXPECT(l.w.nlb->proxy->wheel.timers_n == 1);
	for (uint32_t ms = 0; ms < 400; ms += 10, l.w.now_ms += 10)
		nlb_sweep(l.w.nlb, l.w.snapshot, l.w.now_ms);
	EXPECT(l.w.emitted_n == 1);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "x") == PACKET_FORWARD);
	EXPECT(got_seq(&l) == C + 1 + l.header);
	world_end(&l.w);
}

/* Errors about the client's segments tell it its own numbers. */
static void
test_icmp(void)
{
	uint8_t icmp[8 + 28] = {ICMP_DEST_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, [6] = 5, [7] = 0};
	struct lane l = {0};

	open_lane(&l, &rows[0], "", 0);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "") == PACKET_FORWARD);
	EXPECT(from_client(&l, ACK, C + 1, S + 1, "", 0, "x") == PACKET_FORWARD);
	memcpy(icmp + 8, l.wp.p.l3, 28);
	world_make(&l.wp, IPPROTO_ICMP, "198.51.100.7", l.local, icmp, sizeof(icmp));
	EXPECT(serve(&l, BACK) == PACKET_FORWARD);
	EXPECT(bytes_load_be32(l.wp.p.l3 + 20 + 8 + 20 + TCP_SEQ) == C + 1);
	EXPECT(bytes_load_be16(l.wp.p.l3 + 20 + ICMP_MTU) == 0x500);
	world_end(&l.w);
}

static void
test_datagrams(void)
{
	static const struct row udp[] = {
		{"IPv4", "192.0.2.99", "192.0.2.10", 53},
		{"IPv6", "2001:db8:1::99", "2001:db8:1::10", 53},
	};

	for (size_t i = 0; i < ARRAY_N(udp); i++) {
		bool v4 = i == 0;
		struct lane l = {.client = udp[i].client,
				 .vip = udp[i].vip,
				 .port = 53,
				 .header = v4 ? PROXY_PROTOCOL_V4_LEN : PROXY_PROTOCOL_V6_LEN};
		struct world_packet back;
		uint8_t big[8 + 1472] = {0};
		uint16_t mtu_len = v4 ? 1480 : 1460;

		world_begin(&l.w, CONFIG, 1024, 1000);
		for (int n = 0; n < 3; n++) {
			const uint8_t *datagram;

			world_udp(&l.wp, udp[i].client, 4000, udp[i].vip, 53);
			l.wp.frame[l.wp.len - 1] = 'x';
			if (n == 1 && v4) /* no checksum stays no checksum */
				bytes_store16(l.wp.frame + 14 + 20 + UDP_CHECKSUM, 0);
			else
				bytes_store16(l.wp.frame + 14 + (v4 ? 20 : 40) + UDP_CHECKSUM, 0);
			if (n != 1 || !v4)
				bytes_store16(l.wp.frame + 14 + (v4 ? 20 : 40) + UDP_CHECKSUM,
					      (uint16_t)~checksum_fold(world_l4_sum(
						      l.wp.frame + 14, (uint16_t)(l.wp.len - 14))));
			EXPECT_ROW(udp[i].why, world_send(&l.w, &l.wp, FRONT) == PACKET_FORWARD);
			datagram = packet_l4(&l.wp.p);
			EXPECT_ROW(udp[i].why, (n == 1 && v4) || world_checksums(&l.wp.p));
			EXPECT_ROW(udp[i].why,
				   n != 1 || !v4 || bytes_load16(datagram + UDP_CHECKSUM) == 0);
			EXPECT_ROW(udp[i].why,
				   bytes_load_be16(datagram + UDP_LEN) == 8 + l.header + 4);
			EXPECT_ROW(udp[i].why, is_header(&l, datagram + 8, l.header));
			EXPECT_ROW(udp[i].why, datagram[8 + l.header + 3] == 'x');
		}
		world_resolve(&l.w, &l.wp.p);
		world_reply(&back, &l.wp.p, 0);
		EXPECT_ROW(udp[i].why, world_send(&l.w, &back, BACK) == PACKET_FORWARD);
		EXPECT_ROW(udp[i].why, back.p.len == (v4 ? 20 : 40) + 12);
		/* What would be too long with its header: the sender is told. */
		bytes_store_be16(big, 4000);
		bytes_store_be16(big + 2, 53);
		bytes_store_be16(big + UDP_LEN, mtu_len);
		world_make(&l.wp, IPPROTO_UDP, udp[i].client, udp[i].vip, big, mtu_len);
		EXPECT_ROW(udp[i].why, world_send(&l.w, &l.wp, FRONT) == PACKET_FORWARD);
		EXPECT_ROW(udp[i].why, (l.wp.p.flags & PACKET_REPLY) != 0);
		EXPECT_ROW(udp[i].why,
			   v4 ? bytes_load_be16(l.wp.p.l3 + 20 + ICMP_MTU) == 1500 - l.header
			      : bytes_load_be32(l.wp.p.l3 + 40 + ICMPV6_MTU) == 1500u - l.header);
		world_end(&l.w);
	}
}

int
main(void)
{
	test_forged_while_pending();
	test_terminating();
	test_forged_syn_ack();
	test_stream();
	test_data_first();
	test_small_mss();
	test_sent_again();
	test_sack();
	test_syn_is_stripped();
	test_strangers();
	test_resets();
	test_rebuild();
	test_icmp();
	test_datagrams();
	return unit_done();
}
