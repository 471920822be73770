/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_world.h"

#include "check.h"

#define CONFIG                                                                                  \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"                            \
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n"                       \
	"[listener lb:53]\nprotocol = UDP\ndefault_action = forward dns\n"                      \
	"[listener lb:54]\nprotocol = UDP\ndefault_action = forward keep\n"                     \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward tcp\n"                      \
	"[listener lb6:53]\nprotocol = UDP\ndefault_action = forward dns6\n"                    \
	"[target_group dns]\nprotocol = UDP\npreserve_client_ip.enabled = false\n"              \
	"target = 198.51.100.11:5353\n"                                                         \
	"[target_group keep]\nprotocol = UDP\ntarget = 198.51.100.11:5353\n"                    \
	"[target_group tcp]\nprotocol = TCP\ntarget = 198.51.100.11:8080\n"                     \
	"[target_group dns6]\nprotocol = UDP\npreserve_client_ip.enabled = false\n"             \
	"target = [2001:db8:2::11]:5353\n"

#define FRONT 0
#define BACK  1

#define DATA 2000
#define CUT  (5 * 8) /* bytes of all fragments but the last, so that there are some */

/* A packet as long as `data_len` says, whole. */
static void
make_whole(struct world_packet *wp, uint8_t proto, const char *src, uint16_t sport, const char *dst,
	   uint16_t dport, uint8_t flags, uint16_t data_len)
{
	uint8_t l4[20 + DATA] = {0};
	uint16_t header = proto == IPPROTO_TCP ? 20 : 8;

	bytes_store_be16(l4, sport);
	bytes_store_be16(l4 + 2, dport);
	if (proto == IPPROTO_TCP) {
		l4[TCP_OFF] = 5 << 4;
		l4[TCP_FLAGS] = flags;
	} else {
		bytes_store_be16(l4 + UDP_LEN, (uint16_t)(8 + data_len));
	}
	for (uint16_t i = 0; i < data_len; i++)
		l4[header + i] = (uint8_t)(i * 7);
	world_make(wp, proto, src, dst, l4, (uint16_t)(header + data_len));
}

/* Bytes `from` to `to` of what is behind the whole packet's IP header. */
static void
cut(struct world_packet *part, const struct world_packet *whole, uint16_t from, uint16_t to)
{
	const uint8_t *ip = whole->frame + 14;
	bool v4 = ip[0] >> 4 == 4;
	uint16_t header = v4 ? 20 : 40, len = (uint16_t)(whole->len - 14 - header);
	bool more = to < len;
	uint8_t *out = part->frame + 14;

	memset(part, 0, sizeof(*part));
	memcpy(part->frame, whole->frame, 14u + header);
	if (v4) {
		bytes_store_be16(out + IPV4_LEN, (uint16_t)(20 + to - from));
		bytes_store_be16(out + IPV4_FRAG, (uint16_t)(from / 8 | (more ? IPV4_MF : 0)));
		bytes_store16(out + IPV4_CHECKSUM, 0);
		bytes_store16(out + IPV4_CHECKSUM, checksum(out, 20));
	} else {
		bytes_store_be16(out + IPV6_PAYLOAD_LEN, (uint16_t)(8 + to - from));
		out[40] = out[IPV6_NEXT_HEADER];
		out[IPV6_NEXT_HEADER] = IPPROTO_FRAGMENT;
		bytes_store_be16(out + 42, (uint16_t)(from | (more ? 1 : 0)));
		header = 48;
	}
	memcpy(out + header, ip + (v4 ? 20 : 40) + from, (size_t)(to - from));
	part->len = (uint16_t)(14 + header + to - from);
}

/* Serve a fragment that has been told its ports. */
static enum packet_verdict
send_part(struct world *w, struct world_packet *wp, uint16_t interface, uint16_t sport,
	  uint16_t dport)
{
	struct packet_frame frame = {wp->frame, wp->len, wp->len, WORLD_ROOM};
	struct packet *p = &wp->p;
	struct packet_link link;

	EXPECT(packet_parse_link(&frame, &link) == DROP_NONE);
	p->interface = interface;
	EXPECT(packet_parse(&frame, &link, p) == DROP_NONE);
	EXPECT((p->flags & PACKET_FRAGMENT) != 0 && (p->flags & PACKET_HAS_PORTS) == 0);
	p->flags |= PACKET_PORTS_GIVEN;
	if ((p->flags & PACKET_FRAGMENT_LATER) != 0) {
		p->sport_be = htons(sport);
		p->dport_be = htons(dport);
	}
	nlb_burst(w->nlb, w->snapshot, &w->hops, &p, 1, w->now_ms);
	return (enum packet_verdict)p->verdict;
}

