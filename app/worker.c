/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "bytes.h"
#include "nlb_plain.h"
#include "packet_parse.h"
#include "capture.h"
#include "crypto.h"
#include "icmp.h"
#include "steer.h"
#include "steering.h"
#include "wire.h"
#include "worker_fragment.h"
#include "worker_gateway.h"
#include "worker_io.h"
#include "worker_tcp.h"

#define BURST         PORT_BURST
#define PROBE_TICK_MS 10
#define RSS_SAMPLE    64 /* bursts, of one packet each whose RSS hash is compared */

/* Out: other workers, the management core, ports. */

static void
flush_peer(struct worker *w, uint16_t peer)
{
	struct rte_ring *ring = w->dp->between[w->index][peer];
	uint16_t n = w->out_n[peer];
	unsigned sent = rte_ring_sp_enqueue_burst(ring, (void **)w->out[peer], n, NULL);

	idle_ring(&w->dp->workers[peer]->idle);
	w->counters.handed_over += sent;
	for (unsigned i = sent; i < n; i++)
		drop(w, w->out[peer][i], DROP_WORKER_RING_FULL);
	w->out_n[peer] = 0;
}

void
worker_pass_to_peer(struct worker *w, uint16_t peer, struct rte_mbuf *m,
		    enum worker_packet_kind kind)
{
	m->hash.usr = kind;
	w->out[peer][w->out_n[peer]++] = m;
	if (w->out_n[peer] == BURST)
		flush_peer(w, peer);
}

static void
pass_to_management(struct worker *w, struct rte_mbuf *m, enum worker_packet_kind kind)
{
	m->hash.usr = kind;
	if (rte_ring_sp_enqueue(w->to_management, m) != 0) {
		drop(w, m, DROP_MANAGEMENT_RING_FULL);
		return;
	}
	w->counters.to_management++;
	w->wake_pending = true;
}

static void
flush_port(struct worker *w, const struct port *port)
{
	uint16_t n = w->tx_n[port->index];
	uint16_t queue = w->tx_queue[port->index];
	uint16_t sent = 0;

	/* A virtual device may take only part of a burst when its ring is busy. */
	for (int tries = 0; sent < n && tries < 4; tries++) {
		uint16_t taken =
			port_tx(port, queue, w->tx[port->index] + sent, (uint16_t)(n - sent));

		sent += taken;
		w->counters.transmitted += taken;
		/* One frame that a driver can't prepare must not take those behind it along. */
		if (unlikely(taken == 0 && port->offloads.tcp_checksum)) {
			drop(w, w->tx[port->index][sent++], DROP_TX_FULL);
			tries--;
		}
	}
	for (uint16_t i = sent; i < n; i++)
		drop(w, w->tx[port->index][i], DROP_TX_FULL);
	w->tx_n[port->index] = 0;
}

/* `m` is a complete frame. */
void
worker_transmit_frame(struct worker *w, const struct port *port, struct rte_mbuf *m)
{
	uint16_t index = port->index, owner = w->tx_owner[index];
	uint16_t n = w->tx_n[index];

	if (unlikely(owner != w->index)) {
		m->port = index;
		worker_pass_to_peer(w, owner, m, WORKER_PACKET_TRANSMIT);
		return;
	}
	w->tx[index][n++] = m;
	w->tx_n[index] = n;
	if (n == BURST)
		flush_port(w, port);
}

/* Let the buffer begin at p->l3 - `in_front` and end with the IP packet. */
bool
worker_fit_buffer(struct rte_mbuf *m, const struct packet *p, uint16_t in_front)
{
	uint8_t *old_start = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t *start = p->l3 - in_front;
	uint32_t len = (uint32_t)in_front + p->len;
	int grow = (int)(old_start - start);

	m->data_off = (uint16_t)(m->data_off - grow);
	m->data_len = (uint16_t)(m->data_len + grow);
	m->pkt_len = (uint32_t)((int)m->pkt_len + grow);
	if (m->pkt_len > len)
		return rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - len)) == 0 ||
		       rte_pktmbuf_linearize(m) == 0;
	return m->pkt_len == len;
}

