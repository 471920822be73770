/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back: from an appliance to where the packet was going.
 *
 * Anybody who can reach weir can send it GENEVE.  A packet goes on only if it names a live flow by
 * its cookie, comes from that flow's appliance, has the options that were sent there, and carries a
 * packet of that flow.
 */
#include "gwlb_flow.h"

#include <arpa/inet.h>

#include "bytes.h"
#include "check.h"
#include "snapshot_hop.h"
#include "wire.h"

/* The flow the cookie names. @return DROP_NONE or why there is none. */
static enum drop_reason
find_flow(const struct gwlb *g, uint32_t cookie_be, uint32_t *record)
{
	const struct flow_gateway *r;

	*record = gwlb_cookie_record(&g->cookie_key, ntohl(cookie_be));
	if (*record >= g->flows->used_n)
		return DROP_GENEVE_COOKIE_FOREIGN;
	r = flow_gateway_of(&g->flows->records[*record]);
	if (r->kind != FLOW_KIND_GATEWAY || r->cookie_be != cookie_be)
		return DROP_GENEVE_COOKIE_FOREIGN;
	return r->role == FLOW_ROLE_LOCAL ? DROP_NONE : DROP_GENEVE_COOKIE_EXPIRED;
}

/* Hosts on an endpoint can't pass for an appliance that is elsewhere, whatever they know of it. */
static bool
is_from_target(const struct snapshot *s, const struct snapshot_target *target,
	       const struct packet *p)
{
	return ip_addr_equal(&target->addr, &p->src) &&
	       (likely(p->interface == target->interface) ||
		s->interfaces[p->interface].endpoint == 0);
}

/* Whether the inner packet is one of the flow. @param from_low  set to where it comes from */
static bool
is_of_flow(const struct packet *inner, const struct flow_gateway *r, bool *from_low)
{
	struct flow_gateway_key key;

	gwlb_key(inner, r->endpoint, gwlb_parts_of_flow(r), &key);
	*from_low = key.from_low;
	if (key.proto != r->proto || !flow_gateway_has_ends(r, &key))
		return false;
	/* A later fragment has no ports to compare. */
	if (unlikely((inner->flags & PACKET_FRAGMENT_LATER) != 0))
		return true;
	return key.low_port_be == r->low_port_be && key.high_port_be == r->high_port_be;
}

/* Why a packet inside of GENEVE is not one of the flow. */
static enum drop_reason
why_not(const struct snapshot *s, const struct packet *inner)
{
	const struct snapshot_address *own = snapshot_find_address(s, &inner->dst);

	if (own != NULL && inner->proto == IPPROTO_UDP && inner->dport_be == htons(GENEVE_PORT))
		return DROP_GENEVE_RECURSION;
	if (own != NULL || snapshot_find_address(s, &inner->src) != NULL)
		return DROP_GENEVE_INNER_OWN;
	return DROP_GENEVE_INNER_OTHER;
}

/* What no fault of the appliance's is called by its own name; the rest by that of GENEVE. */
static enum drop_reason
parse_inner(const struct packet *p, const struct geneve_header *header, struct packet *inner)
{
	enum drop_reason reason = geneve_parse_inner(p, header, inner);

	if (reason == DROP_NONE && inner->af == 0)
		reason = DROP_GENEVE_INNER_INVALID;
	return reason == DROP_NONE || reason == DROP_HEADERS_SPLIT ? reason
								   : DROP_GENEVE_INNER_INVALID;
}

/*
 * The link header towards an end of a wire.  An appliance may speak to an end before the other has:
 * then that end's own header, turned round.
 */
static uint32_t
link_towards(struct gwlb *g, struct flow_gateway *r, bool from_low, const struct snapshot *s,
	     uint32_t now_ms)
{
	const struct gwlb_link *link = gwlb_link_of(g->links, r->exit[!from_low]);
	const struct gwlb_link *back;
	uint8_t macs[12];

	if (link != NULL && s->interfaces[link->interface].endpoint == r->endpoint)
		return r->exit[!from_low];
	back = gwlb_link_of(g->links, r->exit[from_low]);
	if (back == NULL || s->interfaces[back->interface].endpoint != r->endpoint)
		return 0;
	memcpy(macs, back->macs + 6, 6);
	memcpy(macs + 6, back->macs, 6);
	return gwlb_link_intern(g->links, &g->flows->seed, macs,
				s->interfaces[back->interface].peer, now_ms);
}

