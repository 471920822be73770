/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_plain.h"

#include <netinet/in.h>

#include "bytes.h"
#include "check.h"
#include "nlb_proxy2.h"
#include "nlb_rewrite.h"
#include "packet_parse.h"
#include "wire.h"

/* What the packets of a burst have in common. */
struct burst {
	struct nlb *nlb;
	const struct snapshot *snapshot;
	const struct next_hop_table *hops;
	uint32_t now_ms;
};

static inline uint32_t
header_len(uint8_t af)
{
	return af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN;
}

static inline uint8_t
proto_of(const struct nlb_plain *p, uint8_t af)
{
	return p->l3[af == 4 ? IPV4_PROTO : IPV6_NEXT_HEADER];
}

/* Of an L4 header: its lengths are right, and it neither opens nor closes. */
static inline bool
l4_is_plain(const uint8_t *l4, uint8_t proto, uint32_t left)
{
	uint8_t flags, offset;
	uint32_t udp_len;

	if (proto == IPPROTO_UDP) {
		udp_len = bytes_load_be16(l4 + UDP_LEN);
		return udp_len >= UDP_MIN_LEN && udp_len <= left;
	}
	if (proto != IPPROTO_TCP || left < TCP_MIN_LEN)
		return false;
	flags = l4[TCP_FLAGS] & (TCP_FLAG_FIN | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_ACK);
	offset = l4[TCP_OFF] >> 4;
	return flags == TCP_FLAG_ACK && offset >= TCP_MIN_LEN / 4 && offset * 4u <= left;
}

static inline bool
is_plain_v4(struct nlb_plain *p)
{
	const uint8_t *ip = p->l3;
	uint32_t len;

	if (unlikely(p->room < IPV4_MIN_LEN + TCP_MIN_LEN || ip[0] != 0x45))
		return false;
	len = bytes_load_be16(ip + IPV4_LEN);
	p->len = (uint16_t)len;
	return likely(len >= IPV4_MIN_LEN + UDP_MIN_LEN && len <= p->room && ip[IPV4_TTL] > 1 &&
		      (bytes_load16(ip + IPV4_FRAG) & htons(IPV4_MF | IPV4_FRAG_OFF)) == 0 &&
		      checksum_fold(checksum_add20(ip)) == 0xffff) &&
	       likely(l4_is_plain(ip + IPV4_MIN_LEN, ip[IPV4_PROTO], len - IPV4_MIN_LEN));
}

static inline bool
is_plain_v6(struct nlb_plain *p)
{
	const uint8_t *ip = p->l3;
	uint32_t len;

	if (unlikely(p->room < IPV6_MIN_LEN + TCP_MIN_LEN || ip[0] >> 4 != 6))
		return false;
	len = (uint32_t)IPV6_MIN_LEN + bytes_load_be16(ip + IPV6_PAYLOAD_LEN);
	p->len = (uint16_t)len;
	return likely(len >= IPV6_MIN_LEN + UDP_MIN_LEN && len <= p->room &&
		      ip[IPV6_HOP_LIMIT] > 1) &&
	       likely(l4_is_plain(ip + IPV6_MIN_LEN, ip[IPV6_NEXT_HEADER], len - IPV6_MIN_LEN));
}

static inline uint64_t
hash_of(const struct flow_table *t, const struct nlb_plain *p, uint8_t af)
{
	const uint8_t *l4 = p->l3 + header_len(af);
	uint64_t word = (uint64_t)proto_of(p, af) << 32 | bytes_load32(l4);
	struct ip_addr src, dst;

	if (af == 4) {
		src = ip_addr_from_v4(p->l3 + IPV4_SRC);
		dst = ip_addr_from_v4(p->l3 + IPV4_DST);
	} else {
		src = ip_addr_from_v6(p->l3 + IPV6_SRC);
		dst = ip_addr_from_v6(p->l3 + IPV6_DST);
	}
	return hash_tuple(&t->seed, src.w, dst.w, word);
}

