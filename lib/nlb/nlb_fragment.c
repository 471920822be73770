/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_fragment.h"

#include <netinet/in.h>

struct nlb_way
nlb_way_of(const struct snapshot *s, struct flow_record *r, enum flow_side from)
{
	const struct snapshot_frontend *f = &s->frontends[ref_index(r->frontend)];
	const struct snapshot_target *target = &s->targets[ref_index(r->target)];

	if (from == FLOW_SIDE_TARGET)
		return (struct nlb_way){{&f->vip, &r->client, f->port_be, r->client_port_be},
					&r->next_hop_client,
					NULL};
	return (struct nlb_way){{(r->flags & FLOW_FLAG_FULL_NAT) != 0
					 ? &s->locals[ref_index(r->local)].addr
					 : &r->client,
				 &target->addr, r->local_port_be, target->port_be},
				&r->next_hop_target,
				&f->vip};
}

void
nlb_fragment_rewrite(struct packet *p, const struct rewrite *rewrite)
{
	uint64_t diff = rewrite_addresses(p->l3, p->af, rewrite->src, rewrite->dst);

	if (p->af == 4)
		rewrite_sum(p->l3 + IPV4_CHECKSUM, diff + ip_ttl_decrement_v4(p->l3));
	else
		p->l3[IPV6_HOP_LIMIT]--;
	p->src = *rewrite->src;
	p->dst = *rewrite->dst;
	p->sport_be = rewrite->sport_be;
	p->dport_be = rewrite->dport_be;
}

enum drop_reason
nlb_fragment_refused(const struct snapshot *s, const struct packet *p)
{
	uint8_t bit = p->proto == IPPROTO_TCP ? SNAPSHOT_TCP : SNAPSHOT_UDP;
	uint32_t frontend = snapshot_find_frontend(s, &p->dst, p->dport_be, bit);

	return s->frontends[frontend].terminates ? DROP_FRAGMENT_UNSUPPORTED : DROP_NOT_A_FLOW;
}