/* Let a buffer of one segment begin with room for the link header and end with the IP packet. */
static inline void
fit_segment(struct rte_mbuf *m, const uint8_t *l3, uint16_t len, uint16_t l2_len)
{
	m->data_off = (uint16_t)(l3 - l2_len - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(l2_len + len);
	m->pkt_len = m->data_len;
}

static inline bool
fit_frame(struct rte_mbuf *m, const struct packet *p, uint16_t l2_len)
{
	if (unlikely(m->nb_segs != 1 || p->contiguous != p->len))
		return worker_fit_buffer(m, p, l2_len);
	fit_segment(m, p->l3, p->len, l2_len);
	return true;
}

/* What the port is to do for a segment of weir's own; nobody else sets them. */
#define TX_OFFLOADS                                                         \
	(RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_IP_CKSUM | \
	 RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)

static inline void
write_l2(struct rte_mbuf *m, const struct next_hop *hop, uint16_t l2_len)
{
	uint8_t *l2 = rte_pktmbuf_mtod(m, uint8_t *);

	m->ol_flags &= TX_OFFLOADS;
	if (unlikely(m->ol_flags != 0))
		m->l2_len = l2_len;
	if (likely(hop->l2_len == ETHER_LEN)) {
		memcpy(l2, hop->l2, ETHER_LEN);
	} else if (l2_len == hop->l2_len) {
		memcpy(l2, hop->l2, ETHER_LEN + VLAN_LEN);
	} else {
		/* The port inserts the tag. */
		memcpy(l2, hop->l2, 12);
		memcpy(l2 + 12, hop->l2 + ETHER_LEN + VLAN_LEN - 2, 2);
		m->vlan_tci = bytes_load_be16(hop->l2 + 14);
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
	}
}

/*
 * Send by the next hop, or drop.
 * @return  false when the next hop changed meanwhile or is none; the packet is the caller's still.
 */
static inline bool
transmit(struct worker *w, struct packet *p, uint32_t reference)
{
	uint32_t version;
	struct next_hop *hop = next_hop_begin(&w->dp->hops, reference, &version);
	struct interface_counters *counters;
	struct rte_mbuf *m = p->buf;
	const struct port *port;
	uint16_t l2_len;

	if (unlikely(hop == NULL))
		return false;
	port = ports_of(w)->ports[hop->port];
	counters = &w->counters.interfaces[hop->interface];
	l2_len = port->vlan_insert ? ETHER_LEN : hop->l2_len;
	if (unlikely(!fit_frame(m, p, l2_len))) {
		drop(w, m, DROP_TX_UNSUPPORTED);
		return true;
	}
	write_l2(m, hop, l2_len);
	if (unlikely(!next_hop_is_unchanged(hop, version)))
		return false;
	if (unlikely(!atomic_load_explicit(&port->link_up, memory_order_relaxed))) {
		drop(w, m, DROP_LINK_DOWN);
		return true;
	}
	if (unlikely(m->nb_segs > 1 && !port->multi_segs && rte_pktmbuf_linearize(m) != 0)) {
		drop(w, m, DROP_TX_UNSUPPORTED);
		return true;
	}
	counters->tx_packets++;
	counters->tx_bytes += p->len;
	worker_transmit_frame(w, port, m);
	return true;
}

/* The service left the next hop open: find it by route, or let the management core resolve it. */
static __attribute__((noinline)) void
forward_by_route(struct worker *w, struct packet *p)
{
	const struct route *route = route_lookup(w->snapshot->routes, &p->dst);
	uint32_t reference = 0;

	if (route != NULL)
		reference = next_hop_find(&w->dp->hops, route->interface,
					  route_next_addr(route, &p->dst));
	if (transmit(w, p, reference))
		return;
	if (!worker_fit_buffer(p->buf, p, 0))
		drop(w, p->buf, DROP_TX_UNSUPPORTED);
	else
		pass_to_management(w, p->buf, WORKER_PACKET_RESOLVE);
}

static inline void
forward(struct worker *w, struct packet *p)
{
	if (unlikely(!transmit(w, p, p->next_hop)))
		forward_by_route(w, p);
}

/* In: parse, classify, find the owner. */

static bool
is_icmp(const struct packet *p)
{
	return p->proto == (p->af == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static bool
is_neighbor_discovery(const struct packet *p)
{
	uint8_t type;

	if (p->af != 6 || p->proto != IPPROTO_ICMPV6 || (p->flags & PACKET_FRAGMENT) != 0)
		return false;
	type = packet_l4(p)[ICMP_TYPE];
	return type >= ICMPV6_ROUTER_SOLICIT && type <= ICMPV6_NEIGHBOR_ADVERT;
}

/* Echo requests for an address of ours are answered here. */
static void
answer_echo(struct worker *w, struct packet *p, const struct snapshot_address *own)
{
	uint8_t want = p->af == 4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST;

	if (packet_l4(p)[ICMP_TYPE] != want) {
		packet_drop(p, DROP_ICMP_UNWANTED);
	} else if (own->icmp_sources != NULL && route_lookup(own->icmp_sources, &p->src) == NULL) {
		w->counters.frontends[own->frontend].blocked_in_icmp++;
		packet_drop(p, DROP_SECURITY_GROUP);
	} else if (!icmp_limit_take(&w->icmp_limit, w->now_ms)) {
		packet_drop(p, DROP_ICMP_RATE_LIMITED);
	} else {
		icmp_echo_reply(p);
	}
}

enum classified { CLASSIFIED_DONE, CLASSIFIED_SERVICE };

/* @return  whether the packet was another worker's and has been passed on. */
static bool
is_passed_on(struct worker *w, struct packet *p, enum worker_packet_kind kind)
{
	uint16_t owner;

	p->slot = steer_packet_slot(&w->nlb->steer, w->snapshot, p);
	owner = steer_owner(w->snapshot, p->slot);
	if (owner == w->index)
		return false;
	worker_pass_to_peer(w, owner, p->buf, kind);
	p->verdict = PACKET_KEPT;
	return true;
}

/* Of a flow, or of an own address where flows may be. */
static enum classified
classify_fragment(struct worker *w, struct packet *p, const struct snapshot_address *own, bool mine)
{
	if ((p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) ||
	    (own != NULL && own->kind == SNAPSHOT_ADDRESS_OWN && !own->is_local)) {
		packet_drop(p, DROP_FRAGMENT_UNSUPPORTED);
		return CLASSIFIED_DONE;
	}
	switch (worker_fragment_classify(w, p, 0, mine, &worker_fragment_strict_ops)) {
	case WORKER_FRAGMENT_PORTS:
		break;
	case WORKER_FRAGMENT_GONE:
		p->verdict = PACKET_KEPT;
		return CLASSIFIED_DONE;
	case WORKER_FRAGMENT_DONE:
		return CLASSIFIED_DONE;
	}
	return is_passed_on(w, p, WORKER_PACKET_PORTS) ? CLASSIFIED_DONE : CLASSIFIED_SERVICE;
}

/* Neither TCP nor UDP, or a fragment. */
static __attribute__((noinline)) enum classified
classify_other(struct worker *w, struct packet *p, bool mine)
{
	const struct snapshot_address *own;

	p->verdict = PACKET_HOST;
	if (p->af == 0 || is_neighbor_discovery(p))
		return CLASSIFIED_DONE;
	if (snapshot_find_address(w->snapshot, &p->src) != NULL) {
		packet_drop(p, DROP_IP_SOURCE_SPOOFED);
		return CLASSIFIED_DONE;
	}
	own = snapshot_find_address(w->snapshot, &p->dst);
	if (own == NULL) {
		if (ip_addr_is_multicast(&p->dst) || ip_addr_is_link_local(&p->dst) ||
		    (p->af == 4 && p->dst.b[15] == 255 && p->dst.b[12] == 255)) {
			packet_drop(p, DROP_IP_MULTICAST);
			return CLASSIFIED_DONE;
		}
	}
	if ((p->flags & PACKET_FRAGMENT) != 0)
		return classify_fragment(w, p, own, mine);
	if (own == NULL)
		return CLASSIFIED_SERVICE; /* a reply to a preserved client address, or transit */
	if (is_icmp(p) && (p->flags & PACKET_ICMP_ERROR) == 0) {
		answer_echo(w, p, own);
		return CLASSIFIED_DONE;
	}
	if (own->kind == SNAPSHOT_ADDRESS_OWN && !own->is_local) {
		packet_drop(p, DROP_HOST_UNWANTED);
		return CLASSIFIED_DONE;
	}
	if (!is_icmp(p)) {
		packet_drop(p, DROP_PROTOCOL_UNSUPPORTED);
		return CLASSIFIED_DONE;
	}
	return CLASSIFIED_SERVICE;
}

/* Decide what a parsed packet is for.  Sets the verdict unless a service must. */
static inline enum classified
classify(struct worker *w, struct packet *p, bool mine)
{
	/* TCP and UDP: the service finds the flow, and if there is none, the reason. */
	if (likely((p->flags & PACKET_HAS_PORTS) != 0))
		return CLASSIFIED_SERVICE;
	return classify_other(w, p, mine);
}

/* Where frames come in: what packets of one interface have in common. */
struct ingress {
	uint32_t port_vlan; /* DPDK port id and VLAN */
	uint16_t interface;
	bool in_line;
	bool passed_on; /* frames that the worker which received them has counted */
	uint64_t mac;   /* the first 6 bytes of memory; 0 behind them */
	uint32_t packets, bytes;
};

#define INGRESS_NONE UINT32_MAX
#define MAC_MASK     0xffffffffffff /* of the first 6 bytes of a word; little endian */

static void
count_ingress(struct worker *w, struct ingress *in)
{
	if (in->packets == 0 || in->passed_on)
		return;
	w->counters.interfaces[in->interface].rx_packets += in->packets;
	w->counters.interfaces[in->interface].rx_bytes += in->bytes;
	in->packets = 0;
	in->bytes = 0;
}

/* @return  false when the port has no such VLAN. */
static __attribute__((noinline)) bool
change_ingress(struct worker *w, struct ingress *in, uint16_t port_id, uint16_t vlan)
{
	const struct port_map *ports = ports_of(w);
	const struct port *port = ports->ports[ports->index_of[port_id]];

	count_ingress(w, in);
	in->port_vlan = INGRESS_NONE;
	in->interface = port->interface_of_vlan[vlan];
	if (in->interface == PORT_NO_INTERFACE)
		return false;
	in->port_vlan = (uint32_t)port_id << 16 | vlan;
	in->in_line = w->snapshot->interfaces[in->interface].in_line;
	in->mac = 0;
	memcpy(&in->mac, w->snapshot->interfaces[in->interface].mac, 6);
	return true;
}

static inline bool
mac_is_ours(const uint8_t *dst, uint64_t mac)
{
	uint64_t word;

	memcpy(&word, dst, 8); /* a frame has 14 bytes */
	return (word & MAC_MASK) == mac || (dst[0] & 1) != 0;
}

/* Fill `p` from a received frame. */
static inline enum drop_reason
parse(struct worker *w, struct ingress *in, struct rte_mbuf *m, struct packet *p)
{
	struct packet_frame frame = {.data = rte_pktmbuf_mtod(m, uint8_t *),
				     .len = rte_pktmbuf_data_len(m),
				     .total_len = rte_pktmbuf_pkt_len(m),
				     .headroom = rte_pktmbuf_headroom(m)};
	enum drop_reason reason;
	struct packet_link link;

	p->buf = m;
	reason = packet_parse_link(&frame, &link);
	if (unlikely(reason != DROP_NONE))
		return reason;
	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0))
		link.vlan = m->vlan_tci & 0xfff;
	if (unlikely(in->port_vlan != ((uint32_t)m->port << 16 | link.vlan)) &&
	    !change_ingress(w, in, m->port, link.vlan))
		return DROP_VLAN_UNKNOWN;
	p->interface = in->interface;
	in->packets++;
	in->bytes += frame.total_len;
	if (unlikely(in->in_line))
		return worker_wire_parse(&(struct packet_frame){frame.data, frame.len,
								frame.total_len, frame.headroom},
					 &(struct packet_link){link.dst_mac, link.src_mac,
							       link.vlan, link.ethertype,
							       link.l2_len},
					 p);
	if (unlikely(!mac_is_ours(link.dst_mac, in->mac)))
		return DROP_MAC_NOT_OURS;
	return packet_parse(&frame, &link, p);
}

/* Of a connection of the worker's own: a TCP health check's, or the engine's. */
static void
take_in(struct worker *w, struct packet *p)
{
	if (!prober_input(w->prober, p)) {
		worker_tcp_input(w, p);
		return;
	}
	rte_pktmbuf_free(p->buf);
	w->counters.consumed++;
}

static __attribute__((noinline)) void
finish(struct worker *w, struct packet *p)
{
	switch ((enum packet_verdict)p->verdict) {
	case PACKET_FORWARD:
		forward(w, p);
		break;
	case PACKET_HOST:
		pass_to_management(w, p->buf, WORKER_PACKET_HOST);
		break;
	case PACKET_DROP:
		drop(w, p->buf, (enum drop_reason)p->drop);
		break;
	case PACKET_ENDPOINT:
		take_in(w, p);
		break;
	case PACKET_LINK:
		worker_gateway_link(w, p);
		break;
	case PACKET_KEPT:
		break;
	}
}

/* Capture. */

static void
capture_received(struct capture *capture, const struct worker *w, const struct packet *p)
{
	capture_packet(capture, w->index, p, p->interface, w->now_us, CAPTURE_RX);
}

static uint16_t
egress_interface(const struct worker *w, const struct packet *p)
{
	const struct gwlb_link *link;
	const struct route *route;
	struct next_hop_copy hop;

	if (p->verdict == PACKET_LINK) {
		link = gwlb_link(w->gwlb, p->next_hop);
		return link == NULL ? p->interface : link->interface;
	}
	if (next_hop_read(&w->dp->hops, p->next_hop, &hop))
		return hop.interface;
	route = route_lookup(w->snapshot->routes, &p->dst);
	return route == NULL ? p->interface : route->interface;
}

static void
capture_sent(struct capture *capture, const struct worker *w, const struct packet *p)
{
	if (p->verdict == PACKET_FORWARD || (p->verdict == PACKET_LINK && p->af != 0))
		capture_packet(capture, w->index, p, egress_interface(w, p), w->now_us, CAPTURE_TX);
}

/*
 * Handle received frames.  `mine` is set for those another worker passed on: their owner has been
 * found already.
 */
static void
process(struct worker *w, struct rte_mbuf **bufs, uint16_t n, bool mine)
{
	struct capture *capture = atomic_load_explicit(&w->dp->capture, memory_order_acquire);
	bool may_be_others = w->dp->workers_n > 1 && !mine;
	bool has_endpoints = w->snapshot->has_endpoints;
	struct packet packets[BURST], *service[BURST], *gateway[BURST];
	struct ingress in = {.port_vlan = INGRESS_NONE, .passed_on = mine};
	uint16_t service_n = 0, gateway_n = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct packet *p = &packets[i];
		struct rte_mbuf *m = bufs[i];
		enum drop_reason reason;

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(bufs[i + 4], void *));
		reason = parse(w, &in, m, p);
		if (unlikely(reason != DROP_NONE)) {
			packet_drop(p, reason);
			continue;
		}
		if (has_endpoints) {
			enum worker_gateway_class class = worker_gateway_classify(w, p, mine);

			if (class == WORKER_GATEWAY_GONE)
				p->verdict = PACKET_KEPT;
			if (class == WORKER_GATEWAY_SERVE) {
				if (unlikely(capture != NULL))
					capture_received(capture, w, p);
				gateway[gateway_n++] = p;
			}
			if (class != WORKER_GATEWAY_NOT)
				continue;
		}
		if (unlikely(classify(w, p, mine) == CLASSIFIED_DONE))
			continue;
		if (may_be_others && is_passed_on(w, p, WORKER_PACKET_OWNER))
			continue;
		if (unlikely(capture != NULL))
			capture_received(capture, w, p);
		service[service_n++] = p;
	}
	count_ingress(w, &in);
	if (service_n > 0)
		nlb_burst(w->nlb, w->snapshot, &w->dp->hops, service, service_n, w->now_ms);
	if (gateway_n > 0)
		gwlb_burst(w->gwlb, w->snapshot, &w->dp->hops, gateway, gateway_n, w->now_ms);
	for (uint16_t i = 0; i < n; i++) {
		struct packet *p = &packets[i];

		if (unlikely(capture != NULL))
			capture_sent(capture, w, p);
		if (likely(p->verdict == PACKET_FORWARD))
			forward(w, p);
		else
			finish(w, p);
	}
}

