/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes back from appliances, with bytes overwritten, cut off and mixed by the input: a packet
 * goes on only if it still comes from its flow's appliance, with the flow's options, and carries a
 * packet between the flow's ends with the flow's ports; then it leaves by its own endpoint.
 * Everything else is dropped for a reason, and no flow is made or ended by it.
 *
 * Input: bytes of flow, length cut, number of patches, patches (where, what).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "gwlb_world.h"

#define FRONT 0
#define BACK  1
#define EAST  3
#define WEST  4
#define FLOWS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] =
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n"
	"[interface far]\ndevice = c\naddress = 203.0.113.1/24\naddress = 2001:db8:3::1/64\n"
	"[interface east]\ndevice = d\n[interface west]\ndevice = e\n"
	"[load_balancer lb]\ntype = gateway\n[load_balancer other]\ntype = gateway\n"
	"[listener lb]\ndefault_action = forward fleet\n"
	"[listener other]\ndefault_action = forward six\n"
	"[endpoint edge]\nload_balancer = lb\ninterface = front\ninterface = far\n"
	"[endpoint cable]\nload_balancer = other\ninterface = east\ninterface = west\n"
	"mode = in_line\n"
	"[target_group fleet]\nprotocol = GENEVE\ntarget = 198.51.100.11:6081\n"
	"target = 198.51.100.12:6081\n"
	"[target_group six]\nprotocol = GENEVE\ntarget = [2001:db8:2::11]:6081\n";

/* A packet as its appliance would send it back. */
struct answer {
	struct world_packet back;
	const struct flow_gateway *flow;
	bool in_line;
};

static struct gworld g;
static struct answer answers[FLOWS];

static void
make_answer(struct answer *a, struct world_packet *wp, uint16_t interface)
{
	CHECK(gworld_send(&g, wp, interface) == PACKET_FORWARD);
	a->flow = gworld_flow(&g, &wp->p);
	a->in_line = interface == EAST;
	gworld_turn_round(&wp->p, &a->back);
}

static void
begin(void)
{
	static const uint8_t echo[64] = {8};
	static struct world_packet wp;
	uint8_t icmp[8 + 32] = {ICMP_TIME_EXCEEDED};

	gworld_begin(&g, config, 64, 5000);
	world_udp(&wp, "192.0.2.99", 4000, "203.0.113.7", 53);
	memcpy(icmp + 8, wp.frame + 14, 32);
	make_answer(&answers[0], &wp, FRONT);
	world_tcp(&wp, "192.0.2.99", 4001, "203.0.113.7", 80, TCP_FLAG_SYN, 0);
	make_answer(&answers[1], &wp, FRONT);
	world_make(&wp, IPPROTO_ICMP, "192.0.2.99", "203.0.113.7", echo, sizeof(echo));
	make_answer(&answers[2], &wp, FRONT);
	world_udp(&wp, "2001:db8:1::99", 4000, "2001:db8:3::7", 53);
	make_answer(&answers[3], &wp, FRONT);
	world_make(&wp, IPPROTO_ICMP, "203.0.113.77", "192.0.2.99", icmp, sizeof(icmp));
	make_answer(&answers[4], &wp, FRONT);
	world_udp(&wp, "192.0.2.99", 4002, "192.0.2.98", 53);
	make_answer(&answers[5], &wp, EAST);
}

/* Whether the bytes carry a packet of the flow, judged without the code under test. */
static bool
is_between_ends(const struct packet *p, const struct flow_gateway *f)
{
	bool forth = ip_addr_equal(&p->src, &f->low) && ip_addr_equal(&p->dst, &f->high);
	bool back = ip_addr_equal(&p->src, &f->high) && ip_addr_equal(&p->dst, &f->low);

	if (p->proto != f->proto)
		/* An ICMP error: what it quotes is the flow's, and it goes to one end. */
		return (p->flags & PACKET_ICMP_ERROR) != 0 &&
		       (ip_addr_equal(&p->dst, &f->low) || ip_addr_equal(&p->dst, &f->high));
	if ((p->flags & PACKET_ICMP_ERROR) != 0)
		return true; /* about ICMP */
	if ((p->flags & PACKET_FRAGMENT_LATER) != 0)
		return forth || back;
	return (forth && p->sport_be == f->low_port_be && p->dport_be == f->high_port_be) ||
	       (back && p->sport_be == f->high_port_be && p->dport_be == f->low_port_be);
}