static inline uint32_t
ports_word(uint16_t sport_be, uint16_t dport_be)
{
	return (uint32_t)dport_be << 16 | sport_be;
}

/* Whether the packet goes from `src` to `dst`. */
static inline bool
goes(const struct nlb_plain *p, uint8_t af, const struct ip_addr *src, const struct ip_addr *dst)
{
	struct ip_addr from, to;

	if (af == 4)
		return bytes_load32(p->l3 + IPV4_SRC) == bytes_load32(&src->b[12]) &&
		       bytes_load32(p->l3 + IPV4_DST) == bytes_load32(&dst->b[12]);
	from = ip_addr_from_v6(p->l3 + IPV6_SRC);
	to = ip_addr_from_v6(p->l3 + IPV6_DST);
	return ip_addr_pair_equal(&from, src, &to, dst);
}

static inline __attribute__((always_inline)) void
rewrite(const struct nlb_plain *p, uint8_t af, const struct ip_addr *src, const struct ip_addr *dst,
	uint32_t ports, uint64_t shifted)
{
	uint8_t *ip = p->l3, *l4 = ip + header_len(af);
	uint64_t diff = rewrite_addresses(ip, af, src, dst);
	uint64_t l4_diff = checksum_diff32(diff + shifted, bytes_load32(l4), ports);

	bytes_store32(l4, ports);
	if (af == 4)
		rewrite_sum(ip + IPV4_CHECKSUM, diff + ip_ttl_decrement_v4(ip));
	else
		ip[IPV6_HOP_LIMIT]--;
	if (proto_of(p, af) == IPPROTO_TCP)
		rewrite_sum(l4 + TCP_CHECKSUM, l4_diff);
	else
		rewrite_udp_sum(l4 + UDP_CHECKSUM, l4_diff);
}

/* The next hop, when it is known and takes the packet as it is; else NULL. */
static inline struct next_hop *
hop_of(const struct burst *b, struct nlb_plain *p, uint32_t next_hop)
{
	struct next_hop *hop = &b->hops->entries[ref_index(next_hop)];

	p->hop_version = atomic_load_explicit(&hop->version, memory_order_acquire);
	/* Entry 0, which is none, is not usable. */
	if (unlikely(!hop->usable || hop->generation != ref_generation(next_hop) ||
		     (p->hop_version & 1) != 0 || p->len > hop->mtu))
		return NULL;
	return hop;
}

/* One function a family and side: these are constant where this is called. */
static inline __attribute__((always_inline)) void
serve(const struct burst *b, struct nlb_plain *p, uint32_t record, uint8_t af, enum flow_side from)
{
	const struct snapshot *s = b->snapshot;
	struct flow_record *r = &b->nlb->flows.records[record];
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];
	const struct ip_addr *local = (r->flags & FLOW_FLAG_FULL_NAT) != 0
					      ? &s->locals[ref_index(r->local)].addr
					      : &r->client;
	uint32_t client_ports = ports_word(r->client_port_be, f->port_be);
	uint32_t target_ports = ports_word(target->port_be, r->local_port_be);
	uint32_t ports = bytes_load32(p->l3 + header_len(af));
	struct next_hop *hop;
	struct frontend_counters *fc;
	struct target_counters *tc;
	uint8_t proto = proto_of(p, af);
	uint64_t shifted = 0;

	if (unlikely(!nlb_flow_is_of(r, FLOW_KIND_NLB, proto) || f->af != af || target->closing ||
		     r->state >= FLOW_STATE_RESET))
		return;
	if (from == FLOW_SIDE_CLIENT) {
		hop = hop_of(b, p, r->next_hop_target);
		if (unlikely(ports != client_ports || !goes(p, af, &r->client, &f->vip)))
			return;
	} else {
		hop = hop_of(b, p, r->next_hop_client);
		if (unlikely(ports != target_ports || !goes(p, af, &target->addr, local)))
			return;
		if (unlikely(r->state == FLOW_STATE_NEW && proto == IPPROTO_UDP))
			return; /* its first answer establishes it */
	}
	if (unlikely(hop == NULL))
		return;
	if (unlikely((r->flags & FLOW_FLAG_PROXY) != 0)) {
		if (!nlb_proxy_is_plain(r, p->l3 + header_len(af), from))
			return;
		shifted = nlb_proxy_shift_plain(r, p->l3 + header_len(af), from);
	}
	r->last_seen_ms = b->now_ms;
	r->packets++;
	fc = nlb_frontend_counters(b->nlb, r);
	tc = nlb_target_counters(b->nlb, r);
	fc->packets++;
	fc->bytes += p->len;
	tc->packets++;
	tc->bytes += p->len;
	if (from == FLOW_SIDE_CLIENT)
		rewrite(p, af, local, &target->addr, ports_word(r->local_port_be, target->port_be),
			shifted);
	else
		rewrite(p, af, &f->vip, &r->client, ports_word(f->port_be, r->client_port_be),
			shifted);
	p->hop = hop;
}

