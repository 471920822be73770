/* SPDX-License-Identifier: BSD-3-Clause */
#include "steering.h"

#include <netinet/in.h>

#include "log.h"
#include "packet_parse.h"
#include "management.h"
#include "wire.h"

#define BELIEVED_AFTER 64 /* equal hashes, of packets of one port */

static struct rss_capability
capability_of(const struct port *port)
{
	return (struct rss_capability){.table_size = port->rss ? port->rss_table : 0,
				       .key_len = port->rss_key_len,
				       .l4 = port_rss_has_l4(port),
				       .queues = port->rx_queues};
}

void
steering_probe(struct dataplane *dp)
{
	const struct port_map *ports = atomic_load(&dp->ports);

	dp->steer_modulus = 0;
	for (uint16_t i = 0; i < ports->ports_n && dp->workers_n > 1; i++) {
		struct rss_capability c = capability_of(ports->ports[i]);

		if (rss_choose(&c, 0) != RSS_PLAN_NONE)
			dp->steer_modulus = rss_table_min(dp->steer_modulus, &c);
	}
	if (dp->steer_modulus == 0)
		dp->steer_modulus = RSS_TABLE_MAX;
}

static uint16_t
port_of(const struct management *m, uint16_t interface)
{
	return m->interfaces[interface].port;
}

/* Who sends to each port, as the configuration has it.  Others may too: the ring takes those. */
static void
find_senders(const struct management *m, unsigned senders[PORT_MAX])
{
	const struct snapshot *s = atomic_load(&m->dp->snapshot);

	for (uint32_t i = 1; i < s->targets_n; i++) {
		const struct snapshot_target *t = &s->targets[i];

		if (t->generation == 0)
			continue;
		senders[port_of(m, t->interface)] |= t->forwarding == FORWARDING_FULL_NAT
							     ? RSS_TARGETS_FULL_NAT
						     : t->af == 4 ? RSS_TARGETS_NAT4
								  : RSS_TARGETS_NAT6;
	}
	for (uint32_t i = 1; i < s->frontends_n; i++) {
		const struct snapshot_frontend *f = &s->frontends[i];
		const struct route *route =
			f->generation == 0 ? NULL : route_lookup(s->routes, &f->vip);

		/* An address off all links is routed here: by whom, the configuration doesn't say.
		 */
		if (route != NULL && ip_addr_equal(route_next_addr(route, &f->vip), &f->vip))
			senders[port_of(m, route->interface)] |= RSS_CLIENTS;
	}
}

/* The queue of a port that the worker of an index polls; without one, any. */
static uint16_t
queue_for(const struct dataplane *dp, const struct port *port, uint16_t worker)
{
	for (uint16_t q = 0; q < port->rx_queues; q++) {
		if (dataplane_queue_owner(dp, port->index, q) == worker)
			return q;
	}
	return worker % port->rx_queues;
}

static void
set_up(struct management *m, const struct port *port, unsigned senders)
{
	const struct snapshot *s = atomic_load(&m->dp->snapshot);
	struct rss_capability c = capability_of(port);
	struct dataplane_rss *rss = &m->dp->rss[port->index];
	uint16_t queue_of[RSS_TABLE_MAX], n = m->dp->steer_modulus;
	uint8_t worker_of[RSS_TABLE_MAX];
	char why[256];

	rss->plan = rss_choose(&c, senders);
	if (rss->plan == RSS_PLAN_NONE)
		return;
	rss_key(&m->dp->workers[0]->nlb->steer, &m->secret, rss->plan, rss->key);
	for (uint16_t i = 0; i < n; i++) {
		queue_of[i] = queue_for(m->dp, port, s->worker_of[i]);
		worker_of[i] = (uint8_t)dataplane_queue_owner(m->dp, port->index, queue_of[i]);
	}
	if (!port_set_rss(port, rss->key, queue_of, n, why, sizeof(why))) {
		LOG_WARNING("port %s: %s; flows are passed on by ring", port->name, why);
		rss->plan = RSS_PLAN_NONE;
		return;
	}
	rss_replies_init(&rss->replies, rss->key, worker_of, n);
	rss->sampled = true;
	LOG_INFO("port %s: RSS for %s, %u table entries; its hashes are being compared", port->name,
		 rss_plan_name(rss->plan), n);
}