void
worker_send(struct worker *w, struct packet *p)
{
	struct capture *capture = atomic_load_explicit(&w->dp->capture, memory_order_acquire);

	if (unlikely(capture != NULL))
		capture_sent(capture, w, p);
	forward(w, p);
}

/* @return  whether the frame may be served the short way: it is for us, in one piece, IP. */
static inline bool
may_be_plain(struct worker *w, struct ingress *in, const struct rte_mbuf *m, struct nlb_plain *p)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t type;

	if (unlikely(m->nb_segs != 1 || m->data_len < ETHER_LEN + IPV4_MIN_LEN ||
		     (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 ||
		     m->data_off + ETHER_LEN < PACKET_LINK_MAX))
		return false;
	if (unlikely(in->port_vlan != (uint32_t)m->port << 16) &&
	    !change_ingress(w, in, m->port, 0))
		return false;
	if (unlikely((bytes_load64(d) & MAC_MASK) != in->mac || in->in_line))
		return false;
	type = bytes_load16(d + 12);
	p->l3 = d + ETHER_LEN;
	p->room = (uint16_t)(m->data_len - ETHER_LEN);
	p->af = 6;
	if (likely(type == htons(ETHERTYPE_IPV4)))
		p->af = 4;
	return likely(p->af == 4) || type == htons(ETHERTYPE_IPV6);
}

