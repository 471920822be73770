/* SPDX-License-Identifier: BSD-3-Clause */
#include "neighbor.h"

#include <stdlib.h>

#include "bytes.h"
#include "clock.h"
#include "wire.h"

#define ANNOUNCING_MAX 4096
#define EVICT_LOOKED   64 /* entries compared when the table is full */

struct neighbor {
	uint8_t state; /* enum neighbor_state */
	uint8_t probes;
	uint8_t waiting_n;
	uint8_t mac[6];
	uint16_t interface;
	uint32_t deadline_ms;
	uint32_t last_used_ms;
	uint32_t reference;
	struct ip_addr addr;
	void *waiting[NEIGHBOR_QUEUE];
};

struct announcement {
	uint16_t interface;
	uint8_t left;
	bool on;
	uint32_t next_ms;
	struct ip_addr addr;
};

struct neighbors {
	struct next_hop_table *hops;
	const struct neighbor_interface *interfaces;
	uint16_t interfaces_n;
	struct neighbor_ops ops;
	void *arg;
	struct neighbor *entries; /* by next-hop index */
	uint32_t entries_n;       /* one more than the highest index used */
	uint32_t in_use;
	uint32_t evict_at; /* entry from which a full table looks for one to give up */
	uint32_t waiting_n;
	struct announcement *announcing;
	uint32_t announcing_n;
};

static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

const char *
neighbor_state_name(enum neighbor_state state)
{
	static const char *const names[NEIGHBOR_STATES] = {
		"free", "incomplete", "reachable", "stale", "probe", "failed", "static",
	};

	return names[state];
}

struct neighbors *
neighbors_create(struct next_hop_table *hops, const struct neighbor_interface *interfaces,
		 uint16_t interfaces_n, const struct neighbor_ops *ops, void *arg)
{
	struct neighbors *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->hops = hops;
	n->interfaces = interfaces;
	n->interfaces_n = interfaces_n;
	n->ops = *ops;
	n->arg = arg;
	n->entries_n = 1;
	n->entries = calloc(hops->entries_n, sizeof(*n->entries));
	n->announcing = calloc(ANNOUNCING_MAX, sizeof(*n->announcing));
	if (n->entries == NULL || n->announcing == NULL) {
		free(n->entries);
		free(n->announcing);
		free(n);
		return NULL;
	}
	return n;
}

static void
drop_waiting(struct neighbors *n, struct neighbor *e, enum drop_reason reason)
{
	for (uint8_t i = 0; i < e->waiting_n; i++)
		n->ops.drop(n->arg, e->waiting[i], reason);
	n->waiting_n -= e->waiting_n;
	e->waiting_n = 0;
}

void
neighbors_free(struct neighbors *n)
{
	if (n == NULL)
		return;
	for (uint32_t i = 1; i < n->entries_n; i++)
		drop_waiting(n, &n->entries[i], DROP_SHUTDOWN);
	free(n->entries);
	free(n->announcing);
	free(n);
}

/* Destination, source, tag and ethertype; returns the length. */
static uint8_t
write_l2(const struct neighbor_interface *interface, const uint8_t *dst, uint16_t ethertype,
	 uint8_t *l2)
{
	memcpy(l2, dst, 6);
	memcpy(l2 + 6, interface->mac, 6);
	if (interface->vlan == 0) {
		bytes_store_be16(l2 + 12, ethertype);
		return 14;
	}
	bytes_store_be16(l2 + 12, 0x8100);
	bytes_store_be16(l2 + 14, interface->vlan);
	bytes_store_be16(l2 + 16, ethertype);
	return 18;
}

static void
send_arp(struct neighbors *n, uint16_t interface, const uint8_t *dst_mac,
	 const struct arp_packet *arp)
{
	uint8_t frame[NEXT_HOP_L2_MAX + ARP_PACKET_LEN];
	uint8_t l2 = write_l2(&n->interfaces[interface], dst_mac, ETHERTYPE_ARP, frame);

	arp_write(arp, frame + l2);
	n->ops.send(n->arg, interface, frame, (size_t)l2 + ARP_PACKET_LEN);
}

static void
send_nd(struct neighbors *n, uint16_t interface, const uint8_t *dst_mac, struct nd_packet *nd)
{
	const struct neighbor_interface *i = &n->interfaces[interface];
	uint8_t frame[NEIGHBOR_FRAME_MAX];
	uint8_t l2 = write_l2(i, dst_mac, ETHERTYPE_IPV6, frame);

	memcpy(nd->mac, i->mac, 6);
	nd_write(nd, frame + l2);
	n->ops.send(n->arg, interface, frame, (size_t)l2 + ND_PACKET_LEN);
}

