/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshot: all of the configuration that the packet path reads, immutable once published.
 *
 * The management core builds a complete snapshot aside, publishes it with one pointer store and
 * frees the old one when every worker has reported quiescent.  Workers load the pointer once per
 * loop and never keep a pointer into it past the burst: what outlives a burst holds references
 * (ref.h), which stay meaningful across snapshots because indexes are stable (see registry.h).
 *
 * The only parts that change under a published snapshot are the target sets, `group->set`, swapped
 * alone when health or registrations change under the same grace rule, and three bytes of a target
 * that tell what is to become of its flows.
 *
 * Addresses and ports are in wire order, times in milliseconds.
 */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "ip_addr.h"
#include "ref.h"
#include "route.h"

#define SNAPSHOT_SLOTS        256
#define SNAPSHOT_FRONTENDS    16384 /* capacity of index space, one more than usable */
#define SNAPSHOT_TARGETS      65536
#define SNAPSHOT_GROUPS       4096
#define SNAPSHOT_INTERFACES   64
#define SNAPSHOT_LOCALS       1024
#define SNAPSHOT_FORWARDS_MAX 5
#define SNAPSHOT_ENDPOINTS    256

enum snapshot_protocol { SNAPSHOT_TCP = 1 << 0, SNAPSHOT_UDP = 1 << 1 };

enum snapshot_forwarding {
	FORWARDING_NAT,      /* destination rewritten, client address kept */
	FORWARDING_FULL_NAT, /* both rewritten; source is a local address and allocated port */
	FORWARDING_GENEVE,   /* encapsulated by a gateway load balancer */
};

/** Where a listener's connections end. */
enum snapshot_termination {
	SNAPSHOT_PASSES,       /* at targets: flows are rewritten */
	SNAPSHOT_ENDS_HTTP,    /* here, and carry HTTP */
	SNAPSHOT_ENDS_CONDUIT, /* here, and their bytes are relayed as they are */
};

/**
 * What a service has made of a listener's configuration: rules, attributes.  Immutable; it lives as
 * long as a snapshot names it, which the management core counts.  Each service's struct begins with
 * this.
 */
struct snapshot_service {
	uint32_t references;
	uint8_t terminates; /* enum snapshot_termination, of frontends that have it */
	void (*free)(struct snapshot_service *service);
};

/** A listener on one address of its load balancer. */
struct snapshot_frontend {
	struct ip_addr vip;
	uint16_t port_be;
	uint8_t af;          /* 4, 6 */
	uint8_t protocols;   /* SNAPSHOT_TCP, SNAPSHOT_UDP or both */
	uint16_t generation; /* 0: index not in use */
	uint8_t draining;    /* removed from the configuration: existing flows only */
	uint8_t terminates;  /* enum snapshot_termination; `service` serves those that end here */
	uint8_t forwards_n;
	uint8_t sticky;       /* flows of a client's address have one group of forwards[] */
	uint32_t tcp_idle_ms; /* established */
	uint32_t udp_idle_ms;
	/* A worker's share of the flows that may begin in a second; 0: no limit. */
	uint32_t new_flows, new_flows_per_source;
	uint32_t weight_sum; /* of forwards[] */
	struct {
		uint32_t group; /* index into groups[] */
		uint32_t weight;
	} forwards[SNAPSHOT_FORWARDS_MAX];
	uint64_t listener_id;
	struct snapshot_service *service; /* of listeners that terminate, else NULL */
	/* Of a load balancer with security groups: sources that may begin flows; else NULL. */
	struct route_table *tcp_sources, *udp_sources;
	uint64_t spare;
};

_Static_assert(sizeof(struct snapshot_frontend) == 128, "an index is a shift");

/** Why the target of a gateway flow is to be thought over when its next packet comes. */
enum snapshot_moving {
	SNAPSHOT_MOVING_REBALANCE = 1 << 0, /* flows are to have another target */
	SNAPSHOT_MOVING_BYPASS = 1 << 1,    /* no target is healthy: flows pass by */
};