void
steering_start(struct management *m)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);
	unsigned senders[PORT_MAX] = {0};

	if (m->dp->workers_n < 2)
		return;
	find_senders(m, senders);
	for (uint16_t i = 0; i < ports->ports_n; i++)
		set_up(m, ports->ports[i], senders[i]);
}

/* Let source ports be chosen by the port's table, or no longer. */
static void
publish_replies(struct management *m, uint16_t port, bool believed)
{
	const struct dataplane_rss *rss = &m->dp->rss[port];

	if (rss->plan != RSS_PLAN_FULL_NAT)
		return;
	for (uint16_t i = 0; i < m->interfaces_n; i++) {
		if (port_of(m, i) == port)
			atomic_store_explicit(&m->dp->replies[i], believed ? &rss->replies : NULL,
					      memory_order_release);
	}
}

void
steering_tick(struct management *m)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);

	for (uint16_t i = 0; i < ports->ports_n; i++) {
		struct dataplane_rss *rss = &m->dp->rss[i];

		if (!rss->sampled || rss->wrong)
			continue;
		if (MANAGEMENT_SUM(m, rss_wrong[i]) > 0) {
			rss->wrong = true;
			rss->believed = false;
			publish_replies(m, i, false);
			LOG_WARNING("port %s: its RSS hashes are not Toeplitz under the key it was "
				    "given; flows are passed on by ring",
				    ports->ports[i]->name);
		} else if (!rss->believed && MANAGEMENT_SUM(m, rss_right[i]) >= BELIEVED_AFTER) {
			rss->believed = true;
			publish_replies(m, i, true);
			LOG_NOTICE("port %s: RSS brings packets of %s to their owners",
				   ports->ports[i]->name, rss_plan_name(rss->plan));
		}
	}
}

const char *
steering_state_name(enum steering_state state)
{
	static const char *const names[] = {"single", "ring", "rss, unverified", "rss"};

	return names[state];
}

enum steering_state
steering_of_port(const struct management *m, uint16_t port)
{
	const struct dataplane_rss *rss = &m->dp->rss[port];

	if (m->dp->workers_n == 1)
		return STEERING_SINGLE;
	if (rss->plan == RSS_PLAN_NONE || rss->wrong)
		return STEERING_RING;
	return rss->believed ? STEERING_RSS : STEERING_CHECKING;
}

enum steering_state
steering_of_all(const struct management *m)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);
	enum steering_state least = m->dp->workers_n == 1 ? STEERING_SINGLE : STEERING_RSS;

	for (uint16_t i = 0; i < ports->ports_n; i++) {
		enum steering_state state = steering_of_port(m, i);

		if (state < least)
			least = state;
	}
	return least;
}

void
steering_sample(const struct dataplane *dp, const struct port *port, struct rte_mbuf *buf,
		uint64_t *right, uint64_t *wrong)
{
	struct packet_frame frame = {.data = rte_pktmbuf_mtod(buf, uint8_t *),
				     .len = rte_pktmbuf_data_len(buf),
				     .total_len = rte_pktmbuf_pkt_len(buf),
				     .headroom = rte_pktmbuf_headroom(buf)};
	struct packet_link link;
	struct packet p;

	if ((buf->ol_flags & RTE_MBUF_F_RX_RSS_HASH) == 0 ||
	    packet_parse_link(&frame, &link) != DROP_NONE ||
	    packet_parse(&frame, &link, &p) != DROP_NONE || p.af == 0)
		return;
	/*
	 * What has no ports, or has them behind options and extensions, may be hashed in several
	 * ways: no stranger's packet shall speak against a port.
	 */
	if (p.l4_off != (p.af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN) ||
	    (p.proto != IPPROTO_TCP && p.proto != IPPROTO_UDP) || (p.flags & PACKET_FRAGMENT) != 0)
		return;
	if (rss_hash(dp->rss[port->index].key, &p) == buf->hash.rss)
		++*right;
	else
		++*wrong;
}