/* `mac` is NULL to ask everybody. */
static void
ask(struct neighbors *n, const struct neighbor *e, const uint8_t *mac)
{
	const struct neighbor_interface *i = &n->interfaces[e->interface];

	if (ip_addr_is_v4(&e->addr)) {
		struct arp_packet arp = {
			.operation = ARP_REQUEST, .sender = i->v4, .target = e->addr};

		if (!ip_addr_is_v4(&i->v4))
			return; /* an interface without an IPv4 address can't ask */
		memcpy(arp.sender_mac, i->mac, 6);
		send_arp(n, e->interface, mac != NULL ? mac : broadcast_mac, &arp);
	} else {
		struct nd_packet nd = {.src = i->v6, .target = e->addr, .dst = e->addr};
		uint8_t group_mac[6];

		if (ip_addr_is_unspecified(&i->v6))
			return;
		if (mac == NULL) {
			nd.dst = nd_solicited_node(&e->addr);
			nd_multicast_mac(&nd.dst, group_mac);
		}
		send_nd(n, e->interface, mac != NULL ? mac : group_mac, &nd);
	}
}

static struct neighbor *
find(struct neighbors *n, uint16_t interface, const struct ip_addr *addr)
{
	uint32_t reference = next_hop_find(n->hops, interface, addr);

	return reference == 0 ? NULL : &n->entries[ref_index(reference)];
}

static void
remove_entry(struct neighbors *n, struct neighbor *e)
{
	drop_waiting(n, e, DROP_NEIGHBOR_UNRESOLVED);
	next_hop_remove(n->hops, e->reference);
	e->state = NEIGHBOR_FREE;
	n->in_use--;
}

/* How well an entry can be done without; 0: not at all. */
static int
dispensable(const struct neighbors *n, const struct neighbor *e)
{
	const struct next_hop *nh = &n->hops->entries[ref_index(e->reference)];

	switch ((enum neighbor_state)e->state) {
	case NEIGHBOR_FAILED:
		return 4;
	case NEIGHBOR_INCOMPLETE:
		return 3;
	case NEIGHBOR_STALE:
		return 2;
	case NEIGHBOR_REACHABLE:
		/* It answered or asked, but nothing was ever sent to it. */
		return atomic_load_explicit(&nh->used, memory_order_relaxed) == 0;
	case NEIGHBOR_FREE:
	case NEIGHBOR_PROBE:
	case NEIGHBOR_STATIC:
		break;
	}
	return 0;
}

/*
 * The table is full, of strangers' inventions most likely (RFC 6583): the most dispensable of some
 * entries, and of those the one out of use longest, makes room.
 */
static void
evict(struct neighbors *n, uint32_t now_ms)
{
	struct neighbor *victim = NULL;
	int victim_rank = 0;

	for (uint32_t i = 0; i < EVICT_LOOKED && i + 1 < n->entries_n; i++) {
		struct neighbor *e;
		int rank;

		if (++n->evict_at >= n->entries_n)
			n->evict_at = 1;
		e = &n->entries[n->evict_at];
		rank = dispensable(n, e);
		if (rank == 0 || rank < victim_rank ||
		    (rank == victim_rank &&
		     now_ms - e->last_used_ms <= now_ms - victim->last_used_ms))
			continue;
		victim = e;
		victim_rank = rank;
	}
	if (victim == NULL)
		return;
	/* The entry is found again without a search through the full table. */
	n->hops->free_hint = ref_index(victim->reference) - 1;
	remove_entry(n, victim);
}

static struct neighbor *
add(struct neighbors *n, uint16_t interface, const struct ip_addr *addr, uint32_t now_ms)
{
	uint32_t reference;
	struct neighbor *e;

	if (n->in_use + 1 >= n->hops->entries_n)
		evict(n, now_ms);
	if (n->in_use + 1 >= n->hops->entries_n)
		return NULL;
	reference = next_hop_add(n->hops, interface, addr);
	if (reference == 0)
		return NULL;
	e = &n->entries[ref_index(reference)];
	if (ref_index(reference) >= n->entries_n)
		n->entries_n = ref_index(reference) + 1;
	*e = (struct neighbor){.state = NEIGHBOR_FAILED,
			       .interface = interface,
			       .reference = reference,
			       .addr = *addr,
			       .deadline_ms = now_ms,
			       .last_used_ms = now_ms};
	n->in_use++;
	return e;
}

