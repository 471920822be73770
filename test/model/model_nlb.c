/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet path against a list of connections: random segments, datagrams, replies and ICMP
 * errors in bursts, while targets turn unhealthy, listeners are reloaded, time passes, indexes are
 * rebuilt and the table moves to other memory.
 *
 * The twin knows which flows there are and how each is translated.  It does not choose targets or
 * ports: it takes what the first packet of a flow got and holds every later packet against it.
 */
#include "nlb_world.h"

#include "clock.h"

#define FLOWS_MAX 160 /* of the table: it fills up */
#define TWINS     400
#define CLIENTS   6
#define PORTS     24
#define FRONT     0
#define BACK      1

#define BASE                                                                                    \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"local_address = 198.51.100.2\nlocal_address = 198.51.100.3\n"                          \
	"local_address = 2001:db8:2::1\n"                                                       \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"                            \
	"[load_balancer lb6]\ntype = network\naddress = 2001:db8:1::10\n"
#define WEB_A "target = 198.51.100.11:8080\ntarget = 198.51.100.12:8080\n"
#define WEB_B "target = 198.51.100.12:8080\ntarget = 198.51.100.11:8080\n"
#define REST                                                                       \
	"[target_group keep]\nprotocol = TCP\npreserve_client_ip.enabled = true\n" \
	"target = 198.51.100.21:80\ntarget = 198.51.100.22:80\n"                   \
	"[target_group dns]\nprotocol = UDP\npreserve_client_ip.enabled = false\n" \
	"target = 198.51.100.11:53\ntarget = 198.51.100.12:53\n"                   \
	"[target_group web6]\nprotocol = TCP\ntarget = [2001:db8:2::11]:8080\n"    \
	"[listener lb:81]\nprotocol = TCP\ndefault_action = forward keep\n"        \
	"[listener lb:82]\nprotocol = TCP\ndefault_action = forward keep\n"        \
	"[listener lb:53]\nprotocol = UDP\ndefault_action = forward dns\n"         \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"         \
	"[listener lb6:80]\nprotocol = TCP\ndefault_action = forward web6\n"
#define WEB "[target_group web]\nprotocol = TCP\n"

/* The same twice, in another order. */
static const char *const configs[2] = {BASE WEB WEB_A REST, BASE REST WEB WEB_B};

static const struct {
	const char *vip;
	uint16_t port;
	bool udp, full_nat;
} listeners[] = {
	{"192.0.2.10", 80, false, true},     {"192.0.2.10", 81, false, false},
	{"192.0.2.10", 82, false, false},    {"192.0.2.10", 53, true, true},
	{"2001:db8:1::10", 80, false, true},
};

#define LISTENERS (sizeof(listeners) / sizeof(listeners[0]))

struct twin {
	bool live;
	unsigned listener, client;
	uint16_t port;
	struct ip_addr local, target; /* as the target sees the flow */
	uint16_t local_port_be, target_port_be;
	enum flow_state state;
	bool fin[2], reset_by_target;
	uint32_t last_ms, health; /* changes of health when it began */
};

enum event_kind { FROM_CLIENT, FROM_TARGET, ICMP_TO_CLIENT, ICMP_TO_TARGET, STRAY_REPLY };

struct event {
	enum event_kind kind;
	uint8_t flags;
	unsigned listener, client;
	uint16_t port;
	struct twin *about; /* replies and ICMP errors: as it was when they were made */
	struct twin was;
};

struct lab {
	struct world w;
	struct twin twins[TWINS];
	unsigned long long state;
	uint32_t health; /* changes of health */
	uint32_t full;   /* refusals for want of a record, since the table began */
	unsigned long forwarded, created, refused, resets, icmp, plain, asked;
};

static unsigned
pick(struct lab *lab, unsigned n)
{
	return (unsigned)(unit_random(&lab->state) % n);
}

static const char *
client_text(unsigned listener, unsigned client, char *text)
{
	snprintf(text, IP_ADDR_TEXT_MAX,
		 strchr(listeners[listener].vip, ':') != NULL ? "2001:db8:1::%u" : "192.0.2.%u",
		 20 + client);
	return text;
}