static void
check_forwarded(const struct packet *p, const uint8_t *frame)
{
	const uint8_t *ip = frame + 14;
	bool v4 = ip[0] >> 4 == 4;
	struct ip_addr src = v4 ? ip_addr_from_v4(ip + IPV4_SRC) : ip_addr_from_v6(ip + IPV6_SRC);
	const uint8_t *geneve = ip + (v4 ? (ip[0] & 15) * 4 : 40) + 8, *options_end;
	const struct snapshot_target *t;
	const struct flow_gateway *f = NULL;
	uint32_t cookie;

	CHECK(geneve[0] >> 6 == 0 && (geneve[1] & 0x80) == 0);
	options_end = geneve + 8 + (geneve[0] & 0x3f) * 4;
	memcpy(&cookie, options_end - 4, 4);
	/* The cookie is the last option unless one was put behind it. */
	for (int i = 0; i < FLOWS; i++) {
		for (const uint8_t *at = geneve + 8; at + 8 <= options_end; at += 4) {
			if (memcmp(at, "\x01\x08\x03", 3) == 0 && (at[3] & 0x1f) == 1 &&
			    memcmp(at + 4, &answers[i].flow->cookie_be, 4) == 0)
				f = answers[i].flow;
		}
	}
	CHECK(f != NULL);
	t = &g.w.snapshot->targets[ref_index(f->target)];
	CHECK(ip_addr_equal(&src, &t->addr));
	CHECK(is_between_ends(p, f));
	if (p->verdict == PACKET_LINK) {
		const struct gwlb_link *link = gwlb_link(g.gwlb, p->next_hop);

		CHECK(f == answers[5].flow);
		CHECK(link != NULL && (link->interface == EAST || link->interface == WEST));
	} else {
		CHECK(f != answers[5].flow);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	struct packet p, *packets = &p;
	struct packet_frame frame = {.headroom = WORLD_ROOM};
	struct packet_link link;
	const struct answer *a;
	uint8_t *mem, *wire, saved[512];
	uint16_t len;
	uint32_t before;
	size_t at = 2;

	if (!begun) {
		begin();
		begun = true;
	}
	if (size < 2)
		return 0;
	a = &answers[data[0] % FLOWS];
	len = a->back.len;
	if ((data[0] & 0x80) != 0 && data[1] < len)
		len = (uint16_t)(len - data[1]);
	mem = malloc(WORLD_ROOM + len);
	CHECK(mem != NULL);
	wire = mem + WORLD_ROOM;
	memcpy(wire, a->back.frame, len);
	for (; at + 2 <= size; at += 2) {
		if (data[at] < len && data[at] >= 14)
			wire[data[at]] = data[at + 1];
	}
	if (len >= 34 && wire[12] == 8 && (data[0] & 0x40) != 0) { /* not refused for this */
		size_t header = (size_t)(wire[14] & 15) * 4;

		if (header + 14 <= len) {
			bytes_store16(wire + 14 + IPV4_CHECKSUM, 0);
			bytes_store16(wire + 14 + IPV4_CHECKSUM, checksum(wire + 14, header));
		}
	}
	memcpy(saved, wire, len < sizeof(saved) ? len : sizeof(saved));
	frame.data = wire;
	frame.len = len;
	frame.total_len = len;
	p.interface = BACK;
	before = g.gwlb->in_use;
	if (packet_parse_link(&frame, &link) == DROP_NONE &&
	    packet_parse(&frame, &link, &p) == DROP_NONE && p.proto == IPPROTO_UDP &&
	    p.dport_be == htons(GENEVE_PORT) && (p.flags & PACKET_FRAGMENT) == 0) {
		p.flags |= PACKET_GENEVE;
		p.verdict = 0xff;
		gwlb_packet_slot(g.gwlb, g.w.snapshot, &p);
		gwlb_burst(g.gwlb, g.w.snapshot, &g.w.hops, &packets, 1, g.w.now_ms);
		CHECK(p.verdict == PACKET_DROP || p.verdict == PACKET_FORWARD ||
		      p.verdict == PACKET_LINK);
		if (p.verdict == PACKET_DROP)
			CHECK(p.drop > DROP_NONE && p.drop < DROP_REASONS);
		else
			check_forwarded(&p, saved);
	}
	CHECK(g.gwlb->in_use == before);
	free(mem);
	return 0;
}