static void
publish(struct neighbors *n, struct neighbor *e)
{
	const struct neighbor_interface *i = &n->interfaces[e->interface];
	struct next_hop_copy copy = {.interface = e->interface, .port = i->port, .mtu = i->mtu};

	copy.l2_len = write_l2(i, e->mac, ip_addr_is_v4(&e->addr) ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6,
			       copy.l2);
	next_hop_resolve(n->hops, e->reference, &copy);
}

static void
set_known(struct neighbors *n, struct neighbor *e, const uint8_t *mac, uint32_t now_ms)
{
	bool changed = memcmp(e->mac, mac, 6) != 0 || e->state == NEIGHBOR_INCOMPLETE ||
		       e->state == NEIGHBOR_FAILED;
	uint8_t waiting_n = e->waiting_n;

	memcpy(e->mac, mac, 6);
	e->state = NEIGHBOR_REACHABLE;
	e->deadline_ms = now_ms + NEIGHBOR_REACHABLE_MS;
	e->probes = 0;
	if (changed)
		publish(n, e);
	e->waiting_n = 0;
	n->waiting_n -= waiting_n;
	for (uint8_t i = 0; i < waiting_n; i++)
		n->ops.release(n->arg, e->waiting[i], e->reference);
}

static void
start_asking(struct neighbors *n, struct neighbor *e, uint32_t now_ms)
{
	e->state = NEIGHBOR_INCOMPLETE;
	e->probes = 1;
	e->deadline_ms = now_ms + NEIGHBOR_RETRANS_MS;
	ask(n, e, NULL);
}

static struct neighbor *
want(struct neighbors *n, uint16_t interface, const struct ip_addr *addr, uint32_t now_ms)
{
	struct neighbor *e = find(n, interface, addr);

	if (e == NULL)
		e = add(n, interface, addr, now_ms);
	if (e == NULL)
		return NULL;
	e->last_used_ms = now_ms;
	if (e->state == NEIGHBOR_FAILED && clock_ms_reached(now_ms, e->deadline_ms))
		start_asking(n, e, now_ms);
	return e;
}

void
neighbor_want(struct neighbors *n, uint16_t interface, const struct ip_addr *addr, uint32_t now_ms)
{
	want(n, interface, addr, now_ms);
}

void
neighbor_resolve(struct neighbors *n, uint16_t interface, const struct ip_addr *addr, void *packet,
		 uint32_t now_ms)
{
	struct neighbor *e = want(n, interface, addr, now_ms);

	if (e == NULL) {
		n->ops.drop(n->arg, packet, DROP_NEIGHBOR_QUEUE_FULL);
		return;
	}
	if (e->state == NEIGHBOR_FAILED) {
		n->ops.drop(n->arg, packet, DROP_NEIGHBOR_UNRESOLVED);
		return;
	}
	if (e->state != NEIGHBOR_INCOMPLETE) {
		n->ops.release(n->arg, packet, e->reference);
		return;
	}
	if (e->waiting_n == NEIGHBOR_QUEUE || n->waiting_n == NEIGHBOR_QUEUE_ALL) {
		n->ops.drop(n->arg, packet, DROP_NEIGHBOR_QUEUE_FULL);
		return;
	}
	e->waiting[e->waiting_n++] = packet;
	n->waiting_n++;
}

bool
neighbor_set_static(struct neighbors *n, uint16_t interface, const struct ip_addr *addr,
		    const uint8_t *mac, uint32_t now_ms)
{
	struct neighbor *e = find(n, interface, addr);

	if (mac == NULL) {
		if (e != NULL && e->state == NEIGHBOR_STATIC)
			remove_entry(n, e);
		return true;
	}
	if (e == NULL)
		e = add(n, interface, addr, now_ms);
	if (e == NULL)
		return false;
	set_known(n, e, mac, now_ms);
	e->state = NEIGHBOR_STATIC;
	return true;
}

static bool
mac_is_unicast(const uint8_t *mac)
{
	static const uint8_t zero[6];

	return (mac[0] & 1) == 0 && memcmp(mac, zero, 6) != 0;
}

/* Somebody says that `addr` is at `mac`. */
static void
learn(struct neighbors *n, uint16_t interface, const struct ip_addr *addr, const uint8_t *mac,
      bool create, uint32_t now_ms)
{
	struct neighbor *e = find(n, interface, addr);

	if (e == NULL && create)
		e = add(n, interface, addr, now_ms);
	if (e == NULL || e->state == NEIGHBOR_STATIC)
		return;
	set_known(n, e, mac, now_ms);
}

