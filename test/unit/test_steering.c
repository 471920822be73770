/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that can do RSS, played by a table and DPDK's own Toeplitz. */
#include "unit.h"

#include <netinet/in.h>

#include <rte_ethdev.h>
#include <rte_thash.h>

#include "bytes.h"
#include "checksum.h"
#include "management.h"
#include "steering.h"
#include "wire.h"

#define WORKERS 3
#define QUEUES  3

static const struct secret secret = {{1, 2, 3}};

/* A NIC: what it was told, and what it makes of a packet. */
struct nic {
	struct port port;
	uint16_t told;
	bool refuses;
	_Alignas(4) uint8_t key[PORT_RSS_KEY_LEN]; /* as rte_softrss() reads it */
	uint16_t table[512];
};

static bool
nic_set_rss(const struct port *port, const uint8_t key[PORT_RSS_KEY_LEN], const uint16_t *queue_of,
	    uint16_t queues_n, char *why, size_t why_len)
{
	struct nic *nic = port->device;

	nic->told++;
	memcpy(nic->key, key, PORT_RSS_KEY_LEN);
	for (uint16_t i = 0; i < port->rss_table; i++)
		nic->table[i] = queue_of[i % queues_n];
	snprintf(why, why_len, "no");
	return !nic->refuses;
}

static const struct port_ops nic_ops = {.set_rss = nic_set_rss};

struct world {
	struct dataplane dp;
	struct management m;
	struct port_map map;
	struct nic nics[2];
	struct worker workers[WORKERS];
	struct nlb nlb;
	struct snapshot snapshot;
	struct snapshot_target targets[3];
	struct snapshot_frontend frontends[2];
};

static void
make_nic(struct world *w, uint16_t index, uint16_t table, uint16_t key_len)
{
	struct nic *nic = &w->nics[index];

	nic->port = (struct port){.ops = &nic_ops,
				  .device = nic,
				  .index = index,
				  .rx_queues = QUEUES,
				  .rss = true,
				  .rss_table = table,
				  .rss_key_len = key_len,
				  .rss_types = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP};
	w->map.ports[index] = &nic->port;
}

/* Clients before port 0, targets of one forwarding behind port 1. */
static struct world *
begin(enum snapshot_forwarding forwarding)
{
	struct world *w = calloc(1, sizeof(*w));
	static const struct route routes[] = {
		{.prefix = {{.b = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 0}}, 120}, .interface = 0},
		{.prefix = {{.b = {[10] = 0xff, [11] = 0xff, 198, 51, 100, 0}}, 120},
		 .interface = 1},
	};

	make_nic(w, 0, 512, 52);
	make_nic(w, 1, 128, 40);
	w->map.ports_n = 2;
	atomic_store(&w->dp.ports, &w->map);
	w->dp.workers_n = WORKERS;
	for (uint16_t i = 0; i < WORKERS; i++) {
		w->dp.workers[i] = &w->workers[i];
		w->workers[i].nlb = &w->nlb;
	}
	steer_init(&w->nlb.steer, &secret);
	w->m.dp = &w->dp;
	w->m.secret = secret;
	w->m.interfaces_n = 2;
	w->m.interfaces[1].port = 1;
	w->frontends[1] = (struct snapshot_frontend){.generation = 1};
	EXPECT(ip_addr_parse("192.0.2.10", &w->frontends[1].vip));
	w->targets[1] = (struct snapshot_target){
		.generation = 1, .af = 4, .interface = 1, .forwarding = (uint8_t)forwarding};
	w->snapshot.targets = w->targets;
	w->snapshot.targets_n = 2;
	w->snapshot.frontends = w->frontends;
	w->snapshot.frontends_n = 2;
	w->snapshot.routes = route_table_create(routes, 2);
	steering_probe(&w->dp);
	for (int slot = 0; slot < SNAPSHOT_SLOTS; slot++)
		w->snapshot.worker_of[slot] = (uint8_t)(slot % w->dp.steer_modulus % WORKERS);
	atomic_store(&w->dp.snapshot, &w->snapshot);
	return w;
}

static void
end(struct world *w)
{
	route_table_free((struct route_table *)(uintptr_t)w->snapshot.routes);
	free(w);
}

static uint32_t
nic_hash(const struct nic *nic, const uint8_t src[4], const uint8_t dst[4], uint16_t sport,
	 uint16_t dport)
{
	uint32_t words[3] = {bytes_load_be32(src), bytes_load_be32(dst),
			     (uint32_t)sport << 16 | dport};

	return rte_softrss(words, 3, nic->key);
}

static uint16_t
arrives_at(const struct world *w, const struct nic *nic, uint32_t hash)
{
	return dataplane_queue_owner(&w->dp, nic->port.index,
				     nic->table[hash % nic->port.rss_table]);
}