/* Put a served fragment where it belongs in the packet that its receiver gets. */
static void
put_together(struct world_packet *got, const struct packet *p)
{
	bool v4 = p->af == 4;
	uint16_t header = v4 ? 20 : 40, skip = v4 ? 20 : 48, len = (uint16_t)(p->len - skip);
	uint32_t from, to;

	packet_fragment_range(p, &from, &to);
	EXPECT(to - from == len);
	EXPECT(!v4 || checksum(p->l3, 20) == 0);
	EXPECT(p->l3[v4 ? IPV4_TTL : IPV6_HOP_LIMIT] == 63);
	memcpy(got->frame, p->l3, header);
	memcpy(got->frame + header + from, p->l3 + skip, len);
	if (got->len < header + to)
		got->len = (uint16_t)(header + to);
}

/* The whole of what was put together, with its checksum right: @return whether. */
static bool
is_whole(struct world_packet *got, uint8_t proto)
{
	got->frame[got->frame[0] >> 4 == 4 ? IPV4_PROTO : IPV6_NEXT_HEADER] = proto;
	return checksum_fold(world_l4_sum(got->frame, got->len)) == 0xffff;
}

/* The first fragment makes the flow; all go its way, and put together they are right; both ways. */
static void
test_datagrams(void)
{
	static const struct {
		const char *why, *client, *vip, *local, *target;
		uint16_t port;
	} rows[] = {
		{"full_nat IPv4", "192.0.2.99", "192.0.2.10", "198.51.100.1", "198.51.100.11", 53},
		{"nat IPv4", "192.0.2.99", "192.0.2.10", "192.0.2.99", "198.51.100.11", 54},
		{"full_nat IPv6", "2001:db8:1::99", "2001:db8:1::10", "2001:db8:2::1",
		 "2001:db8:2::11", 53},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct ip_addr local = world_addr(rows[i].local), vip = world_addr(rows[i].vip);
		struct ip_addr target = world_addr(rows[i].target);
		struct world_packet whole, part, got = {.len = 0};
		uint16_t lport = 0, end = 8 + DATA;
		struct world w;

		world_begin(&w, CONFIG, 1024, 1000);
		make_whole(&whole, IPPROTO_UDP, rows[i].client, 4000, rows[i].vip, rows[i].port, 0,
			   DATA);
		for (uint16_t at = 0; at < end; at = (uint16_t)(at + CUT)) {
			cut(&part, &whole, at, at + CUT < end ? (uint16_t)(at + CUT) : end);
			EXPECT_ROW(rows[i].why, send_part(&w, &part, FRONT, 4000, rows[i].port) ==
							PACKET_FORWARD);
			EXPECT_ROW(rows[i].why, ip_addr_equal(&part.p.src, &local) &&
							ip_addr_equal(&part.p.dst, &target));
			put_together(&got, &part.p);
			lport = ntohs(part.p.sport_be);
		}
		EXPECT_ROW(rows[i].why, is_whole(&got, IPPROTO_UDP));
		EXPECT_ROW(rows[i].why, w.nlb->flows.in_use == 1);
		EXPECT_ROW(rows[i].why, w.nlb->flows.records[0].packets == (end + CUT - 1u) / CUT);
		EXPECT_ROW(rows[i].why, w.nlb->flows.records[0].state == FLOW_STATE_NEW);

		memset(&got, 0, sizeof(got));
		make_whole(&whole, IPPROTO_UDP, rows[i].target, 5353, rows[i].local, lport, 0,
			   DATA);
		for (uint16_t at = 0; at < end; at = (uint16_t)(at + CUT)) {
			cut(&part, &whole, at, at + CUT < end ? (uint16_t)(at + CUT) : end);
			EXPECT_ROW(rows[i].why,
				   send_part(&w, &part, BACK, 5353, lport) == PACKET_FORWARD);
			EXPECT_ROW(rows[i].why, ip_addr_equal(&part.p.src, &vip));
			put_together(&got, &part.p);
		}
		EXPECT_ROW(rows[i].why, is_whole(&got, IPPROTO_UDP));
		EXPECT_ROW(rows[i].why, w.nlb->flows.records[0].state == FLOW_STATE_ESTABLISHED);
		world_end(&w);
	}
}