enum drop_reason
neighbor_on_arp(struct neighbors *n, uint16_t interface, const struct arp_packet *arp,
		uint32_t now_ms)
{
	const struct neighbor_interface *i = &n->interfaces[interface];
	bool for_us = n->ops.is_own(n->arg, interface, &arp->target);

	if (!mac_is_unicast(arp->sender_mac))
		return DROP_ARP_INVALID;
	/* Our address in another's mouth: a conflict or a forgery, not believed (RFC 5227). */
	if (n->ops.is_own(n->arg, interface, &arp->sender))
		return DROP_ARP_INVALID;

	if (!ip_addr_is_martian_source(&arp->sender))
		learn(n, interface, &arp->sender, arp->sender_mac,
		      for_us && arp->operation == ARP_REQUEST, now_ms);
	else if (!ip_addr_is_unspecified(&arp->sender)) /* zero: an address probe */
		return DROP_ARP_INVALID;

	if (for_us && arp->operation == ARP_REQUEST) {
		struct arp_packet reply = {
			.operation = ARP_REPLY, .sender = arp->target, .target = arp->sender};

		memcpy(reply.sender_mac, i->mac, 6);
		memcpy(reply.target_mac, arp->sender_mac, 6);
		send_arp(n, interface, arp->sender_mac, &reply);
	}
	return DROP_NONE;
}

static void
answer_solicitation(struct neighbors *n, uint16_t interface, const struct nd_packet *nd,
		    const uint8_t *src_mac)
{
	bool probe = ip_addr_is_unspecified(&nd->src);
	struct nd_packet reply = {.advertisement = true,
				  .solicited = !probe,
				  .override = true,
				  .src = nd->target,
				  .dst = nd->src,
				  .target = nd->target};
	uint8_t mac[6];

	if (probe) {
		static const struct ip_addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};

		reply.dst = all_nodes;
		nd_multicast_mac(&all_nodes, mac);
	} else {
		memcpy(mac, nd->has_mac ? nd->mac : src_mac, 6);
	}
	send_nd(n, interface, mac, &reply);
}

enum drop_reason
neighbor_on_nd(struct neighbors *n, uint16_t interface, const struct nd_packet *nd,
	       const uint8_t *src_mac, uint32_t now_ms)
{
	const struct ip_addr *who = nd->advertisement ? &nd->target : &nd->src;
	bool for_us = n->ops.is_own(n->arg, interface, &nd->target);
	struct neighbor *e;

	if (n->ops.is_own(n->arg, interface, who) || !mac_is_unicast(src_mac) ||
	    (nd->has_mac && !mac_is_unicast(nd->mac)))
		return DROP_ND_INVALID;

	if (!nd->advertisement) {
		if (!for_us)
			return DROP_NONE; /* of somebody else, by multicast */
		if (nd->has_mac && !ip_addr_is_unspecified(who))
			learn(n, interface, who, nd->mac, true, now_ms);
		answer_solicitation(n, interface, nd, src_mac);
		return DROP_NONE;
	}
	if (for_us)
		return DROP_ND_INVALID;
	if (!nd->has_mac)
		return DROP_NONE;
	/* RFC 4861 section 7.2.5: without the override flag a known address stays as it is. */
	e = find(n, interface, who);
	if (e != NULL && !nd->override && e->state != NEIGHBOR_INCOMPLETE &&
	    e->state != NEIGHBOR_FAILED && memcmp(e->mac, nd->mac, 6) != 0)
		return DROP_NONE;
	learn(n, interface, who, nd->mac, false, now_ms);
	return DROP_NONE;
}

static void
send_announcement(struct neighbors *n, const struct announcement *a)
{
	const struct neighbor_interface *i = &n->interfaces[a->interface];

	if (ip_addr_is_v4(&a->addr)) {
		struct arp_packet arp = {
			.operation = ARP_REQUEST, .sender = a->addr, .target = a->addr};

		memcpy(arp.sender_mac, i->mac, 6);
		send_arp(n, a->interface, broadcast_mac, &arp);
	} else {
		static const struct ip_addr all_nodes = {.b = {0xff, 0x02, [15] = 1}};
		struct nd_packet nd = {.advertisement = true,
				       .override = true,
				       .src = a->addr,
				       .dst = all_nodes,
				       .target = a->addr};
		uint8_t mac[6];

		nd_multicast_mac(&all_nodes, mac);
		send_nd(n, a->interface, mac, &nd);
	}
}

void
neighbor_announce(struct neighbors *n, uint16_t interface, const struct ip_addr *addr, bool on,
		  uint32_t now_ms)
{
	uint32_t at = 0;

	while (at < n->announcing_n && (n->announcing[at].interface != interface ||
					!ip_addr_equal(&n->announcing[at].addr, addr)))
		at++;
	if (at == n->announcing_n) {
		if (!on || at == ANNOUNCING_MAX)
			return;
		n->announcing_n++;
	}
	/* An address that weir gives up is not announced; whoever takes it over speaks for it. */
	n->announcing[at] = (struct announcement){.interface = interface,
						  .left = on ? NEIGHBOR_ANNOUNCEMENTS : 0,
						  .on = on,
						  .next_ms = now_ms,
						  .addr = *addr};
}