/* Tables of 512 and 128 entries, keys of 52 and 40 bytes: each packet arrives at its owner. */
static void
test_packets_arrive_at_their_owners(unsigned long long *state)
{
	struct world *w = begin(FORWARDING_NAT);

	EXPECT(w->dp.steer_modulus == 128);
	steering_start(&w->m);
	EXPECT(w->dp.rss[0].plan == RSS_PLAN_CLIENT && w->dp.rss[1].plan == RSS_PLAN_NAT4);
	EXPECT(steering_of_all(&w->m) == STEERING_CHECKING);
	for (int i = 0; i < 2000; i++) {
		uint8_t client[4], other[4] = {198, 51, 100, (uint8_t)unit_random(state)};
		uint16_t cport = (uint16_t)unit_random(state), oport = (uint16_t)unit_random(state);
		struct ip_addr addr;
		uint16_t owner;

		bytes_store_be32(client, (uint32_t)unit_random(state));
		addr = ip_addr_from_v4(client);
		owner = steer_owner(&w->snapshot, steer_slot(&w->nlb.steer, &addr, htons(cport)));
		EXPECT(owner == arrives_at(w, &w->nics[0],
					   nic_hash(&w->nics[0], client, other, cport, oport)));
		EXPECT(owner == arrives_at(w, &w->nics[1],
					   nic_hash(&w->nics[1], other, client, oport, cport)));
	}
	end(w);
}

/* A TCP segment 192.0.2.99 -> 192.0.2.10 with the hash that came with it. */
static void
receive(struct world *w, uint16_t port, uint16_t sport, uint32_t wrong_by, uint8_t options)
{
	static uint8_t frame[128];
	uint8_t *ip = frame + 14, *tcp = ip + 20 + options;
	struct rte_mbuf buf = {.buf_addr = frame,
			       .data_len = (uint16_t)(54 + options),
			       .pkt_len = 54u + options,
			       .ol_flags = RTE_MBUF_F_RX_RSS_HASH};
	struct worker_counters *c = &w->workers[0].counters;

	memset(frame, 0, sizeof(frame));
	frame[12] = 8;
	ip[0] = (uint8_t)(0x45 + options / 4);
	bytes_store_be16(ip + IPV4_LEN, (uint16_t)(40 + options));
	ip[IPV4_TTL] = 64;
	ip[IPV4_PROTO] = IPPROTO_TCP;
	memcpy(ip + IPV4_SRC, (uint8_t[]){192, 0, 2, 99}, 4);
	memcpy(ip + IPV4_DST, (uint8_t[]){192, 0, 2, 10}, 4);
	bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20u + options));
	bytes_store_be16(tcp + TCP_SPORT, sport);
	bytes_store_be16(tcp + TCP_DPORT, 80);
	tcp[TCP_OFF] = 0x50;
	tcp[TCP_FLAGS] = TCP_FLAG_SYN;
	buf.hash.rss = nic_hash(&w->nics[port], ip + IPV4_SRC, ip + IPV4_DST, sport, 80) + wrong_by;
	steering_sample(&w->dp, &w->nics[port].port, &buf, &c->rss_right[port],
			&c->rss_wrong[port]);
	buf.ol_flags = 0; /* without a hash nothing is learnt */
	steering_sample(&w->dp, &w->nics[port].port, &buf, &c->rss_right[port],
			&c->rss_wrong[port]);
}

/* Believed after enough equal hashes, no longer after one that differs. */
static void
test_belief(void)
{
	struct world *w = begin(FORWARDING_FULL_NAT);

	steering_start(&w->m);
	EXPECT(w->dp.rss[1].plan == RSS_PLAN_FULL_NAT);
	for (uint16_t i = 0; i < 63; i++)
		receive(w, 1, (uint16_t)(1000 + i), 0, 0);
	steering_tick(&w->m);
	EXPECT(steering_of_port(&w->m, 1) == STEERING_CHECKING && w->dp.replies[1] == NULL);
	receive(w, 1, 2000, 0, 0);
	receive(w, 1, 2000, 1, 4); /* with options: may be hashed otherwise */
	steering_tick(&w->m);
	EXPECT(steering_of_port(&w->m, 1) == STEERING_RSS);
	EXPECT(w->dp.replies[1] == &w->dp.rss[1].replies && w->dp.replies[0] == NULL);
	EXPECT(steering_of_port(&w->m, 0) == STEERING_CHECKING);
	receive(w, 1, 2001, 1, 0);
	steering_tick(&w->m);
	EXPECT(steering_of_port(&w->m, 1) == STEERING_RING && w->dp.replies[1] == NULL);
	EXPECT(steering_of_all(&w->m) == STEERING_RING);
	end(w);
}

static void
test_ports_that_cannot(void)
{
	struct world *w = begin(FORWARDING_FULL_NAT);

	w->nics[0].refuses = true;
	w->nics[1].port.rss_key_len = 0;
	steering_start(&w->m);
	EXPECT(w->nics[0].told == 1 && w->nics[1].told == 0);
	EXPECT(steering_of_port(&w->m, 0) == STEERING_RING);
	EXPECT(steering_of_port(&w->m, 1) == STEERING_RING);
	EXPECT(!w->dp.rss[0].sampled && !w->dp.rss[1].sampled);
	end(w);

	/* Targets and clients behind one port. */
	w = begin(FORWARDING_FULL_NAT);
	w->targets[1].interface = 0;
	steering_start(&w->m);
	EXPECT(w->dp.rss[0].plan == RSS_PLAN_MIXED && w->dp.rss[1].plan == RSS_PLAN_CLIENT);
	end(w);

	w = begin(FORWARDING_FULL_NAT);
	w->dp.workers_n = 1;
	steering_start(&w->m);
	EXPECT(w->nics[0].told == 0 && steering_of_all(&w->m) == STEERING_SINGLE);
	end(w);
}

int
main(void)
{
	unsigned long long state = unit_seed(23);

	test_packets_arrive_at_their_owners(&state);
	test_belief();
	test_ports_that_cannot();
	return unit_done();
}
