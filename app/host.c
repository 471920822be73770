/* SPDX-License-Identifier: BSD-3-Clause */
#include "management.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "log.h"
#include "nd.h"
#include "packet_parse.h"
#include "wire.h"

#define POLL_MAX 1024 /* packets taken from a worker in one go */

static const struct snapshot *
in_force(const struct management *m)
{
	return atomic_load_explicit(&m->dp->snapshot, memory_order_relaxed);
}

static void
drop(struct management *m, struct rte_mbuf *buf, enum drop_reason reason)
{
	m->counters.drops[reason]++;
	rte_pktmbuf_free(buf);
}

/* A complete frame: hand it to the worker that owns the port's first transmit queue. */
static void
send_frame(struct management *m, uint16_t interface, struct rte_mbuf *buf)
{
	uint16_t port = m->interfaces[interface].port;
	struct worker *w = m->dp->workers[dataplane_queue_owner(m->dp, port, 0)];

	buf->port = port;
	buf->ol_flags = 0;
	if (rte_ring_sp_enqueue(w->from_management, buf) != 0) {
		drop(m, buf, DROP_WORKER_RING_FULL);
		return;
	}
	idle_ring(&w->idle);
}

/* Operations of neighbors. */

static void
send_neighbor_frame(void *arg, uint16_t interface, const uint8_t *frame, size_t len)
{
	struct management *m = arg;
	struct rte_mbuf *buf = rte_pktmbuf_alloc(m->dp->pool);

	if (buf == NULL) {
		m->counters.drops[DROP_MBUF_EXHAUSTED]++;
		return;
	}
	memcpy(rte_pktmbuf_append(buf, (uint16_t)len), frame, len);
	m->counters.originated++;
	send_frame(m, interface, buf);
}

/* `packet` begins with its IP header; the frame header is put in front. */
static void
release_packet(void *arg, void *packet, uint32_t next_hop)
{
	struct management *m = arg;
	struct rte_mbuf *buf = packet;
	struct next_hop_copy hop;
	uint8_t *l2;

	if (!next_hop_read(&m->dp->hops, next_hop, &hop)) {
		drop(m, buf, DROP_NEIGHBOR_UNRESOLVED);
		return;
	}
	l2 = (uint8_t *)rte_pktmbuf_prepend(buf, hop.l2_len);
	if (l2 == NULL) {
		drop(m, buf, DROP_TX_UNSUPPORTED);
		return;
	}
	memcpy(l2, hop.l2, hop.l2_len);
	if (buf->ol_flags != 0)
		buf->l2_len = hop.l2_len; /* the port computes checksums */
	send_frame(m, hop.interface, buf);
}

static void
drop_packet(void *arg, void *packet, enum drop_reason reason)
{
	drop(arg, packet, reason);
}

static bool
is_own(void *arg, uint16_t interface, const struct ip_addr *addr)
{
	const struct snapshot *s = in_force(arg);
	const struct snapshot_address *a = s == NULL ? NULL : snapshot_find_address(s, addr);

	if (a == NULL)
		return false;
	if (a->kind == SNAPSHOT_ADDRESS_VIP)
		return publication_is_announced(arg, addr);
	return a->interface == interface;
}

static const struct neighbor_ops neighbor_ops = {
	.send = send_neighbor_frame,
	.release = release_packet,
	.drop = drop_packet,
	.is_own = is_own,
};

bool
host_open(struct management *m, char *why, size_t why_len)
{
	m->neighbors = neighbors_create(&m->dp->hops, m->neighbor_interfaces, m->interfaces_n,
					&neighbor_ops, m);
	if (m->neighbors == NULL)
		snprintf(why, why_len, "no memory for neighbors");
	return m->neighbors != NULL;
}

/* Packets from workers. */

static enum drop_reason
take_nd(struct management *m, const struct packet *p, const struct packet_link *link)
{
	struct nd_packet nd;
	uint8_t type = packet_l4(p)[ICMP_TYPE];

	/* Routes are configured: routers' words are not asked for. */
	if (type != ICMPV6_NEIGHBOR_SOLICIT && type != ICMPV6_NEIGHBOR_ADVERT)
		return DROP_IP_MULTICAST;
	if (p->contiguous < p->len || !nd_parse(p->l3, p->len, p->l4_off, &nd))
		return DROP_ND_INVALID;
	return neighbor_on_nd(m->neighbors, p->interface, &nd, link->src_mac, m->now_ms);
}

