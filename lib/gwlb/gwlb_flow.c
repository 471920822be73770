/* SPDX-License-Identifier: BSD-3-Clause */
#include "gwlb_flow.h"

#include <arpa/inet.h>

#include "bytes.h"
#include "maglev.h"
#include "tcp_reset.h"
#include "wire.h"

/* Keys. */

bool
gwlb_quoted_key(const struct packet *p, uint32_t endpoint, struct gwlb_key_parts parts,
		struct flow_gateway_key *key)
{
	struct packet_quote q;

	/* The error goes to the sender of what it quotes, or it is none about a flow. */
	if (!packet_parse_quote_any(p, &q) || !ip_addr_equal(&q.src, &p->dst))
		return false;
	flow_gateway_key_set(key, &q.dst, parts.ports ? q.dport_be : 0, &q.src,
			     parts.ports ? q.sport_be : 0, parts.proto ? q.proto : 0, endpoint);
	return true;
}

bool
gwlb_is_opening(const struct packet *p)
{
	return (packet_l4(p)[TCP_FLAGS] & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
}

uint8_t
gwlb_packet_slot(const struct gwlb *g, const struct snapshot *s, const struct packet *p)
{
	const struct snapshot_endpoint *e;
	struct flow_gateway_key key;
	uint32_t cookie_be;

	if (gwlb_is_returned(p))
		return geneve_peek_cookie(p, &cookie_be) ? gwlb_cookie_slot(ntohl(cookie_be)) : 0;
	e = snapshot_endpoint(s, s->interfaces[p->interface].endpoint);
	if (e == NULL)
		return 0;
	gwlb_key(p, s->interfaces[p->interface].endpoint, gwlb_parts_of_endpoint(e), &key);
	return flow_gateway_slot(g->steer, &key);
}

/* Targets. */

enum gwlb_choice
gwlb_choose(const struct gwlb *g, const struct snapshot *s, const struct snapshot_endpoint *e,
	    const struct flow_gateway_key *key, uint32_t *target, enum drop_reason *reason)
{
	const struct target_set *set =
		atomic_load_explicit(&s->groups[e->group].set, memory_order_acquire);
	bool none = set == NULL || set->entries_n == 0;

	*target = 0;
	if (none || set->fail_open) {
		if (e->fail_mode == SNAPSHOT_FAIL_BYPASS)
			return GWLB_BYPASS;
		if (none || e->fail_mode == SNAPSHOT_FAIL_CLOSE) {
			*reason = none ? DROP_NO_TARGET : DROP_TARGET_UNHEALTHY;
			return GWLB_REFUSED;
		}
	}
	*target =
		maglev_lookup(set,
			      maglev_flow_hash(&g->maglev_seed, &key->low, key->low_port_be,
					       &key->high, key->high_port_be, (uint8_t)key->proto),
			      0);
	if (snapshot_target(s, *target) == NULL) {
		*reason = DROP_NO_TARGET;
		return GWLB_REFUSED;
	}
	return GWLB_CHOSEN;
}

/* Records. */

static void
refuse(struct gwlb *g, struct packet *p, uint32_t frontend, enum drop_reason reason)
{
	struct frontend_counters *c = gwlb_frontend_counters(g, frontend);

	c->rejected_flows++;
	c->rejected_tcp += p->proto == IPPROTO_TCP;
	packet_drop(p, reason);
}

static void
fill_record(struct flow_gateway *r, const struct snapshot_endpoint *e,
	    const struct flow_gateway_key *key, uint32_t now_ms)
{
	r->low = key->low;
	r->high = key->high;
	r->low_port_be = key->low_port_be;
	r->high_port_be = key->high_port_be;
	r->endpoint = key->endpoint;
	r->proto = (uint8_t)key->proto;
	r->kind = FLOW_KIND_GATEWAY;
	r->frontend = e->frontend;
	r->flags = key->from_low ? FLOW_GATEWAY_FROM_LOW : 0;
	if (e->flow_key != FLOW_KEY_5_TUPLE)
		r->flags |= FLOW_GATEWAY_NO_PORTS;
	if (e->flow_key == FLOW_KEY_2_TUPLE)
		r->flags |= FLOW_GATEWAY_NO_PROTO;
	r->created_ms = r->last_seen_ms = now_ms;
}

uint32_t
gwlb_flow_create(struct gwlb *g, const struct snapshot *s, const struct snapshot_endpoint *e,
		 struct packet *p, const struct flow_gateway_key *key, uint64_t hash,
		 uint32_t now_ms)
{
	enum drop_reason reason = DROP_FLOW_TABLE_FULL;
	struct flow_gateway *r;
	uint32_t record, target;

	if (gwlb_choose(g, s, e, key, &target, &reason) == GWLB_REFUSED) {
		refuse(g, p, e->frontend, reason);
		return FLOW_NONE;
	}
	record = flow_record_take(g->flows);
	if (record == FLOW_NONE) {
		refuse(g, p, e->frontend, DROP_FLOW_TABLE_FULL);
		return FLOW_NONE;
	}
	r = flow_gateway_of(&g->flows->records[record]);
	fill_record(r, e, key, now_ms);
	r->target = target;
	r->slot = flow_gateway_slot(g->steer, key);
	r->cookie_be = htonl(gwlb_cookie(&g->cookie_key, record, r->slot));
	g->changes++;
	if (!flow_index_add(g->flows, hash, record, FLOW_SIDE_CLIENT)) {
		flow_record_give(g->flows, record);
		refuse(g, p, e->frontend, DROP_FLOW_TABLE_FULL);
		return FLOW_NONE;
	}
	flow_record_commit(g->flows, record, FLOW_ROLE_LOCAL);
	g->in_use++;
	gwlb_frontend_counters(g, r->frontend)->new_flows++;
	gwlb_target_counters(g, r->target)->new_flows++;
	flow_journal_note(&g->journal, FLOW_ESTABLISHED, record, r->version);
	return record;
}

void
gwlb_flow_close(struct gwlb *g, uint32_t record)
{
	struct flow_gateway *r = flow_gateway_of(&g->flows->records[record]);
	struct flow_gateway_key key = flow_gateway_key_of(r);

	g->changes++;
	flow_journal_note(&g->journal, FLOW_CLOSED, record, r->version);
	flow_index_remove(g->flows, flow_gateway_hash(&g->flows->seed, &key), record,
			  FLOW_SIDE_CLIENT);
	gwlb_frontend_counters(g, r->frontend)->closed_flows++;
	gwlb_target_counters(g, r->target)->closed_flows++;
	g->in_use--;
	flow_record_give(g->flows, record);
}

void
gwlb_flow_set_state(struct gwlb *g, uint32_t record, enum flow_state state)
{
	struct flow_gateway *r = flow_gateway_of(&g->flows->records[record]);

	if (r->state == state)
		return;
	r->state = (uint8_t)state;
	__atomic_store_n(&r->version, (uint16_t)(r->version + 2), __ATOMIC_RELEASE);
	if (state == FLOW_STATE_CLOSING || state == FLOW_STATE_RESET)
		flow_journal_note(&g->journal, FLOW_CLOSING, record, r->version);
}

void
gwlb_flow_move(struct gwlb *g, uint32_t record, uint32_t target)
{
	struct flow_gateway *r = flow_gateway_of(&g->flows->records[record]);

	gwlb_target_counters(g, r->target)->closed_flows++;
	gwlb_target_counters(g, target)->new_flows++;
	r->target = target;
	__atomic_store_n(&r->version, (uint16_t)(r->version + 2), __ATOMIC_RELEASE);
	flow_journal_note(&g->journal, FLOW_MOVED, record, r->version);
}

void
gwlb_flow_on_segment(struct gwlb *g, uint32_t record, const struct packet *p, bool from_low)
{
	struct flow_gateway *r = flow_gateway_of(&g->flows->records[record]);
	uint8_t flags = packet_l4(p)[TCP_FLAGS],
		both = FLOW_GATEWAY_FIN_LOW | FLOW_GATEWAY_FIN_HIGH;
	uint8_t reset_by = from_low ? FLOW_GATEWAY_RESET_BY_LOW : 0;
	bool from_first = from_low == ((r->flags & FLOW_GATEWAY_FROM_LOW) != 0);

	if ((flags & TCP_FLAG_RST) != 0) {
		/* A client's RST before it was answered: of an older connection; it tries again. */
		if (r->state == FLOW_STATE_RESET || (r->state == FLOW_STATE_NEW && from_first))
			return;
		r->flags = (uint8_t)((r->flags & ~FLOW_GATEWAY_RESET_BY_LOW) | reset_by);
		gwlb_flow_set_state(g, record, FLOW_STATE_RESET);
		return;
	}
	if ((flags & TCP_FLAG_FIN) != 0)
		r->flags |= from_low ? FLOW_GATEWAY_FIN_LOW : FLOW_GATEWAY_FIN_HIGH;
	if ((r->flags & both) == both) {
		if (r->state != FLOW_STATE_RESET)
			gwlb_flow_set_state(g, record, FLOW_STATE_CLOSING);
		return;
	}
	if (r->state == FLOW_STATE_NEW && !from_first)
		gwlb_flow_set_state(g, record, FLOW_STATE_ESTABLISHED);
	/* A RST may have been forged or out of window: the other end going on disproves it. */
	if (r->state == FLOW_STATE_RESET && (r->flags & FLOW_GATEWAY_RESET_BY_LOW) != reset_by)
		gwlb_flow_set_state(g, record, FLOW_STATE_ESTABLISHED);
}

/* Answers. */

static void
count_answered(struct gwlb *g, enum drop_reason reason)
{
	g->counters->drops[reason]++;
	g->counters->answered++;
}

/* The Ethernet addresses of an answer to the packet: its own, swapped. */
static void
swap_macs(const struct packet *p, uint8_t macs[12])
{
	const uint8_t *l2 = p->l3 - p->l2_len;

	memcpy(macs, l2 + 6, 6);
	memcpy(macs + 6, l2, 6);
}

/* On a wire an answer goes back where the packet came from; elsewhere by its route. */
static void
send_answer(struct gwlb *g, const struct snapshot *s, struct packet *p, const uint8_t macs[12],
	    uint32_t now_ms)
{
	if (!s->interfaces[p->interface].in_line)
		return;
	p->verdict = PACKET_LINK;
	p->next_hop = gwlb_link_intern(g->links, &g->flows->seed, macs, p->interface, now_ms);
}

void
gwlb_reset_sender(struct gwlb *g, const struct snapshot *s, struct packet *p, uint32_t frontend,
		  enum drop_reason reason, uint32_t now_ms)
{
	uint8_t macs[12];

	swap_macs(p, macs);
	if (!tcp_reset_reply(p)) {
		packet_drop(p, reason);
		return;
	}
	count_answered(g, reason);
	gwlb_frontend_counters(g, frontend)->elb_resets++;
	send_answer(g, s, p, macs, now_ms);
}

void
gwlb_answer_error(struct gwlb *g, const struct snapshot *s, struct packet *p, uint8_t type,
		  uint8_t code, uint32_t mtu, enum drop_reason reason, uint32_t now_ms)
{
	const struct snapshot_interface *i = &s->interfaces[p->interface];
	const struct ip_addr *own = p->af == 4 ? &i->v4 : &i->v6;
	/* A wire has no address: the answer seems to come from where the packet went. */
	struct ip_addr from = ip_addr_is_unspecified(own) ? p->dst : *own;
	uint8_t macs[12];

	swap_macs(p, macs);
	if (!icmp_limit_take(&g->icmp_limit, now_ms)) {
		packet_drop(p, DROP_ICMP_RATE_LIMITED);
		return;
	}
	if (!icmp_error(p, &from, type, code, mtu)) {
		packet_drop(p, reason);
		return;
	}
	count_answered(g, reason);
	send_answer(g, s, p, macs, now_ms);
}