/* The packet is served; it may have come by another interface than the burst's last. */
static inline void
count_plain(struct worker *w, struct ingress *in, const struct rte_mbuf *m)
{
	if (unlikely(in->port_vlan != (uint32_t)m->port << 16))
		change_ingress(w, in, m->port, 0);
	in->packets++;
	in->bytes += m->data_len;
}

/* A packet that was rewritten and can't be sent as it should: by route, as if found so late. */
static __attribute__((noinline)) void
forward_late(struct worker *w, struct rte_mbuf *m, const struct nlb_plain *plain)
{
	struct packet p = {.buf = m,
			   .l3 = plain->l3,
			   .len = plain->len,
			   .contiguous = plain->len,
			   .af = plain->af};

	p.dst = p.af == 4 ? ip_addr_from_v4(p.l3 + IPV4_DST) : ip_addr_from_v6(p.l3 + IPV6_DST);
	forward(w, &p);
}

/* Where packets of the short way leave: what those for one port have in common. */
struct egress {
	const struct port *port; /* NULL: none yet */
	uint16_t index;          /* next_hop.port */
	bool direct;             /* its queue is this worker's, and its link is up */
};

static __attribute__((noinline)) void
change_egress(struct worker *w, struct egress *out, uint16_t index)
{
	out->index = index;
	out->port = ports_of(w)->ports[index];
	out->direct = w->tx_owner[index] == w->index &&
		      atomic_load_explicit(&out->port->link_up, memory_order_relaxed);
}