static void
take_host_frame(struct management *m, struct rte_mbuf *buf)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);
	const struct port *port = ports->ports[ports->index_of[buf->port]];
	struct packet_frame frame = {.data = rte_pktmbuf_mtod(buf, uint8_t *),
				     .len = rte_pktmbuf_data_len(buf),
				     .total_len = rte_pktmbuf_pkt_len(buf),
				     .headroom = rte_pktmbuf_headroom(buf)};
	enum drop_reason reason;
	struct packet_link link;
	struct arp_packet arp;
	struct packet p;

	reason = packet_parse_link(&frame, &link);
	if (reason == DROP_NONE) {
		if ((buf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0)
			link.vlan = buf->vlan_tci & 0xfff;
		p.interface = port->interface_of_vlan[link.vlan];
		reason = packet_parse(&frame, &link, &p);
	}
	if (reason == DROP_NONE && p.af == 0)
		reason = arp_parse(p.l3, p.contiguous, &arp)
				 ? neighbor_on_arp(m->neighbors, p.interface, &arp, m->now_ms)
				 : DROP_ARP_INVALID;
	else if (reason == DROP_NONE)
		reason = take_nd(m, &p, &link);
	if (reason == DROP_NONE) {
		m->counters.consumed++;
		rte_pktmbuf_free(buf);
	} else {
		drop(m, buf, reason);
	}
}

/* An IP packet from its first byte on, whose next hop the worker did not know. */
static void
take_unresolved(struct management *m, struct rte_mbuf *buf)
{
	const uint8_t *ip = rte_pktmbuf_mtod(buf, uint8_t *);
	struct ip_addr dst =
		ip[0] >> 4 == 4 ? ip_addr_from_v4(ip + IPV4_DST) : ip_addr_from_v6(ip + IPV6_DST);
	const struct route *route = route_lookup(in_force(m)->routes, &dst);

	if (route == NULL) {
		drop(m, buf, DROP_NO_ROUTE);
		return;
	}
	neighbor_resolve(m->neighbors, route->interface, route_next_addr(route, &dst), buf,
			 m->now_ms);
}

static void
poll_worker(struct management *m, struct worker *w)
{
	for (unsigned i = 0; i < POLL_MAX; i++) {
		void *entry;
		struct rte_mbuf *buf;

		if (rte_ring_sc_dequeue(w->to_management, &entry) != 0)
			return;
		buf = entry;
		if (buf->hash.usr == WORKER_PACKET_RESOLVE)
			take_unresolved(m, buf);
		else
			take_host_frame(m, buf);
	}
}

void
host_poll(struct management *m)
{
	for (uint16_t i = 0; i < m->dp->workers_n; i++)
		poll_worker(m, m->dp->workers[i]);
}

void
host_close(struct management *m)
{
	for (uint16_t i = 0; i < m->dp->workers_n; i++) {
		void *buf;

		while (rte_ring_sc_dequeue(m->dp->workers[i]->to_management, &buf) == 0)
			drop(m, buf, DROP_SHUTDOWN);
	}
	neighbors_free(m->neighbors);
	m->neighbors = NULL;
}

/* After a snapshot was published. */

/* The interface whose link an address of ours is on. */
static uint16_t
interface_of(const struct management *m, const struct ip_addr *addr)
{
	const struct route *route = route_lookup(in_force(m)->routes, addr);

	return route == NULL || !ip_addr_equal(route_next_addr(route, addr), addr)
		       ? UINT16_MAX
		       : route->interface;
}

static bool
had_address(const struct model *old, const struct ip_addr *addr)
{
	for (uint32_t i = 0; old != NULL && i < old->load_balancers_n; i++) {
		for (uint32_t k = 0; k < old->load_balancers[i].addresses_n; k++) {
			if (ip_addr_equal(&old->load_balancers[i].addresses[k].addr, addr))
				return true;
		}
	}
	return false;
}

void
host_announce(struct management *m, const struct ip_addr *addr, bool on)
{
	uint16_t interface = interface_of(m, addr);

	if (interface != UINT16_MAX)
		neighbor_announce(m->neighbors, interface, addr, on, m->now_ms);
}

