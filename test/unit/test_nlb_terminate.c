/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows that weir ends: RST to both sides, with numbers that they believe. */
#include "nlb_world.h"

#define FRONT 0
#define BACK  1

#define CONFIG                                                                                  \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"                            \
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n"                       \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"                      \
	"tcp.idle_timeout.seconds = 60\n"                                                       \
	"[listener lb:81]\nprotocol = TCP\ndefault_action = forward keep\n"                     \
	"tcp.idle_timeout.seconds = 60\n"                                                       \
	"[listener lb6:80]\nprotocol = TCP\ndefault_action = forward web6\n"                    \
	"tcp.idle_timeout.seconds = 60\n"                                                       \
	"[listener lb:53]\nprotocol = UDP\ndefault_action = forward dns\n"                      \
	"[target_group web]\nprotocol = TCP\ntarget = 198.51.100.11:8080\n"                     \
	"[target_group keep]\nprotocol = TCP\npreserve_client_ip.enabled = true\n"              \
	"target = 198.51.100.21:80\n"                                                           \
	"[target_group web6]\nprotocol = TCP\ntarget = [2001:db8:2::11]:8080\n"                 \
	"[target_group dns]\nprotocol = UDP\ntarget = 198.51.100.31:53\n"

static const struct way {
	const char *why, *client, *vip;
	uint16_t port;
} ways[] = {
	{"full_nat IPv4", "192.0.2.99", "192.0.2.10", 80},
	{"nat IPv4", "192.0.2.99", "192.0.2.10", 81},
	{"full_nat IPv6", "2001:db8:1::99", "2001:db8:1::10", 80},
};

/* Numbers: the client's SYN has 1000, the target's 1000 too, see world_tcp(). */
#define ISN 1000

static void
open_flow(struct world *w, const struct way *way, uint16_t sport, struct world_packet *out)
{
	struct world_packet back;

	world_tcp(out, way->client, sport, way->vip, way->port, TCP_FLAG_SYN, 0);
	EXPECT_ROW(way->why, world_send(w, out, FRONT) == PACKET_FORWARD);
	world_reply(&back, &out->p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	EXPECT_ROW(way->why, world_send(w, &back, BACK) == PACKET_FORWARD);
}

/* Sweep for a while. @return the segments of the last turn that made some. */
static uint16_t
pass(struct world *w, uint32_t ms, struct nlb_segment *segments)
{
	uint16_t last = 0;

	for (uint32_t t = 0; t < ms; t += 50) {
		struct nlb_segment now[NLB_SEGMENTS];
		uint16_t n;

		w->now_ms += 50;
		nlb_sweep(w->nlb, w->snapshot, w->now_ms);
		n = nlb_take_segments(w->nlb, now);
		if (n > 0)
			memcpy(segments, now, n * sizeof(*now)), last = n;
	}
	return last;
}

/* What the receiver of a segment that asks for numbers sends: its own. */
static void
answer_with(struct world_packet *wp, const struct nlb_segment *ask, uint8_t flags)
{
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];

	world_tcp(wp, ip_addr_format(&ask->dst, src), ntohs(ask->dport_be),
		  ip_addr_format(&ask->src, dst), ntohs(ask->sport_be), flags, 0);
}

static void
answer(struct world_packet *wp, const struct nlb_segment *ask)
{
	answer_with(wp, ask, TCP_FLAG_ACK);
}

static uint64_t
elb_resets(const struct world *w)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->snapshot->frontends_n; i++)
		n += w->counters.frontends[i].elb_resets;
	return n;
}

static void
expect_rst_to_sender(struct world *w, struct world_packet *wp, uint16_t interface, const char *why)
{
	struct packet_frame frame = {wp->frame, wp->len, wp->len, WORLD_ROOM};
	struct packet_link link;
	struct packet before;

	packet_parse_link(&frame, &link);
	packet_parse(&frame, &link, &before);
	EXPECT_ROW(why, world_send(w, wp, interface) == PACKET_FORWARD);
	EXPECT_ROW(why, (packet_l4(&wp->p)[TCP_FLAGS] & TCP_FLAG_RST) != 0);
	EXPECT_ROW(why, bytes_load_be32(packet_l4(&wp->p) + TCP_SEQ) == 2000); /* world_tcp's ACK */
	EXPECT_ROW(why, ip_addr_equal(&wp->p.dst, &before.src));
	EXPECT_ROW(why, ip_addr_equal(&wp->p.src, &before.dst));
	EXPECT_ROW(why, world_checksums(&wp->p));
}

