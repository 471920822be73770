/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A configuration, a snapshot, resolved next hops and one worker's load balancer, for tests: no
 * EAL.
 *
 * The configuration is INI text; packets are made, parsed and served as the worker does it.
 */
#ifndef NLB_WORLD_H
#define NLB_WORLD_H

#include <stdlib.h>

#include <arpa/inet.h>

#include "bytes.h"
#include "checksum.h"
#include "config.h"
#include "maglev.h"
#include "model_sets.h"
#include "nlb.h"
#include "nlb_plain.h"
#include "packet_parse.h"
#include "snapshot_build.h"
#include "unit.h"
#include "wire.h"

#define WORLD_ROOM       128
#define WORLD_INTERFACES 8

#define WORLD_EMITTED     8
#define WORLD_EMITTED_LEN 256

struct world {
	struct model *model;
	struct snapshot_registries registries;
	struct snapshot *snapshot;
	struct next_hop_table hops;
	struct worker_counters counters;
	struct nlb *nlb;
	struct nlb_settings settings;
	struct secret secret;
	struct siphash_key seed;
	void *nlb_mem, *hops_mem;
	size_t nlb_bytes;
	uint32_t now_ms;
	uint32_t generation;
	uint16_t workers_n;
	bool unhealthy[64]; /* by position in the first target group */
	uint8_t emitted[WORLD_EMITTED][WORLD_EMITTED_LEN]; /* the last ones: packets of its own */
	uint16_t emitted_len[WORLD_EMITTED];
	uint32_t emitted_n;
};

/* A packet in its buffer. */
struct world_packet {
	uint8_t room[WORLD_ROOM];
	uint8_t frame[9216];
	uint16_t len;
	struct packet p;
};

static inline void *
world_zeroed(size_t bytes)
{
	void *mem = aligned_alloc(64, (bytes + 63) & ~63ul);

	memset(mem, 0, (bytes + 63) & ~63ul);
	return mem;
}

static inline struct model *
world_load(const char *text)
{
	struct config_source source = {"test.ini", text, strlen(text)};
	struct config_errors errors = {0};
	struct model *m = config_load(&source, 1, &errors);

	for (uint32_t i = 0; i < errors.n; i++)
		printf("%s\n", errors.items[i].text);
	EXPECT(m != NULL);
	config_errors_free(&errors);
	return m;
}

static inline void
world_build_sets(struct world *w)
{
	for (uint32_t g = 0; g < w->model->sets_n; g++) {
		const struct model_set *set = &w->model->sets[g];
		const struct model_target_group *tg = &w->model->target_groups[set->group];
		uint32_t index = ref_index(registry_find(&w->registries.groups, set->id)), n = 0;
		struct maglev_target targets[64];

		for (uint32_t i = 0; i < tg->targets_n; i++) {
			if (!tg->cross_zone &&
			    !model_zones_equal(w->model, tg->targets[i].zone, set->zone))
				continue;
			targets[n++] = (struct maglev_target){
				.id = tg->targets[i].id,
				.reference =
					registry_find(&w->registries.targets, tg->targets[i].id),
				.weight = tg->targets[i].weight,
				.eligible = set->group != 0 || !w->unhealthy[i]};
		}
		free(atomic_load(&w->snapshot->groups[index].set));
		atomic_store(&w->snapshot->groups[index].set, maglev_build(&w->seed, targets, n));
	}
}

static inline void
world_publish(struct world *w, const char *text)
{
	struct model *model = world_load(text);
	struct snapshot_interface interfaces[WORLD_INTERFACES] = {0};
	uint64_t ids[WORLD_INTERFACES];
	struct snapshot_input input = {.model = model,
				       .previous = w->snapshot,
				       .interface_ids = ids,
				       .interfaces = interfaces,
				       .interfaces_n = (uint16_t)model->interfaces_n,
				       .workers_n = w->workers_n};
	struct snapshot *old = w->snapshot;
	char why[512];

	EXPECT(model->interfaces_n <= WORLD_INTERFACES);
	for (uint32_t i = 0; i < model->interfaces_n; i++) {
		interfaces[i].port = (uint16_t)i;
		interfaces[i].mtu = model->interfaces[i].mtu;
		ids[i] = model->interfaces[i].id;
	}
	input.generation = ++w->generation;

	w->snapshot = snapshot_build(&w->registries, &input, why, sizeof(why));
	EXPECT(w->snapshot != NULL);
	if (w->snapshot == NULL) {
		printf("%s\n", why);
		exit(unit_done());
	}
	for (uint32_t i = 1; old != NULL && i < old->groups_n; i++) {
		if (i >= w->snapshot->groups_n || !w->snapshot->groups[i].in_use)
			free(atomic_load(&old->groups[i].set));
	}
	snapshot_free(old);
	model_free(w->model);
	w->model = model;
	world_build_sets(w);
}

static inline void
world_emit(void *arg, const uint8_t *ip, uint16_t len)
{
	struct world *w = arg;
	uint32_t at = w->emitted_n++ % WORLD_EMITTED;

	EXPECT(len <= WORLD_EMITTED_LEN);
	memcpy(w->emitted[at], ip, len);
	w->emitted_len[at] = len;
}

