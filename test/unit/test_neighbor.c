/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "neighbor.h"

struct world {
	struct next_hop_table hops;
	struct neighbors *n;
	struct neighbor_interface interfaces[2];
	unsigned sent, released, dropped;
	uint8_t frame[NEIGHBOR_FRAME_MAX];
	uint32_t next_hop;
	enum drop_reason reason;
	void *mem;
};

static struct ip_addr
addr(const char *text)
{
	struct ip_addr a;

	EXPECT(ip_addr_parse(text, &a));
	return a;
}

static void
send_frame(void *arg, uint16_t interface, const uint8_t *frame, size_t len)
{
	struct world *w = arg;

	(void)interface;
	memcpy(w->frame, frame, len);
	w->sent++;
}

static void
release(void *arg, void *packet, uint32_t next_hop)
{
	struct world *w = arg;

	(void)packet;
	w->released++;
	w->next_hop = next_hop;
}

static void
drop(void *arg, void *packet, enum drop_reason reason)
{
	struct world *w = arg;

	(void)packet;
	w->dropped++;
	w->reason = reason;
}

static bool
is_own(void *arg, uint16_t interface, const struct ip_addr *a)
{
	struct world *w = arg;

	return ip_addr_equal(a, &w->interfaces[interface].v4) ||
	       ip_addr_equal(a, &w->interfaces[interface].v6);
}

static void
begin(struct world *w)
{
	static const struct neighbor_ops ops = {send_frame, release, drop, is_own};

	memset(w, 0, sizeof(*w));
	w->interfaces[0] = (struct neighbor_interface){.in_use = true,
						       .port = 3,
						       .mtu = 1500,
						       .mac = {2, 0, 0, 0, 0, 1},
						       .v4 = addr("192.0.2.1"),
						       .v6 = addr("2001:db8::1")};
	w->interfaces[1] = w->interfaces[0];
	w->interfaces[1].vlan = 7;
	w->mem = aligned_alloc(64, (next_hop_table_bytes(64) + 63) & ~63ul);
	memset(w->mem, 0, next_hop_table_bytes(64));
	next_hop_table_init(&w->hops, w->mem, 64);
	w->n = neighbors_create(&w->hops, w->interfaces, 2, &ops, w);
}

static void
end(struct world *w)
{
	neighbors_free(w->n);
	free(w->mem);
}

static enum drop_reason
arp_from(struct world *w, uint16_t operation, const char *sender, const char *target, uint8_t mac,
	 uint32_t now)
{
	struct arp_packet arp = {.operation = operation,
				 .sender_mac = {2, 0, 0, 0, 1, mac},
				 .sender = addr(sender),
				 .target = addr(target)};

	return neighbor_on_arp(w->n, 0, &arp, now);
}

static void
test_resolution(void)
{
	struct ip_addr peer = addr("192.0.2.9");
	struct next_hop_copy copy;
	struct world w;

	begin(&w);
	for (int i = 0; i < NEIGHBOR_QUEUE + 3; i++)
		neighbor_resolve(w.n, 0, &peer, &w, 1000);
	EXPECT(w.sent == 1 && w.released == 0 && w.dropped == 3);
	EXPECT(w.reason == DROP_NEIGHBOR_QUEUE_FULL);
	EXPECT(memcmp(w.frame, "\xff\xff\xff\xff\xff\xff", 6) == 0);
	EXPECT(arp_from(&w, ARP_REPLY, "192.0.2.9", "192.0.2.1", 9, 1500) == DROP_NONE);
	EXPECT(w.released == NEIGHBOR_QUEUE);
	EXPECT(next_hop_read(&w.hops, w.next_hop, &copy));
	EXPECT(copy.port == 3 && copy.mtu == 1500 && copy.l2_len == 14);
	EXPECT(memcmp(copy.l2, "\2\0\0\0\1\x09\2\0\0\0\0\1", 12) == 0);
	neighbor_resolve(w.n, 0, &peer, &w, 1600);
	EXPECT(w.released == NEIGHBOR_QUEUE + 1);
	end(&w);
}

