/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bursts of packets of clients, targets and routers, each with bytes overwritten by the input: what
 * is forwarded keeps its checksum's state (right stays right, wrong stays wrong), what weir builds
 * has right ones, every packet has a verdict, and flows and ports add up.  Targets' flows are to
 * end now and then: what weir sends then is well-formed, and never more than a few.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "nlb_world.h"

#define BURST_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] =
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n"
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\nsecurity_group = sg\n"
	"[security_group sg]\ninbound = tcp 80-81 192.0.2.0/25\ninbound = udp all 0.0.0.0/0\n"
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n"
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"
	"[listener lb:81]\nprotocol = TCP\ndefault_action = forward keep\n"
	"[listener lb:53]\nprotocol = UDP\ndefault_action = forward dns\n"
	"[listener lb6:80]\nprotocol = TCP\ndefault_action = forward web6\n"
	"[listener lb:82]\nprotocol = TCP\ndefault_action = forward proxied\n"
	"[listener lb6:54]\nprotocol = UDP\ndefault_action = forward proxied6\n"
	"[target_group proxied]\nprotocol = TCP\nproxy_protocol_v2.enabled = true\n"
	"target = 198.51.100.12:8080\n"
	"[target_group proxied6]\nprotocol = UDP\nproxy_protocol_v2.enabled = true\n"
	"target = [2001:db8:2::12]:53\n"
	"[target_group web]\nprotocol = TCP\ntarget = 198.51.100.11:8080\n"
	"[target_group keep]\nprotocol = TCP\npreserve_client_ip.enabled = true\n"
	"target = 198.51.100.21:80\ntarget = 198.51.100.22:80\n"
	"[target_group dns]\nprotocol = UDP\npreserve_client_ip.enabled = false\n"
	"target = 198.51.100.11:53\n"
	"[target_group web6]\nprotocol = TCP\ntarget = [2001:db8:2::11]:8080\n";

static const struct {
	const char *client, *vip;
	uint16_t port;
} ways[] = {
	{"192.0.2.99", "192.0.2.10", 80}, {"192.0.2.99", "192.0.2.10", 81},
	{"192.0.2.99", "192.0.2.10", 53}, {"2001:db8:1::99", "2001:db8:1::10", 80},
	{"192.0.2.99", "192.0.2.10", 82}, {"2001:db8:1::99", "2001:db8:1::10", 54},
};

/* A packet in memory of exactly its size, so that a sanitizer sees every byte too far. */
struct shot {
	uint8_t *mem;
	uint8_t frame[1024]; /* as it came */
	uint16_t frame_len;
	struct packet p;
	bool right; /* its checksum was, before */
};

struct input {
	const uint8_t *at, *end;
};

static uint8_t
next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static void
make_reply(struct world_packet *wp, const struct packet *last, struct input *in)
{
	if (last->proto == IPPROTO_TCP || last->proto == IPPROTO_UDP)
		world_reply(wp, last, next(in));
	else
		world_udp(wp, "192.0.2.99", 1, "192.0.2.10", 53);
}

/* An ICMP message about the last packet that was forwarded. */
static void
make_icmp(struct world_packet *wp, const struct packet *last, const uint8_t *last_ip,
	  struct input *in)
{
	uint8_t icmp[8 + 128] = {0};
	char dst[IP_ADDR_TEXT_MAX];
	uint16_t quote = next(in) % 128;
	bool v4 = last->af == 4;

	icmp[0] = next(in);
	icmp[1] = next(in);
	icmp[7] = next(in);
	memcpy(icmp + 8, last_ip, quote);
	world_make(wp, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, v4 ? "203.0.113.7" : "2001:db8:9::7",
		   ip_addr_format(&last->src, dst), icmp, (uint16_t)(8 + quote));
}

/* The numbers that answer a reply of world_reply(): so that handshakes complete. */
static void
make_answer(struct world_packet *wp)
{
	uint8_t *ip = wp->frame + 14, *tcp = ip + ((ip[0] >> 4) == 4 ? 20 : 40);
	uint16_t len = (uint16_t)(wp->len - 14);

	bytes_store_be32(tcp + TCP_SEQ, 2000);
	bytes_store_be32(tcp + TCP_ACK, 1001);
	bytes_store16(tcp + TCP_CHECKSUM, 0);
	bytes_store16(tcp + TCP_CHECKSUM, (uint16_t)~checksum_fold(world_l4_sum(ip, len)));
}