static void
leave_by_wire(struct gwlb *g, const struct snapshot *s, struct packet *p, struct flow_gateway *r,
	      bool from_low, uint32_t now_ms)
{
	if ((r->flags & FLOW_GATEWAY_LINKS) != 0)
		p->next_hop = link_towards(g, r, from_low, s, now_ms);
	if (p->next_hop == 0)
		packet_drop(p, DROP_LINK_FORGOTTEN);
	else
		p->verdict = PACKET_LINK;
}

/* The narrower way out: told to the sender as any router would. */
static bool
fits(struct gwlb *g, const struct snapshot *s, const struct next_hop_table *hops, struct packet *p,
     uint32_t now_ms)
{
	uint16_t mtu;

	if (p->next_hop == 0)
		return true;
	mtu = hops->entries[ref_index(p->next_hop)].mtu;
	if (p->len <= mtu)
		return true;
	if (p->af == 6)
		gwlb_answer_error(g, s, p, ICMPV6_PACKET_TOO_BIG, 0, mtu, DROP_PACKET_TOO_BIG,
				  now_ms);
	else if ((bytes_load_be16(p->l3 + IPV4_FRAG) & IPV4_DF) != 0)
		gwlb_answer_error(g, s, p, ICMP_DEST_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, mtu,
				  DROP_PACKET_TOO_BIG, now_ms);
	else
		packet_drop(p, DROP_PACKET_TOO_BIG);
	return false;
}

static void
leave_by_route(struct gwlb *g, const struct snapshot *s, const struct next_hop_table *hops,
	       struct packet *p, struct flow_gateway *r, bool from_low, uint32_t now_ms)
{
	uint32_t none = 0, *cached = &r->exit[!from_low];

	/* The cache is for the end's address; an ICMP error may have another. */
	if (unlikely((p->flags & PACKET_ICMP_ERROR) != 0) ||
	    unlikely((r->flags & FLOW_GATEWAY_LINKS) != 0))
		cached = &none;
	p->next_hop = snapshot_next_hop(s, hops, cached, &p->dst);
	if (unlikely(!fits(g, s, hops, p, now_ms)))
		return;
	p->verdict = PACKET_FORWARD;
}

void
gwlb_return(struct gwlb *g, const struct snapshot *s, const struct next_hop_table *hops,
	    struct packet *p, const struct geneve_header *header, uint32_t now_ms)
{
	const struct snapshot_endpoint *e;
	enum drop_reason reason;
	struct flow_gateway *r;
	struct packet inner;
	uint32_t record;
	bool from_low;

	reason = find_flow(g, header->options.cookie_be, &record);
	if (unlikely(reason != DROP_NONE)) {
		packet_drop(p, reason);
		return;
	}
	r = flow_gateway_of(&g->flows->records[record]);
	e = snapshot_endpoint(s, r->endpoint);
	if (unlikely(e == NULL)) {
		packet_drop(p, DROP_GENEVE_COOKIE_EXPIRED);
		return;
	}
	if (unlikely(r->target == 0) ||
	    unlikely(!is_from_target(s, &s->targets[ref_index(r->target)], p))) {
		packet_drop(p, DROP_GENEVE_TARGET_OTHER);
		return;
	}
	if (unlikely(header->options.endpoint_be != e->id_be) ||
	    unlikely(header->options.attachment_be != e->attachment_be)) {
		packet_drop(p, DROP_GENEVE_ENDPOINT_OTHER);
		return;
	}
	reason = parse_inner(p, header, &inner);
	if (unlikely(reason != DROP_NONE)) {
		packet_drop(p, reason);
		return;
	}
	if (unlikely(!is_of_flow(&inner, r, &from_low))) {
		packet_drop(p, why_not(s, &inner));
		return;
	}
	*p = inner;
	gwlb_frontend_counters(g, r->frontend)->packets++;
	gwlb_frontend_counters(g, r->frontend)->bytes += p->len;
	gwlb_target_counters(g, r->target)->packets++;
	gwlb_target_counters(g, r->target)->bytes += p->len;
	if (e->in_line)
		leave_by_wire(g, s, p, r, from_low, now_ms);
	else
		leave_by_route(g, s, hops, p, r, from_low, now_ms);
}