/* Send a packet that was served the short way. */
static inline void
transmit_plain(struct worker *w, struct egress *out, struct rte_mbuf *m, const struct nlb_plain *p)
{
	struct next_hop *hop = p->hop;
	struct interface_counters *counters;
	uint16_t l2_len, tx_n;

	if (unlikely(out->port == NULL || out->index != hop->port))
		change_egress(w, out, hop->port);
	l2_len = out->port->vlan_insert ? ETHER_LEN : hop->l2_len;
	fit_segment(m, p->l3, p->len, l2_len);
	write_l2(m, hop, l2_len);
	if (unlikely(!out->direct || !next_hop_is_unchanged(hop, p->hop_version))) {
		forward_late(w, m, p);
		return;
	}
	counters = &w->counters.interfaces[hop->interface];
	counters->tx_packets++;
	counters->tx_bytes += p->len;
	tx_n = w->tx_n[out->index];
	w->tx[out->index][tx_n] = m;
	w->tx_n[out->index] = (uint16_t)(tx_n + 1);
	if (unlikely(tx_n + 1 == BURST))
		flush_port(w, out->port);
}

/*
 * Serve what can be served the short way.  A flow is found by its owner only, so what is served
 * here is this worker's.
 * @return  how many frames are left, at the beginning of `bufs`.
 */