static void
make_packet(struct world_packet *wp, const struct packet *last, const uint8_t *last_ip,
	    struct input *in)
{
	uint8_t kind = next(in), way = next(in) % ARRAY_N(ways);
	uint16_t sport = (uint16_t)(2000 + next(in) % 4);
	uint8_t *ip = wp->frame + 14;

	if (kind % 4 == 1 && last->af != 0)
		make_reply(wp, last, in);
	else if (kind % 4 == 2 && last->af != 0)
		make_icmp(wp, last, last_ip, in);
	else if (ways[way].port < 80)
		world_udp(wp, ways[way].client, sport, ways[way].vip, ways[way].port);
	else
		world_tcp(wp, ways[way].client, sport, ways[way].vip, ways[way].port, next(in),
			  next(in));
	if ((kind & 16) != 0 && kind % 4 == 0 && ways[way].port >= 80)
		make_answer(wp);
	for (uint8_t patches = next(in) % 8; patches > 0; patches--) {
		uint16_t at = (uint16_t)(next(in) % 128);

		if (at < wp->len)
			wp->frame[at] = next(in);
	}
	if ((kind & 4) != 0 && wp->frame[12] == 8) { /* so that it is not refused for this */
		size_t len = (size_t)(ip[0] & 15) * 4;

		bytes_store16(ip + IPV4_CHECKSUM, 0);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, len));
	}
	if ((kind & 8) != 0 && wp->len > 20)
		wp->len = (uint16_t)(wp->len - next(in) % 20);
}

/* As far as the parser found it whole. */
static bool
l4_is_right(const struct packet *p)
{
	size_t addr_len = p->af == 4 ? 4 : 16;
	const uint8_t *addrs = p->l3 + (p->af == 4 ? IPV4_SRC : IPV6_SRC);
	uint16_t len = (uint16_t)(p->len - p->l4_off);
	uint64_t sum = 0;

	if (p->proto == IPPROTO_UDP && bytes_load16(packet_l4(p) + UDP_CHECKSUM) == 0)
		return true;
	if (p->proto != IPPROTO_ICMP)
		sum = checksum_pseudo(addrs, addrs + addr_len, addr_len, p->proto, len);
	return checksum_fold(checksum_add(sum, packet_l4(p), len)) == 0xffff;
}

static void
check_served(const struct shot *shot)
{
	const struct packet *p = &shot->p;

	CHECK(p->verdict == PACKET_DROP || p->verdict == PACKET_FORWARD);
	if (p->verdict == PACKET_DROP) {
		CHECK(p->drop > DROP_NONE && p->drop < DROP_REASONS);
		return;
	}
	CHECK(p->af != 4 || checksum(p->l3, (size_t)(p->l3[0] & 15) * 4) == 0);
	CHECK(p->l3[p->af == 4 ? IPV4_TTL : IPV6_HOP_LIMIT] > 0);
	if ((p->flags & PACKET_FRAGMENT_LATER) != 0)
		return; /* the rest of a sum that the first one has */
	CHECK(l4_is_right(p) == (shot->right || (p->flags & PACKET_REPLY) != 0));
}

static void
serve(struct world *w, struct shot *shots, uint16_t n)
{
	struct packet *packets[BURST_MAX];
	struct world_plain plain;

	if (n == 0)
		return;
	/* The first packet sees the flows as they were: the short way has to agree about it. */
	world_plain_try(w, &plain, shots[0].frame, shots[0].frame_len);
	for (uint16_t i = 0; i < n; i++) {
		packets[i] = &shots[i].p;
		packets[i]->verdict = 0xff;
	}
	nlb_burst(w->nlb, w->snapshot, &w->hops, packets, n, w->now_ms);
	CHECK(world_plain_agrees(w, &plain, shots[0].frame, shots[0].frame_len, packets[0]));
	for (uint16_t i = 0; i < n; i++)
		check_served(&shots[i]);
}