/** A registered or still draining target; it stays until its last flow has left. */
struct snapshot_target {
	struct ip_addr addr;
	uint16_t port_be;
	uint16_t generation; /* 0: index not in use */
	uint8_t af;
	uint8_t forwarding; /* enum snapshot_forwarding */
	uint16_t interface; /* egress interface of its route */
	uint32_t group;
	uint32_t local_first; /* full_nat and health checks: local_refs[first .. first + n) */
	uint32_t local_n;
	/* Changed under a published snapshot by the management core, single bytes: */
	uint8_t closing;     /* its flows are to be ended */
	uint8_t moving;      /* enum snapshot_moving, of gateway flows */
	uint8_t resetting;   /* its gateway flows' TCP senders get RST */
	uint8_t proxy_v2;    /* new flows get a PROXY header */
	uint8_t blocked;     /* SNAPSHOT_TCP, SNAPSHOT_UDP: what no outbound rule lets through */
	uint32_t closing_ms; /* before `closing`: only flows that began until then */
	uint64_t id;         /* stable identity (group, address, port) */
	uint64_t spare;
};

_Static_assert(sizeof(struct snapshot_target) == 64, "an index is a shift");

/** A source address of weir's own, towards targets. */
struct snapshot_local {
	struct ip_addr addr;
	uint16_t interface;
	uint16_t generation; /* 0: index not in use */
	uint32_t reserved;
};

struct balance_set;

/**
 * Who may get new flows of a target group: a Maglev table of target references, built by
 * lib/balance from stable ids, weights, health and the cluster's seed alone.  Where connections end
 * at weir there is no table: who gets requests is in `balance`.
 */
struct target_set {
	uint32_t entries_n;          /* prime; 0: the group has no target */
	uint32_t targets_n;          /* targets with entries */
	bool fail_open;              /* no target is healthy: all are in the table */
	uint64_t digest;             /* of the table, as stable ids: equal on every box */
	struct balance_set *balance; /* of requests, else NULL */
	uint32_t entries[];          /* target references */
};

struct snapshot_group {
	_Atomic(struct target_set *) set; /* never NULL while the group is in use */
	uint64_t id;
	uint8_t in_use;
	uint8_t sticky; /* flows of a client's address have one target: stickiness source_ip */
	uint8_t zonal;  /* targets may be in the set of another zone, too */
	struct tls_client *tls; /* how connections to its targets begin; NULL: in the clear */
};

enum snapshot_flow_key { FLOW_KEY_5_TUPLE, FLOW_KEY_3_TUPLE, FLOW_KEY_2_TUPLE };

enum snapshot_fail_mode { SNAPSHOT_FAIL_OPEN, SNAPSHOT_FAIL_CLOSE, SNAPSHOT_FAIL_BYPASS };

/** Where traffic enters a gateway load balancer, with what it needs of that. */
struct snapshot_endpoint {
	uint64_t id_be, attachment_be; /* as appliances see them */
	uint32_t frontend;             /* reference, of the load balancer's listener */
	uint32_t group;                /* index into groups[] */
	uint16_t generation;           /* 0: index not in use */
	uint8_t in_line;               /* a wire between two interfaces */
	uint8_t flow_key;              /* enum snapshot_flow_key */
	uint8_t fail_mode;             /* enum snapshot_fail_mode */
	uint8_t icmp_mtu_exceeded;     /* tell senders of packets too long */
	uint8_t reset_on_idle;         /* answer TCP segments of no flow with RST */
	uint8_t reserved;
};

enum snapshot_address_kind {
	SNAPSHOT_ADDRESS_NONE,
	SNAPSHOT_ADDRESS_VIP, /* of a load balancer */
	SNAPSHOT_ADDRESS_OWN, /* of an interface, or a local address */
};

struct snapshot_address {
	struct ip_addr addr;
	uint8_t kind;       /* enum snapshot_address_kind */
	uint8_t is_local;   /* in locals[]: may be the source of flows */
	uint16_t interface; /* for OWN: its interface */
	uint32_t local;     /* index into locals[] when is_local */
	uint32_t frontend;  /* of a VIP: one of its frontends, for counting; 0: none */
	uint32_t reserved;
	struct route_table *icmp_sources; /* of a VIP: as tcp_sources of a frontend */
};

struct snapshot_interface {
	uint16_t port; /* port index */
	uint16_t vlan; /* 0: untagged */
	uint16_t mtu;
	uint8_t mac[6];
	struct ip_addr v4, v6; /* first own address of each family, zero: none */
	uint8_t in_use;
	uint8_t in_line;   /* one end of a wire: whatever its MAC address, it passes */
	uint16_t peer;     /* the wire's other end */
	uint32_t endpoint; /* reference, 0: none */
};

struct snapshot {
	/* Identity: seams of cluster and warm restart. */
	uint64_t config_revision;
	uint8_t config_hash[32];
	uint32_t generation; /* counts publications in this process */

