/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "management.h"
#include "check.h"
#include "config.h"
#include "log.h"
#include "log_record.h"
#include "proxy.h"
#include "target_set.h"
#include "worker_tcp.h"

#define RING_SIZE   16384
#define MBUFS       32768 /* and MBUFS_EACH for each client */
#define MBUFS_EACH  7     /* an answer not acknowledged holds two; up to 35 % windows stay open */
#define MBUF_BYTES  4096  /* at most, with small pages */
#define DATA_ROOM   2048
#define MTU         1500
#define CLIENTS_MAX 8 /* addresses */

static void
fail(const char *what)
{
	fprintf(stderr, "ring_world: %s\n", what);
	exit(1);
}

static uint32_t
mbufs_of(const struct ring_world_settings *s)
{
	return MBUFS + MBUFS_EACH * s->connections;
}

static void
start_eal(const struct ring_world_settings *s)
{
	char lcores[64], prefix[64], megabytes[16];
	char *argv[] = {(char *)(uintptr_t) "bench",
			lcores,
			prefix,
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "--log-level=lib.eal:error",
			(char *)(uintptr_t) "--force-max-simd-bitwidth=256",
			(char *)(uintptr_t)(s->hugepages ? "--in-memory" : "--no-huge"),
			(char *)(uintptr_t) "-m",
			megabytes};

	snprintf(lcores, sizeof(lcores), "--lcores=0@%d,1@%d", s->load_cpu, s->worker_cpu);
	snprintf(megabytes, sizeof(megabytes), "%u",
		 (mbufs_of(s) >> 10) * (2 * MBUF_BYTES + DATAPLANE_CLONE_BYTES) / 1024 + 128);
	snprintf(prefix, sizeof(prefix), "--file-prefix=weir-bench-%d", getpid());
	if (rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0)
		fail("EAL does not start");
}

static void
load_model(struct ring_world *w, const char *text)
{
	struct config_errors errors = {0};
	struct config_source source = {.name = "bench.ini", .bytes = text, .len = strlen(text)};

	w->model = config_load(&source, 1, &errors);
	for (uint32_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.items[i].text);
	if (w->model == NULL)
		fail("the configuration is refused");
}

