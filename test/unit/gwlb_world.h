/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct world with a gateway load balancer on its flow table, and an appliance that sends back.
 */
#ifndef GWLB_WORLD_H
#define GWLB_WORLD_H

#include "geneve.h"
#include "gwlb.h"
#include "nlb_world.h"

struct gworld {
	struct world w;
	struct gwlb *gwlb;
	void *mem;
};

static inline void
gworld_make(struct gworld *g)
{
	struct gwlb_settings settings = {.flows = &g->w.nlb->flows,
					 .steer = &g->w.nlb->steer,
					 .secret = &g->w.secret,
					 .counters = &g->w.counters};

	g->mem = world_zeroed(gwlb_bytes());
	g->gwlb = gwlb_create(g->mem, gwlb_bytes(), &settings);
}

static inline void
gworld_begin(struct gworld *g, const char *text, uint32_t max_flows, uint32_t now_ms)
{
	world_begin(&g->w, text, max_flows, now_ms);
	gworld_make(g);
	g->gwlb->swept_ms = now_ms;
}

static inline void
gworld_end(struct gworld *g)
{
	gwlb_flush(g->gwlb);
	EXPECT(g->gwlb->in_use == 0);
	gwlb_free(g->gwlb);
	world_end(&g->w);
	free(g->mem);
}

/* Parse the frame as it lies in its buffer. */
static inline bool
gworld_parse(struct world_packet *wp, uint16_t interface)
{
	struct packet_frame frame = {wp->frame, wp->len, wp->len, WORLD_ROOM};
	struct packet_link link;

	wp->p.interface = interface;
	return packet_parse_link(&frame, &link) == DROP_NONE &&
	       packet_parse(&frame, &link, &wp->p) == DROP_NONE;
}

/* Serve a packet that entered by `interface`. @return its verdict. */
static inline enum packet_verdict
gworld_send(struct gworld *g, struct world_packet *wp, uint16_t interface)
{
	struct packet *p = &wp->p;

	EXPECT(gworld_parse(wp, interface));
	gwlb_burst(g->gwlb, g->w.snapshot, &g->w.hops, &p, 1, g->w.now_ms);
	return (enum packet_verdict)p->verdict;
}

/*
 * What an appliance makes of the packet it was sent, as a frame in `back`: outer addresses swapped,
 * the rest of the outer header its own.
 */
static inline void
gworld_turn_round(const struct packet *sent, struct world_packet *back)
{
	uint8_t *ip = back->frame + 14, swap[16];
	size_t n = sent->af == 4 ? 4 : 16, at = sent->af == 4 ? IPV4_SRC : IPV6_SRC;

	memset(back, 0, sizeof(*back));
	bytes_store_be16(back->frame + 12, sent->af == 4 ? 0x0800 : 0x86dd);
	memcpy(ip, sent->l3, sent->len);
	memcpy(swap, ip + at, n);
	memcpy(ip + at, ip + at + n, n);
	memcpy(ip + at + n, swap, n);
	if (sent->af == 4) {
		ip[IPV4_TTL] = 2;
		bytes_store16(ip + IPV4_FRAG, 0);
		bytes_store16(ip + IPV4_CHECKSUM, 0);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20));
		bytes_store16(ip + 20 + UDP_CHECKSUM, 0x1234);
	} else {
		ip[IPV6_HOP_LIMIT] = 2;
	}
	back->len = (uint16_t)(sent->len + 14);
}

/* Serve a frame from an appliance. @return its verdict. */
static inline enum packet_verdict
gworld_receive(struct gworld *g, struct world_packet *back, uint16_t interface)
{
	struct packet *p = &back->p;

	EXPECT(gworld_parse(back, interface));
	p->flags |= PACKET_GENEVE;
	gwlb_burst(g->gwlb, g->w.snapshot, &g->w.hops, &p, 1, g->w.now_ms);
	return (enum packet_verdict)p->verdict;
}

/* The record that a packet in GENEVE names. */
static inline struct flow_gateway *
gworld_flow(struct gworld *g, const struct packet *sent)
{
	uint32_t cookie_be = 0;

	EXPECT(geneve_peek_cookie(sent, &cookie_be));
	return flow_gateway_of(&g->w.nlb->flows.records[gwlb_cookie_record(&g->gwlb->cookie_key,
									   ntohl(cookie_be))]);
}

#endif