	uint16_t workers_n;
	uint8_t worker_of[SNAPSHOT_SLOTS]; /* slot -> worker */

	/* By stable index; [0] is never used. */
	struct snapshot_frontend *frontends;
	struct snapshot_target *targets;
	struct snapshot_group *groups;
	struct snapshot_local *locals;
	struct snapshot_interface *interfaces; /* from 0 */
	struct snapshot_endpoint *endpoints;
	uint32_t frontends_n, targets_n, groups_n, locals_n, interfaces_n, endpoints_n;
	bool has_endpoints; /* a gateway load balancer is served */

	uint32_t *local_refs; /* references to locals[], grouped; see snapshot_target */
	uint32_t local_refs_n;

	/* Open addressing, power-of-two sizes, at most half full; kind NONE and 0 are empty. */
	struct snapshot_address *addresses;
	uint32_t addresses_mask;
	uint32_t *frontend_buckets; /* indexes into frontends[] */
	uint32_t frontend_mask;

	const struct route_table *routes;
};

/** The own address, or NULL.  Any worker. */
static inline const struct snapshot_address *
snapshot_find_address(const struct snapshot *s, const struct ip_addr *addr)
{
	for (uint64_t h = hash_cheap(addr->w[0], addr->w[1], 0);; h++) {
		const struct snapshot_address *a = &s->addresses[h & s->addresses_mask];

		if (a->kind == SNAPSHOT_ADDRESS_NONE)
			return NULL;
		if (ip_addr_equal(&a->addr, addr))
			return a;
	}
}

static inline uint64_t
snapshot_frontend_hash(const struct ip_addr *vip, uint16_t port_be, uint8_t protocol)
{
	return hash_cheap(vip->w[0], vip->w[1], (uint64_t)port_be << 8 | protocol);
}

/**
 * The frontend of an address, port and protocol (SNAPSHOT_TCP or SNAPSHOT_UDP).  Any worker.
 * A TCP_UDP frontend is entered under both protocols.  Draining frontends are found too.
 * @return  its index, 0: no listener there.
 */
static inline uint32_t
snapshot_find_frontend(const struct snapshot *s, const struct ip_addr *vip, uint16_t port_be,
		       uint8_t protocol)
{
	for (uint64_t h = snapshot_frontend_hash(vip, port_be, protocol);; h++) {
		uint32_t index = s->frontend_buckets[h & s->frontend_mask];
		const struct snapshot_frontend *f = &s->frontends[index];

		if (index == 0)
			return 0;
		if (f->port_be == port_be && (f->protocols & protocol) != 0 &&
		    ip_addr_equal(&f->vip, vip))
			return index;
	}
}

/** The frontend a reference names, NULL when it is gone. */
static inline const struct snapshot_frontend *
snapshot_frontend(const struct snapshot *s, uint32_t reference)
{
	uint32_t index = ref_index(reference);

	if (index == 0 || index >= s->frontends_n ||
	    s->frontends[index].generation != ref_generation(reference))
		return NULL;
	return &s->frontends[index];
}

static inline const struct snapshot_target *
snapshot_target(const struct snapshot *s, uint32_t reference)
{
	uint32_t index = ref_index(reference);

	if (index == 0 || index >= s->targets_n ||
	    s->targets[index].generation != ref_generation(reference))
		return NULL;
	return &s->targets[index];
}

/** Whether what began then is to end because of what became of its target. */
static inline bool
snapshot_target_ends(const struct snapshot_target *t, uint32_t created_ms, uint32_t now_ms)
{
	return __atomic_load_n(&t->closing, __ATOMIC_ACQUIRE) &&
	       now_ms - created_ms >= now_ms - t->closing_ms;
}

static inline const struct snapshot_endpoint *
snapshot_endpoint(const struct snapshot *s, uint32_t reference)
{
	uint32_t index = ref_index(reference);

	if (index == 0 || index >= s->endpoints_n ||
	    s->endpoints[index].generation != ref_generation(reference))
		return NULL;
	return &s->endpoints[index];
}

static inline const struct snapshot_local *
snapshot_local(const struct snapshot *s, uint32_t reference)
{
	uint32_t index = ref_index(reference);

	if (index == 0 || index >= s->locals_n ||
	    s->locals[index].generation != ref_generation(reference))
		return NULL;
	return &s->locals[index];
}

#endif
