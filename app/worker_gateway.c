/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker_gateway.h"

#include <netinet/in.h>

#include <rte_ethdev.h>

#include "bytes.h"
#include "check.h"
#include "geneve.h"
#include "packet_parse.h"
#include "wire.h"
#include "worker_fragment.h"
#include "worker_io.h"

/* Wires. */

static bool
is_for_one(const struct ip_addr *a)
{
	if (ip_addr_is_v4(a))
		return a->b[12] < 224 && !(a->b[12] == 169 && a->b[13] == 254);
	return a->b[0] != 0xff && !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

static bool
is_neighbor_discovery(const struct packet *p)
{
	uint8_t type;

	if (p->af != 6 || p->proto != IPPROTO_ICMPV6 || (p->flags & PACKET_FRAGMENT) != 0)
		return false;
	/* RFC 4861 section 7.1: 255, so that no router has passed it on. */
	type = packet_l4(p)[ICMP_TYPE];
	return type >= ICMPV6_ROUTER_SOLICIT && type <= ICMPV6_NEIGHBOR_ADVERT &&
	       p->l3[IPV6_HOP_LIMIT] == 255;
}

static enum drop_reason
pass_straight(const struct packet_frame *frame, const struct packet_link *link, struct packet *p)
{
	p->l3 = frame->data + link->l2_len;
	p->headroom = (uint16_t)(frame->headroom + link->l2_len);
	p->contiguous = (uint16_t)(frame->len - link->l2_len);
	p->l2_len = (uint8_t)link->l2_len;
	p->len = (uint16_t)(frame->total_len - link->l2_len);
	p->af = 0;
	p->proto = 0;
	p->flags = 0;
	p->verdict = PACKET_LINK;
	p->next_hop = 0;
	return DROP_NONE;
}

/* Whether an IP packet, not yet parsed, is for more than one host or for this link only. */
static bool
is_for_link(const struct packet_frame *frame, const struct packet_link *link)
{
	const uint8_t *ip = frame->data + link->l2_len;
	uint16_t left = (uint16_t)(frame->len - link->l2_len);
	struct ip_addr dst, src;

	if (link->ethertype == ETHERTYPE_IPV4) {
		if (left < IPV4_MIN_LEN)
			return false;
		dst = ip_addr_from_v4(ip + IPV4_DST);
		return !is_for_one(&dst);
	}
	if (left < IPV6_MIN_LEN)
		return false;
	dst = ip_addr_from_v6(ip + IPV6_DST);
	src = ip_addr_from_v6(ip + IPV6_SRC);
	return !is_for_one(&dst) || !is_for_one(&src);
}

enum drop_reason
worker_wire_parse(const struct packet_frame *frame, const struct packet_link *link,
		  struct packet *p)
{
	enum drop_reason reason;

	if ((link->ethertype != ETHERTYPE_IPV4 && link->ethertype != ETHERTYPE_IPV6) ||
	    is_for_link(frame, link))
		return pass_straight(frame, link, p);
	reason = packet_parse(frame, link, p);
	if (reason == DROP_NONE && unlikely(is_neighbor_discovery(p)))
		return pass_straight(frame, link, p);
	return reason;
}

/* Owners. */

static bool
is_from_appliance(const struct snapshot *s, const struct packet *p)
{
	const struct snapshot_address *own;

	if (p->proto != IPPROTO_UDP || p->dport_be != htons(GENEVE_PORT) ||
	    (p->flags & PACKET_FRAGMENT) != 0)
		return false;
	own = snapshot_find_address(s, &p->dst);
	return own != NULL && own->is_local;
}

/* @return  whether the packet stays here. */
static bool
bring_to_owner(struct worker *w, struct packet *p, enum worker_packet_kind kind)
{
	uint16_t owner;

	if (w->dp->workers_n == 1)
		return true;
	p->slot = gwlb_packet_slot(w->gwlb, w->snapshot, p);
	owner = steer_owner(w->snapshot, p->slot);
	if (owner == w->index)
		return true;
	worker_pass_to_peer(w, owner, p->buf, kind);
	return false;
}

/* Fragments of packets with ports. */

static bool
needs_ports(const struct snapshot *s, const struct packet *p)
{
	const struct snapshot_endpoint *e;

	if (likely((p->flags & PACKET_FRAGMENT) == 0) ||
	    (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP))
		return false;
	e = snapshot_endpoint(s, s->interfaces[p->interface].endpoint);
	return e != NULL && e->flow_key == FLOW_KEY_5_TUPLE;
}

static enum worker_gateway_class
classify_fragment(struct worker *w, struct packet *p, bool mine)
{
	uint32_t endpoint = w->snapshot->interfaces[p->interface].endpoint;

	switch (worker_fragment_classify(w, p, endpoint, mine, &worker_fragment_ops)) {
	case WORKER_FRAGMENT_PORTS:
		break;
	case WORKER_FRAGMENT_DONE:
		return WORKER_GATEWAY_DONE;
	case WORKER_FRAGMENT_GONE:
		return WORKER_GATEWAY_GONE;
	}
	return bring_to_owner(w, p, WORKER_PACKET_PORTS) ? WORKER_GATEWAY_SERVE
							 : WORKER_GATEWAY_GONE;
}

/* A router forwards no packet that came as broadcast or multicast of the link. */
static bool
is_frame_for_many(const struct packet *p)
{
	return (*(p->l3 - p->l2_len) & 1) != 0;
}

enum worker_gateway_class
worker_gateway_classify(struct worker *w, struct packet *p, bool mine)
{
	const struct snapshot *s = w->snapshot;
	const struct snapshot_interface *i = &s->interfaces[p->interface];

	if (i->in_line) {
		if (p->af == 0)
			return WORKER_GATEWAY_DONE;
	} else if (p->af == 0) {
		return WORKER_GATEWAY_NOT;
	} else if (is_from_appliance(s, p)) {
		p->flags |= PACKET_GENEVE;
	} else if (i->endpoint == 0 || unlikely(!is_for_one(&p->dst)) ||
		   unlikely(snapshot_find_address(s, &p->dst) != NULL)) {
		return WORKER_GATEWAY_NOT;
	} else if (unlikely(is_frame_for_many(p))) {
		packet_drop(p, DROP_IP_MULTICAST); /* RFC 1812 section 5.3.4 */
		return WORKER_GATEWAY_DONE;
	}
	if (unlikely(needs_ports(s, p)))
		return classify_fragment(w, p, mine);
	if (mine || bring_to_owner(w, p, WORKER_PACKET_OWNER))
		return WORKER_GATEWAY_SERVE;
	return WORKER_GATEWAY_GONE;
}

/* Out. */

void
worker_gateway_link(struct worker *w, struct packet *p)
{
	uint16_t interface = w->snapshot->interfaces[p->interface].peer;
	const uint8_t *had = p->l3 - p->l2_len;
	uint8_t macs[12], ethertype[2], *l2;
	const struct snapshot_interface *out;
	struct rte_mbuf *m = p->buf;
	const struct port *port;
	uint16_t l2_len;
	bool tagged;

	if (p->next_hop == 0) {
		memcpy(macs, had, 12);
		memcpy(ethertype, p->l3 - 2, 2);
	} else {
		const struct gwlb_link *link = gwlb_link(w->gwlb, p->next_hop);

		if (unlikely(link == NULL)) {
			drop(w, m, DROP_LINK_FORGOTTEN);
			return;
		}
		interface = link->interface;
		memcpy(macs, link->macs, 12);
		bytes_store_be16(ethertype, p->af == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	}
	out = &w->snapshot->interfaces[interface];
	port = ports_of(w)->ports[out->port];
	tagged = out->vlan != 0 && !port->vlan_insert;
	l2_len = tagged ? 18 : 14;
	if (unlikely(!atomic_load_explicit(&port->link_up, memory_order_relaxed))) {
		drop(w, m, DROP_LINK_DOWN);
		return;
	}
	if (unlikely(p->len > out->mtu)) {
		drop(w, m, DROP_PACKET_TOO_BIG);
		return;
	}
	if (unlikely(!worker_fit_buffer(m, p, l2_len)) ||
	    unlikely(m->nb_segs > 1 && !port->multi_segs && rte_pktmbuf_linearize(m) != 0)) {
		drop(w, m, DROP_TX_UNSUPPORTED);
		return;
	}
	l2 = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(l2, macs, 12);
	m->ol_flags = 0;
	if (tagged) {
		bytes_store_be16(l2 + 12, ETHERTYPE_8021Q);
		bytes_store_be16(l2 + 14, out->vlan);
	} else if (out->vlan != 0) {
		m->vlan_tci = out->vlan;
		m->ol_flags = RTE_MBUF_F_TX_VLAN;
	}
	memcpy(l2 + l2_len - 2, ethertype, 2);
	w->counters.interfaces[interface].tx_packets++;
	w->counters.interfaces[interface].tx_bytes += p->len;
	worker_transmit_frame(w, port, m);
}

void
worker_gateway_sweep(struct worker *w)
{
	gwlb_sweep(w->gwlb, w->snapshot, w->now_ms);
}