static struct ip_addr
client_addr(unsigned listener, unsigned client)
{
	char text[IP_ADDR_TEXT_MAX];

	return world_addr(client_text(listener, client, text));
}

static struct twin *
find_twin(struct lab *lab, unsigned listener, unsigned client, uint16_t port)
{
	for (int i = 0; i < TWINS; i++) {
		struct twin *t = &lab->twins[i];

		if (t->live && t->listener == listener && t->client == client && t->port == port)
			return t;
	}
	return NULL;
}

static uint32_t
live_twins(const struct lab *lab, bool full_nat_only)
{
	uint32_t n = 0;

	for (int i = 0; i < TWINS; i++)
		n += lab->twins[i].live &&
		     (!full_nat_only || listeners[lab->twins[i].listener].full_nat);
	return n;
}

/* The record of the connection, by scanning. */
static const struct flow_record *
scan(const struct lab *lab, const struct twin *t)
{
	struct ip_addr client = client_addr(t->listener, t->client);
	struct ip_addr vip = world_addr(listeners[t->listener].vip);

	for (uint32_t i = 0; i < lab->w.nlb->flows.records_n; i++) {
		const struct flow_record *r = &lab->w.nlb->flows.records[i];
		const struct snapshot_frontend *f;

		if (r->role == FLOW_ROLE_FREE || !ip_addr_equal(&r->client, &client) ||
		    r->client_port_be != htons(t->port))
			continue;
		f = snapshot_frontend(lab->w.snapshot, r->frontend);
		if (f != NULL && f->port_be == htons(listeners[t->listener].port) &&
		    ip_addr_equal(&f->vip, &vip))
			return r;
	}
	return NULL;
}

/* Making events. */