/* `a` and `b`: one side's rings, into weir and out of it. */
static void
make_side(struct ring_world *w, int side, const char *name)
{
	char full[RTE_RING_NAMESIZE];

	for (int i = 0; i < 2; i++) {
		snprintf(full, sizeof(full), "%s_%d", name, i);
		w->rings[2 * side + i] = rte_ring_create(full, RING_SIZE, SOCKET_ID_ANY,
							 RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (w->rings[2 * side + i] == NULL)
			fail("no memory for rings");
	}
	w->sides[side].to_weir = w->rings[2 * side];
	w->sides[side].from_weir = w->rings[2 * side + 1];
	if (rte_eth_from_rings(name, &w->rings[2 * side], 1, &w->rings[2 * side + 1], 1, 0) < 0)
		fail("no port of rings");
}

static void
make_dataplane(struct ring_world *w, const struct ring_world_settings *s)
{
	char why[512] = "";
	uint32_t connections = 4 * s->connections + 1024;
	struct dataplane_settings d = {
		.workers_n = 1,
		.hugepages = s->hugepages,
		.max_flows = 262144,
		.max_connections = connections,
		.max_half_open = connections,
		.mbufs = mbufs_of(s),
		.mbuf_data_room = DATA_ROOM,
		.frontends_n = SNAPSHOT_FRONTENDS,
		.interfaces_n = SNAPSHOT_INTERFACES,
		.targets_n = SNAPSHOT_TARGETS,
		.secret = &w->secret,
		.secrets = &w->secret,
		.secrets_n = 1,
		.ports_n = 2,
		.ports = {{.device = "net_ring_front", .mtu = MTU, .offloads = true},
			  {.device = "net_ring_back", .mtu = MTU, .offloads = true}}};

	w->dp = dataplane_create(&d, why, sizeof(why));
	if (w->dp == NULL)
		fail(why);
	w->worker = w->dp->workers[0];
	for (int i = 0; i < 2; i++) {
		struct port *port = atomic_load(&w->dp->ports)->ports[i];

		port->interface_of_vlan[0] = (uint16_t)i;
		w->sides[i].port_id = port->port_id;
		memcpy(w->sides[i].mac, port->mac, 6);
	}
	w->pool = rte_pktmbuf_pool_create("load", mbufs_of(s), 256, 0,
					  DATA_ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	if (w->pool == NULL)
		fail("no memory for the load's buffers");
}

static void
resolve(struct ring_world *w, uint16_t interface, uint32_t addr)
{
	uint32_t be = htonl(addr);
	struct ip_addr a = ip_addr_from_v4(&be);
	struct next_hop_copy hop = {
		.interface = interface, .port = interface, .mtu = MTU, .l2_len = 14};

	memcpy(hop.l2, (uint8_t[]){2, 0, 0, 0, 0, 9}, 6);
	memcpy(hop.l2 + 6, w->sides[interface].mac, 6);
	memcpy(hop.l2 + 12, (uint8_t[]){8, 0}, 2);
	next_hop_resolve(&w->dp->hops, next_hop_add(&w->dp->hops, interface, &a), &hop);
}

/* Every group's set has all targets of the group, healthy. */
static void
make_sets(struct ring_world *w)
{
	struct snapshot *s = w->snapshot;

	for (uint32_t g = 1; g < s->groups_n; g++) {
		const struct model_target_group *tg =
			model_target_group_by_id(w->model, s->groups[g].id);
		struct balance_settings settings = {.algorithm = tg->algorithm};
		struct balance_member members[RING_LOAD_TARGETS];
		uint32_t n = 0;

		for (uint32_t t = 1; t < s->targets_n; t++) {
			if (s->targets[t].group != g)
				continue;
			CHECK(n < RING_LOAD_TARGETS);
			members[n++] = (struct balance_member){
				.target = ref_make(t, s->targets[t].generation),
				.weight = 1,
				.factor = BALANCE_FACTOR_ONE,
				.healthy = true};
		}
		atomic_store(&s->groups[g].set, target_set_of_requests(&settings, members, n, g));
	}
}

static void
make_snapshot(struct ring_world *w)
{
	struct snapshot_interface interfaces[2] = {{.port = 0, .mtu = MTU},
						   {.port = 1, .mtu = MTU}};
	uint64_t ids[2] = {w->model->interfaces[0].id, w->model->interfaces[1].id};
	struct snapshot_input input = {.model = w->model,
				       .interface_ids = ids,
				       .interfaces = interfaces,
				       .interfaces_n = 2,
				       .workers_n = 1,
				       .generation = 1,
				       .service = publication_service};
	char why[512] = "";

	for (int i = 0; i < 2; i++)
		memcpy(interfaces[i].mac, w->sides[i].mac, 6);
	CHECK(snapshot_registries_init(&w->registries));
	w->snapshot = snapshot_build(&w->registries, &input, why, sizeof(why));
	if (w->snapshot == NULL)
		fail(why);
	make_sets(w);
	atomic_store(&w->dp->snapshot, w->snapshot);
}

void
ring_world_create(struct ring_world *w, const struct ring_world_settings *s)
{
	memset(w, 0, sizeof(*w));
	log_set_level(LOG_LEVEL_WARNING);
	start_eal(s);
	load_model(w, s->text);
	if (!secret_random(&w->secret, sizeof(w->secret)))
		fail("no random numbers");
	make_side(w, 0, "front");
	make_side(w, 1, "back");
	make_dataplane(w, s);
	make_snapshot(w);
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		resolve(w, 0, RING_LOAD_FRONT + RING_LOAD_FIRST_CLIENT + i);
	for (uint32_t i = 0; i < RING_LOAD_TARGETS; i++)
		resolve(w, 1, RING_LOAD_BACK + RING_LOAD_FIRST_TARGET + i);
	dataplane_prepare(w->dp);
}

void
ring_world_read_log(struct ring_world *w)
{
	struct log_ring *ring = worker_tcp_log(w->worker->tcp);
	const struct log_record *record;
	uint32_t len;

	while ((record = log_ring_peek(ring, &len)) != NULL) {
		if (record->kind == LOG_ACCESS || record->kind == LOG_CLASSIC)
			w->access_records++;
		else
			w->connection_records++;
		log_ring_release(ring);
	}
}

void
ring_world_left(struct ring_world *w, struct ring_world_left *left)
{
	struct proxy_gauges proxy;
	struct nlb_gauges nlb;
	uint64_t all = 0, high = 0, failures = 0;

	*left = (struct ring_world_left){0};
	worker_tcp_gauges(w->worker->tcp, &proxy);
	nlb_gauges(w->worker->nlb, &nlb);
	worker_tcp_add_spans(w->worker->tcp, &all, &left->spans, &high, &failures);
	left->connections = worker_tcp_engine(w->worker->tcp)->connections;
	left->sessions = proxy.sessions;
	left->exchanges = proxy.exchanges;
	left->upstreams = proxy.upstreams;
	left->ports = nlb.ports;
	left->buffers = rte_mempool_in_use_count(w->dp->pool);
	left->load_buffers = rte_mempool_in_use_count(w->pool);
	left->log_lost = worker_tcp_log(w->worker->tcp)->lost + failures;
	for (int i = 0; i < DROP_REASONS; i++)
		left->dropped += w->worker->counters.drops[i];
}

bool
ring_world_free(struct ring_world *w)
{
	struct target_set *set;
	bool clean = dataplane_free(w->dp);

	for (uint32_t g = 1; g < w->snapshot->groups_n; g++) {
		set = atomic_load(&w->snapshot->groups[g].set);
		target_set_free(set);
	}
	snapshot_free(w->snapshot);
	snapshot_registries_fini(&w->registries);
	model_free(w->model);
	clean &= rte_mempool_in_use_count(w->pool) == 0;
	rte_mempool_free(w->pool);
	for (int i = 0; i < 4; i++)
		rte_ring_free(w->rings[i]);
	rte_eal_cleanup();
	return clean;
}