/* A segment that asks parses as a packet with right checksums. */
static void
check_written(const struct nlb_segment *segment, const char *why)
{
	uint8_t frame[ETHER_LEN + NLB_SEGMENT_MAX] = {0};
	uint16_t len = nlb_segment_write(segment, frame + ETHER_LEN);
	struct packet_frame f = {frame, (uint16_t)(ETHER_LEN + len), (uint16_t)(ETHER_LEN + len),
				 WORLD_ROOM};
	struct packet_link link;
	struct packet p;

	bytes_store_be16(frame + 12,
			 ip_addr_is_v4(&segment->dst) ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	EXPECT_ROW(why, packet_parse_link(&f, &link) == DROP_NONE);
	EXPECT_ROW(why, packet_parse(&f, &link, &p) == DROP_NONE);
	EXPECT_ROW(why, world_checksums(&p));
	EXPECT_ROW(why, ip_addr_equal(&p.dst, &segment->dst) && p.dport_be == segment->dport_be);
}

static void
test_idle_flows_are_reset(void)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const char *why = ways[i].why;
		struct nlb_segment asks[NLB_SEGMENTS];
		struct world_packet out, wp;
		struct world w;

		world_begin(&w, CONFIG, 1024, UINT32_MAX - 30000);
		open_flow(&w, &ways[i], 4000, &out);
		EXPECT_ROW(why, pass(&w, 58000, asks) == 0);
		EXPECT_ROW(why, pass(&w, 3500, asks) == 2);
		EXPECT_ROW(why, w.nlb->flows.records[0].state == FLOW_STATE_TERMINATING);
		for (int side = 0; side < 2; side++) {
			check_written(&asks[side], why);
			EXPECT_ROW(why, asks[side].flags == TCP_FLAG_ACK);
			/* Below what the receiver expects, which is ISN + 1 at least. */
			EXPECT_ROW(why, (int32_t)(asks[side].seq - (ISN + 1)) < 0);
		}
		EXPECT_ROW(why,
			   ip_addr_equal(&asks[0].src, &w.snapshot->frontends[1].vip) || i > 0);
		EXPECT_ROW(why, ip_addr_equal(&asks[1].dst, &out.p.dst));
		EXPECT_ROW(why, ip_addr_equal(&asks[1].src, &out.p.src));
		answer(&wp, &asks[0]);
		expect_rst_to_sender(&w, &wp, FRONT, why);
		EXPECT_ROW(why, w.nlb->flows.in_use == 1);
		/* The one that has not answered is asked again, and only that one. */
		EXPECT_ROW(why, pass(&w, 1100, asks) == 1);
		EXPECT_ROW(why, ip_addr_equal(&asks[0].dst, &out.p.dst));
		answer(&wp, &asks[0]);
		expect_rst_to_sender(&w, &wp, BACK, why);
		EXPECT_ROW(why, w.nlb->flows.in_use == 0);
		EXPECT_ROW(why, elb_resets(&w) == 2);
		world_end(&w);
	}
}

static void
test_nobody_answers(void)
{
	struct nlb_segment asks[NLB_SEGMENTS];
	struct world_packet out;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	open_flow(&w, &ways[0], 4000, &out);
	pass(&w, 62000, asks);
	EXPECT(w.nlb->flows.in_use == 1);
	pass(&w, NLB_TERMINATE_MS + 1100, asks);
	EXPECT(w.nlb->flows.in_use == 0);
	EXPECT(elb_resets(&w) == 0);
	world_end(&w);
}

/* A target that answers with RST has no connection any more: none is sent to it. */
static void
test_rst_in_answer(void)
{
	struct nlb_segment asks[NLB_SEGMENTS];
	struct world_packet out, wp;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	open_flow(&w, &ways[0], 4000, &out);
	pass(&w, 61500, asks);
	world_reply(&wp, &out.p, TCP_FLAG_RST);
	EXPECT(world_send(&w, &wp, BACK) == PACKET_DROP && wp.p.drop == DROP_NOT_A_FLOW);
	EXPECT(elb_resets(&w) == 0);
	answer(&wp, &asks[0]);
	expect_rst_to_sender(&w, &wp, FRONT, "the client");
	EXPECT(w.nlb->flows.in_use == 0);
	world_end(&w);
}