static inline void
world_begin(struct world *w, const char *text, uint32_t max_flows, uint32_t now_ms)
{
	memset(w, 0, sizeof(*w));
	w->now_ms = now_ms;
	w->workers_n = 1;
	memset(&w->secret, 7, sizeof(w->secret));
	secret_derive(&w->secret, "maglev seed", &w->seed, sizeof(w->seed));
	EXPECT(snapshot_registries_init(&w->registries));
	world_publish(w, text);
	w->hops_mem = world_zeroed(next_hop_table_bytes(256));
	next_hop_table_init(&w->hops, w->hops_mem, 256);
	w->counters.frontends = calloc(SNAPSHOT_FRONTENDS, sizeof(*w->counters.frontends));
	w->counters.targets = calloc(SNAPSHOT_TARGETS, sizeof(*w->counters.targets));
	w->settings = (struct nlb_settings){.max_flows = max_flows,
					    .secret = &w->secret,
					    .counters = &w->counters,
					    .emit = world_emit,
					    .emit_arg = w};
	w->nlb_bytes = nlb_bytes(&w->settings);
	w->nlb_mem = world_zeroed(w->nlb_bytes);
	w->nlb = nlb_create(w->nlb_mem, w->nlb_bytes, &w->settings);
	EXPECT(w->nlb != NULL);
}

static inline void
world_end(struct world *w)
{
	struct nlb_gauges g;

	nlb_flush(w->nlb);
	nlb_gauges(w->nlb, &g);
	EXPECT(g.flows == 0 && g.ports == 0);
	nlb_free(w->nlb);
	for (uint32_t i = 1; i < w->snapshot->groups_n; i++)
		free(atomic_load(&w->snapshot->groups[i].set));
	snapshot_free(w->snapshot);
	snapshot_registries_fini(&w->registries);
	model_free(w->model);
	free(w->counters.frontends);
	free(w->counters.targets);
	free(w->nlb_mem);
	free(w->hops_mem);
}

static inline struct ip_addr
world_addr(const char *text)
{
	struct ip_addr a;

	EXPECT(ip_addr_parse(text, &a));
	return a;
}

static inline uint64_t
world_l4_sum(const uint8_t *ip, uint16_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	size_t off = v4 ? 20 : 40, addr = v4 ? 4 : 16, src = v4 ? IPV4_SRC : IPV6_SRC;
	uint8_t proto = ip[v4 ? IPV4_PROTO : IPV6_NEXT_HEADER];
	uint64_t sum = proto == IPPROTO_ICMP ? 0
					     : checksum_pseudo(ip + src, ip + src + addr, addr,
							       proto, (uint32_t)(len - off));

	return checksum_add(sum, ip + off, len - off);
}

/* Whether the packet's checksums are right. */
static inline bool
world_checksums(const struct packet *p)
{
	return (p->af == 6 || checksum(p->l3, (size_t)(p->l3[0] & 15) * 4) == 0) &&
	       checksum_fold(world_l4_sum(p->l3, p->len)) == 0xffff;
}

/* An IP packet with `l4` bytes behind the IP header, as a frame. */
static inline void
world_make(struct world_packet *wp, uint8_t proto, const char *src, const char *dst, const void *l4,
	   uint16_t l4_len)
{
	struct ip_addr from = world_addr(src), to = world_addr(dst);
	bool v4 = ip_addr_is_v4(&from);
	uint8_t *ip = wp->frame + 14;
	uint16_t off = v4 ? 20 : 40, field;

	memset(wp, 0, sizeof(*wp));
	bytes_store_be16(wp->frame + 12, v4 ? 0x0800 : 0x86dd);
	if (v4) {
		ip[0] = 0x45;
		bytes_store_be16(ip + IPV4_LEN, (uint16_t)(20 + l4_len));
		bytes_store_be16(ip + IPV4_FRAG, IPV4_DF);
		ip[IPV4_TTL] = 64;
		ip[IPV4_PROTO] = proto;
		memcpy(ip + IPV4_SRC, &from.b[12], 4);
		memcpy(ip + IPV4_DST, &to.b[12], 4);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20));
	} else {
		ip[0] = 0x60;
		bytes_store_be16(ip + IPV6_PAYLOAD_LEN, l4_len);
		ip[IPV6_NEXT_HEADER] = proto;
		ip[IPV6_HOP_LIMIT] = 64;
		memcpy(ip + IPV6_SRC, from.b, 16);
		memcpy(ip + IPV6_DST, to.b, 16);
	}
	memcpy(ip + off, l4, l4_len);
	wp->len = (uint16_t)(14 + off + l4_len);
	field = proto == IPPROTO_TCP   ? TCP_CHECKSUM
		: proto == IPPROTO_UDP ? UDP_CHECKSUM
				       : ICMP_CHECKSUM;
	bytes_store16(ip + off + field, 0);
	bytes_store16(ip + off + field,
		      (uint16_t)~checksum_fold(world_l4_sum(ip, (uint16_t)(off + l4_len))));
}

