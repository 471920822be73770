/* SPDX-License-Identifier: BSD-3-Clause */
/* What routers say (RFC 1191, 8201, 5927), and what they fail to say (RFC 8899 section 4.3). */
#include "bytes.h"
#include "tcp_engine.h"

/* Below these no path is: less would be an attack (CVE-2004-0790). */
#define MTU_MIN_V4 552u
#define MTU_BASE   1200u /* RFC 8899 section 5.1.2 */

#define ICMP_PORT_UNREACHABLE 3

static uint32_t
mss_of_mtu(const struct tcp_connection *c, uint32_t mtu)
{
	uint32_t headers = (c->endpoint.tuple.af == 4 ? IPV4_MIN_LEN : IPV6_MIN_LEN) + TCP_MIN_LEN;

	return mtu - headers - ((c->is & TCP_IS_TIMESTAMPS) != 0 ? TCP_TIMESTAMPS_LEN : 0);
}

/* What is in flight and doesn't fit has been dropped: it goes again, in pieces. */
void
tcp_pmtu_lower(struct tcp *tcp, struct tcp_connection *c, uint32_t mtu)
{
	uint32_t least = c->endpoint.tuple.af == 4 ? MTU_MIN_V4 : IPV6_MIN_MTU, mss;

	mss = mss_of_mtu(c, mtu < least ? least : mtu);
	if (mss >= c->endpoint.mss)
		return;
	for (struct tcp_sent *s = c->sent_first; s != NULL; s = s->next) {
		if (s->len <= mss || (s->flags & (TCP_SENT_SACKED | TCP_SENT_LOST)) != 0)
			continue;
		s->flags |= TCP_SENT_LOST;
		c->lost += s->len + (s->flags & TCP_SENT_FIN);
	}
	c->endpoint.mss = (uint16_t)mss;
	tcp_touch(tcp, c);
}

void
tcp_pmtu_suspect(struct tcp_connection *c)
{
	uint32_t mtu = c->endpoint.tuple.af == 4 ? MTU_BASE : IPV6_MIN_MTU;
	uint32_t mss = mss_of_mtu(c, mtu);

	if (c->sent_first != NULL && c->sent_first->len > mss && c->endpoint.mss > mss)
		c->endpoint.mss = (uint16_t)mss;
}

/* The MTU in a message, 0: it is about something else. */
static uint32_t
mtu_of(const struct packet *p, const uint8_t *icmp)
{
	if (p->af == 4) {
		if (icmp[ICMP_TYPE] != ICMP_DEST_UNREACHABLE ||
		    icmp[ICMP_CODE] != ICMP_FRAGMENTATION_NEEDED)
			return 0;
		/* Routers before RFC 1191 leave it out. */
		return bytes_load_be16(icmp + ICMP_MTU) == 0 ? MTU_MIN_V4
							     : bytes_load_be16(icmp + ICMP_MTU);
	}
	return icmp[ICMP_TYPE] == ICMPV6_PACKET_TOO_BIG ? bytes_load_be32(icmp + ICMPV6_MTU) : 0;
}

static bool
is_unreachable(const struct packet *p, const uint8_t *icmp)
{
	return icmp[ICMP_TYPE] == (p->af == 4 ? ICMP_DEST_UNREACHABLE : ICMPV6_DEST_UNREACHABLE);
}

/* RFC 5927 section 4.1: the quote is of what is in flight, or a stranger made it up. */
void
tcp_input_icmp(struct tcp *tcp, const struct packet *p, const struct packet_quote *quote)
{
	const uint8_t *icmp = packet_l4(p);
	struct tcp_tuple tuple = {.local = quote->src,
				  .remote = quote->dst,
				  .local_port_be = quote->sport_be,
				  .remote_port_be = quote->dport_be,
				  .af = p->af};
	struct tcp_endpoint *e = tcp_table_find(tcp, &tuple, tcp_tuple_hash(tcp, &tuple));
	struct tcp_connection *c;
	uint32_t seq, mtu;

	if (p->len < p->l4_off + ICMP_MIN_LEN || p->contiguous < p->l4_off + ICMP_MIN_LEN ||
	    quote->len < quote->l4_off + 8 || e == NULL || e->kind != TCP_KIND_CONNECTION)
		return;
	c = (struct tcp_connection *)(void *)e;
	seq = bytes_load_be32(quote->l3 + quote->l4_off + TCP_SEQ);
	if (seq_lt(seq, c->snd_una) || !seq_lt(seq, c->snd_nxt))
		return;
	mtu = mtu_of(p, icmp);
	if (mtu != 0)
		tcp_pmtu_lower(tcp, c, mtu);
	else if (c->endpoint.state == TCP_STATE_SYN_SENT && is_unreachable(p, icmp))
		tcp_connection_over(tcp, c, TCP_CLOSE_UNREACHED);
	/* Once established, hard errors are soft (section 5.2): retransmission decides. */
}