static uint16_t
process_plain(struct worker *w, struct rte_mbuf **bufs, uint16_t n, bool mine)
{
	struct nlb_plain plain[BURST];
	struct rte_mbuf *mbufs[BURST];
	struct ingress in = {.port_vlan = INGRESS_NONE, .passed_on = mine};
	struct egress out = {.port = NULL};
	uint16_t plain_n = 0, left_n = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = bufs[i];

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(bufs[i + 4], void *));
		if (likely(may_be_plain(w, &in, m, &plain[plain_n])))
			mbufs[plain_n++] = m;
		else
			bufs[left_n++] = m;
	}
	nlb_plain_burst(w->nlb, w->snapshot, &w->dp->hops, plain, plain_n, w->now_ms);
	for (uint16_t i = 0; i < plain_n; i++) {
		if (likely(plain[i].hop != NULL)) {
			count_plain(w, &in, mbufs[i]);
			transmit_plain(w, &out, mbufs[i], &plain[i]);
		} else {
			bufs[left_n++] = mbufs[i];
		}
	}
	count_ingress(w, &in);
	return left_n;
}

/* What the short way would miss: captures, and interfaces of gateway load balancers. */
static void
process_all(struct worker *w, struct rte_mbuf **bufs, uint16_t n, bool mine)
{
	if (likely(!w->snapshot->has_endpoints &&
		   atomic_load_explicit(&w->dp->capture, memory_order_relaxed) == NULL))
		n = process_plain(w, bufs, n, mine);
	if (n > 0)
		process(w, bufs, n, mine);
}

static bool
poll_ports(struct worker *w)
{
	const struct port_map *ports = ports_of(w);
	bool busy = false;

	for (uint16_t i = 0; i < ports->ports_n; i++) {
		const struct port *port = ports->ports[i];

		for (uint16_t q = 0; q < port->rx_queues; q++) {
			struct rte_mbuf *bufs[BURST];
			uint16_t n;

			if (w->rx_owner[i][q] != w->index)
				continue;
			n = port_rx(port, q, bufs, BURST);
			if (n == 0)
				continue;
			w->counters.received += n;
			if (unlikely(w->dp->rss[i].sampled) && w->samples++ % RSS_SAMPLE == 0)
				steering_sample(w->dp, port, bufs[0], &w->counters.rss_right[i],
						&w->counters.rss_wrong[i]);
			process_all(w, bufs, n, false);
			busy = true;
		}
	}
	return busy;
}

static bool
poll_peers(struct worker *w)
{
	const struct port_map *ports = ports_of(w);
	bool busy = false;

	for (uint16_t peer = 0; peer < w->dp->workers_n; peer++) {
		struct rte_mbuf *bufs[BURST], *mine[BURST];
		uint16_t mine_n = 0;
		unsigned n;

		if (peer == w->index)
			continue;
		n = rte_ring_sc_dequeue_burst(w->dp->between[peer][w->index], (void **)bufs, BURST,
					      NULL);
		w->counters.taken_over += n;
		for (unsigned i = 0; i < n; i++) {
			if (bufs[i]->hash.usr == WORKER_PACKET_TRANSMIT)
				worker_transmit_frame(w, ports->ports[bufs[i]->port], bufs[i]);
			else
				mine[mine_n++] = bufs[i];
		}
		if (mine_n > 0)
			process_all(w, mine, mine_n, true);
		busy |= n > 0;
	}
	return busy;
}

/* Fragments that waited for their first one. */
static void
process_released(struct worker *w)
{
	while (w->released_n > 0) {
		struct rte_mbuf *bufs[BURST];
		uint16_t n = worker_fragment_take_released(w, bufs, BURST);

		process(w, bufs, n, true);
	}
}

/* Commands of the management core. */

static void
command_done(struct worker *w, struct worker_command *command)
{
	/* The ring holds as many as there are commands. */
	if (rte_ring_sp_enqueue(w->events, command) == 0)
		w->wake_pending = true;
}

/* A segment of a probe, or of a load balancer's own: an IP packet that leaves like any other. */
void
worker_emit(void *arg, const uint8_t *ip, uint16_t len)
{
	struct worker *w = arg;
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	struct packet p = {.buf = m, .len = len, .contiguous = len, .af = ip[0] >> 4};

	if (m == NULL) {
		w->counters.drops[DROP_MBUF_EXHAUSTED]++;
		return;
	}
	p.l3 = (uint8_t *)rte_pktmbuf_append(m, len);
	memcpy(p.l3, ip, len);
	p.dst = p.af == 4 ? ip_addr_from_v4(ip + IPV4_DST) : ip_addr_from_v6(ip + IPV6_DST);
	w->counters.originated++;
	forward(w, &p);
}

