/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>

#include "crypto.h"
#include "log.h"
#include "region.h"
#include "steering.h"
#include "worker.h"
#include "worker_tcp.h"

#define NEXT_HOPS  65536
#define COMMANDS   (2 * PROBER_PROBES)
#define MBUF_CACHE 256

/* What dataplane_create() holds besides the shared struct. */
struct holdings {
	struct dataplane dp; /* first: a struct dataplane pointer is one of these */
	struct region hops;
	struct region flows[WORKER_MAX];
	struct region gateways[WORKER_MAX];
	struct port ports[PORT_MAX];
	uint16_t ports_n;
	void *rcu_mem;
	bool started;
};

static struct holdings *
holdings_of(struct dataplane *dp)
{
	return (struct holdings *)dp;
}

struct rte_ring *
dataplane_ring(const char *name, unsigned a, unsigned b, unsigned size, int socket)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "weir_%s_%u_%u", name, a, b);
	return rte_ring_create(full, size, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

/*
 * As rte_pktmbuf_pool_create(), but without gaps at the ends of pages, and without IOVAs, where no
 * device goes by these: net_af_xdp takes the buffers for one array, and the kernel loses those
 * behind its end.
 */
static struct rte_mempool *
create_buffers(const char *name, uint32_t n, uint32_t data_room, bool physical)
{
	unsigned flags = physical ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = (uint16_t)data_room};
	struct rte_mempool *pool =
		rte_mempool_create_empty(name, n, sizeof(struct rte_mbuf) + data_room, MBUF_CACHE,
					 sizeof(private), SOCKET_ID_ANY, flags);
	int result;

	if (pool == NULL)
		return NULL;
	result = rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
	if (result == 0) {
		rte_pktmbuf_pool_init(pool, &private);
		result = rte_mempool_populate_default(pool);
	}
	if (result < 0) {
		rte_mempool_free(pool);
		rte_errno = -result;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

static bool
make_shared(struct holdings *h, const struct dataplane_settings *s, char *why, size_t why_len)
{
	struct dataplane *dp = &h->dp;
	size_t rcu_bytes = rte_rcu_qsbr_get_memsize(s->workers_n);

	dp->workers_n = s->workers_n;
	dp->adaptive = s->adaptive;
	dp->mbufs = s->mbufs;
	dp->max_half_open = s->max_half_open;
	dp->syn_cookies = s->syn_cookies;
	clock_init(&dp->clock, rte_get_tsc_hz(), rte_rdtsc(), 0);
	dp->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	h->rcu_mem =
		aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(rcu_bytes, RTE_CACHE_LINE_SIZE));
	if (dp->event_fd < 0 || h->rcu_mem == NULL ||
	    !region_map(&h->hops, next_hop_table_bytes(NEXT_HOPS), -1, s->hugepages)) {
		snprintf(why, why_len, "no memory for the shared tables");
		return false;
	}
	dp->rcu = h->rcu_mem;
	rte_rcu_qsbr_init(dp->rcu, s->workers_n);
	next_hop_table_init(&dp->hops, h->hops.mem, NEXT_HOPS);

	dp->pool = create_buffers("weir_mbufs", s->mbufs, s->mbuf_data_room + RTE_PKTMBUF_HEADROOM,
				  s->physical);
	if (dp->pool == NULL) {
		snprintf(why, why_len,
			 "no memory for %u packet buffers (%s); lower `[dataplane] mbufs` or give "
			 "more huge pages",
			 s->mbufs, rte_strerror(rte_errno));
		return false;
	}
	dp->clones =
		rte_pktmbuf_pool_create("weir_clones", s->mbufs, MBUF_CACHE, 0, 0, SOCKET_ID_ANY);
	if (dp->clones == NULL) {
		snprintf(why, why_len, "no memory for references to packet buffers (%s)",
			 rte_strerror(rte_errno));
		return false;
	}
	for (unsigned a = 0; a < s->workers_n; a++) {
		for (unsigned b = 0; b < s->workers_n; b++) {
			if (a == b)
				continue;
			dp->between[a][b] =
				dataplane_ring("pass", a, b, WORKER_RING_SIZE, SOCKET_ID_ANY);
			if (dp->between[a][b] == NULL) {
				snprintf(why, why_len, "no memory for the rings between workers");
				return false;
			}
		}
	}
	return true;
}

/* What one port can't do, weir does for all: a segment doesn't know by which it will leave. */
static void
join_offloads(struct port_offloads *all, const struct port_offloads *one)
{
	all->tcp_checksum &= one->tcp_checksum;
	all->tso &= one->tso;
	if (one->segments_max < all->segments_max)
		all->segments_max = one->segments_max;
	if (one->train_segments_max < all->train_segments_max)
		all->train_segments_max = one->train_segments_max;
}

static bool
open_ports(struct holdings *h, struct dataplane_settings *s, char *why, size_t why_len)
{
	struct port_map *map = calloc(1, sizeof(*map));

	if (map == NULL) {
		snprintf(why, why_len, "no memory for the ports");
		return false;
	}
	memset(map->index_of, UINT8_MAX, sizeof(map->index_of));
	map->offloads = (struct port_offloads){.tcp_checksum = true,
					       .tso = true,
					       .segments_max = UINT16_MAX,
					       .train_segments_max = UINT16_MAX};
	atomic_store(&h->dp.ports, map);
	for (uint16_t i = 0; i < s->ports_n; i++) {
		struct port *port = &h->ports[i];

		s->ports[i].index = i;
		s->ports[i].workers = s->workers_n;
		s->ports[i].pool = h->dp.pool;
		if (!port_open(port, &s->ports[i], why, why_len))
			return false;
		h->ports_n++;
		map->ports[i] = port;
		map->index_of[port->port_id] = (uint8_t)i;
		map->ports_n++;
		join_offloads(&map->offloads, &port->offloads);
		LOG_INFO("port %s: %u receive and %u transmit queues for %u workers, flows %s; "
			 "offloads: IPv4 checksum %s, VLAN strip %s, VLAN insert %s, segments %s, "
			 "TCP checksum %s, TSO %s",
			 port->name, port->rx_queues, port->tx_queues, s->workers_n,
			 s->workers_n == 1 ? "all on one worker"
			 : port->rss       ? "spread by RSS"
					   : "passed on by ring",
			 port->rx_ip_checksum ? "on" : "off", port->vlan_strip ? "on" : "off",
			 port->vlan_insert ? "on" : "off", port->multi_segs ? "on" : "off",
			 port->offloads.tcp_checksum ? "on" : "off",
			 port->offloads.tso ? "on" : "off");
	}
	steering_probe(&h->dp);
	return true;
}

/* The gateway's part of a worker; its flows are in the table that the worker has already. */
static bool
make_gateway(struct holdings *h, const struct dataplane_settings *s, struct worker *w)
{
	struct gwlb_settings gwlb = {.flows = &w->nlb->flows,
				     .steer = &w->nlb->steer,
				     .secret = s->secret,
				     .counters = &w->counters};
	struct region *region = &h->gateways[w->index];
	struct hash_seed seed;
	size_t bytes = (gwlb_bytes() + 63) & ~(size_t)63;

	if (!secret_random(&seed, sizeof(seed)) ||
	    !region_map(region, bytes + sizeof(*w->fragments), w->socket_id, s->hugepages))
		return false;
	w->gwlb = gwlb_create(region->mem, bytes, &gwlb);
	w->fragments = (struct flow_fragments *)(void *)((uint8_t *)region->mem + bytes);
	flow_fragments_init(w->fragments, &seed);
	return true;
}

static bool
make_worker(struct holdings *h, const struct dataplane_settings *s, uint16_t index, unsigned lcore,
	    char *why, size_t why_len)
{
	struct worker *w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*w), 64));
	struct nlb_settings nlb = {.max_flows = s->max_flows / s->workers_n,
				   .worker = index,
				   .secret = s->secret,
				   .replies = h->dp.replies,
				   .emit = worker_emit,
				   .emit_arg = w};
	struct worker_counters *c;
	int socket = (int)rte_lcore_to_socket_id(lcore);

	if (nlb.max_flows > GWLB_COOKIE_RECORDS) {
		snprintf(why, why_len,
			 "[dataplane] max_flows: %u flows for each worker, at most %u; lower it or "
			 "give more workers",
			 nlb.max_flows, GWLB_COOKIE_RECORDS);
		free(w);
		return false;
	}
	if (w == NULL)
		goto no_memory;
	memset(w, 0, sizeof(*w));
	h->dp.workers[index] = w;
	w->dp = &h->dp;
	w->index = index;
	w->lcore = lcore;
	w->socket_id = socket;
	c = &w->counters;
	c->frontends_n = s->frontends_n;
	c->targets_n = s->targets_n;
	c->interfaces_n = s->interfaces_n;
	c->frontends = calloc(c->frontends_n, sizeof(*c->frontends));
	c->targets = calloc(c->targets_n, sizeof(*c->targets));
	c->interfaces = calloc(c->interfaces_n, sizeof(*c->interfaces));
	w->to_management = dataplane_ring("to", index, 0, WORKER_RING_SIZE, socket);
	w->from_management = dataplane_ring("from", index, 0, WORKER_RING_SIZE, socket);
	w->commands = dataplane_ring("cmd", index, 0, COMMANDS, socket);
	w->events = dataplane_ring("event", index, 0, COMMANDS, socket);
	if (!idle_open(&w->idle, s->adaptive) || c->frontends == NULL || c->targets == NULL ||
	    c->interfaces == NULL || w->to_management == NULL || w->from_management == NULL ||
	    w->commands == NULL || w->events == NULL)
		goto no_memory;
	if (!region_map(&h->flows[index], nlb_bytes(&nlb), socket, s->hugepages))
		goto no_memory;
	nlb.counters = c;
	w->nlb = nlb_create(h->flows[index].mem, h->flows[index].bytes, &nlb);
	w->prober = prober_create(&worker_prober_ops, w);
	if (w->nlb == NULL || w->prober == NULL || !make_gateway(h, s, w))
		goto no_memory;
	w->tcp = worker_tcp_create(w, s);
	if (w->tcp == NULL)
		goto no_memory;
	if (!secret_random(&w->probe_random, sizeof(w->probe_random)))
		goto no_memory;
	return true;