static void
tick_announcements(struct neighbors *n, uint32_t now_ms)
{
	for (uint32_t i = 0; i < n->announcing_n;) {
		struct announcement *a = &n->announcing[i];

		if (a->left > 0 && clock_ms_reached(now_ms, a->next_ms)) {
			if (n->interfaces[a->interface].in_use)
				send_announcement(n, a);
			a->left--;
			a->next_ms = now_ms + 1000;
		}
		if (a->left == 0)
			*a = n->announcing[--n->announcing_n];
		else
			i++;
	}
}

static void
tick_unanswered(struct neighbors *n, struct neighbor *e, uint32_t now_ms)
{
	if (e->probes < NEIGHBOR_PROBES) {
		e->probes++;
		e->deadline_ms = now_ms + NEIGHBOR_RETRANS_MS;
		ask(n, e, e->state == NEIGHBOR_PROBE ? e->mac : NULL);
		return;
	}
	if (e->state == NEIGHBOR_PROBE) {
		/* The station may have moved: ask everybody before giving up. */
		next_hop_unresolve(n->hops, e->reference);
		start_asking(n, e, now_ms);
		return;
	}
	drop_waiting(n, e, DROP_NEIGHBOR_UNRESOLVED);
	e->state = NEIGHBOR_FAILED;
	e->deadline_ms = now_ms + NEIGHBOR_RETRANS_MS;
}

static bool
was_used(struct neighbors *n, struct neighbor *e, uint32_t now_ms)
{
	struct next_hop *nh = &n->hops->entries[ref_index(e->reference)];

	if (atomic_exchange_explicit(&nh->used, 0, memory_order_relaxed) == 0)
		return false;
	e->last_used_ms = now_ms;
	return true;
}

static void
tick_entry(struct neighbors *n, struct neighbor *e, uint32_t now_ms)
{
	switch ((enum neighbor_state)e->state) {
	case NEIGHBOR_FREE:
	case NEIGHBOR_STATIC:
		return;
	case NEIGHBOR_INCOMPLETE:
	case NEIGHBOR_PROBE:
		if (clock_ms_reached(now_ms, e->deadline_ms))
			tick_unanswered(n, e, now_ms);
		return;
	case NEIGHBOR_REACHABLE:
		if (clock_ms_reached(now_ms, e->deadline_ms)) {
			was_used(n, e, now_ms);
			e->state = NEIGHBOR_STALE;
		}
		return;
	case NEIGHBOR_STALE:
		if (was_used(n, e, now_ms)) {
			e->state = NEIGHBOR_PROBE;
			e->probes = 1;
			e->deadline_ms = now_ms + NEIGHBOR_RETRANS_MS;
			ask(n, e, e->mac);
			return;
		}
		break;
	case NEIGHBOR_FAILED:
		break;
	}
	if (clock_ms_reached(now_ms, e->last_used_ms + NEIGHBOR_UNUSED_MS))
		remove_entry(n, e);
}

void
neighbors_tick(struct neighbors *n, uint32_t now_ms)
{
	for (uint32_t i = 1; i < n->entries_n; i++)
		tick_entry(n, &n->entries[i], now_ms);
	tick_announcements(n, now_ms);
}

void
neighbors_refresh(struct neighbors *n, uint16_t interface)
{
	for (uint32_t i = 1; i < n->entries_n; i++) {
		struct neighbor *e = &n->entries[i];

		if (e->interface == interface && e->state != NEIGHBOR_FREE &&
		    e->state != NEIGHBOR_INCOMPLETE && e->state != NEIGHBOR_FAILED)
			publish(n, e);
	}
}

bool
neighbors_next(const struct neighbors *n, uint32_t *at, struct neighbor_info *info)
{
	while (++*at < n->entries_n) {
		const struct neighbor *e = &n->entries[*at];

		if (e->state == NEIGHBOR_FREE)
			continue;
		info->addr = e->addr;
		info->interface = e->interface;
		info->state = (enum neighbor_state)e->state;
		info->waiting = e->waiting_n;
		memcpy(info->mac, e->mac, 6);
		return true;
	}
	return false;
}

uint32_t
neighbors_count(const struct neighbors *n, uint32_t *capacity)
{
	*capacity = n->hops->entries_n - 1;
	return n->in_use;
}