static inline void
world_tcp(struct world_packet *wp, const char *src, uint16_t sport, const char *dst, uint16_t dport,
	  uint8_t flags, uint16_t data_len)
{
	uint8_t tcp[9000] = {0};
	uint16_t header = 20;

	bytes_store_be16(tcp, sport);
	bytes_store_be16(tcp + 2, dport);
	bytes_store_be32(tcp + TCP_SEQ, 1000);
	bytes_store_be32(tcp + TCP_ACK, (flags & TCP_FLAG_ACK) != 0 ? 2000 : 0);
	tcp[TCP_FLAGS] = flags;
	if ((flags & TCP_FLAG_SYN) != 0) {
		memcpy(tcp + 20, "\x01\x02\x04\x23\x28\x01\x01\x00",
		       8); /* MSS 9000, oddly placed */
		header = 28;
	}
	tcp[TCP_OFF] = (uint8_t)(header / 4 << 4);
	world_make(wp, IPPROTO_TCP, src, dst, tcp, (uint16_t)(header + data_len));
}

static inline void
world_udp(struct world_packet *wp, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	uint8_t udp[12] = {0};

	bytes_store_be16(udp, sport);
	bytes_store_be16(udp + 2, dport);
	bytes_store_be16(udp + 4, 12);
	world_make(wp, IPPROTO_UDP, src, dst, udp, 12);
}

/* Parse and serve one packet that came in by `interface`. @return its verdict. */
static inline enum packet_verdict
world_send(struct world *w, struct world_packet *wp, uint16_t interface)
{
	struct packet_frame frame = {wp->frame, wp->len, wp->len, WORLD_ROOM};
	struct packet *p = &wp->p;
	struct packet_link link;

	EXPECT(packet_parse_link(&frame, &link) == DROP_NONE);
	p->interface = interface;
	EXPECT(packet_parse(&frame, &link, p) == DROP_NONE);
	nlb_burst(w->nlb, w->snapshot, &w->hops, &p, 1, w->now_ms);
	return (enum packet_verdict)p->verdict;
}

/* The short way, tried on a copy of a frame before the long way sees it. */
struct world_plain {
	struct nlb_plain p;
	uint8_t *copy; /* of exactly the frame's size: a sanitizer sees every byte too far */
	uint16_t l2_len;
};

static inline void
world_plain_try(struct world *w, struct world_plain *plain, const uint8_t *frame, uint16_t len)
{
	uint16_t type = len < ETHER_LEN ? 0 : bytes_load_be16(frame + 12);

	*plain = (struct world_plain){.copy = malloc(len), .l2_len = ETHER_LEN};
	memcpy(plain->copy, frame, len);
	if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6)
		return;
	plain->p = (struct nlb_plain){.l3 = plain->copy + ETHER_LEN,
				      .room = (uint16_t)(len - ETHER_LEN),
				      .af = type == ETHERTYPE_IPV4 ? 4 : 6};
	nlb_plain_burst(w->nlb, w->snapshot, &w->hops, &plain->p, 1, w->now_ms);
}

/* The packet goes on: next time its next hop is known. */
static inline void
world_resolve(struct world *w, const struct packet *p)
{
	const struct route *route = route_lookup(w->snapshot->routes, &p->dst);
	struct next_hop_copy copy = {.mtu = 1500, .l2_len = ETHER_LEN};
	uint32_t reference;

	if (route == NULL)
		return;
	copy.interface = route->interface;
	reference = next_hop_add(&w->hops, route->interface, route_next_addr(route, &p->dst));
	if (reference != 0)
		next_hop_resolve(&w->hops, reference, &copy);
}

/*
 * Whether the two ways agree: what the short one served, the long one forwards with the same bytes;
 * what it did not, it left alone.  `after` is NULL when the parser refused the frame `before`.
 */
static inline bool
world_plain_agrees(struct world *w, struct world_plain *plain, const uint8_t *before, uint16_t len,
		   const struct packet *after)
{
	bool same;

	if (plain->p.hop == NULL)
		same = memcmp(plain->copy, before, len) == 0;
	else
		same = after != NULL && after->verdict == PACKET_FORWARD &&
		       ref_index(after->next_hop) == (uint32_t)(plain->p.hop - w->hops.entries) &&
		       after->len == plain->p.len &&
		       memcmp(plain->copy + plain->l2_len, after->l3, after->len) == 0;
	if (after != NULL && after->verdict == PACKET_FORWARD && after->next_hop == 0)
		world_resolve(w, after);
	free(plain->copy);
	return same;
}

/* The reply to a forwarded packet, as its receiver would send it. */
static inline void
world_reply(struct world_packet *reply, const struct packet *to, uint8_t flags)
{
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];

	ip_addr_format(&to->dst, src);
	ip_addr_format(&to->src, dst);
	if (to->proto == IPPROTO_UDP)
		world_udp(reply, src, ntohs(to->dport_be), dst, ntohs(to->sport_be));
	else
		world_tcp(reply, src, ntohs(to->dport_be), dst, ntohs(to->sport_be), flags, 0);
}

#endif