/* Segments in fragments, of a connection that is there. */
static void
test_segments(void)
{
	struct world_packet wp, whole, part, got = {.len = 0};
	struct world w;

	world_begin(&w, CONFIG, 1024, 1000);
	world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
	make_whole(&whole, IPPROTO_TCP, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK, 100);
	for (uint16_t at = 0; at < 120; at = (uint16_t)(at + CUT)) {
		cut(&part, &whole, at, (uint16_t)(at + CUT));
		EXPECT(send_part(&w, &part, FRONT, 4000, 80) == PACKET_FORWARD);
		put_together(&got, &part.p);
	}
	EXPECT(is_whole(&got, IPPROTO_TCP));
	/* A RST in the first one counts, and bytes of a later one that look like one don't. */
	make_whole(&whole, IPPROTO_TCP, "198.51.100.11", 8080, "198.51.100.1",
		   ntohs(w.nlb->flows.records[0].local_port_be), TCP_FLAG_RST | TCP_FLAG_ACK, 100);
	memset(whole.frame + 14 + 20 + 20, 0xff, 100);
	cut(&part, &whole, CUT, 2 * CUT);
	EXPECT(send_part(&w, &part, BACK, 8080, ntohs(w.nlb->flows.records[0].local_port_be)) ==
	       PACKET_FORWARD);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_NEW);
	cut(&part, &whole, 0, CUT);
	EXPECT(send_part(&w, &part, BACK, 0, 0) == PACKET_FORWARD);
	EXPECT(w.nlb->flows.records[0].state == FLOW_STATE_RESET);
	world_end(&w);
}

static void
test_refusals(void)
{
	static const struct {
		const char *why, *vip;
		uint8_t proto, flags;
		uint16_t port, from;
		enum drop_reason reason;
	} rows[] = {
		{"later, of no flow", "192.0.2.10", IPPROTO_UDP, 0, 53, CUT, DROP_NOT_A_FLOW},
		{"first, to no listener", "192.0.2.10", IPPROTO_UDP, 0, 99, 0, DROP_NO_LISTENER},
		{"first, a segment of no flow: no RST", "192.0.2.10", IPPROTO_TCP, TCP_FLAG_ACK, 80,
		 0, DROP_NOT_A_FLOW},
		{"first, where connections end", "192.0.2.10", IPPROTO_TCP, TCP_FLAG_ACK, 80, 0,
		 DROP_FRAGMENT_UNSUPPORTED},
		{"later, where connections end", "192.0.2.10", IPPROTO_TCP, TCP_FLAG_ACK, 80, CUT,
		 DROP_FRAGMENT_UNSUPPORTED},
	};

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct world_packet whole, part;
		struct world w;

		world_begin(&w, CONFIG, 1024, 1000);
		make_whole(&whole, rows[i].proto, "192.0.2.99", 4000, rows[i].vip, rows[i].port,
			   rows[i].flags, DATA);
		if (rows[i].reason == DROP_FRAGMENT_UNSUPPORTED) {
			struct ip_addr vip = world_addr(rows[i].vip);
			uint32_t f = snapshot_find_frontend(w.snapshot, &vip, htons(rows[i].port),
							    SNAPSHOT_TCP);

			w.snapshot->frontends[f].terminates = 1;
		}
		cut(&part, &whole, rows[i].from, (uint16_t)(rows[i].from + CUT));
		EXPECT_ROW(rows[i].why,
			   send_part(&w, &part, FRONT, 4000, rows[i].port) == PACKET_DROP);
		EXPECT_ROW(rows[i].why, part.p.drop == rows[i].reason);
		EXPECT_ROW(rows[i].why, w.nlb->flows.in_use == 0);
		world_end(&w);
	}
}

/* Of a flow that is being ended nothing goes on, nothing keeps it, and fragments get no RST. */
static void
test_ending(void)
{
	static const uint16_t froms[] = {0, CUT};

	for (size_t i = 0; i < ARRAY_N(froms); i++) {
		struct world_packet wp, whole, part;
		struct flow_record *r;
		struct world w;
		uint32_t seen_ms;

		world_begin(&w, CONFIG, 1024, 1000);
		world_tcp(&wp, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
		EXPECT(world_send(&w, &wp, FRONT) == PACKET_FORWARD);
		r = &w.nlb->flows.records[0];
		r->state = FLOW_STATE_TERMINATING;
		seen_ms = r->last_seen_ms;
		w.now_ms += 100;
		make_whole(&whole, IPPROTO_TCP, "192.0.2.99", 4000, "192.0.2.10", 80, TCP_FLAG_ACK,
			   100);
		cut(&part, &whole, froms[i], (uint16_t)(froms[i] + CUT));
		EXPECT(send_part(&w, &part, FRONT, 4000, 80) == PACKET_DROP);
		EXPECT(part.p.drop == DROP_NOT_A_FLOW && r->last_seen_ms == seen_ms);
		EXPECT((r->flags & (FLOW_FLAG_FIN_CLIENT | FLOW_FLAG_FIN_TARGET)) == 0);
		world_end(&w);
	}
}

int
main(void)
{
	test_ending();
	test_datagrams();
	test_segments();
	test_refusals();
	return unit_done();
}