static void
test_vlan_header(void)
{
	struct ip_addr peer = addr("2001:db8::9");
	uint8_t mac[6] = {2, 0, 0, 0, 1, 9};
	struct next_hop_copy copy;
	struct world w;

	begin(&w);
	EXPECT(neighbor_set_static(w.n, 1, &peer, mac, 0));
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 1, &peer), &copy));
	EXPECT(copy.l2_len == 18 && memcmp(copy.l2 + 12, "\x81\0\0\x07", 4) == 0);
	EXPECT(next_hop_find(&w.hops, 0, &peer) == 0);
	end(&w);
}

static void
test_no_answer(void)
{
	struct ip_addr peer = addr("192.0.2.9");
	struct world w;

	begin(&w);
	neighbor_resolve(w.n, 0, &peer, &w, 0);
	for (uint32_t t = 0; t <= 3000; t += 100)
		neighbors_tick(w.n, t);
	EXPECT(w.sent == NEIGHBOR_PROBES);
	EXPECT(w.dropped == 1 && w.reason == DROP_NEIGHBOR_UNRESOLVED);
	/* Refused for a while, then asked for again. */
	neighbor_resolve(w.n, 0, &peer, &w, 3100);
	EXPECT(w.dropped == 2 && w.sent == NEIGHBOR_PROBES);
	neighbor_resolve(w.n, 0, &peer, &w, 4100);
	EXPECT(w.dropped == 2 && w.sent == NEIGHBOR_PROBES + 1);
	end(&w);
	EXPECT(w.dropped == 3 && w.reason == DROP_SHUTDOWN);
}

static void
test_ageing(void)
{
	struct ip_addr peer = addr("192.0.2.9");
	struct next_hop_copy copy;
	struct world w;
	uint32_t reference;

	begin(&w);
	arp_from(&w, ARP_REQUEST, "192.0.2.9", "192.0.2.1", 9, 0);
	EXPECT(w.sent == 1); /* the reply */
	reference = next_hop_find(&w.hops, 0, &peer);
	EXPECT(next_hop_read(&w.hops, reference, &copy));
	neighbors_tick(w.n, NEIGHBOR_REACHABLE_MS);
	neighbors_tick(w.n, NEIGHBOR_REACHABLE_MS + 100);
	EXPECT(w.sent == 1); /* stale, unused since: not probed */
	EXPECT(next_hop_read(&w.hops, reference, &copy));
	neighbors_tick(w.n, NEIGHBOR_REACHABLE_MS + 200);
	EXPECT(w.sent == 2 && memcmp(w.frame, "\2\0\0\0\1\x09", 6) == 0); /* unicast probe */
	arp_from(&w, ARP_REPLY, "192.0.2.9", "192.0.2.1", 9, NEIGHBOR_REACHABLE_MS + 300);
	for (uint32_t t = 0; t < NEIGHBOR_UNUSED_MS + 2 * NEIGHBOR_REACHABLE_MS; t += 1000)
		neighbors_tick(w.n, NEIGHBOR_REACHABLE_MS + 300 + t);
	EXPECT(next_hop_find(&w.hops, 0, &peer) == 0);
	EXPECT(!next_hop_read(&w.hops, reference, &copy));
	end(&w);
}

static void
test_forgeries(void)
{
	struct ip_addr peer = addr("192.0.2.9");
	struct world w;

	begin(&w);
	EXPECT(arp_from(&w, ARP_REPLY, "192.0.2.1", "192.0.2.9", 9, 0) == DROP_ARP_INVALID);
	EXPECT(arp_from(&w, ARP_REPLY, "224.0.0.1", "192.0.2.1", 9, 0) == DROP_ARP_INVALID);
	/* Unasked replies and other people's requests create nothing. */
	EXPECT(arp_from(&w, ARP_REPLY, "192.0.2.9", "192.0.2.1", 9, 0) == DROP_NONE);
	EXPECT(arp_from(&w, ARP_REQUEST, "192.0.2.9", "192.0.2.8", 9, 0) == DROP_NONE);
	EXPECT(next_hop_find(&w.hops, 0, &peer) == 0 && w.sent == 0);
	end(&w);
}