static void
check_sums(const struct world *w)
{
	uint64_t flows = 0;
	struct nlb_gauges g;

	nlb_gauges(w->nlb, &g);
	for (uint32_t i = 0; i < w->snapshot->frontends_n; i++)
		flows += w->counters.frontends[i].new_flows - w->counters.frontends[i].closed_flows;
	CHECK(flows == g.flows && g.ports <= g.flows);
}

/* The input's byte says which target's flows are to end, if any. */
static void
end_flows(struct world *w, uint8_t byte)
{
	struct nlb_segment segments[NLB_SEGMENTS];
	uint16_t n;

	for (uint32_t i = 1; i < w->snapshot->targets_n; i++) {
		w->snapshot->targets[i].closing = byte % 8 == 7 && byte / 8 % 4 == i % 4;
		w->snapshot->targets[i].closing_ms = w->now_ms;
	}
	nlb_sweep(w->nlb, w->snapshot, w->now_ms);
	n = nlb_take_segments(w->nlb, segments);
	CHECK(n <= NLB_SEGMENTS);
	for (uint16_t i = 0; i < n; i++) {
		uint8_t ip[NLB_SEGMENT_MAX];
		uint16_t len = nlb_segment_write(&segments[i], ip);

		CHECK(len == (ip[0] >> 4 == 4 ? 40 : 60));
		CHECK(checksum_fold(world_l4_sum(ip, len)) == 0xffff);
	}
}

/* @return  false when the parser refuses it. */
static bool
load(struct world *w, struct shot *shot, const struct world_packet *wp, uint16_t interface)
{
	struct packet_frame frame = {.len = wp->len, .total_len = wp->len, .headroom = WORLD_ROOM};
	struct packet_link link;

	shot->mem = malloc(WORLD_ROOM + wp->len);
	CHECK(shot->mem != NULL);
	frame.data = shot->mem + WORLD_ROOM;
	memcpy(frame.data, wp->frame, wp->len);
	shot->p.interface = interface;
	if (packet_parse_link(&frame, &link) != DROP_NONE ||
	    packet_parse(&frame, &link, &shot->p) != DROP_NONE || shot->p.af == 0) {
		struct world_plain plain;

		world_plain_try(w, &plain, wp->frame, wp->len);
		CHECK(world_plain_agrees(w, &plain, wp->frame, wp->len, NULL));
		free(shot->mem);
		return false;
	}
	if ((shot->p.flags & PACKET_FRAGMENT) != 0 && (wp->len & 1) != 0) { /* as its keeper does */
		shot->p.flags |= PACKET_PORTS_GIVEN;
		if ((shot->p.flags & PACKET_FRAGMENT_LATER) != 0) {
			shot->p.sport_be = htons(2000);
			shot->p.dport_be = htons(53);
		}
	}
	memcpy(shot->frame, wp->frame, wp->len);
	shot->frame_len = wp->len;
	shot->right = (shot->p.flags & PACKET_FRAGMENT_LATER) != 0 || l4_is_right(&shot->p);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	static bool begun;
	struct input in = {data, data + size};
	struct packet last = {0};
	uint8_t last_ip[256] = {0}, end_byte;

	if (!begun) {
		world_begin(&w, config, 64, UINT32_MAX - 10000);
		begun = true;
	}
	while (in.at < in.end) {
		struct shot shots[BURST_MAX];
		uint16_t n = 0;

		for (uint8_t wanted = next(&in) % BURST_MAX; n <= wanted && in.at < in.end;) {
			struct world_packet wp;

			make_packet(&wp, &last, last_ip, &in);
			if (load(&w, &shots[n], &wp, n % 2))
				n++;
			else
				wanted = 0;
			if (n == BURST_MAX)
				break;
		}
		serve(&w, shots, n);
		check_sums(&w);
		for (uint16_t i = 0; i < n; i++) {
			const struct packet *p = &shots[i].p;

			if (p->verdict == PACKET_FORWARD && (p->flags & PACKET_REPLY) == 0) {
				last = *p;
				memcpy(last_ip, p->l3, p->len < 256 ? p->len : 256);
			}
			free(shots[i].mem);
		}
		end_byte = next(&in);
		w.now_ms += end_byte * 100u;
		end_flows(&w, end_byte);
	}
	end_flows(&w, 0);
	nlb_flush(w.nlb);
	check_sums(&w);
	return 0;
}