static uint8_t
random_flags(struct lab *lab, bool from_target)
{
	switch (pick(lab, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return from_target ? TCP_FLAG_SYN | TCP_FLAG_ACK : TCP_FLAG_SYN;
	case 4:
	case 5:
		return TCP_FLAG_FIN | TCP_FLAG_ACK;
	case 6:
		return TCP_FLAG_RST | TCP_FLAG_ACK;
	default:
		return TCP_FLAG_ACK;
	}
}

static void
make_icmp(struct world_packet *wp, const struct event *e)
{
	/* The quoted packet: what weir sent to the target, or to the client. */
	char a[IP_ADDR_TEXT_MAX], b[IP_ADDR_TEXT_MAX];
	bool to_client = e->kind == ICMP_TO_CLIENT;
	const struct twin *t = &e->was;
	struct world_packet quoted;
	uint8_t icmp[8 + 48] = {0};
	uint16_t len;
	bool v4;

	if (to_client)
		ip_addr_format(&t->local, a), ip_addr_format(&t->target, b);
	else
		strcpy(a, listeners[t->listener].vip), client_text(t->listener, t->client, b);
	if (listeners[t->listener].udp)
		world_udp(&quoted, a, to_client ? ntohs(t->local_port_be) : 53, b,
			  to_client ? ntohs(t->target_port_be) : t->port);
	else
		world_tcp(&quoted, a,
			  to_client ? ntohs(t->local_port_be) : listeners[t->listener].port, b,
			  to_client ? ntohs(t->target_port_be) : t->port, TCP_FLAG_ACK, 0);
	v4 = quoted.frame[14] >> 4 == 4;
	len = v4 ? 28 : 48; /* eight bytes of L4, the least there is */
	icmp[0] = v4 ? ICMP_DEST_UNREACHABLE : ICMPV6_PACKET_TOO_BIG;
	icmp[1] = v4 ? ICMP_FRAGMENTATION_NEEDED : 0;
	bytes_store_be16(icmp + 6, 1300);
	memcpy(icmp + 8, quoted.frame + 14, len);
	world_make(wp, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, v4 ? "203.0.113.1" : "2001:db8:9::1", a,
		   icmp, (uint16_t)(8 + len));
}

static void
make_event(struct lab *lab, struct event *e, struct world_packet *wp)
{
	char src[IP_ADDR_TEXT_MAX], dst[IP_ADDR_TEXT_MAX];
	struct twin *t = &lab->twins[pick(lab, TWINS)];
	unsigned kind = pick(lab, 20);

	*e = (struct event){.kind = FROM_CLIENT,
			    .listener = pick(lab, LISTENERS),
			    .client = pick(lab, CLIENTS),
			    .port = (uint16_t)(2000 + pick(lab, PORTS)),
			    .flags = random_flags(lab, false)};
	if (kind == 19) {
		e->kind = STRAY_REPLY;
		world_tcp(wp, "198.51.100.11", 8081, "198.51.100.2",
			  (uint16_t)(1 + pick(lab, 65535)), TCP_FLAG_ACK, 0);
		return;
	}
	if (kind >= 9 && t->live) {
		e->kind = kind == 18   ? ICMP_TO_CLIENT
			  : kind == 17 ? ICMP_TO_TARGET
			  : kind >= 12 ? FROM_TARGET
				       : FROM_CLIENT;
		e->flags = random_flags(lab, e->kind == FROM_TARGET);
		e->listener = t->listener;
		e->client = t->client;
		e->port = t->port;
		e->about = t;
		e->was = *t;
	}
	if (e->kind == ICMP_TO_CLIENT || e->kind == ICMP_TO_TARGET) {
		make_icmp(wp, e);
		return;
	}
	if (e->kind == FROM_TARGET) {
		ip_addr_format(&t->target, src);
		ip_addr_format(&t->local, dst);
		if (listeners[t->listener].udp)
			world_udp(wp, src, ntohs(t->target_port_be), dst, ntohs(t->local_port_be));
		else
			world_tcp(wp, src, ntohs(t->target_port_be), dst, ntohs(t->local_port_be),
				  e->flags, (uint16_t)pick(lab, 30));
		return;
	}
	client_text(e->listener, e->client, src);
	if (listeners[e->listener].udp)
		world_udp(wp, src, e->port, listeners[e->listener].vip,
			  listeners[e->listener].port);
	else
		world_tcp(wp, src, e->port, listeners[e->listener].vip, listeners[e->listener].port,
			  e->flags, (uint16_t)pick(lab, 30));
}

/* The twin's rules. */

static void
twin_sees(struct lab *lab, struct twin *t, uint8_t flags, bool from_target)
{
	t->last_ms = lab->w.now_ms;
	if (listeners[t->listener].udp)
		return;
	if ((flags & TCP_FLAG_RST) != 0) {
		if (t->state == FLOW_STATE_NEW && !from_target)
			return; /* it is about an older connection of the target's */
		if (t->state != FLOW_STATE_RESET)
			t->reset_by_target = from_target;
		t->state = FLOW_STATE_RESET;
		return;
	}
	if ((flags & TCP_FLAG_FIN) != 0)
		t->fin[from_target] = true;
	if (t->fin[0] && t->fin[1]) {
		if (t->state != FLOW_STATE_RESET)
			t->state = FLOW_STATE_CLOSING;
	} else if ((t->state == FLOW_STATE_NEW && from_target && (flags & TCP_FLAG_SYN) != 0) ||
		   (t->state == FLOW_STATE_RESET && from_target != t->reset_by_target)) {
		t->state = FLOW_STATE_ESTABLISHED;
	}
}

static bool
is_translated(const struct twin *t, const struct packet *p)
{
	return ip_addr_equal(&p->src, &t->local) && ip_addr_equal(&p->dst, &t->target) &&
	       p->sport_be == t->local_port_be && p->dport_be == t->target_port_be;
}

static void
twin_begins(struct lab *lab, const struct event *e, const struct packet *p)
{
	struct ip_addr client = client_addr(e->listener, e->client);
	struct twin *t = NULL;

	for (int i = 0; i < TWINS; i++) {
		struct twin *other = &lab->twins[i];

		if (!other->live) {
			t = other;
			continue;
		}
		/* No two flows share what a reply looks like. */
		EXPECT(listeners[other->listener].udp != listeners[e->listener].udp ||
		       !is_translated(other, p));
	}
	EXPECT(t != NULL);
	if (t == NULL)
		exit(unit_done());
	*t = (struct twin){.live = true,
			   .listener = e->listener,
			   .client = e->client,
			   .port = e->port,
			   .local = p->src,
			   .target = p->dst,
			   .local_port_be = p->sport_be,
			   .target_port_be = p->dport_be,
			   .last_ms = lab->w.now_ms,
			   .health = lab->health};
	if (listeners[e->listener].full_nat) {
		EXPECT(!ip_addr_equal(&p->src, &client));
		EXPECT(steer_slot_of_port(p->sport_be) ==
		       steer_slot(&lab->w.nlb->steer, &client, htons(e->port)));
	} else {
		EXPECT(ip_addr_equal(&p->src, &client) && p->sport_be == htons(e->port));
	}
	lab->created++;
}

static void
expect_reset(struct lab *lab, const struct packet *p)
{
	EXPECT(p->verdict == PACKET_FORWARD && (p->flags & PACKET_REPLY) != 0);
	EXPECT((packet_l4(p)[TCP_FLAGS] & TCP_FLAG_RST) != 0);
	EXPECT(world_checksums(p));
	lab->resets++;
}

/* Whoever sends is reset, unless it resets; when both are through, the flow is gone. */
static void
terminating_sees(struct lab *lab, struct twin *t, uint8_t flags, bool from_target,
		 const struct packet *p)
{
	if ((flags & TCP_FLAG_RST) != 0)
		EXPECT(p->verdict == PACKET_DROP && p->drop == DROP_NOT_A_FLOW);
	else
		expect_reset(lab, p);
	t->fin[from_target] = true;
	t->live = !t->fin[0] || !t->fin[1];
}

/* A packet of a client for a listener. */
static void
check_from_client(struct lab *lab, const struct event *e, const struct packet *p)
{
	struct twin *t = find_twin(lab, e->listener, e->client, e->port);
	bool udp = listeners[e->listener].udp;
	bool syn = !udp && (e->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;

	if (t != NULL && syn) {
		bool over = t->state >= FLOW_STATE_CLOSING;
		bool again = t->state == FLOW_STATE_NEW;

		/* Not answered, and another target would be chosen now: that one is. */
		if (over || (again && !(p->verdict == PACKET_FORWARD && is_translated(t, p)))) {
			EXPECT(over || t->health != lab->health ||
			       !listeners[e->listener].full_nat);
			t->live = false;
			t = NULL;
		}
	}
	if (t != NULL && t->state == FLOW_STATE_TERMINATING) {
		terminating_sees(lab, t, e->flags, false, p);
		return;
	}
	if (t != NULL) {
		EXPECT(p->verdict == PACKET_FORWARD && is_translated(t, p) && world_checksums(p));
		twin_sees(lab, t, e->flags, false);
		lab->forwarded++;
		return;
	}
	if (!udp && !syn) {
		if ((e->flags & TCP_FLAG_RST) != 0)
			EXPECT(p->verdict == PACKET_DROP && p->drop == DROP_NOT_A_FLOW);
		else
			expect_reset(lab, p);
		return;
	}
	if (p->verdict == PACKET_FORWARD) {
		EXPECT((p->flags & PACKET_REPLY) == 0 && world_checksums(p));
		EXPECT(live_twins(lab, false) < FLOWS_MAX);
		twin_begins(lab, e, p);
		return;
	}
	lab->refused++;
	EXPECT(p->verdict == PACKET_DROP);
	if (p->drop == DROP_FLOW_TABLE_FULL) {
		EXPECT(live_twins(lab, false) == FLOWS_MAX);
		lab->full++;
		return;
	}
	/* Both targets have a reply of this shape already. */
	EXPECT(p->drop == DROP_PORT_ALLOCATION && !listeners[e->listener].full_nat);
}

/* A packet of a target towards what it took for the client. */
static void
check_from_target(struct lab *lab, const struct event *e, const struct packet *p)
{
	struct ip_addr client = client_addr(e->listener, e->client);
	struct ip_addr vip = world_addr(listeners[e->listener].vip);
	struct twin *t = NULL;

	/* The flow may have ended, and its tuple may serve another, since the packet was made. */
	for (int i = 0; i < TWINS && t == NULL; i++) {
		struct twin *other = &lab->twins[i];

		if (other->live && ip_addr_equal(&other->local, &e->was.local) &&
		    ip_addr_equal(&other->target, &e->was.target) &&
		    other->local_port_be == e->was.local_port_be &&
		    other->target_port_be == e->was.target_port_be &&
		    listeners[other->listener].udp == listeners[e->listener].udp)
			t = other;
	}
	if (t != NULL && t->state == FLOW_STATE_TERMINATING) {
		terminating_sees(lab, t, e->flags, true, p);
	} else if (t != NULL) {
		client = client_addr(t->listener, t->client);
		EXPECT(p->verdict == PACKET_FORWARD && (p->flags & PACKET_REPLY) == 0);
		EXPECT(ip_addr_equal(&p->dst, &client) && p->dport_be == htons(t->port));
		EXPECT(ip_addr_equal(&p->src, &vip));
		EXPECT(p->sport_be == htons(listeners[t->listener].port));
		EXPECT(world_checksums(p));
		twin_sees(lab, t, e->flags, true);
		lab->forwarded++;
	} else if (!listeners[e->listener].udp && listeners[e->listener].full_nat &&
		   (e->flags & TCP_FLAG_RST) == 0) {
		expect_reset(lab, p);
	} else {
		EXPECT(p->verdict == PACKET_DROP);
	}
}

static void
check_icmp(struct lab *lab, const struct event *e, const struct packet *p)
{
	struct ip_addr client = client_addr(e->listener, e->client);
	struct ip_addr vip = world_addr(listeners[e->listener].vip);
	const struct twin *t = &e->was;
	struct packet_quote q;

	lab->icmp++;
	EXPECT(p->verdict == PACKET_FORWARD && world_checksums(p));
	EXPECT(packet_parse_quote(p, &q));
	if (e->kind == ICMP_TO_CLIENT) {
		EXPECT(ip_addr_equal(&p->dst, &client) && ip_addr_equal(&p->src, &vip));
		EXPECT(ip_addr_equal(&q.src, &client) && ip_addr_equal(&q.dst, &vip));
		EXPECT(q.sport_be == htons(e->port) &&
		       q.dport_be == htons(listeners[e->listener].port));
	} else {
		EXPECT(ip_addr_equal(&p->dst, &t->target));
		EXPECT(ip_addr_equal(&q.src, &t->target) && ip_addr_equal(&q.dst, &t->local));
		EXPECT(q.sport_be == t->target_port_be && q.dport_be == t->local_port_be);
	}
	EXPECT(p->af == 6 || checksum(q.l3, 20) == 0);
}

static void
check_event(struct lab *lab, const struct event *e, const struct packet *p)
{
	switch (e->kind) {
	case FROM_CLIENT:
		check_from_client(lab, e, p);
		break;
	case FROM_TARGET:
		check_from_target(lab, e, p);
		break;
	case STRAY_REPLY:
		expect_reset(lab, p);
		break;
	case ICMP_TO_CLIENT:
	case ICMP_TO_TARGET:
		break; /* checked before */
	}
}

static void
send_burst(struct lab *lab)
{
	static struct world_packet wps[NLB_BURST];
	static uint8_t before[sizeof(wps[0].frame)];
	struct packet *packets[NLB_BURST];
	struct event events[NLB_BURST];
	struct world_plain plain;
	uint16_t n = (uint16_t)(1 + (pick(lab, 2) == 0 ? 0 : pick(lab, NLB_BURST)));

	for (uint16_t i = 0; i < n; i++) {
		struct packet_frame frame;
		struct packet_link link;

		make_event(lab, &events[i], &wps[i]);
		frame = (struct packet_frame){wps[i].frame, wps[i].len, wps[i].len, WORLD_ROOM};
		EXPECT(packet_parse_link(&frame, &link) == DROP_NONE);
		EXPECT(packet_parse(&frame, &link, &wps[i].p) == DROP_NONE);
		wps[i].p.interface = events[i].kind == FROM_TARGET ? BACK : FRONT;
		packets[i] = &wps[i].p;
	}
	/* The first packet sees the flows as they were: the short way has to agree about it. */
	memcpy(before, wps[0].frame, wps[0].len);
	world_plain_try(&lab->w, &plain, wps[0].frame, wps[0].len);
	lab->plain += plain.p.hop != NULL;
	nlb_burst(lab->w.nlb, lab->w.snapshot, &lab->w.hops, packets, n, lab->w.now_ms);
	EXPECT(world_plain_agrees(&lab->w, &plain, before, wps[0].len, packets[0]));
	for (uint16_t i = 0; i < n; i++) { /* translated before the burst changes any flow */
		if (events[i].kind == ICMP_TO_CLIENT || events[i].kind == ICMP_TO_TARGET)
			check_icmp(lab, &events[i], &wps[i].p);
	}
	for (uint16_t i = 0; i < n; i++)
		check_event(lab, &events[i], &wps[i].p);
}

/* Time and the sweep. */

static uint32_t
limit_ms(const struct twin *t)
{
	if (listeners[t->listener].udp)
		return 120000;
	switch (t->state) {
	case FLOW_STATE_NEW:
		return NLB_NEW_MS;
	case FLOW_STATE_CLOSING:
		return NLB_CLOSING_MS;
	case FLOW_STATE_RESET:
		return NLB_RESET_MS;
	case FLOW_STATE_TERMINATING:
		return NLB_TERMINATE_MS;
	case FLOW_STATE_ESTABLISHED:
		break;
	}
	return 350000;
}

/* Both sides of an idle connection are asked for their numbers; none answers here. */
static void
terminates(struct twin *t, const struct flow_record *r)
{
	if (r == NULL || r->state != FLOW_STATE_TERMINATING || t->state == FLOW_STATE_TERMINATING)
		return;
	EXPECT(t->state == FLOW_STATE_ESTABLISHED);
	EXPECT(r->last_seen_ms - t->last_ms >= limit_ms(t));
	EXPECT(r->last_seen_ms - t->last_ms <= limit_ms(t) + 1100);
	t->state = FLOW_STATE_TERMINATING;
	t->last_ms = r->last_seen_ms;
	t->fin[0] = t->fin[1] = false; /* sides that were reset */
}

static void
pass_time(struct lab *lab)
{
	uint32_t ms = pick(lab, pick(lab, 3) == 0 ? 40000 : 300);
	struct nlb_segment segments[NLB_SEGMENTS];

	for (; ms > 0; ms--) {
		lab->w.now_ms++;
		nlb_sweep(lab->w.nlb, lab->w.snapshot, lab->w.now_ms);
		lab->asked += nlb_take_segments(lab->w.nlb, segments);
	}
	for (int i = 0; i < TWINS; i++) {
		struct twin *t = &lab->twins[i];
		const struct flow_record *r;
		uint32_t idle_ms;
		bool there;

		if (!t->live)
			continue;
		r = scan(lab, t);
		there = r != NULL;
		if (!there && t->state == FLOW_STATE_ESTABLISHED) {
			/* It terminated and ended since we last looked. */
			EXPECT(lab->w.now_ms - t->last_ms >= limit_ms(t) + NLB_TERMINATE_MS);
			t->live = false;
			continue;
		}
		terminates(t, r);
		idle_ms = lab->w.now_ms - t->last_ms;
		EXPECT(there || idle_ms >= limit_ms(t));
		EXPECT(!there || idle_ms <= limit_ms(t) + 1100);
		t->live = there;
	}
}

/* What must hold between bursts. */
static void
check_sums(const struct lab *lab)
{
	const struct worker_counters *c = &lab->w.counters;
	uint64_t by_frontend = 0, by_target = 0;
	struct nlb_gauges g;

	nlb_gauges(lab->w.nlb, &g);
	for (uint32_t i = 0; i < lab->w.snapshot->frontends_n; i++)
		by_frontend += c->frontends[i].new_flows - c->frontends[i].closed_flows;
	for (uint32_t i = 0; i < lab->w.snapshot->targets_n; i++)
		by_target += c->targets[i].new_flows - c->targets[i].closed_flows;
	EXPECT(g.flows == live_twins(lab, false));
	EXPECT(g.ports == live_twins(lab, true));
	EXPECT(by_frontend == g.flows && by_target == g.flows);
	EXPECT(g.insert_failures == lab->full);
	for (int i = 0; i < TWINS; i++) {
		const struct twin *t = &lab->twins[i];
		const struct flow_record *r = t->live ? scan(lab, t) : NULL;

		EXPECT(!t->live || (r != NULL &&
				    (listeners[t->listener].udp || r->state == (uint8_t)t->state)));
	}
}

static void
change_health(struct lab *lab)
{
	lab->w.unhealthy[pick(lab, 2)] = pick(lab, 2) == 0;
	world_build_sets(&lab->w);
	lab->health++;
}

/* What is unhealthy goes by position, and so moves to others. */
static void
change_configuration(struct lab *lab)
{
	world_publish(&lab->w, configs[pick(lab, 2)]);
	lab->health++;
}

/* The records to other memory and a load balancer with other seeds, which starts from them. */
static void
move(struct lab *lab)
{
	struct world *w = &lab->w;
	void *mem = world_zeroed(w->nlb_bytes);
	struct nlb *moved = nlb_create(mem, w->nlb_bytes, &w->settings);

	memcpy(moved->flows.records, w->nlb->flows.records, FLOWS_MAX * sizeof(struct flow_record));
	moved->swept_ms = w->now_ms;
	EXPECT(nlb_rebuild(moved, w->snapshot));
	memset(w->nlb_mem, 0xa5, w->nlb_bytes);
	free(w->nlb_mem);
	w->nlb_mem = mem;
	w->nlb = moved;
	lab->full = 0;
}

static void
run(struct lab *lab, uint32_t start_ms)
{
	lab->forwarded = lab->created = lab->refused = lab->resets = lab->icmp = 0;
	lab->health = 0;
	lab->full = 0;
	memset(lab->twins, 0, sizeof(lab->twins));
	world_begin(&lab->w, configs[0], FLOWS_MAX, start_ms);
	lab->w.nlb->swept_ms = start_ms;
	for (unsigned long round = unit_rounds(1500); round > 0; round--) {
		send_burst(lab);
		check_sums(lab);
		if (pick(lab, 3) == 0)
			pass_time(lab);
		if (pick(lab, 20) == 0)
			change_health(lab);
		if (pick(lab, 20) == 0)
			change_configuration(lab);
		if (pick(lab, 20) == 0)
			EXPECT(nlb_rebuild(lab->w.nlb, lab->w.snapshot));
		if (pick(lab, 20) == 0)
			move(lab);
	}
	printf("forwarded %lu, created %lu, refused %lu, resets %lu, ICMP %lu, short way %lu\n",
	       lab->forwarded, lab->created, lab->refused, lab->resets, lab->icmp, lab->plain);
	printf("asked %lu\n", lab->asked);
	EXPECT(lab->forwarded > 0 && lab->created > 0 && lab->resets > 0 && lab->icmp > 0 &&
	       lab->plain > 0);
	world_end(&lab->w);
}

int
main(void)
{
	static struct lab lab;

	lab.state = unit_seed(17);
	run(&lab, 1000);
	run(&lab, UINT32_MAX - 10000); /* ten seconds before the wrap */
	return unit_done();
}