static void
announce_addresses(struct management *m, const struct model *old)
{
	const struct model *model = m->model;

	for (uint32_t i = 0; i < model->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &model->load_balancers[i];

		for (uint32_t k = 0; k < lb->addresses_n; k++) {
			const struct ip_addr *addr = &lb->addresses[k].addr;

			if (!had_address(old, addr))
				host_announce(m, addr, true);
		}
	}
	for (uint32_t i = 0; old == NULL && i < model->interfaces_n; i++) {
		for (uint32_t k = 0; k < model->interfaces[i].addresses_n; k++) {
			const struct ip_addr *addr = &model->interfaces[i].addresses[k].addr;
			uint16_t interface = interface_of(m, addr);

			if (interface != UINT16_MAX)
				neighbor_announce(m->neighbors, interface, addr, true, m->now_ms);
		}
	}
}

static uint16_t
interface_named(const struct management *m, uint64_t id)
{
	for (uint16_t i = 0; i < m->interfaces_n; i++) {
		if (m->interface_ids[i] == id)
			return i;
	}
	return UINT16_MAX;
}

static void
set_static_neighbors(struct management *m, const struct model *model, bool set)
{
	for (uint32_t i = 0; model != NULL && i < model->interfaces_n; i++) {
		const struct model_interface *mi = &model->interfaces[i];

		for (uint32_t k = 0; k < mi->neighbors_n; k++) {
			if (!neighbor_set_static(m->neighbors, interface_named(m, mi->id),
						 &mi->neighbors[k].addr,
						 set ? mi->neighbors[k].mac : NULL, m->now_ms))
				LOG_ERROR("[interface %s] neighbor: the table is full", mi->name);
		}
	}
}

static bool
same_neighbors(const struct model *a, const struct model *b)
{
	if (a == NULL || a->interfaces_n != b->interfaces_n)
		return false;
	for (uint32_t i = 0; i < a->interfaces_n; i++) {
		const struct model_interface *x = &a->interfaces[i], *y = &b->interfaces[i];

		if (x->id != y->id || x->neighbors_n != y->neighbors_n ||
		    (x->neighbors_n > 0 && memcmp(x->neighbors, y->neighbors,
						  x->neighbors_n * sizeof(*x->neighbors)) != 0))
			return false;
	}
	return true;
}

/* Ask for targets and gateways before the first packet needs them. */
static void
want_next_hops(struct management *m)
{
	const struct snapshot *s = in_force(m);

	for (uint32_t i = 1; i < s->targets_n; i++) {
		const struct snapshot_target *t = &s->targets[i];
		const struct route *route =
			t->generation == 0 || snapshot_find_address(s, &t->addr) != NULL
				? NULL
				: route_lookup(s->routes, &t->addr);

		if (route != NULL)
			neighbor_want(m->neighbors, route->interface,
				      route_next_addr(route, &t->addr), m->now_ms);
	}
}

static void
update_interfaces(struct management *m)
{
	const struct snapshot *s = in_force(m);

	for (uint16_t i = 0; i < m->interfaces_n; i++) {
		m->neighbor_interfaces[i].v4 = s->interfaces[i].v4;
		m->neighbor_interfaces[i].v6 = s->interfaces[i].v6;
	}
}

/* Ends of wires take every frame. */
static void
update_wires(struct management *m)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);
	const struct snapshot *s = in_force(m);

	for (uint16_t p = 0; p < ports->ports_n; p++) {
		bool wire = false;

		for (uint16_t i = 0; i < m->interfaces_n; i++)
			wire |= s->interfaces[i].port == p && s->interfaces[i].in_line;
		if (wire == ports->ports[p]->promiscuous)
			continue;
		port_set_promiscuous(ports->ports[p], wire);
		ports->ports[p]->promiscuous = wire;
	}
}

void
host_on_published(struct management *m, const struct model *old_model)
{
	update_interfaces(m);
	update_wires(m);
	if (!same_neighbors(old_model, m->model)) {
		set_static_neighbors(m, old_model, false);
		set_static_neighbors(m, m->model, true);
	}
	announce_addresses(m, old_model);
	want_next_hops(m);
}