no_memory:
	snprintf(why, why_len,
		 "no memory for worker %u with %u flows; lower `[dataplane] max_flows`", index,
		 s->max_flows / s->workers_n);
	return false;
}

/* On the lcores behind the workers'. */
static bool
make_crypto(struct holdings *h, const struct dataplane_settings *s, char *why, size_t why_len)
{
	unsigned lcore, skip = s->workers_n;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		struct crypto *c;

		if (skip > 0) {
			skip--;
			continue;
		}
		if (h->dp.crypto_n == s->crypto_n)
			break;
		c = crypto_create(&h->dp, h->dp.crypto_n, lcore);
		if (c == NULL) {
			snprintf(why, why_len, "no memory for crypto lcore %u", h->dp.crypto_n);
			return false;
		}
		h->dp.crypto[h->dp.crypto_n++] = c;
	}
	return true;
}

static bool
make_workers(struct holdings *h, const struct dataplane_settings *s, char *why, size_t why_len)
{
	uint16_t index = 0;
	unsigned lcore;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (index == s->workers_n)
			break;
		if (!make_worker(h, s, index, lcore, why, why_len))
			return false;
		for (uint16_t p = 0; p < h->ports_n; p++) {
			int port_socket = h->ports[p].socket_id;

			if (port_socket >= 0 && port_socket != h->dp.workers[index]->socket_id)
				LOG_WARNING("worker %u on lcore %u is on NUMA node %d, port %s on "
					    "node %d: packets cross the nodes",
					    index, lcore, h->dp.workers[index]->socket_id,
					    h->ports[p].name, port_socket);
		}
		index++;
	}
	return true;
}