static void
close_target(struct world *w, const char *target)
{
	struct ip_addr addr = world_addr(target);

	for (uint32_t i = 1; i < w->snapshot->targets_n; i++) {
		struct snapshot_target *t = &w->snapshot->targets[i];

		if (!ip_addr_equal(&t->addr, &addr))
			continue;
		t->closing = 1;
		t->closing_ms = w->now_ms;
	}
}

/* The target is gone: whoever sends first gets RST at once, the other is asked. */
static void
test_closing_target(void)
{
	for (int from = FRONT; from <= BACK; from++) {
		const char *why = from == FRONT ? "the client sends" : "the target sends";
		struct nlb_segment asks[NLB_SEGMENTS];
		struct world_packet out, wp;
		struct world w;

		world_begin(&w, CONFIG, 1024, 1000);
		open_flow(&w, &ways[1], 4000, &out);
		close_target(&w, "198.51.100.21");
		w.now_ms += 100;
		if (from == FRONT)
			world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 81, TCP_FLAG_ACK, 10);
		else
			world_reply(&wp, &out.p, TCP_FLAG_ACK);
		expect_rst_to_sender(&w, &wp, (uint16_t)from, why);
		EXPECT_ROW(why, nlb_take_segments(w.nlb, asks) == 1);
		EXPECT_ROW(why,
			   ip_addr_equal(&asks[0].dst, from == FRONT ? &out.p.dst : &out.p.src));
		answer(&wp, &asks[0]);
		expect_rst_to_sender(&w, &wp, from == FRONT ? BACK : FRONT, why);
		EXPECT_ROW(why, w.nlb->flows.in_use == 0);

		/* One that begins now, as under fail-open, goes on. */
		w.now_ms += 100;
		open_flow(&w, &ways[1], 4001, &out);
		world_tcp(&wp, "192.0.2.99", 4001, "192.0.2.10", 81, TCP_FLAG_ACK, 10);
		EXPECT_ROW(why, world_send(&w, &wp, FRONT) == PACKET_FORWARD);
		EXPECT_ROW(why, ip_addr_equal(&wp.p.dst, &out.p.dst));
		EXPECT_ROW(why, pass(&w, 3000, asks) == 0);
		EXPECT_ROW(why, w.nlb->flows.in_use == 1);
		world_end(&w);
	}
}

static void
test_other_states_and_protocols(void)
{
	struct nlb_segment asks[NLB_SEGMENTS];
	struct world_packet out, wp;
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	/* Not answered: the numbers are known without asking. */
	world_tcp(&out, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	world_send(&w, &out, FRONT);
	close_target(&w, "198.51.100.11");
	EXPECT(pass(&w, 1200, asks) == 2);
	EXPECT(asks[0].flags == (TCP_FLAG_RST | TCP_FLAG_ACK) && asks[0].ack == ISN + 1);
	EXPECT(asks[1].flags == TCP_FLAG_RST && asks[1].seq == ISN + 1);
	EXPECT(w.nlb->flows.in_use == 0 && elb_resets(&w) == 2);
	/* A datagram's flow is closed: the next one chooses again. */
	world_udp(&out, "192.0.2.99", 4000, "192.0.2.10", 53);
	EXPECT(world_send(&w, &out, FRONT) == PACKET_FORWARD);
	close_target(&w, "198.51.100.31");
	EXPECT(pass(&w, 1200, asks) == 0);
	EXPECT(w.nlb->flows.in_use == 0);
	/* A SYN on a terminating flow begins anew. */
	open_flow(&w, &ways[1], 4000, &out);
	pass(&w, 61500, asks);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_TERMINATING);
	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 81, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
	EXPECT((packet_l4(&wp.p)[TCP_FLAGS] & TCP_FLAG_RST) == 0);
	EXPECT(w.nlb->flows.in_use == 1 && w.nlb->flows.records[0].state == FLOW_STATE_NEW);
	world_end(&w);
}