static inline __attribute__((always_inline)) void
serve_entry(const struct burst *b, struct nlb_plain *p, uint32_t entry, uint8_t af)
{
	if (flow_entry_side(entry) == FLOW_SIDE_CLIENT)
		serve(b, p, flow_entry_record(entry), af, FLOW_SIDE_CLIENT);
	else
		serve(b, p, flow_entry_record(entry), af, FLOW_SIDE_TARGET);
}

static __attribute__((noinline)) void
serve_entry_v6(const struct burst *b, struct nlb_plain *p, uint32_t entry)
{
	serve_entry(b, p, entry, 6);
}

static __attribute__((noinline)) bool
is_plain_any(struct nlb_plain *p)
{
	return p->af == 6 && is_plain_v6(p);
}

/*
 * In passes, as nlb_burst() does it: the cache misses of a burst overlap.  No flow begins or ends
 * meanwhile, so what was found stays.
 */
void
nlb_plain_burst(struct nlb *nlb, const struct snapshot *snapshot, const struct next_hop_table *hops,
		struct nlb_plain *packets, uint16_t n, uint32_t now_ms)
{
	const struct flow_table *t = &nlb->flows;
	struct burst b = {.nlb = nlb, .snapshot = snapshot, .hops = hops, .now_ms = now_ms};
	uint32_t buckets[NLB_BURST];
	uint32_t entries[NLB_BURST]; /* first candidates; others are the long way's */
	uint16_t tags[NLB_BURST];

	CHECK(n <= NLB_BURST);
	for (uint32_t i = 0; i < n; i++) {
		struct nlb_plain *p = &packets[i];
		uint64_t hash;

		p->hop = NULL;
		if (likely(p->af == 4 && is_plain_v4(p))) {
			hash = hash_of(t, p, 4);
		} else if (is_plain_any(p)) {
			hash = hash_of(t, p, 6);
		} else {
			p->af = 0;
			hash = 0;
		}
		buckets[i] = flow_bucket_of(t, hash);
		tags[i] = flow_tag_of(hash);
	}
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&t->buckets[buckets[i]]);
	for (uint32_t i = 0; i < n; i++) {
		const struct flow_bucket *bucket = &t->buckets[buckets[i]];
		uint8_t matches = flow_bucket_match(bucket, tags[i]);

		entries[i] =
			likely(matches != 0) ? bucket->entries[__builtin_ctz(matches)] : FLOW_NONE;
	}
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&t->records[flow_entry_record(entries[i])], 1);
	for (uint32_t i = 0; i < n; i++) {
		if (unlikely(entries[i] == FLOW_NONE || packets[i].af == 0))
			continue;
		if (likely(packets[i].af == 4))
			serve_entry(&b, &packets[i], entries[i], 4);
		else
			serve_entry_v6(&b, &packets[i], entries[i]);
	}
}