struct dataplane *
dataplane_create(struct dataplane_settings *settings, char *why, size_t why_len)
{
	struct holdings *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		snprintf(why, why_len, "no memory");
		return NULL;
	}
	h->dp.event_fd = -1;
	if (!make_shared(h, settings, why, why_len) || !open_ports(h, settings, why, why_len) ||
	    !make_crypto(h, settings, why, why_len) || !make_workers(h, settings, why, why_len)) {
		dataplane_free(&h->dp);
		return NULL;
	}
	return &h->dp;
}

/* The slots that the worker owns, for the source ports of its connections. */
static void
find_own_slots(struct worker *w, const struct snapshot *snapshot)
{
	w->own_slots_n = 0;
	for (uint16_t slot = 0; slot < SNAPSHOT_SLOTS; slot++) {
		if (snapshot->worker_of[slot] == w->index)
			w->own_slots[w->own_slots_n++] = (uint8_t)slot;
	}
}

void
dataplane_prepare(struct dataplane *dp)
{
	for (uint16_t i = 0; i < dp->workers_n; i++) {
		find_own_slots(dp->workers[i], atomic_load(&dp->snapshot));
		worker_map_queues(dp->workers[i], atomic_load(&dp->ports));
		rte_rcu_qsbr_thread_register(dp->rcu, i);
	}
}