/* Many flows end at once: never more segments in a turn than a few, and all of them in the end. */
static void
test_no_burst(void)
{
	static const struct way *way = &ways[0];
	struct nlb_segment asks[NLB_SEGMENTS];
	struct world_packet out;
	struct world w;

	world_begin(&w, CONFIG, 4096, 1000);
	for (uint16_t i = 0; i < 1000; i++)
		open_flow(&w, way, (uint16_t)(2000 + i), &out);
	close_target(&w, "198.51.100.11");
	w.now_ms += 125;
	nlb_sweep(w.nlb, w.snapshot, w.now_ms);
	EXPECT(nlb_take_segments(w.nlb, asks) == NLB_SEGMENTS);
	pass(&w, 20000, asks);
	EXPECT(w.nlb->flows.in_use == 0);
	world_end(&w);
}

/* Who got a RST and is silent is asked; the flow goes on when it lives, and ends when it does not.
 */
static void
test_reset_is_asked_after(void)
{
	for (size_t i = 0; i < 2 * sizeof(ways) / sizeof(ways[0]); i++) {
		const struct way *way = &ways[i / 2];
		bool by_target = i % 2 != 0;
		struct nlb_segment asks[NLB_SEGMENTS];
		struct world_packet out, wp;
		struct flow_record *r;
		struct world w;

		world_begin(&w, CONFIG, 1024, UINT32_MAX - 15000);
		open_flow(&w, way, 4000, &out);
		r = &w.nlb->flows.records[0];
		if (by_target)
			world_reply(&wp, &out.p, TCP_FLAG_RST | TCP_FLAG_ACK);
		else
			world_tcp(&wp, way->client, 4000, way->vip, way->port, TCP_FLAG_RST, 0);
		EXPECT_ROW(way->why,
			   world_send(&w, &wp, by_target ? BACK : FRONT) == PACKET_FORWARD);
		EXPECT_ROW(way->why, r->state == FLOW_STATE_RESET);
		EXPECT_ROW(way->why, pass(&w, NLB_RESET_MS - NLB_RESET_ASK_MS - 100, asks) == 0);
		EXPECT_ROW(way->why, pass(&w, 1500, asks) == 1);
		EXPECT_ROW(way->why, asks[0].flags == TCP_FLAG_ACK);
		EXPECT_ROW(way->why, (int32_t)(asks[0].seq - (ISN + 1)) < 0);
		EXPECT_ROW(way->why, by_target || ip_addr_equal(&asks[0].dst, &out.p.dst));
		answer(&wp, &asks[0]);
		EXPECT_ROW(way->why,
			   world_send(&w, &wp, by_target ? FRONT : BACK) == PACKET_FORWARD);
		EXPECT_ROW(way->why, r->state == FLOW_STATE_ESTABLISHED);
		EXPECT_ROW(way->why, pass(&w, 30000, asks) == 0 && w.nlb->flows.in_use == 1);
		/* The same again, but it is gone: its RST in answer is the last that is heard. */
		if (by_target)
			world_reply(&wp, &out.p, TCP_FLAG_RST | TCP_FLAG_ACK);
		else
			world_tcp(&wp, way->client, 4000, way->vip, way->port, TCP_FLAG_RST, 0);
		EXPECT_ROW(way->why,
			   world_send(&w, &wp, by_target ? BACK : FRONT) == PACKET_FORWARD);
		EXPECT_ROW(way->why, pass(&w, 8500, asks) == 1);
		answer_with(&wp, &asks[0], TCP_FLAG_RST);
		EXPECT_ROW(way->why,
			   world_send(&w, &wp, by_target ? FRONT : BACK) == PACKET_FORWARD);
		EXPECT_ROW(way->why, r->state == FLOW_STATE_RESET);
		EXPECT_ROW(way->why, pass(&w, NLB_RESET_MS + 1500, asks) == 0);
		EXPECT_ROW(way->why, w.nlb->flows.in_use == 0);
		world_end(&w);
	}
}

int
main(void)
{
	test_reset_is_asked_after();
	test_idle_flows_are_reset();
	test_nobody_answers();
	test_rst_in_answer();
	test_closing_target();
	test_other_states_and_protocols();
	test_no_burst();
	return unit_done();
}