static void
test_nd(void)
{
	struct nd_packet nd = {.src = addr("2001:db8::9"),
			       .target = addr("2001:db8::1"),
			       .has_mac = true,
			       .mac = {2, 0, 0, 0, 1, 9}};
	static const uint8_t src_mac[6] = {2, 0, 0, 0, 1, 9};
	struct next_hop_copy copy;
	struct world w;

	begin(&w);
	nd.dst = nd_solicited_node(&nd.target);
	EXPECT(neighbor_on_nd(w.n, 0, &nd, src_mac, 0) == DROP_NONE);
	EXPECT(w.sent == 1 && w.frame[14 + 40] == 136);
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &nd.src), &copy));

	/* An advertisement without override doesn't move a known address, one with it does. */
	nd = (struct nd_packet){.advertisement = true,
				.src = nd.src,
				.target = nd.src,
				.has_mac = true,
				.mac = {2, 0, 0, 0, 1, 10}};
	EXPECT(neighbor_on_nd(w.n, 0, &nd, src_mac, 10) == DROP_NONE);
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &nd.src), &copy) &&
	       copy.l2[5] == 9);
	nd.override = true;
	EXPECT(neighbor_on_nd(w.n, 0, &nd, src_mac, 20) == DROP_NONE);
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &nd.src), &copy) &&
	       copy.l2[5] == 10);
	nd.target = addr("2001:db8::1");
	EXPECT(neighbor_on_nd(w.n, 0, &nd, src_mac, 30) == DROP_ND_INVALID);
	end(&w);
}

static void
test_announcements(void)
{
	struct ip_addr v4 = addr("192.0.2.100"), v6 = addr("2001:db8::100");
	struct world w;

	begin(&w);
	neighbor_announce(w.n, 0, &v4, true, 0);
	neighbor_announce(w.n, 0, &v6, true, 0);
	for (uint32_t t = 0; t < 10000; t += 100)
		neighbors_tick(w.n, t);
	EXPECT(w.sent == 2 * NEIGHBOR_ANNOUNCEMENTS);
	neighbor_announce(w.n, 0, &v4, true, 10000);
	neighbor_announce(w.n, 0, &v4, false, 10000);
	neighbors_tick(w.n, 10000);
	EXPECT(w.sent == 2 * NEIGHBOR_ANNOUNCEMENTS);
	end(&w);
}

/* A full table makes room: what never answered goes before what is used, and static entries stay.
 */
static void
test_full_table(void)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
	struct ip_addr fixed = addr("192.0.2.7"), used = addr("192.0.2.8");
	struct next_hop_copy copy;
	struct neighbor_info info;
	uint32_t at = 0, listed = 0;
	struct world w;

	begin(&w);
	EXPECT(neighbor_set_static(w.n, 0, &fixed, mac, 0));
	arp_from(&w, ARP_REQUEST, "192.0.2.8", "192.0.2.1", 8, 0);
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &used), &copy));
	for (int i = 0; i < 1000; i++) {
		struct ip_addr peer = addr("198.51.100.0");

		peer.b[14] = (uint8_t)(i >> 8);
		peer.b[15] = (uint8_t)i;
		neighbor_resolve(w.n, 0, &peer, &w, (uint32_t)i);
	}
	EXPECT(w.dropped == 1000 - 61); /* each that made room dropped its packet */
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &fixed), &copy));
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &used), &copy));
	while (neighbors_next(w.n, &at, &info))
		listed++;
	EXPECT(listed == 63);
	end(&w);
	EXPECT(w.dropped == 1000);
}

/* Strangers who say that they are there don't push out those that are used. */
static void
test_full_of_strangers(void)
{
	struct ip_addr used = addr("192.0.2.8");
	struct next_hop_copy copy;
	struct world w;

	begin(&w);
	arp_from(&w, ARP_REQUEST, "192.0.2.8", "192.0.2.1", 8, 0);
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &used), &copy));
	for (int i = 0; i < 300; i++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%d", i % 254 + 1);
		arp_from(&w, ARP_REQUEST, text, "192.0.2.1", 9, (uint32_t)i);
	}
	EXPECT(next_hop_read(&w.hops, next_hop_find(&w.hops, 0, &used), &copy));
	end(&w);
}

int
main(void)
{
	test_resolution();
	test_vlan_header();
	test_no_answer();
	test_ageing();
	test_forgeries();
	test_nd();
	test_announcements();
	test_full_table();
	test_full_of_strangers();
	return unit_done();
}