bool
dataplane_start(struct dataplane *dp, char *why, size_t why_len)
{
	dataplane_prepare(dp);
	for (uint16_t i = 0; i < dp->workers_n; i++) {
		struct worker *w = dp->workers[i];

		if (rte_eal_remote_launch(worker_main, w, w->lcore) != 0) {
			snprintf(why, why_len, "worker %u cannot be started on lcore %u", i,
				 w->lcore);
			return false;
		}
	}
	for (uint16_t i = 0; i < dp->crypto_n; i++) {
		struct crypto *c = dp->crypto[i];

		if (rte_eal_remote_launch(crypto_main, c, c->lcore) != 0) {
			snprintf(why, why_len, "crypto lcore %u cannot be started on lcore %u", i,
				 c->lcore);
			return false;
		}
	}
	holdings_of(dp)->started = true;
	return true;
}

void
dataplane_stop(struct dataplane *dp)
{
	atomic_store(&dp->stop, true);
	for (uint16_t i = 0; i < dp->workers_n; i++) {
		if (dp->workers[i] != NULL)
			rte_eal_wait_lcore(dp->workers[i]->lcore);
	}
	for (uint16_t i = 0; i < dp->crypto_n; i++)
		rte_eal_wait_lcore(dp->crypto[i]->lcore);
	holdings_of(dp)->started = false;
}

static bool
free_worker(struct holdings *h, uint16_t index)
{
	struct worker *w = h->dp.workers[index];
	bool clean = true;

	if (w == NULL)
		return true;
	prober_free(w->prober);
	worker_tcp_free(w->tcp);
	if (w->nlb != NULL) {
		struct nlb_gauges gauges;

		if (w->gwlb != NULL)
			gwlb_flush(w->gwlb);
		nlb_flush(w->nlb);
		nlb_gauges(w->nlb, &gauges);
		if (gauges.flows != 0 || gauges.ports != 0) {
			LOG_ERROR("worker %u: %u flows and %u source ports were not given back",
				  index, gauges.flows, gauges.ports);
			clean = false;
		}
		nlb_free(w->nlb);
	}
	if (w->gwlb != NULL)
		gwlb_free(w->gwlb);
	region_unmap(&h->gateways[index]);
	region_unmap(&h->flows[index]);
	idle_close(&w->idle);
	rte_ring_free(w->to_management);
	rte_ring_free(w->from_management);
	rte_ring_free(w->commands);
	rte_ring_free(w->events);
	free(w->counters.frontends);
	free(w->counters.targets);
	free(w->counters.interfaces);
	free(w);
	return clean;
}

/* Most buffers that closed ports may still have: fill and transmit rings of net_af_xdp. */
static unsigned
kept_by_drivers(const struct holdings *h)
{
	unsigned n = 0;

	for (uint16_t i = 0; i < h->ports_n; i++) {
		if (h->ports[i].keeps_buffers)
			n += h->ports[i].rx_queues * 2u * 2048;
	}
	return n;
}

bool
dataplane_free(struct dataplane *dp)
{
	struct holdings *h = holdings_of(dp);
	bool clean = true;

	for (uint16_t i = 0; i < dp->workers_n; i++) {
		if (dp->workers[i] != NULL)
			worker_drain(dp->workers[i]);
	}
	for (uint16_t i = 0; i < h->ports_n; i++)
		port_close(&h->ports[i]);
	for (uint16_t i = 0; i < dp->workers_n; i++)
		clean &= free_worker(h, i);
	for (uint16_t i = 0; i < dp->crypto_n; i++)
		crypto_free(dp->crypto[i]);
	/* Its mbufs pointed into buffers: with those, all of them are back. */
	rte_mempool_free(dp->clones);
	if (dp->pool != NULL) {
		unsigned out = rte_mempool_in_use_count(dp->pool);

		if (out > kept_by_drivers(h)) {
			LOG_ERROR("%u of %u packet buffers were not given back", out, dp->mbufs);
			clean = false;
		}
		rte_mempool_free(dp->pool);
	}
	for (unsigned a = 0; a < WORKER_MAX; a++) {
		for (unsigned b = 0; b < WORKER_MAX; b++)
			rte_ring_free(dp->between[a][b]);
	}
	region_unmap(&h->hops);
	free(atomic_load(&dp->ports));
	free(h->rcu_mem);
	if (dp->event_fd >= 0)
		close(dp->event_fd);
	free(h);
	return clean;
}

uint64_t
dataplane_wall_us(const struct dataplane *dp)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 -
	       clock_us(&dp->clock, rte_rdtsc());
}