/* Of the load balancer's own, about flows that end. */
static __attribute__((noinline)) void
send_segments(struct worker *w)
{
	struct nlb_segment segments[NLB_SEGMENTS];
	uint16_t n = nlb_take_segments(w->nlb, segments);
	uint8_t ip[NLB_SEGMENT_MAX];

	for (uint16_t i = 0; i < n; i++) {
		uint16_t len = nlb_segment_write(&segments[i], ip);

		worker_emit(w, ip, len);
	}
}

static void
end_probe(void *arg, const struct probe_request *request, enum probe_result result)
{
	struct worker *w = arg;
	struct worker_command *command = (struct worker_command *)(uintptr_t)request->cookie;

	nlb_endpoint_close(w->nlb, &request->src, request->sport_be, &request->dst,
			   request->dport_be);
	command->result = result;
	command_done(w, command);
}

const struct prober_ops worker_prober_ops = {.emit = worker_emit, .done = end_probe};

static uint32_t
random32(struct worker *w)
{
	w->probe_random += UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash_words(&w->nlb->seed, w->probe_random, 0, 0, 0) >> 16);
}

void
worker_probe_done(struct worker *w, struct worker_command *command, enum probe_result result,
		  uint16_t status)
{
	command->result = result;
	command->status = status;
	command->ended_us = w->now_us;
	command_done(w, command);
}

static void
start_probe(struct worker *w, struct worker_command *command)
{
	const struct snapshot_target *target = snapshot_target(w->snapshot, command->target);
	const struct snapshot_local *local = NULL;
	struct probe_request request = {.cookie = (uintptr_t)command,
					.dport_be = command->port_be,
					.isn = random32(w),
					.timeout_ms = command->timeout_ms};
	uint32_t reference = 0;

	if (target != NULL && target->local_n > 0) {
		reference = w->snapshot->local_refs[target->local_first];
		local = snapshot_local(w->snapshot, reference);
	}
	command->result = PROBE_NOT_SENT;
	if (local == NULL) {
		command_done(w, command);
		return;
	}
	request.src = local->addr;
	request.dst = target->addr;
	if (!nlb_endpoint_open(w->nlb, w->snapshot, reference, &target->addr, command->port_be,
			       worker_own_slot(w), w->now_ms, &request.sport_be)) {
		command_done(w, command);
		return;
	}
	prober_start(w->prober, &request, w->now_ms);
}

static bool
describe_flow(const struct snapshot *s, const struct flow_record *r,
	      const struct flow_filter *filter, struct flow_info *info, uint32_t now_ms)
{
	return nlb_flow_describe(s, r, filter, info, now_ms) ||
	       gwlb_flow_describe(s, r, filter, info, now_ms);
}

static void
look_for_flow(struct worker *w, struct worker_command *command)
{
	const struct flow_tuple *t = &command->tuple;
	bool found =
		t->endpoint != 0
			? gwlb_flow_look(w->gwlb, w->snapshot, t, command->flows.flows, w->now_ms)
			: nlb_flow_look(w->nlb, w->snapshot, t, command->flows.flows, w->now_ms);

	command->flows.n = found ? 1 : 0;
}

static bool
poll_commands(struct worker *w)
{
	void *commands[8];
	unsigned n = rte_ring_sc_dequeue_burst(w->commands, commands, RTE_DIM(commands), NULL);

	for (unsigned i = 0; i < n; i++) {
		struct worker_command *command = commands[i];

		switch (command->kind) {
		case WORKER_PROBE:
			if (command->path != NULL)
				worker_tcp_probe(w, command);
			else
				start_probe(w, command);
			break;
		case WORKER_FLOWS:
			flow_page_fill(&w->nlb->flows, w->snapshot, &command->flows, describe_flow,
				       w->now_ms);
			command_done(w, command);
			break;
		case WORKER_LOOK:
			look_for_flow(w, command);
			command_done(w, command);
			break;
		}
	}
	return n > 0;
}

static bool
poll_management(struct worker *w)
{
	struct rte_mbuf *bufs[BURST];
	const struct port_map *ports = ports_of(w);
	unsigned n = rte_ring_sc_dequeue_burst(w->from_management, (void **)bufs, BURST, NULL);

	w->counters.from_management += n;
	for (unsigned i = 0; i < n; i++)
		worker_transmit_frame(w, ports->ports[bufs[i]->port], bufs[i]);
	return n > 0;
}

static void
flush(struct worker *w)
{
	const struct port_map *ports = ports_of(w);

	for (uint16_t i = 0; i < ports->ports_n; i++) {
		if (w->tx_n[i] > 0)
			flush_port(w, ports->ports[i]);
	}
	for (uint16_t peer = 0; peer < w->dp->workers_n; peer++) {
		if (w->out_n[peer] > 0)
			flush_peer(w, peer);
	}
}

/* At most one system call per millisecond, however much there is to tell. */
static void
wake_management(struct worker *w)
{
	if (!w->wake_pending || w->now_ms == w->woken_ms)
		return;
	w->wake_pending = false;
	w->woken_ms = w->now_ms;
	eventfd_write(w->dp->event_fd, 1);
}

void
worker_map_queues(struct worker *w, const struct port_map *ports)
{
	for (uint16_t i = 0; i < ports->ports_n; i++) {
		w->tx_queue[i] = dataplane_tx_queue(w->dp, ports->ports[i], w->index);
		w->tx_owner[i] = dataplane_queue_owner(w->dp, i, w->tx_queue[i]);
		for (uint16_t q = 0; q < ports->ports[i]->rx_queues; q++)
			w->rx_owner[i][q] = dataplane_queue_owner(w->dp, i, q);
	}
}

bool
worker_poll(struct worker *w, uint64_t tick)
{
	bool busy;

	w->now_us = clock_us(&w->dp->clock, tick);
	w->now_ms = clock_us_to_ms(w->now_us);
	w->snapshot = atomic_load_explicit(&w->dp->snapshot, memory_order_acquire);

	worker_tcp_begin(w);
	busy = poll_peers(w);
	busy |= poll_ports(w);
	process_released(w);
	busy |= poll_management(w);
	busy |= poll_commands(w);
	if (clock_ms_reached(w->now_ms, w->probe_tick_ms)) {
		prober_tick(w->prober, w->now_ms);
		w->probe_tick_ms = w->now_ms + PROBE_TICK_MS;
	}
	nlb_sweep(w->nlb, w->snapshot, w->now_ms);
	if (w->nlb->segments_n > 0)
		send_segments(w);
	worker_gateway_sweep(w);
	flow_fragments_sweep(w->fragments, &worker_fragment_ops, w, w->now_ms);
	busy |= worker_tcp_turn(w);
	flush(w);
	wake_management(w);

	/* Nothing of the snapshot is in use from here on. */
	atomic_store_explicit(&w->seen_generation, w->snapshot->generation, memory_order_release);
	w->snapshot = NULL;
	rte_rcu_qsbr_quiescent(w->dp->rcu, w->index);
	w->counters.polls++;
	return busy;
}

/* Whether somebody else has given it work. */
static bool
has_work(const void *arg)
{
	const struct worker *w = arg;
	bool any = rte_ring_count(w->from_management) > 0 || rte_ring_count(w->commands) > 0 ||
		   crypto_has_steps(w->dp, w->index) ||
		   atomic_load_explicit(&w->dp->stop, memory_order_relaxed);

	for (uint16_t peer = 0; peer < w->dp->workers_n && !any; peer++)
		any = peer != w->index && rte_ring_count(w->dp->between[peer][w->index]) > 0;
	return any;
}

static void
add_sources(struct worker *w)
{
	const struct port_map *ports = ports_of(w);

	for (uint16_t i = 0; i < ports->ports_n; i++) {
		for (uint16_t q = 0; q < ports->ports[i]->rx_queues; q++) {
			if (w->rx_owner[i][q] == w->index)
				idle_add(&w->idle, port_rx_fd(ports->ports[i], q));
		}
	}
}

int
worker_main(void *arg)
{
	struct worker *w = arg;

	add_sources(w);
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	rte_rcu_qsbr_thread_online(w->dp->rcu, w->index);
	while (!atomic_load_explicit(&w->dp->stop, memory_order_relaxed)) {
		uint64_t tick = rte_rdtsc();

		if (worker_poll(w, tick)) {
			w->counters.busy_polls++;
			w->counters.busy_ticks += rte_rdtsc() - tick;
			idle_busy(&w->idle);
		} else {
			idle_turn(&w->idle, has_work, w);
		}
	}
	rte_rcu_qsbr_thread_offline(w->dp->rcu, w->index);
	return 0;
}

static void
drain_ring(struct worker *w, struct rte_ring *ring)
{
	void *m;

	while (rte_ring_dequeue(ring, &m) == 0)
		drop(w, m, DROP_SHUTDOWN);
}

void
worker_drain(struct worker *w)
{
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		for (uint16_t k = 0; k < w->tx_n[i]; k++)
			drop(w, w->tx[i][k], DROP_SHUTDOWN);
		w->tx_n[i] = 0;
	}
	for (uint16_t peer = 0; peer < w->dp->workers_n; peer++) {
		for (uint16_t k = 0; k < w->out_n[peer]; k++)
			drop(w, w->out[peer][k], DROP_SHUTDOWN);
		w->out_n[peer] = 0;
		if (peer != w->index)
			drain_ring(w, w->dp->between[peer][w->index]);
	}
	drain_ring(w, w->from_management);
	worker_fragment_drain(w);
}
